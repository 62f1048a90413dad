/* SPDX-License-Identifier: MIT */

/*
 * The life of a connection. The state moves by one function, which knows every change that is
 * allowed; an error is kept once, the first and most specific one; and each direction is handed to
 * the kernel here, when its moment has come.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ktls/explain.h>
#include <ktls/socket.h>

#include "base/fd.h"
#include "base/secret.h"
#include "base/sigpipe.h"
#include "base/sized.h"
#include "config.h"
#include "conn.h"
#include "dial.h"
#include "facts.h"
#include "handshake.h"
#include "lane.h"
#include "names.h"
#include "nic.h"
#include "resume.h"
#include "verify.h"

/* allowed[from] has a bit for each state that may follow. */
static const unsigned int allowed[_KTLS_STATE_N] = {
	[KTLS_STATE_CONNECTING] = 1u << KTLS_STATE_NEW | 1u << KTLS_STATE_FAILED,
	/* OPEN at once: thawed, or in plaintext. */
	[KTLS_STATE_NEW] =
		1u << KTLS_STATE_HANDSHAKE | 1u << KTLS_STATE_OPEN | 1u << KTLS_STATE_FAILED,
	[KTLS_STATE_HANDSHAKE] = 1u << KTLS_STATE_OPEN | 1u << KTLS_STATE_FAILED,
	[KTLS_STATE_OPEN] =
		1u << KTLS_STATE_CLOSING | 1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
	[KTLS_STATE_CLOSING] =
		1u << KTLS_STATE_CLOSED | 1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
	[KTLS_STATE_CLOSED] = 1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
	[KTLS_STATE_FROZEN] = 0,
	[KTLS_STATE_FAILED] = 0,
};

void ktls_conn_set_state(struct ktls_conn *conn, enum ktls_state state)
{
	assert(allowed[conn->state] & 1u << state);
	conn->state = state;
}

static void drop_half(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];

	if (half->protect)
		half->protect->drop(conn, direction);
	kern_keys_wipe(&half->keys);
	ktls_secret_wipe(&half->secret);
}

static void drop_all(struct ktls_conn *conn)
{
	drop_half(conn, KTLS_TX);
	drop_half(conn, KTLS_RX);
	conn->handshake = ktls_handshake_free(conn->handshake);
	conn->resume = ktls_resume_free(conn->resume);
	ktls_facts_wipe(conn->facts);
	conn->dial = ktls_dial_free(conn->dial);
}

static int fail(struct ktls_conn *conn, int error, const char *format, va_list args)
{
	if (conn->state == KTLS_STATE_FAILED)
		return conn->error;
	conn->error = error;
	if (vasprintf(&conn->error_text, format, args) < 0)
		conn->error_text = NULL;
	ktls_conn_set_state(conn, KTLS_STATE_FAILED);
	drop_all(conn);
	return error;
}

void ktls_conn_leave(struct ktls_conn *conn)
{
	ktls_conn_set_state(conn, KTLS_STATE_FROZEN);
	drop_all(conn);
}

int ktls_conn_fail(struct ktls_conn *conn, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error = fail(conn, error, format, args);
	va_end(args);
	return error;
}

int ktls_conn_fail_alert(struct ktls_conn *conn, int error, enum ktls_alert alert,
			 const char *format, ...)
{
	va_list args;

	if (alert != KTLS_ALERT_NONE && conn->state != KTLS_STATE_FAILED && !conn->close_sent)
		ktls_post_send_alert(conn, true, alert);
	va_start(args, format);
	error = fail(conn, error, format, args);
	va_end(args);
	return error;
}

int ktls_conn_check_open(const struct ktls_conn *conn)
{
	switch (conn->state) {
	case KTLS_STATE_CONNECTING:
	case KTLS_STATE_NEW:
	case KTLS_STATE_HANDSHAKE:
	case KTLS_STATE_FROZEN:
		return -ENOTCONN;
	case KTLS_STATE_OPEN:
	case KTLS_STATE_CLOSING:
	case KTLS_STATE_CLOSED:
		return 0;
	case KTLS_STATE_FAILED:
	case _KTLS_STATE_N:
		break;
	}
	return conn->error;
}

int ktls_conn_check_io(const struct ktls_conn *conn)
{
	return ktls_lane_forbids(conn) ? -EBUSY : ktls_conn_check_open(conn);
}

int ktls_conn_fail_io(struct ktls_conn *conn, int r, const char *what)
{
	return ktls_conn_fail(conn, r, "%s: %s", what, ktls_strerror(r));
}

