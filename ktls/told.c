/* SPDX-License-Identifier: MIT */

/*
 * What the kernel tells of a socket's TLS, in words: the numbers of its answers over sock_diag
 * (tls_get_info() of net/tls/tls_main.c), and what the socket itself knows, without any secret.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>

#include "base/sys.h"
#include "ktls/kern.h"

#ifndef TLS_TX_MAX_PAYLOAD_LEN
#define TLS_TX_MAX_PAYLOAD_LEN 5 /* newer than 6.12 */
#endif

#define ASSERT_INFO(name) \
	static_assert((int)KERN_INFO_##name == (int)TLS_INFO_##name, "the kernel's attribute")

ASSERT_INFO(VERSION);
ASSERT_INFO(CIPHER);
ASSERT_INFO(TXCONF);
ASSERT_INFO(RXCONF);
ASSERT_INFO(ZC_RO_TX);
ASSERT_INFO(RX_NO_PAD);

/* Ciphers of the kernel's; those of ours are called as in ours. */
static const struct {
	uint16_t id;
	const char *name;
} ciphers[] = {
	{ TLS_CIPHER_SM4_GCM, "SM4-GCM" },
	{ TLS_CIPHER_SM4_CCM, "SM4-CCM" },
	{ TLS_CIPHER_ARIA_GCM_128, "ARIA-128-GCM" },
	{ TLS_CIPHER_ARIA_GCM_256, "ARIA-256-GCM" },
};

const char *kern_cipher_name(unsigned int id)
{
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++)
		if (kern_cipher(i)->id == id)
			return kern_cipher(i)->name;
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].id == id)
			return ciphers[i].name;
	return NULL;
}

uint16_t kern_mode(unsigned int conf)
{
	static const uint16_t modes[] = {
		[TLS_CONF_BASE] = KTLS_DIAG_NONE,
		[TLS_CONF_SW] = KTLS_DIAG_SOFTWARE,
		[TLS_CONF_HW] = KTLS_DIAG_DEVICE,
		[TLS_CONF_HW_RECORD] = KTLS_DIAG_RECORD,
	};

	return conf < sizeof(modes) / sizeof(modes[0]) ? modes[conf] : KTLS_DIAG_UNKNOWN;
}

/* A key's head: its secret stays where it is. -EBUSY: there is no key. */
static int get_head(int fd, int name, struct tls_crypto_info *ret_head)
{
	socklen_t len = sizeof(*ret_head);

	if (ktls_sys.getsockopt(fd, SOL_TLS, name, ret_head, &len))
		return -errno;
	return len == sizeof(*ret_head) ? 0 : -EPROTO;
}

static void ask_direction(int fd, enum ktls_direction direction, struct kern_told *told)
{
	struct tls_crypto_info head;
	int r = get_head(fd, direction == KTLS_TX ? TLS_TX : TLS_RX, &head);

	told->keyed[direction] = r == -EBUSY ? KERN_KEY_NONE : r ? KERN_KEY_UNKNOWN : KERN_KEY_SET;
	if (r)
		return;
	told->protocol = head.version;
	told->cipher_id = head.cipher_type;
}

static bool get_flag(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return !ktls_sys.getsockopt(fd, SOL_TLS, name, &value, &len) && value;
}

void kern_ask(int fd, struct kern_told *ret_told)
{
	struct kern_told told = { .protocol = 0 };
	socklen_t len = sizeof(told.payload_max);

	for (unsigned int i = 0; i < _KTLS_DIRECTION_N; i++)
		ask_direction(fd, i, &told);
	told.zerocopy_ro = get_flag(fd, TLS_TX_ZEROCOPY_RO);
	told.expect_no_pad = get_flag(fd, TLS_RX_EXPECT_NO_PAD);
	if (ktls_sys.getsockopt(fd, SOL_TLS, TLS_TX_MAX_PAYLOAD_LEN, &told.payload_max, &len) ||
	    len != sizeof(told.payload_max))
		told.payload_max = 0;
	*ret_told = told;
}

int kern_has_ulp(int fd, bool *ret_tls)
{
	char name[16] = ""; /* TCP_ULP_NAME_MAX */
	socklen_t len = sizeof(name);

	if (ktls_sys.getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &len))
		return -errno;
	*ret_tls = !strncmp(name, "tls", sizeof(name));
	return 0;
}
