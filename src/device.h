/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_DEVICE_H
#define KTLS_SRC_DEVICE_H

/* The inside of device.c: what it reads in answers. */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/device.h>

#include "netlink.h"

struct ktls_link {
	struct ktls_device device; /* but for its features */
	uint32_t master;	   /* index of the bond it belongs to; 0: of none */
	bool spreads;		   /* a bond, of which net/tls asks a port */
};

/* Reads an answer of rtnetlink. -EBADMSG: malformed, or no link. */
int ktls_link_read(uint16_t type, struct ktls_view message, struct ktls_link *ret_link);

#endif