void ktls_conn_end_rx(struct ktls_conn *conn, enum ktls_status end)
{
	conn->rx_end = (uint8_t)end;
	/* Our own end must not wait for a buffer that holds what came behind theirs. */
	ktls_protect_user_discard(conn, KTLS_RX);
	ktls_resume_read(conn);
	ktls_conn_set_state(conn, conn->close_sent ? KTLS_STATE_CLOSED : KTLS_STATE_CLOSING);
}

void ktls_conn_end_tx(struct ktls_conn *conn)
{
	conn->close_sent = true;
	ktls_conn_set_state(conn, conn->rx_end ? KTLS_STATE_CLOSED : KTLS_STATE_CLOSING);
}

/* Promotion */

/* Why the direction cannot go to the kernel, or KTLS_REASON_NOT_YET if it can. */
static unsigned int offload_reason(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_config *config = conn->config;
	enum ktls_offload when = config->offload[direction].when;
	bool with_rekey = when == KTLS_OFFLOAD_WITH_REKEY ||
			  (when == KTLS_OFFLOAD_AUTO && direction == KTLS_RX);
	unsigned int reason;

	if (when == KTLS_OFFLOAD_NEVER)
		return KTLS_REASON_POLICY;
	if (conn->ulp_reason)
		return conn->ulp_reason;
	reason = kern_probe_reason(config->probe, conn->protocol, conn->cipher, direction);
	if (reason)
		return reason;
	/* TLS 1.2 has no KeyUpdate that could come. */
	if (with_rekey && conn->protocol == KTLS_TLS_1_3 && config->probe->rekey[direction])
		return KTLS_REASON_NO_REKEY;
	if (direction == KTLS_TX && conn->payload_max < KERN_PAYLOAD_MAX &&
	    config->probe->tx_max_payload_len)
		return KTLS_REASON_RECORD_SIZE;
	if (direction == KTLS_TX && config->padding && conn->protocol == KTLS_TLS_1_3)
		return KTLS_REASON_PADDING;
	return KTLS_REASON_NOT_YET;
}

bool ktls_conn_promotion_due(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_half *half = &conn->half[direction];
	const struct ktls_offload_rule *rule = &conn->config->offload[direction];

	if (half->reason != KTLS_REASON_NOT_YET)
		return false;
	switch (rule->when) {
	case KTLS_OFFLOAD_AUTO:
	case KTLS_OFFLOAD_AT_ONCE:
	case KTLS_OFFLOAD_WITH_REKEY:
	case KTLS_OFFLOAD_REQUIRED:
	case KTLS_OFFLOAD_NIC:
		return true;
	case KTLS_OFFLOAD_AFTER_BYTES:
		return half->bytes >= rule->bytes;
	case KTLS_OFFLOAD_AT_SENDFILE:
		return conn->sendfile_seen;
	case KTLS_OFFLOAD_NEVER:
	case _KTLS_OFFLOAD_N:
		break;
	}
	return false;
}

static bool wants_nic(const struct ktls_conn *conn, enum ktls_direction direction)
{
	return conn->config->offload[direction].when == KTLS_OFFLOAD_NIC;
}

static int fail_required(struct ktls_conn *conn, enum ktls_direction direction)
{
	char why[KTLS_EXPLAIN_LEN];

	ktls_explain_reason(conn, direction, why, sizeof(why));
	return ktls_conn_fail_alert(conn, -KTLS_E_OFFLOAD, KTLS_ALERT_INTERNAL_ERROR,
				    "handing %s to the %s, which the config requires: %s",
				    direction == KTLS_TX ? "TX" : "RX",
				    wants_nic(conn, direction) ? "NIC" : "kernel", why);
}

/* The key is the kernel's for good; whose it made it is known only now. */
static int check_nic(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];

	if (!wants_nic(conn, direction))
		return 0;
	half->reason = (uint16_t)ktls_nic_check(conn->fd, direction, &half->reason_errno);
	return half->reason ? fail_required(conn, direction) : 0;
}

