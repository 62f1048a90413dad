/* SPDX-License-Identifier: MIT */

/* The command line, and what becomes of it and a file together; see settings.h. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "settings_table.h"
#include "tool.h"

static const char command[] = "ktls serve";

/* What only the command line has, or writes otherwise than the file. */
enum option_code {
	OPTION_CERT = 256,
	OPTION_KEY,
	OPTION_SITE,
	OPTION_CONFIG,
	OPTION_CHECK,
	OPTION_HELP,
	OPTIOSETTINGS_TABLE_N, /* from here on rows of the table */
};

static const struct option own_options[] = {
	{ "cert", required_argument, NULL, OPTION_CERT },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "site", required_argument, NULL, OPTION_SITE },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "help", no_argument, NULL, OPTION_HELP },
};

enum {
	N_OWN = sizeof(own_options) / sizeof(*own_options),
	OPTION_NAME_SIZE = 32,
};

static const char help_head[] =
	"usage: ktls serve (--cert FILE --key FILE | --self-signed | --config FILE) [OPTION...]\n\n"
	"Serves the files beneath a directory over HTTPS, until SIGINT or SIGTERM. On SIGHUP\n"
	"certificates, keys and the file of settings are read again; ktls-serve(1).\n\n"
	"  --config FILE       settings, by the names that options have without \"--\"; what the\n"
	"                      command line says wins\n"
	"  --cert FILE         our certificate, then its chain: PEM or DER. May be repeated, each\n"
	"                      with a key; the name that a client asks for chooses\n"
	"  --key FILE          its private key\n"
	"  --site NAMES=CERT,KEY\n"
	"                      a certificate for these names (a.example,*.b.example)\n"
	"  --check             only say whether the settings are good\n";

void settings_print_help(void)
{
	char option[OPTION_NAME_SIZE + 2 * SETTINGS_LIMIT_LABEL];

	fputs(help_head, stdout);
	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		const struct setting *row = &settings_table[i];
		const char *line = row->help;
		const char *end = strchr(line, '\n');

		snprintf(option, sizeof(option), "--%s%s %s", row->negative ? "no-" : "", row->name,
			 row->argument ? row->argument : "");
		printf("  %-19s %.*s\n", option, end ? (int)(end - line) : (int)strlen(line), line);
		if (end)
			printf("%22s%s\n", "", end + 1);
	}
	printf("  %-19s %s\n", "--help", "this");
}

/* Sites */

static int append(char **list, size_t *n, size_t max, const char *name, const char *value,
		  const struct settings_place *place)
{
	if (!*value)
		return settings_complain(place, name, "a value is missing");
	if (*n == max)
		return settings_complain(place, name, "there are at most %zu", max);
	if (settings_set_text(&list[*n], value))
		return -ENOMEM;
	++*n;
	return 0;
}

static int add_names(struct settings_site *site, char *names, const struct settings_place *place)
{
	char *rest = names;
	const char *name;

	while ((name = strsep(&rest, " \t,"))) {
		int r = 0;

		if (*name)
			r = append(site->names, &site->n_names, SETTINGS_LIMIT_NAMES, "names", name,
				   place);
		if (r)
			return r;
	}
	return 0;
}

int settings_add(struct settings_site *site, const char *name, const char *value,
		 const struct settings_place *place)
{
	if (!strcmp(name, "cert"))
		return append(site->certs, &site->n_certs, SETTINGS_LIMIT_IDENTITIES, name, value,
			      place);
	if (!strcmp(name, "key"))
		return append(site->keys, &site->n_keys, SETTINGS_LIMIT_IDENTITIES, name, value,
			      place);
	if (!strcmp(name, "names")) {
		char *copy = strdup(value);
		int r = copy ? add_names(site, copy, place) : -ENOMEM;

		free(copy);
		return r;
	}
	return -ENOENT;
}

struct settings_site *settings_add_site(struct settings *settings,
					const struct settings_place *place)
{
	struct settings_site **sites;

	if (settings->n_sites == SETTINGS_LIMIT_SITES) {
		settings_complain(place, "site", "there are at most %d", SETTINGS_LIMIT_SITES);
		return NULL;
	}
	sites = realloc(settings->sites, (settings->n_sites + 1) * sizeof(*sites));
	if (!sites)
		return NULL;
	settings->sites = sites;
	sites[settings->n_sites] = calloc(1, sizeof(**sites));
	if (!sites[settings->n_sites])
		return NULL;
	return sites[settings->n_sites++];
}

