/* SPDX-License-Identifier: MIT */

/*
 * Heap that an idle open connection of a server's holds, with both directions in userspace and,
 * where the kernel can, both in the kernel: what malloc(3) has given out, before and after many
 * were opened, and after they were freed. The amount counts connections.
 */

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

enum {
	FDS_BESIDE = 64,
};

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void allow_fds(uint64_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < n)
		limit.rlim_cur = n;
	if (limit.rlim_max < n)
		limit.rlim_max = n;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		bench_die("%llu descriptors: %s. To do: fewer with -n", (unsigned long long)n,
			  strerror(errno));
}

/* The first connection is not counted: it makes what all share. */
static void measure(enum ktls_offload offload, enum ktls_protection protection, size_t n)
{
	struct bench_peer peer = bench_peer_start(BENCH_PEER_HOLD);
	struct ktls_config *server = bench_server(NULL, offload, true);
	struct ktls_conn **conns = calloc(n + 1, sizeof(struct ktls_conn *));
	int *fds = calloc(n + 1, sizeof(int));
	size_t before = 0, open, after;

	if (!conns || !fds)
		bench_die("no memory");
	for (size_t i = 0; i <= n; i++) {
		fds[i] = bench_peer_accept(&peer);
		conns[i] = bench_open(server, fds[i]);
		bench_check_protection(conns[i], protection);
		if (!i)
			before = heap();
	}
	open = heap();
	for (size_t i = 1; i <= n; i++)
		ktls_conn_free(conns[i]);
	after = heap();
	printf("heap of an idle connection, both in %s: %zu bytes each of %zu; left behind: %zd\n",
	       ktls_protection_name(protection), (open - before + n / 2) / n, n,
	       (ssize_t)(after - before));
	ktls_conn_free(conns[0]);
	for (size_t i = 0; i <= n; i++)
		close(fds[i]);
	bench_peer_stop(&peer);
	ktls_config_unref(server);
	free(conns);
	free(fds);
}

int main(int argc, char **argv)
{
	struct bench_options options = { .amount = 2000 };
	struct ktls_probe probe;

	bench_parse(argc, argv, "usage: heap [-n CONNECTIONS]", &options);
	allow_fds(options.amount + FDS_BESIDE);
	measure(KTLS_OFFLOAD_NEVER, KTLS_PROTECTION_USER, options.amount);
	bench_must(ktls_probe(&probe, sizeof(probe)), "probing", NULL);
	if (!probe.tls13[KTLS_AES_128_GCM][KTLS_TX] && !probe.tls13[KTLS_AES_128_GCM][KTLS_RX])
		measure(KTLS_OFFLOAD_REQUIRED, KTLS_PROTECTION_KERNEL, options.amount);
	else
		printf("heap of an idle connection in the kernel: this kernel has no TLS\n");
	return 0;
}
