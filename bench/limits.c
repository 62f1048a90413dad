/* SPDX-License-Identifier: MIT */

/*
 * `ktls-bench limits`: what nothing on this machine can beat, measured on the spot. A byte of TLS
 * costs at least its cipher; a byte through a socket at least what TCP takes for it; an answer at
 * least a system call and what TCP does for it; a full handshake at least the server's signature. A
 * figure of a server is worth as much as it comes near to these.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commands.h"
#include "figures.h"
#include "rival_gnutls.h"

static const char usage[] =
	"usage: ktls-bench limits [-r RUNS] [-t MILLISECONDS] [--json]\n\n"
	"Measures what ciphers, signatures, a copy, a system call and TCP cost on this CPU.\n\n"
	"  -r RUNS           of each, in turn; 9 by default\n"
	"  -t MILLISECONDS   of CPU time for each run; 100 by default\n"
	"  --json            for programs\n";

enum {
	RECORD_LEN = 16384,
	COLD_LEN = 64 << 20, /* more than the caches hold */
	CALLS = 1000,	     /* between two looks at the clock */
	PING_LEN = 64,
	PINGS = 100,
	SIGNATURES = 4,
	FILE_LEN = 64 << 20,
	MS = 1000000,
};

/* What the runs need, made once. */
struct ground {
	uint8_t *from, *to; /* COLD_LEN each */
	size_t at;
	struct rival_cipher *cipher;
	struct rival_signer *ecdsa, *rsa;
	int pair[2]; /* TCP on loopback */
	int file;
};

/* One step's work: how many units of it were done. */
struct limit {
	const char *workload;
	const char *arm;
	const char *unit;
	double per_second; /* the figure is units a second, divided by that; 0: ns a unit */
	uint64_t (*step)(struct ground *ground);
	unsigned int cipher; /* 1 + enum ktls_cipher; 0: none */
};

static uint64_t seal(struct ground *ground)
{
	for (int i = 0; i < 16; i++)
		rival_seal(ground->cipher, ground->from, RECORD_LEN, ground->to);
	return 16 * RECORD_LEN;
}

static uint64_t copy_hot(struct ground *ground)
{
	for (int i = 0; i < 64; i++)
		memcpy(ground->to + (size_t)(i % 2) * RECORD_LEN, ground->from, RECORD_LEN);
	return 64 * RECORD_LEN;
}

static uint64_t copy_cold(struct ground *ground)
{
	for (int i = 0; i < 64; i++) {
		memcpy(ground->to + ground->at, ground->from + ground->at, RECORD_LEN);
		ground->at = (ground->at + RECORD_LEN) % COLD_LEN;
	}
	return 64 * RECORD_LEN;
}

static uint64_t call(struct ground *ground)
{
	(void)ground;
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return CALLS;
}

static void receive(int fd, uint8_t *bytes, size_t len, int flags)
{
	while (len) {
		ssize_t n = recv(fd, bytes, len, flags);

		if (n <= 0 && errno != EINTR)
			bench_die("recv on loopback: %s", strerror(errno));
		if (n > 0)
			len -= (size_t)n;
	}
}

static uint64_t send_file(struct ground *ground)
{
	off_t offset = (off_t)(ground->at % FILE_LEN);
	ssize_t n = sendfile(ground->pair[0], ground->file, &offset, RECORD_LEN * 8);

	if (n <= 0)
		bench_die("sendfile on loopback: %s", strerror(errno));
	receive(ground->pair[1], ground->to, (size_t)n, MSG_TRUNC);
	ground->at = ((size_t)offset + RECORD_LEN) % (FILE_LEN - RECORD_LEN * 8);
	return (uint64_t)n;
}

/* Both ends of so many, in this one process. */
static uint64_t ping(struct ground *ground)
{
	for (int i = 0; i < PINGS; i++) {
		for (int way = 0; way < 2; way++) {
			if (send(ground->pair[way], ground->from, PING_LEN, 0) != PING_LEN)
				bench_die("send on loopback: %s", strerror(errno));
			receive(ground->pair[!way], ground->to, PING_LEN, 0);
		}
	}
	return PINGS;
}

static uint64_t ping_ends(struct ground *ground)
{
	return 2 * ping(ground);
}

static uint64_t sign_by(struct rival_signer *signer)
{
	for (int i = 0; i < SIGNATURES; i++)
		rival_sign(signer);
	return SIGNATURES;
}

static uint64_t sign_ecdsa(struct ground *ground)
{
	return sign_by(ground->ecdsa);
}

static uint64_t sign_rsa(struct ground *ground)
{
	return sign_by(ground->rsa);
}

