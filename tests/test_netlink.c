/* SPDX-License-Identifier: MIT */

/* Asking over netlink, of a kernel that says what the test wants; at the end, of the real one. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <criterion/criterion.h>

#include "src/netlink.h"
#include "tests/kit.h"
#include "tests/telling.h"

enum {
	TYPE = 77,
	FOREIGNER = 4242,
};

/* What came of it. */
static struct answer {
	unsigned int n, restarts;
	uint32_t sum; /* of the first four bytes of each */
	int r;	      /* what take() answers */
} answer;

static void fake(void)
{
	memset(&answer, 0, sizeof(answer));
	telling_begin();
}

static void say_number(uint16_t flags, uint32_t number)
{
	telling_say(TYPE, flags, 0, &number, sizeof(number));
}

static int take(void *context, uint16_t type, struct ktls_view message)
{
	cr_assert_eq(context, &answer);
	cr_assert_eq(type, TYPE);
	answer.n++;
	answer.sum += ktls_view_u32(message, 0);
	return answer.r;
}

static void restart(void *context)
{
	cr_assert_eq(context, &answer);
	answer.n = answer.sum = 0;
	answer.restarts++;
}

static const struct ktls_answers answers = { .take = take, .restart = restart, .context = &answer };
static const struct ktls_ask ask_one = { .type = TYPE, .len = 4, .data = { 1, 2, 3, 4 } };
static const struct ktls_ask ask_all = { .type = TYPE, .flags = NLM_F_DUMP };

static int ask(const struct ktls_ask *what)
{
	struct ktls_netlink *netlink;
	int r;

	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_ROUTE), 0);
	r = ktls_netlink_ask(netlink, what, &answers);
	cr_assert_null(ktls_netlink_free(netlink));
	return r;
}

Test(unit, one_thing_is_asked_for_and_acknowledged)
{
	fake();
	telling_datagram();
	say_number(0, 5);
	telling_datagram();
	telling_error(0);

	cr_assert_eq(ask(&ask_one), 0);

	cr_assert_eq(answer.n, 1);
	cr_assert_eq(answer.sum, 5);
	cr_assert_eq(telling.request.nlmsg_type, TYPE);
	cr_assert_eq(telling.request.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	cr_assert_eq(telling.request.nlmsg_len, NLMSG_HDRLEN + 4);
	cr_assert_arr_eq(telling.payload, ask_one.data, 4);
}

Test(unit, a_list_comes_in_many_parts_over_many_datagrams)
{
	fake();
	for (uint32_t i = 0; i < 20; i++) {
		telling_datagram();
		for (uint32_t k = 0; k < 50; k++)
			say_number(NLM_F_MULTI, i);
	}
	telling_datagram();
	telling_done(0);

	cr_assert_eq(ask(&ask_all), 0);

	cr_assert_eq(answer.n, 1000);
	cr_assert_eq(answer.sum, 50 * 190);
	cr_assert_eq(telling.request.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	cr_assert_eq(telling.next, telling.n);
}

Test(unit, an_acknowledgement_ends_it_whatever_was_said_before)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 5);
	telling_error(0);
	say_number(0, 666);

	cr_assert_eq(ask(&ask_one), 0);
	cr_assert_eq(answer.sum, 5);
	cr_assert_eq(telling.polled, 0);
}

Test(unit, the_end_of_a_list_may_come_with_its_last_part)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	telling_done(0);

	cr_assert_eq(ask(&ask_all), 0);
	cr_assert_eq(answer.n, 1);
}

Test(unit, a_list_may_end_with_an_error)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	telling_done(-EPERM);

	cr_assert_eq(ask(&ask_all), -EPERM);
}

Test(unit, the_errno_is_the_kernels_own)
{
	static const int errors[] = {
		EPERM, ENOENT, EOPNOTSUPP, ENODEV, EMFILE, ERANGE, EIO, E2BIG
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake();
		telling_datagram();
		telling_error(-errors[i]);
		cr_assert_eq(ask(&ask_one), -errors[i]);
		fake();
		telling_datagram();
		telling_error(-errors[i]);
		cr_assert_eq(ask(&ask_all), -errors[i]);
	}
}

