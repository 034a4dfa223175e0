/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HEART_H
#define WARREN_HEART_H

/*
 * The heart's thread: all that is asked of the node waits in one queue; what queued up while the last commit was
 * flushed is stepped together, committed together, and only then told. What it tells is handed over to the loop's
 * thread, on which all hooks are called, in the order in which the node told it.
 *
 * Every heart_… is called on the loop's thread. What is handed over is copied. The queue is bounded by who fills it:
 * the transport gives one piece of a link at a time, and HTTP counts its connections.
 */

#include "crdt/node.h"

#include <uv.h>

struct heart;

/* What kind of member this node is now. */
struct heart_standing {
	bool is_told; /* so that even the first one, of nothing, is another than none */
	bool is_member, is_evicted, is_twin;
	bool may_serve;    /* it has what the others had when it started */
	bool is_whole;     /* of every lane */
	bool is_stale;     /* nobody answered when it started */
	char refusal[256]; /* why joining was refused last; empty: it was not */
};

struct heart_hooks {
	void *context;
	void (*send)(void *context, uint32_t link, struct bytes bytes);
	void (*close)(void *context, uint32_t link);
	void (*dial)(void *context, uint64_t node);
	void (*took)(void *context, uint32_t link);                 /* the bytes that heart_bytes brought */
	void (*knows)(void *context, uint32_t link, uint64_t node); /* its peer is that member; once */
	void (*reply)(void *context, const struct reply *reply);
	void (*changed)(void *context, uint32_t kind, struct id id);
	void (*alarm)(void *context, const char *text);
	void (*stands)(void *context,
		       const struct heart_standing *standing); /* it changed; first of all at the start */
	/* The store failed: nobody is answered any more, and the process must end. */
	void (*failed)(void *context, enum code code, const char *text);
};

/* `node`: without effects, and borrowed for the heart's life with all that it borrows. Fails as node_open does. */
enum code heart_open(uv_loop_t *loop, const struct node_config *node, const struct heart_hooks *hooks,
		     struct heart **ret_heart, struct err *err);

void heart_accepted(struct heart *heart, uint32_t link);
void heart_opened(struct heart *heart, uint64_t node, uint32_t link);
void heart_refused(struct heart *heart, uint64_t node);
void heart_bytes(struct heart *heart, uint32_t link, struct bytes bytes);
void heart_gone(struct heart *heart, uint32_t link);

struct heart_wish {
	struct asker asker;
	const struct change *changes;
	size_t count;
	struct bytes idempotency, action;
	uint32_t copies;
};

/* Each is answered by one reply of that number. */
uint64_t heart_write(struct heart *heart, const struct heart_wish *wish);
uint64_t heart_await(struct heart *heart, struct bytes token, bool is_strict);
uint64_t heart_bring(struct heart *heart, const struct bytes *statements, size_t count);

/* `look` is called on the heart's thread, between two steps; then `done` on the loop's, always. */
void heart_look(struct heart *heart, void (*look)(void *context, const struct node *node), void (*done)(void *context),
		void *context);

/* Ends the thread after what is queued was done and told, and frees the node; then `closed`, on the loop. */
void heart_end(struct heart *heart, void (*closed)(void *context), void *context);

#endif
