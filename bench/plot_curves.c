/* SPDX-License-Identifier: MIT */

/* Plots of what part of all was within how long, each curve's name at its end. See plot.h. */

#include <math.h>
#include <stdlib.h>

#include "html.h"
#include "plot.h"
#include "support.h"

enum {
	WIDTH = 900,
	HEIGHT = 340, /* at least */
	LEFT = 58,
	TOP = 12,
	BOTTOM = 44,
};

struct frame {
	struct plot_axis across, up;
};

/* One of how many it is that took longer. */
static double one_of(const struct curve_point *point)
{
	return 1 / (1 - point->part);
}

static struct frame frame_of(const struct plot_curves *plot, double height, double right)
{
	double least = INFINITY, most = 0, across = 0;

	for (size_t i = 0; i < plot->n; i++) {
		const struct plot_curve *curve = &plot->list[i];

		for (size_t p = 0; p < curve->n; p++) {
			if (curve->points[p].value > 0)
				least = fmin(least, curve->points[p].value);
			most = fmax(most, curve->points[p].value);
			across = fmax(across, one_of(&curve->points[p]));
		}
	}
	return (struct frame){
		.across = { .is_log = true, .from = 1, .to = fmax(across, 10), LEFT, right },
		.up = plot_axis_between(least, most, true, TOP + height, TOP),
	};
}

/* 0 %, 50 %, and then 90 %, 99 %, 99.9 %. */
static double next(double times)
{
	if (times < 10)
		return times < 2 ? 2 : 10;
	return times * 10;
}

static void draw_parts(FILE *stream, const struct frame *frame)
{
	for (double times = 1; times <= frame->across.to; times = next(times)) {
		double x = plot_place(&frame->across, times);
		int digits = (int)fmax(round(log10(times)) - 2, 0);

		fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, frame->up.at,
			frame->up.until);
		fprintf(stream,
			"<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%.*f "
			"%%</text>\n",
			x, frame->up.at + 16, digits, 100 - 100 / times);
	}
	fprintf(stream, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">of all took no longer</text>\n",
		LEFT, frame->up.at + 34);
}

static struct plot_label label_of(const struct plot_curve *curve, const struct frame *frame,
				  size_t place)
{
	const struct curve_point *last = &curve->points[curve->n - 1];

	return (struct plot_label){
		.name = curve->name,
		.colour = curve->colour,
		.shape = curve->shape,
		.place = place,
		.x = plot_place(&frame->across, one_of(last)),
		.y = plot_place(&frame->up, last->value),
	};
}

/* With its name, so that who points at either sees which is which. */
static void draw_curve(FILE *stream, const struct plot_curve *curve, const struct frame *frame,
		       const struct plot_label *label)
{
	fprintf(stream, "<g class=\"series%s\"><path class=\"curve c%u\" d=\"",
		curve->is_faint ? " faint" : "", curve->colour % PLOT_COLOURS);
	for (size_t i = 0; i < curve->n; i++)
		fprintf(stream, "%c%.1f %.1f", i ? 'L' : 'M',
			plot_place(&frame->across, one_of(&curve->points[i])),
			plot_place(&frame->up, curve->points[i].value));
	fprintf(stream, "\"/>\n");
	plot_label(stream, label, frame->across.until);
	fprintf(stream, "</g>\n");
}

void plot_curves(FILE *stream, const struct plot_curves *plot)
{
	const struct plot sheet = { .title = plot->title, .unit = plot->unit };
	struct plot_label *labels = calloc(plot->n + 1, sizeof(*labels));
	double height = fmax(HEIGHT, PLOT_LABEL * (double)plot->n);
	unsigned int columns = 1;
	struct frame frame;

	if (!labels)
		bench_die("no memory");
	for (size_t i = 0; i < plot->n; i++)
		columns = (unsigned int)fmax(columns, html_columns(plot->list[i].name));
	columns = (unsigned int)fmin(columns, PLOT_LABEL_MAX);
	frame = frame_of(plot, height, WIDTH - PLOT_LABEL_GAP - PLOT_CHARACTER * (double)columns);
	for (size_t i = 0; i < plot->n; i++)
		labels[i] = label_of(&plot->list[i], &frame, i);
	plot_spread_labels(labels, plot->n, frame.up.at);
	plot_begin(stream, &sheet, WIDTH, TOP + height + BOTTOM);
	plot_rulers(stream, &frame.up, plot->unit, LEFT, frame.across.until);
	draw_parts(stream, &frame);
	for (int faint = 1; faint >= 0; faint--) {
		for (size_t i = 0; i < plot->n; i++) {
			if (plot->list[labels[i].place].is_faint == faint)
				draw_curve(stream, &plot->list[labels[i].place], &frame,
					   &labels[i]);
		}
	}
	plot_end(stream, &sheet);
	free(labels);
}
