/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_CONN_H
#define KTLS_SRC_CONN_H

/*
 * The inside of a connection, for the chapters that make it up:
 *
 *   conn.c            life: states, failing, promotion
 *   handshake.c       NEW to OPEN, with GnuTLS
 *   handover.c        what is taken out of it
 *   socket.c          where its socket comes from
 *   transport.c       what carries its bytes
 *   conn_io.c         bytes: the public calls
 *   conn_end.c        the orderly end
 *   wait.c            how the calls wait
 *   lane.c            how those of a ring do (ring.h)
 *   poll.c            how many are waited for
 *   freeze.c          a connection as bytes, and back
 *   pace.c            how much may be written next, in records of which size
 *   post.c            what arrives after the handshake and is not data; what we owe for it
 *   rekey.c           changing keys, or ending where that cannot be
 *   protect_user.c    records in userspace   \   one interface, so that everything
 *   protect_kernel.c  records in the kernel   |  above is written once
 *   protect_plain.c   no records at all      /
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/conn.h>

#include "base/cursor.h"
#include "batch.h"
#include "ciphers.h"
#include "ktls/kern.h"
#include "record.h"
#include "secrets.h"

struct ktls_protect;

/* Userspace protection of a direction. TX: start..end is what TCP has not taken yet. RX: start..end
 * is what has not been opened yet, and plain what has been opened and not been read yet. */
struct ktls_user {
	uint8_t *buffer;	/* of the config's pool, while bytes are in flight */
	struct ktls_aead *aead; /* while there is a buffer */
	struct ktls_cipher_ref cipher;
	uint32_t start, end;
	uint32_t plain, plain_len;
	uint8_t plain_type;
	uint8_t batch; /* TX: records to protect at once */
	bool held;     /* TX: start..end waits for the data that comes right behind it */
	bool ended;    /* RX: the transport has ended */
	int error;     /* RX: found behind data that was delivered first */
	int alert;
};

/* Kernel protection of a direction. */
struct ktls_kernel {
	uint64_t taken_before;	 /* TX: what TCP had taken when the first key was set */
	uint64_t plain;		 /* TX: bytes accepted since then, of every type */
	uint64_t records_before; /* TX: records since then, under keys that are gone */
	uint64_t first_seq;	 /* the present key's first record */
	bool unpushed;		 /* TX: the last call was sendfile(2), and the socket got full */
};

/* One direction of a connection. */
struct ktls_half {
	const struct ktls_protect *protect; /* NULL: no keys yet */
	struct kern_keys keys;		    /* the key's bytes are gone once the kernel has them */
	struct ktls_secret secret;	    /* TLS 1.3: where the key came from */
	union {
		struct ktls_user user;
		struct ktls_kernel kernel;
	};
	uint64_t bytes;
	uint32_t key_updates;
	uint16_t reason;
	int reason_errno;
};

/* post.c: the streaming parser of handshake messages, and what is owed. */
struct ktls_post {
	uint8_t header[4];
	uint8_t header_len;
	uint8_t alert[2];
	uint8_t alert_len;
	uint32_t body_left;
	uint8_t update_request;
	bool owes_no_renegotiation;
	uint8_t empty;	   /* data records in a row that brought nothing */
	uint32_t messages; /* records in a row that were no data, while none went either way */
};

/* rekey.c: where the change of a key stands. */
struct ktls_rekey {
	uint8_t owed;	/* TX: enum ktls_rekey_debt */
	bool announced; /* TX: our KeyUpdate went out, and its key is not in use yet */
	uint8_t ending; /* enum ktls_rekey_ending: no key can follow */
};

/* RFC 8446 4, 4.6.3 */
enum {
	KTLS_MESSAGE_KEY_UPDATE = 24,
	KTLS_KEY_UPDATE_LEN = 1,
};

enum ktls_rekey_debt {
	KTLS_REKEY_NOTHING = 0,
	KTLS_REKEY_ONE_WAY,
	KTLS_REKEY_BOTH_WAYS, /* asks the peer for its own */
};

enum ktls_rekey_ending {
	KTLS_ENDING_NONE = 0,
	KTLS_ENDING_TX, /* the kernel has the key and cannot take another */
	KTLS_ENDING_RX,
	KTLS_ENDING_TLS12, /* which has no way to change it */
};

