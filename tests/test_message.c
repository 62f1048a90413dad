/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench/message.h"

static const char *const good[_ASK_KIND_N] = {
	[ASK_HELLO] = "{\"ask\": \"hello\", \"version\": 1}",
	[ASK_LIMITS] = "{\"ask\": \"limits\", \"runs\": 3, \"ns\": 20000000}",
	[ASK_WHY_NOT] =
		"{\"ask\": \"why_not\", \"workload\": \"bulk-64k\", \"arm\": \"tx-sendfile\"}",
	[ASK_START] = "{\"ask\": \"start\", \"workload\": \"ping-64\", \"arm\": \"user-ring\", "
		      "\"slow_us\": 0}",
	[ASK_WATCH] = "{\"ask\": \"watch\", \"workload\": \"ping-64\", \"port\": 443, \"pid\": 7}",
	[ASK_BEGIN] = "{\"ask\": \"begin\"}",
	[ASK_END] = "{\"ask\": \"end\"}",
};

static struct ask must_read(const char *line)
{
	struct ask ask;
	char why[MESSAGE_WHY_MAX] = "";

	cr_assert_eq(ask_read(line, strlen(line), &ask, why), 0, "%s: %s", line, why);
	return ask;
}

static void must_refuse(const char *line, size_t n)
{
	struct ask ask = { .numbers = { 4711 } };
	char why[MESSAGE_WHY_MAX] = "";

	cr_expect_eq(ask_read(line, n, &ask, why), -EBADMSG, "%.*s", (int)n, line);
	cr_expect_eq(ask.numbers[0], 4711, "%.*s", (int)n, line);
	cr_expect(*why, "%.*s", (int)n, line);
}

Test(unit, every_ask_is_read_and_written_again)
{
	for (unsigned int kind = 0; kind < _ASK_KIND_N; kind++) {
		struct ask ask = must_read(good[kind]);
		json_t *was = json_loads(good[kind], 0, NULL), *is = ask_json(&ask);

		cr_expect_eq(ask.kind, kind);
		cr_expect(json_equal(was, is), "%s", good[kind]);
		json_decref(was);
		json_decref(is);
	}
}

Test(unit, an_ask_has_what_it_says)
{
	struct ask start = must_read(good[ASK_START]), watch = must_read(good[ASK_WATCH]);

	cr_expect_str_eq(start.workload->name, "ping-64");
	cr_expect_str_eq(start.arm->name, "user-ring");
	cr_expect_null(watch.arm);
	cr_expect_eq(watch.numbers[ASK_PORT], 443);
	cr_expect_eq(watch.numbers[ASK_PID], 7);
}

Test(unit, an_ask_cut_anywhere_is_refused)
{
	for (unsigned int kind = 0; kind < _ASK_KIND_N; kind++) {
		for (size_t n = 0; n < strlen(good[kind]); n++)
			must_refuse(good[kind], n);
	}
}

Test(unit, an_ask_that_is_not_as_it_should_be_is_refused)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r",
		"[]",
		"{}",
		"7",
		"null",
		"{\"ask\": 1}",
		"{\"ask\": \"stop\"}",
		"{\"ask\": \"begin\", \"ask\": \"begin\"}",
		"{\"ask\": \"begin\"} x",
		"{\"ask\": \"begin\", \"port\": 1}",
		"{\"ask\": \"hello\"}",
		"{\"ask\": \"hello\", \"version\": \"1\"}",
		"{\"ask\": \"hello\", \"version\": 1.5}",
		"{\"ask\": \"hello\", \"version\": 0}",
		"{\"ask\": \"hello\", \"version\": -1}",
		"{\"ask\": \"hello\", \"version\": 99999999999999999999}",
		"{\"ask\": \"limits\", \"runs\": 100, \"ns\": 1}",
		"{\"ask\": \"limits\", \"runs\": 1, \"ns\": 1000000001}",
		"{\"ask\": \"start\", \"workload\": \"ping\", \"arm\": \"user-ring\", \"slow_us\": "
		"0}",
		"{\"ask\": \"start\", \"workload\": \"ping-64\", \"arm\": \"\", \"slow_us\": 0}",
		"{\"ask\": \"start\", \"workload\": \"ping-64\", \"arm\": \"user-ring\"}",
		"{\"ask\": \"start\", \"workload\": \"ping-64\", \"arm\": \"user-ring\", "
		"\"slow_us\": 1000001}",
		"{\"ask\": \"start\", \"workload\": [\"ping-64\"], \"arm\": \"user-ring\", "
		"\"slow_us\": 1}",
		"{\"ask\": \"watch\", \"workload\": \"ping-64\", \"port\": 0, \"pid\": 1}",
		"{\"ask\": \"watch\", \"workload\": \"ping-64\", \"port\": 65536, \"pid\": 1}",
		"{\"ask\": \"watch\", \"workload\": \"ping-64\", \"port\": 1, \"pid\": -1}",
		"{\"ask\": \"watch\", \"workload\": \"ping-64\", \"port\": 1, \"pid\": 2147483648}",
		"{\"ask\": \"why_not\", \"workload\": \"ping-64\", \"arm\": \"\\u0000\"}",
		"{\"ask\": \"why_not\", \"workload\": \"ping-64\", \"arm\": \"\xff\"}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		must_refuse(bad[i], strlen(bad[i]));
	must_refuse("{\"ask\": \"begin\"}\0", strlen(good[ASK_BEGIN]) + 1);
}

