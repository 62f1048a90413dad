/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H

/*
 * What the measurements share: the other end of a connection as a process of its own, so that its
 * CPU time is not counted; the CPU time of this one; and runs of several arms in turn, told as
 * medians with their spread. Whatever fails ends the program with a sentence.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/ktls.h>

enum {
	BENCH_SKIPPED = 77, /* exit status: this kernel cannot do it */
	BENCH_RUNS_MAX = 99,
	BENCH_ARMS_MAX = 4,
	BENCH_NAME_MAX = 64,
};

_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program if rc is not 0; `detail` is the object's own sentence, or NULL. */
void bench_must(int rc, const char *what, const char *detail);

/* Options: -r RUNS, -n AMOUNT (of what is the program's to say), -s SIZE in bytes, -a ARM: only
 * that one, counted from 1, for a profiler. */
struct bench_options {
	unsigned int runs;
	unsigned int arm; /* 0: all */
	uint64_t amount;
	size_t size;
};

/* Over the defaults that *options holds. */
void bench_parse(int argc, char **argv, const char *usage, struct bench_options *options);

/* A number from 1 to max, or the program ends. */
uint64_t bench_number(const char *text, uint64_t max, const char *usage);

/* At least so many descriptors at once, or the program ends. */
void bench_allow_fds(uint64_t n);

/* The number behind a name in one of the kernel's tables; 0 if it is not there. */
uint64_t bench_kernel_number(const char *path, const char *line, const char *name);

/* Bytes that the kernel has for itself, and those that TCP's sockets hold. */
struct bench_kernel_memory {
	uint64_t slab, tcp;
};

struct bench_kernel_memory bench_kernel_memory(void);

/* CPU time of this process, user and system, in nanoseconds. */
uint64_t bench_cpu_ns(void);

/* Forks: the child, in which 0 is answered, ends with this process, also if that has just ended. */
pid_t bench_fork(void);

/* This thread runs on that CPU from now on, or on any but that. */
void bench_stay_on(int cpu, bool avoid);

/* An arm of a comparison. run() is one run, and answers the figure. */
struct bench_arm {
	const char *name;
	double (*run)(void *context);
	void *context;
};

/* Runs all arms in turn, so that what else the machine does meets each alike, and prints median,
 * least and most of each, and of the ratios to the last arm, run by run. */
void bench_compare(const char *title, const char *unit, const struct bench_arm *arms, size_t n,
		   const struct bench_options *options);

/* What the other end does with each of its connections, one after the other. */
enum bench_peer_kind {
	BENCH_PEER_RAW,	 /* takes bytes and throws them away, unread */
	BENCH_PEER_TLS,	 /* the same after a handshake */
	BENCH_PEER_HOLD, /* a handshake, tickets and a few bytes taken; the connection stays open,
			    and so do those before it */
};

struct bench_peer {
	int listener;
	pid_t pid;
};

struct bench_peer bench_peer_start(enum bench_peer_kind kind);
void bench_peer_stop(struct bench_peer *peer);
/* The next connection of the peer's: a blocking socket, without Nagle. */
int bench_peer_accept(const struct bench_peer *peer);

/* Both ends of a TCP connection on loopback, in this process: blocking, without Nagle. */
void bench_pair(int ret_fds[2]);

/* A chain and its key as PEM. */
struct bench_identity {
	char *chain;
	size_t chain_len;
	char *key;
	size_t key_len;
};

/* A server's config with that identity (NULL: a throw-away one) and an offload for both
 * directions; AES-128-GCM in TLS 1.3 if `one_suite`, else what is the default. */
struct ktls_config *bench_server(const struct bench_identity *identity, enum ktls_offload offload,
				 bool one_suite);

/* A connection on the socket after its handshake. */
struct ktls_conn *bench_open(struct ktls_config *config, int fd);

/* Ends the program unless both directions are protected where they should be. */
void bench_check_protection(const struct ktls_conn *conn, enum ktls_protection protection);

#endif
