/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MATCH_H
#define BENCH_MATCH_H

/*
 * A workload meets an arm (catalogue.h): each run of it in a process of its own, with the server's
 * side (party.h) and the client (load.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "figures.h"
#include "histogram.h"
#include "party.h"

enum match_limit {
	MATCH_TEXT_LEN = 512,
};

/* What is measured, in this order. */
enum metric {
	METRIC_PER_SERVER_CPU,
	METRIC_PER_SYSTEM_CPU,
	METRIC_RATE,
	METRIC_MEDIAN,
	METRIC_P99,
	METRIC_P9999,
	METRIC_CALLS,
	METRIC_INSTRUCTIONS,
	METRIC_HEAP,
	METRIC_SERVER_MEMORY,
	METRIC_SLAB,
	METRIC_SOCKETS,
	_METRIC_N,
};

struct match {
	const struct workload *workload;
	const struct arm *arm;		 /* NULL: a stranger */
	const struct stranger *stranger; /* NULL: an arm */
	char note[MATCH_TEXT_LEN];	 /* why there are no figures, or not all; "" */
	char proof[MATCH_TEXT_LEN];	 /* where the records were protected */
	uint64_t checked;		 /* bytes of bodies that were compared, in its first run */
	bool over;			 /* it cannot be, or has failed: */
	bool failed;
	bool client_limited;	    /* in some run: then rates and times are the client's */
	unsigned int runs, nothing; /* of those, in so many nothing was finished */
	struct histogram *latency;  /* ns, of requests; NULL or empty: not known */
	size_t figures[_METRIC_N];  /* 1 + the place; 0: there is no such one */
};

/* What all runs have in common. */
struct match_rules {
	uint64_t window_ns;
	uint64_t rate;	       /* of workloads that have one; requests a second */
	unsigned int slow_us;  /* as in service.h */
	struct remote *remote; /* where the server's side is; NULL: in the run's process */
};

const char *match_name(const struct match *match);

/* Adds a figure for each metric, without a run; or a note, if it cannot be. */
void match_prepare(struct match *match, const struct match_rules *rules,
		   struct bench_figures *figures);

/* One run, in a process of its own: its values are added to the match's figures. One that fails
 * is over, with a note. */
void match_run(struct match *match, const struct match_rules *rules, struct bench_figures *figures);

void match_done(struct match *match);

#endif
