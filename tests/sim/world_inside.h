/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_WORLD_INSIDE_H
#define WARREN_SIM_WORLD_INSIDE_H

/*
 * What the halves of the world, its running and its setting up, know of each other.
 */

#include "crdt/base/arena.h"
#include "tests/sim/world.h"

/* No node has so much to do at one time. */
enum { WORLD_AT_ONCE = 1000 };

enum { WORLD_NET = 1, WORLD_TICK, WORLD_READY, WORLD_CALL };

extern const struct effects world_effects;

void world_hear(void *context, const struct net_event *heard);

/* An event for a machine that is up; what it points to need not outlive the call. */
void world_handle(struct machine *machine, struct node_event *event);
void world_drop_waiting(struct machine *machine);

/* The node is no more; the network hears it. */
void world_end_process(struct machine *machine, bool is_heard);

/* The machine's disk, as its process will find it. False: it cannot be opened. */
bool world_open_store(struct machine *machine, struct err *err);

/* The first statement of all; and an invite of `sponsor`, to the gateway (NULL: any), with what comes of it. */
struct bytes world_cluster_statement(struct world *world, struct arena *arena);
void world_admit_there(struct world *world, struct machine *machine, const struct machine *sponsor,
		       const struct id *gateway, struct bytes pair[2], struct arena *arena);

#endif
