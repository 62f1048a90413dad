/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

/*
 * The little of HTTP/1.1 (RFC 9112) that the harness speaks, so that one client measures any
 * server: GET of a path, answers with a Content-Length, connections that are kept unless an answer
 * says otherwise. What the harness's own servers send is named by its size: GET /N answers N bytes
 * of the pattern, in which every block of WIRE_BLOCK_LEN bytes is the same; PUT /N is followed by N
 * bytes, and answered with none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIRE_HEAD_MAX = 4096,
	WIRE_OWN_MAX =
		512, /* of what the harness says itself: a server keeps one for each client */
	WIRE_BLOCK_LEN = 1 << 20,
};

struct wire_request {
	size_t len;    /* of the head */
	uint64_t size; /* of the body */
	bool upload;   /* PUT: the body is the client's */
};

struct wire_answer {
	size_t len;    /* of the head */
	uint64_t size; /* of the body */
	bool is_last;  /* on this connection */
};

/* The head of what has come: 0 if it is whole, with its length and what it says; 1: more is
 * needed; -EBADMSG: not what is spoken here, or an answer that is not 200. */
int wire_read_request(const char *bytes, size_t n, struct wire_request *ret_request);
int wire_read_answer(const char *bytes, size_t n, struct wire_answer *ret_answer);

/* How much was written, without an end; head has WIRE_OWN_MAX bytes; 0: too long. */
size_t wire_write_request(char *head, const char *host, const char *path);
size_t wire_write_upload(char *head, const char *host, uint64_t size);
size_t wire_write_answer(char *head, uint64_t size);

/* One block of the pattern: no two of its places look alike for long. */
void wire_fill(uint8_t block[WIRE_BLOCK_LEN]);

#endif
