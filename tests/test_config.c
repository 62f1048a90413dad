/* SPDX-License-Identifier: MIT */

/*
 * Configs: what each setter takes, what it refuses and with which words, what the first connection
 * freezes, and who frees what.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "pair.h"
#include "pki.h"

enum {
	THREADS = 4,
	REFS = 20000, /* by each thread */
	TOO_LARGE = 2 << 20,
};

static const char *const names[] = { "localhost" };
static const char junk[] = "\x00\xff\x13\x37 this is neither PEM nor DER \x80\x81\x82";

static struct ktls_config *new_config(enum ktls_role role)
{
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	cr_assert_str_eq(ktls_config_error(config), "");
	return config;
}

/* The call was refused with the code, and in words that hold `words`. */
static void refused(const struct ktls_config *config, int rc, int code, const char *words)
{
	cr_assert(rc == code, "%s, not %s: %s", ktls_strerrorname(rc), ktls_strerrorname(code),
		  ktls_config_error(config));
	cr_assert(strstr(ktls_config_error(config), words), "\"%s\" lacks \"%s\"",
		  ktls_config_error(config), words);
}

static int add(struct ktls_config *config, const struct pki_pem *chain, const struct pki_pem *key)
{
	return ktls_config_add_identity(config, chain->data, chain->len, key->data, key->len);
}

static char *write_bytes(const void *bytes, size_t len)
{
	struct pki_pem pem = { (char *)bytes, len };

	return pki_write(&pem);
}

static void remove_file(char *path)
{
	unlink(path);
	free(path);
}

Test(unit, a_config_has_one_of_two_roles)
{
	struct ktls_config *config = NULL;

	cr_assert_eq(ktls_config_new(NULL, KTLS_CLIENT), -EINVAL);
	cr_assert_eq(ktls_config_new(&config, (enum ktls_role)7), -EINVAL);
	cr_assert_null(config);
}

Test(unit, freeing_takes_null_and_answers_null)
{
	cr_assert_null(ktls_config_unref(NULL));
	cr_assert_null(ktls_config_unref(new_config(KTLS_SERVER)));
	cr_assert_null(ktls_conn_free(NULL));
	cr_assert_str_eq(ktls_config_error(NULL), "");
	cr_assert_str_eq(ktls_conn_error(NULL), "");
}

/* Identity */

Test(unit, an_identity_comes_as_pem_or_der_from_memory_or_files)
{
	for (int rsa = 0; rsa < 2; rsa++) {
		struct pki_identity pem = pki_issue(PKI_GOOD, rsa, names, 1);
		struct pki_identity der = { pki_der(&pem.chain), pki_der(&pem.key) };
		const struct pki_identity *forms[] = { &pem, &der };

		for (int i = 0; i < 2; i++) {
			char *chain = pki_write(&forms[i]->chain), *key = pki_write(&forms[i]->key);
			struct ktls_config *config = new_config(KTLS_SERVER);

			cr_assert(!add(config, &forms[i]->chain, &forms[i]->key), "%s",
				  ktls_config_error(config));
			cr_assert(!ktls_config_add_identity_file(config, chain, key), "%s",
				  ktls_config_error(config));
			ktls_config_unref(config);
			remove_file(chain);
			remove_file(key);
		}
		pki_identity_free(&pem);
		pki_identity_free(&der);
	}
}

Test(unit, a_key_that_belongs_to_another_certificate_is_refused)
{
	struct pki_identity one = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_identity other = pki_issue(PKI_GOOD, false, names, 1);
	struct ktls_config *config = new_config(KTLS_SERVER);

	refused(config, add(config, &one.chain, &other.key), -KTLS_E_KEY_MISMATCH, "give its key");
	cr_assert(!add(config, &one.chain, &one.key), "the refused one spoilt the config");
	cr_assert_str_eq(ktls_config_error(config), "");
	ktls_config_unref(config);
	pki_identity_free(&one);
	pki_identity_free(&other);
}

