/* SPDX-License-Identifier: MIT */

/* See seen.h. */

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "seen.h"

enum {
	ROOM = 16,
	INODE_FIRST = 4711,
};

struct stat_moment seen_nothing(void)
{
	struct stat_moment moment = STAT_MOMENT_NULL;

	cr_assert_eq(stat_places_add_own(&moment.places), 0);
	moment.places.list[0].counters_error = -ENOENT;
	moment.rows = calloc(ROOM, sizeof(*moment.rows));
	moment.owners.first = calloc(ROOM, sizeof(*moment.owners.first));
	moment.owners.list = calloc(ROOM, sizeof(*moment.owners.list));
	moment.owners.processes = calloc(ROOM, sizeof(*moment.owners.processes));
	moment.room = ROOM;
	moment.time_ms = 1767225600123;
	return moment;
}

struct ktls_diag_socket *seen_add(struct stat_moment *moment, const char *local, const char *peer)
{
	struct stat_row *row = &moment->rows[moment->n];

	cr_assert_lt(moment->n, ROOM);
	moment->owners.first[moment->n] = STAT_OWNER_NONE;
	row->place = moment->places.n - 1;
	row->socket = (struct ktls_diag_socket){
		.cookie = 0x1001 + moment->n,
		.inode = INODE_FIRST + moment->n,
		.uid = 1000,
		.state = TCP_ESTABLISHED,
		.told = KTLS_DIAG_TOLD_TLS | KTLS_DIAG_TOLD_MODE | KTLS_DIAG_TOLD_CIPHER |
			KTLS_DIAG_TOLD_PAYLOAD | KTLS_DIAG_TOLD_TCP,
		.tls = 1,
		.protocol = KTLS_TLS_1_3,
		.mode = { KTLS_DIAG_SOFTWARE, KTLS_DIAG_SOFTWARE },
		.cipher = "AES-128-GCM",
		.tx_max_payload_len = 16384,
		.tcp_rtt_us = 1234,
		.tcp_rtt_var_us = 500,
		.tcp_cwnd = 10,
		.tcp_mss = 1448,
		.tcp_retransmits = 3,
		.tcp_bytes_acked = UINT64_C(5000000000),
		.tcp_bytes_received = 77,
		.tcp_delivery_rate = 123456789,
	};
	cr_assert_eq(ktls_address_parse(&row->socket.local, local), 0, "%s", local);
	cr_assert_eq(ktls_address_parse(&row->socket.peer, peer), 0, "%s", peer);
	moment->n++;
	return &row->socket;
}

static struct ktls_diag_socket *add_without(struct stat_moment *moment, uint32_t told)
{
	struct ktls_diag_socket *socket = seen_add(moment, "127.0.0.1:80", "127.0.0.1:50000");

	socket->told = told;
	socket->tls = 0;
	socket->protocol = 0;
	socket->cipher = NULL;
	socket->mode[KTLS_TX] = KTLS_DIAG_UNKNOWN;
	socket->mode[KTLS_RX] = KTLS_DIAG_UNKNOWN;
	return socket;
}

struct ktls_diag_socket *seen_add_plain(struct stat_moment *moment)
{
	return add_without(moment, KTLS_DIAG_TOLD_TLS | KTLS_DIAG_TOLD_TCP);
}

struct ktls_diag_socket *seen_add_untold(struct stat_moment *moment)
{
	moment->places.list[moment->places.n - 1].hidden++;
	return add_without(moment, KTLS_DIAG_TOLD_TCP);
}

void seen_own(struct stat_moment *moment, int pid, const char *name, int fd)
{
	struct stat_owners *owners = &moment->owners;

	cr_assert_lt(owners->n, ROOM);
	owners->processes[owners->n_processes].pid = pid;
	strncpy(owners->processes[owners->n_processes].name, name, STAT_OWNERS_LIMIT_NAME - 1);
	owners->list[owners->n] = (struct stat_owner){
		.process = (uint32_t)owners->n_processes++,
		.next = owners->first[moment->n - 1],
		.fd = fd,
	};
	owners->first[moment->n - 1] = (uint32_t)owners->n++;
	moment->has_owners = true;
}

struct stat_place *seen_add_place(struct stat_moment *moment, const char *name)
{
	struct stat_place *place;

	cr_assert_eq(stat_places_add_named(&moment->places, name), 0);
	place = &moment->places.list[moment->places.n - 1];
	place->error = 0;
	place->inode = moment->places.n;
	return place;
}
