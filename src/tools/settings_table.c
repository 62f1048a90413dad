/* SPDX-License-Identifier: MIT */

/* The table of settings, and how a text becomes a value; see settings_table.h. */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "settings_table.h"
#include "tool.h"

#define FIELD(name) offsetof(struct settings, name)

const struct setting settings_table[SETTINGS_TABLE_N] = {
	{ .name = "listen",
	  .kind = SETTING_ADDRESS,
	  .offset = FIELD(listen),
	  .value = "127.0.0.1:8443",
	  .fixed = true,
	  .argument = "ADDR:PORT",
	  .help = "where; default 127.0.0.1:8443. Port 0 takes a free one,\n"
		  "[ADDR]:PORT is IPv6, :PORT is every address" },
	{ .name = "root",
	  .kind = SETTING_TEXT,
	  .offset = FIELD(root),
	  .value = ".",
	  .fixed = true,
	  .argument = "DIR",
	  .help = "what; default is the current directory" },
	{ .name = "self-signed",
	  .kind = SETTING_FLAG,
	  .offset = FIELD(self_signed),
	  .help = "a throw-away certificate for localhost instead" },
	{ .name = "ticket-file",
	  .kind = SETTING_TEXT,
	  .offset = FIELD(ticket_file),
	  .argument = "FILE",
	  .help = "the keys of session tickets, which servers share to resume\n"
		  "each other's sessions; see ktls rotate. Default: own ones" },
	{ .name = "offload",
	  .kind = SETTING_CHOICE,
	  .offset = FIELD(offload),
	  .value = "auto",
	  .choices = { "auto", "off", "tx", "rx", "both", "required", "nic" },
	  .argument = "WHEN",
	  .help = "which records the kernel protects: auto (default), off, tx,\n"
		  "rx, both (where it can), required (or no connection),\n"
		  "nic (by a NIC, or no connection)" },
	{ .name = "engine",
	  .kind = SETTING_CHOICE,
	  .offset = FIELD(engine),
	  .value = "auto",
	  .choices = { "auto", "io_uring", "epoll" },
	  .fixed = true,
	  .argument = "WHAT",
	  .help = "what it runs on: io_uring, epoll, or auto (default): io_uring,\n"
		  "and epoll where that is forbidden or missing" },
	{ .name = "metrics",
	  .kind = SETTING_ADDRESS,
	  .offset = FIELD(metrics),
	  .fixed = true,
	  .argument = "ADDR:PORT",
	  .help = "what is counted, for Prometheus, over plain HTTP there" },
	{ .name = "access-log",
	  .kind = SETTING_TEXT,
	  .offset = FIELD(access_log),
	  .fixed = true,
	  .argument = "FILE",
	  .help = "a line for each answer there; - is stdout. Opened anew on SIGHUP" },
	{ .name = "access-log-tls",
	  .kind = SETTING_FLAG,
	  .offset = FIELD(access_log_tls),
	  .fixed = true,
	  .help = "version and suite at the end of each of these lines" },
	{ .name = "threads",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(threads),
	  .value = "0",
	  .max = SETTINGS_LIMIT_THREADS,
	  .fixed = true,
	  .argument = "N",
	  .help = "that serve; default 0, one for each processor" },
	{ .name = "connections",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(connections),
	  .value = "10240",
	  .min = 1,
	  .max = SETTINGS_LIMIT_CONNECTIONS,
	  .fixed = true,
	  .argument = "N",
	  .help = "at once, of each thread; default 10240" },
	{ .name = "connections-per-address",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(connections_per_address),
	  .value = "0",
	  .max = SETTINGS_LIMIT_CONNECTIONS,
	  .fixed = true,
	  .argument = "N",
	  .help = "of one address; default 0, which is any number" },
	{ .name = "handshake-timeout",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(handshake_timeout),
	  .value = "30",
	  .min = 1,
	  .max = SETTINGS_LIMIT_TIMEOUT,
	  .fixed = true,
	  .argument = "SECONDS",
	  .help = "that a handshake may take; default 30" },
	{ .name = "request-timeout",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(request_timeout),
	  .value = "30",
	  .min = 1,
	  .max = SETTINGS_LIMIT_TIMEOUT,
	  .fixed = true,
	  .argument = "SECONDS",
	  .help = "from a request's first byte to the end of its head;\n"
		  "default 30" },
	{ .name = "idle-timeout",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(idle_timeout),
	  .value = "60",
	  .min = 1,
	  .max = SETTINGS_LIMIT_TIMEOUT,
	  .fixed = true,
	  .argument = "SECONDS",
	  .help = "between two requests; default 60" },
	{ .name = "send-timeout",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(send_timeout),
	  .value = "30",
	  .min = 1,
	  .max = SETTINGS_LIMIT_TIMEOUT,
	  .fixed = true,
	  .argument = "SECONDS",
	  .help = "in each such time a client takes an answer at\n"
		  "--min-rate, or all that is left; default 30" },
	{ .name = "min-rate",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(min_rate),
	  .value = "1024",
	  .min = 1,
	  .max = 1 << 30,
	  .fixed = true,
	  .argument = "BYTES",
	  .help = "in a second; a client that takes less is cut off; default 1024" },
	{ .name = "stop-timeout",
	  .kind = SETTING_COUNT,
	  .offset = FIELD(stop_timeout),
	  .value = "10",
	  .max = SETTINGS_LIMIT_TIMEOUT,
	  .fixed = true,
	  .argument = "SECONDS",
	  .help = "that answers have to be finished when it ends; default 10" },
	{ .name = "user",
	  .kind = SETTING_TEXT,
	  .offset = FIELD(user),
	  .fixed = true,
	  .argument = "NAME[:GROUP]",
	  .help = "whom root becomes when all is open" },
	{ .name = "sandbox",
	  .kind = SETTING_FLAG,
	  .offset = FIELD(sandbox),
	  .value = "yes",
	  .fixed = true,
	  .negative = true,
	  .help = "keep the right to open other files, and to other system calls" },
	{ .name = "verbose",
	  .kind = SETTING_FLAG,
	  .offset = FIELD(verbose),
	  .fixed = true,
	  .help = "a line on stderr for each request and error" },
};

