/* SPDX-License-Identifier: MIT */

/*
 * Whether a NIC protects a connection. Of what net/tls looks at when a key is set
 * (net/tls/tls_device.c), the device and its features can be known before; what its driver makes of
 * the version and the cipher only shows in what sock_diag says of the socket afterwards. Nothing
 * here knows what any driver can do.
 */

#include <ktls/device.h>
#include <ktls/error.h>

#include "diag.h"
#include "nic.h"

/* Where the kernel says that the direction's records are protected. The socket alone knows only
 * that there is a key; so it must be sock_diag that told. */
static unsigned int ask_mode(int fd, enum ktls_direction direction, unsigned int *ret_mode,
			     int *ret_errno)
{
	struct ktls_diag_socket socket;
	struct ktls_diag_signs signs;
	int r = ktls_diag_look(fd, &socket, &signs);

	*ret_errno = -r;
	if (r < 0 || !signs.ulp || !(socket.told & KTLS_DIAG_TOLD_MODE))
		return KTLS_REASON_NIC_UNTOLD;
	*ret_mode = socket.mode[direction];
	return KTLS_REASON_NONE;
}

unsigned int ktls_nic_preflight(int fd, enum ktls_direction direction, int *ret_errno)
{
	static const enum ktls_device_feature features[_KTLS_DIRECTION_N] = {
		[KTLS_TX] = KTLS_DEVICE_TX,
		[KTLS_RX] = KTLS_DEVICE_RX,
	};
	struct ktls_device device;
	unsigned int mode, state;
	int r = ktls_device_of_fd(fd, &device, sizeof(device));

	*ret_errno = -r;
	if (r < 0)
		return KTLS_REASON_NO_NIC;
	state = device.feature[features[direction]];
	if (state == KTLS_DEVICE_OFF)
		return KTLS_REASON_NIC_OFF;
	if (state < KTLS_DEVICE_OFF)
		return KTLS_REASON_NO_NIC;
	/* Who would not be told afterwards had better not begin. */
	return ask_mode(fd, direction, &mode, ret_errno);
}

unsigned int ktls_nic_check(int fd, enum ktls_direction direction, int *ret_errno)
{
	unsigned int mode, reason = ask_mode(fd, direction, &mode, ret_errno);

	if (reason)
		return reason;
	return mode == KTLS_DIAG_DEVICE || mode == KTLS_DIAG_RECORD ? KTLS_REASON_NONE
								    : KTLS_REASON_NIC_DECLINED;
}
