/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BUF_H
#define WARREN_BUF_H

/*
 * Byte cursors. A reader walks bytes that a stranger sent, a buf collects bytes to keep or to send.
 *
 * Both are sticky: after the first read past the end, or the first write past the limit, every further one does
 * nothing, so a codec handles all its fields and asks once, with `is_short` or `is_full`.
 */

#include "crdt/base/base.h"

#include <endian.h>

struct reader {
	const uint8_t *at, *end;
	bool is_short;
};

static inline struct reader reader_over(struct bytes bytes)
{
	/* Empty bytes may be NULL, and NULL is what a reader answers when there are too few. */
	const uint8_t *data = bytes.data ? bytes.data : (const uint8_t *)"";

	return (struct reader){ .at = data, .end = data + bytes.size };
}

static inline size_t reader_left(const struct reader *r)
{
	return r->is_short ? 0 : (size_t)(r->end - r->at);
}

/* The next `size` bytes, borrowed, or NULL when there are fewer. */
static inline const uint8_t *read_bytes(struct reader *r, size_t size)
{
	if (r->is_short || (size_t)(r->end - r->at) < size) {
		r->is_short = true;
		return NULL;
	}
	r->at += size;
	return r->at - size;
}

/* A big-endian number of 1 to 8 bytes, 0 when it is not there. */
static inline uint64_t read_big_endian(struct reader *r, size_t size)
{
	const uint8_t *b = read_bytes(r, size);
	uint64_t value = 0;

	for (size_t i = 0; b && i < size; i++)
		value = value << 8 | b[i];
	return value;
}

/*
 * A buf grows up to `limit`, in memory of its own or of its creator: `buf_over` borrows room and never grows.
 * `is_full` says that something did not fit and that `size` is not to be used.
 */
struct buf {
	uint8_t *data;
	size_t size, room, limit;
	bool is_full, is_borrowed;
};

struct buf buf_growing(size_t limit);
struct buf buf_over(void *room, size_t size);
void buf_done(struct buf *buf);

/* Room for `size` more bytes, which then count as written; NULL when they do not fit. */
uint8_t *buf_take(struct buf *buf, size_t size);

static inline void buf_put(struct buf *buf, const void *data, size_t size)
{
	uint8_t *room;

	if (size <= buf->room - buf->size && !buf->is_full && size) {
		memcpy(buf->data + buf->size, data, size);
		buf->size += size;
		return;
	}
	room = buf_take(buf, size);
	if (room && size)
		memcpy(room, data, size);
}

static inline void buf_put_byte(struct buf *buf, uint8_t byte)
{
	buf_put(buf, &byte, 1);
}

/* A number of 1 to 8 bytes. */
static inline void buf_put_big_endian(struct buf *buf, uint64_t value, size_t size)
{
	uint64_t big = htobe64(value);

	buf_put(buf, (const uint8_t *)&big + 8 - size, size);
}

static inline void buf_put_bytes(struct buf *buf, struct bytes bytes)
{
	buf_put(buf, bytes.data, bytes.size);
}

static inline void buf_put_text(struct buf *buf, const char *text)
{
	buf_put(buf, text, strlen(text));
}

static inline void buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->is_full = false;
}

static inline struct bytes buf_bytes(const struct buf *buf)
{
	return bytes_of(buf->data, buf->size);
}

#endif
