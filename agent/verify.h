/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_VERIFY_H
#define WARREN_VERIFY_H

/*
 * Whether a state directory is whole: the file's structure, every entry's hash, the ledger, every record's form and
 * identity, every index entry. Offline, and the same before each start.
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
	uint64_t damages; /* found */
	uint64_t derived; /* of these, in the indexes, which the next start makes anew when nothing else is damaged */
	bool is_current;  /* the indexes are this version's, and were checked; else the next start makes them anew */
	uint64_t records, entries; /* how many records and index entries there are */
};

/* Names what a key stands for: "device 3f2a…", "index entry by owner of device 3f2a…". */
enum { VERIFY_NAME_SIZE = 160 };
void verify_name(struct bytes key, char room[VERIFY_NAME_SIZE]);

/* Reads all of it and changes nothing. E_DAMAGED when `report` was told anything. */
enum code verify_state(const char *state_dir, struct verify_report *report, struct err *err);

/*
 * Opens the state for the agent: verified first, its indexes made anew where they are another version's or are all that
 * is damaged, and then verified again. `fresh_key` is the secret of a store that is not there yet.
 */
enum code verify_and_open(const char *state_dir, const struct hash_key *fresh_key, struct verify_report *report,
			  struct store **ret_store, struct err *err);

#endif
