/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CURVE_H
#define BENCH_CURVE_H

/*
 * A histogram as a curve: by when which part of all was done, with ever finer steps towards the
 * last of them. With 1 / (1 - part) as a logarithmic axis, as HdrHistogram draws it, 90 %, 99 % and
 * 99.9 % are as far apart as 99.9 % and 99.99 %.
 */

#include <stddef.h>

#include <jansson.h>

#include "histogram.h"

enum curve_limit {
	CURVE_POINTS_MAX = 60,
	CURVE_STEPS = 8, /* for each further 9 of 99.9 % */
};

struct curve_point {
	double part;  /* of all, from 0 up to less than 1 */
	double value; /* that it took no longer than */
};

/* No point stands for less than one of those counted, and the last is the slowest of them. Returns
 * how many there are. */
size_t curve_of(const struct histogram *histogram, struct curve_point points[CURVE_POINTS_MAX]);

/* Of nanoseconds: {"unit": "us", "n": ..., "max": ..., "points": [[part, us], ...]}; caller owns
 * it. */
json_t *curve_json(const struct histogram *histogram);

#endif
