/* SPDX-License-Identifier: MIT */

/*
 * The file of ticket keys (src/ticket_file.c). The input is the file; or, where that begins with 0,
 * what is changed in a good one: places and bytes. A file that is taken is what its keys would be
 * written as.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ktls/error.h>

#include "target.h"
#include "ticket_file.h"

enum {
	TEXT_MAX = 1024,
};

static size_t write_keys(const struct ktls_ticket_masters *masters, char text[TEXT_MAX])
{
	static const char *const labels[] = { "next ", "current ", "previous " };
	char *at = stpcpy(text, "libktls ticket keys 1\n");

	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		at = stpcpy(at, labels[i]);
		for (size_t j = 0; j < KTLS_TICKET_KEY_LEN; j++)
			at += sprintf(at, "%02x", masters->keys[i][j]);
		*at++ = '\n';
	}
	return (size_t)(at - text);
}

/* The bytes from the second on say where a good file is changed, and into what; an end of it may be
 * cut off. */
static size_t change(struct input *input, char text[TEXT_MAX])
{
	static const struct ktls_ticket_masters zeros;
	size_t len = write_keys(&zeros, text), cut = input_u8(input);

	while (input->left) {
		size_t at = input_u16(input) % TEXT_MAX;

		text[at] = (char)input_u8(input);
		if (at >= len)
			len = at + 1;
	}
	return len - (cut < len ? cut : 0);
}

/* One file for all inputs. */
static int file_with(const char *text, size_t len)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("tickets", MFD_CLOEXEC);
		if (fd < 0 || fchmod(fd, 0600))
			abort();
	}
	if (ftruncate(fd, 0) || pwrite(fd, text, len, 0) != (ssize_t)len)
		abort();
	return fd;
}

/* Upper-case digits are taken, too. */
static void lower_keys(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'F')
			text[i] = (char)(text[i] - 'A' + 'a');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char text[TEXT_MAX], expected[TEXT_MAX];
	struct input input = { data, len };
	struct ktls_ticket_masters masters;
	const char *what = NULL;
	struct stat file;
	char path[32];
	int r;

	memset(text, 0, sizeof(text));
	if (len && !data[0]) {
		input_u8(&input);
		len = change(&input, text);
	} else {
		len = len < sizeof(text) ? len : sizeof(text);
		memcpy(text, data, len);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_with(text, len));
	r = ktls_ticket_file_read(path, &masters, &file, &what);
	assert(r ? r == -KTLS_E_BAD_TICKET_KEYS && what && *what : !what);
	if (r)
		return 0;
	assert(len == write_keys(&masters, expected));
	lower_keys(text, len);
	assert(!memcmp(text, expected, len));
	return 0;
}
