/* SPDX-License-Identifier: MIT */
#ifndef KTLS_KERN_H
#define KTLS_KERN_H

/*
 * The door to the kernel's TLS (Documentation/networking/tls.rst): what it calls the ciphers, how
 * keys go in, how records of any type go out and come in, and what this kernel can do. Nothing else
 * includes <linux/tls.h>.
 *
 *   cipher.c   one table of ciphers, asserted against the kernel's structs
 *   install.c  keys: prepare (may fail, changes nothing), then commit (cannot be taken back)
 *   record.c   records as messages with a type, strictly parsed; files; what TCP has taken
 *   pair.c     a connection of this process with itself, to try things on
 *   probe.c    what this kernel can do, found by trying
 *   told.c     what the kernel tells of a socket's TLS, in words
 *
 * Calls answer 0 or -errno, EINTR never; -EAGAIN where the socket would block. They keep no state
 * and wait for nothing. Thread rule: as the socket's; one writer and one reader at a time.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <ktls/diag.h>
#include <ktls/info.h>
#include <ktls/probe.h>

#include "base/secret.h"

/* Content types (RFC 8446 5.1, RFC 6520). */
enum kern_record_type {
	KERN_RECORD_NONE = 0,
	KERN_RECORD_CHANGE_CIPHER_SPEC = 20,
	KERN_RECORD_ALERT = 21,
	KERN_RECORD_HANDSHAKE = 22,
	KERN_RECORD_DATA = 23,
};

enum kern_limit {
	KERN_KEY_MAX = 32,
	KERN_IV_LEN = 12,	  /* of every suite here: RFC 5116's N_MIN = N_MAX */
	KERN_TAG_LEN = 16,	  /* of every suite here */
	KERN_PAYLOAD_MAX = 16384, /* RFC 8446 5.1 */
	KERN_CRYPTO_MAX = 56,	  /* the largest struct tls12_crypto_info_* */
};

struct kern_cipher {
	const char *name;
	uint16_t id; /* TLS_CIPHER_... of <linux/tls.h> */
	uint8_t key_len;
	uint8_t salt_len;     /* the part of the 12-byte IV that the kernel calls salt; 0 or 4 */
	uint8_t explicit_len; /* nonce bytes carried in each TLS 1.2 record; 0 or 8 (RFC 5288 3, RFC
				 7905 2) */
	uint8_t info_len;     /* sizeof the kernel's struct */
};

/* The row of a cipher, or NULL. Static. */
const struct kern_cipher *kern_cipher(unsigned int cipher);

/* What a record adds to its plaintext: header, explicit nonce, inner type, tag. */
size_t kern_record_overhead(unsigned int protocol, unsigned int cipher);

/* The keys of one direction. TLS 1.2 with an explicit nonce uses only the first 4 bytes of iv (the
 * implicit part). */
struct kern_keys {
	uint16_t protocol; /* enum ktls_protocol */
	uint16_t cipher;   /* enum ktls_cipher */
	uint8_t key[KERN_KEY_MAX];
	uint8_t iv[KERN_IV_LEN];
	uint64_t seq; /* number of the next record */
};

/* What setsockopt takes, made by prepare. */
struct kern_crypto {
	uint8_t info[KERN_CRYPTO_MAX];
	uint8_t len;
};

KTLS_DEFINE_WIPE(kern_keys);
KTLS_DEFINE_WIPE(kern_crypto);

/*
 * Attaches the tls ULP to a connected TCP socket: transparent until a key is set. Already attached
 * is 0. On -errno *ret_reason (enum ktls_reason) says what it meant on this socket.
 */
int kern_attach(int fd, unsigned int *ret_reason);

/* Validates the keys and forms them for the kernel. -EINVAL; touches no socket. */
int kern_prepare(const struct kern_keys *keys, struct kern_crypto *ret_crypto);

/*
 * Sets the key of a direction, for the first time or, where the kernel can, anew. From the first
 * success on the direction cannot be taken back. On -errno *ret_reason says why, and the direction
 * is as it was.
 */
int kern_commit(int fd, enum ktls_direction direction, const struct kern_crypto *crypto,
		unsigned int *ret_reason);

/* What a refused option of SOL_TLS, other than a key, means. */
unsigned int kern_option_reason(int error);

/* TX's records get no more plaintext than that (TLS_TX_MAX_PAYLOAD_LEN); to be set before its key.
 * -ENOPROTOOPT where the kernel has no such option. */
int kern_set_payload_max(int fd, size_t payload_max, unsigned int *ret_reason);

/* The option that kern_commit() sets, for who sets it by another way. */
enum kern_option {
	KERN_LEVEL = 282, /* SOL_TLS */
	KERN_KEY_TX = 1,
	KERN_KEY_RX = 2,
};

/* The number of the next record as the kernel counts. -errno. Copies the key through wiped memory.
 */
