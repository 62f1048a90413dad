/* SPDX-License-Identifier: MIT */

/*
 * Many connections to `ktls serve`, by one thread over one ring:
 *
 *   soak [OPTION]... PORT CA NAME=FILE...
 *
 *   -c N    connections (default 100), each of which asks as soon as it is open
 *   -n N    requests (default 1000), when all are: each of a random connection
 *   -b N    that are under way at once (default 64)
 *   -r N    a connection that has asked so often is ended, and another one takes its place
 *   -s N    the seed
 *   -p PID  whose memory and descriptors are told along the way, on standard output
 *   -w      waits for a line of standard input when all are open
 *   -e      the server may end: an answer that has not begun may be missing, one that has may not
 *   -R      ends them all with resets
 *   -d      each sends its request at a byte a second, until the server has enough of it
 *   -i      each takes its answer at a byte a second, likewise
 *   -t N    seconds that the server has for that (default 60)
 *
 * What comes is compared with the file, byte by byte. The sum is key=value on standard error; the
 * status is 1 if anything went wrong.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "soak.h"

enum {
	SOURCES = 16, /* addresses that they come from: ports are not endless */
	SAMPLES = 20,
	SLOW_BUFFER = 4096,
	COMPLAINTS_MAX = 10,
};

static uint64_t next_random(struct soak *soak)
{
	soak->random ^= soak->random << 13;
	soak->random ^= soak->random >> 7;
	soak->random ^= soak->random << 17;
	return soak->random;
}

static void complain(struct soak *soak, const struct soak_client *client, const char *what, int r)
{
	const char *text = client->conn ? ktls_conn_error(client->conn) : "";

	if (soak->errors++ < COMPLAINTS_MAX)
		fprintf(stderr, "connection %zu, request %u: %s: %s\n",
			(size_t)(client - soak->clients), client->asked, what,
			*text ? text : ktls_strerror(r));
}

/* -- What becomes of a connection -- */

void soak_let_go(struct soak *soak, struct soak_client *client)
{
	ktls_conn_free(client->conn);
	client->conn = NULL;
	client->state = ABSENT;
	soak->absent[soak->n_absent++] = client;
}

static void rest(struct soak *soak, struct soak_client *client)
{
	client->state = RESTING;
	soak->resting[soak->n_resting++] = client;
}

static void end(struct soak *soak, struct soak_client *client)
{
	client->state = ENDING;
	soak->n_ending++;
	if (ktls_op_shutdown_and_close(&client->op, client->conn,
				       ktls_deadline_in(SOAK_TIMEOUT_MS))) {
		soak->n_ending--;
		soak_let_go(soak, client);
	}
}

