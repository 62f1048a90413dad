/* SPDX-License-Identifier: MIT */

/* Waiting for a socket until a point in time. */

#include <errno.h>
#include <limits.h>
#include <time.h>

#include <ktls/conn.h>

#include "base/deadline.h"
#include "base/sys.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

uint64_t ktls_deadline_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t ktls_deadline_in(uint64_t timeout_ms)
{
	uint64_t now = ktls_deadline_clock();

	if (timeout_ms >= (KTLS_FOREVER - now) / NS_PER_MS)
		return KTLS_FOREVER;
	return now + timeout_ms * NS_PER_MS;
}

/* Rounded up: a wait that ends a little early would spin. */
int ktls_deadline_left_ms(uint64_t deadline_ns)
{
	uint64_t now, left_ms;

	if (deadline_ns == KTLS_FOREVER)
		return -1;
	now = ktls_deadline_clock();
	if (deadline_ns <= now)
		return 0;
	left_ms = (deadline_ns - now - 1) / NS_PER_MS + 1;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

int ktls_deadline_poll(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	for (;;) {
		int timeout_ms = ktls_deadline_left_ms(deadline_ns);
		int n;

		if (!timeout_ms)
			return KTLS_TIMEDOUT;
		n = ktls_sys.poll(&pollfd, 1, timeout_ms);
		if (n > 0)
			return pollfd.revents & POLLNVAL ? -EBADF : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}
