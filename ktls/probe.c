/* SPDX-License-Identifier: MIT */

/*
 * What this kernel can do, found by doing it: for each protocol and cipher a connection over the
 * loopback, keys into both ends, a record through it. Versions lie both ways (distributions take
 * features back, modules are absent, filters forbid), so nothing else is asked. Made once per
 * process, in milliseconds; where no tls can be attached, after the first pair.
 *
 * What cannot be tried counts as not there, with the reason that stopped it. Everything done to the
 * sockets goes the way of every connection (install.c, record.c).
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <linux/tls.h>

#include "base/deadline.h"
#include "base/sized.h"
#include "base/sys.h"
#include "ktls/kern.h"

#ifndef TLS_TX_ZEROCOPY_RO
#define TLS_TX_ZEROCOPY_RO 3 /* Linux 5.19 */
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4 /* Linux 6.0 */
#endif
enum probe_limit {
	SHORT_PAYLOAD = 512,   /* a record size limit to try */
	MESSAGE_MAX = 1024,    /* two records under that limit */
	NS_PER_S = 1000000000, /* what a round trip over the loopback may take */
};

static struct {
	pthread_once_t once;
	struct ktls_probe probe;
} cache = { .once = PTHREAD_ONCE_INIT };

/*
 * -- trying --
 */

/* No secret ever goes through: any key will do, as long as two in turn differ. */
static int set_key(int fd, enum ktls_direction direction, unsigned int protocol,
		   unsigned int cipher, uint8_t generation, unsigned int *ret_reason)
{
	_cleanup_(kern_keys_wipe) struct kern_keys keys = {
		.protocol = (uint16_t)protocol,
		.cipher = (uint16_t)cipher,
	};
	_cleanup_(kern_crypto_wipe) struct kern_crypto crypto = { 0 };
	int r;

	memset(keys.key, generation, sizeof(keys.key));
	memset(keys.iv, generation, sizeof(keys.iv));
	r = kern_prepare(&keys, &crypto);
	if (r < 0) {
		*ret_reason = KTLS_REASON_REFUSED;
		return r;
	}
	return kern_commit(fd, direction, &crypto, ret_reason);
}

static unsigned int try_key(int fd, enum ktls_direction direction, unsigned int protocol,
			    unsigned int cipher, uint8_t generation)
{
	unsigned int reason = KTLS_REASON_REFUSED;

	return set_key(fd, direction, protocol, cipher, generation, &reason) ? reason
									     : KTLS_REASON_NONE;
}

static int send_message(const struct kern_pair *pair, size_t len)
{
	uint8_t message[MESSAGE_MAX];
	const struct iovec iov = { message, len };
	size_t n;
	int r;

	memset(message, 'k', sizeof(message));
	r = kern_send(pair->tx, KERN_RECORD_DATA, &iov, 1, &n);
	if (r < 0)
		return r;
	return n == len ? 0 : -EIO;
}

static int receive_some(int fd, const struct iovec *iov, uint64_t deadline_ns, size_t *ret_n)
{
	for (;;) {
		uint8_t type;
		bool end;
		int r = kern_recv(fd, iov, 1, &type, &end, ret_n);

		if (!r)
			return type == KERN_RECORD_DATA ? 0 : -EPROTO;
		if (r != -EAGAIN)
			return r;
		r = ktls_deadline_poll(fd, POLLIN, deadline_ns);
		if (r)
			return r < 0 ? r : -ETIMEDOUT;
	}
}

static int receive_message(const struct kern_pair *pair, size_t len)
{
	const uint64_t deadline_ns = ktls_deadline_clock() + NS_PER_S;
	uint8_t message[MESSAGE_MAX];

	for (size_t at = 0; at < len;) {
		const struct iovec iov = { message + at, len - at };
		size_t n;
		int r = receive_some(pair->rx, &iov, deadline_ns, &n);

		if (r < 0)
			return r;
		at += n;
	}
	for (size_t i = 0; i < len; i++)
		if (message[i] != 'k')
			return -EPROTO;
	return 0;
}

static int round_trip(const struct kern_pair *pair, size_t len)
{
	int r = send_message(pair, len);

	return r < 0 ? r : receive_message(pair, len);
}

