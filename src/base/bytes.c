/* SPDX-License-Identifier: MIT */

/* Bytes that may be secret; see bytes.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

void ktls_bytes_free(struct ktls_bytes *bytes)
{
	if (bytes->data)
		explicit_bzero(bytes->data, bytes->len);
	free(bytes->data);
	*bytes = (struct ktls_bytes){ NULL, 0 };
}

int ktls_bytes_append(struct ktls_bytes *bytes, const void *data, size_t len)
{
	uint8_t *grown = malloc(bytes->len + len);

	if (!grown)
		return -ENOMEM;
	if (bytes->len)
		memcpy(grown, bytes->data, bytes->len);
	memcpy(grown + bytes->len, data, len);
	len += bytes->len;
	ktls_bytes_free(bytes);
	*bytes = (struct ktls_bytes){ grown, len };
	return 0;
}
