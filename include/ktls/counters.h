/* SPDX-License-Identifier: MIT */
#ifndef KTLS_COUNTERS_H
#define KTLS_COUNTERS_H

/*
 * What the kernel counts of its TLS: /proc/net/tls_stat of the calling thread's network namespace,
 * every program's connections together (Documentation/networking/tls.rst). Anybody may read it.
 *
 * Kernels differ in what they count. A counter that this one has not, or that this header has no
 * name for, is not in `known`, and its value is 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* "Device": protected by a NIC, "Sw": by the kernel. The first four are how many there are now. */
enum ktls_counter {
	KTLS_COUNTER_CURR_TX_SW = 0,
	KTLS_COUNTER_CURR_RX_SW,
	KTLS_COUNTER_CURR_TX_DEVICE,
	KTLS_COUNTER_CURR_RX_DEVICE,
	KTLS_COUNTER_TX_SW, /* sockets ever whose TX got a key; a key changed is none more */
	KTLS_COUNTER_RX_SW,
	KTLS_COUNTER_TX_DEVICE,
	KTLS_COUNTER_RX_DEVICE,
	KTLS_COUNTER_DECRYPT_ERROR,	  /* records that did not authenticate */
	KTLS_COUNTER_RX_DEVICE_RESYNC,	  /* times that a NIC had lost its place */
	KTLS_COUNTER_DECRYPT_RETRY,	  /* records decrypted twice: see TLS_RX_EXPECT_NO_PAD */
	KTLS_COUNTER_RX_NO_PAD_VIOLATION, /* of those, the padded ones */
	KTLS_COUNTER_RX_REKEY_OK,	  /* keys changed; this and those below: 6.14 */
	KTLS_COUNTER_RX_REKEY_ERROR,	  /* keys that could not be changed */
	KTLS_COUNTER_TX_REKEY_OK,
	KTLS_COUNTER_TX_REKEY_ERROR,
	KTLS_COUNTER_RX_REKEY_RECEIVED, /* KeyUpdates that came */
	_KTLS_COUNTER_N,
};

struct ktls_counters {
	uint64_t taken_ns;  /* when: CLOCK_MONOTONIC; of a difference: how long it was */
	uint64_t known;	    /* bit 1 << enum ktls_counter: this kernel has it */
	uint64_t restarted; /* of a difference: the bits of those that had gone back */
	uint64_t value[32]; /* by enum ktls_counter */
};

/*
 * Reads them all. `size` is sizeof(struct ktls_counters) as the caller knows it; any thread.
 * -ENOENT: the module tls is not loaded, or this kernel has none; -EBADMSG: the file has not one
 * counter that is known here; -EINVAL; -errno of open(2) or read(2).
 */
int ktls_counters_read(struct ktls_counters *ret_counters, size_t size);

/*
 * What was counted from `older` to `newer`, each of `size` as above, which *ret_difference may be,
 * too: how many there are now is newer's, the others are subtracted; known is what both know. What
 * is less than it was counts anew from 0, as it does when the module was loaded again: the
 * difference is newer's value, and its bit is in `restarted`. -EINVAL.
 */
int ktls_counters_difference(const struct ktls_counters *older, const struct ktls_counters *newer,
			     struct ktls_counters *ret_difference, size_t size);

/* Whether the kernel said this one. */
bool ktls_counters_has(const struct ktls_counters *counters, unsigned int counter);

/* The kernel's name of it ("TlsDecryptError"), and whether it says how many there are now, so that
 * it also falls. The name is never NULL, and static; any thread. */
const char *ktls_counter_name(unsigned int counter);
bool ktls_counter_is_gauge(unsigned int counter);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
