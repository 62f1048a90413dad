/* SPDX-License-Identifier: MIT */
#ifndef KTLS_VERSION_H
#define KTLS_VERSION_H

/* The version of these headers, and of the library that is loaded. */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define KTLS_VERSION_MAJOR 0
#define KTLS_VERSION_MINOR 1
#define KTLS_VERSION_PATCH 0
#define KTLS_VERSION	   "0.1.0"

/* "0.1.0", of the library at run time. Static storage; any thread. */
const char *ktls_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
