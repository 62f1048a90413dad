/* SPDX-License-Identifier: MIT */

/* See party.h. */

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "party.h"
#include "rival_gnutls.h"

enum {
	SERVER_CPU = 0,
};

const char *party_why_not(const struct arm *arm, enum ktls_protocol protocol)
{
	bool tx = arm->protection == ARM_KERNEL_TX || arm->protection == ARM_KERNEL;
	struct ktls_probe probe;
	const uint16_t *reasons;

	bench_must(ktls_probe(&probe, sizeof(probe)), "asking the kernel", NULL);
	reasons = protocol == KTLS_TLS_1_2 ? probe.tls12[KTLS_AES_128_GCM]
					   : probe.tls13[KTLS_AES_128_GCM];
	if (tx && reasons[KTLS_TX])
		return ktls_reason_text(reasons[KTLS_TX]);
	if (arm->protection == ARM_KERNEL && reasons[KTLS_RX])
		return ktls_reason_text(reasons[KTLS_RX]);
	return NULL;
}

static int set_offload(struct ktls_config *config, enum arm_protection protection)
{
	static const enum ktls_offload when[] = { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED };
	bool rx = protection == ARM_KERNEL, tx = rx || protection == ARM_KERNEL_TX;
	int r = ktls_config_set_offload(config, KTLS_TX, when[tx], 0);

	return r ? r : ktls_config_set_offload(config, KTLS_RX, when[rx], 0);
}

int party_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SERVER_CPU : -1;
}

struct ktls_config *party_config(enum ktls_role role, const struct workload *workload,
				 const struct arm *arm, const struct bench_identity *identity)
{
	enum ktls_cipher cipher = KTLS_AES_128_GCM;
	struct ktls_config *config;
	int r;

	bench_must(ktls_config_new(&config, role), "making a config", NULL);
	r = ktls_config_set_protocols(config, workload->protocol, workload->protocol);
	if (!r)
		r = ktls_config_set_ciphers(config, &cipher, 1);
	if (!r && arm && arm->protection == ARM_PLAIN)
		r = ktls_config_set_insecure_plaintext(config);
	else if (!r && role == KTLS_SERVER)
		r = ktls_config_add_identity(config, identity->chain, identity->chain_len,
					     identity->key, identity->key_len);
	else if (!r)
		r = ktls_config_set_insecure_no_verify(config);
	if (!r && role == KTLS_CLIENT && workload->resume)
		r = ktls_config_set_tickets(config, 1);
	/* The client's are never in the kernel: what that counts is the server's. */
	if (!r)
		r = set_offload(config, role == KTLS_SERVER ? arm->protection : ARM_USER);
	bench_must(r, "making a config", ktls_config_error(config));
	return config;
}

/* One of our own is new for each run. */
static void start_arm(struct party *party)
{
	const struct party_task *task = party->task;
	struct bench_identity identity = rival_make_identity(task->workload->rsa);

	party->service = (struct service){ .host = task->host,
					   .conns = task->workload->conns,
					   .ring = task->arm->ring,
					   .file = task->arm->file,
					   .slow_us = task->slow_us };
	if (task->arm->protection == ARM_GNUTLS) {
		party->service.rival = rival_new(&identity, true, task->workload->protocol);
	} else {
		party->service.config =
			party_config(KTLS_SERVER, task->workload, task->arm, &identity);
	}
	rival_free_identity(&identity);
	party->process = service_start(&party->service, task->cpu);
	party->pid = party->process.pid;
}

static struct party_memory memory_of(const struct party *party)
{
	struct bench_kernel_memory kernel = bench_kernel_memory();
	struct party_memory memory = {
		.process = (int64_t)usage_process_memory(party->pid),
		.slab = (int64_t)kernel.slab,
		.sockets = (int64_t)kernel.tcp,
	};

	if (party->task->arm)
		memory.heap = (int64_t)atomic_load(&party->process.notice->heap);
	return memory;
}

static unsigned int rests_of(const struct party *party)
{
	return party->task->arm ? atomic_load(&party->process.notice->rests) : 0;
}

/* Of the heap it is known only if the server has come to rest since. */
static struct party_memory memory_since(const struct party *party)
{
	struct party_memory before = party->memory, after = memory_of(party);

	return (struct party_memory){
		.has_heap = party->rests && rests_of(party) > party->rests,
		.heap = after.heap - before.heap,
		.process = after.process - before.process,
		.slab = after.slab - before.slab,
		.sockets = after.sockets - before.sockets,
	};
}

