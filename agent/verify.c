/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/verify.h"

#include "agent/cleanup.h"
#include "agent/store.h"
#include "agent/store_pages.h"
#include "crdt/base/text.h"
#include "crdt/model/model.h"
#include "crdt/state/index.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"

#include <inttypes.h>
#include <stdio.h>

void verify_name(struct bytes key, char room[VERIFY_NAME_SIZE])
{
	const struct kind *kind;
	const struct field *field = NULL;
	char hex[2 * 48 + 1];
	uint32_t number;
	struct id id;

	if (record_key_read(key, &number, &id)) {
		kind = model_kind(number);
		hex_write(bytes_of(id.bytes, sizeof id.bytes), hex);
		snprintf(room, VERIFY_NAME_SIZE, "%s %s", kind ? kind->shape.name : "record of an unknown kind", hex);
		return;
	}
	if (index_key_read(key, &number, &id)) {
		kind = model_kind(number);
		field = kind ? model_field(&kind->shape, (uint32_t)(key.data[3] << 8 | key.data[4])) : NULL;
		hex_write(bytes_of(id.bytes, sizeof id.bytes), hex);
		snprintf(room, VERIFY_NAME_SIZE, "index entry by %s of %s %s", field ? field->name : "an unknown field",
			 kind ? kind->shape.name : "an unknown kind", hex);
		return;
	}
	hex_write(bytes_of(key.data, key.size < 48 ? key.size : 48), hex);
	snprintf(room, VERIFY_NAME_SIZE, "%s %s", key.size && key.data[0] == TABLE_MARK ? "mark" : "entry", hex);
}

static void found(void *context, struct bytes key, const char *text)
{
	struct verify_report *report = context;
	char name[VERIFY_NAME_SIZE], line[512];

	report->damages++;
	report->derived += state_is_derived(key);
	/* One byte is a whole table, which the words name. */
	if (key.size > 1) {
		verify_name(key, name);
		snprintf(line, sizeof line, "%s: %s", name, text);
		report->line(report->context, line);
	} else {
		report->line(report->context, text);
	}
}

static enum code check_content(struct store *store, struct verify_report *report, struct err *err)
{
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	enum code scanned, checked, code = store_snapshot(store, &txn, err);

	if (code)
		return code;
	scanned = store_scan(txn, found, report, err);
	checked = scanned && scanned != E_DAMAGED ? scanned : state_check(txn, found, report, err);
	if (!checked || checked == E_DAMAGED)
		code = state_is_current(txn, &report->is_current, err);
	report->records = store_count(txn, TABLE_RECORD);
	report->entries = store_count(txn, TABLE_INDEX);
	return code ? code : checked ? checked : scanned;
}

enum code verify_state(const char *state_dir, struct verify_report *report, struct err *err)
{
	struct lmdb_options options = { .mode = LMDB_READER };
	CLEANUP(cleanup_store) struct store *store = NULL;
	enum code structure = store_pages_check(state_dir, found, report, err), code;

	if (structure && (structure != E_DAMAGED || !report->is_daring))
		return structure;
	code = lmdb_store_open(state_dir, &options, &store, err);
	if (code) {
		if (code == E_DAMAGED && err && !report->damages)
			found(report, bytes_of(NULL, 0), err->text);
		return code;
	}
	code = check_content(store, report, err);
	if (!code && structure)
		code = fail(err, E_DAMAGED, "the structure of the state's file is damaged");
	return code;
}

/* The indexes follow from the records, which are sound: so damage in them alone, as well as age, is mended. */
static enum code bring_to_date(struct store *store, bool is_mendable, struct verify_report *report, struct err *err)
{
	char line[128];
	enum code code;

	if (report->is_current && !is_mendable)
		return OK;
	if (is_mendable) {
		snprintf(line, sizeof line, "only indexes: %" PRIu64 " finding%s: they are made anew", report->damages,
			 report->damages == 1 ? "" : "s");
		report->line(report->context, line);
	}
	code = is_mendable ? state_rebuild(store, err) : state_open(store, err);
	return code ? code : check_content(store, report, err);
}

enum code verify_and_open(const char *state_dir, const struct hash_key *fresh_key, struct verify_report *report,
			  struct store **ret_store, struct err *err)
{
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = fresh_key };
	CLEANUP(cleanup_store) struct store *store = NULL;
	enum code code = verify_state(state_dir, report, err);
	bool is_mendable = code == E_DAMAGED && report->damages && report->damages == report->derived;

	if (code && code != E_ABSENT && !is_mendable)
		return code;
	code = lmdb_store_open(state_dir, &options, &store, err);
	if (!code)
		code = bring_to_date(store, is_mendable, report, err);
	if (code)
		return code;
	*ret_store = store;
	store = NULL;
	return OK;
}
