/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_COUNTS_H
#define WARREN_COUNTS_H

/*
 * What happened, counted: for whoever wants to see that everything did.
 */

#include "crdt/base/base.h"

#define MESH_COUNTS(X)       \
	X(merged)            \
	X(duplicate)         \
	X(gap)               \
	X(unknown_author)    \
	X(void_entry)        \
	X(pushed)            \
	X(wanted)            \
	X(window_full)       \
	X(lost_patience)     \
	X(taken_over)        \
	X(region_word)       \
	X(index)             \
	X(want)              \
	X(gone)              \
	X(ack)               \
	X(ack_all)           \
	X(beat)              \
	X(beat_differed)     \
	X(root_differed)     \
	X(bucket)            \
	X(t0_sum)            \
	X(t0_list)           \
	X(t0_statement)      \
	X(t0_refused)        \
	X(clock_off)         \
	X(newer)             \
	X(shown)             \
	X(applied)           \
	X(admitted)          \
	X(refused_applicant) \
	X(link_up)           \
	X(link_broken)       \
	X(guest)             \
	X(promoted)          \
	X(duplicate_link)    \
	X(renewed)           \
	X(twin)              \
	X(twin_cleared)      \
	X(evicted_link)      \
	X(silence)           \
	X(probe)             \
	X(false_silence)     \
	X(dial)              \
	X(await_covered)     \
	X(await_behind)      \
	X(await_strict)      \
	X(await_lost)        \
	X(token_asked)       \
	X(request_handed)    \
	X(request_taken)     \
	X(request_answered)  \
	X(request_silent)    \
	X(spend_alone)       \
	X(spend_repeated)    \
	X(copies_reached)    \
	X(copies_short)      \
	X(proof)             \
	X(proof_own)         \
	X(fork)              \
	X(unplaced)          \
	X(row)               \
	X(waiting)           \
	X(waiting_full)      \
	X(waiting_out)       \
	X(branches_full)     \
	X(waiting_dropped)   \
	X(let_in)            \
	X(own_start)         \
	X(own_lacking)       \
	X(own_followed)      \
	X(fronts)            \
	X(exchange_own)      \
	X(exchange_urgent)   \
	X(exchange_whole)    \
	X(exchange_stale)    \
	X(ahead)             \
	X(too_early)         \
	X(went_back)         \
	X(old)               \
	X(old_peer)          \
	X(denied)            \
	X(no_donor)          \
	X(replaced)          \
	X(joined)            \
	X(asked)             \
	X(free_counted)      \
	X(given)             \
	X(given_again)       \
	X(dry)               \
	X(inherited)         \
	X(granted)           \
	X(owned_again)       \
	X(ended)             \
	X(commit_failed)     \
	X(alarm)

struct mesh_counts {
#define X(name) uint64_t name;
	MESH_COUNTS(X)
#undef X
};

#endif
