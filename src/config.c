/* SPDX-License-Identifier: MIT */

/*
 * What is decided before a connection. Setters check and copy; the first connection freezes the
 * config, which makes what all connections share, once; from then on it is only read.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/error.h>
#include <ktls/limits.h>
#include <ktls/session.h>

#include "ciphers.h"
#include "config.h"
#include "credentials.h"
#include "ktls/kern.h"
#include "pool.h"
#include "resume.h"
#include "ticket_keys.h"
#include "verify.h"

enum {
	ALPN_LEN_MAX = 255, /* RFC 7301 3.1 */
};

/* P-521 for the certificates that have it; nobody needs more. */
static const enum ktls_group default_groups[] = { KTLS_GROUP_X25519, KTLS_GROUP_SECP256R1,
						  KTLS_GROUP_SECP384R1, KTLS_GROUP_SECP521R1 };

int ktls_config_fail(struct ktls_config *config, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(config->error_text, sizeof(config->error_text), format, args);
	va_end(args);
	return error;
}

const char *ktls_config_error(const struct ktls_config *config)
{
	return config ? config->error_text : "";
}

int ktls_config_new(struct ktls_config **ret_config, enum ktls_role role)
{
	struct ktls_config *config;
	int r;

	if (!ret_config || (role != KTLS_CLIENT && role != KTLS_SERVER))
		return -EINVAL;
	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	r = ktls_credentials_new(&config->credentials);
	if (r < 0) {
		free(config);
		return r;
	}
	atomic_init(&config->refs, 1);
	atomic_init(&config->frozen, false);
	pthread_mutex_init(&config->freezing, NULL);
	config->role = role;
	config->protocol_min = KTLS_TLS_1_2;
	config->protocol_max = KTLS_TLS_1_3;
	config->ciphers_n = _KTLS_CIPHER_N;
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++)
		config->ciphers[i] = i;
	memcpy(config->groups, default_groups, sizeof(default_groups));
	config->groups_n = sizeof(default_groups) / sizeof(default_groups[0]);
	config->buffers = KTLS_BUFFERS_DEFAULT;
	config->tickets = role == KTLS_SERVER ? KTLS_TICKETS_DEFAULT : 0;
	config->ticket_lifetime_s = KTLS_TICKET_LIFETIME_DEFAULT_S;
	*ret_config = config;
	return 0;
}

struct ktls_config *ktls_config_ref(struct ktls_config *config)
{
	atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
	return config;
}

struct ktls_config *ktls_config_unref(struct ktls_config *config)
{
	if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) > 1)
		return NULL;
	ktls_resumption_free(config->resumption);
	ktls_ciphers_free(config->aeads);
	ktls_pool_free(config->pool);
	ktls_credentials_free(config->credentials);
	ktls_tenants_done(&config->tenants);
	free(config->wanted.exporters);
	for (size_t i = 0; i < config->alpn_n; i++)
		free(config->alpn[i]);
	free(config->ticket_file);
	pthread_mutex_destroy(&config->freezing);
	free(config);
	return NULL;
}

int ktls_config_begin_set(struct ktls_config *config)
{
	if (!config)
		return -EINVAL;
	if (atomic_load_explicit(&config->frozen, memory_order_relaxed))
		return ktls_config_fail(config, -EBUSY,
					"changing a config: it has connections already. To do: set "
					"everything first, or make another");
	config->error_text[0] = '\0';
	return 0;
}

int ktls_config_fail_value(struct ktls_config *config, const char *what)
{
	return ktls_config_fail(config, -EINVAL, "changing a config: %s", what);
}

int ktls_config_set_insecure_no_verify(struct ktls_config *config)
{
	int r = ktls_config_begin_set(config);

	if (!r)
		config->insecure_no_verify = true;
	return r;
}

int ktls_config_set_insecure_plaintext(struct ktls_config *config)
{
	int r = ktls_config_begin_set(config);

	if (!r)
		config->insecure_plaintext = true;
	return r;
}

int ktls_config_set_client_auth(struct ktls_config *config, enum ktls_client_auth client_auth)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_SERVER || client_auth >= _KTLS_CLIENT_AUTH_N)
		return ktls_config_fail_value(config, "only a server asks for client certificates");
	config->client_auth = client_auth;
	return 0;
}