/* NAMES=CERT,KEY */
static int add_site_option(struct settings *settings, const char *text,
			   const struct settings_place *place)
{
	char *copy = strdup(text);
	char *cert = copy ? strchr(copy, '=') : NULL;
	char *key = cert ? strrchr(cert, ',') : NULL;
	struct settings_site *site;
	int r;

	if (!key || cert == copy) {
		free(copy);
		return settings_complain(place, "site", "\"%s\" is not NAMES=CERT,KEY", text);
	}
	*cert++ = '\0';
	*key++ = '\0';
	site = settings_add_site(settings, place);
	r = site ? settings_add(site, "names", copy, place) : -ENOMEM;
	if (!r)
		r = settings_add(site, "cert", cert, place);
	if (!r)
		r = settings_add(site, "key", key, place);
	free(copy);
	return r;
}

/* The command line */

static int set_option(struct settings *settings, int code, const char *value)
{
	static const struct settings_place place = { 0 };
	const struct setting *row;

	switch (code) {
	case OPTION_CERT:
		return settings_add(&settings->everyone, "cert", value, &place);
	case OPTION_KEY:
		return settings_add(&settings->everyone, "key", value, &place);
	case OPTION_SITE:
		return add_site_option(settings, value, &place);
	case OPTION_CONFIG:
		return settings_set_text(&settings->config, value);
	case OPTION_CHECK:
		settings->check = true;
		return 0;
	case OPTION_HELP:
		settings->help = true;
		return 0;
	}
	row = &settings_table[code - OPTIOSETTINGS_TABLE_N];
	if (row->kind == SETTING_FLAG)
		value = row->negative ? "no" : "yes";
	return settings_set(settings, row->name, value, &place);
}

static void make_options(struct option options[N_OWN + SETTINGS_TABLE_N + 1],
			 char names[SETTINGS_TABLE_N][OPTION_NAME_SIZE])
{
	memcpy(options, own_options, sizeof(own_options));
	for (int i = 0; i < SETTINGS_TABLE_N; i++) {
		snprintf(names[i], OPTION_NAME_SIZE, "%s%s",
			 settings_table[i].negative ? "no-" : "", settings_table[i].name);
		options[N_OWN + i] = (struct option){
			.name = names[i],
			.has_arg = settings_table[i].kind == SETTING_FLAG ? no_argument
									  : required_argument,
			.val = OPTIOSETTINGS_TABLE_N + i,
		};
	}
	options[N_OWN + SETTINGS_TABLE_N] = (struct option){ 0 };
}

static int read_options(struct settings *settings, int argc, char *argv[])
{
	struct option options[N_OWN + SETTINGS_TABLE_N + 1];
	char names[SETTINGS_TABLE_N][OPTION_NAME_SIZE];
	int code;

	make_options(options, names);
	optind = 0; /* again from the start: it is read at each reload */
	while ((code = getopt_long(argc, argv, "h", options, NULL)) >= 0 && !settings->help) {
		int r;

		if (code == '?')
			return tool_usage(command);
		r = set_option(settings, code == 'h' ? OPTION_HELP : code, optarg);
		if (r == -ENOMEM)
			return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
		if (r)
			return tool_usage(command);
	}
	if (!settings->help && optind < argc) {
		tool_fail(0, command, "\"%s\" is not an option", argv[optind]);
		return tool_usage(command);
	}
	return 0;
}

/* Both together */

static bool has_identity(const struct settings *settings)
{
	return settings->self_signed || settings->everyone.n_certs || settings->everyone.n_keys ||
	       settings->n_sites;
}

static size_t size_of(const struct setting *row)
{
	if (settings_is_text(row))
		return sizeof(char *);
	return row->kind == SETTING_FLAG ? sizeof(bool) : sizeof(unsigned int);
}

static void swap_bytes(void *a, void *b, size_t n)
{
	unsigned char *left = a, *right = b;

	while (n--) {
		unsigned char byte = left[n];

		left[n] = right[n];
		right[n] = byte;
	}
}

