/* SPDX-License-Identifier: MIT */

/* The registry of sources: what is in it, what matches, and what comes of it. */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include <ktls/ktls.h>

#include "base/sys.h"
#include "config.h"
#include "credentials.h"
#include "tests/nic.h"

enum {
	OURS = 4,
};

static int called;

static int instantiate_fake(const struct ktls_source *source, struct ktls_config **ret_config,
			    enum ktls_role role)
{
	cr_assert(source->context == &called);
	called++;
	return ktls_config_new(ret_config, role);
}

static struct ktls_source fake(const char *name, uint32_t features)
{
	struct ktls_source source = {
		.major = 1,
		.features = features,
		.instantiate = instantiate_fake,
		.context = &called,
	};

	strcpy(source.name, name);
	return source;
}

static void add(const char *name, uint32_t features)
{
	struct ktls_source source = fake(name, features);

	cr_assert_eq(ktls_source_register(&source), 0);
}

static bool is_in(const struct ktls_source *sources, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(sources[i].name, name))
			return true;
	return false;
}

/* What the library brings */

Test(unit, ours_say_what_they_can_do)
{
	static const char *const names[OURS] = { "auto", "kernel", "user", "nic" };
	struct ktls_source sources[KTLS_SOURCES_MAX];
	struct ktls_probe probe;

	cr_assert_eq(ktls_probe(&probe, sizeof(probe)), 0);
	cr_assert_eq(ktls_source_count(), OURS);
	cr_assert_eq(ktls_source_find(0, 0, sources, KTLS_SOURCES_MAX), OURS);
	for (size_t i = 0; i < OURS; i++) {
		const struct ktls_source *source = &sources[i];
		bool kernel = source->features & KTLS_FEATURE_KERNEL;
		char version[32];

		snprintf(version, sizeof(version), "%u.%u.%u", source->major, source->minor,
			 source->patch);
		cr_assert_str_eq(source->name, names[i]);
		cr_assert_str_eq(source->postfix, "");
		cr_assert_str_eq(version, ktls_version());
		cr_assert(source->features & KTLS_FEATURE_SYSTEM);
		cr_assert(source->features & KTLS_FEATURE_WRAP);
		cr_assert(!(source->features & KTLS_FEATURE_MULTIPLEXER));
		cr_assert_eq(!!(source->features & KTLS_FEATURE_FIPS_140_2),
			     ktls_credentials_is_fips());
		/* No machine of ours has such a NIC. */
		cr_assert(!(source->features & KTLS_FEATURE_NIC));
		cr_assert_eq(kernel,
			     !probe.ulp && strcmp(source->name, "user") &&
				     strcmp(source->name, "nic"),
			     "%s", source->name);
	}
}

Test(unit, a_source_makes_configs_of_its_kind)
{
	static const enum ktls_offload expected[OURS] = {
		KTLS_OFFLOAD_AUTO,
		KTLS_OFFLOAD_REQUIRED,
		KTLS_OFFLOAD_NEVER,
		KTLS_OFFLOAD_NIC,
	};
	struct ktls_source sources[OURS];

	cr_assert_eq(ktls_source_find(0, 0, sources, OURS), OURS);
	for (size_t i = 0; i < OURS; i++) {
		for (unsigned int role = KTLS_CLIENT; role <= KTLS_SERVER; role++) {
			struct ktls_config *config;

			cr_assert_eq(ktls_source_instantiate(&sources[i], &config, role), 0);
			cr_assert_eq(config->role, role);
			cr_assert_eq(config->offload[KTLS_TX].when, expected[i]);
			cr_assert_eq(config->offload[KTLS_RX].when, expected[i]);
			ktls_config_unref(config);
		}
	}
}

Test(unit, that_of_a_nic_makes_configs_that_a_nic_can_serve)
{
	struct ktls_source sources[OURS];
	struct ktls_config *config;

	cr_assert_eq(ktls_source_find(0, 0, sources, OURS), OURS);
	cr_assert_eq(ktls_source_instantiate(&sources[OURS - 1], &config, KTLS_SERVER), 0);
	cr_assert_eq(config->protocol_min, KTLS_TLS_1_2);
	cr_assert_eq(config->protocol_max, KTLS_TLS_1_2);
	cr_assert_eq(config->ciphers_n, 2);
	cr_assert_eq(config->ciphers[0], KTLS_AES_128_GCM);
	cr_assert_eq(config->ciphers[1], KTLS_AES_256_GCM);
	ktls_config_unref(config);
}

static struct ktls_sys real;

static bool is_ulp(int level, int name)
{
	return level == IPPROTO_TCP && name == TCP_ULP;
}

static int take_ulp(int fd, int level, int name, const void *value, socklen_t len)
{
	return is_ulp(level, name) ? 0 : real.setsockopt(fd, level, name, value, len);
}

static int tell_ulp(int fd, int level, int name, void *value, socklen_t *len)
{
	if (!is_ulp(level, name))
		return real.getsockopt(fd, level, name, value, len);
	memcpy(value, "tls", *len = sizeof("tls"));
	return 0;
}

