/* SPDX-License-Identifier: MIT */

/* Why a direction is where it is, in words. The kernel is pretended to have what the probe says. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/explain.h>
#include <ktls/limits.h>

#include "base/sys.h"
#include "conn.h"
#include "pair.h"

static struct ktls_sys real;
static int key_error;

/* The ULP changes nothing without a key; a key is refused. */
static int pretend_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level == KERN_LEVEL) {
		errno = key_error;
		return -1;
	}
	return level == 6 && name == 31 ? 0 : real.setsockopt(fd, level, name, value, len);
}

static void install(void)
{
	real = ktls_sys;
	ktls_sys.setsockopt = pretend_setsockopt;
}

TestSuite(unit, .init = install);

/* What the client says of its TX. */
static const char *explain(const struct pair *pair)
{
	static char text[KTLS_EXPLAIN_LEN];

	memset(text, 'x', sizeof(text));
	cr_assert_eq(ktls_conn_explain(pair->conn[PAIR_CLIENT], KTLS_TX, text, sizeof(text)), 0);
	return text;
}

/* One whose client wants its TX in the kernel. */
static struct pair open_pair(const struct ktls_probe *probe, enum ktls_cipher cipher,
			     void (*configure)(struct ktls_config *config, enum pair_end end))
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = KTLS_TLS_1_3;
	options.cipher = cipher;
	options.tx[PAIR_CLIENT] = KTLS_OFFLOAD_WITH_REKEY;
	options.probe = probe;
	options.configure = configure;
	return pair_open(&options);
}

static void expect(const struct ktls_probe *probe, enum ktls_cipher cipher, const char *text)
{
	struct pair pair = open_pair(probe, cipher, NULL);

	cr_assert_str_eq(explain(&pair), text);
	pair_free(&pair);
}

Test(unit, a_missing_cipher_is_named_and_its_module)
{
	static const char *const texts[_KTLS_CIPHER_N] = {
		"AES-128-GCM. To do: load it (modprobe gcm) or choose another cipher",
		"AES-256-GCM. To do: load it (modprobe gcm) or choose another cipher",
		"AES-128-CCM. To do: load it (modprobe ccm) or choose another cipher",
		"CHACHA20-POLY1305. To do: load it (modprobe chacha20poly1305) or choose another "
		"cipher",
	};

	for (int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++) {
		struct ktls_probe probe = { 0 };
		char text[KTLS_EXPLAIN_LEN];

		probe.tls13[cipher][KTLS_TX] = KTLS_REASON_NO_CIPHER;
		snprintf(text, sizeof(text),
			 "TX is in userspace: this kernel cannot do the cipher, or lacks its "
			 "module, TLS 1.3 with %s",
			 texts[cipher]);
		expect(&probe, (enum ktls_cipher)cipher, text);
	}
}

Test(unit, a_kernel_that_is_too_old_says_for_what)
{
	struct ktls_probe probe = { 0 };

	probe.tls13[KTLS_AES_256_GCM][KTLS_TX] = KTLS_REASON_OLD_KERNEL;
	expect(&probe, KTLS_AES_256_GCM,
	       "TX is in userspace: this kernel's tls is too old for it, TLS 1.3 with "
	       "AES-256-GCM. To do: use a newer kernel");
}

Test(unit, a_kernel_that_cannot_rekey_says_since_when_others_can)
{
	struct ktls_probe probe = { .rekey = { KTLS_REASON_NO_REKEY } };
	struct pair pair = open_pair(&probe, KTLS_AES_128_GCM, NULL);

	cr_assert(strstr(explain(&pair), "cannot change keys; 6.14 and later can. To do: use a "
					 "newer kernel, or"),
		  "%s", explain(&pair));
	pair_free(&pair);
}

