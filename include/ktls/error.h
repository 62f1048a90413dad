/* SPDX-License-Identifier: MIT */
#ifndef KTLS_ERROR_H
#define KTLS_ERROR_H

/*
 * How calls answer, and why a direction is not in the kernel.
 *
 * Every call that returns int follows one rule: 0 is done; a positive value is a condition that the
 * caller handles and that has changed nothing for the worse (enum ktls_status); a negative value is
 * an error, either -errno of the system call that failed or -KTLS_E_... (enum ktls_error). The
 * object the call was made on keeps a sentence that says what failed, where, and what to do
 * (ktls_conn_error(), ktls_config_error()).
 */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_status {
	KTLS_DONE = 0,
	KTLS_WANT_READ = 1,   /* call again, the same call, when the socket is readable */
	KTLS_WANT_WRITE = 2,  /* call again, the same call, when the socket is writable */
	KTLS_EOF = 3,	      /* the peer ended its stream with close_notify: nothing was cut off */
	KTLS_CLOSED = 4,      /* the transport ended without close_notify: data may be missing */
	KTLS_TIMEDOUT = 5,    /* the deadline passed; nothing was lost, the call may be repeated */
	KTLS_WANT_BUFFER = 6, /* every buffer of the config is in use: call again when another
				 connection went on */
	KTLS_WANT_VERDICT = 7, /* whether the peer is good is the caller's to say:
				 ktls_conn_set_verdict() */
	_KTLS_STATUS_N,
};

/* Returned negated. They start above every errno, so one int carries both. */
enum ktls_error {
	KTLS_E_NO_NAME = 4096,	   /* a client was given no name to verify */
	KTLS_E_NO_IDENTITY,	   /* a server was given no certificate */
	KTLS_E_BAD_CERTIFICATE,	   /* a certificate of ours cannot be read */
	KTLS_E_BAD_KEY,		   /* a private key of ours cannot be read */
	KTLS_E_KEY_MISMATCH,	   /* the private key does not belong to the certificate */
	KTLS_E_BAD_TRUST,	   /* a trust anchor cannot be read, or there is none */
	KTLS_E_NOT_TLS,		   /* the peer does not speak TLS */
	KTLS_E_NO_SHARED_PROTOCOL, /* no protocol version in common */
	KTLS_E_NO_SHARED_SUITE,	   /* no cipher suite, group or signature in common */
	KTLS_E_NO_SHARED_ALPN,	   /* no application protocol in common */
	KTLS_E_PEER_NAME,	   /* the peer's certificate is for another name */
	KTLS_E_PEER_EXPIRED,	   /* the peer's certificate is no longer, or not yet, valid */
	KTLS_E_PEER_SELF_SIGNED,   /* the peer's certificate is self-signed and not trusted */
	KTLS_E_PEER_UNTRUSTED,	   /* the peer's certificate is signed by nobody we trust */
	KTLS_E_PEER_REVOKED,	   /* the peer's certificate was revoked */
	KTLS_E_PEER_CERTIFICATE,   /* the peer's certificate is missing or unusable */
	KTLS_E_ALERT,		   /* the peer sent a fatal alert; the text names it */
	KTLS_E_PROTOCOL,	   /* the peer broke the protocol */
	KTLS_E_BAD_RECORD,	   /* a record that is malformed, or larger than is legal */
	KTLS_E_BAD_MAC,		   /* a record that does not authenticate */
	KTLS_E_OFFLOAD, /* the config requires the kernel and the kernel cannot; the text says why
			 */
	KTLS_E_REKEY,	/* a key had to change and its protection cannot */
	KTLS_E_FILE_SHORT,  /* a file ends before the range that was asked for */
	KTLS_E_CRYPTO,	    /* GnuTLS failed inside; the text says where */
	KTLS_E_BAD_SESSION, /* a session to resume is malformed, or not for this connection */
	/* a file of ticket keys is malformed, or open to others */
	KTLS_E_BAD_TICKET_KEYS,
	KTLS_E_BAD_FROZEN, /* a frozen connection is malformed, or of another version or socket */
	KTLS_E_PEER_KEY,   /* the peer's key is none of those that are pinned */
	KTLS_E_NO_HOST,	   /* the host name has no address */
	KTLS_E_RESOLVER,   /* no name server answered, or none with an answer */
	KTLS_E_BAD_REVOCATION, /* a revocation list, or a response to staple, cannot be read */
	KTLS_E_PEER_STAPLE,    /* no good proof that the peer's certificate is not revoked */
	_KTLS_ERROR_END,
};

