/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/rng.h"

#include <assert.h>
#include <sodium.h>

struct rng rng_from_seed(const uint8_t seed[32])
{
	struct rng rng = { 0 };

	rng_reseed(&rng, seed);
	return rng;
}

void rng_reseed(struct rng *rng, const uint8_t seed[32])
{
	memcpy(rng->seed, seed, sizeof rng->seed);
	rng->block = 0;
	rng->ready_at = sizeof rng->ready;
}

struct rng rng_from_number(uint64_t number)
{
	uint8_t seed[32] = { 0 };

	for (size_t i = 0; i < 8; i++)
		seed[i] = (uint8_t)(number >> (8 * i));
	return rng_from_seed(seed);
}

static void make_ready(struct rng *rng)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	memset(rng->ready, 0, sizeof rng->ready);
	crypto_stream_chacha20_xor_ic(rng->ready, rng->ready, sizeof rng->ready, nonce, rng->block, rng->seed);
	rng->block += sizeof rng->ready / 64;
	rng->ready_at = 0;
}

void rng_fill(struct rng *rng, void *room, size_t size)
{
	uint8_t *at = room;

	while (size) {
		size_t left = sizeof rng->ready - rng->ready_at, part = size < left ? size : left;

		memcpy(at, rng->ready + rng->ready_at, part);
		rng->ready_at += part;
		at += part;
		size -= part;
		if (size)
			make_ready(rng);
	}
}

uint64_t rng_u64(struct rng *rng)
{
	uint8_t b[8];
	uint64_t value = 0;

	rng_fill(rng, b, sizeof b);
	for (size_t i = 0; i < sizeof b; i++)
		value |= (uint64_t)b[i] << (8 * i);
	return value;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	uint64_t value, uneven;

	assert(bound);
	/* The numbers below 2^64 mod bound would come once too often. */
	uneven = -bound % bound;
	do
		value = rng_u64(rng);
	while (value < uneven);
	return value % bound;
}
