/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/state/block_lease.h"
#include "crdt/state/live.h"
#include "crdt/state/state.h"

static enum code at_field(const struct field *field, enum code code, struct err *err)
{
	return fail_at(err, code, field->name, -1);
}

/* The pool, as it is or as an earlier change makes it. */
static enum code look_pool(struct request *request, const struct wish *wish, struct id pool, struct pool_row *ret_row,
			   struct err *err)
{
	for (size_t i = 0; i < wish->position; i++) {
		const struct wish *made = &request->wishes[i];

		if (made->kind != KIND_TABLE(pool) || made->change->what != CHANGE_CREATE || !id_equal(made->id, pool))
			continue;
		*ret_row = *(const struct pool_row *)made->row;
		return OK;
	}
	return state_row(request->judging->txn, KIND_TABLE(pool), pool, ret_row, err);
}

/* A request of many leases makes the map once: it writes nothing before it is judged. */
static enum code find_map(struct request *request, const struct pool_row *pool, struct err *err)
{
	const struct judging *judging = request->judging;
	enum code code;

	if (request->has_map && id_equal(request->map.pool, pool->id))
		return OK;
	code = block_map(judging->txn, judging->leases_nothing ? NULL : judging->members, pool, judging->arena,
			 &request->map, err);
	request->has_map = !code;
	return code;
}

/* What this member may lease of a pool, but for what earlier changes lease. */
static enum code begin_owner(struct request *request, const struct wish *wish, const struct pool_row *pool,
			     struct block_owner *ret_owner, struct err *err)
{
	const struct judging *judging = request->judging;
	struct address *spoken = arena_take(judging->arena, wish->position * sizeof *spoken);
	size_t count = 0;
	enum code code = find_map(request, pool, err);

	for (size_t i = 0; i < wish->position; i++) {
		const struct lease_row *other = request->wishes[i].row;

		if (request->wishes[i].kind == wish->kind && request->wishes[i].change->what == CHANGE_CREATE &&
		    other->has & BIT(AT_lease_address) && id_equal(other->pool, pool->id))
			spoken[count++] = other->address;
	}
	*ret_owner = (struct block_owner){
		.txn = judging->txn,
		.arena = judging->arena,
		.rng = judging->rng,
		.map = &request->map,
		.node = judging->node,
		.start = judging->start,
		.gates = judging->gates,
		.spoken = spoken,
		.spoken_count = count,
	};
	return code;
}

enum code judge_address(struct request *request, struct wish *wish, struct err *err)
{
	struct lease_row *row = wish->row;
	struct block_owner owner;
	struct pool_row pool;
	enum code code = look_pool(request, wish, row->pool, &pool, err);

	/* Where there is none, the rules will say so. */
	if (is_gone(code) || (!code && !(pool.has & BIT(AT_pool_network4))) || row->has & BIT(AT_lease_address))
		return OK;
	if (!code)
		code = begin_owner(request, wish, &pool, &owner, err);
	if (!code)
		code = block_choose(&owner, &row->address, NULL);
	wish->is_dry = code == E_DRY;
	if (!code)
		row->has |= BIT(AT_lease_address);
	return wish->is_dry ? OK : code;
}

/* One that was brought along, as by the import of a configuration. */
static enum code check_address(struct request *request, const struct wish *wish, const struct pool_row *pool,
			       struct err *err)
{
	const struct field *field = FIELD_TABLE(lease, address);
	const struct lease_row *row = wish->row;
	const struct block *block;
	struct block_owner owner;
	bool is_free;
	enum code code = begin_owner(request, wish, pool, &owner, err);

	if (code)
		return code;
	block = block_of(&request->map, row->address);
	if (!block)
		return at_field(field, fail(err, E_VALUE, "is none that the pool has for devices: leave it out"), err);
	if (!block_may_use(&owner, block))
		return at_field(
			field,
			fail(err, E_TAKEN, "is not this server's to give: leave it out, or ask the one that has it"),
			err);
	code = block_is_free(&owner, row->address, &is_free, err);
	if (!code && !is_free)
		return at_field(field, fail(err, E_TAKEN, "is, or was just now, another device's: leave it out"), err);
	return code;
}

