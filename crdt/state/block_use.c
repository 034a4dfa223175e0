/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/block_use.h"

#include "crdt/model/key.h"
#include "crdt/state/found.h"
#include "crdt/state/index.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"

#include <assert.h>

/* Whether nothing is in the way of leasing from what came through a line. */
static bool may_use_line(const struct block_owner *owner, const struct block_line *line)
{
	const struct block_gates *gates = owner->gates;

	if (line->owner != owner->node)
		return false;
	for (size_t i = 0; gates && gates->may_inherit && i < line->via_count; i++)
		if (!gates->may_inherit(gates->context, line->via[i]))
			return false;
	return !line->is_under || !gates || !gates->may_take || gates->may_take(gates->context, line->under);
}

static bool was_before(const struct block_owner *owner, const struct block *block)
{
	return block->start != owner->start || block->line->via_count || block->line->is_under;
}

static bool may_lease_own(const struct block_owner *owner)
{
	return !owner->gates || !owner->gates->may_lease_own || owner->gates->may_lease_own(owner->gates->context);
}

bool block_may_use(const struct block_owner *owner, const struct block *block)
{
	return may_use_line(owner, block->line) && (!was_before(owner, block) || may_lease_own(owner));
}

/* What gossip said of the lines so far: it is asked once about each. */
struct asked {
	const struct block_line *line;
	bool may;
};

static bool may_use_asked(const struct block_owner *owner, const struct block_line *line, struct asked *asked,
			  size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (asked[i].line == line)
			return asked[i].may;
	asked[*count] = (struct asked){ line, may_use_line(owner, line) };
	return asked[(*count)++].may;
}

struct block_usable block_usable(const struct block_owner *owner)
{
	const struct block_map *map = owner->map;
	struct block_usable usable = { .all = arena_take(owner->arena, (map->count + 1) * sizeof *usable.all) };
	struct asked *asked = arena_take(owner->arena, (map->count + 1) * sizeof *asked);
	bool may_own = may_lease_own(owner);
	size_t count = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct block *block = &map->all[i];

		if (block->line->owner != owner->node || (was_before(owner, block) && !may_own) ||
		    !may_use_asked(owner, block->line, asked, &count))
			continue;
		usable.total += (uint64_t)block->last - block->first + 1;
		usable.all[usable.count++] = (struct block_part){ block, usable.total };
	}
	return usable;
}

