/* SPDX-License-Identifier: MIT */

/* See stat_totals.h. */

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "stat_totals.h"
#include "text.h"

static const char *const versions[_STAT_VERSION_N] = {
	[STAT_VERSION_1_2] = "1.2",
	[STAT_VERSION_1_3] = "1.3",
	[STAT_VERSION_NONE] = "unknown",
};

const char *stat_version_name(enum stat_version version)
{
	return versions[version];
}

static enum stat_version version_of(const struct ktls_diag_socket *socket)
{
	switch (socket->protocol) {
	case KTLS_TLS_1_2:
		return STAT_VERSION_1_2;
	case KTLS_TLS_1_3:
		return STAT_VERSION_1_3;
	}
	return STAT_VERSION_NONE;
}

static void count_cipher(struct stat_totals *totals, const char *name)
{
	size_t i = 0;

	if (!name)
		name = "unknown";
	while (i < totals->n_ciphers && strcmp(name, totals->cipher_names[i]) != 0)
		i++;
	if (i == STAT_TOTALS_LIMIT_CIPHERS)
		return;
	if (i == totals->n_ciphers)
		totals->cipher_names[totals->n_ciphers++] = name;
	totals->ciphers[i]++;
}

static void count(struct stat_totals *totals, const struct ktls_diag_socket *socket)
{
	totals->sockets++;
	if (!(socket->told & KTLS_DIAG_TOLD_TLS)) {
		totals->untold++;
		return;
	}
	if (!socket->tls) {
		totals->plain++;
		return;
	}
	totals->tls++;
	totals->versions[version_of(socket)]++;
	count_cipher(totals, socket->cipher);
	for (size_t i = 0; i < _KTLS_DIRECTION_N; i++) {
		if (socket->mode[i] < _KTLS_DIAG_MODE_N)
			totals->modes[i][socket->mode[i]]++;
	}
}

void stat_totals_count(struct stat_totals *ret_totals, const struct stat_moment *moment)
{
	memset(ret_totals, 0, sizeof(*ret_totals));
	for (size_t i = 0; i < moment->n; i++)
		count(ret_totals, &moment->rows[i].socket);
}

static void print_some(FILE *out, const char *name, size_t n, bool *begun)
{
	if (!n)
		return;
	fprintf(out, "%s%s: %zu", *begun ? ", " : "", name, n);
	*begun = true;
}

static void print_modes(FILE *out, const char *title, const size_t modes[_KTLS_DIAG_MODE_N])
{
	bool begun = false;

	fprintf(out, "%-9s", title);
	for (unsigned int mode = 0; mode < _KTLS_DIAG_MODE_N; mode++)
		print_some(out, ktls_diag_mode_name(mode), modes[mode], &begun);
	fputc('\n', out);
}

void stat_totals_print(FILE *out, const struct stat_totals *totals)
{
	bool begun = false;

	fprintf(out, "%-9s%zu with TLS, %zu without, %zu unknown\n", "sockets", totals->tls,
		totals->plain, totals->untold);
	if (!totals->tls)
		return;
	fprintf(out, "%-9s", "tls");
	for (enum stat_version version = 0; version < _STAT_VERSION_N; version++)
		print_some(out, versions[version], totals->versions[version], &begun);
	fprintf(out, "\n%-9s", "cipher");
	begun = false;
	for (size_t i = 0; i < totals->n_ciphers; i++)
		print_some(out, totals->cipher_names[i], totals->ciphers[i], &begun);
	fputc('\n', out);
	print_modes(out, "tx", totals->modes[KTLS_TX]);
	print_modes(out, "rx", totals->modes[KTLS_RX]);
}

/* -- Counters -- */

static void print_title(FILE *out, const char *what, const struct stat_place *place)
{
	char name[4 * NAME_MAX + 1];
	struct text text = { .buf = name, .size = sizeof(name) - 1 };

	text_put_quoted(&text, place->name ? place->name : "");
	name[text.len] = '\0';
	if (place->name)
		fprintf(out, "%s, namespace \"%s\":\n", what, name);
	else
		fprintf(out, "%s:\n", what);
}

void stat_counters_print(FILE *out, const struct stat_moment *moment)
{
	for (size_t i = 0; i < moment->places.n; i++) {
		const struct stat_place *place = &moment->places.list[i];

		if (place->error || place->counters_error)
			continue;
		print_title(out, "counters", place);
		for (unsigned int j = 0; j < _KTLS_COUNTER_N; j++) {
			if (ktls_counters_has(&place->counters, j))
				fprintf(out, "  %-22s %" PRIu64 "\n", ktls_counter_name(j),
					place->counters.value[j]);
		}
	}
}

bool stat_difference(const struct stat_moment *before, const struct stat_place *place,
		     struct ktls_counters *ret_difference)
{
	const struct stat_place *then = before ? stat_places_find(&before->places, place) : NULL;

	if (!then || then->counters_error || then->error || place->counters_error || place->error)
		return false;
	return !ktls_counters_difference(&then->counters, &place->counters, ret_difference,
					 sizeof(*ret_difference));
}

static void print_change(FILE *out, const struct ktls_counters *old,
			 const struct ktls_counters *now, const struct ktls_counters *difference,
			 unsigned int counter)
{
	if (!ktls_counters_has(difference, counter) || old->value[counter] == now->value[counter])
		return;
	if (ktls_counter_is_gauge(counter))
		fprintf(out, "  %-22s %" PRIu64 ", was %" PRIu64 "\n", ktls_counter_name(counter),
			now->value[counter], old->value[counter]);
	else
		fprintf(out, "  %-22s +%" PRIu64 "%s\n", ktls_counter_name(counter),
			difference->value[counter],
			difference->restarted >> counter & 1 ? " (from 0 again)" : "");
}

void stat_changes_print(FILE *out, const struct stat_moment *before,
			const struct stat_moment *moment)
{
	for (size_t i = 0; i < moment->places.n; i++) {
		const struct stat_place *place = &moment->places.list[i];
		struct ktls_counters difference;
		char title[64];

		if (!stat_difference(before, place, &difference))
			continue;
		snprintf(title, sizeof(title), "counted in %.1f s",
			 (double)difference.taken_ns / 1e9);
		print_title(out, title, place);
		for (unsigned int j = 0; j < _KTLS_COUNTER_N; j++)
			print_change(out, &stat_places_find(&before->places, place)->counters,
				     &place->counters, &difference, j);
	}
}