/* Parameters */

static bool is_protocol(enum ktls_protocol protocol)
{
	return protocol == KTLS_TLS_1_2 || protocol == KTLS_TLS_1_3;
}

int ktls_config_set_protocols(struct ktls_config *config, enum ktls_protocol min,
			      enum ktls_protocol max)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!is_protocol(min) || !is_protocol(max) || min > max)
		return ktls_config_fail_value(config,
					      "protocols are TLS 1.2 and 1.3, the lower one first");
	config->protocol_min = min;
	config->protocol_max = max;
	return 0;
}

int ktls_config_set_ciphers(struct ktls_config *config, const enum ktls_cipher *ciphers, size_t n)
{
	unsigned int seen = 0;
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!ciphers || !n || n > _KTLS_CIPHER_N)
		return ktls_config_fail_value(config,
					      "at least one cipher is needed, each only once");
	for (size_t i = 0; i < n; i++) {
		if (ciphers[i] >= _KTLS_CIPHER_N || seen & 1u << ciphers[i])
			return ktls_config_fail_value(config, "an unknown cipher, or one twice");
		seen |= 1u << ciphers[i];
	}
	memcpy(config->ciphers, ciphers, n * sizeof(ciphers[0]));
	config->ciphers_n = n;
	return 0;
}

static bool is_alpn(const char *protocol)
{
	size_t len = protocol ? strlen(protocol) : 0;

	return len && len <= ALPN_LEN_MAX;
}

int ktls_config_set_alpn(struct ktls_config *config, const char *const *protocols, size_t n)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if ((!protocols && n) || n > KTLS_ALPN_MAX)
		return ktls_config_fail_value(config, "at most 32 application protocols");
	for (size_t i = 0; i < n; i++) {
		if (!is_alpn(protocols[i]))
			return ktls_config_fail_value(config,
						      "an application protocol has 1 to 255 bytes");
	}
	while (config->alpn_n)
		free(config->alpn[--config->alpn_n]);
	for (size_t i = 0; i < n; i++) {
		config->alpn[i] = strdup(protocols[i]);
		if (!config->alpn[i])
			return -ENOMEM;
		config->alpn_n++;
	}
	return 0;
}

int ktls_config_set_offload(struct ktls_config *config, enum ktls_direction direction,
			    enum ktls_offload when, uint64_t bytes)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (direction >= _KTLS_DIRECTION_N || when >= _KTLS_OFFLOAD_N)
		return ktls_config_fail_value(config, "an unknown direction or moment of offload");
	if (bytes && when != KTLS_OFFLOAD_AFTER_BYTES)
		return ktls_config_fail_value(config, "only KTLS_OFFLOAD_AFTER_BYTES takes bytes");
	config->offload[direction] = (struct ktls_offload_rule){ .when = when, .bytes = bytes };
	return 0;
}

int ktls_config_set_buffers(struct ktls_config *config, size_t n)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!n || n > KTLS_BUFFERS_MAX)
		return ktls_config_fail_value(config, "1 to 65536 buffers");
	config->buffers = n;
	return 0;
}

int ktls_config_set_key_records(struct ktls_config *config, uint64_t records)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (records > KTLS_KEY_RECORDS_MAX)
		return ktls_config_fail_value(config, "at most 2^24 records for a key");
	config->key_records = records;
	return 0;
}

int ktls_config_set_first_records(struct ktls_config *config, size_t payload, uint32_t bytes,
				  uint32_t idle_ms)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (payload && (payload < KTLS_PAYLOAD_MIN || payload > KERN_PAYLOAD_MAX))
		return ktls_config_fail_value(config, "first records have 64 to 16384 bytes");
	config->first_records = (struct ktls_first_records){ .payload = (uint16_t)payload,
							     .bytes = bytes,
							     .idle_ms = idle_ms };
	return 0;
}

int ktls_config_set_padding(struct ktls_config *config, size_t block)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (block > KERN_PAYLOAD_MAX)
		return ktls_config_fail_value(config, "padding to at most 16384 bytes");
	config->padding = (uint16_t)block;
	return 0;
}

/* Resumption */

static int fail_role(struct ktls_config *config)
{
	return ktls_config_fail_value(config, "only a server makes tickets and takes early data");
}

