/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_SEAM_H
#define KTLS_TESTS_SEAM_H

/*
 * The syscall seam under a script: the calls of one connection are counted, and from a given one on
 * they fail, are cut short, or something happens to the peer first. Everything that is written to
 * its socket while no key is set there is searched for SEAM_MARKER, of which the scripts' plaintext
 * is full. One script per process.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define SEAM_MARKER "PLAINTEXT"

enum {
	SEAM_PIECES = 1024, /* of a list */
};

enum seam_call {
	SEAM_SENDMSG = 0,
	SEAM_RECVMSG,
	SEAM_SENDFILE,
	SEAM_PREADV,
	SEAM_SETSOCKOPT,
	SEAM_GETSOCKOPT,
	SEAM_FSTAT,
	SEAM_POLL,
	SEAM_SHUTDOWN,
	SEAM_CALLS_N,
};

/* Sets of calls. */
enum {
	SEAM_ALL = (1 << SEAM_CALLS_N) - 1,
	SEAM_BYTES = 1 << SEAM_SENDMSG | 1 << SEAM_RECVMSG | 1 << SEAM_SENDFILE | 1 << SEAM_PREADV,
};

struct seam_fault {
	unsigned int calls;    /* the set that is counted and touched */
	unsigned int at;       /* the first of them that is touched, from 0 on */
	unsigned int times;    /* how many in a row */
	int level, name;       /* only setsockopts of this option; 0: all */
	int error;	       /* the errno, or 0 */
	size_t at_most;	       /* bytes that the call may move, or 0 */
	void (*happens)(void); /* before the call */
};

struct seam {
	int fd; /* of the connection */
	struct seam_fault fault;
	unsigned int counted; /* calls of the fault's set so far */
	unsigned int touched; /* by the fault */
	enum seam_call last_touched;
	bool keyed;	    /* TLS_TX was set on the socket */
	bool leaked;	    /* the marker was written without protection */
	void (*wait)(void); /* what else goes on while the connection waits */
};

extern struct seam seam;

/* Puts the script in front of the calls; other sockets pass untouched. A fault of NULL: only
 * counts, all calls. */
void seam_begin(int fd, const struct seam_fault *fault, void (*wait)(void));
/* The calls are themselves again. */
void seam_end(void);

/* The beginning of a list, as a call that moves at most so many bytes sees it: at most SEAM_PIECES
 * pieces into ret_iov; how many. */
int seam_cut(const struct iovec *iov, size_t count, size_t at_most, struct iovec *ret_iov);

#endif
