/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/base/text.h"
#include "crdt/state/claim.h"
#include "crdt/state/limit.h"
#include "crdt/state/live.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"

#include <inttypes.h>

const struct wish *request_wish(const struct request *request, uint32_t kind, struct id id)
{
	for (size_t i = 0; i < request->count; i++)
		if (request->wishes[i].kind->number == kind && id_equal(request->wishes[i].id, id))
			return &request->wishes[i];
	return NULL;
}

enum code request_look(void *context, const struct kind *kind, struct id id, void *ret_row, struct err *err)
{
	const struct request *request = context;
	const struct wish *wish = request_wish(request, kind->number, id);

	if (!wish)
		return state_row(request->judging->txn, kind, id, ret_row, err);
	if (!wish->row)
		return fail(err, E_ABSENT, "the %s is removed by change %zu", kind->shape.name, wish->position);
	memcpy(ret_row, wish->row, kind->shape.size);
	return OK;
}

enum code request_live(struct request *request, const struct kind *kind, struct id id, void *ret_row, struct err *err)
{
	enum code code = request_look(request, kind, id, ret_row, err);

	return code ? code : live_parents(request_look, request, kind, ret_row, err);
}

static enum code at_field(const struct field *field, enum code code, struct err *err)
{
	return fail_at(err, code, field->name, -1);
}

static enum code check_named(struct request *request, const struct kind *kind, struct id id, struct err *err)
{
	union any_row row;
	enum code code = kind ? request_live(request, kind, id, &row, err) : E_ABSENT;

	if (is_gone(code))
		return fail(err, E_ABSENT, "there is no such %s (any more): name one that is there",
			    kind ? kind->shape.name : "kind of record");
	return code;
}

static enum code check_list(struct request *request, const struct field *field, const struct list *list,
			    struct err *err)
{
	struct reader items = reader_over(list->items);
	enum code code = OK;
	union slot item;

	for (long i = 0; !code && pack_next(field, &items, &item); i++) {
		code = check_named(request, model_kind(field->of), item.id, err);
		if (code)
			code = fail_at(err, code, field->name, i);
	}
	return code;
}

/* What people name must be there, beyond what the record hangs on. */
static enum code check_references(struct request *request, const struct wish *wish, struct err *err)
{
	const struct kind *kind = wish->kind, *named;
	struct id id;

	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *f = &kind->shape.fields[i];
		enum code code = OK;

		if (!(wish->places & wish->given & BIT(i)) || f->is_parent || !(f->by & BY_ALL))
			continue;
		if (f->is_list && f->type == TYPE_ID && row_has_field(&kind->shape, wish->row, i))
			code = check_list(request, f, field_slot_const(f, wish->row), err);
		else if (live_names(kind, i, wish->row, &named, &id))
			code = check_named(request, named, id, err);
		if (code)
			return f->is_list ? code : at_field(f, code, err);
	}
	return OK;
}

static enum code name_taken(const struct kind *kind, const struct field *field, struct bytes name, struct id holder,
			    struct err *err)
{
	char hex[33];

	hex_write(bytes_of(holder.bytes, sizeof holder.bytes), hex);
	return at_field(field,
			fail(err, E_TAKEN, "%.*s is taken by the %s %s: choose another", (int)name.size,
			     (const char *)name.data, kind->shape.name, hex),
			err);
}

/* Whether another record will have that name. */
static enum code check_holder(struct request *request, const struct wish *wish, const struct field *field,
			      struct bytes name, struct id holder, struct err *err)
{
	size_t place = (size_t)(field - wish->kind->shape.fields);
	union any_row row;
	enum code code;

	if (id_equal(holder, wish->id))
		return OK;
	code = request_live(request, wish->kind, holder, &row, err);
	if (code)
		return is_gone(code) ? OK : code;
	if (!row_has_field(&wish->kind->shape, &row, place) ||
	    !bytes_equal(name, *(const struct bytes *)field_slot_const(field, &row)))
		return OK;
	return name_taken(wish->kind, field, name, holder, err);
}

