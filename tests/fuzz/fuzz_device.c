/* SPDX-License-Identifier: MIT */

/*
 * What is read in the kernel's answers about devices: links and routes of rtnetlink, features of
 * ethtool's (src/device.c, src/route.c, src/ethtool.c). The input: which, then the message without
 * its header. What is malformed changes nothing; what is read keeps its bounds.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/rtnetlink.h>

#include "device.h"
#include "ethtool.h"
#include "route.h"
#include "target.h"

enum {
	UNTOUCHED = 4711,
};

enum what {
	LINK,
	ROUTE,
	FEATURES,
	REFUSAL,
	WHATS_N,
};

static int read_link(struct ktls_view view)
{
	struct ktls_link link = { .master = UNTOUCHED };
	int r = ktls_link_read(RTM_NEWLINK, view, &link);

	assert(!r || link.master == UNTOUCHED);
	assert(r || (link.device.index && link.device.index <= INT32_MAX));
	assert(memchr(link.device.name, 0, sizeof(link.device.name)));
	assert(memchr(link.device.kind, 0, sizeof(link.device.kind)));
	assert(!link.spreads || !strcmp(link.device.kind, "bond"));
	return r;
}

static int read_features(struct ktls_view view)
{
	struct ktls_features features = { .index = UNTOUCHED };
	int r = ktls_features_read(view, &features);

	assert(!r || features.index == UNTOUCHED);
	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N; i++)
		assert(features.state[i] < _KTLS_DEVICE_STATE_N);
	return r;
}

static int read_any(enum what what, struct ktls_view view)
{
	uint32_t index = UNTOUCHED;
	bool refused = true;
	int r = 0;

	switch (what) {
	case LINK:
		return read_link(view);
	case ROUTE:
		r = ktls_route_take(&index, RTM_NEWROUTE, view);
		assert(!r || index == UNTOUCHED);
		break;
	case FEATURES:
		return read_features(view);
	case REFUSAL:
		r = ktls_features_read_refusal(view, "tls-hw-tx-offload", &refused);
		assert(!r || refused);
		break;
	case WHATS_N:
		break;
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input input = { data, len };
	enum what what = input_u8(&input) % WHATS_N;
	uint8_t *copy = malloc(input.left ? input.left : 1);
	int r;

	/* Of its very length on the heap, so that a read past its end is seen. */
	assert(copy);
	memcpy(copy, input.at, input.left);
	r = read_any(what, (struct ktls_view){ copy, input.left });
	assert(!r || r == -EBADMSG);
	free(copy);
	return 0;
}