/* One address of a pool is enough for a device. */
static enum code check_device(struct request *request, const struct wish *wish, struct err *err)
{
	const struct lease_row *row = wish->row;
	struct lease_row other;
	struct ids ids;
	enum code code = ids_find(request->judging->txn, wish->kind, FIELD_TABLE(lease, device), &row->device,
				  request->judging->arena, &ids, err);

	for (size_t i = 0; !code && i < wish->position; i++) {
		const struct wish *made = &request->wishes[i];

		if (made->kind == wish->kind && made->change->what == CHANGE_CREATE &&
		    id_equal(((const struct lease_row *)made->row)->device, row->device))
			ids_add(&ids, made->id, request->judging->arena);
	}
	for (size_t i = 0; !code && i < ids.count; i++) {
		if (id_equal(ids.all[i], wish->id))
			continue;
		code = request_live(request, wish->kind, ids.all[i], &other, err);
		if (!code && id_equal(other.pool, row->pool))
			return at_field(FIELD_TABLE(lease, device),
					fail(err, E_TAKEN, "has an address of this pool: remove that lease with it"),
					err);
		code = is_gone(code) ? OK : code;
	}
	return code;
}

static enum code check_pool_stands(struct request *request, const struct wish *wish, struct err *err)
{
	const struct lease_row *row = wish->row;
	const struct wish *made = request_wish(request, KIND_pool, row->pool);
	bool stands = true;
	struct id other;
	enum code code = OK;

	if (!made)
		code = pool_stands(request->judging->txn, row->pool, request->judging->arena, &stands, &other, err);
	if (code || stands)
		return code;
	return at_field(FIELD_TABLE(lease, pool),
			fail(err, E_VALUE,
			     "overlaps another pool on one gateway, and counts as absent: remove it, or make another"),
			err);
}

static bool is_removed(const struct request *request, struct id id)
{
	for (size_t i = 0; i < request->count; i++)
		if (request->wishes[i].change->what == CHANGE_REMOVE && id_equal(request->wishes[i].change->id, id))
			return true;
	return false;
}

enum code judge_leased(struct request *request, struct wish *wish, bool *ret_is_there, struct err *err)
{
	const struct lease_row *row = wish->row;
	struct lease_row other;
	struct ids ids;
	enum code code = ids_find(request->judging->txn, wish->kind, FIELD_TABLE(lease, device), &row->device,
				  request->judging->arena, &ids, err);

	*ret_is_there = false;
	for (size_t i = 0; !code && !*ret_is_there && i < ids.count; i++) {
		code = state_row(request->judging->txn, wish->kind, ids.all[i], &other, err);
		if (is_gone(code)) {
			code = OK;
			continue;
		}
		if (code || !id_equal(other.pool, row->pool) || is_removed(request, other.id) ||
		    (wish->given & BIT(AT_lease_address) &&
		     !values_equal(wish->kind, AT_lease_address, wish->asked, &other)))
			continue;
		*ret_is_there = true;
		wish->id = other.id;
	}
	return code;
}

enum code judge_lease(struct request *request, const struct wish *wish, struct err *err)
{
	const struct lease_row *row = wish->row;
	struct pool_row pool;
	enum code code = request_live(request, KIND_TABLE(pool), row->pool, &pool, err);

	if (!code)
		code = check_pool_stands(request, wish, err);
	if (!code)
		code = check_device(request, wish, err);
	if (code)
		return code;
	if (!(pool.has & BIT(AT_pool_network4)))
		return row->has & BIT(AT_lease_address)
			       ? at_field(FIELD_TABLE(lease, address),
					  fail(err, E_VALUE, "is of a pool that has no IPv4: leave it out"), err)
			       : OK;
	if (wish->given & BIT(AT_lease_address))
		return check_address(request, wish, &pool, err);
	return OK;
}