Test(unit, an_errno_that_cannot_be_is_malformed)
{
	static const int errors[] = { 1, 4096, -4096, -1000000, INT32_MIN };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake();
		telling_datagram();
		telling_error(errors[i]);
		cr_assert_eq(ask(&ask_one), -EBADMSG, "%d", errors[i]);
		fake();
		telling_datagram();
		telling_done(errors[i]);
		cr_assert_eq(ask(&ask_all), -EBADMSG, "%d", errors[i]);
	}
}

Test(unit, a_changed_list_is_asked_for_again)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	say_number(NLM_F_MULTI | NLM_F_DUMP_INTR, 2);
	telling_datagram();
	say_number(NLM_F_MULTI, 3);
	telling_done(0);

	cr_assert_eq(ask(&ask_all), 0);

	cr_assert_eq(telling.asked, 2);
	cr_assert_eq(answer.restarts, 1);
	cr_assert_eq(answer.n, 1);
	cr_assert_eq(answer.sum, 3);
}

Test(unit, a_list_that_only_at_its_end_is_said_to_have_changed_is_asked_for_again)
{
	int zero = 0;

	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	telling_say(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, 0, &zero, sizeof(zero));
	telling_datagram();
	telling_done(0);

	cr_assert_eq(ask(&ask_all), 0);
	cr_assert_eq(answer.restarts, 1);
	cr_assert_eq(answer.n, 0);
}

Test(unit, a_list_that_always_changes_is_given_up)
{
	fake();
	telling.again = true;
	telling_datagram();
	say_number(NLM_F_MULTI | NLM_F_DUMP_INTR, 2);

	cr_assert_eq(ask(&ask_all), -EAGAIN);
	cr_assert_eq(telling.asked, KTLS_NETLINK_TRIES_MAX);
}

Test(unit, a_list_of_which_answers_were_lost_is_asked_for_again)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	telling_errno(ENOBUFS);
	telling_datagram();
	say_number(NLM_F_MULTI, 7);
	telling_done(0);

	cr_assert_eq(ask(&ask_all), 0);
	cr_assert_eq(answer.restarts, 1);
	cr_assert_eq(answer.sum, 7);
}

Test(unit, a_list_of_which_answers_are_always_lost_is_given_up)
{
	fake();
	telling.again = true;
	telling_errno(ENOBUFS);

	cr_assert_eq(ask(&ask_all), -EAGAIN);
	cr_assert_eq(telling.asked, KTLS_NETLINK_TRIES_MAX);
	cr_assert_eq(answer.restarts, KTLS_NETLINK_TRIES_MAX - 1);
}

Test(unit, one_thing_is_not_asked_for_twice)
{
	fake();
	telling.again = true;
	telling_errno(ENOBUFS);

	cr_assert_eq(ask(&ask_one), -ENOBUFS);
	cr_assert_eq(telling.asked, 1);
}

Test(unit, an_answer_to_another_request_is_none)
{
	uint32_t number = 1;

	fake();
	telling_datagram();
	telling_say(TYPE, 0, 1, &number, sizeof(number));

	cr_assert_eq(ask(&ask_one), -EBADMSG);
	cr_assert_eq(answer.n, 0);
}

Test(unit, what_is_not_from_the_kernel_is_passed_over)
{
	fake();
	telling_datagram();
	say_number(0, 666);
	telling_last()->from = FOREIGNER;
	telling_datagram();
	say_number(0, 5);
	telling_error(0);

	cr_assert_eq(ask(&ask_one), 0);
	cr_assert_eq(answer.sum, 5);
}

Test(unit, only_foreigners_are_silence)
{
	fake();
	telling_datagram();
	say_number(0, 666);
	telling_last()->from = FOREIGNER;

	cr_assert_eq(ask(&ask_one), -ETIMEDOUT);
	cr_assert_eq(answer.n, 0);
	cr_assert_geq(telling.polled, 1);
}

Test(unit, an_empty_datagram_is_malformed)
{
	fake();
	telling_datagram();

	cr_assert_eq(ask(&ask_one), -EBADMSG);
}

Test(unit, a_datagram_that_was_cut_by_the_socket_is_said_to_be)
{
	static const uint8_t much[KTLS_NETLINK_ANSWER_MAX];

	fake();
	telling_datagram();
	telling_say(TYPE, 0, 0, much, sizeof(much));

	cr_assert_eq(ask(&ask_one), -EMSGSIZE);
}

