/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_CALLS_H
#define KTLS_TESTS_CALLS_H

/* What reads and writes promise, the same over both protections. Each is a whole test. */

#include <ktls/config.h>

/* Many small pieces are one record. */
void calls_join_pieces(enum ktls_offload offload);

/* Of a list that was written in part, the caller goes on at the right byte of the right piece. */
void calls_go_on_in_the_middle(enum ktls_offload offload);

/* A record that arrives byte by byte under reads that never wait. */
void calls_read_a_trickle(enum ktls_offload offload);

/* Who does not read is not written to without end. */
void calls_press_back(enum ktls_offload offload);

#endif
