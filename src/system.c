/* SPDX-License-Identifier: MIT */

/*
 * What this machine says of itself; see ktls/system.h. Each answer stands by itself: a file that is
 * hidden or malformed leaves its own unknown, and no other.
 *
 * tcp_available_ulp is there only in the first network namespace. Where it is not, tls_stat, which
 * each namespace has, proves that the module is there.
 */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/sized.h"
#include "lines.h"
#include "system.h"

enum {
	FILE_MAX = 16 << 20, /* cpuinfo of a thousand processors, modules.dep of all drivers */
	NUMBER_MAX = 1 << 12,
};

struct sysctl {
	const char *name;
	const char *file;
	unsigned int index; /* of its numbers */
};

static const struct sysctl sysctls[_KTLS_SYSCTL_N] = {
	[KTLS_SYSCTL_TCP_NOTSENT_LOWAT] = { "net.ipv4.tcp_notsent_lowat",
					    "net/ipv4/tcp_notsent_lowat", 0 },
	[KTLS_SYSCTL_TCP_WMEM_DEFAULT] = { "net.ipv4.tcp_wmem.default", "net/ipv4/tcp_wmem", 1 },
	[KTLS_SYSCTL_TCP_WMEM_MAX] = { "net.ipv4.tcp_wmem.max", "net/ipv4/tcp_wmem", 2 },
	[KTLS_SYSCTL_TCP_RMEM_DEFAULT] = { "net.ipv4.tcp_rmem.default", "net/ipv4/tcp_rmem", 1 },
	[KTLS_SYSCTL_TCP_RMEM_MAX] = { "net.ipv4.tcp_rmem.max", "net/ipv4/tcp_rmem", 2 },
	[KTLS_SYSCTL_IO_URING_DISABLED] = { "kernel.io_uring_disabled", "kernel/io_uring_disabled",
					    0 },
	[KTLS_SYSCTL_MODULES_DISABLED] = { "kernel.modules_disabled", "kernel/modules_disabled",
					   0 },
	[KTLS_SYSCTL_FIPS_ENABLED] = { "crypto.fips_enabled", "crypto/fips_enabled", 0 },
};

static_assert(_KTLS_SYSCTL_N <= sizeof((struct ktls_system){ 0 }.sysctl) / sizeof(int64_t),
	      "there is room for every setting");

/* The file root/path/name. */
static int read_below(const char *root, const char *path, const char *name, size_t limit,
		      struct ktls_bytes *ret_bytes)
{
	char full[PATH_MAX];
	int len = snprintf(full, sizeof(full), "%s%s%s", root, path, name);

	if (len < 0 || (size_t)len >= sizeof(full))
		return -ENAMETOOLONG;
	return ktls_file_read(full, limit, ret_bytes);
}

static struct lines lines_of(const struct ktls_bytes *bytes)
{
	return (struct lines){ (const char *)bytes->data, bytes->len };
}

/* The first line of a file; its bytes are the caller's to free. */
static bool read_line(const char *root, const char *path, struct ktls_bytes *bytes,
		      struct lines_word *ret_line)
{
	struct lines lines;

	if (read_below(root, path, "", NUMBER_MAX, bytes) < 0)
		return false;
	lines = lines_of(bytes);
	return lines_next(&lines, ret_line);
}

static int64_t read_sysctl(const char *root, const struct sysctl *sysctl)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	struct lines_word line;
	uint64_t number = 0;

	if (read_below(root, "/proc/sys/", sysctl->file, NUMBER_MAX, &bytes) < 0)
		return KTLS_SYSCTL_UNKNOWN;
	line = (struct lines_word){ (const char *)bytes.data, bytes.len };
	line.len -= line.len && line.at[line.len - 1] == '\n';
	for (unsigned int i = 0; i <= sysctl->index; i++) {
		if (!lines_take_number(&line, &number) || number > INT64_MAX)
			return KTLS_SYSCTL_UNKNOWN;
	}
	return (int64_t)number;
}

/*
 * -- the module --
 */

static bool is_there(const char *root, const char *path)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	int r = read_below(root, path, "", FILE_MAX, &bytes);

	return !r || r == -EISDIR;
}

static void read_ulps(const char *root, struct ktls_system *system)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	struct lines_word line;

	if (is_there(root, "/proc/thread-self/net/tls_stat"))
		system->ulp = KTLS_ANSWER_YES;
	if (!read_line(root, "/proc/sys/net/ipv4/tcp_available_ulp", &bytes, &line))
		return;
	system->ulp = lines_has(line, "tls") ? KTLS_ANSWER_YES : KTLS_ANSWER_NO;
	(void)lines_copy(line, system->ulps, sizeof(system->ulps));
}

/* A kernel that loads no modules at all has no list of them, but tells its version. */
static bool has_modules(const char *root)
{
	return is_there(root, "/proc/modules") || !is_there(root, "/proc/version");
}

