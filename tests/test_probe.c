/* SPDX-License-Identifier: MIT */

/*
 * The probe, natively: what it says where there is no tls, and, with a kernel in the seam that has
 * some of it, that each answer stands for what was tried. Its connections are real. kernel_probe.c
 * has real kernels.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "ktls/kern.h"
#include "tests/kit.h"

enum {
	LEVEL_TCP = 6,
	OPTION_ULP = 31,
	LEVEL_TLS = 282,
	OPTION_TX = 1,
	OPTION_RX = 2,
	OPTION_ZEROCOPY_RO = 3,
	OPTION_NO_PAD = 4,
	OPTION_MAX_PAYLOAD = 5,
	GET_TYPE = 2,
	KERNEL_CHACHA = 54,
	FDS_MAX = 1024,
};

/* The answer is one and the same everywhere. */
static void assert_all(const struct ktls_probe *probe, unsigned int reason)
{
	const uint16_t features[] = { probe->ulp,
				      probe->rekey[0],
				      probe->rekey[1],
				      probe->tx_zerocopy_ro,
				      probe->rx_expect_no_pad,
				      probe->tx_max_payload_len };

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		cr_assert_eq(features[i], reason, "%s", ktls_reason_name(features[i]));
	for (size_t i = 0; i < KIT_SUITES_N; i++)
		for (int d = 0; d < _KTLS_DIRECTION_N; d++)
			cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol,
						       kit_suites[i].cipher,
						       (enum ktls_direction)d),
				     reason, "%s", kit_suites[i].name);
}

/*
 * -- a kernel in the seam: it takes keys, and passes the bytes as they are --
 */

static struct {
	int no_ulp;	    /* errno of TCP_ULP */
	int no_cipher;	    /* errno of a ChaCha20 key */
	int no_rx;	    /* errno of TLS_RX */
	int no_rekey;	    /* errno of a second key */
	int no_option;	    /* errno of the newer options */
	bool corrupts;	    /* what arrives is not what was sent */
	bool ignores_limit; /* takes TLS_TX_MAX_PAYLOAD_LEN and does nothing */
	bool loses;	    /* what is sent never arrives */
	unsigned int attaches;
	uint8_t key[FDS_MAX][3][64]; /* by descriptor and option */
	uint16_t limit[FDS_MAX];
	uint64_t records[FDS_MAX];
} fake;

static int refuse(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int fake_key(int fd, int name, const void *value, socklen_t len)
{
	uint16_t head[2];

	memcpy(head, value, sizeof(head));
	if (fake.no_rx && name == OPTION_RX)
		return refuse(fake.no_rx);
	if (fake.no_cipher && head[1] == KERNEL_CHACHA)
		return refuse(fake.no_cipher);
	if (fake.no_rekey && fake.key[fd][name][0])
		return refuse(fake.no_rekey);
	memcpy(fake.key[fd][name], value, len);
	return 0;
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	cr_assert_lt(fd, FDS_MAX);
	if (level == LEVEL_TCP && name == OPTION_ULP) {
		fake.attaches++;
		memset(fake.key[fd], 0, sizeof(fake.key[fd]));
		fake.limit[fd] = 0;
		fake.records[fd] = 0;
		return refuse(fake.no_ulp);
	}
	cr_assert_eq(level, LEVEL_TLS);
	if (name == OPTION_TX || name == OPTION_RX)
		return fake_key(fd, name, value, len);
	if (name == OPTION_MAX_PAYLOAD && !fake.no_option && !fake.ignores_limit)
		memcpy(&fake.limit[fd], value, sizeof(fake.limit[fd]));
	return refuse(fake.no_option);
}

static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level != LEVEL_TLS)
		return getsockopt(fd, level, name, value, len);
	if (!fake.key[fd][name][0])
		return refuse(EBUSY);
	memcpy(value, fake.key[fd][name], *len);
	if (*len > 8)
		((uint8_t *)value)[*len - 1] = (uint8_t)fake.records[fd];
	return 0;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const size_t len = msg->msg_iov[0].iov_len;

	cr_assert(fake.key[fd][OPTION_TX][0], "sent without a key");
	fake.records[fd] += fake.limit[fd] ? (len + fake.limit[fd] - 2) / (fake.limit[fd] - 1u) : 1;
	return fake.loses ? (ssize_t)len : sendmsg(fd, msg, flags);
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	ssize_t n;

	cr_assert(fake.key[fd][OPTION_RX][0], "received without a key");
	n = recvmsg(fd, msg, flags);
	if (n <= 0)
		return n;
	if (fake.corrupts)
		*(uint8_t *)msg->msg_iov[0].iov_base ^= 1;
	*cmsg = (struct cmsghdr){
		.cmsg_level = LEVEL_TLS,
		.cmsg_type = GET_TYPE,
		.cmsg_len = CMSG_LEN(1),
	};
	*CMSG_DATA(cmsg) = KERN_RECORD_DATA;
	msg->msg_controllen = CMSG_SPACE(1);
	return n;
}

