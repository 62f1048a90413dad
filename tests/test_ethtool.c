/* SPDX-License-Identifier: MIT */

/* What ethtool's messages say of features, in every form that they have, and in none that they may
 * have. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include <criterion/criterion.h>

#include "ethtool.h"
#include "tests/nic.h"

TestSuite(unit, .init = nic_begin);

static struct ktls_view view_of(const struct ktls_ask *ask)
{
	return (struct ktls_view){ ask->data, ask->len };
}

static const struct ktls_ask *answer(enum nic_request request)
{
	return &nic.kinds[request].answers[0];
}

static int read_features(struct ktls_features *ret_features)
{
	return ktls_features_read(view_of(answer(NIC_FEATURES)), ret_features);
}

Test(unit, each_state_is_told_from_the_others)
{
	for (unsigned int tx = KTLS_DEVICE_ABSENT; tx < _KTLS_DEVICE_STATE_N; tx++) {
		for (unsigned int rx = KTLS_DEVICE_ABSENT; rx < _KTLS_DEVICE_STATE_N; rx++) {
			struct ktls_features features;

			nic_forget(NIC_FEATURES);
			nic_say_features(7, tx, rx, KTLS_DEVICE_ABSENT);
			cr_assert_eq(read_features(&features), 0);
			cr_assert_eq(features.index, 7);
			cr_assert_eq(features.state[KTLS_DEVICE_TX], tx);
			cr_assert_eq(features.state[KTLS_DEVICE_RX], rx);
			cr_assert_eq(features.state[KTLS_DEVICE_RECORD], KTLS_DEVICE_ABSENT);
		}
	}
}

Test(unit, sets_without_names_are_unknown)
{
	struct ktls_features features;

	nic_say_features(7, KTLS_DEVICE_UNKNOWN, 0, 0);
	cr_assert_eq(read_features(&features), 0);
	cr_assert_eq(features.index, 7);
	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N; i++)
		cr_assert_eq(features.state[i], KTLS_DEVICE_UNKNOWN);
}

/* One message of the test's own: the hardware's set by names, what is on as words. */
static struct ktls_ask mixed(const uint32_t *words, size_t len, bool with_index)
{
	static const char name[] = "tls-hw-tx-offload";
	static const uint32_t index = 53;
	const struct genlmsghdr header = { .cmd = ETHTOOL_MSG_FEATURES_GET_REPLY };
	struct ktls_ask ask = { .type = NIC_ETHTOOL };
	size_t set, bits, bit;

	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	ktls_ask_begin(&ask, ETHTOOL_A_FEATURES_HW, &set);
	ktls_ask_begin(&ask, ETHTOOL_A_BITSET_BITS, &bits);
	ktls_ask_put(&ask, 99, "?", 1);
	ktls_ask_begin(&ask, ETHTOOL_A_BITSET_BITS_BIT, &bit);
	if (with_index)
		ktls_ask_put(&ask, ETHTOOL_A_BITSET_BIT_INDEX, &index, sizeof(index));
	/* Some ends of strings come without their zero. */
	ktls_ask_put(&ask, ETHTOOL_A_BITSET_BIT_NAME, name, strlen(name));
	ktls_ask_put(&ask, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
	ktls_ask_end(&ask, bit);
	ktls_ask_end(&ask, bits);
	ktls_ask_end(&ask, set);
	if (words) {
		ktls_ask_begin(&ask, ETHTOOL_A_FEATURES_ACTIVE, &set);
		ktls_ask_put(&ask, ETHTOOL_A_BITSET_VALUE, words, len);
		ktls_ask_end(&ask, set);
	}
	return ask;
}

Test(unit, a_compact_set_is_read_by_the_numbers_of_one_with_names)
{
	static const struct {
		uint32_t words[2];
		size_t len;
		enum ktls_device_state tx;
	} rows[] = {
		{ { 0, 1u << (53 - 32) }, 8, KTLS_DEVICE_ON },
		{ { UINT32_MAX, ~(1u << (53 - 32)) }, 8, KTLS_DEVICE_OFF },
		{ { UINT32_MAX, UINT32_MAX }, 7, KTLS_DEVICE_OFF }, /* half a word is none */
		{ { UINT32_MAX, UINT32_MAX }, 4, KTLS_DEVICE_OFF },
		{ { UINT32_MAX, UINT32_MAX }, 0, KTLS_DEVICE_OFF },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_ask ask = mixed(rows[i].words, rows[i].len, true);
		struct ktls_features features;

		cr_assert_eq(ktls_features_read(view_of(&ask), &features), 0);
		cr_assert_eq(features.state[KTLS_DEVICE_TX], rows[i].tx, "row %zu", i);
		cr_assert_eq(features.state[KTLS_DEVICE_RX], KTLS_DEVICE_ABSENT);
	}
}

Test(unit, a_message_that_lacks_what_is_on_tells_nothing)
{
	struct ktls_ask ask = mixed(NULL, 0, true), empty = { .len = GENL_HDRLEN };
	struct ktls_features features;

	cr_assert_eq(ktls_features_read(view_of(&ask), &features), 0);
	cr_assert_eq(features.state[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN);
	cr_assert_eq(features.state[KTLS_DEVICE_RX], KTLS_DEVICE_UNKNOWN);
	cr_assert_eq(ktls_features_read(view_of(&empty), &features), 0);
	cr_assert_eq(features.state[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN);
	cr_assert_eq(features.index, 0);
}

Test(unit, a_bit_without_a_number_is_malformed)
{
	static const uint32_t words[2] = { UINT32_MAX, UINT32_MAX };
	struct ktls_ask ask = mixed(words, sizeof(words), false);
	struct ktls_features features;

	cr_assert_eq(ktls_features_read(view_of(&ask), &features), -EBADMSG);
}

/* On the heap and of that very length, so that a read past its end is seen. */
static int read_cut(const struct ktls_ask *ask, size_t len, struct ktls_features *features,
		    bool *refused)
{
	uint8_t *bytes = malloc(len ? len : 1);
	struct ktls_view view = { bytes, len };
	int r;

	memcpy(bytes, ask->data, len);
	r = features ? ktls_features_read(view, features)
		     : ktls_features_read_refusal(view, "tls-hw-tx-offload", refused);
	free(bytes);
	return r;
}

Test(unit, a_message_may_be_cut_anywhere)
{
	const struct ktls_features untouched = { .index = 4711 };
	size_t malformed = 0;

	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_OFF, KTLS_DEVICE_FIXED_OFF);
	nic_say_refusal("tls-hw-tx-offload");
	for (size_t len = 0; len < answer(NIC_FEATURES)->len; len++) {
		struct ktls_features features = untouched;
		int r = read_cut(answer(NIC_FEATURES), len, &features, NULL);

		cr_assert(!r || r == -EBADMSG, "%zu: %d", len, r);
		cr_assert(!r || !memcmp(&features, &untouched, sizeof(features)));
		malformed += r == -EBADMSG;
	}
	cr_assert_gt(malformed, answer(NIC_FEATURES)->len / 2);
	for (size_t len = 0; len < answer(NIC_SWITCH)->len; len++) {
		bool refused = false;
		int r = read_cut(answer(NIC_SWITCH), len, NULL, &refused);

		cr_assert(!r || r == -EBADMSG, "%zu: %d", len, r);
	}
}

/* Each byte is turned, so that lengths and types lie. */
Test(unit, a_message_may_lie_anywhere)
{
	struct ktls_ask ask;

	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_OFF, KTLS_DEVICE_FIXED_OFF);
	for (size_t i = 0; i < answer(NIC_FEATURES)->len; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct ktls_features features;
			int r;

			ask = *answer(NIC_FEATURES);
			ask.data[i] ^= (uint8_t)(1u << bit);
			r = read_cut(&ask, ask.len, &features, NULL);
			cr_assert(!r || r == -EBADMSG);
		}
	}
}

