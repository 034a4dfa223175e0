/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/model/mp.h"
#include "crdt/state/state.h"

static const uint16_t slot_sizes[] = {
#define X(type, c_type, least, most) [TYPE_##type] = sizeof(c_type),
	MODEL_TYPES(X)
#undef X
};

static enum code at_field(const struct field *field, enum code code, struct err *err)
{
	return fail_at(err, code, field->name, -1);
}

/* The value of one row into another, or its lack; guards stay as they are. */
static void copy_value(const struct kind *kind, size_t place, const void *from, void *to)
{
	const struct field *f = &kind->shape.fields[place];

	memcpy(field_slot(f, to), field_slot_const(f, from), f->is_list ? sizeof(struct list) : slot_sizes[f->type]);
	row_set_has(kind, place, to, row_has_field(&kind->shape, from, place));
}

static enum code check_tier(const struct request *request, const struct wish *wish, struct err *err)
{
	const char *name = wish->kind->shape.name;

	switch (wish->kind->number & 3) {
	case TIER_SHARED: return OK;
	case TIER_OWN: break;
	default: return fail(err, E_DENIED, "a %s is signed by an operator: use the command that does that", name);
	}
	if (!(request->asker->writes & BY_MEMBER))
		return fail(err, E_DENIED, "a %s is what a member says of itself: nobody else writes it", name);
	if (wish->change->what == CHANGE_REMOVE)
		return fail(err, E_VALUE, "a %s is never removed", name);
	return OK;
}

/* Which fields the change names; each of them one that this version knows. */
static enum code read_places(struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;
	struct reader r = reader_over(wish->change->map);
	struct mp_head head = mp_read(&r);

	for (uint64_t i = 0; head.class == MP_MAP && i < head.value && !r.is_short; i++) {
		struct mp_head number = mp_read(&r);
		const struct field *f;

		mp_skip(&r);
		f = number.value <= MODEL_FIELD_MAX ? model_field(shape, (uint32_t)number.value) : NULL;
		if (number.class == MP_UINT && !r.is_short && !f)
			return fail(err, E_VALUE, "a %s has no field %llu that this version knows: leave it out",
				    shape->name, (unsigned long long)number.value);
		if (f)
			wish->given |= BIT(f - shape->fields);
	}
	/* What is not canonical, pack_read says. */
	return pack_read(shape, wish->change->map, false, wish->asked, err);
}

static const char *who_may(unsigned by)
{
	if (by & BY_SELF)
		return "its user, or an operator";
	if (by & BY_OPERATOR)
		return "an operator, admin or owner";
	if (by & BY_ADMIN)
		return "an admin or owner";
	return by & BY_OWNER ? "an owner" : "Warren itself";
}

static enum code read_asked(const struct request *request, struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;
	enum code code;

	wish->asked = arena_take(request->judging->arena, shape->size);
	code = read_places(wish, err);
	if (code)
		return code;
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!(wish->given & BIT(i)))
			continue;
		if (!(f->by & request->asker->writes))
			return at_field(f, fail(err, E_DENIED, "is set by %s alone: leave it out", who_may(f->by)),
					err);
		if (f->merge == MERGE_CRED && field_guard_const(f, wish->asked)->is_conflict)
			return at_field(f, fail(err, E_VALUE, "a conflict is nothing to set: give a value"), err);
	}
	return OK;
}

/* Puts the id of what an earlier change makes in place of judge_made's. */
static enum code resolve_id(const struct request *request, const struct wish *wish, struct id *id, struct err *err)
{
	size_t number = id->bytes[sizeof id->bytes - 1];

	if (!number || number > JUDGE_CHANGES_MAX || !id_equal(*id, judge_made(number - 1)))
		return OK;
	if (number > wish->position || request->wishes[number - 1].change->what != CHANGE_CREATE)
		return fail(err, E_VALUE, "means what change %zu makes: name one before this one that makes a record",
			    number - 1);
	*id = request->wishes[number - 1].id;
	return OK;
}

