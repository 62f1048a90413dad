/* SPDX-License-Identifier: MIT */

/* See origins.h. A list for the turns, and a tree of the C library's to find one by its name. */

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "origins.h"
#include "transfer.h"

/* By port, then host. */
static int compare(const void *one, const void *other)
{
	const struct address *a = ((const struct origin *)one)->address;
	const struct address *b = ((const struct origin *)other)->address;
	unsigned long a_port = strtoul(a->port, NULL, 10), b_port = strtoul(b->port, NULL, 10);

	if (a_port != b_port)
		return a_port < b_port ? -1 : 1;
	return strcasecmp(a->host, b->host);
}

void origins_done(struct origins *origins)
{
	struct origin *next;

	for (struct origin *at = origins->first; at; at = next) {
		next = at->next;
		tdelete(at, &origins->tree, compare);
		while (at->n_sessions)
			origin_session_done(&at->sessions[--at->n_sessions]);
		free(at);
	}
	*origins = (struct origins){ 0 };
}

static void append(struct origins *origins, struct origin *origin)
{
	origin->next = NULL;
	if (origins->last)
		origins->last->next = origin;
	else
		origins->first = origin;
	origins->last = origin;
}

struct origin *origins_find(struct origins *origins, const struct address *address)
{
	struct origin *origin = calloc(1, sizeof(*origin));
	struct origin **place;

	if (!origin)
		return NULL;
	origin->address = address;
	place = tsearch(origin, &origins->tree, compare);
	if (place && *place == origin) {
		append(origins, origin);
		return origin;
	}
	free(origin);
	return place ? *place : NULL;
}

void origins_put(struct origins *origins, struct origin *origin, struct transfer *transfer)
{
	transfer->next = NULL;
	if (origin->last)
		origin->last->next = transfer;
	else
		origin->first = transfer;
	origin->last = transfer;
	origins->n_waiting++;
}

void origins_put_back(struct origins *origins, struct origin *origin, struct transfer *transfer)
{
	transfer->next = origin->first;
	origin->first = transfer;
	if (!origin->last)
		origin->last = transfer;
	origins->n_waiting++;
}

struct transfer *origins_take(struct origins *origins, struct origin *origin)
{
	struct transfer *transfer = origin->first;

	if (!transfer)
		return NULL;
	origin->first = transfer->next;
	if (!origin->first)
		origin->last = NULL;
	transfer->next = NULL;
	origins->n_waiting--;
	return transfer;
}

struct origin *origins_next(struct origins *origins)
{
	if (!origins->n_waiting)
		return NULL;
	for (;;) {
		struct origin *origin = origins->first;

		origins->first = origin->next;
		if (!origins->first)
			origins->last = NULL;
		append(origins, origin);
		if (origin->first)
			return origin;
	}
}

void origin_session_done(struct origin_session *session)
{
	/* It holds secrets. */
	if (session->data)
		explicit_bzero(session->data, session->len);
	free(session->data);
	*session = (struct origin_session){ 0 };
}

void origin_keep_session(struct origin *origin, const void *data, size_t len)
{
	struct origin_session *sessions = origin->sessions;
	struct origin_session session = { .len = len };

	if (!len || len > ORIGINS_LIMIT_SESSION)
		return;
	session.data = malloc(len);
	if (!session.data)
		return;
	memcpy(session.data, data, len);
	if (origin->n_sessions == ORIGINS_LIMIT_SESSIONS) {
		origin_session_done(&sessions[0]);
		memmove(sessions, sessions + 1, --origin->n_sessions * sizeof(*sessions));
	}
	sessions[origin->n_sessions++] = session;
}

struct origin_session origin_take_session(struct origin *origin)
{
	if (!origin->n_sessions)
		return (struct origin_session){ 0 };
	return origin->sessions[--origin->n_sessions];
}