/* Names that this request gives: two of its changes must not give the same. */
static enum code check_wished(struct request *request, const struct wish *wish, const struct field *field,
			      struct bytes name, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < wish->position; i++) {
		const struct wish *other = &request->wishes[i];

		if (other->kind == wish->kind && other->row)
			code = check_holder(request, wish, field, name, other->id, err);
	}
	return code;
}

static enum code check_claim(struct request *request, const struct wish *wish, struct err *err)
{
	const struct judging *judging = request->judging;
	const struct field *field = claim_field(wish->kind);
	size_t place = field ? (size_t)(field - wish->kind->shape.fields) : 0;
	struct id looks_like, *ids;
	struct bytes name;
	size_t count;
	enum code code;

	if (!field || !(wish->places & BIT(place)) || !row_has_field(&wish->kind->shape, wish->row, place))
		return OK;
	name = *(const struct bytes *)field_slot_const(field, wish->row);
	if (hex_read(name, looks_like.bytes, sizeof looks_like.bytes))
		return at_field(field, fail(err, E_VALUE, "looks like an id: choose another"), err);
	code = claim_holders(judging->txn, wish->kind, name, judging->arena, &ids, &count, err);
	for (size_t i = 0; !code && i < count; i++)
		code = check_holder(request, wish, field, name, ids[i], err);
	return code ? code : check_wished(request, wish, field, name, err);
}

/* No key of a device that is there, nor of one that was. */
static enum code check_key(struct request *request, const struct wish *wish, struct err *err)
{
	const struct field *field = FIELD_TABLE(device, public_key);
	const struct device_row *row = wish->row;
	const struct judging *judging = request->judging;
	struct ids ids;
	bool is_revoked = false;
	enum code code = ids_find(judging->txn, wish->kind, field, &row->public_key, judging->arena, &ids, err);

	for (size_t i = 0; !code && i < wish->position; i++) {
		const struct wish *other = &request->wishes[i];
		const struct device_row *other_row = other->row;

		if (other->kind == wish->kind && other_row && other->change->what == CHANGE_CREATE &&
		    !memcmp(&other_row->public_key, &row->public_key, sizeof row->public_key))
			ids_add(&ids, other->id, judging->arena);
	}
	if (!code && ids.count)
		return at_field(field, fail(err, E_TAKEN, "is that of another device: enrol with a new key"), err);
	if (!code)
		code = mark_is_revoked(judging->txn, row->public_key, &is_revoked, err);
	if (is_revoked)
		return at_field(field, fail(err, E_TAKEN, "was revoked for good: enrol with a new key"), err);
	return code;
}

/* The owner's other devices, as they will be. */
static enum code find_siblings(struct request *request, const struct wish *wish, struct ids *ids, struct err *err)
{
	const struct judging *judging = request->judging;
	struct id owner = ((const struct device_row *)wish->row)->owner;
	enum code code =
		ids_find(judging->txn, wish->kind, FIELD_TABLE(device, owner), &owner, judging->arena, ids, err);
	size_t kept = 0;

	if (code)
		return code;
	for (size_t i = 0; i < ids->count; i++) {
		const struct wish *other = request_wish(request, KIND_device, ids->all[i]);

		if (!id_equal(ids->all[i], wish->id) && (!other || other->row))
			ids->all[kept++] = ids->all[i];
	}
	ids->count = kept;
	for (size_t i = 0; i < wish->position; i++) {
		const struct wish *other = &request->wishes[i];

		if (other->kind == wish->kind && other->change->what == CHANGE_CREATE &&
		    id_equal(((const struct device_row *)other->row)->owner, owner))
			ids_add(ids, other->id, judging->arena);
	}
	return OK;
}

/* What the owner's plan will allow; UINT64_MAX for no limit. */
static enum code find_most(struct request *request, struct id owner, uint64_t *ret_most, struct err *err)
{
	struct user_row user;
	struct plan_row plan;
	enum code code = request_live(request, KIND_TABLE(user), owner, &user, err);

