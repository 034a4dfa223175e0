/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_PEER_H
#define WARREN_TEST_PEER_H

/*
 * The other end of a session, written once more and as plainly as can be, on the library alone: it shows that what
 * session.c sends is what its header says, and it can misbehave where session.c would not.
 */

#include "crdt/base/buf.h"
#include "crdt/log/sign.h"

/* What a peer does wrong in its part of the handshake, in itself all well sealed. */
enum misdeed {
	BEHAVES,
	SIGNS_AS_OTHER_ROLE,
	SIGNS_AS_BATCH,
	SIGNS_OTHER_PROCESS,
	SIGNS_OLD_TRANSCRIPT, /* without what was said last */
	CLAIMS_OTHER_KEY,     /* somebody's, which it has not */
	CLAIMS_YOUR_KEY,      /* the one that it speaks to */
	IS_OTHER_MEMBER,      /* all in order, but not who was meant */
	MISDEEDS,
};

struct peer {
	bool is_dialler;
	struct signer signer;
	struct id cluster;
	uint64_t process;
	struct key32 yours; /* the key of the one that it speaks to */
	uint8_t secret[32], transcript[32], before[32], shared[32], send_key[32], open_key[32], bound[32];
	uint64_t sent, opened;
};

enum { PEER_OPEN = 40, PEER_HELLO = 160, PEER_PROOF = 160, PEER_CONFIRM = 120 };

/* `seed` gives its key, its ephemeral key and its process. */
struct peer peer_make(bool is_dialler, uint64_t seed, struct id cluster);

void peer_hello(struct peer *peer, struct buf *out);
void peer_proof(struct peer *peer, struct bytes hello, enum misdeed misdeed, struct buf *out);

/* False: the proof is not one. */
bool peer_confirm(struct peer *peer, struct bytes proof, enum misdeed misdeed, struct buf *out);
bool peer_take_confirm(struct peer *peer, struct bytes confirm);

void peer_send(struct peer *peer, struct bytes frame, struct buf *out);

/* One whole message; into `room`, which takes it. */
bool peer_open(struct peer *peer, struct bytes message, uint8_t *room, struct bytes *ret_frame);

#endif
