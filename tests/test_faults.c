/* SPDX-License-Identifier: MIT */

/*
 * Every call to the system fails once, at every place of a connection's life: what is only a delay
 * changes no byte, what is an error ends the connection with that error, a peer that vanishes is
 * reported as such; nothing leaks, nothing hangs, and no plaintext is written without protection.
 * Userspace protection; kernel_faults.c does the same with the kernel's.
 */

#include <criterion/criterion.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"

enum {
	SMALL_BUFFERS = 4096,
	TINY_BUFFERS = 2048,
};

static void live(enum ktls_protocol protocol, enum pair_end subject, enum fault_outcome outcome)
{
	struct scenario scenario =
		scenario_new(protocol, subject, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);

	/* One of the lives waits at every turn. */
	if (protocol == KTLS_TLS_1_3 && subject == PAIR_CLIENT)
		scenario.buffer_bytes = SMALL_BUFFERS;
	fault_at_every_call(&scenario, outcome, 1);
	scenario_free(&scenario);
}

Test(unit, delays_at_every_call_of_a_tls12_client)
{
	live(KTLS_TLS_1_2, PAIR_CLIENT, FAULT_DELAY);
}

Test(unit, delays_at_every_call_of_a_tls12_server)
{
	live(KTLS_TLS_1_2, PAIR_SERVER, FAULT_DELAY);
}

Test(unit, delays_at_every_call_of_a_tls13_client)
{
	live(KTLS_TLS_1_3, PAIR_CLIENT, FAULT_DELAY);
}

Test(unit, delays_at_every_call_of_a_tls13_server)
{
	live(KTLS_TLS_1_3, PAIR_SERVER, FAULT_DELAY);
}

Test(unit, errors_at_every_call_of_a_tls12_client)
{
	live(KTLS_TLS_1_2, PAIR_CLIENT, FAULT_ERROR);
}

Test(unit, errors_at_every_call_of_a_tls12_server)
{
	live(KTLS_TLS_1_2, PAIR_SERVER, FAULT_ERROR);
}

Test(unit, errors_at_every_call_of_a_tls13_client)
{
	live(KTLS_TLS_1_3, PAIR_CLIENT, FAULT_ERROR);
}

Test(unit, errors_at_every_call_of_a_tls13_server)
{
	live(KTLS_TLS_1_3, PAIR_SERVER, FAULT_ERROR);
}

Test(unit, departures_at_every_call_of_a_tls12_client)
{
	live(KTLS_TLS_1_2, PAIR_CLIENT, FAULT_DEPARTURE);
}

Test(unit, departures_at_every_call_of_a_tls12_server)
{
	live(KTLS_TLS_1_2, PAIR_SERVER, FAULT_DEPARTURE);
}

Test(unit, departures_at_every_call_of_a_tls13_client)
{
	live(KTLS_TLS_1_3, PAIR_CLIENT, FAULT_DEPARTURE);
}

Test(unit, departures_at_every_call_of_a_tls13_server)
{
	live(KTLS_TLS_1_3, PAIR_SERVER, FAULT_DEPARTURE);
}

/* Every call is short, from the first to the last, over sockets that hold next to nothing. */
Test(unit, a_life_of_short_calls_moves_the_same_bytes)
{
	static const size_t lens[] = { 3, 17, 1500 };

	for (size_t i = 0; i < 4 * sizeof(lens) / sizeof(lens[0]); i++) {
		struct scenario scenario = scenario_new(i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
							i & 2 ? PAIR_SERVER : PAIR_CLIENT,
							KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);

		scenario.buffer_bytes = i & 1 ? TINY_BUFFERS : 0;
		fault_short_calls(&scenario, lens[i / 4]);
		scenario_free(&scenario);
	}
}

/* The witness of all the others: it does see plaintext. */
Test(unit, the_seam_sees_plaintext_on_a_bare_socket)
{
	static char text[] = "some " SEAM_MARKER "0000000";
	struct iovec iov[] = { { .iov_base = text, .iov_len = 8 },
			       { .iov_base = text + 8, .iov_len = sizeof(text) - 9 } };
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd[2];

	pair_sockets(fd, 0);
	seam_begin(fd[0], NULL, NULL);
	cr_assert(ktls_sys.sendmsg(fd[0], &msg, 0) == (ssize_t)sizeof(text) - 1);
	cr_assert(seam.leaked);
	seam_end();
	close(fd[0]);
	close(fd[1]);
}
