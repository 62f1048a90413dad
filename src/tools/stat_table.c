/* SPDX-License-Identifier: MIT */

/*
 * See stat_table.h. Columns are as wide as what is in them. Where a row of that width does not fit,
 * all rows have two lines, the addresses in one, TLS in the other; and an address that is still too
 * long for its column has the rest of its line to itself.
 */

#include <inttypes.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>

#include "stat_table.h"
#include "text.h"
#include "tool.h"

enum column {
	COLUMN_STATE = 0,
	COLUMN_LOCAL,
	COLUMN_PEER,
	COLUMN_TLS,
	COLUMN_CIPHER,
	COLUMN_TX,
	COLUMN_RX,
	_COLUMN_N,
};

enum {
	GAP = 2,
	INDENT = 7,	     /* of what is said in further lines */
	PAYLOAD_LEN = 16384, /* of a record, if nothing else was agreed (RFC 8446 5.1) */
	CELL_LEN = KTLS_ADDRESS_TEXT_LEN,
	ITEM_LEN = 4 * STAT_OWNERS_LIMIT_NAME + 64,
};

static const char *const titles[_COLUMN_N] = {
	"STATE", "LOCAL", "PEER", "TLS", "CIPHER", "TX", "RX",
};

static const char color_off[] = "\x1b[0m";
static const char color_bold[] = "\x1b[1m";
static const char color_dim[] = "\x1b[2m";
static const char color_green[] = "\x1b[32m";
static const char color_yellow[] = "\x1b[33m";
static const char color_cyan[] = "\x1b[36m";

/* Where the pen is. */
struct pen {
	FILE *out;
	const struct stat_look *look;
	unsigned int column;
	unsigned int starts[_COLUMN_N];
	unsigned int widths[_COLUMN_N];
	bool is_split; /* what is of TLS has a line of its own */
};

/* -- Cells -- */

const char *stat_table_version(const struct ktls_diag_socket *socket)
{
	switch (socket->protocol) {
	case KTLS_TLS_1_2:
		return "1.2";
	case KTLS_TLS_1_3:
		return "1.3";
	}
	return NULL;
}

/* "?": the kernel does not tell; "-": there is none. */
static const char *without(const struct ktls_diag_socket *socket, uint32_t fact)
{
	if (socket->told & KTLS_DIAG_TOLD_TLS && !socket->tls)
		return "-";
	return socket->told & fact ? "-" : "?";
}

static const char *mode_of(const struct ktls_diag_socket *socket, enum ktls_direction direction)
{
	if (!socket->tls)
		return without(socket, 0);
	return ktls_diag_mode_name(socket->mode[direction]);
}

static void fill_address(const struct ktls_address *address, char ret_cell[CELL_LEN])
{
	if (ktls_address_format(address, ret_cell, CELL_LEN))
		strcpy(ret_cell, "?");
}

static void fill_cells(const struct ktls_diag_socket *socket, char ret_cells[_COLUMN_N][CELL_LEN])
{
	const char *version = stat_table_version(socket);
	const char *otherwise = without(socket, KTLS_DIAG_TOLD_CIPHER);

	strcpy(ret_cells[COLUMN_STATE], stat_state_name(socket->state));
	fill_address(&socket->local, ret_cells[COLUMN_LOCAL]);
	fill_address(&socket->peer, ret_cells[COLUMN_PEER]);
	snprintf(ret_cells[COLUMN_TLS], CELL_LEN, "%s", version ? version : otherwise);
	snprintf(ret_cells[COLUMN_CIPHER], CELL_LEN, "%s",
		 socket->cipher ? socket->cipher : otherwise);
	strcpy(ret_cells[COLUMN_TX], mode_of(socket, KTLS_TX));
	strcpy(ret_cells[COLUMN_RX], mode_of(socket, KTLS_RX));
}

/* -- The pen -- */

static void end_line(struct pen *pen)
{
	fputc('\n', pen->out);
	pen->column = 0;
}

/* Blanks up to a column, in a new line if it has been passed, or if `len` more do not fit behind.
 */
