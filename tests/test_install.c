/* SPDX-License-Identifier: MIT */

/*
 * Keys through the seam: the bytes that setsockopt gets, and what each errno is taken to mean. The
 * kernel's side here is a few answers; kernel_install.c asks real ones.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <linux/capability.h>
#include <netinet/in.h>

#include "base/sys.h"
#include "ktls/kern.h"

/* The kernel's numbers, written out: the seam's contract, not a header's. */
enum {
	LEVEL_TCP = 6,
	OPTION_ULP = 31,
	LEVEL_TLS = 282,
	OPTION_TX = 1,
	OPTION_RX = 2,
	PROTOCOL_MPTCP = 262,
};

/* What the fake kernel was asked, and what it answers. */
static struct {
	int level, name;
	uint8_t value[64];
	socklen_t len;
	unsigned int calls;
	int error;	      /* of setsockopt; 0 is success */
	unsigned int signals; /* EINTR so many times first */
	int domain, protocol; /* of the socket */
	const char *ulp;      /* attached to it */
	int get_error;	      /* of getsockopt of keys */
	uint8_t held[2][64];  /* keys by direction */
	socklen_t held_len;   /* what it says that it filled; 0: as asked */
} fake;

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	fake.calls++;
	fake.level = level;
	fake.name = name;
	fake.len = len;
	cr_assert_leq(len, sizeof(fake.value));
	memcpy(fake.value, value, len);
	if (fake.signals) {
		fake.signals--;
		errno = EINTR;
		return -1;
	}
	errno = fake.error;
	return fake.error ? -1 : 0;
}

static int answer(void *value, socklen_t *len, const void *from, socklen_t from_len)
{
	if (*len > from_len)
		*len = from_len;
	memcpy(value, from, *len);
	return 0;
}

static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	(void)fd;
	if (level == SOL_SOCKET && name == SO_DOMAIN)
		return answer(value, len, &fake.domain, sizeof(int));
	if (level == SOL_SOCKET && name == SO_PROTOCOL)
		return answer(value, len, &fake.protocol, sizeof(int));
	if (level == LEVEL_TCP && name == OPTION_ULP && fake.ulp)
		return answer(value, len, fake.ulp, (socklen_t)strlen(fake.ulp) + 1);
	if (level == LEVEL_TLS && !fake.get_error) {
		answer(value, len, fake.held[name == OPTION_RX], sizeof(fake.held[0]));
		if (fake.held_len)
			*len = fake.held_len;
		return 0;
	}
	errno = fake.get_error ? fake.get_error : ENOPROTOOPT;
	return -1;
}

static void use_fake(void)
{
	fake.domain = AF_INET;
	fake.protocol = IPPROTO_TCP;
	fake.get_error = EBUSY;
	ktls_sys.setsockopt = fake_setsockopt;
	ktls_sys.getsockopt = fake_getsockopt;
}

TestSuite(unit, .init = use_fake);

/* Keys whose every byte tells where it comes from. */
static struct kern_keys told_keys(uint16_t protocol, uint16_t cipher)
{
	struct kern_keys keys = {
		.protocol = protocol,
		.cipher = cipher,
		.seq = 0x0102030405060708,
	};

	for (size_t i = 0; i < sizeof(keys.key); i++)
		keys.key[i] = (uint8_t)(0x40 + i);
	for (size_t i = 0; i < sizeof(keys.iv); i++)
		keys.iv[i] = (uint8_t)(0xa0 + i);
	return keys;
}

#define KEY_16 "\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f"
#define KEY_32 KEY_16 "\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59\x5a\x5b\x5c\x5d\x5e\x5f"
#define IV_4   "\xa0\xa1\xa2\xa3"
#define IV_8   "\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab"
#define SEQ    "\x01\x02\x03\x04\x05\x06\x07\x08"

/* struct tls12_crypto_info_*: version, cipher_type, iv, key, salt, rec_seq. The first two are
 * numbers of the host, the rest are bytes. */
