/* SPDX-License-Identifier: MIT */

/* The cursor, the deadline and the pool. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <ktls/conn.h>

#include "base/cursor.h"
#include "base/deadline.h"
#include "pool.h"

static const struct iovec pieces[] = {
	{ (void *)"", 0 },    { (void *)"ab", 2 }, { (void *)"", 0 }, { (void *)"", 0 },
	{ (void *)"cde", 3 }, { (void *)"f", 1 },  { (void *)"", 0 },
};

enum {
	PIECES_N = sizeof(pieces) / sizeof(pieces[0]),
};

Test(unit, a_cursor_reads_across_pieces_and_empty_ones)
{
	struct ktls_cursor cursor = { .iov = pieces, .count = PIECES_N };
	char text[8] = "";

	cr_assert_eq(ktls_cursor_left(&cursor), 6);
	cr_assert_eq(ktls_cursor_read(&cursor, text, 3), 3);
	cr_assert_str_eq(text, "abc");
	cr_assert_eq(ktls_cursor_left(&cursor), 3);
	cr_assert_eq(ktls_cursor_read(&cursor, text, 8), 3);
	cr_assert(!memcmp(text, "def", 3));
	cr_assert_eq(ktls_cursor_left(&cursor), 0);
	cr_assert_eq(ktls_cursor_read(&cursor, text, 8), 0);
}

Test(unit, a_cursors_window_begins_where_it_stands_and_holds_no_empty_piece)
{
	struct ktls_cursor cursor = { .iov = pieces, .count = PIECES_N };
	struct iovec window[4];

	ktls_cursor_advance(&cursor, 3);

	cr_assert_eq(ktls_cursor_window(&cursor, window, 4), 2);
	cr_assert(window[0].iov_len == 2 && !memcmp(window[0].iov_base, "de", 2));
	cr_assert(window[1].iov_len == 1 && !memcmp(window[1].iov_base, "f", 1));
	cr_assert_eq(ktls_cursor_window(&cursor, window, 1), 1);
	cr_assert_eq(ktls_cursor_left(&cursor), 3, "a window does not move the cursor");
}

Test(unit, a_limited_cursor_ends_before_its_list)
{
	for (size_t limit = 0; limit <= 8; limit++) {
		struct ktls_cursor cursor = { .iov = pieces, .count = PIECES_N };
		size_t visible = limit < 6 ? limit : 6, seen = 0;
		struct iovec window[PIECES_N];
		char text[8] = "";
		int n;

		ktls_cursor_limit(&cursor, limit);
		cr_assert_eq(ktls_cursor_left(&cursor), visible);
		n = ktls_cursor_window(&cursor, window, PIECES_N);
		for (int i = 0; i < n; i++) {
			cr_assert(window[i].iov_len > 0);
			seen += window[i].iov_len;
		}
		cr_assert_eq(seen, visible);
		cr_assert_eq(ktls_cursor_read(&cursor, text, 8), visible);
		cr_assert(!memcmp(text, "abcdef", visible) && !text[visible]);
		cr_assert_eq(ktls_cursor_left(&cursor), 0);
		cr_assert_eq(ktls_cursor_window(&cursor, window, PIECES_N), 0);
	}
}

Test(unit, a_cursor_is_limited_from_where_it_stands_and_never_widened)
{
	for (size_t at = 0; at <= 6; at++) {
		struct ktls_cursor cursor = { .iov = pieces, .count = PIECES_N };
		size_t left = 6 - at < 2 ? 6 - at : 2;
		char text[8] = "";

		ktls_cursor_advance(&cursor, at);
		ktls_cursor_limit(&cursor, 2);
		ktls_cursor_limit(&cursor, UINT64_MAX);
		ktls_cursor_limit(&cursor, 4);
		cr_assert_eq(ktls_cursor_left(&cursor), left);
		cr_assert_eq(ktls_cursor_read(&cursor, text, 8), left);
		cr_assert(!memcmp(text, "abcdef" + at, left));
	}
}

Test(unit, a_limited_cursor_writes_no_further)
{
	char first[2] = "--", second[4] = "---";
	struct iovec iov[] = { { first, 2 }, { NULL, 0 }, { second, 3 } };
	struct ktls_cursor cursor = { .iov = iov, .count = 3 };

	ktls_cursor_limit(&cursor, 3);
	cr_assert_eq(ktls_cursor_write(&cursor, "abcdefg", 7), 3);
	cr_assert(!memcmp(first, "ab", 2) && !memcmp(second, "c--", 3));
}

Test(unit, a_cursor_writes_across_pieces)
{
	char first[2], second[3];
	struct iovec iov[] = { { first, 2 }, { NULL, 0 }, { second, 3 } };
	struct ktls_cursor cursor = { .iov = iov, .count = 3 };

	cr_assert_eq(ktls_cursor_write(&cursor, "abcdefg", 7), 5);
	cr_assert(!memcmp(first, "ab", 2) && !memcmp(second, "cde", 3));
}

Test(unit, deadlines_add_up_and_never_wrap)
{
	uint64_t now = ktls_deadline_clock();

	cr_assert(ktls_deadline_in(0) >= now);
	cr_assert(ktls_deadline_in(1000) - now >= 1000000000u);
	cr_assert_eq(ktls_deadline_in(UINT64_MAX), KTLS_FOREVER);
	cr_assert_eq(ktls_deadline_in(UINT64_MAX / 1000000), KTLS_FOREVER);
}

static void ignore_signal(int number)
{
	(void)number;
}

Test(unit, a_wait_goes_on_through_signals_until_its_deadline)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct itimerval storm = { .it_interval.tv_usec = 500, .it_value.tv_usec = 500 };
	uint64_t began = ktls_deadline_clock();
	int fds[2];

	cr_assert(!pipe(fds) && !sigaction(SIGALRM, &action, NULL) &&
		  !setitimer(ITIMER_REAL, &storm, NULL));
	cr_assert_eq(ktls_deadline_poll(fds[0], POLLIN, ktls_deadline_in(50)), KTLS_TIMEDOUT);
	cr_assert(ktls_deadline_clock() - began >= 50000000u);
	cr_assert_eq(ktls_deadline_poll(fds[0], POLLIN, KTLS_NOW), KTLS_TIMEDOUT);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	cr_assert_eq(ktls_deadline_poll(fds[0], POLLIN, KTLS_FOREVER), 0);
	close(fds[0]);
	cr_assert_eq(ktls_deadline_poll(fds[0], POLLIN, KTLS_FOREVER), -EBADF);
	close(fds[1]);
}

Test(unit, a_pool_gives_each_buffer_once_and_the_warmest_first)
{
	uint8_t *buffers[3];
	struct ktls_pool *pool;

	cr_assert_eq(ktls_pool_new(&pool, 3), 0);
	for (int i = 0; i < 3; i++) {
		buffers[i] = ktls_pool_take(pool);
		memset(buffers[i], i, KTLS_POOL_BUFFER_LEN);
	}
	cr_assert_null(ktls_pool_take(pool));
	cr_assert_eq(ktls_pool_wait(pool, ktls_deadline_in(5)), KTLS_TIMEDOUT);
	for (int i = 0; i < 3; i++)
		cr_assert(buffers[i][0] == i && buffers[i][KTLS_POOL_BUFFER_LEN - 1] == i);
	ktls_pool_give(pool, buffers[1]);
	cr_assert_eq(ktls_pool_take(pool), buffers[1]);
	for (int i = 0; i < 3; i++)
		ktls_pool_give(pool, buffers[i]);
	ktls_pool_free(pool);
}

static uint8_t *the_buffer;

static void *give_later(void *pool)
{
	usleep(20000);
	ktls_pool_give(pool, the_buffer);
	return NULL;
}

Test(unit, a_wait_for_a_buffer_ends_when_another_thread_gives_one)
{
	struct ktls_pool *pool;
	pthread_t thread;

	cr_assert_eq(ktls_pool_new(&pool, 1), 0);
	the_buffer = ktls_pool_take(pool);
	cr_assert_eq(pthread_create(&thread, NULL, give_later, pool), 0);

	cr_assert_eq(ktls_pool_wait(pool, ktls_deadline_in(5000)), 0);

	cr_assert_not_null(ktls_pool_take(pool));
	pthread_join(thread, NULL);
	ktls_pool_give(pool, the_buffer);
	ktls_pool_free(pool);
}
