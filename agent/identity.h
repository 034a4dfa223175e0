/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_IDENTITY_H
#define WARREN_IDENTITY_H

/*
 * Who this server is: the keys of its node, and the cluster that it belongs to; in STATE/node.key. While it joins, the
 * file also holds the join token, and while it founds, what is to be written first: so a restart goes on with either.
 */

#include "agent/join_token.h"
#include "crdt/gossip/t0.h"

enum { IDENTITY_FIRST = 5 };

struct identity {
	struct id cluster;
	struct signer signer;
	struct key32 box_key;
	uint8_t box_secret[32];
	uint8_t seed[32]; /* of the signer */
	bool is_joining;
	struct join_token token;
	bool is_founding;
	struct bytes first[IDENTITY_FIRST]; /* three statements, then the maps of two records; in the arena */
	struct arena arena;
};

/* In locked memory, wiped by identity_free. E_ABSENT: this server belongs to no cluster yet. */
enum code identity_read(const char *state_dir, struct identity **ret_identity, struct err *err);

/* Fresh keys, in memory alone; and the same again. */
struct identity *identity_new(struct id cluster);
struct identity *identity_copy(const struct identity *identity);
void identity_free(struct identity *identity);

/* Makes the file, or takes out of it what is done. */
enum code identity_write(const char *state_dir, const struct identity *identity, bool is_new, struct err *err);
enum code identity_forget(const char *state_dir, struct err *err);

/* What the node wants of the token. */
struct joining identity_joining(const struct identity *identity);

#endif
