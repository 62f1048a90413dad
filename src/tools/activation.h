/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_ACTIVATION_H
#define KTLS_TOOL_ACTIVATION_H

/* Listening sockets that whoever started us has opened: sd_listen_fds(3) says how they come. */

enum activation_limit {
	ACTIVATION_LIMIT_ERROR = 160,
};

/* -1: there is none of that name. */
struct activation {
	int https_fd;
	int metrics_fd;
};

/* Takes them out of the environment, so once; they are the caller's then, non-blocking and
 * close-on-exec. -errno, with *ret_error said: what came is none of what we know. */
int activation_take(struct activation *ret_activation, char ret_error[ACTIVATION_LIMIT_ERROR]);

#endif
