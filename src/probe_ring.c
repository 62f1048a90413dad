/* SPDX-License-Identifier: MIT */

/*
 * What io_uring does on a socket with kernel TLS, found by doing it (trial.c): every operation has
 * a ring, a connection over the loopback and keys of its own, for it may spoil them. What was
 * refused is tried once more without TLS, to tell what TLS forbids from what the kernel does not
 * have. What the kernel does not let go of is left to it. Made once per process.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/sized.h"
#include "trial.h"

enum {
	OPS = 8,
	BUFFER_LEN = 4096,
	SILENCES_MAX = 2, /* trials without an answer, before no more are made */
};

/* What all trials have in common, and how far they have come. */
struct series {
	uint16_t protocol, cipher; /* that this kernel protects both ways */
	unsigned int silences;
};

static struct {
	pthread_once_t once;
	struct ktls_trial_answer answers[_KTLS_TRIAL_N];
} cache = { .once = PTHREAD_ONCE_INIT };

static struct ktls_trial_answer answer_of(unsigned int reason, int error)
{
	return (struct ktls_trial_answer){ .reason = reason, .reason_errno = error };
}

/*
 * -- what an operation is tried on --
 */

/* Of no value: any key will do. The receiver has none yet where the trial is to set it. */
static int set_keys(struct ktls_bench *bench, const struct series *series, bool both,
		    unsigned int *ret_reason)
{
	struct kern_keys keys = { .protocol = series->protocol, .cipher = series->cipher };
	int r = kern_prepare(&keys, &bench->crypto);

	if (!r)
		r = kern_commit(bench->pair.tx, KTLS_TX, &bench->crypto, ret_reason);
	if (!r && both)
		r = kern_commit(bench->pair.rx, KTLS_RX, &bench->crypto, ret_reason);
	return r;
}

static int make_pair(struct ktls_bench *bench, const struct series *series, bool both,
		     unsigned int *ret_reason)
{
	int r;

	if (bench->plain)
		return kern_pair_connect(&bench->pair, ret_reason);
	r = kern_pair_open(&bench->pair, ret_reason);
	return r ? r : set_keys(bench, series, both, ret_reason);
}

static unsigned int reason_of_ring(unsigned int reason)
{
	switch ((enum uring_reason)reason) {
	case URING_REASON_NONE:
		return KTLS_REASON_NONE;
	case URING_REASON_OLD_KERNEL:
		return KTLS_REASON_NO_IO_URING;
	case URING_REASON_SECCOMP:
		return KTLS_REASON_IO_URING_SECCOMP;
	case URING_REASON_SYSCTL:
		return KTLS_REASON_IO_URING_SYSCTL;
	case URING_REASON_MEMLOCK:
		return KTLS_REASON_NO_MEMORY;
	case URING_REASON_LIBURING:
	case URING_REASON_LIMIT:
	case URING_REASON_REFUSED:
	case _URING_REASON_N:
		break;
	}
	return KTLS_REASON_REFUSED;
}

static int make_ring(struct ktls_bench *bench, bool fixed, unsigned int *ret_reason)
{
	const struct uring_options options = { .ops = OPS, .buffers = fixed };
	unsigned int reason = URING_REASON_REFUSED;
	int r = uring_new(&bench->ring, &options, &reason);

	if (r < 0) {
		*ret_reason = reason_of_ring(reason);
		return r;
	}
	if (!fixed)
		return 0;
	r = uring_buffer_new(&bench->buffer, bench->ring, BUFFER_LEN);
	if (r < 0 || !bench->buffer->registered) {
		*ret_reason = uring_has(bench->ring, URING_HAS_BUFFERS) ? KTLS_REASON_NO_MEMORY
									: KTLS_REASON_OLD_KERNEL;
		return r < 0 ? r : -ENOMEM;
	}
	return 0;
}

/*
 * What still goes on ends with its socket. Should the kernel not let go, the ring and the memory
 * stay as they are, for good.
 */
static void bench_free(struct ktls_bench *bench)
{
	if (bench->pair.tx >= 0)
		shutdown(bench->pair.tx, SHUT_RDWR);
	if (bench->pair.rx >= 0)
		shutdown(bench->pair.rx, SHUT_RDWR);
	kern_pair_close(&bench->pair);
	ktls_fd_close(&bench->pipe[0]);
	ktls_fd_close(&bench->pipe[1]);
	if (bench->ring && uring_drain(bench->ring, ktls_trial_patience()))
		return;
	bench->pool = uring_pool_free(bench->pool);
	bench->buffer = uring_buffer_unref(bench->buffer);
	bench->ring = uring_free(bench->ring);
	free(bench);
}

static void bench_free_pointer(struct ktls_bench **bench)
{
	if (*bench)
		bench_free(*bench);
}

