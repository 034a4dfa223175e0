/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/state.h"

#include "crdt/model/pack.h"
#include "crdt/state/dead.h"
#include "crdt/state/index.h"
#include "crdt/state/mark.h"
#include "crdt/state/merge.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { REBUILD_CHUNK = 2000 };

_Static_assert((int)RECORD_MAX <= (int)STORE_VALUE_MAX, "the store takes any record");

static const uint8_t model_key[] = { TABLE_META, 'm' };

static enum code get_record(struct store_txn *txn, uint32_t kind, struct id id, struct bytes *ret_record,
			    struct err *err)
{
	uint8_t key[RECORD_KEY_SIZE];

	record_key_write(kind, id, key);
	return store_get(txn, bytes_of(key, sizeof key), ret_record, err);
}

enum code state_record(struct store_txn *txn, uint32_t kind, struct id id, struct bytes *ret_record, struct err *err)
{
	return get_record(txn, kind, id, ret_record, err);
}

enum code state_row(struct store_txn *txn, const struct kind *kind, struct id id, void *ret_row, struct err *err)
{
	struct bytes record, map;
	bool is_dead;
	enum code code = get_record(txn, kind->number, id, &record, err);

	if (!code)
		code = record_map(record, &is_dead, &map, err);
	if (code)
		return code;
	if (is_dead)
		return fail(err, E_ABSENT, "the %s was removed", kind->shape.name);
	memcpy(ret_row, id.bytes, sizeof id.bytes);
	return pack_read(&kind->shape, map, true, ret_row, err);
}

/* Takes out the entries that only `old` has and puts in those that only `new` has. */
static enum code move_index(struct store_txn *txn, const struct index_keys *old, const struct index_keys *new,
			    struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < old->count; i++)
		if (!index_keys_contain(new, old->keys[i]))
			code = store_delete(txn, old->keys[i], err);
	for (size_t i = 0; !code && i < new->count; i++)
		if (!index_keys_contain(old, new->keys[i]))
			code = store_put(txn, new->keys[i], bytes_of(NULL, 0), err);
	return code;
}

/* What a record's bytes ask for beside themselves. */
struct derived {
	struct index_keys index, marks;
	bool is_listed; /* among the dead */
};

static struct derived derived_of(uint32_t kind, struct id id, struct bytes record, struct arena *arena)
{
	if (!record.size)
		return (struct derived){ 0 };
	return (struct derived){ index_keys_of(kind, id, record, arena), mark_keys_of(kind, id, record, arena),
				 dead_is_listed(kind, record) };
}

static enum code move_derived(struct store_txn *txn, uint32_t kind, struct id id, const struct derived *old,
			      const struct derived *new, struct arena *arena, struct err *err)
{
	enum code code = move_index(txn, &old->index, &new->index, err);

	if (!code)
		code = mark_move(txn, id, &old->marks, &new->marks, arena, err);
	return code ? code : dead_move(txn, kind, id, old->is_listed, new->is_listed, err);
}

/* All that the old bytes are needed for comes before the put, which makes them stale. */
static enum code put_record(struct store_txn *txn, struct root *root, uint32_t kind, struct id id,
			    const struct store_seen *seen, struct bytes old, struct bytes new, struct arena *arena,
			    struct err *err)
{
	struct derived before = derived_of(kind, id, old, arena), after = derived_of(kind, id, new, arena);
	uint8_t key[RECORD_KEY_SIZE];
	enum code code;

	if (root)
		root_change(root, kind, id, old, new);
	record_key_write(kind, id, key);
	code = store_put_seen(txn, bytes_of(key, sizeof key), new, seen, err);
	return code ? code : move_derived(txn, kind, id, &before, &after, arena, err);
}

static enum code merge_into(struct bytes old, const struct record *with, struct arena *arena, struct bytes *ret_new,
			    struct err *err)
{
	/* Room for all cells there may be: only those that are counted are ever written or read. */
	struct record stored, merged;
	const struct record *whole = &merged;
	struct buf buf;
	enum code code;

	stored.is_dead = false;
	stored.count = 0;
	code = old.size ? record_read(old, &stored, err) : OK;
	if (code)
		return fail_in(err, E_DAMAGED, "the stored record");
	/* Also with nothing: a record that is dead keeps its identity and no more. */
	if (old.size || with->is_dead)
		merge_records(&stored, with, arena, &merged);
	else
		whole = with;
	buf = buf_over(arena_take(arena, record_room(whole)), record_room(whole));
	record_write(whole, &buf);
	assert(!buf.is_full && buf.size <= RECORD_MAX);
	*ret_new = buf_bytes(&buf);
	return OK;
}