static void move_to(struct pen *pen, unsigned int column, size_t len)
{
	if (pen->column > column)
		end_line(pen);
	if (column > INDENT && column + len > pen->look->columns) {
		if (pen->column)
			end_line(pen);
		column = INDENT;
	}
	fprintf(pen->out, "%*s", (int)(column - pen->column), "");
	pen->column = column;
}

static void put(struct pen *pen, const char *text, const char *color)
{
	if (pen->look->color && color)
		fprintf(pen->out, "%s%s%s", color, text, color_off);
	else
		fputs(text, pen->out);
	pen->column += (unsigned int)strlen(text);
}

static void put_cell(struct pen *pen, enum column column, const char *text, const char *color)
{
	if (pen->is_split && column == COLUMN_TLS)
		end_line(pen);
	/* The gap belongs to the column before it. */
	if (column && pen->column + GAP > pen->starts[column] && pen->column)
		end_line(pen);
	move_to(pen, pen->starts[column], strlen(text));
	put(pen, text, color);
}

/* Of what is said of a socket beside its row: not broken, in this line or the next. */
__attribute__((format(printf, 2, 3))) static void put_item(struct pen *pen, const char *format, ...)
{
	char item[ITEM_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(item, sizeof(item), format, args);
	va_end(args);
	if (pen->column && pen->column + GAP + strlen(item) > pen->look->columns)
		end_line(pen);
	move_to(pen, pen->column ? pen->column + GAP : INDENT, 0);
	put(pen, item, NULL);
}

static const char *color_of(const struct ktls_diag_socket *socket, enum ktls_direction direction)
{
	if (!socket->tls)
		return color_dim;
	switch (socket->mode[direction]) {
	case KTLS_DIAG_SOFTWARE:
		return color_green;
	case KTLS_DIAG_DEVICE:
	case KTLS_DIAG_RECORD:
		return color_cyan;
	case KTLS_DIAG_NONE:
		return color_yellow;
	}
	return color_dim;
}

/* -- Widths -- */

static void measure(struct pen *pen, const struct stat_moment *moment)
{
	char cells[_COLUMN_N][CELL_LEN];

	for (size_t column = 0; column < _COLUMN_N; column++)
		pen->widths[column] = (unsigned int)strlen(titles[column]);
	for (size_t i = 0; i < moment->n; i++) {
		fill_cells(&moment->rows[i].socket, cells);
		for (size_t column = 0; column < _COLUMN_N; column++) {
			unsigned int len = (unsigned int)strlen(cells[column]);

			if (len > pen->widths[column])
				pen->widths[column] = len;
		}
	}
}

/* Both as wide as they are, or as fits beside each other; neither narrower than it has to be. */
static void limit(unsigned int *one, unsigned int *other, unsigned int room)
{
	if (*one + *other <= room)
		return;
	if (*one <= room / 2)
		*other = room - *one;
	else if (*other <= room / 2)
		*one = room - *other;
	else
		*one = *other = room / 2;
}

static void lay_out(struct pen *pen, const struct stat_moment *moment)
{
	unsigned int all = GAP * (_COLUMN_N - 1);

	measure(pen, moment);
	for (size_t column = 0; column < _COLUMN_N; column++)
		all += pen->widths[column];
	pen->is_split = all > pen->look->columns;
	if (pen->is_split)
		limit(&pen->widths[COLUMN_LOCAL], &pen->widths[COLUMN_PEER],
		      pen->look->columns - pen->widths[COLUMN_STATE] - 2 * GAP);
	for (size_t column = 1; column < _COLUMN_N; column++)
		pen->starts[column] =
			pen->is_split && column == COLUMN_TLS
				? INDENT
				: pen->starts[column - 1] + pen->widths[column - 1] + GAP;
}

/* -- Further lines -- */

static void put_options(struct pen *pen, const struct ktls_diag_socket *socket)
{
	if (socket->told & KTLS_DIAG_TOLD_TCP && socket->tcp_receive_queue)
		put_item(pen, "recv-q %" PRIu32, socket->tcp_receive_queue);
	if (socket->told & KTLS_DIAG_TOLD_TCP && socket->tcp_send_queue)
		put_item(pen, "send-q %" PRIu32, socket->tcp_send_queue);
	if (socket->zerocopy_ro)
		put_item(pen, "zerocopy");
	if (socket->expect_no_pad)
		put_item(pen, "no-pad");
	if (socket->told & KTLS_DIAG_TOLD_PAYLOAD && socket->tx_max_payload_len &&
	    socket->tx_max_payload_len != PAYLOAD_LEN)
		put_item(pen, "max-payload %u", socket->tx_max_payload_len);
	if (socket->ifindex)
		put_item(pen, "interface %" PRIu32, socket->ifindex);
}

/* What a process calls itself is its own choice, and not the terminal's to obey. */
static void put_owners(struct pen *pen, const struct stat_moment *moment, size_t row)
{
	uint32_t at = stat_moment_first_owner(moment, row);
	const struct stat_process *process;
	int fd;

	while ((process = stat_owners_next(&moment->owners, &at, &fd))) {
		char name[4 * STAT_OWNERS_LIMIT_NAME + 1];
		struct text text = { .buf = name, .size = sizeof(name) - 1 };

		text_put_quoted(&text, process->name);
		name[text.len] = '\0';
		put_item(pen, "\"%s\" pid %d fd %d", name, process->pid, fd);
	}
}

static void put_tcp(struct pen *pen, const struct ktls_diag_socket *socket)
{
	put_item(pen, "uid %" PRIu32, socket->uid);
	put_item(pen, "inode %" PRIu64, socket->inode);
	put_item(pen, "cookie %" PRIx64, socket->cookie);
	if (!(socket->told & KTLS_DIAG_TOLD_TCP))
		return;
	put_item(pen, "rtt %.3f/%.3f ms", socket->tcp_rtt_us / 1e3, socket->tcp_rtt_var_us / 1e3);
	put_item(pen, "cwnd %" PRIu32, socket->tcp_cwnd);
	put_item(pen, "mss %" PRIu32, socket->tcp_mss);
	put_item(pen, "retransmits %" PRIu32, socket->tcp_retransmits);
	put_item(pen, "not-sent %" PRIu32, socket->tcp_not_sent);
	put_item(pen, "acked %" PRIu64, socket->tcp_bytes_acked);
	put_item(pen, "received %" PRIu64, socket->tcp_bytes_received);
	put_item(pen, "rate %" PRIu64 " B/s", socket->tcp_delivery_rate);
}

static void print_row(struct pen *pen, const struct stat_moment *moment, size_t i)
{
	const struct ktls_diag_socket *socket = &moment->rows[i].socket;
	char cells[_COLUMN_N][CELL_LEN];

	fill_cells(socket, cells);
	for (enum column column = 0; column < _COLUMN_N; column++) {
		const char *color = column == COLUMN_TX	  ? color_of(socket, KTLS_TX)
				    : column == COLUMN_RX ? color_of(socket, KTLS_RX)
							  : NULL;

		put_cell(pen, column, cells[column], color);
	}
	end_line(pen);
	put_options(pen, socket);
	put_owners(pen, moment, i);
	if (pen->look->extended)
		put_tcp(pen, socket);
	if (pen->column)
		end_line(pen);
}

static void print_titles(struct pen *pen)
{
	for (enum column column = 0; column < _COLUMN_N; column++)
		put_cell(pen, column, titles[column], color_bold);
	end_line(pen);
}

static void print_place(struct pen *pen, const struct stat_place *place)
{
	char name[4 * NAME_MAX + 1];
	struct text text = { .buf = name, .size = sizeof(name) - 1 };

	text_put_quoted(&text, place->name ? place->name : "");
	name[text.len] = '\0';
	if (place->name)
		fprintf(pen->out, "namespace \"%s\":\n", name);
	else
		fprintf(pen->out, "this namespace:\n");
}

void stat_table_print(FILE *out, const struct stat_moment *moment, const struct stat_look *look)
{
	struct pen pen = { .out = out, .look = look };
	size_t place = SIZE_MAX;

	if (!moment->n)
		return;
	lay_out(&pen, moment);
	print_titles(&pen);
	for (size_t i = 0; i < moment->n; i++) {
		if (moment->rows[i].place != place && moment->places.n > 1)
			print_place(&pen, &moment->places.list[moment->rows[i].place]);
		place = moment->rows[i].place;
		print_row(&pen, moment, i);
	}
}
