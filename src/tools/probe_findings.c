/* SPDX-License-Identifier: MIT */

/*
 * What stands in the way, concluded from the facts; see probe.h. Of what follows from something
 * else only that is said: without the module nothing is said of ciphers.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "probe.h"

enum {
	RECORD_MAX = 16406, /* 16384 bytes and what TLS 1.3 adds */
};

/* A new one, to be given a remedy; what does not fit is written over the last. */
static struct probe_obstacle *add(struct probe_findings *findings, const char *name,
				  enum probe_weight weight, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static struct probe_obstacle *add(struct probe_findings *findings, const char *name,
				  enum probe_weight weight, const char *format, ...)
{
	struct probe_obstacle *obstacle =
		&findings->obstacles[findings->n < PROBE_OBSTACLES_MAX ? findings->n
								       : PROBE_OBSTACLES_MAX - 1];
	va_list arguments;

	findings->n += findings->n < PROBE_OBSTACLES_MAX;
	*obstacle = (struct probe_obstacle){ .name = name, .weight = weight };
	va_start(arguments, format);
	vsnprintf(obstacle->text, sizeof(obstacle->text), format, arguments);
	va_end(arguments);
	return obstacle;
}

static void remedy(struct probe_obstacle *obstacle, const char *text)
{
	snprintf(obstacle->remedy, sizeof(obstacle->remedy), "%s", text);
}

static void add_reason(struct probe_findings *findings, unsigned int reason,
		       enum probe_weight weight, const char *what)
{
	struct probe_obstacle *obstacle = add(findings, ktls_reason_name(reason), weight, "%s: %s",
					      what, ktls_reason_text(reason));

	remedy(obstacle, ktls_reason_remedy(reason));
}

/* The reason knows what attaching answered; the system, what can be done about it here. */
static void find_ulp(const struct probe_facts *facts, struct probe_findings *findings)
{
	const struct ktls_system *system = &facts->system;
	unsigned int reason = facts->probe.ulp;
	struct probe_obstacle *obstacle;

	if (reason == KTLS_REASON_NONE)
		return;
	add_reason(findings, reason, PROBE_BLOCKS, "no kernel TLS");
	obstacle = &findings->obstacles[findings->n - 1];
	if (reason != KTLS_REASON_NO_ULP && reason != KTLS_REASON_ULP_FORBIDDEN)
		return;
	if (system->module == KTLS_MODULE_ABSENT)
		remedy(obstacle, "use a kernel that is built with CONFIG_TLS: this one has no such "
				 "module");
	else if (system->sysctl[KTLS_SYSCTL_MODULES_DISABLED] == 1)
		remedy(obstacle, "boot again with tls among the modules that are loaded at boot: "
				 "kernel.modules_disabled forbids it now");
	else if (system->module == KTLS_MODULE_NOT_LOADED || system->module == KTLS_MODULE_UNKNOWN)
		remedy(obstacle, "load it as root, outside of any container: modprobe tls; if "
				 "there is none, use a kernel that is built with CONFIG_TLS");
}

/* Which ciphers have this reason, "AES-128-CCM, CHACHA20-POLY1305"; "" if none. */
static void list_ciphers(const struct ktls_probe *probe, unsigned int reason, char *ret_text,
			 size_t size)
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		bool met = false;

		for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++)
			met |= probe->tls12[i][d] == reason || probe->tls13[i][d] == reason;
		if (met && len < size)
			len += (size_t)snprintf(ret_text + len, size - len, "%s%s", len ? ", " : "",
						ktls_cipher_name(i));
	}
}

static void find_ciphers(const struct probe_facts *facts, struct probe_findings *findings)
{
	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		char text[128];

		list_ciphers(&facts->probe, reason, text, sizeof(text));
		if (text[0])
			add_reason(findings, reason, PROBE_LIMITS, text);
	}
}

/* A key that cannot be changed keeps connections in userspace; the others are for speed. */
static enum probe_weight weight_of(const struct probe_feature *feature)
{
	return strncmp(feature->name, "rekey", strlen("rekey")) ? PROBE_SLOWS : PROBE_LIMITS;
}

/* Those that fail alike, together. */
static void find_features(const struct probe_facts *facts, enum probe_weight weight,
			  struct probe_findings *findings)
{
	struct probe_feature features[PROBE_N_FEATURES];

	probe_list_features(&facts->probe, features);
	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		char text[128];
		size_t len = 0;

		for (size_t i = 0; i < PROBE_N_FEATURES; i++) {
			if (features[i].reason == reason && weight_of(&features[i]) == weight)
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
							len ? ", " : "", features[i].name);
		}
		if (len)
			add_reason(findings, reason, weight, text);
	}
}

static void find_drivers(const struct probe_facts *facts, struct probe_findings *findings)
{
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		const struct ktls_crypto_driver *driver = &facts->drivers[i];
		const char *text = ktls_crypto_driver_remedy(driver, &facts->system);

		if (!driver->driver[0] || !*text)
			continue;
		remedy(add(findings, "slow-driver", PROBE_SLOWS, "%s is done by %s (%s)",
			   ktls_cipher_name(i), driver->driver,
			   ktls_crypto_speed_name(driver->speed)),
		       text);
	}
}

