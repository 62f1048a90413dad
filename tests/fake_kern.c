/* SPDX-License-Identifier: MIT */

#include "fake_kern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "ktls/kern.h"

enum {
	LEVEL_TCP = 6,
	OPTION_ULP = 31,
	LEVEL_TLS = 282,
	OPTION_TX = 1,
	OPTION_RX = 2,
	OPTION_MAX_PAYLOAD = 5,
	GET_TYPE = 2,
	KERNEL_CHACHA = 54,
};

struct fake_kern fake_kern;

static int refuse(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int fake_key(int fd, int name, const void *value, socklen_t len)
{
	uint16_t head[2];

	memcpy(head, value, sizeof(head));
	if (fake_kern.no_rx && name == OPTION_RX)
		return refuse(fake_kern.no_rx);
	if (fake_kern.no_cipher && head[1] == KERNEL_CHACHA)
		return refuse(fake_kern.no_cipher);
	if (fake_kern.no_rekey && fake_kern.key[fd][name][0])
		return refuse(fake_kern.no_rekey);
	memcpy(fake_kern.key[fd][name], value, len);
	return 0;
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	cr_assert_lt(fd, FAKE_KERN_FDS_MAX);
	if (level == LEVEL_TCP && name == OPTION_ULP) {
		fake_kern.attaches++;
		memset(fake_kern.key[fd], 0, sizeof(fake_kern.key[fd]));
		fake_kern.limit[fd] = 0;
		fake_kern.records[fd] = 0;
		return refuse(fake_kern.no_ulp);
	}
	cr_assert_eq(level, LEVEL_TLS);
	if (name == OPTION_TX || name == OPTION_RX)
		return fake_key(fd, name, value, len);
	if (name == OPTION_MAX_PAYLOAD && !fake_kern.no_option && !fake_kern.ignores_limit)
		memcpy(&fake_kern.limit[fd], value, sizeof(fake_kern.limit[fd]));
	return refuse(fake_kern.no_option);
}

static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level != LEVEL_TLS)
		return getsockopt(fd, level, name, value, len);
	if (!fake_kern.key[fd][name][0])
		return refuse(EBUSY);
	memcpy(value, fake_kern.key[fd][name], *len);
	if (*len > 8)
		((uint8_t *)value)[*len - 1] = (uint8_t)fake_kern.records[fd];
	return 0;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	const size_t len = msg->msg_iov[0].iov_len;

	cr_assert(fake_kern.key[fd][OPTION_TX][0], "sent without a key");
	fake_kern.records[fd] +=
		fake_kern.limit[fd] ? (len + fake_kern.limit[fd] - 2) / (fake_kern.limit[fd] - 1u)
				    : 1;
	fake_kern.type = cmsg ? *CMSG_DATA(cmsg) : KERN_RECORD_DATA;
	return fake_kern.loses ? (ssize_t)len : sendmsg(fd, msg, flags);
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	ssize_t n;

	cr_assert(fake_kern.key[fd][OPTION_RX][0], "received without a key");
	n = recvmsg(fd, msg, flags);
	if (n <= 0)
		return n;
	if (fake_kern.corrupts)
		*(uint8_t *)msg->msg_iov[0].iov_base ^= 1;
	*cmsg = (struct cmsghdr){
		.cmsg_level = LEVEL_TLS,
		.cmsg_type = GET_TYPE,
		.cmsg_len = CMSG_LEN(1),
	};
	*CMSG_DATA(cmsg) = fake_kern.type;
	msg->msg_controllen = CMSG_SPACE(1);
	return n;
}

void fake_kern_use(void)
{
	ktls_sys.setsockopt = fake_setsockopt;
	ktls_sys.getsockopt = fake_getsockopt;
	ktls_sys.sendmsg = fake_sendmsg;
	ktls_sys.recvmsg = fake_recvmsg;
}

void fake_kern_forbid(long call, int error)
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
