/* SPDX-License-Identifier: MIT */

/* Plots with a curve for each row, its name at its end. See plot.h. */

#include <math.h>
#include <stdlib.h>

#include "html.h"
#include "plot.h"
#include "support.h"

enum {
	WIDTH = 900,
	HEIGHT = 300, /* at least */
	LEFT = 58,
	TOP = 12,
	BOTTOM = 44,
	DODGE_MAX =
		60, /* all rows of a column, side by side, so that whiskers do not hide whiskers */
};

struct frame {
	struct plot_axis axis; /* upwards */
	double right;
	double column; /* the width of one */
	double dodge;
};

static double column_x(const struct frame *frame, size_t column)
{
	return LEFT + frame->column * ((double)column + 0.5);
}

static double mark_x(const struct plot *plot, const struct frame *frame, size_t row, size_t column)
{
	return column_x(frame, column) +
	       frame->dodge * ((double)row - ((double)plot->n_rows - 1) / 2);
}

static void draw_axes(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	plot_rulers(stream, &frame->axis, plot->unit, LEFT, frame->right);
	for (size_t i = 0; i < plot->n_columns; i++) {
		fprintf(stream,
			"<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">",
			column_x(frame, i), frame->axis.at + 16);
		html_short(stream, plot->columns[i],
			   (unsigned int)fmax(frame->column / PLOT_CHARACTER, 3));
		fprintf(stream, "</text>\n");
	}
	fprintf(stream, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">", LEFT, frame->axis.at + 34);
	html_short(stream, plot->unit, 80);
	fprintf(stream, "</text>\n");
}

static void draw_references(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	for (size_t i = 0; i < plot->n_references; i++) {
		double value = plot->references[i].value, y = plot_place(&frame->axis, value);

		if (!plot_is_within(&frame->axis, value))
			continue;
		fprintf(stream, "<path class=\"reference\" d=\"M%d %.1fH%.1f\"/>\n", LEFT, y,
			frame->right);
		fprintf(stream, "<text class=\"halo tick\" x=\"%d\" y=\"%.1f\">", LEFT + 6, y - 5);
		html_short(stream, plot->references[i].name, 60);
		fprintf(stream, "</text>\n");
	}
}

/* A gap where a column is not known. */
static void draw_curve(FILE *stream, const struct plot *plot, const struct frame *frame, size_t row)
{
	const struct plot_mark *marks = plot->rows[row].marks;
	bool drawing = false;

	fprintf(stream, "<path class=\"curve c%u\" d=\"", plot->rows[row].colour % PLOT_COLOURS);
	for (size_t i = 0; i < plot->n_columns; i++) {
		if (marks[i].known)
			fprintf(stream, "%c%.1f %.1f", drawing ? 'L' : 'M',
				mark_x(plot, frame, row, i),
				plot_place(&frame->axis, marks[i].value));
		drawing = marks[i].known;
	}
	fprintf(stream, "\"/>\n");
}

static void draw_marks(FILE *stream, const struct plot *plot, const struct frame *frame, size_t row)
{
	const struct plot_mark *marks = plot->rows[row].marks;

	for (size_t i = 0; i < plot->n_columns; i++) {
		double x = mark_x(plot, frame, row, i);

		if (!marks[i].known)
			continue;
		fprintf(stream, "<path class=\"whisker\" d=\"M%.1f %.1fV%.1f\"/>\n", x,
			plot_place(&frame->axis, marks[i].low),
			plot_place(&frame->axis, marks[i].high));
		plot_shape(stream, plot->rows[row].shape, plot->rows[row].colour, x,
			   plot_place(&frame->axis, marks[i].value));
	}
}

static void draw_labels(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	struct plot_label *labels = calloc(plot->n_rows + 1, sizeof(*labels));
	size_t n = 0;

	if (!labels)
		bench_die("no memory");
	for (size_t row = 0; row < plot->n_rows; row++) {
		for (size_t i = plot->n_columns; i-- > 0;) {
			if (!plot->rows[row].marks[i].known)
				continue;
			labels[n++] = (struct plot_label){
				.name = plot->rows[row].name,
				.colour = plot->rows[row].colour,
				.shape = plot->rows[row].shape,
				.x = mark_x(plot, frame, row, i),
				.y = plot_place(&frame->axis, plot->rows[row].marks[i].value),
			};
			break;
		}
	}
	plot_spread_labels(labels, n, frame->axis.at);
	for (size_t i = 0; i < n; i++)
		plot_label(stream, &labels[i], frame->right);
	free(labels);
}

void plot_lines(FILE *stream, const struct plot *plot)
{
	double names = PLOT_CHARACTER * (double)plot_name_columns(plot, PLOT_LABEL_MAX);
	double height = fmax(HEIGHT, PLOT_LABEL * (double)plot->n_rows);
	struct frame frame = {
		.axis = plot_axis_of(plot, TOP + height, TOP),
		.right = WIDTH - names - PLOT_LABEL_GAP,
	};

	frame.column = (frame.right - LEFT) / (double)plot->n_columns;
	frame.dodge = fmin(DODGE_MAX, frame.column / 2) / (double)plot->n_rows;
	plot_begin(stream, plot, WIDTH, TOP + height + BOTTOM);
	draw_axes(stream, plot, &frame);
	for (size_t row = 0; row < plot->n_rows; row++)
		draw_curve(stream, plot, &frame, row);
	for (size_t row = 0; row < plot->n_rows; row++)
		draw_marks(stream, plot, &frame, row);
	draw_references(stream, plot, &frame);
	draw_labels(stream, plot, &frame);
	plot_end(stream, plot);
}
