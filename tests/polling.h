/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_POLLING_H
#define KTLS_TESTS_POLLING_H

/* What ktls_poll() must say, over both protections. Each call asserts what it needs. */

#include <stdint.h>

#include <ktls/ktls.h>

enum {
	POLLING_SHORT_MS = 40, /* in which nothing comes */
	POLLING_PATIENCE_MS = 20000,
};

/* What is said of one handle; 0 if the time passed. */
uint32_t polling_one(struct ktls_handle handle, uint32_t query, uint64_t deadline_ns);
uint32_t polling_conn(struct ktls_conn *conn, uint32_t query, uint64_t timeout_ms);

/* A record that comes in pieces, on and on: READ is said for each piece at most once. */
void polling_half_a_record(enum ktls_protocol protocol, enum ktls_offload rx);

/* Half a record, and then the end of the transport. */
void polling_a_cut_record(enum ktls_protocol protocol, enum ktls_offload rx);

/* A writer that fills the socket and polls for WRITE, and its reader, byte by byte correct. */
void polling_a_full_socket(enum ktls_protocol protocol, enum ktls_offload tx);

#endif
