/* SPDX-License-Identifier: MIT */

/*
 * The server's machine; see remote.h. Each client has a session, a process of its own that ends
 * with a sentence at whatever is not as it should be, and with it the server that it started; the
 * one that waits tells the client that sentence, and waits for the next.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "machine.h"
#include "remote.h"

enum {
	HELLO_MS = 10000,
	IDLE_MS = 3660000, /* no window is longer than an hour */
	GOODBYE_MS = 500,
	GRACE_MS = 2000, /* for a session to end whose client comes again */
	COMPLAINT_LEN = MESSAGE_WHY_MAX,
};

/* -- A session -- */

enum state {
	STATE_NEW, /* nothing was said */
	STATE_IDLE,
	STATE_STARTED,
	STATE_OPEN, /* the window */
};

struct visit {
	int fd;
	struct place here; /* this end, where servers listen, too */
	enum state state;
	struct party_task task;
	struct stranger stranger;
	struct party party;
};

static json_t *say_hello(struct visit *visit, const struct ask *ask)
{
	if (ask->numbers[ASK_VERSION] != MESSAGE_VERSION)
		bench_die("the client speaks version %llu of this protocol, the server %d: both "
			  "machines need the same ktls-bench",
			  (unsigned long long)ask->numbers[ASK_VERSION], MESSAGE_VERSION);
	visit->state = STATE_IDLE;
	return json_pack("{s:i, s:s, s:o}", "version", MESSAGE_VERSION, "boot", machine_boot(),
			 "machine", machine_json(visit->fd));
}

static json_t *measure_limits(struct visit *visit, const struct ask *ask)
{
	(void)visit;
	return limits_json((unsigned int)ask->numbers[ASK_RUNS], ask->numbers[ASK_NS]);
}

static json_t *say_why_not(struct visit *visit, const struct ask *ask)
{
	const char *why = party_why_not(ask->arm, ask->workload->protocol);

	(void)visit;
	return why ? json_string(why) : json_null();
}

static json_t *start(struct visit *visit, const struct ask *ask)
{
	visit->task = (struct party_task){ .workload = ask->workload,
					   .arm = ask->arm,
					   .slow_us = (unsigned int)ask->numbers[ASK_SLOW_US],
					   .cpu = party_cpu(),
					   .host = visit->here.host };
	if (ask->kind == ASK_WATCH) {
		visit->stranger = (struct stranger){ .place.port = (uint16_t)ask->numbers[ASK_PORT],
						     .pid = (pid_t)ask->numbers[ASK_PID] };
		visit->task.stranger = &visit->stranger;
	}
	party_start(&visit->party, &visit->task);
	visit->state = STATE_STARTED;
	return json_integer(visit->party.process.port);
}

static json_t *begin(struct visit *visit, const struct ask *ask)
{
	(void)ask;
	party_begin(&visit->party);
	visit->state = STATE_OPEN;
	return json_true();
}

static json_t *end(struct visit *visit, const struct ask *ask)
{
	struct party_report report = { 0 };

	(void)ask;
	party_end(&visit->party, &report);
	party_stop(&visit->party);
	visit->state = STATE_IDLE;
	return report_json(&report);
}

static const struct {
	enum state in;
	json_t *(*answer)(struct visit *visit, const struct ask *ask);
} answers[_ASK_KIND_N] = {
	[ASK_HELLO] = { STATE_NEW, say_hello },
	[ASK_LIMITS] = { STATE_IDLE, measure_limits },
	[ASK_WHY_NOT] = { STATE_IDLE, say_why_not },
	[ASK_START] = { STATE_IDLE, start },
	[ASK_WATCH] = { STATE_IDLE, start },
	[ASK_BEGIN] = { STATE_STARTED, begin },
	[ASK_END] = { STATE_OPEN, end },
};

/* The client's next, or the process ends: in peace between two runs. */
static struct ask next_ask(const struct visit *visit)
{
	char line[MESSAGE_ASK_MAX], why[MESSAGE_WHY_MAX];
	struct ask ask;
	size_t n;
	int r = message_receive(visit->fd, line, sizeof(line),
				visit->state == STATE_NEW ? HELLO_MS : IDLE_MS, &n);

