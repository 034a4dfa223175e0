/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PROOFS_H
#define WARREN_PROOFS_H

/*
 * The proofs that are known here: a set by (node, start), of which the first that comes is kept. Each link is told all
 * of them when it opens, and each new one at once. What one proves is crdt/log/proof's to say.
 */

#include "crdt/base/arena.h"
#include "crdt/gossip/frame.h"
#include "crdt/log/proof.h"

struct mesh;
struct link;

enum {
	PROOFS_OF_ONE = 1024, /* as many starts of one member can be closed so */
	PROOFS_UNDONE_MAX = 1 << 16,
};

struct proofs {
	struct known_proof {
		uint64_t node, start;
		struct bytes whole;
	} * all;          /* in order of arrival */
	uint32_t *sorted; /* their places, by (node, start) */
	size_t count, room;
	struct arena arena;
	struct sum sum;    /* of what is closed, whatever proves it */
	size_t stored;     /* as many are on the disk; they are the first */
	struct buf undone; /* what a commit that failed took back, each behind its size */
	struct mono_time undone_at;
};

enum code proofs_open(struct mesh *mesh, struct err *err);
void proofs_done(struct proofs *proofs);

bool proofs_has(const struct proofs *proofs, uint64_t node, uint64_t start);

/* A proof that was checked; nothing happens when that start is closed already. Failures of the store alone. */
enum code proofs_add(struct mesh *mesh, struct bytes whole, struct err *err);

/* What a commit that failed took back comes into one a second later: a disk that is full still would take back with it
 * all that comes meanwhile. */
enum code proofs_again(struct mesh *mesh, struct err *err);
void proofs_settled(struct proofs *proofs);

/* Two signed batches that cannot lie on one chain. */
enum code proofs_add_fork(struct mesh *mesh, const struct batch *one, const struct batch *other, struct err *err);

/* E_FORM, E_VALUE and E_DENIED break the link. */
enum code proofs_receive(struct mesh *mesh, struct link *link, struct reader list, struct err *err);

/* Tells the link what it was not told. */
void proofs_flush(struct mesh *mesh, struct link *link);

#endif
