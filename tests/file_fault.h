/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_FILE_FAULT_H
#define KTLS_TESTS_FILE_FAULT_H

/* Files that are none, end too early or shrink, sent over either protection: each ends the test
 * with a message if it does not come out as ktls_conn_sendfile() says. */

#include <ktls/ktls.h>

/* Ranges and files that are refused, with nothing sent; the connection goes on. */
void file_fault_refused(enum ktls_protocol protocol, enum ktls_offload tx);

/* The file shrinks between two calls, or in the middle of one: an alert, and never an EOF. */
void file_fault_shrinks_between(enum ktls_protocol protocol, enum ktls_offload tx);
void file_fault_shrinks_during(enum ktls_protocol protocol, enum ktls_offload tx);

/* The file grows: what was asked for is sent. */
void file_fault_grows(enum ktls_protocol protocol, enum ktls_offload tx);

/* The peer is gone: an error, and no signal. */
void file_fault_peer_is_gone(enum ktls_protocol protocol, enum ktls_offload tx);

#endif
