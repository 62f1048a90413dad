/* SPDX-License-Identifier: MIT */

/* The table of codes and reasons: nothing in it is missing, said twice, or of the wrong kind. */

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <ktls/error.h>

#include "tests/kit.h"

/* Names and sentences of a code: there, and not those of the code before. */
static void check_words(int code, const char *prefix)
{
	const char *name = ktls_strerrorname(code), *text = ktls_strerror(code);

	cr_assert(!strncmp(name, prefix, strlen(prefix)), "%d is called \"%s\"", code, name);
	cr_assert(strcmp(text, "unknown code"), "%s has no sentence", name);
	cr_assert(strlen(text) > 3 && text[strlen(text) - 1] != '.', "%s: \"%s\"", name, text);
}

Test(unit, every_status_has_a_name_and_a_sentence)
{
	for (int code = KTLS_DONE; code < _KTLS_STATUS_N; code++)
		check_words(code, "KTLS_");
}

Test(unit, every_error_has_a_name_and_a_sentence)
{
	for (int code = KTLS_E_NO_NAME; code < _KTLS_ERROR_END; code++) {
		check_words(-code, "KTLS_E_");
		cr_assert(ktls_strerror(code) == ktls_strerror(-code));
	}
}

Test(unit, no_two_codes_share_a_name_or_a_sentence)
{
	for (int a = KTLS_E_NO_NAME; a < _KTLS_ERROR_END; a++) {
		for (int b = a + 1; b < _KTLS_ERROR_END; b++) {
			cr_assert(strcmp(ktls_strerrorname(-a), ktls_strerrorname(-b)));
			cr_assert(strcmp(ktls_strerror(-a), ktls_strerror(-b)), "%s and %s",
				  ktls_strerrorname(-a), ktls_strerrorname(-b));
		}
	}
}

Test(unit, an_errno_is_called_as_in_the_manual)
{
	static const struct {
		int code;
		const char *name;
	} rows[] = {
		{ -EPERM, "EPERM" },	   { -ENOENT, "ENOENT" }, { -EINTR, "EINTR" },
		{ -EIO, "EIO" },	   { -EPIPE, "EPIPE" },	  { -ECONNRESET, "ECONNRESET" },
		{ -ENOTCONN, "ENOTCONN" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_str_eq(ktls_strerrorname(rows[i].code), rows[i].name);
		cr_assert_str_eq(ktls_strerror(rows[i].code), strerrordesc_np(-rows[i].code));
	}
}

Test(unit, what_is_no_code_is_unknown)
{
	static const int codes[] = {
		INT_MIN,	 INT_MIN + 1,	       INT_MAX, -4095, -_KTLS_ERROR_END,
		_KTLS_ERROR_END, -(KTLS_E_NO_NAME - 1)
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		cr_assert_str_eq(ktls_strerrorname(codes[i]), "unknown", "%d", codes[i]);
		cr_assert_str_eq(ktls_strerror(codes[i]), "unknown code", "%d", codes[i]);
	}
}

Test(unit, every_reason_has_a_name_and_a_sentence)
{
	for (unsigned int a = KTLS_REASON_NONE; a < _KTLS_REASON_N; a++) {
		const char *name = ktls_reason_name(a);

		cr_assert(*name && strcmp(name, "unknown"), "reason %u", a);
		cr_assert(strlen(ktls_reason_text(a)) > 3, "%s", name);
		cr_assert_not_null(ktls_reason_remedy(a), "%s", name);
		for (const char *at = name; *at; at++)
			cr_assert((*at >= 'a' && *at <= 'z') || *at == '-', "\"%s\"", name);
		for (unsigned int b = a + 1; b < _KTLS_REASON_N; b++) {
			cr_assert(strcmp(name, ktls_reason_name(b)));
			cr_assert(strcmp(ktls_reason_text(a), ktls_reason_text(b)), "%s", name);
		}
	}
}

/* What a user can change has its remedy in words. */
Test(unit, a_reason_that_has_a_remedy_names_it)
{
	static const enum ktls_reason reasons[] = {
		KTLS_REASON_POLICY,	   KTLS_REASON_NO_ULP,	  KTLS_REASON_ULP_FORBIDDEN,
		KTLS_REASON_MPTCP,	   KTLS_REASON_NO_CIPHER, KTLS_REASON_OLD_KERNEL,
		KTLS_REASON_NO_REKEY,	   KTLS_REASON_SECCOMP,	  KTLS_REASON_NO_LOOPBACK,
		KTLS_REASON_NOT_CONNECTED,
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		cr_assert(*ktls_reason_remedy(reasons[i]), "%s", ktls_reason_name(reasons[i]));
}

Test(unit, what_is_no_reason_is_unknown)
{
	static const unsigned int reasons[] = { _KTLS_REASON_N, UINT_MAX, INT_MAX };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		cr_assert_str_eq(ktls_reason_name(reasons[i]), "unknown");
		cr_assert_str_eq(ktls_reason_text(reasons[i]), "unknown reason");
		cr_assert_str_eq(ktls_reason_remedy(reasons[i]), "");
	}
}
