/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"

#include <msgpack.h>

static struct mp_head broken(struct reader *r)
{
	r->is_short = true;
	return (struct mp_head){ MP_BROKEN, 0 };
}

/* A number of `size` bytes that would not have fitted below `least`. */
static struct mp_head sized(struct reader *r, enum mp_class class, size_t size, uint64_t least)
{
	uint64_t value = read_big_endian(r, size);

	return r->is_short || value < least ? broken(r) : (struct mp_head){ class, value };
}

static struct mp_head negative(struct reader *r, size_t size, int64_t most)
{
	unsigned shift = (unsigned)(64 - 8 * size);
	int64_t value = (int64_t)(read_big_endian(r, size) << shift) >> shift;

	return r->is_short || value > most ? broken(r) : (struct mp_head){ MP_NEGATIVE, (uint64_t)value };
}

static struct mp_head read_head(struct reader *r)
{
	const uint8_t *first = read_bytes(r, 1);
	uint8_t b;

	if (!first)
		return broken(r);
	b = *first;
	if (b < 0x80)
		return (struct mp_head){ MP_UINT, b };
	if (b < 0x90)
		return (struct mp_head){ MP_MAP, b & 15 };
	if (b < 0xa0)
		return (struct mp_head){ MP_ARRAY, b & 15 };
	if (b < 0xc0)
		return (struct mp_head){ MP_TEXT, b & 31 };
	if (b >= 0xe0)
		return (struct mp_head){ MP_NEGATIVE, (uint64_t)(int64_t)(int8_t)b };
	switch (b) {
	case 0xc0: return (struct mp_head){ MP_NIL, 0 };
	case 0xc2: return (struct mp_head){ MP_BOOL, 0 };
	case 0xc3: return (struct mp_head){ MP_BOOL, 1 };
	case 0xc4: return sized(r, MP_BIN, 1, 0);
	case 0xc5: return sized(r, MP_BIN, 2, 0x100);
	case 0xc6: return sized(r, MP_BIN, 4, 0x10000);
	case 0xcc: return sized(r, MP_UINT, 1, 0x80);
	case 0xcd: return sized(r, MP_UINT, 2, 0x100);
	case 0xce: return sized(r, MP_UINT, 4, 0x10000);
	case 0xcf: return sized(r, MP_UINT, 8, UINT64_C(0x100000000));
	case 0xd0: return negative(r, 1, -33);
	case 0xd1: return negative(r, 2, -129);
	case 0xd2: return negative(r, 4, -32769);
	case 0xd3: return negative(r, 8, INT64_C(-2147483649));
	case 0xd9: return sized(r, MP_TEXT, 1, 32);
	case 0xda: return sized(r, MP_TEXT, 2, 0x100);
	case 0xdb: return sized(r, MP_TEXT, 4, 0x10000);
	case 0xdc: return sized(r, MP_ARRAY, 2, 16);
	case 0xdd: return sized(r, MP_ARRAY, 4, 0x10000);
	case 0xde: return sized(r, MP_MAP, 2, 16);
	case 0xdf: return sized(r, MP_MAP, 4, 0x10000);
	default: return broken(r);
	}
}

struct mp_head mp_read(struct reader *r)
{
	struct mp_head head = read_head(r);
	size_t left = reader_left(r);

	/* Each item takes a byte at least, so no count can ask for more than what is there. */
	switch (head.class) {
	case MP_TEXT:
	case MP_BIN:
	case MP_ARRAY: return head.value > left ? broken(r) : head;
	case MP_MAP: return head.value > left / 2 ? broken(r) : head;
	case MP_UINT:
	case MP_NEGATIVE:
	case MP_NIL:
	case MP_BOOL:
	case MP_BROKEN: break;
	}
	return head;
}

static struct bytes skip(struct reader *r, unsigned depth);

static void skip_map(struct reader *r, uint64_t pairs, unsigned depth)
{
	struct bytes last = { 0 };

	for (uint64_t i = 0; i < pairs && !r->is_short; i++) {
		struct bytes key = skip(r, depth);

		if (!r->is_short && i && bytes_compare(last, key) >= 0)
			broken(r);
		last = key;
		skip(r, depth);
	}
}

static struct bytes skip(struct reader *r, unsigned depth)
{
	const uint8_t *start = r->at;
	struct mp_head head = depth ? mp_read(r) : broken(r);

	switch (head.class) {
	case MP_TEXT:
	case MP_BIN: read_bytes(r, head.value); break;
	case MP_ARRAY:
		for (uint64_t i = 0; i < head.value && !r->is_short; i++)
			skip(r, depth - 1);
		break;
	case MP_MAP: skip_map(r, head.value, depth - 1); break;
	case MP_UINT:
	case MP_NEGATIVE:
	case MP_NIL:
	case MP_BOOL:
	case MP_BROKEN: break;
	}
	return r->is_short ? (struct bytes){ 0 } : bytes_of(start, (size_t)(r->at - start));
}

struct bytes mp_skip(struct reader *r)
{
	return skip(r, MP_DEPTH);
}

bool mp_is_canonical(struct bytes bytes)
{
	struct reader r = reader_over(bytes);

	mp_skip(&r);
	return !r.is_short && !reader_left(&r);
}

static int write_to_buf(void *buf, const char *data, size_t size)
{
	buf_put(buf, data, size);
	return 0;
}

static msgpack_packer packer(struct buf *buf)
{
	return (msgpack_packer){ .data = buf, .callback = write_to_buf };
}

void mp_put_uint(struct buf *buf, uint64_t value)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_uint64(&p, value);
}

void mp_put_int(struct buf *buf, int64_t value)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_int64(&p, value);
}

void mp_put_nil(struct buf *buf)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_nil(&p);
}

void mp_put_bool(struct buf *buf, bool value)
{
	msgpack_packer p = packer(buf);

	if (value)
		msgpack_pack_true(&p);
	else
		msgpack_pack_false(&p);
}

void mp_put_text(struct buf *buf, struct bytes text)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_str(&p, text.size);
	msgpack_pack_str_body(&p, text.data, text.size);
}

void mp_put_bin(struct buf *buf, struct bytes bytes)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_bin(&p, bytes.size);
	msgpack_pack_bin_body(&p, bytes.data, bytes.size);
}

void mp_put_array(struct buf *buf, size_t count)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_array(&p, count);
}

void mp_put_map(struct buf *buf, size_t count)
{
	msgpack_packer p = packer(buf);

	msgpack_pack_map(&p, count);
}
