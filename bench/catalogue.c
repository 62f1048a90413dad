/* SPDX-License-Identifier: MIT */

/* See catalogue.h. */

#include "catalogue.h"

/* More connections than two hide the wait for the other side; 64 keep a server busy. */
#define BULK	.kind = WORK_BULK, .protocol = KTLS_TLS_1_3
#define REQUEST .kind = WORK_REQUEST, .protocol = KTLS_TLS_1_3
#define IDLE	.kind = WORK_IDLE, .size = 1024, .protocol = KTLS_TLS_1_3
#define HANDSHAKE \
	.kind = WORK_REQUEST, .size = 1024, .conns = 8, .reconnect = true, .handshakes_only = true

const struct workload workloads[] = {
	{ "bulk-4k", BULK, .size = 4096, .conns = 64 },
	{ "bulk-64k", BULK, .size = 65536, .conns = 16 },
	{ "bulk-1m", BULK, .size = 1 << 20, .conns = 8 },
	{ "bulk-64m", BULK, .size = 64 << 20, .conns = 4 },
	{ "bulk-1g", BULK, .size = 1u << 30, .conns = 4 },
	{ "upload-1m", BULK, .size = 1 << 20, .conns = 8, .upload = true },
	{ "request-1k", REQUEST, .size = 1024, .conns = 64 },
	{ "rate-1k", REQUEST, .size = 1024, .conns = 64, .rated = true },
	{ "ping-64", REQUEST, .size = 64, .conns = 1 },
	{ "handshake-1.3", HANDSHAKE, .protocol = KTLS_TLS_1_3 },
	{ "handshake-1.2", HANDSHAKE, .protocol = KTLS_TLS_1_2 },
	{ "handshake-1.3-rsa", HANDSHAKE, .protocol = KTLS_TLS_1_3, .rsa = true },
	{ "handshake-1.2-rsa", HANDSHAKE, .protocol = KTLS_TLS_1_2, .rsa = true },
	{ "resume-1.3", HANDSHAKE, .resume = true, .protocol = KTLS_TLS_1_3 },
	{ "resume-1.2", HANDSHAKE, .resume = true, .protocol = KTLS_TLS_1_2 },
	{ "connect-1k", REQUEST, .size = 1024, .conns = 8, .reconnect = true },
	{ "idle-100", IDLE, .conns = 100 },
	{ "idle-1k", IDLE, .conns = 1000 },
	{ "idle-10k", IDLE, .conns = 10000, .asked = true },
	{ 0 },
};

const struct arm arms[] = {
	{ "plain-write", ARM_PLAIN, false, false },
	{ "plain-sendfile", ARM_PLAIN, true, false },
	{ "plain-ring", ARM_PLAIN, false, true },
	{ "plain-ring-sendfile", ARM_PLAIN, true, true },
	{ "gnutls-write", ARM_GNUTLS, false, false },
	{ "user-write", ARM_USER, false, false },
	{ "user-sendfile", ARM_USER, true, false },
	{ "user-ring", ARM_USER, false, true },
	{ "user-ring-sendfile", ARM_USER, true, true },
	{ "tx-write", ARM_KERNEL_TX, false, false },
	{ "tx-sendfile", ARM_KERNEL_TX, true, false },
	{ "tx-ring", ARM_KERNEL_TX, false, true },
	{ "tx-ring-sendfile", ARM_KERNEL_TX, true, true },
	{ "kernel-write", ARM_KERNEL, false, false },
	{ "kernel-sendfile", ARM_KERNEL, true, false },
	{ "kernel-ring", ARM_KERNEL, false, true },
	{ "kernel-ring-sendfile", ARM_KERNEL, true, true },
	{ 0 },
};
