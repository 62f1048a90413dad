/* SPDX-License-Identifier: MIT */

/* See message.h. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "message.h"

/* -- What is asked -- */

enum {
	HAS_WORKLOAD = 1 << _ASK_NUMBER_N,
	HAS_ARM = 2 << _ASK_NUMBER_N,
};

static const struct {
	const char *name;
	unsigned int has; /* 1 << enum ask_number, HAS_ */
} kinds[_ASK_KIND_N] = {
	[ASK_HELLO] = { "hello", 1 << ASK_VERSION },
	[ASK_LIMITS] = { "limits", 1 << ASK_RUNS | 1 << ASK_NS },
	[ASK_WHY_NOT] = { "why_not", HAS_WORKLOAD | HAS_ARM },
	[ASK_START] = { "start", HAS_WORKLOAD | HAS_ARM | 1 << ASK_SLOW_US },
	[ASK_WATCH] = { "watch", HAS_WORKLOAD | 1 << ASK_PORT | 1 << ASK_PID },
	[ASK_BEGIN] = { "begin", 0 },
	[ASK_END] = { "end", 0 },
};

static const struct {
	const char *name;
	uint64_t least, most;
} numbers[_ASK_NUMBER_N] = {
	[ASK_VERSION] = { "version", 1, INT32_MAX }, [ASK_RUNS] = { "runs", 1, BENCH_RUNS_MAX },
	[ASK_NS] = { "ns", 1, 1000000000 },	     [ASK_SLOW_US] = { "slow_us", 0, 1000000 },
	[ASK_PORT] = { "port", 1, UINT16_MAX },	     [ASK_PID] = { "pid", 0, INT32_MAX },
};

const char *ask_name(enum ask_kind kind)
{
	return kinds[kind].name;
}

/* An object, or NULL. */
static json_t *parse(const char *line, size_t n, char why[MESSAGE_WHY_MAX])
{
	json_error_t error;
	json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);

	if (!object)
		snprintf(why, MESSAGE_WHY_MAX, "this is no JSON: %s", error.text);
	else if (!json_is_object(object))
		snprintf(why, MESSAGE_WHY_MAX, "this is no JSON object");
	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

static int refuse(char why[MESSAGE_WHY_MAX], const char *ask, const char *member, const char *what)
{
	snprintf(why, MESSAGE_WHY_MAX, "\"%s\": \"%s\" %s", ask, member, what);
	return -EBADMSG;
}

static int read_kind(const json_t *object, struct ask *ask, char why[MESSAGE_WHY_MAX])
{
	const char *name = json_string_value(json_object_get(object, "ask"));

	for (unsigned int kind = 0; name && kind < _ASK_KIND_N; kind++) {
		ask->kind = (enum ask_kind)kind;
		if (!strcmp(name, kinds[kind].name))
			return 0;
	}
	snprintf(why, MESSAGE_WHY_MAX, "there is no \"ask\" that is known here");
	return -EBADMSG;
}

static int read_numbers(const json_t *object, struct ask *ask, char why[MESSAGE_WHY_MAX])
{
	for (unsigned int i = 0; i < _ASK_NUMBER_N; i++) {
		const json_t *value = json_object_get(object, numbers[i].name);
		json_int_t number = json_integer_value(value);

		if (!(kinds[ask->kind].has & 1u << i))
			continue;
		if (!json_is_integer(value) || number < (json_int_t)numbers[i].least ||
		    number > (json_int_t)numbers[i].most)
			return refuse(why, kinds[ask->kind].name, numbers[i].name,
				      "is no number that can be");
		ask->numbers[i] = (uint64_t)number;
	}
	return 0;
}

static int read_names(const json_t *object, struct ask *ask, char why[MESSAGE_WHY_MAX])
{
	const char *workload = json_string_value(json_object_get(object, "workload")),
		   *arm = json_string_value(json_object_get(object, "arm"));
	unsigned int has = kinds[ask->kind].has;

	for (const struct workload *row = workloads; row->name && has & HAS_WORKLOAD; row++) {
		if (workload && !strcmp(workload, row->name))
			ask->workload = row;
	}
	for (const struct arm *row = arms; row->name && has & HAS_ARM; row++) {
		if (arm && !strcmp(arm, row->name))
			ask->arm = row;
	}
	if (has & HAS_WORKLOAD && !ask->workload)
		return refuse(why, kinds[ask->kind].name, "workload", "is none that is known here");
	if (has & HAS_ARM && !ask->arm)
		return refuse(why, kinds[ask->kind].name, "arm", "is none that is known here");
	return 0;
}

static int read_object(const json_t *object, struct ask *ask, char why[MESSAGE_WHY_MAX])
{
	int r = read_kind(object, ask, why);

	if (!r)
		r = read_numbers(object, ask, why);
	if (!r)
		r = read_names(object, ask, why);
	if (!r &&
	    json_object_size(object) != 1 + (size_t)__builtin_popcount(kinds[ask->kind].has)) {
		snprintf(why, MESSAGE_WHY_MAX, "\"%s\" has more members than it should",
			 kinds[ask->kind].name);
		r = -EBADMSG;
	}
	return r;
}

int ask_read(const char *line, size_t n, struct ask *ret_ask, char why[MESSAGE_WHY_MAX])
{
	json_t *object = parse(line, n, why);
	struct ask ask = { 0 };
	int r = object ? read_object(object, &ask, why) : -EBADMSG;

	json_decref(object);
	if (!r)
		*ret_ask = ask;
	return r;
}

