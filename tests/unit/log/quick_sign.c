/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of crdt/log/sign.c: signatures that cost little, and keys whose node is what their second byte says, so that
 * two keys may have one node, and a key may be nobody's.
 */
#include "crdt/base/hash.h"
#include "crdt/log/sign.h"

struct signer signer_from_seed(const uint8_t seed[32])
{
	struct signer signer = { 0 };

	memcpy(signer.key.bytes, seed, sizeof signer.key.bytes);
	return signer;
}

static struct signature signature_of(struct key32 key, enum sign_what what, struct bytes message)
{
	uint8_t byte = (uint8_t)what;
	struct bytes parts[] = { bytes_of(key.bytes, sizeof key.bytes), bytes_of(&byte, 1), message };
	struct id hash = hash_id(parts, COUNT(parts));
	struct signature signature = { 0 };

	memcpy(signature.bytes, hash.bytes, sizeof hash.bytes);
	return signature;
}

struct signature sign_make(const struct signer *signer, enum sign_what what, struct bytes message)
{
	return signature_of(signer->key, what, message);
}

bool sign_check(struct key32 key, enum sign_what what, struct bytes message, struct signature signature)
{
	struct signature right = signature_of(key, what, message);

	return !memcmp(right.bytes, signature.bytes, sizeof right.bytes);
}

uint64_t node_of_key(struct key32 key)
{
	return key.bytes[1];
}