static void use_fake(void)
{
	ktls_sys.setsockopt = fake_setsockopt;
	ktls_sys.getsockopt = fake_getsockopt;
	ktls_sys.sendmsg = fake_sendmsg;
	ktls_sys.recvmsg = fake_recvmsg;
}

Test(unit, a_kernel_that_does_everything_is_believed)
{
	use_fake();
	assert_all(kern_probe(), KTLS_REASON_NONE);
	cr_assert_eq(kern_probe()->ulp_errno, 0);
}

Test(unit, no_descriptor_is_left_open)
{
	const unsigned int before = kit_count_fds();

	use_fake();
	kern_probe();

	cr_assert_eq(kit_count_fds(), before);
}

Test(unit, without_the_ulp_everything_has_its_reason_after_one_connection)
{
	struct ktls_probe probe;

	use_fake();
	fake.no_ulp = ENOPROTOOPT;

	cr_assert_eq(ktls_probe(&probe, sizeof(probe)), 0);
	assert_all(&probe, KTLS_REASON_NO_ULP);
	cr_assert_eq(probe.ulp_errno, ENOPROTOOPT);
	cr_assert_eq(fake.attaches, 1);
}

Test(unit, it_is_made_once)
{
	unsigned int attaches;

	use_fake();
	kern_probe();
	attaches = fake.attaches;

	cr_assert_gt(attaches, 0);
	kern_probe();
	cr_assert_eq(fake.attaches, attaches);
}

Test(unit, a_missing_cipher_is_missing_by_itself)
{
	const struct ktls_probe *probe;

	use_fake();
	fake.no_cipher = ENOENT;
	probe = kern_probe();

	for (size_t i = 0; i < KIT_SUITES_N; i++)
		for (int d = 0; d < _KTLS_DIRECTION_N; d++)
			cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol,
						       kit_suites[i].cipher,
						       (enum ktls_direction)d),
				     kit_suites[i].cipher == KTLS_CHACHA20_POLY1305
					     ? KTLS_REASON_NO_CIPHER
					     : KTLS_REASON_NONE,
				     "%s", kit_suites[i].name);
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_NONE);
}

Test(unit, a_direction_that_works_alone_is_told)
{
	const struct ktls_probe *probe;

	use_fake();
	fake.no_rx = ENOMEM;
	probe = kern_probe();

	for (size_t i = 0; i < KIT_SUITES_N; i++) {
		cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol, kit_suites[i].cipher,
					       KTLS_TX),
			     KTLS_REASON_NONE, "%s", kit_suites[i].name);
		cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol, kit_suites[i].cipher,
					       KTLS_RX),
			     KTLS_REASON_REFUSED, "%s", kit_suites[i].name);
	}
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_REFUSED);
}

Test(unit, an_old_kernel_has_the_ciphers_and_not_the_newer_options)
{
	const struct ktls_probe *probe;

	use_fake();
	fake.no_rekey = EBUSY;
	fake.no_option = ENOPROTOOPT;
	probe = kern_probe();

	cr_assert_eq(probe->tls13[KTLS_AES_128_GCM][KTLS_TX], KTLS_REASON_NONE);
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_NO_REKEY);
	cr_assert_eq(probe->rekey[KTLS_RX], KTLS_REASON_NO_REKEY);
	cr_assert_eq(probe->tx_zerocopy_ro, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->rx_expect_no_pad, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->tx_max_payload_len, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->rx_whole_records, KTLS_REASON_OLD_KERNEL);
}

