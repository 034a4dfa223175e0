/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_APPLY_H
#define WARREN_APPLY_H

/*
 * What a valid entry says becomes state: all of its ops are judged by their form first, then merged, so an entry is
 * there whole or not at all. Both ways meet here, what this member's people ask and what other members send.
 */

#include "crdt/base/arena.h"
#include "crdt/log/batch.h"
#include "crdt/state/root.h"
#include "crdt/store.h"

/* The records that a transaction changed, each once or more. */
struct changes {
	struct changed {
		uint32_t kind;
		struct id id;
	} * all;
	size_t count, room;
};

void changes_add(struct changes *changes, uint32_t kind, struct id id);
void changes_clear(struct changes *changes);
void changes_done(struct changes *changes);

/*
 * What one transaction works with. `changes` may be NULL, and `root` in a state without a cluster. After a failure in
 * merging, the transaction is to be abandoned, and with it the root and the changes.
 */
struct applying {
	struct store_txn *txn;
	struct root *root;
	struct changes *changes;
	struct arena *arena; /* for temporaries, which are given back */
};

struct applied {
	uint32_t entries, voids; /* merged; not valid, and skipped */
	struct hlc latest;       /* of the merged entries' stamps */
};

/* Merges the entries of a batch that is verified and next in its stream. E_FULL, E_IO, E_DAMAGED alone. */
enum code apply_batch(struct applying *applying, const struct batch *batch, struct applied *ret_applied,
		      struct err *err);

/* One entry that entry_check passed; E_VALUE, and nothing merged, when an op's identity does not give its id. Else as
 * apply_batch. */
enum code apply_entry(struct applying *applying, uint64_t author, const struct entry *entry, struct err *err);

#endif
