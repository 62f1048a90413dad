/* SPDX-License-Identifier: MIT */

/* What each kind of op is for the kernel: its opcode, what it may carry, how its entry is filled.
 */

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include <ktls/conn.h>

#include "uring/inside.h"

struct kind {
	uint8_t opcode;
	uint8_t needs;	    /* enum uring_feature, beside the opcode; URING_HAS_RING: nothing */
	unsigned int flags; /* enum uring_flag that it understands; URING_ALWAYS all do */
	bool pool;
	bool deadline; /* may have one */
	void (*fill)(const struct uring_request *request, struct io_uring_sqe *sqe);
};

static void fill_nop(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	(void)request;
	io_uring_prep_nop(sqe);
}

static void fill_accept(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_accept(sqe, request->fd, NULL, NULL, (int)request->arg);
	if (request->flags & URING_MULTISHOT)
		sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
	if (request->flags & URING_TO_DIRECT)
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

static void fill_connect(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_connect(sqe, request->fd, request->data, (socklen_t)request->len);
}

static void choose_buffer(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	if (!request->pool)
		return;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = request->pool->group;
}

/* The registration instead of the address; io_uring knew it first for sends without a copy. */
static void choose_fixed(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	if (!(request->flags & URING_FIXED))
		return;
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->buf_index = (uint16_t)request->buffer->index;
}

static void fill_recv(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_recv(sqe, request->fd, request->data, request->len, (int)request->arg);
	if (request->flags & URING_MULTISHOT)
		sqe->ioprio |= IORING_RECV_MULTISHOT;
	choose_buffer(request, sqe);
	choose_fixed(request, sqe);
}

static void fill_recvmsg(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_recvmsg(sqe, request->fd, request->data, request->arg);
	if (request->flags & URING_MULTISHOT)
		sqe->ioprio |= IORING_RECV_MULTISHOT;
	choose_buffer(request, sqe);
}

static void fill_send(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_send(sqe, request->fd, request->data, request->len, (int)request->arg);
	choose_fixed(request, sqe);
}

static void fill_sendmsg(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_sendmsg(sqe, request->fd, request->data, request->arg);
}

static void fill_send_zc(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_send_zc(sqe, request->fd, request->data, request->len, (int)request->arg, 0);
}

static bool is_fixed(const struct uring_request *request)
{
	return request->buffer && request->buffer->registered;
}

static void fill_read(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	unsigned int len = (unsigned int)request->len;

	if (is_fixed(request))
		io_uring_prep_read_fixed(sqe, request->fd, request->data, len, request->offset,
					 (int)request->buffer->index);
	else
		io_uring_prep_read(sqe, request->fd, request->data, len, request->offset);
}

static void fill_write(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	unsigned int len = (unsigned int)request->len;

	if (is_fixed(request))
		io_uring_prep_write_fixed(sqe, request->fd, request->data, len, request->offset,
					  (int)request->buffer->index);
	else
		io_uring_prep_write(sqe, request->fd, request->data, len, request->offset);
}

static void fill_splice(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	unsigned int fixed = request->flags & URING_FROM_DIRECT ? SPLICE_F_FD_IN_FIXED : 0;

	io_uring_prep_splice(sqe, request->fd_in, (int64_t)request->offset_in, request->fd,
			     (int64_t)request->offset, (unsigned int)request->len,
			     request->arg | fixed);
}

static void fill_poll(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_add(sqe, request->fd, request->arg);
	if (request->flags & URING_MULTISHOT)
		sqe->len |= IORING_POLL_ADD_MULTI;
}

/* struct io_uring_sqe of 6.7 names these members level, optname, optlen and optval. */
static void fill_setsockopt(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = request->fd;
	sqe->cmd_op = NEWER_SOCKET_URING_OP_SETSOCKOPT;
	sqe->addr = (uint64_t)request->arg << 32 | (uint32_t)request->level;
	sqe->file_index = (uint32_t)request->len;
	sqe->addr3 = (uint64_t)(uintptr_t)request->data;
}

static void fill_install(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->opcode = NEWER_OP_FIXED_FD_INSTALL;
	sqe->fd = request->fd;
}

static void fill_shutdown(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	io_uring_prep_shutdown(sqe, request->fd, (int)request->arg);
}

static void fill_close(const struct uring_request *request, struct io_uring_sqe *sqe)
{
	if (request->flags & URING_DIRECT)
		io_uring_prep_close_direct(sqe, (unsigned int)request->fd);
	else
		io_uring_prep_close(sqe, request->fd);
}

static const struct kind kinds[_URING_KIND_N] = {
	[URING_NOP] = { IORING_OP_NOP, URING_HAS_RING, 0, false, true, fill_nop },
	[URING_ACCEPT] = { IORING_OP_ACCEPT, URING_HAS_RING,
			   URING_MULTISHOT | URING_DIRECT | URING_TO_DIRECT, false, true,
			   fill_accept },
	[URING_CONNECT] = { IORING_OP_CONNECT, URING_HAS_RING, URING_DIRECT, false, true,
			    fill_connect },
	[URING_RECV] = { IORING_OP_RECV, URING_HAS_RING,
			 URING_MULTISHOT | URING_DIRECT | URING_FIXED, true, true, fill_recv },
	[URING_RECVMSG] = { IORING_OP_RECVMSG, URING_HAS_RING, URING_MULTISHOT | URING_DIRECT, true,
			    true, fill_recvmsg },
	[URING_SEND] = { IORING_OP_SEND, URING_HAS_RING, URING_DIRECT | URING_FIXED, false, true,
			 fill_send },
	[URING_SENDMSG] = { IORING_OP_SENDMSG, URING_HAS_RING, URING_DIRECT, false, true,
			    fill_sendmsg },
	[URING_SEND_ZC] = { IORING_OP_SEND_ZC, URING_HAS_SEND_ZC, URING_DIRECT, false, false,
			    fill_send_zc },
	[URING_READ] = { IORING_OP_READ, URING_HAS_RING, URING_DIRECT, false, true, fill_read },
	[URING_WRITE] = { IORING_OP_WRITE, URING_HAS_RING, URING_DIRECT, false, true, fill_write },
	[URING_SPLICE] = { IORING_OP_SPLICE, URING_HAS_RING, URING_DIRECT | URING_FROM_DIRECT,
			   false, false, fill_splice },
	[URING_POLL] = { IORING_OP_POLL_ADD, URING_HAS_RING, URING_MULTISHOT | URING_DIRECT, false,
			 true, fill_poll },
	[URING_SETSOCKOPT] = { IORING_OP_URING_CMD, URING_HAS_SETSOCKOPT, URING_DIRECT, false, true,
			       fill_setsockopt },
	[URING_INSTALL] = { NEWER_OP_FIXED_FD_INSTALL, URING_HAS_FD_INSTALL, URING_DIRECT, false,
			    true, fill_install },
	[URING_SHUTDOWN] = { IORING_OP_SHUTDOWN, URING_HAS_RING, URING_DIRECT, false, false,
			     fill_shutdown },
	[URING_CLOSE] = { IORING_OP_CLOSE, URING_HAS_RING, URING_DIRECT, false, false, fill_close },
};

unsigned int request_opcode(enum uring_kind kind)
{
	return kinds[kind].opcode;
}

static bool fits_buffer(const struct uring_request *request)
{
	const struct uring_buffer *buffer = request->buffer;
	const uint8_t *data = request->data;

	if (!buffer)
		return true;
	return data >= buffer->data && request->len <= buffer->len &&
	       (size_t)(data - buffer->data) <= buffer->len - request->len;
}

/* What this ring has to have for a multishot of the kind. */
static enum uring_feature multishot_of(enum uring_kind kind)
{
	if (kind == URING_ACCEPT)
		return URING_HAS_MULTISHOT_ACCEPT;
	if (kind == URING_RECV)
		return URING_HAS_MULTISHOT_RECV;
	if (kind == URING_RECVMSG)
		return URING_HAS_MULTISHOT_RECVMSG;
	return URING_HAS_RING;
}

static int check_multishot(const struct uring *ring, const struct uring_request *request)
{
	if (kinds[request->kind].pool && !request->pool)
		return -EINVAL;
	return uring_has(ring, multishot_of(request->kind)) ? 0 : -EOPNOTSUPP;
}

static int check_deadline(const struct uring *ring, const struct uring_request *request)
{
	if (!request->deadline_ns || request->deadline_ns == KTLS_FOREVER)
		return 0;
	if (request->flags & URING_MULTISHOT || !kinds[request->kind].deadline)
		return -EINVAL;
	return uring_has(ring, URING_HAS_DEADLINES) ? 0 : -EOPNOTSUPP;
}

int request_check(const struct uring *ring, const struct uring_request *request)
{
	const struct kind *kind;
	int r = 0;

	if ((unsigned int)request->kind >= _URING_KIND_N)
		return -EINVAL;
	kind = &kinds[request->kind];
	if (request->flags & ~(kind->flags | URING_ALWAYS) || request->len > INT32_MAX ||
	    (request->pool && !kind->pool) || !fits_buffer(request))
		return -EINVAL;
	if (request->flags & URING_TO_DIRECT && !ring->options.files)
		return -EINVAL;
	if (request->flags & URING_FIXED && (request->pool || !is_fixed(request)))
		return -EINVAL;
	if (!(uring_probe()->opcodes >> kind->opcode & 1) || !uring_has(ring, kind->needs))
		return -EOPNOTSUPP;
	if (request->flags & URING_MULTISHOT)
		r = check_multishot(ring, request);
	return r ? r : check_deadline(ring, request);
}

void request_fill(const struct uring_request *request, struct io_uring_sqe *ret_sqe)
{
	kinds[request->kind].fill(request, ret_sqe);
	/* To close a direct one is to name it elsewhere. */
	if (request->flags & URING_DIRECT && request->kind != URING_CLOSE)
		ret_sqe->flags |= IOSQE_FIXED_FILE;
	/* Installing is only for these. */
	if (request->kind == URING_INSTALL)
		ret_sqe->flags |= IOSQE_FIXED_FILE;
}
