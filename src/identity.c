/* SPDX-License-Identifier: MIT */

/*
 * Who we are, whom we trust, and whom no longer: what setters take from files or from memory, as
 * PEM or DER. What is in it is read by credentials.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ktls/verify.h>

#include "base/fd.h"
#include "base/secret.h"
#include "config.h"
#include "credentials.h"

enum {
	FILE_MAX = 1 << 20,	   /* bytes */
	REVOCATIONS_MAX = 1 << 25, /* the lists of large authorities have megabytes */
};

/* Bytes of a file, wiped when they go: one may be a key. */
struct contents {
	char *data;
	size_t len;
};

static void free_contents(struct contents *contents)
{
	if (contents->data)
		explicit_bzero(contents->data, contents->len);
	free(contents->data);
}

static int read_all(int fd, size_t max, struct contents *contents)
{
	int r;

	contents->data = malloc(max);
	if (!contents->data)
		return -ENOMEM;
	r = ktls_fd_read_all(fd, contents->data, max, &contents->len);
	if (r < 0)
		return r;
	return contents->len < max ? 0 : -EFBIG;
}

static int read_file(struct ktls_config *config, const char *path, size_t max,
		     struct contents *contents)
{
	_cleanup_(ktls_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_all(fd, max, contents);

	if (r < 0)
		return ktls_config_fail(config, r, "reading %s: %s", path, ktls_strerror(r));
	return 0;
}

/* Identity */

int ktls_config_add_identity(struct ktls_config *config, const void *chain, size_t chain_len,
			     const void *key, size_t key_len)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!chain || !key || chain_len > FILE_MAX || key_len > FILE_MAX)
		return ktls_config_fail_value(
			config, "a chain and a key are needed, of at most 1 MiB each");
	return ktls_credentials_add_identity(config, chain, chain_len, key, key_len);
}

int ktls_config_add_identity_file(struct ktls_config *config, const char *chain_path,
				  const char *key_path)
{
	_cleanup_(free_contents) struct contents chain = { 0 };
	_cleanup_(free_contents) struct contents key = { 0 };
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!chain_path || !key_path)
		return ktls_config_fail_value(config, "a chain and a key are needed");
	r = read_file(config, chain_path, FILE_MAX, &chain);
	if (!r)
		r = read_file(config, key_path, FILE_MAX, &key);
	if (r < 0)
		return r;
	return ktls_credentials_add_identity(config, chain.data, chain.len, key.data, key.len);
}

int ktls_config_add_identity_self_signed(struct ktls_config *config, const char *const *names,
					 size_t n)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!names || !n)
		return ktls_config_fail_value(config, "a self-signed certificate needs a name");
	return ktls_credentials_add_self_signed(config, names, n);
}

/* Trust, revocation lists and stapled responses */

struct kind {
	int (*add)(struct ktls_config *config, const void *data, size_t len);
	size_t max;
	const char *what;
};

static const struct kind trust = { ktls_credentials_add_trust, FILE_MAX,
				   "trust anchors are needed, of at most 1 MiB" };
static const struct kind revocations = { ktls_credentials_add_revocations, REVOCATIONS_MAX,
					 "revocation lists are needed, of at most 32 MiB" };
static const struct kind staple = { ktls_credentials_add_staple, FILE_MAX,
				    "an OCSP response is needed, of at most 1 MiB" };

static int add_bytes(struct ktls_config *config, const struct kind *kind, const void *data,
		     size_t len)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!data || len > kind->max)
		return ktls_config_fail_value(config, kind->what);
	return kind->add(config, data, len);
}

static int add_file(struct ktls_config *config, const struct kind *kind, const char *path)
{
	_cleanup_(free_contents) struct contents contents = { 0 };
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!path)
		return ktls_config_fail_value(config, kind->what);
	r = read_file(config, path, kind->max, &contents);
	if (r < 0)
		return r;
	return kind->add(config, contents.data, contents.len);
}

int ktls_config_add_trust(struct ktls_config *config, const void *data, size_t len)
{
	return add_bytes(config, &trust, data, len);
}

int ktls_config_add_trust_file(struct ktls_config *config, const char *path)
{
	return add_file(config, &trust, path);
}

int ktls_config_add_revocations(struct ktls_config *config, const void *data, size_t len)
{
	return add_bytes(config, &revocations, data, len);
}

int ktls_config_add_revocations_file(struct ktls_config *config, const char *path)
{
	return add_file(config, &revocations, path);
}

int ktls_config_add_staple(struct ktls_config *config, const void *data, size_t len)
{
	return add_bytes(config, &staple, data, len);
}

int ktls_config_add_staple_file(struct ktls_config *config, const char *path)
{
	return add_file(config, &staple, path);
}