static void find_settings(const struct probe_facts *facts, struct probe_findings *findings)
{
	int64_t lowat = facts->system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT];

	if (lowat != KTLS_SYSCTL_UNKNOWN && lowat < RECORD_MAX)
		remedy(add(findings, "notsent-lowat", PROBE_SLOWS,
			   "net.ipv4.tcp_notsent_lowat is %" PRId64
			   ", less than a record: sendfile "
			   "may stall",
			   lowat),
		       "sysctl -w net.ipv4.tcp_notsent_lowat=32768 or more");
}

static void find_ring(const struct probe_facts *facts, struct probe_findings *findings)
{
	unsigned int reason = facts->trials[KTLS_TRIAL_RING].reason;

	if (facts->tried_ring && reason != KTLS_REASON_NONE)
		add_reason(findings, reason, PROBE_SLOWS, "io_uring");
}

static void find_counted(const struct probe_facts *facts, struct probe_findings *findings)
{
	static const struct {
		unsigned int counter;
		const char *name;
		const char *text;
		const char *remedy;
	} errors[] = {
		{ KTLS_COUNTER_DECRYPT_ERROR, "decrypt-errors",
		  "records did not authenticate since the module was loaded",
		  "if that grows: a peer, a middlebox or a driver of cryptography damages "
		  "records" },
		{ KTLS_COUNTER_RX_DEVICE_RESYNC, "device-resyncs", "times a NIC had lost its place",
		  "if that grows: packets are lost or come in another order" },
		{ KTLS_COUNTER_RX_NO_PAD_VIOLATION, "no-pad-violations",
		  "padded records came where none were expected, and were decrypted twice",
		  "do not set TLS_RX_EXPECT_NO_PAD for such peers" },
		{ KTLS_COUNTER_RX_REKEY_ERROR, "rekey-errors",
		  "keys to receive with were not changed", "" },
		{ KTLS_COUNTER_TX_REKEY_ERROR, "rekey-errors", "keys to send with were not changed",
		  "" },
	};

	for (size_t i = 0; !facts->counters_error && i < sizeof(errors) / sizeof(errors[0]); i++) {
		uint64_t value = facts->counters.value[errors[i].counter];

		if (value)
			remedy(add(findings, errors[i].name, PROBE_NOTES, "%s is %" PRIu64 ": %s",
				   ktls_counter_name(errors[i].counter), value, errors[i].text),
			       errors[i].remedy);
	}
}

static void find_devices(const struct probe_facts *facts, struct probe_findings *findings)
{
	for (size_t i = 0; i < facts->n_devices; i++) {
		const struct ktls_device *device = &facts->devices[i];

		for (unsigned int f = KTLS_DEVICE_TX; f <= KTLS_DEVICE_RX; f++) {
			struct probe_obstacle *obstacle;

			if (device->feature[f] != KTLS_DEVICE_OFF)
				continue;
			obstacle = add(findings, "device-off", PROBE_NOTES,
				       "%s could protect records itself (%s), and is switched off",
				       device->name, ktls_device_feature_name(f));
			snprintf(obstacle->remedy, sizeof(obstacle->remedy), "ethtool -K %s %s on",
				 device->name, ktls_device_feature_name(f));
		}
	}
}

static enum probe_verdict verdict_of(const struct ktls_probe *probe)
{
	unsigned int works = 0, all = 0;

	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++) {
			works += !probe->tls12[i][d] + !probe->tls13[i][d];
			all += 2;
		}
	}
	if (probe->ulp != KTLS_REASON_NONE || !works)
		return PROBE_NONE;
	return works == all ? PROBE_FULL : PROBE_PARTIAL;
}

void probe_conclude(const struct probe_facts *facts, struct probe_findings *ret_findings)
{
	*ret_findings = (struct probe_findings){ .verdict = verdict_of(&facts->probe) };
	find_ulp(facts, ret_findings);
	if (facts->probe.ulp == KTLS_REASON_NONE) {
		find_ciphers(facts, ret_findings);
		find_features(facts, PROBE_LIMITS, ret_findings);
		find_drivers(facts, ret_findings);
		find_settings(facts, ret_findings);
		find_features(facts, PROBE_SLOWS, ret_findings);
	}
	find_ring(facts, ret_findings);
	find_counted(facts, ret_findings);
	find_devices(facts, ret_findings);
}

const char *probe_verdict_name(enum probe_verdict verdict)
{
	switch (verdict) {
	case PROBE_FULL:
		return "full";
	case PROBE_PARTIAL:
		return "partial";
	case PROBE_NONE:
		break;
	}
	return "none";
}

const char *probe_weight_name(enum probe_weight weight)
{
	switch (weight) {
	case PROBE_BLOCKS:
		return "blocks";
	case PROBE_LIMITS:
		return "limits";
	case PROBE_SLOWS:
		return "slows";
	case PROBE_NOTES:
		break;
	}
	return "note";
}
