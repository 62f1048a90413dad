/* SPDX-License-Identifier: MIT */
#ifndef KTLS_FACTS_H
#define KTLS_FACTS_H

/* What a config wants to be kept of each handshake, and a connection then has of it. */

#include <stdbool.h>
#include <stddef.h>

struct ktls_conn;
struct ktls_facts;

enum {
	KTLS_EXPORTERS_MAX = 8,
	KTLS_EXPORT_MAX = 64,	    /* bytes */
	KTLS_EXPORT_LABEL_MAX = 63, /* GnuTLS takes no longer one in TLS 1.3 */
};

struct ktls_exporter {
	char label[KTLS_EXPORT_LABEL_MAX + 1];
	size_t len;
};

/* Of a config. */
struct ktls_wanted {
	bool chain;
	struct ktls_exporter *exporters; /* of KTLS_EXPORTERS_MAX, or NULL */
	size_t exporters_n;
};

/* The handshake is done, and its session still there. -ENOMEM, -KTLS_E_CRYPTO. */
int ktls_facts_take(struct ktls_conn *conn);

/* The secrets among them are gone. Takes NULL. */
void ktls_facts_wipe(struct ktls_facts *facts);
/* Takes NULL; returns NULL. */
struct ktls_facts *ktls_facts_free(struct ktls_facts *facts);

#endif
