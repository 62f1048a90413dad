/* SPDX-License-Identifier: MIT */

/* What a machine says of itself: machines made of files, and this one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/counters.h>

#include "system.h"
#include "tests/kit.h"

#define RELEASE "7.2.12+deb13-amd64"

/* Each test has an empty directory for a machine of its own. */
TestSuite(unit, .init = kit_directory_enter, .fini = kit_directory_leave);

static void put(const char *path, const char *text)
{
	char place[256];
	FILE *file;

	snprintf(place, sizeof(place), "root%s", path);
	for (char *at = strchr(place, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(place, 0700);
		*at = '/';
	}
	file = fopen(place, "w");
	cr_assert(file, "%s: %s", place, strerror(errno));
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
}

static struct ktls_system gather(void)
{
	struct ktls_system system;

	ktls_system_gather("root", RELEASE, &system);
	return system;
}

Test(unit, a_machine_that_hides_everything_is_unknown)
{
	struct ktls_system system = gather();

	cr_assert_str_eq(system.release, RELEASE);
	cr_assert_str_eq(system.ulps, "");
	cr_assert_eq(system.ulp, KTLS_ANSWER_UNKNOWN);
	cr_assert_eq(system.module, KTLS_MODULE_UNKNOWN);
	cr_assert_eq(system.cpu_aes, KTLS_ANSWER_UNKNOWN);
	cr_assert_eq(system.cpu_simd, KTLS_ANSWER_UNKNOWN);
	for (size_t i = 0; i < sizeof(system.sysctl) / sizeof(system.sysctl[0]); i++)
		cr_assert_eq(system.sysctl[i], KTLS_SYSCTL_UNKNOWN);
}

Test(unit, what_a_machine_with_tls_says)
{
	struct ktls_system system;

	put("/proc/sys/net/ipv4/tcp_available_ulp", "mptcp tls\n");
	put("/proc/sys/net/ipv4/tcp_notsent_lowat", "4294967295\n");
	put("/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n");
	put("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t23692192\n");
	put("/proc/sys/kernel/io_uring_disabled", "0\n");
	put("/proc/sys/kernel/modules_disabled", "1\n");
	put("/proc/sys/crypto/fips_enabled", "0");
	put("/sys/module/tls/initstate", "live\n");
	put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu pclmulqdq ssse3 aes\n\nflags : fpu\n");
	system = gather();

	cr_assert_str_eq(system.ulps, "mptcp tls");
	cr_assert_eq(system.ulp, KTLS_ANSWER_YES);
	cr_assert_eq(system.module, KTLS_MODULE_LOADED);
	cr_assert_eq(system.cpu_aes, KTLS_ANSWER_YES);
	cr_assert_eq(system.cpu_simd, KTLS_ANSWER_YES);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT], 4294967295);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_WMEM_DEFAULT], 16384);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_WMEM_MAX], 4194304);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_RMEM_DEFAULT], 131072);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_RMEM_MAX], 23692192);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_IO_URING_DISABLED], 0);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_MODULES_DISABLED], 1);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_FIPS_ENABLED], 0);
	cr_assert_eq(system.sysctl[_KTLS_SYSCTL_N], KTLS_SYSCTL_UNKNOWN);
}

Test(unit, malformed_settings_are_unknown_alone)
{
	struct ktls_system system;

	put("/proc/sys/net/ipv4/tcp_notsent_lowat", "much\n");
	put("/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\n");
	put("/proc/sys/net/ipv4/tcp_rmem", "");
	put("/proc/sys/kernel/io_uring_disabled", "18446744073709551615\n");
	put("/proc/cpuinfo", "flags\n");
	system = gather();

	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT], KTLS_SYSCTL_UNKNOWN);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_WMEM_DEFAULT], 16384);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_WMEM_MAX], KTLS_SYSCTL_UNKNOWN);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_TCP_RMEM_DEFAULT], KTLS_SYSCTL_UNKNOWN);
	cr_assert_eq(system.sysctl[KTLS_SYSCTL_IO_URING_DISABLED], KTLS_SYSCTL_UNKNOWN);
	cr_assert_eq(system.cpu_aes, KTLS_ANSWER_UNKNOWN);
}

