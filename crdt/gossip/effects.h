/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_EFFECTS_H
#define WARREN_EFFECTS_H

/*
 * What a step asks of the world, told after its commit. What is handed over is borrowed until the call returns.
 */

#include "crdt/base/err.h"
#include "crdt/state/judge.h"

enum { TOKEN_MAX = 2048 };

/* The answer to a request, by the number that it came with. */
struct reply {
	uint64_t number;
	enum code code;
	const char *text;     /* of a refusal */
	struct bytes token;   /* what the answer reflects */
	const struct id *ids; /* of what was made or changed */
	size_t count;
	uint32_t copies; /* other members that have it too */
	bool is_behind;  /* the token that was asked for is not covered yet */
	bool is_lost;    /* and part of it never will be */
};

struct effects {
	void *context;
	void (*send)(void *context, uint32_t link, struct bytes bytes);
	void (*close)(void *context, uint32_t link);
	/* To be answered by an event for the link, or that there is none. */
	void (*dial)(void *context, uint64_t node);
	void (*reply)(void *context, const struct reply *reply);
	void (*changed)(void *context, uint32_t kind, struct id id);
	/* Something that an operator should know: one line. */
	void (*alarm)(void *context, const char *text);
};

#endif
