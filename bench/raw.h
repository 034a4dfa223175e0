/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RAW_H
#define WARREN_RAW_H

/* LMDB by itself, with the store's own flags: the limit that the store is measured against. */

#include "crdt/base/base.h"

#include <lmdb.h>

struct raw {
	MDB_env *env;
	MDB_dbi dbi;
};

struct raw raw_open(const char *folder);
void raw_close(struct raw *raw);

/* One durable commit of `count` values of `size` bytes under random keys of 19. */
struct rng;
void raw_commit(struct raw *raw, struct rng *rng, size_t count, size_t size);

void raw_must(int result, const char *what);

#endif
