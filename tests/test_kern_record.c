/* SPDX-License-Identifier: MIT */

/*
 * Records through the seam: the messages that go to the kernel, and what comes of messages that a
 * kernel should not make. kernel_record.c has real ones.
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "base/sigpipe.h"
#include "base/sys.h"
#include "ktls/kern.h"

enum {
	LEVEL_TLS = 282,
	SET_TYPE = 1,
	GET_TYPE = 2,
};

/* One control message as a kernel might write it. */
struct control {
	int level, type;
	uint8_t data[2];
	size_t data_len;
};

/* One answer to recvmsg. */
struct arrival {
	ssize_t n; /* or -errno */
	int flags;
	size_t controls_n;
	struct control controls[2];
	size_t control_len;  /* of the first message, instead of the true length; 0: true */
	size_t room_claimed; /* msg_controllen, instead of the true one; 0: true */
};

static struct {
	unsigned int calls;
	/* sendmsg */
	int flags;
	size_t iovlen;
	uint8_t control[64];
	size_t control_len;
	ssize_t answer;	      /* or -errno */
	unsigned int signals; /* EINTR so many times first */
	/* recvmsg */
	const struct arrival *arrivals;
	/* sendfile */
	bool breaks; /* raises SIGPIPE, as for a peer that is gone */
	off_t offset;
	size_t count;
	/* getsockopt */
	struct tcp_info info;
	socklen_t info_len;
} fake;

static ssize_t answer_or_signal(ssize_t answer)
{
	fake.calls++;
	if (fake.signals) {
		fake.signals--;
		answer = -EINTR;
	}
	if (answer >= 0)
		return answer;
	errno = (int)-answer;
	return -1;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	fake.flags = flags;
	fake.iovlen = msg->msg_iovlen;
	fake.control_len = msg->msg_controllen;
	if (msg->msg_control)
		memcpy(fake.control, msg->msg_control, msg->msg_controllen);
	return answer_or_signal(fake.answer);
}

/* Writes control messages as far as there is room, as net/core/scm.c does. */
static size_t write_controls(struct msghdr *msg, const struct arrival *arrival)
{
	uint8_t *at = msg->msg_control;
	size_t used = 0;

	for (size_t i = 0; i < arrival->controls_n; i++) {
		const struct control *control = &arrival->controls[i];
		struct cmsghdr head = {
			.cmsg_level = control->level,
			.cmsg_type = control->type,
			.cmsg_len = !i && arrival->control_len ? arrival->control_len
							       : CMSG_LEN(control->data_len),
		};

		if (CMSG_SPACE(control->data_len) > msg->msg_controllen - used) {
			msg->msg_flags |= MSG_CTRUNC;
			break;
		}
		memcpy(at + used, &head, sizeof(head));
		memcpy(at + used + CMSG_LEN(0), control->data, control->data_len);
		used += CMSG_SPACE(control->data_len);
	}
	return used;
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	const struct arrival *arrival = fake.arrivals;

	(void)fd;
	fake.flags = flags;
	fake.iovlen = msg->msg_iovlen;
	fake.control_len = msg->msg_controllen;
	if (fake.signals)
		return answer_or_signal(0);
	fake.arrivals++;
	msg->msg_flags = arrival->flags;
	msg->msg_controllen = write_controls(msg, arrival);
	if (arrival->room_claimed)
		msg->msg_controllen = arrival->room_claimed;
	return answer_or_signal(arrival->n);
}

static ssize_t fake_sendfile(int out_fd, int in_fd, off_t *offset, size_t count)
{
	(void)out_fd;
	(void)in_fd;
	fake.offset = *offset;
	fake.count = count;
	if (fake.breaks)
		pthread_kill(pthread_self(), SIGPIPE);
	*offset += 5; /* a signal in the middle leaves it moved */
	return answer_or_signal(fake.answer);
}

static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	(void)fd;
	cr_assert_eq(level, IPPROTO_TCP);
	cr_assert_eq(name, 11);
	if (*len > fake.info_len)
		*len = fake.info_len;
	memcpy(value, &fake.info, *len);
	return (int)answer_or_signal(fake.answer);
}

static void use_fake(void)
{
	ktls_sys.sendmsg = fake_sendmsg;
	ktls_sys.recvmsg = fake_recvmsg;
	ktls_sys.sendfile = fake_sendfile;
	ktls_sys.getsockopt = fake_getsockopt;
}

TestSuite(unit, .init = use_fake);

static uint8_t bytes[KERN_PAYLOAD_MAX + 1];
static const struct iovec hundred = { bytes, 100 };

/*
 * -- out --
 */

