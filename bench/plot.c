/* SPDX-License-Identifier: MIT */

/* What the plots share; see plot.h. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "plot.h"

enum {
	TICKS = 5,	 /* wanted on a linear axis */
	DECADES_MAX = 7, /* that are labelled on one of logarithms */
	FINE_MAX = 2,	 /* decades whose 2 and 5 are, too */
};

static const double far_beyond = 2; /* times all marks: such a reference would press them flat */

struct range {
	double least, most; /* the least above 0 */
};

static void widen(struct range *range, double value)
{
	if (!isfinite(value) || value <= 0)
		return;
	range->least = fmin(range->least, value);
	range->most = fmax(range->most, value);
}

static struct range range_of(const struct plot *plot)
{
	struct range range = { INFINITY, 0 };
	double marks;

	for (size_t row = 0; row < plot->n_rows; row++) {
		for (size_t column = 0; column < plot->n_columns; column++) {
			const struct plot_mark *mark = &plot->rows[row].marks[column];

			if (!mark->known)
				continue;
			widen(&range, mark->value);
			widen(&range, mark->low);
			widen(&range, mark->high);
		}
	}
	marks = range.most;
	for (size_t i = 0; i < plot->n_references; i++) {
		if (plot->references[i].value <= far_beyond * marks)
			widen(&range, plot->references[i].value);
	}
	return range;
}

