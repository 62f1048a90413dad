/* SPDX-License-Identifier: MIT */

/* What there is to know of this machine; see probe.h. What cannot be known stays unknown. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

/* Names are root's to choose, and may hold anything: what a shell or a terminal would mind is not
 * shown. */
static void tame(char *name)
{
	for (; *name; name++) {
		bool digit = *name >= '0' && *name <= '9';
		bool letter = (*name | 0x20) >= 'a' && (*name | 0x20) <= 'z';

		if (!digit && !letter && !strchr("._:@+-", *name))
			*name = '?';
	}
}

static int list_devices(struct ktls_device **ret_devices, size_t *ret_n)
{
	struct ktls_device *devices = calloc(PROBE_DEVICES_MAX, sizeof(*devices));
	int r;

	if (!devices)
		return -ENOMEM;
	r = ktls_device_list(devices, sizeof(*devices), PROBE_DEVICES_MAX, ret_n);
	if (r < 0) {
		free(devices);
		return r;
	}
	if (*ret_n > PROBE_DEVICES_MAX)
		*ret_n = PROBE_DEVICES_MAX;
	for (size_t i = 0; i < *ret_n; i++)
		tame(devices[i].name);
	*ret_devices = devices;
	return 0;
}

static void try_ring(struct probe_facts *facts)
{
	for (unsigned int i = 0; i < _KTLS_TRIAL_N; i++)
		(void)ktls_probe_ring(i, &facts->trials[i], sizeof(facts->trials[i]));
	facts->tried_ring = true;
}

void probe_facts_gather(bool quick, struct probe_facts *ret_facts)
{
	struct probe_facts facts = { 0 };

	/* Before our own connections are counted. */
	facts.counters_error = ktls_counters_read(&facts.counters, sizeof(facts.counters));
	(void)ktls_probe(&facts.probe, sizeof(facts.probe));
	/* The probe may have loaded the module. */
	if (facts.counters_error)
		facts.counters_error = ktls_counters_read(&facts.counters, sizeof(facts.counters));
	(void)ktls_system_read(&facts.system, sizeof(facts.system));
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++)
		(void)ktls_crypto_driver_read(i, &facts.drivers[i], sizeof(facts.drivers[i]));
	if (!quick)
		try_ring(&facts);
	facts.devices_error = list_devices(&facts.devices, &facts.n_devices);
	*ret_facts = facts;
}

void probe_facts_done(struct probe_facts *facts)
{
	free(facts->devices);
	facts->devices = NULL;
}

void probe_list_features(const struct ktls_probe *probe,
			 struct probe_feature ret_features[PROBE_N_FEATURES])
{
	const struct probe_feature features[PROBE_N_FEATURES] = {
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

bool probe_is_error(unsigned int counter)
{
	return counter == KTLS_COUNTER_DECRYPT_ERROR || counter == KTLS_COUNTER_RX_DEVICE_RESYNC ||
	       counter == KTLS_COUNTER_RX_NO_PAD_VIOLATION ||
	       counter == KTLS_COUNTER_RX_REKEY_ERROR || counter == KTLS_COUNTER_TX_REKEY_ERROR;
}

bool probe_is_met(const struct probe_facts *facts, unsigned int reason)
{
	struct probe_feature features[PROBE_N_FEATURES];
	const struct ktls_probe *probe = &facts->probe;

	probe_list_features(probe, features);
	for (size_t i = 0; i < PROBE_N_FEATURES; i++) {
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
	for (size_t i = 0; facts->tried_ring && i < _KTLS_TRIAL_N; i++) {
		if (facts->trials[i].reason == reason)
			return true;
	}
	return probe->ulp == reason;
}
