/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HEART_TOLD_H
#define WARREN_HEART_TOLD_H

/*
 * What the heart's thread tells the loop's: noted as it comes about, handed over in one piece after each commit, and
 * given to the hooks there in the same order.
 */

#include "agent/heart.h"

#include <pthread.h>

enum told_what {
	TOLD_SEND,
	TOLD_CLOSE,
	TOLD_DIAL,
	TOLD_TOOK,
	TOLD_KNOWN,
	TOLD_REPLY,
	TOLD_CHANGED,
	TOLD_ALARM,
	TOLD_STANDING,
	TOLD_LOOKED,
	TOLD_FAILED,
};

struct told {
	enum told_what what;
	uint32_t link;
	uint64_t number;
	size_t size; /* of what follows; set by heart_tell */
};

struct told_look {
	void (*done)(void *context);
	void *context;
};

struct heart_told {
	struct buf noted; /* the heart's own */
	pthread_mutex_t lock;
	struct buf ready; /* between the threads */
	struct buf given; /* the loop's own, */
	size_t at;        /* and how far it was given to the hooks */
	uv_async_t async;
	struct heart_hooks hooks;
	void (*closed)(void *context);
	void *context;
};

void heart_told_open(struct heart_told *told, uv_loop_t *loop, const struct heart_hooks *hooks);

/* On the heart's thread. */
void heart_tell(struct heart_told *told, struct told head, const struct bytes *parts, size_t count);
void heart_tell_reply(struct heart_told *told, const struct reply *reply);
void heart_tell_all(struct heart_told *told);

/* On the loop's, after the heart's has ended: what was told is given to the hooks before `closed`. */
void heart_told_end(struct heart_told *told, void (*closed)(void *context), void *context);

#endif