static const struct {
	const char *name;
	uint16_t protocol, cipher;
	uint16_t head[2];
	const char *rest;
	socklen_t len;
} forms[] = {
	/* TLS 1.3 (RFC 8446 5.3): the whole write IV, split 4 + 8. */
	{ "1.3 AES-128-GCM",
	  KTLS_TLS_1_3,
	  KTLS_AES_128_GCM,
	  { 0x0304, 51 },
	  IV_8 KEY_16 IV_4 SEQ,
	  40 },
	{ "1.3 AES-256-GCM",
	  KTLS_TLS_1_3,
	  KTLS_AES_256_GCM,
	  { 0x0304, 52 },
	  IV_8 KEY_32 IV_4 SEQ,
	  56 },
	{ "1.3 AES-128-CCM",
	  KTLS_TLS_1_3,
	  KTLS_AES_128_CCM,
	  { 0x0304, 53 },
	  IV_8 KEY_16 IV_4 SEQ,
	  40 },
	{ "1.3 CHACHA20",
	  KTLS_TLS_1_3,
	  KTLS_CHACHA20_POLY1305,
	  { 0x0304, 54 },
	  IV_4 IV_8 KEY_32 SEQ,
	  56 },
	/* TLS 1.2 (RFC 5288 3): the explicit part starts as the number; of the IV only 4 bytes are.
	 */
	{ "1.2 AES-128-GCM",
	  KTLS_TLS_1_2,
	  KTLS_AES_128_GCM,
	  { 0x0303, 51 },
	  SEQ KEY_16 IV_4 SEQ,
	  40 },
	{ "1.2 AES-256-GCM",
	  KTLS_TLS_1_2,
	  KTLS_AES_256_GCM,
	  { 0x0303, 52 },
	  SEQ KEY_32 IV_4 SEQ,
	  56 },
	{ "1.2 AES-128-CCM",
	  KTLS_TLS_1_2,
	  KTLS_AES_128_CCM,
	  { 0x0303, 53 },
	  SEQ KEY_16 IV_4 SEQ,
	  40 },
	/* RFC 7905 2: as TLS 1.3. */
	{ "1.2 CHACHA20",
	  KTLS_TLS_1_2,
	  KTLS_CHACHA20_POLY1305,
	  { 0x0303, 54 },
	  IV_4 IV_8 KEY_32 SEQ,
	  56 },
};

Test(unit, setsockopt_gets_each_ciphers_struct_byte_for_byte)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct kern_keys keys = told_keys(forms[i].protocol, forms[i].cipher);
		struct kern_crypto crypto;
		unsigned int reason;

		cr_assert_eq(kern_prepare(&keys, &crypto), 0, "%s", forms[i].name);
		cr_assert_eq(kern_commit(7, KTLS_TX, &crypto, &reason), 0);

		cr_assert_eq(fake.level, LEVEL_TLS);
		cr_assert_eq(fake.name, OPTION_TX);
		cr_assert_eq(fake.len, forms[i].len, "%s", forms[i].name);
		cr_assert_arr_eq(fake.value, forms[i].head, 4, "%s", forms[i].name);
		cr_assert_arr_eq(fake.value + 4, forms[i].rest, forms[i].len - 4, "%s",
				 forms[i].name);
	}
}