/* Why a direction of a connection, or a feature of this kernel, is not in the kernel.
 * KTLS_REASON_NONE: it is. */
enum ktls_reason {
	KTLS_REASON_NONE = 0,
	KTLS_REASON_POLICY,	   /* the config says never */
	KTLS_REASON_NOT_YET,	   /* the config says later, and later has not come */
	KTLS_REASON_NO_ULP,	   /* the kernel has no tls module, or it is not loaded */
	KTLS_REASON_ULP_FORBIDDEN, /* the module is not loaded and this process may not load it */
	KTLS_REASON_NOT_TCP,	   /* the transport is not a TCP socket */
	KTLS_REASON_NOT_CONNECTED, /* the socket is not, or no longer, connected */
	KTLS_REASON_MPTCP,	   /* a multipath TCP socket cannot carry it */
	KTLS_REASON_ULP_BUSY,	   /* another protocol is attached to the socket */
	KTLS_REASON_NO_CIPHER,	   /* the kernel lacks the cipher, or its module */
	KTLS_REASON_OLD_KERNEL,	   /* the kernel is too old for it */
	KTLS_REASON_NO_REKEY, /* the kernel cannot change keys, and the config would rather stay */
	KTLS_REASON_RECORD_SIZE, /* the peer takes only smaller records than the kernel makes */
	KTLS_REASON_SECCOMP,	 /* a seccomp filter or security module forbids it */
	KTLS_REASON_NO_LOOPBACK, /* the probe could not make a loopback connection */
	KTLS_REASON_PADDING,	 /* the config pads records, which the kernel cannot */
	KTLS_REASON_REFUSED,	 /* the kernel refused it otherwise; the errno is kept beside */
	KTLS_REASON_NO_MEMORY,	 /* there is too little memory for it, or a limit on it too low */
	KTLS_REASON_NO_IO_URING, /* the kernel has no io_uring, or too old a one */
	KTLS_REASON_IO_URING_SECCOMP, /* a seccomp filter or security module forbids io_uring */
	KTLS_REASON_IO_URING_SYSCTL,  /* kernel.io_uring_disabled does */
	KTLS_REASON_NOT_WITH_TLS,   /* the kernel does it on other sockets, but not over its TLS */
	KTLS_REASON_CONTROL_RECORD, /* a record that is no data is for who asks for its type */
	KTLS_REASON_UNSOUND,	    /* it is done, and not as it should be */
	KTLS_REASON_NO_ANSWER,	    /* the kernel did not answer in time */
	KTLS_REASON_NO_NIC,	    /* the connection's network device cannot, or does not say so */
	KTLS_REASON_NIC_OFF,	    /* it can, and is switched off */
	KTLS_REASON_NIC_DECLINED,   /* it was on and took no key: the kernel does it itself */
	KTLS_REASON_NIC_UNTOLD, /* the kernel does not tell this process whether it is the NIC */
	_KTLS_REASON_N,
};

/*
 * The name of a code ("KTLS_E_PEER_NAME", "EPIPE", "KTLS_WANT_READ") and a sentence for it. Takes
 * the value as returned, negative or not. Never NULL; static storage; any thread.
 */
const char *ktls_strerrorname(int code);
const char *ktls_strerror(int code);

/* A short name ("no-ulp"), a sentence, and what to do about it ("modprobe tls"; "" if nothing). As
 * above. */
const char *ktls_reason_name(unsigned int reason);
const char *ktls_reason_text(unsigned int reason);
const char *ktls_reason_remedy(unsigned int reason);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
