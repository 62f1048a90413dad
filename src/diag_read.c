/* SPDX-License-Identifier: MIT */

/*
 * An answer of sock_diag(7), read: struct inet_diag_msg, then attributes, of which those of TLS lie
 * two rows deep (INET_DIAG_ULP_INFO, INET_ULP_INFO_TLS). What they mean is known in ktls/. Older
 * kernels tell less, newer ones more; nothing that has a wrong length counts.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "base/sized.h"
#include "diag.h"
#include "ktls/kern.h"

enum {
	TIMER_TIME_WAIT = 3,
	ULP_NAME_LEN = 16, /* TCP_ULP_NAME_MAX */
};

static struct ktls_address read_address(const struct inet_diag_msg *header, const __be32 bytes[4],
					__be16 port)
{
	static const uint8_t link_local[] = { 0xfe, 0x80 };
	struct ktls_address address = { .family = header->idiag_family, .port = ntohs(port) };

	memcpy(address.bytes, bytes, address.family == AF_INET ? 4 : 16);
	/* Such an address is valid on an interface only (RFC 4007 6), and so its socket is bound.
	 */
	if (address.family == AF_INET6 && address.bytes[0] == link_local[0] &&
	    (address.bytes[1] & 0xc0) == link_local[1])
		address.scope_id = header->id.idiag_if;
	return address;
}

static void read_header(const struct inet_diag_msg *header, struct ktls_diag_socket *ret_socket)
{
	const struct inet_diag_sockid *id = &header->id;

	ret_socket->local = read_address(header, id->idiag_src, id->idiag_sport);
	ret_socket->peer = read_address(header, id->idiag_dst, id->idiag_dport);
	ret_socket->cookie = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
	ret_socket->inode = header->idiag_inode;
	ret_socket->uid = header->idiag_uid;
	ret_socket->ifindex = id->idiag_if;
	ret_socket->state = header->idiag_state;
	ret_socket->tcp_receive_queue = header->idiag_rqueue;
	ret_socket->tcp_send_queue = header->idiag_wqueue;
}

void ktls_diag_read_tcp(struct ktls_view view, struct ktls_diag_socket *ret_socket)
{
	struct tcp_info info;

	/* So much has been there always. */
	if (view.len < offsetof(struct tcp_info, tcpi_total_retrans) + sizeof(uint32_t))
		return;
	ktls_sized_copy(&info, sizeof(info), view.data, view.len);
	ret_socket->tcp_bytes_acked = info.tcpi_bytes_acked;
	ret_socket->tcp_bytes_received = info.tcpi_bytes_received;
	ret_socket->tcp_delivery_rate = info.tcpi_delivery_rate;
	ret_socket->tcp_not_sent = info.tcpi_notsent_bytes;
	ret_socket->tcp_rtt_us = info.tcpi_rtt;
	ret_socket->tcp_rtt_var_us = info.tcpi_rttvar;
	ret_socket->tcp_cwnd = info.tcpi_snd_cwnd;
	ret_socket->tcp_mss = info.tcpi_snd_mss;
	ret_socket->tcp_retransmits = info.tcpi_total_retrans;
	ret_socket->told |= KTLS_DIAG_TOLD_TCP;
}

void ktls_diag_set_tls(struct ktls_diag_socket *socket, bool tls)
{
	socket->tls = tls;
	socket->told |= KTLS_DIAG_TOLD_TLS;
	if (tls)
		return;
	socket->mode[KTLS_TX] = socket->mode[KTLS_RX] = KTLS_DIAG_NONE;
	socket->told |= KTLS_DIAG_TOLD_MODE | KTLS_DIAG_TOLD_CIPHER;
}

static int read_tls(struct ktls_view row, struct ktls_diag_socket *ret_socket)
{
	struct ktls_view views[_KERN_INFO_N];
	int r = ktls_views(row, views, _KERN_INFO_N);

	if (r < 0)
		return r;
	ret_socket->protocol = ktls_view_u16(views[KERN_INFO_VERSION], 0);
	ret_socket->cipher_id = ktls_view_u16(views[KERN_INFO_CIPHER], 0);
	ret_socket->cipher = kern_cipher_name(ret_socket->cipher_id);
	ret_socket->mode[KTLS_TX] = kern_mode(ktls_view_u16(views[KERN_INFO_TXCONF], 0));
	ret_socket->mode[KTLS_RX] = kern_mode(ktls_view_u16(views[KERN_INFO_RXCONF], 0));
	ret_socket->zerocopy_ro = views[KERN_INFO_ZC_RO_TX].data != NULL;
	ret_socket->expect_no_pad = views[KERN_INFO_RX_NO_PAD].data != NULL;
	ret_socket->tx_max_payload_len = ktls_view_u16(views[KERN_INFO_TX_MAX_PAYLOAD_LEN], 0);
	ret_socket->told |= KTLS_DIAG_TOLD_CIPHER;
	if (ret_socket->mode[KTLS_TX] && ret_socket->mode[KTLS_RX])
		ret_socket->told |= KTLS_DIAG_TOLD_MODE;
	if (ret_socket->tx_max_payload_len)
		ret_socket->told |= KTLS_DIAG_TOLD_PAYLOAD;
	return 0;
}

static int read_ulp(struct ktls_view row, struct ktls_diag_socket *ret_socket)
{
	struct ktls_view views[INET_ULP_INFO_TLS + 1];
	char name[ULP_NAME_LEN];
	bool tls;
	int r = ktls_views(row, views, INET_ULP_INFO_TLS + 1);

	if (r < 0)
		return r;
	ktls_view_string(views[INET_ULP_INFO_NAME], name, sizeof(name));
	tls = !strcmp(name, "tls");
	ktls_diag_set_tls(ret_socket, tls);
	/* While it is being closed the socket still has the name, and nothing behind it. */
	return tls && views[INET_ULP_INFO_TLS].data ? read_tls(views[INET_ULP_INFO_TLS], ret_socket)
						    : 0;
}

int ktls_diag_read(struct ktls_view message, struct ktls_diag_socket *ret_socket,
		   struct ktls_diag_signs *ret_signs)
{
	struct ktls_view row, views[INET_DIAG_ULP_INFO + 1];
	struct inet_diag_msg header;
	int r = ktls_view_skip(message, sizeof(header), &row);

	if (!r)
		r = ktls_views(row, views, INET_DIAG_ULP_INFO + 1);
	if (r < 0)
		return r;
	memcpy(&header, message.data, sizeof(header));
	if (header.idiag_family != AF_INET && header.idiag_family != AF_INET6)
		return -EBADMSG;
	read_header(&header, ret_socket);
	ktls_diag_read_tcp(views[INET_DIAG_INFO], ret_socket);
	ret_signs->remnant = header.idiag_timer == TIMER_TIME_WAIT;
	ret_signs->trusted = views[INET_DIAG_MARK].data != NULL;
	ret_signs->ulp = views[INET_DIAG_ULP_INFO].data != NULL;
	if (ret_signs->ulp)
		return read_ulp(views[INET_DIAG_ULP_INFO], ret_socket);
	if (ret_signs->trusted)
		ktls_diag_set_tls(ret_socket, false);
	return 0;
}
