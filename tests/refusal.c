/* SPDX-License-Identifier: MIT */

/* See refusal.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "refusal.h"

enum {
	LEVEL_TLS = 282,
	NAME_TX = 1,
	NAME_RX = 2,
	PATIENCE_MS = 20000,
	MOVED = 100000,
};

int refusal[REFUSAL_OPTIONS_N];

enum refusal_option refusal_option(int level, int name)
{
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return REFUSAL_ULP;
	if (level == LEVEL_TLS && name == NAME_TX)
		return REFUSAL_TX;
	return level == LEVEL_TLS && name == NAME_RX ? REFUSAL_RX : REFUSAL_OPTIONS_N;
}

static const struct {
	int error;
	enum ktls_reason ulp, key; /* what it means at TCP_ULP, and at a key */
} meanings[REFUSAL_ERRORS_N] = {
	{ ENOENT, KTLS_REASON_NO_ULP, KTLS_REASON_NO_CIPHER },
	{ EEXIST, KTLS_REASON_ULP_BUSY, KTLS_REASON_ULP_BUSY },
	{ ENOTCONN, KTLS_REASON_NOT_CONNECTED, KTLS_REASON_NOT_CONNECTED },
	{ EINVAL, KTLS_REASON_ULP_BUSY, KTLS_REASON_ULP_BUSY },
	{ EBUSY, KTLS_REASON_ULP_BUSY, KTLS_REASON_ULP_BUSY }, /* TLS 1.3: NO_REKEY */
	{ ENOMEM, KTLS_REASON_NO_MEMORY, KTLS_REASON_NO_MEMORY },
	{ EPERM, KTLS_REASON_SECCOMP, KTLS_REASON_SECCOMP },
	{ ENOPROTOOPT, KTLS_REASON_NO_ULP, KTLS_REASON_OLD_KERNEL },
	{ EOPNOTSUPP, KTLS_REASON_NO_ULP, KTLS_REASON_OLD_KERNEL },
};

struct refusal_case refusal_case(int i)
{
	return (struct refusal_case){
		.option = (enum refusal_option)(i / 4 / REFUSAL_ERRORS_N),
		.error = meanings[i / 4 % REFUSAL_ERRORS_N].error,
		.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
		.end = i & 1 ? PAIR_SERVER : PAIR_CLIENT,
	};
}

static const char *describe(const struct refusal_case *row)
{
	static const char *const options[] = { "TCP_ULP", "TLS_TX", "TLS_RX" };
	static char text[96];

	snprintf(text, sizeof(text), "%s: %s, %s, %s", options[row->option],
		 ktls_strerrorname(-row->error), ktls_protocol_name(row->protocol),
		 row->end == PAIR_CLIENT ? "client" : "server");
	return text;
}

static enum ktls_reason meaning(const struct refusal_case *row)
{
	if (row->option != REFUSAL_ULP && row->error == EBUSY && row->protocol == KTLS_TLS_1_3)
		return KTLS_REASON_NO_REKEY;
	for (int i = 0; i < REFUSAL_ERRORS_N; i++) {
		if (meanings[i].error == row->error)
			return row->option == REFUSAL_ULP ? meanings[i].ulp : meanings[i].key;
	}
	return KTLS_REASON_NONE;
}

/* Who may load the module is of the machine: both are answers. */
static bool is_meant(unsigned int reason, const struct refusal_case *row)
{
	return reason == meaning(row) ||
	       (meaning(row) == KTLS_REASON_NO_ULP && reason == KTLS_REASON_ULP_FORBIDDEN);
}

static void check_direction(const struct ktls_info *info, enum ktls_direction direction,
			    const struct refusal_case *row)
{
	cr_assert(info->protection[direction] == KTLS_PROTECTION_USER, "%s", describe(row));
	cr_assert(is_meant(info->reason[direction], row), "%s: %s, not %s", describe(row),
		  ktls_reason_name(info->reason[direction]), ktls_reason_name(meaning(row)));
	cr_assert(info->reason_errno[direction] == row->error, "%s: errno %d", describe(row),
		  info->reason_errno[direction]);
}

void refusal_is_a_fact(struct pair *pair, const struct refusal_case *row)
{
	struct ktls_info info;
	int rc[2];

	pair_handshake(pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "%s: %s", describe(row), ktls_conn_error(pair->conn[end]));
	cr_assert(!ktls_conn_get_info(pair->conn[row->end], &info, sizeof(info)));
	if (row->option != REFUSAL_RX)
		check_direction(&info, KTLS_TX, row);
	if (row->option != REFUSAL_TX)
		check_direction(&info, KTLS_RX, row);
	cr_assert_str_eq(ktls_conn_error(pair->conn[row->end]), "");
	pair_move(pair, PAIR_CLIENT, MOVED, 9000);
	pair_move(pair, PAIR_SERVER, MOVED, 9000);
	pair_close(pair);
}

/* The other end may have been done before; then it hears of it when it reads. */
static void check_told(struct ktls_conn *other, int rc, const struct refusal_case *row)
{
	char byte;
	size_t n;

	if (!rc)
		rc = ktls_conn_read(other, &byte, 1, ktls_deadline_in(PATIENCE_MS), &n);
	cr_assert(rc == -KTLS_E_ALERT, "%s: the peer: %s: %s", describe(row), ktls_strerrorname(rc),
		  ktls_conn_error(other));
	cr_assert(strstr(ktls_conn_error(other), "internal_error"), "%s", ktls_conn_error(other));
}

void refusal_is_an_error(struct pair *pair, const struct refusal_case *row)
{
	struct ktls_conn *conn = pair->conn[row->end];
	struct ktls_info info;
	const char *text;
	unsigned int reason;
	int rc[2];

	pair_handshake(pair, rc);
	text = ktls_conn_error(conn);
	cr_assert(rc[row->end] == -KTLS_E_OFFLOAD, "%s: %s: %s", describe(row),
		  ktls_strerrorname(rc[row->end]), text);
	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert(info.state == KTLS_STATE_FAILED, "%s", describe(row));
	reason = info.reason[row->option == REFUSAL_RX ? KTLS_RX : KTLS_TX];
	cr_assert(is_meant(reason, row), "%s: %s", describe(row), ktls_reason_name(reason));
	cr_assert(strstr(text, ktls_reason_text(reason)), "%s: %s", describe(row), text);
	cr_assert(strstr(text, ktls_strerror(-row->error)), "%s: %s", describe(row), text);
	cr_assert(strstr(text,
			 reason == KTLS_REASON_NO_CIPHER ? "modprobe" : ktls_reason_remedy(reason)),
		  "%s: %s", describe(row), text);
	cr_assert(text[strlen(text) - 1] != ' ', "%s: \"%s\"", describe(row), text);
	check_told(pair->conn[!row->end], rc[!row->end], row);
	cr_assert(ktls_conn_handshake(conn, KTLS_NOW) == -KTLS_E_OFFLOAD);
}