/* 1, 2 or 5 times a power of ten. */
static double step_of(double most)
{
	double power = pow(10, floor(log10(most / TICKS))), times = most / TICKS / power;

	return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

static void tick_linear(struct plot_axis *axis, double most)
{
	double step = step_of(most);

	axis->from = 0;
	axis->to = step * ceil(most / step * 0.999999);
	for (size_t i = 0; i < PLOT_TICKS_MAX && (double)i * step <= axis->to * 1.000001; i++)
		axis->ticks[axis->n_ticks++] = (double)i * step;
}

static void tick_log(struct plot_axis *axis, const struct range *range)
{
	double first = floor(log10(range->least)), last = ceil(log10(range->most)), every;

	if (last <= first)
		last = first + 1;
	every = ceil((last - first) / DECADES_MAX);
	axis->from = pow(10, first);
	axis->to = pow(10, last);
	for (double power = first; power <= last; power += every) {
		axis->ticks[axis->n_ticks++] = pow(10, power);
		if (last - first > FINE_MAX || power == last)
			continue;
		axis->ticks[axis->n_ticks++] = 2 * pow(10, power);
		axis->ticks[axis->n_ticks++] = 5 * pow(10, power);
	}
}

static struct plot_axis axis_of(struct range range, bool is_log, double at, double until)
{
	struct plot_axis axis = { .is_log = is_log, .at = at, .until = until };

	if (range.most <= 0)
		range = (struct range){ 1, 1 };
	if (is_log)
		tick_log(&axis, &range);
	else
		tick_linear(&axis, range.most);
	return axis;
}

struct plot_axis plot_axis_between(double least, double most, bool is_log, double at, double until)
{
	struct range range = { INFINITY, 0 };

	widen(&range, least);
	widen(&range, most);
	return axis_of(range, is_log, at, until);
}

struct plot_axis plot_axis_of(const struct plot *plot, double at, double until)
{
	return axis_of(range_of(plot), plot->is_log, at, until);
}

double plot_place(const struct plot_axis *axis, double value)
{
	double part;

	if (axis->is_log)
		part = value <= axis->from ? 0
					   : log(value / axis->from) / log(axis->to / axis->from);
	else
		part = value / axis->to;
	return axis->at + fmin(fmax(part, 0), 1) * (axis->until - axis->at);
}

bool plot_is_within(const struct plot_axis *axis, double value)
{
	return value >= axis->from && value <= axis->to;
}

/* Times grow with the axis: 1 us, 1 ms, 1 s. */
void plot_tick(FILE *stream, double value, const char *unit)
{
	static const struct {
		double us;
		const char *unit;
	} times[] = { { 1e6, "s" }, { 1e3, "ms" }, { 1, "us" }, { 1e-3, "ns" } };
	size_t i = 0;

	if (strcmp(unit, "us") || value <= 0) {
		fprintf(stream, "%g", value);
		return;
	}
	while (i + 1 < sizeof(times) / sizeof(*times) && value < times[i].us * 0.999)
		i++;
	fprintf(stream, "%g %s", value / times[i].us, times[i].unit);
}

unsigned int plot_name_columns(const struct plot *plot, unsigned int max)
{
	unsigned int most = 1;

	for (size_t i = 0; i < plot->n_rows; i++) {
		unsigned int columns = html_columns(plot->rows[i].name);

		most = columns > most ? columns : most;
	}
	return most < max ? most : max;
}

void plot_begin(FILE *stream, const struct plot *plot, double width, double height)
{
	fprintf(stream, "<figure style=\"max-width:%.0fpx\">\n<figcaption>", width);
	html_text(stream, plot->title);
	fprintf(stream, "</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"",
		width, height);
	html_text(stream, plot->title);
	fprintf(stream, "\">\n");
}

void plot_end(FILE *stream, const struct plot *plot)
{
	fprintf(stream, "</svg>\n");
	for (size_t i = 0; i < plot->n_references; i++) {
		fprintf(stream, "<p class=\"small\">");
		html_text(stream, plot->references[i].name);
		fprintf(stream, ": ");
		html_number(stream, plot->references[i].value);
		fprintf(stream, " ");
		html_text(stream, plot->unit);
		fprintf(stream, "</p>\n");
	}
	fprintf(stream, "</figure>\n");
}

void plot_shape(FILE *stream, unsigned int shape, unsigned int colour, double x, double y)
{
	static const char *const paths[PLOT_SHAPES] = {
		"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", /* a circle */
		"m-3.5 -3.5h7v7h-7z",		       /* a square */
		"m0 -4.6l4.4 7.8h-8.8z",	       /* triangles */
		"m0 -5l4.6 5l-4.6 5l-4.6 -5z",	       /* a diamond */
		"m0 4.6l4.4 -7.8h-8.8z",
		"m-4 -1.5h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z", /* a cross */
	};

	fprintf(stream, "<path class=\"mark c%u\" d=\"M%.1f %.1f%s\"/>\n", colour % PLOT_COLOURS, x,
		y, paths[shape % PLOT_SHAPES]);
}

void plot_rulers(FILE *stream, const struct plot_axis *axis, const char *unit, double left,
		 double right)
{
	for (size_t i = 0; i < axis->n_ticks; i++) {
		double y = plot_place(axis, axis->ticks[i]);

		fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", left, y, right);
		fprintf(stream, "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">",
			left - 6, y + 4);
		plot_tick(stream, axis->ticks[i], unit);
		fprintf(stream, "</text>\n");
	}
}

static int order(const void *a, const void *b)
{
	const struct plot_label *x = a, *y = b;

	return (x->y > y->y) - (x->y < y->y);
}

/* Down from the top where one would lie on the other, and up again from the bottom. */
void plot_spread_labels(struct plot_label *labels, size_t n, double bottom)
{
	qsort(labels, n, sizeof(*labels), order);
	for (size_t i = 0; i < n; i++)
		labels[i].at = i ? fmax(labels[i].y, labels[i - 1].at + PLOT_LABEL) : labels[i].y;
	for (size_t i = n; i-- > 0;)
		labels[i].at =
			fmin(labels[i].at, i + 1 < n ? labels[i + 1].at - PLOT_LABEL : bottom);
}

void plot_label(FILE *stream, const struct plot_label *label, double right)
{
	double x = right + PLOT_LABEL_GAP;

	fprintf(stream, "<path class=\"leader c%u\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
		label->colour % PLOT_COLOURS, label->x + 5, label->y, x - 16, label->at);
	plot_shape(stream, label->shape, label->colour, x - 10, label->at);
	fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\"><title>", x, label->at + 4);
	html_text(stream, label->name);
	fprintf(stream, "</title>");
	html_short(stream, label->name, PLOT_LABEL_MAX);
	fprintf(stream, "</text>\n");
}
