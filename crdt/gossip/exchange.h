/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_EXCHANGE_H
#define WARREN_EXCHANGE_H

/*
 * What a member does first after each start, since its disk may be older than what others have of it. Some other member
 * shows it where its own streams end there, and it gets what it lacks of them: until then it writes nothing, rows
 * included, and merges nothing else, or it would use a seq again. Then it gets all that is urgent, up to where that
 * member stood: until then it gives away nothing and lets nobody in.
 *
 * When nobody answers for EXCHANGE_PATIENCE it goes on with what its disk says, and says so. Alone in its cluster, or
 * with a key made by this very process, it has nobody to ask.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"

struct mesh;
struct link;

#define EXCHANGE_PATIENCE (UINT64_C(20) * 1000000000)

enum exchange_stage {
	EXCHANGE_OWN,    /* our own streams are not known to be whole */
	EXCHANGE_URGENT, /* what is urgent is not yet here */
	EXCHANGE_REST,   /* what is not urgent is not yet here */
	EXCHANGE_DONE,
};

struct exchange {
	enum exchange_stage stage;
	bool is_stale;                                /* nobody answered in time */
	struct mono_time begun, since, asked, passed; /* passed: its own streams are whole */
	uint64_t with;        /* the member whose word is waited for, after our own streams; 0: none yet */
	struct vector target; /* where it stood; first of all, where our own streams stood with anybody */
	bool has_target;
};

/* The process starts; `is_new`: its key was made by it. */
void exchange_begin(struct mesh *mesh, bool is_new);
void exchange_done(struct exchange *exchange);

/* Whether it may write anything; give away addresses, let members in, spend what is spent once; install and lease. */
bool exchange_may_write(const struct mesh *mesh);
bool exchange_may_give(const struct mesh *mesh);
bool exchange_may_serve(const struct mesh *mesh);

/* Whether all that the other member showed is here. */
bool exchange_is_whole(const struct mesh *mesh);

/* Whether batches of the stream may be merged now. */
bool exchange_takes(const struct mesh *mesh, struct stream stream);

/* Tells the link's peer where its streams end here. */
enum code exchange_say(struct mesh *mesh, struct link *link, struct err *err);

/* The peer tells where ours end there. A failure other than of the store breaks the link. */
enum code exchange_fronts(struct mesh *mesh, struct link *link, struct reader list, struct err *err);

/* The peer has said where it stands with everything. */
void exchange_shown(struct mesh *mesh, struct link *link);

/* The state is a donor's now, and what that had of our own streams is here. */
void exchange_replaced(struct mesh *mesh);

/* What was waited for may be here: once per commit. Failures of the store alone. */
enum code exchange_step(struct mesh *mesh, struct err *err);

/* That commit failed, and what was here is not. */
void exchange_back(struct mesh *mesh, enum exchange_stage stage);
void exchange_tick(struct mesh *mesh);

/*
 * Once a second: whoever acknowledges more of our present start than we have has it from another process under our key.
 * Where our streams end is shown at the start of a link, so that one begins anew; once a minute, for it may be a lie.
 */
void exchange_watch(struct mesh *mesh);

#endif
