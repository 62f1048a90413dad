/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

/*
 * A client and a server of this library, joined by a real TCP connection over loopback, both driven
 * by the one test: step by step with KTLS_NOW, so that every WANT path is taken.
 *
 *   client conn -- fd[0] ====loopback==== fd[1] -- server conn
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/ktls.h>

enum pair_end {
	PAIR_CLIENT = 0,
	PAIR_SERVER,
};

struct pair_options {
	enum ktls_protocol protocol; /* 0: both */
	int cipher;		     /* enum ktls_cipher; -1: all */
	enum ktls_offload tx[2];     /* by enum pair_end; default AUTO */
	enum ktls_offload rx[2];
	uint64_t after_bytes;
	int buffer_bytes;		/* SO_SNDBUF and SO_RCVBUF; 0: the system's */
	size_t pool;			/* ktls_config_set_buffers; 0: default */
	bool no_tickets;		/* of the server's */
	const struct ktls_probe *probe; /* believed instead of what the kernel says; NULL: that */
	/* What else is set, before the freeze; NULL: nothing. */
	void (*configure)(struct ktls_config *config, enum pair_end end);
};

struct pair {
	struct ktls_config *config[2];
	struct ktls_conn *conn[2];
	int fd[2]; /* the connections' own */
};

#define PAIR_OPTIONS_USER                                                       \
	{                                                                       \
		.cipher = -1, .tx = { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER }, \
		.rx = { KTLS_OFFLOAD_NEVER,                                     \
			KTLS_OFFLOAD_NEVER }                                    \
	}

/* Configs, with certificates of pki.h for localhost. */
void pair_configs(const struct pair_options *options, struct ktls_config *ret_config[2]);

/* The same with sockets and connections in state NEW. */
struct pair pair_new(const struct pair_options *options);
/* The same on sockets of the test's own, which it takes over. */
struct pair pair_on(const struct pair_options *options, const int fd[2]);
/* The same from configs of the test's own, whose references it takes over; no name: NULL. */
struct pair pair_join(struct ktls_config *client, struct ktls_config *server, const char *name,
		      int buffer_bytes);
/* As pair_new(), with handshakes done. */
struct pair pair_open(const struct pair_options *options);
void pair_free(struct pair *pair);

/* The end's process is gone: its socket is closed, whatever its connection knows of it. */
void pair_vanish(struct pair *pair, enum pair_end end);

/* The end's frozen connection goes on in another, of the same socket. */
int pair_thaw(struct pair *pair, enum pair_end end, const void *bytes, size_t len);

/* Both handshakes, step by step; what each end answered last, into rc[2]. */
void pair_handshake(struct pair *pair, int rc[2]);

/* A connected TCP pair on loopback; fd[0] connected to fd[1]. */
void pair_sockets(int fd[2], int buffer_bytes);

/*
 * Moves len pseudo-random bytes from one end to the other, in writes of chunk bytes, checks every
 * byte at arrival; ends the test with a message on anything else.
 */
void pair_move(struct pair *pair, enum pair_end from, size_t len, size_t chunk);

/* The same by ktls_conn_sendfile(), from a file whose bytes are kit_byte(). */
void pair_move_file(struct pair *pair, enum pair_end from, int file_fd, uint64_t offset,
		    uint64_t len);

/* Both ends shut down, and see the other's close_notify. */
void pair_close(struct pair *pair);

/* "TLS 1.3 AES-128-GCM", for messages. Static. */
const char *pair_name(const struct pair_options *options);

#endif
