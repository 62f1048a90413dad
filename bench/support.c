/* SPDX-License-Identifier: MIT */

/* What the measurements share; see support.h. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

enum {
	DRAIN_LEN = 1 << 20,
	BACKLOG = 4096,
};

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void bench_must(int rc, const char *what, const char *detail)
{
	if (rc)
		bench_die("%s: %s. %s", what, ktls_strerror(rc), detail ? detail : "");
}

uint64_t bench_number(const char *text, uint64_t max, const char *usage)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !value || value > max)
		bench_die("%s: a number from 1 to %llu is needed\n%s", text,
			  (unsigned long long)max, usage);
	return value;
}

void bench_parse(int argc, char **argv, const char *usage, struct bench_options *options)
{
	int option;

	while ((option = getopt(argc, argv, "a:r:n:s:")) != -1) {
		if (option == 'r')
			options->runs = (unsigned int)bench_number(optarg, BENCH_RUNS_MAX, usage);
		else if (option == 'a')
			options->arm = (unsigned int)bench_number(optarg, BENCH_ARMS_MAX, usage);
		else if (option == 'n')
			options->amount = bench_number(optarg, 1u << 20, usage);
		else if (option == 's')
			options->size = bench_number(optarg, 1u << 30, usage);
		else
			bench_die("%s", usage);
	}
	if (optind != argc)
		bench_die("%s", usage);
}

void bench_allow_fds(uint64_t n)
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

uint64_t bench_kernel_number(const char *path, const char *line, const char *name)
{
	FILE *file = fopen(path, "re");
	char text[256], *at;
	uint64_t value = 0;

	while (file && fgets(text, sizeof(text), file)) {
		if (strncmp(text, line, strlen(line)) != 0)
			continue;
		at = strstr(text + strlen(line), name);
		if (at)
			value = strtoull(at + strlen(name), NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

struct bench_kernel_memory bench_kernel_memory(void)
{
	return (struct bench_kernel_memory){
		.slab = bench_kernel_number("/proc/meminfo", "Slab:", "") * 1024,
		.tcp = bench_kernel_number("/proc/net/sockstat", "TCP:", " mem ") *
		       (uint64_t)sysconf(_SC_PAGESIZE),
	};
}

uint64_t bench_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

pid_t bench_fork(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	return 0;
}

void bench_stay_on(int cpu, bool avoid)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		bench_die("sched_getaffinity: %s", strerror(errno));
	if (!avoid)
		CPU_ZERO(&set);
	if (avoid)
		CPU_CLR((size_t)cpu, &set);
	else
		CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("running on%s CPU %d: %s", avoid ? " any but" : "", cpu, strerror(errno));
}

/* Comparing */

struct series {
	double values[BENCH_RUNS_MAX];
	unsigned int n;
};

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct series *sorted)
{
	unsigned int half = sorted->n / 2;

	return sorted->n % 2 ? sorted->values[half]
			     : (sorted->values[half - 1] + sorted->values[half]) / 2;
}

static void print_series(const char *name, struct series series, const char *unit)
{
	qsort(series.values, series.n, sizeof(series.values[0]), order);
	printf("  %-40s %9.3f %s  (%.3f .. %.3f)\n", name, median(&series), unit, series.values[0],
	       series.values[series.n - 1]);
}

static struct series ratios(const struct series *a, const struct series *b)
{
	struct series result = { .n = a->n };

	for (unsigned int i = 0; i < a->n; i++)
		result.values[i] = a->values[i] / b->values[i];
	return result;
}

static void print_ratios(const struct bench_arm *arms, const struct series *series, size_t n)
{
	char name[BENCH_NAME_MAX];

	for (size_t i = 0; i + 1 < n; i++) {
		snprintf(name, sizeof(name), "%s / %s", arms[i].name, arms[n - 1].name);
		print_series(name, ratios(&series[i], &series[n - 1]), "times");
	}
}

void bench_compare(const char *title, const char *unit, const struct bench_arm *arms, size_t n,
		   const struct bench_options *options)
{
	struct series series[BENCH_ARMS_MAX] = { 0 };

	if (options->arm > n)
		bench_die("there are %zu arms", n);
	if (options->arm) {
		arms += options->arm - 1;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) /* to warm up */
		arms[i].run(arms[i].context);
	for (unsigned int run = 0; run < options->runs; run++) {
		for (size_t turn = 0; turn < n; turn++) {
			size_t i = run % 2 ? n - 1 - turn : turn;

			series[i].values[run] = arms[i].run(arms[i].context);
			series[i].n = run + 1;
		}
	}
	printf("%s: median of %u runs (least .. most)\n", title, options->runs);
	for (size_t i = 0; i < n; i++)
		print_series(arms[i].name, series[i], unit);
	print_ratios(arms, series, n);
	fflush(stdout);
}

/* The other end */

