/* SPDX-License-Identifier: MIT */

/* See stat_table.h: what is not in the table. */

#include <limits.h>

#include "stat_table.h"
#include "text.h"
#include "tool.h"

static void print_place(FILE *out, const struct stat_place *place)
{
	char name[4 * NAME_MAX + 1];
	struct text text = { .buf = name, .size = sizeof(name) - 1 };

	if (!place->error)
		return;
	text_put_quoted(&text, place->name ? place->name : "");
	name[text.len] = '\0';
	if (place->name)
		fprintf(out, "namespace \"%s\": ", name);
	fprintf(out, "%s\n", stat_place_error(place));
}

static void print_nothing(FILE *out, const struct stat_moment *moment)
{
	bool asked = false, loaded = false;

	for (size_t i = 0; i < moment->places.n; i++) {
		asked |= !moment->places.list[i].error;
		loaded |= moment->places.list[i].counters_error != -ENOENT;
	}
	if (!asked)
		return;
	fprintf(out, "no such TCP socket was seen\n");
	if (!loaded)
		fprintf(out, "the kernel's module tls is not loaded, so no socket has kernel TLS: "
			     "\"modprobe tls\" loads it, where there is one; \"ktls probe\" says "
			     "more\n");
}

/* "1 process", "2 processes" */
static const char *ending(size_t n, const char *many)
{
	return n == 1 ? "" : many;
}

void stat_notes_print(FILE *out, const struct stat_moment *moment)
{
	size_t hidden = stat_moment_hidden(moment);

	for (size_t i = 0; i < moment->places.n; i++)
		print_place(out, &moment->places.list[i]);
	if (!moment->n)
		print_nothing(out, moment);
	if (hidden)
		fprintf(out,
			"%zu TCP socket%s of which this kernel does not tell whether they have "
			"TLS: run as root, or with CAP_NET_ADMIN\n",
			hidden, ending(hidden, "s"));
	if (moment->places.hidden)
		fprintf(out,
			"%zu process%s whose namespace may not be seen: run as root, or with "
			"CAP_SYS_PTRACE\n",
			moment->places.hidden, ending(moment->places.hidden, "es"));
	if (moment->owners.hidden)
		fprintf(out,
			"%zu process%s whose sockets may not be seen: run as root, or with "
			"CAP_SYS_PTRACE\n",
			moment->owners.hidden, ending(moment->owners.hidden, "es"));
}
