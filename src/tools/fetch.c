/* SPDX-License-Identifier: MIT */

/*
 * The loop: one wait for all that goes on, then each event to its link. A link whose transfer has
 * come to its end goes on with another one of its origin; where there is none, it is closed, and
 * the origin whose turn it is gets a new one.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "fetch.h"
#include "link.h"
#include "progress.h"
#include "tool.h"

static const char command[] = "ktls get";

struct run {
	const struct fetch *fetch;
	struct transfer_rules rules;
	struct link_site site;
	struct origins origins;
	struct progress progress;
	struct transfer *transfers; /* one for each URL, in their order */
	struct link *links;
	size_t n_running; /* links with a transfer */
	size_t n_closing; /* links without */
	size_t n_done, n_failed;
	uint64_t began_ns;
	uint64_t came;	/* bytes, of those that have ended */
	uint64_t there; /* the same, with those that were there */
};

/* -- Signals: the first one ends the run; what is under way is left in order -- */

static const int end_signals[] = { SIGINT, SIGTERM, SIGHUP };
static const int ignored_signals[] = { SIGPIPE, SIGXFSZ }; /* their calls answer as well */

enum {
	N_END_SIGNALS = sizeof(end_signals) / sizeof(*end_signals),
	INTERRUPT_US = 100000,
	N_IGNORED = sizeof(ignored_signals) / sizeof(*ignored_signals),
};

static volatile sig_atomic_t stopped_by;
static struct ktls_ring *ring_to_wake;

/* A write to a pipe that nobody reads comes back when a signal comes; and one that was only about
 * to begin, at the next. */
static void interrupt_often(void)
{
	const struct itimerval often = { .it_interval = { .tv_usec = INTERRUPT_US },
					 .it_value = { .tv_usec = INTERRUPT_US } };

	setitimer(ITIMER_REAL, &often, NULL);
}

static void take_alarm(int number)
{
	(void)number;
}

static void take_signal(int number)
{
	int error = errno;

	stopped_by = number;
	interrupt_often();
	if (ring_to_wake)
		ktls_ring_wake(ring_to_wake);
	errno = error;
}

static void watch_signals(struct ktls_ring *ring)
{
	/* No SA_RESTART. */
	const struct sigaction ending = { .sa_handler = take_signal };
	const struct sigaction alarming = { .sa_handler = take_alarm };
	const struct sigaction ignoring = { .sa_handler = SIG_IGN };

	ring_to_wake = ring;
	for (size_t i = 0; i < N_END_SIGNALS; i++) {
		struct sigaction old;

		/* Who ignores one (nohup) goes on ignoring it. */
		if (!sigaction(end_signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(end_signals[i], &ending, NULL);
	}
	sigaction(SIGALRM, &alarming, NULL);
	for (size_t i = 0; i < N_IGNORED; i++)
		sigaction(ignored_signals[i], &ignoring, NULL);
}

/* As the signal would have ended it, for whoever started it wants to know. */
static void die_of_signal(void)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };

	sigaction(stopped_by, &usual, NULL);
	raise(stopped_by);
}

/* -- What is said -- */

static bool is_alone(const struct run *run)
{
	return run->fetch->urls->n == 1;
}

static void say(struct run *run, const struct transfer *transfer, const char *text)
{
	progress_clear(&run->progress);
	if (is_alone(run))
		tool_fail(0, command, "%s", text);
	else
		tool_fail(0, command, "%s: %s", transfer->wanted->text, text);
}

static void say_remark(struct run *run, struct transfer *transfer)
{
	if (transfer->remark && !run->fetch->quiet)
		say(run, transfer, transfer->remark);
	free(transfer->remark);
	transfer->remark = NULL;
}

static double rate_of(uint64_t bytes, uint64_t began_ns, double *ret_seconds)
{
	*ret_seconds = (double)(ktls_deadline_in(0) - began_ns) / 1e9;
	return *ret_seconds > 0 ? (double)bytes / 1e6 / *ret_seconds : 0;
}

static void report(struct run *run, const struct link *link, const struct transfer *transfer)
{
	char protection[TOOL_PROTECTION_LEN];
	struct ktls_info info;
	double seconds, rate;

	if (run->fetch->quiet || ktls_conn_get_info(link->conn, &info, sizeof(info)))
		return;
	rate = rate_of(transfer->bytes, transfer->began_ns, &seconds);
	tool_format_protection(&info, protection, sizeof(protection));
	progress_clear(&run->progress);
	fprintf(stderr, "%s %s %s %" PRIu64 " bytes %.3f s %.1f MB/s%s%s\n",
		ktls_protocol_name(info.protocol), info.suite, protection, transfer->bytes, seconds,
		rate, is_alone(run) ? "" : " ", is_alone(run) ? "" : transfer->wanted->path);
}

