/* SPDX-License-Identifier: MIT */

/* What is said beside the table. */

#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "seen.h"
#include "stat_table.h"

static void expect(struct stat_moment *moment, const char *wanted)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert(out);
	stat_notes_print(out, moment);
	fclose(out);
	cr_expect_str_eq(text, wanted);
	free(text);
	stat_moment_done(moment);
}

Test(unit, where_all_is_seen_nothing_is_said)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");

	expect(&moment, "");
}

Test(unit, no_socket_and_no_module)
{
	struct stat_moment moment = seen_nothing();

	expect(&moment, "no such TCP socket was seen\n"
			"the kernel's module tls is not loaded, so no socket has kernel TLS: "
			"\"modprobe tls\" "
			"loads it, where there is one; \"ktls probe\" says more\n");
}

Test(unit, no_socket_though_the_module_is_there)
{
	struct stat_moment moment = seen_nothing();

	moment.places.list[0].counters_error = 0;

	expect(&moment, "no such TCP socket was seen\n");
}

Test(unit, what_is_hidden_and_what_to_do)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	moment.places.list[0].hidden = 1;
	moment.places.hidden = 2;
	moment.owners.hidden = 3;

	expect(&moment,
	       "1 TCP socket of which this kernel does not tell whether they have TLS: run as "
	       "root, or "
	       "with CAP_NET_ADMIN\n"
	       "2 processes whose namespace may not be seen: run as root, or with CAP_SYS_PTRACE\n"
	       "3 processes whose sockets may not be seen: run as root, or with CAP_SYS_PTRACE\n");
}

Test(unit, of_all_namespaces_together)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	moment.places.list[0].hidden = 1;
	seen_add_place(&moment, "blue")->hidden = 4;

	cr_expect_eq(stat_moment_hidden(&moment), 5);
	expect(&moment,
	       "5 TCP sockets of which this kernel does not tell whether they have TLS: run "
	       "as root, or with CAP_NET_ADMIN\n");
}

Test(unit, why_a_namespace_could_not_be_looked_into)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_add_place(&moment, "a\"b")->error = -EPERM;
	seen_add_place(&moment, "gone")->error = -ENOENT;
	seen_add_place(&moment, "file")->error = -EINVAL;
	seen_add_place(&moment, "bare")->error = -EPROTONOSUPPORT;
	seen_add_place(&moment, "other")->error = -EMFILE;

	expect(&moment,
	       "namespace \"a\\x22b\": it may not be entered: run as root, or with CAP_SYS_ADMIN\n"
	       "namespace \"gone\": there is no such namespace\n"
	       "namespace \"file\": this is no network namespace\n"
	       "namespace \"bare\": this kernel has no sock_diag for TCP: \"modprobe tcp_diag\" "
	       "loads "
	       "it, where there is one\n"
	       "namespace \"other\": Too many open files\n");
}

Test(unit, where_nobody_answered_nothing_is_claimed)
{
	struct stat_moment moment = seen_nothing();

	moment.places.list[0].error = -EPERM;
	moment.places.list[0].entered = true;

	expect(&moment, "this process may not ask the kernel: something forbids it sock_diag\n");
}
