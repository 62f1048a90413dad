/* SPDX-License-Identifier: MIT */

/* Why a direction of a connection is where it is, in words: the sentences of base/error.c, and what
 * only this connection knows beside them. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <ktls/explain.h>

#include "config.h"
#include "conn.h"

/* What has been written, and what is left; the end is cut. */
struct text {
	char *at;
	size_t left; /* with the zero */
};

static void append(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct text *text, const char *format, ...)
{
	va_list args;
	size_t n;
	int r;

	va_start(args, format);
	r = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if (r < 0)
		return;
	n = (size_t)r < text->left ? (size_t)r : text->left - 1;
	text->at += n;
	text->left -= n;
}

static void append_not_yet(struct text *text, const struct ktls_conn *conn,
			   enum ktls_direction direction)
{
	const struct ktls_offload_rule *rule = &conn->config->offload[direction];

	if (ktls_conn_promotion_due(conn, direction))
		append(text, "its moment has come, and it waits for the end of a record");
	else if (rule->when == KTLS_OFFLOAD_AFTER_BYTES)
		append(text, "%s, %llu of %llu bytes", ktls_reason_text(KTLS_REASON_NOT_YET),
		       (unsigned long long)conn->half[direction].bytes,
		       (unsigned long long)rule->bytes);
	else
		append(text, "%s, the first sendfile", ktls_reason_text(KTLS_REASON_NOT_YET));
}

static void append_text(struct text *text, const struct ktls_conn *conn,
			enum ktls_direction direction)
{
	unsigned int reason = conn->half[direction].reason;

	if (reason == KTLS_REASON_NOT_YET) {
		append_not_yet(text, conn, direction);
		return;
	}
	append(text, "%s", ktls_reason_text(reason));
	if (reason == KTLS_REASON_NO_CIPHER || reason == KTLS_REASON_OLD_KERNEL)
		append(text, ", %s with %s", ktls_protocol_name(conn->protocol),
		       ktls_cipher_name(conn->cipher));
	if (reason == KTLS_REASON_RECORD_SIZE)
		append(text, ", %u bytes at most, and there is no TLS_TX_MAX_PAYLOAD_LEN",
		       conn->payload_max);
	if (reason == KTLS_REASON_PADDING)
		append(text, ", to multiples of %u bytes", (unsigned int)conn->config->padding);
}

static const char *remedy_of(const struct ktls_conn *conn, unsigned int reason)
{
	static const char *const modules[_KTLS_CIPHER_N] = {
		[KTLS_AES_128_GCM] = "load it (modprobe gcm) or choose another cipher",
		[KTLS_AES_256_GCM] = "load it (modprobe gcm) or choose another cipher",
		[KTLS_AES_128_CCM] = "load it (modprobe ccm) or choose another cipher",
		[KTLS_CHACHA20_POLY1305] =
			"load it (modprobe chacha20poly1305) or choose another cipher",
	};

	if (reason == KTLS_REASON_NO_CIPHER && conn->cipher < _KTLS_CIPHER_N)
		return modules[conn->cipher];
	return ktls_reason_remedy(reason);
}

void ktls_explain_reason(const struct ktls_conn *conn, enum ktls_direction direction,
			 char *ret_text, size_t size)
{
	const struct ktls_half *half = &conn->half[direction];
	const char *remedy = remedy_of(conn, half->reason);
	struct text text = { ret_text, size };

	append_text(&text, conn, direction);
	if (half->reason_errno)
		append(&text, " (%s: %s)", ktls_strerrorname(-half->reason_errno),
		       ktls_strerror(-half->reason_errno));
	if (*remedy)
		append(&text, ". To do: %s", remedy);
}

int ktls_conn_explain(const struct ktls_conn *conn, unsigned int direction, char *ret_text,
		      size_t size)
{
	const struct ktls_protect *protect;
	char why[KTLS_EXPLAIN_LEN];
	struct text text = { ret_text, size };

	if (!conn || direction >= _KTLS_DIRECTION_N || !ret_text || !size)
		return -EINVAL;
	protect = conn->half[direction].protect;
	append(&text, "%s ", direction == KTLS_TX ? "TX" : "RX");
	if (!protect) {
		append(&text, "has no keys yet");
	} else if (protect == &ktls_protect_kernel) {
		append(&text, "is in the kernel");
	} else if (protect == &ktls_protect_plain) {
		append(&text, "is not protected: the config wants plaintext");
	} else {
		ktls_explain_reason(conn, direction, why, sizeof(why));
		append(&text, "is in userspace: %s", why);
	}
	return 0;
}