Test(unit, data_goes_without_a_control_message_and_never_waits_nor_signals)
{
	size_t n;

	fake.answer = 60;

	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, &hundred, 1, &n), 0);
	cr_assert_eq(n, 60);
	cr_assert_eq(fake.flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	cr_assert_eq(fake.control_len, 0);
}

Test(unit, any_other_type_goes_as_one_control_message)
{
	const struct cmsghdr wanted = {
		.cmsg_level = LEVEL_TLS,
		.cmsg_type = SET_TYPE,
		.cmsg_len = CMSG_LEN(1),
	};
	size_t n;

	fake.answer = 100;

	cr_assert_eq(kern_send(7, KERN_RECORD_HANDSHAKE, &hundred, 1, &n), 0);
	cr_assert_eq(n, 100);
	cr_assert_eq(fake.flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	cr_assert_eq(fake.control_len, CMSG_SPACE(1));
	cr_assert_arr_eq(fake.control, &wanted, sizeof(wanted));
	cr_assert_eq(fake.control[CMSG_LEN(0)], 22);
}

Test(unit, a_list_too_long_for_the_kernel_is_taken_partly_as_data_and_not_at_all_otherwise)
{
	static struct iovec list[IOV_MAX + 1];
	size_t n;

	for (size_t i = 0; i < IOV_MAX + 1; i++)
		list[i] = (struct iovec){ bytes, 1 };
	fake.answer = IOV_MAX;

	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, list, IOV_MAX + 1, &n), 0);
	cr_assert_eq(n, IOV_MAX);
	cr_assert_eq(fake.iovlen, IOV_MAX);
	cr_assert_eq(kern_send(7, KERN_RECORD_ALERT, list, IOV_MAX + 1, &n), -EINVAL);
	cr_assert_eq(fake.calls, 1);
}

Test(unit, what_is_no_record_is_not_sent)
{
	const struct iovec none = { bytes, 0 }, large = { bytes, KERN_PAYLOAD_MAX + 1 };
	size_t n = 42;

	cr_assert_eq(kern_send(7, KERN_RECORD_ALERT, &none, 1, &n), -EINVAL);
	cr_assert_eq(kern_send(7, KERN_RECORD_ALERT, NULL, 0, &n), -EINVAL);
	cr_assert_eq(kern_send(7, KERN_RECORD_NONE, &hundred, 1, &n), -EINVAL);
	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, &hundred, -1, &n), -EINVAL);
	cr_assert_eq(kern_send(7, KERN_RECORD_HANDSHAKE, &large, 1, &n), -EMSGSIZE);
	cr_assert_eq(n, 42, "untouched on failure");

	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, &none, 1, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(fake.calls, 0);
}

Test(unit, a_part_of_a_control_record_is_an_error)
{
	size_t n;

	fake.answer = 99;

	cr_assert_eq(kern_send(7, KERN_RECORD_HANDSHAKE, &hundred, 1, &n), -EPROTO);
}

Test(unit, sending_goes_on_after_a_signal_and_forwards_other_errors)
{
	size_t n;

	fake.answer = 100;
	fake.signals = 2;
	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, &hundred, 1, &n), 0);
	cr_assert_eq(fake.calls, 3);

	fake.answer = -EAGAIN;
	cr_assert_eq(kern_send(7, KERN_RECORD_DATA, &hundred, 1, &n), -EAGAIN);
	fake.answer = -EPIPE;
	cr_assert_eq(kern_send(7, KERN_RECORD_ALERT, &hundred, 1, &n), -EPIPE);
}

Test(unit, a_file_goes_from_its_absolute_offset_also_after_a_signal)
{
	size_t n;

	fake.answer = 17;
	fake.signals = 2;

	cr_assert_eq(kern_send_file(7, 8, 1ull << 40, 1000, &n), 0);
	cr_assert_eq(n, 17);
	cr_assert_eq(fake.offset, 1ll << 40);
	cr_assert_eq(fake.count, 1000);
	cr_assert_eq(fake.calls, 3);
}

Test(unit, a_range_of_a_file_is_cut_to_what_one_call_takes)
{
	size_t n;

	fake.answer = 1;
	cr_assert_eq(kern_send_file(7, 8, 0, SIZE_MAX, &n), 0);
	cr_assert_eq(fake.count, 0x7ffff000);

	fake.answer = 0;
	cr_assert_eq(kern_send_file(7, 8, 0, 1, &n), 0);
	cr_assert_eq(n, 0, "at its end");

	n = 42;
	fake.answer = -EAGAIN;
	cr_assert_eq(kern_send_file(7, 8, 0, 1, &n), -EAGAIN);
	cr_assert_eq(kern_send_file(7, 8, 1ull << 63, 1, &n), -EINVAL);
	cr_assert_eq(n, 42, "untouched on failure");
}

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int number)
{
	(void)number;
	sigpipes++;
}

