/* SPDX-License-Identifier: MIT */
#ifndef KTLS_DIAG_H
#define KTLS_DIAG_H

/*
 * What the kernel says of TCP sockets and of the TLS in them (sock_diag(7)): of one socket of this
 * process, or of every program's in the calling thread's network namespace. It need not be
 * libktls that put the keys there.
 *
 * Any process may ask. Which sockets have TLS, many kernels tell only those with CAP_NET_ADMIN over
 * the namespace; what was not told is said not to be (`told`), and never guessed.
 *
 * Thread rule: any function, any thread; a list is one thread's at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/address.h>
#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Where the kernel protects the records of a direction. */
enum ktls_diag_mode {
	KTLS_DIAG_UNKNOWN = 0, /* not told */
	KTLS_DIAG_NONE,	       /* nowhere: it has no key, bytes pass as they are */
	KTLS_DIAG_SOFTWARE,    /* in its own code */
	KTLS_DIAG_DEVICE,      /* in the NIC */
	KTLS_DIAG_RECORD,      /* all of TLS is in the NIC */
	_KTLS_DIAG_MODE_N,
};

/* What was told. */
enum ktls_diag_fact {
	KTLS_DIAG_TOLD_TLS = 1u << 0,	  /* tls */
	KTLS_DIAG_TOLD_MODE = 1u << 1,	  /* mode, both */
	KTLS_DIAG_TOLD_CIPHER = 1u << 2,  /* protocol, cipher, cipher_id: zeros mean no key yet */
	KTLS_DIAG_TOLD_PAYLOAD = 1u << 3, /* tx_max_payload_len; newer than 6.12 */
	KTLS_DIAG_TOLD_TCP = 1u << 4,	  /* what begins with tcp_ */
};

struct ktls_diag_socket {
	struct ktls_address local;
	struct ktls_address peer;
	uint64_t cookie;  /* SO_COOKIE: no other socket ever has it */
	uint64_t inode;	  /* as in /proc/PID/fd; 0: no process has it open any more */
	uint32_t uid;	  /* of its owner */
	uint32_t ifindex; /* of the interface that it is bound to; 0: none */
	uint32_t state;	  /* TCP_ESTABLISHED, ... of <netinet/tcp.h> */
	uint32_t told;	  /* enum ktls_diag_fact */

	uint16_t tls;		     /* 1: the kernel's TLS is attached */
	uint16_t protocol;	     /* enum ktls_protocol */
	uint16_t cipher_id;	     /* the kernel's number (<linux/tls.h>) */
	uint16_t mode[2];	     /* enum ktls_diag_mode, by enum ktls_direction */
	uint16_t zerocopy_ro;	     /* 1: files go to the NIC uncopied (TLS_TX_ZEROCOPY_RO) */
	uint16_t expect_no_pad;	     /* 1: no padding is expected (TLS_RX_EXPECT_NO_PAD) */
	uint16_t tx_max_payload_len; /* bytes of plaintext in a record it sends, at most */
	const char *cipher; /* "AES-128-GCM", also one that libktls does not use; static; or NULL */

	uint64_t tcp_bytes_acked;
	uint64_t tcp_bytes_received;
	uint64_t tcp_delivery_rate; /* bytes a second */
	uint32_t tcp_receive_queue; /* bytes that came and were not read */
	uint32_t tcp_send_queue;    /* bytes that were written and not acknowledged */
	uint32_t tcp_not_sent;	    /* of these, those not sent */
	uint32_t tcp_rtt_us;
	uint32_t tcp_rtt_var_us;
	uint32_t tcp_cwnd;	  /* segments */
	uint32_t tcp_mss;	  /* bytes of a segment it sends */
	uint32_t tcp_retransmits; /* segments, ever */
};

/*
 * One connected socket of this process; fills `size` bytes of *ret_socket. Needs no privilege: what
 * the kernel does not tell over sock_diag, the socket itself may (getsockopt(2)), but not whether
 * it is the NIC that protects. -EBADF, -ENOTSOCK; -EOPNOTSUPP: not TCP; -ENOTCONN; -EINVAL;
 * -ENOMEM, -EMFILE; -EBADMSG: the kernel's answer is malformed.
 */
int ktls_diag_fd(int fd, struct ktls_diag_socket *ret_socket, size_t size);

/* A list of sockets, as they were when it was made. */
struct ktls_diag;

enum ktls_diag_flag {
	KTLS_DIAG_EVERY = 1u << 0, /* also sockets without TLS, or of which that is not told */
};

/*
 * Every connected TCP socket with TLS, in no order; also those that are being closed, or that no
 * process has any more. One that comes or goes meanwhile may be missing. Caller frees the list.
 * -EPROTONOSUPPORT, -EPERM: there is no sock_diag for TCP (module tcp_diag), or not for this
 * process; -EINVAL; -ENOMEM, -EMFILE; -EBADMSG, -ETIMEDOUT: the kernel's answer is malformed, or
 * did not come; -EAGAIN: the sockets changed faster than they could be told, call again.
 */
int ktls_diag_new(struct ktls_diag **ret_diag, unsigned int flags);
/* NULL. Takes NULL. */
struct ktls_diag *ktls_diag_free(struct ktls_diag *diag);

/* 0 for NULL. */
size_t ktls_diag_count(const struct ktls_diag *diag);
/* Fills `size` bytes of *ret_socket. -ERANGE: there are not so many; -EINVAL. */
int ktls_diag_get(const struct ktls_diag *diag, size_t i, struct ktls_diag_socket *ret_socket,
		  size_t size);

/* How many sockets were seen of which the kernel does not tell whether they have TLS: they are in
 * the list only with KTLS_DIAG_EVERY. 0 for NULL. */
size_t ktls_diag_hidden(const struct ktls_diag *diag);

/* "software", "FIN-WAIT-1" (RFC 9293 3.3.2). Never NULL; static storage; any thread. */
const char *ktls_diag_mode_name(unsigned int mode);
const char *ktls_diag_state_name(unsigned int state);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
