/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame_form.h"
#include "crdt/gossip/frame_inside.h"
#include "crdt/gossip/frame_write.h"
#include "crdt/model/mp.h"

/* What the members of a region acknowledged: frames of one kind, from a relay of it. */

static struct end read_end(struct reader *list)
{
	struct end end = { .seq = frame_read_number(list) };

	if (end.seq)
		frame_read_into(list, end.hash.bytes, sizeof end.hash.bytes);
	return end;
}

static struct region_item read_item(struct reader *list)
{
	struct region_item item = { .stream = frame_read_stream(list) };

	item.least = read_end(list);
	item.most = read_end(list);
	if (item.least.seq > item.most.seq)
		frame_refuse(list);
	return item;
}

void frame_read_region(struct reader *r, struct frame *frame)
{
	frame->region.is_last = frame_read_below(r, 2);
	frame->region.region = read_big_endian(r, 8);
	frame->region.set = read_big_endian(r, 8);
	frame->region.items = *r;
}

bool frame_read_region_item(struct reader *r, struct stream *last)
{
	struct stream before = *last;

	*last = read_item(r).stream;
	return r->is_short || !before.node || stream_compare(&before, last) < 0;
}

bool frame_next_region_item(struct reader *list, struct region_item *ret_item)
{
	if (!reader_left(list))
		return false;
	*ret_item = read_item(list);
	return true;
}

static void put_end(struct buf *out, struct end end)
{
	mp_put_uint(out, end.seq);
	if (end.seq)
		buf_put(out, end.hash.bytes, sizeof end.hash.bytes);
}

void frame_put_region(struct buf *out, uint64_t region, uint64_t set, bool is_last, const struct region_item *items,
		      size_t count)
{
	buf_put_byte(out, FRAME_REGION);
	buf_put_byte(out, is_last);
	buf_put_big_endian(out, region, 8);
	buf_put_big_endian(out, set, 8);
	for (size_t i = 0; i < count; i++) {
		buf_put_big_endian(out, items[i].stream.node, 8);
		mp_put_uint(out, items[i].stream.start);
		buf_put_byte(out, (uint8_t)items[i].stream.lane);
		put_end(out, items[i].least);
		put_end(out, items[i].most);
	}
}
