/* SPDX-License-Identifier: MIT */

/* See answer.h. */

#include <assert.h>
#include <stdlib.h>

#include "answer.h"

struct answer *answer_borrow(struct answer_pool *pool)
{
	struct answer *answer = pool->spare;

	if (answer) {
		pool->spare = answer->next_spare;
		pool->n--;
	} else {
		answer = malloc(sizeof(*answer));
	}
	if (answer)
		answer->piece = answer->at = answer->sent = 0;
	return answer;
}

struct answer *answer_return(struct answer_pool *pool, struct answer *answer)
{
	if (!answer)
		return NULL;
	response_done(&answer->response);
	if (pool->n == ANSWER_LIMIT_SPARE) {
		free(answer);
		return NULL;
	}
	answer->next_spare = pool->spare;
	pool->spare = answer;
	pool->n++;
	return NULL;
}

void answer_pool_done(struct answer_pool *pool)
{
	while (pool->spare) {
		struct answer *answer = pool->spare;

		pool->spare = answer->next_spare;
		free(answer);
	}
	pool->n = 0;
}

void answer_advance(struct answer *answer, uint64_t n)
{
	answer->sent += n;
	while (n) {
		const struct response_piece *piece = &answer->response.pieces[answer->piece];
		uint64_t left = piece->len - answer->at;

		assert(answer->piece < answer->response.n_pieces);
		if (n < left) {
			answer->at += n;
			return;
		}
		n -= left;
		answer->piece++;
		answer->at = 0;
	}
}

int answer_next(struct answer *answer, struct response_piece *ret_piece)
{
	const struct response *response = &answer->response;
	const struct response_piece *piece = &response->pieces[answer->piece];
	uint64_t skip = answer->at;
	int n = 0;

	for (unsigned int i = answer->piece; i < response->n_pieces; i++) {
		const struct response_piece *memory = &response->pieces[i];

		if (!memory->data)
			break;
		answer->iov[n++] = (struct iovec){ .iov_base = (char *)memory->data + skip,
						   .iov_len = memory->len - skip };
		skip = 0;
	}
	*ret_piece = (struct response_piece){ .len = 0 };
	if (!n && answer->piece < response->n_pieces)
		*ret_piece = (struct response_piece){ .offset = piece->offset + skip,
						      .len = piece->len - skip };
	return n;
}

uint64_t answer_body_sent(const struct answer *answer)
{
	uint64_t head_len = answer->response.len - answer->response.body_len;

	return answer->sent > head_len ? answer->sent - head_len : 0;
}