enum code state_judge(uint32_t kind, struct id id, const struct record *with, struct err *err)
{
	/* Two bytes of it are in the key. */
	if (kind > MODEL_KIND_MAX)
		return fail(err, E_LIMIT, "%" PRIu32 " is no kind's number: they end at %d", kind, MODEL_KIND_MAX);
	if (record_has_identity(with) && !id_equal(record_id(kind, with), id))
		return fail(err, E_VALUE, "the record's identity does not give its id");
	return OK;
}

enum code state_merge_judged(struct store_txn *txn, struct root *root, uint32_t kind, struct id id,
			     const struct record *with, struct arena *arena, bool *ret_is_changed, struct err *err)
{
	uint8_t key[RECORD_KEY_SIZE];
	struct store_seen seen;
	struct bytes old, new;
	bool is_changed;
	enum code code;

	record_key_write(kind, id, key);
	code = store_look(txn, bytes_of(key, sizeof key), &old, &seen, err);
	if (code)
		return code;
	if (!seen.is_there && !with->count && !with->is_dead) {
		*ret_is_changed = false;
		return OK;
	}
	code = merge_into(old, with, arena, &new, err);
	if (code)
		return code;
	is_changed = !bytes_equal(old, new);
	if (is_changed)
		code = put_record(txn, root, kind, id, &seen, old, new, arena, err);
	if (!code)
		*ret_is_changed = is_changed;
	return code;
}

enum code state_merge(struct store_txn *txn, struct root *root, uint32_t kind, struct id id, const struct record *with,
		      struct arena *arena, bool *ret_is_changed, struct err *err)
{
	enum code code = state_judge(kind, id, with, err);

	return code ? code : state_merge_judged(txn, root, kind, id, with, arena, ret_is_changed, err);
}

static void note_keys(struct derived_keys *derived, const struct index_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (derived->count == derived->room) {
			derived->room = derived->room ? 2 * derived->room : 1024;
			derived->all = must_realloc(derived->all, derived->room * sizeof *derived->all);
		}
		derived->all[derived->count++] = keys->keys[i];
	}
}

static void note_dead(struct derived_keys *derived, uint32_t kind, struct id id)
{
	if (derived->dead_count == derived->dead_room) {
		derived->dead_room = derived->dead_room ? 2 * derived->dead_room : 64;
		derived->dead = must_realloc(derived->dead, derived->dead_room * sizeof *derived->dead);
	}
	derived->dead[derived->dead_count++] = (struct derived_dead){ kind, id };
}

enum code state_add(struct store_txn *txn, struct root *root, uint32_t kind, struct id id, struct bytes record,
		    struct derived_keys *derived, struct err *err)
{
	struct derived after = derived_of(kind, id, record, &derived->arena);
	uint8_t key[RECORD_KEY_SIZE];

	note_keys(derived, &after.index);
	note_keys(derived, &after.marks);
	if (after.is_listed)
		note_dead(derived, kind, id);
	root_change(root, kind, id, bytes_of(NULL, 0), record);
	record_key_write(kind, id, key);
	return store_add(txn, bytes_of(key, sizeof key), record, err);
}

static int order_keys(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

enum code state_put_derived(struct store_txn *txn, struct derived_keys *derived, struct err *err)
{
	enum code code = OK;

	if (derived->count)
		qsort(derived->all, derived->count, sizeof *derived->all, order_keys);
	/* Two records may share a mark. */
	for (size_t i = 0; !code && i < derived->count; i++)
		if (!i || !bytes_equal(derived->all[i - 1], derived->all[i]))
			code = store_add(txn, derived->all[i], bytes_of(NULL, 0), err);
	return code;
}

enum code state_list_dead(struct store_txn *txn, const struct derived_keys *derived, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < derived->dead_count; i++)
		code = dead_move(txn, derived->dead[i].kind, derived->dead[i].id, false, true, err);
	return code;
}

void derived_keys_done(struct derived_keys *derived)
{
	free(derived->all);
	free(derived->dead);
	arena_done(&derived->arena);
	*derived = (struct derived_keys){ .all = NULL };
}

enum code state_forget(struct store_txn *txn, uint32_t kind, struct id id, struct arena *arena, struct err *err)
{
	struct derived before, after = { 0 };
	uint8_t key[RECORD_KEY_SIZE];
	struct bytes record;
	enum code code = get_record(txn, kind, id, &record, err);

