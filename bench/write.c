/* SPDX-License-Identifier: MIT */

/*
 * Bytes that a second of the writer's CPU protects in userspace and sends: ktls_conn_write()
 * against gnutls_record_send(), AES-128-GCM in TLS 1.3, for several lengths of a write. The amount
 * counts in MiB.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rival_gnutls.h"
#include "support.h"

enum {
	MIB = 1 << 20,
};

struct write_bench {
	struct bench_peer peer;
	struct ktls_config *server;
	struct rival *rival;
	char *bytes;
	size_t size;
	uint64_t amount;
};

static double mb_per_s(const struct write_bench *bench, uint64_t cpu_ns)
{
	return (double)(bench->amount / bench->size * bench->size) / (double)cpu_ns * 1000;
}

static double run_library(void *context)
{
	struct write_bench *bench = context;
	int fd = bench_peer_accept(&bench->peer);
	struct ktls_conn *conn = bench_open(bench->server, fd);
	uint64_t start, cpu_ns;
	size_t n;

	bench_check_protection(conn, KTLS_PROTECTION_USER);
	start = bench_cpu_ns();
	for (uint64_t i = 0; i < bench->amount / bench->size; i++)
		bench_must(ktls_conn_write(conn, bench->bytes, bench->size, KTLS_FOREVER, &n),
			   "writing", ktls_conn_error(conn));
	cpu_ns = bench_cpu_ns() - start;
	ktls_conn_free(conn);
	close(fd);
	return mb_per_s(bench, cpu_ns);
}

static double run_rival(void *context)
{
	struct write_bench *bench = context;
	int fd = bench_peer_accept(&bench->peer);
	struct rival_session *session = rival_open(bench->rival, fd, false);
	uint64_t start, cpu_ns;

	start = bench_cpu_ns();
	for (uint64_t i = 0; i < bench->amount / bench->size; i++)
		rival_write(session, bench->bytes, bench->size);
	cpu_ns = bench_cpu_ns() - start;
	rival_close(session);
	close(fd);
	return mb_per_s(bench, cpu_ns);
}

static void compare(struct write_bench *bench, const struct bench_options *options)
{
	const struct bench_arm arms[] = {
		{ "libktls, in userspace", run_library, bench },
		{ "GnuTLS", run_rival, bench },
	};
	char title[64];

	bench->bytes = calloc(1, bench->size);
	if (!bench->bytes)
		bench_die("no memory");
	snprintf(title, sizeof(title), "writes of %zu bytes", bench->size);
	bench_compare(title, "MB per CPU second", arms, sizeof(arms) / sizeof(arms[0]), options);
	free(bench->bytes);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4096, 16384, 65536, 1048576 };
	struct bench_options options = { .runs = 9, .amount = 512 };
	struct bench_identity identity = rival_make_identity(false);
	struct write_bench bench;

	bench_parse(argc, argv, "usage: write [-a ARM] [-r RUNS] [-n MIB] [-s BYTES of a write]",
		    &options);
	bench = (struct write_bench){
		.peer = bench_peer_start(BENCH_PEER_TLS),
		.server = bench_server(&identity, KTLS_OFFLOAD_NEVER, true),
		.rival = rival_new(&identity, true, KTLS_TLS_1_3),
		.amount = options.amount * MIB,
		.size = options.size,
	};
	for (size_t i = 0; i < (options.size ? 1 : sizeof(sizes) / sizeof(sizes[0])); i++) {
		if (!options.size)
			bench.size = sizes[i];
		compare(&bench, &options);
	}
	bench_peer_stop(&bench.peer);
	ktls_config_unref(bench.server);
	rival_free(bench.rival);
	rival_free_identity(&identity);
	return 0;
}
