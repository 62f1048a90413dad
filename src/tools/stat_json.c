/* SPDX-License-Identifier: MIT */

/*
 * See stat_json.h. Every field is always there: null where it is not known, or was not asked for.
 * The sockets are written one by one, so that many of them need no memory.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "stat_json.h"
#include "stat_table.h"
#include "stat_totals.h"
#include "text.h"
#include "tool.h"

static void free_json(json_t **json)
{
	json_decref(*json);
}

static void free_text(char **text)
{
	free(*text);
}

/* Jansson writes piece by piece, most of them of one byte. */
static int put_piece(const char *piece, size_t len, void *out)
{
	return fwrite_unlocked(piece, 1, len, out) == len ? 0 : -1;
}

static void put_json(FILE *out, const json_t *json)
{
	json_dump_callback(json, put_piece, out, JSON_ENCODE_ANY);
}

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *number_if(bool known, uint64_t value)
{
	return known ? number(value) : json_null();
}

static json_t *flag_if(bool known, bool value)
{
	return known ? json_boolean(value) : json_null();
}

static json_t *string_if(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* What somebody else chose: as it is, or, if that is not UTF-8, quoted as on a terminal. */
static json_t *strange_string(const char *string)
{
	char quoted[4 * 256 + 1];
	struct text text = { .buf = quoted, .size = sizeof(quoted) };
	json_t *json = json_string(string);

	if (json)
		return json;
	text_put_quoted(&text, string);
	return json_stringn(quoted, text.len);
}

/* -- A socket -- */

static json_t *json_of_address(const struct ktls_address *address)
{
	struct ktls_address bare = *address;
	char text[KTLS_ADDRESS_TEXT_LEN];

	bare.port = 0;
	if (ktls_address_format(&bare, text, sizeof(text)))
		return json_null();
	return json_pack("{s:s, s:i}", "address", text, "port", address->port);
}

/* null: there is no TLS, or it is not told whether there is. */
static json_t *json_of_mode(const struct ktls_diag_socket *socket, enum ktls_direction direction)
{
	return string_if(socket->tls ? ktls_diag_mode_name(socket->mode[direction]) : NULL);
}

static json_t *json_of_owners(const struct stat_moment *moment, size_t row)
{
	uint32_t at = stat_moment_first_owner(moment, row);
	const struct stat_process *process;
	json_t *list;
	int fd;

	if (!moment->has_owners)
		return json_null();
	list = json_array();
	while ((process = stat_owners_next(&moment->owners, &at, &fd)))
		json_array_append_new(list,
				      json_pack("{s:i, s:o, s:i}", "pid", process->pid, "name",
						strange_string(process->name), "fd", fd));
	return list;
}

static json_t *json_of_tcp(const struct ktls_diag_socket *socket)
{
	if (!(socket->told & KTLS_DIAG_TOLD_TCP))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rtt_us",
			 number(socket->tcp_rtt_us), "rtt_var_us", number(socket->tcp_rtt_var_us),
			 "cwnd", number(socket->tcp_cwnd), "mss", number(socket->tcp_mss),
			 "retransmits", number(socket->tcp_retransmits), "not_sent",
			 number(socket->tcp_not_sent), "bytes_acked",
			 number(socket->tcp_bytes_acked), "bytes_received",
			 number(socket->tcp_bytes_received), "delivery_rate",
			 number(socket->tcp_delivery_rate));
}

static json_t *json_of_options(const struct ktls_diag_socket *socket)
{
	bool told = socket->tls && socket->told & KTLS_DIAG_TOLD_MODE;

	return json_pack(
		"{s:o, s:o, s:o}", "tx_zerocopy_ro", flag_if(told, socket->zerocopy_ro),
		"rx_expect_no_pad", flag_if(told, socket->expect_no_pad), "tx_max_payload_len",
		number_if(socket->told & KTLS_DIAG_TOLD_PAYLOAD, socket->tx_max_payload_len));
}

static json_t *json_of_socket(const struct stat_report *report, size_t i)
{
	const struct stat_row *row = &report->moment->rows[i];
	const struct ktls_diag_socket *socket = &row->socket;
	const char *namespace = report->moment->places.list[row->place].name;
	bool told = socket->told & KTLS_DIAG_TOLD_TCP;
	char cookie[20];

	snprintf(cookie, sizeof(cookie), "%" PRIx64, socket->cookie);
	return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:s, s:o, s:o}",
			 "namespace", namespace ? strange_string(namespace) : json_null(), "local",
			 json_of_address(&socket->local), "peer", json_of_address(&socket->peer),
			 "state", ktls_diag_state_name(socket->state), "tls",
			 flag_if(socket->told & KTLS_DIAG_TOLD_TLS, socket->tls), "version",
			 string_if(stat_table_version(socket)), "cipher", string_if(socket->cipher),
			 "tx", json_of_mode(socket, KTLS_TX), "rx", json_of_mode(socket, KTLS_RX),
			 "options", json_of_options(socket), "receive_queue",
			 number_if(told, socket->tcp_receive_queue), "send_queue",
			 number_if(told, socket->tcp_send_queue), "uid", number(socket->uid),
			 "interface", number_if(socket->ifindex, socket->ifindex), "inode",
			 number(socket->inode), "cookie", cookie, "processes",
			 json_of_owners(report->moment, i), "tcp",
			 report->extended ? json_of_tcp(socket) : json_null());
}

