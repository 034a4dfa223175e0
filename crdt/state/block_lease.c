/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/block_lease.h"

#include "crdt/model/pack.h"
#include "crdt/state/block_line.h"
#include "crdt/state/found.h"
#include "crdt/state/index.h"
#include "crdt/state/live.h"
#include "crdt/state/state.h"

enum code lease_sharing(struct store_txn *txn, const struct lease_row *row, size_t place, struct arena *arena,
			struct id **ret_ids, size_t *ret_count, struct err *err)
{
	const struct kind *kind = KIND_TABLE(lease);
	const struct field *field = &kind->shape.fields[place];
	struct ids ids = { 0 };
	struct lease_row other;
	size_t kept = 0;
	enum code code = OK;

	if (row->has & BIT(place))
		code = ids_find(txn, kind, field, field_slot_const(field, row), arena, &ids, err);
	for (size_t i = 0; !code && i < ids.count; i++) {
		code = live_row(txn, kind, ids.all[i], &other, err);
		if (!code && id_equal(other.pool, row->pool))
			ids.all[kept++] = ids.all[i];
		code = is_gone(code) ? OK : code;
	}
	if (code)
		return code;
	*ret_ids = ids.all;
	*ret_count = kept;
	return OK;
}

static enum code row_stands(struct store_txn *txn, const struct lease_row *row, struct arena *arena, bool *ret_stands,
			    struct err *err)
{
	static const size_t places[] = { AT_lease_address, AT_lease_device };
	bool stands = true;
	struct id *ids;
	size_t count;
	enum code code = OK;

	for (size_t i = 0; !code && stands && i < COUNT(places); i++) {
		code = lease_sharing(txn, row, places[i], arena, &ids, &count, err);
		stands = code || !count || id_equal(ids[0], row->id);
	}
	if (!code)
		*ret_stands = stands;
	return code;
}

enum code lease_stands(struct store_txn *txn, struct id lease, struct arena *arena, bool *ret_stands, struct err *err)
{
	struct lease_row row;
	enum code code = live_row(txn, KIND_TABLE(lease), lease, &row, err);

	if (!code)
		return row_stands(txn, &row, arena, ret_stands, err);
	if (!is_gone(code))
		return code;
	*ret_stands = false;
	return OK;
}

/* What a walk learnt of the pools that it met. */
struct pool_seen {
	struct id id;
	bool is_there;
	struct block_map map;
	struct pool_seen *next;
};

struct due {
	struct store_txn *txn;
	const struct members *members;
	struct arena *arena;
	struct block_lines lines;
	struct pool_seen *pools;
};

static enum code see_pool(struct due *due, struct id id, const struct pool_seen **ret_pool, struct err *err)
{
	struct pool_seen *pool = due->pools;
	struct pool_row row;
	enum code code;

	while (pool && !id_equal(pool->id, id))
		pool = pool->next;
	if (!pool) {
		pool = arena_take(due->arena, sizeof *pool);
		pool->id = id;
		code = state_row(due->txn, KIND_TABLE(pool), id, &row, err);
		pool->is_there = !code;
		if (!code)
			code = block_map(due->txn, due->members, &row, due->arena, &pool->map, err);
		if (code && !is_gone(code))
			return code;
		pool->next = due->pools;
		due->pools = pool;
	}
	*ret_pool = pool;
	return OK;
}

static enum code is_dead(struct due *due, const struct kind *kind, struct id id, bool *ret_is_dead, struct err *err)
{
	struct bytes record, map;
	bool dead = false;
	enum code code = state_record(due->txn, kind->number, id, &record, err);

	/* What is not there may be on its way. */
	if (code == E_ABSENT)
		code = OK;
	else if (!code)
		code = record_map(record, &dead, &map, err);
	if (!code)
		*ret_is_dead = dead;
	return code;
}

static enum code is_orphan(struct due *due, const struct lease_row *lease, bool *ret_is_orphan, struct err *err)
{
	struct device_row device;
	bool dead = false;
	enum code code = is_dead(due, KIND_TABLE(device), lease->device, &dead, err);