static enum code resolve_made(const struct request *request, const struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		enum code code = OK;

		if (!(wish->given & BIT(i)) || f->is_list)
			continue;
		if (f->type == TYPE_ID)
			code = resolve_id(request, wish, field_slot(f, wish->asked), err);
		else if (f->type == TYPE_REF)
			code = resolve_id(request, wish, &((struct ref *)field_slot(f, wish->asked))->id, err);
		if (code)
			return at_field(f, code, err);
	}
	return OK;
}

static enum code check_required(const struct wish *wish, struct err *err)
{
	for (size_t i = 0; i < wish->kind->shape.count; i++) {
		const struct field *f = &wish->kind->shape.fields[i];
		/* It comes once it is known what else is there. */
		bool is_late = (wish->kind == KIND_TABLE(device) && i == AT_device_ordinal) ||
			       (wish->kind == KIND_TABLE(spend) && i == AT_spend_ordinal);

		if (f->is_required && !is_late && !row_has_field(&wish->kind->shape, wish->row, i))
			return at_field(f, fail(err, E_VALUE, "is required"), err);
	}
	return OK;
}

/* All of the row that is set. */
static void place_all(struct wish *wish)
{
	wish->places = *row_has(&wish->kind->shape, wish->row);
}

static enum code make_id(struct request *request, struct wish *wish, struct err *err)
{
	enum code code;

	place_all(wish);
	code = judge_map(request, wish, err);
	if (!code)
		code = record_from_op(wish->map, (struct stamp){ 0 }, &request->scratch, err);
	if (!code)
		wish->id = record_id(wish->kind->number, &request->scratch);
	return code;
}

static enum code begin_create(struct request *request, struct wish *wish, struct err *err)
{
	enum code code;

	wish->row = arena_take(request->judging->arena, wish->kind->shape.size);
	memcpy(wish->row, wish->asked, wish->kind->shape.size);
	for (size_t i = 0; i < wish->kind->shape.count; i++) {
		const struct field *f = &wish->kind->shape.fields[i];

		if (f->merge == MERGE_CRED)
			*field_guard(f, wish->row) = (struct guard){ .generation = 1 };
	}
	judge_derive(request, wish);
	code = check_required(wish, err);
	if (!code && wish->kind == KIND_TABLE(lease))
		code = judge_address(request, wish, err);
	if (!code && wish->kind == KIND_TABLE(spend))
		code = judge_use(request, wish, err);
	if (!code && wish->kind == KIND_TABLE(policy_version) && !(wish->given & BIT(AT_policy_version_replaces)))
		code = judge_heads(request, wish, err);
	if (!code && !wish->is_nothing)
		code = make_id(request, wish, err);
	if (!code)
		memcpy(wish->row, wish->id.bytes, sizeof wish->id.bytes);
	return code;
}

enum code judge_asked(struct request *request, struct wish *wish, struct err *err)
{
	const struct change *change = wish->change;
	enum code code;

	wish->kind = model_kind(change->kind);
	if (!wish->kind)
		return fail(err, E_VALUE, "there is no kind %u in this version", change->kind);
	wish->id = change->id;
	code = check_tier(request, wish, err);
	if (code || change->what == CHANGE_REMOVE)
		return code;
	code = read_asked(request, wish, err);
	if (!code)
		code = resolve_made(request, wish, err);
	if (!code && change->what == CHANGE_CREATE)
		code = begin_create(request, wish, err);
	return code;
}

/* The generation that the stored field has; 0 for none. */
static uint64_t stored_generation(const struct record *record, uint32_t number)
{
	for (size_t i = 0; i < record->count; i++) {
		struct reader r = reader_over(record->cells[i].value);

		if (record->cells[i].number != number)
			continue;
		mp_read(&r);
		return mp_read(&r).value;
	}
	return 0;
}

static enum code raise_generation(const struct field *field, uint64_t stored, void *row, struct err *err)
{
	if (stored == UINT64_MAX)
		return at_field(field,
				fail(err, E_LIMIT, "has had its last generation: remove the record and make another"),
				err);
	*field_guard(field, row) = (struct guard){ .generation = stored + 1 };
	return OK;
}