Test(unit, a_chain_with_its_authority_first_is_refused)
{
	struct pki_identity leaf = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem authority = pki_authority();
	struct ktls_config *config = new_config(KTLS_SERVER);
	struct pki_pem chain = { malloc(leaf.chain.len + authority.len),
				 leaf.chain.len + authority.len };

	memcpy(chain.data, authority.data, authority.len);
	memcpy(chain.data + authority.len, leaf.chain.data, leaf.chain.len);
	refused(config, add(config, &chain, &leaf.key), -KTLS_E_KEY_MISMATCH, "leaf first");
	memcpy(chain.data, leaf.chain.data, leaf.chain.len);
	memcpy(chain.data + leaf.chain.len, authority.data, authority.len);
	cr_assert(!add(config, &chain, &leaf.key), "%s", ktls_config_error(config));
	ktls_config_unref(config);
	free(chain.data);
	pki_identity_free(&leaf);
}

Test(unit, an_encrypted_key_is_refused_with_what_to_do)
{
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem encrypted = pki_encrypted(&identity.key, "secret");
	struct ktls_config *config = new_config(KTLS_SERVER);

	refused(config, add(config, &identity.chain, &encrypted), -KTLS_E_BAD_KEY, "unencrypted");
	ktls_config_unref(config);
	gnutls_free(encrypted.data);
	pki_identity_free(&identity);
}

Test(unit, what_is_no_certificate_or_key_is_refused)
{
	struct pki_identity good = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem der = pki_der(&good.chain);
	struct pki_pem half_pem = { good.chain.data, good.chain.len / 2 };
	struct pki_pem half_der = { der.data, der.len / 2 };
	struct pki_pem no_base64 = { strndup(good.chain.data, good.chain.len), good.chain.len };
	struct pki_pem bad[] = {
		{ (char *)junk, sizeof(junk) }, { (char *)junk, 0 }, half_pem, half_der, no_base64
	};
	struct ktls_config *config = new_config(KTLS_SERVER);

	no_base64.data[good.chain.len / 2] = '*';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(config, add(config, &bad[i], &good.key), -KTLS_E_BAD_CERTIFICATE, "To do:");
		refused(config, add(config, &good.chain, &bad[i]), -KTLS_E_BAD_KEY, "To do:");
		refused(config, ktls_config_add_trust(config, bad[i].data, bad[i].len),
			-KTLS_E_BAD_TRUST, "To do:");
	}
	refused(config, add(config, &good.key, &good.key), -KTLS_E_BAD_CERTIFICATE, "To do:");
	refused(config, add(config, &good.chain, &good.chain), -KTLS_E_BAD_KEY, "To do:");
	ktls_config_unref(config);
	gnutls_free(der.data);
	free(no_base64.data);
	pki_identity_free(&good);
}

Test(unit, nothing_and_too_much_are_refused)
{
	struct pki_identity good = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem none = { 0 }, large = { calloc(1, TOO_LARGE), TOO_LARGE };
	struct ktls_config *config = new_config(KTLS_SERVER);

	refused(config, add(config, &none, &good.key), -EINVAL, "needed");
	refused(config, add(config, &good.chain, &none), -EINVAL, "needed");
	refused(config, add(config, &large, &good.key), -EINVAL, "1 MiB");
	refused(config, add(config, &good.chain, &large), -EINVAL, "1 MiB");
	refused(config, ktls_config_add_trust(config, large.data, large.len), -EINVAL, "1 MiB");
	refused(config, ktls_config_add_trust(config, NULL, 0), -EINVAL, "needed");
	refused(config, ktls_config_add_trust_file(config, NULL), -EINVAL, "needed");
	refused(config, ktls_config_add_identity_file(config, NULL, "/"), -EINVAL, "needed");
	refused(config, ktls_config_add_identity_file(config, "/", NULL), -EINVAL, "needed");
	refused(config, ktls_config_add_identity_self_signed(config, NULL, 0), -EINVAL, "name");
	refused(config, ktls_config_add_identity_self_signed(config, names, 0), -EINVAL, "name");
	ktls_config_unref(config);
	free(large.data);
	pki_identity_free(&good);
}