static bool sigpipe_is_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGPIPE);
}

/* Two attempts of one call, as the connection makes them. */
static int send_file_twice(void)
{
	struct ktls_sigpipe sigpipe = { .held = false };
	size_t n;
	int r;

	for (int i = 0; i < 2; i++) {
		ktls_sigpipe_hold(&sigpipe);
		r = kern_send_file(7, 8, 0, 1000, &n);
	}
	ktls_sigpipe_release(&sigpipe);
	ktls_sigpipe_release(&sigpipe);
	return r;
}

Test(unit, no_sigpipe_of_a_file_reaches_the_program_whatever_the_answer)
{
	const ssize_t answers[] = { 1000, 17, -EPIPE };

	signal(SIGPIPE, count_sigpipe);
	fake.breaks = true;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		fake.answer = answers[i];
		cr_assert_eq(send_file_twice(), answers[i] < 0 ? answers[i] : 0);
		cr_assert_eq(sigpipes, 0);
		cr_assert_not(sigpipe_is_pending());
	}
	raise(SIGPIPE);
	cr_assert_eq(sigpipes, 1, "the program's own still reaches it");
}

Test(unit, a_sigpipe_that_was_pending_stays_and_a_blocked_one_stays_blocked)
{
	sigset_t sigpipe;

	signal(SIGPIPE, count_sigpipe);
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
	fake.breaks = true;
	fake.answer = -EPIPE;

	cr_assert_eq(send_file_twice(), -EPIPE);
	cr_assert_not(sigpipe_is_pending());
	pthread_kill(pthread_self(), SIGPIPE);
	cr_assert_eq(send_file_twice(), -EPIPE);
	cr_assert(sigpipe_is_pending());
	cr_assert_eq(sigpipes, 0);

	pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL);
	cr_assert_eq(sigpipes, 1);
}

/*
 * -- in --
 */

#define TYPE(value)                               \
	{                                         \
		LEVEL_TLS, GET_TYPE, { value }, 1 \
	}
#define OF_TYPE(value) .controls_n = 1, .controls = { TYPE(value) }

static int receive(const struct arrival *arrivals, uint8_t *ret_type, bool *ret_end, size_t *ret_n)
{
	fake.arrivals = arrivals;
	return kern_recv(7, &hundred, 1, ret_type, ret_end, ret_n);
}

