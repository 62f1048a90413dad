/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TEST_TREE_H
#define KTLS_TEST_TREE_H

/* A directory of a test's own, which is the working directory as long as it lasts. */

#include <stddef.h>

/* tree_make() and tree_remove() are a suite's .init and .fini. tree_fd is the directory (O_PATH).
 */
extern int tree_fd;
void tree_make(void);
void tree_remove(void);

/* Makes the file, or writes it anew in its place. */
void tree_write(const char *path, const char *text);

/* The same with this many bytes, which count up from `first`. */
void tree_write_bytes(const char *path, size_t size, unsigned char first);

/* Sets its time of modification. */
void tree_touch(const char *path, long seconds, long nsec);

/* The descriptors that this process holds. */
unsigned int tree_descriptors(void);

#endif
