/* SPDX-License-Identifier: MIT */

/*
 * What is read of the peer's handshake messages while they pass by (src/hello.c). The input: for
 * each message its type, its length in two bytes, and itself. What was seen stays within its
 * bounds, and is of the messages alone.
 */

#include <assert.h>
#include <stdlib.h>

#include "hello.h"
#include "target.h"

enum {
	MESSAGES_MAX = 4,
	CLIENT_HELLO = 1,
};

/* Of its very length on the heap, so that a read past its end is seen. */
static void look(struct ktls_hello *hello, uint8_t type, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert(copy);
	memcpy(copy, bytes, len);
	ktls_hello_look(hello, type, copy, len);
	free(copy);
}

static void check(const struct ktls_hello *hello)
{
	static const uint8_t none[KTLS_HELLO_NAME_LEN];

	assert(hello->tickets_n <= KTLS_HELLO_TICKETS_MAX);
	assert(memchr(hello->server_name, '\0', sizeof(hello->server_name)));
	for (size_t i = hello->tickets_n; i < KTLS_HELLO_TICKETS_MAX; i++)
		assert(!memcmp(hello->tickets[i], none, sizeof(none)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input input = { data, len };
	struct ktls_hello hello = { 0 }, again = { 0 };

	for (int i = 0; i < MESSAGES_MAX && input.left; i++) {
		uint8_t type = input_u8(&input);
		const uint8_t *bytes;
		size_t n = input_bytes(&input, input_u16(&input), &bytes);

		look(&hello, type, bytes, n);
		check(&hello);
		/* A ClientHello begins anew: a second one changes nothing. */
		if (type != CLIENT_HELLO)
			continue;
		look(&again, type, bytes, n);
		look(&again, type, bytes, n);
		assert(!memcmp(&hello, &again, sizeof(hello)));
	}
	return 0;
}
