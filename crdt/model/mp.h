/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MP_H
#define WARREN_MP_H

/*
 * Canonical msgpack: one encoding for one value.
 *
 * Our form of it: integers, lengths and counts take their shortest encoding, map keys ascend bytewise, and there are
 * no floats and no extensions. So equal values are equal bytes, and among unsigned numbers a larger one is also the
 * larger string. Encoding goes through msgpack-c; decoding is ours, since a stranger's lengths are not to be trusted:
 * nothing is allocated, no count exceeds the bytes that are left, nesting ends at MP_DEPTH.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"

#include <endian.h>

enum { MP_DEPTH = 16 };

enum mp_class { MP_UINT, MP_NEGATIVE, MP_NIL, MP_BOOL, MP_TEXT, MP_BIN, MP_ARRAY, MP_MAP, MP_BROKEN };

/* What stands next: a number, a truth, or how many bytes, items or pairs follow. */
struct mp_head {
	enum mp_class class;
	uint64_t value; /* of MP_NEGATIVE the two's complement */
};

/* The next value's head; MP_BROKEN, and the reader short, when it is none, or not the shortest. */
struct mp_head mp_read(struct reader *r);

/*
 * The commonest values without a call: an unsigned number, a text below 32 bytes, bytes below 256. False steps over
 * nothing and judges nothing: then mp_read does.
 */
static inline bool mp_read_quick_uint(struct reader *r, uint64_t *ret_number)
{
	size_t left = r->is_short ? 0 : (size_t)(r->end - r->at), size;
	uint64_t number = 0;

	if (left && *r->at < 0x80) {
		*ret_number = *r->at++;
		return true;
	}
	if (left < 9 || *r->at < 0xcc || *r->at > 0xcf)
		return false;
	size = (size_t)1 << (*r->at - 0xcc);
	memcpy(&number, r->at + 1, 8);
	number = be64toh(number) >> (64 - 8 * size);
	if (size == 1 ? number < 0x80 : number >> (4 * size) == 0)
		return false;
	*ret_number = number;
	r->at += 1 + size;
	return true;
}

static inline bool mp_read_short_text(struct reader *r, struct bytes *ret_text)
{
	size_t size;

	if (r->is_short || r->at == r->end || (*r->at & 0xe0) != 0xa0)
		return false;
	size = *r->at & 31;
	if ((size_t)(r->end - r->at) <= size)
		return false;
	*ret_text = bytes_of(r->at + 1, size);
	r->at += 1 + size;
	return true;
}

static inline bool mp_read_short_bin(struct reader *r, struct bytes *ret_bytes)
{
	size_t size;

	if (r->is_short || r->end - r->at < 2 || *r->at != 0xc4)
		return false;
	size = r->at[1];
	if ((size_t)(r->end - r->at) < 2 + size)
		return false;
	*ret_bytes = bytes_of(r->at + 2, size);
	r->at += 2 + size;
	return true;
}

/* Steps over one value of any kind, checking all of it; its bytes, or nothing and the reader short. */
struct bytes mp_skip(struct reader *r);

/* Whether `bytes` are exactly one canonical value. */
bool mp_is_canonical(struct bytes bytes);

void mp_put_uint(struct buf *buf, uint64_t value);
void mp_put_int(struct buf *buf, int64_t value);
void mp_put_nil(struct buf *buf);
void mp_put_bool(struct buf *buf, bool value);
void mp_put_text(struct buf *buf, struct bytes text);
void mp_put_bin(struct buf *buf, struct bytes bytes);
void mp_put_array(struct buf *buf, size_t count);
void mp_put_map(struct buf *buf, size_t count);

#endif
