/* SPDX-License-Identifier: MIT */
#ifndef KTLS_KTLS_H
#define KTLS_KTLS_H

/*
 * libktls: TLS connections whose records the Linux kernel protects, where it can. The whole
 * product:
 *
 *   before a connection                        a connection
 *   config.h   what is decided                  conn.h      handshake, bytes, end
 *   verify.h   who the peer may be              socket.h    dialed, or on a socket of its own
 *   suites.h   groups, FIPS, suites by name     listener.h  accepted
 *   limits.h   how keys and records are used    transport.h over the caller's functions
 *   session.h  resumption, early data           poll.h      waiting for many
 *   tickets.h  the keys that servers share      peer.h      what it showed, exported secrets
 *   source.h   where configs come from          freeze.h    as bytes, for another process
 *
 *   many connections in one thread, over io_uring or epoll
 *   ring.h     events, pulled                   op.h        what can be started
 *   buffer.h   memory that the kernel knows
 *
 *   what the kernel says
 *   probe.h    what it can do                   probe_ring.h  and io_uring with that
 *   counters.h how much it did                  device.h    what network devices can do
 *   system.h   how it is set up, its drivers    diag.h      what it knows of sockets
 *
 *   everywhere
 *   error.h    how calls answer                 address.h   an IP address and a port
 *   info.h     what can be known                resolve.h   names to addresses
 *   version.h  which library this is        explain.h   why a connection is where it is
 */

#include <ktls/address.h>
#include <ktls/buffer.h>
#include <ktls/config.h>
#include <ktls/conn.h>
#include <ktls/counters.h>
#include <ktls/device.h>
#include <ktls/diag.h>
#include <ktls/error.h>
#include <ktls/explain.h>
#include <ktls/freeze.h>
#include <ktls/info.h>
#include <ktls/limits.h>
#include <ktls/listener.h>
#include <ktls/op.h>
#include <ktls/peer.h>
#include <ktls/poll.h>
#include <ktls/probe.h>
#include <ktls/probe_ring.h>
#include <ktls/resolve.h>
#include <ktls/ring.h>
#include <ktls/session.h>
#include <ktls/socket.h>
#include <ktls/source.h>
#include <ktls/suites.h>
#include <ktls/system.h>
#include <ktls/tickets.h>
#include <ktls/transport.h>
#include <ktls/verify.h>
#include <ktls/version.h>

#endif
