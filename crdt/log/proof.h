/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PROOF_H
#define WARREN_PROOF_H

/*
 * Proofs that a start of a node is closed. Either two signed headers of one of its streams that cannot lie on one
 * chain: they overlap and differ, or one goes on from another batch than the one that ends right before it. Or the
 * node's own word, when it was shown of itself what it cannot place. Whoever has one needs nobody's word for it, so
 * proofs are kept and passed on by themselves.
 *
 * Canonical msgpack: [1, front, front] of two batches' headers with their signatures, or [2, cluster, node, start,
 * signature].
 */

#include "crdt/log/batch.h"

enum { PROOF_MAX = 2 * BATCH_FRONT_MAX + 16 };

struct proof {
	uint64_t node, start; /* what it closes */
	bool is_fork;
	struct batch one, other; /* of a fork: their fronts alone */
	struct signature signature;
	struct bytes whole;
};

/* Form, and that a fork is one; borrows from `whole`. The signatures are for proof_is_signed. E_FORM, E_VALUE. */
enum code proof_read(struct bytes whole, struct proof *ret_proof, struct err *err);
bool proof_is_signed(const struct proof *proof, struct id cluster, struct key32 author);

/* Whether two batches of one stream cannot lie on one chain. */
bool proof_is_fork(const struct batch *one, const struct batch *other);

/* Appends one. The batches may be whole or fronts; which is first makes no difference to the bytes. */
void proof_write_fork(const struct batch *one, const struct batch *other, struct buf *out);
void proof_write_own(const struct signer *author, struct id cluster, uint64_t start, struct buf *out);

#endif