/* What the command line left open is the file's; certificates it names are all there are. */
static void merge_file(struct settings *settings, struct settings *file)
{
	bool own = has_identity(settings);

	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		const struct setting *row = &settings_table[i];

		if (settings->given & 1ull << i || !(file->given & 1ull << i))
			continue;
		if (own && row->offset == offsetof(struct settings, self_signed))
			continue;
		swap_bytes(settings_field(settings, row), settings_field(file, row), size_of(row));
		settings->given |= 1ull << i;
	}
	if (own)
		return;
	swap_bytes(&settings->everyone, &file->everyone, sizeof(file->everyone));
	swap_bytes(&settings->sites, &file->sites, sizeof(file->sites));
	swap_bytes(&settings->n_sites, &file->n_sites, sizeof(file->n_sites));
}

static int set_defaults(struct settings *settings)
{
	static const struct settings_place place = { 0 };

	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		if (settings->given & 1ull << i || !settings_table[i].value)
			continue;
		if (settings_set_row(settings, &settings_table[i], settings_table[i].value, &place))
			return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
	}
	return 0;
}

static int check_site(const struct settings_site *site)
{
	const char *name = site->n_names ? site->names[0] : "everyone else";

	if (site->n_certs == site->n_keys)
		return 0;
	tool_fail(0, command, "%s: %zu certificates need as many keys, not %zu", name,
		  site->n_certs, site->n_keys);
	return tool_usage(command);
}

static int check_identities(const struct settings *settings)
{
	const struct settings_site *everyone = &settings->everyone;
	const char *fault = NULL;
	int r = 0;

	if (settings->self_signed && (everyone->n_certs || everyone->n_keys))
		fault = "--self-signed makes its own certificate and key: give no others";
	else if (!has_identity(settings) || (!everyone->n_certs && everyone->n_keys) ||
		 (everyone->n_certs && !everyone->n_keys))
		fault = "give a certificate and its key with --cert and --key, or --self-signed";
	if (fault) {
		tool_fail(0, command, "%s", fault);
		return tool_usage(command);
	}
	r = check_site(everyone);
	for (size_t i = 0; i < settings->n_sites && !r; i++) {
		r = check_site(settings->sites[i]);
		if (!r && (!settings->sites[i]->n_names || !settings->sites[i]->n_certs))
			r = tool_fail(TOOL_EXIT_USAGE, command,
				      "a site needs names, a certificate and its key");
	}
	return r;
}

static int merge(struct settings *settings)
{
	struct settings file = { 0 };
	int r = settings_read_file(&file, settings->config);

	if (!r)
		merge_file(settings, &file);
	settings_done(&file);
	return r;
}

int settings_read(struct settings *ret_settings, int argc, char *argv[])
{
	int r;

	*ret_settings = (struct settings){ 0 };
	r = read_options(ret_settings, argc, argv);
	if (r || ret_settings->help)
		return r;
	if (ret_settings->config)
		r = merge(ret_settings);
	if (!r)
		r = set_defaults(ret_settings);
	return r ? r : check_identities(ret_settings);
}

static void free_list(char **list, size_t n)
{
	while (n--)
		free(list[n]);
}

static void site_done(struct settings_site *site)
{
	free_list(site->names, site->n_names);
	free_list(site->certs, site->n_certs);
	free_list(site->keys, site->n_keys);
}

void settings_done(struct settings *settings)
{
	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		if (settings_is_text(&settings_table[i]))
			free(*(char **)settings_field(settings, &settings_table[i]));
	}
	free(settings->config);
	site_done(&settings->everyone);
	for (size_t i = 0; i < settings->n_sites; i++) {
		site_done(settings->sites[i]);
		free(settings->sites[i]);
	}
	free(settings->sites);
	*settings = (struct settings){ 0 };
}

static bool is_same(const struct settings *a, const struct settings *b, const struct setting *row)
{
	const void *left = settings_field(a, row), *right = settings_field(b, row);
	const char *const *texts[] = { left, right };

	if (!settings_is_text(row))
		return !memcmp(left, right, size_of(row));
	if (!*texts[0] || !*texts[1])
		return *texts[0] == *texts[1];
	return !strcmp(*texts[0], *texts[1]);
}

const char *settings_next_fixed(const struct settings *a, const struct settings *b, size_t *i)
{
	while (*i < SETTINGS_TABLE_N) {
		const struct setting *row = &settings_table[(*i)++];

		if (row->fixed && !is_same(a, b, row))
			return row->name;
	}
	return NULL;
}
