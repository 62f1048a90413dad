/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_NIC_H
#define KTLS_TESTS_NIC_H

/*
 * A NIC that is not there: what the kernel says over netlink of routes, devices and sockets is the
 * test's to write, kind by kind, behind the seam of system calls. A kind of which nothing was
 * written is asked of the real kernel, and so is all that is not netlink. One per process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/device.h>

#include "src/netlink.h"

enum nic_request {
	NIC_ROUTE = 0,
	NIC_LINK,
	NIC_FAMILY,
	NIC_FEATURES,
	NIC_SWITCH,
	NIC_SOCKET,
	_NIC_REQUESTS_N,
};

enum nic_limit {
	NIC_ANSWERS_MAX = 16,
	NIC_ETHTOOL = 33, /* the number of that family here */
};

/* A feature that is listed beside those of TLS. */
#define NIC_OTHER_FEATURE "rx-all"

/* What a socket's TLS is, in the kernel's numbers (TLS_CONF_... of its net/tls.h). */
enum nic_conf {
	NIC_CONF_NOT_TOLD = 0,
	NIC_CONF_BASE = 1,
	NIC_CONF_SW = 2,
	NIC_CONF_HW = 3,
	NIC_CONF_RECORD = 4,
};

struct nic_kind {
	struct ktls_ask answers[NIC_ANSWERS_MAX];
	size_t n;
	int error;	    /* instead; 0: none */
	unsigned int asked; /* how often */
	uint16_t flags;	    /* of the last request */
	size_t len;
	uint8_t request[KTLS_NETLINK_ASK_MAX]; /* the last one, behind its header */
};

struct nic {
	struct nic_kind kinds[_NIC_REQUESTS_N];
	bool cut; /* the last byte of every answer is lost */
};

extern struct nic nic;

/* From here on; only the family of ethtool has an answer. */
void nic_begin(void);

/* One more message in what a request of that kind is answered. */
void nic_answer(enum nic_request request, const struct ktls_ask *message);
void nic_refuse(enum nic_request request, int error);
/* The real kernel is asked again. */
void nic_forget(enum nic_request request);

/* Such messages. */
void nic_say_route(uint32_t index);
void nic_say_link(uint32_t index, const char *name, uint32_t master);
/* A bond, by IFLA_BOND_MODE and IFLA_BOND_XMIT_HASH_POLICY. */
void nic_say_bond(uint32_t index, const char *name, uint8_t mode, uint8_t policy);
/* By enum ktls_device_state; UNKNOWN: in compact form, without names. */
void nic_say_features(uint32_t index, unsigned int tx, unsigned int rx, unsigned int record);
/* What a switch answers: this feature did not follow; NULL: all did. */
void nic_say_refusal(const char *feature);

/* The socket that is asked about: each direction, by enum nic_conf; NOT_TOLD: nothing of an upper
 * layer is said, as to who has no CAP_NET_ADMIN. */
void nic_say_socket(unsigned int tx, unsigned int rx);

#endif
