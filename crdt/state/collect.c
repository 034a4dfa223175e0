/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/collect.h"

#include "crdt/state/state.h"

struct found {
	uint32_t kind;
	struct id id;
};

/* The next ones; they are forgotten when the cursor is closed. */
static enum code gather(struct store_txn *txn, uint64_t last, struct collect_walk *walk, struct found *found,
			size_t *ret_count, struct err *err)
{
	static const uint8_t prefix[] = { TABLE_DEAD };
	uint8_t from[DEAD_KEY_SIZE + 1] = { 0 };
	size_t count = 0, looked = 0;
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	memcpy(from, walk->last, sizeof walk->last);
	code = store_range(txn, bytes_of(prefix, sizeof prefix), bytes_of(from, walk->is_begun ? sizeof from : 0),
			   &cursor, err);
	if (code)
		return code;
	while (looked++ < COLLECT_LOOK && count < COLLECT_MOST && !(code = store_next(cursor, &key, &value, err))) {
		uint64_t round;

		if (!dead_key_read(key, &found[count].kind, &found[count].id) || !dead_value_read(value, &round)) {
			code = fail(err, E_DAMAGED, "the list of the dead is damaged: run warrend --check");
			break;
		}
		memcpy(walk->last, key.data, sizeof walk->last);
		walk->is_begun = true;
		count += round <= last;
	}
	store_range_end(cursor);
	walk->is_done = code == E_ABSENT;
	*ret_count = count;
	return code == E_ABSENT ? OK : code;
}

enum code collect_some(struct store_txn *txn, uint64_t last, struct collect_walk *walk, struct arena *arena,
		       size_t *ret_count, struct err *err)
{
	struct arena_mark before = arena_mark(arena);
	struct found *found = arena_take(arena, COLLECT_MOST * sizeof *found);
	size_t count, forgotten = 0;
	enum code code = gather(txn, last, walk, found, &count, err);

	for (size_t i = 0; !code && i < count; i++) {
		code = state_forget(txn, found[i].kind, found[i].id, arena, err);
		forgotten += !code;
		if (code == E_ABSENT || code == E_VALUE)
			code = OK;
	}
	arena_release(arena, before);
	if (!code)
		*ret_count = forgotten;
	return code;
}
