/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HASH_H
#define WARREN_HASH_H

/*
 * The two hashes of the house: BLAKE2b, which names things that others must not be able to make again, and
 * SipHash-2-4 under a key, which tells what a disk has changed.
 */

#include "crdt/base/base.h"

struct hash_key {
	uint8_t bytes[16];
};

/* BLAKE2b-128 of the parts, one after the other. */
struct id hash_id(const struct bytes *parts, size_t count);

uint64_t hash_keyed(struct hash_key key, struct bytes bytes);

/* What a set weighs, whatever the order it was put together in: the sum of its members' 128-bit keyed hashes. */
struct sum {
	uint64_t low, high;
};

struct sum hash_wide(struct hash_key key, struct bytes bytes);

static inline void sum_add(struct sum *sum, struct sum one)
{
	sum->low += one.low;
	sum->high += one.high;
}

static inline void sum_take(struct sum *sum, struct sum one)
{
	sum->low -= one.low;
	sum->high -= one.high;
}

static inline bool sum_equal(struct sum a, struct sum b)
{
	return a.low == b.low && a.high == b.high;
}

#endif
