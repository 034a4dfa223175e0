/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/index.h"
#include "crdt/state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One walk over the records, and what it found. */
struct check {
	struct store_txn *txn;
	store_found *found;
	void *context;
	uint64_t entries; /* that the records ask for */
	bool is_current;  /* the indexes are this version's, and so can be checked */
	bool is_damaged;
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

static enum code check_entries(struct check *check, const struct index_keys *keys, struct err *err)
{
	struct bytes value;

	for (size_t i = 0; i < keys->count; i++) {
		struct err own = { 0 };
		enum code code = store_get(check->txn, keys->keys[i], &value, &own);

		if (code == E_ABSENT)
			report(check, keys->keys[i], "this index entry is missing");
		else if (code && code != E_DAMAGED) /* damaged ones were named by the store's own scan */
			return fail(err, code, "%s", own.text);
	}
	check->entries += keys->count;
	return OK;
}

static enum code check_record(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct err why = { 0 };
	struct index_keys keys;
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
	if (!check->is_current)
		return OK;
	keys = index_keys_of(kind, id, value, &check->arena);
	code = check_entries(check, &keys, err);
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
	for (size_t i = 0; i < keys.count; i++)
		*ret_is_asked |= bytes_equal(keys.keys[i], key);
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
		else if (code == E_DAMAGED && key.size) /* the store's own scan has named it */
			code = OK;
	} while (!code);
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

enum code state_check(struct store_txn *txn, store_found *found, void *context, struct err *err)
{
	struct check *check = must_alloc(sizeof *check);
	enum code code;

	*check = (struct check){ .txn = txn, .found = found, .context = context };
	code = state_is_current(txn, &check->is_current, err);
	if (!code)
		code = walk(check, TABLE_RECORD, check_record, err);
	/* As many as asked for, and none of those missing: then there is no other. */
	if (!code && check->is_current && store_count(txn, TABLE_INDEX) != check->entries)
		code = walk(check, TABLE_INDEX, check_entry, err);
	if (!code && check->is_damaged)
		code = fail(err, E_DAMAGED, "the state is damaged");
	arena_done(&check->arena);
	free(check);
	return code;
}
