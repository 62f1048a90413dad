/* SPDX-License-Identifier: MIT */

/*
 * What the library adds to the kernel's own price of sendfile: server CPU per byte through
 * ktls_conn_sendfile(), against a bare loop on a socket with a key set by hand, which waits in
 * sendfile(2) itself, and one that waits in poll(2). The file is in memory; the reader throws
 * ciphertext away. The amount counts in MiB.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bare_kernel.h"
#include "support.h"

enum {
	FILE_LEN = 64 << 20,
	MIB = 1 << 20,
};

struct sendfile_bench {
	struct bench_peer raw, tls;
	struct ktls_config *server;
	int file_fd;
	uint64_t len;
	size_t rounds;
};

static double ns_per_kib(const struct sendfile_bench *bench, uint64_t cpu_ns)
{
	return (double)cpu_ns / (double)(bench->len * bench->rounds) * 1024;
}

static double run_library(void *context)
{
	struct sendfile_bench *bench = context;
	int fd = bench_peer_accept(&bench->tls);
	struct ktls_conn *conn = bench_open(bench->server, fd);
	uint64_t start, cpu_ns, n;

	bench_check_protection(conn, KTLS_PROTECTION_KERNEL);
	start = bench_cpu_ns();
	for (size_t i = 0; i < bench->rounds; i++)
		bench_must(ktls_conn_sendfile(conn, bench->file_fd, 0, bench->len, KTLS_FOREVER,
					      &n),
			   "sendfile", ktls_conn_error(conn));
	cpu_ns = bench_cpu_ns() - start;
	ktls_conn_free(conn);
	close(fd);
	return ns_per_kib(bench, cpu_ns);
}

static double run_bare(struct sendfile_bench *bench, int nonblocking)
{
	int fd = bench_peer_accept(&bench->raw);
	uint64_t start, cpu_ns;

	if (!bare_kernel_key(fd) || ioctl(fd, FIONBIO, &nonblocking))
		bench_die("setting a key: %s", strerror(errno));
	start = bench_cpu_ns();
	for (size_t i = 0; i < bench->rounds; i++)
		bare_kernel_send_file(fd, bench->file_fd, bench->len);
	cpu_ns = bench_cpu_ns() - start;
	close(fd);
	return ns_per_kib(bench, cpu_ns);
}

static double run_bare_blocking(void *context)
{
	return run_bare(context, 0);
}

static double run_bare_polling(void *context)
{
	return run_bare(context, 1);
}

static bool kernel_can(void)
{
	struct ktls_probe probe;

	bench_must(ktls_probe(&probe, sizeof(probe)), "probing", NULL);
	return !probe.tls13[KTLS_AES_128_GCM][KTLS_TX] && !probe.tls13[KTLS_AES_128_GCM][KTLS_RX];
}

static int make_file(size_t len)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	char *bytes;

	if (fd < 0 || ftruncate(fd, (off_t)len))
		bench_die("making a file: %s", strerror(errno));
	bytes = mmap(NULL, len, PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		bench_die("making a file: %s", strerror(errno));
	memset(bytes, 'k', len);
	munmap(bytes, len);
	return fd;
}

int main(int argc, char **argv)
{
	struct bench_options options = { .runs = 7, .amount = 2048, .size = FILE_LEN };
	struct sendfile_bench bench;
	struct bench_arm arms[] = {
		{ "libktls", run_library, &bench },
		{ "bare, polling", run_bare_polling, &bench },
		{ "bare, blocking", run_bare_blocking, &bench },
	};

	signal(SIGPIPE, SIG_IGN); /* as servers do: ktls_conn_sendfile() then has less to guard */
	bench_parse(argc, argv,
		    "usage: sendfile [-a ARM] [-r RUNS] [-n MIB] [-s BYTES of the file]", &options);
	if (!kernel_can()) {
		printf("sendfile: this kernel has no TLS\n");
		return BENCH_SKIPPED;
	}
	bench = (struct sendfile_bench){
		.raw = bench_peer_start(BENCH_PEER_RAW),
		.tls = bench_peer_start(BENCH_PEER_TLS),
		.server = bench_server(NULL, KTLS_OFFLOAD_REQUIRED, true),
		.file_fd = make_file(options.size),
		.len = options.size,
		.rounds = (options.amount * MIB + options.size - 1) / options.size,
	};
	bench_compare("server CPU of sendfile", "ns/KiB", arms, sizeof(arms) / sizeof(arms[0]),
		      &options);
	bench_peer_stop(&bench.raw);
	bench_peer_stop(&bench.tls);
	ktls_config_unref(bench.server);
	close(bench.file_fd);
	return 0;
}
