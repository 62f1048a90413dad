/* SPDX-License-Identifier: MIT */

/* What the commands share; see tool.h. */

#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include "tool.h"

int tool_fail(int code, const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

int tool_usage(const char *command)
{
	fprintf(stderr, "%s --help says what there is\n", command);
	return TOOL_EXIT_USAGE;
}

void tool_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

struct offload_word {
	const char *word;
	enum ktls_offload tx;
	enum ktls_offload rx;
};

static const struct offload_word offload_words[] = {
	{ "auto", KTLS_OFFLOAD_AUTO, KTLS_OFFLOAD_AUTO },
	{ "off", KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER },
	{ "tx", KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_NEVER },
	{ "rx", KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_AT_ONCE },
	{ "both", KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE },
	{ "required", KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED },
	{ "nic", KTLS_OFFLOAD_NIC, KTLS_OFFLOAD_NIC },
};

int tool_set_offload(struct ktls_config *config, const char *word)
{
	for (size_t i = 0; i < sizeof(offload_words) / sizeof(*offload_words); i++) {
		const struct offload_word *row = &offload_words[i];
		int r;

		if (strcmp(word, row->word))
			continue;
		r = ktls_config_set_offload(config, KTLS_TX, row->tx, 0);
		return r ? r : ktls_config_set_offload(config, KTLS_RX, row->rx, 0);
	}
	return -EINVAL;
}

static int format_direction(const struct ktls_info *info, enum ktls_direction direction, char *text,
			    size_t size)
{
	const char *name = direction == KTLS_TX ? "tx" : "rx";
	const char *protection = ktls_protection_name(info->protection[direction]);

	if (info->protection[direction] != KTLS_PROTECTION_USER)
		return snprintf(text, size, "%s=%s", name, protection);
	if (info->reason[direction] == KTLS_REASON_REFUSED && info->reason_errno[direction])
		return snprintf(text, size, "%s=%s (%s, %s)", name, protection,
				ktls_reason_name(info->reason[direction]),
				ktls_strerrorname(-info->reason_errno[direction]));
	return snprintf(text, size, "%s=%s (%s)", name, protection,
			ktls_reason_name(info->reason[direction]));
}

void tool_format_protection(const struct ktls_info *info, char *ret_text, size_t size)
{
	char tx[TOOL_PROTECTION_LEN / 2], rx[TOOL_PROTECTION_LEN / 2];

	format_direction(info, KTLS_TX, tx, sizeof(tx));
	format_direction(info, KTLS_RX, rx, sizeof(rx));
	snprintf(ret_text, size, "%s %s", tx, rx);
}