	if (r == 1 && visit->state <= STATE_IDLE)
		_exit(0);
	if (r)
		bench_die("the client: %s", message_error(r));
	if (ask_read(line, n, &ask, why))
		bench_die("the client's message: %s", why);
	if (visit->state != answers[ask.kind].in)
		bench_die("the client's \"%s\" has no place here", ask_name(ask.kind));
	return ask;
}

static _Noreturn void visit(int fd)
{
	struct visit visit = { .fd = fd };

	if (place_of(fd, &visit.here))
		bench_die("this end of the connection has no address");
	for (;;) {
		struct ask ask = next_ask(&visit);
		json_t *value = answers[ask.kind].answer(&visit, &ask);
		int r = message_send(fd, json_pack("{s:o}", "ok", value));

		if (r)
			bench_die("answering the client: %s", strerror(-r));
	}
}

/* -- The process that waits -- */

struct session {
	pid_t pid; /* 0: there is none */
	int fd;	   /* of its client */
	int complaints;
	char text[COMPLAINT_LEN]; /* what has come of them, as far as it fits */
	size_t n;
};

/* What the client has sent meanwhile is read, for else TCP might take our sentence back. */
static void refuse(int fd, const char *why)
{
	char drop[MESSAGE_ASK_MAX];
	size_t n;

	message_send(fd, json_pack("{s:s%}", "error", why, strcspn(why, "\n")));
	shutdown(fd, SHUT_WR);
	message_receive(fd, drop, sizeof(drop), GOODBYE_MS, &n);
}

static void finish(struct session *session)
{
	int status = 0;

	while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status))
		session->n = (size_t)snprintf(session->text, sizeof(session->text),
					      "the server's process ended by signal %d",
					      WTERMSIG(status));
	session->text[session->n] = '\0';
	if (status) {
		fprintf(stderr, "ktls-bench: %s\n", session->text);
		refuse(session->fd, session->text);
	}
	close(session->fd);
	close(session->complaints);
	session->pid = 0;
}

/* false: there will be no more. */
static bool read_complaint(struct session *session)
{
	char text[COMPLAINT_LEN];
	size_t room = sizeof(session->text) - 1 - session->n;
	ssize_t n = read(session->complaints, text, sizeof(text));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	room = (size_t)n < room ? (size_t)n : room;
	memcpy(session->text + session->n, text, room);
	session->n += room;
	return true;
}

/* Until the session has ended, or `also` (-1: nothing) can be read, or the time is over. */
static void attend(struct session *session, int also, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = also, .events = POLLIN } };
	int n;

	for (;;) {
		fds[1] = (struct pollfd){ .fd = session->pid ? session->complaints : -1,
					  .events = POLLIN };
		n = poll(fds, 2, timeout_ms);
		if (n < 0 && errno != EINTR)
			bench_die("poll: %s", strerror(errno));
		if (!n || (n > 0 && fds[0].revents))
			return;
		if (n < 0 || !fds[1].revents)
			continue;
		if (read_complaint(session))
			continue;
		finish(session);
		if (also < 0)
			return;
	}
}

static void begin_session(struct session *session, int fd, int listener)
{
	int complaints[2];

	if (pipe2(complaints, O_CLOEXEC))
		bench_die("pipe: %s", strerror(errno));
	*session = (struct session){ .pid = bench_fork(), .fd = fd, .complaints = complaints[0] };
	if (session->pid) {
		close(complaints[1]);
		return;
	}
	close(listener);
	dup2(complaints[1], STDERR_FILENO);
	visit(fd);
}

/* A client that went away before is none. */
static int accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		place_watch_peer(fd);
	else if (errno == EMFILE || errno == ENFILE || errno == EINVAL || errno == ENOTSOCK)
		bench_die("accepting a client: %s", strerror(errno));
	return fd;
}

_Noreturn void remote_serve(const struct place *place)
{
	struct session session = { 0 };
	char why[PLACE_WHY_MAX];
	uint16_t port;
	int listener = place_listen(place, &port, why);

	if (listener < 0)
		bench_die("waiting for clients at %s, port %u: %s", place->host, place->port, why);
	printf("waiting for clients at port %u\n", port);
	fflush(stdout);
	for (;;) {
		int fd;

		attend(&session, listener, -1);
		fd = accept_client(listener);
		if (fd < 0)
			continue;
		if (session.pid)
			attend(&session, -1, GRACE_MS);
		if (!session.pid) {
			begin_session(&session, fd, listener);
			continue;
		}
		refuse(fd, "another client is being served");
		close(fd);
	}
}
