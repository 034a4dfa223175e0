/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_JOIN_TOKEN_H
#define WARREN_JOIN_TOKEN_H

/*
 * The one line that `node invite` prints and `node join` takes: "wrn-join-" and base64url of a version, the cluster,
 * the sponsor's key, the invite and its one-time key, when it expires, where the sponsor listens, and a check over all
 * of that. Whoever holds it may become one member, once.
 */

#include "agent/transport.h"
#include "crdt/base/arena.h"
#include "crdt/base/time.h"

#define JOIN_TOKEN_PREFIX "wrn-join-"

enum { JOIN_TOKEN_ADDRESSES = 4, JOIN_TOKEN_MAX = 1600 };

struct join_token {
	struct id cluster, invite;
	struct key32 sponsor;
	uint8_t one_time[32]; /* the seed of its key */
	struct wall_time expires;
	struct transport_address addresses[JOIN_TOKEN_ADDRESSES];
	size_t count;
};

/* Ends with a zero. */
void join_token_write(const struct join_token *token, char room[JOIN_TOKEN_MAX]);

/* E_FORM says whether it was cut, changed, or is no join token at all; E_NEWER. */
enum code join_token_read(struct bytes text, struct join_token *ret_token, struct err *err);

/* The recovery key as people write it down: "wrn-recovery-", eight groups of hex and a check. */
enum { RECOVERY_KEY_MAX = 100 };
void recovery_key_write(const uint8_t seed[32], char room[RECOVERY_KEY_MAX]);
enum code recovery_key_read(struct bytes text, uint8_t ret_seed[32], struct err *err);

#endif
