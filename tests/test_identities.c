/* SPDX-License-Identifier: MIT */

/* Configs from settings, and what is said of bad ones. Which certificate is shown to whom, real
 * clients see in interop/sites.py. */

#include <errno.h>

#include "hearing.h"
#include "identities.h"

static char missing[] = "/nonexistent/file", offload[] = "auto", name[] = "a.example";

Test(unit, a_throw_away_certificate)
{
	struct settings settings = { .offload = offload, .self_signed = true };
	struct ktls_config *config;
	char *error;

	cr_assert_eq(identities_make(&config, &settings, &error), 0);
	cr_expect_null(error);
	/* It is a server's, and whole: a listener takes no other. */
	ktls_config_unref(config);
}

static void expect_error(const struct settings *settings, int result, const char *text)
{
	struct ktls_config *config = NULL;
	char *error;

	cr_expect_eq(identities_make(&config, settings, &error), result);
	cr_expect(error && strstr(error, text), "%s", error);
	cr_expect_null(config);
	free(error);
}

Test(unit, files_that_cannot_be_read_are_named)
{
	struct settings_site site = { .names = { name },
				      .certs = { missing },
				      .keys = { missing },
				      .n_names = 1,
				      .n_certs = 1,
				      .n_keys = 1 };
	struct settings_site *sites[] = { &site };
	struct settings settings = { .offload = offload, .everyone = site };

	settings.everyone.n_names = 0;
	expect_error(&settings, -ENOENT, "reading /nonexistent/file: ");
	settings = (struct settings){ .offload = offload, .sites = sites, .n_sites = 1 };
	expect_error(&settings, -ENOENT, "reading /nonexistent/file: ");
	settings.self_signed = true;
	expect_error(&settings, -ENOENT, "reading /nonexistent/file: ");
	settings.ticket_file = missing;
	expect_error(&settings, -ENOENT, "/nonexistent/file");
}

Test(unit, a_file_that_is_no_certificate_is_named)
{
	char path[64];
	struct settings settings = { .offload = offload };

	make_text_file(path, "rubbish", 7);
	settings.everyone = (struct settings_site){
		.certs = { path }, .keys = { path }, .n_certs = 1, .n_keys = 1
	};
	expect_error(&settings, -KTLS_E_BAD_CERTIFICATE, path);
	unlink(path);
}
