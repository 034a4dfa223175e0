/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CONFLICT_H
#define WARREN_CONFLICT_H

/*
 * What two sides of a partition did that cannot both hold. Conflicts are derived from the records whenever somebody
 * asks, never stored; each ends when somebody decides.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

enum conflict_what {
	CONFLICT_NAME,    /* several live records claim one name */
	CONFLICT_KEY,     /* several live devices have one public key: none is installed */
	CONFLICT_VALUE,   /* a guarded field has two values at one generation: it grants the least */
	CONFLICT_POLICY,  /* a policy has several heads, or none */
	CONFLICT_LIMIT,   /* a device beyond what its owner's plan allows: it is off */
	CONFLICT_INVALID, /* a live record that breaks this version's limits: treated as absent */
	CONFLICT_ADDRESS, /* live leases of one pool share an address: the smallest id stands, the others are to end */
	CONFLICT_LEASES,  /* a device has several live leases of one pool: as above */
	CONFLICT_LOST,    /* a device that lost its only lease of a pool to another one */
	CONFLICT_POOL,    /* overlaps a pool with a smaller id on one gateway: treated as absent */
	CONFLICT_SPENT,   /* a use of a once-only secret beyond what it allows: what it made is off */
	CONFLICT_KINDS,
};

struct conflict {
	enum conflict_what what;
	const struct kind *kind;
	const struct field *field; /* of a name, a value or a lease; else NULL */
	struct id id;              /* of several the smallest */
	struct id *others;
	size_t count; /* of the others */
};

/* Each conflict once, in order of (kind, id, what); `found` gets one at a time, its memory until it returns. */
typedef void conflict_found(void *context, const struct conflict *conflict);
enum code conflict_find(struct store_txn *txn, conflict_found *found, void *context, struct err *err);

/* In words: what it is, and what ends it. */
void conflict_describe(const struct conflict *conflict, char *room, size_t size);

#endif
