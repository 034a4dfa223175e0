/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/rng.h"

#include "tests/unit/base/check.h"

enum { STREAM = 8192, ROUNDS = 300 };

static void seed_of(uint8_t seed[32])
{
	for (uint8_t i = 0; i < 32; i++)
		seed[i] = i;
}

/*
 * ChaCha20, 20 rounds, nonce 0, counter from 0, written anew in Python from its paper. The zero key's is also the
 * vector of RFC 8439, A.1, number 1.
 */
static void the_stream_is_chacha20(void **state)
{
	static const uint8_t of_zero[] = { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
					   0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28 };
	static const uint8_t block_0[] = { 0x39, 0xfd, 0x2b, 0x7d, 0xd9, 0xc5, 0x19, 0x6a,
					   0x8d, 0xbd, 0x03, 0x77, 0xb8, 0xdc, 0x4a, 0x49 };
	static const uint8_t block_8[] = { 0x4b, 0x56, 0x2e, 0xb0, 0x4c, 0x19, 0xcb, 0x21,
					   0xe1, 0x62, 0x5b, 0xd5, 0x63, 0xcc, 0x81, 0x8e };
	static const uint8_t end_of_17[] = { 0xb7, 0x48, 0xda, 0x10, 0x33, 0xc3, 0x63, 0xaf,
					     0x50, 0x6d, 0x6f, 0xd6, 0xdd, 0xb7, 0x3c, 0xf7 };
	uint8_t seed[32] = { 0 }, stream[18 * 64];
	struct rng rng = rng_from_seed(seed);

	(void)state;
	rng_fill(&rng, stream, 16);
	assert_memory_equal(stream, of_zero, 16);
	seed_of(seed);
	rng = rng_from_seed(seed);
	rng_fill(&rng, stream, sizeof stream);
	assert_memory_equal(stream, block_0, 16);
	assert_memory_equal(stream + (size_t)8 * 64, block_8, 16);
	assert_memory_equal(stream + (size_t)17 * 64 + 48, end_of_17, 16);
}

/* The seed of a number is its little-endian bytes and zeros; the numbers of a stream are little-endian, too. */
static void numbers_are_the_same_on_any_machine(void **state)
{
	struct rng rng = rng_from_number(UINT64_C(0x0123456789abcdef));

	(void)state;
	assert_true(rng_u64(&rng) == UINT64_C(0x4fb0e90c4f17ff81));
	assert_true(rng_u64(&rng) == UINT64_C(0xfcb649772ba310fb));
}

static void chunks_do_not_matter(void **state)
{
	static uint8_t whole[STREAM], parts[STREAM];
	uint8_t seed[32];
	struct rng rng;

	(void)state;
	seed_of(seed);
	rng = rng_from_seed(seed);
	rng_fill(&rng, whole, sizeof whole);
	for (int round = 0; round < ROUNDS; round++) {
		size_t most = (size_t[]){ 2, 9, 70, 513, 1600 }[dice_below(5)], part;

		rng = rng_from_seed(seed);
		memset(parts, 0, sizeof parts);
		for (size_t at = 0; at < STREAM; at += part) {
			part = dice_below(most);
			part = part < STREAM - at ? part : STREAM - at;
			rng_fill(&rng, part ? parts + at : NULL, part);
		}
		assert_memory_equal(parts, whole, STREAM);
	}
}

/* Squares of the differences over the expected; six deviations above its mean never happens by chance. */
static void assert_even(const uint64_t *counts, size_t bound, uint64_t draws)
{
	double expected = (double)draws / (double)bound, chi = 0, freedom = (double)bound - 1;

	for (size_t i = 0; i < bound; i++)
		chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
	if ((chi - freedom) * (chi - freedom) > 36 * 2 * freedom && chi > freedom)
		fail_msg("chi-square is %.1f for %zu values", chi, bound);
}

static void small_bounds_are_even(void **state)
{
	struct rng rng = rng_from_number(7);

	(void)state;
	for (size_t bound = 1; bound <= 40; bound++) {
		uint64_t counts[40] = { 0 };

		for (size_t i = 0; i < 2000 * bound; i++) {
			uint64_t value = rng_below(&rng, bound);

			assert_true(value < bound);
			counts[value]++;
		}
		if (bound > 1)
			assert_even(counts, bound, 2000 * bound);
	}
}

/* At three quarters of 2^64 a plain remainder gives the first third twice as often. */
static void large_bounds_are_even(void **state)
{
	struct rng rng = rng_from_number(8);
	uint64_t counts[3] = { 0 };

	(void)state;
	for (int i = 0; i < 30000; i++) {
		uint64_t value = rng_below(&rng, UINT64_C(3) << 62);

		assert_true(value >> 62 < 3);
		counts[value >> 62]++;
	}
	assert_even(counts, 3, 30000);
	for (int i = 0; i < 1000; i++)
		assert_true(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stream_is_chacha20), cmocka_unit_test(numbers_are_the_same_on_any_machine),
		cmocka_unit_test(chunks_do_not_matter),   cmocka_unit_test(small_bounds_are_even),
		cmocka_unit_test(large_bounds_are_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
