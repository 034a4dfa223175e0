/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/seal.h"

#include <assert.h>
#include <sodium.h>

/* So far no counter comes: a link's keys are replaced long before. */
#define COUNTER_END (UINT64_C(1) << 63)

enum { NONCE_SIZE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES };

_Static_assert(SEAL_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES, "ChaCha20-Poly1305");
_Static_assert(sizeof(struct seal_key) == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "ChaCha20-Poly1305");
_Static_assert(sizeof(struct key32) == crypto_scalarmult_BYTES && crypto_scalarmult_SCALARBYTES == 32, "X25519");

struct key32 seal_public(const uint8_t secret[32])
{
	struct key32 key;

	crypto_scalarmult_base(key.bytes, secret);
	return key;
}

bool seal_agree(const uint8_t secret[32], struct key32 theirs, struct seal_key *ret_shared)
{
	struct seal_key shared;

	if (crypto_scalarmult(shared.bytes, secret, theirs.bytes) || sodium_is_zero(shared.bytes, sizeof shared.bytes))
		return false;
	*ret_shared = shared;
	sodium_memzero(&shared, sizeof shared);
	return true;
}

/* The counter, big-endian, behind zeros. */
static void make_nonce(uint64_t counter, uint8_t nonce[NONCE_SIZE])
{
	memset(nonce, 0, NONCE_SIZE - sizeof counter);
	for (size_t i = 0; i < sizeof counter; i++)
		nonce[NONCE_SIZE - 1 - i] = (uint8_t)(counter >> 8 * i);
}

void seal_close(struct seal *seal, struct bytes bound, struct bytes plain, uint8_t *sealed)
{
	uint8_t nonce[NONCE_SIZE];

	assert(seal->counter < COUNTER_END);
	make_nonce(seal->counter, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain.data, plain.size, bound.data, bound.size, NULL,
						  nonce, seal->key.bytes);
	seal->counter++;
}

bool seal_open(struct seal *seal, struct bytes bound, struct bytes sealed, uint8_t *plain)
{
	uint8_t nonce[NONCE_SIZE];

	if (sealed.size < SEAL_TAG || seal->counter >= COUNTER_END)
		return false;
	make_nonce(seal->counter, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed.data, sealed.size, bound.data,
						      bound.size, nonce, seal->key.bytes))
		return false;
	seal->counter++;
	return true;
}