/* What a record that did not come through means of keys that were taken. */
static unsigned int transfer_reason(int r)
{
	if (!r)
		return KTLS_REASON_NONE;
	return r == -ETIMEDOUT ? KTLS_REASON_NO_ANSWER : KTLS_REASON_UNSOUND;
}

/*
 * Keys into both ends and a record from one to the other. If one end cannot, the other stands on
 * the kernel's word, and on a send that went out. *ret_reasons by direction; -errno if the record
 * did not come through.
 */
static int try_cipher(const struct kern_pair *pair, unsigned int protocol, unsigned int cipher,
		      uint16_t ret_reasons[_KTLS_DIRECTION_N])
{
	unsigned int tx = try_key(pair->tx, KTLS_TX, protocol, cipher, 1);
	unsigned int rx = try_key(pair->rx, KTLS_RX, protocol, cipher, 1);
	int r = 0;

	if (!tx)
		tx = transfer_reason(send_message(pair, 1));
	if (!tx && !rx)
		r = receive_message(pair, 1);
	if (r < 0)
		tx = rx = transfer_reason(r);
	ret_reasons[KTLS_TX] = (uint16_t)tx;
	ret_reasons[KTLS_RX] = (uint16_t)rx;
	return r;
}

static uint16_t try_option(int fd, int name, const void *value, socklen_t len)
{
	return (uint16_t)kern_option_reason(
		ktls_sys.setsockopt(fd, SOL_TLS, name, value, len) ? errno : 0);
}

/* A limit that is taken must be kept: the message must fill two records. */
static uint16_t try_max_payload(const struct kern_pair *pair, unsigned int cipher)
{
	unsigned int reason;
	uint64_t before, after;
	int r = kern_set_payload_max(pair->tx, SHORT_PAYLOAD, &reason);

	if (r < 0)
		return (uint16_t)reason;
	r = kern_seq(pair->tx, KTLS_TX, KTLS_TLS_1_3, cipher, &before);
	if (!r)
		r = round_trip(pair, 2 * SHORT_PAYLOAD - 2);
	if (!r)
		r = kern_seq(pair->tx, KTLS_TX, KTLS_TLS_1_3, cipher, &after);
	if (r < 0)
		return (uint16_t)transfer_reason(r);
	return after - before == 2 ? KTLS_REASON_NONE : KTLS_REASON_UNSOUND;
}

/* What only a connection with TLS 1.3's keys in place can show. */
static void try_features(const struct kern_pair *pair, unsigned int cipher,
			 struct ktls_probe *probe)
{
	const int on = 1;
	unsigned int tx, rx;

	probe->tx_zerocopy_ro = try_option(pair->tx, TLS_TX_ZEROCOPY_RO, &on, sizeof(on));
	probe->rx_expect_no_pad = try_option(pair->rx, TLS_RX_EXPECT_NO_PAD, &on, sizeof(on));
	probe->tx_max_payload_len = try_max_payload(pair, cipher);

	tx = try_key(pair->tx, KTLS_TX, KTLS_TLS_1_3, cipher, 2);
	rx = try_key(pair->rx, KTLS_RX, KTLS_TLS_1_3, cipher, 2);
	if (!tx && !rx)
		tx = rx = transfer_reason(round_trip(pair, 1));
	probe->rekey[KTLS_TX] = (uint16_t)tx;
	probe->rekey[KTLS_RX] = (uint16_t)rx;
}

/* Until the peer's TCP has all. */
static int wait_for_arrival(int fd)
{
	const uint64_t deadline_ns = ktls_deadline_clock() + NS_PER_S;
	int unacknowledged = 0;

	while (!ioctl(fd, SIOCOUTQ, &unacknowledged) && unacknowledged) {
		if (ktls_deadline_clock() > deadline_ns)
			return -ETIMEDOUT;
		poll(NULL, 0, 1);
	}
	return 0;
}

/* Half a record comes to an end that has its key: does poll(2) tell? */
static unsigned int try_half_record(const struct kern_pair *pair)
{
	static const uint8_t half[] = { 23, 3, 3, 0, 64, 'h', 'a', 'l', 'f' };
	struct pollfd pollfd = { .fd = pair->rx, .events = POLLIN };
	unsigned int reason = try_key(pair->rx, KTLS_RX, KTLS_TLS_1_3, KTLS_AES_128_GCM, 1);

	if (reason)
		return reason;
	if (send(pair->tx, half, sizeof(half), MSG_NOSIGNAL) != sizeof(half) ||
	    wait_for_arrival(pair->tx) < 0)
		return KTLS_REASON_REFUSED;
	return poll(&pollfd, 1, 0) ? KTLS_REASON_OLD_KERNEL : KTLS_REASON_NONE;
}