int ktls_conn_promote(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	struct ktls_cipher_ref cipher;
	int r;

	if (!ktls_conn_promotion_due(conn, direction))
		return 0;
	if (direction == KTLS_TX) {
		r = ktls_protect_user.flush(conn);
		if (r < 0)
			return r;
	}
	if (!ktls_protect_user_at_boundary(conn, direction))
		return 0;
	if (direction == KTLS_RX && ktls_lane_holds(conn))
		return 0;
	cipher = half->user.cipher;
	r = ktls_protect_kernel.install(conn, direction);
	if (!r) {
		ktls_ciphers_forget(conn->config->aeads, &cipher);
		return check_nic(conn, direction);
	}
	if (half->reason == KTLS_REASON_NOT_YET) {
		half->reason = KTLS_REASON_REFUSED;
		half->reason_errno = -r;
	}
	return ktls_offload_is_required(conn->config->offload[direction].when)
		       ? fail_required(conn, direction)
		       : 0;
}

static void set_reason(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	unsigned int reason;

	half->reason = (uint16_t)offload_reason(conn, direction);
	half->reason_errno = half->reason == conn->ulp_reason ? conn->ulp_errno : 0;
	if (half->reason != KTLS_REASON_NOT_YET || !wants_nic(conn, direction))
		return;
	reason = ktls_nic_preflight(conn->fd, direction, &half->reason_errno);
	if (reason)
		half->reason = (uint16_t)reason;
}

void ktls_conn_set_reasons(struct ktls_conn *conn)
{
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		if (conn->half[d].protect == &ktls_protect_user)
			set_reason(conn, d);
	}
}

static int open_half(struct ktls_conn *conn, enum ktls_direction direction)
{
	int r;

	set_reason(conn, direction);
	r = ktls_protect_user.install(conn, direction);
	if (r < 0)
		return ktls_conn_fail(conn, r, "protecting records after the handshake: %s",
				      ktls_strerror(r));
	return 0;
}

int ktls_conn_open(struct ktls_conn *conn)
{
	int r;

	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		r = open_half(conn, d);
		if (r < 0)
			return r;
	}
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		if (ktls_offload_is_required(conn->config->offload[d].when) &&
		    conn->half[d].reason != KTLS_REASON_NOT_YET)
			return fail_required(conn, d);
	}
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		r = ktls_conn_promote(conn, d);
		if (!r && conn->half[d].protect == &ktls_protect_user)
			r = ktls_protect_user_warm(conn, d);
		if (r < 0)
			return ktls_conn_fail_io(conn, r, "taking the keys into use");
	}
	ktls_conn_set_state(conn, KTLS_STATE_OPEN);
	return 0;
}

void ktls_conn_open_plain(struct ktls_conn *conn)
{
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		conn->half[d].protect = &ktls_protect_plain;
		conn->half[d].reason = KTLS_REASON_POLICY;
	}
	conn->payload_max = KERN_PAYLOAD_MAX;
	ktls_conn_set_state(conn, KTLS_STATE_OPEN);
}

/* Birth, death, and what can be asked at any time */

static int check_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	return type == SOCK_STREAM ? 0 : -EINVAL;
}

/* The ULP goes on early: it changes nothing until a key is set, and a peer's early FIN cannot
 * refuse it then. Where the kernel has none it is not asked again: it would look for the module
 * each time. */
static void attach_ulp(struct ktls_conn *conn)
{
	const struct ktls_probe *probe = conn->config->probe;
	unsigned int reason;
	int r;

	if (!probe || conn->config->insecure_plaintext)
		return;
	if (probe->ulp) {
		conn->ulp_reason = probe->ulp;
		conn->ulp_errno = probe->ulp_errno;
		return;
	}
	r = kern_attach(conn->fd, &reason);
	if (r < 0) {
		conn->ulp_reason = (uint16_t)reason;
		conn->ulp_errno = -r;
	}
}

void ktls_conn_set_config(struct ktls_conn *conn, struct ktls_config *config)
{
	struct ktls_config *last = conn->config;

	conn->config = ktls_config_ref(config);
	if (!last->probe && conn->fd >= 0)
		attach_ulp(conn);
	ktls_config_unref(last);
}

int ktls_conn_make(struct ktls_conn **ret_conn, struct ktls_config *config)
{
	struct ktls_conn *conn;
	int r = ktls_config_freeze(config);

	if (r < 0)
		return r;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->config = ktls_config_ref(config);
	conn->fd = -EBADF;
	*ret_conn = conn;
	return 0;
}

int ktls_conn_set_fd(struct ktls_conn *conn, int fd)
{
	int r = ktls_fd_make_nonblocking(fd);

	if (r < 0)
		return r;
	conn->fd = fd;
	attach_ulp(conn);
	return 0;
}

