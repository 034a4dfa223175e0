/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_KIND_H
#define WARREN_FRAME_KIND_H

/* What frames there are, what may be in them, and how large they may be. */

enum frame_kind {
	FRAME_T0_SUM = 1,    /* what my set of statements weighs */
	FRAME_T0_LIST,       /* the hashes of my statements, some at a time, in any order */
	FRAME_T0_STATEMENTS, /* in the order they arrived here */
	FRAME_T0_APPLY,      /* somebody redeems an invite */
	FRAME_T0_REFUSE,     /* and why not */
	FRAME_BATCH,
	FRAME_ACK,
	FRAME_BEAT,
	FRAME_HINT,
	FRAME_INDEX,
	FRAME_WANT,
	FRAME_GONE,
	FRAME_BUCKET,
	FRAME_BUCKET_ASK,
	FRAME_ASK,
	FRAME_ANSWER,
	FRAME_BYE,
	FRAME_PROOFS,   /* that starts are closed */
	FRAME_FRONTS,   /* where the peer's own streams end here, in the peer's own words */
	FRAME_OLD,      /* what everybody had of streams, and the peer has not: its disk is old */
	FRAME_SNAP_ASK, /* send me of your state what comes from there on */
	FRAME_SNAP,     /* some of it */
	FRAME_REGION,   /* what the members of a region acknowledged */
	FRAME_KINDS,
};

/* How far a link has come, and so what it may carry. */
enum link_stage {
	LINK_GUEST,  /* the peer is not known as a member: T0 and `bye` alone */
	LINK_MEMBER, /* everything */
};

enum {
	FRAME_MAX = 66000,
	FRAME_HASHES_MAX = 4000,
	FRAME_STATEMENTS_MAX = 256,
	FRAME_FRONTIERS_MAX = 1500,
	FRAME_WANTS_MAX = 256,
	FRAME_GONE_MAX = 256,
	FRAME_RECORDS_MAX = 1200,
	FRAME_PROOFS_MAX = 120,
	FRAME_FRONTS_MAX = 240,
	FRAME_OLD_MAX = 64,
	FRAME_REGION_MAX = 800,
	FRAME_TABLE_SIZE = 256 * 16,
	FRAME_BODY_MAX = 60 * 1024,
	FRAME_REASON_MAX = 255,
	FRAME_SNAP_KEY_MAX = 40,
	FRAME_SNAP_CHUNKS_MAX = 20, /* in answer to one ask */
	FRAME_SNAP_FRONT_MAX = 128, /* of a chunk, before what it carries */
};

/* What a snapshot consists of, in the order in which it is sent: donor.h. */
enum snap_part {
	SNAP_STABLE = 1,
	SNAP_VECTOR,
	SNAP_PROOFS,
	SNAP_RECORDS,
	SNAP_LOG,
	SNAP_PARTS, /* one more than the last: there is no more */
};

enum hint_what {
	HINT_SILENT = 1, /* the member is not heard of any more */
	HINT_BACK,       /* the member is heard again */
	HINT_PROBE,      /* do you hear it? answered with silent or back */
	HINT_KINDS,      /* one more than the last */
};

enum bye_reason {
	BYE_STOPPING = 1,
	BYE_TWIN,      /* this server runs twice */
	BYE_DUPLICATE, /* there is another link between us */
	BYE_RENEWED,   /* a new link with new keys took this one's place */
	BYE_EVICTED,
	BYE_BROKE,    /* what you sent was refused */
	BYE_STRANGER, /* a guest that did not become a member */
	BYE_SPARE,    /* no link between us is needed */
	BYE_REASONS,
};

enum ask_what {
	ASK_TOKEN = 1, /* which vector a commit number stood for */
	ASK_FREE,      /* how many addresses of a pool are free there */
	ASK_BLOCK,     /* for some of them */
	ASK_REQUEST,   /* to do what the one who is asked alone may do: request.h */
	ASK_KINDS,     /* one more than the last */
};

const char *frame_name(enum frame_kind kind);
const char *bye_text(enum bye_reason reason);

#endif