static int make_socket(const struct soak *soak, size_t number)
{
	const struct sockaddr_in source = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number % SOURCES)),
	};
	const struct sockaddr_in peer = {
		.sin_family = AF_INET,
		.sin_port = htons(soak->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct linger linger = { .l_onoff = soak->reset };
	const int one = 1, slow = SLOW_BUFFER;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (soak->takes_slowly)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &slow, sizeof(slow));
	if (bind(fd, (const struct sockaddr *)&source, sizeof(source)) ||
	    connect(fd, (const struct sockaddr *)&peer, sizeof(peer))) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int dial(struct soak *soak, struct soak_client *client)
{
	int fd = make_socket(soak, (size_t)(client - soak->clients));
	int r = fd < 0 ? fd : ktls_conn_new(&client->conn, soak->config, fd);

	if (fd >= 0)
		close(fd);
	if (!r)
		r = ktls_conn_set_server_name(client->conn, "localhost");
	if (!r)
		r = ktls_ring_add(soak->ring, client->conn);
	client->op.user = client->slow_op.user = client;
	if (!r)
		r = ktls_op_handshake(&client->op, client->conn, ktls_deadline_in(SOAK_TIMEOUT_MS));
	return r;
}

static bool dial_more(struct soak *soak)
{
	while (!soak->gone && soak->n_absent && soak->n_dialing < SOAK_DIALING_MAX) {
		struct soak_client *client = soak->absent[--soak->n_absent];
		int r = dial(soak, client);

		client->asked = 0;
		client->state = DIALING;
		soak->n_dialing += !r;
		soak->dialed += !r;
		if (!r)
			continue;
		if (soak->may_end)
			soak->gone = true;
		else
			complain(soak, client, "dialing", r);
		soak_let_go(soak, client);
		if (!soak->may_end)
			return false;
	}
	return true;
}

/* -- Requests -- */

static void ask(struct soak *soak, struct soak_client *client)
{
	int len;

	client->file = &soak->files[next_random(soak) % soak->n_files];
	client->asked++;
	client->state = ASKING;
	client->at = client->head_len = 0;
	client->began_ns = ktls_deadline_in(0);
	len = snprintf(client->request, sizeof(client->request),
		       "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", client->file->name);
	soak->begun++;
	soak->n_asking++;
	if (ktls_op_write(&client->op, client->conn, client->request, (size_t)len,
			  ktls_deadline_in(SOAK_TIMEOUT_MS)))
		abort();
}

static void ask_more(struct soak *soak)
{
	while (soak->held && soak->n_resting && soak->n_asking < soak->n_busy &&
	       soak->begun < soak->n_requests) {
		size_t i = next_random(soak) % soak->n_resting;
		struct soak_client *client = soak->resting[i];

		soak->resting[i] = soak->resting[--soak->n_resting];
		ask(soak, client);
	}
}

/* How many of the bytes are the head's; -EPROTO. */
static int take_head(struct soak_client *client, const char *data, size_t len)
{
	size_t before = client->head_len, room = sizeof(client->head) - 1 - before;
	size_t n = len < room ? len : room;
	const char *end, *length;

	memcpy(client->head + before, data, n);
	client->head[before + n] = '\0';
	client->head_len += n;
	end = strstr(client->head, "\r\n\r\n");
	if (!end)
		return n < len ? -EPROTO : (int)n;
	length = strstr(client->head, "\r\nContent-Length: ");
	if (strncmp(client->head, "HTTP/1.1 200 ", 13) != 0 || !length ||
	    strtoull(length + 18, NULL, 10) != client->file->len)
		return -EPROTO;
	client->state = ANSWERED;
	return (int)(end + 4 - client->head) - (int)before;
}

static int take_answer(struct soak_client *client, const char *data, size_t len)
{
	if (client->state == ASKING) {
		int n = take_head(client, data, len);

		if (n < 0)
			return n;
		data += n;
		len -= (size_t)n;
	}
	if (len > client->file->len - client->at ||
	    memcmp(client->file->data + client->at, data, len) != 0)
		return -EPROTO;
	client->at += len;
	return 0;
}

static void receive(struct soak_client *client)
{
	if (ktls_op_receive(&client->op, client->conn, ktls_deadline_in(SOAK_TIMEOUT_MS)))
		abort();
}

static void lose(struct soak *soak, struct soak_client *client, int r)
{
	soak->n_asking--;
	if (soak->may_end && client->state == ASKING && !client->head_len)
		soak->unanswered++;
	else
		complain(soak, client, client->head_len ? "a cut answer" : "no answer", r);
	soak_let_go(soak, client);
}

void soak_say_server(const struct soak *soak)
{
	char path[64], line[256];
	unsigned long kb = 0;
	size_t fds = 0;
	FILE *status;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)soak->pid);
	status = soak->pid ? fopen(path, "re") : NULL;
	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "RssAnon: %lu", &kb);
	if (status)
		fclose(status);
	snprintf(path, sizeof(path), "/proc/%llu/fd", (unsigned long long)soak->pid);
	dir = soak->pid ? opendir(path) : NULL;
	while (dir && readdir(dir))
		fds++;
	if (dir)
		closedir(dir);
	printf("requests %zu errors %zu dialed %zu rss_kb %lu descriptors %zu\n", soak->done,
	       soak->errors, soak->dialed, kb, fds ? fds - 2 : 0);
	fflush(stdout);
}

static void answered(struct soak *soak, struct soak_client *client)
{
	soak->n_asking--;
	soak->done++;
	histogram_add(&soak->latency, ktls_deadline_in(0) - client->began_ns);
	if (soak->held && soak->done >= soak->next_sample) {
		soak->next_sample = soak->done + soak->n_requests / SAMPLES + 1;
		soak_say_server(soak);
	}
	if (soak->renew_after && client->asked >= soak->renew_after)
		end(soak, client);
	else
		rest(soak, client);
}

