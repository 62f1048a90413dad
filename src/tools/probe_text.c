/* SPDX-License-Identifier: MIT */

/* The answer for people, in 80 columns; see probe.h. */

#include <inttypes.h>
#include <string.h>

#include "probe.h"

enum {
	LINE_LEN = 79,
	NAME_LEN = 18, /* the first column */
	ANSWER_LEN = 13,
};

/* Where it goes, and in which colours. */
struct page {
	FILE *stream;
	bool color;
};

enum color {
	COLOR_NONE,
	COLOR_BOLD,
	COLOR_GOOD,
	COLOR_BAD,
	COLOR_WARNING,
};

static void paint(const struct page *page, enum color color)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "\033[0m", [COLOR_BOLD] = "\033[1m",	[COLOR_GOOD] = "\033[32m",
		[COLOR_BAD] = "\033[31m", [COLOR_WARNING] = "\033[33m",
	};

	if (page->color)
		fputs(codes[color], page->stream);
}

static void print_in(const struct page *page, enum color color, const char *text, int width)
{
	paint(page, color);
	fputs(text, page->stream);
	paint(page, COLOR_NONE);
	fprintf(page->stream, "%*s", width > (int)strlen(text) ? width - (int)strlen(text) : 0, "");
}

static void print_title(const struct page *page, const char *title)
{
	fputs("\n", page->stream);
	print_in(page, COLOR_BOLD, title, 0);
	fputs("\n", page->stream);
}

/* "yes", or why not; the last of a line needs no width. */
static void print_answer(const struct page *page, unsigned int reason, int width)
{
	bool works = reason == KTLS_REASON_NONE;

	print_in(page, works ? COLOR_GOOD : COLOR_BAD, works ? "yes" : ktls_reason_name(reason),
		 width);
}

/* Words, behind what has been printed up to `column`, in lines that begin with two blanks. */
static size_t print_words(const struct page *page, const char *text, size_t column)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (column + 1 + len > LINE_LEN && column > 2)
			column = (size_t)fprintf(page->stream, "\n  ") - 1;
		else
			column += (size_t)fprintf(page->stream, " ");
		/* What fits no line is cut. */
		column += (size_t)fprintf(page->stream, "%.*s",
					  (int)(len < LINE_LEN - 2 ? len : LINE_LEN - 2), text);
		text += len;
		text += strspn(text, " ");
	}
	return column;
}

static void print_list_end(const struct page *page)
{
	fputs("\n", page->stream);
}

/*
 * -- parts --
 */

static void print_head(const struct page *page, const struct probe_facts *facts)
{
	const struct ktls_system *system = &facts->system;
	unsigned int reason = facts->probe.ulp;
	size_t column = (size_t)fprintf(page->stream, "kernel TLS: ");

	print_answer(page, reason, 0);
	print_list_end(page);
	if (reason != KTLS_REASON_NONE && facts->probe.ulp_errno)
		fprintf(page->stream, "  attaching it to a socket answered %s\n",
			ktls_strerrorname(-facts->probe.ulp_errno));
	column = (size_t)fprintf(page->stream, "kernel:");
	column = print_words(page, system->release, column);
	fprintf(page->stream, "\nmodule tls: %s\n", ktls_module_name(system->module));
	column = (size_t)fprintf(page->stream, "protocols above TCP:");
	print_words(page, system->ulps[0] ? system->ulps : "unknown", column);
	fprintf(page->stream, "\nCPU: AES instructions %s, vector instructions %s\n",
		ktls_answer_name(system->cpu_aes), ktls_answer_name(system->cpu_simd));
}

static void print_ciphers(const struct page *page, const struct ktls_probe *probe)
{
	print_title(page, "Records");
	fprintf(page->stream, "%-*s  %-13s  %-13s  %-13s  %s\n", NAME_LEN, "", "TLS 1.2 tx",
		"TLS 1.2 rx", "TLS 1.3 tx", "TLS 1.3 rx");
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		fprintf(page->stream, "%-*s  ", NAME_LEN, ktls_cipher_name(i));
		print_answer(page, probe->tls12[i][KTLS_TX], ANSWER_LEN + 2);
		print_answer(page, probe->tls12[i][KTLS_RX], ANSWER_LEN + 2);
		print_answer(page, probe->tls13[i][KTLS_TX], ANSWER_LEN + 2);
		print_answer(page, probe->tls13[i][KTLS_RX], 0);
		print_list_end(page);
	}
}

static void print_features(const struct page *page, const struct ktls_probe *probe)
{
	struct probe_feature features[PROBE_N_FEATURES];

	print_title(page, "Features");
	probe_list_features(probe, features);
	for (size_t i = 0; i < PROBE_N_FEATURES; i++) {
		fprintf(page->stream, "%-*s  ", NAME_LEN, features[i].name);
		print_answer(page, features[i].reason, ANSWER_LEN + 2);
		fprintf(page->stream, "%s\n", features[i].text);
	}
}

static void print_drivers(const struct page *page, const struct probe_facts *facts)
{
	print_title(page, "Drivers of cryptography");
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		const struct ktls_crypto_driver *driver = &facts->drivers[i];
		const char *speed = ktls_crypto_speed_name(driver->speed);
		bool slow = *ktls_crypto_driver_remedy(driver, &facts->system) != '\0';

		fprintf(page->stream, "%-*s  ", NAME_LEN, ktls_cipher_name(i));
		if (!driver->driver[0]) {
			fputs("unknown\n", page->stream);
			continue;
		}
		print_in(page, slow ? COLOR_WARNING : COLOR_GOOD, speed, ANSWER_LEN + 1);
		print_words(page, driver->driver, NAME_LEN + 2 + ANSWER_LEN + 1);
		print_list_end(page);
		if (driver->async == KTLS_ANSWER_YES)
			fprintf(page->stream, "%*sasynchronous\n", NAME_LEN + ANSWER_LEN + 4, "");
	}
}

