/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/seal.h"
#include "crdt/log/sign.h"

#include "tests/unit/base/check.h"

#include <sodium.h>

/* This program has the archives of the real ones behind it, and must not have taken them. */

enum { SIZE_MAX_TRIED = 300, BOUND = 20, ROUNDS = 400 };

static void it_is_not_the_real_one(void **state)
{
	uint8_t seed[32] = { 1 }, key[32], secret[64];
	struct key32 public = seal_public(seed);

	(void)state;
	crypto_sign_seed_keypair(key, secret, seed);
	assert_memory_not_equal(signer_from_seed(seed).key.bytes, key, sizeof key);
	assert_int_equal(crypto_scalarmult_base(key, seed), 0);
	assert_memory_not_equal(public.bytes, key, sizeof key);
}

static void a_node_is_named_as_ever(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct key32 key;
		uint8_t hash[16];
		uint64_t node = 0;

		dice_fill(key.bytes, sizeof key.bytes);
		crypto_generichash(hash, sizeof hash, key.bytes, sizeof key.bytes, NULL, 0);
		for (size_t j = 0; j < 8; j++)
			node = node << 8 | hash[j];
		assert_true(node_of_key(key) == node);
	}
}

static void flip(uint8_t *bytes, size_t size)
{
	uint64_t bit = dice_below(size * 8);

	bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void a_signature_is_of_one_key_kind_and_message(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t seed[32], message[SIZE_MAX_TRIED + 1];
		size_t size = dice_below(SIZE_MAX_TRIED) + 1;
		struct bytes bytes = bytes_of(message, size);
		struct signer signer, other;
		struct signature signature;

		dice_fill(seed, sizeof seed);
		dice_fill(message, sizeof message);
		signer = signer_from_seed(seed);
		flip(seed, sizeof seed);
		other = signer_from_seed(seed);
		assert_memory_not_equal(signer.key.bytes, other.key.bytes, sizeof signer.key);
		signature = sign_make(&signer, SIGN_BATCH, bytes);
		assert_true(sign_check(signer.key, SIGN_BATCH, bytes, signature));
		assert_false(sign_check(signer.key, SIGN_STATEMENT, bytes, signature));
		assert_false(sign_check(other.key, SIGN_BATCH, bytes, signature));
		assert_false(sign_check(signer.key, SIGN_BATCH, bytes_of(message, size - 1), signature));
		message[size] = 0;
		assert_false(sign_check(signer.key, SIGN_BATCH, bytes_of(message, size + 1), signature));
		flip(message, size);
		assert_false(sign_check(signer.key, SIGN_BATCH, bytes, signature));
		signature = sign_make(&signer, SIGN_BATCH, bytes);
		flip(signature.bytes, sizeof signature.bytes);
		assert_false(sign_check(signer.key, SIGN_BATCH, bytes, signature));
	}
	assert_true(sign_check((struct key32){ { 1 } }, SIGN_BATCH, bytes_of(NULL, 0),
			       sign_make(&(struct signer){ .key = { { 1 } } }, SIGN_BATCH, bytes_of(NULL, 0))));
}

static void both_sides_agree(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct seal_key mine, theirs, other;
		uint8_t a[32], b[32];

		dice_fill(a, sizeof a);
		dice_fill(b, sizeof b);
		assert_true(seal_agree(a, seal_public(b), &mine) && seal_agree(b, seal_public(a), &theirs));
		assert_memory_equal(mine.bytes, theirs.bytes, sizeof mine);
		flip(b, sizeof b);
		assert_true(seal_agree(a, seal_public(b), &other));
		assert_memory_not_equal(mine.bytes, other.bytes, sizeof mine);
		assert_false(seal_agree(a, (struct key32){ 0 }, &other));
	}
}

static struct seal random_seal(void)
{
	struct seal seal = { .counter = dice_below(1000) };

	dice_fill(seal.key.bytes, sizeof seal.key.bytes);
	return seal;
}

/* Once as it was sealed, in its own place; and with one thing changed, not at all. */
static void what_is_sealed_opens_once_and_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * ROUNDS; i++) {
		uint8_t plain[SIZE_MAX_TRIED], sealed[SIZE_MAX_TRIED + SEAL_TAG], bound[BOUND], out[SIZE_MAX_TRIED];
		size_t size = dice_below(SIZE_MAX_TRIED), length = dice_below(BOUND) + 1;
		struct seal from = random_seal(), to = from, wrong = from;
		struct bytes with = bytes_of(bound, length), whole = bytes_of(sealed, size + SEAL_TAG);

		dice_fill(plain, sizeof plain);
		dice_fill(bound, sizeof bound);
		seal_close(&from, with, bytes_of(plain, size), sealed);
		assert_true(from.counter == to.counter + 1);
		wrong.counter += 1;
		assert_false(seal_open(&wrong, with, whole, out));
		wrong = to;
		flip(wrong.key.bytes, sizeof wrong.key.bytes);
		assert_false(seal_open(&wrong, with, whole, out));
		assert_false(seal_open(&to, bytes_of(bound, length - 1), whole, out));
		assert_false(seal_open(&to, with, bytes_of(sealed, whole.size - 1), out));
		assert_false(seal_open(&to, with, bytes_of(sealed, SEAL_TAG - 1), out));
		if (i % 2) {
			flip(i % 4 == 1 ? sealed : bound, i % 4 == 1 ? whole.size : length);
			assert_false(seal_open(&to, with, whole, sealed));
			assert_true(to.counter == from.counter - 1);
			continue;
		}
		assert_true(seal_open(&to, with, whole, sealed));
		assert_memory_equal(sealed, plain, size);
		assert_true(to.counter == from.counter);
		memcpy(sealed, plain, size);
		assert_false(seal_open(&to, with, whole, out));
	}
}

/* The border between what is bound and what is sealed counts. */
static void parts_do_not_run_into_each_other(void **state)
{
	struct seal seal = random_seal(), again = seal;
	uint8_t zeros[32] = { 0 }, a[SEAL_TAG + 32], b[SEAL_TAG + 32];

	(void)state;
	seal_close(&seal, bytes_of(zeros, 3), bytes_of(zeros, 5), a);
	seal_close(&again, bytes_of(zeros, 5), bytes_of(zeros, 3), b);
	assert_memory_not_equal(a + 5, b + 3, SEAL_TAG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_not_the_real_one),
		cmocka_unit_test(a_node_is_named_as_ever),
		cmocka_unit_test(a_signature_is_of_one_key_kind_and_message),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(what_is_sealed_opens_once_and_whole),
		cmocka_unit_test(parts_do_not_run_into_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
