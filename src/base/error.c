/* SPDX-License-Identifier: MIT */

/* One table of codes and texts: what an answer is called, what it means, and what to do about it.
 */

#include <stddef.h>
#include <string.h>

#include <ktls/error.h>

struct text {
	const char *name;
	const char *text;
};

static const struct text statuses[_KTLS_STATUS_N] = {
	[KTLS_DONE] = { "KTLS_DONE", "done" },
	[KTLS_WANT_READ] = { "KTLS_WANT_READ", "waiting for the socket to be readable" },
	[KTLS_WANT_WRITE] = { "KTLS_WANT_WRITE", "waiting for the socket to be writable" },
	[KTLS_EOF] = { "KTLS_EOF", "the peer ended its stream with close_notify" },
	[KTLS_CLOSED] = { "KTLS_CLOSED",
			  "the transport ended without close_notify: data may be missing" },
	[KTLS_TIMEDOUT] = { "KTLS_TIMEDOUT", "the deadline passed" },
	[KTLS_WANT_BUFFER] = { "KTLS_WANT_BUFFER", "every buffer of the config is in use" },
	[KTLS_WANT_VERDICT] = { "KTLS_WANT_VERDICT",
				"waiting for the caller's verdict on the peer" },
};

#define ERROR(name, text) [name - KTLS_E_NO_NAME] = { #name, text }

static const struct text errors[_KTLS_ERROR_END - KTLS_E_NO_NAME] = {
	ERROR(KTLS_E_NO_NAME, "no server name to verify was given"),
	ERROR(KTLS_E_NO_IDENTITY, "a server needs a certificate and its key"),
	ERROR(KTLS_E_BAD_CERTIFICATE, "the certificate cannot be read as PEM or DER"),
	ERROR(KTLS_E_BAD_KEY, "the private key cannot be read as PEM or DER"),
	ERROR(KTLS_E_KEY_MISMATCH, "the private key does not belong to the certificate"),
	ERROR(KTLS_E_BAD_TRUST, "no trust anchor can be read"),
	ERROR(KTLS_E_NOT_TLS, "the peer does not speak TLS"),
	ERROR(KTLS_E_NO_SHARED_PROTOCOL, "no protocol version in common with the peer"),
	ERROR(KTLS_E_NO_SHARED_SUITE,
	      "no cipher suite, group or signature in common with the peer"),
	ERROR(KTLS_E_NO_SHARED_ALPN, "no application protocol in common with the peer"),
	ERROR(KTLS_E_PEER_NAME, "the peer's certificate is for another name"),
	ERROR(KTLS_E_PEER_EXPIRED, "the peer's certificate has expired or is not valid yet"),
	ERROR(KTLS_E_PEER_SELF_SIGNED, "the peer's certificate is self-signed and not trusted"),
	ERROR(KTLS_E_PEER_UNTRUSTED, "the peer's certificate is signed by nobody trusted"),
	ERROR(KTLS_E_PEER_REVOKED, "the peer's certificate was revoked"),
	ERROR(KTLS_E_PEER_CERTIFICATE, "the peer's certificate is missing or unusable"),
	ERROR(KTLS_E_ALERT, "the peer sent a fatal alert"),
	ERROR(KTLS_E_PROTOCOL, "the peer broke the protocol"),
	ERROR(KTLS_E_BAD_RECORD, "a record is malformed or too large"),
	ERROR(KTLS_E_BAD_MAC, "a record does not authenticate"),
	ERROR(KTLS_E_OFFLOAD, "the kernel is required and cannot protect the records"),
	ERROR(KTLS_E_REKEY, "the key had to change and its protection cannot do that"),
	ERROR(KTLS_E_FILE_SHORT, "the file ends before the range asked for"),
	ERROR(KTLS_E_CRYPTO, "GnuTLS failed inside"),
	ERROR(KTLS_E_BAD_SESSION,
	      "the session to resume is malformed, or of a connection to another server"),
	ERROR(KTLS_E_BAD_TICKET_KEYS,
	      "the file of ticket keys is malformed, or other users can read or change it"),
	ERROR(KTLS_E_BAD_FROZEN,
	      "the frozen connection is malformed, or of another version or socket"),
	ERROR(KTLS_E_PEER_KEY, "the peer's key is none of the pinned ones"),
	ERROR(KTLS_E_NO_HOST, "the host name has no address"),
	ERROR(KTLS_E_RESOLVER, "no name server answered, or none with an answer"),
	ERROR(KTLS_E_BAD_REVOCATION,
	      "the revocation list, or the response to staple, cannot be read"),
	ERROR(KTLS_E_PEER_STAPLE,
	      "the peer did not prove, as it had to, that its certificate is not revoked"),
};

