/* SPDX-License-Identifier: MIT */

/*
 * The bytes of netlink: requests put together, answers taken apart, attribute by attribute. Values
 * are read by bytes, for attributes are aligned to four bytes at most, and no length is believed.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/netlink.h>

#include "netlink.h"

/* Requests */

int ktls_ask_put_header(struct ktls_ask *ask, const void *header, size_t len)
{
	size_t aligned = NLMSG_ALIGN(len);

	if (len > sizeof(ask->data) || aligned > sizeof(ask->data) - ask->len)
		return -EMSGSIZE;
	memset(ask->data + ask->len, 0, aligned);
	memcpy(ask->data + ask->len, header, len);
	ask->len += aligned;
	return 0;
}

int ktls_ask_put(struct ktls_ask *ask, uint16_t type, const void *value, size_t len)
{
	struct nlattr head = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	if (len > sizeof(ask->data) || NLA_HDRLEN + NLA_ALIGN(len) > sizeof(ask->data) - ask->len)
		return -EMSGSIZE;
	memset(ask->data + ask->len, 0, NLA_HDRLEN + NLA_ALIGN(len));
	memcpy(ask->data + ask->len, &head, sizeof(head));
	if (len)
		memcpy(ask->data + ask->len + NLA_HDRLEN, value, len);
	ask->len += NLA_HDRLEN + NLA_ALIGN(len);
	return 0;
}

int ktls_ask_begin(struct ktls_ask *ask, uint16_t type, size_t *ret_mark)
{
	size_t mark = ask->len;
	int r = ktls_ask_put(ask, type | NLA_F_NESTED, NULL, 0);

	if (!r)
		*ret_mark = mark;
	return r;
}

void ktls_ask_end(struct ktls_ask *ask, size_t mark)
{
	struct nlattr head;

	assert(mark + NLA_HDRLEN <= ask->len);
	memcpy(&head, ask->data + mark, sizeof(head));
	head.nla_len = (uint16_t)(ask->len - mark);
	memcpy(ask->data + mark, &head, sizeof(head));
}

/* Answers */

int ktls_view_skip(struct ktls_view message, size_t len, struct ktls_view *ret_row)
{
	size_t aligned = NLMSG_ALIGN(len);

	if (message.len < len)
		return -EBADMSG;
	if (aligned > message.len)
		aligned = message.len;
	*ret_row = (struct ktls_view){ message.data + aligned, message.len - aligned };
	return 0;
}

int ktls_view_next(struct ktls_view *row, uint16_t *ret_type, struct ktls_view *ret_view)
{
	struct nlattr head;
	size_t aligned;

	if (!row->len)
		return -ENODATA;
	if (row->len < NLA_HDRLEN)
		return -EBADMSG;
	memcpy(&head, row->data, sizeof(head));
	if (head.nla_len < NLA_HDRLEN || head.nla_len > row->len)
		return -EBADMSG;
	aligned = NLA_ALIGN(head.nla_len);
	if (aligned > row->len)
		aligned = row->len; /* of the last one nothing needs to follow */
	*ret_type = head.nla_type & NLA_TYPE_MASK;
	*ret_view = (struct ktls_view){ row->data + NLA_HDRLEN, head.nla_len - NLA_HDRLEN };
	*row = (struct ktls_view){ row->data + aligned, row->len - aligned };
	return 0;
}

int ktls_views(struct ktls_view row, struct ktls_view *ret_views, size_t n)
{
	struct ktls_view left = row, view;
	uint16_t type;
	int r;

	do
		r = ktls_view_next(&left, &type, &view);
	while (!r);
	if (r != -ENODATA)
		return r;
	memset(ret_views, 0, n * sizeof(*ret_views));
	while (!ktls_view_next(&row, &type, &view))
		if (type < n)
			ret_views[type] = view;
	return 0;
}

uint8_t ktls_view_u8(struct ktls_view view, uint8_t otherwise)
{
	return view.len == sizeof(otherwise) ? *view.data : otherwise;
}

uint16_t ktls_view_u16(struct ktls_view view, uint16_t otherwise)
{
	if (view.len == sizeof(otherwise))
		memcpy(&otherwise, view.data, sizeof(otherwise));
	return otherwise;
}

uint32_t ktls_view_u32(struct ktls_view view, uint32_t otherwise)
{
	if (view.len == sizeof(otherwise))
		memcpy(&otherwise, view.data, sizeof(otherwise));
	return otherwise;
}

uint64_t ktls_view_u64(struct ktls_view view, uint64_t otherwise)
{
	if (view.len == sizeof(otherwise))
		memcpy(&otherwise, view.data, sizeof(otherwise));
	return otherwise;
}

void ktls_view_string(struct ktls_view view, char *ret_text, size_t size)
{
	size_t len = view.len ? strnlen((const char *)view.data, view.len) : 0;

	if (!size)
		return;
	if (len > size - 1)
		len = size - 1;
	if (len)
		memcpy(ret_text, view.data, len);
	ret_text[len] = '\0';
}
