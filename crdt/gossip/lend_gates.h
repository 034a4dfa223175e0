/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LEND_GATES_H
#define WARREN_LEND_GATES_H

/*
 * What must be known of the other members before this one leases from a block that somebody else may have leased from:
 * struct block_gates. A gate opens in three steps: every member has published its row, where something was closed;
 * every member has then answered a question that was asked after that, and told before the answer what it has; and all
 * of that is here. What was met is noted on the disk, and stays met.
 *
 * What a member acknowledged before this process began to ask is not known to be all that it has, so a gate that was
 * not met yet begins again with each process.
 */

#include "crdt/log/vector.h"
#include "crdt/state/block.h"

struct mesh;

/* How long a gate that somebody wants to pass is asked about. */
#define LEND_GATE_WANTED (UINT64_C(10) * 1000000000)

enum lend_gate_kind {
	GATE_INHERIT = 'i', /* from an evicted node */
	GATE_TAKE = 't',    /* under a statement */
	GATE_CLOSED = 'c',  /* from a closed start of this member */
	GATE_LEFT = 'l',    /* from one that it left, since its disk was an old one */
};

struct lend_gate {
	enum lend_gate_kind kind;
	uint64_t number;     /* the node, or the start */
	struct id statement; /* by its hash */
	uint64_t since;      /* what is asked after this turn counts, once all rows were there */
	struct mono_time wanted;
	bool has_rows, is_heard, is_met, is_stored;
	struct vector lacks; /* what was acknowledged and is not here yet */
};

struct lend_gates {
	struct block_gates block;
	struct lend_gate *all;
	size_t count, room;
	uint64_t turn;    /* of the last question */
	bool is_replaced; /* what is noted on the disk is void */
};

enum code lend_gates_load(struct mesh *mesh, struct err *err);
void lend_gates_done(struct lend_gates *gates);
enum code lend_gates_finish(struct mesh *mesh, struct err *err);

/* For the judge, and for whoever gives. */
const struct block_gates *lend_gates(const struct mesh *mesh);

/* Whether a gate that somebody wants to pass needs answers to questions that are asked after that turn. */
bool lend_gates_want(const struct mesh *mesh, uint64_t turn);

/* Asks those whose answer a gate still wants. */
void lend_gates_tick(struct mesh *mesh);

/* E_DRY, with a text that names those who hold addresses of the pool up: the silent first. */
void lend_say_who(struct mesh *mesh, struct id pool, struct err *err);

#endif
