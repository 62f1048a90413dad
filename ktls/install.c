/* SPDX-License-Identifier: MIT */

/*
 * Keys, in two steps. kern_prepare() checks and forms them and touches no socket; kern_commit() is
 * one setsockopt, and after its first success the direction is the kernel's for good: there is no
 * option that takes a key back, so what may fail for a reason of our own must fail before.
 * Attaching the ULP comes earlier still, right after connect or accept, and changes nothing until a
 * key is set (net/tls/tls_main.c).
 *
 * The kernel says little when it refuses: ENOENT is a missing module at TCP_ULP and a missing
 * cipher at TLS_TX. What an errno meant is worked out here, once, from the socket itself.
 */

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ktls/kern.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* Linux 5.6 */
#endif

#ifndef TLS_TX_MAX_PAYLOAD_LEN
#define TLS_TX_MAX_PAYLOAD_LEN 5 /* newer than 6.12 */
#endif

#define ULP_NAME      "tls"
#define ULP_LIST      "/proc/sys/net/ipv4/tcp_available_ulp"
#define USER_NS	      "/proc/self/ns/user"
#define USER_NS_FIRST 0xEFFFFFFDu /* PROC_USER_INIT_INO */

enum install_limit {
	SEQ_LEN = 8,
	ULP_LIST_MAX = 256, /* TCP_ULP_BUF_MAX */
};

/* What was tried when the errno came. */
enum attempt {
	ATTEMPT_ATTACH,
	ATTEMPT_KEY,
};

static const int options[_KTLS_DIRECTION_N] = {
	[KTLS_TX] = TLS_TX,
	[KTLS_RX] = TLS_RX,
};

static_assert((int)KERN_LEVEL == SOL_TLS, "the kernel's");
static_assert((int)KERN_KEY_TX == TLS_TX && (int)KERN_KEY_RX == TLS_RX, "the kernel's");

/* A word of the list of ULPs that are loaded; they are separated by spaces. */
static bool ulp_is_loaded(void)
{
	_cleanup_(ktls_fd_close) int fd = open(ULP_LIST, O_RDONLY | O_CLOEXEC);
	char list[ULP_LIST_MAX + 1];
	char *rest = list;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, list, sizeof(list) - 1);
	if (n < 0)
		return false;
	list[n] = '\0';
	for (char *word; (word = strsep(&rest, " \n"));)
		if (!strcmp(word, ULP_NAME))
			return true;
	return false;
}

/*
 * The kernel loads the module on demand only for capable(CAP_NET_ADMIN), which asks the first user
 * namespace (net/ipv4/tcp_ulp.c): root of a container's own namespace is nobody here.
 */