Test(unit, a_datagram_as_long_as_may_be_is_read)
{
	static const uint8_t much[KTLS_NETLINK_ANSWER_MAX - NLMSG_HDRLEN];

	fake();
	telling_datagram();
	telling_say(TYPE, 0, 0, much, sizeof(much));
	telling_datagram();
	telling_error(0);

	cr_assert_eq(ask(&ask_one), 0);
	cr_assert_eq(answer.n, 1);
}

/* At every byte: in a header, in a payload, between two messages. */
Test(unit, a_cut_datagram_is_malformed_at_every_byte)
{
	size_t one = NLMSG_SPACE(sizeof(uint32_t)), all = 2 * one;

	for (size_t len = 0; len < all; len++) {
		fake();
		telling_datagram();
		say_number(0, 5);
		say_number(0, 6);
		telling_last()->len = len;
		/* A whole one, and then silence, is not malformed. */
		cr_assert_eq(ask(&ask_one), len == one ? -ETIMEDOUT : -EBADMSG, "%zu", len);
		cr_assert_eq(answer.n, len == one);
	}
}

Test(unit, a_message_shorter_than_its_header_is_malformed)
{
	for (uint32_t len = 0; len < NLMSG_HDRLEN; len++) {
		struct nlmsghdr header = { .nlmsg_len = len, .nlmsg_type = TYPE };

		fake();
		telling_datagram();
		memcpy(telling_last()->data, &header, sizeof(header));
		telling_last()->len = sizeof(header);
		cr_assert_eq(ask(&ask_one), -EBADMSG, "%u", len);
	}
}

Test(unit, an_error_too_short_to_name_itself_is_malformed)
{
	fake();
	telling_datagram();
	telling_say(NLMSG_ERROR, 0, 0, "\0\0\0", 4);

	cr_assert_eq(ask(&ask_one), -EBADMSG);
}

Test(unit, an_overrun_is_malformed)
{
	fake();
	telling_datagram();
	telling_say(NLMSG_OVERRUN, 0, 0, NULL, 0);

	cr_assert_eq(ask(&ask_one), -EBADMSG);
}

Test(unit, a_message_of_nothing_is_passed_over)
{
	fake();
	telling_datagram();
	telling_say(NLMSG_NOOP, 0, 0, NULL, 0);
	say_number(0, 5);
	telling_error(0);

	cr_assert_eq(ask(&ask_one), 0);
	cr_assert_eq(answer.n, 1);
}

Test(unit, silence_has_an_end)
{
	fake();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);

	cr_assert_eq(ask(&ask_all), -ETIMEDOUT);
	cr_assert_geq(telling.polled, 1);
}

Test(unit, signals_are_not_seen)
{
	fake();
	telling.interrupted = 3;
	telling_datagram();
	telling_error(0);

	cr_assert_eq(ask(&ask_one), 0);
}

Test(unit, what_the_socket_answers_is_forwarded)
{
	fake();
	telling.send_error = ECONNREFUSED;
	cr_assert_eq(ask(&ask_one), -ECONNREFUSED);

	fake();
	telling_errno(EIO);
	cr_assert_eq(ask(&ask_one), -EIO);
}

Test(unit, who_takes_an_answer_can_end_it_and_ask_anew)
{
	struct ktls_netlink *netlink;
	unsigned int fds;

	fake();
	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_ROUTE), 0);
	fds = kit_count_fds();
	telling_datagram();
	say_number(NLM_F_MULTI, 1);
	say_number(NLM_F_MULTI, 2);
	answer.r = -ENOSPC;
	cr_assert_eq(ktls_netlink_ask(netlink, &ask_all, &answers), -ENOSPC);
	cr_assert_eq(answer.n, 1);
	cr_assert_eq(kit_count_fds(), fds - 1);

	answer.r = 0;
	telling_datagram();
	say_number(NLM_F_MULTI, 3);
	telling_done(0);
	cr_assert_eq(ktls_netlink_ask(netlink, &ask_all, &answers), 0);
	cr_assert_eq(answer.sum, 4);
	cr_assert_eq(kit_count_fds(), fds);

	ktls_netlink_free(netlink);
}

Test(unit, no_such_protocol)
{
	struct ktls_netlink *netlink = NULL;
	unsigned int fds = kit_count_fds();

	cr_assert_eq(ktls_netlink_new(&netlink, 31), -EPROTONOSUPPORT);
	cr_assert_eq(ktls_netlink_new(&netlink, 1000), -EPROTONOSUPPORT);
	cr_assert_null(netlink);
	cr_assert_null(ktls_netlink_free(NULL));
	cr_assert_eq(kit_count_fds(), fds);
}

