/* SPDX-License-Identifier: MIT */

/* Taking addresses apart; see address.h. Nothing is guessed: a space, a control character or a user
 * name in a URL is a mistake, or somebody's trick. */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"

static const char digits[] = "0123456789";

/* "", or ":" and a decimal port. */
static int parse_port(char ret_port[ADDRESS_LIMIT_PORT + 1], const char *text, size_t len)
{
	*ret_port = '\0';
	if (!len)
		return 0;
	if (*text != ':' || len < 2 || len - 1 > ADDRESS_LIMIT_PORT)
		return -EINVAL;
	memcpy(ret_port, text + 1, len - 1);
	ret_port[len - 1] = '\0';
	if (ret_port[strspn(ret_port, digits)] || strtoul(ret_port, NULL, 10) > 65535)
		return -EINVAL;
	return 0;
}

int address_parse(struct address *ret_address, const char *text, size_t len)
{
	bool bracketed = len && *text == '[';
	const char *host = text + bracketed;
	const char *end = memchr(host, bracketed ? ']' : ':', len - bracketed);
	size_t host_len;

	if (bracketed && !end)
		return -EINVAL;
	host_len = end ? (size_t)(end - host) : len;
	if (host_len > ADDRESS_LIMIT_HOST || (bracketed && !host_len))
		return -EINVAL;
	memcpy(ret_address->host, host, host_len);
	ret_address->host[host_len] = '\0';
	host += host_len + bracketed;
	return parse_port(ret_address->port, host, (size_t)(text + len - host));
}

/* What may stand in a URL at all: no space, no control character; others are percent-encoded. */
static bool is_clean(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c >= 0x7f)
			return false;
	}
	return true;
}

int url_parse(struct url *ret_url, const char *text)
{
	static const char scheme[] = "https://";
	struct url url = { .authority = text + sizeof(scheme) - 1 };
	int r;

	if (!is_clean(text))
		return -EINVAL;
	if (strncasecmp(text, scheme, sizeof(scheme) - 1))
		return strstr(text, "://") ? -EPROTONOSUPPORT : -EINVAL;
	url.authority_len = strcspn(url.authority, "/?#");
	url.target = url.authority + url.authority_len;
	url.target_len = strcspn(url.target, "#");
	if (memchr(url.authority, '@', url.authority_len))
		return -EINVAL;
	r = address_parse(&url.address, url.authority, url.authority_len);
	if (r || !*url.address.host)
		return -EINVAL;
	if (!*url.address.port)
		strcpy(url.address.port, "443");
	*ret_url = url;
	return 0;
}