Test(unit, what_the_kernel_answered_to_a_key_stands_beside)
{
	static const struct ktls_probe able;

	key_error = ENOMEM;
	expect(&able, KTLS_AES_128_GCM,
	       "TX is in userspace: there is too little memory for it, or a limit on it is too "
	       "low (ENOMEM: Cannot allocate memory). To do: raise the limit: RLIMIT_MEMLOCK "
	       "(ulimit -l), the cgroup's, sysctl net.core.optmem_max");
	key_error = EIO;
	expect(&able, KTLS_AES_128_GCM,
	       "TX is in userspace: the kernel refused it (EIO: Input/output error)");
}

/* The probe's socket took such a key: so it is this socket's doing, not the kernel's age. */
Test(unit, a_key_that_only_this_socket_refuses_is_no_question_of_age)
{
	static const struct ktls_probe able;
	struct ktls_info info;
	struct pair pair;

	key_error = EINVAL;
	pair = open_pair(&able, KTLS_AES_128_GCM, NULL);

	cr_assert(!ktls_conn_get_info(pair.conn[PAIR_CLIENT], &info, sizeof(info)));
	cr_assert_eq(info.reason[KTLS_TX], KTLS_REASON_ULP_BUSY);
	cr_assert_eq(info.reason_errno[KTLS_TX], EINVAL);
	pair_free(&pair);
}

/* The peer's limit, as if it had told it. */
static const char *explain_limited(struct pair *pair)
{
	pair->conn[PAIR_CLIENT]->payload_max = 1024;
	ktls_conn_set_reasons(pair->conn[PAIR_CLIENT]);
	return explain(pair);
}

Test(unit, a_record_size_limit_is_told_with_its_number)
{
	struct ktls_probe probe = { .tx_max_payload_len = KTLS_REASON_OLD_KERNEL };
	struct pair pair;

	key_error = EIO;
	pair = open_pair(&probe, KTLS_AES_128_GCM, NULL);

	cr_assert_str_eq(explain_limited(&pair),
			 "TX is in userspace: the peer takes only smaller records than the kernel "
			 "makes, 1024 bytes at most, and there is no TLS_TX_MAX_PAYLOAD_LEN. To "
			 "do: use a newer kernel, that has TLS_TX_MAX_PAYLOAD_LEN (7.2)");
	pair_free(&pair);
}

/* The limit is set where the probe found the option, and refused. */
Test(unit, a_limit_that_is_refused_says_why)
{
	static const struct {
		int error;
		unsigned int reason;
	} rows[] = {
		{ ENOPROTOOPT, KTLS_REASON_RECORD_SIZE },
		{ EPERM, KTLS_REASON_SECCOMP },
		{ EBUSY, KTLS_REASON_REFUSED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const struct ktls_probe able;
		struct ktls_conn *conn;
		struct pair pair;

		key_error = EIO;
		pair = open_pair(&able, KTLS_AES_128_GCM, NULL);
		key_error = rows[i].error;
		conn = pair.conn[PAIR_CLIENT];
		explain_limited(&pair);

		cr_assert_eq(ktls_conn_promote(conn, KTLS_TX), 0);
		cr_assert_eq(conn->half[KTLS_TX].reason, rows[i].reason, "%s",
			     ktls_reason_name(conn->half[KTLS_TX].reason));
		cr_assert_eq(conn->half[KTLS_TX].reason_errno, rows[i].error);
		pair_free(&pair);
	}
}

static void pad(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_padding(config, 512));
}

Test(unit, padding_is_told_with_its_number)
{
	static const struct ktls_probe able;
	struct pair pair = open_pair(&able, KTLS_AES_128_GCM, pad);

	cr_assert_str_eq(explain(&pair), "TX is in userspace: the config pads records, which the "
					 "kernel cannot, to multiples of 512 bytes. To do: "
					 "ktls_config_set_padding() 0");
	pair_free(&pair);
}

static void wait_for_bytes(struct ktls_config *config, enum pair_end end)
{
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_config_set_offload(config, KTLS_TX, KTLS_OFFLOAD_AFTER_BYTES,
						   100000));
}

static void wait_for_file(struct ktls_config *config, enum pair_end end)
{
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_config_set_offload(config, KTLS_TX, KTLS_OFFLOAD_AT_SENDFILE, 0));
}

