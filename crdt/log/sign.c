/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/sign.h"

#include "crdt/base/hash.h"

#include <sodium.h>

enum { HASH_SIZE = 32 };

/* What is really signed: of one size, whatever the message has. */
struct signed_text {
	uint8_t room[6];
	uint8_t what;
	uint8_t hash[HASH_SIZE];
};

_Static_assert(sizeof(struct signed_text) == 6 + 1 + HASH_SIZE, "bytes alone");

static struct signed_text text_of(enum sign_what what, struct bytes message)
{
	struct signed_text text = { .room = { 'w', 'a', 'r', 'r', 'e', 'n' }, .what = (uint8_t)what };

	crypto_generichash(text.hash, sizeof text.hash, message.data, message.size, NULL, 0);
	return text;
}

struct signer signer_from_seed(const uint8_t seed[32])
{
	struct signer signer;

	_Static_assert(sizeof signer.secret == crypto_sign_SECRETKEYBYTES, "Ed25519");
	_Static_assert(crypto_sign_SEEDBYTES == 32, "Ed25519");
	crypto_sign_seed_keypair(signer.key.bytes, signer.secret, seed);
	return signer;
}

struct signature sign_make(const struct signer *signer, enum sign_what what, struct bytes message)
{
	struct signed_text text = text_of(what, message);
	struct signature signature;

	_Static_assert(sizeof signature == crypto_sign_BYTES, "Ed25519");
	crypto_sign_detached(signature.bytes, NULL, (const uint8_t *)&text, sizeof text, signer->secret);
	return signature;
}

bool sign_check(struct key32 key, enum sign_what what, struct bytes message, struct signature signature)
{
	struct signed_text text = text_of(what, message);

	return !crypto_sign_verify_detached(signature.bytes, (const uint8_t *)&text, sizeof text, key.bytes);
}

uint64_t node_of_key(struct key32 key)
{
	struct bytes bytes = bytes_of(key.bytes, sizeof key.bytes);
	struct id hash = hash_id(&bytes, 1);
	uint64_t node = 0;

	for (size_t i = 0; i < sizeof node; i++)
		node = node << 8 | hash.bytes[i];
	return node;
}
