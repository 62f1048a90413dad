/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

/*
 * How long things took, counted in rows as HdrHistogram does it: HISTOGRAM_ROWS of them for each
 * power of two, so that no row is wider than 1/128 of what it counts. Zeroed before its first use.
 */

#include <stdint.h>

enum {
	HISTOGRAM_BITS = 7,
	HISTOGRAM_ROWS = 1 << HISTOGRAM_BITS,
};

struct histogram {
	uint64_t rows[64][HISTOGRAM_ROWS];
	uint64_t n, max;
};

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	uint64_t counted = value < HISTOGRAM_ROWS ? HISTOGRAM_ROWS : value;
	unsigned int power = 63 - (unsigned int)__builtin_clzll(counted);

	histogram->rows[power][counted >> (power - HISTOGRAM_BITS) & (HISTOGRAM_ROWS - 1)]++;
	histogram->n++;
	if (value > histogram->max)
		histogram->max = value;
}

/* What so much of all was less than, up to the width of a row; 0 for none. */
static inline double histogram_at(const struct histogram *histogram, double part)
{
	uint64_t seen = 0;

	for (unsigned int power = HISTOGRAM_BITS; power < 64; power++) {
		for (uint64_t row = 0; row < HISTOGRAM_ROWS; row++) {
			seen += histogram->rows[power][row];
			if (seen && (double)seen >= part * (double)histogram->n)
				return (double)((HISTOGRAM_ROWS + row + 1)
						<< (power - HISTOGRAM_BITS));
		}
	}
	return 0;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned int power = 0; power < 64; power++) {
		for (unsigned int row = 0; row < HISTOGRAM_ROWS; row++)
			into->rows[power][row] += from->rows[power][row];
	}
	into->n += from->n;
	if (from->max > into->max)
		into->max = from->max;
}

#endif
