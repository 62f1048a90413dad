/* SPDX-License-Identifier: MIT */

/* `ktls stat`: the TCP sockets of this machine that have kernel TLS; once, or again and again. */

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "stat_json.h"
#include "stat_options.h"
#include "stat_table.h"
#include "stat_totals.h"
#include "stat_watch.h"
#include "tool.h"

static const char command[] = "ktls stat";

static const char clear_screen[] = "\x1b[H\x1b[2J";

struct screen {
	struct stat_look look;
	unsigned int rows; /* 0: it is none */
};

static void free_text(char **text)
{
	free(*text);
}

/* It may have changed since the last time. */
static void look_at_screen(struct screen *ret_screen, const struct stat_options *options)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct screen screen = { .look = { .columns = STAT_TABLE_COLUMNS } };
	struct winsize winsize;

	if (isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0) {
		screen.rows = 24;
		screen.look.color = !no_color || !*no_color;
	}
	if (screen.rows && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &winsize) && winsize.ws_col) {
		screen.rows = winsize.ws_row;
		screen.look.columns = winsize.ws_col;
	}
	if (screen.look.columns < STAT_TABLE_COLUMNS_MIN)
		screen.look.columns = STAT_TABLE_COLUMNS_MIN;
	if (options->color != STAT_COLOR_AUTO)
		screen.look.color = options->color == STAT_COLOR_ALWAYS;
	screen.look.extended = options->extended;
	*ret_screen = screen;
}

/* If there is only one place to look into, that has to answer. */
static int check(const struct stat_moment *moment)
{
	const struct stat_place *place = &moment->places.list[0];

	if (moment->places.n != 1 || !place->error)
		return TOOL_EXIT_OK;
	if (!place->name)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", stat_place_error(place));
	return tool_fail(TOOL_EXIT_FAILED, command, "namespace %s: %s", place->name,
			 stat_place_error(place));
}

static int take(struct stat_moment *moment, const struct stat_options *options)
{
	int r = stat_moment_take(moment, &options->wish);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_strerror(r));
	return check(moment);
}

static void print_text(FILE *out, const struct stat_moment *moment, const struct screen *screen,
		       const struct stat_options *options)
{
	struct stat_totals totals;

	if (options->count) {
		fprintf(out, "%zu\n", moment->n);
	} else if (options->summary) {
		stat_totals_count(&totals, moment);
		stat_totals_print(out, &totals);
		stat_counters_print(out, moment);
	} else {
		stat_table_print(out, moment, &screen->look);
	}
}

static int print_json(FILE *out, const struct stat_moment *moment, const struct stat_moment *before,
		      const struct stat_options *options)
{
	const struct stat_report report = {
		.moment = moment,
		.before = before,
		.sockets = !options->count && !options->summary,
		.summary = options->summary,
		.extended = options->extended,
		.line = options->interval_ms,
	};

	if (!stat_json_print(out, &report))
		return TOOL_EXIT_OK;
	return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
}

/* Notes are no part of the answer. */
static int print_notes(const struct stat_moment *moment)
{
	_cleanup_(free_text) char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return TOOL_EXIT_OK;
	stat_notes_print(out, moment);
	fclose(out);
	for (char *at = text, *line; text && (line = strsep(&at, "\n")) && *line;)
		tool_fail(0, command, "%s", line);
	return TOOL_EXIT_OK;
}

static int show_once(const struct stat_options *options)
{
	_cleanup_(stat_moment_done) struct stat_moment moment = STAT_MOMENT_NULL;
	struct screen screen;
	int r = take(&moment, options);

	if (r)
		return r;
	if (options->json)
		return print_json(stdout, &moment, NULL, options);
	look_at_screen(&screen, options);
	print_text(stdout, &moment, &screen, options);
	fflush(stdout);
	return print_notes(&moment);
}

/* -- Again and again -- */

static void print_time(FILE *out, const struct stat_moment *moment)
{
	time_t seconds = (time_t)(moment->time_ms / 1000);
	char text[64];
	struct tm tm;

	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &tm))
		fprintf(out, "%s\n", text);
}

static int print_page(FILE *out, const struct stat_moment *moment, const struct stat_moment *before,
		      const struct screen *screen, const struct stat_options *options)
{
	if (options->json)
		return print_json(out, moment, before, options);
	print_time(out, moment);
	print_text(out, moment, screen, options);
	stat_changes_print(out, before, moment);
	stat_notes_print(out, moment);
	if (!screen->rows)
		fputc('\n', out);
	return TOOL_EXIT_OK;
}

/* On a screen, what fits, in place of what was there. */
static int put_page(const char *page, size_t len, const struct screen *screen,
		    const struct stat_options *options)
{
	char last[64];
	size_t left;
	int r;

	if (!screen->rows || options->json)
		return stat_watch_put(page, len);
	r = stat_watch_put(clear_screen, strlen(clear_screen));
	if (r)
		return r;
	len = stat_watch_fit(page, len, screen->rows, &left);
	r = stat_watch_put(page, len);
	if (r || !left)
		return r;
	snprintf(last, sizeof(last), "(%zu more lines)", left);
	return stat_watch_put(last, strlen(last));
}

/* An enum stat_watch_end; or negative: an enum tool_exit, which has been said. */
static int show_page(const struct stat_moment *moment, const struct stat_moment *before,
		     const struct stat_options *options)
{
	_cleanup_(free_text) char *page = NULL;
	struct screen screen;
	size_t len = 0;
	FILE *out = open_memstream(&page, &len);
	int r;

	if (!out)
		return -tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(errno));
	look_at_screen(&screen, options);
	r = print_page(out, moment, before, &screen, options);
	if (fclose(out) || r)
		return -TOOL_EXIT_FAILED;
	r = put_page(page, len, &screen, options);
	if (r < 0)
		return -tool_fail(TOOL_EXIT_FAILED, command, "cannot write to stdout: %s",
				  strerror(-r));
	return r;
}

static int watch(const struct stat_options *options)
{
	_cleanup_(stat_moment_done) struct stat_moment before = STAT_MOMENT_NULL;
	bool begun = false;
	int r;

	stat_watch_begin();
	for (;;) {
		_cleanup_(stat_moment_done) struct stat_moment moment = STAT_MOMENT_NULL;
		struct stat_moment older;

		r = take(&moment, options);
		if (r)
			return r;
		r = show_page(&moment, begun ? &before : NULL, options);
		if (!r)
			r = stat_watch_wait(options->interval_ms);
		if (r)
			return r < 0 ? -r : TOOL_EXIT_OK;
		older = before;
		before = moment;
		moment = older;
		begun = true;
	}
}

int stat_main(int argc, char *argv[])
{
	struct stat_options options;
	int r = stat_options_parse(&options, argc, argv);

	if (r)
		return r;
	if (options.help) {
		stat_options_print_help(stdout);
		return TOOL_EXIT_OK;
	}
	tool_raise_file_limit();
	return options.interval_ms ? watch(&options) : show_once(&options);
}