static int read_answer(const char *line, json_t **value, char why[MESSAGE_WHY_MAX])
{
	return answer_read(line, strlen(line), value, why);
}

Test(unit, an_answer_is_a_value_or_a_sentence)
{
	char why[MESSAGE_WHY_MAX] = "";
	json_t *value = NULL;

	cr_expect_eq(read_answer("{\"ok\": 4433}", &value, why), 0);
	cr_expect_eq(json_integer_value(value), 4433);
	json_decref(value);
	cr_expect_eq(read_answer("{\"ok\": null}", &value, why), 0);
	cr_expect(json_is_null(value));
	value = NULL;
	cr_expect_eq(read_answer("{\"error\": \"no such port\"}", &value, why), 1);
	cr_expect_str_eq(why, "no such port");
	cr_expect_null(value);
}

Test(unit, what_is_no_answer_is_refused)
{
	static const char *const bad[] = { "",
					   "{}",
					   "[]",
					   "{\"ok\"",
					   "{\"error\": 1}",
					   "{\"ok\": 1, \"error\": \"x\"}",
					   "{\"ok\": 1, \"more\": 1}" };
	char why[MESSAGE_WHY_MAX];
	json_t *value = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*why = '\0';
		cr_expect_eq(read_answer(bad[i], &value, why), -EBADMSG, "%s", bad[i]);
		cr_expect(*why, "%s", bad[i]);
	}
	cr_expect_null(value);
}

Test(unit, a_long_error_is_cut)
{
	char line[2 * MESSAGE_WHY_MAX], why[MESSAGE_WHY_MAX];
	json_t *value = NULL;
	int n = snprintf(line, sizeof(line), "{\"error\": \"%0400d\"}", 1);

	cr_expect_eq(answer_read(line, (size_t)n, &value, why), 1);
	cr_expect_eq(strlen(why), MESSAGE_WHY_MAX - 1);
}

static const struct party_report a_report = {
	.spent = { .process_ns = 1, .system_ns = 2, .calls = USAGE_UNKNOWN, .instructions = 4 },
	.memory = { .has_heap = true, .heap = 3, .process = -5, .slab = 6, .sockets = 7 },
	.proof = "server: none"
};

Test(unit, a_report_comes_as_it_went)
{
	struct party_report report;
	json_t *value = report_json(&a_report);

	cr_assert_eq(report_read(value, &report), 0);
	cr_expect_eq(report.spent.process_ns, 1);
	cr_expect_eq(report.spent.system_ns, 2);
	cr_expect_eq(report.spent.calls, USAGE_UNKNOWN);
	cr_expect_eq(report.spent.instructions, 4);
	cr_expect(report.memory.has_heap);
	cr_expect_eq(report.memory.heap, 3);
	cr_expect_eq(report.memory.process, -5);
	cr_expect_eq(report.memory.slab, 6);
	cr_expect_eq(report.memory.sockets, 7);
	cr_expect_str_eq(report.proof, "server: none");
	json_decref(value);
}

static void must_refuse_report(const char *key, json_t *other)
{
	json_t *value = report_json(&a_report);
	struct party_report report = { .memory = { .slab = 4711 } };

	if (other)
		json_object_set_new(value, key, other);
	else
		json_object_del(value, key);
	cr_expect_eq(report_read(value, &report), -EBADMSG, "%s", key);
	cr_expect_eq(report.memory.slab, 4711, "%s", key);
	json_decref(value);
}