Test(unit, a_file_that_cannot_be_read_is_named)
{
	struct pki_identity good = pki_issue(PKI_GOOD, false, names, 1);
	char *chain = pki_write(&good.chain), *key = pki_write(&good.key);
	char *bytes = calloc(1, TOO_LARGE), *large = write_bytes(bytes, TOO_LARGE);
	char *empty = write_bytes("", 0);
	struct ktls_config *config = new_config(KTLS_SERVER);

	refused(config, ktls_config_add_identity_file(config, "/nonexistent/chain", key), -ENOENT,
		"/nonexistent/chain");
	refused(config, ktls_config_add_identity_file(config, chain, "/nonexistent/key"), -ENOENT,
		"/nonexistent/key");
	refused(config, ktls_config_add_trust_file(config, "/nonexistent/trust"), -ENOENT,
		"/nonexistent/trust");
	refused(config, ktls_config_add_identity_file(config, "/tmp", key), -EISDIR, "/tmp");
	refused(config, ktls_config_add_identity_file(config, large, key), -EFBIG, large);
	refused(config, ktls_config_add_trust_file(config, large), -EFBIG, large);
	refused(config, ktls_config_add_identity_file(config, empty, key), -KTLS_E_BAD_CERTIFICATE,
		"To do:");
	refused(config, ktls_config_add_identity_file(config, chain, empty), -KTLS_E_BAD_KEY,
		"To do:");
	refused(config, ktls_config_add_trust_file(config, empty), -KTLS_E_BAD_TRUST, "To do:");
	cr_assert(!ktls_config_add_identity_file(config, chain, key));
	ktls_config_unref(config);
	remove_file(chain);
	remove_file(key);
	remove_file(large);
	remove_file(empty);
	free(bytes);
	pki_identity_free(&good);
}

/* Root reads everything: the test becomes somebody else, in a process of its own. */
Test(unit, a_key_that_may_not_be_read_is_named)
{
	struct pki_identity good = pki_issue(PKI_GOOD, false, names, 1);
	char *chain = pki_write(&good.chain), *key = pki_write(&good.key);
	struct ktls_config *config = new_config(KTLS_SERVER);

	cr_assert(!chmod(key, 0) && !chmod(chain, 0444));
	if (!geteuid())
		cr_assert(!seteuid(65534));
	refused(config, ktls_config_add_identity_file(config, chain, key), -EACCES, key);
	if (!getuid())
		cr_assert(!seteuid(0));
	ktls_config_unref(config);
	remove_file(chain);
	remove_file(key);
	pki_identity_free(&good);
}

Test(unit, a_self_signed_identity_takes_names_and_addresses)
{
	static const char *const many[] = { "localhost", "example.org", "127.0.0.1", "::1" };
	struct ktls_config *config = new_config(KTLS_SERVER);

	cr_assert(!ktls_config_add_identity_self_signed(config, many, 4), "%s",
		  ktls_config_error(config));
	ktls_config_unref(config);
}

/* Trust */

Test(unit, trust_comes_as_pem_or_der_and_adds_up)
{
	struct pki_pem authority = pki_authority(), der = pki_der(&authority);
	char *path = pki_write(&authority), *der_path = pki_write(&der);
	struct ktls_config *config = new_config(KTLS_CLIENT);

	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	cr_assert(!ktls_config_add_trust(config, der.data, der.len));
	cr_assert(!ktls_config_add_trust_file(config, path));
	cr_assert(!ktls_config_add_trust_file(config, der_path));
	ktls_config_unref(config);
	remove_file(path);
	remove_file(der_path);
	gnutls_free(der.data);
}

Test(unit, only_a_server_asks_for_client_certificates)
{
	struct ktls_config *client = new_config(KTLS_CLIENT), *server = new_config(KTLS_SERVER);

	refused(client, ktls_config_set_client_auth(client, KTLS_CLIENT_AUTH_REQUIRE), -EINVAL,
		"server");
	refused(server, ktls_config_set_client_auth(server, _KTLS_CLIENT_AUTH_N), -EINVAL, "");
	for (unsigned int auth = 0; auth < _KTLS_CLIENT_AUTH_N; auth++)
		cr_assert(!ktls_config_set_client_auth(server, auth));
	ktls_config_unref(client);
	ktls_config_unref(server);
}

/* Parameters */

