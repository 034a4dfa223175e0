/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rows.h"

#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/state.h"

static struct bytes pack(const struct shape *shape, const void *row, struct arena *arena)
{
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct bytes bytes;

	pack_write(shape, row, &map);
	bytes = arena_copy(arena, buf_bytes(&map));
	buf_done(&map);
	return bytes;
}

static enum code find_id(uint32_t kind, struct bytes map, struct id *ret_id, struct err *err)
{
	struct record record;
	enum code code = record_from_op(map, (struct stamp){ 0 }, &record, err);

	if (!code)
		*ret_id = record_id(kind, &record);
	return code;
}

enum code rows_create(const struct kind *kind, const void *row, struct arena *arena, struct change *ret_change,
		      struct id *ret_id, struct err *err)
{
	struct bytes map = pack(&kind->shape, row, arena);
	union any_row checked;
	enum code code = pack_read(&kind->shape, map, true, &checked, err);

	if (!code)
		code = find_id(kind->number, map, ret_id, err);
	if (!code)
		*ret_change = (struct change){ .what = CHANGE_CREATE, .kind = kind->number, .map = map };
	return code;
}

struct change rows_new(const struct kind *kind, const void *row, struct arena *arena)
{
	return (struct change){ .what = CHANGE_CREATE, .kind = kind->number, .map = pack(&kind->shape, row, arena) };
}

struct change rows_set(const struct kind *kind, struct id id, const void *row, struct arena *arena)
{
	union any_row rest;
	uint64_t *has = row_has(&kind->shape, &rest);

	memcpy(&rest, row, kind->shape.size);
	for (size_t i = 0; i < kind->shape.count; i++)
		if (kind->shape.fields[i].merge == MERGE_ONCE)
			*has &= ~BIT(i);
	return (struct change){
		.what = CHANGE_SET, .kind = kind->number, .id = id, .map = pack(&kind->shape, &rest, arena)
	};
}

enum code rows_fact(struct store_txn *txn, uint64_t node, struct arena *arena, struct gateway_fact_row *ret_row,
		    struct err *err)
{
	const struct kind *kind = KIND_TABLE(gateway_fact);
	struct gateway_fact_row row = { .node = node, .has = BIT(AT_gateway_fact_node) };
	struct id id;
	enum code code = find_id(kind->number, pack(&kind->shape, &row, arena), &id, err);

	return code ? code : state_row(txn, kind, id, ret_row, err);
}

enum code rows_gateway(struct store_txn *txn, struct id gateway, struct gateway_row *ret_row, struct err *err)
{
	return state_row(txn, KIND_TABLE(gateway), gateway, ret_row, err);
}