Test(unit, a_module_that_is_not_loaded_may_be_there)
{
	put("/proc/sys/net/ipv4/tcp_available_ulp", "mptcp\n");
	cr_assert_eq(gather().ulp, KTLS_ANSWER_NO);
	cr_assert_eq(gather().module, KTLS_MODULE_NOT_LOADED);

	put("/lib/modules/" RELEASE "/modules.dep",
	    "kernel/drivers/tls.ko.xz:\nkernel/net/a.ko: kernel/net/tls/tls.ko\n");
	cr_assert_eq(gather().module, KTLS_MODULE_ABSENT);

	put("/lib/modules/" RELEASE "/modules.dep",
	    "kernel/net/a.ko:\nkernel/net/tls/tls.ko.xz:\n");
	cr_assert_eq(gather().module, KTLS_MODULE_LOADABLE);
}

Test(unit, a_kernel_without_modules_has_none)
{
	put("/proc/sys/net/ipv4/tcp_available_ulp", "mptcp\n");
	put("/proc/version", "Linux\n");
	cr_assert_eq(gather().module, KTLS_MODULE_ABSENT);

	put("/proc/modules", "");
	cr_assert_eq(gather().module, KTLS_MODULE_NOT_LOADED);
}

Test(unit, a_module_that_is_no_module_is_built_in)
{
	put("/sys/module/tcp_cubic/parameters/x", "");
	put("/proc/sys/net/ipv4/tcp_available_ulp", "tls\n");

	cr_assert_eq(gather().module, KTLS_MODULE_BUILT_IN);
}

Test(unit, in_a_network_namespace_the_counters_prove_it)
{
	put("/proc/thread-self/net/tls_stat", "TlsCurrTxSw 0\n");

	cr_assert_eq(gather().ulp, KTLS_ANSWER_YES);
	cr_assert_eq(gather().module, KTLS_MODULE_LOADED);
	cr_assert_str_eq(gather().ulps, "");
}

Test(unit, arm_has_features)
{
	put("/proc/cpuinfo", "Features : fp asimd aes pmull\n");
	cr_assert_eq(gather().cpu_aes, KTLS_ANSWER_YES);
	cr_assert_eq(gather().cpu_simd, KTLS_ANSWER_YES);

	put("/proc/cpuinfo", "Features : fp aes\n");
	cr_assert_eq(gather().cpu_aes, KTLS_ANSWER_NO);
	cr_assert_eq(gather().cpu_simd, KTLS_ANSWER_NO);
}

Test(unit, this_machine_is_read_as_it_is)
{
	struct ktls_system system;
	struct utsname names;

	cr_assert_eq(uname(&names), 0);
	cr_assert_eq(ktls_system_read(&system, sizeof(system)), 0);

	cr_assert_str_eq(system.release, names.release);
	if (!access("/proc/thread-self/net/tls_stat", R_OK))
		cr_assert_eq(system.ulp, KTLS_ANSWER_YES);
	else if (system.ulps[0])
		cr_assert_eq(system.ulp, KTLS_ANSWER_NO);
}

Test(unit, an_older_program_gets_its_own_size)
{
	struct ktls_system system;

	memset(&system, 0xaa, sizeof(system));
	cr_assert_eq(ktls_system_read(&system, sizeof(system.release)), 0);
	cr_assert_eq((uint8_t)system.ulps[0], 0xaa);
	cr_assert_eq(ktls_system_read(NULL, sizeof(system)), -EINVAL);
	cr_assert_eq(ktls_system_read(&system, 0), -EINVAL);
}

Test(unit, names_are_of_one_thing_each)
{
	for (unsigned int i = 0; i <= _KTLS_SYSCTL_N; i++)
		for (unsigned int j = 0; j < i; j++)
			cr_assert_str_neq(ktls_sysctl_name(i), ktls_sysctl_name(j));
	for (unsigned int i = 0; i < _KTLS_MODULE_N; i++)
		for (unsigned int j = 0; j < i; j++)
			cr_assert_str_neq(ktls_module_name(i), ktls_module_name(j));
	cr_assert_str_eq(ktls_module_name(_KTLS_MODULE_N), "unknown");
	cr_assert_str_eq(ktls_answer_name(KTLS_ANSWER_YES), "yes");
	cr_assert_str_eq(ktls_answer_name(KTLS_ANSWER_NO), "no");
	cr_assert_str_eq(ktls_answer_name(_KTLS_ANSWER_N), "unknown");
}
