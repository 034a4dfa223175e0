/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/conflict.h"

#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/block_lease.h"
#include "crdt/state/claim.h"
#include "crdt/state/found.h"
#include "crdt/state/limit.h"
#include "crdt/state/live.h"
#include "crdt/state/policy_head.h"
#include "crdt/state/spend.h"
#include "crdt/state/state.h"

#include <stdio.h>
#include <stdlib.h>

/* Kinds are gone over by their numbers: all users before the first device. */
_Static_assert((int)KIND_user < (int)KIND_device, "what is off is known before devices are gone over");
_Static_assert((int)KIND_recovery_codes < (int)KIND_spend && (int)KIND_enrolment_token < (int)KIND_spend &&
		       (int)KIND_one_time_link < (int)KIND_spend,
	       "which uses are too many is known before uses are gone over");

/* A walk over all records; `arena` is for one of them. */
struct walk {
	struct store_txn *txn;
	conflict_found *found;
	void *context;
	struct arena arena;
	struct id *off; /* devices beyond their owners' limits, uses beyond their secrets'; 16 bytes each */
	size_t off_count, off_room;
	bool is_off_sorted;
};

static void tell(struct walk *walk, enum conflict_what what, const struct kind *kind, const struct field *field,
		 struct id id, struct id *others, size_t count)
{
	struct conflict conflict = {
		.what = what, .kind = kind, .field = field, .id = id, .others = others, .count = count
	};

	walk->found(walk->context, &conflict);
}

static enum code find_name(struct walk *walk, const struct kind *kind, struct id id, const void *row, struct err *err)
{
	const struct field *field = claim_field(kind);
	struct id *ids;
	size_t count;
	enum code code;

	if (!field || !row_has_field(&kind->shape, row, (size_t)(field - kind->shape.fields)))
		return OK;
	code = claim_holders(walk->txn, kind, *(const struct bytes *)field_slot_const(field, row), &walk->arena, &ids,
			     &count, err);
	if (!code && count > 1 && id_equal(ids[0], id))
		tell(walk, CONFLICT_NAME, kind, field, id, ids + 1, count - 1);
	return code;
}

static enum code find_key(struct walk *walk, const struct device_row *row, struct err *err)
{
	struct device_row other;
	struct ids ids;
	size_t live = 0;
	enum code code = ids_find(walk->txn, KIND_TABLE(device), FIELD_TABLE(device, public_key), &row->public_key,
				  &walk->arena, &ids, err);

	for (size_t i = 0; !code && i < ids.count; i++) {
		code = live_row(walk->txn, KIND_TABLE(device), ids.all[i], &other, err);
		if (!code)
			ids.all[live++] = ids.all[i];
		code = is_gone(code) ? OK : code;
	}
	if (!code && live > 1 && id_equal(ids.all[0], row->id))
		tell(walk, CONFLICT_KEY, KIND_TABLE(device), FIELD_TABLE(device, public_key), row->id, ids.all + 1,
		     live - 1);
	return code;
}

static void find_values(struct walk *walk, const struct kind *kind, struct id id, const void *row)
{
	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *f = &kind->shape.fields[i];

		if (f->merge == MERGE_CRED && field_guard_const(f, row)->is_conflict)
			tell(walk, CONFLICT_VALUE, kind, f, id, NULL, 0);
	}
}

static enum code find_heads(struct walk *walk, struct id policy, struct err *err)
{
	struct id *ids;
	size_t count;
	enum code code = policy_heads(walk->txn, policy, &walk->arena, &ids, &count, err);

	if (!code && count != 1)
		tell(walk, CONFLICT_POLICY, KIND_TABLE(policy), NULL, policy, ids, count);
	return code;
}

static void keep_off(struct walk *walk, struct id id)
{
	if (walk->off_count == walk->off_room) {
		walk->off_room = 2 * walk->off_room + 64;
		walk->off = must_realloc(walk->off, walk->off_room * sizeof *walk->off);
	}
	walk->off[walk->off_count++] = id;
	walk->is_off_sorted = false;
}

/* Keeps in mind which of a user's devices are off. */
static enum code note_off(struct walk *walk, struct id user, struct err *err)
{
	struct owned *owned;
	uint64_t most;
	size_t count;
	enum code code = limit_devices(walk->txn, user, &walk->arena, &owned, &count, &most, err);

	for (size_t i = 0; !code && i < count; i++)
		if (!owned[i].is_within)
			keep_off(walk, owned[i].id);
	return code;
}