	if (code)
		return code;
	before = derived_of(kind, id, record, arena);
	if (!before.is_listed)
		return fail(err, E_VALUE, "a record that lives, or may come again under its id, is not forgotten");
	record_key_write(kind, id, key);
	code = store_delete(txn, bytes_of(key, sizeof key), err);
	return code ? code : move_derived(txn, kind, id, &before, &after, arena, err);
}

struct state_cursor {
	struct store_cursor *below;
	bool is_index;
	struct arena arena; /* the prefix */
	uint8_t place[STORE_KEY_MAX];
	size_t place_size;
};

/* Takes the cursor, also when it fails. */
static enum code open_cursor(struct store_txn *txn, struct bytes prefix, struct bytes from, struct state_cursor *cursor,
			     struct state_cursor **ret_cursor, struct err *err)
{
	uint8_t room[STORE_KEY_MAX] = { 0 };
	enum code code;

	/* The first key behind another one is that with a zero more. */
	if (from.size && from.size < sizeof room)
		memcpy(room, from.data, from.size);
	if (from.size < sizeof room)
		code = store_range(txn, prefix, bytes_of(room, from.size ? from.size + 1 : 0), &cursor->below, err);
	else
		code = fail(err, E_VALUE, "this is no place in a list: begin it anew");
	if (code) {
		state_find_end(cursor);
		return code;
	}
	*ret_cursor = cursor;
	return OK;
}

enum code state_find(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		     struct bytes from, struct state_cursor **ret_cursor, struct err *err)
{
	struct state_cursor *cursor = must_alloc(sizeof *cursor);

	assert(field->is_indexed);
	cursor->is_index = true;
	return open_cursor(txn, index_prefix(kind, field, slot, &cursor->arena), from, cursor, ret_cursor, err);
}

enum code state_all(struct store_txn *txn, uint32_t kind, struct bytes from, struct state_cursor **ret_cursor,
		    struct err *err)
{
	struct state_cursor *cursor = must_alloc(sizeof *cursor);
	uint8_t key[RECORD_KEY_SIZE];

	record_key_write(kind, (struct id){ { 0 } }, key);
	return open_cursor(txn, bytes_of(key, kind ? 3 : 1), from, cursor, ret_cursor, err);
}

enum code state_next(struct state_cursor *cursor, uint32_t *ret_kind, struct id *ret_id, struct err *err)
{
	struct bytes key, value;
	enum code code = store_next(cursor->below, &key, &value, err);
	bool is_key;

	if (code)
		return code;
	is_key = cursor->is_index ? index_key_read(key, ret_kind, ret_id) : record_key_read(key, ret_kind, ret_id);
	if (!is_key)
		return fail(err, E_DAMAGED, "a key has no id: run warrend --check");
	memcpy(cursor->place, key.data, key.size);
	cursor->place_size = key.size;
	return OK;
}

struct bytes state_place(const struct state_cursor *cursor)
{
	return bytes_of(cursor->place, cursor->place_size);
}

void state_find_end(struct state_cursor *cursor)
{
	if (!cursor)
		return;
	store_range_end(cursor->below);
	arena_done(&cursor->arena);
	free(cursor);
}

enum code state_is_current(struct store_txn *txn, bool *ret_is_current, struct err *err)
{
	struct id fingerprint = model_fingerprint();
	struct bytes stored = { 0 };
	enum code code = store_get(txn, bytes_of(model_key, sizeof model_key), &stored, err);

	/* A mark that cannot be read says as little as none. */
	if (code && code != E_ABSENT && code != E_DAMAGED)
		return code;
	*ret_is_current = bytes_equal(stored, bytes_of(fingerprint.bytes, sizeof fingerprint.bytes));
	return OK;
}

bool state_is_derived(struct bytes key)
{
	uint8_t table = key.size ? key.data[0] : 0;

	return table == TABLE_INDEX || table == TABLE_MARK || table == TABLE_DEAD ||
	       bytes_equal(key, bytes_of(model_key, sizeof model_key)) ||
	       bytes_equal(key, bytes_of(dead_round_key, sizeof dead_round_key)) || root_is_key(key);
}

/* It may be damaged itself. */
static enum code drop_one(struct store_txn *txn, struct bytes key, struct err *err)
{
	enum code code = store_replace(txn, key, bytes_of(NULL, 0), err);

	return code ? code : store_delete(txn, key, err);
}

/*
 * The model's mark goes with the first entries: half of the indexes are nobody's. So does the root, which whoever
 * reads it next works out, and the number of the round, for the dead are all listed anew.
 */
