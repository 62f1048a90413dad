/* SPDX-License-Identifier: MIT */

/* Which door a ring has: io_uring, or epoll where a filter forbids that, or by the caller's wish.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

static struct ktls_ring *ring;

/* As a container's runtime does: Docker says EPERM, others ENOSYS. */
static void forbid_rings(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static int make(enum ktls_ring_kind kind)
{
	const struct ktls_ring_options options = { .conns = 2, .kind = kind };

	return ktls_ring_new(&ring, &options, sizeof(options));
}

static void carry(void)
{
	struct pair pair = turns_pair(ring, 0);

	turns_carry(ring, &pair, PAIR_CLIENT);
	turns_carry(ring, &pair, PAIR_SERVER);
	pair_free(&pair);
}

static void expect_epoll_instead(int error)
{
	forbid_rings(error);

	cr_assert_eq(make(KTLS_RING_ANY), 0, "%s", ktls_ring_error());
	cr_assert_eq(ktls_ring_get_kind(ring), KTLS_RING_EPOLL);
	cr_assert_not_null(strstr(ktls_ring_error(), "io_uring"), "%s", ktls_ring_error());
	carry();
	ring = ktls_ring_free(ring);

	cr_assert_eq(make(KTLS_RING_IO_URING), -error);
	cr_assert_null(ring);
	cr_assert_not_null(strstr(ktls_ring_error(), "io_uring"), "%s", ktls_ring_error());
	/* Who wants epoll is told of nothing. */
	cr_assert_eq(make(KTLS_RING_EPOLL), 0);
	cr_assert_str_eq(ktls_ring_error(), "");
	ktls_ring_free(ring);
}

Test(door, where_a_filter_forbids_io_uring_it_is_epoll_and_the_reason_is_told)
{
	ringing_require();
	expect_epoll_instead(EPERM);
	cr_assert_eq(make(KTLS_RING_ANY), 0);
	cr_assert_not_null(strstr(ktls_ring_error(), "seccomp"), "%s", ktls_ring_error());
	ktls_ring_free(ring);
}

Test(door, where_a_filter_denies_that_there_is_io_uring_it_is_epoll_as_well)
{
	expect_epoll_instead(ENOSYS);
}

Test(door, where_there_is_io_uring_it_is_taken)
{
	ringing_require_feature(URING_HAS_POOLS);
	cr_assert_eq(make(KTLS_RING_ANY), 0);
	cr_assert_eq(ktls_ring_get_kind(ring), KTLS_RING_IO_URING);
	cr_assert_str_eq(ktls_ring_error(), "");
	carry();
	ktls_ring_free(ring);
}

Test(door, epoll_may_be_wished_for)
{
	cr_assert_eq(make(KTLS_RING_EPOLL), 0);
	cr_assert_eq(ktls_ring_get_kind(ring), KTLS_RING_EPOLL);
	cr_assert_str_eq(ktls_ring_error(), "");
	carry();
	ktls_ring_free(ring);
}

Test(door, there_is_no_other_kind)
{
	cr_assert_eq(make(_KTLS_RING_KIND_N), -EINVAL);
	cr_assert_neq(*ktls_ring_error(), '\0');
	cr_assert_null(ring);
	cr_assert_eq(ktls_ring_get_kind(NULL), KTLS_RING_ANY);
}
