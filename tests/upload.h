/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UPLOAD_H
#define TESTS_UPLOAD_H

#include <stdbool.h>

#include "pair.h"

/* A client that ends its handshake and writes 10 MiB before it reads a byte, over small sockets;
 * `updates`: and asks for new keys of both every 64 KiB. All directions as said. */
void upload_run(enum ktls_protocol protocol, enum ktls_offload offload, bool updates);

#endif
