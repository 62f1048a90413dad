/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_SECRET_H
#define KTLS_BASE_SECRET_H

/*
 * Memory that held a key is wiped on every path out. `_cleanup_(x_wipe)` on the declaration does it
 * without thought, once KTLS_DEFINE_WIPE(x) has defined x_wipe() for struct x.
 */

#include <string.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define KTLS_DEFINE_WIPE(name)                              \
	static inline void name##_wipe(struct name *secret) \
	{                                                   \
		explicit_bzero(secret, sizeof(*secret));    \
	}                                                   \
	struct name

#endif