Test(unit, protocols_are_a_range)
{
	struct ktls_config *config = new_config(KTLS_CLIENT);

	cr_assert(!ktls_config_set_protocols(config, KTLS_TLS_1_2, KTLS_TLS_1_2));
	cr_assert(!ktls_config_set_protocols(config, KTLS_TLS_1_3, KTLS_TLS_1_3));
	cr_assert(!ktls_config_set_protocols(config, KTLS_TLS_1_2, KTLS_TLS_1_3));
	refused(config, ktls_config_set_protocols(config, KTLS_TLS_1_3, KTLS_TLS_1_2), -EINVAL,
		"lower one first");
	refused(config, ktls_config_set_protocols(config, (enum ktls_protocol)0x0302, KTLS_TLS_1_2),
		-EINVAL, "1.2 and 1.3");
	refused(config, ktls_config_set_protocols(config, KTLS_TLS_1_2, (enum ktls_protocol)0x0305),
		-EINVAL, "1.2 and 1.3");
	ktls_config_unref(config);
}

Test(unit, ciphers_are_known_and_named_once)
{
	static const enum ktls_cipher all[] = { KTLS_CHACHA20_POLY1305, KTLS_AES_128_CCM,
						KTLS_AES_256_GCM, KTLS_AES_128_GCM };
	static const enum ktls_cipher twice[] = { KTLS_AES_128_GCM, KTLS_AES_128_GCM };
	static const enum ktls_cipher unknown[] = { KTLS_AES_128_GCM, _KTLS_CIPHER_N };
	static const enum ktls_cipher five[5] = { 0 };
	struct ktls_config *config = new_config(KTLS_CLIENT);

	for (size_t n = 1; n <= _KTLS_CIPHER_N; n++)
		cr_assert(!ktls_config_set_ciphers(config, all, n));
	refused(config, ktls_config_set_ciphers(config, all, 0), -EINVAL, "at least one");
	refused(config, ktls_config_set_ciphers(config, NULL, 1), -EINVAL, "at least one");
	refused(config, ktls_config_set_ciphers(config, twice, 2), -EINVAL, "twice");
	refused(config, ktls_config_set_ciphers(config, unknown, 2), -EINVAL, "unknown");
	refused(config, ktls_config_set_ciphers(config, five, 5), -EINVAL, "once");
	ktls_config_unref(config);
}

Test(unit, application_protocols_have_1_to_255_bytes)
{
	static const char *const good[] = { "h2", "http/1.1" };
	static const char *const empty[] = { "h2", "" };
	static const char *const null[] = { NULL };
	const char *many[33];
	char text[257];
	const char *longest[] = { text };
	struct ktls_config *config = new_config(KTLS_CLIENT);

	for (size_t i = 0; i < 33; i++)
		many[i] = "x";
	memset(text, 'x', 256);
	text[255] = '\0';
	cr_assert(!ktls_config_set_alpn(config, good, 2));
	cr_assert(!ktls_config_set_alpn(config, longest, 1));
	cr_assert(!ktls_config_set_alpn(config, many, 32));
	cr_assert(!ktls_config_set_alpn(config, NULL, 0), "taking them back");
	text[255] = 'x';
	text[256] = '\0';
	refused(config, ktls_config_set_alpn(config, longest, 1), -EINVAL, "255");
	refused(config, ktls_config_set_alpn(config, empty, 2), -EINVAL, "255");
	refused(config, ktls_config_set_alpn(config, null, 1), -EINVAL, "255");
	refused(config, ktls_config_set_alpn(config, many, 33), -EINVAL, "32");
	refused(config, ktls_config_set_alpn(config, NULL, 1), -EINVAL, "32");
	ktls_config_unref(config);
}

Test(unit, offload_has_a_direction_a_moment_and_sometimes_bytes)
{
	struct ktls_config *config = new_config(KTLS_CLIENT);

	for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++)
		for (unsigned int when = 0; when < _KTLS_OFFLOAD_N; when++)
			cr_assert(!ktls_config_set_offload(
				config, d, when, when == KTLS_OFFLOAD_AFTER_BYTES ? 1000 : 0));
	refused(config, ktls_config_set_offload(config, _KTLS_DIRECTION_N, KTLS_OFFLOAD_AUTO, 0),
		-EINVAL, "direction");
	refused(config, ktls_config_set_offload(config, KTLS_TX, _KTLS_OFFLOAD_N, 0), -EINVAL,
		"moment");
	refused(config, ktls_config_set_offload(config, KTLS_TX, KTLS_OFFLOAD_AT_ONCE, 1), -EINVAL,
		"AFTER_BYTES");
	ktls_config_unref(config);
}

