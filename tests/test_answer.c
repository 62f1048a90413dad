/* SPDX-License-Identifier: MIT */

/* What is next of an answer, however it is taken. */

#include <string.h>

#include <criterion/criterion.h>

#include "answer.h"

/* A head of 4 bytes, two pieces of a file with words before and behind them. */
static struct answer *make_answer(struct answer_pool *pool)
{
	static const struct response_piece pieces[] = {
		{ "HEAD", 0, 4 }, { "one", 0, 3 },   { NULL, 1000, 5 },
		{ "two", 0, 3 },  { NULL, 2000, 7 }, { "end", 0, 3 },
	};
	struct answer *answer = answer_borrow(pool);

	cr_assert(answer);
	memset(&answer->response, 0, sizeof(answer->response));
	memcpy(answer->response.pieces, pieces, sizeof(pieces));
	answer->response.n_pieces = sizeof(pieces) / sizeof(*pieces);
	answer->response.len = 4 + 3 + 5 + 3 + 7 + 3;
	answer->response.body_len = answer->response.len - 4;
	return answer;
}

/* Takes at most `step` bytes of what is next; a letter for each: of memory itself, of the file "."
 * and a check that it is the right one. */
static size_t take(struct answer *answer, size_t step, char *ret_text)
{
	struct response_piece piece;
	int n = answer_next(answer, &piece);
	size_t len = 0;

	for (int i = 0; i < n && len < step; i++) {
		size_t part =
			answer->iov[i].iov_len < step - len ? answer->iov[i].iov_len : step - len;

		memcpy(ret_text + len, answer->iov[i].iov_base, part);
		len += part;
	}
	if (!n && piece.len) {
		uint64_t start = answer->sent < 14 ? 1000 - 7 : 2000 - 15;

		cr_assert_null(piece.data);
		cr_expect_eq(piece.offset, start + answer->sent);
		len = piece.len < step ? piece.len : step;
		memset(ret_text, '.', len);
	}
	answer_advance(answer, len);
	return len;
}

Test(unit, all_of_it_comes_in_its_order_however_it_is_taken)
{
	for (size_t step = 1; step < 30; step++) {
		struct answer_pool pool = { 0 };
		struct answer *answer = make_answer(&pool);
		char text[64];
		size_t len = 0, n;

		while ((n = take(answer, step, text + len))) {
			len += n;
			cr_expect_eq(answer_body_sent(answer), len < 4 ? 0 : len - 4);
		}
		text[len] = '\0';
		cr_expect_str_eq(text, "HEADone.....two.......end", "%zu: %s", step, text);
		answer_return(&pool, answer);
		answer_pool_done(&pool);
	}
}

Test(unit, pieces_of_memory_side_by_side_go_at_once)
{
	struct answer_pool pool = { 0 };
	struct answer *answer = make_answer(&pool);
	struct response_piece piece;

	answer_advance(answer, 2);
	cr_expect_eq(answer_next(answer, &piece), 2);
	cr_expect_arr_eq(answer->iov[0].iov_base, "AD", 2);
	cr_expect_eq(answer->iov[0].iov_len, 2);
	cr_expect_arr_eq(answer->iov[1].iov_base, "one", 3);
	cr_expect_eq(piece.len, 0);
	answer_return(&pool, answer);
	answer_pool_done(&pool);
}

Test(unit, a_pool_keeps_so_many_and_begins_them_anew)
{
	struct answer *answers[2 * ANSWER_LIMIT_SPARE];
	struct answer_pool pool = { 0 };
	struct answer *again;

	for (int i = 0; i < 2 * ANSWER_LIMIT_SPARE; i++) {
		answers[i] = make_answer(&pool);
		answer_advance(answers[i], 7);
	}
	for (int i = 0; i < 2 * ANSWER_LIMIT_SPARE; i++)
		answer_return(&pool, answers[i]);
	cr_expect_eq(pool.n, ANSWER_LIMIT_SPARE);
	cr_expect_null(answer_return(&pool, NULL));

	again = answer_borrow(&pool);
	cr_expect_eq(pool.n, ANSWER_LIMIT_SPARE - 1);
	cr_expect(!again->piece && !again->at && !again->sent);
	again->response.entry = NULL;
	again->response.parts = NULL;
	answer_return(&pool, again);
	answer_pool_done(&pool);
}
