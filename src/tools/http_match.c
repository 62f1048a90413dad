/* SPDX-License-Identifier: MIT */

/* Conditions and codings; see http_match.h. */

#include <string.h>
#include <strings.h>

#include "http_match.h"

static const char *skip_separators(const char *at)
{
	return at + strspn(at, " \t,");
}

/* The length of the entity-tag that begins here, from its W or quote to its last quote; 0: none. */
static size_t tag_len(const char *at)
{
	size_t start = strncmp(at, "W/", 2) ? 0 : 2;
	const char *end;

	if (at[start] != '"')
		return 0;
	end = strchr(at + start + 1, '"');
	return end ? (size_t)(end + 1 - at) : 0;
}

/* Whether the list names our tag, which is strong. Weakly, W/"x" does, too (RFC 9110 8.8.3.2). */
static bool names_tag(const char *list, const char *etag, bool weakly)
{
	const char *at = skip_separators(list);

	if (*at == '*')
		return !*skip_separators(at + 1);
	while (*at) {
		size_t len = tag_len(at);
		size_t skip = weakly && *at == 'W' ? 2 : 0;

		/* What follows a fault cannot be made out. */
		if (!len)
			return false;
		if (len - skip == strlen(etag) && !memcmp(at + skip, etag, len - skip))
			return true;
		at = skip_separators(at + len);
	}
	return false;
}

/* A date that came once, and is one; anything else is as if unsaid (RFC 9110 13.1.3, 13.1.4). */
static bool read_date(const struct http_head *request, enum http_field field, int64_t *ret_seconds)
{
	return request->count[field] == 1 && !http_date_parse(request->value[field], ret_seconds);
}

unsigned int http_match_conditions(const struct http_head *request,
				   const struct http_validators *validators)
{
	const char *match = request->value[HTTP_FIELD_IF_MATCH];
	const char *none_match = request->value[HTTP_FIELD_IF_NONE_MATCH];
	int64_t since;

	if (match) {
		if (!names_tag(match, validators->etag, false))
			return 412;
	} else if (read_date(request, HTTP_FIELD_IF_UNMODIFIED_SINCE, &since)) {
		if (validators->mtime > since)
			return 412;
	}
	if (none_match)
		return names_tag(none_match, validators->etag, true) ? 304 : 0;
	if (read_date(request, HTTP_FIELD_IF_MODIFIED_SINCE, &since) && validators->mtime <= since)
		return 304;
	return 0;
}

bool http_match_range(const struct http_head *request, const struct http_validators *validators,
		      int64_t now)
{
	const char *condition = request->value[HTTP_FIELD_IF_RANGE];
	int64_t date;

	/* Range means something for GET only (RFC 9110 14.2). */
	if (request->verb != HTTP_VERB_GET || request->count[HTTP_FIELD_RANGE] != 1)
		return false;
	if (!condition)
		return true;
	if (request->count[HTTP_FIELD_IF_RANGE] != 1)
		return false;
	if (tag_len(condition))
		return !strcmp(condition, validators->etag);
	return !http_date_parse(condition, &date) && date == validators->mtime && date + 1 < now;
}

const char *http_coding_name(enum http_coding coding)
{
	static const char *const names[_HTTP_CODING_N] = {
		[HTTP_CODING_BR] = "br",
		[HTTP_CODING_GZIP] = "gzip",
		[HTTP_CODING_IDENTITY] = "identity",
	};

	return names[coding];
}

/* "0.5" in thousandths (RFC 9110 12.4.2); what is no weight is 0, and so not wanted. */
static int read_weight(const char *at, size_t len)
{
	int weight = 0, unit = 1000;

	for (size_t i = 0; i < len; i++) {
		if (at[i] == '.' && i == 1)
			continue;
		if (at[i] < '0' || at[i] > '9' || i > 4)
			return 0;
		weight += (at[i] - '0') * unit;
		unit /= 10;
	}
	return weight > 1000 ? 0 : weight;
}

/* The weight of one member of the list, whose parameters begin at `at`: 1000 without a q. */
static int member_weight(const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end) {
		size_t n;

		at += strspn(at, " \t;");
		n = strcspn(at, " \t;,");
		if (n > 2 && !strncasecmp(at, "q=", 2))
			return read_weight(at + 2, n - 2);
		at += n;
	}
	return 1000;
}

static bool is_word(const char *at, size_t len, const char *word)
{
	return strlen(word) == len && !strncasecmp(at, word, len);
}

enum {
	UNSAID = -1
};

/* Sets the weight of what one member names; of all that nothing names, if that is "*". */
static void weigh_member(const char *at, size_t len, int weights[_HTTP_CODING_N], int *others)
{
	size_t name_len = strcspn(at, " \t;,");
	int weight = member_weight(at + name_len, len - name_len);

	if (is_word(at, name_len, "*"))
		*others = weight;
	/* RFC 9110 8.4.1.3 */
	if (is_word(at, name_len, "x-gzip"))
		weights[HTTP_CODING_GZIP] = weight;
	for (int coding = 0; coding < _HTTP_CODING_N; coding++) {
		if (is_word(at, name_len, http_coding_name((enum http_coding)coding)))
			weights[coding] = weight;
	}
}

enum http_coding http_match_coding(const char *accept, unsigned int at_hand)
{
	int weights[_HTTP_CODING_N] = { UNSAID, UNSAID, UNSAID };
	int others = UNSAID, best_weight = 0;
	enum http_coding best = _HTTP_CODING_N;

	if (!accept)
		return HTTP_CODING_IDENTITY;
	for (const char *at = skip_separators(accept); *at;) {
		size_t len = strcspn(at, ",");

		weigh_member(at, len, weights, &others);
		at = skip_separators(at + len);
	}
	for (int coding = 0; coding < _HTTP_CODING_N; coding++) {
		int weight = weights[coding] == UNSAID ? others : weights[coding];

		if (coding == HTTP_CODING_IDENTITY) {
			/* Welcome unless refused, but the last choice if it was not even named. */
			weight = weight == UNSAID ? 1 : weight;
		} else if (!(at_hand & 1u << coding)) {
			continue;
		}
		if (weight > best_weight) {
			best = (enum http_coding)coding;
			best_weight = weight;
		}
	}
	return best;
}
