/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/buf.h"

#include <stdlib.h>

enum { FIRST_ROOM = 256 };

struct buf buf_growing(size_t limit)
{
	return (struct buf){ .limit = limit };
}

struct buf buf_over(void *room, size_t size)
{
	static const uint8_t nothing = 0; /* never written: there is no room */

	return (struct buf){
		.data = room ? room : (uint8_t *)&nothing, .room = size, .limit = size, .is_borrowed = true
	};
}

void buf_done(struct buf *buf)
{
	if (!buf->is_borrowed)
		free(buf->data);
	*buf = (struct buf){ 0 };
}

static void grow(struct buf *buf, size_t needed)
{
	size_t room = buf->room ? buf->room : FIRST_ROOM;

	while (room < needed)
		room = room > SIZE_MAX / 2 ? needed : room * 2;
	if (room > buf->limit)
		room = buf->limit;
	buf->data = must_realloc(buf->data, room);
	buf->room = room;
}

uint8_t *buf_take(struct buf *buf, size_t size)
{
	if (buf->is_full || size > buf->limit - buf->size) {
		buf->is_full = true;
		return NULL;
	}
	/* Also nothing has an address: NULL would say that it does not fit. */
	if (size > buf->room - buf->size || !buf->data)
		grow(buf, buf->size + size);
	buf->size += size;
	return buf->data + buf->size - size;
}
