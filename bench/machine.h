/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/* What a figure depends on beside the programs: the facts of this machine, for a report. */

#include <stdio.h>

#include <jansson.h>

/* Names to texts or numbers, flat; what cannot be known is not there. Caller owns it. */
json_t *machine_json(void);

/* The same for people, a line each. */
void machine_print(FILE *stream);

#endif