static void drain(int fd)
{
	static char bytes[DRAIN_LEN];
	ssize_t n;

	do {
		/* TCP drops them without a copy. */
		n = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);
	} while (n > 0 || (n < 0 && errno == EINTR));
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		bench_die("connecting: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static struct ktls_config *make_client(void)
{
	struct ktls_config *config;

	bench_must(ktls_config_new(&config, KTLS_CLIENT), "making a client", NULL);
	bench_must(ktls_config_set_insecure_no_verify(config), "making a client",
		   ktls_config_error(config));
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		bench_must(ktls_config_set_offload(config, d, KTLS_OFFLOAD_NEVER, 0),
			   "making a client", ktls_config_error(config));
	return config;
}

/* The server's first bytes, so that nothing stays under way. */
static void await_bytes(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	char bytes[4096];

	if (poll(&pollfd, 1, -1) != 1 || recv(fd, bytes, sizeof(bytes), 0) <= 0)
		bench_die("waiting for the server's bytes: %s", strerror(errno));
}

/* Ends only with its parent: the server may have closed after any number of connections. */
static _Noreturn void play_peer(const struct sockaddr_in *address, enum bench_peer_kind kind)
{
	struct ktls_config *config = make_client();
	int fd, flags = 0;

	if (kind == BENCH_PEER_HOLD)
		bench_must(ktls_config_set_tickets(config, 1), "making a client", NULL);

	for (;;) {
		fd = connect_to(address);
		if (kind != BENCH_PEER_RAW)
			ktls_conn_free(bench_open(config, fd));
		if (kind == BENCH_PEER_HOLD) {
			await_bytes(fd);
			continue;
		}
		/* The library has made it non-blocking; FIONBIO is the shortest way back. */
		if (ioctl(fd, FIONBIO, &flags))
			bench_die("FIONBIO: %s", strerror(errno));
		drain(fd);
		close(fd);
	}
}

static int listen_on_loopback(struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		bench_die("listening on loopback: %s", strerror(errno));
	*ret_address = address;
	return fd;
}

struct bench_peer bench_peer_start(enum bench_peer_kind kind)
{
	struct sockaddr_in address;
	struct bench_peer peer = { .listener = listen_on_loopback(&address) };

	peer.pid = bench_fork();
	if (peer.pid)
		return peer;
	close(peer.listener);
	play_peer(&address, kind);
}

void bench_pair(int ret_fds[2])
{
	struct sockaddr_in address;
	struct bench_peer peer = { .listener = listen_on_loopback(&address) };

	ret_fds[0] = connect_to(&address);
	ret_fds[1] = bench_peer_accept(&peer);
	close(peer.listener);
}

void bench_peer_stop(struct bench_peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	close(peer->listener);
}

int bench_peer_accept(const struct bench_peer *peer)
{
	int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	int one = 1;

	if (fd < 0)
		bench_die("accept: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Our own arm */

static void set_identity(struct ktls_config *config, const struct bench_identity *identity)
{
	static const char *const names[] = { "localhost" };
	int rc;

	if (identity)
		rc = ktls_config_add_identity(config, identity->chain, identity->chain_len,
					      identity->key, identity->key_len);
	else
		rc = ktls_config_add_identity_self_signed(config, names, 1);
	bench_must(rc, "making a server", ktls_config_error(config));
}

struct ktls_config *bench_server(const struct bench_identity *identity, enum ktls_offload offload,
				 bool one_suite)
{
	enum ktls_cipher cipher = KTLS_AES_128_GCM;
	struct ktls_config *config;

	bench_must(ktls_config_new(&config, KTLS_SERVER), "making a server", NULL);
	set_identity(config, identity);
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		bench_must(ktls_config_set_offload(config, d, offload, 0), "making a server",
			   ktls_config_error(config));
	if (!one_suite)
		return config;
	bench_must(ktls_config_set_protocols(config, KTLS_TLS_1_3, KTLS_TLS_1_3), "making a server",
		   ktls_config_error(config));
	bench_must(ktls_config_set_ciphers(config, &cipher, 1), "making a server",
		   ktls_config_error(config));
	return config;
}

struct ktls_conn *bench_open(struct ktls_config *config, int fd)
{
	struct ktls_conn *conn;

	bench_must(ktls_conn_new(&conn, config, fd), "making a connection",
		   ktls_config_error(config));
	bench_must(ktls_conn_handshake(conn, KTLS_FOREVER), "handshake", ktls_conn_error(conn));
	return conn;
}

void bench_check_protection(const struct ktls_conn *conn, enum ktls_protection protection)
{
	struct ktls_info info;

	bench_must(ktls_conn_get_info(conn, &info, sizeof(info)), "asking a connection", NULL);
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		if (info.protection[d] != protection)
			bench_die("direction %u is protected in %s: %s", d,
				  ktls_protection_name(info.protection[d]),
				  ktls_reason_text(info.reason[d]));
}