static int bench_new(struct ktls_bench **ret_bench, const struct series *series,
		     const struct ktls_trial_row *trial, bool plain, unsigned int *ret_reason)
{
	_cleanup_(bench_free_pointer) struct ktls_bench *bench = calloc(1, sizeof(*bench));
	int r;

	*ret_reason = KTLS_REASON_NO_MEMORY;
	if (!bench)
		return -ENOMEM;
	bench->pair = (struct kern_pair)KERN_PAIR_NULL;
	bench->pipe[0] = bench->pipe[1] = -EBADF;
	bench->plain = plain;
	for (size_t i = 0; i < sizeof(bench->out); i++)
		bench->out[i] = (uint8_t)(i * 7 + 1);
	*ret_reason = KTLS_REASON_REFUSED;
	if (pipe2(bench->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	r = make_ring(bench, trial->fixed, ret_reason);
	if (!r)
		r = make_pair(bench, series, trial->request.kind != URING_SETSOCKOPT, ret_reason);
	if (r < 0)
		return r;
	*ret_bench = bench;
	bench = NULL;
	return 0;
}

/*
 * -- what came of it --
 */

/* The operation on a socket without TLS: 0 or -errno. */
static int run_plain(const struct series *series, const struct ktls_trial_row *trial)
{
	_cleanup_(bench_free_pointer) struct ktls_bench *bench = NULL;
	unsigned int reason;
	int r = bench_new(&bench, series, trial, true, &reason);

	return r < 0 ? r : trial->run(bench, trial);
}

static unsigned int reason_of_refusal(const struct series *series, struct ktls_bench *bench,
				      const struct ktls_trial_row *trial, int error)
{
	/* It must not be lost with that. */
	if (trial->type && trial->request.kind != URING_SENDMSG)
		return ktls_trial_receive(bench, trial->type) ? KTLS_REASON_UNSOUND
							      : KTLS_REASON_CONTROL_RECORD;
	if (error == -EPERM || error == -EACCES)
		return KTLS_REASON_IO_URING_SECCOMP;
	if (error == -ENOMEM)
		return KTLS_REASON_NO_MEMORY;
	if (!run_plain(series, trial))
		return KTLS_REASON_NOT_WITH_TLS;
	return error == -EINVAL || error == -EOPNOTSUPP ? KTLS_REASON_OLD_KERNEL
							: KTLS_REASON_REFUSED;
}

static struct ktls_trial_answer try_one(struct series *series, const struct ktls_trial_row *trial)
{
	_cleanup_(bench_free_pointer) struct ktls_bench *bench = NULL;
	unsigned int reason;
	int r;

	if (series->silences == SILENCES_MAX)
		return answer_of(KTLS_REASON_NO_ANSWER, ETIMEDOUT);
	r = bench_new(&bench, series, trial, false, &reason);
	if (r < 0)
		return answer_of(reason, -r);
	r = trial->run(bench, trial);
	if (!r)
		return answer_of(KTLS_REASON_NONE, 0);
	if (r == KTLS_TRIAL_UNSOUND)
		return answer_of(KTLS_REASON_UNSOUND, 0);
	if (r == KTLS_TRIAL_SILENT) {
		series->silences++;
		return answer_of(KTLS_REASON_NO_ANSWER, ETIMEDOUT);
	}
	return answer_of(reason_of_refusal(series, bench, trial, r), -r);
}

/*
 * -- the answers --
 */

static struct ktls_trial_answer ask_ring(void)
{
	const struct uring_facts *facts = uring_probe();

	return answer_of(reason_of_ring(facts->reason[URING_HAS_RING]),
			 -facts->error[URING_HAS_RING]);
}

/* What all trials are made with; or why none can be. */
static struct ktls_trial_answer choose_cipher(struct series *ret_series)
{
	static const uint16_t protocols[] = { KTLS_TLS_1_3, KTLS_TLS_1_2 };
	const struct ktls_probe *probe = kern_probe();
	unsigned int tx = KTLS_REASON_NONE, rx = KTLS_REASON_NONE;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++) {
			tx = kern_probe_reason(probe, protocols[i], cipher, KTLS_TX);
			rx = kern_probe_reason(probe, protocols[i], cipher, KTLS_RX);
			if (tx || rx)
				continue;
			*ret_series = (struct series){ .protocol = protocols[i],
						       .cipher = (uint16_t)cipher };
			return answer_of(KTLS_REASON_NONE, 0);
		}
	}
	return answer_of(probe->ulp ? probe->ulp : tx ? tx : rx, probe->ulp_errno);
}

static void probe_once(void)
{
	struct ktls_trial_answer common = ask_ring();
	struct series series = { 0 };

	cache.answers[KTLS_TRIAL_RING] = common;
	if (!common.reason)
		common = choose_cipher(&series);
	for (unsigned int i = KTLS_TRIAL_RING + 1; i < _KTLS_TRIAL_N; i++)
		cache.answers[i] = common.reason ? common : try_one(&series, &ktls_trials[i]);
}

int ktls_probe_ring(unsigned int trial, struct ktls_trial_answer *ret_answer, size_t size)
{
	if (trial >= _KTLS_TRIAL_N || !ret_answer || !size)
		return -EINVAL;
	pthread_once(&cache.once, probe_once);
	ktls_sized_copy(ret_answer, size, &cache.answers[trial], sizeof(struct ktls_trial_answer));
	return 0;
}

const char *ktls_trial_name(unsigned int trial)
{
	return trial < _KTLS_TRIAL_N ? ktls_trials[trial].name : "unknown";
}

const char *ktls_trial_text(unsigned int trial)
{
	return trial < _KTLS_TRIAL_N ? ktls_trials[trial].text : "unknown";
}