/* A kernel with TLS, and a NIC whose TX is in that state; how many sources have the features. */
static size_t count_with(unsigned int state, uint32_t features)
{
	struct ktls_source sources[OURS];

	real = ktls_sys;
	ktls_sys.setsockopt = take_ulp;
	ktls_sys.getsockopt = tell_ulp;
	nic_begin();
	nic_say_features(1, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	nic_say_features(7, state, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	return ktls_source_find(features, features, sources, OURS);
}

Test(unit, where_a_nic_is_on_its_source_says_so)
{
	const uint32_t both = KTLS_FEATURE_NIC | KTLS_FEATURE_KERNEL;
	struct ktls_source source;

	cr_assert_eq(count_with(KTLS_DEVICE_ON, both), 1);
	ktls_source_default(KTLS_FEATURE_NIC, KTLS_FEATURE_NIC, &source);
	cr_assert_str_eq(source.name, "nic");
	ktls_source_default(KTLS_FEATURE_KERNEL, KTLS_FEATURE_KERNEL, &source);
	cr_assert_str_eq(source.name, "auto");
}

Test(unit, where_none_is_on_its_source_is_nobodys)
{
	struct ktls_source source;

	cr_assert_eq(count_with(KTLS_DEVICE_OFF, KTLS_FEATURE_NIC), 0);
	cr_assert_eq(ktls_source_find(KTLS_FEATURE_KERNEL, KTLS_FEATURE_KERNEL, &source, 1), 1);
	ktls_source_default(KTLS_FEATURE_NIC, KTLS_FEATURE_NIC, &source);
	cr_assert_str_eq(source.name, "");
}

/* Looking */

Test(unit, what_is_found_is_in_the_mask_exactly_as_asked)
{
	const uint32_t kernel = KTLS_FEATURE_KERNEL, fips = KTLS_FEATURE_FIPS_140_2;
	struct ktls_source found[KTLS_SOURCES_MAX];
	size_t n;

	add("plain", 0);
	add("kernels", kernel);
	add("approved", kernel | fips);

	n = ktls_source_find(0, fips, found, KTLS_SOURCES_MAX);
	cr_assert(is_in(found, n, "plain") && is_in(found, n, "kernels"));
	cr_assert(!is_in(found, n, "approved"));
	for (size_t i = 0; i < n; i++)
		cr_assert(!(found[i].features & fips));

	n = ktls_source_find(kernel, kernel, found, KTLS_SOURCES_MAX);
	cr_assert(is_in(found, n, "kernels") && is_in(found, n, "approved"));
	cr_assert(!is_in(found, n, "plain"));
	for (size_t i = 0; i < n; i++)
		cr_assert(found[i].features & kernel);

	n = ktls_source_find(kernel, kernel | fips | KTLS_FEATURE_SYSTEM, found, KTLS_SOURCES_MAX);
	cr_assert(n == 1 && is_in(found, n, "kernels"));
	cr_assert_eq(ktls_source_find(kernel | fips, kernel, found, KTLS_SOURCES_MAX), 0,
		     "a bit outside the mask matches nothing");
	cr_assert_eq(ktls_source_find(0, 0, found, KTLS_SOURCES_MAX), OURS + 3);
}

Test(unit, what_is_found_is_cut_at_the_room_there_is)
{
	struct ktls_source found[3];

	memset(&found[2], 0xa5, sizeof(found[2]));
	cr_assert_eq(ktls_source_find(0, 0, found, 2), 2);
	cr_assert_str_eq(found[0].name, "auto");
	cr_assert_str_eq(found[1].name, "kernel");
	cr_assert_eq((uint8_t)found[2].name[0], 0xa5);
	cr_assert_eq(ktls_source_find(0, 0, found, 0), 0);
	cr_assert_eq(ktls_source_find(0, 0, NULL, 1), 0);
}

Test(unit, the_default_is_ours_before_it_is_anybodys)
{
	const uint32_t kernel = KTLS_FEATURE_KERNEL, fips = KTLS_FEATURE_FIPS_140_2;
	struct ktls_source source;

	ktls_source_default(0, 0, &source);
	cr_assert_str_eq(source.name, "auto");
	add("approved", kernel | fips);
	add("preferred", kernel | fips | KTLS_FEATURE_SYSTEM);
	ktls_source_default(0, 0, &source);
	cr_assert_str_eq(source.name, "auto");
	ktls_source_default(fips, fips, &source);
	cr_assert_str_eq(source.name, "preferred");
	ktls_source_default(fips, fips | KTLS_FEATURE_SYSTEM, &source);
	cr_assert_str_eq(source.name, "approved", "it was asked for one that is not ours");
	ktls_source_default(KTLS_FEATURE_SYSTEM, 0, &source);
	cr_assert_str_eq(source.name, "", "a bit outside the mask matches nothing");
	ktls_source_default(0, 0, NULL);
}

Test(unit, a_default_that_is_not_there_instantiates_nothing)
{
	const uint32_t both = KTLS_FEATURE_MULTIPLEXER | KTLS_FEATURE_KERNEL;
	struct ktls_config *config = NULL;
	struct ktls_source source;

	memset(&source, 0xa5, sizeof(source));
	ktls_source_default(both, both, &source);
	cr_assert_str_eq(source.name, "");
	cr_assert_eq(source.features, 0);
	cr_assert_eq(ktls_source_instantiate(&source, &config, KTLS_CLIENT), -EINVAL);
	cr_assert_eq(source.instantiate(&source, &config, KTLS_CLIENT), -EINVAL);
	cr_assert_null(config);
}

/* Coming and going */

Test(unit, name_version_and_postfix_tell_one_from_another)
{
	struct ktls_source source = fake("mine", 0);

	cr_assert_eq(ktls_source_register(&source), 0);
	cr_assert_eq(ktls_source_register(&source), -EEXIST);
	source.features = KTLS_FEATURE_WRAP;
	cr_assert_eq(ktls_source_register(&source), -EEXIST, "what it can do is no name");
	strcpy(source.postfix, "debug");
	cr_assert_eq(ktls_source_register(&source), 0);
	source.patch = 1;
	cr_assert_eq(ktls_source_register(&source), 0);
	cr_assert_eq(ktls_source_count(), OURS + 3);

	cr_assert_eq(ktls_source_unregister(&source), 0);
	cr_assert_eq(ktls_source_unregister(&source), -ENOENT);
	source.patch = 0;
	cr_assert_eq(ktls_source_unregister(&source), 0);
	source.postfix[0] = '\0';
	cr_assert_eq(ktls_source_unregister(&source), 0);
	cr_assert_eq(ktls_source_count(), OURS);
}

Test(unit, what_was_found_outlives_its_registration)
{
	struct ktls_source source = fake("mine", KTLS_FEATURE_FIPS_140_2), found[OURS];
	struct ktls_config *config;

	cr_assert_eq(ktls_source_register(&source), 0);
	ktls_source_default(KTLS_FEATURE_FIPS_140_2, KTLS_FEATURE_FIPS_140_2, &found[0]);
	cr_assert_eq(ktls_source_unregister(&source), 0);
	memset(&source, 0, sizeof(source));
	cr_assert_str_eq(found[0].name, "mine");
	cr_assert_eq(ktls_source_instantiate(&found[0], &config, KTLS_SERVER), 0);
	cr_assert_eq(called, 1);
	ktls_config_unref(config);

	cr_assert_eq(ktls_source_find(0, 0, found, OURS), OURS);
	for (int i = 0; i < OURS; i++)
		cr_assert_eq(ktls_source_unregister(&found[i]), 0);
	cr_assert_eq(ktls_source_count(), 0);
	ktls_source_default(0, 0, &source);
	cr_assert_str_eq(source.name, "", "ours can be taken out, too");
	cr_assert_eq(ktls_source_instantiate(&found[2], &config, KTLS_CLIENT), 0);
	ktls_config_unref(config);
}

Test(unit, the_registry_is_full_at_its_limit)
{
	struct ktls_source source = fake("mine", 0);

	for (int i = OURS; i < KTLS_SOURCES_MAX; i++) {
		source.minor = (uint16_t)i;
		cr_assert_eq(ktls_source_register(&source), 0);
	}
	source.minor = 0;
	cr_assert_eq(ktls_source_register(&source), -ENOSPC);
	cr_assert_eq(ktls_source_count(), KTLS_SOURCES_MAX);
	source.minor = OURS;
	cr_assert_eq(ktls_source_unregister(&source), 0);
	source.minor = 0;
	cr_assert_eq(ktls_source_register(&source), 0);
}

Test(unit, what_is_no_source_is_refused)
{
	struct ktls_source source = fake("mine", 0), nameless = fake("", 0);
	struct ktls_config *config;

	cr_assert_eq(ktls_source_register(NULL), -EINVAL);
	cr_assert_eq(ktls_source_register(&nameless), -EINVAL);
	cr_assert_eq(ktls_source_unregister(NULL), -EINVAL);
	cr_assert_eq(ktls_source_unregister(&nameless), -EINVAL);
	cr_assert_eq(ktls_source_instantiate(NULL, &config, KTLS_CLIENT), -EINVAL);
	cr_assert_eq(ktls_source_instantiate(&source, NULL, KTLS_CLIENT), -EINVAL);
	source.instantiate = NULL;
	cr_assert_eq(ktls_source_register(&source), -EINVAL);
	cr_assert_eq(ktls_source_instantiate(&source, &config, KTLS_CLIENT), -EINVAL);
	source = fake("mine", 0);
	memset(source.postfix, 'x', sizeof(source.postfix));
	cr_assert_eq(ktls_source_register(&source), -EINVAL);
	memset(source.name, 'x', sizeof(source.name));
	cr_assert_eq(ktls_source_unregister(&source), -EINVAL);
	ktls_source_find(0, 0, &source, 1);
	cr_assert_eq(ktls_source_instantiate(&source, &config, 2), -EINVAL);
	cr_assert_eq(ktls_source_count(), OURS);
}