int kern_seq(int fd, enum ktls_direction direction, unsigned int protocol, unsigned int cipher,
	     uint64_t *ret_seq);

/* Room for one control message with a record's type, and no more. */
union kern_type_room {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(uint8_t))];
};

/*
 * Sends the pieces as records of `type`; data may fill several, *ret_n says how much was taken. Any
 * other type must fit one record and is taken whole or not at all.
 */
int kern_send(int fd, uint8_t type, const struct iovec *iov, int iovcnt, size_t *ret_n);

/* Sends a range of a file as data, with SIGPIPE held (base/sigpipe.h); at its end *ret_n is 0. */
int kern_send_file(int fd, int file_fd, uint64_t offset, size_t len, size_t *ret_n);

/* TCP sends what it has, as far as the peer's window lets it. */
void kern_push(int fd);

/*
 * Receives from records of one type: several data records, or (a part of) one other. *ret_type is
 * KERN_RECORD_NONE, with *ret_n 0, when the transport has ended; data of 0 bytes are empty records,
 * one or more, and no end; *ret_end is set at the end of a record (of data: never when the pieces
 * were filled, for then MSG_EOR may be of an earlier one).
 * -EBADMSG: does not authenticate; -EMSGSIZE, -EINVAL: malformed; -EKEYEXPIRED: a KeyUpdate came
 * and its key is not set; -EPROTO: a control message that the kernel should not have made.
 */
int kern_recv(int fd, const struct iovec *iov, int iovcnt, uint8_t *ret_type, bool *ret_end,
	      size_t *ret_n);

/* A message of somebody else's sendmsg(2) is a record of `type`: by its control message, which lies
 * in `room`. */
void kern_set_type(struct msghdr *msg, union kern_type_room *room, uint8_t type);

/*
 * The same of a message of n bytes that somebody else's recvmsg(2) received, with room for `room`
 * bytes and the control message: its type, and whether a record ended. -EINVAL, -EPROTO.
 */
int kern_parse(struct msghdr *msg, size_t n, size_t room, uint8_t *ret_type, bool *ret_end);

/*
 * How many bytes TCP has taken from above on this socket, ever: what it sent once and what it holds
 * unsent. The difference to what was protected still sits in the kernel's tls, and close(2) would
 * drop it.
 */
int kern_tcp_taken(int fd, uint64_t *ret_bytes);

/* The two ends of a connection over the loopback, which do not block: records go from tx to rx.
 * Closing it resets it. */
struct kern_pair {
	int tx;
	int rx;
};

#define KERN_PAIR_NULL                     \
	{                                  \
		.tx = -EBADF, .rx = -EBADF \
	}

/* Makes one; in plain TCP, or with the tls ULP on both ends. On -errno *ret_reason says why there
 * is none. */
int kern_pair_connect(struct kern_pair *ret_pair, unsigned int *ret_reason);
int kern_pair_open(struct kern_pair *ret_pair, unsigned int *ret_reason);
void kern_pair_close(struct kern_pair *pair);

/* The probe's answers; made once per process, then shared. Static; any thread. */
const struct ktls_probe *kern_probe(void);

/* The reason for this protocol, cipher and direction in those answers. */
unsigned int kern_probe_reason(const struct ktls_probe *probe, unsigned int protocol,
			       unsigned int cipher, enum ktls_direction direction);

/* The attributes of INET_ULP_INFO_TLS (sock_diag(7)). */
enum kern_info {
	KERN_INFO_VERSION = 1,	      /* enum ktls_protocol */
	KERN_INFO_CIPHER,	      /* kern_cipher_name() */
	KERN_INFO_TXCONF,	      /* kern_mode() */
	KERN_INFO_RXCONF,	      /* kern_mode() */
	KERN_INFO_ZC_RO_TX,	      /* a flag */
	KERN_INFO_RX_NO_PAD,	      /* a flag */
	KERN_INFO_TX_MAX_PAYLOAD_LEN, /* newer than 6.12 */
	_KERN_INFO_N,
};

/* Of any cipher that a kernel has had, by its number; NULL. Static. */
const char *kern_cipher_name(unsigned int id);

/* enum ktls_diag_mode of the kernel's number. */
uint16_t kern_mode(unsigned int conf);

enum kern_key_state {
	KERN_KEY_UNKNOWN = 0,
	KERN_KEY_NONE,
	KERN_KEY_SET,
};

/* What a socket with the ULP knows of itself; zeros where it does not. */
struct kern_told {
	uint16_t protocol;
	uint16_t cipher_id;
	uint16_t keyed[_KTLS_DIRECTION_N]; /* enum kern_key_state */
	uint16_t payload_max;
	bool zerocopy_ro;
	bool expect_no_pad;
};

void kern_ask(int fd, struct kern_told *ret_told);

/* Whether the socket carries the ULP. -errno: it does not tell. */
int kern_has_ulp(int fd, bool *ret_tls);

#endif
