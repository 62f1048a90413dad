/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SETTINGS_H
#define KTLS_TOOL_SETTINGS_H

/*
 * What `ktls serve` is told: by its command line, and by a file, of which the command line's part
 * wins. Both know the same names, which are rows of one table in settings_table.c: a new
 * setting is a field here and a row there. What is wrong is said on stderr, with its place and what
 * is allowed.
 */

#include <stdbool.h>
#include <stddef.h>

enum settings_limit {
	SETTINGS_LIMIT_IDENTITIES = 64, /* of a site */
	SETTINGS_LIMIT_NAMES = 64,	/* of a site */
	SETTINGS_LIMIT_SITES = 1024,
	SETTINGS_LIMIT_LABEL = 40, /* bytes of a site's name in its section's head */
	SETTINGS_LIMIT_THREADS = 256,
	SETTINGS_LIMIT_CONNECTIONS = 200000, /* of a thread */
	SETTINGS_LIMIT_TIMEOUT = 86400,
	SETTINGS_LIMIT_FILE = 4 << 20, /* bytes */
};

/* Who we are to those who ask for one of some names, or, without names, to everybody else. */
struct settings_site {
	char *names[SETTINGS_LIMIT_NAMES];
	char *certs[SETTINGS_LIMIT_IDENTITIES];
	char *keys[SETTINGS_LIMIT_IDENTITIES]; /* each to the cert of the same number */
	size_t n_names, n_certs, n_keys;
};

struct settings {
	char *config; /* the file, or NULL */
	char *listen;
	char *root;
	char *ticket_file;
	char *offload;
	char *engine;
	char *metrics;
	char *user;
	char *access_log;
	unsigned int threads; /* 0: one for each processor */
	unsigned int connections;
	unsigned int connections_per_address;
	unsigned int handshake_timeout; /* seconds, as all of these */
	unsigned int request_timeout;
	unsigned int idle_timeout;
	unsigned int send_timeout;
	unsigned int min_rate; /* bytes in a second */
	unsigned int stop_timeout;
	bool access_log_tls;
	bool self_signed;
	bool sandbox;
	bool verbose;
	bool check; /* say whether the settings are good, and end */
	bool help;

	struct settings_site everyone;
	struct settings_site **sites;
	size_t n_sites;
	unsigned long long given; /* bit i: row i of the table */
};

/* Where a value stands, for complaints: in a line of a file, or, with `file` NULL, on the command
 * line. */
struct settings_place {
	const char *file;
	int line;
};

/* Reads the command line and the file it names. To be freed with settings_done(), also after a
 * failure. 0, or an enum tool_exit: it has been said why. */
int settings_read(struct settings *ret_settings, int argc, char *argv[]);
void settings_done(struct settings *settings);

void settings_print_help(void);

/* The name of the first setting from row *i on that differs and is only looked at when the server
 * starts; *i is then the row to go on with. NULL: there is none. */
const char *settings_next_fixed(const struct settings *a, const struct settings *b, size_t *i);

/* For the reader of files. Each -EINVAL has been said. */

/* Reads a file's settings and nothing else. 0, or an enum tool_exit. */
int settings_read_file(struct settings *settings, const char *path);
/* Sets a row by its name. -ENOENT: there is none of that name; -EINVAL, -ENOMEM. */
int settings_set(struct settings *settings, const char *name, const char *value,
		 const struct settings_place *place);
/* Adds to a site: "names" (with spaces between), "cert", "key". As above. */
int settings_add(struct settings_site *site, const char *name, const char *value,
		 const struct settings_place *place);
struct settings_site *settings_add_site(struct settings *settings,
					const struct settings_place *place);
/* Says what is wrong with a value; -EINVAL. */
int settings_complain(const struct settings_place *place, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
