/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CHECK_INSIDE_H
#define WARREN_SIM_CHECK_INSIDE_H

/*
 * What the parts of the check know of each other: check.c (steps), check_record.c (records), check_client.c (what was
 * promised to clients), check_full.c (a machine in full), check_rest.c (several machines).
 */

#include "crdt/log/log.h"
#include "crdt/model/record.h"
#include "crdt/state/apply.h"
#include "crdt/state/index.h"
#include "tests/sim/check.h"
#include "tests/sim/check_chain.h"

enum { ROOTS = 1 << 13, NODES = 256 };

/* What is known of one disk, over all processes that ran on it. */
struct disk {
	struct vector vector; /* that it holds at least */
	struct vector acked;  /* what it acknowledged to clients, of its own streams */
	struct vector healed; /* that it had when all was mended: everybody is to have it */
	bool is_known;        /* a process of it was seen, so the vector is also the most */
	uint64_t noted;       /* of mesh->recent */
	uint64_t replaced;    /* by this process */
	bool may_fork;        /* another history of its streams may be about */
	bool was_lost, was_alone, is_damaged, is_evil;
	uint64_t lost_ns;
	uint64_t latest_ms; /* that its wall clock ever showed */
	struct hlc hlc;     /* of its process, when last seen */
	uint64_t start;     /* the same */
	struct sum members; /* t0.sum, when last looked at */
	size_t statements;
	struct check_map marks; /* dead records, and values that only grow */
	struct key32 *revoked;
	size_t revoked_count, revoked_room;
	uint64_t *evicted; /* nodes, and where their streams stood when that was learned */
	size_t evicted_count, evicted_room;
	struct vector frozen;
	struct changes changed; /* in the step at hand */
};

/* What was acknowledged: these records, in a stream up to there. */
struct promise {
	struct id id;
	uint32_t machine;
	uint64_t start;
	struct end ends[LANES];
};

struct check {
	struct world *world;
	struct disk disks[WORLD_MACHINES_MAX];
	struct {
		uint64_t node;
		uint32_t machine;
	} nodes[NODES];
	struct {
		struct sum vector, root;
	} * roots;
	struct check_map members; /* what they are, by what the statements weigh */
	struct check_map dead;    /* records that somebody saw dead */
	struct check_map asked;   /* numbers of writes */
	struct check_map starts;  /* that somebody ever wrote in */
	struct chains chains;
	struct promise *promises;
	size_t promises_count, promises_room, promises_at;
	struct {
		uint64_t node, process, commits;
		struct vector vector;
	} * commits; /* what short tokens stand for */
	size_t commits_at;
	struct record *record; /* room for one */
	struct arena arena;
	uint64_t steps, due; /* of the next machine in full */
	uint32_t turn;
	struct check_counts counts;
	char violation[512];
};

/* A stored token of a commit is kept among so many. */
enum { COMMITS = 256 };
PRINTF(4, 5)
void check_violate(struct check *check, uint32_t invariant, const struct machine *m, const char *format, ...);

static inline const struct mesh *check_mesh(const struct machine *m)
{
	return m->core->node_mesh(m->node);
}

uint32_t check_machine_of(const struct check *check, uint64_t node); /* UINT32_MAX: none has that id */

/* Follows its vector to where it is now: answers are told before a step is over. */
void check_vector(struct check *check, struct machine *m);
/* Whether the machine takes the node for one that does not stand. */
bool check_is_evicted(const struct machine *m, uint64_t node);

/* A snapshot of what is durable; NULL: the disk fails. */
struct store_txn *check_snapshot(struct check *check, struct machine *m);

/* Reading failed; a disk that stopped is no violation. */
void check_read_failed(struct check *check, uint32_t invariant, const struct machine *m, enum code code,
		       const struct err *err);

/* --- Records: invariants 2, 8, 9, 13, and 6 of the users among them. */

void check_record(struct check *check, struct machine *m, struct store_txn *txn, uint32_t kind, struct id id,
		  struct bytes stored);
void check_changed_records(struct check *check, struct machine *m);

/* Keys that were ever revoked: on this disk; on another, all of whose urgent lanes it has; at rest, on any member's. */
void check_revoked(struct check *check, struct machine *m, struct store_txn *txn);
void check_others_revoked(struct check *check, struct machine *m, struct store_txn *txn);
void check_all_revoked(struct check *check, struct machine *m, struct store_txn *txn);

/* The names that users answer to, against a list made here (6); the leases that stand (5). */
void check_logins(struct check *check, struct machine *m, struct store_txn *txn);
void check_leases(struct check *check, struct machine *m, struct store_txn *txn);

/* What was spent (13). */
void check_spends(struct check *check, struct machine *m, struct store_txn *txn);

/* --- Clients. */

/* After a start: what was acknowledged is there (4). */
void check_kept(struct check *check, struct machine *m);

/* At rest: everybody has what was acknowledged (3). */
void check_promises(struct check *check, struct machine *m, struct store_txn *txn);

/* --- A machine in full. */

void check_machine(struct check *check, struct machine *m);
void check_links(struct check *check, struct machine *m);
void check_memory(struct check *check, struct machine *m);

/* What it holds of others' streams, and believes that others hold (4). */
void check_told(struct check *check, struct machine *m);

/* What it makes of its statements (1), and what follows from evictions (7). */
void check_statements(struct check *check, struct machine *m);
void check_evicted_links(struct check *check, struct machine *m);

/* --- Several machines. */

/* A member by its own word, and nobody who is up knows better. */
bool check_stands(const struct check *check, uint32_t machine);

#endif
