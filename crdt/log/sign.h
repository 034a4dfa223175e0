/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIGN_H
#define WARREN_SIGN_H

/*
 * Signatures: Ed25519 over what kind of thing it is and the thing's hash, so that none is ever good for another kind.
 *
 * The simulator links another sign.c, whose signatures cost less and bind as much among those who do not forge.
 */

#include "crdt/base/base.h"

struct signer {
	struct key32 key;
	uint8_t secret[64];
};

struct signature {
	uint8_t bytes[64];
};

enum sign_what {
	SIGN_BATCH = 1,
	SIGN_STATEMENT = 2,
	SIGN_ADMISSION = 3, /* by the one-time key of an invite */
	SIGN_HANDSHAKE = 4,
	SIGN_CLOSING = 5, /* of a node's own start, by itself */
};

struct signer signer_from_seed(const uint8_t seed[32]);
struct signature sign_make(const struct signer *signer, enum sign_what what, struct bytes message);
bool sign_check(struct key32 key, enum sign_what what, struct bytes message, struct signature signature);

/* A node's id: the first 8 bytes of its key's BLAKE2b; never 0 (a key that gives 0 is nobody's). */
uint64_t node_of_key(struct key32 key);

#endif
