/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

/*
 * Two connections, joined by TCP over loopback, under calls in random order, and a model beside
 * them, which knows from the contracts (include/ktls) what each call may answer. A step is one
 * call. A world is a pair of configs, in which a few lives follow each other; its random choices
 * come from its seed alone, so that it can be lived again.
 *
 *   end[0], client conn -- fd ====loopback==== fd -- end[1], server conn
 *
 *   model.c         worlds, lives, their quiet end; what is said at a divergence
 *   model_steps.c   which call is next; the calls, and what each may answer
 *   model_bytes.c   the same of those that move bytes and keys
 *   model_judge.c   what all of these have in common
 *   model_rules.c   what must hold after every call
 *   model_faults.c  the system calls, which fail at random
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/ktls.h>

enum model_limit {
	MODEL_LEN_MAX = 100000,
	MODEL_PERIOD = 65521, /* of the bytes: prime, so that no two places look alike by chance */
	MODEL_FILE_LEN = 3 * MODEL_PERIOD + MODEL_LEN_MAX,
	MODEL_LINES = 20,
	MODEL_HITS = 32,
	MODEL_SESSION_MAX = 1 << 14,
	MODEL_HOG = 2,
	MODEL_EARLY_MAX = 3000,
};

/* What a call may change, beside counts. */
enum model_may {
	MODEL_MAY_NOTHING = 0,
	MODEL_MAY_MOVE = 1 << 0, /* records, keys */
	MODEL_MAY_OPEN = 1 << 1,
	MODEL_MAY_END_RX = 1 << 2,
	MODEL_MAY_END_TX = 1 << 3,
	MODEL_MAY_FAIL = 1 << 4,
	MODEL_MAY_FREEZE = 1 << 5,
	MODEL_MAY_DRAIN = 1 << 6, /* reads bytes that nobody sees */
};

struct model_random {
	uint64_t state;
};

uint64_t model_random(struct model_random *random);
/* 0 to n - 1. */
uint32_t model_below(struct model_random *random, uint32_t n);

/* The faults of one call. */
struct model_faults {
	struct model_random random;
	uint32_t delay_in; /* one call in so many is interrupted, blocked or short; 0: none */
	uint32_t fatal_in; /* one in so many fails for good */
	int hit[MODEL_HITS];
	unsigned int hits;
	bool hit_key;  /* setting or asking for one */
	bool hit_file; /* asking for the file */
};

/* Around a call. */
void model_faults_begin(struct model_faults *faults);
void model_faults_end(struct model_faults *faults);

struct model_end {
	unsigned int index; /* enum pair_end */
	struct model_end *peer;
	struct ktls_conn *conn; /* NULL: freed */
	int fd;			/* -1: closed */

	/* By the config. */
	struct ktls_config *config;
	size_t pool;
	unsigned int tickets;
	uint64_t key_records; /* 0: as the cipher allows */
	bool kernel;	      /* a direction may go there */
	bool required;	      /* and must */
	bool may_end;	      /* by a key that cannot be changed */
	bool ends_closed;     /* with ktls_conn_shutdown_and_close() */

	/* What the model knows. */
	enum ktls_state state;
	int failed; /* the code */
	char error_text[256];
	int rx_end;		/* KTLS_EOF or KTLS_CLOSED, once it was read */
	int verdict;		/* 0, KTLS_WANT_VERDICT once it was asked for, then -EALREADY */
	bool close_sent;	/* surely */
	bool end_begun;		/* perhaps */
	bool shutdown_done;	/* all is with TCP */
	bool closed, orderly;	/* by ktls_conn_shutdown_and_close(); and both had ended */
	bool cut;		/* the transport's sending side, by the test */
	uint64_t accepted, got; /* bytes */
	uint64_t asked_key;	/* of ours, with which the peer was asked for one, or 0 */
	uint64_t owed_key;	/* of ours, before the next byte */
	size_t early_got;
	struct ktls_info info; /* after the last call */
	void *hog[MODEL_HOG];  /* buffers that the test holds */
	uint8_t *frozen;
	size_t frozen_len;
	struct ktls_info frozen_info;
};

struct model_line {
	unsigned long step;
	unsigned int end;
	const char *call;
	uint64_t asked, n;
	int answer;
	unsigned int hits;
	enum ktls_state state;
};

struct model {
	struct model_random random;
	struct model_faults faults;
	struct model_end end[2];
	uint64_t seed; /* of this world */
	unsigned long step, life;
	struct model_line lines[MODEL_LINES];

	/* The world's. */
	bool kernel;
	uint16_t protocol, cipher;
	const char *alpn;
	uint32_t early_limit;
	bool insecure; /* nobody compares names */
	bool verdicts; /* that the client's caller gives instead */
	uint8_t session[MODEL_SESSION_MAX];
	size_t session_len;
	const char *session_name;

	/* The life's. */
	const char *name; /* that the client verifies, or NULL */
	size_t early_len; /* that the client sends */
	bool offered;	  /* the session */
	bool leaves;	  /* ends may vanish */
	bool reads_first; /* at the end: what was accepted arrives with no call but reads */
	bool disturbed;	  /* not every life of this kind ends well */

	int file_fd, no_file_fd;
	uint8_t bytes[MODEL_PERIOD + MODEL_LEN_MAX];
	uint8_t buf[MODEL_LEN_MAX + 1];
};

/* Worlds, one after the other, until so many steps were made (or KTLS_TEST_STEPS), from
 * KTLS_TEST_SEED on; ends the test at the first divergence, and says how to see it again. */
void model_run(bool kernel, unsigned long steps);

/* A condition of the model: ends the test unless it holds. */
void model_check(const struct model *model, bool holds, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* model_steps.c */

/* A call at the end, by chance. */
void model_step(struct model *model, struct model_end *end);
/* The call that brings the end nearer to its end; nothing is asked of it any more. */
void model_step_to_end(struct model *model, struct model_end *end);
/* Frees the connection and closes its socket, or resets it. */
void model_leave(struct model *model, struct model_end *end, bool reset);
/* The test's own buffers go back to the pool. */
void model_release(struct model_end *end);
/* Nothing is left to be done. */
bool model_has_ended(const struct model_end *end);
/* Session and early data, before the handshake. */
void model_offer(struct model *model);

/* model_rules.c */

/* What must hold at the end after a call that may change so much. */
void model_observe(struct model *model, struct model_end *end, unsigned int may);
/* The bytes that are at this place of the end's stream. */
const uint8_t *model_stream(const struct model *model, const struct model_end *end, uint64_t at);

#endif
