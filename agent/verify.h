/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_VERIFY_H
#define WARREN_VERIFY_H

/*
 * Whether a state directory is whole: the file's structure, every entry's hash, the ledger, every record's form and
 * identity, every index entry, every mark, the root; and, where that is asked for, the log: its chains and signatures.
 *
 * Offline all of it is checked. A start leaves the log's chains and signatures out: they were checked before a batch
 * was kept, since when its hash says that it is the same, and the ledger that none went. What they could tell besides
 * is a fault of our own, and would cost a start 80 us a batch.
 */

#include "crdt/base/hash.h"
#include "crdt/store.h"

struct verify_report {
	/* Told each damage as a line that names what is damaged. */
	void (*line)(void *context, const char *text);
	void *context;
	/*
	 * Whether to read on, so as to name each damaged record, where the file's structure is damaged already: LMDB
	 * may take the process down then.
	 */
	bool is_daring;
	bool is_thorough; /* whether to check chains and signatures */
	uint64_t damages; /* found */
	uint64_t derived; /* of these, in what the next start makes anew when nothing else is damaged */
	uint64_t logged;  /* of these, in batches, ends and statements */
	bool is_current;  /* the indexes are this version's, and were checked; else the next start makes them anew */
	uint64_t records, entries, batches, statements; /* how many there are, of entries those of indexes */
};

/* Reads all of it and changes nothing. E_DAMAGED when `report` was told anything. */
enum code verify_state(const char *state_dir, struct verify_report *report, struct err *err);

/*
 * Opens the state for the agent: verified first, its indexes made anew where they are another version's or are all that
 * is damaged, and then verified again. `fresh_key` is the secret of a store that is not there yet.
 */
enum code verify_and_open(const char *state_dir, const struct hash_key *fresh_key, struct verify_report *report,
			  struct store **ret_store, struct err *err);

#endif