Test(unit, a_key_to_receive_with_goes_to_its_own_option)
{
	const struct kern_keys keys = told_keys(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct kern_crypto crypto;
	unsigned int reason;

	kern_prepare(&keys, &crypto);
	cr_assert_eq(kern_commit(7, KTLS_RX, &crypto, &reason), 0);

	cr_assert_eq(fake.level, LEVEL_TLS);
	cr_assert_eq(fake.name, OPTION_RX);
}

Test(unit, what_no_kernel_knows_is_refused_before_any_socket_is_touched)
{
	struct kern_keys keys = told_keys(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct kern_crypto crypto;

	keys.protocol = 0x0302;
	cr_assert_eq(kern_prepare(&keys, &crypto), -EINVAL);
	keys.protocol = KTLS_TLS_1_3;
	keys.cipher = _KTLS_CIPHER_N;
	cr_assert_eq(kern_prepare(&keys, &crypto), -EINVAL);

	cr_assert_eq(fake.calls, 0);
}

Test(unit, wiping_leaves_nothing_of_a_key)
{
	static const struct kern_crypto nothing;
	const struct kern_keys keys = told_keys(KTLS_TLS_1_3, KTLS_AES_256_GCM);
	struct kern_crypto crypto;

	kern_prepare(&keys, &crypto);
	kern_crypto_wipe(&crypto);

	cr_assert_arr_eq(&crypto, &nothing, sizeof(crypto));
}

Test(unit, attaching_names_the_ulp)
{
	unsigned int reason = _KTLS_REASON_N;

	cr_assert_eq(kern_attach(7, &reason), 0);

	cr_assert_eq(fake.level, LEVEL_TCP);
	cr_assert_eq(fake.name, OPTION_ULP);
	cr_assert_str_eq((const char *)fake.value, "tls");
	cr_assert_eq(reason, _KTLS_REASON_N, "untouched on success");
}

Test(unit, a_signal_does_not_stop_attaching_nor_a_key)
{
	const struct kern_keys keys = told_keys(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct kern_crypto crypto;
	unsigned int reason;

	kern_prepare(&keys, &crypto);
	fake.signals = 3;
	cr_assert_eq(kern_attach(7, &reason), 0);
	fake.signals = 3;
	cr_assert_eq(kern_commit(7, KTLS_TX, &crypto, &reason), 0);

	cr_assert_eq(fake.calls, 8);
}

Test(unit, attached_already_is_success_if_it_is_tls)
{
	unsigned int reason = _KTLS_REASON_N;

	fake.error = EEXIST;
	fake.ulp = "tls";

	cr_assert_eq(kern_attach(7, &reason), 0);
}

Test(unit, another_ulp_is_not_ours)
{
	unsigned int reason;

	fake.error = EEXIST;
	fake.ulp = "smc";
	cr_assert_eq(kern_attach(7, &reason), -EEXIST);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);

	fake.ulp = "tlsx";
	cr_assert_eq(kern_attach(7, &reason), -EEXIST);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);
}

static const struct {
	const char *name;
	int error, domain, protocol;
	unsigned int reason;
} attach_rows[] = {
	{ "not connected", ENOTCONN, AF_INET, IPPROTO_TCP, KTLS_REASON_NOT_CONNECTED },
	{ "a kernel without ULPs", ENOPROTOOPT, AF_INET, IPPROTO_TCP, KTLS_REASON_NO_ULP },
	{ "the same on IPv6", ENOPROTOOPT, AF_INET6, IPPROTO_TCP, KTLS_REASON_NO_ULP },
	{ "MPTCP", ENOPROTOOPT, AF_INET, PROTOCOL_MPTCP, KTLS_REASON_MPTCP },
	{ "MPTCP, otherwise", EOPNOTSUPP, AF_INET6, PROTOCOL_MPTCP, KTLS_REASON_MPTCP },
	{ "UDP", ENOPROTOOPT, AF_INET, IPPROTO_UDP, KTLS_REASON_NOT_TCP },
	{ "a local socket", EOPNOTSUPP, AF_UNIX, 0, KTLS_REASON_NOT_TCP },
	{ "a local socket that says TCP", EOPNOTSUPP, AF_UNIX, IPPROTO_TCP, KTLS_REASON_NOT_TCP },
	{ "a pipe", ENOTSOCK, 0, 0, KTLS_REASON_NOT_TCP },
	{ "seccomp", EPERM, AF_INET, IPPROTO_TCP, KTLS_REASON_SECCOMP },
	{ "a security module", EACCES, AF_INET, IPPROTO_TCP, KTLS_REASON_SECCOMP },
	{ "seccomp that hides", ENOSYS, AF_INET, IPPROTO_TCP, KTLS_REASON_SECCOMP },
	{ "PSP on the socket", EINVAL, AF_INET, IPPROTO_TCP, KTLS_REASON_ULP_BUSY },
	{ "no memory", ENOMEM, AF_INET, IPPROTO_TCP, KTLS_REASON_NO_MEMORY },
	{ "no descriptor", EBADF, AF_INET, IPPROTO_TCP, KTLS_REASON_REFUSED },
};

Test(unit, each_errno_of_attaching_has_its_reason)
{
	for (size_t i = 0; i < sizeof(attach_rows) / sizeof(attach_rows[0]); i++) {
		unsigned int reason;

		fake.error = attach_rows[i].error;
		fake.domain = attach_rows[i].domain;
		fake.protocol = attach_rows[i].protocol;

		cr_assert_eq(kern_attach(7, &reason), -attach_rows[i].error, "%s",
			     attach_rows[i].name);
		cr_assert_eq(reason, attach_rows[i].reason, "%s: %s", attach_rows[i].name,
			     ktls_reason_name(reason));
	}
}

static void drop_net_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	cr_assert_eq(syscall(SYS_capget, &header, data), 0);
	data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective &= ~CAP_TO_MASK(CAP_NET_ADMIN);
	cr_assert_eq(syscall(SYS_capset, &header, data), 0);
}

static bool tls_is_loaded(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
	char word[32];
	bool found = false;

	while (file && fscanf(file, "%31s", word) == 1)
		found |= !strcmp(word, "tls");
	if (file)
		fclose(file);
	return found;
}

Test(unit, who_may_not_load_the_module_is_told_so)
{
	unsigned int reason;

	drop_net_admin();
	fake.error = ENOENT;

	cr_assert_eq(kern_attach(7, &reason), -ENOENT);
	cr_assert_eq(reason, tls_is_loaded() ? KTLS_REASON_NO_ULP : KTLS_REASON_ULP_FORBIDDEN);
}

