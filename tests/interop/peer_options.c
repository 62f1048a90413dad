/* SPDX-License-Identifier: MIT */

/* The command line of peer.c, and the config that it makes. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer_options.h"

bool peer_options_parse(int argc, char *argv[], struct peer_options *options)
{
	const struct {
		const char *name;
		const char **value;
	} table[] = {
		{ "ca", &options->ca },
		{ "name", &options->name },
		{ "cert", &options->cert },
		{ "key", &options->key },
		{ "protocol", &options->protocol },
		{ "cipher", &options->cipher },
		{ "offload", &options->offload },
		{ "file", &options->file },
		{ "visits", &options->visits },
		{ "tickets", &options->tickets },
		{ "ticket-file", &options->ticket_file },
		{ "session", &options->session },
		{ "early-data", &options->early_data },
		{ "export", &options->export },
		{ "alpn", &options->alpn },
		{ "tenant", &options->tenant },
		{ "client-auth", &options->verify.client_auth },
		{ "verifier", &options->verify.verifier },
		{ "pin", &options->verify.pin },
		{ "revocations", &options->verify.revocations },
		{ "staple", &options->verify.staple },
		{ "require-staple", &options->verify.require_staple },
	};
	enum {
		N = sizeof(table) / sizeof(*table)
	};
	struct option longs[N + 2] = { 0 };
	int code;

	for (int i = 0; i < N; i++)
		longs[i] = (struct option){ table[i].name, required_argument, NULL, i };
	longs[N] = (struct option){ "echo", no_argument, NULL, N };
	while ((code = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (code > N)
			return false;
		if (code == N)
			options->echo = true;
		else
			*table[code].value = optarg;
	}
	if (argc - optind != 2)
		return false;
	options->listen = !strcmp(argv[optind], "listen");
	options->port = (unsigned int)atoi(argv[optind + 1]);
	return options->listen || !strcmp(argv[optind], "connect");
}

static int set_protocol(struct ktls_config *config, const char *word)
{
	enum ktls_protocol protocol = strcmp(word, "1.2") ? KTLS_TLS_1_3 : KTLS_TLS_1_2;

	return ktls_config_set_protocols(config, protocol, protocol);
}

static int set_cipher(struct ktls_config *config, const char *name)
{
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		enum ktls_cipher cipher = i;

		if (!strcmp(ktls_cipher_name(i), name))
			return ktls_config_set_ciphers(config, &cipher, 1);
	}
	return -EINVAL;
}

static int set_offload(struct ktls_config *config, const char *word)
{
	static const char *const words[_KTLS_OFFLOAD_N] = {
		[KTLS_OFFLOAD_AUTO] = "auto",	      [KTLS_OFFLOAD_NEVER] = "never",
		[KTLS_OFFLOAD_AT_ONCE] = "at-once",   [KTLS_OFFLOAD_AT_SENDFILE] = "at-sendfile",
		[KTLS_OFFLOAD_REQUIRED] = "required",
	};

	for (unsigned int i = 0; i < _KTLS_OFFLOAD_N; i++) {
		int r;

		if (!words[i] || strcmp(words[i], word))
			continue;
		r = ktls_config_set_offload(config, KTLS_TX, i, 0);
		/* At the first sendfile only TX can go. */
		if (r || i == KTLS_OFFLOAD_AT_SENDFILE)
			return r;
		return ktls_config_set_offload(config, KTLS_RX, i, 0);
	}
	return -EINVAL;
}

/* "NAME,CERT,KEY,ALPN" */
static int add_tenant(struct ktls_config *config, const char *words)
{
	char name[256], cert[256], key[256], alpn[256];
	const char *protocols[] = { alpn };
	struct ktls_config *tenant;
	int r;

	if (sscanf(words, "%255[^,],%255[^,],%255[^,],%255s", name, cert, key, alpn) != 4)
		return -EINVAL;
	r = ktls_config_new(&tenant, KTLS_SERVER);
	if (r)
		return r;
	r = ktls_config_add_identity_file(tenant, cert, key);
	if (!r)
		r = ktls_config_set_alpn(tenant, protocols, 1);
	if (!r)
		r = ktls_config_add_tenant(config, name, tenant);
	ktls_config_unref(tenant);
	return r;
}

int peer_options_set(struct ktls_config *config, const struct peer_options *options)
{
	int r = 0;

	if (options->protocol)
		r = set_protocol(config, options->protocol);
	if (!r && options->cipher)
		r = set_cipher(config, options->cipher);
	if (!r && options->offload)
		r = set_offload(config, options->offload);
	if (!r && options->ca)
		r = ktls_config_add_trust_file(config, options->ca);
	if (!r && options->cert)
		r = ktls_config_add_identity_file(config, options->cert, options->key);
	if (!r && options->tickets)
		r = ktls_config_set_tickets(config, (unsigned int)atoi(options->tickets));
	if (!r && options->ticket_file)
		r = ktls_config_set_ticket_file(config, options->ticket_file);
	if (!r && options->listen && options->early_data)
		r = ktls_config_set_early_data(config, (uint32_t)atoi(options->early_data));
	if (!r && options->export)
		r = ktls_config_add_exporter(config, options->export, PEER_EXPORT_LEN);
	if (!r && options->export)
		r = ktls_config_set_keep_chain(config);
	if (!r && options->alpn)
		r = ktls_config_set_alpn(config, &options->alpn, 1);
	if (!r && options->tenant)
		r = add_tenant(config, options->tenant);
	return r ? r : peer_verify_set(config, &options->verify);
}
