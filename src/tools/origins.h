/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_ORIGINS_H
#define KTLS_TOOL_ORIGINS_H

/*
 * Who is asked for what: to each host and port the transfers that wait for a connection to it, and
 * the sessions that its next connections resume. No input or output.
 */

#include <stddef.h>

#include "address.h"

enum origins_limit {
	ORIGINS_LIMIT_SESSION = 32768, /* a larger one is not kept */
	ORIGINS_LIMIT_SESSIONS = 8,    /* of one origin; of more, the oldest is forgotten */
};

struct transfer;

struct origin_session {
	void *data;
	size_t len;
};

struct origin {
	struct origin *next; /* in the order of their turns */
	const struct address *address;
	struct transfer *first, *last;				/* that wait, by transfer->next */
	struct origin_session sessions[ORIGINS_LIMIT_SESSIONS]; /* the oldest first */
	size_t n_sessions;
};

/* All zeros to begin with. */
struct origins {
	struct origin *first, *last;
	void *tree; /* of the same, for tsearch(3) */
	size_t n_waiting;
};

/* Its transfers are not its own. */
void origins_done(struct origins *origins);

/* The one of this host, in whatever case, and port; made if there is none. The address must outlive
 * it. NULL: no memory. */
struct origin *origins_find(struct origins *origins, const struct address *address);

/* Behind the others that wait, or before them. */
void origins_put(struct origins *origins, struct origin *origin, struct transfer *transfer);
void origins_put_back(struct origins *origins, struct origin *origin, struct transfer *transfer);

/* The next that waits for this origin; NULL: none does. */
struct transfer *origins_take(struct origins *origins, struct origin *origin);

/* The origin whose turn it is to have another connection: of those for which somebody waits, each
 * in its turn. NULL: nobody waits. */
struct origin *origins_next(struct origins *origins);

/* Copies a session, to be used later; where there is no memory, none. */
void origin_keep_session(struct origin *origin, const void *data, size_t len);

/* Takes the newest one, for each is used only once; data NULL: there is none. It is the caller's:
 * origin_session_done(). */
struct origin_session origin_take_session(struct origin *origin);
void origin_session_done(struct origin_session *session);

#endif
