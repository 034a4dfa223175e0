/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MESH_H
#define WARREN_MESH_H

/*
 * What the parts of gossip share: this member, its state in memory, the other members, and the links between them.
 *
 * While events are handled, memory and the open transaction go forward together and nothing is said: parts only note
 * what they owe to which link. After the commit it is said, from what is durable then. When a commit fails, the memory
 * is made anew of the disk; links and their sessions stay, and what was owed is owed again.
 */

#include "crdt/base/rng.h"
#include "crdt/gossip/counts.h"
#include "crdt/gossip/peer.h"
#include "crdt/gossip/snapshot.h"
#include "crdt/gossip/stable.h"

enum { MESH_LINKS_MAX = 1024, MESH_LINK_LISTS = 256, MESH_GUESTS_MAX = 64, MESH_ALARMS = 8 };

#define MESH_SECOND UINT64_C(1000000000)

/* A disk that stays full fails each commit, and those are many a second. */
#define MESH_UNWRITTEN_EVERY (60 * MESH_SECOND)

struct mesh {
	struct session_self self;
	const struct signer *signer;
	struct key32 box_key;
	struct id cluster;
	uint64_t node;
	struct store *store;
	const struct effects *effects;
	struct joining joining;
	bool is_joining;
	char join_refusal[FRAME_REASON_MAX + 1]; /* by the sponsor, last; empty: none */

	/* The events at hand. */
	struct mono_time now;
	struct wall_time wall;
	struct rng rng;
	struct store_txn *txn;      /* theirs, opened at need */
	struct store_txn *look;     /* of what is said after it */
	struct last_sent last_sent; /* of that */
	struct arena arena;
	struct buf frame; /* one in the making */
	char alarms[MESH_ALARMS][160];
	size_t alarms_count;
	struct mono_time unwritten; /* when the operator was last told that a commit failed; 0: never */

	/* What is known. */
	struct t0 t0;
	bool is_member, is_evicted, is_twin;
	struct vector vector, had; /* had: on this disk before it was replaced, and not merged again yet */
	struct proofs proofs;
	struct closings closings;
	struct waitings waiting;
	struct exchange exchange;
	struct recovery recovery;
	struct root root;
	struct changes changes;
	struct author author;
	uint64_t commits;     /* of this process */
	struct stream *moved; /* whose ends this transaction changed */
	size_t moved_count, moved_room;
	size_t own_moved; /* of the author's batches, those that moved theirs */
	struct recent recent;
	struct stable stable;

	/* The others. */
	struct peer **peers;       /* ascending by node */
	size_t peers_count, place; /* ours would be before the peer of that place */
	struct link *links, *dirty;
	struct link *numbered[MESH_LINK_LISTS]; /* the same links, by the last bits of their numbers */
	size_t links_count;
	bool has_dials;
	struct gaps gaps;
	struct relay relay;
	struct mono_time ticked;
	struct pendings pendings;
	struct lend lend;
	struct snapshot snapshot;
	struct mesh_counts counts;
};

/* Makes the memory of what is on the disk. */
enum code mesh_load(struct mesh *mesh, struct err *err);
void mesh_done(struct mesh *mesh);

/*
 * Ends the transaction of the events since the last one, then says what is owed. `failed` is what handling them came
 * to, and the transaction is then given up. E_FULL is survived; after anything else the process must end.
 */
enum code mesh_commit(struct mesh *mesh, enum code failed, struct err *err);

/* The open transaction. E_FULL, E_IO, E_DAMAGED. */
enum code mesh_txn(struct mesh *mesh, struct err *err);

/* A snapshot of what is durable, for what is said now. */
enum code mesh_look(struct mesh *mesh, struct err *err);

struct applying mesh_applying(struct mesh *mesh);

/* The open transaction, or else what is durable. */
enum code mesh_reader(struct mesh *mesh, struct store_txn **ret_txn, struct err *err);

/* A batch is merged, and its stream goes on; the end is stored with the commit. */
void mesh_move(struct mesh *mesh, const struct batch *batch);

/* What this member wrote so far becomes batches. */
enum code mesh_close_own(struct mesh *mesh, struct err *err);

/* The peer of that id; NULL: not a member that stands. */
struct peer *mesh_peer(const struct mesh *mesh, uint64_t node);

/* The statements are others now: members come and go. */
void mesh_members_changed(struct mesh *mesh);

PRINTF(2, 3) void mesh_alarm(struct mesh *mesh, const char *format, ...);

#endif