/* pace.c */
struct ktls_pace {
	uint64_t key_budget; /* records that are sure to be left to the key; 0: count anew */
	uint64_t run_bytes;  /* since the stream began, or began again */
	uint64_t moved_ns;   /* when bytes were last accepted */
	uint16_t payload;    /* of the records that are made now */
};

/* poll.c: what it has said of a connection, and whether the call that followed found it so; bits by
 * enum ktls_direction. */
struct ktls_polled {
	uint8_t said;
	uint8_t vain; /* said, and the call answered that it wants the same again */
	int unread;   /* bytes in the socket when it was said of RX in the kernel */
};

enum {
	KTLS_STAGE_PIECES = 4,
	KTLS_STAGE_LIST_MAX = 1024, /* UIO_MAXIOV */
};

/* What is to be sent next, and stays where it is meanwhile. */
struct ktls_stage {
	const struct iovec *list; /* the caller's, where it can be sent as it is; or NULL: */
	struct iovec pieces[KTLS_STAGE_PIECES];
	int count;		 /* 0: there is nothing */
	struct ktls_batch batch; /* in userspace: the records among it that are new */
};

struct ktls_dial;
struct ktls_facts;
struct ktls_handshake;
struct ktls_lane;
struct ktls_transport;

struct ktls_conn {
	struct ktls_config *config;
	int fd;				  /* its own; -EBADF while there is none */
	struct ktls_lane *lane;		  /* while it is in a ring */
	struct ktls_dial *dial;		  /* while CONNECTING */
	struct ktls_transport *transport; /* the caller's, instead of the fd */
	void *transport_context;
	enum ktls_state state;
	struct ktls_handshake *handshake; /* gone once OPEN, or when a client's tickets came */
	struct ktls_resume *resume;	  /* while there is something of it */
	struct ktls_half half[_KTLS_DIRECTION_N];
	struct ktls_post post;
	struct ktls_rekey rekey;
	struct ktls_pace pace;
	struct ktls_polled polled;
	uint16_t protocol, cipher, group;
	bool resumed;
	uint8_t verdict;      /* enum ktls_verdict: the caller's, on the peer */
	uint8_t early_data;   /* enum ktls_early_data */
	uint16_t payload_max; /* plaintext bytes per record that the peer takes */
	bool sendfile_seen;
	bool hold; /* what is sent now has data coming right behind it: it may wait for that */
	bool close_sent;
	bool transport_shut; /* its sending side has ended */
	bool gone;	     /* it was let go: only facts are left */
	bool was_reset;	     /* by the peer; a read learned it in sending what was left */
	uint8_t rx_end;	     /* KTLS_EOF or KTLS_CLOSED once it was reached */
	uint16_t ulp_reason; /* why the ULP could not be attached */
	int ulp_errno;
	int error; /* the first one */
	const char *suite;
	const char *alpn; /* one of the config's */
	char *server_name;
	struct ktls_facts *facts;	  /* that the config wants to be kept */
	char *thawed_suite, *thawed_alpn; /* what suite and alpn point to, of one that was frozen */
	uint64_t file_end; /* of the range that ktls_conn_sendfile() is in the middle of, or 0 */
	char *error_text;  /* of one that has failed; NULL: there was no memory for it */
};

/*
 * What protects the records of a direction. None waits: 0, KTLS_WANT_READ, KTLS_WANT_WRITE,
 * KTLS_WANT_BUFFER, KTLS_CLOSED, or a negative code with which the connection must end.
 */
struct ktls_protect {
	enum ktls_protection protection;
	/* Takes half->keys into use: the first time, and after a KeyUpdate. On failure the
	 * direction is as it was. */
	int (*install)(struct ktls_conn *conn, enum ktls_direction direction);
	/* Sends from the cursor as records of the type, and moves it past what was accepted. */
	int (*send)(struct ktls_conn *conn, uint8_t type, struct ktls_cursor *cursor);
	/* The same from a file. -KTLS_E_FILE_SHORT. */
	int (*send_file)(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
			 uint64_t *ret_n);
	/* For who sends by himself, later: what of the cursor's data, and of what is left of the
	 * last, goes next; and how much of that went, which moves the cursor. */
	int (*stage)(struct ktls_conn *conn, const struct ktls_cursor *cursor,
		     struct ktls_stage *stage);
	void (*sent)(struct ktls_conn *conn, struct ktls_cursor *cursor,
		     const struct ktls_stage *stage, size_t n);
	/* 0 once TCP has taken everything that was accepted. */
	int (*flush)(struct ktls_conn *conn);
	/* Receives records of one type into the cursor. *ret_end: the last of them ended with it.
	 * *ret_alert: what a negative code asks to be sent. */
	int (*receive)(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
		       bool *ret_end, enum ktls_alert *ret_alert);
	/* The number of the next record. */
	uint64_t (*sequence)(const struct ktls_conn *conn, enum ktls_direction direction);
	/* Gives back what it holds, and wipes. */
	void (*drop)(struct ktls_conn *conn, enum ktls_direction direction);
};