	*ret_most = UINT64_MAX;
	if (!code && !(user.has & BIT(AT_user_plan)))
		return OK;
	if (!code)
		code = request_live(request, KIND_TABLE(plan), user.plan, &plan, err);
	if (!code && plan.has & BIT(AT_plan_devices))
		*ret_most = plan.devices;
	return is_gone(code) ? OK : code;
}

static enum code check_count(struct request *request, const struct wish *wish, size_t siblings, struct err *err)
{
	uint64_t most;
	enum code code = find_most(request, ((const struct device_row *)wish->row)->owner, &most, err);

	if (code || siblings < most)
		return code;
	return at_field(FIELD_TABLE(device, owner),
			fail(err, E_LIMIT,
			     "has %zu devices, and the plan allows %" PRIu64
			     ": remove one first, or choose a larger plan",
			     siblings, most),
			err);
}

/* One of the owner's devices may have a name; among all of the cluster many do. */
static enum code check_device(struct request *request, const struct wish *wish, struct err *err)
{
	const struct device_row *row = wish->row;
	bool is_made = wish->change->what == CHANGE_CREATE;
	struct ids siblings;
	enum code code = is_made ? check_key(request, wish, err) : OK;

	if (code || !(wish->places & BIT(AT_device_name)))
		return code;
	code = find_siblings(request, wish, &siblings, err);
	if (!code && is_made)
		code = check_count(request, wish, siblings.count, err);
	for (size_t i = 0; !code && i < siblings.count; i++)
		code = check_holder(request, wish, FIELD_TABLE(device, name), row->name, siblings.all[i], err);
	return code;
}

/* Users without a plan have no limits: nobody gets rid of them by removing the plan. */
static enum code check_unused(struct request *request, const struct wish *wish, struct err *err)
{
	const struct judging *judging = request->judging;
	struct user_row row;
	struct ids ids;
	enum code code =
		ids_find(judging->txn, KIND_TABLE(user), FIELD_TABLE(user, plan), &wish->id, judging->arena, &ids, err);

	for (size_t i = 0; !code && i < ids.count; i++) {
		code = request_live(request, KIND_TABLE(user), ids.all[i], &row, err);
		if (!code && row.has & BIT(AT_user_plan) && id_equal(row.plan, wish->id))
			return fail(err, E_TAKEN, "users have this plan: give them another one first");
		code = is_gone(code) ? OK : code;
	}
	return code;
}

/* A secret with a natural id could never be set again. */
static enum code check_secret(struct request *request, const struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;
	enum code code;

	if (kind_has_nonce(wish->kind) || !wish->old)
		return OK;
	for (size_t i = 0; i < shape->count; i++) {
		if (shape->fields[i].merge != MERGE_CRED || !shape->fields[i].is_secret)
			continue;
		code = live_parents(request_look, request, wish->kind, wish->old, err);
		if (code)
			return is_gone(code) ? OK : code;
		return at_field(&shape->fields[i],
				fail(err, E_VALUE, "goes with what it belongs to alone: unset it instead"), err);
	}
	return OK;
}

enum code judge_rules(struct request *request, struct wish *wish, struct err *err)
{
	enum code code;

	if (wish->change->what != CHANGE_CREATE && wish->kind == KIND_TABLE(spend))
		return judge_spend_stays(request, wish, err);
	if (wish->change->what == CHANGE_REMOVE && wish->kind == KIND_TABLE(plan))
		return check_unused(request, wish, err);
	if (wish->change->what == CHANGE_REMOVE)
		return check_secret(request, wish, err);
	code = live_parents(request_look, request, wish->kind, wish->row, err);
	if (!code)
		code = check_references(request, wish, err);
	if (!code)
		code = check_claim(request, wish, err);
	if (!code && wish->kind == KIND_TABLE(device))
		code = check_device(request, wish, err);
	if (code || wish->change->what != CHANGE_CREATE)
		return code;
	switch (wish->kind->number) {
	case KIND_pool: return judge_pool(request, wish, err);
	case KIND_interface: return judge_interface(request, wish, err);
	case KIND_lease: return judge_lease(request, wish, err);
	case KIND_spend: return judge_spend(request, wish, err);
	}
	return OK;
}
