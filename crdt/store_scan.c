/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/store_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a scan has seen, against the ledger. */
struct scan {
	struct ledger seen;
	bool is_damaged_table[STORE_TABLES];
	uint8_t last_key[STORE_KEY_MAX];
	size_t last_size;
	bool is_damaged;
	store_found *found;
	void *context;
};

static void report(struct scan *scan, struct bytes key, const char *text)
{
	scan->is_damaged = true;
	if (key.size && key.data[0] < STORE_TABLES)
		scan->is_damaged_table[key.data[0]] = true;
	scan->found(scan->context, key, text);
}

/* The structure is at fault, and no one entry: so the key is only in the words. */
static void report_disorder(struct scan *scan, struct bytes key, const char *text)
{
	char words[160];
	size_t used =
		(size_t)snprintf(words, sizeof words, "the file's structure is damaged: this key does not ascend: ");

	for (size_t i = 0; i < key.size && used + 3 < sizeof words; i++)
		used += (size_t)snprintf(words + used, sizeof words - used, "%02x", key.data[i]);
	report(scan, bytes_of(NULL, 0), key.size ? words : text);
}

/* False when the order of keys is broken: then the structure is, and a walk on could go in circles. */
static bool ascends(struct scan *scan, struct bytes key)
{
	if (key.size > STORE_KEY_MAX ||
	    (scan->last_size && bytes_compare(bytes_of(scan->last_key, scan->last_size), key) >= 0))
		return false;
	memcpy(scan->last_key, key.data, key.size);
	scan->last_size = key.size;
	return true;
}

static bool scan_entry(struct scan *scan, struct store_cursor *cursor, enum code *ret_code, struct err *err)
{
	struct err own = { 0 };
	struct bytes key = { 0 }, value;
	uint64_t seal = 0;
	enum code code = store_next_sealed(cursor, &key, &value, &seal, &own);

	*ret_code = code == E_ABSENT || code == E_DAMAGED ? OK : code;
	if (*ret_code && err)
		*err = own;
	if (code && code != E_DAMAGED)
		return false;
	if (!key.size || !ascends(scan, key)) {
		report_disorder(scan, key, own.text);
		return false;
	}
	if (code)
		report(scan, key, "its bytes do not match their hash: the disk changed them");
	else if (key.data[0] >= STORE_TABLES)
		report(scan, key, "it belongs to no table");
	if (key.data[0] < STORE_TABLES) {
		scan->seen.tables[key.data[0]].count++;
		scan->seen.tables[key.data[0]].sum += seal;
	}
	return true;
}

static void compare_tally(struct scan *scan, const struct ledger *ledger, size_t table)
{
	const struct tally *is = &scan->seen.tables[table], *should = &ledger->tables[table];
	char text[160];

	if (is->count != should->count)
		snprintf(text, sizeof text, "table %zu: %" PRIu64 " entries where the ledger counts %" PRIu64, table,
			 is->count, should->count);
	else if (is->sum != should->sum && !scan->is_damaged_table[table])
		snprintf(text, sizeof text, "table %zu: an entry is not the one that was last written", table);
	else
		return;
	report(scan, bytes_of(&(uint8_t){ (uint8_t)table }, 1), text);
}

static void compare_ledger(struct scan *scan, struct store_txn *txn)
{
	struct err own = { 0 };
	struct ledger ledger;
	char text[160];
	uint64_t number = txn->store->backend->number(txn->below);

	if (store_read_ledger(txn, &ledger, &own)) {
		report(scan, bytes_of(store_ledger_key, sizeof store_ledger_key), own.text);
		return;
	}
	if (ledger.number != number) {
		snprintf(text, sizeof text, "the file shows commit %" PRIu64 ", its ledger is of commit %" PRIu64,
			 number, ledger.number);
		report(scan, bytes_of(NULL, 0), text);
	}
	for (size_t i = 1; i < STORE_TABLES; i++)
		compare_tally(scan, &ledger, i);
}

enum code store_scan(struct store_txn *txn, store_found *found, void *context, struct err *err)
{
	struct scan *scan = must_alloc(sizeof *scan);
	struct store_cursor *cursor = NULL;
	enum code code = store_range_raw(txn, bytes_of(NULL, 0), bytes_of(NULL, 0), &cursor, err);

	scan->found = found;
	scan->context = context;
	while (!code && scan_entry(scan, cursor, &code, err))
		;
	store_range_end(cursor);
	if (!code)
		compare_ledger(scan, txn);
	if (!code && scan->is_damaged)
		code = fail(err, E_DAMAGED, "the store is damaged");
	free(scan);
	return code;
}