/* TCP sends what sendfile(2) left with it, once it has all: see unpushed. */
void ktls_protect_kernel_push(struct ktls_conn *conn);

/* Allocates what it can ahead, so that nothing is while bytes flow. */
int ktls_protect_user_warm(struct ktls_conn *conn, enum ktls_direction direction);

/* The direction has a buffer now, even if nothing is in flight. KTLS_WANT_BUFFER, -ENOMEM. */
int ktls_protect_user_hold(struct ktls_conn *conn, enum ktls_direction direction);

/* What the direction holds in userspace is nobody's any more: its buffer serves others. */
void ktls_protect_user_discard(struct ktls_conn *conn, enum ktls_direction direction);

/* Whether the direction stands between two records with nothing held. */
bool ktls_protect_user_at_boundary(const struct ktls_conn *conn, enum ktls_direction direction);

/* Whether a record, or an end, is there without the socket's help. */
bool ktls_protect_user_has_record(const struct ktls_conn *conn);

extern const struct ktls_protect ktls_protect_user;
extern const struct ktls_protect ktls_protect_kernel;
extern const struct ktls_protect ktls_protect_plain;

/* conn.c */

/* Whether the direction's records are the kernel's to protect. */
static inline bool ktls_conn_is_kernels(const struct ktls_conn *conn, enum ktls_direction direction)
{
	return conn->half[direction].protect == &ktls_protect_kernel;
}

void ktls_conn_set_state(struct ktls_conn *conn, enum ktls_state state);

/* It goes on with another config: before it has keys. */
void ktls_conn_set_config(struct ktls_conn *conn, struct ktls_config *config);

