/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_PEOPLE_INSIDE_H
#define WARREN_SIM_PEOPLE_INSIDE_H

/*
 * What the parts of people, the clients (people.c) and what they ask for (people_acts.c), know of each other.
 */

#include "crdt/base/arena.h"
#include "tests/sim/check_map.h"
#include "tests/sim/people.h"

enum { CLIENTS = 6, JOB_CHANGES = 6, POOL_MAX = 64, MINE_MAX = 8, SLOTS = 4096, AT_ONCE_MAX = 3 };
/* What people know to be there, or to have been. */
struct known {
	uint32_t kind;
	struct id id;
	struct id owner;  /* of a device, a hold, a password */
	struct key32 key; /* of a device */
	uint32_t machine; /* where it was acknowledged, or its removal was */
	uint64_t total;   /* of usage */
};

enum pool_name {
	POOL_USERS,
	POOL_GROUPS,
	POOL_PLANS,
	POOL_GATEWAYS,
	POOL_POLICIES,
	POOL_DEVICES,
	POOL_SETTINGS,
	POOL_HOLDS,
	POOL_MEMBERSHIPS,
	POOL_BINDINGS,
	POOL_PASSWORDS,
	POOL_USAGE,
	POOL_POOLS,
	POOL_REVOKED,
	POOL_CREDENTIALS,
	POOLS,
};

struct pool {
	struct known all[POOL_MAX];
	size_t count;
};

/* What one client asks for, at one machine or at several at once. */
struct job {
	struct asker asker;
	struct change changes[JOB_CHANGES];
	struct known about[JOB_CHANGES]; /* what each change makes or is about */
	uint64_t refusals;               /* the codes that may answer it, as bits by -code */
	uint64_t number;
	size_t count;
	uint32_t copies, machines, burst; /* of the last two, how many at once, and how often at each */
	uint8_t key[16];
	struct id ids[JOB_CHANGES]; /* that it was first answered with */
	struct arena arena;
	bool must_be_refused, is_repeatable, is_answered, is_diary, is_revoked;
	bool spends; /* what another machine may do */
	/* What is still to come. */
	uint32_t waits, tries;
};

enum phase { PHASE_THINK, PHASE_AWAIT, PHASE_JOB };

struct client {
	enum phase phase;
	uint32_t machine;
	uint64_t turn; /* tells a call of an earlier turn */
	uint8_t token[TOKEN_MAX];
	size_t token_size;
	bool is_covered; /* the machine it is at has all that the token says */
	bool is_strict, is_ready;
	uint32_t patience;
	uint64_t awaited;          /* the request's number */
	struct ref mine[MINE_MAX]; /* what it must find where its token is covered */
	size_t mine_count;
	struct id diary;
	bool has_diary;
	uint64_t page; /* the last that was acknowledged */
	struct job job;
};

/* A request that was sent. */
struct query {
	uint64_t number, job;
	uint32_t client, machine;
};

struct people {
	struct world *world;
	struct check *check;
	uint32_t machines, places[WORLD_MACHINES_MAX]; /* that they go to */
	struct rng rng;
	uint64_t pause_ns, jobs, names;
	bool is_lost[WORLD_MACHINES_MAX], may_lose;
	struct pool pools[POOLS];
	struct client clients[CLIENTS];
	struct query slots[SLOTS];
	struct check_map removed; /* what anybody ever asked to remove: it may have been forgotten since */
	struct check_map leased;  /* addresses that devices got */
	struct people_counts counts;
	char violation[320];
};

PRINTF(2, 3) void people_complain(struct people *people, const char *format, ...);

static inline uint64_t job_code(enum code code)
{
	return BIT(-(int)code);
}
/* --- What people know (people_job.c). */

const struct known *pool_pick(struct people *people, enum pool_name name); /* NULL: nothing */
void pool_add(struct people *people, enum pool_name name, struct known known);
void pool_drop(struct people *people, enum pool_name name, struct id id);
struct key32 people_key(struct people *people);

struct change *job_change(struct job *job, enum change_what what, uint32_t kind);
struct bytes job_pack(struct job *job, const struct shape *shape, const void *row);
void job_create(struct job *job, const struct kind *kind, const void *row);
void job_set(struct job *job, const struct kind *kind, struct id id, const void *row);
void job_remove(struct job *job, const struct known *known);
struct bytes job_text(struct job *job, const char *format, unsigned long long number);

/* A name that nobody else gives, or one that others give too. */
struct bytes job_name(struct people *people, struct job *job);

/* The same at several machines at once. */
void job_at_once(struct people *people, struct job *job);
void job_as_staff(struct people *people, struct job *job);
void job_device(struct people *people, struct job *job, struct id owner, struct key32 key);

/* --- What they ask for: each fills the client's job, or leaves it empty because there is nothing to do it with. */

#define X(name, weight) void act_##name(struct people *people, struct client *client);
PEOPLE_ACTS(X)
#undef X

/* Fills the job with something to ask for at the client's machine. */
void people_choose(struct people *people, struct client *client);

/* The job came true; or what was to be spent was, or not. */
void people_spent(struct people *people, struct client *client, struct machine *machine, const struct reply *reply);
void people_learn(struct people *people, struct client *client, const struct reply *reply, uint32_t machine);

#endif
