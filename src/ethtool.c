/* SPDX-License-Identifier: MIT */

/*
 * Features of network devices, over ethtool's generic netlink
 * (Documentation/networking/ethtool-netlink.rst). They are bitsets, whose bits have no numbers that
 * a program could know, only names; a message that is not compact tells both.
 *
 * A feature can be switched if the hardware has it, and if it is none of those that never change;
 * ethtool(8) calls all others fixed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include "base/secret.h"
#include "ethtool.h"

enum {
	BITS_PER_WORD = 32,
	SETS = ETHTOOL_A_FEATURES_NOCHANGE + 1,
};

static const char *const feature_names[_KTLS_DEVICE_FEATURE_N] = {
	[KTLS_DEVICE_TX] = "tls-hw-tx-offload",
	[KTLS_DEVICE_RX] = "tls-hw-rx-offload",
	[KTLS_DEVICE_RECORD] = "tls-hw-record",
};

const char *ktls_device_feature_name(unsigned int feature)
{
	return feature < _KTLS_DEVICE_FEATURE_N ? feature_names[feature] : "unknown";
}

const char *ktls_device_state_name(unsigned int state)
{
	static const char *const names[_KTLS_DEVICE_STATE_N] = {
		[KTLS_DEVICE_UNKNOWN] = "unknown",
		[KTLS_DEVICE_ABSENT] = "absent",
		[KTLS_DEVICE_FIXED_OFF] = "fixed off",
		[KTLS_DEVICE_OFF] = "off",
		[KTLS_DEVICE_ON] = "on",
		[KTLS_DEVICE_FIXED_ON] = "fixed on",
	};

	return state < _KTLS_DEVICE_STATE_N ? names[state] : "unknown";
}

void ktls_ethtool_close(struct ktls_ethtool *ethtool)
{
	ethtool->netlink = ktls_netlink_free(ethtool->netlink);
}

int ktls_ethtool_open(struct ktls_ethtool *ret_ethtool)
{
	struct ktls_ethtool ethtool = { 0 };
	int r = ktls_netlink_new(&ethtool.netlink, NETLINK_GENERIC);

	if (!r)
		r = ktls_netlink_family(ethtool.netlink, ETHTOOL_GENL_NAME, &ethtool.family);
	if (r < 0)
		ktls_ethtool_close(&ethtool);
	if (r && r != -ENOENT && r != -EPROTONOSUPPORT)
		return r;
	*ret_ethtool = ethtool;
	return 0;
}

/* Bitsets */

struct bitset {
	bool is_list; /* verbose, of bits that are set: none has a value */
	struct ktls_view bits;
	struct ktls_view value; /* compact: words of 32 bits */
};

struct bit {
	uint32_t index;
	struct ktls_view name;
	bool value;
};

static int read_bitset(struct ktls_view view, struct bitset *ret_set)
{
	struct ktls_view views[ETHTOOL_A_BITSET_MASK + 1];
	int r = ktls_views(view, views, sizeof(views) / sizeof(*views));

	if (r < 0)
		return r;
	*ret_set = (struct bitset){
		.is_list = views[ETHTOOL_A_BITSET_NOMASK].data,
		.bits = views[ETHTOOL_A_BITSET_BITS],
		.value = views[ETHTOOL_A_BITSET_VALUE],
	};
	return 0;
}

/* Takes the first bit off a verbose set. -ENODATA: there is none; -EBADMSG. */
static int next_bit(struct bitset *set, struct bit *ret_bit)
{
	struct ktls_view views[ETHTOOL_A_BITSET_BIT_VALUE + 1], view;
	uint16_t type;
	int r;

	do
		r = ktls_view_next(&set->bits, &type, &view);
	while (!r && type != ETHTOOL_A_BITSET_BITS_BIT);
	if (!r)
		r = ktls_views(view, views, sizeof(views) / sizeof(*views));
	if (r < 0)
		return r;
	if (views[ETHTOOL_A_BITSET_BIT_INDEX].len != sizeof(ret_bit->index))
		return -EBADMSG;
	*ret_bit = (struct bit){
		.index = ktls_view_u32(views[ETHTOOL_A_BITSET_BIT_INDEX], 0),
		.name = views[ETHTOOL_A_BITSET_BIT_NAME],
		.value = set->is_list || views[ETHTOOL_A_BITSET_BIT_VALUE].data,
	};
	return 0;
}

