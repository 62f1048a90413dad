/* SPDX-License-Identifier: MIT */

/* A client that writes before it reads; see upload.h. */

#include <criterion/criterion.h>
#include <poll.h>

#include "flow.h"
#include "upload.h"

enum {
	UPLOAD = 10 << 20,
	/* With the least of all TCP crawls: it probes a window of a few hundred bytes. */
	UPLOAD_BUFFER = 4096,
	UPDATE_EVERY = 1 << 16,
	LATE_MS = 20000,
};

struct upload {
	struct pair pair;
	bool open[2];
	size_t sent, seen;
	bool updates;
	uint64_t asked;
};

static int handshake(struct upload *upload, enum pair_end end)
{
	int r = ktls_conn_handshake(upload->pair.conn[end], KTLS_NOW);

	cr_assert(r >= 0, "%d: %s", end, ktls_conn_error(upload->pair.conn[end]));
	upload->open[end] = !r;
	return r;
}

static int client_step(struct upload *upload)
{
	static const uint8_t bytes[UPDATE_EVERY];
	struct ktls_conn *conn = upload->pair.conn[PAIR_CLIENT];
	size_t room = UPDATE_EVERY - upload->sent % UPDATE_EVERY, n;
	int r;

	if (!upload->open[PAIR_CLIENT])
		return handshake(upload, PAIR_CLIENT);
	if (upload->updates && upload->asked < upload->sent / UPDATE_EVERY) {
		r = ktls_conn_update_key(conn, KTLS_KEY_UPDATE_BOTH, KTLS_NOW);
		upload->asked += !r;
		cr_assert(r >= 0, "%s", ktls_conn_error(conn));
		if (r)
			return r;
	}
	r = ktls_conn_write(conn, bytes, upload->sent < UPLOAD ? room : 0, KTLS_NOW, &n);
	cr_assert(r >= 0, "%s", ktls_conn_error(conn));
	upload->sent += n;
	return r;
}

static int server_step(struct upload *upload)
{
	static uint8_t bytes[UPDATE_EVERY];
	struct ktls_conn *conn = upload->pair.conn[PAIR_SERVER];
	size_t n;
	int r;

	if (!upload->open[PAIR_SERVER])
		return handshake(upload, PAIR_SERVER);
	r = ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	cr_assert(!r || r == KTLS_WANT_READ, "%s: %s", ktls_strerrorname(r), ktls_conn_error(conn));
	upload->seen += n;
	return r;
}

static bool is_done(const struct upload *upload)
{
	return upload->seen == UPLOAD &&
	       (!upload->updates || upload->asked == UPLOAD / UPDATE_EVERY);
}

void upload_run(enum ktls_protocol protocol, enum ktls_offload offload, bool updates)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct upload upload = { .updates = updates };

	options.protocol = protocol;
	for (int end = 0; end < 2; end++)
		options.tx[end] = options.rx[end] = offload;
	options.buffer_bytes = UPLOAD_BUFFER;
	upload.pair = pair_new(&options);
	while (!is_done(&upload)) {
		int client = client_step(&upload), server = server_step(&upload);
		struct pollfd fds[2] = {
			{ .fd = upload.pair.fd[PAIR_CLIENT],
			  .events = client == KTLS_WANT_WRITE  ? POLLOUT
				    : client == KTLS_WANT_READ ? POLLIN
							       : 0 },
			{ .fd = upload.pair.fd[PAIR_SERVER],
			  .events = server == KTLS_WANT_WRITE ? POLLOUT : POLLIN },
		};

		if ((client || upload.sent == UPLOAD) && server && !is_done(&upload))
			cr_assert(poll(fds, 2, LATE_MS) > 0, "both wait: %zu sent, %zu seen",
				  upload.sent, upload.seen);
	}
	cr_assert(upload.sent == UPLOAD && upload.seen == UPLOAD);
	pair_move(&upload.pair, PAIR_SERVER, 1000, 1000);
	pair_move(&upload.pair, PAIR_CLIENT, 1000, 1000);
	cr_assert(flow_info(&upload.pair, PAIR_SERVER).key_updates[KTLS_RX] == upload.asked);
	cr_assert(flow_info(&upload.pair, PAIR_SERVER).key_updates[KTLS_TX] == updates);
	cr_assert(upload.asked == (updates ? UPLOAD / UPDATE_EVERY : 0));
	pair_close(&upload.pair);
	pair_free(&upload.pair);
}
