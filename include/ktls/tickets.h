/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TICKETS_H
#define KTLS_TICKETS_H

/*
 * The keys that a server's session tickets are sealed with, in a file: shared by every process and
 * machine that shall resume the sessions of the others.
 */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Makes the file if there is none (three new keys, mode 0600); else rotates its keys: the previous
 * one is forgotten, the current one becomes the previous, the next one the current, and the next is
 * new. Readers find the old file or the new one, whole. Uses PATH.new beside it, and any thread. 0;
 * -EBUSY: another rotation of it is under way; -KTLS_E_BAD_TICKET_KEYS: it is malformed, not a
 * regular file, not ours or root's, or open to others, and was left as it is; -EINVAL; -errno.
 */
int ktls_ticket_file_rotate(const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
