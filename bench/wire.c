/* SPDX-License-Identifier: MIT */

/* See wire.h. The peers are the harness's own, or servers that a person chose. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

/* Its length with its empty line. */
static int find_head(const char *bytes, size_t n, size_t max, size_t *ret_len)
{
	const char *end = memmem(bytes, n, "\r\n\r\n", 4);

	if (!end)
		return n < max ? 1 : -EBADMSG;
	*ret_len = (size_t)(end - bytes) + 4;
	return 0;
}

int wire_read_request(const char *bytes, size_t n, struct wire_request *ret_request)
{
	static const char get[] = "GET /", put[] = "PUT /";
	const char *number = bytes + sizeof(get) - 1;
	char *end;
	uint64_t size;
	size_t len;
	int r = find_head(bytes, n, WIRE_OWN_MAX, &len);

	if (r)
		return r;
	if (len < sizeof(get) ||
	    (memcmp(bytes, get, sizeof(get) - 1) && memcmp(bytes, put, sizeof(put) - 1)))
		return -EBADMSG;
	/* The head's end is no digit, so that it ends there at the latest. */
	size = strtoull(number, &end, 10);
	if (end == number || *end != ' ')
		return -EBADMSG;
	*ret_request = (struct wire_request){ len, size, *bytes == 'P' };
	return 0;
}

/* RFC 9112 section 9.3, as far as servers make use of it. */
int wire_read_answer(const char *bytes, size_t n, struct wire_answer *ret_answer)
{
	static const char begin[] = "HTTP/1.", status[] = " 200 ", field[] = "\r\ncontent-length:";
	char head[WIRE_HEAD_MAX + 1];
	const char *found;
	size_t len;
	int r = find_head(bytes, n, WIRE_HEAD_MAX, &len);

	if (r)
		return r;
	if (len > WIRE_HEAD_MAX)
		return -EBADMSG;
	memcpy(head, bytes, len);
	head[len] = '\0';
	found = strcasestr(head, field);
	if (!found || strncmp(head, begin, strlen(begin)) ||
	    strncmp(head + sizeof(begin), status, strlen(status)))
		return -EBADMSG;
	ret_answer->len = len;
	ret_answer->size = strtoull(found + strlen(field), NULL, 10);
	ret_answer->is_last =
		head[strlen(begin)] == '0' || strcasestr(head, "\r\nconnection: close\r\n");
	return 0;
}

size_t wire_write_request(char *head, const char *host, const char *path)
{
	int n = snprintf(head, WIRE_OWN_MAX, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);

	return n < WIRE_OWN_MAX ? (size_t)n : 0;
}

size_t wire_write_upload(char *head, const char *host, uint64_t size)
{
	int n = snprintf(head, WIRE_OWN_MAX,
			 "PUT /%llu HTTP/1.1\r\nHost: %s\r\nContent-Length: %llu\r\n\r\n",
			 (unsigned long long)size, host, (unsigned long long)size);

	return n < WIRE_OWN_MAX ? (size_t)n : 0;
}

size_t wire_write_answer(char *head, uint64_t size)
{
	return (size_t)snprintf(head, WIRE_OWN_MAX,
				"HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
				(unsigned long long)size);
}

void wire_fill(uint8_t block[WIRE_BLOCK_LEN])
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < WIRE_BLOCK_LEN; i++) {
		/* Knuth's, of The Art of Computer Programming 3.3.4. */
		state = state * 6364136223846793005u + 1442695040888963407u;
		block[i] = (uint8_t)(state >> 56);
	}
}
