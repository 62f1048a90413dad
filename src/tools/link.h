/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_LINK_H
#define KTLS_TOOL_LINK_H

/*
 * A connection of `ktls get`, from its first packet to its last: a machine that starts one
 * operation of the ring at a time, and carries one transfer after the other.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "origins.h"
#include "transfer.h"

enum link_limit {
	LINK_LIMIT_BUFFER = 128 * 1024,
	LINK_LIMIT_CLOSE_MS = 2000, /* to end the connection when all is there */
};

/* What the links of a run share. */
struct link_site {
	struct ktls_ring *ring;
	struct ktls_config *config;
	bool sessions;	      /* are kept, and resumed */
	uint64_t deadline_ns; /* of everything */
	uint64_t idle_ms;     /* without a byte; 0: any time */
	uint64_t n_connections, n_resumed;
};

enum link_state {
	LINK_HANDSHAKE = 0, /* and before it the name, and TCP */
	LINK_REQUEST,
	LINK_RESPONSE,
	LINK_REST,  /* between two transfers */
	LINK_CLOSE, /* our close_notify */
};

enum link_news {
	LINK_NEWS_NONE = 0, /* it goes on */
	LINK_NEWS_ENDED,    /* its transfer has come to link->step: link_take_transfer() */
	LINK_NEWS_STALE,    /* the same, but was not answered: ask for it over another one */
	LINK_NEWS_GONE,	    /* it has ended: link_free() */
};

struct link {
	struct link *next, *previous; /* for whoever has it */
	struct link_site *site;
	struct origin *origin;
	enum link_state state;
	struct transfer *transfer; /* NULL: none; else it is to be taken from it in the end */
	enum transfer_step step;   /* what became of it */
	bool usable;		   /* for another transfer */
	unsigned int n_answered;
	struct ktls_conn *conn;
	struct http_reader *reader;
	struct ktls_op op; /* its user is the link */
	char request[TRANSFER_LIMIT_REQUEST];
	char buf[LINK_LIMIT_BUFFER];
};

/* NULL: no memory. Begin with link_dial(). */
struct link *link_new(struct link_site *site, struct origin *origin);
/* Only if nothing is under way: after LINK_NEWS_GONE or _ENDED, or without a ring. NULL. */
struct link *link_free(struct link *link);

/* Connects, for this transfer, which is the link's until it is taken from it. */
enum link_news link_dial(struct link *link, struct transfer *transfer);

/* Its next transfer, if it is usable. */
enum link_news link_carry(struct link *link, struct transfer *transfer);

/* Its op has come to an end. */
enum link_news link_go_on(struct link *link, const struct ktls_event *event);

struct transfer *link_take_transfer(struct link *link);

/* Ends it. Not while it has a transfer. */
enum link_news link_close(struct link *link);

#endif
