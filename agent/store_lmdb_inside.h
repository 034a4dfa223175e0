/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_LMDB_INSIDE_H
#define WARREN_STORE_LMDB_INSIDE_H

/*
 * What the two halves of the store on LMDB, its work and what its failures mean, know of each other. For nobody else.
 */

#include "agent/store_files.h"
#include "crdt/base/base.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

enum { IDLE_MAX = 64, READERS_MAX = 254 };

struct lmdb {
	MDB_env *env;
	MDB_dbi dbi;
	struct store_files files;
	char *state_dir;
	size_t page_size; /* 0 when the map is not aligned to it */
	pthread_mutex_t mutex;
	MDB_txn *idle[IDLE_MAX]; /* read transactions at rest: they pin no page, and keep their slot */
	size_t idle_count;
	atomic_bool is_writing;
};

/* What an LMDB result means to whoever has to act on it. */
enum code lmdb_judge(struct lmdb *lmdb, int rc, struct err *err);

/* Whether that number of the system's says that there is no room. */
bool lmdb_is_no_room(int rc);

#endif
