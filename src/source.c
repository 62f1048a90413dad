/* SPDX-License-Identifier: MIT */

/* The registry of sources: an array behind a lock, filled with our own when it is first looked at;
 * see source.h. Copies go in and out, so that nobody holds what another thread takes away. */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <ktls/source.h>
#include <ktls/version.h>

#include "base/secret.h"
#include "credentials.h"
#include "ethtool.h"
#include "ktls/kern.h"

static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	size_t count;
	struct ktls_source sources[KTLS_SOURCES_MAX];
} registry = {
	.once = PTHREAD_ONCE_INIT,
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Held until the end of the block. */
#define LOCKED()                                                     \
	_cleanup_(unlock) pthread_mutex_t *locked_ = &registry.lock; \
	pthread_once(&registry.once, add_ours);                      \
	pthread_mutex_lock(locked_)

/* Ours. The context is a recipe; none is a config as it comes. */

struct recipe {
	enum ktls_offload when; /* both directions */
	bool for_nics;		/* only what NICs are known to take */
};

static const struct recipe required = { .when = KTLS_OFFLOAD_REQUIRED },
			   never = { .when = KTLS_OFFLOAD_NEVER },
			   by_nic = { .when = KTLS_OFFLOAD_NIC, .for_nics = true };

static int follow(struct ktls_config *config, const struct recipe *recipe)
{
	static const enum ktls_cipher gcm[] = { KTLS_AES_128_GCM, KTLS_AES_256_GCM };
	int r = 0;

	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N && !r; d++)
		r = ktls_config_set_offload(config, d, recipe->when, 0);
	if (r || !recipe->for_nics)
		return r;
	r = ktls_config_set_protocols(config, KTLS_TLS_1_2, KTLS_TLS_1_2);
	return r ? r : ktls_config_set_ciphers(config, gcm, sizeof(gcm) / sizeof(*gcm));
}

static int instantiate_ours(const struct ktls_source *source, struct ktls_config **ret_config,
			    enum ktls_role role)
{
	struct ktls_config *config;
	int r;

	r = ktls_config_new(&config, role);
	if (r < 0)
		return r;
	if (source->context)
		r = follow(config, source->context);
	if (r < 0) {
		ktls_config_unref(config);
		return r;
	}
	*ret_config = config;
	return 0;
}

static void add_our(const char *name, uint32_t features, const struct recipe *recipe)
{
	struct ktls_source *source = &registry.sources[registry.count++];

	strcpy(source->name, name);
	source->major = KTLS_VERSION_MAJOR;
	source->minor = KTLS_VERSION_MINOR;
	source->patch = KTLS_VERSION_PATCH;
	source->features = features | KTLS_FEATURE_SYSTEM | KTLS_FEATURE_WRAP;
	source->instantiate = instantiate_ours;
	source->context = (void *)recipe;
}

static void add_ours(void)
{
	uint32_t kernel = kern_probe()->ulp ? 0 : KTLS_FEATURE_KERNEL;
	uint32_t fips = ktls_credentials_is_fips() ? KTLS_FEATURE_FIPS_140_2 : 0;
	uint32_t nic = 0;

	if (kernel && ktls_features_are_anywhere(KTLS_DEVICE_TX))
		nic = kernel | KTLS_FEATURE_NIC;

	add_our("auto", kernel | fips, NULL);
	add_our("kernel", kernel | fips, &required);
	add_our("user", fips, &never);
	add_our("nic", nic | fips, &by_nic);
}

/* The registry */

static bool is_string(const char *bytes)
{
	return memchr(bytes, 0, KTLS_SOURCE_NAME_LEN);
}

static bool is_named(const struct ktls_source *source)
{
	return source && source->name[0] && is_string(source->name) && is_string(source->postfix);
}

static bool is_same(const struct ktls_source *a, const struct ktls_source *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->postfix, b->postfix) &&
	       a->major == b->major && a->minor == b->minor && a->patch == b->patch;
}

/* Its place, or behind the last. */
static size_t place_of(const struct ktls_source *source)
{
	size_t i = 0;

	while (i < registry.count && !is_same(&registry.sources[i], source))
		i++;
	return i;
}

int ktls_source_register(const struct ktls_source *source)
{
	if (!is_named(source) || !source->instantiate)
		return -EINVAL;
	LOCKED();
	if (place_of(source) < registry.count)
		return -EEXIST;
	if (registry.count == KTLS_SOURCES_MAX)
		return -ENOSPC;
	registry.sources[registry.count++] = *source;
	return 0;
}

int ktls_source_unregister(const struct ktls_source *source)
{
	size_t place;

	if (!is_named(source))
		return -EINVAL;
	LOCKED();
	place = place_of(source);
	if (place == registry.count)
		return -ENOENT;
	registry.count--;
	memmove(&registry.sources[place], &registry.sources[place + 1],
		(registry.count - place) * sizeof(registry.sources[0]));
	return 0;
}

size_t ktls_source_count(void)
{
	LOCKED();
	return registry.count;
}

/* Those that match and have `more`, too. */
static size_t find(uint32_t set, uint32_t mask, uint32_t more, struct ktls_source *ret_sources,
		   size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < registry.count && found < n; i++) {
		uint32_t features = registry.sources[i].features;

		if ((features & mask) == set && (features & more) == more)
			ret_sources[found++] = registry.sources[i];
	}
	return found;
}

size_t ktls_source_find(uint32_t set, uint32_t mask, struct ktls_source *ret_sources, size_t n)
{
	if (!ret_sources)
		return 0;
	LOCKED();
	return find(set, mask, 0, ret_sources, n);
}

static int instantiate_nothing(const struct ktls_source *source, struct ktls_config **ret_config,
			       enum ktls_role role)
{
	(void)source;
	(void)ret_config;
	(void)role;
	return -EINVAL;
}

void ktls_source_default(uint32_t set, uint32_t mask, struct ktls_source *ret_source)
{
	if (!ret_source)
		return;
	LOCKED();
	if (!find(set, mask, KTLS_FEATURE_SYSTEM, ret_source, 1) &&
	    !find(set, mask, 0, ret_source, 1))
		*ret_source = (struct ktls_source){ .instantiate = instantiate_nothing };
}

int ktls_source_instantiate(const struct ktls_source *source, struct ktls_config **ret_config,
			    enum ktls_role role)
{
	if (!source || !source->instantiate || !ret_config)
		return -EINVAL;
	return source->instantiate(source, ret_config, role);
}
