/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/store_inside.h"

#include "crdt/base/buf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEAL_SIZE = 8, LEDGER_SIZE = 8 + STORE_TABLES * 16, HEADER_SIZE = 28 };

static const uint8_t header_key[] = { OWN_TABLE, 'h' };
static const uint8_t magic[8] = "warren\r\n";

const uint8_t store_ledger_key[2] = { OWN_TABLE, 'l' };

enum store_health store_health(const struct store *store)
{
	return (enum store_health)atomic_load(&store->health);
}

/* Well and full follow one another; from stopped nothing leads back, whoever failed meanwhile. */
static void note(struct store *store, enum store_health from, enum store_health to)
{
	int expected = (int)from;

	atomic_compare_exchange_strong(&store->health, &expected, (int)to);
}

enum code store_judged(struct store *store, enum code code)
{
	if (code == E_IO)
		atomic_store(&store->health, STORE_STOPPED);
	else if (code == E_FULL)
		note(store, STORE_WELL, STORE_IS_FULL);
	return code;
}

/* Key and value weigh in together, so that a value under another key is as wrong as a changed one. */
static uint64_t seal_of(struct hash_key secret, struct bytes key, struct bytes value)
{
	uint64_t both[2] = { htobe64(hash_keyed(secret, key)), htobe64(hash_keyed(secret, value)) };

	return hash_keyed(secret, bytes_of(both, sizeof both));
}

/* The header holds the secret itself, and so is sealed without one: against accidents, like all of this. */
static struct hash_key secret_for(const struct store *store, struct bytes key)
{
	return bytes_equal(key, bytes_of(header_key, sizeof header_key)) ? (struct hash_key){ 0 } : store->key;
}

static void describe_key(struct bytes key, char *room, size_t size)
{
	size_t used = (size_t)snprintf(room, size, "entry ");

	for (size_t i = 0; i < key.size && used + 3 < size; i++)
		used += (size_t)snprintf(room + used, size - used, "%02x", key.data[i]);
}

static enum code damaged(struct err *err, struct bytes key)
{
	char name[2 * 48];

	describe_key(key, name, sizeof name);
	return fail(err, E_DAMAGED, "%s: its bytes do not match their hash: the disk changed them", name);
}

/* Takes the seal off a value as the disk gave it. */
static enum code unseal(const struct store *store, struct bytes key, struct bytes sealed, struct bytes *ret_value,
			uint64_t *ret_seal, struct err *err)
{
	struct bytes value;
	struct reader r;
	uint64_t seal;

	if (sealed.size < SEAL_SIZE)
		return damaged(err, key);
	value = bytes_of(sealed.data, sealed.size - SEAL_SIZE);
	r = reader_over(bytes_of(sealed.data + value.size, SEAL_SIZE));
	seal = read_big_endian(&r, SEAL_SIZE);
	if (seal != seal_of(secret_for(store, key), key, value))
		return damaged(err, key);
	*ret_value = value;
	*ret_seal = seal;
	return OK;
}

enum code store_get_sealed(struct store_txn *txn, struct bytes key, struct bytes *ret_value, uint64_t *ret_seal,
			   struct err *err)
{
	struct bytes sealed;
	enum code code = txn->store->backend->get(txn->below, key, &sealed, err);

	if (code)
		return store_judged(txn->store, code);
	return unseal(txn->store, key, sealed, ret_value, ret_seal, err);
}

static enum code take_room(struct store_txn *txn, struct bytes key, size_t size, bool is_new, uint8_t **ret_room,
			   struct err *err)
{
	const struct store_backend *backend = txn->store->backend;
	enum code code = is_new ? backend->append(txn->below, key, size, ret_room, err) : E_VALUE;

	return code == E_VALUE ? backend->put(txn->below, key, size, ret_room, err) : code;
}

static enum code put_sealed(struct store_txn *txn, struct bytes key, struct bytes value, bool is_new,
			    uint64_t *ret_seal, struct err *err)
{
	uint64_t seal = seal_of(secret_for(txn->store, key), key, value);
	uint8_t *room;
	struct buf buf;
	enum code code;

	code = take_room(txn, key, value.size + SEAL_SIZE, is_new, &room, err);
	if (code)
		return store_judged(txn->store, code);
	buf = buf_over(room, value.size + SEAL_SIZE);
	buf_put_bytes(&buf, value);
	buf_put_big_endian(&buf, seal, SEAL_SIZE);
	*ret_seal = seal;
	return OK;
}

enum code store_put_sealed(struct store_txn *txn, struct bytes key, struct bytes value, uint64_t *ret_seal,
			   struct err *err)
{
	return put_sealed(txn, key, value, false, ret_seal, err);
}

