/* SPDX-License-Identifier: MIT */

/* The system calls as they are; see sys.h for why they stand in a table. */

#include <sys/sendfile.h>

#include "base/sys.h"

struct ktls_sys ktls_sys = {
	.sendmsg = sendmsg,
	.recvmsg = recvmsg,
	.sendfile = sendfile,
	.preadv = preadv,
	.preadv2 = preadv2,
	.setsockopt = setsockopt,
	.getsockopt = getsockopt,
	.fstat = fstat,
	.poll = poll,
	.shutdown = shutdown,
	.accept4 = accept4,
};