static const struct limit limits[] = {
	{ "seal records of 16 KiB (GnuTLS)", "AES-128-GCM", "GB/s", 1e9, seal,
	  1 + KTLS_AES_128_GCM },
	{ "seal records of 16 KiB (GnuTLS)", "AES-256-GCM", "GB/s", 1e9, seal,
	  1 + KTLS_AES_256_GCM },
	{ "seal records of 16 KiB (GnuTLS)", "AES-128-CCM", "GB/s", 1e9, seal,
	  1 + KTLS_AES_128_CCM },
	{ "seal records of 16 KiB (GnuTLS)", "CHACHA20-POLY1305", "GB/s", 1e9, seal,
	  1 + KTLS_CHACHA20_POLY1305 },
	{ "copy 16 KiB", "within the caches", "GB/s", 1e9, copy_hot, 0 },
	{ "copy 16 KiB", "beyond the caches", "GB/s", 1e9, copy_cold, 0 },
	{ "a system call", "getppid", "ns", 0, call, 0 },
	{ "TCP on loopback, both ends", "sendfile, bytes dropped unread", "GB/s", 1e9, send_file,
	  0 },
	{ "TCP on loopback, both ends", "64 bytes there and back", "thousand/s", 1e3, ping, 0 },
	{ "TCP on loopback, one end", "64 bytes received and sent", "thousand/s", 1e3, ping_ends,
	  0 },
	{ "sign a handshake (GnuTLS)", "ECDSA P-256", "thousand/s", 1e3, sign_ecdsa, 0 },
	{ "sign a handshake (GnuTLS)", "RSA 2048", "thousand/s", 1e3, sign_rsa, 0 },
};

enum {
	N_LIMITS = sizeof(limits) / sizeof(*limits),
};

/* In CPU time, so that neighbours count less. */
static double run(const struct limit *limit, struct ground *ground, uint64_t ns)
{
	uint64_t begin = bench_cpu_ns(), units = 0, spent;

	ground->at = 0;
	do {
		units += limit->step(ground);
		spent = bench_cpu_ns() - begin;
	} while (spent < ns);
	return limit->per_second ? (double)units * 1e9 / (double)spent / limit->per_second
				 : (double)spent / (double)units;
}

static uint8_t *map(size_t len)
{
	uint8_t *bytes =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		bench_die("%zu bytes of memory: %s", len, strerror(errno));
	memset(bytes, 0x5a, len); /* untouched pages would all be one */
	return bytes;
}

static int make_file(const uint8_t *bytes)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	for (size_t at = 0; at < FILE_LEN;) {
		ssize_t n = fd < 0 ? -1 : write(fd, bytes + at, FILE_LEN - at);

		if (n <= 0)
			bench_die("a file in memory: %s", strerror(errno));
		at += (size_t)n;
	}
	return fd;
}

static void prepare(struct ground *ground)
{
	ground->from = map(COLD_LEN);
	ground->to = map(COLD_LEN);
	ground->file = make_file(ground->from);
	ground->ecdsa = rival_signer_new(false);
	ground->rsa = rival_signer_new(true);
	bench_pair(ground->pair);
}

static void finish(struct ground *ground)
{
	munmap(ground->from, COLD_LEN);
	munmap(ground->to, COLD_LEN);
	rival_signer_free(ground->ecdsa);
	rival_signer_free(ground->rsa);
	close(ground->file);
	close(ground->pair[0]);
	close(ground->pair[1]);
}

static void measure_all(struct bench_figures *figures, unsigned int runs, uint64_t ns)
{
	struct ground ground = { 0 };

	prepare(&ground);
	for (size_t i = 0; i < N_LIMITS; i++)
		figures_add(figures, limits[i].workload, limits[i].arm, limits[i].unit,
			    !limits[i].per_second);
	for (unsigned int turn = 0; turn <= runs; turn++) { /* the first is to warm up */
		for (size_t i = 0; i < N_LIMITS; i++) {
			double value;

			if (limits[i].cipher)
				ground.cipher = rival_cipher_new(limits[i].cipher - 1);
			value = run(&limits[i], &ground, turn ? ns : ns / 10);
			if (limits[i].cipher)
				ground.cipher = rival_cipher_free(ground.cipher);
			if (turn)
				figure_run(&figures->list[i], value);
		}
	}
	finish(&ground);
}

json_t *limits_json(unsigned int runs, uint64_t ns)
{
	struct bench_figures figures = { 0 };
	json_t *list;

	measure_all(&figures, runs, ns);
	list = figures_json(&figures);
	figures_done(&figures);
	return list;
}

int limits_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct bench_figures figures = { 0 };
	uint64_t runs = 9, ms = 100;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "r:t:h", long_options, NULL)) != -1) {
		if (option == 'r')
			runs = bench_number(optarg, BENCH_RUNS_MAX, usage);
		else if (option == 't')
			ms = bench_number(optarg, 60000, usage);
		else if (option == 'j')
			json = true;
		else
			return bench_say_usage(usage, option == 'h');
	}
	if (optind != argc)
		return bench_say_usage(usage, false);
	measure_all(&figures, (unsigned int)runs, ms * MS);
	if (json)
		bench_print_json(json_pack("{s:o}", "limits", figures_json(&figures)));
	else
		figures_print(&figures, stdout);
	figures_done(&figures);
	return 0;
}