static void report_all(struct run *run)
{
	double seconds, rate = rate_of(run->came, run->began_ns, &seconds);

	progress_clear(&run->progress);
	if (is_alone(run) || run->fetch->quiet)
		return;
	fprintf(stderr,
		"%s: %zu of %zu files, %" PRIu64 " bytes, %.3f s, %.1f MB/s, over %" PRIu64
		" connections, %" PRIu64 " of them resumed\n",
		command, run->n_done, run->fetch->urls->n, run->came, seconds, rate,
		run->site.n_connections, run->site.n_resumed);
}

static void add_transfer(struct progress_facts *facts, const struct transfer *transfer)
{
	facts->came += transfer->bytes;
	facts->there += transfer->at + transfer->bytes;
	if (transfer->size == HTTP_SIZE_UNKNOWN || facts->size == HTTP_SIZE_UNKNOWN)
		facts->size = HTTP_SIZE_UNKNOWN;
	else
		facts->size += transfer->size;
}

static const char *name_of(const struct wanted *wanted)
{
	const char *path = wanted->path ? wanted->path : wanted->text;
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void show_progress(struct run *run, uint64_t now_ns)
{
	struct progress_facts facts = {
		.name = is_alone(run) ? name_of(run->fetch->urls->list) : NULL,
		.n = run->fetch->urls->n,
		.done = run->n_done,
		.failed = run->n_failed,
		.running = run->n_running,
		.came = run->came,
		.there = run->there,
		.size = run->origins.n_waiting ? HTTP_SIZE_UNKNOWN : run->there,
	};

	if (!progress_is_due(&run->progress, now_ns))
		return;
	for (const struct link *link = run->links; link; link = link->next) {
		if (link->transfer)
			add_transfer(&facts, link->transfer);
	}
	progress_draw(&run->progress, &facts, now_ns);
}

/* -- Links -- */

static void put_link(struct run *run, struct link *link)
{
	link->next = run->links;
	link->previous = NULL;
	if (run->links)
		run->links->previous = link;
	run->links = link;
}

static void drop_link(struct run *run, struct link *link)
{
	if (link->previous)
		link->previous->next = link->next;
	else
		run->links = link->next;
	if (link->next)
		link->next->previous = link->previous;
	link_free(link);
}

static void count_end(struct run *run, struct transfer *transfer, enum transfer_step step)
{
	run->came += transfer->bytes;
	if (step == TRANSFER_DONE) {
		run->there += transfer->at + transfer->bytes;
		run->n_done++;
		transfer_done(transfer);
		return;
	}
	run->n_failed++;
	say(run, transfer, transfer->sentence ? transfer->sentence : strerror(ENOMEM));
	transfer_done(transfer);
}

/* What became of a transfer. It may have to be asked for again. */
static void settle(struct run *run, struct link *link, struct transfer *transfer,
		   enum transfer_step step)
{
	say_remark(run, transfer);
	if (step == TRANSFER_AGAIN) {
		origins_put_back(&run->origins, link->origin, transfer);
		return;
	}
	if (step == TRANSFER_DONE)
		report(run, link, transfer);
	count_end(run, transfer, step);
}

/* The next transfer that waits for the origin, ready to be asked for. NULL: none. */
static struct transfer *take_next(struct run *run, struct origin *origin)
{
	struct transfer *transfer;

	while ((transfer = origins_take(&run->origins, origin))) {
		enum transfer_step step = transfer_open(transfer);

		if (step == TRANSFER_MORE && ktls_deadline_in(0) >= run->fetch->deadline_ns)
			step = transfer_fail(transfer, TOOL_EXIT_TIMEOUT,
					     "not begun: the time given has passed");
		if (step == TRANSFER_MORE)
			return transfer;
		count_end(run, transfer, step);
	}
	return NULL;
}

static void end_link(struct run *run, struct link *link)
{
	if (link_close(link) == LINK_NEWS_GONE)
		drop_link(run, link);
	else
		run->n_closing++;
}

static void take_news(struct run *run, struct link *link, enum link_news news)
{
	while (news == LINK_NEWS_ENDED) {
		struct transfer *transfer = link_take_transfer(link);

		run->n_running--;
		settle(run, link, transfer, link->step);
		transfer = link->usable ? take_next(run, link->origin) : NULL;
		if (!transfer) {
			end_link(run, link);
			return;
		}
		run->n_running++;
		news = link_carry(link, transfer);
	}
	if (link->transfer)
		say_remark(run, link->transfer);
	if (news == LINK_NEWS_STALE) {
		run->n_running--;
		origins_put_back(&run->origins, link->origin, link_take_transfer(link));
		drop_link(run, link);
	} else if (news == LINK_NEWS_GONE) {
		run->n_closing--;
		drop_link(run, link);
	}
}

static void begin_link(struct run *run, struct origin *origin, struct transfer *transfer)
{
	struct link *link = link_new(&run->site, origin);

	if (!link) {
		count_end(run, transfer,
			  transfer_fail(transfer, TOOL_EXIT_FAILED, "%s", strerror(ENOMEM)));
		return;
	}
	put_link(run, link);
	run->n_running++;
	take_news(run, link, link_dial(link, transfer));
}

static void begin_links(struct run *run)
{
	while (run->n_running < run->fetch->parallel && run->n_closing < FETCH_LIMIT_CLOSING) {
		struct origin *origin = origins_next(&run->origins);
		struct transfer *transfer = origin ? take_next(run, origin) : NULL;

		if (transfer)
			begin_link(run, origin, transfer);
		else if (!origin)
			return;
	}
}

/* -- The run -- */

static int run_turn(struct run *run)
{
	struct ktls_event events[FETCH_LIMIT_EVENTS];
	uint64_t until_ns = run->progress.wanted ? run->progress.next_ns : KTLS_FOREVER;
	size_t n = 0;
	int r = ktls_ring_wait(run->site.ring, until_ns, events, FETCH_LIMIT_EVENTS, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && !stopped_by; i++) {
		struct link *link = events[i].op ? events[i].op->user : NULL;

		if (link)
			take_news(run, link, link_go_on(link, &events[i]));
	}
	show_progress(run, ktls_deadline_in(0));
	return 0;
}

static int run_all(struct run *run)
{
	int r = 0;

	begin_links(run);
	while (!r && !stopped_by && run->links) {
		r = run_turn(run);
		if (!stopped_by)
			begin_links(run);
	}
	return r;
}

/* All zeros but for the facts; the transfers wait for their origins. */
static int set_up(struct run *run)
{
	const struct urls *urls = run->fetch->urls;
	const struct ktls_ring_options options = {
		.conns = run->fetch->parallel + FETCH_LIMIT_CLOSING,
	};
	int r;

	tool_raise_file_limit();
	r = ktls_ring_new(&run->site.ring, &options, sizeof(options));
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_ring_error());
	watch_signals(run->site.ring);
	run->transfers = calloc(urls->n, sizeof(*run->transfers));
	if (!run->transfers)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
	for (size_t i = 0; i < urls->n; i++) {
		struct origin *origin = origins_find(&run->origins, &urls->list[i].url.address);

		if (!origin)
			return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
		transfer_init(&run->transfers[i], &urls->list[i], &run->rules);
		origins_put(&run->origins, origin, &run->transfers[i]);
	}
	return 0;
}