struct reason {
	const char *name;
	const char *text;
	const char *remedy;
};

static const struct reason reasons[_KTLS_REASON_N] = {
	[KTLS_REASON_NONE] = { "none", "it is in the kernel", "" },
	[KTLS_REASON_POLICY] = { "policy", "the config keeps this direction in userspace",
				 "ktls_config_set_offload()" },
	[KTLS_REASON_NOT_YET] = { "not-yet", "the config's moment for it has not come", "" },
	[KTLS_REASON_NO_ULP] = { "no-ulp", "this kernel has no tls module",
				 "load it: modprobe tls; or use a kernel built with CONFIG_TLS" },
	[KTLS_REASON_ULP_FORBIDDEN] = { "ulp-forbidden",
					"the tls module is not loaded and this process may not "
					"load it",
					"load it as root: modprobe tls" },
	[KTLS_REASON_NOT_TCP] = { "not-tcp", "the transport is not a TCP socket", "" },
	[KTLS_REASON_NOT_CONNECTED] = { "not-connected", "the socket is not connected",
					"make the connection before its handshake" },
	[KTLS_REASON_MPTCP] = { "mptcp", "a multipath TCP socket cannot carry kernel TLS",
				"use IPPROTO_TCP for the socket" },
	[KTLS_REASON_ULP_BUSY] = { "ulp-busy", "the socket already carries another protocol or key",
				   "leave the socket to TLS: no other ULP, PSP, nor a BPF "
				   "sockmap" },
	[KTLS_REASON_NO_CIPHER] = { "no-cipher",
				    "this kernel cannot do the cipher, or lacks its module",
				    "load it (modprobe gcm, ccm, chacha20poly1305) or choose "
				    "another cipher" },
	[KTLS_REASON_OLD_KERNEL] = { "old-kernel", "this kernel's tls is too old for it",
				     "use a newer kernel" },
	[KTLS_REASON_NO_REKEY] = { "no-rekey",
				   "this kernel's tls cannot change keys; 6.14 and later can",
				   "use a newer kernel, or ask for it at once and accept that a "
				   "KeyUpdate "
				   "ends the connection" },
	[KTLS_REASON_RECORD_SIZE] = { "record-size",
				      "the peer takes only smaller records than the kernel makes",
				      "use a newer kernel, that has TLS_TX_MAX_PAYLOAD_LEN (7.2)" },
	[KTLS_REASON_SECCOMP] = { "seccomp", "a seccomp filter or security module forbids it",
				  "allow setsockopt(SOL_TCP, TCP_ULP) and setsockopt(SOL_TLS)" },
	[KTLS_REASON_NO_LOOPBACK] = { "no-loopback",
				      "no loopback connection could be made to try the kernel on",
				      "bring the loopback interface up: ip link set lo up" },
	[KTLS_REASON_PADDING] = { "padding", "the config pads records, which the kernel cannot",
				  "ktls_config_set_padding() 0" },
	[KTLS_REASON_REFUSED] = { "refused", "the kernel refused it", "" },
	[KTLS_REASON_NO_MEMORY] = { "no-memory",
				    "there is too little memory for it, or a limit on it is too "
				    "low",
				    "raise the limit: RLIMIT_MEMLOCK (ulimit -l), the cgroup's, "
				    "sysctl net.core.optmem_max" },
	[KTLS_REASON_NO_IO_URING] = { "no-io-uring",
				      "this kernel has no io_uring, or too old a one",
				      "use Linux 5.11 or later, built with it" },
	[KTLS_REASON_IO_URING_SECCOMP] = { "io-uring-seccomp",
					   "a seccomp filter or security module forbids io_uring",
					   "allow io_uring_setup, io_uring_enter and "
					   "io_uring_register there (a container's runtime has a "
					   "profile)" },
	[KTLS_REASON_IO_URING_SYSCTL] = { "io-uring-sysctl",
					  "the sysctl kernel.io_uring_disabled forbids io_uring",
					  "set it to 0, or to 1 with kernel.io_uring_group a group "
					  "of this process" },
	[KTLS_REASON_NOT_WITH_TLS] = { "not-with-tls",
				       "the kernel does it on other sockets, but not where it "
				       "protects the records",
				       "" },
	[KTLS_REASON_CONTROL_RECORD] = { "control-record",
					 "a record that is no data stays there for who asks for "
					 "its "
					 "type",
					 "receive it by recvmsg with room for a control message" },
	[KTLS_REASON_UNSOUND] = { "unsound", "the kernel does it, and not as it should",
				  "do not use it on this kernel" },
	[KTLS_REASON_NO_ANSWER] = { "no-answer", "the kernel did not answer in time",
				    "try again where the machine has less to do" },
	[KTLS_REASON_NO_NIC] = { "no-nic", "the connection's network device cannot protect records",
				 "send it by a NIC that can; ethtool -k DEV says which" },
	[KTLS_REASON_NIC_OFF] = { "nic-off",
				  "the connection's NIC can protect records, and is switched off",
				  "switch it on: ethtool -K DEV tls-hw-tx-offload on "
				  "tls-hw-rx-offload on" },
	[KTLS_REASON_NIC_DECLINED] = { "nic-declined",
				       "the kernel protects the records itself, and no NIC",
				       "choose TLS 1.2 with AES-GCM, which NICs are known to "
				       "take" },
	[KTLS_REASON_NIC_UNTOLD] = { "nic-untold",
				     "the kernel does not tell this process whether it is a NIC "
				     "that protects the records",
				     "load tcp_diag (modprobe tcp_diag); run with CAP_NET_ADMIN, "
				     "or "
				     "on Linux 6.15" },
};

