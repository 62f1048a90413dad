/* SPDX-License-Identifier: MIT */
#ifndef TESTS_REFUSING_H
#define TESTS_REFUSING_H

/*
 * An allocator for the whole process: glibc's own, until it refuses. For plain programs, whose
 * object this is; no sanitizer goes with it.
 */

#include <stdatomic.h>

extern atomic_bool refusing;
extern atomic_ulong refused; /* how often it did */

/* Ends the program, with words, which take memory again. */
__attribute__((noreturn, format(printf, 1, 2))) void refusing_die(const char *format, ...);

#endif
