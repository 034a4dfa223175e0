/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame_form.h"
#include "crdt/gossip/frame_inside.h"
#include "crdt/store.h"

static struct bytes read_snap_key(struct reader *r)
{
	size_t size = frame_read_below(r, FRAME_SNAP_KEY_MAX + 1);

	return bytes_of(read_bytes(r, size), size);
}

static uint32_t read_value_size(struct reader *r)
{
	uint64_t size = frame_read_number(r);

	return (uint32_t)(size <= STORE_VALUE_MAX ? size : frame_refuse(r));
}

static struct snap_entry read_entry(struct reader *list)
{
	struct snap_entry entry = { .key = read_snap_key(list) };

	entry.value.size = read_value_size(list);
	entry.value.data = read_bytes(list, entry.value.size);
	return entry;
}

bool frame_next_entry(struct reader *list, struct snap_entry *ret_entry)
{
	if (!reader_left(list))
		return false;
	*ret_entry = read_entry(list);
	return true;
}

/* With `end`, also the place where nothing follows. */
static struct snap_place read_place(struct reader *r, unsigned end)
{
	struct snap_place place = { .part = (enum snap_part)frame_read_choice(r, end) };

	place.key = read_snap_key(r);
	if (place.part == SNAP_PARTS && place.key.size)
		frame_refuse(r);
	return place;
}

void frame_read_snap_ask(struct reader *r, struct frame *frame)
{
	frame->snap_ask.number = (uint32_t)read_big_endian(r, 4);
	frame->snap_ask.chunks = frame_read_choice(r, FRAME_SNAP_CHUNKS_MAX + 1);
	frame->snap_ask.from = read_place(r, SNAP_PARTS);
}

static void read_piece(struct reader *r, struct snap_piece *ret_piece)
{
	ret_piece->key = read_snap_key(r);
	ret_piece->size = read_value_size(r);
	ret_piece->at = read_value_size(r);
	ret_piece->bytes = frame_read_rest(r);
	if (!ret_piece->key.size || !ret_piece->bytes.size || ret_piece->at + ret_piece->bytes.size > ret_piece->size)
		frame_refuse(r);
}

/* Keys ascend, and none is empty. */
static struct reader read_entries(struct reader *r)
{
	struct snap_entry entry, last = { { 0 }, { 0 } };
	struct reader entries = *r;

	for (; reader_left(r); last = entry) {
		entry = read_entry(r);
		if (r->is_short)
			break;
		if (bytes_compare(last.key, entry.key) >= 0)
			frame_refuse(r);
	}
	return entries;
}

void frame_read_snap(struct reader *r, struct frame *frame)
{
	frame->snap.number = (uint32_t)read_big_endian(r, 4);
	frame->snap.left = frame_read_below(r, FRAME_SNAP_CHUNKS_MAX);
	frame->snap.part = (enum snap_part)frame_read_choice(r, SNAP_PARTS);
	frame->snap.total = frame_read_number(r);
	frame->snap.next = read_place(r, SNAP_PARTS + 1);
	frame->snap.is_piece = frame_read_below(r, SNAP_IS_PIECE + 1);
	if (frame->snap.is_piece)
		read_piece(r, &frame->snap.piece);
	else
		frame->snap.entries = read_entries(r);
}
