/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_DESK_H
#define WARREN_TEST_DESK_H

/* What the tests of authors share. */

#include "crdt/log/log.h"
#include "crdt/state/author.h"
#include "tests/unit/state/world.h"

extern const struct id desk_cluster;

/* A member's author, its store, and the transaction at hand. */
struct desk {
	struct world world;
	struct rng rng;
	struct signer signer;
	struct author author;
	struct vector vector;
	struct root root;
	struct changes changes;
	struct arena arena;
	struct applying applying;
	uint64_t now_ms;
	struct judged judged;
	struct place place;
	struct err err;
};

/* Reads what the disk says, as a process that starts. */
void desk_open(struct desk *desk);
void desk_begin(struct desk *desk);
void desk_end(struct desk *desk);

/* One transaction. */
void desk_step(struct desk *desk);
/* As a member ends a step: batches, ends, root. */
enum code desk_end_step(struct desk *desk);
void desk_forget(struct desk *desk);
void desk_finish(struct desk *desk);

/* Somebody asks; into `judged` and `place`. */
enum code desk_ask(struct desk *desk, const struct change *change, uint8_t writes, const char *action);
struct bytes desk_pack(struct desk *desk, const struct kind *kind, const void *row);
enum code desk_set(struct desk *desk, size_t size);
void desk_must(struct desk *desk, enum code code);

/* That log and state are sound. */
void desk_check(struct desk *desk);

#endif
