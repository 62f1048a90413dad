/* SPDX-License-Identifier: MIT */

/* What the kernel counts of its TLS; see ktls/counters.h. Its lines are "TlsCurrTxSw  \t0". */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/deadline.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/sized.h"
#include "counters.h"
#include "lines.h"

enum {
	FILE_MAX = 1 << 16, /* of today's kernels it is 600 bytes */
};

static const char *const names[_KTLS_COUNTER_N] = {
	[KTLS_COUNTER_CURR_TX_SW] = "TlsCurrTxSw",
	[KTLS_COUNTER_CURR_RX_SW] = "TlsCurrRxSw",
	[KTLS_COUNTER_CURR_TX_DEVICE] = "TlsCurrTxDevice",
	[KTLS_COUNTER_CURR_RX_DEVICE] = "TlsCurrRxDevice",
	[KTLS_COUNTER_TX_SW] = "TlsTxSw",
	[KTLS_COUNTER_RX_SW] = "TlsRxSw",
	[KTLS_COUNTER_TX_DEVICE] = "TlsTxDevice",
	[KTLS_COUNTER_RX_DEVICE] = "TlsRxDevice",
	[KTLS_COUNTER_DECRYPT_ERROR] = "TlsDecryptError",
	[KTLS_COUNTER_RX_DEVICE_RESYNC] = "TlsRxDeviceResync",
	[KTLS_COUNTER_DECRYPT_RETRY] = "TlsDecryptRetry",
	[KTLS_COUNTER_RX_NO_PAD_VIOLATION] = "TlsRxNoPadViolation",
	[KTLS_COUNTER_RX_REKEY_OK] = "TlsRxRekeyOk",
	[KTLS_COUNTER_RX_REKEY_ERROR] = "TlsRxRekeyError",
	[KTLS_COUNTER_TX_REKEY_OK] = "TlsTxRekeyOk",
	[KTLS_COUNTER_TX_REKEY_ERROR] = "TlsTxRekeyError",
	[KTLS_COUNTER_RX_REKEY_RECEIVED] = "TlsRxRekeyReceived",
};

static_assert(_KTLS_COUNTER_N <= sizeof((struct ktls_counters){ 0 }.value) / sizeof(uint64_t),
	      "there is room for every counter");

const char *ktls_counter_name(unsigned int counter)
{
	return counter < _KTLS_COUNTER_N ? names[counter] : "unknown";
}

bool ktls_counter_is_gauge(unsigned int counter)
{
	return counter <= KTLS_COUNTER_CURR_RX_DEVICE;
}

bool ktls_counters_has(const struct ktls_counters *counters, unsigned int counter)
{
	return counter < _KTLS_COUNTER_N && counters->known >> counter & 1;
}

static unsigned int find(struct lines_word name)
{
	unsigned int i = 0;

	while (i < _KTLS_COUNTER_N && !lines_is(name, names[i]))
		i++;
	return i;
}

/*
 * The kernel adds up what each processor has counted; one that is closed on another than it was
 * opened on may be seen less than none of them.
 */
static uint64_t whole(unsigned int counter, uint64_t value)
{
	return ktls_counter_is_gauge(counter) && value > INT64_MAX ? 0 : value;
}

int ktls_counters_parse(const char *text, size_t len, struct ktls_counters *ret_counters)
{
	struct ktls_counters counters = { 0 };
	struct lines lines = { text, len };
	struct lines_word line;

	while (lines_next(&lines, &line)) {
		unsigned int counter = find(lines_take_word(&line));
		uint64_t value;

		if (counter == _KTLS_COUNTER_N || !lines_take_number(&line, &value) || line.len)
			continue;
		counters.known |= 1ull << counter;
		counters.value[counter] = whole(counter, value);
	}
	if (!counters.known)
		return -EBADMSG;
	*ret_counters = counters;
	return 0;
}

int ktls_counters_read_file(const char *path, struct ktls_counters *ret_counters)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes text = { 0 };
	int r = ktls_file_read(path, FILE_MAX, &text);

	if (!r)
		r = ktls_counters_parse((const char *)text.data, text.len, ret_counters);
	if (!r)
		ret_counters->taken_ns = ktls_deadline_clock();
	return r;
}

int ktls_counters_read(struct ktls_counters *ret_counters, size_t size)
{
	struct ktls_counters counters;
	int r;

	if (!ret_counters || !size)
		return -EINVAL;
	r = ktls_counters_read_file("/proc/thread-self/net/tls_stat", &counters);
	if (!r)
		ktls_sized_copy(ret_counters, size, &counters, sizeof(counters));
	return r;
}

static void subtract(const struct ktls_counters *older, const struct ktls_counters *newer,
		     unsigned int counter, struct ktls_counters *difference)
{
	bool back = newer->value[counter] < older->value[counter];

	difference->value[counter] = newer->value[counter];
	if (ktls_counter_is_gauge(counter))
		return;
	if (back)
		difference->restarted |= 1ull << counter;
	else
		difference->value[counter] -= older->value[counter];
}

int ktls_counters_difference(const struct ktls_counters *older, const struct ktls_counters *newer,
			     struct ktls_counters *ret_difference, size_t size)
{
	struct ktls_counters before, after, difference = { 0 };

	if (!older || !newer || !ret_difference || !size)
		return -EINVAL;
	ktls_sized_copy(&before, sizeof(before), older, size);
	ktls_sized_copy(&after, sizeof(after), newer, size);
	difference.taken_ns = after.taken_ns - before.taken_ns;
	difference.known = before.known & after.known;
	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++) {
		if (ktls_counters_has(&difference, i))
			subtract(&before, &after, i, &difference);
	}
	ktls_sized_copy(ret_difference, size, &difference, sizeof(difference));
	return 0;
}
