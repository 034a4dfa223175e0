/* SPDX-License-Identifier: Apache-2.0 */

/* Reading: one value by its key, and all of them in order, every hash verified; against LMDB's own, which has none. */

#include "agent/store.h"
#include "bench/figure.h"
#include "bench/raw.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_SIZE = 300, ROUNDS = 9, KEY_SIZE = 19 };

struct both {
	struct store *store;
	struct raw raw;
	uint8_t (*keys)[KEY_SIZE];
	size_t count, gets;
	struct rng rng;
};

static void fill(struct both *both)
{
	uint8_t value[VALUE_SIZE];
	struct err err;

	for (size_t i = 0; i < both->count;) {
		struct store_txn *txn;
		MDB_txn *raw;

		must(store_begin(both->store, &txn, &err), &err, "begin");
		raw_must(mdb_txn_begin(both->raw.env, NULL, 0, &raw), "begin");
		for (size_t k = 0; k < 1000 && i < both->count; k++, i++) {
			MDB_val key = { KEY_SIZE, both->keys[i] }, data = { VALUE_SIZE, value };

			rng_fill(&both->rng, both->keys[i], KEY_SIZE);
			rng_fill(&both->rng, value, VALUE_SIZE);
			both->keys[i][0] = 5;
			must(store_put(txn, bytes_of(both->keys[i], KEY_SIZE), bytes_of(value, VALUE_SIZE), &err), &err,
			     "put");
			raw_must(mdb_put(raw, both->raw.dbi, &key, &data, 0), "put");
		}
		must(store_commit(txn, &err), &err, "commit");
		raw_must(mdb_txn_commit(raw), "commit");
	}
}

static double our_gets(struct both *both)
{
	struct store_txn *txn;
	struct bytes value;
	struct err err;
	double start;

	must(store_snapshot(both->store, &txn, &err), &err, "snapshot");
	start = now_seconds();
	for (size_t i = 0; i < both->gets; i++) {
		size_t at = rng_below(&both->rng, both->count);

		must(store_get(txn, bytes_of(both->keys[at], KEY_SIZE), &value, &err), &err, "get");
	}
	start = now_seconds() - start;
	store_end(txn);
	return start / (double)both->gets * 1e6;
}

static double raw_gets(struct both *both)
{
	MDB_txn *txn;
	double start;

	raw_must(mdb_txn_begin(both->raw.env, NULL, MDB_RDONLY, &txn), "begin");
	start = now_seconds();
	for (size_t i = 0; i < both->gets; i++) {
		MDB_val key = { KEY_SIZE, both->keys[rng_below(&both->rng, both->count)] }, value;

		raw_must(mdb_get(txn, both->raw.dbi, &key, &value), "get");
		__asm__ volatile("" ::"r"(*(const uint8_t *)value.mv_data));
	}
	start = now_seconds() - start;
	mdb_txn_abort(txn);
	return start / (double)both->gets * 1e6;
}

static double our_scan(struct both *both)
{
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;
	struct err err;
	size_t seen = 0;
	double start = now_seconds();

	must(store_snapshot(both->store, &txn, &err), &err, "snapshot");
	must(store_range(txn, bytes_of(NULL, 0), bytes_of(NULL, 0), &cursor, &err), &err, "range");
	while (!store_next(cursor, &key, &value, &err))
		seen++;
	store_range_end(cursor);
	store_end(txn);
	must(seen == both->count ? OK : E_ABSENT, &err, "scan");
	return (double)seen / (now_seconds() - start);
}

static double raw_scan(struct both *both)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	MDB_val key, value;
	size_t seen = 0;
	double start = now_seconds();

	raw_must(mdb_txn_begin(both->raw.env, NULL, MDB_RDONLY, &txn), "begin");
	raw_must(mdb_cursor_open(txn, both->raw.dbi, &cursor), "cursor");
	while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
		seen++;
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return (double)seen / (now_seconds() - start);
}

static void compare(struct both *both, double (*ours)(struct both *), double (*raws)(struct both *),
		    struct figure *figure)
{
	double a[ROUNDS], b[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		a[i] = ours(both);
		b[i] = raws(both);
	}
	figure->value = median(a, ROUNDS);
	figure->peer_value = median(b, ROUNDS);
	figure_print(figure);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);
	struct both both = { .count = is_quick ? 1000 : 200000, .gets = is_quick ? 500 : 200000 };
	struct hash_key secret = { { 1 } };
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &secret };
	char folder[256];
	struct err err;

	both.keys = must_alloc(both.count * sizeof *both.keys);
	both.rng = rng_from_number(3);
	state_folder("store", folder, sizeof folder);
	must(lmdb_store_open(folder, &options, &both.store, &err), &err, "open");
	state_folder("store-raw", folder, sizeof folder);
	both.raw = raw_open(folder);
	fill(&both);
	compare(&both, our_gets, raw_gets,
		&(struct figure){ "store.get_us", "us", "none", 0, "raw LMDB, which verifies nothing", 0 });
	compare(&both, our_scan, raw_scan,
		&(struct figure){ "store.scan_per_s", "1/s", "none", 0, "raw LMDB, which verifies nothing", 0 });
	store_close(both.store);
	raw_close(&both.raw);
	free(both.keys);
	return 0;
}
