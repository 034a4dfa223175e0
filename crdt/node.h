/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_NODE_H
#define WARREN_NODE_H

/*
 * A node: one member of a cluster, as a function of what happens to it. It reads no clock, draws no random bytes, opens
 * no socket: each event brings its time and its random bytes, and whatever is to be done outside comes back as effects.
 *
 * node_step handles events, as many as wait; node_commit makes what they did durable, in one transaction, and only then
 * tells the effects. So nobody hears of anything that a power cut could take back.
 */

#include "crdt/gossip/effects.h"
#include "crdt/gossip/mesh.h"
#include "crdt/store.h"

struct node;

/* All borrowed for the node's life. */
struct node_config {
	const struct signer *signer;
	struct key32 box_key;
	struct id cluster;
	uint64_t process; /* random, one per process */
	struct store *store;
	const struct effects *effects;
	const struct joining *joining; /* how to become a member; NULL: it is one, or is about to found a cluster */
	bool is_new;                   /* this process made the key: nobody can have anything of it */
};

enum node_event_kind {
	EVENT_TICK,     /* it is node_next, or later */
	EVENT_OPENED,   /* a link that was dialled */
	EVENT_ACCEPTED, /* a link that somebody dialled to us */
	EVENT_REFUSED,  /* a dial came to nothing */
	EVENT_BYTES,
	EVENT_GONE,       /* a link is no more */
	EVENT_WRITE,      /* somebody asks for changes */
	EVENT_AWAIT,      /* somebody wants an answer from no less than a token says */
	EVENT_STATEMENTS, /* an operator brings what they signed */
};

struct node_event {
	enum node_event_kind kind;
	struct mono_time now;
	struct wall_time wall;
	uint8_t random[32];
	union {
		struct {
			uint32_t number;
			uint64_t node; /* OPENED, REFUSED: who was dialled */
			struct bytes bytes;
		} link;
		struct {
			uint64_t number;
			struct asker asker;
			const struct change *changes;
			size_t count;
			struct bytes idempotency, action;
			uint32_t copies; /* that other members are to have before the answer */
		} write;
		struct {
			uint64_t number;
			struct bytes token;
			bool is_strict;
		} await;
		struct {
			uint64_t number;
			const struct bytes *all;
			size_t count;
		} statements;
	};
};

enum code node_open(const struct node_config *config, struct mono_time now, struct node **ret_node, struct err *err);
void node_close(struct node *node);

/*
 * Failures of the store alone; then node_commit is due, which takes back what the steps since the last one did. After
 * E_FULL the next event may come; a link is closed if more of its bytes were still to be read, for they are lost.
 */
enum code node_step(struct node *node, const struct node_event *event, struct err *err);

/* `failed` is what the steps came to. After a failure other than E_FULL the process must end. */
enum code node_commit(struct node *node, enum code failed, struct err *err);

/* When it wants a tick. */
struct mono_time node_next(const struct node *node);

/* For those who watch: borrowed, and not to be changed. */
const struct mesh *node_mesh(const struct node *node);

#endif