/*
 * -- the answers --
 */

static void fill_features(struct ktls_probe *probe, unsigned int reason)
{
	probe->rekey[KTLS_TX] = probe->rekey[KTLS_RX] = (uint16_t)reason;
	probe->tx_zerocopy_ro = (uint16_t)reason;
	probe->rx_expect_no_pad = (uint16_t)reason;
	probe->tx_max_payload_len = (uint16_t)reason;
	probe->rx_whole_records = (uint16_t)reason;
}

static void fill_all(struct ktls_probe *probe, unsigned int reason)
{
	for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++)
		for (unsigned int i = 0; i < _KTLS_DIRECTION_N; i++)
			probe->tls12[cipher][i] = probe->tls13[cipher][i] = (uint16_t)reason;
	fill_features(probe, reason);
	probe->ulp = (uint16_t)reason;
}

/* How far the probe has come. */
struct trial {
	struct ktls_probe *probe;
	bool featured;	       /* the features have been tried */
	unsigned int given_up; /* the loopback loses things: why nothing more is waited for */
};

/* A row of the answers, and what a working TLS 1.3 pair shows beside, once. */
static void probe_cipher(struct trial *trial, unsigned int protocol, unsigned int cipher)
{
	_cleanup_(kern_pair_close) struct kern_pair pair = KERN_PAIR_NULL;
	uint16_t *reasons = protocol == KTLS_TLS_1_3 ? trial->probe->tls13[cipher]
						     : trial->probe->tls12[cipher];
	unsigned int reason = trial->given_up;
	int r = reason ? -ECANCELED : kern_pair_open(&pair, &reason);

	if (r < 0)
		reasons[KTLS_TX] = reasons[KTLS_RX] = (uint16_t)reason;
	else
		r = try_cipher(&pair, protocol, cipher, reasons);
	if (r == -ETIMEDOUT)
		trial->given_up = reasons[KTLS_RX];
	if (r < 0 || trial->featured || protocol != KTLS_TLS_1_3 || reasons[KTLS_TX] ||
	    reasons[KTLS_RX])
		return;
	try_features(&pair, cipher, trial->probe);
	trial->featured = true;
}

static void probe_once(void)
{
	_cleanup_(kern_pair_close) struct kern_pair pair = KERN_PAIR_NULL;
	struct trial trial = { .probe = &cache.probe };
	const uint16_t *first = trial.probe->tls13[KTLS_AES_128_GCM];
	unsigned int reason;
	int r = kern_pair_open(&pair, &reason);

	if (r < 0) {
		fill_all(trial.probe, reason);
		trial.probe->ulp_errno = -r;
		return;
	}
	for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++) {
		probe_cipher(&trial, KTLS_TLS_1_3, cipher);
		probe_cipher(&trial, KTLS_TLS_1_2, cipher);
	}
	/* No cipher of TLS 1.3 works both ways: what stands on one fails for its reason. */
	if (!trial.featured)
		fill_features(trial.probe, first[KTLS_TX] ? first[KTLS_TX] : first[KTLS_RX]);
	else
		trial.probe->rx_whole_records = (uint16_t)try_half_record(&pair);
}

const struct ktls_probe *kern_probe(void)
{
	pthread_once(&cache.once, probe_once);
	return &cache.probe;
}

unsigned int kern_probe_reason(const struct ktls_probe *probe, unsigned int protocol,
			       unsigned int cipher, enum ktls_direction direction)
{
	if (cipher >= _KTLS_CIPHER_N || direction >= _KTLS_DIRECTION_N)
		return KTLS_REASON_OLD_KERNEL;
	if (protocol == KTLS_TLS_1_3)
		return probe->tls13[cipher][direction];
	if (protocol == KTLS_TLS_1_2)
		return probe->tls12[cipher][direction];
	return KTLS_REASON_OLD_KERNEL;
}

int ktls_probe(struct ktls_probe *ret_probe, size_t size)
{
	if (!ret_probe || !size)
		return -EINVAL;
	ktls_sized_copy(ret_probe, size, kern_probe(), sizeof(struct ktls_probe));
	return 0;
}