/* -- Events -- */

static void dialed(struct soak *soak, struct soak_client *client, int r)
{
	soak->n_dialing--;
	if (!r && (soak->asks_slowly || soak->takes_slowly)) {
		rest(soak, client);
		return;
	}
	/* Until it has answered once, a server keeps tickets for us. */
	if (!r) {
		ask(soak, client);
		return;
	}
	if (soak->may_end)
		soak->gone = true;
	else
		complain(soak, client, "handshake", r);
	soak_let_go(soak, client);
}

static void take_event(struct soak *soak, const struct ktls_event *event)
{
	struct soak_client *client = event->op->user;
	int r = event->result;

	switch (client->state) {
	case DIALING:
		dialed(soak, client, r);
		return;
	case ASKING:
	case ANSWERED:
		if (!r && event->data)
			r = take_answer(client, event->data, event->n);
		if (r)
			lose(soak, client, r);
		else if (client->state == ANSWERED && client->at == client->file->len)
			answered(soak, client);
		else
			receive(client);
		return;
	case ENDING:
		soak->n_ending--;
		if (r < 0 && !soak->may_end)
			complain(soak, client, "closing", r);
		soak_let_go(soak, client);
		return;
	case ABSENT:
	case RESTING:
	case SLOW:
		break;
	}
	abort();
}

int soak_turn(struct soak *soak, uint64_t deadline_ns,
	      void (*take)(struct soak *, const struct ktls_event *))
{
	struct ktls_event events[256];
	size_t n = 0;
	int r = ktls_ring_wait(soak->ring, deadline_ns, events, 256, &n);

	if (r < 0)
		fprintf(stderr, "the ring: %s\n", ktls_strerror(r));
	for (size_t i = 0; i < n; i++)
		take(soak, &events[i]);
	return r < 0 ? r : 0;
}

/* -- What is done -- */

static int hold(struct soak *soak)
{
	char line[16];

	while (!soak->gone && soak->n_resting < soak->n_clients) {
		if (!dial_more(soak) ||
		    soak_turn(soak, ktls_deadline_in(SOAK_TIMEOUT_MS), take_event) || soak->errors)
			return 1;
	}
	soak->held = true;
	soak->n_requests += soak->begun;
	soak_say_server(soak);
	puts("held");
	fflush(stdout);
	if (soak->waits && !fgets(line, sizeof(line), stdin))
		return 1;
	return 0;
}

static bool is_done(const struct soak *soak)
{
	if (soak->done + soak->errors + soak->unanswered >= soak->n_requests)
		return true;
	return soak->gone && !soak->n_asking && !soak->n_dialing && !soak->n_resting;
}

static int run(struct soak *soak)
{
	while (!is_done(soak)) {
		if (!dial_more(soak))
			return 1;
		ask_more(soak);
		if (soak_turn(soak, ktls_deadline_in(SOAK_TIMEOUT_MS), take_event))
			return 1;
	}
	return 0;
}

static int end_all(struct soak *soak)
{
	if (soak->reset)
		return 0;
	while (soak->n_resting)
		end(soak, soak->resting[--soak->n_resting]);
	while (soak->n_ending + soak->n_dialing) {
		if (soak_turn(soak, ktls_deadline_in(SOAK_TIMEOUT_MS), take_event))
			return 1;
	}
	return 0;
}

/* -- Beginning and end -- */

static int map_file(struct soak_file *file, char *argument)
{
	char *path = strchr(argument, '=');
	struct stat stat;
	int fd;

	if (!path)
		return 1;
	*path++ = '\0';
	file->name = argument;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat))
		return 1;
	file->len = (size_t)stat.st_size;
	file->data = mmap(NULL, file->len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return file->data == MAP_FAILED;
}

