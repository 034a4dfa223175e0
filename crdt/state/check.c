/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/dead.h"
#include "crdt/state/index.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One walk over the records, and what it found. */
struct check {
	struct store_txn *txn;
	store_found *found;
	void *context;
	uint64_t entries; /* of indexes, that the records ask for */
	uint64_t round;   /* of the dead: none on their list has a larger number */
	bool is_current;  /* indexes, marks and list are this version's, and so can be checked */
	bool is_damaged;
	bool is_partial; /* a record could not be read: what all of them weigh is not known */
	struct root root;
	struct record record;
	struct arena arena;
};

static void report(struct check *check, struct bytes key, const char *text)
{
	check->is_damaged = true;
	check->found(check->context, key, text);
}

/* What is wrong with the record itself, or NULL. */
static const char *fault(struct check *check, uint32_t kind, struct id id, struct bytes value, struct err *err)
{
	if (record_read(value, &check->record, err))
		return err->text;
	if (record_has_identity(&check->record) && !id_equal(record_id(kind, &check->record), id))
		return "its identity does not give its id";
	return NULL;
}

static enum code check_entries(struct check *check, const struct index_keys *keys, const char *missing, struct err *err)
{
	struct bytes value;

	for (size_t i = 0; i < keys->count; i++) {
		struct err own = { 0 };
		enum code code = store_get(check->txn, keys->keys[i], &value, &own);

		if (code == E_ABSENT)
			report(check, keys->keys[i], missing);
		else if (code && code != E_DAMAGED) /* damaged ones were named by the store's own scan */
			return fail(err, code, "%s", own.text);
	}
	return OK;
}

static enum code check_record(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	uint8_t listed[DEAD_KEY_SIZE] = { 0 };
	struct bytes dead = bytes_of(listed, sizeof listed);
	struct index_keys keys, marks, list = { .keys = &dead };
	struct err why = { 0 };
	const char *text;
	uint32_t kind;
	struct id id;
	enum code code;

	if (!record_key_read(key, &kind, &id)) {
		report(check, key, "this is no record's key");
		return OK;
	}
	text = fault(check, kind, id, value, &why);
	if (text)
		report(check, key, text);
	root_change(&check->root, kind, id, bytes_of(NULL, 0), value);
	if (!check->is_current)
		return OK;
	keys = index_keys_of(kind, id, value, &check->arena);
	marks = mark_keys_of(kind, id, value, &check->arena);
	list.count = dead_is_listed(kind, value);
	dead_key_write(kind, id, listed);
	check->entries += keys.count;
	code = check_entries(check, &keys, "this index entry is missing", err);
	if (!code)
		code = check_entries(check, &marks, "this mark is missing", err);
	if (!code)
		code = check_entries(check, &list, "this dead record is missing from the list", err);
	arena_reset(&check->arena);
	return code;
}

/* Whether the record that an entry points to asks for it. */
static enum code is_asked_for(struct check *check, struct bytes key, bool *ret_is_asked, struct err *err)
{
	struct index_keys keys;
	struct bytes record;
	uint32_t kind;
	struct id id;
	enum code code;

	*ret_is_asked = false;
	if (!index_key_read(key, &kind, &id))
		return OK;
	code = state_record(check->txn, kind, id, &record, err);
	/* Of a damaged record nobody knows what it asks for; it was named by the store's own scan. */
	*ret_is_asked = code == E_DAMAGED;
	if (code)
		return code == E_ABSENT || code == E_DAMAGED ? OK : code;
	keys = index_keys_of(kind, id, record, &check->arena);
	*ret_is_asked = index_keys_contain(&keys, key);
	arena_reset(&check->arena);
	return OK;
}

static enum code check_entry(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	bool is_asked;
	enum code code = is_asked_for(check, key, &is_asked, err);

	(void)value;
	if (!code && !is_asked)
		report(check, key, "this index entry belongs to no record");
	return code;
}

static enum code check_mark(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	bool is_asked = false;
	enum code code = mark_is_asked_for(check->txn, key, NULL, &check->arena, &is_asked, err);

	(void)value;
	if (!code && !is_asked)
		report(check, key, "this mark belongs to no record");
	arena_reset(&check->arena);
	return code == E_DAMAGED ? OK : code;
}