/* Asking */

static struct ktls_ethtool open_ethtool(void)
{
	struct ktls_ethtool ethtool;

	cr_assert_eq(ktls_ethtool_open(&ethtool), 0);
	return ethtool;
}

Test(unit, a_switch_asks_for_one_feature_by_name_and_hears_what_came_of_it)
{
	struct ktls_ethtool ethtool = open_ethtool();
	const struct nic_kind *kind = &nic.kinds[NIC_SWITCH];

	nic_say_refusal(NULL);
	cr_assert_eq(ktls_features_switch(&ethtool, "fake0", "tls-hw-tx-offload", true), 0);
	cr_assert_eq(kind->asked, 1);
	cr_assert_eq(kind->request[0], ETHTOOL_MSG_FEATURES_SET);
	cr_assert(memmem(kind->request, kind->len, "fake0", sizeof("fake0")));
	cr_assert(
		memmem(kind->request, kind->len, "tls-hw-tx-offload", sizeof("tls-hw-tx-offload")));

	nic_forget(NIC_SWITCH);
	nic_say_refusal("tls-hw-rx-offload");
	cr_assert_eq(ktls_features_switch(&ethtool, "fake0", "tls-hw-tx-offload", true), 0);
	cr_assert_eq(ktls_features_switch(&ethtool, "fake0", "tls-hw-rx-offload", true),
		     -ECANCELED);
	ktls_ethtool_close(&ethtool);
}