static const struct {
	const char *name;
	int error;
	uint16_t protocol;
	const char *ulp;
	unsigned int reason;
} key_rows[] = {
	{ "cipher's module missing", ENOENT, KTLS_TLS_1_3, "tls", KTLS_REASON_NO_CIPHER },
	{ "version or cipher unknown", EINVAL, KTLS_TLS_1_3, "tls", KTLS_REASON_OLD_KERNEL },
	{ "second key", EBUSY, KTLS_TLS_1_3, "tls", KTLS_REASON_NO_REKEY },
	{ "second key of TLS 1.2", EBUSY, KTLS_TLS_1_2, "tls", KTLS_REASON_ULP_BUSY },
	{ "no ULP attached", ENOPROTOOPT, KTLS_TLS_1_3, NULL, KTLS_REASON_NO_ULP },
	{ "direction unknown", ENOPROTOOPT, KTLS_TLS_1_3, "tls", KTLS_REASON_OLD_KERNEL },
	{ "disconnected", ENOTCONN, KTLS_TLS_1_3, "tls", KTLS_REASON_NOT_CONNECTED },
	{ "seccomp", EPERM, KTLS_TLS_1_3, "tls", KTLS_REASON_SECCOMP },
	{ "a security module", EACCES, KTLS_TLS_1_3, "tls", KTLS_REASON_SECCOMP },
	{ "seccomp that hides", ENOSYS, KTLS_TLS_1_3, "tls", KTLS_REASON_SECCOMP },
	{ "no memory", ENOMEM, KTLS_TLS_1_3, "tls", KTLS_REASON_NO_MEMORY },
};

Test(unit, each_errno_of_a_key_has_its_reason)
{
	for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
		const struct kern_keys keys = told_keys(key_rows[i].protocol, KTLS_AES_128_GCM);
		struct kern_crypto crypto;
		unsigned int reason;

		fake.error = key_rows[i].error;
		fake.ulp = key_rows[i].ulp;
		kern_prepare(&keys, &crypto);

		cr_assert_eq(kern_commit(7, KTLS_RX, &crypto, &reason), -key_rows[i].error, "%s",
			     key_rows[i].name);
		cr_assert_eq(reason, key_rows[i].reason, "%s: %s", key_rows[i].name,
			     ktls_reason_name(reason));
	}
}

Test(unit, a_key_unlike_the_other_directions_is_refused_not_unknown)
{
	const uint16_t held[2] = { 0x0303, 52 };
	const struct kern_keys keys = told_keys(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct kern_crypto crypto;
	unsigned int reason;

	memcpy(fake.held[KTLS_TX], held, sizeof(held));
	memcpy(fake.held[KTLS_RX], held, sizeof(held));
	fake.get_error = 0;
	fake.error = EINVAL;
	kern_prepare(&keys, &crypto);

	cr_assert_eq(kern_commit(7, KTLS_RX, &crypto, &reason), -EINVAL);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);
}

Test(unit, the_next_number_is_read_where_the_struct_has_it)
{
	const struct kern_keys keys = told_keys(KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305);
	struct kern_crypto crypto;
	uint64_t seq = 0;

	kern_prepare(&keys, &crypto);
	memcpy(fake.held[KTLS_RX], crypto.info, crypto.len);
	fake.get_error = 0;

	cr_assert_eq(kern_seq(7, KTLS_RX, KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305, &seq), 0);
	cr_assert_eq(seq, 0x0102030405060708);
}

Test(unit, a_number_of_other_keys_is_no_answer)
{
	const struct kern_keys keys = told_keys(KTLS_TLS_1_2, KTLS_AES_128_GCM);
	struct kern_crypto crypto;
	uint64_t seq = 42;

	kern_prepare(&keys, &crypto);
	memcpy(fake.held[KTLS_TX], crypto.info, crypto.len);
	cr_assert_eq(kern_seq(7, KTLS_TX, KTLS_TLS_1_2, KTLS_AES_128_GCM, &seq), -EBUSY);

	fake.get_error = 0;
	cr_assert_eq(kern_seq(7, KTLS_TX, KTLS_TLS_1_3, KTLS_AES_128_GCM, &seq), -EPROTO);
	cr_assert_eq(kern_seq(7, KTLS_TX, KTLS_TLS_1_2, KTLS_AES_128_CCM, &seq), -EPROTO);
	cr_assert_eq(kern_seq(7, KTLS_TX, KTLS_TLS_1_2, _KTLS_CIPHER_N, &seq), -EINVAL);
	fake.held_len = 4;
	cr_assert_eq(kern_seq(7, KTLS_TX, KTLS_TLS_1_2, KTLS_AES_128_GCM, &seq), -EPROTO);
	cr_assert_eq(seq, 42, "untouched on failure");
}