	if (!code && !dead)
		code = is_dead(due, KIND_TABLE(pool), lease->pool, &dead, err);
	if (!code && !dead) {
		code = state_row(due->txn, KIND_TABLE(device), lease->device, &device, err);
		if (!code)
			code = is_dead(due, KIND_TABLE(user), device.owner, &dead, err);
		code = is_gone(code) ? OK : code;
	}
	if (!code)
		*ret_is_orphan = dead;
	return code;
}

/* Of an address in no block, or of none, the pool's first owner. */
static enum code find_owner(struct due *due, const struct lease_row *lease, uint64_t *ret_owner, struct err *err)
{
	const struct pool_seen *pool;
	const struct block *block;
	enum code code = see_pool(due, lease->pool, &pool, err);

	if (code)
		return code;
	if (!pool->is_there) {
		*ret_owner = block_line_of(&due->lines, lease->author)->owner;
		return OK;
	}
	block = block_of(&pool->map, lease->address);
	*ret_owner = block ? block->line->owner : pool->map.root->owner;
	return OK;
}

/* Whether the device's first lease, whatever becomes of the others, is this one. */
static enum code is_first(struct due *due, const struct lease_row *lease, bool *ret_is_first, struct err *err)
{
	struct id *ids;
	size_t count;
	enum code code = lease_sharing(due->txn, lease, AT_lease_device, due->arena, &ids, &count, err);

	if (!code)
		*ret_is_first = count && id_equal(ids[0], lease->id);
	return code;
}

/* Who is to end the lease; 0: nobody. */
static enum code judge_lease(struct due *due, const struct lease_row *lease, uint64_t *ret_who, bool *ret_wants_another,
			     struct err *err)
{
	bool orphan, stands = true, wants_another = false;
	struct lease_row live;
	uint64_t who = 0;
	enum code code = is_orphan(due, lease, &orphan, err);

	if (!code && orphan)
		code = find_owner(due, lease, &who, err);
	if (!code && !orphan) {
		code = live_row(due->txn, KIND_TABLE(lease), lease->id, &live, err);
		if (!code)
			code = row_stands(due->txn, &live, due->arena, &stands, err);
		code = is_gone(code) ? OK : code;
	}
	if (!code && !stands) {
		code = is_first(due, lease, &wants_another, err);
		who = block_line_of(&due->lines, lease->author)->owner;
		if (!code && !who)
			code = find_owner(due, lease, &who, err);
	}
	if (code)
		return code;
	*ret_who = who;
	*ret_wants_another = wants_another;
	return OK;
}

static enum code look(struct due *due, struct id id, uint64_t node, struct lease_due *dues, size_t *count,
		      struct err *err)
{
	bool wants_another;
	struct lease_row row;
	uint64_t who;
	enum code code = state_row(due->txn, KIND_TABLE(lease), id, &row, err);

	if (!code)
		code = judge_lease(due, &row, &who, &wants_another, err);
	else
		return is_gone(code) ? OK : code;
	if (!code && who == node)
		dues[(*count)++] = (struct lease_due){ id, row.device, row.pool, wants_another };
	return code;
}

enum code lease_find_due(struct store_txn *txn, const struct members *members, uint64_t node, struct lease_walk *walk,
			 size_t steps, struct arena *arena, struct lease_due *ret_due, size_t most, size_t *ret_count,
			 struct err *err)
{
	struct due due = { .txn = txn, .members = members, .arena = arena };
	uint8_t key[RECORD_KEY_SIZE];
	struct state_cursor *cursor;
	struct lease_walk at = *walk;
	bool is_end = false;
	size_t count = 0;
	uint32_t kind;
	enum code code;

	block_lines_begin(&due.lines, members, arena);
	record_key_write(KIND_lease, at.last, key);
	code = state_all(txn, KIND_lease, bytes_of(key, at.is_begun ? sizeof key : 0), &cursor, err);
	if (code)
		return code;
	while (!code && !is_end && steps-- && count < most) {
		code = state_next(cursor, &kind, &at.last, err);
		is_end = code == E_ABSENT;
		if (!code)
			code = look(&due, at.last, node, ret_due, &count, err);
		at.is_begun = true;
	}
	state_find_end(cursor);
	if (code && !is_end)
		return code;
	*walk = is_end ? (struct lease_walk){ 0 } : at;
	*ret_count = count;
	return OK;
}