enum code store_read_ledger(struct store_txn *txn, struct ledger *ret_ledger, struct err *err)
{
	struct ledger ledger;
	struct bytes value;
	struct reader r;
	uint64_t seal;
	enum code code = store_get_sealed(txn, bytes_of(store_ledger_key, sizeof store_ledger_key), &value, &seal, err);

	if (code == E_ABSENT)
		return fail(err, E_DAMAGED, "the store's ledger is missing");
	if (code)
		return fail_in(err, code, "the store's ledger");
	r = reader_over(value);
	ledger.number = read_big_endian(&r, 8);
	for (size_t i = 0; i < STORE_TABLES; i++) {
		ledger.tables[i].count = read_big_endian(&r, 8);
		ledger.tables[i].sum = read_big_endian(&r, 8);
	}
	if (r.is_short || reader_left(&r))
		return fail(err, E_DAMAGED, "the store's ledger has a wrong size");
	*ret_ledger = ledger;
	return OK;
}

static enum code write_ledger(struct store_txn *txn, struct err *err)
{
	uint8_t room[LEDGER_SIZE];
	struct buf buf = buf_over(room, sizeof room);
	uint64_t seal;

	txn->ledger.number = txn->store->backend->number(txn->below);
	buf_put_big_endian(&buf, txn->ledger.number, 8);
	for (size_t i = 0; i < STORE_TABLES; i++) {
		buf_put_big_endian(&buf, txn->ledger.tables[i].count, 8);
		buf_put_big_endian(&buf, txn->ledger.tables[i].sum, 8);
	}
	return store_put_sealed(txn, bytes_of(store_ledger_key, sizeof store_ledger_key), buf_bytes(&buf), &seal, err);
}

static enum code begin(struct store *store, bool is_writer, struct store_txn **ret_txn, struct err *err)
{
	struct store_txn *txn;
	struct backend_txn *below;
	enum code code;

	if (store_health(store) == STORE_STOPPED)
		return fail(err, E_IO,
			    "the disk failed before: stop the agent, check the disk, then run warrend --check");
	code = store_judged(store, store->backend->begin(store->self, is_writer, &below, err));
	if (code)
		return code;
	txn = must_alloc(sizeof *txn);
	txn->store = store;
	txn->below = below;
	txn->is_writer = is_writer;
	*ret_txn = txn;
	return OK;
}

enum code store_snapshot(struct store *store, struct store_txn **ret_txn, struct err *err)
{
	return begin(store, false, ret_txn, err);
}

enum code store_begin(struct store *store, struct store_txn **ret_txn, struct err *err)
{
	struct store_txn *txn = NULL;
	enum code code = begin(store, true, &txn, err);

	if (code)
		return code;
	code = store_read_ledger(txn, &txn->ledger, err);
	/* A disk that kept a commit's head and lost its entries shows an older ledger; the next commit would hide that.
	 */
	if (!code && txn->ledger.number + 1 != store->backend->number(txn->below))
		code = fail(err, E_DAMAGED, "the last commit is not whole: stop the agent and run warrend --check");
	if (code) {
		store_end(txn);
		return code;
	}
	*ret_txn = txn;
	return OK;
}

void store_end(struct store_txn *txn)
{
	if (!txn)
		return;
	txn->store->backend->abort(txn->below);
	free(txn);
}

/* The ledger is up to date but not written: the backend commits it with the rest, or not at all. */
static enum code commit_changes(struct store_txn *txn, struct err *err)
{
	struct store *store = txn->store;
	enum code code = write_ledger(txn, err);

	if (code) {
		store_end(txn);
		return code;
	}
	code = store_judged(store, store->backend->commit(txn->below, err));
	free(txn);
	if (!code)
		note(store, STORE_IS_FULL, STORE_WELL);
	return code;
}

enum code store_commit(struct store_txn *txn, struct err *err)
{
	enum code failed = txn->failed;

	assert(txn->is_writer);
	if (!failed && txn->is_changed)
		return commit_changes(txn, err);
	if (failed && err)
		*err = txn->failed_err;
	store_end(txn);
	return failed;
}

void store_check_key(struct bytes key)
{
	assert(key.size >= 1 && key.size <= STORE_KEY_MAX);
	assert(key.data[0] != OWN_TABLE && key.data[0] < STORE_TABLES);
}

enum code store_get(struct store_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err)
{
	uint64_t seal;
	enum code code;

	store_check_key(key);
	code = store_get_sealed(txn, key, ret_value, &seal, err);
	return code == E_ABSENT ? fail(err, code, "no such entry") : code;
}

enum code store_look(struct store_txn *txn, struct bytes key, struct bytes *ret_value, struct store_seen *ret_seen,
		     struct err *err)
{
	struct bytes value = { 0 };
	uint64_t seal = 0;
	enum code code;

