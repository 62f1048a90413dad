/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SETTINGS_TABLE_H
#define KTLS_TOOL_SETTINGS_TABLE_H

/* One row for each setting that has one value: its name, which is an option's and a file's, what it
 * may be, and what it means. */

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

enum setting_kind {
	SETTING_TEXT = 0,
	SETTING_ADDRESS,
	SETTING_CHOICE,
	SETTING_FLAG,
	SETTING_COUNT,
};

enum settings_table_limit {
	SETTINGS_TABLE_N = 21,
	SETTINGS_TABLE_CHOICES = 8,
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;	   /* in struct settings */
	const char *value; /* the default; NULL: none */
	const char *choices[SETTINGS_TABLE_CHOICES];
	unsigned int min, max;
	bool fixed;    /* looked at when the server starts, and never again */
	bool negative; /* the option is --no-NAME */
	const char *argument;
	const char *help;
};

extern const struct setting settings_table[SETTINGS_TABLE_N];

/* Where a row's value lies: a char * that is text, or else a bool or an unsigned int. */
void *settings_field(const struct settings *settings, const struct setting *row);
bool settings_is_text(const struct setting *row);

/* A copy, in place of what was there. -ENOMEM. */
int settings_set_text(char **field, const char *value);

/* -EINVAL, which has been said, -ENOMEM. */
int settings_set_row(struct settings *settings, const struct setting *row, const char *value,
		     const struct settings_place *place);

#endif