Test(unit, a_switch_has_the_kernels_errors)
{
	static const int errors[] = { EPERM, ENODEV, EOPNOTSUPP, EINVAL };
	struct ktls_ethtool ethtool = open_ethtool();
	struct ktls_ethtool none = { 0 };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		nic_refuse(NIC_SWITCH, errors[i]);
		cr_assert_eq(ktls_features_switch(&ethtool, "fake0", "x", true), -errors[i]);
	}
	ktls_ethtool_close(&ethtool);
	cr_assert_eq(ktls_features_switch(&none, "fake0", "x", true), -EOPNOTSUPP);
}

Test(unit, a_kernel_without_ethtool_cannot_be_asked_and_that_is_no_error)
{
	struct ktls_ethtool ethtool;

	nic_forget(NIC_FAMILY);
	nic_refuse(NIC_FAMILY, ENOENT);
	cr_assert_eq(ktls_ethtool_open(&ethtool), 0);
	cr_assert_null(ethtool.netlink);
	cr_assert_eq(ktls_features_ask(&ethtool, 0, NULL), 0);
	cr_assert(!ktls_features_are_anywhere(KTLS_DEVICE_TX));
	nic_refuse(NIC_FAMILY, EPERM);
	cr_assert_eq(ktls_ethtool_open(&ethtool), -EPERM);
	cr_assert(!ktls_features_are_anywhere(KTLS_DEVICE_TX));
}

Test(unit, a_feature_is_anywhere_if_one_device_has_it_on)
{
	nic_say_features(1, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	nic_say_features(2, KTLS_DEVICE_OFF, KTLS_DEVICE_FIXED_ON, KTLS_DEVICE_ABSENT);
	cr_assert(!ktls_features_are_anywhere(KTLS_DEVICE_TX));
	cr_assert(ktls_features_are_anywhere(KTLS_DEVICE_RX));
	nic_say_features(3, KTLS_DEVICE_ON, KTLS_DEVICE_OFF, KTLS_DEVICE_ABSENT);
	cr_assert(ktls_features_are_anywhere(KTLS_DEVICE_TX));
	cr_assert(!ktls_features_are_anywhere(KTLS_DEVICE_RECORD));
	nic_refuse(NIC_FEATURES, EOPNOTSUPP);
	cr_assert(!ktls_features_are_anywhere(KTLS_DEVICE_TX));
}
