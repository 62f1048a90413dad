/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_ANSWER_H
#define KTLS_TOOL_ANSWER_H

/* A response on its way: how much of its pieces was accepted, and what is to be sent next. Lent to
 * a session by its thread, as long as it takes. No input or output. */

#include <stdbool.h>
#include <sys/uio.h>

#include "access.h"
#include "response.h"

enum answer_limit {
	ANSWER_LIMIT_SPARE = 64, /* kept by a thread for the next */
};

struct answer {
	struct answer *next_spare;
	unsigned int piece; /* that is next, */
	uint64_t at;	    /* and how much of it was accepted */
	uint64_t sent;	    /* of the whole response */
	struct response response;
	struct iovec iov[RESPONSE_LIMIT_PIECES];
	struct access_request access; /* what is said of the request, if anything */
};

struct answer_pool {
	struct answer *spare; /* zeroed */
	unsigned int n;
};

/* Its response is to be made; nothing of it was sent. NULL: no memory. */
struct answer *answer_borrow(struct answer_pool *pool);
/* NULL. Takes NULL. */
struct answer *answer_return(struct answer_pool *pool, struct answer *answer);
void answer_pool_done(struct answer_pool *pool);

/* So much more was accepted, of what answer_next() said. */
void answer_advance(struct answer *answer, uint64_t n);

/* What is next: pieces in memory, that many of answer->iov; or 0, and the rest of a piece of the
 * file in *ret_piece, of length 0 when nothing is left. */
int answer_next(struct answer *answer, struct response_piece *ret_piece);

/* Bytes of the body that were accepted. */
uint64_t answer_body_sent(const struct answer *answer);

#endif
