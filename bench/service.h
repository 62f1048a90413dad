/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SERVICE_H
#define BENCH_SERVICE_H

/*
 * A server of the harness's own, in a process of its own with one thread: answers GET /N with N
 * bytes of the pattern, and takes PUT /N, over kept connections (wire.h), by one of the ways that
 * the library has, or by GnuTLS alone.
 *
 *   service.c       the process, and what both loops need
 *   service_poll.c  a loop around ktls_poll(), with ktls_conn_write() or ktls_conn_sendfile(), or
 *                   with GnuTLS's record layer
 *   service_ring.c  a ring, with ktls_op_write() or ktls_op_sendfile()
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/ktls.h>

enum service_limit {
	SERVICE_CONNS_MAX = KTLS_POLL_MAX - 1, /* of the loop around ktls_poll() */
	SERVICE_FILE_LEN = 64 << 20,
	SERVICE_REST_MS = 50,	    /* without an event */
	SERVICE_RECORD_LEN = 16384, /* of a full record: what is slept for */
};

struct rival;

/* What the process tells of itself, each time it begins to rest: how often it did, and what
 * malloc(3) had given out then. */
struct service_notice {
	atomic_uint rests;
	atomic_uint_fast64_t heap;
};

struct service {
	struct ktls_config *config; /* a server's; or */
	struct rival *rival;	    /* GnuTLS alone, if not NULL */
	const char *host;	    /* the address to listen on; NULL: 127.0.0.1 */
	unsigned int conns;	    /* at once, at most */
	bool ring;
	bool file;	      /* by sendfile, else from memory */
	unsigned int slow_us; /* slept for each record's worth that is sent; to test comparisons */
	struct service_notice *notice; /* set by service_start() */
};

struct service_process {
	pid_t pid;
	struct service_notice *notice; /* shared with it */
	uint16_t port;
};

/* The process ends with this one, or by service_stop(). `cpu`: where it runs; -1: anywhere. */
struct service_process service_start(struct service *service, int cpu);
void service_stop(struct service_process *process);

/* Returns when the process has begun to rest for the first time, or after a few seconds. */
void service_await_rest(const struct service_process *process);

/* -- For the loops -- */

/* What there is to send; made before the process. */
struct service_body {
	const uint8_t *block; /* WIRE_BLOCK_LEN bytes */
	int file;	      /* SERVICE_FILE_LEN bytes, of the same */
};

/* How much of what is left can be sent at once from `at` on, and from where. */
uint64_t service_piece(bool file, uint64_t at, uint64_t left, uint64_t *ret_offset);

/* With what a wait of at most SERVICE_REST_MS answered. Without an event it begins to rest: gives
 * back what the allocator kept of a crowd's handshakes, and gives notice. Whether the next wait is
 * to be such a one. */
bool service_rest(const struct service *service, int r);

/* Sleeps for so many bytes, if the service is to be slow. */
void service_slow(const struct service *service, uint64_t bytes);

/* Do not return. */
_Noreturn void service_poll(const struct service *service, int listening_fd,
			    const struct service_body *body);
_Noreturn void service_ring(const struct service *service, int listening_fd,
			    const struct service_body *body);

#endif