Test(unit, buffers_are_1_to_65536)
{
	struct ktls_config *config = new_config(KTLS_CLIENT);

	cr_assert(!ktls_config_set_buffers(config, 1));
	cr_assert(!ktls_config_set_buffers(config, 65536));
	refused(config, ktls_config_set_buffers(config, 0), -EINVAL, "65536");
	refused(config, ktls_config_set_buffers(config, 65537), -EINVAL, "65536");
	ktls_config_unref(config);
}

/* The freeze */

Test(unit, a_server_without_identity_is_refused_and_can_be_mended)
{
	struct ktls_config *config = new_config(KTLS_SERVER);
	struct ktls_conn *conn = NULL;
	int fd[2];

	pair_sockets(fd, 0);
	refused(config, ktls_conn_new(&conn, config, fd[0]), -KTLS_E_NO_IDENTITY,
		"ktls_config_add_identity_file()");
	cr_assert_null(conn);
	cr_assert(!ktls_config_add_identity_self_signed(config, names, 1));
	cr_assert(!ktls_conn_new(&conn, config, fd[0]), "%s", ktls_config_error(config));
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(fd[0]);
	close(fd[1]);
}

Test(unit, asking_clients_needs_somebody_to_trust)
{
	struct ktls_config *config = new_config(KTLS_SERVER);
	struct pki_pem authority = pki_authority();
	struct ktls_conn *conn = NULL;
	int fd[2];

	pair_sockets(fd, 0);
	cr_assert(!ktls_config_add_identity_self_signed(config, names, 1));
	cr_assert(!ktls_config_set_client_auth(config, KTLS_CLIENT_AUTH_REQUEST));
	refused(config, ktls_conn_new(&conn, config, fd[0]), -KTLS_E_BAD_TRUST,
		"ktls_config_add_trust_file()");
	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	cr_assert(!ktls_conn_new(&conn, config, fd[0]), "%s", ktls_config_error(config));
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(fd[0]);
	close(fd[1]);
}

/* Lifetime */

static void *take_and_give(void *config)
{
	for (int i = 0; i < REFS; i++)
		ktls_config_unref(ktls_config_ref(config));
	return NULL;
}

Test(unit, references_are_counted_by_any_thread)
{
	struct ktls_config *config = new_config(KTLS_SERVER);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		cr_assert(!pthread_create(&threads[i], NULL, take_and_give, config));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert(!ktls_config_set_buffers(config, 7), "it lives");
	ktls_config_unref(config);
}

Test(unit, a_connection_keeps_its_config_alive)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	int rc[2];

	for (int end = 0; end < 2; end++)
		pair.config[end] = ktls_config_unref(pair.config[end]);
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1]);
	pair_free(&pair);
}

Test(unit, a_connection_needs_a_stream_socket)
{
	struct ktls_config *config = new_config(KTLS_CLIENT);
	struct ktls_conn *conn = NULL;
	int fd[2], datagram = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert(!pipe(fd));
	cr_assert(!ktls_config_set_insecure_no_verify(config));
	cr_assert_eq(ktls_conn_new(&conn, config, -1), -EBADF);
	cr_assert_eq(ktls_conn_new(&conn, config, fd[0]), -ENOTSOCK);
	cr_assert_eq(ktls_conn_new(&conn, config, datagram), -EINVAL);
	cr_assert_eq(ktls_conn_new(NULL, config, fd[0]), -EINVAL);
	cr_assert_eq(ktls_conn_new(&conn, NULL, fd[0]), -EINVAL);
	cr_assert_null(conn);
	cr_assert(!ktls_config_set_buffers(config, 7), "frozen by what failed");
	ktls_config_unref(config);
	close(fd[0]);
	close(fd[1]);
	close(datagram);
}
