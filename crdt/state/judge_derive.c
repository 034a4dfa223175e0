/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/base/hash.h"
#include "crdt/model/mp.h"
#include "crdt/state/limit.h"
#include "crdt/state/policy_head.h"
#include "crdt/state/state.h"

enum { NONCE_RANDOM = 8 };

/* What follows from who writes, and when; a value that was given stays. */
enum derived { DERIVED_NODE, DERIVED_START, DERIVED_NOW };

static const struct {
	const struct kind *kind;
	uint8_t place;
	uint8_t what;
} derived[] = {
#define DERIVE(owner, field, what)                            \
	{                                                     \
		KIND_TABLE(owner), AT_##owner##_##field, what \
	}
	/* clang-format off */
	DERIVE(pool, maker, DERIVED_NODE),
	DERIVE(pool, start, DERIVED_START),
	DERIVE(lease, author, DERIVED_NODE),
	DERIVE(enrolment_token, home, DERIVED_NODE),
	DERIVE(one_time_link, home, DERIVED_NODE),
	DERIVE(gateway_fact, node, DERIVED_NODE),
	DERIVE(interface_fact, node, DERIVED_NODE),
	DERIVE(usage, node, DERIVED_NODE),
	DERIVE(usage, start, DERIVED_START),
	DERIVE(usage_floor, node, DERIVED_NODE),
	DERIVE(presence, node, DERIVED_NODE),
	DERIVE(key_use, node, DERIVED_NODE),
	DERIVE(transfer, giver, DERIVED_NODE),
	DERIVE(user, made, DERIVED_NOW),
	DERIVE(device, made, DERIVED_NOW),
	DERIVE(hold, made, DERIVED_NOW),
	DERIVE(session, made, DERIVED_NOW),
	DERIVE(api_key, made, DERIVED_NOW),
/* clang-format on */
#undef DERIVE
};

static void derive(const struct request *request, struct wish *wish)
{
	const struct judging *judging = request->judging;

	for (size_t i = 0; i < COUNT(derived); i++) {
		const struct field *f = &wish->kind->shape.fields[derived[i].place];

		if (derived[i].kind != wish->kind || wish->given & BIT(derived[i].place))
			continue;
		/* A time in its identity would make another record of a repeat. */
		if (derived[i].what == DERIVED_NOW && f->merge == MERGE_ONCE && !f->is_required &&
		    judging->idempotency.size)
			continue;
		wish->is_bound |= f->merge == MERGE_ONCE;
		row_set_has(wish->kind, derived[i].place, wish->row, true);
		switch ((enum derived)derived[i].what) {
		case DERIVED_NODE: *(uint64_t *)field_slot(f, wish->row) = judging->node; break;
		case DERIVED_START: *(uint64_t *)field_slot(f, wish->row) = judging->start; break;
		case DERIVED_NOW: *(struct wall_time *)field_slot(f, wish->row) = judging->now; break;
		}
	}
}

/*
 * Random, or for a request that may be repeated what any member makes of it; its length tells which. A lease's is
 * always random: no other member makes the same one, for its author and its address are in its id, and the mark of one
 * with such a nonce goes when it is done with, so that the address can be used again.
 */
static void make_nonce(const struct request *request, struct wish *wish)
{
	const struct judging *judging = request->judging;
	uint8_t room[NONCE_RANDOM], position[4] = { 0, 0, 0, (uint8_t)wish->position };
	struct bytes parts[] = { judging->idempotency, bytes_of(position, sizeof position) };
	struct bytes nonce = bytes_of(room, sizeof room);
	struct id hash;

	if (!kind_has_nonce(wish->kind) || wish->given & 1)
		return;
	if (judging->idempotency.size && wish->kind != KIND_TABLE(lease)) {
		hash = hash_id(parts, COUNT(parts));
		nonce = bytes_of(hash.bytes, sizeof hash.bytes);
	} else {
		rng_fill(judging->rng, room, sizeof room);
	}
	*(struct bytes *)field_slot(&wish->kind->shape.fields[0], wish->row) = arena_copy(judging->arena, nonce);
	row_set_has(wish->kind, 0, wish->row, true);
}

void judge_derive(struct request *request, struct wish *wish)
{
	derive(request, wish);
	make_nonce(request, wish);
}

enum code judge_heads(struct request *request, struct wish *wish, struct err *err)
{
	struct arena *arena = request->judging->arena;
	struct policy_version_row *row = wish->row, head;
	struct id *heads;
	size_t count;
	struct buf items;
	enum code code;

	for (size_t i = 0; i < wish->position; i++) {
		const struct wish *other = &request->wishes[i];

		if (other->kind == wish->kind && other->change->what == CHANGE_CREATE &&
		    id_equal(((const struct policy_version_row *)other->row)->policy, row->policy))
			return fail(err, E_VALUE, "saves the same policy as change %zu: save it once", i);
	}
	code = policy_heads(request->judging->txn, row->policy, arena, &heads, &count, err);

	if (!code && count == 1)
		code = state_row(request->judging->txn, wish->kind, heads[0], &head, err);
	if (code)
		return code;
	if (count == 1 && values_equal(wish->kind, AT_policy_version_rules, row, &head)) {
		wish->is_nothing = true;
		wish->id = heads[0];
		*row = head;
		return OK;
	}
	/* Of too many the rest is replaced by saving again. */
	count = count < POLICY_HEADS_MAX ? count : POLICY_HEADS_MAX;
	items = buf_over(arena_take(arena, count * (2 + sizeof *heads)), count * (2 + sizeof *heads));
	for (size_t i = 0; i < count; i++)
		mp_put_bin(&items, bytes_of(heads[i].bytes, sizeof heads[i].bytes));
	row->replaces = (struct list){ buf_bytes(&items), count };
	row_set_has(wish->kind, AT_policy_version_replaces, row, count);
	return OK;
}

enum code judge_ordinal(struct request *request, struct wish *wish, struct err *err)
{
	struct device_row *row = wish->row;
	struct owned *owned;
	size_t count;
	uint64_t most;
	enum code code;

	if (row->has & BIT(AT_device_ordinal))
		return OK;
	code = limit_devices(request->judging->txn, row->owner, request->judging->arena, &owned, &count, &most, err);
	if (code)
		return code;
	row->ordinal = limit_next_ordinal(owned, count);
	for (size_t i = 0; i < wish->position; i++) {
		const struct device_row *other = request->wishes[i].row;

		if (request->wishes[i].kind != wish->kind || request->wishes[i].change->what != CHANGE_CREATE ||
		    !id_equal(other->owner, row->owner))
			continue;
		if (other->ordinal >= row->ordinal)
			row->ordinal = limit_next_ordinal(&(struct owned){ .ordinal = other->ordinal }, 1);
	}
	row->has |= BIT(AT_device_ordinal);
	return OK;
}
