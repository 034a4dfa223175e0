/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CLEANUP_H
#define WARREN_CLEANUP_H

/*
 * What shell code lets go of when a scope ends: `CLEANUP(cleanup_store) struct store *store = NULL;`. All take what is
 * still NULL. A buf and an arena need no helper: CLEANUP(buf_done), CLEANUP(arena_done).
 */

#include "crdt/store.h"

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_store(struct store **store)
{
	store_close(*store);
}

static inline void cleanup_txn(struct store_txn **txn)
{
	store_end(*txn);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_memory(void *pointer)
{
	free(*(void **)pointer);
}

#endif