static int print_sockets(FILE *out, const struct stat_report *report)
{
	const char *indent = report->line ? "" : "\n    ";

	fprintf(out, "\"sockets\": ");
	if (!report->sockets) {
		fprintf(out, "null");
		return 0;
	}
	fputc('[', out);
	for (size_t i = 0; i < report->moment->n; i++) {
		_cleanup_(free_json) json_t *json = json_of_socket(report, i);

		if (!json)
			return -ENOMEM;
		fprintf(out, "%s%s", i ? "," : "", indent);
		put_json(out, json);
	}
	fprintf(out, "%s]", report->line || !report->moment->n ? "" : "\n  ");
	return 0;
}

/* -- What is not of a socket -- */

static json_t *json_of_counters(const struct ktls_counters *counters)
{
	json_t *json = json_object();

	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++) {
		if (ktls_counters_has(counters, i))
			json_object_set_new(json, ktls_counter_name(i), number(counters->value[i]));
	}
	return json;
}

static json_t *json_of_place(const struct stat_report *report, const struct stat_place *place)
{
	bool counted = !place->error && !place->counters_error;
	struct ktls_counters difference;
	bool differs = stat_difference(report->before, place, &difference);

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			 place->name ? strange_string(place->name) : json_null(), "error",
			 string_if(place->error ? stat_place_error(place) : NULL), "hidden_sockets",
			 number(place->hidden), "counters",
			 counted ? json_of_counters(&place->counters) : json_null(), "interval_ms",
			 number_if(differs, difference.taken_ns / 1000000), "difference",
			 differs ? json_of_counters(&difference) : json_null());
}

static json_t *json_of_places(const struct stat_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->moment->places.n; i++)
		json_array_append_new(list, json_of_place(report, &report->moment->places.list[i]));
	return list;
}

static json_t *json_of_modes(const size_t modes[_KTLS_DIAG_MODE_N])
{
	json_t *json = json_object();

	for (unsigned int mode = 0; mode < _KTLS_DIAG_MODE_N; mode++)
		json_object_set_new(json, ktls_diag_mode_name(mode), number(modes[mode]));
	return json;
}

static json_t *json_of_summary(const struct stat_report *report)
{
	json_t *by_version, *by_cipher;
	struct stat_totals totals;

	if (!report->summary)
		return json_null();
	stat_totals_count(&totals, report->moment);
	by_version = json_object();
	by_cipher = json_object();
	for (enum stat_version version = 0; version < _STAT_VERSION_N; version++)
		json_object_set_new(by_version, stat_version_name(version),
				    number(totals.versions[version]));
	for (size_t i = 0; i < totals.n_ciphers; i++)
		json_object_set_new(by_cipher, totals.cipher_names[i], number(totals.ciphers[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "with_tls", number(totals.tls),
			 "without_tls", number(totals.plain), "unknown", number(totals.untold),
			 "by_version", by_version, "by_cipher", by_cipher, "by_tx",
			 json_of_modes(totals.modes[KTLS_TX]), "by_rx",
			 json_of_modes(totals.modes[KTLS_RX]));
}

static json_t *json_of_notes(const struct stat_moment *moment)
{
	_cleanup_(free_text) char *text = NULL;
	json_t *list = json_array();
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return list;
	stat_notes_print(out, moment);
	fclose(out);
	for (char *at = text, *line; text && (line = strsep(&at, "\n")) && *line;)
		json_array_append_new(list, json_string(line));
	return list;
}

static json_t *json_of_moment(const struct stat_report *report)
{
	const struct stat_moment *moment = report->moment;
	struct utsname system = { 0 };

	uname(&system);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ktls",
			 ktls_version(), "kernel", system.release, "time_ms",
			 number(moment->time_ms), "count", number(moment->n), "hidden_sockets",
			 number(stat_moment_hidden(moment)), "hidden_processes",
			 number_if(moment->has_owners, moment->owners.hidden), "hidden_namespaces",
			 number(moment->places.hidden), "notes", json_of_notes(moment),
			 "namespaces", json_of_places(report), "summary", json_of_summary(report));
}

int stat_json_print(FILE *out, const struct stat_report *report)
{
	_cleanup_(free_json) json_t *json = json_of_moment(report);
	const char *key;
	json_t *value;
	int r;

	if (!json)
		return -ENOMEM;
	fputc('{', out);
	json_object_foreach(json, key, value)
	{
		fprintf(out, "%s\"%s\": ", report->line ? "" : "\n  ", key);
		put_json(out, value);
		fputs(report->line ? ", " : ",", out);
	}
	fputs(report->line ? "" : "\n  ", out);
	r = print_sockets(out, report);
	fputs(report->line ? "}\n" : "\n}\n", out);
	return r;
}
