/* SPDX-License-Identifier: MIT */

/* See curve.h. */

#include <math.h>

#include "curve.h"

/* A row's end may lie beyond all that was counted in it. */
static double value_at(const struct histogram *histogram, double part)
{
	return fmin(histogram_at(histogram, part), (double)histogram->max);
}

size_t curve_of(const struct histogram *histogram, struct curve_point points[CURVE_POINTS_MAX])
{
	double all = (double)histogram->n, times = 1;
	size_t n = 0;

	if (!histogram->n)
		return 0;
	while (times < all && n < CURVE_POINTS_MAX - 1) {
		double part = 1 - 1 / times;

		points[n] = (struct curve_point){ part, value_at(histogram, part) };
		times = pow(10, (double)++n / CURVE_STEPS);
	}
	points[n++] = (struct curve_point){ 1 - 1 / all, (double)histogram->max };
	return n;
}

json_t *curve_json(const struct histogram *histogram)
{
	struct curve_point points[CURVE_POINTS_MAX];
	size_t n = curve_of(histogram, points);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("[f, f]", points[i].part, points[i].value / 1e3));
	return json_pack("{s:s, s:I, s:f, s:o}", "unit", "us", "n", (json_int_t)histogram->n, "max",
			 (double)histogram->max / 1e3, "points", list);
}
