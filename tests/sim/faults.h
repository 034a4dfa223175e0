/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_FAULTS_H
#define WARREN_SIM_FAULTS_H

/*
 * What goes wrong in a world: each seed has a mix of its own, of few kinds of faults or of many.
 *
 * The machines of the cluster are those below `machines`; one or two behind them are strangers, who come with no invite
 * or with one that is worth nothing, and must never get in. A machine whose disk was damaged stays down for good. What
 * a fault breaks for a while mends by itself, and all of it at faults_heal.
 */

#include "tests/sim/people.h"

enum { FAULTS_CALLS = 200, FAULTS_CALLS_END = 210, STRANGERS = 2, CLONES = 2 };

/* What happens to members and to whole disks; which of these a seed has is drawn apart from the others. */
#define FAULTS_OF_MEMBERS(X) \
	X(restore)           \
	X(clone)             \
	X(clone_on)          \
	X(fleet_cut)         \
	X(evict)             \
	X(evict_twice)       \
	X(lose)              \
	X(operator_named)    \
	X(operator_removed)  \
	X(level)             \
	X(invite_back)

#define FAULTS(X)         \
	X(kill)           \
	X(cut_power)      \
	X(crash_at)       \
	X(fail_at)        \
	X(full_at)        \
	X(limit)          \
	X(flip)           \
	X(lie)            \
	X(slow)           \
	X(stuck)          \
	X(loss)           \
	X(partition)      \
	X(flap)           \
	X(clock_jump)     \
	X(clock_drift)    \
	X(clock_stop)     \
	X(replay)         \
	X(reflect)        \
	X(garbage)        \
	X(stranger_link)  \
	X(stranger)       \
	X(invite_expired) \
	X(invite_void)    \
	X(invite_twice)   \
	FAULTS_OF_MEMBERS(X)

/* What comes of those of members. */
#define FAULTS_OUTCOMES(X)     \
	X(copied)              \
	X(restored)            \
	X(fleet_restored)      \
	X(cloned)              \
	X(clone_stopped)       \
	X(cloned_stopped)      \
	X(evicted)             \
	X(evicted_down)        \
	X(evicted_heir)        \
	X(evicted_sponsor)     \
	X(evicted_apart)       \
	X(evicted_forked)      \
	X(evicted_stuck)       \
	X(evicted_lost)        \
	X(evicted_unlisted)    \
	X(evicted_by_operator) \
	X(eviction_undone)     \
	X(heir_down)           \
	X(level_behind)

#define FAULTS_COUNTS(X)  \
	FAULTS(X)         \
	X(whole)          \
	X(full)           \
	X(half)           \
	X(one_way)        \
	X(ring)           \
	X(bridge)         \
	X(alone)          \
	X(join)           \
	X(join_apart)     \
	X(join_again)     \
	X(reboot)         \
	X(upgrade)        \
	X(downgrade)      \
	X(next_version)   \
	X(died_damaged)   \
	X(died_io)        \
	X(does_not_start) \
	X(lost)           \
	X(regions)        \
	X(lan)            \
	FAULTS_OUTCOMES(X)

struct faults_counts {
#define X(name) uint64_t name;
	FAULTS_COUNTS(X)
#undef X
};

struct faults;

/* How many machines a seed needs beside those of the cluster: strangers, clones, and at last the evil one. */
uint32_t faults_slots(uint64_t seed);
bool faults_has_evil(uint64_t seed);

/* Whether any seed has it at all, by its name; of an outcome, whether what leads to it is. */
bool faults_is_on(const char *name);

struct faults *faults_new(struct world *world, struct check *check, struct people *people, uint32_t machines);
void faults_free(struct faults *faults);

/* Founds the cluster; the rest joins while faults happen, until then. */
void faults_begin(struct faults *faults, uint64_t until_ns);

/* Everything is well again, but for the machines that are lost; all others are up, and on their way in. */
void faults_heal(struct faults *faults);

/* Again, for those that were not let in: their sponsors may be gone. True: all are in. */
bool faults_invite_rest(struct faults *faults);

void faults_called(struct faults *faults, uint32_t what, uint64_t with);
void faults_died(struct faults *faults, struct machine *machine);

bool faults_is_lost(const struct faults *faults, uint32_t machine);

/* Whether somebody who is up knows that it was. */
bool faults_is_evicted(const struct faults *faults, uint32_t machine);

/* NULL: nobody got in who should not. */
const char *faults_violation(const struct faults *faults);
const struct faults_counts *faults_counts(const struct faults *faults);

#endif