Test(unit, receiving_gives_room_for_a_type_and_never_waits)
{
	static const struct arrival data = { .n = 60, OF_TYPE(23) };
	uint8_t type;
	bool end;
	size_t n;

	fake.signals = 2;

	cr_assert_eq(receive(&data, &type, &end, &n), 0);
	cr_assert_eq(type, KERN_RECORD_DATA);
	cr_assert_not(end);
	cr_assert_eq(n, 60);
	cr_assert_eq(fake.flags, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	cr_assert_eq(fake.control_len, CMSG_SPACE(1));
	cr_assert_eq(fake.calls, 3);
}

Test(unit, the_end_of_a_record_is_told)
{
	static const struct arrival alert = { .n = 100, .flags = MSG_EOR, OF_TYPE(21) };
	static const struct arrival data = { .n = 99, .flags = MSG_EOR, OF_TYPE(23) };
	uint8_t type;
	bool end;
	size_t n;

	cr_assert_eq(receive(&alert, &type, &end, &n), 0);
	cr_assert_eq(type, KERN_RECORD_ALERT);
	cr_assert(end);
	cr_assert_eq(receive(&data, &type, &end, &n), 0);
	cr_assert(end);
}

Test(unit, data_that_fills_the_buffer_may_have_a_remainder)
{
	static const struct arrival data = { .n = 100, .flags = MSG_EOR, OF_TYPE(23) };
	uint8_t type;
	bool end;
	size_t n;

	cr_assert_eq(receive(&data, &type, &end, &n), 0);
	cr_assert_not(end);
}

Test(unit, the_transports_end_an_empty_alert_and_empty_data_are_three_things)
{
	static const struct arrival eof = { .n = 0 };
	static const struct arrival alert = { .n = 0, .flags = MSG_EOR, OF_TYPE(21) };
	static const struct arrival data = { .n = 0, .flags = MSG_EOR, OF_TYPE(23) };
	uint8_t type;
	bool end;
	size_t n;

	cr_assert_eq(receive(&eof, &type, &end, &n), 0);
	cr_assert_eq(type, KERN_RECORD_NONE);
	cr_assert_eq(n, 0);

	cr_assert_eq(receive(&alert, &type, &end, &n), 0);
	cr_assert_eq(type, KERN_RECORD_ALERT);
	cr_assert_eq(n, 0);
	cr_assert(end);

	/* Each for itself: a flood of empty records is for the caller to count. */
	cr_assert_eq(receive(&data, &type, &end, &n), 0);
	cr_assert_eq(type, KERN_RECORD_DATA);
	cr_assert_eq(n, 0);
}

static const struct {
	const char *name;
	struct arrival arrival;
	int r;
} hostile[] = {
	{ "bytes with no type", { .n = 60 }, -EPROTO },
	{ "control cut off", { .n = 60, .flags = MSG_CTRUNC, OF_TYPE(23) }, -EPROTO },
	{ "control cut off whole", { .n = 60, .flags = MSG_CTRUNC }, -EPROTO },
	{ "the end, control cut off", { .n = 0, .flags = MSG_CTRUNC }, -EPROTO },
	{ "two types", { .n = 60, .controls_n = 2, .controls = { TYPE(23), TYPE(21) } }, -EPROTO },
	{ "another level",
	  { .n = 60, .controls_n = 1, .controls = { { SOL_SOCKET, GET_TYPE, { 23 }, 1 } } },
	  -EPROTO },
	{ "another type of message",
	  { .n = 60, .controls_n = 1, .controls = { { LEVEL_TLS, SET_TYPE, { 23 }, 1 } } },
	  -EPROTO },
	{ "no byte",
	  { .n = 60, .controls_n = 1, .controls = { { LEVEL_TLS, GET_TYPE, { 0 }, 0 } } },
	  -EPROTO },
	{ "two bytes",
	  { .n = 60, .controls_n = 1, .controls = { { LEVEL_TLS, GET_TYPE, { 23, 23 }, 2 } } },
	  -EPROTO },
	{ "length below its head", { .n = 60, OF_TYPE(23), .control_len = 3 }, -EPROTO },
	{ "length 0 of all", { .n = 60, OF_TYPE(23), .control_len = CMSG_LEN(0) }, -EPROTO },
	{ "length beyond the room", { .n = 60, OF_TYPE(23), .control_len = SIZE_MAX }, -EPROTO },
	{ "room shorter than a message", { .n = 60, OF_TYPE(23), .room_claimed = 8 }, -EPROTO },
	{ "more room than was given", { .n = 60, OF_TYPE(23), .room_claimed = 48 }, -EPROTO },
	{ "type 0", { .n = 60, OF_TYPE(0) }, -EINVAL },
	{ "type 0, empty: not the end", { .n = 0, OF_TYPE(0) }, -EINVAL },
	{ "bad MAC", { .n = -EBADMSG }, -EBADMSG },
	{ "KeyUpdate came", { .n = -EKEYEXPIRED }, -EKEYEXPIRED },
	{ "nothing there", { .n = -EAGAIN }, -EAGAIN },
};

Test(unit, a_message_of_any_other_form_is_refused)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		uint8_t type = 42;
		bool end;
		size_t n = 42;

		cr_assert_eq(receive(&hostile[i].arrival, &type, &end, &n), hostile[i].r, "%s",
			     hostile[i].name);
		cr_assert(type == 42 && n == 42, "%s: untouched on failure", hostile[i].name);
	}
}

Test(unit, receiving_needs_room)
{
	const struct iovec none = { bytes, 0 };
	uint8_t type;
	bool end;
	size_t n;

	cr_assert_eq(kern_recv(7, &none, 1, &type, &end, &n), -EINVAL);
	cr_assert_eq(kern_recv(7, NULL, 0, &type, &end, &n), -EINVAL);
	cr_assert_eq(kern_recv(7, &none, -1, &type, &end, &n), -EINVAL);
	cr_assert_eq(fake.calls, 0);
}

/*
 * -- what TCP has taken --
 */

Test(unit, what_tcp_has_taken_is_what_it_sent_once_and_holds_unsent)
{
	uint64_t taken;

	fake.info.tcpi_bytes_sent = 5000000000;
	fake.info.tcpi_bytes_retrans = 1000;
	fake.info.tcpi_notsent_bytes = 70;
	fake.info_len = sizeof(fake.info);

	cr_assert_eq(kern_tcp_taken(7, &taken), 0);
	cr_assert_eq(taken, 5000000000 - 1000 + 70);
}

Test(unit, a_kernel_that_does_not_count_is_told_from_one_that_counted_0)
{
	uint64_t taken = 42;

	fake.info_len = offsetof(struct tcp_info, tcpi_bytes_retrans);
	cr_assert_eq(kern_tcp_taken(7, &taken), -EOPNOTSUPP);
	fake.info_len = sizeof(fake.info);
	fake.answer = -ENOPROTOOPT;
	cr_assert_eq(kern_tcp_taken(7, &taken), -ENOPROTOOPT);
	cr_assert_eq(taken, 42, "untouched on failure");
}