int ktls_config_set_tickets(struct ktls_config *config, unsigned int n)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (n > KTLS_TICKETS_MAX)
		return ktls_config_fail_value(config, "at most 8 tickets");
	config->tickets = n;
	return 0;
}

int ktls_config_set_ticket_lifetime(struct ktls_config *config, uint32_t lifetime_s)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_SERVER)
		return fail_role(config);
	if (!lifetime_s || lifetime_s > KTLS_TICKET_LIFETIME_MAX_S)
		return ktls_config_fail_value(config, "a ticket lives one second to seven days");
	config->ticket_lifetime_s = lifetime_s;
	return 0;
}

int ktls_config_set_ticket_file(struct ktls_config *config, const char *path)
{
	struct ktls_ticket_keys *keys;
	char *copy;
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_SERVER)
		return fail_role(config);
	if (!path)
		return ktls_config_fail_value(config, "a file of ticket keys is needed");
	/* Read again by the freeze; a fault in it is for whoever names it. */
	r = ktls_resumption_read_keys(config, path, &keys);
	if (r < 0)
		return r;
	ktls_ticket_keys_free(keys);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(config->ticket_file);
	config->ticket_file = copy;
	return 0;
}

int ktls_config_set_early_data(struct ktls_config *config, uint32_t limit_bytes)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_SERVER)
		return fail_role(config);
	if (limit_bytes > KTLS_EARLY_DATA_MAX)
		return ktls_config_fail_value(config, "at most 65536 bytes of early data");
	config->early_data_bytes = limit_bytes;
	return 0;
}

int ktls_config_set_replay_store(struct ktls_config *config,
				 int (*add)(void *context, const void *key, size_t len,
					    uint64_t expires_s),
				 void *context)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_SERVER)
		return fail_role(config);
	config->replay_add = add;
	config->replay_context = context;
	return 0;
}

/* The freeze */

static int check_whole(struct ktls_config *config)
{
	if (config->insecure_plaintext)
		return 0;
	if (config->role == KTLS_SERVER && !ktls_credentials_has_identity(config->credentials))
		return ktls_config_fail(
			config, -KTLS_E_NO_IDENTITY,
			"making a connection: the server has no certificate. To do: "
			"call ktls_config_add_identity_file()");
	if (config->client_auth != KTLS_CLIENT_AUTH_NONE && ktls_verify_is_default(config) &&
	    !ktls_credentials_has_trust(config->credentials))
		return ktls_config_fail(
			config, -KTLS_E_BAD_TRUST,
			"making a connection: client certificates are asked for but "
			"there is nobody to trust. To do: call "
			"ktls_config_add_trust_file()");
	return ktls_verify_check(config);
}

static bool wants_kernel(const struct ktls_config *config)
{
	return !config->insecure_plaintext &&
	       (config->offload[KTLS_TX].when != KTLS_OFFLOAD_NEVER ||
		config->offload[KTLS_RX].when != KTLS_OFFLOAD_NEVER);
}

static int freeze_once(struct ktls_config *config)
{
	int r;

	r = check_whole(config);
	if (r < 0)
		return r;
	r = config->insecure_plaintext ? 0 : ktls_credentials_freeze(config);
	if (!r && !config->insecure_plaintext)
		r = ktls_resumption_freeze(config);
	if (r < 0)
		return r;
	if (!config->pool)
		r = ktls_pool_new(&config->pool, config->buffers);
	if (r < 0)
		return ktls_config_fail(config, r, "mapping %zu buffers: %s", config->buffers,
					ktls_strerror(r));
	r = ktls_ciphers_new(&config->aeads, config->buffers);
	if (r < 0)
		return ktls_config_fail(config, r, "making room for %zu ciphers: %s",
					config->buffers, ktls_strerror(r));
	if (wants_kernel(config))
		config->probe = kern_probe();
	return 0;
}

int ktls_config_freeze(struct ktls_config *config)
{
	int r = 0;

	if (atomic_load_explicit(&config->frozen, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&config->freezing);
	if (!atomic_load_explicit(&config->frozen, memory_order_relaxed)) {
		r = freeze_once(config);
		atomic_store_explicit(&config->frozen, !r, memory_order_release);
	}
	pthread_mutex_unlock(&config->freezing);
	return r;
}
