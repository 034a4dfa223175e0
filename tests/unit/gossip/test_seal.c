/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/seal.h"

#include "crdt/base/text.h"
#include "tests/unit/base/check.h"

#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct bytes bound = { (const uint8_t *)"of this link", 12 };

static void unhex(const char *text, void *room)
{
	assert_true(hex_read(bytes_text(text), room, 32));
}

/* RFC 7748, 6.1. */
static void two_agree_as_the_standard_says(void **state)
{
	uint8_t alice[32], bob[32], expected[32];
	struct key32 alice_public, bob_public;
	struct seal_key of_alice, of_bob;

	(void)state;
	unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", alice);
	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", bob);
	alice_public = seal_public(alice);
	bob_public = seal_public(bob);
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", expected);
	assert_memory_equal(&alice_public, expected, 32);
	unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", expected);
	assert_memory_equal(&bob_public, expected, 32);
	assert_true(seal_agree(alice, bob_public, &of_alice) && seal_agree(bob, alice_public, &of_bob));
	unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected);
	assert_memory_equal(&of_alice, expected, 32);
	assert_memory_equal(&of_bob, expected, 32);
}

/* Points that give the same whatever the secret is. */
static void nothing_secret_is_refused(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	};
	struct seal_key shared, untouched;
	uint8_t secret[32];

	(void)state;
	memset(&untouched, 0x5a, sizeof untouched);
	dice_fill(secret, sizeof secret);
	for (size_t i = 0; i < COUNT(points); i++) {
		struct key32 point;

		unhex(points[i], point.bytes);
		shared = untouched;
		assert_false(seal_agree(secret, point, &shared));
		assert_memory_equal(&shared, &untouched, sizeof shared);
	}
}

static struct seal some_seal(void)
{
	struct seal seal = { 0 };

	memset(&seal.key, 7, sizeof seal.key);
	return seal;
}

static void what_is_closed_opens_in_its_order(void **state)
{
	struct seal closes = some_seal(), opens = some_seal();
	uint8_t plain[3][64], sealed[3][64 + SEAL_TAG], back[64 + SEAL_TAG];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		dice_fill(plain[i], sizeof plain[i]);
		seal_close(&closes, bound, bytes_of(plain[i], 20 * i), sealed[i]);
	}
	assert_int_equal(closes.counter, 3);
	assert_false(seal_open(&opens, bound, bytes_of(sealed[1], 20 + SEAL_TAG), back));
	assert_int_equal(opens.counter, 0);
	for (size_t i = 0; i < 3; i++) {
		/* Where it lies. */
		memcpy(back, sealed[i], sizeof back);
		assert_true(seal_open(&opens, bound, bytes_of(back, 20 * i + SEAL_TAG), back));
		assert_memory_equal(back, plain[i], 20 * i);
		assert_false(seal_open(&opens, bound, bytes_of(sealed[i], 20 * i + SEAL_TAG), back));
		assert_int_equal(opens.counter, i + 1);
	}
}

static void what_was_changed_stays_shut(void **state)
{
	struct seal closes = some_seal(), opens = some_seal();
	uint8_t plain[20], sealed[20 + SEAL_TAG], back[20];
	uint8_t other[12];

	(void)state;
	dice_fill(plain, sizeof plain);
	seal_close(&closes, bound, bytes_of(plain, sizeof plain), sealed);
	for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(seal_open(&opens, bound, bytes_of(sealed, sizeof sealed), back));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t i = 0; i < sizeof other; i++) {
		memcpy(other, bound.data, sizeof other);
		other[i] ^= 1;
		assert_false(seal_open(&opens, bytes_of(other, sizeof other), bytes_of(sealed, sizeof sealed), back));
	}
	for (size_t size = 0; size < sizeof sealed; size++)
		assert_false(seal_open(&opens, bound, bytes_of(sealed, size), back));
	opens.key.bytes[31] ^= 1;
	assert_false(seal_open(&opens, bound, bytes_of(sealed, sizeof sealed), back));
	opens.key.bytes[31] ^= 1;
	assert_true(seal_open(&opens, bound, bytes_of(sealed, sizeof sealed), back));
}

static void a_counter_never_comes_again(void **state)
{
	struct seal closes = some_seal(), opens = some_seal();
	static const uint8_t nonce[12] = { 0, 0, 0, 0, 0x80 };
	uint8_t sealed[SEAL_TAG], back[1];
	int status;
	pid_t child;

	(void)state;
	closes.counter = opens.counter = (UINT64_C(1) << 63) - 1;
	seal_close(&closes, bound, bytes_of(NULL, 0), sealed);
	assert_true(seal_open(&opens, bound, bytes_of(sealed, sizeof sealed), back));
	/* Also what would open. */
	assert_int_equal(opens.counter, UINT64_C(1) << 63);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, NULL, 0, bound.data, bound.size, NULL, nonce,
						  opens.key.bytes);
	assert_false(seal_open(&opens, bound, bytes_of(sealed, sizeof sealed), back));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		alarm(10);
		seal_close(&closes, bound, bytes_of(NULL, 0), sealed);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_agree_as_the_standard_says),    cmocka_unit_test(nothing_secret_is_refused),
		cmocka_unit_test(what_is_closed_opens_in_its_order), cmocka_unit_test(what_was_changed_stays_shut),
		cmocka_unit_test(a_counter_never_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
