/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_MACHINE_H
#define WARREN_SIM_MACHINE_H

/*
 * A machine of the world: its disk and clock, and the process on it while there is one.
 */

#include "tests/sim/clock.h"
#include "tests/sim/core.h"
#include "tests/sim/store_mem.h"

enum { WORLD_LINKS_MAX = 1024 };

struct world;
struct machine;
struct net_event;

/* What runs on a machine in the place of the node that ships. */
struct program {
	void *context;
	void (*heard)(void *context, struct machine *machine, const struct net_event *event);
};

/* A stream of bytes as the machine's node knows it. */
struct wire {
	uint64_t link; /* the network's; 0: free */
	uint32_t side, number;
	uint64_t node; /* that was dialled */
	bool is_open;
};

/* What waits while a commit is on its way. */
struct waiting;

struct machine {
	struct world *world;
	uint32_t at;
	char name[8]; /* in what is told: A to Z, then A1 and so on */
	const struct core *core;
	struct signer signer;
	uint64_t id; /* the node's */
	struct key32 box_key;
	struct mem_disk *disk;
	struct sim_clock clock;
	struct joining joining;
	bool is_joining;
	bool has_key;           /* made by a process before */
	bool is_clone;          /* key and disk are copies of another machine's */
	struct program program; /* zeroed: the node */
	uint64_t next_process;  /* of its next start; 0: a fresh one */

	/* While it is up. */
	struct store *store;
	struct node *node;
	struct effects effects;
	uint64_t process;
	uint64_t boots; /* tells a timer of an earlier process */
	uint64_t tick_ns;
	uint64_t at_once; /* calls in a row that were wanted at once */
	struct wire wires[WORLD_LINKS_MAX];
	size_t wires_count;
	uint32_t last_wire;
	bool is_busy;
	struct waiting *first, *last;
	enum code died; /* of what */
	char died_of[256];
};

#endif