/* Ends the connection with its first reason, which it keeps in words; returns it. */
int ktls_conn_fail(struct ktls_conn *conn, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, after telling the peer why if that is possible without waiting. */
int ktls_conn_fail_alert(struct ktls_conn *conn, int error, enum ktls_alert alert,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for a system call or protection that failed while `what` was going on. */
int ktls_conn_fail_io(struct ktls_conn *conn, int r, const char *what);

/* Whether the handshake has: what it depends on is not changed any more. */
static inline bool ktls_conn_has_begun(const struct ktls_conn *conn)
{
	return conn->state != KTLS_STATE_NEW && conn->state != KTLS_STATE_CONNECTING;
}

/* 0 if the state has keys; the same error again once it has failed. */
int ktls_conn_check_open(const struct ktls_conn *conn);

/* The same, and -EBUSY if its bytes are a ring's to move. */
int ktls_conn_check_io(const struct ktls_conn *conn);

/* What a thawed connection's directions are, and are not, in the kernel for. */
void ktls_conn_set_reasons(struct ktls_conn *conn);

/* Frozen: the keys are wiped here, and live elsewhere. */
void ktls_conn_leave(struct ktls_conn *conn);

/* Gives the connection a connected socket of its own, ready to be used. 0 or -errno. */
int ktls_conn_set_fd(struct ktls_conn *conn, int fd);
void ktls_conn_close_fd(struct ktls_conn *conn);

/* Whether a client has a name to verify its server by, if it must. -KTLS_E_NO_NAME. */
int ktls_conn_check_name(struct ktls_conn *conn);

/* A connection without anything to carry it. */
int ktls_conn_make(struct ktls_conn **ret_conn, struct ktls_config *config);

/* From NEW to OPEN without any protection, as the config says. */
void ktls_conn_open_plain(struct ktls_conn *conn);

/* Both halves have their first keys in half->keys: protects them in userspace, then where the
 * config says. From HANDSHAKE to OPEN. */
int ktls_conn_open(struct ktls_conn *conn);

/* Hands a direction to the kernel if it is due, can be and is at a boundary. A failure is only a
 * reason kept, unless the config requires the kernel. */
int ktls_conn_promote(struct ktls_conn *conn, enum ktls_direction direction);

/* Whether the direction waits for its next boundary to be promoted: it must not read past it. */
bool ktls_conn_promotion_due(const struct ktls_conn *conn, enum ktls_direction direction);

/* The state and end that our or their close_notify leads to. */
void ktls_conn_end_rx(struct ktls_conn *conn, enum ktls_status end);
void ktls_conn_end_tx(struct ktls_conn *conn);

/* How those stage that send the caller's own memory. */
int ktls_stage_memory(struct ktls_conn *conn, const struct ktls_cursor *cursor,
		      struct ktls_stage *stage);

/* explain.c: why the direction is in userspace, and what to do about it, in words. */
void ktls_explain_reason(const struct ktls_conn *conn, enum ktls_direction direction,
			 char *ret_text, size_t size);

/* conn_io.c, for a ring: the write of the cursor's bytes in two halves. 0; KTLS_WANT_WRITE,
 * KTLS_WANT_BUFFER; negative: it has failed. */
int ktls_conn_stage(struct ktls_conn *conn, const struct ktls_cursor *cursor,
		    struct ktls_stage *stage);
/* Returns how many of the cursor's bytes were accepted. */
size_t ktls_conn_sent(struct ktls_conn *conn, struct ktls_cursor *cursor,
		      const struct ktls_stage *stage, size_t n);

/* ktls_conn_sendfile() without a wait, and no more than about so many bytes. Answers KTLS_DONE also
 * when it has only had its turn. */
int ktls_conn_sendfile_turn(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
			    uint64_t turn, uint64_t *ret_n);

/* Whether something of what was accepted has to be brought on its way yet, by who calls next. */
bool ktls_conn_has_rest(const struct ktls_conn *conn);

/* conn_end.c: 0 once TCP has everything; -ECONNRESET if it never will. */
int ktls_conn_flush(struct ktls_conn *conn);

/* post.c */

/* Takes len bytes of a record that is no data, from the cursor. `ends`: the record ended with them.
 * 0 to go on reading, or what the read answers. */
int ktls_post_receive(struct ktls_conn *conn, uint8_t type, struct ktls_cursor content, size_t len,
		      bool ends);

/* Pays what is owed before the next application byte. `more`: such a byte follows at once. */
int ktls_post_settle(struct ktls_conn *conn, bool more);

/* Application bytes went one way or the other: whoever is sending messages is no flood. */
void ktls_post_calm(struct ktls_conn *conn);

/* Sends bytes as one record of a type that is not data. */
int ktls_post_send(struct ktls_conn *conn, uint8_t type, const void *bytes, size_t len);

/* Sends an alert as one record. */
int ktls_post_send_alert(struct ktls_conn *conn, bool fatal, enum ktls_alert alert);

/* rekey.c */

/* Whether the protection of the direction can take another key. */
bool ktls_rekey_possible(const struct ktls_conn *conn, enum ktls_direction direction);

/* A KeyUpdate came, with what it asks of us; what the read answers. */
int ktls_rekey_receive(struct ktls_conn *conn, uint8_t request);

/* Changes our key now: the message, then the key. KTLS_WANT_WRITE: again. */
int ktls_rekey_send(struct ktls_conn *conn);

/* The end that a key which cannot be changed leads to: what was accepted, close_notify, then
 * FAILED. KTLS_WANT_WRITE: again. */
int ktls_rekey_end(struct ktls_conn *conn);

/* pace.c */

/* Whether the key has protected what it may. */
bool ktls_pace_key_is_spent(struct ktls_conn *conn);

/* How many bytes may be written next; sets conn->pace.payload for their records. 0: the key has
 * protected what it may. */
uint64_t ktls_pace_next(struct ktls_conn *conn);
void ktls_pace_moved(struct ktls_conn *conn, uint64_t n);

/* Records that one key may protect, by the config and the cipher; UINT64_MAX: any number. */
uint64_t ktls_pace_key_records(const struct ktls_conn *conn);

#endif
