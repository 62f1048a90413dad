/* SPDX-License-Identifier: MIT */

/* See stat_moment.h. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stat_moment.h"
#include "tool.h"

static void free_diag(struct ktls_diag **diag)
{
	*diag = ktls_diag_free(*diag);
}

static void free_inodes(uint64_t **inodes)
{
	free(*inodes);
}

static int make_room(struct stat_moment *moment, size_t more)
{
	size_t room = moment->n + more;
	struct stat_row *rows;

	if (room <= moment->room)
		return 0;
	rows = reallocarray(moment->rows, room, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	moment->rows = rows;
	moment->room = room;
	return 0;
}

static int take_sockets(struct stat_moment *moment, size_t place, const struct ktls_diag *diag,
			const struct stat_filter *filter)
{
	size_t n = ktls_diag_count(diag);
	int r = make_room(moment, n);

	for (size_t i = 0; i < n && !r; i++) {
		struct stat_row *row = &moment->rows[moment->n];

		r = ktls_diag_get(diag, i, &row->socket, sizeof(row->socket));
		if (r || !stat_filter_match(filter, &row->socket))
			continue;
		row->place = place;
		moment->n++;
	}
	return r;
}

/* In the place, which has been entered. */
static int take_place(struct stat_moment *moment, size_t i, const struct stat_wish *wish)
{
	_cleanup_(free_diag) struct ktls_diag *diag = NULL;
	struct stat_place *place = &moment->places.list[i];

	place->entered = true;
	place->counters_error = ktls_counters_read(&place->counters, sizeof(place->counters));
	place->error = ktls_diag_new(&diag, wish->all ? KTLS_DIAG_EVERY : 0);
	if (place->error)
		return place->error == -ENOMEM ? -ENOMEM : 0;
	place->hidden = ktls_diag_hidden(diag);
	return take_sockets(moment, i, diag, &wish->filter);
}

static int take_places(struct stat_moment *moment, const struct stat_wish *wish)
{
	int r = 0, back;

	for (size_t i = 0; i < moment->places.n && !r; i++) {
		struct stat_place *place = &moment->places.list[i];

		place->error = stat_places_enter(&moment->places, place);
		if (!place->error)
			r = take_place(moment, i, wish);
	}
	back = stat_places_leave(&moment->places);
	return r ? r : back;
}

static bool match_processes(const struct stat_moment *moment, size_t row,
			    const struct stat_filter *filter)
{
	uint32_t at = stat_moment_first_owner(moment, row);
	const struct stat_process *process;
	int fd;

	while ((process = stat_owners_next(&moment->owners, &at, &fd))) {
		if (stat_filter_match_process(filter, process->name, process->pid))
			return true;
	}
	return !filter->n_processes;
}

static int take_owners(struct stat_moment *moment, const struct stat_filter *filter)
{
	_cleanup_(free_inodes) uint64_t *inodes = calloc(moment->n + 1, sizeof(*inodes));
	size_t kept = 0;
	int r;

	if (!inodes)
		return -ENOMEM;
	for (size_t i = 0; i < moment->n; i++)
		inodes[i] = moment->rows[i].socket.inode;
	r = stat_owners_find(&moment->owners, "/proc", inodes, moment->n);
	if (r)
		return r;
	moment->has_owners = true;
	for (size_t i = 0; i < moment->n; i++) {
		if (!match_processes(moment, i, filter))
			continue;
		moment->rows[kept] = moment->rows[i];
		moment->owners.first[kept++] = moment->owners.first[i];
	}
	moment->n = kept;
	return 0;
}

int stat_moment_take(struct stat_moment *moment, const struct stat_wish *wish)
{
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	moment->time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (wish->all_namespaces)
		r = stat_places_add_all(&moment->places);
	else if (wish->namespace)
		r = stat_places_add_named(&moment->places, wish->namespace);
	else
		r = stat_places_add_own(&moment->places);
	if (!r)
		r = take_places(moment, wish);
	if (!r && (wish->processes || wish->filter.n_processes))
		r = take_owners(moment, &wish->filter);
	return r;
}

void stat_moment_done(struct stat_moment *moment)
{
	free(moment->rows);
	stat_places_done(&moment->places);
	stat_owners_done(&moment->owners);
	*moment = (struct stat_moment)STAT_MOMENT_NULL;
}

size_t stat_moment_hidden(const struct stat_moment *moment)
{
	size_t hidden = 0;

	for (size_t i = 0; i < moment->places.n; i++)
		hidden += moment->places.list[i].hidden;
	return hidden;
}

uint32_t stat_moment_first_owner(const struct stat_moment *moment, size_t row)
{
	return moment->has_owners ? moment->owners.first[row] : STAT_OWNER_NONE;
}
