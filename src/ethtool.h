/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_ETHTOOL_H
#define KTLS_SRC_ETHTOOL_H

/* Features of network devices: asked for and switched over ethtool's generic netlink. */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/device.h>

#include "netlink.h"

/* Whom to ask. Zeros: not open. */
struct ktls_ethtool {
	struct ktls_netlink *netlink; /* NULL: this kernel cannot be asked */
	uint16_t family;
};

/* What the kernel says of a device. */
struct ktls_features {
	uint32_t index;	   /* of the device; 0: not said */
	uint16_t state[3]; /* as in struct ktls_device */
};

/* 0 also where the kernel cannot be asked; -errno. */
int ktls_ethtool_open(struct ktls_ethtool *ret_ethtool);
void ktls_ethtool_close(struct ktls_ethtool *ethtool);

/* Asks for the features of a device, or of all: index 0. No answer where the kernel cannot be
 * asked. What netlink.h says. */
int ktls_features_ask(const struct ktls_ethtool *ethtool, uint32_t index,
		      const struct ktls_answers *answers);

/* Reads such an answer. -EBADMSG: malformed. */
int ktls_features_read(struct ktls_view message, struct ktls_features *ret_features);

/*
 * Switches a feature of ethtool's by its name. -EOPNOTSUPP: the kernel cannot be asked, or knows no
 * such feature; -ECANCELED: the device did not follow; what netlink.h says (-EPERM, -ENODEV).
 */
int ktls_features_switch(const struct ktls_ethtool *ethtool, const char *device,
			 const char *feature, bool on);

/* Whether an answer to that lists the feature as one that did not follow. -EBADMSG. */
int ktls_features_read_refusal(struct ktls_view message, const char *feature, bool *ret_refused);

/* Whether it is on in some device of the namespace; where nobody tells, it is not. */
bool ktls_features_are_anywhere(enum ktls_device_feature feature);

#endif
