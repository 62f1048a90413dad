/* SPDX-License-Identifier: MIT */

/* See stat_filter.h. */

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stat_filter.h"

enum {
	BITS_IPV4 = 32,
	BITS_IPV6 = 128,
	BITS_MAPPED = 96, /* before the IPv4 address within an IPv6 one */
};

static const char *const ciphers[] = {
	"AES-128-GCM", "AES-256-GCM", "AES-128-CCM",  "CHACHA20-POLY1305",
	"SM4-GCM",     "SM4-CCM",     "ARIA-128-GCM", "ARIA-256-GCM",
};

enum {
	N_CIPHERS = sizeof(ciphers) / sizeof(*ciphers),
};

const char *stat_state_name(unsigned int state)
{
	return state == TCP_ESTABLISHED ? "ESTAB" : ktls_diag_state_name(state);
}

/* -- Values -- */

/* A decimal number up to max and nothing else. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret_number)
{
	unsigned long number;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (*end || errno || number > max)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int add_port(struct stat_filter *filter, const char *text)
{
	unsigned long port;

	if (parse_number(text, UINT16_MAX, &port) || !port)
		return -EINVAL;
	if (filter->n_ports == STAT_FILTER_LIMIT_LIST)
		return -E2BIG;
	filter->ports[filter->n_ports++] = (uint16_t)port;
	return 0;
}

static bool is_mapped(const struct ktls_address *address)
{
	static const uint8_t head[BITS_MAPPED / 8] = { [10] = 0xff, [11] = 0xff };

	return address->family == AF_INET6 && !memcmp(address->bytes, head, sizeof(head));
}

/* IPv4 within IPv6 as what it is. */
static struct ktls_address plain_address(const struct ktls_address *address)
{
	struct ktls_address plain = { .family = AF_INET, .port = address->port };

	if (!is_mapped(address))
		return *address;
	memcpy(plain.bytes, address->bytes + BITS_MAPPED / 8, BITS_IPV4 / 8);
	return plain;
}

static int parse_prefix(struct stat_prefix *ret_prefix, const char *text)
{
	char copy[KTLS_ADDRESS_TEXT_LEN + 8];
	struct stat_prefix prefix;
	unsigned long bits, most;
	char *slash;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (ktls_address_parse(&prefix.address, copy) || prefix.address.port)
		return -EINVAL;
	most = bits = prefix.address.family == AF_INET ? BITS_IPV4 : BITS_IPV6;
	if (slash && parse_number(slash + 1, most, &bits))
		return -EINVAL;
	if (is_mapped(&prefix.address) && bits >= BITS_MAPPED) {
		prefix.address = plain_address(&prefix.address);
		bits -= BITS_MAPPED;
	}
	prefix.bits = (unsigned int)bits;
	*ret_prefix = prefix;
	return 0;
}

static int add_prefix(struct stat_prefixes *prefixes, const char *text)
{
	struct stat_prefix prefix;

	if (parse_prefix(&prefix, text))
		return -EINVAL;
	if (prefixes->n == STAT_FILTER_LIMIT_LIST)
		return -E2BIG;
	prefixes->list[prefixes->n++] = prefix;
	return 0;
}

/* In any case, and also as others write it: "estab", "CLOSE_WAIT", "FIN-WAIT1". */
static bool is_state(unsigned int state, const char *text)
{
	const char *name = ktls_diag_state_name(state);

	if (!strcasecmp(text, stat_state_name(state)))
		return true;
	while (*text && *name) {
		if (*name == '-' && *text != '-' && *text != '_')
			name++;
		if (*name == '-' ? *text != '-' && *text != '_' : (*text | 0x20) != (*name | 0x20))
			return false;
		text++;
		name++;
	}
	return !*text && !*name;
}

static int add_state(struct stat_filter *filter, const char *text)
{
	for (unsigned int state = TCP_ESTABLISHED; state <= TCP_CLOSING; state++) {
		if (state == TCP_LISTEN || !is_state(state, text))
			continue;
		filter->states |= 1u << state;
		return 0;
	}
	return -EINVAL;
}

static int add_version(struct stat_filter *filter, const char *text)
{
	if (strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0)
		return -EINVAL;
	filter->versions |= 1u << ((text[2] == '2' ? KTLS_TLS_1_2 : KTLS_TLS_1_3) & 15);
	return 0;
}

static int add_cipher(struct stat_filter *filter, const char *text)
{
	for (size_t i = 0; i < N_CIPHERS; i++) {
		if (strcasecmp(text, ciphers[i]) != 0)
			continue;
		filter->ciphers |= 1u << i;
		return 0;
	}
	return -EINVAL;
}

static int add_mode(struct stat_filter *filter, enum ktls_direction direction, const char *text)
{
	for (unsigned int mode = 0; mode < _KTLS_DIAG_MODE_N; mode++) {
		if (strcasecmp(text, ktls_diag_mode_name(mode)) != 0)
			continue;
		filter->modes[direction] |= 1u << mode;
		return 0;
	}
	return -EINVAL;
}

static int add_process(struct stat_filter *filter, const char *text)
{
	if (!*text)
		return -EINVAL;
	if (filter->n_processes == STAT_FILTER_LIMIT_LIST)
		return -E2BIG;
	filter->processes[filter->n_processes++] = text;
	return 0;
}