json_t *ask_json(const struct ask *ask)
{
	unsigned int has = kinds[ask->kind].has;
	json_t *object = json_pack("{s:s}", "ask", kinds[ask->kind].name);

	if (has & HAS_WORKLOAD)
		json_object_set_new(object, "workload", json_string(ask->workload->name));
	if (has & HAS_ARM)
		json_object_set_new(object, "arm", json_string(ask->arm->name));
	for (unsigned int i = 0; i < _ASK_NUMBER_N; i++) {
		if (has & 1u << i)
			json_object_set_new(object, numbers[i].name,
					    json_integer((json_int_t)ask->numbers[i]));
	}
	return object;
}

/* -- What is answered -- */

int answer_read(const char *line, size_t n, json_t **ret_value, char why[MESSAGE_WHY_MAX])
{
	json_t *object = parse(line, n, why);
	json_t *value = json_object_get(object, "ok");
	const char *error = json_string_value(json_object_get(object, "error"));
	int r = -EBADMSG;

	if (object && json_object_size(object) == 1 && value) {
		*ret_value = json_incref(value);
		r = 0;
	} else if (object && json_object_size(object) == 1 && error) {
		snprintf(why, MESSAGE_WHY_MAX, "%s", error);
		r = 1;
	} else if (object) {
		snprintf(why, MESSAGE_WHY_MAX, "this is neither \"ok\" nor \"error\"");
	}
	json_decref(object);
	return r;
}

/* What cannot be known is null. */
static json_t *json_of_number(uint64_t number)
{
	return number == USAGE_UNKNOWN ? json_null() : json_integer((json_int_t)number);
}

json_t *report_json(const struct party_report *report)
{
	const struct party_memory *memory = &report->memory;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:s}", "process_ns",
			 json_of_number(report->spent.process_ns), "system_ns",
			 json_of_number(report->spent.system_ns), "calls",
			 json_of_number(report->spent.calls), "instructions",
			 json_of_number(report->spent.instructions), "heap",
			 memory->has_heap ? json_integer(memory->heap) : json_null(), "memory",
			 (json_int_t)memory->process, "slab", (json_int_t)memory->slab, "sockets",
			 (json_int_t)memory->sockets, "proof", report->proof);
}

static int read_number(const json_t *value, uint64_t *ret_number)
{
	if (!json_is_null(value) && (!json_is_integer(value) || json_integer_value(value) < 0))
		return -EBADMSG;
	*ret_number = json_is_null(value) ? USAGE_UNKNOWN : (uint64_t)json_integer_value(value);
	return 0;
}

int report_read(const json_t *value, struct party_report *ret_report)
{
	struct party_report report = { 0 };
	json_t *process, *system, *calls, *instructions, *heap;
	json_int_t memory, slab, sockets;
	const char *proof;

	/* It is unpacked, not changed. */
	if (json_unpack((json_t *)value, "{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:s!}",
			"process_ns", &process, "system_ns", &system, "calls", &calls,
			"instructions", &instructions, "heap", &heap, "memory", &memory, "slab",
			&slab, "sockets", &sockets, "proof", &proof) ||
	    strlen(proof) >= sizeof(report.proof) ||
	    !(json_is_integer(heap) || json_is_null(heap)) ||
	    read_number(process, &report.spent.process_ns) ||
	    read_number(system, &report.spent.system_ns) ||
	    read_number(calls, &report.spent.calls) ||
	    read_number(instructions, &report.spent.instructions))
		return -EBADMSG;
	report.memory = (struct party_memory){ json_is_integer(heap), json_integer_value(heap),
					       memory, slab, sockets };
	strcpy(report.proof, proof);
	*ret_report = report;
	return 0;
}

/* -- Lines -- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int await(int fd, short events, int64_t until_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int64_t left;
	int r;

	do {
		left = until_ms - now_ms();
		r = poll(&pollfd, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

static int send_all(int fd, const char *bytes, size_t n)
{
	int64_t until_ms = now_ms() + MESSAGE_LINE_MS;

	while (n) {
		ssize_t sent;
		int r = await(fd, POLLOUT, until_ms);

		if (r)
			return r;
		sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		}
	}
	return 0;
}

int message_send(int fd, json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT);
	size_t n = line ? strlen(line) : 0;
	int r;

	json_decref(object);
	if (!line)
		return -EINVAL;
	line[n] = '\n'; /* in one piece, over the zero */
	r = send_all(fd, line, n + 1);
	free(line);
	return r;
}

int message_receive(int fd, char *line, size_t size, int idle_ms, size_t *ret_n)
{
	int64_t until_ms = now_ms() + idle_ms;
	const char *end = NULL;
	size_t n = 0;

	while (!end) {
		ssize_t got;
		int r = await(fd, POLLIN, until_ms);

		if (r)
			return r;
		if (n == size)
			return -EMSGSIZE;
		got = recv(fd, line + n, size - n, MSG_DONTWAIT);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!got)
			return n ? -ECONNRESET : 1;
		if (got < 0)
			continue;
		if (!n)
			until_ms = now_ms() + MESSAGE_LINE_MS;
		end = memchr(line + n, '\n', (size_t)got);
		n += (size_t)got;
	}
	if (end + 1 != line + n)
		return -EBADMSG;
	*ret_n = n - 1;
	return 0;
}

const char *message_error(int r)
{
	switch (r) {
	case 1:
		return "it has closed the connection";
	case -ETIMEDOUT:
		return "it does not answer in time";
	case -EMSGSIZE:
		return "it sends a line that is too long";
	case -EBADMSG:
		return "it speaks out of turn";
	case -ECONNRESET:
		return "it has broken the connection off";
	default:
		return strerror(-r);
	}
}
