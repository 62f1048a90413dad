/* SPDX-License-Identifier: MIT */

/*
 * The answer for programs; see probe.h. ktls-probe(1) has the name of each field; what is there
 * stays, and what is not known is null. json_pack() and its kin take NULL, where there was no
 * memory, for the failure of all.
 */

#include <jansson.h>

#include "probe.h"
#include "tool.h"

/* {"works": true} or {"works": false, "reason": "no-ulp"} */
static json_t *json_of(unsigned int reason)
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

	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++)
		json_object_set_new(ciphers, ktls_cipher_name(i),
				    json_pack("{s:o, s:o}", "tls12", json_of_pair(probe->tls12[i]),
					      "tls13", json_of_pair(probe->tls13[i])));
	return ciphers;
}

static json_t *json_of_features(const struct ktls_probe *probe)
{
	struct probe_feature features[PROBE_N_FEATURES];
	json_t *object = json_object();

	probe_list_features(probe, features);
	for (size_t i = 0; i < PROBE_N_FEATURES; i++)
		json_object_set_new(object, features[i].name, json_of(features[i].reason));
	return object;
}

static json_t *json_of_reasons(const struct probe_facts *facts)
{
	json_t *reasons = json_object();

	for (unsigned int reason = KTLS_REASON_NONE + 1; reason < _KTLS_REASON_N; reason++) {
		if (probe_is_met(facts, reason))
			json_object_set_new(reasons, ktls_reason_name(reason),
					    json_pack("{s:s, s:s}", "text",
						      ktls_reason_text(reason), "remedy",
						      ktls_reason_remedy(reason)));
	}
	return reasons;
}

/* true, false, or null. */
static json_t *json_of_answer(unsigned int answer)
{
	return answer == KTLS_ANSWER_UNKNOWN ? json_null()
					     : json_boolean(answer == KTLS_ANSWER_YES);
}

/* "" is what is not known. */
static json_t *json_of_text(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *json_of_driver(const struct ktls_crypto_driver *driver,
			      const struct ktls_system *system)
{
	if (!driver->driver[0])
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:I, s:s, s:o, s:s}", "algorithm", driver->algorithm,
			 "driver", json_of_text(driver->driver), "module",
			 json_of_text(driver->module), "priority", (json_int_t)driver->priority,
			 "speed", ktls_crypto_speed_name(driver->speed), "async",
			 json_of_answer(driver->async), "remedy",
			 ktls_crypto_driver_remedy(driver, system));
}

static json_t *json_of_drivers(const struct probe_facts *facts)
{
	json_t *drivers = json_object();

	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++)
		json_object_set_new(drivers, ktls_cipher_name(i),
				    json_of_driver(&facts->drivers[i], &facts->system));
	return drivers;
}

static json_t *json_of_settings(const struct ktls_system *system)
{
	json_t *settings = json_object();

	for (unsigned int i = 0; i < _KTLS_SYSCTL_N; i++)
		json_object_set_new(settings, ktls_sysctl_name(i),
				    system->sysctl[i] == KTLS_SYSCTL_UNKNOWN
					    ? json_null()
					    : json_integer((json_int_t)system->sysctl[i]));
	return settings;
}

/* Those of this kernel; null without the module. */
static json_t *json_of_counters(const struct probe_facts *facts)
{
	json_t *counters;

	if (facts->counters_error)
		return json_null();
	counters = json_object();
	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++) {
		if (ktls_counters_has(&facts->counters, i))
			json_object_set_new(counters, ktls_counter_name(i),
					    json_integer((json_int_t)facts->counters.value[i]));
	}
	return counters;
}

static json_t *json_of_trial(const struct ktls_trial_answer *answer)
{
	json_t *trial = json_of(answer->reason);

	if (answer->reason != KTLS_REASON_NONE)
		json_object_set_new(trial, "errno",
				    answer->reason_errno
					    ? json_string(ktls_strerrorname(-answer->reason_errno))
					    : json_null());
	return trial;
}

static json_t *json_of_trials(const struct probe_facts *facts)
{
	json_t *trials;

	if (!facts->tried_ring)
		return json_null();
	trials = json_object();
	for (unsigned int i = 0; i < _KTLS_TRIAL_N; i++)
		json_object_set_new(trials, ktls_trial_name(i), json_of_trial(&facts->trials[i]));
	return trials;
}

static json_t *json_of_device(const struct ktls_device *device)
{
	const uint16_t *feature = device->feature;

	return json_pack("{s:o, s:o, s:I, s:I, s:b, s:s, s:s, s:s}", "name",
			 json_of_text(device->name), "kind", json_of_text(device->kind), "index",
			 (json_int_t)device->index, "mtu", (json_int_t)device->mtu, "up",
			 device->up, "tx", ktls_device_state_name(feature[KTLS_DEVICE_TX]), "rx",
			 ktls_device_state_name(feature[KTLS_DEVICE_RX]), "record",
			 ktls_device_state_name(feature[KTLS_DEVICE_RECORD]));
}

static json_t *json_of_devices(const struct probe_facts *facts)
{
	json_t *devices;

	if (facts->devices_error)
		return json_null();
	devices = json_array();
	for (size_t i = 0; i < facts->n_devices; i++)
		json_array_append_new(devices, json_of_device(&facts->devices[i]));
	return devices;
}

static json_t *json_of_obstacles(const struct probe_findings *findings)
{
	json_t *obstacles = json_array();

	for (size_t i = 0; i < findings->n; i++) {
		const struct probe_obstacle *obstacle = &findings->obstacles[i];

		json_array_append_new(
			obstacles, json_pack("{s:s, s:s, s:s, s:s}", "name", obstacle->name,
					     "weight", probe_weight_name(obstacle->weight), "text",
					     obstacle->text, "remedy", obstacle->remedy));
	}
	return obstacles;
}

/* The machine, beside what was tried. */
static json_t *json_of_system(const struct ktls_system *system)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "module", ktls_module_name(system->module),
			 "ulps", json_of_text(system->ulps), "cpu_aes",
			 json_of_answer(system->cpu_aes), "cpu_simd",
			 json_of_answer(system->cpu_simd), "settings", json_of_settings(system));
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

bool probe_print_json(FILE *stream, const struct probe_facts *facts,
		      const struct probe_findings *findings)
{
	const struct ktls_probe *probe = &facts->probe;
	_cleanup_(free_json) json_t *json =
		json_pack("{s:s, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			  "version", ktls_version(), "kernel", facts->system.release, "verdict",
			  probe_verdict_name(findings->verdict), "ulp", json_of(probe->ulp),
			  "ulp_errno", probe->ulp_errno, "ciphers", json_of_ciphers(probe),
			  "features", json_of_features(probe), "system",
			  json_of_system(&facts->system), "drivers", json_of_drivers(facts),
			  "io_uring", json_of_trials(facts), "devices", json_of_devices(facts),
			  "counters", json_of_counters(facts), "obstacles",
			  json_of_obstacles(findings), "reasons", json_of_reasons(facts));

	if (!json || json_dumpf(json, stream, JSON_INDENT(2)))
		return false;
	return fputc('\n', stream) != EOF;
}
