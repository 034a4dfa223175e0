/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_QUICK_H
#define WARREN_SIM_QUICK_H

/*
 * A hash that costs next to nothing, for stand-ins of signatures and seals: what is changed by accident is found, who
 * means to forge can.
 *
 * Each step is a bijection of the state for a given word, and of the word for a given state: bytes that differ in one
 * word of 8 never have the same hash. It reads words as this machine has them.
 */

#include "crdt/base/base.h"

struct quick {
	uint64_t even, odd; /* of the words */
};

static inline uint64_t quick_step(uint64_t state, uint64_t word)
{
	state = (state ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return state ^ state >> 29;
}

static inline void quick_word(struct quick *quick, uint64_t word)
{
	quick->even = quick_step(quick->even, word);
	quick->odd = quick_step(quick->odd, quick->even);
}

/* The bytes and how many they are, so that what follows cannot be taken for a part of them. */
static inline void quick_bytes(struct quick *quick, struct bytes bytes)
{
	uint64_t words[2] = { 0 };
	const uint8_t *at = bytes.data;
	size_t left = bytes.size;

	for (; left >= sizeof words; left -= sizeof words, at += sizeof words) {
		memcpy(words, at, sizeof words);
		quick->even = quick_step(quick->even, words[0]);
		quick->odd = quick_step(quick->odd, words[1]);
	}
	memset(words, 0, sizeof words);
	if (left)
		memcpy(words, at, left);
	quick->even = quick_step(quick->even, words[0]);
	quick->odd = quick_step(quick->odd, words[1]);
	quick_word(quick, bytes.size);
}

/* `size`, a multiple of 8, bytes that follow from all that went in. */
static inline void quick_end(struct quick quick, uint8_t *ret_bytes, size_t size)
{
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = quick_step(quick_step(quick.even, at), quick.odd);

		memcpy(ret_bytes + at, &word, sizeof word);
	}
}

#endif
