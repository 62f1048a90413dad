/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

/*
 * Plots as inline SVG. Every row is named where it is drawn, so that none needs a key, and its
 * colour and shape only help; names that are too long are cut, and whole in a tooltip. Colours are
 * classes (c0, c1, ...) of the page's style, which knows light, dark and paper.
 *
 *   plot.c        axes, shapes
 *   plot_rows.c   a row a line: bars, and quantiles
 *   plot_lines.c  a row a line from column to column
 *   plot_curves.c what part of all was within how long
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "curve.h"

enum plot_limit {
	PLOT_COLOURS = 10,
	PLOT_SHAPES = 6,
	PLOT_TICKS_MAX = 16,
};

/* A value, and where half of its runs lay. */
struct plot_mark {
	bool known;
	double value, low, high;
};

struct plot_row {
	const char *name;
	unsigned int colour, shape;    /* any numbers; equal ones look alike */
	const struct plot_mark *marks; /* one for each column */
};

/* A line across. */
struct plot_reference {
	const char *name;
	double value;
};

struct plot {
	const char *title;
	const char *unit;
	const char *const *columns;
	size_t n_columns;
	const struct plot_row *rows;
	size_t n_rows;
	const struct plot_reference *references;
	size_t n_references;
	bool is_log;
};

/* A bar a row, of its first column. */
void plot_bars(FILE *stream, const struct plot *plot);

/* A shape for each column on the row's line. */
void plot_quantiles(FILE *stream, const struct plot *plot);

/* Columns from left to right. */
void plot_lines(FILE *stream, const struct plot *plot);

struct plot_curve {
	const char *name;
	unsigned int colour, shape;
	bool is_faint; /* one of many that are not to be in the way */
	const struct curve_point *points;
	size_t n;
};

struct plot_curves {
	const char *title;
	const char *unit;
	const struct plot_curve *list;
	size_t n;
};

/* Both axes are logarithmic: 1 / (1 - part) to the right, values upwards. */
void plot_curves(FILE *stream, const struct plot_curves *plot);

/* -- For the plots -- */

struct plot_axis {
	bool is_log;
	double from, to;  /* values */
	double at, until; /* where they are */
	double ticks[PLOT_TICKS_MAX];
	size_t n_ticks;
};

/* Holds what is above 0; neither need be. */
struct plot_axis plot_axis_between(double least, double most, bool is_log, double at, double until);

/* Holds all marks, and those references that are not far beyond them. */
struct plot_axis plot_axis_of(const struct plot *plot, double at, double until);
double plot_place(const struct plot_axis *axis, double value);
bool plot_is_within(const struct plot_axis *axis, double value);
void plot_tick(FILE *stream, double value, const char *unit);

/* The most columns that a name of a row has, no more than `max`. */
unsigned int plot_name_columns(const struct plot *plot, unsigned int max);

void plot_begin(FILE *stream, const struct plot *plot, double width, double height);
void plot_end(FILE *stream, const struct plot *plot);
void plot_shape(FILE *stream, unsigned int shape, unsigned int colour, double x, double y);

/* The lines across, with what they stand for at the left. */
void plot_rulers(FILE *stream, const struct plot_axis *axis, const char *unit, double left,
		 double right);

enum {
	PLOT_CHARACTER = 7,  /* no wider, on average */
	PLOT_LABEL = 14,     /* no higher */
	PLOT_LABEL_GAP = 44, /* between a plot and its labels */
	PLOT_LABEL_MAX = 28, /* columns */
};

/* A name beside the end of what it names. */
struct plot_label {
	const char *name;
	unsigned int colour, shape;
	size_t place; /* of what it names; the caller's */
	double x, y;  /* where that ends */
	double at;    /* where it can be read */
};

/* Sorts them downwards, so far apart that all can be read. */
void plot_spread_labels(struct plot_label *labels, size_t n, double bottom);
void plot_label(FILE *stream, const struct plot_label *label, double right);

#endif