/* Those with a number, and those without. */
static const struct {
	char name;
	size_t offset;
} counts[] = {
	{ 'c', offsetof(struct soak, n_clients) }, { 'n', offsetof(struct soak, n_requests) },
	{ 'b', offsetof(struct soak, n_busy) },	   { 'r', offsetof(struct soak, renew_after) },
	{ 's', offsetof(struct soak, random) },	   { 'p', offsetof(struct soak, pid) },
	{ 't', offsetof(struct soak, slow_s) },
}, flags[] = {
	{ 'w', offsetof(struct soak, waits) },	     { 'e', offsetof(struct soak, may_end) },
	{ 'R', offsetof(struct soak, reset) },	     { 'd', offsetof(struct soak, asks_slowly) },
	{ 'i', offsetof(struct soak, takes_slowly) },
};

static int take_option(struct soak *soak, int option)
{
	uint64_t count = optarg ? strtoull(optarg, NULL, 10) : 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (counts[i].name == option)
			memcpy((char *)soak + counts[i].offset, &count, sizeof(count));
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (flags[i].name == option)
			*(bool *)((char *)soak + flags[i].offset) = true;
	}
	return option == '?' ? 2 : 0;
}

static int read_options(struct soak *soak, int argc, char *argv[])
{
	int option, r = 0;

	while (!r && (option = getopt(argc, argv, "c:n:b:r:s:p:t:weRdi")) != -1)
		r = take_option(soak, option);
	for (int i = optind + 2; !r && i < argc && soak->n_files < SOAK_FILES_MAX; i++)
		r = map_file(&soak->files[soak->n_files++], argv[i]);
	soak->port = (uint16_t)(soak->n_files ? strtoul(argv[optind], NULL, 10) : 0);
	return soak->port && soak->n_clients && soak->random ? r : 2;
}

static int set_up(struct soak *soak, const char *ca)
{
	const struct ktls_ring_options options = { .conns = (uint32_t)soak->n_clients +
							    SOAK_DIALING_MAX };
	struct rlimit limit;
	int r = ktls_config_new(&soak->config, KTLS_CLIENT);

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (!r)
		r = ktls_config_add_trust_file(soak->config, ca);
	if (!r)
		r = ktls_ring_new(&soak->ring, &options, sizeof(options));
	soak->clients = calloc(soak->n_clients, sizeof(*soak->clients));
	soak->absent = calloc(soak->n_clients, sizeof(*soak->absent));
	soak->resting = calloc(soak->n_clients, sizeof(*soak->resting));
	if (r || !soak->clients || !soak->absent || !soak->resting) {
		fprintf(stderr, "%s %s\n", ktls_strerror(r), ktls_ring_error());
		return 1;
	}
	for (size_t i = soak->n_clients; i-- > 0;)
		soak->absent[soak->n_absent++] = &soak->clients[i];
	return 0;
}

static void say_sum(struct soak *soak)
{
	fprintf(stderr, "requests=%zu\nerrors=%zu\nunanswered=%zu\ndialed=%zu\n", soak->done,
		soak->errors, soak->unanswered, soak->dialed);
	fprintf(stderr, "p50_us=%.0f\np99_us=%.0f\np999_us=%.0f\nmax_us=%.0f\n",
		histogram_at(&soak->latency, 0.5) / 1e3, histogram_at(&soak->latency, 0.99) / 1e3,
		histogram_at(&soak->latency, 0.999) / 1e3, (double)soak->latency.max / 1e3);
}

int main(int argc, char *argv[])
{
	static struct soak soak = {
		.n_clients = 100,
		.n_requests = 1000,
		.n_busy = 64,
		.slow_s = 60,
		.random = 1,
	};
	int r = read_options(&soak, argc, argv);

	if (r) {
		fprintf(stderr, "soak [OPTION]... PORT CA NAME=FILE...\n");
		return r;
	}
	r = set_up(&soak, argv[optind + 1]);
	if (!r)
		r = hold(&soak);
	if (!r)
		r = soak.asks_slowly || soak.takes_slowly ? soak_run_slowly(&soak) : run(&soak);
	if (!r)
		r = end_all(&soak);
	say_sum(&soak);
	ktls_ring_free(soak.ring);
	for (size_t i = 0; soak.clients && i < soak.n_clients; i++)
		ktls_conn_free(soak.clients[i].conn);
	ktls_config_unref(soak.config);
	free(soak.clients);
	free(soak.absent);
	free(soak.resting);
	return r || soak.errors;
}
