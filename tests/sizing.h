/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIZING_H
#define TESTS_SIZING_H

/* What the sizes of records must be, over any protection of the subject's TX. */

#include "pair.h"

/* A peer that takes only small records gets no larger one, by write and by sendfile. */
void sizing_for_small_peers(enum ktls_offload tx);

/* A stream begins, and begins again, with small records. */
void sizing_of_first_records(enum ktls_offload tx);

#endif
