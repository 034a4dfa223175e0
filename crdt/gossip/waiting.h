/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_WAITING_H
#define WARREN_WAITING_H

/*
 * The room for batches that wait until a row names them. Whoever likes can write what no row ever names, so when there
 * is no room for more, one of the author that takes most of it goes for one of an author that takes less.
 */

#include "crdt/log/log.h"

struct mesh;

enum { WAITING_MAX = 20000 }; /* batches; what finds no room is asked for again */

struct waitings {
	struct waiting_of {
		uint64_t node;
		size_t count;
	} * all;
	size_t count, room;
	size_t total, limit; /* 0: WAITING_MAX */
};

/* From the disk. */
enum code waiting_load(struct mesh *mesh, struct err *err);
void waiting_done(struct waitings *waiting);

/* In a transaction. *ret_is_put: there was room. */
enum code waiting_put(struct mesh *mesh, const struct batch *batch, bool *ret_is_put, struct err *err);
enum code waiting_drop(struct mesh *mesh, const struct logged *logged, struct err *err);

#endif