	store_check_key(key);
	assert(txn->is_writer);
	code = store_get_sealed(txn, key, &value, &seal, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_value = value;
	*ret_seen = (struct store_seen){ .is_there = !code, .seal = seal, .changes = txn->changes };
	return OK;
}

/* What stood under `key` is no more. */
static void forget(struct store_txn *txn, struct bytes key, const struct store_seen *seen)
{
	struct tally *tally = &txn->ledger.tables[key.data[0]];

	assert(seen->changes == txn->changes);
	tally->count -= seen->is_there;
	tally->sum -= seen->seal;
}

/* Puts over what was seen. */
static enum code put_over(struct store_txn *txn, struct bytes key, struct bytes value, const struct store_seen *seen,
			  struct err *err)
{
	struct tally *tally = &txn->ledger.tables[key.data[0]];
	uint64_t seal = 0;
	enum code code = store_put_sealed(txn, key, value, &seal, err);

	if (code)
		return code;
	forget(txn, key, seen);
	tally->count++;
	tally->sum += seal;
	return OK;
}

enum code store_put_inside(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err)
{
	struct store_seen seen;
	struct bytes old;
	enum code code = store_look(txn, key, &old, &seen, err);

	return code ? code : put_over(txn, key, value, &seen, err);
}

static enum code take_out(struct store_txn *txn, struct bytes key, struct err *err)
{
	struct store_seen seen;
	struct bytes old;
	enum code code = store_look(txn, key, &old, &seen, err);

	if (code || !seen.is_there)
		return code;
	code = store_judged(txn->store, txn->store->backend->remove(txn->below, key, err));
	if (!code)
		forget(txn, key, &seen);
	return code;
}

enum code store_changed(struct store_txn *txn, enum code code, const struct err *own, struct err *err)
{
	txn->is_changed = true;
	txn->changes++;
	if (!code)
		return OK;
	if (!txn->failed) {
		txn->failed = code;
		txn->failed_err = *own;
	}
	if (err)
		*err = *own;
	return code;
}

enum code store_put(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err)
{
	struct err own = { 0 };
	enum code code;

	store_check_key(key);
	assert(txn->is_writer && value.size <= STORE_VALUE_MAX);
	code = store_put_inside(txn, key, value, &own);
	return store_changed(txn, code, &own, err);
}

enum code store_put_seen(struct store_txn *txn, struct bytes key, struct bytes value, const struct store_seen *seen,
			 struct err *err)
{
	struct err own = { 0 };
	enum code code;

	store_check_key(key);
	assert(txn->is_writer && value.size <= STORE_VALUE_MAX);
	code = put_over(txn, key, value, seen, &own);
	return store_changed(txn, code, &own, err);
}

enum code store_add(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err)
{
	struct tally *tally = &txn->ledger.tables[key.data[0]];
	struct err own = { 0 };
	uint64_t seal = 0;
	enum code code;

	store_check_key(key);
	assert(txn->is_writer && value.size <= STORE_VALUE_MAX);
	code = put_sealed(txn, key, value, true, &seal, &own);
	if (!code) {
		tally->count++;
		tally->sum += seal;
	}
	return store_changed(txn, code, &own, err);
}

enum code store_delete(struct store_txn *txn, struct bytes key, struct err *err)
{
	struct err own = { 0 };
	enum code code;

	store_check_key(key);
	assert(txn->is_writer);
	code = take_out(txn, key, &own);
	return store_changed(txn, code, &own, err);
}

enum code store_range_raw(struct store_txn *txn, struct bytes prefix, struct bytes from,
			  struct store_cursor **ret_cursor, struct err *err)
{
	struct backend_cursor *below;
	struct store_cursor *cursor;
	enum code code;

	assert(prefix.size <= STORE_KEY_MAX && from.size <= STORE_KEY_MAX);
	if (bytes_compare(from, prefix) < 0)
		from = prefix;
	code = store_judged(txn->store, txn->store->backend->range(txn->below, from, &below, err));
	if (code)
		return code;
	cursor = must_alloc(sizeof *cursor);
	cursor->txn = txn;
	cursor->below = below;
	cursor->prefix_size = prefix.size;
	if (prefix.size)
		memcpy(cursor->prefix, prefix.data, prefix.size);
	*ret_cursor = cursor;
	return OK;
}

enum code store_range(struct store_txn *txn, struct bytes prefix, struct bytes from, struct store_cursor **ret_cursor,
		      struct err *err)
{
	static const uint8_t first[] = { OWN_TABLE + 1 };

