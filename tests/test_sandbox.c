/* SPDX-License-Identifier: MIT */

/*
 * The sandbox from inside: each test enters it in a child, which tries and says by its exit status
 * in which line something was not as it should be. Where this system or build lacks a part, its
 * tests are skipped, for the reason that it gave.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hearing.h"
#include "sandbox.h"

enum {
	CHILD_SKIPS = 77,
};

static char top[64];

static void write_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static void make_top(void)
{
	strcpy(top, "/tmp/ktls-test-sandbox-XXXXXX");
	cr_assert(mkdtemp(top) && !chdir(top));
	cr_assert(!mkdir("in", 0755) && !mkdir("keys", 0755) && !mkdir("log", 0755) &&
		  !mkdir("out", 0755));
	write_file("in/file");
	write_file("keys/key");
	write_file("out/file");
}

static void remove_top(void)
{
	static const char *const names[] = { "in/file", "in/link",  "keys/key", "keys/new",
					     "log/new", "out/file", "out/new",	"in",
					     "keys",	"log",	    "out" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(names[i]);
	rmdir(top);
}

TestSuite(unit, .init = make_top, .fini = remove_top);

/* 0: all is well; else the line. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

/* A line of more than 255 does not fit into an exit status. */
static void in_child(int (*try)(void))
{
	int line = 0, pipes[2], status;
	pid_t child;

	cr_assert_eq(pipe(pipes), 0);
	child = fork();
	if (!child) {
		line = try();
		(void)!write(pipes[1], &line, sizeof(line));
		_exit(0);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &line, sizeof(line)), sizeof(line), "the child died");
	cr_assert_eq(waitpid(child, &status, 0), child);
	close(pipes[0]);
	if (line == -CHILD_SKIPS)
		cr_skip_test("this system or build has no such thing");
	cr_expect_eq(line, 0, "line %d", line);
}

/* Without it only root may restrict itself. */
static void give_up_privileges(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int open_errno(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void add_places(struct sandbox_places *places)
{
	sandbox_add_directory(places, "in", SANDBOX_READ | SANDBOX_LIST);
	sandbox_add_file(places, "keys/key", SANDBOX_READ);
	sandbox_add_file(places, "log/new", SANDBOX_WRITE);
}

static int enter_landlock(void)
{
	struct sandbox_places places = { 0 };
	char why[SANDBOX_LIMIT_WHY] = "";
	int r;

	add_places(&places);
	give_up_privileges();
	r = sandbox_landlock(&places, why);
	sandbox_places_done(&places);
	if (r)
		return -CHILD_SKIPS;
	return *why ? __LINE__ : 0;
}

static int try_files(void)
{
	int r = enter_landlock();

	if (r)
		return r;
	EXPECT(open_errno("in/file", O_RDONLY) == 0);
	EXPECT(open_errno("in", O_RDONLY | O_DIRECTORY) == 0);
	EXPECT(open_errno("in/file", O_WRONLY) == EACCES);
	EXPECT(open_errno("in/new", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(open_errno("keys/key", O_RDONLY) == 0);
	EXPECT(open_errno("keys", O_RDONLY | O_DIRECTORY) == EACCES);
	EXPECT(open_errno("log/new", O_WRONLY | O_CREAT | O_APPEND) == 0);
	EXPECT(open_errno("log/new", O_RDONLY) == EACCES);
	EXPECT(open_errno("out/file", O_RDONLY) == EACCES);
	EXPECT(open_errno("in/../out/file", O_RDONLY) == EACCES);
	EXPECT(open_errno("/etc/passwd", O_RDONLY) == EACCES);
	EXPECT(unlink("out/file") && errno == EACCES);
	EXPECT(link("out/file", "in/link") && (errno == EACCES || errno == EXDEV));
	EXPECT(mkdir("in/directory", 0755) && errno == EACCES);
	EXPECT(execl("/bin/true", "true", NULL) && errno == EACCES);
	return 0;
}

Test(unit, only_the_files_that_were_named)
{
	in_child(try_files);
}

/* A log that is a device: that, and nothing beside it. */
static int try_special(void)
{
	struct sandbox_places places = { 0 };
	char why[SANDBOX_LIMIT_WHY] = "";
	int r;

	EXPECT(!mkfifo("out/new", 0600));
	sandbox_add_special(&places, "/dev/full", SANDBOX_WRITE);
	give_up_privileges();
	r = sandbox_landlock(&places, why);
	sandbox_places_done(&places);
	if (r)
		return -CHILD_SKIPS;
	EXPECT(!*why);
	EXPECT(open_errno("/dev/full", O_WRONLY) == 0);
	EXPECT(open_errno("/dev/full", O_RDONLY) == EACCES);
	EXPECT(open_errno("/dev/null", O_WRONLY) == EACCES);
	EXPECT(open_errno("/dev/ktls-test", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(open_errno("out/new", O_WRONLY | O_NONBLOCK) == EACCES);
	return 0;
}

Test(unit, a_device_and_nothing_beside_it)
{
	in_child(try_special);
}

/* A key is replaced by a new file, and found by a link. */
static int try_replaced(void)
{
	struct sandbox_places places = { 0 };
	char why[SANDBOX_LIMIT_WHY] = "";
	int r;

	EXPECT(!symlink("../keys/key", "in/link"));
	sandbox_add_file(&places, "in/link", SANDBOX_READ);
	give_up_privileges();
	r = sandbox_landlock(&places, why);
	sandbox_places_done(&places);
	if (r)
		return -CHILD_SKIPS;
	EXPECT(open_errno("in/link", O_RDONLY) == 0);
	EXPECT(open_errno("keys/key", O_RDONLY) == 0);
	EXPECT(open_errno("out/file", O_RDONLY) == EACCES);
	return 0;
}

Test(unit, a_link_and_what_it_leads_to)
{
	in_child(try_replaced);
}

static int try_missing(void)
{
	struct sandbox_places places = { 0 };
	char why[SANDBOX_LIMIT_WHY] = "";
	int r;

	sandbox_add_directory(&places, "missing", SANDBOX_READ);
	sandbox_add_directory(&places, "in", SANDBOX_READ);
	give_up_privileges();
	r = sandbox_landlock(&places, why);
	sandbox_places_done(&places);
	if (r)
		return -CHILD_SKIPS;
	EXPECT(!strcmp(why, "missing: No such file or directory"));
	EXPECT(open_errno("in/file", O_RDONLY) == 0);
	EXPECT(open_errno("out/file", O_RDONLY) == EACCES);
	return 0;
}

Test(unit, a_place_that_is_not_there_is_named_and_the_rest_is_kept)
{
	in_child(try_missing);
}

/* Since version 4; before, it is refused by nobody. */
static int try_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = enter_landlock();

	if (r)
		return r;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0);
	EXPECT(errno == EACCES || errno == ECONNREFUSED);
	return errno == EACCES ? 0 : -CHILD_SKIPS;
}

Test(unit, no_connection_goes_out)
{
	in_child(try_connect);
}

static int enter_seccomp(bool netlink)
{
	char why[SANDBOX_LIMIT_WHY] = "";

	give_up_privileges();
	return sandbox_seccomp(netlink, why) ? -CHILD_SKIPS : 0;
}

static void *mark(void *done)
{
	*(int *)done = 1;
	return NULL;
}

static int try_calls(void)
{
	int r = enter_seccomp(false);

	if (r)
		return r;
	EXPECT(execl("/bin/true", "true", NULL) && errno == EPERM);
	EXPECT(fork() < 0 && errno == EPERM);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EPERM);
	EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) && errno == EPERM);
	EXPECT(unshare(CLONE_NEWUSER) && errno == EPERM);
	EXPECT(kill(getppid(), 0) && errno == EPERM);
	EXPECT(chmod("in/file", 0777) && errno == EPERM);
	EXPECT(unlink("in/file") && errno == EPERM);
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED);
	EXPECT(errno == EPERM);
	EXPECT(setuid(0) && errno == EPERM);
	return 0;
}

