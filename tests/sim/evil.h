/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_EVIL_H
#define WARREN_SIM_EVIL_H

/*
 * A member that is evil: a machine with an admitted key and a program of its own in the place of the node. Its sessions
 * are real and its batches are signed; what it says is whatever a member could say, and no member would. It knows all
 * that its peers know, so what they compare with it agrees.
 *
 * It writes records of its own alone, so that what people know of theirs stays true; it never reads what it is told,
 * but keeps some of it to say it again.
 */

#include "tests/sim/check.h"

/* What world_call brings back to it. */
enum { EVIL_CALLS = 220, EVIL_CALLS_END = 221 };

/* What it does, and how often one of them comes beside the others. */
#define EVIL_ACTS(X)          \
	X(write, 30)          \
	X(equivocate, 2)      \
	X(fork_again, 1)      \
	X(break_chain, 2)     \
	X(back_date, 4)       \
	X(post_date, 4)       \
	X(at_ceiling, 2)      \
	X(beyond_ceiling, 2)  \
	X(flood_large, 1)     \
	X(flood_tiny, 2)      \
	X(flood_entries, 1)   \
	X(begin_starts, 2)    \
	X(forge_stream, 3)    \
	X(forge_bytes, 3)     \
	X(forge_statement, 3) \
	X(replay_batch, 4)    \
	X(replay_frame, 3)    \
	X(large_field, 2)     \
	X(bad_name, 2)        \
	X(unknown_kind, 2)    \
	X(unknown_field, 2)   \
	X(void_entry, 2)      \
	X(others_row, 2)      \
	X(newer_batch, 2)     \
	X(close_unknown, 2)   \
	X(close_healthy, 2)   \
	X(transfer, 2)        \
	X(withhold_batch, 4)  \
	X(withhold_lane, 3)   \
	X(withhold_acks, 3)   \
	X(withhold_t0, 2)     \
	X(claim, 3)           \
	X(claim_beyond, 2)    \
	X(frontiers, 3)       \
	X(gone, 3)            \
	X(say_old, 3)         \
	X(want_all, 3)        \
	X(lie_beat, 3)        \
	X(lie_table, 3)       \
	X(lie_bucket, 3)      \
	X(ask_much, 2)        \
	X(answer_wrongly, 3)  \
	X(hint_silent, 3)     \
	X(garbage, 2)         \
	X(half_open, 2)       \
	X(admit_twice, 1)

#define EVIL_COUNTS(X) \
	X(dialled)     \
	X(up)          \
	X(closed)      \
	X(told)        \
	X(heard)       \
	X(answered)    \
	X(evicted)

struct evil_counts {
#define X(name, weight) uint64_t name;
	EVIL_ACTS(X)
#undef X
#define X(name) uint64_t name;
	EVIL_COUNTS(X)
#undef X
};

/* Whether it does that at all. */
bool evil_does(const char *name);

struct evil;

/* On that machine; those below `machines` are the others. */
struct evil *evil_new(struct world *world, struct check *check, uint32_t machine, uint32_t machines);
void evil_free(struct evil *evil);

/* It is admitted by the first machine, and at work until then, about once in `pause_ns`. */
void evil_begin(struct evil *evil, uint64_t until_ns, uint64_t pause_ns);

/* One thing, now: `act` is its place in EVIL_ACTS. False: nobody is there to do it to. */
bool evil_act(struct evil *evil, uint32_t act);

/* Where it has too few links, it dials somebody. */
void evil_dial(struct evil *evil);

/* To be called from the hook of the same name. */
void evil_called(struct evil *evil, uint32_t what, uint64_t with);

/* It hangs up for good. */
void evil_end(struct evil *evil);

const struct evil_counts *evil_counts(const struct evil *evil);

#endif
