/* SPDX-License-Identifier: MIT */

/*
 * The inputs that were kept, each given to the target once: `TARGET FILE`. A line of the file is an
 * input in hexadecimal; what stands behind # is said about it. The line is printed first, so that
 * the last line printed is the one that the process ended with.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "target.h"

enum {
	LINE_MAX_LEN = 1 << 16,
};

static int value_of(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The bytes of a line, or -1 where it is none of ours. */
static ssize_t parse(const char *line, uint8_t *ret_bytes)
{
	size_t n = strcspn(line, " #\n"), rest = n + strspn(line + n, " \n");

	if (n % 2 || (line[rest] && line[rest] != '#'))
		return -1;
	for (size_t i = 0; i < n; i++) {
		int value = value_of(line[i]);

		if (value < 0)
			return -1;
		ret_bytes[i / 2] = (uint8_t)(i % 2 ? ret_bytes[i / 2] | value : value << 4);
	}
	return (ssize_t)(n / 2);
}

/* On the heap and of its very length, so that a read past its end is seen. */
static void give(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		exit(1);
	memcpy(copy, bytes, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

int main(int argc, char **argv)
{
	static char line[LINE_MAX_LEN];
	static uint8_t bytes[LINE_MAX_LEN / 2];
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	unsigned int number = 0;

	if (!file) {
		fprintf(stderr, "usage: %s FILE: %s\n", argv[0], strerror(errno));
		return 2;
	}
	while (fgets(line, sizeof(line), file)) {
		ssize_t len = parse(line, bytes);

		printf("%s:%u\n", argv[1], ++number);
		fflush(stdout);
		if (len < 0) {
			fprintf(stderr, "%s:%u: no input in hexadecimal\n", argv[1], number);
			return 1;
		}
		if (len || *line == '\n')
			give(bytes, (size_t)len);
	}
	fclose(file);
	return number ? 0 : 1;
}
