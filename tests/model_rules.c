/* SPDX-License-Identifier: MIT */

/*
 * What must hold after every call, whatever it was: which changes of state there are and what may
 * bring them about, that an error has a cause and stays the same, that an end looks whole only if
 * it is, and that the facts agree with what was moved and with the other end's.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

enum {
	RECORDS_SLACK = 3,
};

/* Where each end's stream begins. */
static const uint64_t phases[2] = { 0, 30011 };

const uint8_t *model_stream(const struct model *model, const struct model_end *end, uint64_t at)
{
	return model->bytes + (phases[end->index] + at) % MODEL_PERIOD;
}

static bool is_live(enum ktls_state state)
{
	return state == KTLS_STATE_OPEN || state == KTLS_STATE_CLOSING ||
	       state == KTLS_STATE_CLOSED;
}

/* The table of changes; a call may make several. */
static void check_change(const struct model *model, const struct model_end *end,
			 enum ktls_state state, unsigned int may)
{
	static const unsigned int follow[_KTLS_STATE_N] = {
		[KTLS_STATE_NEW] = 1u << KTLS_STATE_HANDSHAKE | 1u << KTLS_STATE_OPEN |
				   1u << KTLS_STATE_FAILED,
		[KTLS_STATE_HANDSHAKE] = 1u << KTLS_STATE_OPEN | 1u << KTLS_STATE_FAILED,
		[KTLS_STATE_OPEN] = 1u << KTLS_STATE_CLOSING | 1u << KTLS_STATE_CLOSED |
				    1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
		[KTLS_STATE_CLOSING] =
			1u << KTLS_STATE_CLOSED | 1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
		[KTLS_STATE_CLOSED] = 1u << KTLS_STATE_FAILED | 1u << KTLS_STATE_FROZEN,
	};
	static const unsigned int needs[_KTLS_STATE_N] = {
		[KTLS_STATE_HANDSHAKE] = MODEL_MAY_OPEN,
		[KTLS_STATE_OPEN] = MODEL_MAY_OPEN,
		[KTLS_STATE_CLOSING] = MODEL_MAY_END_RX | MODEL_MAY_END_TX,
		[KTLS_STATE_CLOSED] = MODEL_MAY_END_RX | MODEL_MAY_END_TX,
		[KTLS_STATE_FAILED] = MODEL_MAY_FAIL,
		[KTLS_STATE_FROZEN] = MODEL_MAY_FREEZE,
	};

	if (state == end->state)
		return;
	model_check(model, state < _KTLS_STATE_N && follow[end->state] & 1u << state,
		    "the state went from %s to %s", ktls_state_name(end->state),
		    ktls_state_name(state));
	model_check(model, needs[state] & may, "this call may not lead to %s",
		    ktls_state_name(state));
}

static bool was_hit(const struct model *model, int error)
{
	for (unsigned int i = 0; i < model->faults.hits; i++)
		if (model->faults.hit[i] == error)
			return true;
	return false;
}

/* The peer's socket is no more, and not because both had ended. */
static bool peer_vanished(const struct model_end *end)
{
	return end->peer->fd < 0 && !end->peer->orderly;
}

/* Whether something happened that the code names. */
static bool has_cause(const struct model *model, const struct model_end *end, int code)
{
	bool client = !end->index, young = !is_live(end->state);

	if (code < 0 && was_hit(model, -code))
		return true;
	switch (code) {
	case -EPIPE:
	case -ECONNRESET:
		return end->cut || peer_vanished(end);
	case KTLS_CLOSED:
		return young && (end->peer->cut || end->peer->fd < 0);
	case -ENOTCONN:
		return young && end->closed;
	case -KTLS_E_ALERT:
		return end->peer->failed;
	case -KTLS_E_REKEY:
		return end->may_end || model->faults.hit_key || (end->kernel && peer_vanished(end));
	case -KTLS_E_OFFLOAD:
		return end->required;
	case -KTLS_E_NO_NAME:
		return client && young && !model->name && !model->insecure;
	case -KTLS_E_PEER_NAME:
		return client && young && model->name && !model->insecure &&
		       strcmp(model->name, "localhost");
	}
	return false;
}

static void check_failure(const struct model *model, struct model_end *end, enum ktls_state state,
			  int probe)
{
	const char *text = ktls_conn_error(end->conn);

	model_check(model, (state == KTLS_STATE_FAILED) == (*text != '\0'),
		    "%s, and its error says \"%s\"", ktls_state_name(state), text);
	if (state != KTLS_STATE_FAILED)
		return;
	if (end->state == KTLS_STATE_FAILED) {
		model_check(model, probe == end->failed && !strcmp(text, end->error_text),
			    "it had failed by %s (%s), and now by %s (%s)",
			    ktls_strerrorname(end->failed), end->error_text,
			    ktls_strerrorname(probe), text);
		return;
	}
	model_check(model, has_cause(model, end, probe), "it failed without a cause: %s: %s",
		    ktls_strerrorname(probe), text);
	end->failed = probe;
	end->end_begun |= probe == -KTLS_E_REKEY;
	snprintf(end->error_text, sizeof(end->error_text), "%s", text);
}

