/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/hash.h"

#include "tests/unit/base/check.h"

enum { ROUNDS = 2000, LONGEST = 400 };

/* Python: hashlib.blake2b(text, digest_size=16). */
static void blake2b_is_the_real_one(void **state)
{
	static const struct {
		const char *text;
		uint8_t hash[16];
	} cases[] = {
		{ "",
		  { 0xca, 0xe6, 0x69, 0x41, 0xd9, 0xef, 0xbd, 0x40, 0x4e, 0x4d, 0x88, 0x75, 0x8e, 0xa6, 0x76, 0x70 } },
		{ "abc",
		  { 0xcf, 0x4a, 0xb7, 0x91, 0xc6, 0x2b, 0x8d, 0x2b, 0x21, 0x09, 0xc9, 0x02, 0x75, 0x28, 0x78, 0x16 } },
		{ "The quick brown fox jumps over the lazy dog",
		  { 0x24, 0x9d, 0xf9, 0xa4, 0x9f, 0x51, 0x7d, 0xdc, 0xd3, 0x7f, 0x5c, 0x89, 0x76, 0x20, 0xec, 0x73 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct id id = hash_id(&(struct bytes){ (const uint8_t *)cases[i].text, strlen(cases[i].text) }, 1);

		assert_memory_equal(id.bytes, cases[i].hash, sizeof id.bytes);
	}
	assert_memory_equal(hash_id(NULL, 0).bytes, cases[0].hash, 16);
	assert_memory_equal(hash_id(&(struct bytes){ 0 }, 1).bytes, cases[0].hash, 16);
}

static void parts_hash_as_their_whole(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t data[LONGEST];
		struct bytes whole = bytes_of(data, dice_below(LONGEST + 1)), parts[8];
		size_t at = 0;
		struct id a, b;

		dice_fill(data, sizeof data);
		for (size_t i = 0; i < COUNT(parts); i++) {
			size_t left = whole.size - at, size = i + 1 == COUNT(parts) ? left : dice_below(left + 1);

			parts[i] = bytes_of(size ? data + at : NULL, size);
			at += size;
		}
		a = hash_id(&whole, 1);
		b = hash_id(parts, COUNT(parts));
		assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
		if (whole.size) {
			data[dice_below(whole.size)] ^= 1;
			b = hash_id(parts, COUNT(parts));
			assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
		}
	}
}

/* The paper's key and message, 00 01 02 …; 15 bytes are its own example, the rest are the reference's table. */
static void siphash_is_the_reference(void **state)
{
	static const struct {
		size_t size;
		uint64_t hash;
	} cases[] = {
		{ 0, UINT64_C(0x726fdb47dd0e0e31) },  { 1, UINT64_C(0x74f839c593dc67fd) },
		{ 7, UINT64_C(0xab0200f58b01d137) },  { 8, UINT64_C(0x93f5f5799a932462) },
		{ 15, UINT64_C(0xa129ca6149be45e5) }, { 16, UINT64_C(0x3f2acc7f57c29bdb) },
		{ 63, UINT64_C(0x958a324ceb064572) },
	};
	struct hash_key key;
	uint8_t message[64];

	(void)state;
	for (uint8_t i = 0; i < sizeof message; i++)
		message[i] = i;
	memcpy(key.bytes, message, sizeof key.bytes);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(hash_keyed(key, bytes_of(message, cases[i].size)) == cases[i].hash);
	assert_true(hash_keyed(key, (struct bytes){ 0 }) == cases[0].hash);
	key.bytes[15] ^= 1;
	assert_true(hash_keyed(key, bytes_of(message, 15)) != cases[4].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blake2b_is_the_real_one),
		cmocka_unit_test(parts_hash_as_their_whole),
		cmocka_unit_test(siphash_is_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
