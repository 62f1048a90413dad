/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <math.h>

#include "../bench/curve.h"

static struct histogram histogram; /* too large for a stack */

Test(unit, nothing_has_no_curve)
{
	struct curve_point points[CURVE_POINTS_MAX];
	json_t *json = curve_json(&histogram);

	cr_expect_eq(curve_of(&histogram, points), 0);
	cr_expect_eq(json_array_size(json_object_get(json, "points")), 0);
	json_decref(json);
}

Test(unit, a_single_value_is_a_point)
{
	struct curve_point points[CURVE_POINTS_MAX];

	histogram_add(&histogram, 1000);

	cr_assert_eq(curve_of(&histogram, points), 1);
	cr_expect_eq(points[0].part, 0);
	cr_expect_eq(points[0].value, 1000);
}

Test(unit, a_curve_goes_from_the_quickest_to_the_slowest)
{
	struct curve_point points[CURVE_POINTS_MAX];
	size_t n;

	for (uint64_t value = 1; value <= 100000; value++)
		histogram_add(&histogram, value * 1000);
	n = curve_of(&histogram, points);

	cr_assert_eq(n, 5 * CURVE_STEPS + 1);
	cr_expect_eq(points[0].part, 0);
	cr_expect_float_eq(points[0].value, 1000, 1000 / 128.);
	cr_expect_float_eq(points[CURVE_STEPS].part, 0.9, 1e-9);
	cr_expect_float_eq(points[CURVE_STEPS].value, 9e7, 9e7 / 128);
	cr_expect_float_eq(points[4 * CURVE_STEPS].part, 0.9999, 1e-9);
	cr_expect_float_eq(points[4 * CURVE_STEPS].value, 9.999e7, 1e8 / 128);
	cr_expect_float_eq(points[n - 1].part, 0.99999, 1e-9);
	cr_expect_eq(points[n - 1].value, 1e8);
	for (size_t i = 1; i < n; i++)
		cr_expect(points[i].part > points[i - 1].part &&
			  points[i].value >= points[i - 1].value);
}

Test(unit, a_curve_of_very_many_ends_with_the_slowest_too)
{
	struct curve_point points[CURVE_POINTS_MAX];

	histogram_add(&histogram, 5);
	histogram.rows[HISTOGRAM_BITS][0] += 1000000000000;
	histogram.n += 1000000000000;
	histogram_add(&histogram, 1 << 30);

	cr_assert_eq(curve_of(&histogram, points), CURVE_POINTS_MAX);
	cr_expect_eq(points[CURVE_POINTS_MAX - 1].value, 1 << 30);
	cr_expect_lt(points[CURVE_POINTS_MAX - 1].part, 1);
	cr_expect_gt(points[CURVE_POINTS_MAX - 1].part, points[CURVE_POINTS_MAX - 2].part);
}

Test(unit, json_has_microseconds)
{
	json_t *json, *point;

	histogram_add(&histogram, 64000);
	json = curve_json(&histogram);
	point = json_array_get(json_object_get(json, "points"), 0);

	cr_expect_str_eq(json_string_value(json_object_get(json, "unit")), "us");
	cr_expect_eq(json_integer_value(json_object_get(json, "n")), 1);
	cr_expect_eq(json_number_value(json_object_get(json, "max")), 64);
	cr_expect_eq(json_number_value(json_array_get(point, 0)), 0);
	cr_expect_eq(json_number_value(json_array_get(point, 1)), 64);
	json_decref(json);
}