int stat_filter_add(struct stat_filter *filter, enum stat_filter_key key, const char *text)
{
	switch (key) {
	case STAT_FILTER_PORT:
		return add_port(filter, text);
	case STAT_FILTER_LOCAL:
		return add_prefix(&filter->local, text);
	case STAT_FILTER_PEER:
		return add_prefix(&filter->peer, text);
	case STAT_FILTER_STATE:
		return add_state(filter, text);
	case STAT_FILTER_TLS:
		return add_version(filter, text);
	case STAT_FILTER_CIPHER:
		return add_cipher(filter, text);
	case STAT_FILTER_TX:
		return add_mode(filter, KTLS_TX, text);
	case STAT_FILTER_RX:
		return add_mode(filter, KTLS_RX, text);
	case STAT_FILTER_PROCESS:
		return add_process(filter, text);
	case _STAT_FILTER_KEY_N:
		break;
	}
	return -EINVAL;
}

static const struct {
	const char *name;
	const char *wanted;
} keys[_STAT_FILTER_KEY_N] = {
	[STAT_FILTER_PORT] = { "port", "a number from 1 to 65535" },
	[STAT_FILTER_LOCAL] = { "local", "an address, perhaps with /BITS" },
	[STAT_FILTER_PEER] = { "peer", "an address, perhaps with /BITS" },
	[STAT_FILTER_STATE] = { "state", "a state of TCP, like ESTAB or CLOSE-WAIT" },
	[STAT_FILTER_TLS] = { "tls", "1.2 or 1.3" },
	[STAT_FILTER_CIPHER] = { "cipher", "a name like AES-128-GCM or CHACHA20-POLY1305" },
	[STAT_FILTER_TX] = { "tx", "software, device, record, none or unknown" },
	[STAT_FILTER_RX] = { "rx", "software, device, record, none or unknown" },
	[STAT_FILTER_PROCESS] = { "process", "a program's name or a process id" },
};

const char *stat_filter_name(enum stat_filter_key key)
{
	return keys[key].name;
}

const char *stat_filter_wanted(enum stat_filter_key key)
{
	return keys[key].wanted;
}

/* -- Matching -- */

static bool begins_with(const struct ktls_address *address, const struct stat_prefix *prefix)
{
	unsigned int whole = prefix->bits / 8, rest = prefix->bits % 8;
	unsigned int mask = 0xffu << (8 - rest) & 0xff;

	if (address->family != prefix->address.family)
		return false;
	if (prefix->address.scope_id && prefix->address.scope_id != address->scope_id)
		return false;
	if (memcmp(address->bytes, prefix->address.bytes, whole) != 0)
		return false;
	return !rest || !((address->bytes[whole] ^ prefix->address.bytes[whole]) & mask);
}

static bool match_prefixes(const struct stat_prefixes *prefixes, const struct ktls_address *address)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (begins_with(address, &prefixes->list[i]))
			return true;
	}
	return !prefixes->n;
}

static bool match_ports(const struct stat_filter *filter, uint16_t local, uint16_t peer)
{
	for (size_t i = 0; i < filter->n_ports; i++) {
		if (filter->ports[i] == local || filter->ports[i] == peer)
			return true;
	}
	return !filter->n_ports;
}

static bool match_mask(uint32_t mask, unsigned int bit)
{
	return !mask || (bit < 32 && mask >> bit & 1);
}

static bool match_cipher(const struct stat_filter *filter, const char *name)
{
	for (size_t i = 0; i < N_CIPHERS && name; i++) {
		if (filter->ciphers >> i & 1 && !strcmp(name, ciphers[i]))
			return true;
	}
	return !filter->ciphers;
}

static bool match_addresses(const struct stat_filter *filter, const struct ktls_diag_socket *socket)
{
	struct ktls_address local = plain_address(&socket->local);
	struct ktls_address peer = plain_address(&socket->peer);
	bool any = filter->ipv4 == filter->ipv6;

	if (!any && filter->ipv4 != (local.family == AF_INET))
		return false;
	return match_ports(filter, local.port, peer.port) &&
	       match_prefixes(&filter->local, &local) && match_prefixes(&filter->peer, &peer);
}

/* A socket without TLS has no mode, not even an unknown one, once that is told. */
static bool match_modes(const struct stat_filter *filter, const struct ktls_diag_socket *socket)
{
	if (!filter->modes[KTLS_TX] && !filter->modes[KTLS_RX])
		return true;
	if (socket->told & KTLS_DIAG_TOLD_TLS && !socket->tls)
		return false;
	return match_mask(filter->modes[KTLS_TX], socket->mode[KTLS_TX]) &&
	       match_mask(filter->modes[KTLS_RX], socket->mode[KTLS_RX]);
}

bool stat_filter_match(const struct stat_filter *filter, const struct ktls_diag_socket *socket)
{
	return match_addresses(filter, socket) && match_mask(filter->states, socket->state) &&
	       match_mask(filter->versions, socket->protocol & 15) &&
	       match_cipher(filter, socket->cipher) && match_modes(filter, socket);
}

bool stat_filter_match_process(const struct stat_filter *filter, const char *name, int pid)
{
	for (size_t i = 0; i < filter->n_processes; i++) {
		unsigned long number;

		if (!strcmp(filter->processes[i], name))
			return true;
		if (!parse_number(filter->processes[i], INT32_MAX, &number) && (int)number == pid)
			return true;
	}
	return !filter->n_processes;
}