static enum code drop_single(struct store_txn *txn, struct err *err)
{
	enum code code = drop_one(txn, bytes_of(model_key, sizeof model_key), err);
	uint8_t room[ROOT_KEY_SIZE];

	if (!code)
		code = drop_one(txn, bytes_of(dead_round_key, sizeof dead_round_key), err);
	for (size_t part = 0; !code && part < ROOT_PARTS; part++)
		code = drop_one(txn, root_part_key(part, room), err);
	return code;
}

/* Where a rebuild stands: what is done, and the key behind which it goes on. */
struct progress {
	bool is_begun, is_first, is_dropped, is_done;
	size_t table; /* of those that are emptied */
	uint8_t last[RECORD_KEY_SIZE + 1];
	size_t size;
};

/* Takes out up to REBUILD_CHUNK entries. */
static enum code drop_some(struct store_txn *txn, struct progress *at, struct err *err)
{
	static const uint8_t tables[] = { TABLE_INDEX, TABLE_MARK, TABLE_DEAD };
	bool is_empty = false;
	enum code code = at->is_begun ? OK : drop_single(txn, err);

	if (!code)
		code = store_clear_some(txn, tables[at->table], REBUILD_CHUNK, at->is_first, &is_empty, err);
	at->is_begun = true;
	at->is_first = is_empty;
	at->table += is_empty;
	at->is_dropped = at->table == COUNT(tables);
	return code;
}

struct pending {
	struct pending_record {
		uint32_t kind;
		struct id id;
		struct derived derived;
	} all[REBUILD_CHUNK];
	size_t count;
};

/* Works out the entries of the next records; their puts come when the cursor is closed. */
static enum code gather_some(struct store_txn *txn, struct progress *at, struct arena *arena, struct pending *pending,
			     struct err *err)
{
	static const uint8_t prefix[] = { TABLE_RECORD };
	struct store_cursor *cursor;
	struct bytes key, value;
	uint32_t kind;
	struct id id;
	enum code code = store_range(txn, bytes_of(prefix, sizeof prefix), bytes_of(at->last, at->size), &cursor, err);

	if (code)
		return code;
	while (pending->count < REBUILD_CHUNK && !(code = store_next(cursor, &key, &value, err))) {
		if (!record_key_read(key, &kind, &id)) {
			code = fail(err, E_DAMAGED, "a record's key is damaged: run warrend --check");
			break;
		}
		pending->all[pending->count++] =
			(struct pending_record){ kind, id, derived_of(kind, id, value, arena) };
		memcpy(at->last, key.data, key.size);
		at->last[key.size] = 0;
		at->size = key.size + 1;
	}
	store_range_end(cursor);
	at->is_done = code == E_ABSENT;
	return code == E_ABSENT ? OK : code;
}

static enum code index_some(struct store_txn *txn, struct progress *at, struct arena *arena, struct err *err)
{
	struct pending *pending = arena_take(arena, sizeof *pending);
	struct derived none = { 0 };
	struct id fingerprint = model_fingerprint();
	enum code code = gather_some(txn, at, arena, pending, err);

	for (size_t i = 0; !code && i < pending->count; i++)
		code = move_derived(txn, pending->all[i].kind, pending->all[i].id, &none, &pending->all[i].derived,
				    arena, err);
	if (code || !at->is_done)
		return code;
	return store_put(txn, bytes_of(model_key, sizeof model_key),
			 bytes_of(fingerprint.bytes, sizeof fingerprint.bytes), err);
}

/* One transaction of the rebuild. Whenever it is cut short, the next start finds no mark and begins again. */
static enum code rebuild_step(struct store *store, struct progress *at, struct err *err)
{
	struct arena arena = { 0 };
	struct store_txn *txn;
	enum code code = store_begin(store, &txn, err);

	if (code)
		return code;
	if (!at->is_dropped)
		code = drop_some(txn, at, err);
	else
		code = index_some(txn, at, &arena, err);
	arena_done(&arena);
	if (code) {
		store_end(txn);
		return code;
	}
	return store_commit(txn, err);
}

enum code state_rebuild(struct store *store, struct err *err)
{
	struct progress at = { .is_first = true };
	enum code code = OK;

	while (!code && !at.is_done)
		code = rebuild_step(store, &at, err);
	return code;
}

enum code state_open(struct store *store, struct err *err)
{
	bool is_current = false;
	struct store_txn *txn;
	enum code code = store_snapshot(store, &txn, err);

	if (code)
		return code;
	code = state_is_current(txn, &is_current, err);
	store_end(txn);
	return code || is_current ? code : state_rebuild(store, err);
}
