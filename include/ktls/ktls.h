/* SPDX-License-Identifier: MIT */
#ifndef KTLS_KTLS_H
#define KTLS_KTLS_H

/*
 * libktls: TLS connections whose records the Linux kernel protects, where it can. The whole
 * product:
 *
 *   error.h    how calls answer                info.h      what can be known of a connection
 *   config.h   what is decided before one      limits.h    how its keys and records are used
 *   conn.h     a connection                    session.h   resumption, early data
 *   socket.h   where its socket comes from     transport.h functions instead of one
 *   probe.h    what this kernel can do         tickets.h   the keys that servers share
 *   freeze.h   a connection as bytes           suites.h    groups, FIPS, suites by name
 *   address.h  an IP address and a port        verify.h    who the peer may be
 *   resolve.h  names to addresses              poll.h      waiting for many
 *   source.h   where configs come from         peer.h      what it showed, exported secrets
 *   listener.h connections that come           version.h   which library this is
 */

#include <ktls/address.h>
#include <ktls/config.h>
#include <ktls/conn.h>
#include <ktls/error.h>
#include <ktls/freeze.h>
#include <ktls/info.h>
#include <ktls/limits.h>
#include <ktls/listener.h>
#include <ktls/peer.h>
#include <ktls/poll.h>
#include <ktls/probe.h>
#include <ktls/resolve.h>
#include <ktls/session.h>
#include <ktls/socket.h>
#include <ktls/source.h>
#include <ktls/suites.h>
#include <ktls/tickets.h>
#include <ktls/transport.h>
#include <ktls/verify.h>
#include <ktls/version.h>

#endif
