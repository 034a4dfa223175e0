/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_AGENT_STORE_H
#define WARREN_AGENT_STORE_H

/*
 * The store on a real disk: one LMDB file, STATE/state.mdb, behind crdt/store.h.
 *
 * One process at a time may write a state directory, and nobody reads it from outside meanwhile: a lock on the
 * directory itself sees to that, so it also holds when the files in it are replaced. Within the writing process any
 * thread takes snapshots; a writing transaction is begun and ended by one thread, and no two overlap, which is
 * asserted.
 *
 * A failed commit is E_FULL only when the disk said so before anything was relied on: then the next try may succeed.
 * Any other failure of the disk is E_IO, and the store stops for good.
 */

#include "crdt/store_backend.h"

enum lmdb_mode {
	LMDB_WRITER, /* makes the directory and the file when they are missing */
	LMDB_READER, /* offline; changes no byte, makes no file, works on a read-only disk */
};

struct lmdb_options {
	enum lmdb_mode mode;
	const struct hash_key *fresh_key; /* of a store yet to be made; NULL: a missing one is E_ABSENT */
	uint64_t map_size;                /* how large the file may grow; 0 means LMDB_MAP_SIZE */
};

/* Address space, not memory: it is never grown, for that would pull the map away from under open snapshots. */
#define LMDB_MAP_SIZE (UINT64_C(64) << 30)

/*
 * E_BUSY when another process has it, E_DENIED when others own it or could get at it, E_ABSENT when there is
 * none, E_NEWER and E_DAMAGED by what the file says.
 */
enum code lmdb_store_open(const char *state_dir, const struct lmdb_options *options, struct store **ret_store,
			  struct err *err);

#endif