static_assert(SETTINGS_TABLE_N <= 64, "a bit each in settings.given");

int settings_complain(const struct settings_place *place, const char *name, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (place->file)
		tool_fail(0, "ktls serve", "%s:%d: %s: %s", place->file, place->line, name, text);
	else
		tool_fail(0, "ktls serve", "--%s: %s", name, text);
	return -EINVAL;
}

/* Values */

void *settings_field(const struct settings *settings, const struct setting *row)
{
	return (char *)settings + row->offset;
}

bool settings_is_text(const struct setting *row)
{
	return row->kind == SETTING_TEXT || row->kind == SETTING_ADDRESS ||
	       row->kind == SETTING_CHOICE;
}

int settings_set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int check_choice(const struct setting *row, const char *value,
			const struct settings_place *place)
{
	char allowed[128] = "";

	for (size_t i = 0; i < SETTINGS_TABLE_CHOICES && row->choices[i]; i++) {
		if (!strcmp(value, row->choices[i]))
			return 0;
		snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), "%s%s",
			 i ? ", " : "", row->choices[i]);
	}
	return settings_complain(place, row->name, "\"%s\" is none of %s", value, allowed);
}

static int check_text(const struct setting *row, const char *value,
		      const struct settings_place *place)
{
	struct address address;

	if (!*value)
		return settings_complain(place, row->name, "a value is missing");
	if (row->kind == SETTING_CHOICE)
		return check_choice(row, value, place);
	if (row->kind == SETTING_ADDRESS &&
	    (address_parse(&address, value, strlen(value)) || !*address.port))
		return settings_complain(place, row->name, "\"%s\" is not ADDR:PORT", value);
	return 0;
}

static int set_flag(bool *field, const struct setting *row, const char *value,
		    const struct settings_place *place)
{
	if (!strcmp(value, "yes"))
		*field = true;
	else if (!strcmp(value, "no"))
		*field = false;
	else
		return settings_complain(place, row->name, "\"%s\" is neither yes nor no", value);
	return 0;
}

static int set_count(unsigned int *field, const struct setting *row, const char *value,
		     const struct settings_place *place)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	/* strtoul() takes signs and spaces, and there are none in a count. */
	if (*value < '0' || *value > '9' || *end || number < row->min || number > row->max)
		return settings_complain(place, row->name, "\"%s\" is not a number from %u to %u",
					 value, row->min, row->max);
	*field = (unsigned int)number;
	return 0;
}

int settings_set_row(struct settings *settings, const struct setting *row, const char *value,
		     const struct settings_place *place)
{
	void *field = settings_field(settings, row);
	int r;

	switch (row->kind) {
	case SETTING_TEXT:
	case SETTING_ADDRESS:
	case SETTING_CHOICE:
		r = check_text(row, value, place);
		return r ? r : settings_set_text(field, value);
	case SETTING_FLAG:
		return set_flag(field, row, value, place);
	case SETTING_COUNT:
		return set_count(field, row, value, place);
	}
	return -EINVAL;
}

int settings_set(struct settings *settings, const char *name, const char *value,
		 const struct settings_place *place)
{
	for (size_t i = 0; i < SETTINGS_TABLE_N; i++) {
		if (strcmp(name, settings_table[i].name))
			continue;
		/* On a command line the last one wins, as people and scripts expect there. */
		if (place->file && settings->given & 1ull << i)
			return settings_complain(place, name, "it is given twice");
		settings->given |= 1ull << i;
		return settings_set_row(settings, &settings_table[i], value, place);
	}
	return -ENOENT;
}
