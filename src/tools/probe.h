/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PROBE_H
#define KTLS_TOOL_PROBE_H

/*
 * `ktls probe`: the facts are gathered once, what stands in the way is concluded from them, and
 * both are shown in two ways. All that can fail is that there is no memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ktls/ktls.h>

enum probe_limit {
	PROBE_OBSTACLES_MAX = 64,
	PROBE_TEXT_LEN = 256,
	PROBE_DEVICES_MAX = 4096,
	PROBE_N_FEATURES = 6,
};

/* What the machine is good for; also how the command ends. */
enum probe_verdict {
	PROBE_FULL,    /* every suite that is offered by default, both ways */
	PROBE_PARTIAL, /* some of that */
	PROBE_NONE,
};

/* How much an obstacle matters. */
enum probe_weight {
	PROBE_BLOCKS, /* without it nothing works */
	PROBE_LIMITS, /* something does not work */
	PROBE_SLOWS,  /* all works, but slower or worse than it could */
	PROBE_NOTES,  /* something happened, or could be had */
};

struct probe_obstacle {
	const char *name; /* a reason's name, or one that the manual explains */
	enum probe_weight weight;
	char text[PROBE_TEXT_LEN];
	char remedy[PROBE_TEXT_LEN]; /* "": none */
};

/* What is no cipher: one answer each, under a name that stays. */
struct probe_feature {
	const char *name;
	const char *text;
	uint16_t reason;
};

struct probe_facts {
	struct ktls_probe probe;
	struct ktls_system system;
	struct ktls_crypto_driver drivers[_KTLS_CIPHER_N]; /* none: driver is "" */
	struct ktls_counters counters;
	int counters_error; /* 0, or why they are not known */
	bool tried_ring;
	struct ktls_trial_answer trials[_KTLS_TRIAL_N];
	int devices_error;
	size_t n_devices;
	struct ktls_device *devices;
};

struct probe_findings {
	enum probe_verdict verdict;
	size_t n;
	struct probe_obstacle obstacles[PROBE_OBSTACLES_MAX]; /* the most important first */
};

/* Asks everything of this machine; with `quick` not io_uring. */
void probe_facts_gather(bool quick, struct probe_facts *ret_facts);
void probe_facts_done(struct probe_facts *facts);

void probe_list_features(const struct ktls_probe *probe,
			 struct probe_feature ret_features[PROBE_N_FEATURES]);

/* A counter of what should not happen. */
bool probe_is_error(unsigned int counter);

/* Whether this reason is anybody's. */
bool probe_is_met(const struct probe_facts *facts, unsigned int reason);

void probe_conclude(const struct probe_facts *facts, struct probe_findings *ret_findings);
const char *probe_verdict_name(enum probe_verdict verdict);
const char *probe_weight_name(enum probe_weight weight);

/* For people, in 80 columns. */
void probe_print_text(FILE *stream, const struct probe_facts *facts,
		      const struct probe_findings *findings, bool color);

/* For programs: ktls-probe(1) has each field. False: it could not be written. */
bool probe_print_json(FILE *stream, const struct probe_facts *facts,
		      const struct probe_findings *findings);

#endif
