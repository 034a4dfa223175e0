/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/verify.h"

#include "agent/cleanup.h"
#include "agent/key_name.h"
#include "agent/store.h"
#include "agent/store_pages.h"
#include "crdt/log/log.h"
#include "crdt/state/index.h"
#include "crdt/state/state.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_of_log(struct bytes key)
{
	static const uint8_t tables[] = { TABLE_BATCH, TABLE_STATEMENT, TABLE_VECTOR, TABLE_WAITING,
					  TABLE_PROOF, TABLE_STABLE,    TABLE_HAD };

	return key.size && memchr(tables, key.data[0], sizeof tables);
}

static void found(void *context, struct bytes key, const char *text)
{
	struct verify_report *report = context;
	char name[KEY_NAME_SIZE], line[512];

	report->damages++;
	report->derived += state_is_derived(key);
	report->logged += is_of_log(key);
	/* One byte is a whole table, which the words name. */
	if (key.size > 1) {
		key_name(key, name);
		snprintf(line, sizeof line, "%s: %s", name, text);
		report->line(report->context, line);
	} else {
		report->line(report->context, text);
	}
}

/* A further check, after one that said `before`: damage is no reason to end, and the first that was told is returned.
 */
typedef enum code further_check(struct store_txn *txn, store_found *found, void *context, struct err *err);

static enum code go_on(enum code before, further_check *check, struct store_txn *txn, struct verify_report *report,
		       struct err *err)
{
	struct err own = { 0 };
	enum code code;

	if (before && before != E_DAMAGED)
		return before;
	code = check(txn, found, report, &own);
	if (code && (!before || code != E_DAMAGED))
		return fail(err, code, "%s", own.text);
	return before;
}

static enum code check_content(struct store *store, struct verify_report *report, struct err *err)
{
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	enum code checked, code = store_snapshot(store, &txn, err);

	if (code)
		return code;
	checked = go_on(OK, store_scan, txn, report, err);
	checked = go_on(checked, state_check, txn, report, err);
	if (report->is_thorough)
		checked = go_on(checked, log_check, txn, report, err);
	if (!checked || checked == E_DAMAGED)
		code = state_is_current(txn, &report->is_current, err);
	report->records = store_count(txn, TABLE_RECORD);
	report->entries = store_count(txn, TABLE_INDEX);
	report->batches = store_count(txn, TABLE_BATCH);
	report->statements = store_count(txn, TABLE_STATEMENT);
	return code ? code : checked;
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

/* What follows from the records, which are sound, is mended: indexes, marks and the root. */
static enum code bring_to_date(struct store *store, bool is_mendable, struct verify_report *report, struct err *err)
{
	char line[128];
	enum code code;

	if (report->is_current && !is_mendable)
		return OK;
	if (is_mendable) {
		snprintf(line, sizeof line,
			 "only what follows from the records: %" PRIu64 " finding%s: it is made anew", report->damages,
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
