/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

/*
 * What a target is: a function of bytes that ends the process when a promise is broken. Linked with
 * libFuzzer it is driven by `run`, with corpus.c it is a test of the inputs that were kept. The
 * same input does the same every time: nothing here is random, and no clock decides.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input, eaten from the front. What is not there is 0. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t input_u8(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

static inline uint16_t input_u16(struct input *input)
{
	unsigned int high = input_u8(input);

	return (uint16_t)(high << 8 | input_u8(input));
}

/* At most len bytes of it; how many. */
static inline size_t input_bytes(struct input *input, size_t len, const uint8_t **ret_bytes)
{
	if (len > input->left)
		len = input->left;
	*ret_bytes = input->at;
	input->at += len;
	input->left -= len;
	return len;
}

#endif
