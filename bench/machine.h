/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/* What a figure depends on beside the programs: the facts of this machine, for a report, and of the
 * way that a connection takes. */

#include <stdio.h>

#include <jansson.h>

/* Names to texts or numbers, flat but for groups; what cannot be known is not there. Caller owns
 * it. `fd`: a connected socket, whose route's device is told of; -1: loopback. */
json_t *machine_json(int fd);

/* The same for people, a line each. */
void machine_print(const json_t *facts, FILE *stream);

/* Tells this boot of this kernel from any other; static; "" if it is not told. */
const char *machine_boot(void);

#endif
