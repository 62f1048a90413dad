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
	LABEL = 14,
	LEFT = 58,
	TOP = 12,
	BOTTOM = 44,
	CHARACTER = 7,
	NAME_MAX_COLUMNS = 28,
	NAME_GAP = 44, /* between the curves and their names */
	DODGE_MAX =
		60, /* all rows of a column, side by side, so that whiskers do not hide whiskers */
};

struct label {
	const struct plot_row *row;
	double x, y; /* where its curve ends */
	double at;   /* where it can be read */
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
	for (size_t i = 0; i < frame->axis.n_ticks; i++) {
		double y = plot_place(&frame->axis, frame->axis.ticks[i]);

		fprintf(stream, "<path class=\"grid\" d=\"M%d %.1fH%.1f\"/>\n", LEFT, y,
			frame->right);
		fprintf(stream, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">",
			LEFT - 6, y + 4);
		plot_tick(stream, frame->axis.ticks[i], plot->unit);
		fprintf(stream, "</text>\n");
	}
	for (size_t i = 0; i < plot->n_columns; i++) {
		fprintf(stream,
			"<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">",
			column_x(frame, i), frame->axis.at + 16);
		html_short(stream, plot->columns[i],
			   (unsigned int)fmax(frame->column / CHARACTER, 3));
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

static int order(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return (x->y > y->y) - (x->y < y->y);
}

/* Down from the top where one would lie on the other, and up again from the bottom. */
static void spread_labels(struct label *labels, size_t n, double bottom)
{
	qsort(labels, n, sizeof(*labels), order);
	for (size_t i = 0; i < n; i++)
		labels[i].at = i ? fmax(labels[i].y, labels[i - 1].at + LABEL) : labels[i].y;
	for (size_t i = n; i-- > 0;)
		labels[i].at = fmin(labels[i].at, i + 1 < n ? labels[i + 1].at - LABEL : bottom);
}

static void draw_label(FILE *stream, const struct frame *frame, const struct label *label)
{
	const struct plot_row *row = label->row;
	double x = frame->right + NAME_GAP;

	fprintf(stream, "<path class=\"leader c%u\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
		row->colour % PLOT_COLOURS, label->x + 5, label->y, x - 16, label->at);
	plot_shape(stream, row->shape, row->colour, x - 10, label->at);
	fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\"><title>", x, label->at + 4);
	html_text(stream, row->name);
	fprintf(stream, "</title>");
	html_short(stream, row->name, NAME_MAX_COLUMNS);
	fprintf(stream, "</text>\n");
}

static void draw_labels(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	struct label *labels = calloc(plot->n_rows + 1, sizeof(*labels));
	size_t n = 0;

	if (!labels)
		bench_die("no memory");
	for (size_t row = 0; row < plot->n_rows; row++) {
		for (size_t i = plot->n_columns; i-- > 0;) {
			if (!plot->rows[row].marks[i].known)
				continue;
			labels[n++] = (struct label){
				.row = &plot->rows[row],
				.x = mark_x(plot, frame, row, i),
				.y = plot_place(&frame->axis, plot->rows[row].marks[i].value),
			};
			break;
		}
	}
	spread_labels(labels, n, frame->axis.at);
	for (size_t i = 0; i < n; i++)
		draw_label(stream, frame, &labels[i]);
	free(labels);
}

void plot_lines(FILE *stream, const struct plot *plot)
{
	double names = CHARACTER * (double)plot_name_columns(plot, NAME_MAX_COLUMNS);
	double height = fmax(HEIGHT, LABEL * (double)plot->n_rows);
	struct frame frame = {
		.axis = plot_axis_of(plot, TOP + height, TOP),
		.right = WIDTH - names - NAME_GAP,
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
