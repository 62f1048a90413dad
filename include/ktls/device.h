/* SPDX-License-Identifier: MIT */
#ifndef KTLS_DEVICE_H
#define KTLS_DEVICE_H

/*
 * Network devices, and what they can do of TLS: a NIC may encrypt and decrypt records itself
 * (Documentation/networking/tls-offload.rst). The kernel asks the device that a connection's route
 * takes, each time a key is set, and does without a word itself what that does not: where a
 * connection's records are protected in truth, only diag.h tells.
 *
 * Asked over rtnetlink and ethtool's generic netlink, of the calling thread's network namespace.
 * Anybody may ask; to switch takes CAP_NET_ADMIN over the namespace.
 *
 * Thread rule: any function, any thread; nothing is kept between calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_device_limit {
	KTLS_DEVICE_NAME_LEN = 16, /* with the zero at its end */
	KTLS_DEVICES_MAX = 65536,  /* that are listed at once */
};

/* What a NIC may do; each is a feature of ethtool(8). */
enum ktls_device_feature {
	KTLS_DEVICE_TX =
		0,	/* "tls-hw-tx-offload": encrypts records of keys that the kernel gives */
	KTLS_DEVICE_RX, /* "tls-hw-rx-offload": decrypts them */
	KTLS_DEVICE_RECORD, /* "tls-hw-record": does all of TLS, with the handshake; newer kernels
			       have no such thing */
	_KTLS_DEVICE_FEATURE_N,
};

/* From the least to the most. */
enum ktls_device_state {
	KTLS_DEVICE_UNKNOWN = 0, /* the kernel does not tell: it has no ethtool netlink (5.7) */
	KTLS_DEVICE_ABSENT,	 /* the kernel knows no such feature */
	KTLS_DEVICE_FIXED_OFF,	 /* the device cannot */
	KTLS_DEVICE_OFF,	 /* it can, and is switched off */
	KTLS_DEVICE_ON,
	KTLS_DEVICE_FIXED_ON, /* and cannot be switched off */
	_KTLS_DEVICE_STATE_N,
};

struct ktls_device {
	char name[KTLS_DEVICE_NAME_LEN]; /* "eth0" */
	char kind[KTLS_DEVICE_NAME_LEN]; /* "bond", "vlan", "veth"; "": the kernel gives it none, as
					    to most hardware */
	uint32_t index;
	uint32_t mtu;	     /* bytes */
	uint16_t up;	     /* 1: it was set up (not: there is a cable) */
	uint16_t feature[3]; /* enum ktls_device_state, by enum ktls_device_feature */
};

/*
 * The device that the kernel asks when a key is set on this connected socket (net/tls,
 * get_netdev_for_sock()): the one where its route begins, which is found by its addresses, ports,
 * mark, owner, and what it is bound to. A VLAN or tunnel stands for itself, as it does there, and
 * protects nothing. Of a bond that spreads its connections (balance-xor or 802.3ad, layer3+4) the
 * kernel asks the port it chose for this one, which it tells nobody: then this is the port that
 * can do the least in TX, with what all of them can do.
 * -EBADF, -ENOTSOCK, -ENOTCONN; -EOPNOTSUPP: neither IPv4 nor IPv6; -ENETUNREACH, -EHOSTUNREACH,
 * -EACCES: the route has gone; -ENODEV: the device has; -EINVAL, -ENOMEM, -EBADMSG, -errno.
 */
int ktls_device_of_fd(int fd, struct ktls_device *ret_device, size_t size);

/* The device of that name. -ENODEV: there is none; -EINVAL, -ENOMEM, -EBADMSG, -errno. */
int ktls_device_by_name(const char *name, struct ktls_device *ret_device, size_t size);

/*
 * All devices, in the order of their indices: at most n, and KTLS_DEVICES_MAX, into ret_devices,
 * each of `size` bytes, the size of the struct as the caller knows it; *ret_n is how many there
 * are, which may be more. ret_devices may be NULL if n is 0. -EINVAL, -ENOMEM, -EBADMSG, -errno;
 * -EAGAIN: they changed faster than they could be told, call again.
 */
int ktls_device_list(struct ktls_device *ret_devices, size_t size, size_t n, size_t *ret_n);

/*
 * Switches a feature of a device, for every process, as `ethtool -K` would: connections that are
 * there stay as they are. Nothing in this library does that but this call. 0: it is so now, also if
 * it was before.
 * -EPERM; -ENODEV; -EOPNOTSUPP: the device cannot, or the kernel cannot be asked; -ENOPROTOOPT: the
 * kernel knows no such feature; -ECANCELED: the kernel keeps the wish, but the device does not
 * follow, for something that it builds on is off (TX: tx-checksumming, RX: rx-checksumming);
 * -EINVAL, -ENOMEM, -EBADMSG, -errno.
 */
int ktls_device_set(const char *name, enum ktls_device_feature feature, bool on);

/* "tls-hw-tx-offload", as ethtool(8) has it; "fixed off". Never NULL; static storage. */
const char *ktls_device_feature_name(unsigned int feature);
const char *ktls_device_state_name(unsigned int state);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