static bool is_named(const struct bit *bit, const char *name)
{
	size_t len = strlen(name);

	return bit->name.len >= len && !memcmp(bit->name.data, name, len) &&
	       (bit->name.len == len || !bit->name.data[len]);
}

/* -ENODATA: the set does not list a bit of that name. */
static int find_bit(struct bitset set, const char *name, struct bit *ret_bit)
{
	struct bit bit;
	int r;

	do
		r = next_bit(&set, &bit);
	while (!r && !is_named(&bit, name));
	if (!r)
		*ret_bit = bit;
	return r;
}

/* Whether the set has the bit of that number, in either form. -EBADMSG. */
static int has_bit(struct bitset set, uint32_t index, bool *ret_has)
{
	struct bit bit;
	uint32_t word;
	int r;

	*ret_has = false;
	if (set.value.data) {
		if (index / BITS_PER_WORD >= set.value.len / sizeof(word))
			return 0;
		memcpy(&word, set.value.data + index / BITS_PER_WORD * sizeof(word), sizeof(word));
		*ret_has = word >> index % BITS_PER_WORD & 1;
		return 0;
	}
	while (!(r = next_bit(&set, &bit)))
		if (bit.index == index)
			*ret_has = bit.value;
	return r == -ENODATA ? 0 : r;
}

/* Features */

static int read_header(struct ktls_view view, uint32_t *ret_index)
{
	struct ktls_view views[ETHTOOL_A_HEADER_DEV_INDEX + 1];
	int r = ktls_views(view, views, sizeof(views) / sizeof(*views));

	if (!r)
		*ret_index = ktls_view_u32(views[ETHTOOL_A_HEADER_DEV_INDEX], 0);
	return r;
}

static int read_state(const struct bitset sets[SETS], const char *name, uint16_t *ret_state)
{
	const struct bitset *hw = &sets[ETHTOOL_A_FEATURES_HW];
	const struct bitset *on = &sets[ETHTOOL_A_FEATURES_ACTIVE];
	bool active, fixed;
	struct bit bit;
	int r;

	/* Of a compact set nobody knows the names. */
	if (!hw->bits.data || (!on->bits.data && !on->value.data)) {
		*ret_state = KTLS_DEVICE_UNKNOWN;
		return 0;
	}
	r = find_bit(*hw, name, &bit);
	if (r == -ENODATA) {
		*ret_state = KTLS_DEVICE_ABSENT;
		return 0;
	}
	if (!r)
		r = has_bit(*on, bit.index, &active);
	if (!r)
		r = has_bit(sets[ETHTOOL_A_FEATURES_NOCHANGE], bit.index, &fixed);
	if (r < 0)
		return r;
	fixed |= !bit.value;
	if (active)
		*ret_state = fixed ? KTLS_DEVICE_FIXED_ON : KTLS_DEVICE_ON;
	else
		*ret_state = fixed ? KTLS_DEVICE_FIXED_OFF : KTLS_DEVICE_OFF;
	return 0;
}

/* The sets of an answer, by their attributes; empty where there is none. */
static int read_sets(struct ktls_view message, struct bitset ret_sets[SETS], uint32_t *ret_index)
{
	struct ktls_view row, views[SETS];
	int r = ktls_view_skip(message, GENL_HDRLEN, &row);

	if (!r)
		r = ktls_views(row, views, SETS);
	if (!r)
		r = read_header(views[ETHTOOL_A_FEATURES_HEADER], ret_index);
	for (unsigned int i = ETHTOOL_A_FEATURES_HW; i < SETS && !r; i++)
		r = read_bitset(views[i], &ret_sets[i]);
	return r;
}

int ktls_features_read(struct ktls_view message, struct ktls_features *ret_features)
{
	struct bitset sets[SETS] = { 0 };
	struct ktls_features features = { 0 };
	int r = read_sets(message, sets, &features.index);

	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N && !r; i++)
		r = read_state(sets, feature_names[i], &features.state[i]);
	if (!r)
		*ret_features = features;
	return r;
}

