/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_INSTALL_H
#define WARREN_INSTALL_H

/*
 * Putting a donor's state in place, in one transaction: joined with what is here, or instead of it.
 *
 * Joining is for two that each have what everybody had, by the other's word: nothing is lost, whichever of them was
 * further where. Replacing is for a disk that is old or empty: what it holds of all members' streams and the donor has
 * not is put among what waits, to be merged again.
 *
 * Statements, what waits, proofs, and what the store keeps of this member itself stay; the donor's proofs come to them.
 */

#include "crdt/state/apply.h"
#include "crdt/state/gift.h"

struct installing {
	const struct gift *gift; /* that gift_judge passed */
	const struct members *members;
	struct store_txn *txn;
	struct root *root;       /* to be put by whoever commits */
	struct changes *changes; /* of joining; after replacing anything may be another */
	struct vector *vector;   /* this member's, as it is and then as it will be */
	struct arena *arena;     /* for what is returned */
};

struct installed {
	struct bytes *forks; /* proofs that came to light; they are put */
	size_t forks_count;
	size_t waiting;            /* batches put among what waits */
	size_t records, unchanged; /* of the gift's records; those that made no difference */
};

/*
 * E_VALUE, and nothing of it counts: the two do not cover each other, or the gift's log does not bear its vector out
 * against ours. Otherwise E_FULL, E_IO, E_DAMAGED. After any failure the transaction is to be abandoned, and root and
 * vector read anew.
 */
enum code install_join(struct installing *installing, struct installed *ret_installed, struct err *err);
enum code install_replace(struct installing *installing, struct installed *ret_installed, struct err *err);

#endif