/* Families of generic netlink */

static void say_family(const void *attributes, size_t len)
{
	uint8_t payload[64] = { CTRL_CMD_NEWFAMILY, 1 };

	cr_assert_leq(GENL_HDRLEN + len, sizeof(payload));
	memcpy(payload + GENL_HDRLEN, attributes, len);
	telling_datagram();
	telling_say(GENL_ID_CTRL, 0, 0, payload, GENL_HDRLEN + len);
	telling_datagram();
	telling_error(0);
}

static int ask_family(uint16_t *ret_family)
{
	struct ktls_netlink *netlink;
	int r;

	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_GENERIC), 0);
	r = ktls_netlink_family(netlink, "ethtool", ret_family);
	ktls_netlink_free(netlink);
	return r;
}

Test(unit, a_family_has_a_number)
{
	struct ktls_ask row = { .type = TYPE };
	uint16_t number = 33, family = 0;

	cr_assert_eq(ktls_ask_put(&row, CTRL_ATTR_FAMILY_ID, &number, sizeof(number)), 0);
	fake();
	say_family(row.data, row.len);

	cr_assert_eq(ask_family(&family), 0);
	cr_assert_eq(family, 33);
}

Test(unit, a_family_without_a_number_is_malformed)
{
	uint16_t family = 5;

	fake();
	say_family("", 0);
	cr_assert_eq(ask_family(&family), -EBADMSG);
	fake();
	say_family("\x03\0\0\0", 4);
	cr_assert_eq(ask_family(&family), -EBADMSG);
	fake();
	telling_datagram();
	say_number(0, 1);
	cr_assert_eq(ask_family(&family), -EBADMSG);
	fake();
	telling_datagram();
	telling_error(0);
	cr_assert_eq(ask_family(&family), -EBADMSG);
	cr_assert_eq(family, 5);
}

/* The real kernel */

static int count(void *context, uint16_t type, struct ktls_view message)
{
	struct ktls_view row, views[IFLA_IFNAME + 1];
	bool *found = context;
	char name[16];

	cr_assert_eq(type, RTM_NEWLINK);
	cr_assert_eq(ktls_view_skip(message, sizeof(struct ifinfomsg), &row), 0);
	cr_assert_eq(ktls_views(row, views, IFLA_IFNAME + 1), 0);
	ktls_view_string(views[IFLA_IFNAME], name, sizeof(name));
	*found |= !strcmp(name, "lo");
	return 0;
}

Test(unit, this_kernel_tells_of_its_interfaces)
{
	struct ktls_ask all = { .type = RTM_GETLINK, .flags = NLM_F_DUMP };
	struct ktls_ask one = { .type = RTM_GETLINK };
	struct ifinfomsg first = { .ifi_index = 1 }, wrong = { .ifi_index = 1 << 30 };
	bool found = false;
	struct ktls_answers real = { .take = count, .context = &found };
	struct ktls_netlink *netlink;

	cr_assert_eq(ktls_ask_put_header(&all, &first, sizeof(first)), 0);
	cr_assert_eq(ktls_ask_put_header(&one, &first, sizeof(first)), 0);
	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_ROUTE), 0);

	cr_assert_eq(ktls_netlink_ask(netlink, &all, &real), 0);
	cr_assert(found);
	found = false;
	cr_assert_eq(ktls_netlink_ask(netlink, &one, &real), 0);
	cr_assert(found);
	memcpy(one.data, &wrong, sizeof(wrong));
	cr_assert_eq(ktls_netlink_ask(netlink, &one, &real), -ENODEV);
	cr_assert_eq(ktls_netlink_ask(netlink, &all, &real), 0);

	ktls_netlink_free(netlink);
}

Test(unit, this_kernel_does_not_have_every_family)
{
	struct ktls_netlink *netlink;
	uint16_t family = 0;

	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_GENERIC), 0);
	cr_assert_eq(ktls_netlink_family(netlink, "nlctrl", &family), 0);
	cr_assert_eq(family, GENL_ID_CTRL);
	cr_assert_eq(ktls_netlink_family(netlink, "no such one", &family), -ENOENT);
	ktls_netlink_free(netlink);
}
