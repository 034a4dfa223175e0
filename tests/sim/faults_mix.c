/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults_inside.h"

#include <string.h>

/* How often one of a kind comes beside the others, where a seed has it at all. */
static const uint8_t fault_weights[FAULTS_ALL] = {
	[FAULT_kill] = 6,     [FAULT_cut_power] = 6,      [FAULT_crash_at] = 6,    [FAULT_fail_at] = 3,
	[FAULT_full_at] = 3,  [FAULT_limit] = 3,          [FAULT_flip] = 2,        [FAULT_lie] = 1,
	[FAULT_slow] = 4,     [FAULT_stuck] = 4,          [FAULT_loss] = 4,        [FAULT_partition] = 10,
	[FAULT_flap] = 3,     [FAULT_clock_jump] = 5,     [FAULT_clock_drift] = 3, [FAULT_clock_stop] = 3,
	[FAULT_replay] = 4,   [FAULT_reflect] = 3,        [FAULT_garbage] = 3,     [FAULT_stranger_link] = 3,
	[FAULT_stranger] = 2, [FAULT_invite_expired] = 2, [FAULT_invite_void] = 2, [FAULT_invite_twice] = 3,
};

/* The same of what happens to members and to whole disks. */
static const uint8_t member_weights[FAULTS_ALL] = {
	[FAULT_restore] = 4,   [FAULT_clone] = 2,          [FAULT_clone_on] = 1,
	[FAULT_fleet_cut] = 2, [FAULT_evict] = 4,          [FAULT_evict_twice] = 2,
	[FAULT_lose] = 2,      [FAULT_operator_named] = 3, [FAULT_operator_removed] = 4,
	[FAULT_level] = 1,     [FAULT_invite_back] = 2,
};

/* Of 100 seeds so many have a member that is evil. */
static const uint32_t evil_seeds = 25;

/* What must be on for an outcome to come about. */
static const struct {
	const char *name;
	enum fault by;
} outcomes[] = {
	{ "copied", FAULT_restore },
	{ "restored", FAULT_restore },
	{ "fleet_restored", FAULT_fleet_cut },
	{ "cloned", FAULT_clone },
	{ "clone_stopped", FAULT_clone },
	{ "cloned_stopped", FAULT_clone },
	{ "evicted", FAULT_evict },
	{ "evicted_down", FAULT_evict },
	{ "evicted_heir", FAULT_evict },
	{ "evicted_sponsor", FAULT_evict },
	{ "evicted_apart", FAULT_evict },
	{ "evicted_forked", FAULT_restore },
	{ "evicted_lost", FAULT_lose },
	{ "evicted_stuck", FAULT_restore },
	{ "evicted_unlisted", FAULT_evict },
	{ "evicted_by_operator", FAULT_operator_named },
	{ "eviction_undone", FAULT_operator_removed },
	{ "heir_down", FAULT_evict },
	{ "level_behind", FAULT_level },
};

static const char *const names[] = {
#define X(name) #name,
	FAULTS(X)
#undef X
};

static uint32_t weight_of(size_t fault)
{
	return fault < FAULT_restore ? fault_weights[fault] : member_weights[fault];
}

bool faults_is_on(const char *name)
{
	for (size_t i = 0; i < FAULTS_ALL; i++)
		if (!strcmp(names[i], name))
			return weight_of(i);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		if (!strcmp(outcomes[i].name, name))
			return weight_of(outcomes[i].by);
	return strcmp(name, "evil") != 0 || evil_seeds > 0;
}

/* Half of the seeds have none of those at all, the others half of them each. */
void faults_mix(uint64_t seed, uint32_t weights[FAULTS_ALL])
{
	struct rng rng = rng_from_number(seed ^ UINT64_C(0x6d656d62657273));
	bool has_them = rng_below(&rng, 2);

	for (size_t i = 0; i < FAULTS_ALL; i++)
		weights[i] = i < FAULT_restore || (rng_below(&rng, 2) && has_them) ? weight_of(i) : 0;
}

bool faults_has_evil(uint64_t seed)
{
	struct rng rng = rng_from_number(seed ^ UINT64_C(0x6576696c));

	return rng_below(&rng, 100) < evil_seeds;
}

uint32_t faults_slots(uint64_t seed)
{
	uint32_t weights[FAULTS_ALL];

	faults_mix(seed, weights);
	return STRANGERS + (uint32_t)faults_has_evil(seed) +
	       (weights[FAULT_clone] || weights[FAULT_clone_on] ? (uint32_t)CLONES : 0);
}
