/* SPDX-License-Identifier: MIT */

/* The client's machine; see remote.h. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "remote.h"

enum {
	CONNECT_MS = 10000,
	ANSWER_MS = 60000, /* an RSA key is made in it, in an emulator, too */
	LIMITS_MS = 900000,
	AGAIN_MS = 5000, /* until the server has seen that we were gone */
	AGAIN_EVERY_MS = 100,
};

/* -- The connection -- */

/* The value, or NULL: then `why` is the other side's sentence, or ours of it. */
static json_t *try(const struct remote *remote, const struct ask *ask, int timeout_ms,
		   char why[MESSAGE_WHY_MAX])
{
	char *line = malloc(MESSAGE_ANSWER_MAX);
	json_t *value = NULL;
	size_t n;
	int r;

	if (!line)
		bench_die("no memory");
	r = message_send(remote->fd, ask_json(ask));
	/* Even if it could not be sent: the server may have said why before it went. */
	if (!r || r == -EPIPE || r == -ECONNRESET)
		r = message_receive(remote->fd, line, MESSAGE_ANSWER_MAX, timeout_ms, &n);
	if (r)
		snprintf(why, MESSAGE_WHY_MAX, "%s", message_error(r));
	else
		answer_read(line, n, &value, why);
	free(line);
	return value;
}

static json_t *must(const struct remote *remote, const struct ask *ask, int timeout_ms)
{
	char why[MESSAGE_WHY_MAX];
	json_t *value = NULL;

	if (remote->gone)
		bench_die("the server at %s has gone: %s", remote->place.host, remote->why);
	value = try(remote, ask, timeout_ms, why);
	if (!value)
		bench_die("the server at %s, asked for \"%s\": %s", remote->place.host,
			  ask_name(ask->kind), why);
	return value;
}

static int keep_facts(struct remote *remote, const json_t *value)
{
	json_int_t version;
	const char *boot;
	json_t *machine;

	if (json_unpack((json_t *)value, "{s:I, s:s, s:o!}", "version", &version, "boot", &boot,
			"machine", &machine) ||
	    version != MESSAGE_VERSION || !json_is_object(machine))
		return -EBADMSG;
	remote->same_machine = *boot && !strcmp(boot, machine_boot());
	json_decref(remote->machine);
	remote->machine = json_incref(machine);
	return 0;
}

/* 0: remote->fd is good; else it is not, and remote->why says so. */
static int open_once(struct remote *remote)
{
	const struct ask hello = { .kind = ASK_HELLO,
				   .numbers = { [ASK_VERSION] = MESSAGE_VERSION } };
	json_t *value;
	int r = place_dial(&remote->place, CONNECT_MS, remote->why);

	if (r < 0)
		return r;
	remote->fd = r;
	value = try(remote, &hello, ANSWER_MS, remote->why);
	r = value ? keep_facts(remote, value) : -EPROTO;
	if (value && r)
		snprintf(remote->why, sizeof(remote->why), "it is no server of ktls-bench");
	json_decref(value);
	if (!r)
		return 0;
	close(remote->fd);
	remote->fd = -1;
	return r;
}

void remote_open(struct remote *remote, const struct place *place)
{
	*remote = (struct remote){ .place = *place, .fd = -1 };
	if (open_once(remote))
		bench_die("the server at %s, port %u: %s", place->host, place->port, remote->why);
}

void remote_close(struct remote *remote)
{
	if (remote->fd >= 0)
		close(remote->fd);
	json_decref(remote->machine);
	*remote = (struct remote){ .fd = -1 };
}

/* While the server still ends what was before, it refuses. */
void remote_again(struct remote *remote)
{
	if (remote->gone)
		return;
	close(remote->fd);
	remote->fd = -1;
	for (int ms = 0; ms < AGAIN_MS && open_once(remote) == -EPROTO; ms += AGAIN_EVERY_MS)
		poll(NULL, 0, AGAIN_EVERY_MS);
	remote->gone = remote->fd < 0;
}

/* -- The questions -- */

json_t *remote_limits(const struct remote *remote, unsigned int runs, uint64_t ns)
{
	const struct ask ask = { .kind = ASK_LIMITS,
				 .numbers = { [ASK_RUNS] = runs, [ASK_NS] = ns } };
	json_t *value = must(remote, &ask, LIMITS_MS);

	if (!json_is_array(value))
		bench_die("the server's limits are no list");
	return value;
}

void remote_why_not(const struct remote *remote, const struct workload *workload,
		    const struct arm *arm, char why[MESSAGE_WHY_MAX])
{
	const struct ask ask = { .kind = ASK_WHY_NOT, .workload = workload, .arm = arm };
	json_t *value = must(remote, &ask, ANSWER_MS);
	const char *text = json_string_value(value);

	if (!text && !json_is_null(value))
		bench_die("the server does not say whether it can %s", arm->name);
	snprintf(why, MESSAGE_WHY_MAX, "%s", text ? text : "");
	json_decref(value);
}

uint16_t remote_start(const struct remote *remote, const struct party_task *task)
{
	struct ask ask = { .kind = task->arm ? ASK_START : ASK_WATCH,
			   .workload = task->workload,
			   .arm = task->arm,
			   .numbers = { [ASK_SLOW_US] = task->slow_us } };
	json_t *value;
	json_int_t port;

	if (task->stranger) {
		ask.numbers[ASK_PORT] = task->stranger->place.port;
		ask.numbers[ASK_PID] = (uint64_t)task->stranger->pid;
	}
	value = must(remote, &ask, ANSWER_MS);
	port = json_integer_value(value);
	json_decref(value);
	if (port < 1 || port > UINT16_MAX)
		bench_die("the server does not say on which port");
	return (uint16_t)port;
}

void remote_begin(const struct remote *remote)
{
	const struct ask ask = { .kind = ASK_BEGIN };

	json_decref(must(remote, &ask, ANSWER_MS));
}

void remote_end(const struct remote *remote, struct party_report *ret_report)
{
	const struct ask ask = { .kind = ASK_END };
	json_t *value = must(remote, &ask, ANSWER_MS);

	if (report_read(value, ret_report))
		bench_die("the server's report is none");
	json_decref(value);
}
