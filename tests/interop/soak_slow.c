/* SPDX-License-Identifier: MIT */

/* One byte a second, of a request or of an answer, until the server has had enough; see soak.c. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

enum {
	SECOND_NS = 1000000000,
};

static void slow_step(struct soak *soak, struct soak_client *client)
{
	uint64_t deadline_ns = ktls_deadline_in(SOAK_TIMEOUT_MS);
	int r = 0;

	if (client->state != SLOW)
		return;
	if (soak->asks_slowly && !client->slow_busy && client->request[client->at]) {
		r = ktls_op_write(&client->slow_op, client->conn, &client->request[client->at++], 1,
				  deadline_ns);
		client->slow_busy = !r;
	} else if (soak->takes_slowly && !client->busy) {
		r = ktls_op_read(&client->op, client->conn, &client->byte, 1, deadline_ns);
		client->busy = !r;
	}
	if (r)
		abort();
}

static void slow_begin(struct soak *soak, struct soak_client *client)
{
	uint64_t deadline_ns = ktls_deadline_in(SOAK_TIMEOUT_MS);
	int len = snprintf(client->request, sizeof(client->request),
			   "GET /%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %0150d\r\n\r\n",
			   soak->files[0].name, 0);

	client->state = SLOW;
	if (soak->takes_slowly) {
		client->slow_busy = !ktls_op_write(&client->slow_op, client->conn, client->request,
						   (size_t)len, deadline_ns);
		return;
	}
	client->busy = !ktls_op_receive(&client->op, client->conn, deadline_ns);
}

static void take_slow(struct soak *soak, const struct ktls_event *event)
{
	struct soak_client *client = event->op->user;
	bool reads = event->op == &client->op;

	if (reads)
		client->busy = false;
	else
		client->slow_busy = false;
	if (!event->result) {
		if (reads && event->data && !strncmp(event->data, "HTTP/1.1 408 ", 13))
			soak->refused++;
		if (reads && soak->asks_slowly)
			client->busy = !ktls_op_receive(&client->op, client->conn,
							ktls_deadline_in(SOAK_TIMEOUT_MS));
		return;
	}
	if (client->state == SLOW) {
		client->state = ENDING;
		soak->ended++;
	}
	if (!client->busy && !client->slow_busy)
		soak_let_go(soak, client);
}

int soak_run_slowly(struct soak *soak)
{
	uint64_t begin_ns = ktls_deadline_in(0), step_ns = begin_ns, now_ns = begin_ns;

	soak->n_resting = 0;
	for (size_t i = 0; i < soak->n_clients; i++)
		slow_begin(soak, &soak->clients[i]);
	while (soak->ended < soak->n_clients && now_ns - begin_ns < soak->slow_s * SECOND_NS) {
		if (now_ns >= step_ns) {
			for (size_t i = 0; i < soak->n_clients; i++)
				slow_step(soak, &soak->clients[i]);
			step_ns += SECOND_NS;
		}
		if (soak_turn(soak, step_ns, take_slow))
			return 1;
		now_ns = ktls_deadline_in(0);
	}
	soak_say_server(soak);
	fprintf(stderr, "ended=%zu\nrefused=%zu\nseconds=%.1f\n", soak->ended, soak->refused,
		(double)(now_ns - begin_ns) / SECOND_NS);
	return soak->ended < soak->n_clients;
}