void party_start(struct party *party, const struct party_task *task)
{
	*party = (struct party){ .task = task };
	party->has_counters = !ktls_counters_read(&party->counters, sizeof(party->counters));
	if (task->stranger) {
		party->process.port = task->stranger->place.port;
		party->pid = task->stranger->pid;
	} else {
		start_arm(party);
	}
	if (task->arm && task->workload->kind == WORK_IDLE)
		service_await_rest(&party->process);
	party->rests = rests_of(party);
	party->memory = memory_of(party);
}

void party_begin(struct party *party)
{
	party->watch = usage_watch_new(party->pid);
	party->usage = usage_take(party->watch);
}

/* -- Where the records were protected -- */

/* The server's sockets, as sock_diag(7) tells of them. */
struct sighting {
	size_t seen, told, keyed;
	struct ktls_diag_socket one; /* that has keys in the kernel */
};

static bool is_keyed(const struct ktls_diag_socket *socket)
{
	return socket->mode[KTLS_TX] > KTLS_DIAG_NONE || socket->mode[KTLS_RX] > KTLS_DIAG_NONE;
}

static struct sighting sight(uint16_t port)
{
	struct sighting sighting = { 0 };
	struct ktls_diag_socket socket;
	struct ktls_diag *diag;

	if (ktls_diag_new(&diag, KTLS_DIAG_EVERY))
		return sighting;
	for (size_t i = 0; i < ktls_diag_count(diag); i++) {
		if (ktls_diag_get(diag, i, &socket, sizeof(socket)) || socket.local.port != port ||
		    socket.state != TCP_ESTABLISHED)
			continue;
		sighting.seen++;
		sighting.told += socket.told & KTLS_DIAG_TOLD_TLS;
		if (!is_keyed(&socket))
			continue;
		sighting.keyed++;
		sighting.one = socket;
	}
	ktls_diag_free(diag);
	return sighting;
}

static void prove(const struct party *party, char proof[PARTY_PROOF_LEN])
{
	struct sighting sighting = sight(party->process.port);
	const struct ktls_diag_socket *one = &sighting.one;
	struct ktls_counters now;
	int n;

	if (sighting.keyed)
		n = snprintf(proof, PARTY_PROOF_LEN,
			     "server: keys of %zu of %zu sockets in the kernel, %s %s, tx=%s rx=%s",
			     sighting.keyed, sighting.seen, ktls_protocol_name(one->protocol),
			     one->cipher, ktls_diag_mode_name(one->mode[KTLS_TX]),
			     ktls_diag_mode_name(one->mode[KTLS_RX]));
	else if (sighting.told || !sighting.seen)
		n = snprintf(proof, PARTY_PROOF_LEN,
			     "server: keys of none of %zu sockets in the kernel", sighting.seen);
	else
		n = snprintf(proof, PARTY_PROOF_LEN,
			     "server: whether keys of %zu sockets are in the kernel is told to "
			     "CAP_NET_ADMIN alone",
			     sighting.seen);
	if (!party->has_counters || ktls_counters_read(&now, sizeof(now)) ||
	    ktls_counters_difference(&party->counters, &now, &now, sizeof(now)))
		return;
	snprintf(proof + n, PARTY_PROOF_LEN - (size_t)n,
		 "; its kernel counted TlsTxSw +%llu, TlsRxSw +%llu, TlsTxDevice +%llu, "
		 "TlsRxDevice +%llu",
		 (unsigned long long)now.value[KTLS_COUNTER_TX_SW],
		 (unsigned long long)now.value[KTLS_COUNTER_RX_SW],
		 (unsigned long long)now.value[KTLS_COUNTER_TX_DEVICE],
		 (unsigned long long)now.value[KTLS_COUNTER_RX_DEVICE]);
}

void party_end(struct party *party, struct party_report *ret_report)
{
	ret_report->spent = usage_between(party->usage, usage_take(party->watch));
	ret_report->memory = memory_since(party);
	prove(party, ret_report->proof);
	party->watch = usage_watch_free(party->watch);
}

void party_stop(struct party *party)
{
	if (!party->task->arm)
		return;
	service_stop(&party->process);
	ktls_config_unref(party->service.config);
	if (party->service.rival)
		rival_free(party->service.rival);
}
