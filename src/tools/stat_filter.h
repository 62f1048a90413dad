/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_FILTER_H
#define KTLS_TOOL_STAT_FILTER_H

/* Which sockets are wanted. What one option was given several times for is either of them; what
 * different ones were given for is all of it. No input or output. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/diag.h>

enum stat_filter_limit {
	STAT_FILTER_LIMIT_LIST = 16, /* of values for one option */
};

enum stat_filter_key {
	STAT_FILTER_PORT = 0,
	STAT_FILTER_LOCAL,
	STAT_FILTER_PEER,
	STAT_FILTER_STATE,
	STAT_FILTER_TLS,
	STAT_FILTER_CIPHER,
	STAT_FILTER_TX,
	STAT_FILTER_RX,
	STAT_FILTER_PROCESS,
	_STAT_FILTER_KEY_N,
};

/* What an address begins with. IPv4 within IPv6 is IPv4. */
struct stat_prefix {
	struct ktls_address address;
	unsigned int bits;
};

struct stat_prefixes {
	struct stat_prefix list[STAT_FILTER_LIMIT_LIST];
	size_t n;
};

/* All zeros: every socket. */
struct stat_filter {
	uint16_t ports[STAT_FILTER_LIMIT_LIST];
	size_t n_ports;
	struct stat_prefixes local, peer;
	uint32_t states;   /* 1u << state, as the masks below; 0: any */
	uint32_t versions; /* 1u << (protocol & 15) */
	uint32_t ciphers;  /* 1u << its place among those with a name here */
	uint32_t modes[_KTLS_DIRECTION_N];
	const char *processes[STAT_FILTER_LIMIT_LIST]; /* as given */
	size_t n_processes;
	bool ipv4, ipv6;
};

/* -EINVAL: that is no such value; -E2BIG: there are too many. `text` stays the caller's. */
int stat_filter_add(struct stat_filter *filter, enum stat_filter_key key, const char *text);

/* "port", and what its value has to be. */
const char *stat_filter_name(enum stat_filter_key key);
const char *stat_filter_wanted(enum stat_filter_key key);

/* All but its processes. */
bool stat_filter_match(const struct stat_filter *filter, const struct ktls_diag_socket *socket);
bool stat_filter_match_process(const struct stat_filter *filter, const char *name, int pid);

/* That of ktls_diag_state_name(), but "ESTAB", as ss(8) has it: there are many of them. */
const char *stat_state_name(unsigned int state);

#endif
