/* SPDX-License-Identifier: MIT */

/*
 * Memory that an idle open connection of a server's holds, with both directions in userspace and,
 * where the kernel can, both in the kernel: what malloc(3) has given out, before and after many
 * were opened, their tickets sent with a first byte, and after they were freed; and beside it what
 * the kernel says of its own, which counts both ends of each. The amount counts connections.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
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

/* The first connection is not counted: it makes what all share. */
static void measure(enum ktls_offload offload, enum ktls_protection protection, size_t n)
{
	struct bench_peer peer = bench_peer_start(BENCH_PEER_HOLD);
	struct ktls_config *server = bench_server(NULL, offload, true);
	struct ktls_conn **conns = calloc(n + 1, sizeof(struct ktls_conn *));
	struct bench_kernel_memory kernel_before = { 0 }, kernel_open;
	size_t before = 0, open, after, written;

	if (!conns)
		bench_die("no memory");
	for (size_t i = 0; i <= n; i++) {
		int fd = bench_peer_accept(&peer);

		conns[i] = bench_open(server, fd);
		close(fd); /* the connection has its own */
		bench_check_protection(conns[i], protection);
		bench_must(ktls_conn_write(conns[i], "!", 1, KTLS_FOREVER, &written), "writing",
			   ktls_conn_error(conns[i]));
		if (i)
			continue;
		before = heap();
		kernel_before = bench_kernel_memory();
	}
	open = heap();
	kernel_open = bench_kernel_memory();
	for (size_t i = 1; i <= n; i++)
		ktls_conn_free(conns[i]);
	after = heap();
	printf("heap of an idle connection, both in %s: %zu bytes each of %zu; left behind: %zd\n",
	       ktls_protection_name(protection), (open - before + n / 2) / n, n,
	       (ssize_t)(after - before));
	printf("kernel memory of it, both ends: %lld bytes of slab, %lld of TCP's buffers\n",
	       (long long)(kernel_open.slab - kernel_before.slab) / (long long)n,
	       (long long)(kernel_open.tcp - kernel_before.tcp) / (long long)n);
	ktls_conn_free(conns[0]);
	bench_peer_stop(&peer);
	ktls_config_unref(server);
	free(conns);
}

int main(int argc, char **argv)
{
	struct bench_options options = { .amount = 2000 };
	struct ktls_probe probe;

	bench_parse(argc, argv, "usage: heap [-n CONNECTIONS]", &options);
	bench_allow_fds(options.amount + FDS_BESIDE);
	measure(KTLS_OFFLOAD_NEVER, KTLS_PROTECTION_USER, options.amount);
	bench_must(ktls_probe(&probe, sizeof(probe)), "probing", NULL);
	if (!probe.tls13[KTLS_AES_128_GCM][KTLS_TX] && !probe.tls13[KTLS_AES_128_GCM][KTLS_RX])
		measure(KTLS_OFFLOAD_REQUIRED, KTLS_PROTECTION_KERNEL, options.amount);
	else
		printf("heap of an idle connection in the kernel: this kernel has no TLS\n");
	return 0;
}