/* What was under way stays, as far as it is to, and says so. */
static void interrupt(struct run *run)
{
	for (struct link *link = run->links; link; link = link->next) {
		struct transfer *transfer = link_take_transfer(link);

		if (transfer)
			count_end(run, transfer,
				  transfer_fail(transfer, TOOL_EXIT_FAILED, "interrupted"));
	}
}

static void tear_down(struct run *run)
{
	/* Nothing is under way after this, so that all may be freed. */
	ring_to_wake = NULL;
	ktls_ring_free(run->site.ring);
	while (run->links)
		drop_link(run, run->links);
	origins_done(&run->origins);
	for (size_t i = 0; run->transfers && i < run->fetch->urls->n; i++)
		transfer_done(&run->transfers[i]);
	free(run->transfers);
}

static int first_code(const struct run *run)
{
	for (size_t i = 0; i < run->fetch->urls->n; i++) {
		if (run->transfers[i].code)
			return run->transfers[i].code;
	}
	return TOOL_EXIT_OK;
}

static bool wants_progress(const struct fetch *fetch)
{
	bool to_stdout = !fetch->urls->list[0].path;

	return fetch->progress || (!fetch->quiet && progress_has_screen(to_stdout));
}

int fetch_run(const struct fetch *fetch)
{
	struct run run = {
		.fetch = fetch,
		.rules = { .resume = fetch->resume, .stop = &stopped_by },
		.site = {
			.config = fetch->config,
			.sessions = fetch->urls->n > 1,
			.deadline_ns = fetch->deadline_ns,
			.idle_ms = fetch->idle_ms,
		},
		.progress = { .wanted = wants_progress(fetch) },
		.began_ns = ktls_deadline_in(0),
	};
	int r = set_up(&run), code = r;

	if (!r) {
		r = run_all(&run);
		if (r)
			tool_fail(0, command, "%s", ktls_strerror(r));
		interrupt(&run);
		report_all(&run);
		code = first_code(&run);
		if (r && !code)
			code = TOOL_EXIT_FAILED;
	}
	tear_down(&run);
	if (stopped_by)
		die_of_signal();
	return code;
}
