/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/diff.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"

static bool addresses_equal(const struct address *a, const struct address *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

static bool networks_equal(const struct network *a, const struct network *b)
{
	return a->prefix == b->prefix && addresses_equal(&a->address, &b->address);
}

static bool refs_equal(const struct ref *a, const struct ref *b)
{
	return a->kind == b->kind && id_equal(a->id, b->id);
}

static bool counters_equal(const struct counter *a, const struct counter *b)
{
	return a->total == b->total && a->reading == b->reading && a->making == b->making;
}

static bool guards_equal(const struct guard *a, const struct guard *b)
{
	return a->generation == b->generation && a->is_conflict == b->is_conflict;
}

/* Lists are canonical, so equal ones are equal bytes. */
static bool lists_equal(const struct list *a, const struct list *b)
{
	return a->count == b->count && bytes_equal(a->items, b->items);
}

bool diff_slots_equal(const struct field *field, const void *a, const void *b)
{
	if (field->is_list)
		return lists_equal(a, b);
	switch ((enum type)field->type) {
	case TYPE_BOOL: return *(const bool *)a == *(const bool *)b;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: return *(const uint64_t *)a == *(const uint64_t *)b;
	case TYPE_INT: return *(const int64_t *)a == *(const int64_t *)b;
	case TYPE_TIME: return ((const struct wall_time *)a)->ms == ((const struct wall_time *)b)->ms;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES:
	case TYPE_PART: return bytes_equal(*(const struct bytes *)a, *(const struct bytes *)b);
	case TYPE_REF: return refs_equal(a, b);
	case TYPE_ID: return !memcmp(a, b, sizeof(struct id));
	case TYPE_KEY: return !memcmp(a, b, sizeof(struct key32));
	case TYPE_ADDRESS: return addresses_equal(a, b);
	case TYPE_NETWORK: return networks_equal(a, b);
	case TYPE_COUNTER: return counters_equal(a, b);
	}
	return false;
}

static bool differs(const struct shape *shape, const void *a, const void *b, size_t place)
{
	const struct field *f = &shape->fields[place];
	bool has_a = row_has_field(shape, a, place), has_b = row_has_field(shape, b, place);

	if (f->merge == MERGE_CRED && !guards_equal(field_guard_const(f, a), field_guard_const(f, b)))
		return true;
	return has_a != has_b || (has_a && !diff_slots_equal(f, field_slot_const(f, a), field_slot_const(f, b)));
}

uint64_t diff_rows(const struct shape *shape, const void *a, const void *b)
{
	uint64_t places = 0;

	for (size_t i = 0; i < shape->count; i++)
		places |= (uint64_t)differs(shape, a, b, i) << i;
	return places;
}

/* What of `places` no op can bring about. */
static enum code check_changes(const struct shape *shape, uint64_t places, const void *to, struct err *err)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!(places & BIT(i)))
			continue;
		if (f->merge == MERGE_ONCE)
			return fail_at(err, fail(err, E_VALUE, "cannot be changed"), f->name, -1);
		if (f->merge == MERGE_CRED ? !field_guard_const(f, to)->generation
					   : !row_has_field(shape, to, i) && (f->is_required || f->merge != MERGE_LWW))
			return fail_at(err, fail(err, E_VALUE, "cannot be unset"), f->name, -1);
	}
	return OK;
}

enum code diff_write(const struct shape *shape, const void *from, const void *to, struct buf *buf, struct err *err)
{
	uint64_t places = diff_rows(shape, from, to);
	enum code code = check_changes(shape, places, to, err);

	if (code)
		return code;
	mp_put_map(buf, (size_t)__builtin_popcountll(places));
	for (size_t i = 0; i < shape->count; i++) {
		if (!(places & BIT(i)))
			continue;
		mp_put_uint(buf, shape->fields[i].number);
		if (row_has_field(shape, to, i) || shape->fields[i].merge == MERGE_CRED)
			pack_write_field(shape, i, to, buf);
		else
			mp_put_nil(buf);
	}
	return OK;
}