static bool may_load_ulp(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	struct stat ns;

	if (!stat(USER_NS, &ns) && ns.st_ino != USER_NS_FIRST)
		return false;
	if (syscall(SYS_capget, &header, data))
		return false;
	return data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

/* The ULP on the socket is ours. */
static bool ulp_is_tls(int fd)
{
	bool tls;

	return !kern_has_ulp(fd, &tls) && tls;
}

static int socket_int(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value;

	if (ktls_sys.getsockopt(fd, SOL_SOCKET, name, &value, &len))
		return -1;
	return value;
}

/* The socket knows no such option: because of what it is, or, on plain TCP, of the kernel. */
static unsigned int socket_reason(int fd)
{
	int domain = socket_int(fd, SO_DOMAIN);
	int protocol = socket_int(fd, SO_PROTOCOL);

	if (domain != AF_INET && domain != AF_INET6)
		return KTLS_REASON_NOT_TCP;
	if (protocol == IPPROTO_MPTCP)
		return KTLS_REASON_MPTCP;
	return protocol == IPPROTO_TCP ? KTLS_REASON_NO_ULP : KTLS_REASON_NOT_TCP;
}

/* A direction of the socket has a key of another protocol or cipher: both must be alike. */
static bool keys_disagree(int fd, const struct tls_crypto_info *wanted)
{
	for (int direction = 0; direction < _KTLS_DIRECTION_N; direction++) {
		struct tls_crypto_info held;
		socklen_t len = sizeof(held);

		if (ktls_sys.getsockopt(fd, SOL_TLS, options[direction], &held, &len))
			continue;
		if (held.version != wanted->version || held.cipher_type != wanted->cipher_type)
			return true;
	}
	return false;
}

/* What `error` means of this socket. `wanted` is the head of the key that was refused. */
static unsigned int reason_of(int fd, int error, enum attempt attempt,
			      const struct tls_crypto_info *wanted)
{
	switch (error) {
	case ENOENT:
		if (attempt == ATTEMPT_KEY)
			return KTLS_REASON_NO_CIPHER;
		return may_load_ulp() || ulp_is_loaded() ? KTLS_REASON_NO_ULP
							 : KTLS_REASON_ULP_FORBIDDEN;
	case ENOPROTOOPT:
	case EOPNOTSUPP:
		/* TLS_RX came a year after TLS_TX (Linux 4.17). */
		if (attempt == ATTEMPT_KEY && ulp_is_tls(fd))
			return KTLS_REASON_OLD_KERNEL;
		return socket_reason(fd);
	case ENOTSOCK:
		return KTLS_REASON_NOT_TCP;
	case ENOTCONN:
		return KTLS_REASON_NOT_CONNECTED;
	case EEXIST:
		return KTLS_REASON_ULP_BUSY;
	case EBUSY:
		/* A second key: TLS 1.2 has no such thing, TLS 1.3 from Linux 6.14 on. */
		if (attempt == ATTEMPT_KEY && wanted->version == TLS_1_3_VERSION)
			return KTLS_REASON_NO_REKEY;
		return KTLS_REASON_ULP_BUSY;
	case EINVAL:
		/* The form is right, by kern_prepare(): so the kernel does not know the version or
		 * the cipher, unless the socket's other key forbids it; or, of the ULP, PSP. */
		if (attempt == ATTEMPT_KEY && !keys_disagree(fd, wanted))
			return KTLS_REASON_OLD_KERNEL;
		return KTLS_REASON_ULP_BUSY;
	case ENOMEM:
	case ENOBUFS:
		return KTLS_REASON_NO_MEMORY;
	case EPERM:
	case EACCES:
	case ENOSYS:
		return KTLS_REASON_SECCOMP;
	default:
		return KTLS_REASON_REFUSED;
	}
}

unsigned int kern_option_reason(int error)
{
	switch (error) {
	case 0:
		return KTLS_REASON_NONE;
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EINVAL:
		return KTLS_REASON_OLD_KERNEL;
	case EPERM:
	case EACCES:
	case ENOSYS:
		return KTLS_REASON_SECCOMP;
	default:
		return KTLS_REASON_REFUSED;
	}
}

static int set_option(int fd, int level, int name, const void *value, socklen_t len)
{
	int r;

	do
		r = ktls_sys.setsockopt(fd, level, name, value, len);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int kern_attach(int fd, unsigned int *ret_reason)
{
	int r = set_option(fd, IPPROTO_TCP, TCP_ULP, ULP_NAME, sizeof(ULP_NAME));

	if (!r || (r == -EEXIST && ulp_is_tls(fd)))
		return 0;
	*ret_reason = reason_of(fd, -r, ATTEMPT_ATTACH, NULL);
	return r;
}

static uint8_t *append(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

int kern_prepare(const struct kern_keys *keys, struct kern_crypto *ret_crypto)
{
	const struct kern_cipher *row = kern_cipher(keys->cipher);
	const uint64_t seq = htobe64(keys->seq);
	struct tls_crypto_info head;
	const void *nonce;
	uint8_t *at;

	if (!row || (keys->protocol != KTLS_TLS_1_2 && keys->protocol != KTLS_TLS_1_3))
		return -EINVAL;

	/* The explicit part of TLS 1.2 must never repeat under a key; the record's number does not
	 * (RFC 5288 3). Else the nonce is the whole IV xor the number, which the kernel forms. */
	nonce = keys->protocol == KTLS_TLS_1_2 && row->explicit_len
			? (const void *)&seq
			: (const void *)(keys->iv + row->salt_len);
	head = (struct tls_crypto_info){ .version = keys->protocol, .cipher_type = row->id };

	at = append(ret_crypto->info, &head, sizeof(head));
	at = append(at, nonce, KERN_IV_LEN - row->salt_len);
	at = append(at, keys->key, row->key_len);
	at = append(at, keys->iv, row->salt_len);
	append(at, &seq, SEQ_LEN);
	ret_crypto->len = row->info_len;
	return 0;
}

int kern_commit(int fd, enum ktls_direction direction, const struct kern_crypto *crypto,
		unsigned int *ret_reason)
{
	struct tls_crypto_info head;
	int r = set_option(fd, SOL_TLS, options[direction], crypto->info, crypto->len);

	if (!r)
		return 0;
	memcpy(&head, crypto->info, sizeof(head));
	*ret_reason = reason_of(fd, -r, ATTEMPT_KEY, &head);
	return r;
}

int kern_set_payload_max(int fd, size_t payload_max, unsigned int *ret_reason)
{
	const uint16_t value = (uint16_t)payload_max;
	int r = set_option(fd, SOL_TLS, TLS_TX_MAX_PAYLOAD_LEN, &value, sizeof(value));

	if (r < 0)
		*ret_reason = kern_option_reason(-r);
	return r;
}

int kern_seq(int fd, enum ktls_direction direction, unsigned int protocol, unsigned int cipher,
	     uint64_t *ret_seq)
{
	_cleanup_(kern_crypto_wipe) struct kern_crypto crypto = { 0 };
	const struct kern_cipher *row = kern_cipher(cipher);
	struct tls_crypto_info head;
	socklen_t len;
	uint64_t seq;

	if (!row)
		return -EINVAL;
	len = row->info_len;
	if (ktls_sys.getsockopt(fd, SOL_TLS, options[direction], crypto.info, &len))
		return -errno;

	memcpy(&head, crypto.info, sizeof(head));
	if (len != row->info_len || head.version != protocol || head.cipher_type != row->id)
		return -EPROTO;
	memcpy(&seq, crypto.info + row->info_len - SEQ_LEN, SEQ_LEN);
	*ret_seq = be64toh(seq);
	return 0;
}
