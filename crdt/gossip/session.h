/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SESSION_H
#define WARREN_SESSION_H

/*
 * A session: who is at the other end of a stream of bytes, and frames that nobody between can read, change, repeat or
 * leave out. A pure state machine on bytes; whether that peer is a member is for others to say.
 *
 * The dialler sends `hello` (the protocol's name and version, an ephemeral key, padded, so that no answer is larger
 * than its question); the other side answers `proof` (name, version, its own ephemeral key; sealed: its node key, its
 * process's 64 bits, its signature over all that was said); the dialler `confirm` (the same of itself, sealed). What is
 * sealed opens only for who knows the cluster's id, which is never sent. Keys, and what each message is bound to, come
 * from the whole transcript: protocol version, cluster, both nodes, both processes. Afterwards each message is 4 bytes
 * of length and that much sealed, with a counter per direction. The first thing that is wrong breaks the session for
 * good.
 *
 * A dialler of another version gets name and version alone, so that both sides can say why they part.
 *
 * Until the peer has signed, a session costs at most SESSION_YOUNG_SIZE bytes, and nothing it says is parsed but the
 * handshake.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"
#include "crdt/base/time.h"
#include "crdt/gossip/seal.h"
#include "crdt/log/sign.h"

enum {
	SESSION_VERSION = 1,
	SESSION_FRAME_MAX = 66 * 1024, /* plain */
	SESSION_OVERHEAD = 4 + SEAL_TAG,
	SESSION_YOUNG_SIZE = 1024,
};

/* From here on its keys are due to be replaced, by a new link in its place. */
#define SESSION_MESSAGES_MAX (UINT64_C(1) << 20)
#define SESSION_AGE_MAX_NS (UINT64_C(3600) * 1000000000)

/* This end; borrowed for the session's life. */
struct session_self {
	const struct signer *signer;
	struct id cluster;
	uint64_t process; /* random, one per process */
};

struct session_peer {
	struct key32 key;
	uint64_t node, process;
};

enum session_step {
	SESSION_WAIT, /* all that arrived is used up */
	SESSION_UP,   /* the peer has shown who it is; once */
	SESSION_FRAME,
	SESSION_BROKEN, /* close the link; also for every later call */
};

struct session;

/* `random` seeds the ephemeral key. A dialler knows whom it means to reach, and takes nobody else. */
struct session *session_dial(const struct session_self *self, struct key32 peer, const uint8_t random[32],
			     struct mono_time now, struct buf *out);
struct session *session_accept(const struct session_self *self, const uint8_t random[32], struct mono_time now);
void session_free(struct session *session);

/*
 * One step through `*arrived`, which moves on; what is not whole yet is kept inside. A frame is borrowed until the next
 * call. What the handshake answers is appended to `out`, 160 bytes at most, and is to be sent also by one that broke.
 */
enum session_step session_next(struct session *session, struct bytes *arrived, struct buf *out, struct bytes *ret_frame,
			       struct err *err);

/* Appends a sealed frame, of at most SESSION_FRAME_MAX; the session is up and not broken. An `out` that is full gets
 * none. */
void session_send(struct session *session, struct bytes frame, struct buf *out);

/* Of one that is up, or was. */
const struct session_peer *session_peer(const struct session *session);

bool session_is_up(const struct session *session);

/* Whether its keys are due. */
bool session_is_old(const struct session *session, struct mono_time now);

/* What it costs now, with all it holds. */
size_t session_size(const struct session *session);

#endif
