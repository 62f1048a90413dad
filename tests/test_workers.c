/* SPDX-License-Identifier: MIT */

/* Threads begin and end; that they serve is seen in interop. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <criterion/criterion.h>

#include "listen.h"
#include "tool.h"
#include "workers.h"

enum {
	THREADS = 3,
	LIMIT_MS = 30000,
};

static struct ktls_config *config;
static struct mime *mime;
static struct session_site site = { .connections = 16, .stop_ms = 1000 };

static void begin(void)
{
	static const char *const names[] = { "localhost" };

	cr_assert_eq(ktls_config_new(&config, KTLS_SERVER), 0);
	cr_assert_eq(ktls_config_add_identity_self_signed(config, names, 1), 0);
	cr_assert_eq(mime_new(&mime, NULL), 0);
	site.mime = mime;
	site.root_fd = open("/", O_PATH | O_DIRECTORY);
}

static void end(void)
{
	ktls_config_unref(config);
	mime_free(mime);
	close(site.root_fd);
}

TestSuite(unit, .init = begin, .fini = end);

static bool has_ended(const struct workers *workers, int timeout_ms)
{
	struct pollfd wait = { .fd = workers->end_fd, .events = POLLIN };

	return poll(&wait, 1, timeout_ms) == 1;
}

Test(unit, they_run_until_they_are_stopped)
{
	struct workers workers = WORKERS_NULL;
	uint64_t requests, bytes;
	const char *why;
	int fd;

	cr_assert_eq(listen_open(&fd, "--listen", "127.0.0.1:0", 16), 0);
	cr_assert_eq(workers_init(&workers, THREADS, config, fd), 0);
	cr_assert_eq(workers_start(&workers, &site, &why), 0, "%s", why);
	cr_expect_eq(workers.n_started, THREADS);
	cr_expect(!has_ended(&workers, 0));

	cr_expect_eq(workers_stop(&workers, &requests, &bytes), 0);
	cr_expect_eq(requests, 0);
	cr_expect_eq(bytes, 0);
	cr_expect(has_ended(&workers, 0));
	workers_done(&workers);
	close(fd);
}

Test(unit, a_new_config_is_for_all_of_them)
{
	struct workers workers = WORKERS_NULL;
	struct ktls_config *client, *other;
	int fd;

	cr_assert_eq(ktls_config_new(&other, KTLS_SERVER), 0);
	cr_assert_eq(ktls_config_new(&client, KTLS_CLIENT), 0);
	cr_assert_eq(listen_open(&fd, "--listen", "127.0.0.1:0", 16), 0);
	cr_assert_eq(workers_init(&workers, THREADS, config, fd), 0);
	cr_expect_eq(workers_set_config(&workers, other), -KTLS_E_NO_IDENTITY);
	cr_expect_eq(workers_set_config(&workers, client), -EINVAL);
	cr_expect_eq(workers_set_config(&workers, config), 0);
	workers_done(&workers);
	ktls_config_unref(client);
	ktls_config_unref(other);
	close(fd);
}

Test(unit, without_a_socket_that_listens_there_are_none)
{
	struct workers workers = WORKERS_NULL;
	int fd = open("/dev/null", O_RDONLY);

	cr_expect_lt(workers_init(&workers, THREADS, config, fd), 0);
	workers_done(&workers);
	close(fd);
}

/* More than a ring holds. */
Test(unit, one_that_cannot_start_says_why)
{
	struct workers workers = WORKERS_NULL;
	const char *why;
	int fd;

	site.connections = UINT32_MAX / 2;
	cr_assert_eq(listen_open(&fd, "--listen", "127.0.0.1:0", 16), 0);
	cr_assert_eq(workers_init(&workers, THREADS, config, fd), 0);
	cr_expect_eq(workers_start(&workers, &site, &why), -EINVAL);
	cr_expect_eq(workers.n_started, 0);
	cr_expect(has_ended(&workers, LIMIT_MS));
	workers_done(&workers);
	close(fd);
}

Test(unit, none_were_started)
{
	struct workers workers = WORKERS_NULL;
	uint64_t requests, bytes;

	cr_expect_eq(workers_stop(&workers, &requests, &bytes), 0);
	workers_done(&workers);
}
