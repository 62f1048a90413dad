/* SPDX-License-Identifier: MIT */

/* What programs see: fields by their names, null where something is not known, and documents that
 * are documents whatever a process calls itself. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "seen.h"
#include "stat_json.h"

static const struct stat_report whole = { .sockets = true, .summary = true, .extended = true };

/* The document; its text has `lines` lines if that is not 0. */
static json_t *print(const struct stat_report *asked, const struct stat_moment *moment,
		     size_t lines)
{
	struct stat_report report = *asked;
	size_t len, n = 0;
	json_error_t error;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	json_t *json;

	report.moment = moment;
	cr_assert_eq(stat_json_print(out, &report), 0);
	fclose(out);
	for (const char *at = text; *at; at++)
		n += *at == '\n';
	if (lines)
		cr_expect_eq(n, lines, "%s", text);
	json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert(json, "%s: %s", error.text, text);
	free(text);
	return json;
}

/* The i-th socket's field, as JSON; "a.b" is b of a. */
static void expect(const json_t *json, size_t i, const char *path, const char *wanted)
{
	const json_t *value = json_array_get(json_object_get(json, "sockets"), i);
	char copy[64], *at = copy, *name, *text;

	cr_assert(value, "socket %zu", i);
	strcpy(copy, path);
	while ((name = strsep(&at, ".")))
		value = json_object_get(value, name);
	cr_assert(value, "%s", path);
	text = json_dumps(value, JSON_ENCODE_ANY);
	cr_expect_str_eq(text, wanted, "%s is %s, not %s", path, text, wanted);
	free(text);
}

static void expect_whole(const json_t *json, const char *name, const char *wanted)
{
	char *text = json_dumps(json_object_get(json, name), JSON_ENCODE_ANY);

	cr_assert(text, "%s", name);
	cr_expect_str_eq(text, wanted, "%s is %s, not %s", name, text, wanted);
	free(text);
}

