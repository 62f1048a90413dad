/* SPDX-License-Identifier: MIT */

/* The datagrams, as whoever started us receives them. */

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hearing.h"
#include "notify.h"

static int listen_on(const char *path, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(address.sun_path, path, len);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		     0, "%s", strerror(errno));
	return fd;
}

static const char *receive(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void talk(int server_fd)
{
	long long usec;
	int fd;

	cr_assert_eq(notify_open(&fd), 0);
	notify_ready(fd, "serving");
	cr_expect_str_eq(receive(server_fd), "READY=1\nSTATUS=serving\n");
	notify_reloading(fd);
	cr_expect_eq(sscanf(receive(server_fd), "RELOADING=1\nMONOTONIC_USEC=%lld\n", &usec), 1);
	cr_expect_gt(usec, 0);
	notify_stopping(fd);
	cr_expect_str_eq(receive(server_fd), "STOPPING=1\n");

	/* Who is gone is told nothing, and we live on. */
	close(server_fd);
	notify_stopping(fd);
	close(fd);
}

Test(unit, by_path)
{
	char directory[] = "/tmp/ktls-test-notify-XXXXXX", path[64];

	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	setenv("NOTIFY_SOCKET", path, 1);
	talk(listen_on(path, strlen(path)));
	unlink(path);
	rmdir(directory);
}

Test(unit, by_abstract_name)
{
	char name[64];

	snprintf(name, sizeof(name), "@ktls-test-notify-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	*name = '\0';
	talk(listen_on(name, 1 + strlen(name + 1)));
}

Test(unit, nobody_wants_to_know)
{
	int fd = 0;

	unsetenv("NOTIFY_SOCKET");
	cr_expect_eq(notify_open(&fd), 0);
	cr_expect_eq(fd, -1);
	notify_ready(fd, "serving");
	notify_reloading(fd);
	notify_stopping(fd);
}

Test(unit, who_cannot_be_told)
{
	char name[200];
	int fd = -7;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	*name = '/';
	setenv("NOTIFY_SOCKET", name, 1);
	cr_expect_eq(notify_open(&fd), -ENAMETOOLONG);
	setenv("NOTIFY_SOCKET", "vsock:1:2", 1);
	cr_expect_eq(notify_open(&fd), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	cr_expect_eq(notify_open(&fd), -ENOENT);
	cr_expect_eq(fd, -7);
}
