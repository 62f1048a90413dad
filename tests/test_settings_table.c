/* SPDX-License-Identifier: MIT */

/* The rows of the table, and what each kind of value may be. */

#include <errno.h>

#include "hearing.h"
#include "settings_table.h"

static const struct settings_place line = { .file = "file", .line = 7 };

Test(unit, names_differ_and_each_row_has_help)
{
	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		cr_assert(settings_table[i].name && settings_table[i].help);
		cr_expect_eq(settings_table[i].argument == NULL,
			     settings_table[i].kind == SETTING_FLAG, "%s", settings_table[i].name);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(settings_table[i].name, settings_table[j].name);
	}
}

Test(unit, defaults_are_legal)
{
	struct settings settings = { 0 };

	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		const struct setting *row = &settings_table[i];

		if (row->value)
			cr_expect_eq(settings_set_row(&settings, row, row->value, &line), 0, "%s",
				     row->name);
	}
	settings_done(&settings);
}

Test(unit, values_and_what_is_allowed)
{
	static const struct {
		const char *name, *value;
		int result;
		const char *text;
	} rows[] = {
		{ "listen", "[::1]:0", 0, "" },
		{ "listen", "::1:80", -EINVAL, "file:7: listen: \"::1:80\" is not ADDR:PORT\n" },
		{ "listen", "", -EINVAL, "a value is missing" },
		{ "root", "/srv", 0, "" },
		{ "root", "", -EINVAL, "file:7: root: a value is missing\n" },
		{ "offload", "required", 0, "" },
		{ "offload", "nic", 0, "" },
		{ "offload", "Both", -EINVAL,
		  "file:7: offload: \"Both\" is none of auto, off, tx, rx, both, required, nic\n" },
		{ "engine", "epoll", 0, "" },
		{ "engine", "aio", -EINVAL, "engine: \"aio\" is none of auto, io_uring, epoll\n" },
		{ "threads", "256", 0, "" },
		{ "threads", "0", 0, "" },
		{ "connections", "0", -EINVAL,
		  "file:7: connections: \"0\" is not a number from 1 to 200000" },
		{ "threads", "257", -EINVAL, "from 0 to 256" },
		{ "threads", "-1", -EINVAL, "from 0 to 256" },
		{ "threads", " 1", -EINVAL, "from 0 to 256" },
		{ "threads", "1x", -EINVAL, "from 0 to 256" },
		{ "threads", "99999999999999999999", -EINVAL, "from 0 to 256" },
		{ "verbose", "yes", 0, "" },
		{ "verbose", "no", 0, "" },
		{ "verbose", "1", -EINVAL, "file:7: verbose: \"1\" is neither yes nor no\n" },
		{ "nonsense", "1", -ENOENT, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings settings = { 0 };
		struct hearing hearing;
		const char *text;
		int r;

		hearing_begin(&hearing);
		r = settings_set(&settings, rows[i].name, rows[i].value, &line);
		text = hearing_end(&hearing);

		cr_expect_eq(r, rows[i].result, "%s=%s", rows[i].name, rows[i].value);
		cr_expect(strstr(text, rows[i].text), "%s=%s: %s", rows[i].name, rows[i].value,
			  text);
		cr_expect_eq(*text == '\0', *rows[i].text == '\0', "%s", text);
		settings_done(&settings);
	}
}

Test(unit, twice_is_a_mistake_in_a_file_and_a_change_of_mind_on_a_command_line)
{
	static const struct settings_place option = { 0 };
	struct settings settings = { 0 };
	struct hearing hearing;

	cr_expect_eq(settings_set(&settings, "root", "a", &option), 0);
	cr_expect_eq(settings_set(&settings, "root", "b", &option), 0);
	cr_expect_str_eq(settings.root, "b");
	hearing_begin(&hearing);
	cr_expect_eq(settings_set(&settings, "root", "c", &line), -EINVAL);
	cr_expect_str_eq(hearing_end(&hearing), "ktls serve: file:7: root: it is given twice\n");
	cr_expect_str_eq(settings.root, "b");
	settings_done(&settings);
}
