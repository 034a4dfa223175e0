/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORE_MEM_H
#define WARREN_SIM_STORE_MEM_H

/*
 * A disk in memory, and the store on it: what a simulated machine writes to, with the faults that real ones have.
 *
 * The disk outlives the process that opened a store on it: a crash ends the store, whose further calls all answer
 * E_IO until it is closed, and the disk keeps what was durable. Snapshots, clones and restores are O(1). Nothing
 * happens by itself: each fault is a call, its chance is the caller's, and the same calls give the same bytes. Disks
 * and their clones share memory and belong to one thread.
 *
 * A commit that changes n entries goes through these steps, which the countdowns below count over all coming commits:
 *
 *     1 … n    writing a change
 *     n + 1    sync
 *     n + 2    writing the meta page
 *     n + 3    sync
 *     n + 4    telling the caller (only a crash can come here)
 *
 * A transaction that changed nothing has no steps. The store's ledger is one of the n.
 */

#include "crdt/base/rng.h"
#include "crdt/store_backend.h"

struct mem_disk;

struct mem_disk *mem_disk_new(void);

/* The same bytes on another disk, without pending faults. */
struct mem_disk *mem_disk_clone(const struct mem_disk *disk);

/* Puts an old copy's bytes in place. No store is open, unless it crashed. */
void mem_disk_restore(struct mem_disk *disk, const struct mem_disk *copy);

/* No store is open, unless it crashed. NULL is fine. */
void mem_disk_free(struct mem_disk *disk);

/* As `store_open`; E_BUSY while another store is open. */
enum code mem_store_open(struct mem_disk *disk, const struct hash_key *fresh_key, struct store **ret_store,
			 struct err *err);

/* The power goes, now. */
void mem_disk_crash(struct mem_disk *disk);

/*
 * The power goes at the step'th step from now; 0: not at all. The commit in flight is there afterwards when its last
 * sync was done, else the one before it is.
 */
void mem_disk_crash_at(struct mem_disk *disk, uint64_t step);

/*
 * The disk has been lying about its syncs: at the next crash the newest commit whose meta page was written (in flight
 * or long acknowledged) is torn, some of its changes missing or half there, by `seed`. If chance leaves it whole,
 * it is just there.
 */
void mem_disk_lie(struct mem_disk *disk, uint64_t seed);

/*
 * The step'th step from now fails with E_IO, and so does all that the store does afterwards; 0: none. The next process
 * finds the commit only if its meta page was written, so if its last sync is what failed.
 */
void mem_disk_fail_at(struct mem_disk *disk, uint64_t step);

/* The change'th writing of a change from now, and each later one, finds no room (E_FULL, by the commit); 0: room. */
void mem_disk_full_at(struct mem_disk *disk, uint64_t change);

/* How many bytes of keys and values fit (E_FULL, by the put); 0: any. */
void mem_disk_limit(struct mem_disk *disk, uint64_t size);

/* One bit of one key or value turns round. A writer that is open keeps what it has read. False: the disk is empty. */
bool mem_disk_flip(struct mem_disk *disk, struct rng *rng);

/* Writes (or, with NULL data, removes) an entry behind the back of every store, without a commit. */
void mem_disk_poke(struct mem_disk *disk, struct bytes key, struct bytes value);

uint64_t mem_disk_used(const struct mem_disk *disk);

/* How often what came to pass, for a run that must have seen everything. */
struct mem_counts {
	uint64_t commits; /* acknowledged */
	uint64_t crashes;
	uint64_t unheard; /* commits that a crash kept from being acknowledged, and that are there */
	uint64_t torn;    /* entries that a crash of a lying disk left otherwise than they were written */
	uint64_t flipped, full, failed;
};

struct mem_counts mem_disk_counts(const struct mem_disk *disk);

#endif
