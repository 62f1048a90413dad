/* SPDX-License-Identifier: MIT */

/*
 * A list of the system calls that a server of files may make, by libseccomp; any other is answered
 * EPERM. It is not killed for one: a libc or GnuTLS of tomorrow may try a new call first and fall
 * back, and a server that serves on is worth more than one that is dead. What io_uring does is not
 * seen here, but by Landlock.
 */

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox.h"

/* Those that need no look at their arguments. One that this architecture lacks is left out. */
static const char *const allowed[] = {
	/* files */
	"open",
	"openat",
	"openat2",
	"close",
	"close_range",
	"read",
	"readv",
	"pread64",
	"preadv",
	"preadv2",
	"write",
	"writev",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"lseek",
	"fstat",
	"stat",
	"lstat",
	"newfstatat",
	"statx",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getcwd",
	"sendfile",
	"splice",
	"fadvise64",
	"readahead",
	"fsync",
	"fdatasync",
	"fcntl",
	"dup",
	"dup2",
	"dup3",
	"pipe2",
	/* sockets */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socketpair",
	/* waiting */
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"poll",
	"ppoll",
	"pselect6",
	"select",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* memory */
	"brk",
	"madvise",
	"membarrier",
	"mlock",
	"mlock2",
	"mremap",
	"msync",
	"munlock",
	"munmap",
	/* threads and signals */
	"exit",
	"exit_group",
	"futex",
	"futex_waitv",
	"get_robust_list",
	"getpid",
	"gettid",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_setaffinity",
	"sched_yield",
	"set_robust_list",
	"set_tid_address",
	"sigaltstack",
	/* facts, time and chance */
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"getcpu",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getppid",
	"getrandom",
	"getresgid",
	"getresuid",
	"getrlimit",
	"getrusage",
	"gettimeofday",
	"getuid",
	"nanosleep",
	"sysinfo",
	"time",
	"times",
	"uname",
};

struct argument {
	const char *call;
	struct scmp_arg_cmp compare;
};

/* Those that may only be made with one of some arguments. */
static const struct argument arguments[] = {
	{ "socket", SCMP_A0_64(SCMP_CMP_EQ, AF_INET) },
	{ "socket", SCMP_A0_64(SCMP_CMP_EQ, AF_INET6) },
	{ "socket", SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX) },
	{ "ioctl", SCMP_A1_32(SCMP_CMP_EQ, FIONREAD) },
	{ "ioctl", SCMP_A1_32(SCMP_CMP_EQ, FIONBIO) },
	{ "ioctl", SCMP_A1_32(SCMP_CMP_EQ, TIOCOUTQ) },
	{ "ioctl", SCMP_A1_32(SCMP_CMP_EQ, TCGETS) },
	/* No memory that can be run is made. */
	{ "mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ "mprotect", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	/* Threads, no processes. */
	{ "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) },
	{ "prctl", SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME) },
	{ "prctl", SCMP_A0_32(SCMP_CMP_EQ, PR_GET_NAME) },
	/* Limits are asked for, not set: no new one is given. */
	{ "prlimit64", SCMP_A2_64(SCMP_CMP_EQ, 0) },
};

static int allow(scmp_filter_ctx filter, const char *name, unsigned int n,
		 const struct scmp_arg_cmp *compare)
{
	int call = seccomp_syscall_resolve_name(name);

	if (call == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, n, compare);
}

static int fill(scmp_filter_ctx filter, bool netlink)
{
	/* abort(3) and raise(3), which are of ours only. */
	struct scmp_arg_cmp self = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	struct scmp_arg_cmp of_netlink = SCMP_A0_64(SCMP_CMP_EQ, AF_NETLINK);
	int clone3 = seccomp_syscall_resolve_name("clone3");
	int r = allow(filter, "tgkill", 1, &self);

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && !r; i++)
		r = allow(filter, allowed[i], 0, NULL);
	for (size_t i = 0; i < sizeof(arguments) / sizeof(*arguments) && !r; i++)
		r = allow(filter, arguments[i].call, 1, &arguments[i].compare);
	if (!r && netlink)
		r = allow(filter, "socket", 1, &of_netlink);
	/* Its flags lie in memory, where no filter sees them: libc then takes clone(2). */
	if (!r && clone3 != __NR_SCMP_ERROR)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	return r;
}

int sandbox_seccomp(bool netlink, char why[SANDBOX_LIMIT_WHY])
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? fill(filter, netlink) : -ENOMEM;

	if (!r)
		r = seccomp_load(filter);
	if (r)
		snprintf(why, SANDBOX_LIMIT_WHY, "loading the filter: %s", strerror(-r));
	seccomp_release(filter);
	return r;
}