Test(unit, what_has_not_come_yet_is_told_with_what_is_missing)
{
	static const struct ktls_probe able;
	struct pair pair = open_pair(&able, KTLS_AES_128_GCM, wait_for_bytes);

	pair_move(&pair, PAIR_CLIENT, 5000, 5000);
	cr_assert_str_eq(explain(&pair), "TX is in userspace: the config's moment for it has not "
					 "come, 5000 of 100000 bytes");
	pair.conn[PAIR_CLIENT]->half[KTLS_TX].bytes = 100000;
	cr_assert_str_eq(explain(&pair), "TX is in userspace: its moment has come, and it waits "
					 "for the end of a record");
	pair_free(&pair);

	pair = open_pair(&able, KTLS_AES_128_GCM, wait_for_file);
	cr_assert_str_eq(explain(&pair), "TX is in userspace: the config's moment for it has not "
					 "come, the first sendfile");
	pair_free(&pair);
}

Test(unit, every_reason_of_a_probe_ends_in_its_remedy)
{
	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		struct ktls_probe probe = { .ulp = (uint16_t)reason, .ulp_errno = EPERM };
		const char *remedy = ktls_reason_remedy(reason);
		struct pair pair;

		if (reason == KTLS_REASON_NOT_YET || reason == KTLS_REASON_NO_CIPHER)
			continue;
		pair = open_pair(&probe, KTLS_AES_128_GCM, NULL);
		cr_assert(strstr(explain(&pair), ktls_reason_text(reason)), "%s", explain(&pair));
		cr_assert(strstr(explain(&pair), "(EPERM: "), "%s", explain(&pair));
		cr_assert(strstr(explain(&pair), remedy), "%s", explain(&pair));
		cr_assert_eq(!strstr(explain(&pair), ". To do: "), !*remedy);
		cr_assert_lt(strlen(explain(&pair)), KTLS_EXPLAIN_LEN - 100, "%s", explain(&pair));
		pair_free(&pair);
	}
}

Test(unit, the_other_places_have_their_sentences)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	const struct ktls_protect *protect;
	struct ktls_half *half = &pair.conn[PAIR_CLIENT]->half[KTLS_TX];
	char rx[KTLS_EXPLAIN_LEN];
	int rc[2];

	cr_assert_str_eq(explain(&pair), "TX has no keys yet");
	pair_handshake(&pair, rc);
	cr_assert_eq(ktls_conn_explain(pair.conn[PAIR_CLIENT], KTLS_RX, rx, sizeof(rx)), 0);
	cr_assert_str_eq(rx, "RX is in userspace: the config keeps this direction in userspace. To "
			     "do: ktls_config_set_offload()");

	protect = half->protect;
	half->protect = &ktls_protect_kernel;
	cr_assert_str_eq(explain(&pair), "TX is in the kernel");
	half->protect = &ktls_protect_plain;
	cr_assert_str_eq(explain(&pair), "TX is not protected: the config wants plaintext");
	half->protect = protect;
	pair_free(&pair);
}

Test(unit, a_small_room_gets_the_beginning)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	char text[16];

	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		cr_assert_eq(ktls_conn_explain(pair.conn[0], KTLS_TX, text, size), 0);
		cr_assert_eq(strlen(text), size - 1);
		cr_assert(!strncmp(text, "TX has no keys yet", size - 1));
		cr_assert_eq(text[size], 'x', "beyond its end");
	}
	pair_free(&pair);
}

Test(unit, what_makes_no_sense_is_an_error)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	char text[8];

	cr_assert_eq(ktls_conn_explain(NULL, KTLS_TX, text, sizeof(text)), -EINVAL);
	cr_assert_eq(ktls_conn_explain(pair.conn[0], _KTLS_DIRECTION_N, text, 8), -EINVAL);
	cr_assert_eq(ktls_conn_explain(pair.conn[0], KTLS_TX, NULL, 8), -EINVAL);
	cr_assert_eq(ktls_conn_explain(pair.conn[0], KTLS_TX, text, 0), -EINVAL);
	pair_free(&pair);
}