static unsigned int magnitude(int code)
{
	return code < 0 ? 0u - (unsigned int)code : (unsigned int)code;
}

static const struct text *text_of(int code)
{
	unsigned int value = magnitude(code);

	if (code >= 0 && value < _KTLS_STATUS_N)
		return &statuses[value];
	if (value >= KTLS_E_NO_NAME && value < _KTLS_ERROR_END)
		return &errors[value - KTLS_E_NO_NAME];
	return NULL;
}

const char *ktls_strerrorname(int code)
{
	const struct text *text = text_of(code);
	const char *name;

	if (text)
		return text->name;
	name = strerrorname_np((int)magnitude(code));
	return name ? name : "unknown";
}

const char *ktls_strerror(int code)
{
	const struct text *text = text_of(code);
	const char *description;

	if (text)
		return text->text;
	description = strerrordesc_np((int)magnitude(code));
	return description ? description : "unknown code";
}

static const struct reason *reason_of(unsigned int reason)
{
	static const struct reason unknown = { "unknown", "unknown reason", "" };

	return reason < _KTLS_REASON_N ? &reasons[reason] : &unknown;
}

const char *ktls_reason_name(unsigned int reason)
{
	return reason_of(reason)->name;
}

const char *ktls_reason_text(unsigned int reason)
{
	return reason_of(reason)->text;
}

const char *ktls_reason_remedy(unsigned int reason)
{
	return reason_of(reason)->remedy;
}
