/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_CONFINE_H
#define KTLS_TOOL_CONFINE_H

#include "metrics_text.h"
#include "sandbox.h"
#include "settings.h"

/* When all is open: gives up root, if the settings name a user, and enters the sandbox. `own_fd`,
 * or -1, is a file that root made for that user. What of the sandbox is in force goes to
 * process->parts; what is not is said on stderr. 0, or an enum tool_exit. */
int confine(const struct settings *settings, int own_fd, struct metrics_process *process);

/* All that is opened while it runs; done by confine(). -ENOMEM. */
int confine_add_places(struct sandbox_places *places, const struct settings *settings);

#endif
