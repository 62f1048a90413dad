/* SPDX-License-Identifier: MIT */

/* What the tests share; see kit.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/kit.h"

const struct kit_suite kit_suites[KIT_SUITES_N] = {
	{ "TLS 1.2 AES-128-GCM", KTLS_TLS_1_2, KTLS_AES_128_GCM },
	{ "TLS 1.2 AES-256-GCM", KTLS_TLS_1_2, KTLS_AES_256_GCM },
	{ "TLS 1.2 AES-128-CCM", KTLS_TLS_1_2, KTLS_AES_128_CCM },
	{ "TLS 1.2 CHACHA20-POLY1305", KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305 },
	{ "TLS 1.3 AES-128-GCM", KTLS_TLS_1_3, KTLS_AES_128_GCM },
	{ "TLS 1.3 AES-256-GCM", KTLS_TLS_1_3, KTLS_AES_256_GCM },
	{ "TLS 1.3 AES-128-CCM", KTLS_TLS_1_3, KTLS_AES_128_CCM },
	{ "TLS 1.3 CHACHA20-POLY1305", KTLS_TLS_1_3, KTLS_CHACHA20_POLY1305 },
};

void kit_tcp_pair(int ret_fds[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	const int on = 1;

	cr_assert_geq(listener, 0, "socket: %s", strerror(errno));
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);

	ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	cr_assert_geq(ret_fds[0], 0);
	cr_assert_eq(connect(ret_fds[0], (struct sockaddr *)&address, len), 0, "connect: %s",
		     strerror(errno));
	ret_fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(ret_fds[1], 0);
	close(listener);

	for (int i = 0; i < 2; i++)
		setsockopt(ret_fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void kit_keys(const struct kit_suite *suite, uint64_t seq, struct kern_keys *ret_keys)
{
	*ret_keys = (struct kern_keys){
		.protocol = suite->protocol,
		.cipher = suite->cipher,
		.seq = seq,
	};
	cr_assert_eq(getrandom(ret_keys->key, sizeof(ret_keys->key), 0), sizeof(ret_keys->key));
	cr_assert_eq(getrandom(ret_keys->iv, sizeof(ret_keys->iv), 0), sizeof(ret_keys->iv));
}

void kit_require_tls(void)
{
	unsigned int reason;
	int fds[2], r;

	kit_tcp_pair(fds);
	r = kern_attach(fds[0], &reason);
	close(fds[0]);
	close(fds[1]);
	if (r < 0)
		cr_skip_test("%s", ktls_reason_text(reason));
}

uint64_t kit_tls_stat(const char *name)
{
	FILE *file = fopen("/proc/net/tls_stat", "re");
	char row[64];
	uint64_t value, found = 0;

	cr_assert_not_null(file, "/proc/net/tls_stat: %s", strerror(errno));
	while (fscanf(file, "%63s %" SCNu64, row, &value) == 2)
		if (!strcmp(row, name))
			found = value;
	fclose(file);
	return found;
}

void kit_vanish(int fd)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	cr_assert(nothing >= 0 && dup3(nothing, fd, O_CLOEXEC) == fd);
	close(nothing);
}

unsigned int kit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory itself */
}

void kit_wait(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	cr_assert_eq(poll(&pollfd, 1, KIT_PATIENCE_MS), 1, "nothing came");
}

/* Its period is prime, so that no two records of a file look alike. */
uint8_t kit_byte(size_t at)
{
	return (uint8_t)(at % 251);
}

int kit_file(size_t len)
{
	int fd = memfd_create("kit", MFD_CLOEXEC);
	uint8_t *bytes;

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)len), 0);
	if (!len)
		return fd;
	bytes = mmap(NULL, len, PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(bytes, MAP_FAILED);
	for (size_t i = 0; i < len; i++)
		bytes[i] = kit_byte(i);
	munmap(bytes, len);
	return fd;
}

static char directory[64];

void kit_directory_enter(void)
{
	strcpy(directory, "/tmp/ktls-test-XXXXXX");
	cr_assert(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

void kit_directory_leave(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	cr_assert_eq(system(command), 0);
}
