/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SYSTEM_H
#define KTLS_SYSTEM_H

/*
 * What this machine says of itself where it matters to the kernel's TLS: the module, the settings,
 * and which driver does the cryptography. Read from /proc, /sys and /lib/modules, as anybody may;
 * what a container hides is unknown, and no error. What the kernel can do is not here: it is tried
 * (probe.h).
 *
 * Any thread; nothing here is kept.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_answer {
	KTLS_ANSWER_UNKNOWN = 0,
	KTLS_ANSWER_NO,
	KTLS_ANSWER_YES,
	_KTLS_ANSWER_N,
};

/* The module tls. */
enum ktls_module {
	KTLS_MODULE_UNKNOWN = 0,
	KTLS_MODULE_NOT_LOADED, /* whether there is one is unknown */
	KTLS_MODULE_ABSENT,	/* there is none for this kernel */
	KTLS_MODULE_LOADABLE,	/* there is one: modprobe tls */
	KTLS_MODULE_LOADED,
	KTLS_MODULE_BUILT_IN,
	_KTLS_MODULE_N,
};

enum ktls_sysctl {
	KTLS_SYSCTL_TCP_NOTSENT_LOWAT = 0, /* below a record (16,406), sendfile(2) may stall */
	KTLS_SYSCTL_TCP_WMEM_DEFAULT,
	KTLS_SYSCTL_TCP_WMEM_MAX,
	KTLS_SYSCTL_TCP_RMEM_DEFAULT,
	KTLS_SYSCTL_TCP_RMEM_MAX,
	KTLS_SYSCTL_IO_URING_DISABLED, /* 1: but for a group, 2: for everybody (Linux 6.6) */
	KTLS_SYSCTL_MODULES_DISABLED,  /* 1: no module can be loaded any more */
	KTLS_SYSCTL_FIPS_ENABLED,
	_KTLS_SYSCTL_N,
};

#define KTLS_SYSCTL_UNKNOWN (-1)

struct ktls_system {
	char release[64];   /* as uname -r says */
	char ulps[64];	    /* net.ipv4.tcp_available_ulp, "mptcp tls"; "": unknown */
	uint16_t ulp;	    /* enum ktls_answer: whether "tls" is among them, now */
	uint16_t module;    /* enum ktls_module */
	uint16_t cpu_aes;   /* enum ktls_answer: the CPU has instructions for AES-GCM */
	uint16_t cpu_simd;  /* and such as ChaCha20 is sped up with (SSSE3, NEON) */
	int64_t sysctl[16]; /* by enum ktls_sysctl; KTLS_SYSCTL_UNKNOWN */
};

/* How fast a driver is, by what its name says. */
enum ktls_crypto_speed {
	KTLS_CRYPTO_UNKNOWN = 0,
	KTLS_CRYPTO_GENERIC,	 /* in part or all portable C: slow */
	KTLS_CRYPTO_LIBRARY,	 /* the kernel's library (7.x): the CPU's instructions where it has
				    code for them, which it does not tell */
	KTLS_CRYPTO_ACCELERATED, /* the CPU's instructions */
	KTLS_CRYPTO_THREAD,	 /* handed to a thread of the kernel (cryptd, pcrypt) */
	KTLS_CRYPTO_DEVICE,	 /* handed to a device (QAT, CAAM, ...) */
	_KTLS_CRYPTO_N,
};

struct ktls_crypto_driver {
	char algorithm[64]; /* "gcm(aes)" */
	char driver[128];   /* "generic-gcm-aesni-avx"; "": none */
	char module[64];    /* the module it is in, "kernel" if none */
	uint32_t priority;
	uint16_t speed; /* enum ktls_crypto_speed */
	uint16_t async; /* enum ktls_answer: it may answer later; more CPU, and less order */
};

/* Fills *ret_system, sizeof(struct ktls_system) as the caller knows it. -EINVAL. */
int ktls_system_read(struct ktls_system *ret_system, size_t size);

/*
 * The driver that the kernel's TLS would use for a cipher (enum ktls_cipher) of a new connection:
 * of those in /proc/crypto that passed their tests the one of highest priority. It tries the
 * ciphers first (ktls_probe()), as many drivers are made at their first use. -ENOENT: none is
 * there; -EINVAL; -errno where /proc/crypto cannot be read.
 */
int ktls_crypto_driver_read(unsigned int cipher, struct ktls_crypto_driver *ret_driver,
			    size_t size);

/* What is to be done about a driver that could be faster, or ""; static. */
const char *ktls_crypto_driver_remedy(const struct ktls_crypto_driver *driver,
				      const struct ktls_system *system);

/* "yes"; "loaded"; "net.ipv4.tcp_notsent_lowat", of tcp_wmem and tcp_rmem with ".max" or
 * ".default" behind it; "accelerated". Never NULL; static. */
const char *ktls_answer_name(unsigned int answer);
const char *ktls_module_name(unsigned int module);
const char *ktls_sysctl_name(unsigned int sysctl);
const char *ktls_crypto_speed_name(unsigned int speed);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
