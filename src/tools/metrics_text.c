/* SPDX-License-Identifier: MIT */

/*
 * The exposition. A family is its HELP, its TYPE, and its samples, all together and only once. What
 * never happened is there as 0 where the labels are few, so that rates are right from the first
 * time on; a cause, a reason or a suite is there when it first occurred.
 */

#include <inttypes.h>
#include <stdatomic.h>

#include "metrics_text.h"

static void begin(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	begin(out, name, type, help);
	fprintf(out, "%s %" PRIu64 "\n", name, value);
}

struct family {
	enum metrics_counter counter;
	const char *name;
	const char *help;
};

static const struct family families[] = {
	{ METRICS_ACCEPTED, "ktls_connections_accepted_total", "Connections taken." },
	{ METRICS_REFUSED, "ktls_connections_refused_total",
	  "Connections closed at once, for want of memory or of a place." },
	{ METRICS_LOG_LOST, "ktls_access_log_lost_total",
	  "Lines of the access log that could not be written." },
	{ METRICS_CACHE_HITS, "ktls_file_cache_hits_total", "Files found open." },
	{ METRICS_CACHE_MISSES, "ktls_file_cache_misses_total", "Files that had to be opened." },
};

static void write_counters(FILE *out, const struct metrics *total)
{
	uint64_t accepted = metrics_get(total, METRICS_ACCEPTED);
	uint64_t gone = metrics_get(total, METRICS_REFUSED) + metrics_get(total, METRICS_CLOSED);

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		single(out, families[i].name, "counter", families[i].help,
		       metrics_get(total, families[i].counter));
	/* They were not read all at once. */
	single(out, "ktls_connections_open", "gauge", "Connections there are.",
	       accepted > gone ? accepted - gone : 0);
}

static const char *direction_name(size_t direction)
{
	return direction == KTLS_TX ? "tx" : "rx";
}

static void write_pair(FILE *out, const char *name, const char *help, uint64_t tx, uint64_t rx)
{
	begin(out, name, "counter", help);
	fprintf(out, "%s{direction=\"tx\"} %" PRIu64 "\n", name, tx);
	fprintf(out, "%s{direction=\"rx\"} %" PRIu64 "\n", name, rx);
}

static void write_handshakes(FILE *out, const struct metrics *total)
{
	static const char *const resumed[] = { "no", "yes" };
	const char *name = "ktls_handshakes_total";

	begin(out, name, "counter", "Handshakes done, by version, suite and resumption.");
	for (size_t i = 0; i < METRICS_LIMIT_SUITES; i++) {
		const struct metrics_suite *row = &total->suites[i];

		for (size_t j = 0; row->name && j < 2; j++)
			fprintf(out, "%s{version=\"%s\",suite=\"%s\",resumed=\"%s\"} %" PRIu64 "\n",
				name, ktls_protocol_name((unsigned int)row->protocol), row->name,
				resumed[j], row->handshakes[j]);
	}
}

static void write_failures(FILE *out, const struct metrics *total, enum metrics_stage stage,
			   const char *name, const char *help)
{
	begin(out, name, "counter", help);
	for (size_t i = 0; i < METRICS_CAUSES; i++) {
		if (total->failures[stage][i])
			fprintf(out, "%s{cause=\"%s\"} %" PRIu64 "\n", name, metrics_cause_name(i),
				total->failures[stage][i]);
	}
}

static void write_directions(FILE *out, const struct metrics *total)
{
	const char *name = "ktls_directions_total";

	begin(out, name, "counter",
	      "Directions of connections, by where their records are protected when the handshake "
	      "is done, and why not in the kernel.");
	for (size_t direction = 0; direction < _KTLS_DIRECTION_N; direction++) {
		for (unsigned int i = 0; i < _KTLS_PROTECTION_N * _KTLS_REASON_N; i++) {
			unsigned int where = i / _KTLS_REASON_N, why = i % _KTLS_REASON_N;

			if (total->directions[direction][where][why])
				fprintf(out,
					"%s{direction=\"%s\",protection=\"%s\",reason=\"%s\"} "
					"%" PRIu64 "\n",
					name, direction_name(direction),
					ktls_protection_name(where), ktls_reason_name(why),
					total->directions[direction][where][why]);
		}
	}
}

static void write_responses(FILE *out, const struct metrics *total)
{
	const char *name = "ktls_http_responses_total";

	begin(out, name, "counter", "Responses sent, by the class of their status.");
	for (size_t i = 0; i < METRICS_STATUS_CLASSES; i++)
		fprintf(out, "%s{class=\"%zuxx\"} %" PRIu64 "\n", name, i + 1, total->responses[i]);
}

static void write_process(FILE *out, const struct metrics_process *process)
{
	static const char *const parts[_METRICS_PART_N] = {
		[METRICS_PART_USER] = "user",
		[METRICS_PART_NO_NEW_PRIVS] = "no_new_privs",
		[METRICS_PART_LANDLOCK] = "landlock",
		[METRICS_PART_SECCOMP] = "seccomp",
	};
	const char *reloads = "ktls_reloads_total";

	begin(out, reloads, "counter", "Reloads asked for, by how they ended.");
	fprintf(out, "%s{result=\"done\"} %" PRIu64 "\n", reloads, process->reloads);
	fprintf(out, "%s{result=\"failed\"} %" PRIu64 "\n", reloads, process->bad_reloads);
	single(out, "ktls_certificates_loaded_timestamp_seconds", "gauge",
	       "When the certificates in force were read.", process->loaded_s);
	single(out, "ktls_threads", "gauge", "Threads that serve.", process->threads);
	begin(out, "ktls_sandbox", "gauge", "Parts of the sandbox: 1 if in force.");
	for (size_t i = 0; i < _METRICS_PART_N; i++)
		fprintf(out, "ktls_sandbox{part=\"%s\"} %" PRIu64 "\n", parts[i],
			process->parts[i]);
	single(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.",
	       process->started_s);
	begin(out, "ktls_build_info", "gauge", "Always 1; the version is a label.");
	fprintf(out, "ktls_build_info{version=\"%s\"} 1\n", ktls_version());
}

void metrics_write_text(FILE *out, const struct metrics *total,
			const struct metrics_process *process)
{
	write_counters(out, total);
	write_pair(out, "ktls_bytes_total", "Application bytes, headers of HTTP among them.",
		   metrics_get(total, METRICS_BYTES_OUT), metrics_get(total, METRICS_BYTES_IN));
	write_pair(out, "ktls_key_updates_total", "Keys changed after the handshake.",
		   metrics_get(total, METRICS_REKEYS_OUT), metrics_get(total, METRICS_REKEYS_IN));
	write_handshakes(out, total);
	write_failures(out, total, METRICS_HANDSHAKE, "ktls_handshake_failures_total",
		       "Handshakes that failed, by cause.");
	write_failures(out, total, METRICS_OPEN, "ktls_connection_failures_total",
		       "Connections that failed after their handshake, by cause.");
	write_directions(out, total);
	write_responses(out, total);
	write_process(out, process);
}
