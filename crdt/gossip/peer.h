/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PEER_H
#define WARREN_PEER_H

/*
 * The other members, and the links to them: what each part of gossip knows of one, side by side.
 */

#include "crdt/gossip/ack.h"
#include "crdt/gossip/antientropy.h"
#include "crdt/gossip/beat.h"
#include "crdt/gossip/bucket.h"
#include "crdt/gossip/closed.h"
#include "crdt/gossip/donor.h"
#include "crdt/gossip/exchange.h"
#include "crdt/gossip/lend.h"
#include "crdt/gossip/pending.h"
#include "crdt/gossip/proofs.h"
#include "crdt/gossip/push.h"
#include "crdt/gossip/recover.h"
#include "crdt/gossip/relay.h"
#include "crdt/gossip/session.h"
#include "crdt/gossip/t0.h"
#include "crdt/gossip/twin.h"
#include "crdt/state/author.h"

/* What is owed to a link; t0_flush, then link.c's say_all, say in which order. */
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
	OWED_RECEIPT = 65536, /* for batches that the link gave */
	OWED_FRONTS = 131072, /* where the peer's own streams end here */
	OWED_OLD = 262144,    /* that its disk is */
	OWED_WORDS = 524288,  /* what members acknowledged to whom the peer has no link */
	OWED_SNAP = 1 << 30,
};

/* Whoever is not yet known may open many of them: what only members need is in their peer. */
struct link {
	uint32_t number; /* the transport's */
	struct link *next, *next_numbered, *next_dirty;
	struct session *session;
	struct peer *peer;    /* the member at the other end */
	struct key32 dialled; /* whom we meant to reach */
	bool is_dialler, is_dirty, is_closing, is_indexed;
	bool has_shown;      /* the peer, where it stands with everything */
	enum bye_reason bye; /* why it is closing; 0: without a word */
	struct mono_time made;
	struct buf out;      /* sealed bytes */
	struct want *wanted; /* what is to be asked of the peer */
	size_t wanted_count;
	uint32_t owed;
	struct t0_link t0;
	size_t proofs_told; /* of all, in the order of their arrival */
	struct telling telling;
	struct stream_table told, named;
	struct flow flow;
	uint8_t bucket_asked, bucket_wanted; /* which, of the two last kinds of debt */
};

/* A member other than this one. */
struct peer {
	uint64_t node;
	struct vector acked; /* what it last said to be durable there; not weighed */
	struct vector was;   /* the same, of the link before, until it has said all of it on this one */
	struct link *link;   /* NULL: none */
	struct given given;
	struct processes processes;
	struct pulse pulse;
	uint64_t up_ns;                  /* that the handshake of its link took */
	bool has_words;                  /* it was told all of them once, on this link */
	uint64_t words_set;              /* of whom they were */
	bool is_pruned;                  /* what `acked` has not is where everybody is at least */
	bool is_level;                   /* and is where this member is */
	const struct relay_place *place; /* of the map; NULL: there is none, or the peer is not in it */
	struct mono_time needed, spare;  /* last for a question; since when by nobody, 0: it is */
	struct mono_time ahead;          /* when it last knew more of our present start than we do */
	bool has_clock;                  /* it told what its clock says */
	int64_t clock_off_ms;            /* by how much that was ahead of ours when it came */
	struct mono_time dial_at;
	uint32_t dial_tries;
	bool wants_dial, is_dialling;
	uint32_t gaps; /* that it told of; and whether it may know of more */
	bool has_more_gaps;
	struct hints hints; /* that are owed to it, and answers */
	struct asked asked;
	struct lend_debt lend;
	struct snap_debt snap_debt; /* what of a snapshot it asked for last */
	struct mono_time unfit;     /* its state was no donor's; 0: it never was seen to be so */
	struct vain vain;
	struct sources sources; /* whom it has its state from, by its last table; none: it is proven */
	bool is_told_of;        /* to the operator, for the histories that it wrote */
};

#endif
