/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_WORLD_H
#define WARREN_SIM_WORLD_H

/*
 * The world: whole clusters in one process, under virtual time. Each machine has a disk, a wall clock and, while it is
 * up, a node: the shipped node_step, over the simulated network.
 *
 * One seed and the same calls give the same run, byte for byte. A machine handles what arrived while its last commit
 * was on its way in one step, as the agent does. Whoever watches is told what happens through hooks, and may look at
 * everything, but changes nothing.
 */

#include "tests/sim/machine.h"
#include "tests/sim/net.h"

#include <stdio.h>

/* What faults, people and checks can have to do with; and a world without them. */
enum { WORLD_MACHINES_MAX = 64, WORLD_LARGE_MAX = 1024 };

/* NULL: nobody wants to know. */
struct world_hooks {
	void *context;
	void (*replied)(void *context, struct machine *machine, const struct reply *reply);
	void (*changed)(void *context, struct machine *machine, uint32_t kind, struct id id);
	void (*alarmed)(void *context, struct machine *machine, const char *text);
	void (*stepped)(void *context, struct machine *machine); /* and committed */
	void (*booted)(void *context, struct machine *machine);
	void (*died)(void *context, struct machine *machine);
	/* An event of the hooks' own (world_call). */
	void (*called)(void *context, uint32_t what, uint64_t with);
};

struct world_options {
	uint64_t seed;
	uint32_t machines;
	uint64_t commit_ns; /* how long one takes at most; 0: no time */
	uint64_t jitter_ns; /* of the network; 0: next to none */
	uint32_t cut_ppm;   /* as the network's */
	struct world_hooks hooks;
};

struct world {
	struct world_options options;
	struct queue queue;
	struct net *net;
	struct machine *machines; /* as many as the options say */
	struct rng rng;
	uint64_t mix; /* the state of the cheap random bytes */
	struct signer root, recovery;
	struct id cluster;
	uint64_t steps, commits, requests;
	struct mesh_counts counts; /* of processes that ended */
	FILE *timeline;            /* NULL: none */
};

struct world *world_new(const struct world_options *options);
void world_free(struct world *world);

/* Runs until then. */
void world_run(struct world *world, uint64_t until_ns);
static inline uint64_t world_now(const struct world *world)
{
	return world->queue.now_ns;
}

/* Calls hooks.called at a time. */
void world_call(struct world *world, uint64_t at_ns, uint32_t what, uint64_t with);

/* --- Machines. */

/* The power is on, and the agent starts. False: it did not come up, machine->died says why. */
bool world_boot(struct world *world, uint32_t machine);
void world_kill(struct world *world, uint32_t machine);      /* the process ends, at once */
void world_cut_power(struct world *world, uint32_t machine); /* and what was not yet durable is gone */

/* A machine with the key and the name of another, and with that disk; whoever dials the node gets either. */
void world_clone(struct world *world, uint32_t machine, uint32_t of, const struct mem_disk *disk);

/* That program is on it from now on, and hears the network. */
void world_program(struct world *world, uint32_t machine, struct program program);
static inline bool world_is_up(const struct world *world, uint32_t machine)
{
	return world->machines[machine].node;
}

/* --- Clusters. */

/* Machine 0 makes the cluster, and is its first member. */
void world_found(struct world *world);

/* An invite by the root operator, brought to the sponsor; the machine is to join with it when it boots. */
void world_invite(struct world *world, uint32_t machine, uint32_t sponsor);

/* The same, brought to any machine. */
void world_invite_by(struct world *world, uint32_t machine, struct key32 sponsor, struct joining *ret_joining);

/* As if it had joined by its sponsor: the statements are brought there. */
void world_admit(struct world *world, uint32_t machine, uint32_t sponsor);

/* Machines 0 to count - 1 are members from the start, and up. */
void world_found_all(struct world *world, uint32_t count);

/*
 * All machines are members from the start, machine i with a gateway in regions[i], and up: what makes them so lies on
 * their disks, as if it had come to all of them long ago.
 */
void world_found_large(struct world *world, const char *const *regions);

/* An operator signs a statement; it goes to a machine. The request's number. */
uint64_t world_state(struct world *world, uint32_t machine, const struct signer *signer, const struct kind *kind,
		     const void *row);

/* --- People. */

/* The request's number, for hooks.replied; 0: nobody is there. */
uint64_t world_write(struct world *world, uint32_t machine, const struct asker *asker, const struct change *changes,
		     size_t count, uint32_t copies, struct bytes idempotency);
uint64_t world_await(struct world *world, uint32_t machine, struct bytes token, bool is_strict);

/* --- What is to be seen. */

static inline const struct mesh *world_mesh(const struct world *world, uint32_t machine)
{
	const struct machine *m = &world->machines[machine];

	return m->node ? m->core->node_mesh(m->node) : NULL;
}

static inline const char *world_name(const struct world *world, uint32_t machine)
{
	return world->machines[machine].name;
}

/* Whether all machines that are up have merged the same, and know of each other. */
bool world_is_settled(const struct world *world);

/* Adds the counts of all nodes that are and were. */
void world_counts(const struct world *world, struct mesh_counts *ret_counts);

PRINTF(2, 3) void world_say(struct world *world, const char *format, ...);

#endif
