/* SPDX-License-Identifier: MIT */

/*
 * Counting; see metrics.h. A counter is read and written apart, both relaxed: there is one writer,
 * and a reader who comes between sees the old value or the new one.
 */

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "metrics.h"

enum {
	N_ERRORS = _KTLS_ERROR_END - KTLS_E_NO_NAME,
};

/* The causes behind the library's own errors. */
static const int other_causes[] = {
	KTLS_EOF, KTLS_CLOSED, KTLS_TIMEDOUT, -ECONNRESET, -EPIPE, -ETIMEDOUT, -ENOMEM, -EIO,
};

static_assert(N_ERRORS + sizeof(other_causes) / sizeof(*other_causes) == METRICS_CAUSES,
	      "each cause has a row");

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count_many(struct metrics *metrics, enum metrics_counter counter, uint64_t n)
{
	if (metrics)
		add(&metrics->counters[counter], n);
}

void metrics_count(struct metrics *metrics, enum metrics_counter counter)
{
	metrics_count_many(metrics, counter, 1);
}

/* Its row, which may be a new one; the last is for those that find no other. */
static struct metrics_suite *find_suite(struct metrics *metrics, const char *name,
					uint64_t protocol)
{
	struct metrics_suite *last = &metrics->suites[METRICS_LIMIT_SUITES - 1];
	struct metrics_suite *row = metrics->suites;

	for (; row < last; row++) {
		const char *taken = atomic_load_explicit(&row->name, memory_order_relaxed);

		if (!taken)
			break;
		if (row->protocol == protocol && !strcmp(taken, name))
			return row;
	}
	row->protocol = row == last ? 0 : protocol;
	/* A reader who sees the name sees the row. */
	atomic_store_explicit(&row->name, row == last ? "other" : name, memory_order_release);
	return row;
}

static void count_direction(struct metrics *metrics, const struct ktls_info *info,
			    enum ktls_direction direction)
{
	uint16_t protection = info->protection[direction];
	uint16_t reason = info->reason[direction];

	/* A library newer than this program may know more of both. */
	if (protection < _KTLS_PROTECTION_N && reason < _KTLS_REASON_N)
		add(&metrics->directions[direction][protection][reason], 1);
}

void metrics_count_handshake(struct metrics *metrics, const struct ktls_info *info)
{
	const char *suite = info->suite ? info->suite : "none";

	if (!metrics)
		return;
	add(&find_suite(metrics, suite, info->protocol)->handshakes[!!info->resumed], 1);
	count_direction(metrics, info, KTLS_TX);
	count_direction(metrics, info, KTLS_RX);
}

/* What is neither the library's nor in the list counts as its last, EIO. */
static size_t cause_of(int status)
{
	const size_t last = sizeof(other_causes) / sizeof(*other_causes) - 1;
	size_t i = 0;

	if (-status >= KTLS_E_NO_NAME && -status < _KTLS_ERROR_END)
		return (size_t)(-status - KTLS_E_NO_NAME);
	while (i < last && other_causes[i] != status)
		i++;
	return N_ERRORS + i;
}

const char *metrics_cause_name(size_t cause)
{
	if (cause >= METRICS_CAUSES)
		return NULL;
	return ktls_strerrorname(cause < N_ERRORS ? -(KTLS_E_NO_NAME + (int)cause)
						  : other_causes[cause - N_ERRORS]);
}

void metrics_count_failure(struct metrics *metrics, enum metrics_stage stage, int status)
{
	if (metrics)
		add(&metrics->failures[stage][cause_of(status)], 1);
}

void metrics_count_response(struct metrics *metrics, unsigned int status)
{
	if (metrics && status >= 100 && status < 100 * (METRICS_STATUS_CLASSES + 1))
		add(&metrics->responses[status / 100 - 1], 1);
}

static void count_rise(struct metrics *metrics, enum metrics_counter counter, uint64_t *seen,
		       uint64_t now)
{
	/* A frozen or failed connection may know less than before. */
	if (now <= *seen)
		return;
	add(&metrics->counters[counter], now - *seen);
	*seen = now;
}

void metrics_count_traffic(struct metrics *metrics, struct metrics_traffic *seen,
			   const struct ktls_info *info)
{
	if (!metrics)
		return;
	count_rise(metrics, METRICS_BYTES_OUT, &seen->bytes[KTLS_TX], info->bytes[KTLS_TX]);
	count_rise(metrics, METRICS_BYTES_IN, &seen->bytes[KTLS_RX], info->bytes[KTLS_RX]);
	count_rise(metrics, METRICS_REKEYS_OUT, &seen->key_updates[KTLS_TX],
		   info->key_updates[KTLS_TX]);
	count_rise(metrics, METRICS_REKEYS_IN, &seen->key_updates[KTLS_RX],
		   info->key_updates[KTLS_RX]);
}

static void add_up(_Atomic uint64_t *total, const _Atomic uint64_t *counters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(&total[i], get(&counters[i]));
}

static void add_up_suites(struct metrics *total, const struct metrics *metrics)
{
	for (size_t i = 0; i < METRICS_LIMIT_SUITES; i++) {
		const struct metrics_suite *row = &metrics->suites[i];
		const char *name = atomic_load_explicit(&row->name, memory_order_acquire);

		if (name)
			add_up(find_suite(total, name, row->protocol)->handshakes, row->handshakes,
			       2);
	}
}

void metrics_add_up(struct metrics *total, const struct metrics *metrics)
{
	add_up(total->counters, metrics->counters, _METRICS_COUNTER_N);
	add_up(total->failures[0], metrics->failures[0],
	       sizeof(total->failures) / sizeof(total->failures[0][0]));
	add_up(total->directions[0][0], metrics->directions[0][0],
	       sizeof(total->directions) / sizeof(total->directions[0][0][0]));
	add_up(total->responses, metrics->responses, METRICS_STATUS_CLASSES);
	add_up_suites(total, metrics);
}

uint64_t metrics_get(const struct metrics *metrics, enum metrics_counter counter)
{
	return get(&metrics->counters[counter]);
}
