/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FOUND_H
#define WARREN_FOUND_H

/*
 * What the modules of this room share that look records up: room for a row of any kind, and lists of ids.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/* clang-format off */
union any_row {
	struct id id;
#define KIND(name, ...) struct name##_row of_##name;
#include MODEL_DEF
};
/* clang-format on */

/* Whether a failure to read a row says only that it is not there for readers: absent, dead or invalid. */
static inline bool is_gone(enum code code)
{
	return code == E_ABSENT || code == E_VALUE || code == E_LIMIT || code == E_FORM;
}

/* A list of ids that grows in `arena`; zeroed it is empty. */
struct ids {
	struct id *all;
	size_t count, room;
};

void ids_add(struct ids *ids, struct id id, struct arena *arena);

/* The place of an id, or where it would have to be; `all` ascend. */
size_t ids_place(const struct id *all, size_t count, struct id id);
bool ids_has(const struct id *all, size_t count, struct id id);

/* Ascending, each once. */
void ids_sort(struct ids *ids);

/* The records whose indexed field is `slot`, ascending; live and valid by themselves, whatever they hang on. */
enum code ids_find(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		   struct arena *arena, struct ids *ret_ids, struct err *err);

#endif