	assert(!prefix.size || prefix.data[0] != OWN_TABLE);
	if (bytes_compare(from, bytes_of(first, sizeof first)) < 0)
		from = bytes_of(first, sizeof first);
	return store_range_raw(txn, prefix, from, ret_cursor, err);
}

enum code store_next_sealed(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value,
			    uint64_t *ret_seal, struct err *err)
{
	struct store *store = cursor->txn->store;
	struct bytes sealed;
	enum code code = store->backend->next(cursor->below, ret_key, &sealed, err);

	if (code)
		return store_judged(store, code);
	code = unseal(store, *ret_key, sealed, ret_value, ret_seal, err);
	/* Only a sound entry may end the range: a changed bit in a key can carry it out of where it belongs. */
	if (!code && !bytes_start_with(*ret_key, bytes_of(cursor->prefix, cursor->prefix_size)))
		return fail(err, E_ABSENT, "no further entry");
	return code;
}

enum code store_next(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value, struct err *err)
{
	struct bytes key = { 0 };
	uint64_t seal;
	enum code code = store_next_sealed(cursor, &key, ret_value, &seal, err);

	if (!code || (code == E_DAMAGED && key.size))
		*ret_key = key;
	return code;
}

void store_range_end(struct store_cursor *cursor)
{
	if (!cursor)
		return;
	cursor->txn->store->backend->range_end(cursor->below);
	free(cursor);
}

uint64_t store_count(struct store_txn *txn, uint8_t table)
{
	struct ledger ledger;

	if (txn->is_writer)
		return txn->ledger.tables[table].count;
	return store_read_ledger(txn, &ledger, NULL) ? 0 : ledger.tables[table].count;
}

static enum code make_header(struct store *store, const struct hash_key *fresh_key, struct err *err)
{
	struct store_txn *txn;
	uint8_t room[HEADER_SIZE];
	struct buf buf = buf_over(room, sizeof room);
	uint64_t seal;
	enum code code = begin(store, true, &txn, err);

	if (code)
		return code;
	store->key = *fresh_key;
	buf_put(&buf, magic, sizeof magic);
	buf_put_big_endian(&buf, STORE_FORMAT, 4);
	buf_put(&buf, fresh_key->bytes, sizeof fresh_key->bytes);
	code = store_put_sealed(txn, bytes_of(header_key, sizeof header_key), buf_bytes(&buf), &seal, err);
	if (code) {
		store_end(txn);
		return code;
	}
	return commit_changes(txn, err);
}

static enum code read_header(struct store *store, struct store_txn *txn, struct err *err)
{
	struct bytes value;
	struct reader r;
	const uint8_t *mark;
	uint64_t seal, format;
	enum code code = store_get_sealed(txn, bytes_of(header_key, sizeof header_key), &value, &seal, err);

	if (code)
		return code == E_ABSENT ? code : fail_in(err, code, "the store's header");
	r = reader_over(value);
	mark = read_bytes(&r, sizeof magic);
	format = read_big_endian(&r, 4);
	if (!mark || memcmp(mark, magic, sizeof magic) || r.is_short)
		return fail(err, E_DAMAGED, "the store's header is not Warren's");
	if (format > STORE_FORMAT)
		return fail(err, E_NEWER,
			    "this state has format %" PRIu64
			    " and was written by a newer Warren; this one reads up to %d: "
			    "install that version again",
			    format, STORE_FORMAT);
	if (format < STORE_FORMAT || reader_left(&r) != sizeof store->key.bytes)
		return fail(err, E_DAMAGED, "the store's header has a wrong size or format");
	memcpy(store->key.bytes, r.at, sizeof store->key.bytes);
	return OK;
}

/* A file without a header must be without anything: a lost header is no empty store. */
static enum code is_empty(struct store_txn *txn, struct err *err)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	uint64_t seal;
	enum code code = store_range_raw(txn, bytes_of(NULL, 0), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	code = store_next_sealed(cursor, &key, &value, &seal, err);
	store_range_end(cursor);
	if (code == E_ABSENT)
		return OK;
	return code && code != E_DAMAGED ? code : fail(err, E_DAMAGED, "the store's header is missing");
}

static enum code open_header(struct store *store, const struct hash_key *fresh_key, struct err *err)
{
	struct store_txn *txn;
	enum code code = begin(store, false, &txn, err);

	if (code)
		return code;
	code = read_header(store, txn, err);
	if (code == E_ABSENT) {
		code = is_empty(txn, err);
		if (!code && !fresh_key)
			code = fail(err, E_ABSENT, "the store is empty");
		store_end(txn);
		return code ? code : make_header(store, fresh_key, err);
	}
	store_end(txn);
	return code;
}

enum code store_open(const struct store_backend *backend, void *self, const struct hash_key *fresh_key,
		     struct store **ret_store, struct err *err)
{
	struct store *store = must_alloc(sizeof *store);
	enum code code;

	store->backend = backend;
	store->self = self;
	code = open_header(store, fresh_key, err);
	if (code) {
		free(store);
		return code;
	}
	*ret_store = store;
	return OK;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store->backend->close(store->self);
	free(store);
}
