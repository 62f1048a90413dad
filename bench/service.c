/* SPDX-License-Identifier: MIT */

/* The process of a server; see service.h. */

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "place.h"
#include "service.h"
#include "support.h"
#include "wire.h"

enum {
	FDS_BESIDE = 64, /* and of connections that are leaving */
	REST_LOOKS = 500,
	REST_LOOK_US = 10000,
};

/* In memory that the kernel has pages of, as of any file that is warm. */
static int make_file(const uint8_t *block)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	for (size_t at = 0; at < SERVICE_FILE_LEN; at += WIRE_BLOCK_LEN) {
		if (fd < 0 || pwrite(fd, block, WIRE_BLOCK_LEN, (off_t)at) != WIRE_BLOCK_LEN)
			bench_die("a file in memory: %s", strerror(errno));
	}
	return fd;
}

static struct service_body *body_of_all(void)
{
	static struct service_body body;
	uint8_t *block;

	if (body.block)
		return &body;
	block = malloc(WIRE_BLOCK_LEN);
	if (!block)
		bench_die("no memory");
	wire_fill(block);
	body = (struct service_body){ block, make_file(block) };
	return &body;
}

uint64_t service_piece(bool file, uint64_t at, uint64_t left, uint64_t *ret_offset)
{
	uint64_t len = file ? SERVICE_FILE_LEN : WIRE_BLOCK_LEN;

	*ret_offset = at % len;
	return left < len - *ret_offset ? left : len - *ret_offset;
}

bool service_rest(const struct service *service, int r)
{
	struct mallinfo2 info;

	if (r != KTLS_TIMEDOUT)
		return true;
	malloc_trim(0);
	info = mallinfo2();
	atomic_store(&service->notice->heap, info.uordblks + info.hblkhd);
	atomic_fetch_add(&service->notice->rests, 1);
	return false;
}

void service_await_rest(const struct service_process *process)
{
	for (int i = 0; i < REST_LOOKS && !atomic_load(&process->notice->rests); i++)
		usleep(REST_LOOK_US);
}

static struct service_notice *share_notice(void)
{
	struct service_notice *notice = mmap(NULL, sizeof(*notice), PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (notice == MAP_FAILED)
		bench_die("shared memory: %s", strerror(errno));
	return notice;
}

/* In one sleep, for each wakes up late. */
void service_slow(const struct service *service, uint64_t bytes)
{
	uint64_t records = (bytes + SERVICE_RECORD_LEN - 1) / SERVICE_RECORD_LEN;
	uint64_t us = service->slow_us * records;
	struct timespec left = { .tv_sec = (time_t)(us / 1000000),
				 .tv_nsec = (long)(us % 1000000) * 1000 };

	while (us && nanosleep(&left, &left) && errno == EINTR) {
	}
}

static int listen_at(const char *host, uint16_t *ret_port)
{
	struct place place = { .port = 0 };
	char why[PLACE_WHY_MAX];
	int fd;

	snprintf(place.host, sizeof(place.host), "%s", host ? host : "127.0.0.1");
	fd = place_listen(&place, ret_port, why);
	if (fd < 0)
		bench_die("listening on %s: %s", place.host, why);
	return fd;
}

struct service_process service_start(struct service *service, int cpu)
{
	const struct service_body *body = body_of_all();
	struct service_process process = { .notice = share_notice() };
	int fd = listen_at(service->host, &process.port);

	service->notice = process.notice;
	process.pid = bench_fork();
	if (process.pid) {
		close(fd);
		return process;
	}
	signal(SIGPIPE, SIG_IGN); /* as every server does: else it is held back at each sendfile */
	bench_allow_fds(service->conns + FDS_BESIDE);
	if (cpu >= 0)
		bench_stay_on(cpu, false);
	if (service->ring)
		service_ring(service, fd, body);
	service_poll(service, fd, body);
}

void service_stop(struct service_process *process)
{
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	munmap(process->notice, sizeof(*process->notice));
}
