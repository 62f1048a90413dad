/* SPDX-License-Identifier: MIT */

/* One signal held back in one thread; see sigpipe.h. */

#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/sigpipe.h"

static bool is_ignored(void)
{
	struct sigaction action;

	return !sigaction(SIGPIPE, NULL, &action) && action.sa_handler == SIG_IGN;
}

static sigset_t only_sigpipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	return set;
}

void ktls_sigpipe_hold(struct ktls_sigpipe *sigpipe)
{
	const sigset_t set = only_sigpipe();
	sigset_t pending;

	if (sigpipe->held || is_ignored())
		return;
	sigemptyset(&pending);
	pthread_sigmask(SIG_BLOCK, &set, &sigpipe->before);
	if (sigismember(&sigpipe->before, SIGPIPE))
		sigpending(&pending);
	sigpipe->was_pending = sigismember(&pending, SIGPIPE);
	sigpipe->held = true;
}

void ktls_sigpipe_release(struct ktls_sigpipe *sigpipe)
{
	static const struct timespec now;
	const sigset_t set = only_sigpipe();

	if (!sigpipe->held)
		return;
	if (!sigpipe->was_pending)
		sigtimedwait(&set, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &sigpipe->before, NULL);
	sigpipe->held = false;
}