size_t block_usable_part(const struct block_usable *usable, uint64_t n)
{
	size_t low = 0, high = usable->count;

	assert(n < usable->total);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (usable->all[middle].end <= n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t block_usable_at(const struct block_usable *usable, size_t part, uint64_t n)
{
	return usable->all[part].block->last - (uint32_t)(usable->all[part].end - 1 - n);
}

static bool is_spoken_for(const struct block_owner *owner, uint32_t address)
{
	struct address sought = block_address(address);

	for (size_t i = 0; i < owner->spoken_count; i++)
		if (owner->spoken[i].size == sought.size && !memcmp(owner->spoken[i].bytes, sought.bytes, sought.size))
			return true;
	return false;
}

/* Whether the lease is one of this pool. */
static enum code is_ours(const struct block_owner *owner, struct id id, bool *ret_is_ours, struct err *err)
{
	struct lease_row row;
	enum code code = state_row(owner->txn, KIND_TABLE(lease), id, &row, err);

	if (code && !is_gone(code))
		return code;
	*ret_is_ours = !code && id_equal(row.pool, owner->map->pool);
	return OK;
}

static enum code is_unmarked(const struct block_owner *owner, uint32_t number, bool *ret_is_unmarked, struct err *err)
{
	struct address address = block_address(number);
	bool is_set = true;
	enum code code = OK;

	if (!is_spoken_for(owner, number))
		code = mark_is_set(owner->txn, KIND_TABLE(lease), FIELD_TABLE(lease, address), &address, &is_set, err);
	if (!code)
		*ret_is_unmarked = !is_set;
	return code;
}

enum code block_is_free(const struct block_owner *owner, struct address address, bool *ret_is_free, struct err *err)
{
	struct arena_mark before = arena_mark(owner->arena);
	bool is_taken = false, is_free;
	struct ids ids;
	enum code code =
		ids_find(owner->txn, KIND_TABLE(lease), FIELD_TABLE(lease, address), &address, owner->arena, &ids, err);

	for (size_t i = 0; !code && !is_taken && i < ids.count; i++)
		code = is_ours(owner, ids.all[i], &is_taken, err);
	arena_release(owner->arena, before);
	if (!code && !is_taken) {
		const uint8_t *b = address.bytes;
		uint32_t number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

		code = is_unmarked(owner, number, &is_free, err);
	}
	if (!code)
		*ret_is_free = !is_taken && is_free;
	return code;
}

/* The index's next entry. */
static enum code read_lease(struct block_round *round, struct err *err)
{
	const struct field *field = FIELD_TABLE(lease, address);
	struct address address;
	struct reader key;
	uint32_t kind;
	enum code code = state_next(round->leases, &kind, &round->lease, err);

	if (code == E_ABSENT) {
		round->leased = UINT64_MAX;
		return OK;
	}
	if (code)
		return code;
	key = reader_over(state_place(round->leases));
	read_bytes(&key, round->front);
	if (!key_read_slot(field, &key, NULL, &address) || address.size != 4)
		return fail(err, E_DAMAGED, "an index entry has no address: run warrend --check");
	key = reader_over(bytes_of(address.bytes, 4));
	round->leased = read_big_endian(&key, 4);
	return OK;
}

/* The index from an address on. */
static enum code seek(struct block_round *round, uint32_t number, struct err *err)
{
	const struct field *field = FIELD_TABLE(lease, address);
	struct address address = block_address(number);
	enum code code;

	state_find_end(round->leases);
	round->leases = NULL;
	arena_reset(&round->arena);
	round->front = index_prefix(KIND_TABLE(lease), field, NULL, &round->arena).size;
	code = state_find(round->owner->txn, KIND_TABLE(lease), field, NULL,
			  index_prefix(KIND_TABLE(lease), field, &address, &round->arena), &round->leases, err);
	return code ? code : read_lease(round, err);
}

enum code block_round_begin(struct block_round *round, const struct block_owner *owner,
			    const struct block_usable *usable, uint64_t n, struct err *err)
{
	*round = (struct block_round){ .owner = owner, .usable = usable, .next = n };
	round->part = block_usable_part(usable, n);
	return seek(round, block_usable_at(usable, round->part, n), err);
}

/* Whether a live lease of this pool has the address; the index is read up to there. */
static enum code is_leased(struct block_round *round, uint32_t address, bool *ret_is_leased, struct err *err)
{
	bool is_leased = false;
	enum code code = OK;

	while (!code && round->leased < address)
		code = read_lease(round, err);
	while (!code && !is_leased && round->leased == address) {
		code = is_ours(round->owner, round->lease, &is_leased, err);
		if (!code && !is_leased)
			code = read_lease(round, err);
	}
	if (!code)
		*ret_is_leased = is_leased;
	return code;
}

enum code block_round_next(struct block_round *round, uint32_t *ret_address, bool *ret_is_free, bool *ret_follows,
			   struct err *err)
{
	const struct block_usable *usable = round->usable;
	bool follows = round->next < usable->all[round->part].end, leased, is_free = false;
	uint32_t address;
	enum code code = OK;

	if (round->next == usable->total)
		round->next = 0;
	if (!follows) {
		round->part = block_usable_part(usable, round->next);
		code = seek(round, block_usable_at(usable, round->part, round->next), err);
	}
	address = block_usable_at(usable, round->part, round->next);
	if (!code)
		code = is_leased(round, address, &leased, err);
	if (!code && !leased)
		code = is_unmarked(round->owner, address, &is_free, err);
	if (code)
		return code;
	round->next++;
	*ret_address = address;
	*ret_is_free = is_free;
	*ret_follows = follows;
	return OK;
}

void block_round_end(struct block_round *round)
{
	state_find_end(round->leases);
	arena_done(&round->arena);
}
