/* SPDX-License-Identifier: MIT */

/* RFC 8446 7.2 and 7.3. */

#include "secrets.h"
#include "aead.h"

int ktls_secret_keys(const struct ktls_secret *secret, unsigned int cipher,
		     struct kern_keys *ret_keys)
{
	_cleanup_(kern_keys_wipe) struct kern_keys keys = { .protocol = KTLS_TLS_1_3,
							    .cipher = (uint16_t)cipher };
	int r;

	r = ktls_aead_expand_label(cipher, secret->bytes, "key", keys.key,
				   kern_cipher(cipher)->key_len);
	if (r < 0)
		return r;
	r = ktls_aead_expand_label(cipher, secret->bytes, "iv", keys.iv, sizeof(keys.iv));
	if (r < 0)
		return r;
	*ret_keys = keys;
	return 0;
}

int ktls_secret_next(const struct ktls_secret *secret, unsigned int cipher,
		     struct ktls_secret *ret_next)
{
	_cleanup_(ktls_secret_wipe) struct ktls_secret next = { 0 };
	int r;

	r = ktls_aead_expand_label(cipher, secret->bytes, "traffic upd", next.bytes,
				   ktls_aead_hash_len(cipher));
	if (r < 0)
		return r;
	*ret_next = next;
	return 0;
}
