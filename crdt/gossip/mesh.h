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
#include "crdt/gossip/ack.h"
#include "crdt/gossip/antientropy.h"
#include "crdt/gossip/beat.h"
#include "crdt/gossip/bucket.h"
#include "crdt/gossip/pending.h"
#include "crdt/gossip/push.h"
#include "crdt/gossip/session.h"
#include "crdt/gossip/t0.h"
#include "crdt/gossip/twin.h"
#include "crdt/state/author.h"

enum { MESH_LINKS_MAX = 1024, MESH_GUESTS_MAX = 64, MESH_ALARMS = 8 };

#define MESH_SECOND UINT64_C(1000000000)

/* What is owed to a link; said in this order. */
enum owed {
	OWED_SHOW = 1, /* to a stranger: what makes us a member, or our application */
	OWED_T0_SUM = 2,
	OWED_T0_LIST = 4,
	OWED_T0_LACKS = 8,
	OWED_REFUSAL = 16,
	OWED_ACK = 32,
	OWED_INDEX = 64,
	OWED_ANSWER = 128, /* an index in answer to the peer's */
	OWED_WANT = 256,
	OWED_BEAT = 512,
	OWED_TABLE_ASK = 1024,
	OWED_TABLE = 2048,
	OWED_BUCKET_ASK = 4096,
	OWED_BUCKET = 8192,
	OWED_HINTS = 16384,
	OWED_ASK = 32768,
};

struct link {
	uint32_t number; /* the transport's */
	struct link *next, *next_dirty;
	struct session *session;
	struct peer *peer;    /* the member at the other end */
	struct key32 dialled; /* whom we meant to reach */
	bool is_dialler, is_dirty, is_closing, is_indexed;
	enum bye_reason bye; /* why it is closing; 0: without a word */
	struct mono_time made;
	struct buf out;      /* sealed bytes */
	struct want *wanted; /* what is to be asked of the peer */
	size_t wanted_count;
	uint32_t owed;
	struct t0_link t0;
	struct telling telling;
	struct stream_table told, named;
	struct flow flow;
	uint8_t bucket_asked, bucket_wanted; /* which, of the two last kinds of debt */
	struct hints hints;
	struct asked asked;
};

/* A member other than this one. */
struct peer {
	uint64_t node;
	struct vector acked; /* what it last said to be durable there */
	struct link *link;   /* NULL: none */
	struct processes processes;
	struct pulse pulse;
	struct mono_time dial_at;
	uint32_t dial_tries;
	bool wants_dial, is_dialling;
};

/* How often what happened, for whoever wants to see that everything did. */
#define MESH_COUNTS(X)                                                                                                 \
	X(merged)                                                                                                      \
	X(duplicate)                                                                                                   \
	X(gap)                                                                                                         \
	X(off_chain) X(unknown_author) X(void_entry) X(pushed) X(wanted) X(window_full) X(lost_patience) X(index)      \
		X(want) X(gone) X(ack) X(ack_all) X(beat) X(beat_differed) X(root_differed) X(bucket) X(t0_sum)        \
			X(t0_list) X(t0_statement) X(t0_refused) X(shown) X(applied) X(admitted) X(refused_applicant)  \
				X(link_up) X(link_broken) X(guest) X(promoted) X(duplicate_link) X(renewed) X(twin)    \
					X(twin_cleared) X(evicted_link) X(silence) X(probe) X(false_silence) X(dial)   \
						X(await_covered) X(await_late) X(await_behind) X(await_strict)         \
							X(await_lost) X(token_asked) X(copies_reached) X(copies_short) \
								X(commit_failed) X(alarm)

struct mesh_counts {
#define X(name) uint64_t name;
	MESH_COUNTS(X)
#undef X
};

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

	/* The events at hand. */
	struct mono_time now;
	struct wall_time wall;
	struct rng rng;
	struct store_txn *txn;  /* theirs, opened at need */
	struct store_txn *look; /* of what is said after it */
	struct arena arena;
	struct buf frame; /* one in the making */
	char alarms[MESH_ALARMS][160];
	size_t alarms_count;

	/* What is known. */
	struct t0 t0;
	bool is_member, is_evicted, is_twin;
	struct vector vector;
	struct root root;
	struct changes changes;
	struct author author;
	uint64_t commits;     /* of this process */
	struct stream *moved; /* whose ends this transaction changed */
	size_t moved_count, moved_room;
	struct recent recent;

	/* The others. */
	struct peer **peers; /* ascending by node */
	size_t peers_count;
	struct link *links, *dirty;
	size_t links_count;
	bool has_dials;
	struct gaps gaps;
	struct mono_time ticked;
	struct pendings pendings;
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

/* A stream goes on; the end is stored with the commit. */
void mesh_move(struct mesh *mesh, struct stream stream, struct end end);

/* The peer of that id; NULL: not a member that stands. */
struct peer *mesh_peer(const struct mesh *mesh, uint64_t node);

/* The statements are others now: members come and go. */
void mesh_members_changed(struct mesh *mesh);

PRINTF(2, 3) void mesh_alarm(struct mesh *mesh, const char *format, ...);

#endif
