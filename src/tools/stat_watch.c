/* SPDX-License-Identifier: MIT */

/*
 * See stat_watch.h. The signals are blocked but while it waits, so that none comes between a look
 * at the flag and the wait; and it never writes what the reader has not been seen to have room for.
 */

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "stat_watch.h"
#include "tool.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

static volatile sig_atomic_t ended;
static sigset_t while_waiting;

static void end(int number)
{
	(void)number;
	ended = 1;
}

void stat_watch_begin(void)
{
	const struct sigaction action = { .sa_handler = end };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaction(signals[i], &action, NULL);
		sigaddset(&blocked, signals[i]);
	}
	sigaction(SIGPIPE, &ignore, NULL);
	sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigdelset(&while_waiting, signals[i]);
}

/* Until stdout can be written to, if `events` says so, or is gone. -1: for ever. */
static int await(short events, int64_t ms)
{
	struct pollfd pollfd = { .fd = STDOUT_FILENO, .events = events };
	const struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int r = ended ? 0 : ppoll(&pollfd, 1, ms < 0 ? NULL : &timeout, &while_waiting);

	if (ended || (r > 0 && pollfd.revents & (POLLERR | POLLHUP)))
		return STAT_WATCH_ENDED;
	return STAT_WATCH_ON;
}

int stat_watch_put(const char *page, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t piece = len - done < PIPE_BUF ? len - done : PIPE_BUF;
		ssize_t n;

		if (await(POLLOUT, -1) == STAT_WATCH_ENDED)
			return STAT_WATCH_ENDED;
		n = write(STDOUT_FILENO, page + done, piece);
		if (n < 0 && errno == EPIPE)
			return STAT_WATCH_ENDED;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return STAT_WATCH_ON;
}

int stat_watch_wait(uint64_t ms)
{
	uint64_t deadline = ktls_deadline_in(ms);
	uint64_t now = ktls_deadline_in(0);

	while (now < deadline) {
		uint64_t left_ms = (deadline - now) / 1000000 + 1;

		if (await(0, (int64_t)left_ms) == STAT_WATCH_ENDED)
			return STAT_WATCH_ENDED;
		now = ktls_deadline_in(0);
	}
	return STAT_WATCH_ON;
}

size_t stat_watch_fit(const char *page, size_t len, unsigned int rows, size_t *ret_left)
{
	size_t at = 0, fits = 0, lines = 0;

	while (at < len) {
		const char *newline = memchr(page + at, '\n', len - at);

		at = newline ? (size_t)(newline - page) + 1 : len;
		lines++;
		if (lines + 1 <= rows)
			fits = at;
	}
	*ret_left = lines + 1 > rows ? lines - (rows ? rows - 1 : 0) : 0;
	return fits;
}
