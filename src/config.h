/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_CONFIG_H
#define KTLS_SRC_CONFIG_H

/* The inside of a config. Written while it is being set; after the freeze only read, by any thread.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <ktls/config.h>
#include <ktls/probe.h>

#include "facts.h"
#include "tenants.h"

struct iovec;
struct ktls_ciphers;
struct ktls_conn;
struct ktls_credentials;
struct ktls_pool;
struct ktls_resumption;

enum {
	KTLS_CONFIG_ERROR_LEN = 192,
	KTLS_ALPN_MAX = 32, /* protocols */
	KTLS_GROUPS_MAX = 5,
	KTLS_BUFFERS_DEFAULT = 1024,
	KTLS_BUFFERS_MAX = 65536,
	KTLS_KEY_RECORDS_MAX = 1 << 24,
	KTLS_PAYLOAD_MIN = 64, /* RFC 8449 4 */
	KTLS_TICKETS_DEFAULT = 2,
	KTLS_TICKETS_MAX = 8,
	KTLS_TICKET_LIFETIME_DEFAULT_S = 6 * 3600,
	KTLS_TICKET_LIFETIME_MAX_S = 7 * 86400, /* RFC 8446 4.6.1 */
	KTLS_EARLY_DATA_MAX = 65536,
	KTLS_PIN_LEN = 32, /* SHA-256 */
	KTLS_PINS_MAX = 16,
};

struct ktls_offload_rule {
	enum ktls_offload when;
	uint64_t bytes;
};

/* Whether the handshake fails where the kernel cannot. */
static inline bool ktls_offload_is_required(enum ktls_offload when)
{
	return when == KTLS_OFFLOAD_REQUIRED || when == KTLS_OFFLOAD_NIC;
}

/* Small records at the beginning of a stream; payload 0: no. */
struct ktls_first_records {
	uint16_t payload;
	uint32_t bytes;
	uint32_t idle_ms;
};

/* How peers are verified, if not by default. */
struct ktls_verify {
	int (*verify)(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n);
	void *context;
	uint8_t pins[KTLS_PINS_MAX][KTLS_PIN_LEN];
	size_t pins_n;
	bool require_staple;
};

struct ktls_config {
	atomic_uint refs;
	pthread_mutex_t freezing;
	atomic_bool frozen;
	enum ktls_role role;
	enum ktls_client_auth client_auth;
	bool insecure_no_verify;
	bool insecure_plaintext;
	struct ktls_verify verify;
	enum ktls_protocol protocol_min, protocol_max;
	enum ktls_cipher ciphers[_KTLS_CIPHER_N];
	size_t ciphers_n;
	enum ktls_group groups[KTLS_GROUPS_MAX];
	size_t groups_n;
	bool require_fips;
	char *alpn[KTLS_ALPN_MAX];
	size_t alpn_n;
	struct ktls_offload_rule offload[_KTLS_DIRECTION_N];
	size_t buffers;
	unsigned int tickets;
	uint32_t ticket_lifetime_s;
	char *ticket_file;
	uint32_t early_data_bytes;
	int (*replay_add)(void *context, const void *key, size_t len, uint64_t expires_s);
	void *replay_context;
	uint64_t key_records; /* 0: as the cipher allows */
	struct ktls_first_records first_records;
	uint16_t padding; /* block; 0: none */
	struct ktls_wanted wanted;
	struct ktls_credentials *credentials;
	struct ktls_tenants tenants;
	struct ktls_pool *pool; /* made by the freeze, as what follows */
	struct ktls_ciphers *aeads;
	struct ktls_resumption *resumption; /* NULL: no tickets */
	const struct ktls_probe *probe;	    /* NULL if the kernel is never wanted */
	char error_text[KTLS_CONFIG_ERROR_LEN];
};

/* Makes what connections share, once: trust, priorities, pool, probe. Any thread; 0 or why not. */
int ktls_config_freeze(struct ktls_config *config);

/* Every setter begins here: forgets the last sentence, refuses a frozen config. -EINVAL, -EBUSY. */
int ktls_config_begin_set(struct ktls_config *config);

/* What a setter answers to a value that makes no sense: -EINVAL, with `what` in its sentence. */
int ktls_config_fail_value(struct ktls_config *config, const char *what);

/* Keeps a sentence and returns the code. Only before the freeze: one thread writes then. */
int ktls_config_fail(struct ktls_config *config, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