Test(unit, what_is_no_report_is_refused)
{
	static const char *const keys[] = { "process_ns",   "system_ns", "calls",
					    "instructions", "heap",	 "memory",
					    "slab",	    "sockets",	 "proof" };
	char proof[PARTY_PROOF_LEN + 1] = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		must_refuse_report(keys[i], NULL);
		must_refuse_report(keys[i], json_true());
	}
	must_refuse_report("more", json_integer(1));
	must_refuse_report("calls", json_integer(-1));
	memset(proof, 'x', PARTY_PROOF_LEN);
	must_refuse_report("proof", json_string(proof));
}

/* -- Lines -- */

struct wire {
	int ours, theirs;
};

static struct wire new_wire(void)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return (struct wire){ fds[0], fds[1] };
}

static void say(struct wire *wire, const char *text)
{
	cr_assert_eq(write(wire->theirs, text, strlen(text)), (ssize_t)strlen(text));
}

static void hang_up(struct wire *wire)
{
	close(wire->theirs);
	wire->theirs = -1;
}

static void done(struct wire *wire)
{
	close(wire->ours);
	if (wire->theirs >= 0)
		close(wire->theirs);
}

Test(unit, a_message_is_a_line)
{
	struct wire wire = new_wire();
	char line[64];
	size_t n;

	cr_assert_eq(message_send(wire.theirs, json_pack("{s:i}", "ok", 1)), 0);
	cr_assert_eq(message_receive(wire.ours, line, sizeof(line), 1000, &n), 0);
	cr_expect_eq(n, strlen("{\"ok\":1}"));
	cr_expect_arr_eq(line, "{\"ok\":1}", n);
	done(&wire);
}

Test(unit, silence_is_a_timeout)
{
	struct wire wire = new_wire();
	char line[64];
	size_t n = 7;

	cr_expect_eq(message_receive(wire.ours, line, sizeof(line), 10, &n), -ETIMEDOUT);
	cr_expect_eq(n, 7);
	done(&wire);
}

Test(unit, an_end_before_a_line_is_none_in_it)
{
	struct wire before = new_wire(), within = new_wire();
	char line[64];
	size_t n;

	hang_up(&before);
	cr_expect_eq(message_receive(before.ours, line, sizeof(line), 1000, &n), 1);
	say(&within, "{\"ask\":");
	hang_up(&within);
	cr_expect_eq(message_receive(within.ours, line, sizeof(line), 1000, &n), -ECONNRESET);
	done(&before);
	done(&within);
}

Test(unit, a_line_of_any_length_that_fits_is_taken_and_no_longer_one)
{
	struct wire wire = new_wire();
	char line[8];
	size_t n;

	say(&wire, "1234567\n");
	cr_expect_eq(message_receive(wire.ours, line, sizeof(line), 1000, &n), 0);
	cr_expect_eq(n, 7);
	say(&wire, "12345678\n");
	cr_expect_eq(message_receive(wire.ours, line, sizeof(line), 1000, &n), -EMSGSIZE);
	done(&wire);
}

Test(unit, two_lines_at_once_are_one_too_many)
{
	struct wire wire = new_wire();
	char line[64];
	size_t n;

	say(&wire, "1\n2\n");
	cr_expect_eq(message_receive(wire.ours, line, sizeof(line), 1000, &n), -EBADMSG);
	done(&wire);
}

Test(unit, what_cannot_be_sent_is_an_error)
{
	struct wire wire = new_wire();

	hang_up(&wire);
	cr_expect_eq(message_send(wire.ours, json_object()), -EPIPE);
	cr_expect_eq(message_send(wire.ours, NULL), -EINVAL);
	done(&wire);
}

Test(unit, every_end_of_a_message_has_words)
{
	static const int codes[] = { 1, -ETIMEDOUT, -EMSGSIZE, -EBADMSG, -ECONNRESET, -EPIPE };

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		cr_expect(*message_error(codes[i]));
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(message_error(codes[i]), message_error(codes[j]));
	}
}

Test(unit, every_ask_has_a_name)
{
	for (unsigned int kind = 0; kind < _ASK_KIND_N; kind++)
		cr_expect_not_null(strstr(good[kind], ask_name((enum ask_kind)kind)));
}
