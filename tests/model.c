/* SPDX-License-Identifier: MIT */

/* Worlds, the lives in them, their quiet ends, and what is said of a divergence; see model.h. */

#include <criterion/criterion.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/deadline.h"
#include "kit.h"
#include "model.h"
#include "pair.h"
#include "pki.h"

enum {
	SEED = 20261121,
	LIVES_MAX = 4, /* of a world */
	LIFE_MAX = 700,
	NS_PER_MS = 1000000,
	PATIENCE_MS = 20000, /* without progress, before a life hangs */
	STALEMATE_MS = 500,  /* and where it may */
	FRUITLESS_MAX = 4,
	KEY_RECORDS_MAX = 9,
	TEXT_LEN = 512,
};

uint64_t model_random(struct model_random *random)
{
	uint64_t z = random->state += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

uint32_t model_below(struct model_random *random, uint32_t n)
{
	return (uint32_t)(model_random(random) % n);
}

/* One in n. */
static bool chance(struct model *model, uint32_t n)
{
	return !model_below(&model->random, n);
}

/* Divergence */

static const char *end_name(unsigned int end)
{
	return end == PAIR_CLIENT ? "client" : "server";
}

static void print_end(FILE *out, const struct model_end *end)
{
	int unread = 0, unsent = 0;

	fprintf(out,
		"  %s: %s%s%s, %llu bytes accepted, %llu read, error \"%s\"; pool %zu, tickets "
		"%u\n",
		end_name(end->index), end->conn ? ktls_state_name(end->state) : "freed",
		end->close_sent ? ", close_notify sent" : "", end->cut ? ", cut" : "",
		(unsigned long long)end->accepted, (unsigned long long)end->got,
		end->conn ? ktls_conn_error(end->conn) : end->error_text, end->pool, end->tickets);
	if (end->fd < 0 || ioctl(end->fd, SIOCINQ, &unread) || ioctl(end->fd, SIOCOUTQ, &unsent))
		return;
	fprintf(out, "    tx %s, rx %s; in its socket %d bytes to be read, %d to be sent\n",
		ktls_protection_name(end->info.protection[KTLS_TX]),
		ktls_protection_name(end->info.protection[KTLS_RX]), unread, unsent);
}

static void print(FILE *out, const struct model *model, const char *text)
{
	fprintf(out,
		"the model and the library diverge at step %lu: %s\n"
		"to see it again: KTLS_TEST_SEED=%llu (life %lu of that world; %s %s%s, one call "
		"in "
		"%u delayed, in %u failed)\n",
		model->step, text, (unsigned long long)model->seed, model->life,
		ktls_protocol_name(model->protocol), ktls_cipher_name(model->cipher),
		model->verdicts	  ? ", verdicts"
		: model->insecure ? ", insecure"
				  : "",
		model->faults.delay_in, model->faults.fatal_in);
	for (int i = 0; i < 2; i++)
		print_end(out, &model->end[i]);
	for (unsigned long at = model->step < MODEL_LINES ? 1 : model->step - MODEL_LINES + 1;
	     at <= model->step; at++) {
		const struct model_line *line = &model->lines[at % MODEL_LINES];

		if (line->step == at)
			fprintf(out, "  %8lu %s (%s) %s %llu -> %s, %llu%s\n", at,
				end_name(line->end), ktls_state_name(line->state), line->call,
				(unsigned long long)line->asked, ktls_strerrorname(line->answer),
				(unsigned long long)line->n, line->hits ? ", a call failed" : "");
	}
}

void model_check(const struct model *model, bool holds, const char *format, ...)
{
	char text[TEXT_LEN], *story = NULL;
	size_t story_len;
	va_list args;
	FILE *out;

	if (holds)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	out = open_memstream(&story, &story_len);
	cr_assert(out);
	print(out, model, text);
	fclose(out);
	cr_assert_fail("%s", story);
}

/* A world */

static void set_offload(struct model *model, struct model_end *end)
{
	struct ktls_config *config = end->config;

	for (int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		enum ktls_offload when = KTLS_OFFLOAD_NEVER;
		uint64_t bytes = model_below(&model->random, 50000);

		if (model->kernel)
			/* No kernel of ours has a NIC. */
			when = model_below(&model->random, KTLS_OFFLOAD_NIC);
		if (when == KTLS_OFFLOAD_REQUIRED && !chance(model, 4))
			when = KTLS_OFFLOAD_AT_ONCE;
		end->required |= when == KTLS_OFFLOAD_REQUIRED;
		end->kernel |= when != KTLS_OFFLOAD_NEVER;
		cr_assert(!ktls_config_set_offload(config, d, when,
						   when == KTLS_OFFLOAD_AFTER_BYTES ? bytes : 0));
	}
}

static void set_limits(struct model *model, struct model_end *end)
{
	bool tls12 = model->protocol == KTLS_TLS_1_2, limited = chance(model, tls12 ? 8 : 2);
	uint64_t records = limited ? 1 + model_below(&model->random, KEY_RECORDS_MAX) : 0;
	struct ktls_probe probe;

	cr_assert(!ktls_config_set_key_records(end->config, records));
	if (chance(model, 3))
		cr_assert(!ktls_config_set_first_records(
			end->config, 64 + model_below(&model->random, 3000),
			model_below(&model->random, 70000), model_below(&model->random, 5)));
	if (chance(model, 4))
		cr_assert(
			!ktls_config_set_padding(end->config, model_below(&model->random, 16385)));
	end->key_records = records;
	end->may_end = tls12 && limited;
	if (!tls12 && end->kernel) {
		cr_assert(!ktls_probe(&probe, sizeof(probe)));
		end->may_end = probe.rekey[KTLS_TX] || probe.rekey[KTLS_RX];
	}
}

static void set_ciphers(struct model *model)
{
	enum ktls_cipher cipher = model->cipher;
	enum pair_end narrow = model_below(&model->random, 2);
	bool old = model->protocol == KTLS_TLS_1_2;

	cr_assert(!ktls_config_set_ciphers(model->end[narrow].config, &cipher, 1));
	for (int i = 0; i < 2; i++)
		if (old || chance(model, 2))
			cr_assert(!ktls_config_set_protocols(model->end[i].config, model->protocol,
							     model->protocol));
}

static void set_trust(struct model *model)
{
	static const char *const names[] = { "localhost" };
	static struct pki_identity identity;
	struct pki_pem authority = pki_authority();

	if (!identity.chain.data)
		identity = pki_issue(PKI_GOOD, false, names, 1);
	cr_assert(!ktls_config_add_identity(model->end[PAIR_SERVER].config, identity.chain.data,
					    identity.chain.len, identity.key.data,
					    identity.key.len));
	cr_assert(!ktls_config_add_trust(model->end[PAIR_CLIENT].config, authority.data,
					 authority.len));
	if (model->verdicts)
		cr_assert(!ktls_config_set_external_verdict(model->end[PAIR_CLIENT].config));
	else if (model->insecure)
		cr_assert(!ktls_config_set_insecure_no_verify(model->end[PAIR_CLIENT].config));
}

/* One that has a single buffer needs a peer that always reads on. */
static void set_buffers(struct model *model)
{
	bool single = chance(model, 3);
	unsigned int at = model_below(&model->random, 2);

	for (int i = 0; i < 2; i++) {
		struct model_end *end = &model->end[i];

		end->pool = 2 + (chance(model, 2) ? model_below(&model->random, 30) : 0);
		if (single && (unsigned int)i == at && !model->end[!i].may_end)
			end->pool = 1;
		cr_assert(!ktls_config_set_buffers(end->config, end->pool));
	}
}

static void set_both(struct model *model)
{
	static const char *const protocols[] = { "model" };

	for (int i = 0; i < 2; i++) {
		struct model_end *end = &model->end[i];

		cr_assert(!ktls_config_new(&end->config,
					   i == PAIR_CLIENT ? KTLS_CLIENT : KTLS_SERVER));
		end->tickets = chance(model, 3) ? 0 : model_below(&model->random, 9);
		end->ends_closed = chance(model, 3);
		set_offload(model, end);
		set_limits(model, end);
		cr_assert(!ktls_config_set_tickets(end->config, end->tickets));
		if (model->alpn)
			cr_assert(!ktls_config_set_alpn(end->config, protocols, 1));
	}
	if (model->early_limit)
		cr_assert(!ktls_config_set_early_data(model->end[PAIR_SERVER].config,
						      model->early_limit));
}

static void begin_world(struct model *model, bool kernel)
{
	model->random.state = model->seed;
	model->faults.random.state = ~model->seed;
	model->kernel = kernel;
	model->protocol = chance(model, 3) ? KTLS_TLS_1_2 : KTLS_TLS_1_3;
	model->cipher = (uint16_t)model_below(&model->random, _KTLS_CIPHER_N);
	model->alpn = chance(model, 2) ? "model" : NULL;
	model->early_limit = chance(model, 2) ? 1 + model_below(&model->random, 4096) : 0;
	model->insecure = chance(model, 4);
	model->verdicts = model->insecure && chance(model, 2);
	model->session_len = 0;
	for (int i = 0; i < 2; i++)
		model->end[i] = (struct model_end){ .fd = -1 };
	set_both(model);
	set_buffers(model);
	set_ciphers(model);
	set_trust(model);
}

/* A life in it */

/* The config's choices stay. */
static struct model_end new_end(const struct model_end *end, unsigned int index, int fd)
{
	return (struct model_end){
		.index = index,
		.fd = fd,
		.config = end->config,
		.pool = end->pool,
		.tickets = end->tickets,
		.key_records = end->key_records,
		.kernel = end->kernel,
		.required = end->required,
		.may_end = end->may_end,
		.ends_closed = end->ends_closed,
	};
}

static void begin_life(struct model *model)
{
	static const uint32_t delays[] = { 0, 0, 2, 10 }, fatal[] = { 0, 0, 0, 100, 500 };
	static const int buffers[] = { 0, 4096, 16384, 65536 };
	static const char *const names[] = { "localhost", "elsewhere.example", NULL };
	int fd[2];

	model->life++;
	model->name = names[chance(model, 12) ? model_below(&model->random, 3) : 0];
	model->early_len = 0;
	model->offered = false;
	model->leaves = chance(model, 4);
	model->faults.delay_in = delays[model_below(&model->random, 4)];
	model->faults.fatal_in = fatal[model_below(&model->random, 5)];
	pair_sockets(fd, buffers[model_below(&model->random, 4)]);
	for (unsigned int i = 0; i < 2; i++) {
		struct model_end *end = &model->end[i];

		*end = new_end(end, i, fd[i]);
		end->peer = &model->end[!i];
		cr_assert(!ktls_conn_adopt(&end->conn, end->config, end->fd));
	}
	if (model->name)
		cr_assert(!ktls_conn_set_server_name(model->end[0].conn, model->name));
	for (int i = 0; i < 2; i++)
		model_observe(model, &model->end[i], MODEL_MAY_NOTHING);
	if (!chance(model, 3))
		model_offer(model);
	model->disturbed = model->faults.fatal_in || model->leaves || model->end[0].may_end ||
			   model->end[1].may_end || model->end[0].required ||
			   model->end[1].required ||
			   (!model->insecure && (!model->name || strcmp(model->name, "localhost")));
	model->reads_first = chance(model, 2);
}

static bool has_progress(const struct model_end *end, const struct model_end *was)
{
	return end->conn != was->conn || end->verdict != was->verdict || end->state != was->state ||
	       end->fd != was->fd || end->shutdown_done != was->shutdown_done ||
	       end->rx_end != was->rx_end || end->got != was->got ||
	       end->info.records[0] != was->info.records[0] ||
	       end->info.records[1] != was->info.records[1];
}

/* Each does a step that brings it nearer to its end; whether one was. */
static bool step_both(struct model *model)
{
	bool moved = false;

	for (int i = 0; i < 2; i++) {
		struct model_end was = model->end[i];

		model_step_to_end(model, &model->end[i]);
		moved |= has_progress(&model->end[i], &was);
	}
	return moved;
}

/* No new bytes, no failures: both ends go on until both want nothing. But two that both end by a
 * key that cannot be changed do not read any more, and may wait for each other for good. */
static void end_life(struct model *model)
{
	bool may_wait = model->end[0].may_end && model->end[1].may_end;
	uint64_t moved_ns = ktls_deadline_clock(), still_ms;
	int fruitless = 0;

	model->faults.fatal_in = 0;
	for (int i = 0; i < 2; i++)
		model_release(&model->end[i]);
	while (!model_has_ended(&model->end[0]) || !model_has_ended(&model->end[1])) {
		if (step_both(model)) {
			moved_ns = ktls_deadline_clock();
			fruitless = 0;
		} else if (++fruitless > FRUITLESS_MAX) {
			poll(NULL, 0, 1);
		}
		still_ms = (ktls_deadline_clock() - moved_ns) / NS_PER_MS;
		if (may_wait && still_ms > STALEMATE_MS)
			return;
		model_check(model, still_ms < PATIENCE_MS, "nothing moves any more");
	}
}

/* Where nothing went wrong both ends have all bytes and the other's end. */
static void check_life(const struct model *model)
{
	for (int i = 0; i < 2 && !model->disturbed; i++) {
		const struct model_end *end = &model->end[i];

		model_check(model,
			    end->conn && end->state == KTLS_STATE_CLOSED && end->rx_end == KTLS_EOF,
			    "the %s did not end well", end_name(end->index));
		model_check(model, end->got == end->peer->accepted,
			    "the %s read %llu bytes of %llu", end_name(end->index),
			    (unsigned long long)end->got, (unsigned long long)end->peer->accepted);
	}
}

static void live(struct model *model)
{
	unsigned int fds = kit_count_fds();
	uint32_t calls;

	begin_life(model);
	calls = model_below(&model->random, LIFE_MAX);
	while (calls-- && !(model_has_ended(&model->end[0]) && model_has_ended(&model->end[1])))
		model_step(model, &model->end[model_below(&model->random, 2)]);
	end_life(model);
	check_life(model);
	for (int i = 0; i < 2; i++)
		if (model->end[i].conn)
			model_leave(model, &model->end[i], false);
	model_check(model, kit_count_fds() == fds, "a descriptor is open that was not before");
}

static unsigned long long setting(const char *name, unsigned long long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

static void begin(struct model *model)
{
	struct model_random random = { .state = 1 };
	size_t len = MODEL_FILE_LEN;

	for (size_t i = 0; i < MODEL_PERIOD; i++)
		model->bytes[i] = (uint8_t)model_random(&random);
	memcpy(model->bytes + MODEL_PERIOD, model->bytes, MODEL_PERIOD);
	memcpy(model->bytes + 2 * MODEL_PERIOD, model->bytes,
	       sizeof(model->bytes) - 2 * MODEL_PERIOD);
	model->file_fd = memfd_create("model", MFD_CLOEXEC);
	model->no_file_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert(model->file_fd >= 0 && model->no_file_fd >= 0);
	for (size_t at = 0; at < len; at += MODEL_PERIOD) {
		size_t n = len - at < MODEL_PERIOD ? len - at : MODEL_PERIOD;

		cr_assert(pwrite(model->file_fd, model->bytes, n, (off_t)at) == (ssize_t)n);
	}
}

void model_run(bool kernel, unsigned long steps)
{
	struct model *model = calloc(1, sizeof(*model));
	struct model_random seeds = { .state = setting("KTLS_TEST_SEED", SEED) };

	cr_assert(model);
	begin(model);
	steps = (unsigned long)setting("KTLS_TEST_STEPS", steps);
	model->seed = seeds.state;
	while (model->step < steps) {
		begin_world(model, kernel);
		model->life = 0;
		for (uint32_t lives = 1 + model_below(&model->random, LIVES_MAX); lives; lives--)
			live(model);
		for (int i = 0; i < 2; i++)
			ktls_config_unref(model->end[i].config);
		model->seed = model_random(&seeds);
	}
	close(model->file_fd);
	close(model->no_file_fd);
	free(model);
}
