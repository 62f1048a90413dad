/* SPDX-License-Identifier: MIT */

/* `ktls probe`: what this kernel's TLS can do, for people and for programs. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "tool.h"

static const char command[] = "ktls probe";

static const char help[] =
	"usage: ktls probe [--json]\n\n"
	"Says what this kernel's TLS can do, found by trying, and why not and what to do\n"
	"about it. Exit status: 0 if it can be used at all, 1 if not.\n\n"
	"  --json  for programs\n"
	"  --help  this\n";

/* What is no cipher: one answer each, under a name that stays. */
struct feature {
	const char *name;
	const char *text;
	uint16_t reason;
};

enum {
	N_FEATURES = 6,
};

static void list_features(const struct ktls_probe *probe, struct feature ret_features[N_FEATURES])
{
	const struct feature features[N_FEATURES] = {
		{ "rekey_tx", "change the key we send with (KeyUpdate)", probe->rekey[KTLS_TX] },
		{ "rekey_rx", "change the key we receive with", probe->rekey[KTLS_RX] },
		{ "tx_zerocopy_ro", "sendfile with no copy, where a NIC encrypts",
		  probe->tx_zerocopy_ro },
		{ "rx_expect_no_pad", "receive unpadded records without a copy",
		  probe->rx_expect_no_pad },
		{ "tx_max_payload_len", "smaller records for a peer that asks for them",
		  probe->tx_max_payload_len },
		{ "rx_whole_records", "wake a reader for whole records only",
		  probe->rx_whole_records },
	};

	memcpy(ret_features, features, sizeof(features));
}

static const char *word_of(uint16_t reason)
{
	return reason == KTLS_REASON_NONE ? "yes" : ktls_reason_name(reason);
}

/* Whether this reason is anybody's. */
static bool is_met(const struct ktls_probe *probe, unsigned int reason)
{
	struct feature features[N_FEATURES];

	list_features(probe, features);
	for (size_t i = 0; i < N_FEATURES; i++) {
		if (features[i].reason == reason)
			return true;
	}
	for (size_t cipher = 0; cipher < _KTLS_CIPHER_N; cipher++) {
		for (size_t direction = 0; direction < _KTLS_DIRECTION_N; direction++) {
			if (probe->tls12[cipher][direction] == reason ||
			    probe->tls13[cipher][direction] == reason)
				return true;
		}
	}
	return probe->ulp == reason;
}

/* Words in lines of at most LINE_LEN columns, after what has been printed up to `column`. */
static void print_words(const char *text, size_t column)
{
	enum {
		LINE_LEN = 78,
	};

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column + 1 + len > LINE_LEN)
			column = (size_t)printf("\n  ") - 1;
		else
			column += (size_t)printf(" ");
		column += (size_t)printf("%.*s", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void print_reasons(const struct ktls_probe *probe)
{
	bool begun = false;

	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		const char *remedy = ktls_reason_remedy(reason);

		if (!is_met(probe, reason))
			continue;
		if (!begun)
			printf("\n");
		begun = true;
		print_words(ktls_reason_text(reason),
			    (size_t)printf("%s:", ktls_reason_name(reason)));
		if (*remedy)
			print_words(remedy, (size_t)printf("  To do:"));
	}
}

static void print_table(const struct ktls_probe *probe)
{
	struct feature features[N_FEATURES];
	bool usable = probe->ulp == KTLS_REASON_NONE;

	printf("kernel TLS: %s\n", usable ? "yes" : ktls_reason_name(probe->ulp));
	if (!usable && probe->ulp_errno)
		printf("  attaching it to a socket answered %s\n",
		       ktls_strerrorname(-probe->ulp_errno));
	printf("\n%-18s  %-13s  %-13s  %-13s  %s\n", "", "TLS 1.2 tx", "TLS 1.2 rx", "TLS 1.3 tx",
	       "TLS 1.3 rx");
	for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++)
		printf("%-18s  %-13s  %-13s  %-13s  %s\n", ktls_cipher_name(cipher),
		       word_of(probe->tls12[cipher][KTLS_TX]),
		       word_of(probe->tls12[cipher][KTLS_RX]),
		       word_of(probe->tls13[cipher][KTLS_TX]),
		       word_of(probe->tls13[cipher][KTLS_RX]));
	printf("\n");
	list_features(probe, features);
	for (size_t i = 0; i < N_FEATURES; i++)
		printf("%-18s  %-13s  %s\n", features[i].name, word_of(features[i].reason),
		       features[i].text);
	print_reasons(probe);
}

/* {"works": true} or {"works": false, "reason": "no-ulp"} */
static json_t *json_of(uint16_t reason)
{
	if (reason == KTLS_REASON_NONE)
		return json_pack("{s:b}", "works", 1);
	return json_pack("{s:b, s:s}", "works", 0, "reason", ktls_reason_name(reason));
}

static json_t *json_of_pair(const uint16_t pair[_KTLS_DIRECTION_N])
{
	return json_pack("{s:o, s:o}", "tx", json_of(pair[KTLS_TX]), "rx", json_of(pair[KTLS_RX]));
}

static json_t *json_of_ciphers(const struct ktls_probe *probe)
{
	json_t *ciphers = json_object();

	for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++)
		json_object_set_new(ciphers, ktls_cipher_name(cipher),
				    json_pack("{s:o, s:o}", "tls12",
					      json_of_pair(probe->tls12[cipher]), "tls13",
					      json_of_pair(probe->tls13[cipher])));
	return ciphers;
}

static json_t *json_of_features(const struct ktls_probe *probe)
{
	struct feature features[N_FEATURES];
	json_t *object = json_object();

	list_features(probe, features);
	for (size_t i = 0; i < N_FEATURES; i++)
		json_object_set_new(object, features[i].name, json_of(features[i].reason));
	return object;
}

static json_t *json_of_reasons(const struct ktls_probe *probe)
{
	json_t *reasons = json_object();

	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		if (is_met(probe, reason))
			json_object_set_new(reasons, ktls_reason_name(reason),
					    json_pack("{s:s, s:s}", "text",
						      ktls_reason_text(reason), "remedy",
						      ktls_reason_remedy(reason)));
	}
	return reasons;
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

static int print_json(const struct ktls_probe *probe)
{
	_cleanup_(free_json) json_t *json = NULL;
	struct utsname system = { 0 };

	uname(&system);
	json = json_pack("{s:s, s:s, s:o, s:i, s:o, s:o, s:o}", "version", ktls_version(), "kernel",
			 system.release, "ulp", json_of(probe->ulp), "ulp_errno", probe->ulp_errno,
			 "ciphers", json_of_ciphers(probe), "features", json_of_features(probe),
			 "reasons", json_of_reasons(probe));
	if (!json || json_dumpf(json, stdout, JSON_INDENT(2)))
		return tool_fail(TOOL_EXIT_FAILED, command, "cannot write the answer");
	printf("\n");
	return 0;
}

int probe_main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct ktls_probe probe;
	bool json = false;
	int code, r;

	while ((code = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		if (code == 'h') {
			fputs(help, stdout);
			return TOOL_EXIT_OK;
		}
		if (code != 'j')
			return tool_usage(command);
		json = true;
	}
	if (optind < argc) {
		tool_fail(0, command, "\"%s\" is not an option", argv[optind]);
		return tool_usage(command);
	}
	r = ktls_probe(&probe, sizeof(probe));
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_strerror(r));
	if (json)
		r = print_json(&probe);
	else
		print_table(&probe);
	return r || probe.ulp != KTLS_REASON_NONE ? TOOL_EXIT_FAILED : TOOL_EXIT_OK;
}