Test(unit, what_no_server_of_files_needs_is_refused)
{
	in_child(try_calls);
}

static int try_needed(void)
{
	pthread_t thread;
	int r = enter_seccomp(false), done = 0;
	int fds[2];

	if (r)
		return r;
	EXPECT(!pthread_create(&thread, NULL, mark, &done) && !pthread_join(thread, NULL) && done);
	EXPECT(open_errno("in/file", O_RDONLY) == 0);
	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	/* The kernel looks at the arguments: so it was let through. */
	EXPECT(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno != EPERM);
	EXPECT(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) < 0 && errno == EBADF);
	free(malloc(1 << 24));
	return 0;
}

Test(unit, what_it_needs_is_there)
{
	in_child(try_needed);
}

static int try_netlink(void)
{
	int r = enter_seccomp(true);

	if (r)
		return r;
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	return 0;
}

Test(unit, the_kernel_is_asked_over_netlink_only_where_that_was_wanted)
{
	in_child(try_netlink);
}

static int try_all(void)
{
	struct sandbox_places places = { 0 };
	struct sandbox_report report;

	add_places(&places);
	sandbox_enter(&places, &report);
	sandbox_places_done(&places);
	EXPECT(report.applied[SANDBOX_NO_NEW_PRIVS]);
	for (int i = 0; i < _SANDBOX_PART_N; i++)
		EXPECT(report.applied[i] == !*report.why[i]);
	if (!report.applied[SANDBOX_LANDLOCK] || !report.applied[SANDBOX_SECCOMP])
		return -CHILD_SKIPS;
	EXPECT(open_errno("in/file", O_RDONLY) == 0);
	EXPECT(open_errno("/etc/passwd", O_RDONLY) == EACCES);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	return 0;
}

Test(unit, all_parts_together)
{
	in_child(try_all);
}

/* One that forbids the calls of the others, as an outer sandbox may. */
static int try_twice(void)
{
	struct sandbox_places places = { 0 };
	struct sandbox_report report;
	int r = enter_seccomp(false);

	if (r)
		return r;
	sandbox_enter(&places, &report);
	EXPECT(!report.applied[SANDBOX_LANDLOCK] &&
	       strstr(report.why[SANDBOX_LANDLOCK], "forbidden"));
	EXPECT(!report.applied[SANDBOX_SECCOMP]);
	EXPECT(strstr(report.why[SANDBOX_SECCOMP], "loading the filter: "));
	EXPECT(!report.applied[SANDBOX_NO_NEW_PRIVS]);
	EXPECT(*report.why[SANDBOX_NO_NEW_PRIVS]);
	return 0;
}

Test(unit, what_cannot_be_applied_says_why)
{
	in_child(try_twice);
}

Test(unit, parts_have_names)
{
	for (int i = 0; i < _SANDBOX_PART_N; i++)
		cr_expect(*sandbox_part_name((enum sandbox_part)i));
	cr_expect_str_eq(sandbox_part_name(_SANDBOX_PART_N), "");
}
