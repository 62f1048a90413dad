/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_LANE_H
#define KTLS_SRC_LANE_H

/*
 * What a connection in a ring asks of it (lane.c). Application bytes come and go by the ring;
 * everything that is rare, handshakes, alerts, keys, files, the end, by the same system calls as
 * without one, when the ring has seen that the socket is ready.
 *
 * While a send of the ring is under way nothing else is sent: KTLS_WANT_WRITE. That is the barrier
 * behind which keys change.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "conn.h"

/* Whether the connection is a ring's, and its caller is not. */
bool ktls_lane_forbids(const struct ktls_conn *conn);

/* Whether a send is under way. */
bool ktls_lane_is_sending(const struct ktls_conn *conn);

/* Whether bytes arrive by the ring, or have. */
bool ktls_lane_receives(const struct ktls_conn *conn);

/* Whether a read has had its turn when it has looked at many messages. */
bool ktls_lane_has_others(const struct ktls_conn *conn);

/* Whether bytes were taken from the socket, or may be at any moment, that nobody has read. */
bool ktls_lane_holds(const struct ktls_conn *conn);

/* As ktls_transport_receive(). */
int ktls_lane_receive(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n);

/* As kern_recv(). */
int ktls_lane_receive_record(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
			     bool *ret_end);

/* A buffer of the config's pool that a send is reading goes back when it has ended. */
void ktls_lane_keep(struct ktls_conn *conn, uint8_t *buffer);

/* Its socket is about to be closed: of that number nothing is to be asked of the kernel any more.
 */
void ktls_lane_let_go(struct ktls_conn *conn);

/* The connection is being freed. */
void ktls_lane_leave(struct ktls_conn *conn);

#endif