/* The same of uses, also of a secret that was removed since. */
static enum code note_spent(struct walk *walk, const struct kind *kind, struct id id, struct err *err)
{
	struct spent *spent;
	size_t count;
	enum code code;

	if (!spend_is_of(kind->number))
		return OK;
	code = spend_all(walk->txn, (struct ref){ kind->number, id }, &walk->arena, &spent, &count, err);
	for (size_t i = 0; !code && i < count; i++)
		if (!spent[i].stands)
			keep_off(walk, spent[i].id);
	return code;
}

static void find_off(struct walk *walk, enum conflict_what what, const struct kind *kind, struct id id)
{
	struct ids off = { walk->off, walk->off_count, walk->off_room };

	if (!walk->is_off_sorted)
		ids_sort(&off);
	walk->is_off_sorted = true;
	walk->off_count = off.count;
	if (ids_has(walk->off, walk->off_count, id))
		tell(walk, what, kind, NULL, id, NULL, 0);
}

static enum code find_sharing(struct walk *walk, enum conflict_what what, const struct lease_row *row, size_t place,
			      struct err *err)
{
	struct id *ids;
	size_t count;
	enum code code = lease_sharing(walk->txn, row, place, &walk->arena, &ids, &count, err);

	if (!code && count > 1 && id_equal(ids[0], row->id))
		tell(walk, what, KIND_TABLE(lease), &KIND_TABLE(lease)->shape.fields[place], row->id, ids + 1,
		     count - 1);
	return code;
}

/* Whether a lease that lives is the device's first of its pool, and does not stand. */
static enum code is_lost(struct walk *walk, struct id lease, bool *ret_is_lost, struct err *err)
{
	bool stands = true, is_first = false;
	struct lease_row row;
	struct id *ids;
	size_t count;
	enum code code = live_row(walk->txn, KIND_TABLE(lease), lease, &row, err);

	if (is_gone(code)) {
		*ret_is_lost = false;
		return OK;
	}
	if (!code)
		code = lease_sharing(walk->txn, &row, AT_lease_device, &walk->arena, &ids, &count, err);
	is_first = !code && count && id_equal(ids[0], lease);
	if (is_first)
		code = lease_stands(walk->txn, lease, &walk->arena, &stands, err);
	if (!code)
		*ret_is_lost = is_first && !stands;
	return code;
}

static enum code find_lost(struct walk *walk, struct id device, struct err *err)
{
	bool lost = false;
	struct ids ids;
	enum code code =
		ids_find(walk->txn, KIND_TABLE(lease), FIELD_TABLE(lease, device), &device, &walk->arena, &ids, err);

	for (size_t i = 0; !code && !lost && i < ids.count; i++)
		code = is_lost(walk, ids.all[i], &lost, err);
	if (!code && lost)
		tell(walk, CONFLICT_LOST, KIND_TABLE(device), NULL, device, NULL, 0);
	return code;
}

static enum code find_pool(struct walk *walk, struct id pool, struct err *err)
{
	bool stands = true;
	struct id other;
	enum code code = pool_stands(walk->txn, pool, &walk->arena, &stands, &other, err);

	if (!code && !stands)
		tell(walk, CONFLICT_POOL, KIND_TABLE(pool), NULL, pool, &other, 1);
	return code;
}

static enum code find_addresses(struct walk *walk, const struct kind *kind, struct id id, const void *row,
				struct err *err)
{
	enum code code = OK;

	switch (kind->number) {
	case KIND_lease:
		code = find_sharing(walk, CONFLICT_ADDRESS, row, AT_lease_address, err);
		return code ? code : find_sharing(walk, CONFLICT_LEASES, row, AT_lease_device, err);
	case KIND_device: return find_lost(walk, id, err);
	case KIND_pool: return find_pool(walk, id, err);
	}
	return code;
}

/* All about a record that lives, in the order of enum conflict_what. */
static enum code find_all(struct walk *walk, const struct kind *kind, struct id id, const void *row, struct err *err)
{
	enum code code = find_name(walk, kind, id, row, err);

	if (!code && kind == KIND_TABLE(device))
		code = find_key(walk, row, err);
	if (code)
		return code;
	find_values(walk, kind, id, row);
	if (kind == KIND_TABLE(policy))
		code = find_heads(walk, id, err);
	if (!code && kind == KIND_TABLE(user))
		code = note_off(walk, id, err);
	if (!code && kind == KIND_TABLE(device))
		find_off(walk, CONFLICT_LIMIT, kind, id);
	if (!code && kind == KIND_TABLE(spend))
		find_off(walk, CONFLICT_SPENT, kind, id);
	return code ? code : find_addresses(walk, kind, id, row, err);
}