/* Whether modprobe would find it: a line of modules.dep begins with its file's path. */
static enum ktls_module find_module(const char *root, const char *release)
{
	static const char file[] = "/tls/tls.ko";
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	struct lines_word line, name, needs;
	char path[PATH_MAX];
	struct lines lines;

	if (!has_modules(root))
		return KTLS_MODULE_ABSENT;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	if (read_below(root, path, "", FILE_MAX, &bytes) < 0)
		return KTLS_MODULE_NOT_LOADED;
	lines = lines_of(&bytes);
	while (lines_next(&lines, &line)) {
		if (lines_split(line, &name, &needs) &&
		    memmem(name.at, name.len, file, strlen(file)))
			return KTLS_MODULE_LOADABLE;
	}
	return KTLS_MODULE_ABSENT;
}

static enum ktls_module read_module(const char *root, const char *release, enum ktls_answer ulp)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	bool visible = is_there(root, "/sys/module");
	struct lines_word line;

	if (read_line(root, "/sys/module/tls/initstate", &bytes, &line) && lines_is(line, "live"))
		return KTLS_MODULE_LOADED;
	/* What is built in has no such state. */
	if (ulp == KTLS_ANSWER_YES)
		return visible ? KTLS_MODULE_BUILT_IN : KTLS_MODULE_LOADED;
	if (ulp == KTLS_ANSWER_UNKNOWN && !visible)
		return KTLS_MODULE_UNKNOWN;
	return find_module(root, release);
}

/*
 * -- the CPU --
 */

/* "flags : ..." of x86, "Features : ..." of ARM; elsewhere nothing is known. */
static bool find_flags(const struct ktls_bytes *bytes, struct lines_word *ret_flags)
{
	struct lines lines = lines_of(bytes);
	struct lines_word line, name;

	while (lines_next(&lines, &line)) {
		if (lines_split(line, &name, ret_flags) &&
		    (lines_is(name, "flags") || lines_is(name, "Features")))
			return true;
	}
	return false;
}

static uint16_t answer_of(bool yes)
{
	return yes ? KTLS_ANSWER_YES : KTLS_ANSWER_NO;
}

static void read_cpu(const char *root, struct ktls_system *system)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	struct lines_word flags;

	if (read_below(root, "/proc/cpuinfo", "", FILE_MAX, &bytes) < 0 ||
	    !find_flags(&bytes, &flags))
		return;
	system->cpu_aes = answer_of(lines_has(flags, "aes") &&
				    (lines_has(flags, "pclmulqdq") || lines_has(flags, "pmull")));
	system->cpu_simd = answer_of(lines_has(flags, "ssse3") || lines_has(flags, "asimd"));
}

/*
 * -- all of it --
 */

void ktls_system_gather(const char *root, const char *release, struct ktls_system *ret_system)
{
	struct ktls_system system = { 0 };

	snprintf(system.release, sizeof(system.release), "%s", release);
	read_ulps(root, &system);
	system.module = (uint16_t)read_module(root, system.release, (enum ktls_answer)system.ulp);
	read_cpu(root, &system);
	for (size_t i = 0; i < sizeof(system.sysctl) / sizeof(system.sysctl[0]); i++)
		system.sysctl[i] =
			i < _KTLS_SYSCTL_N ? read_sysctl(root, &sysctls[i]) : KTLS_SYSCTL_UNKNOWN;
	*ret_system = system;
}

int ktls_system_read(struct ktls_system *ret_system, size_t size)
{
	struct utsname names = { 0 };
	struct ktls_system system;

	if (!ret_system || !size)
		return -EINVAL;
	uname(&names);
	ktls_system_gather("", names.release, &system);
	ktls_sized_copy(ret_system, size, &system, sizeof(system));
	return 0;
}

const char *ktls_answer_name(unsigned int answer)
{
	switch (answer) {
	case KTLS_ANSWER_NO:
		return "no";
	case KTLS_ANSWER_YES:
		return "yes";
	}
	return "unknown";
}

const char *ktls_module_name(unsigned int module)
{
	static const char *const names[_KTLS_MODULE_N] = {
		[KTLS_MODULE_UNKNOWN] = "unknown", [KTLS_MODULE_NOT_LOADED] = "not loaded",
		[KTLS_MODULE_ABSENT] = "absent",   [KTLS_MODULE_LOADABLE] = "loadable",
		[KTLS_MODULE_LOADED] = "loaded",   [KTLS_MODULE_BUILT_IN] = "built in",
	};

	return module < _KTLS_MODULE_N ? names[module] : "unknown";
}

const char *ktls_sysctl_name(unsigned int sysctl)
{
	return sysctl < _KTLS_SYSCTL_N ? sysctls[sysctl].name : "unknown";
}
