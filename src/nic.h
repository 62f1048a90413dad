/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_NIC_H
#define KTLS_SRC_NIC_H

/*
 * Connections whose config wants a NIC to protect their records (KTLS_OFFLOAD_NIC). The kernel
 * takes a key for the NIC or, without a word, for itself, and never gives one back: so what can be
 * known is asked before, and what came of it after.
 *
 * Any thread; the socket has the tls ULP attached.
 */

#include <ktls/info.h>

/* Whether the NIC would take a key of that direction, as far as that can be known before there is
 * one: KTLS_REASON_NONE, or why not, with the errno behind it, or 0. */
unsigned int ktls_nic_preflight(int fd, enum ktls_direction direction, int *ret_errno);

/* The same of the key that was set. */
unsigned int ktls_nic_check(int fd, enum ktls_direction direction, int *ret_errno);

#endif