/* The names of the trials with that answer; "" if none. */
static void list_trials(const struct probe_facts *facts, unsigned int reason, char *ret_text,
			size_t size)
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (unsigned int i = 0; i < _KTLS_TRIAL_N; i++) {
		if (facts->trials[i].reason == reason && len < size)
			len += (size_t)snprintf(ret_text + len, size - len, "%s%s", len ? ", " : "",
						ktls_trial_name(i));
	}
}

static void print_trials(const struct page *page, const struct probe_facts *facts)
{
	if (!facts->tried_ring)
		return;
	print_title(page, "io_uring on sockets with kernel TLS");
	for (unsigned int reason = KTLS_REASON_NONE; reason < _KTLS_REASON_N; reason++) {
		const char *name = reason ? ktls_reason_name(reason) : "works";
		char text[1024];
		size_t column;

		list_trials(facts, reason, text, sizeof(text));
		if (!text[0])
			continue;
		print_in(page, reason ? COLOR_BAD : COLOR_GOOD, name, 0);
		column = strlen(name);
		if (reason) {
			column += (size_t)fprintf(page->stream, ",");
			column = print_words(page, ktls_reason_text(reason), column);
		}
		column += (size_t)fprintf(page->stream, ":");
		print_words(page, text, column);
		print_list_end(page);
	}
}

static bool may_protect(const struct ktls_device *device)
{
	for (unsigned int f = 0; f < _KTLS_DEVICE_FEATURE_N; f++) {
		if (device->feature[f] >= KTLS_DEVICE_OFF)
			return true;
	}
	return false;
}

static void print_devices(const struct page *page, const struct probe_facts *facts)
{
	size_t others = 0;

	print_title(page, "Network devices");
	if (facts->devices_error) {
		fprintf(page->stream, "unknown: %s\n", ktls_strerror(facts->devices_error));
		return;
	}
	for (size_t i = 0; i < facts->n_devices; i++) {
		const struct ktls_device *device = &facts->devices[i];

		if (!may_protect(device)) {
			others++;
			continue;
		}
		fprintf(page->stream, "%-*s  tx %-10s rx %-10s record %-10s%s\n", NAME_LEN,
			device->name, ktls_device_state_name(device->feature[KTLS_DEVICE_TX]),
			ktls_device_state_name(device->feature[KTLS_DEVICE_RX]),
			ktls_device_state_name(device->feature[KTLS_DEVICE_RECORD]),
			device->up ? "" : " down");
	}
	if (others == facts->n_devices)
		fputs("none can protect records: the CPU does\n", page->stream);
	else if (others)
		fprintf(page->stream, "%zu others cannot protect records\n", others);
}

static void print_settings(const struct page *page, const struct ktls_system *system)
{
	print_title(page, "Settings");
	for (unsigned int i = 0; i < _KTLS_SYSCTL_N; i++) {
		fprintf(page->stream, "%-32s", ktls_sysctl_name(i));
		if (system->sysctl[i] == KTLS_SYSCTL_UNKNOWN)
			fputs("unknown\n", page->stream);
		else
			fprintf(page->stream, "%" PRId64 "\n", system->sysctl[i]);
	}
}

static void print_counters(const struct page *page, const struct probe_facts *facts)
{
	bool begun = false;

	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++) {
		if (facts->counters_error || !probe_is_error(i) || !facts->counters.value[i])
			continue;
		if (!begun)
			print_title(page, "Errors that were counted");
		begun = true;
		fprintf(page->stream, "%-32s", ktls_counter_name(i));
		paint(page, COLOR_WARNING);
		fprintf(page->stream, "%" PRIu64, facts->counters.value[i]);
		paint(page, COLOR_NONE);
		print_list_end(page);
	}
}

static void print_obstacles(const struct page *page, const struct probe_findings *findings)
{
	print_title(page, "What stands in the way");
	if (!findings->n)
		print_in(page, COLOR_GOOD, "nothing\n", 0);
	for (size_t i = 0; i < findings->n; i++) {
		const struct probe_obstacle *obstacle = &findings->obstacles[i];
		enum color color = obstacle->weight <= PROBE_LIMITS ? COLOR_BAD : COLOR_WARNING;

		print_in(page, color, obstacle->name, 0);
		fputs(":", page->stream);
		print_words(page, obstacle->text, strlen(obstacle->name) + 1);
		print_list_end(page);
		if (!obstacle->remedy[0])
			continue;
		print_words(page, obstacle->remedy, (size_t)fprintf(page->stream, "  To do:"));
		print_list_end(page);
	}
}

void probe_print_text(FILE *stream, const struct probe_facts *facts,
		      const struct probe_findings *findings, bool color)
{
	const struct page page = { stream, color };

	print_head(&page, facts);
	print_ciphers(&page, &facts->probe);
	print_features(&page, &facts->probe);
	print_drivers(&page, facts);
	print_trials(&page, facts);
	print_devices(&page, facts);
	print_settings(&page, &facts->system);
	print_counters(&page, facts);
	print_obstacles(&page, findings);
}
