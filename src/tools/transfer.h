/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_TRANSFER_H
#define KTLS_TOOL_TRANSFER_H

/*
 * One URL: what is asked, what the bytes of the answer mean, and what becomes of the file. It knows
 * nothing of connections: bytes are put into it, and it says how to go on.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "output.h"
#include "part.h"
#include "urls.h"

enum transfer_limit {
	TRANSFER_LIMIT_REQUEST = 16384,
	TRANSFER_LIMIT_DISCARD = 65536, /* of a body that nobody wants, before the connection is
					   rather given up */
};

enum transfer_step {
	TRANSFER_MORE = 0, /* give it what comes next */
	TRANSFER_DONE,	   /* all is there, and the file in its place */
	TRANSFER_AGAIN,	   /* ask once more, for all of it */
	TRANSFER_FAILED,   /* see code and sentence */
};

/* What those of a run have in common. */
struct transfer_rules {
	bool resume;			   /* go on with parts, and keep them */
	const volatile sig_atomic_t *stop; /* do not wait for an output any longer; or NULL */
};

struct transfer {
	struct transfer *next; /* for whoever has it */
	const struct wanted *wanted;
	const struct transfer_rules *rules;
	struct output output;
	bool open;	 /* the output is */
	bool keep_alive; /* as it was asked for */
	struct part part;
	uint64_t at;	   /* bytes that were there, and from which on it was asked */
	uint64_t bytes;	   /* that have come of what was asked for */
	uint64_t size;	   /* of the whole, or HTTP_SIZE_UNKNOWN */
	uint64_t expected; /* of what was asked for, or HTTP_SIZE_UNKNOWN */
	uint64_t discarded;
	enum transfer_step verdict; /* what the message's end means; TRANSFER_DONE: that it came */
	bool judged;		    /* the head has come that counts */
	bool discard;		    /* its body is of no use */
	bool ended; /* of this message every byte was taken, and no other: another may follow */
	uint64_t began_ns; /* for whoever has it */
	int code;	   /* enum tool_exit; of TRANSFER_FAILED */
	char *sentence;	   /* why it failed; NULL: no memory for that */
	char *remark;	   /* something to say before the end, to be taken and freed; or NULL */
};

void transfer_init(struct transfer *transfer, const struct wanted *wanted,
		   const struct transfer_rules *rules);
void transfer_done(struct transfer *transfer);

/* Looks for a part to go on with, if it is to. TRANSFER_MORE: ask. */
enum transfer_step transfer_open(struct transfer *transfer);

/* The request, into TRANSFER_LIMIT_REQUEST bytes; whether the connection is wanted afterwards. May
 * be called again, while nothing of an answer has come. */
enum transfer_step transfer_ask(struct transfer *transfer, bool keep_alive, char *ret_request,
				size_t *ret_len);

/* Takes what has come of the answer; `buf` is changed. */
enum transfer_step transfer_take(struct transfer *transfer, struct http_reader *reader, char *buf,
				 size_t len);

/* The stream has ended, with close_notify or without. */
enum transfer_step transfer_take_end(struct transfer *transfer, struct http_reader *reader,
				     bool notified);

/* Whatever else ends it: the code, and a sentence for it. What is there stays, if it is to, and the
 * sentence says so. Returns TRANSFER_FAILED. */
enum transfer_step transfer_fail(struct transfer *transfer, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