/* Whether the record that the list names is to be on it; of a damaged one nobody knows. */
static enum code check_dead(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct bytes record;
	uint64_t round;
	uint32_t kind;
	struct id id;
	enum code code;

	if (!dead_key_read(key, &kind, &id)) {
		report(check, key, "this is no key of the list of the dead");
		return OK;
	}
	if (!dead_value_read(value, &round) || round > check->round)
		report(check, key, "the list of the dead has a wrong number here");
	code = state_record(check->txn, kind, id, &record, err);
	if (code == E_ABSENT || (!code && !dead_is_listed(kind, record)))
		report(check, key, "the list of the dead names what is not to be on it");
	return code == E_ABSENT || code == E_DAMAGED ? OK : code;
}

/* A number that cannot be read says nothing about those on the list. */
static enum code begin_dead(struct check *check, struct err *err)
{
	struct bytes value;
	enum code code = store_get(check->txn, bytes_of(dead_round_key, sizeof dead_round_key), &value, err);

	if (!code && !dead_value_read(value, &check->round)) {
		report(check, bytes_of(dead_round_key, sizeof dead_round_key), "the number of the round is damaged");
		code = E_DAMAGED;
	}
	if (code == E_DAMAGED)
		check->round = UINT64_MAX;
	return code == E_ABSENT || code == E_DAMAGED ? OK : code;
}

/* Takes the stored root's key over, under which the records are then weighed. */
static enum code begin_root(struct check *check, struct root *stored, bool *ret_has_root, struct err *err)
{
	struct err why = { 0 };
	enum code code = root_find(check->txn, stored, &why);

	*ret_has_root = !code;
	check->root.key = stored->key;
	if (code == E_FORM)
		report(check, bytes_of(root_key, sizeof root_key), why.text);
	/* One that fails its hash was named by the store's own scan. */
	else if (code && code != E_ABSENT && code != E_DAMAGED)
		return fail(err, code, "%s", why.text);
	return OK;
}

static void check_root(struct check *check, const struct root *stored)
{
	if (check->is_partial || !memcmp(stored->buckets, check->root.buckets, sizeof stored->buckets))
		return;
	report(check, bytes_of(root_key, sizeof root_key), "the root is not that of the records");
}

typedef enum code visitor(struct check *check, struct bytes key, struct bytes value, struct err *err);

static enum code walk(struct check *check, uint8_t table, visitor *visit, struct err *err)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(check->txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	do {
		key = bytes_of(NULL, 0);
		code = store_next(cursor, &key, &value, err);
		if (!code)
			code = visit(check, key, value, err);
		else if (code == E_DAMAGED && key.size) { /* the store's own scan has named it */
			check->is_partial = true;
			code = OK;
		}
	} while (!code);
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code check_all(struct check *check, struct err *err)
{
	struct root stored = { .changed = 0 };
	bool has_root;
	enum code code = begin_root(check, &stored, &has_root, err);

	if (!code)
		code = walk(check, TABLE_RECORD, check_record, err);
	if (!code && has_root)
		check_root(check, &stored);
	/* As many as asked for, and none of those missing: then there is no other. */
	if (!code && check->is_current && store_count(check->txn, TABLE_INDEX) != check->entries)
		code = walk(check, TABLE_INDEX, check_entry, err);
	/* Records may share a mark, so that numbers prove nothing. */
	if (!code && check->is_current)
		code = walk(check, TABLE_MARK, check_mark, err);
	if (!code && check->is_current)
		code = begin_dead(check, err);
	if (!code && check->is_current)
		code = walk(check, TABLE_DEAD, check_dead, err);
	return code;
}

enum code state_check(struct store_txn *txn, store_found *found, void *context, struct err *err)
{
	struct check *check = must_alloc(sizeof *check);
	enum code code;

	*check = (struct check){ .txn = txn, .found = found, .context = context };
	code = state_is_current(txn, &check->is_current, err);
	if (!code)
		code = check_all(check, err);
	if (!code && check->is_damaged)
		code = fail(err, E_DAMAGED, "the state is damaged");
	arena_done(&check->arena);
	free(check);
	return code;
}
