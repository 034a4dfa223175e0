/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SEAL_H
#define WARREN_SEAL_H

/*
 * Secrecy between two processes: agreeing on keys (X25519), and sealing one message after the other
 * (ChaCha20-Poly1305, a strict counter as the nonce).
 *
 * As with sign.h, the simulator links another seal.c that costs less; what it seals opens with the same counter and key
 * alone.
 */

#include "crdt/base/base.h"

enum { SEAL_TAG = 16 };

struct seal_key {
	uint8_t bytes[32];
};

/* One direction of a link. */
struct seal {
	struct seal_key key;
	uint64_t counter;
};

/* The public half of an ephemeral secret. */
struct key32 seal_public(const uint8_t secret[32]);

/* What both sides come to; false for a public half that gives nothing secret. */
bool seal_agree(const uint8_t secret[32], struct key32 theirs, struct seal_key *ret_shared);

/* Writes size + SEAL_TAG bytes. `bound` is authenticated with them and not sent. */
void seal_close(struct seal *seal, struct bytes bound, struct bytes plain, uint8_t *sealed);

/* Writes size - SEAL_TAG bytes, and counts only what opened. `plain` may be where `sealed` is. */
bool seal_open(struct seal *seal, struct bytes bound, struct bytes sealed, uint8_t *plain);

#endif
