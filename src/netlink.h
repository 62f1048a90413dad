/* SPDX-License-Identifier: MIT */
#ifndef KTLS_NETLINK_H
#define KTLS_NETLINK_H

/*
 * Asking the kernel over netlink (netlink(7), RFC 3549): one request, any number of answers, each
 * handed on as a header and its attributes. libnl does the asking; what is asked, and what the
 * answers mean, others know. Nothing else includes <netlink/...>.
 *
 * Bytes go through the seam (base/sys.h: sendmsg, recvmsg, poll), and only the kernel's are
 * believed. No call waits for ever: a kernel that says nothing for KTLS_NETLINK_SILENCE_MS is
 * -ETIMEDOUT. Thread rule: a socket is one thread's at a time.
 */

#include <stddef.h>
#include <stdint.h>

enum ktls_netlink_limit {
	KTLS_NETLINK_ASK_MAX = 1024,	 /* bytes of a request */
	KTLS_NETLINK_ANSWER_MAX = 32768, /* bytes of a datagram: the kernel makes no longer list */
	KTLS_NETLINK_TRIES_MAX = 8,	 /* of a list that changed, or was lost, meanwhile */
	KTLS_NETLINK_SILENCE_MS = 1000,
};

/* A piece of an answer: an attribute's value, or a row of attributes; in host byte order, and
 * aligned to nothing. Zeros: it was not there. */
struct ktls_view {
	const uint8_t *data;
	size_t len;
};

/* A request, built in place. Zeros, but for type and flags: an empty one. */
struct ktls_ask {
	uint16_t type;	/* of the message */
	uint16_t flags; /* NLM_F_DUMP: everything there is; 0: one thing */
	size_t len;
	uint8_t data[KTLS_NETLINK_ASK_MAX]; /* the protocol's header, then attributes */
};

/* What takes an answer: the message's type, and what is behind its header, valid until it returns.
 * 0, or -errno, which ends the asking and is its result. */
struct ktls_answers {
	int (*take)(void *context, uint16_t type, struct ktls_view message);
	void (*restart)(void *context); /* what was taken is void: all is told again */
	void *context;
};

struct ktls_netlink;

/* A socket for a protocol: NETLINK_SOCK_DIAG, NETLINK_ROUTE, NETLINK_GENERIC. -EPROTONOSUPPORT, or
 * another -errno of socket(2); -ENOMEM. */
int ktls_netlink_new(struct ktls_netlink **ret_netlink, int protocol);
/* NULL. Takes NULL. */
struct ktls_netlink *ktls_netlink_free(struct ktls_netlink *netlink);

/*
 * Asks, and hands each answer to `take`, until the kernel says that it was the last. A list that
 * changed while it was told (NLM_F_DUMP_INTR), or of which answers were lost (ENOBUFS), is asked
 * for again. -errno: take's, or the kernel's own (EPERM, ENOENT, EOPNOTSUPP, ...); -EBADMSG: what
 * came is malformed, or no answer to this; -EMSGSIZE: longer than KTLS_NETLINK_ANSWER_MAX; -EAGAIN:
 * the list would not hold still; -ETIMEDOUT; -ENOMEM.
 */
int ktls_netlink_ask(struct ktls_netlink *netlink, const struct ktls_ask *ask,
		     const struct ktls_answers *answers);

/* The number of a family of generic netlink ("ethtool"). -ENOENT: this kernel does not have it. */
int ktls_netlink_family(struct ktls_netlink *netlink, const char *name, uint16_t *ret_family);

/* -- Requests: attributes.c -- */

/* -EMSGSIZE: it is full; nothing is put. */
int ktls_ask_put_header(struct ktls_ask *ask, const void *header, size_t len);
int ktls_ask_put(struct ktls_ask *ask, uint16_t type, const void *value, size_t len);
/* Attributes put between the two lie within one. */
int ktls_ask_begin(struct ktls_ask *ask, uint16_t type, size_t *ret_mark);
void ktls_ask_end(struct ktls_ask *ask, size_t mark);

/* -- Answers: attributes.c -- */

/* What is behind a header of `len` bytes (aligned as netlink does). -EBADMSG: shorter than that. */
int ktls_view_skip(struct ktls_view message, size_t len, struct ktls_view *ret_row);

/*
 * Sorts a row of attributes by their type: ret_views[type] of each below n, the last one of a type,
 * and zeros where there is none; others are passed over. -EBADMSG: cut, or of a length that cannot
 * be; nothing is set then.
 */
int ktls_views(struct ktls_view row, struct ktls_view *ret_views, size_t n);

/* Takes the first attribute off a row, for rows that have several of a type. 0: *ret_view is set;
 * -ENODATA: the row is empty; -EBADMSG. */
int ktls_view_next(struct ktls_view *row, uint16_t *ret_type, struct ktls_view *ret_view);

/* Its value; `otherwise` where it is not there, or has another length. */
uint8_t ktls_view_u8(struct ktls_view view, uint8_t otherwise);
uint16_t ktls_view_u16(struct ktls_view view, uint16_t otherwise);
uint32_t ktls_view_u32(struct ktls_view view, uint32_t otherwise);
uint64_t ktls_view_u64(struct ktls_view view, uint64_t otherwise);

/* Copies a string, its end always set, cut to size; "" where there is none. */
void ktls_view_string(struct ktls_view view, char *ret_text, size_t size);

#endif
