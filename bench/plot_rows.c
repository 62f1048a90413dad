/* SPDX-License-Identifier: MIT */

/* Plots with a line for each row: bars, and the quantiles of times. See plot.h. */

#include <string.h>

#include "html.h"
#include "plot.h"

enum {
	WIDTH = 560,
	ROW = 19,
	NAME_MAX_COLUMNS = 26,
	GAP = 8,
	VALUE_LEN = 58, /* behind a bar */
	TOP = 8,
	LINE = 16, /* of text above the rows */
	BOTTOM = 38,
	BAR = 11,
};

/* Where the rows are. */
struct frame {
	struct plot_axis axis;
	double top, bottom;
};

static double row_y(const struct frame *frame, size_t row)
{
	return frame->top + ROW * ((double)row + 0.5);
}

static void draw_axis(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	for (size_t i = 0; i < frame->axis.n_ticks; i++) {
		double x = plot_place(&frame->axis, frame->axis.ticks[i]);

		fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, frame->top,
			frame->bottom);
		fprintf(stream,
			"<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">", x,
			frame->bottom + 14);
		plot_tick(stream, frame->axis.ticks[i], plot->unit);
		fprintf(stream, "</text>\n");
	}
	if (!strcmp(plot->unit, "us"))
		return; /* each of its ticks says so */
	fprintf(stream, "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">",
		frame->axis.until, frame->bottom + 29);
	html_short(stream, plot->unit, 60);
	fprintf(stream, "</text>\n");
}

static void draw_name(FILE *stream, const struct plot_row *row, double x, double y)
{
	fprintf(stream, "<text text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\"><title>", x, y + 4);
	html_text(stream, row->name);
	fprintf(stream, "</title>");
	html_short(stream, row->name, NAME_MAX_COLUMNS);
	fprintf(stream, "</text>\n");
}

/* From low to high, with an end to each. */
static void draw_whisker(FILE *stream, const struct frame *frame, const struct plot_mark *mark,
			 double y)
{
	double low = plot_place(&frame->axis, mark->low),
	       high = plot_place(&frame->axis, mark->high);

	fprintf(stream, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>\n",
		low, y, high, low, y - 3, high, y - 3);
}

static void draw_bar(FILE *stream, const struct frame *frame, const struct plot_row *row, double y)
{
	const struct plot_mark *mark = row->marks;
	double end;

	if (!mark->known) {
		fprintf(stream, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">\u2013</text>\n",
			frame->axis.at + GAP, y + 4);
		return;
	}
	end = plot_place(&frame->axis, mark->value);
	fprintf(stream,
		"<rect class=\"bar c%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
		row->colour % PLOT_COLOURS, frame->axis.at, y - BAR / 2.0, end - frame->axis.at,
		BAR);
	draw_whisker(stream, frame, mark, y);
	if (mark->high > mark->value)
		end = plot_place(&frame->axis, mark->high);
	fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\">", end + GAP, y + 4);
	html_number(stream, mark->value);
	fprintf(stream, "</text>\n");
}

static void draw_references(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	for (size_t i = 0; i < plot->n_references; i++) {
		double value = plot->references[i].value, x = plot_place(&frame->axis, value);

		if (plot_is_within(&frame->axis, value))
			fprintf(stream, "<path class=\"reference\" d=\"M%.1f %.1fV%.1f\"/>\n", x,
				frame->top, frame->bottom);
	}
}

static void draw_spread(FILE *stream, const struct plot *plot, const struct frame *frame,
			const struct plot_row *row, double y)
{
	double least = 0, most = 0;
	bool any = false;

	for (size_t i = 0; i < plot->n_columns; i++) {
		double x = plot_place(&frame->axis, row->marks[i].value);

		if (!row->marks[i].known)
			continue;
		least = any && least < x ? least : x;
		most = any && most > x ? most : x;
		any = true;
	}
	if (any)
		fprintf(stream, "<path class=\"span c%u\" d=\"M%.1f %.1fH%.1f\"/>\n",
			row->colour % PLOT_COLOURS, least, y, most);
	for (size_t i = 0; i < plot->n_columns; i++) {
		if (!row->marks[i].known)
			continue;
		draw_whisker(stream, frame, &row->marks[i], y);
		plot_shape(stream, (unsigned int)i, row->colour,
			   plot_place(&frame->axis, row->marks[i].value), y);
	}
}

/* Which shape is which column. */
static void draw_key(FILE *stream, const struct plot *plot, const struct frame *frame)
{
	double x = frame->axis.at + GAP;

	for (size_t i = 0; i < plot->n_columns; i++) {
		plot_shape(stream, (unsigned int)i, 0, x, TOP + 6);
		fprintf(stream, "<text class=\"tick\" x=\"%.1f\" y=\"%d\">", x + GAP, TOP + 10);
		html_short(stream, plot->columns[i], NAME_MAX_COLUMNS);
		fprintf(stream, "</text>\n");
		x += PLOT_CHARACTER * (html_columns(plot->columns[i]) < NAME_MAX_COLUMNS
					       ? html_columns(plot->columns[i])
					       : NAME_MAX_COLUMNS) +
		     3 * GAP;
	}
}

static struct frame frame_of(const struct plot *plot, double top, double right)
{
	double left = GAP + PLOT_CHARACTER * (double)plot_name_columns(plot, NAME_MAX_COLUMNS);

	return (struct frame){
		.axis = plot_axis_of(plot, left + GAP, WIDTH - right),
		.top = top,
		.bottom = top + ROW * (double)plot->n_rows,
	};
}

void plot_bars(FILE *stream, const struct plot *plot)
{
	struct frame frame = frame_of(plot, TOP, VALUE_LEN);

	plot_begin(stream, plot, WIDTH, frame.bottom + BOTTOM);
	draw_axis(stream, plot, &frame);
	for (size_t i = 0; i < plot->n_rows; i++) {
		draw_name(stream, &plot->rows[i], frame.axis.at - GAP, row_y(&frame, i));
		draw_bar(stream, &frame, &plot->rows[i], row_y(&frame, i));
	}
	draw_references(stream, plot, &frame);
	plot_end(stream, plot);
}

void plot_quantiles(FILE *stream, const struct plot *plot)
{
	struct frame frame = frame_of(plot, TOP + LINE, 3 * GAP);

	plot_begin(stream, plot, WIDTH, frame.bottom + BOTTOM);
	draw_key(stream, plot, &frame);
	draw_axis(stream, plot, &frame);
	for (size_t i = 0; i < plot->n_rows; i++) {
		draw_name(stream, &plot->rows[i], frame.axis.at - GAP, row_y(&frame, i));
		draw_spread(stream, plot, &frame, &plot->rows[i], row_y(&frame, i));
	}
	draw_references(stream, plot, &frame);
	plot_end(stream, plot);
}
