/* SPDX-License-Identifier: MIT */

/* A key by hand, and a loop; see bare_kernel.h. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "bare_kernel.h"
#include "support.h"

bool bare_kernel_key(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 crypto;

	if (getrandom(&crypto, sizeof(crypto), 0) != sizeof(crypto))
		return false;
	crypto.info.version = TLS_1_3_VERSION;
	crypto.info.cipher_type = TLS_CIPHER_AES_GCM_128;
	memset(crypto.rec_seq, 0, sizeof(crypto.rec_seq));
	return !setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) &&
	       !setsockopt(fd, SOL_TLS, TLS_TX, &crypto, sizeof(crypto));
}

void bare_kernel_send_file(int fd, int file_fd, uint64_t len)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
	off_t at = 0;

	while ((uint64_t)at < len) {
		ssize_t n = sendfile(fd, file_fd, &at, len - (uint64_t)at);

		if (!n)
			bench_die("sendfile: the file is short");
		if (n < 0 && errno == EAGAIN)
			poll(&pollfd, 1, -1);
		else if (n < 0)
			bench_die("sendfile: %s", strerror(errno));
	}
}
