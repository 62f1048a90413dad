/* SPDX-License-Identifier: MIT */

/*
 * What a handshake costs a server's CPU, from the accepted socket to the freed connection: through
 * the library, in userspace and, where the kernel can, handed over to it; against GnuTLS alone with
 * the same priorities and certificate, on a blocking socket, which is the least that can be had,
 * and on one like the library's, non-blocking. The amount counts handshakes.
 */

#include <stdio.h>
#include <unistd.h>

#include "rival_gnutls.h"
#include "support.h"

struct handshake_bench {
	struct bench_peer peer;
	struct ktls_config *user, *automatic;
	struct rival *rival;
	uint64_t amount;
};

static double run_library(const struct handshake_bench *bench, struct ktls_config *config)
{
	uint64_t start, cpu_ns = 0;

	for (uint64_t i = 0; i < bench->amount; i++) {
		int fd = bench_peer_accept(&bench->peer);

		start = bench_cpu_ns();
		ktls_conn_free(bench_open(config, fd));
		cpu_ns += bench_cpu_ns() - start;
		close(fd);
	}
	return (double)cpu_ns / (double)bench->amount / 1000;
}

static double run_user(void *context)
{
	const struct handshake_bench *bench = context;

	return run_library(bench, bench->user);
}

static double run_automatic(void *context)
{
	const struct handshake_bench *bench = context;

	return run_library(bench, bench->automatic);
}

static double run_rival(const struct handshake_bench *bench, bool polling)
{
	uint64_t start, cpu_ns = 0;

	for (uint64_t i = 0; i < bench->amount; i++) {
		int fd = bench_peer_accept(&bench->peer);

		start = bench_cpu_ns();
		rival_close(rival_open(bench->rival, fd, polling));
		cpu_ns += bench_cpu_ns() - start;
		close(fd);
	}
	return (double)cpu_ns / (double)bench->amount / 1000;
}

static double run_rival_polling(void *context)
{
	return run_rival(context, true);
}

static double run_rival_blocking(void *context)
{
	return run_rival(context, false);
}

static void compare(const struct bench_options *options, bool rsa)
{
	struct bench_identity identity = rival_make_identity(rsa);
	struct handshake_bench bench = {
		.peer = bench_peer_start(BENCH_PEER_TLS),
		.user = bench_server(&identity, KTLS_OFFLOAD_NEVER, false),
		.automatic = bench_server(&identity, KTLS_OFFLOAD_AUTO, false),
		.rival = rival_new(&identity, false, KTLS_TLS_1_3),
		.amount = options->amount,
	};
	const struct bench_arm arms[] = {
		{ "libktls, offload auto", run_automatic, &bench },
		{ "libktls, offload never", run_user, &bench },
		{ "GnuTLS, polling", run_rival_polling, &bench },
		{ "GnuTLS, blocking", run_rival_blocking, &bench },
	};

	bench_compare(rsa ? "server CPU of a handshake, RSA 2048"
			  : "server CPU of a handshake, ECDSA P-256",
		      "us", arms, sizeof(arms) / sizeof(arms[0]), options);
	bench_peer_stop(&bench.peer);
	ktls_config_unref(bench.user);
	ktls_config_unref(bench.automatic);
	rival_free(bench.rival);
	rival_free_identity(&identity);
}

int main(int argc, char **argv)
{
	struct bench_options options = { .runs = 49, .amount = 50 };

	bench_parse(argc, argv, "usage: handshake [-a ARM] [-r RUNS] [-n HANDSHAKES]", &options);
	compare(&options, false);
	compare(&options, true);
	return 0;
}
