/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/sign.h"

#include "tests/unit/base/check.h"

static struct signer signer_of(uint8_t number)
{
	uint8_t seed[32] = { number };

	return signer_from_seed(seed);
}

static void a_signature_is_good_for_one_key_one_thing_and_one_message(void **state)
{
	static uint8_t message[70000];
	struct signer signer = signer_of(1), other = signer_of(2);
	static const size_t sizes[] = { 0, 1, 31, 32, 33, 1000, sizeof message };

	(void)state;
	dice_fill(message, sizeof message);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct bytes bytes = bytes_of(message, sizes[i]);

		for (enum sign_what what = SIGN_BATCH; what <= SIGN_HANDSHAKE; what++) {
			struct signature signature = sign_make(&signer, what, bytes), bent = signature;

			bent.bytes[dice_below(64)] ^= (uint8_t)(1 << dice_below(8));
			assert_true(sign_check(signer.key, what, bytes, signature));
			assert_false(sign_check(signer.key, what, bytes, bent));
			assert_false(sign_check(other.key, what, bytes, signature));
			assert_false(sign_check(signer.key, what % SIGN_HANDSHAKE + 1, bytes, signature));
			if (!sizes[i])
				continue;
			assert_false(sign_check(signer.key, what, bytes_of(message, sizes[i] - 1), signature));
			message[sizes[i] - 1] ^= 1;
			assert_false(sign_check(signer.key, what, bytes, signature));
			message[sizes[i] - 1] ^= 1;
		}
	}
}

/* A key of small order has signatures that fit anything. */
static void no_signature_fits_a_weak_key(void **state)
{
	struct key32 weak = { { 1 } };
	struct signature signature = { { 1 } };

	(void)state;
	assert_false(sign_check(weak, SIGN_BATCH, bytes_text("any"), signature));
}

static void a_seed_gives_one_key_and_a_key_one_node(void **state)
{
	struct signer one = signer_of(1), again = signer_of(1), other = signer_of(2);
	static const uint8_t key_of_zero[] = { 0x3b, 0x6a, 0x27, 0xbc };
	uint8_t zero[32] = { 0 };

	(void)state;
	assert_memory_equal(&one, &again, sizeof one);
	assert_memory_not_equal(one.key.bytes, other.key.bytes, 32);
	/* RFC 8032's function of a seed: the well-known key of 32 zero bytes. */
	assert_memory_equal(signer_from_seed(zero).key.bytes, key_of_zero, sizeof key_of_zero);
	assert_true(node_of_key(one.key) && node_of_key(one.key) == node_of_key(again.key));
	assert_true(node_of_key(one.key) != node_of_key(other.key));
}

/* What was signed by one version must be good for the next. (Reckoned elsewhere, by hashlib and another Ed25519.) */
static void the_signed_bytes_are_fixed(void **state)
{
	static const uint8_t start[] = { 0xdc, 0xf5, 0xd0, 0x32, 0x54, 0xd2, 0x61, 0x73 };
	uint8_t zero[32] = { 0 };
	struct signer signer = signer_from_seed(zero);
	struct signature signature = sign_make(&signer, SIGN_STATEMENT, bytes_text("text"));

	(void)state;
	assert_memory_equal(signature.bytes, start, sizeof start);
	assert_true(node_of_key(signer.key) == UINT64_C(0xc53e63da79ed4fa1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_good_for_one_key_one_thing_and_one_message),
		cmocka_unit_test(no_signature_fits_a_weak_key),
		cmocka_unit_test(a_seed_gives_one_key_and_a_key_one_node),
		cmocka_unit_test(the_signed_bytes_are_fixed),
	};

	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
