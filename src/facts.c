/* SPDX-License-Identifier: MIT */

/* What is kept of a handshake because the config asks for it; see facts.h and ktls/peer.h. */

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <ktls/peer.h>

#include "base/bytes.h"
#include "config.h"
#include "conn.h"
#include "facts.h"
#include "handshake.h"
#include "verify.h"

struct ktls_facts {
	struct ktls_bytes peer[KTLS_CHAIN_MAX];
	size_t peer_n;
	struct ktls_bytes local;
	bool exported;
	uint8_t secrets[KTLS_EXPORTERS_MAX][KTLS_EXPORT_MAX]; /* by the config's exporters */
};

/* What is wanted */

int ktls_config_set_keep_chain(struct ktls_config *config)
{
	int r = ktls_config_begin_set(config);

	if (!r)
		config->wanted.chain = true;
	return r;
}

/* What TLS 1.2 derives with the same function and secret would come out. */
static bool is_reserved(const char *label)
{
	static const char *const labels[] = { "client finished", "server finished", "master secret",
					      "extended master secret", "key expansion" };

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		if (!strncmp(label, labels[i], strlen(labels[i])))
			return true;
	}
	return false;
}

static const struct ktls_exporter *find_exporter(const struct ktls_wanted *wanted,
						 const char *label)
{
	for (size_t i = 0; i < wanted->exporters_n; i++) {
		if (!strcmp(wanted->exporters[i].label, label))
			return &wanted->exporters[i];
	}
	return NULL;
}

static int check_exporter(struct ktls_config *config, const char *label, size_t len)
{
	if (!label || !*label || strlen(label) > KTLS_EXPORT_LABEL_MAX)
		return ktls_config_fail_value(config, "an exporter's label has 1 to 63 bytes");
	if (!len || len > KTLS_EXPORT_MAX)
		return ktls_config_fail_value(config, "1 to 64 bytes are exported");
	if (is_reserved(label))
		return ktls_config_fail_value(config, "this label is TLS's own");
	if (find_exporter(&config->wanted, label))
		return ktls_config_fail_value(config, "an exporter of this label is there");
	if (config->wanted.exporters_n == KTLS_EXPORTERS_MAX)
		return ktls_config_fail_value(config, "at most 8 exporters");
	return 0;
}

int ktls_config_add_exporter(struct ktls_config *config, const char *label, size_t len)
{
	struct ktls_wanted *wanted;
	struct ktls_exporter *new;
	int r = ktls_config_begin_set(config);

	if (!r)
		r = check_exporter(config, label, len);
	if (r < 0)
		return r;
	wanted = &config->wanted;
	if (!wanted->exporters)
		wanted->exporters = calloc(KTLS_EXPORTERS_MAX, sizeof(*wanted->exporters));
	if (!wanted->exporters)
		return -ENOMEM;
	new = &wanted->exporters[wanted->exporters_n++];
	strcpy(new->label, label);
	new->len = len;
	return 0;
}

/* Taking */

static int take_peer(struct ktls_conn *conn)
{
	struct ktls_facts *facts = conn->facts;
	struct iovec chain[KTLS_CHAIN_MAX];
	size_t n = ktls_verify_chain(conn, chain, KTLS_CHAIN_MAX);
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		r = ktls_bytes_append(&facts->peer[i], chain[i].iov_base, chain[i].iov_len);
		facts->peer_n += !r;
	}
	return r;
}

static int take_local(struct ktls_conn *conn)
{
	gnutls_session_t session = conn->handshake->session;
	const gnutls_datum_t *leaf = gnutls_certificate_get_ours(session);

	return leaf ? ktls_bytes_append(&conn->facts->local, leaf->data, leaf->size) : 0;
}

