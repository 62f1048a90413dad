/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

/* The commands of ktls-bench: their arguments from their own name on; each answers the exit status.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

int compare_main(int argc, char **argv);
int limits_main(int argc, char **argv);
int report_main(int argc, char **argv);
int run_main(int argc, char **argv);

/* What `limits` measures, each run of so much CPU time: a list of figures, which is the caller's.
 */
json_t *limits_json(unsigned int runs, uint64_t ns);

/* What is returned then: 0 where it was asked for, else 2. */
int bench_say_usage(const char *usage, bool asked);

/* Takes the object over; ends the program if it is NULL or cannot be written. */
void bench_print_json(json_t *object);

#endif