/* All that the other end had accepted has been read, under the keys that it was sent with. */
static void check_eof(const struct model *model, const struct model_end *end,
		      const struct ktls_info *now)
{
	const struct model_end *peer = end->peer;

	model_check(model, peer->end_begun, "an end was read that nobody had begun");
	model_check(model, now->bytes[KTLS_RX] == peer->accepted,
		    "the end came behind %llu bytes of %llu",
		    (unsigned long long)now->bytes[KTLS_RX], (unsigned long long)peer->accepted);
	model_check(model, now->key_updates[KTLS_RX] == peer->info.key_updates[KTLS_TX],
		    "the end came under another key");
	if (is_live(peer->state))
		model_check(model, now->records[KTLS_RX] == peer->info.records[KTLS_TX],
			    "the end is record %llu, but %llu were sent",
			    (unsigned long long)now->records[KTLS_RX],
			    (unsigned long long)peer->info.records[KTLS_TX]);
}

static void check_closed(const struct model *model, const struct model_end *end)
{
	const struct model_end *peer = end->peer;

	model_check(model, peer->cut || peer->fd < 0, "the transport is there, and was not read");
	/* A reset takes what was on its way, and a read hears of it only if no write did before. */
	model_check(model, !peer->shutdown_done || peer_vanished(end),
		    "an end was sent, TCP had taken it, and it did not come");
}

/* `probe` is what a read of nothing answers. */
static void check_ends(const struct model *model, struct model_end *end,
		       const struct ktls_info *now, int probe, unsigned int may)
{
	bool close_sent;

	if (!is_live(now->state)) {
		model_check(model, now->state == KTLS_STATE_FAILED || probe == -ENOTCONN,
			    "%s, and a read answers %s", ktls_state_name(now->state),
			    ktls_strerrorname(probe));
		return;
	}
	model_check(model, !probe || probe == KTLS_EOF || probe == KTLS_CLOSED,
		    "a read of nothing answers %s", ktls_strerrorname(probe));
	if (probe != end->rx_end) {
		model_check(model, !end->rx_end && may & MODEL_MAY_END_RX,
			    "the end that was read became %s", ktls_strerrorname(probe));
		if (probe == KTLS_EOF)
			check_eof(model, end, now);
		else
			check_closed(model, end);
		end->rx_end = probe;
	}
	close_sent = now->state == (probe ? KTLS_STATE_CLOSED : KTLS_STATE_CLOSING);
	model_check(model,
		    close_sent || now->state == (probe ? KTLS_STATE_CLOSING : KTLS_STATE_OPEN),
		    "%s, and a read answers %s", ktls_state_name(now->state),
		    ktls_strerrorname(probe));
	model_check(model, close_sent || !end->close_sent, "close_notify was taken back");
	model_check(model, close_sent == end->close_sent || may & MODEL_MAY_END_TX,
		    "this call may not send close_notify");
	end->close_sent = close_sent;
	end->end_begun |= close_sent;
}

static void check_bytes(const struct model *model, struct model_end *end,
			const struct ktls_info *now, unsigned int may)
{
	if (may & MODEL_MAY_DRAIN) {
		model_check(model, now->bytes[KTLS_RX] >= end->got, "bytes were unread");
		end->got = now->bytes[KTLS_RX];
	}
	model_check(model, now->bytes[KTLS_TX] == end->accepted && now->bytes[KTLS_RX] == end->got,
		    "info counts %llu bytes written and %llu read, not %llu and %llu",
		    (unsigned long long)now->bytes[KTLS_TX],
		    (unsigned long long)now->bytes[KTLS_RX], (unsigned long long)end->accepted,
		    (unsigned long long)end->got);
	model_check(model, end->got <= end->peer->accepted, "%llu bytes were read of %llu",
		    (unsigned long long)end->got, (unsigned long long)end->peer->accepted);
}

static void check_keys(const struct model *model, const struct model_end *end,
		       const struct ktls_info *now, unsigned int may)
{
	const struct ktls_info *was = &end->info;
	const struct model_end *peer = end->peer;

	for (int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		bool same_key = now->key_updates[d] == was->key_updates[d];

		model_check(model,
			    now->key_updates[d] >= was->key_updates[d] &&
				    (model->protocol == KTLS_TLS_1_3 || !now->key_updates[d]),
			    "direction %d counts %llu new keys", d,
			    (unsigned long long)now->key_updates[d]);
		model_check(model, same_key || may & MODEL_MAY_MOVE, "this call changed a key");
		/* The kernel's numbers are asked of the kernel, for the last time at the close. */
		if (!is_live(was->state) || !is_live(now->state) || !same_key ||
		    model->faults.hit_key)
			continue;
		model_check(model,
			    now->records[d] == was->records[d] ||
				    (now->records[d] > was->records[d] && may & MODEL_MAY_MOVE),
			    "direction %d counts %llu records, before %llu", d,
			    (unsigned long long)now->records[d],
			    (unsigned long long)was->records[d]);
	}
	/* A key is announced before it is taken into use. */
	model_check(model, now->key_updates[KTLS_RX] <= peer->info.key_updates[KTLS_TX] + 1,
		    "a key came that was not sent");
	if (is_live(now->state) && is_live(peer->state) &&
	    now->key_updates[KTLS_RX] == peer->info.key_updates[KTLS_TX])
		model_check(model, now->records[KTLS_RX] <= peer->info.records[KTLS_TX],
			    "%llu records were read of %llu",
			    (unsigned long long)now->records[KTLS_RX],
			    (unsigned long long)peer->info.records[KTLS_TX]);
}

