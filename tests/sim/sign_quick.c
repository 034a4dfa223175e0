/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/sign.h"

#include "crdt/base/hash.h"
#include "tests/sim/quick.h"

/* In the place of crdt/log/sign.c: signatures by hash, which anybody who knows the key can make. */

struct signer signer_from_seed(const uint8_t seed[32])
{
	struct signer signer = { 0 };
	struct quick quick = { 1, 2 };

	quick_bytes(&quick, bytes_of(seed, 32));
	quick_end(quick, signer.key.bytes, sizeof signer.key.bytes);
	memcpy(signer.secret, seed, 32);
	memcpy(signer.secret + 32, signer.key.bytes, sizeof signer.key.bytes);
	return signer;
}

static struct signature make(struct key32 key, enum sign_what what, struct bytes message)
{
	struct quick quick = { (uint64_t)what, 3 };
	struct signature signature;

	quick_bytes(&quick, bytes_of(key.bytes, sizeof key.bytes));
	quick_bytes(&quick, message);
	quick_end(quick, signature.bytes, sizeof signature.bytes);
	return signature;
}

struct signature sign_make(const struct signer *signer, enum sign_what what, struct bytes message)
{
	return make(signer->key, what, message);
}

bool sign_check(struct key32 key, enum sign_what what, struct bytes message, struct signature signature)
{
	struct signature right = make(key, what, message);

	return !memcmp(&right, &signature, sizeof right);
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