Test(unit, a_limit_that_is_taken_and_not_kept_does_not_count)
{
	use_fake();
	fake.ignores_limit = true;

	cr_assert_eq(kern_probe()->tx_max_payload_len, KTLS_REASON_REFUSED);
}

Test(unit, keys_that_garble_do_not_count)
{
	use_fake();
	fake.corrupts = true;

	cr_assert_eq(kern_probe()->tls13[KTLS_AES_128_GCM][KTLS_TX], KTLS_REASON_REFUSED);
	cr_assert_eq(kern_probe()->tls13[KTLS_AES_128_GCM][KTLS_RX], KTLS_REASON_REFUSED);
	cr_assert_eq(kern_probe()->rekey[KTLS_TX], KTLS_REASON_REFUSED);
}

/* One lost record may cost a second; the next ones nothing. */
Test(unit, what_never_arrives_is_not_waited_for_long, .timeout = 20)
{
	const uint64_t start_ns = ktls_deadline_clock();

	use_fake();
	fake.loses = true;

	cr_assert_eq(kern_probe()->tls12[KTLS_AES_128_GCM][KTLS_RX], KTLS_REASON_REFUSED);
	cr_assert_lt(ktls_deadline_clock() - start_ns, 3000000000ull);
}

/*
 * -- no kernel to ask --
 */

Test(unit, without_sockets_there_is_no_loopback)
{
	struct rlimit all, none;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = all;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	kern_probe();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);

	assert_all(kern_probe(), KTLS_REASON_NO_LOOPBACK);
	cr_assert_eq(kern_probe()->ulp_errno, EMFILE);
}

/* A real filter: one system call answers `error`. */
static void forbid(long call, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

Test(unit, a_filter_on_sockets_is_named)
{
	forbid(SYS_socket, EPERM);

	assert_all(kern_probe(), KTLS_REASON_SECCOMP);
}

Test(unit, a_filter_on_options_is_named)
{
	forbid(SYS_setsockopt, EPERM);

	assert_all(kern_probe(), KTLS_REASON_SECCOMP);
	cr_assert_eq(kern_probe()->ulp_errno, EPERM);
}

/*
 * -- the answers to a program --
 */

Test(unit, an_older_and_a_newer_program_get_their_own_size)
{
	struct {
		struct ktls_probe probe;
		uint8_t newer[8];
	} mine;

	use_fake();
	fake.no_ulp = ENOPROTOOPT;
	memset(&mine, 0xaa, sizeof(mine));

	cr_assert_eq(ktls_probe(&mine.probe, sizeof(mine.probe.ulp)), 0);
	cr_assert_eq(mine.probe.ulp, KTLS_REASON_NO_ULP);
	cr_assert_eq(mine.probe.tls12[0][0], 0xaaaa, "beyond its size");

	cr_assert_eq(ktls_probe(&mine.probe, sizeof(mine)), 0);
	cr_assert_eq(mine.probe.ulp_errno, ENOPROTOOPT);
	for (size_t i = 0; i < sizeof(mine.newer); i++)
		cr_assert_eq(mine.newer[i], 0);
}

Test(unit, nowhere_to_answer_to_is_an_error)
{
	struct ktls_probe probe;

	cr_assert_eq(ktls_probe(NULL, sizeof(probe)), -EINVAL);
	cr_assert_eq(ktls_probe(&probe, 0), -EINVAL);
}

Test(unit, what_is_unknown_is_too_new_for_any_kernel)
{
	static const struct ktls_probe probe;

	cr_assert_eq(kern_probe_reason(&probe, 0x0305, KTLS_AES_128_GCM, KTLS_TX),
		     KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(kern_probe_reason(&probe, KTLS_TLS_1_3, _KTLS_CIPHER_N, KTLS_TX),
		     KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(kern_probe_reason(&probe, KTLS_TLS_1_3, KTLS_AES_128_GCM, _KTLS_DIRECTION_N),
		     KTLS_REASON_OLD_KERNEL);
}