static int take_secrets(struct ktls_conn *conn)
{
	const struct ktls_wanted *wanted = &conn->config->wanted;
	gnutls_session_t session = conn->handshake->session;

	/* RFC 5705 4 with RFC 7627: else a man in the middle could make two sessions have one. */
	if (conn->protocol == KTLS_TLS_1_2 && !gnutls_session_ext_master_secret_status(session))
		return 0;
	for (size_t i = 0; i < wanted->exporters_n; i++) {
		const struct ktls_exporter *exporter = &wanted->exporters[i];
		bool is_binding = !strcmp(exporter->label, KTLS_CHANNEL_BINDING);

		/* TLS 1.2 tells an empty context from none. */
		if (gnutls_prf_rfc5705(session, strlen(exporter->label), exporter->label, 0,
				       is_binding ? "" : NULL, exporter->len,
				       (char *)conn->facts->secrets[i]) < 0)
			return -KTLS_E_CRYPTO;
	}
	conn->facts->exported = true;
	return 0;
}

int ktls_facts_take(struct ktls_conn *conn)
{
	const struct ktls_wanted *wanted = &conn->config->wanted;
	int r = 0;

	if (!wanted->chain && !wanted->exporters_n)
		return 0;
	conn->facts = calloc(1, sizeof(*conn->facts));
	if (!conn->facts)
		return -ENOMEM;
	if (wanted->chain)
		r = take_peer(conn);
	if (!r && wanted->chain)
		r = take_local(conn);
	return r ? r : take_secrets(conn);
}

void ktls_facts_wipe(struct ktls_facts *facts)
{
	if (!facts)
		return;
	facts->exported = false;
	explicit_bzero(facts->secrets, sizeof(facts->secrets));
}

struct ktls_facts *ktls_facts_free(struct ktls_facts *facts)
{
	if (!facts)
		return NULL;
	ktls_facts_wipe(facts);
	for (size_t i = 0; i < facts->peer_n; i++)
		ktls_bytes_free(&facts->peer[i]);
	ktls_bytes_free(&facts->local);
	free(facts);
	return NULL;
}

/* Asking */

static int give(const struct ktls_conn *conn, const struct ktls_bytes *certificate,
		const void **ret_der, size_t *ret_len)
{
	int r = conn->facts ? 0 : ktls_conn_check_open(conn);

	if (r)
		return r;
	if (!certificate || !certificate->len)
		return -ENODATA;
	*ret_der = certificate->data;
	*ret_len = certificate->len;
	return 0;
}

/* For whoever is to say whether the peer is good: it is GnuTLS's yet. */
static int show(const struct ktls_conn *conn, size_t i, const void **ret_der, size_t *ret_len)
{
	struct iovec chain[KTLS_CHAIN_MAX];

	if (i >= ktls_verify_chain(conn, chain, KTLS_CHAIN_MAX))
		return -ENODATA;
	*ret_der = chain[i].iov_base;
	*ret_len = chain[i].iov_len;
	return 0;
}

int ktls_conn_get_peer_certificate(const struct ktls_conn *conn, size_t i, const void **ret_der,
				   size_t *ret_len)
{
	if (!conn || !ret_der || !ret_len)
		return -EINVAL;
	if (conn->verdict == KTLS_VERDICT_ASKED)
		return show(conn, i, ret_der, ret_len);
	return give(conn, conn->facts && i < conn->facts->peer_n ? &conn->facts->peer[i] : NULL,
		    ret_der, ret_len);
}

int ktls_conn_get_local_certificate(const struct ktls_conn *conn, const void **ret_der,
				    size_t *ret_len)
{
	if (!conn || !ret_der || !ret_len)
		return -EINVAL;
	return give(conn, conn->facts ? &conn->facts->local : NULL, ret_der, ret_len);
}

int ktls_conn_export(const struct ktls_conn *conn, const char *label, void *ret_bytes, size_t len)
{
	const struct ktls_exporter *exporter;
	int r;

	if (!conn || !label || !ret_bytes)
		return -EINVAL;
	r = ktls_conn_check_open(conn);
	if (r)
		return r;
	exporter = find_exporter(&conn->config->wanted, label);
	if (!exporter || !conn->facts || !conn->facts->exported)
		return -ENODATA;
	if (len != exporter->len)
		return -EINVAL;
	memcpy(ret_bytes, conn->facts->secrets[exporter - conn->config->wanted.exporters], len);
	return 0;
}