enum code judge_dry(struct request *request, struct wish *wish, struct err *err)
{
	if (!wish->is_dry)
		return OK;
	request->dry = ((const struct lease_row *)wish->row)->pool;
	return at_field(
		FIELD_TABLE(lease, address),
		fail(err, E_DRY,
		     "none is free on this server (any more): try again in a moment, ask another server, or see "
		     "who holds addresses up"),
		err);
}

/* Whether the pool may come to a gateway that another one is on. */
static enum code check_other(struct request *request, const struct field *field, const struct pool_row *pool,
			     struct id id, struct err *err)
{
	struct pool_row other;
	enum code code = id_equal(id, pool->id) ? E_ABSENT : request_live(request, KIND_TABLE(pool), id, &other, err);

	if (code)
		return is_gone(code) ? OK : code;
	if (!pools_overlap(pool, &other))
		return OK;
	return at_field(field,
			fail(err, E_TAKEN, "overlaps the pool %.*s on that gateway: choose other networks",
			     (int)other.name.size, (const char *)other.name.data),
			err);
}

/* All that will be of a kind with a gateway, in the order of their making. */
static enum code find_of(struct request *request, const struct field *field, const struct kind *kind, struct id gateway,
			 const struct wish *before, struct ids *ret_ids, struct err *err)
{
	enum code code = ids_find(request->judging->txn, kind, field, &gateway, request->judging->arena, ret_ids, err);

	for (size_t i = 0; !code && i < before->position; i++) {
		const struct wish *made = &request->wishes[i];

		if (made->kind == kind && made->change->what == CHANGE_CREATE &&
		    row_has_field(&kind->shape, made->row, (size_t)(field - kind->shape.fields)) &&
		    id_equal(*(const struct id *)field_slot_const(field, made->row), gateway))
			ids_add(ret_ids, made->id, request->judging->arena);
	}
	return code;
}

/* No pool on the gateway may have any of its addresses. */
static enum code check_gateway(struct request *request, const struct wish *wish, const struct field *field,
			       const struct pool_row *pool, struct id gateway, struct err *err)
{
	const struct kind *kind = KIND_TABLE(interface);
	struct interface_row row;
	struct ids pools, interfaces;
	enum code code = find_of(request, FIELD_TABLE(pool, gateway), KIND_TABLE(pool), gateway, wish, &pools, err);

	if (!code)
		code = find_of(request, FIELD_TABLE(interface, gateway), kind, gateway, wish, &interfaces, err);
	for (size_t i = 0; !code && i < interfaces.count; i++) {
		if (id_equal(interfaces.all[i], wish->id))
			continue;
		code = request_live(request, kind, interfaces.all[i], &row, err);
		if (!code && kind == wish->kind && id_equal(row.pool, pool->id))
			return at_field(field,
					fail(err, E_TAKEN, "is on another interface of this gateway: choose another"),
					err);
		if (!code)
			ids_add(&pools, row.pool, request->judging->arena);
		code = is_gone(code) ? OK : code;
	}
	for (size_t i = 0; !code && i < pools.count; i++)
		code = check_other(request, field, pool, pools.all[i], err);
	return code;
}

enum code judge_interface(struct request *request, const struct wish *wish, struct err *err)
{
	const struct interface_row *row = wish->row;
	struct pool_row pool;
	enum code code = request_live(request, KIND_TABLE(pool), row->pool, &pool, err);

	return code ? code : check_gateway(request, wish, FIELD_TABLE(interface, pool), &pool, row->gateway, err);
}

enum code judge_pool(struct request *request, const struct wish *wish, struct err *err)
{
	const struct pool_row *row = wish->row;

	if (!(row->has & BIT(AT_pool_gateway)))
		return OK;
	return check_gateway(request, wish, FIELD_TABLE(pool, gateway), row, row->gateway, err);
}
