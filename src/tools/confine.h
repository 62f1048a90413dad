/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_CONFINE_H
#define KTLS_TOOL_CONFINE_H

#include "metrics_text.h"
#include "settings.h"

/* When all is open: gives up root, if the settings name a user, and enters the sandbox. What of it
 * is in force goes to process->parts; what is not is said on stderr. 0, or an enum tool_exit. */
int confine(const struct settings *settings, struct metrics_process *process);

#endif
