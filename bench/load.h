/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

/*
 * The client: asks a server for a path over many connections, from threads with a ring each, and
 * counts what comes within a window of time in which all of them are at work.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "histogram.h"

struct load {
	struct ktls_config *config; /* a client's */
	const char *host;	    /* to connect to */
	uint16_t port;
	const char *path;
	unsigned int conns; /* at once, over all threads */
	unsigned int threads;
	int avoid_cpu; /* the threads run on any other; -1: anywhere */
	uint64_t window_ns;
	uint64_t rate;	      /* requests a second, over all connections; 0: as fast as it goes */
	bool reconnect;	      /* a connection for each request */
	bool handshakes_only; /* with reconnect: and no request on it */
	bool resume;	      /* each but the first with its session */
	bool idle;	      /* after one answer each they rest */
	uint64_t upload;      /* bytes of a PUT instead of a GET of path; 0: GET */
	bool check;	      /* bodies are compared with the pattern (wire.h) */
};

struct load_result {
	uint64_t requests; /* answered in the window, or connections made where none is sent */
	uint64_t bytes;	   /* of bodies, that came, or were taken, in the window */
	uint64_t wall_ns;
	uint64_t cpu_ns;	  /* of the client's threads, in the window */
	uint64_t checked;	  /* bytes that were compared with the pattern, and are as it */
	struct histogram latency; /* ns from when a request was due to its answer's last byte */
	struct ktls_info info; /* of the first of its connections that was open; pointers are static
				  or NULL */
};

/* Called when all connections are at work, and at the window's end. */
struct load_hooks {
	void (*begin)(void *context);
	void (*end)(void *context);
	void *context;
};

/* Ends the program with a sentence if anything fails: what fails now and then is not measured. */
void load_run(const struct load *load, const struct load_hooks *hooks,
	      struct load_result *ret_result);

#endif