int ktls_features_read_refusal(struct ktls_view message, const char *feature, bool *ret_refused)
{
	struct bitset sets[SETS] = { 0 };
	struct bit bit;
	uint32_t index;
	int r = read_sets(message, sets, &index);

	if (!r)
		r = find_bit(sets[ETHTOOL_A_FEATURES_WANTED], feature, &bit);
	if (r && r != -ENODATA)
		return r;
	*ret_refused = !r;
	return 0;
}

/* Of one device, by index or name, or of all. */
static int put_header(struct ktls_ask *ask, uint8_t command, uint32_t index, const char *name)
{
	const struct genlmsghdr header = { .cmd = command, .version = ETHTOOL_GENL_VERSION };
	size_t mark;
	int r = ktls_ask_put_header(ask, &header, sizeof(header));

	if (!r)
		r = ktls_ask_begin(ask, ETHTOOL_A_FEATURES_HEADER, &mark);
	if (!r && index)
		r = ktls_ask_put(ask, ETHTOOL_A_HEADER_DEV_INDEX, &index, sizeof(index));
	if (!r && name)
		r = ktls_ask_put(ask, ETHTOOL_A_HEADER_DEV_NAME, name, strlen(name) + 1);
	if (!r)
		ktls_ask_end(ask, mark);
	return r;
}

int ktls_features_ask(const struct ktls_ethtool *ethtool, uint32_t index,
		      const struct ktls_answers *answers)
{
	struct ktls_ask ask = { .type = ethtool->family, .flags = index ? 0 : NLM_F_DUMP };
	int r;

	if (!ethtool->netlink)
		return 0;
	r = put_header(&ask, ETHTOOL_MSG_FEATURES_GET, index, NULL);
	return r ? r : ktls_netlink_ask(ethtool->netlink, &ask, answers);
}

static int note(void *context, uint16_t type, struct ktls_view message)
{
	uint16_t *best = context;
	struct ktls_features features;
	int r = ktls_features_read(message, &features);

	(void)type;
	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N && !r; i++)
		if (best[i] < features.state[i])
			best[i] = features.state[i];
	return r;
}

bool ktls_features_are_anywhere(enum ktls_device_feature feature)
{
	_cleanup_(ktls_ethtool_close) struct ktls_ethtool ethtool = { 0 };
	uint16_t best[_KTLS_DEVICE_FEATURE_N] = { 0 };
	const struct ktls_answers answers = { .take = note, .context = best };
	int r = ktls_ethtool_open(&ethtool);

	if (!r)
		r = ktls_features_ask(&ethtool, 0, &answers);
	return !r && best[feature] >= KTLS_DEVICE_ON;
}

/* Switching */

struct wish {
	const char *feature;
	bool refused;
};

static int take_refusal(void *context, uint16_t type, struct ktls_view message)
{
	struct wish *wish = context;

	(void)type;
	return ktls_features_read_refusal(message, wish->feature, &wish->refused);
}

static int put_wish(struct ktls_ask *ask, const char *feature, bool on)
{
	size_t set, bits, bit;
	int r = ktls_ask_begin(ask, ETHTOOL_A_FEATURES_WANTED, &set);

	if (!r)
		r = ktls_ask_begin(ask, ETHTOOL_A_BITSET_BITS, &bits);
	if (!r)
		r = ktls_ask_begin(ask, ETHTOOL_A_BITSET_BITS_BIT, &bit);
	if (!r)
		r = ktls_ask_put(ask, ETHTOOL_A_BITSET_BIT_NAME, feature, strlen(feature) + 1);
	if (!r && on)
		r = ktls_ask_put(ask, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
	if (r < 0)
		return r;
	ktls_ask_end(ask, bit);
	ktls_ask_end(ask, bits);
	ktls_ask_end(ask, set);
	return 0;
}

int ktls_features_switch(const struct ktls_ethtool *ethtool, const char *device,
			 const char *feature, bool on)
{
	struct ktls_ask ask = { .type = ethtool->family };
	struct wish wish = { .feature = feature };
	const struct ktls_answers answers = { .take = take_refusal, .context = &wish };
	int r;

	if (!ethtool->netlink)
		return -EOPNOTSUPP;
	r = put_header(&ask, ETHTOOL_MSG_FEATURES_SET, 0, device);
	if (!r)
		r = put_wish(&ask, feature, on);
	if (!r)
		r = ktls_netlink_ask(ethtool->netlink, &ask, &answers);
	return !r && wish.refused ? -ECANCELED : r;
}
