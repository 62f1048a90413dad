/* SPDX-License-Identifier: MIT */

/* Descriptors that come from elsewhere: each test puts its own at 3 and above, in a child. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "activation.h"
#include "hearing.h"

enum {
	KINDS_MAX = 4,
};

struct row {
	const char *
		kinds; /* l: listens, l6: IPv6; c: a TCP socket that does not; u: UNIX; f: a file */
	const char *fds, *names;
	int result;
	int https_fd, metrics_fd;
	const char *error;
};

static int open_kind(char kind)
{
	int fd = -1;

	switch (kind) {
	case 'l':
	case 'c':
		fd = socket(AF_INET, SOCK_STREAM, 0);
		break;
	case '6':
		fd = socket(AF_INET6, SOCK_STREAM, 0);
		break;
	case 'u':
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		break;
	case 'd':
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		break;
	case 'f':
		fd = open("/dev/null", O_RDONLY);
		break;
	}
	if (kind == 'l' || kind == '6')
		listen(fd, 1);
	return fd;
}

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* In a child, whose descriptors are nobody's: the line in which something is wrong, or 0. */
static int run_row(const struct row *row)
{
	char error[ACTIVATION_LIMIT_ERROR] = "", pid[16];
	struct activation activation;
	int fds[KINDS_MAX], n = (int)strlen(row->kinds), r;

	for (int i = 0; i < n; i++)
		fds[i] = fcntl(open_kind(row->kinds[i]), F_DUPFD, 100);
	for (int i = 3; i < 3 + KINDS_MAX; i++)
		close(i);
	for (int i = 0; i < n; i++)
		dup2(fds[i], 3 + i);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	set("LISTEN_PID", pid);
	set("LISTEN_FDS", row->fds);
	set("LISTEN_FDNAMES", row->names);

	r = activation_take(&activation, error);
	if (r != row->result)
		return __LINE__;
	if (activation.https_fd != row->https_fd || activation.metrics_fd != row->metrics_fd)
		return __LINE__;
	if (row->error && !strstr(error, row->error))
		return __LINE__;
	if (r || row->https_fd < 0)
		return 0;
	if (fcntl(3, F_GETFD) != FD_CLOEXEC || !(fcntl(3, F_GETFL) & O_NONBLOCK))
		return __LINE__;
	/* Only once. */
	return getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES") ? __LINE__
											: 0;
}

static int in_child(const struct row *row)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(run_row(row));
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(unit, what_comes_is_taken_or_refused)
{
	static const struct row rows[] = {
		{ "", NULL, NULL, 0, -1, -1, NULL },
		{ "", "0", NULL, 0, -1, -1, NULL },
		{ "", "x", NULL, 0, -1, -1, NULL },
		{ "l", "1", NULL, 0, 3, -1, NULL },
		{ "6", "1", "https", 0, 3, -1, NULL },
		{ "l", "1", "ktls-serve.socket", 0, 3, -1, NULL },
		{ "ll", "2", "https:metrics", 0, 3, 4, NULL },
		{ "ll", "2", "metrics:https", 0, 4, 3, NULL },
		{ "l", "1", "http", -EINVAL, -1, -1, "there are https and metrics" },
		{ "ll", "2", "https:https", -EEXIST, -1, -1, "two sockets for https" },
		{ "ll", "2", NULL, -EEXIST, -1, -1, "two sockets for https" },
		{ "c", "1", NULL, -ENOTSOCK, -1, -1, "descriptor 3 is no TCP socket that listens" },
		{ "u", "1", NULL, -ENOTSOCK, -1, -1, "is no TCP socket that listens" },
		{ "d", "1", NULL, -ENOTSOCK, -1, -1, "is no TCP socket that listens" },
		{ "f", "1", NULL, -ENOTSOCK, -1, -1, "is no TCP socket that listens" },
		{ "", "1", NULL, -EBADF, -1, -1, "descriptor 3: Bad file descriptor" },
		{ "", "65", NULL, -EINVAL, -1, -1, "there are 65 sockets" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(in_child(&rows[i]), 0, "%s %s %s: line %d", rows[i].kinds, rows[i].fds,
			     rows[i].names, in_child(&rows[i]));
}

Test(unit, what_is_somebody_else_s_is_left_alone)
{
	char error[ACTIVATION_LIMIT_ERROR];
	struct activation activation;

	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	cr_expect_eq(activation_take(&activation, error), 0);
	cr_expect(activation.https_fd == -1 && activation.metrics_fd == -1);
	cr_expect(getenv("LISTEN_FDS"));
	unsetenv("LISTEN_PID");
	cr_expect_eq(activation_take(&activation, error), 0);
	cr_expect_eq(activation.https_fd, -1);
}
