/* SPDX-License-Identifier: MIT */

/* The exposition: what stands in it for what was counted. A parser as strict as Prometheus's own
 * reads the whole of it in interop/metrics.py. */

#include <errno.h>

#include "hearing.h"
#include "metrics_text.h"

static const struct metrics_process process = {
	.started_s = 1000,
	.loaded_s = 2000,
	.reloads = 3,
	.bad_reloads = 4,
	.threads = 5,
	.parts = { [METRICS_PART_LANDLOCK] = 1 },
};

/* The caller's to free. */
static char *write_text(const struct metrics *metrics)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	metrics_write_text(out, metrics, &process);
	fclose(out);
	return text;
}

static void expect_lines(const char *text, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char wanted[256];

		snprintf(wanted, sizeof(wanted), "\n%s\n", lines[i]);
		cr_expect(strstr(text, wanted), "%s in\n%s", lines[i], text);
	}
}

Test(unit, what_was_counted_stands_in_it)
{
	static const char *const lines[] = {
		"ktls_connections_accepted_total 5",
		"ktls_connections_refused_total 1",
		"ktls_connections_open 2",
		"ktls_bytes_total{direction=\"tx\"} 70",
		"ktls_bytes_total{direction=\"rx\"} 7",
		"ktls_key_updates_total{direction=\"tx\"} 1",
		"ktls_handshakes_total{version=\"TLS 1.3\",suite=\"S\",resumed=\"no\"} 0",
		"ktls_handshakes_total{version=\"TLS 1.3\",suite=\"S\",resumed=\"yes\"} 1",
		"ktls_handshake_failures_total{cause=\"KTLS_E_NOT_TLS\"} 1",
		"ktls_connection_failures_total{cause=\"EPIPE\"} 1",
		"ktls_directions_total{direction=\"tx\",protection=\"kernel\",reason=\"none\"} 1",
		"ktls_directions_total{direction=\"rx\",protection=\"user\",reason=\"no-rekey\"} 1",
		"ktls_http_responses_total{class=\"2xx\"} 1",
		"ktls_http_responses_total{class=\"5xx\"} 0",
		"ktls_reloads_total{result=\"done\"} 3",
		"ktls_reloads_total{result=\"failed\"} 4",
		"ktls_certificates_loaded_timestamp_seconds 2000",
		"ktls_threads 5",
		"ktls_sandbox{part=\"landlock\"} 1",
		"ktls_sandbox{part=\"seccomp\"} 0",
		"process_start_time_seconds 1000",
	};
	const struct ktls_info info = {
		.protocol = KTLS_TLS_1_3,
		.suite = "S",
		.resumed = 1,
		.protection = { KTLS_PROTECTION_KERNEL, KTLS_PROTECTION_USER },
		.reason = { KTLS_REASON_NONE, KTLS_REASON_NO_REKEY },
		.bytes = { 70, 7 },
		.key_updates = { 1, 0 },
	};
	static struct metrics metrics;
	struct metrics_traffic seen = { 0 };
	char *text;

	metrics_count_many(&metrics, METRICS_ACCEPTED, 5);
	metrics_count(&metrics, METRICS_REFUSED);
	metrics_count_many(&metrics, METRICS_CLOSED, 2);
	metrics_count_handshake(&metrics, &info);
	metrics_count_traffic(&metrics, &seen, &info);
	metrics_count_failure(&metrics, METRICS_HANDSHAKE, -KTLS_E_NOT_TLS);
	metrics_count_failure(&metrics, METRICS_OPEN, -EPIPE);
	metrics_count_response(&metrics, 206);
	text = write_text(&metrics);

	expect_lines(text, lines, sizeof(lines) / sizeof(*lines));
	free(text);
}

/* Counters of a thread that goes on are not all read at the same time. */
Test(unit, more_have_gone_than_came)
{
	static struct metrics metrics;
	char *text;

	metrics_count_many(&metrics, METRICS_CLOSED, 2);
	text = write_text(&metrics);

	cr_expect(strstr(text, "\nktls_connections_open 0\n"), "%s", text);
	free(text);
}

Test(unit, each_line_has_an_end_and_each_family_one_type)
{
	static struct metrics metrics;
	char *text = write_text(&metrics), *at = text;

	cr_expect_eq(text[strlen(text) - 1], '\n');
	while ((at = strstr(at, "# TYPE "))) {
		char line[128];

		snprintf(line, sizeof(line), "%.*s ", (int)strcspn(at + 7, " ") + 7, at);
		cr_expect_eq(strstr(text, line), at, "%s twice", line);
		at++;
	}
	free(text);
}
