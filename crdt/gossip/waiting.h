/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_WAITING_H
#define WARREN_WAITING_H

/*
 * The room for batches that wait until a row names them. Whoever likes can write what no row ever names, so when there
 * is no room for more, as many of the author that takes most of it go as one of an author that takes less needs, and
 * still takes no more then. A batch takes its bytes, and a short one as much as WAITING_LEAST, so that their number is
 * bounded as well.
 */

#include "crdt/log/log.h"

struct mesh;

enum {
	WAITING_SIZE = 256 * 1024 * 1024, /* what finds no room is asked for again */
	WAITING_MAX = 20000,              /* batches */
	WAITING_LEAST = WAITING_SIZE / WAITING_MAX,
};

struct waitings {
	struct waiting_of {
		uint64_t node;
		size_t count, size;
	} * all;
	size_t count, room;
	size_t total, size, limit; /* 0: WAITING_SIZE */
};

/* From the disk. */
enum code waiting_load(struct mesh *mesh, struct err *err);
void waiting_done(struct waitings *waiting);

/* In a transaction. *ret_is_put: there was room. */
enum code waiting_put(struct mesh *mesh, const struct batch *batch, bool *ret_is_put, struct err *err);
enum code waiting_drop(struct mesh *mesh, const struct logged *logged, struct err *err);

#endif