/* A key that the peer asked for is in use before the next byte; and none protects much more than it
 * may: beside data only what is owed, and an alert. */
static void check_debts(const struct model *model, struct model_end *end,
			const struct ktls_info *now)
{
	const struct ktls_info *was = &end->info;
	uint64_t asked = end->peer->asked_key;

	if (now->bytes[KTLS_TX] > was->bytes[KTLS_TX]) {
		model_check(model, now->key_updates[KTLS_TX] >= end->owed_key,
			    "bytes were sent before the key that was asked for");
		end->owed_key = 0;
	}
	if (asked && was->key_updates[KTLS_RX] < asked && now->key_updates[KTLS_RX] >= asked)
		end->owed_key = now->key_updates[KTLS_TX] + 1;
	if (end->key_records && is_live(now->state) &&
	    now->protection[KTLS_TX] == KTLS_PROTECTION_USER)
		model_check(model, now->records[KTLS_TX] <= end->key_records + RECORDS_SLACK,
			    "a key for %llu records protects %llu",
			    (unsigned long long)end->key_records,
			    (unsigned long long)now->records[KTLS_TX]);
}

static void check_protection(const struct model *model, const struct model_end *end,
			     const struct ktls_info *now)
{
	for (int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		unsigned int protection = now->protection[d], reason = now->reason[d];

		if (!is_live(now->state))
			continue;
		model_check(model,
			    protection == KTLS_PROTECTION_KERNEL
				    ? end->kernel && !reason
				    : protection == KTLS_PROTECTION_USER && reason,
			    "direction %d: %s, because %s", d, ktls_protection_name(protection),
			    ktls_reason_name(reason));
		model_check(model, end->kernel || reason == KTLS_REASON_POLICY,
			    "direction %d was never to go there, and says %s", d,
			    ktls_reason_name(reason));
		model_check(model,
			    end->info.protection[d] != KTLS_PROTECTION_KERNEL ||
				    protection == KTLS_PROTECTION_KERNEL,
			    "direction %d came back from the kernel", d);
	}
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What the session allows is taken; what it does not is not even sent. */
static void check_early_data(const struct model *model, const struct model_end *end,
			     const struct ktls_info *now)
{
	unsigned int expected = KTLS_EARLY_DATA_NONE;

	if (model->early_len && model->protocol == KTLS_TLS_1_3 &&
	    model->early_len <= model->early_limit)
		expected = KTLS_EARLY_DATA_ACCEPTED;
	else if (model->early_len && !end->index)
		expected = KTLS_EARLY_DATA_REJECTED;
	model_check(model, now->early_data == expected, "early data of %zu bytes: %u, not %u",
		    model->early_len, now->early_data, expected);
}

static void check_facts(const struct model *model, const struct model_end *end,
			const struct ktls_info *now)
{
	const struct ktls_info *theirs = &end->peer->info;

	if (!is_live(now->state)) {
		model_check(model, now->state >= KTLS_STATE_OPEN || !now->protocol,
			    "there is a protocol before there are keys");
		return;
	}
	model_check(model, now->protocol == model->protocol && now->cipher == model->cipher,
		    "it is %s %s", ktls_protocol_name(now->protocol),
		    ktls_cipher_name(now->cipher));
	model_check(model,
		    now->suite && is_same(now->alpn, model->alpn) &&
			    is_same(now->server_name, model->name),
		    "suite %s, alpn %s, name %s", now->suite, now->alpn, now->server_name);
	model_check(model, now->resumed == model->offered, "%s offered, and %s",
		    model->offered ? "a session was" : "nothing was",
		    now->resumed ? "it was resumed" : "it was not resumed");
	check_early_data(model, end, now);
	if (!is_live(theirs->state))
		return;
	model_check(model, now->resumed == theirs->resumed, "only one end resumed");
}

void model_observe(struct model *model, struct model_end *end, unsigned int may)
{
	struct ktls_info now;
	size_t n = 1;
	int probe;

	model_check(model, !ktls_conn_get_info(end->conn, &now, sizeof(now)), "there is no info");
	probe = ktls_conn_read(end->conn, NULL, 0, KTLS_NOW, &n);
	model_check(model, !n, "bytes without room for them");
	check_change(model, end, now.state, may);
	check_failure(model, end, now.state, probe);
	check_ends(model, end, &now, probe, may);
	check_bytes(model, end, &now, may);
	check_keys(model, end, &now, may);
	check_debts(model, end, &now);
	check_protection(model, end, &now);
	check_facts(model, end, &now);
	end->state = now.state;
	end->info = now;
}