static enum code taken(const struct wish *wish, bool is_dead, struct err *err)
{
	const char *name = wish->kind->shape.name;

	if (wish->kind == KIND_TABLE(device))
		return at_field(FIELD_TABLE(device, public_key),
				fail(err, E_TAKEN, "%s: enrol with a new key",
				     is_dead ? "was revoked for good" : "is that of a device which this user has"),
				err);
	if (is_dead)
		return fail(err, E_TAKEN, "this %s was removed for good and cannot be made again", name);
	return fail(err, E_TAKEN, "there is this %s already: change that one", name);
}

/* Nothing of it is there, or at most values whose identity is still on its way. */
static enum code load_create(struct request *request, struct wish *wish, struct err *err)
{
	struct record *record = &request->scratch;
	enum code code = OK;

	if (wish->is_nothing)
		return OK;
	record->count = 0;
	record->is_dead = false;
	if (wish->stored.size)
		code = record_read(wish->stored, record, err);
	if (code)
		return fail_in(err, E_DAMAGED, "the stored record");
	if (record->is_dead || record_has_identity(record))
		return taken(wish, record->is_dead, err);
	for (size_t i = 0; !code && i < wish->kind->shape.count; i++) {
		const struct field *f = &wish->kind->shape.fields[i];

		if (f->merge == MERGE_CRED)
			code = raise_generation(f, stored_generation(record, f->number), wish->row, err);
	}
	if (!code && wish->kind == KIND_TABLE(device))
		code = judge_ordinal(request, wish, err);
	place_all(wish);
	return code;
}

/* Whether the value in `a` is not larger than that in `b`, by their bytes. */
static bool is_no_larger(const struct kind *kind, size_t place, const void *a, const void *b)
{
	uint8_t room_a[64], room_b[64];
	struct buf in_a = buf_over(room_a, sizeof room_a), in_b = buf_over(room_b, sizeof room_b);

	if (!row_has_field(&kind->shape, b, place))
		return false;
	pack_write_field(&kind->shape, place, a, &in_a);
	pack_write_field(&kind->shape, place, b, &in_b);
	return bytes_compare(buf_bytes(&in_a), buf_bytes(&in_b)) <= 0;
}

/* One field of a set: whether and how it changes. */
static enum code set_field(struct wish *wish, size_t place, struct err *err)
{
	const struct field *f = &wish->kind->shape.fields[place];
	const struct guard *guard = field_guard_const(f, wish->old);
	bool is_equal = values_equal(wish->kind, place, wish->asked, wish->old);
	enum code code = OK;

	switch ((enum merge)f->merge) {
	case MERGE_ONCE:
		if (is_equal)
			return OK;
		return at_field(f, fail(err, E_VALUE, "cannot be changed: make another %s", wish->kind->shape.name),
				err);
	case MERGE_LWW:
		if (is_equal)
			return OK;
		break;
	case MERGE_MAX:
		if (is_no_larger(wish->kind, place, wish->asked, wish->old))
			return OK;
		break;
	case MERGE_CRED:
		/* What was never set is unset, and what is in conflict is decided by any value. */
		if (is_equal && !guard->is_conflict)
			return OK;
		code = raise_generation(f, guard->generation, wish->row, err);
		break;
	}
	copy_value(wish->kind, place, wish->asked, wish->row);
	wish->places |= BIT(place);
	return code;
}

static enum code no_such(const struct wish *wish, struct err *err)
{
	return fail(err, E_ABSENT, "there is no such %s (any more)", wish->kind->shape.name);
}

static enum code load_set(struct request *request, struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;
	enum code code = wish->old ? OK : no_such(wish, err);

	if (code)
		return code;
	wish->row = arena_take(request->judging->arena, shape->size);
	memcpy(wish->row, wish->old, shape->size);
	for (size_t i = 0; !code && i < shape->count; i++)
		if (wish->given & BIT(i))
			code = set_field(wish, i, err);
	wish->is_nothing = !wish->places;
	/* A member's own rows bring their identity along. */
	for (size_t i = 0; wish->places && kind_is_own(wish->kind) && i < shape->count; i++)
		if (shape->fields[i].merge == MERGE_ONCE && row_has_field(shape, wish->row, i))
			wish->places |= BIT(i);
	return code;
}