Test(unit, a_socket_of_which_all_is_told)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "[2001:db8::1]:443", "192.0.2.1:50000");
	json_t *json;

	socket->mode[KTLS_RX] = KTLS_DIAG_DEVICE;
	socket->zerocopy_ro = 1;
	socket->tx_max_payload_len = 1024;
	socket->tcp_receive_queue = 3;
	socket->tcp_send_queue = 4;
	socket->ifindex = 2;
	socket->cookie = UINT64_MAX;
	seen_own(&moment, 77, "nginx", 9);
	json = print(&whole, &moment, 0);

	expect(json, 0, "namespace", "null");
	expect(json, 0, "local", "{\"address\": \"2001:db8::1\", \"port\": 443}");
	expect(json, 0, "peer", "{\"address\": \"192.0.2.1\", \"port\": 50000}");
	expect(json, 0, "state", "\"ESTABLISHED\"");
	expect(json, 0, "tls", "true");
	expect(json, 0, "version", "\"1.3\"");
	expect(json, 0, "cipher", "\"AES-128-GCM\"");
	expect(json, 0, "tx", "\"software\"");
	expect(json, 0, "rx", "\"device\"");
	expect(json, 0, "options.tx_zerocopy_ro", "true");
	expect(json, 0, "options.rx_expect_no_pad", "false");
	expect(json, 0, "options.tx_max_payload_len", "1024");
	expect(json, 0, "receive_queue", "3");
	expect(json, 0, "send_queue", "4");
	expect(json, 0, "uid", "1000");
	expect(json, 0, "interface", "2");
	expect(json, 0, "inode", "4711");
	expect(json, 0, "cookie", "\"ffffffffffffffff\"");
	expect(json, 0, "processes", "[{\"pid\": 77, \"name\": \"nginx\", \"fd\": 9}]");
	expect(json, 0, "tcp.rtt_us", "1234");
	expect(json, 0, "tcp.rtt_var_us", "500");
	expect(json, 0, "tcp.cwnd", "10");
	expect(json, 0, "tcp.mss", "1448");
	expect(json, 0, "tcp.retransmits", "3");
	expect(json, 0, "tcp.not_sent", "0");
	expect(json, 0, "tcp.bytes_acked", "5000000000");
	expect(json, 0, "tcp.bytes_received", "77");
	expect(json, 0, "tcp.delivery_rate", "123456789");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, what_is_not_known_is_null)
{
	struct stat_moment moment = seen_nothing();
	json_t *json;

	seen_add_untold(&moment)->told = 0;
	seen_add_plain(&moment);
	json = print(&whole, &moment, 0);

	expect(json, 0, "tls", "null");
	expect(json, 0, "version", "null");
	expect(json, 0, "cipher", "null");
	expect(json, 0, "tx", "null");
	expect(json, 0, "options.tx_zerocopy_ro", "null");
	expect(json, 0, "options.rx_expect_no_pad", "null");
	expect(json, 0, "options.tx_max_payload_len", "null");
	expect(json, 0, "receive_queue", "null");
	expect(json, 0, "interface", "null");
	expect(json, 0, "processes", "null");
	expect(json, 0, "tcp", "null");
	expect(json, 1, "tls", "false");
	expect(json, 1, "rx", "null");
	expect_whole(json, "hidden_sockets", "1");
	expect_whole(json, "hidden_processes", "null");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, a_tls_socket_whose_mode_is_not_told)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	json_t *json;

	socket->told = KTLS_DIAG_TOLD_TLS;
	socket->mode[KTLS_TX] = KTLS_DIAG_UNKNOWN;
	json = print(&whole, &moment, 0);

	expect(json, 0, "tx", "\"unknown\"");
	expect(json, 0, "options.tx_zerocopy_ro", "null");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, what_was_not_asked_for_is_null)
{
	struct stat_moment moment = seen_nothing();
	const struct stat_report bare = { .sockets = true }, number = { .sockets = false };
	json_t *json;

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	json = print(&bare, &moment, 0);
	expect(json, 0, "tcp", "null");
	expect_whole(json, "summary", "null");
	json_decref(json);
	json = print(&number, &moment, 0);
	expect_whole(json, "sockets", "null");
	expect_whole(json, "count", "1");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, whatever_a_process_calls_itself)
{
	struct stat_moment moment = seen_nothing();
	json_t *json;

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_own(&moment, 1, "\"\n\xc3\xa4", 2);
	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_own(&moment, 1, "\xff\"", 2);
	json = print(&whole, &moment, 0);

	expect(json, 0, "processes", "[{\"pid\": 1, \"name\": \"\\\"\\n\xc3\xa4\", \"fd\": 2}]");
	expect(json, 1, "processes", "[{\"pid\": 1, \"name\": \"\\\\xff\\\\x22\", \"fd\": 2}]");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, namespaces_with_their_counters)
{
	struct stat_moment before = seen_nothing(), moment = seen_nothing();
	struct stat_report report = { .before = &before };
	struct stat_place *place = &moment.places.list[0];
	json_t *json;

	before.places.list[0].counters_error = 0;
	before.places.list[0].counters.known = 1u << KTLS_COUNTER_TX_SW;
	place->counters_error = 0;
	place->counters.known = 1u << KTLS_COUNTER_TX_SW;
	place->counters.value[KTLS_COUNTER_TX_SW] = 7;
	place->counters.taken_ns = 1500000000;
	seen_add_place(&moment, "blue")->error = -ENOENT;
	json = print(&report, &moment, 0);

	expect_whole(json, "namespaces",
		     "[{\"name\": null, \"error\": null, \"hidden_sockets\": 0, \"counters\": "
		     "{\"TlsTxSw\": 7}, \"interval_ms\": 1500, \"difference\": {\"TlsTxSw\": 7}}, "
		     "{\"name\": \"blue\", \"error\": \"there is no such namespace\", "
		     "\"hidden_sockets\": 0, \"counters\": null, \"interval_ms\": null, "
		     "\"difference\": null}]");
	json_decref(json);
	stat_moment_done(&before);
	stat_moment_done(&moment);
}

Test(unit, a_summary_and_notes)
{
	struct stat_moment moment = seen_nothing();
	json_t *json;

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	moment.places.list[0].hidden = 2;
	moment.places.hidden = 3;
	json = print(&whole, &moment, 0);

	expect_whole(
		json, "summary",
		"{\"with_tls\": 1, \"without_tls\": 0, \"unknown\": 0, \"by_version\": {\"1.2\": "
		"0, \"1.3\": 1, \"unknown\": 0}, \"by_cipher\": {\"AES-128-GCM\": 1}, \"by_tx\": "
		"{\"unknown\": 0, \"none\": 0, \"software\": 1, \"device\": 0, \"record\": 0}, "
		"\"by_rx\": {\"unknown\": 0, \"none\": 0, \"software\": 1, \"device\": 0, "
		"\"record\": 0}}");
	cr_expect_eq(json_array_size(json_object_get(json, "notes")), 2);
	expect_whole(json, "hidden_namespaces", "3");
	expect_whole(json, "time_ms", "1767225600123");
	json_decref(json);
	stat_moment_done(&moment);
}

Test(unit, one_line_if_it_is_to_be_one)
{
	struct stat_moment moment = seen_nothing();
	struct stat_report line = { .sockets = true, .line = true };

	json_decref(print(&line, &moment, 1));
	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_add_plain(&moment);
	json_decref(print(&line, &moment, 1));
	stat_moment_done(&moment);
}
