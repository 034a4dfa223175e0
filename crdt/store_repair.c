/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/store_inside.h"

#include <assert.h>

/* What is in a table: damaged entries count, and weigh nothing, for their seals are not known. */
static enum code weigh(struct store_txn *txn, uint8_t table, struct tally *ret_tally, struct err *err)
{
	struct tally tally = { 0 };
	struct store_cursor *cursor;
	enum code code = store_range_raw(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	do {
		struct bytes key = { 0 }, value;
		uint64_t seal = 0;

		code = store_next_sealed(cursor, &key, &value, &seal, err);
		if (code == E_DAMAGED && key.size)
			code = OK;
		if (!code && key.data[0] == table) {
			tally.count++;
			tally.sum += seal;
		}
	} while (!code);
	store_range_end(cursor);
	if (code != E_ABSENT)
		return code;
	*ret_tally = tally;
	return OK;
}

static enum code replace(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err)
{
	struct tally *tally = &txn->ledger.tables[key.data[0]], is;
	struct bytes old;
	uint64_t seal;
	enum code code = store_get_sealed(txn, key, &old, &seal, NULL);

	if (code != E_DAMAGED)
		return store_put_inside(txn, key, value, err);
	code = store_put_sealed(txn, key, value, &seal, err);
	if (!code)
		code = weigh(txn, key.data[0], &is, err);
	if (!code)
		tally->sum = is.sum;
	return code;
}

enum code store_replace(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err)
{
	struct err own = { 0 };
	enum code code;

	store_check_key(key);
	assert(txn->is_writer && value.size <= STORE_VALUE_MAX);
	code = replace(txn, key, value, &own);
	return store_changed(txn, code, &own, err);
}

/* Finds the first entry of a table. The seal of a damaged one is 0, as in `weigh`. */
static enum code find_first(struct store_txn *txn, uint8_t table, uint8_t room[STORE_KEY_MAX], size_t *ret_size,
			    uint64_t *ret_seal, struct err *err)
{
	struct bytes key = { 0 }, value;
	struct store_cursor *cursor;
	enum code code = store_range_raw(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	*ret_seal = 0;
	code = store_next_sealed(cursor, &key, &value, ret_seal, err);
	if (code == E_DAMAGED && key.size && key.size <= STORE_KEY_MAX)
		code = OK;
	/* Nothing of this table can stand behind a key of another one. */
	if (!code && key.data[0] != table)
		code = E_ABSENT;
	if (!code) {
		memcpy(room, key.data, key.size);
		*ret_size = key.size;
	}
	store_range_end(cursor);
	return code;
}

/* E_ABSENT when there is none. */
static enum code clear_one(struct store_txn *txn, uint8_t table, struct err *err)
{
	struct tally *tally = &txn->ledger.tables[table];
	uint8_t room[STORE_KEY_MAX];
	size_t size;
	uint64_t seal;
	enum code code = find_first(txn, table, room, &size, &seal, err);

	if (code)
		return code;
	code = store_judged(txn->store, txn->store->backend->remove(txn->below, bytes_of(room, size), err));
	if (code == E_ABSENT)
		return fail(err, E_DAMAGED, "an entry is not where its key belongs: the file's structure is damaged");
	tally->count--;
	tally->sum -= seal;
	return code;
}

static enum code clear_some(struct store_txn *txn, uint8_t table, size_t most, bool is_first, bool *ret_is_empty,
			    struct err *err)
{
	struct tally *tally = &txn->ledger.tables[table];
	enum code code = is_first ? weigh(txn, table, tally, err) : OK;

	for (size_t i = 0; !code && i < most; i++)
		code = clear_one(txn, table, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_empty = code == E_ABSENT;
	if (*ret_is_empty)
		*tally = (struct tally){ 0 };
	return OK;
}

enum code store_clear_some(struct store_txn *txn, uint8_t table, size_t most, bool is_first, bool *ret_is_empty,
			   struct err *err)
{
	struct err own = { 0 };
	enum code code;

	assert(txn->is_writer && table != OWN_TABLE && table < STORE_TABLES);
	code = clear_some(txn, table, most, is_first, ret_is_empty, &own);
	return store_changed(txn, code, &own, err);
}
