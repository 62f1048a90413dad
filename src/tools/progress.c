/* SPDX-License-Identifier: MIT */

/* See progress.h. What a line has no room for is left out, the least important first. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "http.h"
#include "progress.h"
#include "text.h"

enum {
	FIELD_LEN = 160,
	NAME_LEN = 24, /* of a file's, at most */
	BAR_MIN = 10,  /* a shorter one says nothing */
	BAR_MAX = 40,
};

/* What there is to say, the most important first. */
struct fields {
	char text[5][FIELD_LEN];
	size_t n;
};

/* In three digits and a decimal unit. */
static void format_bytes(double bytes, char *ret_text, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	size_t unit = 0;

	while (bytes >= 999.5 && unit < sizeof(units) / sizeof(*units) - 1) {
		bytes /= 1000;
		unit++;
	}
	snprintf(ret_text, size, "%.*f %s", unit && bytes < 99.95 ? 1 : 0, bytes, units[unit]);
}

static void format_left(double seconds, char *ret_text, size_t size)
{
	uint64_t left;

	if (!(seconds < 360000)) {
		snprintf(ret_text, size, "days left");
		return;
	}
	left = (uint64_t)(seconds + 0.999);
	if (left >= 3600)
		snprintf(ret_text, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left",
			 left / 3600, left / 60 % 60, left % 60);
	else
		snprintf(ret_text, size, "%" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
}

static bool is_known(const struct progress_facts *facts)
{
	return facts->size != HTTP_SIZE_UNKNOWN && facts->there <= facts->size;
}

static double share(const struct progress_facts *facts)
{
	return facts->size ? (double)facts->there / (double)facts->size : 1;
}

static char *add_field(struct fields *fields)
{
	return fields->text[fields->n++];
}

static void add_who(struct fields *fields, const struct progress_facts *facts)
{
	char *field = add_field(fields);
	int len;

	if (facts->name) {
		struct text text = { .buf = field, .size = NAME_LEN };

		text_put_quoted(&text, facts->name);
		field[text.len] = '\0';
		return;
	}
	len = snprintf(field, FIELD_LEN, "%zu of %zu", facts->done, facts->n);
	if (facts->failed)
		snprintf(field + len, FIELD_LEN - (size_t)len, ", %zu failed", facts->failed);
}

static void fill(struct fields *fields, const struct progress_facts *facts, double rate)
{
	char there[32], whole[32], speed[32];

	format_bytes((double)facts->there, there, sizeof(there));
	format_bytes((double)facts->size, whole, sizeof(whole));
	format_bytes(rate, speed, sizeof(speed));
	if (is_known(facts))
		snprintf(add_field(fields), FIELD_LEN, "%3u%%", (unsigned int)(share(facts) * 100));
	add_who(fields, facts);
	if (is_known(facts))
		snprintf(add_field(fields), FIELD_LEN, "%s of %s", there, whole);
	else
		snprintf(add_field(fields), FIELD_LEN, "%s", there);
	snprintf(add_field(fields), FIELD_LEN, "%s/s", speed);
	if (is_known(facts) && rate >= 1)
		format_left((double)(facts->size - facts->there) / rate, add_field(fields),
			    FIELD_LEN);
}

static void put_bar(struct text *text, double part, size_t room)
{
	size_t width = room < BAR_MAX ? room : BAR_MAX;
	size_t full = (size_t)(part * (double)width);

	text_put_string(text, "  [");
	for (size_t i = 0; i < width; i++)
		text_put_string(text, i < full ? "=" : i == full ? ">" : " ");
	text_put_string(text, "]");
}

size_t progress_format(const struct progress_facts *facts, double rate, unsigned int columns,
		       char *ret_line)
{
	struct fields fields = { .n = 0 };
	size_t size = columns < PROGRESS_LIMIT_LINE ? columns : PROGRESS_LIMIT_LINE;
	/* One column stays free. */
	struct text text = { .buf = ret_line, .size = size ? size - 1 : 0 };

	fill(&fields, facts, rate);
	for (size_t i = 0; i < fields.n; i++) {
		size_t gap = i ? strlen("  ") : 0;

		if (gap + strlen(fields.text[i]) > text.size - text.len)
			break;
		text_put_string(&text, i ? "  " : "");
		text_put_string(&text, fields.text[i]);
	}
	if (is_known(facts) && text.size - text.len >= BAR_MIN + strlen("  []"))
		put_bar(&text, share(facts), text.size - text.len - strlen("  []"));
	ret_line[text.len] = '\0';
	return text.len;
}

bool progress_has_screen(bool to_stdout)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0 &&
	       !(to_stdout && isatty(STDOUT_FILENO));
}

/* It may have changed since the last time. */
static unsigned int count_columns(void)
{
	struct winsize winsize;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &winsize) || !winsize.ws_col)
		return PROGRESS_COLUMNS;
	return winsize.ws_col;
}

/* What was long ago counts little: a third of it is gone each second. */
static void measure(struct progress *progress, uint64_t came, uint64_t now_ns)
{
	double seconds = (double)(now_ns - progress->last_ns) / 1e9;
	double weight = seconds < 3 ? seconds / 3 : 1;
	double rate = 0;

	if (progress->begun && came > progress->last_came && seconds > 0)
		rate = (double)(came - progress->last_came) / seconds;
	if (progress->rate > 0)
		progress->rate += (rate - progress->rate) * weight;
	else
		progress->rate = rate;
	progress->begun = true;
	progress->last_ns = now_ns;
	progress->last_came = came;
}

bool progress_is_due(const struct progress *progress, uint64_t now_ns)
{
	return progress->wanted && now_ns >= progress->next_ns;
}

void progress_draw(struct progress *progress, const struct progress_facts *facts, uint64_t now_ns)
{
	char line[PROGRESS_LIMIT_LINE];

	progress->next_ns = now_ns + PROGRESS_INTERVAL_MS * UINT64_C(1000000);
	measure(progress, facts->came, now_ns);
	progress_format(facts, progress->rate, count_columns(), line);
	fprintf(stderr, "\r%s\x1b[K", line);
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\x1b[K", stderr);
	progress->shown = false;
}
