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

enum { MP_DEPTH = 16 };

enum mp_class { MP_UINT, MP_NEGATIVE, MP_NIL, MP_BOOL, MP_TEXT, MP_BIN, MP_ARRAY, MP_MAP, MP_BROKEN };

/* What stands next: a number, a truth, or how many bytes, items or pairs follow. */
struct mp_head {
	enum mp_class class;
	uint64_t value; /* of MP_NEGATIVE the two's complement */
};

/* The head of any value; MP_BROKEN, and the reader short, when it is none, or not the shortest. */
struct mp_head mp_read_any(struct reader *r);

/* The next value's head. */
static inline struct mp_head mp_read(struct reader *r)
{
	if (r->at < r->end && !r->is_short && *r->at < 0x80)
		return (struct mp_head){ MP_UINT, *r->at++ };
	return mp_read_any(r);
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
