/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

/*
 * What the two machines of a run say to each other over the control connection, which is plain TCP:
 * lines of JSON, one of the client's and one of the server's in turn. Whatever is not exactly as it
 * should be is refused with a sentence.
 *
 *   {"ask": "hello", "version": 1}
 *   {"ask": "limits", "runs": R, "ns": N}                    lasts R times N of CPU time, for each
 *   {"ask": "why_not", "workload": W, "arm": A}              can the server's kernel do that?
 *   {"ask": "start", "workload": W, "arm": A, "slow_us": U}  a new server of the harness's own
 *   {"ask": "watch", "workload": W, "port": P, "pid": N}     a stranger is the server; 0: unknown
 *   {"ask": "begin"}, {"ask": "end"}                         the window; behind it the server ends
 *
 *   {"ok": VALUE}, {"error": "a sentence"}
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "catalogue.h"
#include "party.h"

enum message_limit {
	MESSAGE_VERSION = 1,
	MESSAGE_ASK_MAX = 1024,	      /* bytes of a line with its end */
	MESSAGE_ANSWER_MAX = 1 << 20, /* the same of an answer: limits are long */
	MESSAGE_WHY_MAX = 256,
	MESSAGE_LINE_MS = 10000, /* from a line's first byte to its last */
};

enum ask_kind {
	ASK_HELLO,
	ASK_LIMITS,
	ASK_WHY_NOT,
	ASK_START,
	ASK_WATCH,
	ASK_BEGIN,
	ASK_END,
	_ASK_KIND_N,
};

enum ask_number {
	ASK_VERSION,
	ASK_RUNS,
	ASK_NS,
	ASK_SLOW_US,
	ASK_PORT,
	ASK_PID,
	_ASK_NUMBER_N,
};

/* Those members that its kind has; the others are 0. */
struct ask {
	enum ask_kind kind;
	const struct workload *workload;
	const struct arm *arm;
	uint64_t numbers[_ASK_NUMBER_N];
};

const char *ask_name(enum ask_kind kind);

/* A line without its end. -EBADMSG: it is none of the above, and `why` says what of it is not. */
int ask_read(const char *line, size_t n, struct ask *ret_ask, char why[MESSAGE_WHY_MAX]);
json_t *ask_json(const struct ask *ask);

/* The value, which is the caller's; 1: the other side says an error, which is in `why`; -EBADMSG:
 * it is no answer, and `why` says so. */
int answer_read(const char *line, size_t n, json_t **ret_value, char why[MESSAGE_WHY_MAX]);

/* Of "end"; -EBADMSG: it is none. */
json_t *report_json(const struct party_report *report);
int report_read(const json_t *value, struct party_report *ret_report);

/* Writes a line, within MESSAGE_LINE_MS; takes the object over. -ETIMEDOUT, -errno. */
int message_send(int fd, json_t *object);

/* Reads a line, whose first byte comes within idle_ms; its end is not kept. 1: the other side has
 * closed before it; -ECONNRESET: in the middle of it; -EMSGSIZE: it is longer than size;
 * -EBADMSG: there is more behind it, before it was answered; -ETIMEDOUT, -errno. */
int message_receive(int fd, char *line, size_t size, int idle_ms, size_t *ret_n);

/* The last as a sentence's end; static. */
const char *message_error(int r);

#endif
