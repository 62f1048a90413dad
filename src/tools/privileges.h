/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PRIVILEGES_H
#define KTLS_TOOL_PRIVILEGES_H

/*
 * Becomes another user for good: "NAME" with its own group and supplementary groups, or
 * "NAME:GROUP". The file `own_fd`, or -1, is that user's then. Before the first thread. On failure
 * *ret_error is what is wrong, in words; to be freed. -errno; -ENOENT: there is no such user or
 * group; -EPERM: only root can.
 */
int privileges_drop(const char *user, int own_fd, char **ret_error);

/* What a user that is not root was given of root's rights (setcap(8), AmbientCapabilities=), for
 * the opening of a port most likely. Before the first thread. -errno. */
int privileges_drop_capabilities(void);

#endif
