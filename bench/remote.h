/* SPDX-License-Identifier: MIT */
#ifndef BENCH_REMOTE_H
#define BENCH_REMOTE_H

/*
 * The server's side of a run (party.h) on another machine, or in another namespace: one process
 * waits there, and the client's reaches it over a control connection (message.h). Not for a network
 * that one does not trust: who reaches the port can start servers of the harness's own there, and
 * ask for the CPU time of a process.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "message.h"
#include "party.h"
#include "place.h"

/* -- On the client's machine -- */

struct remote {
	struct place place;
	int fd;			   /* -1: there is none */
	bool gone;		   /* and there will be none */
	bool same_machine;	   /* as this: the same kernel */
	json_t *machine;	   /* its facts */
	char why[MESSAGE_WHY_MAX]; /* it is gone */
};

/* What cannot be ends the program with a sentence, but for remote_again(). */
void remote_open(struct remote *remote, const struct place *place);
void remote_close(struct remote *remote);

/* After a run that failed: whatever was under way there ends. */
void remote_again(struct remote *remote);

/* As limits_json(), there. */
json_t *remote_limits(const struct remote *remote, unsigned int runs, uint64_t ns);

/* As party_why_not(), there; copied into `why`, "": it can. */
void remote_why_not(const struct remote *remote, const struct workload *workload,
		    const struct arm *arm, char why[MESSAGE_WHY_MAX]);

/* As party_start(), of which task.cpu is for the other side to say, and the like. */
uint16_t remote_start(const struct remote *remote, const struct party_task *task);
void remote_begin(const struct remote *remote);
void remote_end(const struct remote *remote, struct party_report *ret_report);

/* -- On the server's machine -- */

/* Serves one client after the other until SIGTERM; host "": on all of this machine's addresses. */
_Noreturn void remote_serve(const struct place *place);

#endif