/* Also what is invalid or hangs on nothing any more can be removed; what was is not there. */
static enum code load_remove(struct request *request, struct wish *wish, struct err *err)
{
	struct record *record = &request->scratch;

	if (!wish->stored.size)
		return no_such(wish, err);
	if (record_read(wish->stored, record, err))
		return fail_in(err, E_DAMAGED, "the stored record");
	return record->is_dead || !record_has_identity(record) ? no_such(wish, err) : OK;
}

/* Two changes of one record would hide one another. */
static enum code check_once(const struct request *request, const struct wish *wish, struct err *err)
{
	for (size_t i = 0; i < wish->position; i++) {
		const struct wish *other = &request->wishes[i];

		if (other->kind != wish->kind || !id_equal(other->id, wish->id))
			continue;
		if (wish->change->what == CHANGE_CREATE && other->change->what == CHANGE_CREATE)
			return fail(err, E_TAKEN, "makes the same %s as change %zu: leave one out",
				    wish->kind->shape.name, i);
		return fail(err, E_VALUE, "is about the same %s as change %zu: make one change of both",
			    wish->kind->shape.name, i);
	}
	return OK;
}

/* What was said of a record may be here before the record itself. */
static bool has_arrived(const struct wish *wish)
{
	struct record record;

	return !record_read(wish->stored, &record, NULL) && record_has_identity(&record);
}

enum code judge_stored(struct request *request, struct wish *wish, struct err *err)
{
	struct store_txn *txn = request->judging->txn;
	void *old = arena_take(request->judging->arena, wish->kind->shape.size);
	enum code code = check_once(request, wish, err);

	if (!code)
		code = state_record(txn, wish->kind->number, wish->id, &wish->stored, err);
	if (code && code != E_ABSENT)
		return code;
	if (!code) {
		code = state_row(txn, wish->kind, wish->id, old, err);
		if (!code)
			wish->old = old;
		if (is_gone(code) && !has_arrived(wish))
			code = E_ABSENT;
		if (is_gone(code) && code != E_ABSENT && wish->change->what == CHANGE_SET)
			return fail_in(err, E_VALUE, "this record is not valid here, remove it and make another");
		if (code && !is_gone(code))
			return code;
	}
	switch (wish->change->what) {
	case CHANGE_CREATE: return load_create(request, wish, err);
	case CHANGE_SET: return load_set(request, wish, err);
	case CHANGE_REMOVE: return load_remove(request, wish, err);
	}
	return fail(err, E_FORM, "is no change that there is");
}

enum code judge_map(struct request *request, struct wish *wish, struct err *err)
{
	const struct shape *shape = &wish->kind->shape;
	struct buf *buf = &request->buf;

	buf_clear(buf);
	mp_put_map(buf, (size_t)__builtin_popcountll(wish->places));
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		size_t before;

		if (!(wish->places & BIT(i)))
			continue;
		mp_put_uint(buf, f->number);
		before = buf->size;
		if (row_has_field(shape, wish->row, i) || f->merge == MERGE_CRED)
			pack_write_field(shape, i, wish->row, buf);
		else
			mp_put_nil(buf);
		if (f->merge != MERGE_ONCE && !buf->is_full && buf->size - before > MODEL_CELL_MAX)
			return at_field(f,
					fail(err, E_LIMIT, "takes %zu bytes, at most %d fit: shorten it",
					     buf->size - before, MODEL_CELL_MAX),
					err);
	}
	if (buf->is_full)
		return fail(err, E_LIMIT, "a %s takes at most %d bytes: shorten it", shape->name, MODEL_OP_MAX);
	wish->map = arena_copy(request->judging->arena, buf_bytes(buf));
	return OK;
}
