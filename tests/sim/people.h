/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_PEOPLE_H
#define WARREN_SIM_PEOPLE_H

/*
 * People: clients of the API, in different roles, who ask for everything that can be asked, at all machines.
 *
 * Each client goes from machine to machine, most of the time shows its token there first, and asks for one thing at a
 * time; now and then it asks several machines at once for things that cannot all hold. What gets no answer in time is
 * given up, or asked for again elsewhere under the same key. People know what must be refused, and what they must read
 * once they were promised so: what they find otherwise is a violation.
 */

#include "tests/sim/check.h"

/* What world_call brings back to them. */
enum { PEOPLE_CALLS = 100, PEOPLE_CALLS_END = 103 };

/* What they ask for. */
#define PEOPLE_ACTS(X)      \
	X(user, 6)          \
	X(group, 4)         \
	X(plan, 2)          \
	X(gateway, 2)       \
	X(setting, 6)       \
	X(policy, 3)        \
	X(version, 5)       \
	X(binding, 4)       \
	X(membership, 4)    \
	X(device, 12)       \
	X(pool, 1)          \
	X(interface, 1)     \
	X(lease, 8)         \
	X(enrol, 10)        \
	X(hold, 3)          \
	X(rename, 8)        \
	X(describe, 6)      \
	X(unset, 2)         \
	X(password, 4)      \
	X(role, 4)          \
	X(expires, 3)       \
	X(choose_plan, 2)   \
	X(release, 3)       \
	X(remove_device, 4) \
	X(remove_user, 1)   \
	X(remove_other, 2)  \
	X(reenrol, 3)       \
	X(usage, 6)         \
	X(bulk, 3)          \
	X(own, 4)           \
	X(forbidden, 6)     \
	X(crowd, 1)         \
	X(credential, 4)    \
	X(spend, 8)         \
	X(burst, 1)         \
	X(diary, 8)

/* How often what happened to them. */
#define PEOPLE_COUNTS(X)     \
	X(asked)             \
	X(acknowledged)      \
	X(refused)           \
	X(forbidden_refused) \
	X(revoked_refused)   \
	X(unanswered)        \
	X(repeated)          \
	X(repeat_same)       \
	X(collided)          \
	X(at_once)           \
	X(copies)            \
	X(awaits)            \
	X(covered)           \
	X(behind)            \
	X(strict_refused)    \
	X(reads)             \
	X(diary_reads)       \
	X(leased)            \
	X(dry)               \
	X(reused)            \
	X(spent)             \
	X(spent_up)          \
	X(spent_busy)        \
	X(nobody_there)

struct people_counts {
#define X(name) uint64_t name;
	PEOPLE_COUNTS(X)
#undef X
#define X(name, weight) uint64_t act_##name;
	PEOPLE_ACTS(X)
#undef X
};

struct people;

/* They live on machines 0 to `machines` - 1; both are borrowed. */
struct people *people_new(struct world *world, struct check *check, uint32_t machines);
void people_free(struct people *people);

/* From now on they ask, each on average once in `pause_ns`; 0: they stop, but still hear answers. */
void people_pace(struct people *people, uint64_t pause_ns);

/* To be called from the hooks of the same names. */
void people_replied(struct people *people, struct machine *machine, const struct reply *reply);
void people_called(struct people *people, uint32_t what, uint64_t with);

/* Nobody goes there any more, and what was seen there may be gone. */
void people_lost(struct people *people, uint32_t machine);

/* One more machine, which they go to from now on; one that nobody goes to any more, though others have what it had. */
void people_meet(struct people *people, uint32_t machine);
void people_left(struct people *people, uint32_t machine);

/* A machine is as it was before: what is promised there is promised by tokens alone. */
void people_restored(struct people *people, uint32_t machine);

/* From now on a token may be lost, and there may be fewer members than there were. */
void people_may_lose(struct people *people);

/* NULL: they found nothing wrong. */
const char *people_violation(const struct people *people);
const struct people_counts *people_counts(const struct people *people);

#endif