/* One whose identity has not arrived yet is not there, rather than invalid. */
static enum code find_invalid(struct walk *walk, const struct kind *kind, struct id id, struct err *err)
{
	struct record *record = arena_take(&walk->arena, sizeof *record);
	struct bytes stored;
	enum code code = state_record(walk->txn, kind->number, id, &stored, err);

	if (!code)
		code = record_read(stored, record, err);
	if (!code && record_has_identity(record))
		tell(walk, CONFLICT_INVALID, kind, NULL, id, NULL, 0);
	return code;
}

static enum code find_of(struct walk *walk, uint32_t number, struct id id, struct err *err)
{
	const struct kind *kind = model_kind(number);
	union any_row row;
	enum code code;

	if (!kind)
		return OK;
	code = note_spent(walk, kind, id, err);
	if (code)
		return code;
	code = live_row(walk->txn, kind, id, &row, err);
	if (!code)
		return find_all(walk, kind, id, &row, err);
	if (code == E_ABSENT || !is_gone(code))
		return code == E_ABSENT ? OK : code;
	return find_invalid(walk, kind, id, err);
}

enum code conflict_find(struct store_txn *txn, conflict_found *found, void *context, struct err *err)
{
	struct walk walk = { .txn = txn, .found = found, .context = context };
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;
	enum code code = state_all(txn, 0, bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	while (!(code = state_next(cursor, &kind, &id, err))) {
		code = find_of(&walk, kind, id, err);
		if (code)
			break;
		arena_reset(&walk.arena);
	}
	/* What a record fails with is never that there is no further one. */
	state_find_end(cursor);
	arena_done(&walk.arena);
	free(walk.off);
	return code == E_ABSENT ? OK : code;
}

/* "user 3f… and 2 others" */
static void describe_who(const struct conflict *conflict, char *room, size_t size)
{
	char hex[33];
	int used;

	hex_write(bytes_of(conflict->id.bytes, sizeof conflict->id.bytes), hex);
	used = snprintf(room, size, "%s %s", conflict->kind->shape.name, hex);
	if (conflict->count && used > 0 && (size_t)used < size)
		snprintf(room + used, size - (size_t)used, " and %zu other%s", conflict->count,
			 conflict->count == 1 ? "" : "s");
}

/* What is said of those who are in conflict, where it needs no more; NULL: it does. */
static const char *saying(enum conflict_what what)
{
	switch (what) {
	case CONFLICT_KEY: return "have one public key, and none is let in: remove them and enrol with new keys";
	case CONFLICT_LIMIT:
		return "is one more than its owner's plan allows, and is off: remove a device or change the plan";
	case CONFLICT_INVALID:
		return "breaks this version's limits, and counts as absent: update this server or remove it";
	case CONFLICT_ADDRESS: return "share one address, which is the first one's: the others get new ones";
	case CONFLICT_LEASES: return "are of one device and pool, and the first one counts: the others end";
	case CONFLICT_LOST: return "lost its address to another device: it gets a new one, and needs a new config";
	case CONFLICT_SPENT: return "uses once more what was used up already: what came of it is off; remove that";
	case CONFLICT_POOL:
		return "overlap on one gateway, where the first of these counts as absent: remove one of them";
	case CONFLICT_NAME:
	case CONFLICT_VALUE:
	case CONFLICT_POLICY:
	case CONFLICT_KINDS: break;
	}
	return NULL;
}

void conflict_describe(const struct conflict *conflict, char *room, size_t size)
{
	const char *field = conflict->field ? conflict->field->name : "", *text = saying(conflict->what);
	struct conflict alone = *conflict;
	char who[128], one[128];

	alone.count = 0;
	describe_who(conflict, who, sizeof who);
	describe_who(&alone, one, sizeof one);
	if (text)
		snprintf(room, size, "%s %s", who, text);
	else if (conflict->what == CONFLICT_NAME)
		snprintf(room, size, "%s have one `%s`, which now means none of them: rename all but one", who, field);
	else if (conflict->what == CONFLICT_VALUE)
		snprintf(room, size, "%s was given two values of `%s` at once, and grants the least: set it again", one,
			 field);
	else if (conflict->what == CONFLICT_POLICY && conflict->count)
		snprintf(room, size, "%s was saved %zu times at once, and all of them hold: save it again", one,
			 conflict->count);
	else if (conflict->what == CONFLICT_POLICY)
		snprintf(room, size, "%s has no rules, and lets nothing pass: save it", one);
	else
		snprintf(room, size, "%s", one);
}