/* Where a peer is gone and the kernel's tls still holds a file's record, its close(2) raises
 * SIGPIPE (6.12, 7.2). */
void ktls_conn_close_fd(struct ktls_conn *conn)
{
	_cleanup_(ktls_sigpipe_release) struct ktls_sigpipe sigpipe = { .held = false };
	const struct ktls_protect *protect = conn->half[KTLS_TX].protect;

	ktls_lane_let_go(conn);
	if (protect && protect->protection == KTLS_PROTECTION_KERNEL)
		ktls_sigpipe_hold(&sigpipe);
	ktls_fd_close(&conn->fd);
}

int ktls_conn_adopt(struct ktls_conn **ret_conn, struct ktls_config *config, int fd)
{
	struct ktls_conn *conn = NULL;
	int r;

	if (!ret_conn || !config)
		return -EINVAL;
	r = check_socket(fd);
	if (!r)
		r = ktls_conn_make(&conn, config);
	if (r < 0)
		return r;
	r = ktls_conn_set_fd(conn, fd);
	if (r < 0) {
		ktls_conn_free(conn);
		return r;
	}
	*ret_conn = conn;
	return 0;
}

int ktls_conn_new(struct ktls_conn **ret_conn, struct ktls_config *config, int fd)
{
	_cleanup_(ktls_fd_close) int own = -EBADF;
	int r;

	if (!ret_conn || !config)
		return -EINVAL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	r = ktls_conn_adopt(ret_conn, config, own);
	if (!r)
		ktls_fd_steal(&own);
	return r;
}

struct ktls_conn *ktls_conn_free(struct ktls_conn *conn)
{
	if (!conn)
		return NULL;
	drop_all(conn);
	ktls_lane_leave(conn);
	ktls_conn_close_fd(conn);
	free(conn->transport);
	ktls_config_unref(conn->config);
	ktls_facts_free(conn->facts);
	free(conn->server_name);
	free(conn->thawed_suite);
	free(conn->thawed_alpn);
	free(conn->error_text);
	explicit_bzero(conn, sizeof(*conn));
	free(conn);
	return NULL;
}

int ktls_conn_check_name(struct ktls_conn *conn)
{
	const struct ktls_config *config = conn->config;

	if (config->role != KTLS_CLIENT || conn->server_name || !ktls_verify_is_default(config) ||
	    config->insecure_plaintext)
		return 0;
	return ktls_conn_fail(conn, -KTLS_E_NO_NAME,
			      "connecting: there is no name to verify the server by. To do: call "
			      "ktls_conn_set_server_name()");
}

int ktls_conn_set_server_name(struct ktls_conn *conn, const char *name)
{
	char *copy;
	int r;

	if (!conn || !name || conn->config->role != KTLS_CLIENT)
		return -EINVAL;
	if (ktls_conn_has_begun(conn))
		return -EISCONN;
	r = ktls_name_canonical(name, &copy);
	if (r < 0)
		return r;
	free(conn->server_name);
	conn->server_name = copy;
	return 0;
}

static uint64_t half_records(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_half *half = &conn->half[direction];

	if (!half->protect || conn->state == KTLS_STATE_FAILED)
		return half->keys.seq;
	return half->protect->sequence(conn, direction);
}

int ktls_conn_get_info(const struct ktls_conn *conn, struct ktls_info *ret_info, size_t size)
{
	struct ktls_info info = { 0 };

	if (!conn || !ret_info || !size)
		return -EINVAL;
	info.state = conn->state;
	info.protocol = conn->protocol;
	info.cipher = conn->cipher;
	info.suite = conn->suite;
	info.alpn = conn->alpn;
	info.server_name = conn->server_name;
	info.resumed = conn->resumed;
	info.early_data = conn->early_data;
	info.group = conn->group;
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		const struct ktls_half *half = &conn->half[d];

		info.protection[d] =
			half->protect ? half->protect->protection : KTLS_PROTECTION_NONE;
		info.reason[d] = half->reason;
		info.reason_errno[d] = half->reason_errno;
		info.records[d] = half_records(conn, d);
		info.bytes[d] = half->bytes;
		info.key_updates[d] = half->key_updates;
	}
	ktls_sized_copy(ret_info, size, &info, sizeof(info));
	return 0;
}

const char *ktls_conn_error(const struct ktls_conn *conn)
{
	if (!conn || conn->state != KTLS_STATE_FAILED)
		return "";
	return conn->error_text ? conn->error_text : "it failed, and there is no memory to say how";
}
