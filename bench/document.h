/* SPDX-License-Identifier: MIT */
#ifndef BENCH_DOCUMENT_H
#define BENCH_DOCUMENT_H

/*
 * What `ktls-bench run --json` wrote, read again: by whoever reports and compares. Members may be
 * missing, and there may be others; what is there has to be what it should be.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "curve.h"
#include "figures.h"

enum document_limit {
	DOCUMENT_FIGURES_MAX = 20000, /* in each of its lists */
	DOCUMENT_WHY_MAX = 256,
};

/* The texts are the document's. */
struct document_figure {
	const char *workload, *arm;
	const char *metric, *unit; /* "" where there is none */
	bool less_is_better;
	double runs[BENCH_RUNS_MAX];
	size_t n; /* 0: of its runs only the spread was kept */
	struct bench_spread spread;
};

/* A list of figures. */
struct document_figures {
	struct document_figure *list;
	size_t n;
};

/* Why something was not measured, or where its records were protected. */
struct document_remark {
	const char *workload, *arm, *text;
};

struct document_remarks {
	struct document_remark *list;
	size_t n;
};

/* How long an arm's requests took. */
struct document_curve {
	const char *workload, *arm, *unit;
	double rate; /* requests a second; 0: as fast as it went */
	struct curve_point points[CURVE_POINTS_MAX];
	size_t n; /* at least 1; neither parts nor values fall */
};

struct document_curves {
	struct document_curve *list;
	size_t n;
};

struct document {
	json_t *root;
	json_t *machine, *settings; /* objects; NULL: missing; the root's */
	json_t *client_machine;	    /* the same; NULL: the client was on the server's */
	struct document_figures figures, limits;
	struct document_curves latencies;
	struct document_remarks notes, proofs;
};

/* Owns a reference of its own to the root. -EINVAL: it is no such document, and `why` says where.
 */
int document_of(json_t *root, struct document *ret_document, char why[DOCUMENT_WHY_MAX]);
void document_done(struct document *document);

/* From a file, "-": from stdin; ends the program if it is not usable. */
struct document document_load(const char *path);

/* The figure of the list with the names of `like`; NULL: there is none. */
const struct document_figure *document_find(const struct document_figures *figures,
					    const struct document_figure *like);

/* A fact as text, in the buffer where it is none by itself; "" of what is no text, number or
 * boolean. */
const char *document_fact(const json_t *value, char *buffer, size_t len);

#endif
