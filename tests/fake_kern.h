/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAKE_KERN_H
#define TESTS_FAKE_KERN_H

/*
 * A kernel in the seam, for tests where none has tls: it takes keys, and passes the bytes as they
 * are; and a filter that forbids a system call for real.
 */

#include <stdbool.h>
#include <stdint.h>

enum fake_kern_limit {
	FAKE_KERN_FDS_MAX = 1024,
};

struct fake_kern {
	int no_ulp;	    /* errno of TCP_ULP */
	int no_cipher;	    /* errno of a ChaCha20 key */
	int no_rx;	    /* errno of TLS_RX */
	int no_rekey;	    /* errno of a second key */
	int no_option;	    /* errno of the newer options */
	bool corrupts;	    /* what arrives is not what was sent */
	bool ignores_limit; /* takes TLS_TX_MAX_PAYLOAD_LEN and does nothing */
	bool loses;	    /* what is sent never arrives */
	unsigned int attaches;
	uint8_t type;			       /* of the last record that was sent */
	uint8_t key[FAKE_KERN_FDS_MAX][3][64]; /* by descriptor and option */
	uint16_t limit[FAKE_KERN_FDS_MAX];
	uint64_t records[FAKE_KERN_FDS_MAX];
};

extern struct fake_kern fake_kern;

/* From now on, in this process. */
void fake_kern_use(void);

/* A real filter: one system call answers `error`. */
void fake_kern_forbid(long call, int error);

#endif
