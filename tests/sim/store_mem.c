/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem.h"

#include "tests/sim/tree.h"

#include <assert.h>
#include <stdlib.h>

/* What a meta page points to. */
struct version {
	struct tree *tree;
	uint64_t number;
};

/* A process that has the disk open. */
struct mem_store {
	struct mem_disk *disk;
	size_t transactions;
	bool has_writer;
	bool has_stopped; /* it crashed, or its disk failed */
};

struct mem_disk {
	struct version now, before; /* the last commit, and the one that it replaced */
	struct mem_store *store;
	uint64_t crash_at, fail_at, full_at; /* countdowns; 0 is not set */
	bool is_full, is_lying;
	uint64_t lie, limit;
	struct mem_counts counts;
};

struct backend_txn {
	struct mem_store *store;
	struct version version;
	uint64_t changes;
	bool is_writer;
};

struct backend_cursor {
	const struct mem_store *store;
	struct tree_cursor at;
};

static struct version keep(struct version version)
{
	tree_keep(version.tree);
	return version;
}

/* Takes `version`. */
static void replace(struct version *place, struct version version)
{
	struct tree *old = place->tree;

	*place = version;
	tree_drop(old);
}

struct mem_disk *mem_disk_new(void)
{
	return must_alloc(sizeof(struct mem_disk));
}

struct mem_disk *mem_disk_clone(const struct mem_disk *disk)
{
	struct mem_disk *clone = mem_disk_new();

	mem_disk_restore(clone, disk);
	return clone;
}

void mem_disk_restore(struct mem_disk *disk, const struct mem_disk *copy)
{
	assert(!disk->store);
	replace(&disk->before, keep(copy->before));
	replace(&disk->now, keep(copy->now));
}

void mem_disk_free(struct mem_disk *disk)
{
	if (!disk)
		return;
	assert(!disk->store);
	tree_drop(disk->before.tree);
	tree_drop(disk->now.tree);
	free(disk);
}

void mem_disk_crash_at(struct mem_disk *disk, uint64_t step)
{
	disk->crash_at = step;
}

void mem_disk_lie(struct mem_disk *disk, uint64_t seed)
{
	disk->is_lying = true;
	disk->lie = seed;
}

void mem_disk_fail_at(struct mem_disk *disk, uint64_t step)
{
	disk->fail_at = step;
}

void mem_disk_full_at(struct mem_disk *disk, uint64_t change)
{
	disk->full_at = change;
	disk->is_full = false;
}

void mem_disk_limit(struct mem_disk *disk, uint64_t size)
{
	disk->limit = size;
}

bool mem_disk_flip(struct mem_disk *disk, struct rng *rng)
{
	if (!disk->now.tree)
		return false;
	tree_flip(&disk->now.tree, rng_below(rng, 8 * tree_weight(disk->now.tree)));
	disk->counts.flipped++;
	return true;
}

void mem_disk_poke(struct mem_disk *disk, struct bytes key, struct bytes value)
{
	uint8_t *room;

	if (!value.data) {
		tree_remove(&disk->now.tree, key);
		return;
	}
	room = tree_put(&disk->now.tree, key, value.size);
	if (value.size)
		memcpy(room, value.data, value.size);
}

uint64_t mem_disk_used(const struct mem_disk *disk)
{
	return tree_weight(disk->now.tree);
}

struct mem_counts mem_disk_counts(const struct mem_disk *disk)
{
	return disk->counts;
}

static void put_entry(struct tree **tree, const struct tree_entry *entry)
{
	struct bytes value = tree_value(entry);
	uint8_t *room = tree_put(tree, tree_key(entry), value.size);

	if (value.size)
		memcpy(room, value.data, value.size);
}

/* The beginning is the new value's, the rest what was there, or zeros. True if that differs from the new value. */
static bool put_half(struct tree **tree, const struct tree_entry *was, const struct tree_entry *is, struct rng *rng)
{
	struct bytes old = was ? tree_value(was) : bytes_of(NULL, 0), new = tree_value(is);
	size_t cut = new.size ? rng_below(rng, new.size) : 0, end = old.size < new.size ? old.size : new.size;
	uint8_t *room = tree_put(tree, tree_key(is), new.size);

	if (cut)
		memcpy(room, new.data, cut);
	if (end > cut)
		memcpy(room + cut, old.data + cut, end - cut);
	return !bytes_equal(bytes_of(room, new.size), new);
}

/* One change is not, or only half, on the disk; either side is NULL where there is no entry. True if it shows. */
static bool tear_change(struct tree **tree, const struct tree_entry *was, const struct tree_entry *is, struct rng *rng)
{
	if (is && rng_below(rng, 2))
		return put_half(tree, was, is, rng);
	if (was)
		put_entry(tree, was);
	else
		tree_remove(tree, tree_key(is));
	return !was || !is || !bytes_equal(tree_value(was), tree_value(is));
}

/* What is left of the way from `old` to `new`, whose meta page is there. Both walks share what did not change. */
static void tear(struct mem_disk *disk, struct version old, struct version new)
{
	struct rng rng = rng_from_number(disk->lie);
	uint64_t chance = 1 + rng_below(&rng, 5);
	struct version left = keep(new);
	struct tree_cursor old_at, new_at;
	const struct tree_entry *was, *is;

	tree_seek(&old_at, old.tree, bytes_of(NULL, 0));
	tree_seek(&new_at, new.tree, bytes_of(NULL, 0));
	was = tree_next(&old_at);
	is = tree_next(&new_at);
	while (was || is) {
		int order = !was ? 1 : !is ? -1 : bytes_compare(tree_key(was), tree_key(is));

		if (was != is && rng_below(&rng, 5) < chance &&
		    tear_change(&left.tree, order <= 0 ? was : NULL, order >= 0 ? is : NULL, &rng))
			disk->counts.torn++;
		if (order <= 0)
			was = tree_next(&old_at);
		if (order >= 0)
			is = tree_next(&new_at);
	}
	replace(&disk->now, left);
}

/* Ends the process. What the next one finds is on the disk for good, so no later lie is about it. */
static void stop_by_crash(struct mem_disk *disk)
{
	if (disk->store) {
		disk->store->has_stopped = true;
		disk->store->disk = NULL;
		disk->store = NULL;
	}
	disk->is_lying = false;
	disk->crash_at = 0;
	disk->counts.crashes++;
	replace(&disk->before, keep(disk->now));
}

void mem_disk_crash(struct mem_disk *disk)
{
	if (disk->is_lying)
		tear(disk, disk->before, disk->now);
	stop_by_crash(disk);
}

static void publish(struct mem_disk *disk, const struct backend_txn *txn)
{
	replace(&disk->before, keep(disk->now));
	replace(&disk->now, keep(txn->version));
}

static enum code stopped(struct err *err)
{
	return fail(err, E_IO, "the simulated machine has crashed, or its disk failed");
}

static enum code crash_in_commit(struct mem_disk *disk, const struct backend_txn *txn, uint64_t step, struct err *err)
{
	bool has_meta = step > txn->changes + 2, is_synced = step > txn->changes + 3;

	if (is_synced || (has_meta && disk->is_lying))
		publish(disk, txn);
	disk->counts.unheard += is_synced;
	mem_disk_crash(disk);
	return stopped(err);
}

static enum code fail_in_commit(struct mem_disk *disk, const struct backend_txn *txn, uint64_t step, struct err *err)
{
	if (step > txn->changes + 2)
		publish(disk, txn);
	disk->store->has_stopped = true;
	disk->counts.failed++;
	return stopped(err);
}

static bool counts_down(uint64_t *countdown)
{
	return *countdown && !--*countdown;
}

static enum code full(struct mem_disk *disk, struct err *err)
{
	disk->counts.full++;
	return fail(err, E_FULL, "the simulated disk is full");
}

static enum code write_commit(struct backend_txn *txn, struct err *err)
{
	struct mem_disk *disk = txn->store->disk;

	if (!txn->changes)
		return OK;
	for (uint64_t step = 1; step <= txn->changes + 4; step++) {
		if (counts_down(&disk->crash_at))
			return crash_in_commit(disk, txn, step, err);
		if (step <= txn->changes + 3 && counts_down(&disk->fail_at))
			return fail_in_commit(disk, txn, step, err);
		if (step > txn->changes)
			continue;
		disk->is_full = disk->is_full || counts_down(&disk->full_at);
		if (disk->is_full)
			return full(disk, err);
	}
	publish(disk, txn);
	disk->counts.commits++;
	return OK;
}

static enum code mem_begin(void *self, bool is_writer, struct backend_txn **ret_txn, struct err *err)
{
	struct mem_store *store = self;
	struct backend_txn *txn;

	if (store->has_stopped)
		return stopped(err);
	assert(!is_writer || !store->has_writer);
	txn = must_alloc(sizeof *txn);
	txn->store = store;
	txn->version = keep(store->disk->now);
	txn->version.number += is_writer;
	txn->is_writer = is_writer;
	store->transactions++;
	store->has_writer |= is_writer;
	*ret_txn = txn;
	return OK;
}

static void mem_abort(struct backend_txn *txn)
{
	if (txn->is_writer)
		txn->store->has_writer = false;
	txn->store->transactions--;
	tree_drop(txn->version.tree);
	free(txn);
}

static enum code mem_commit(struct backend_txn *txn, struct err *err)
{
	enum code code = txn->store->has_stopped ? stopped(err) : write_commit(txn, err);

	mem_abort(txn);
	return code;
}

static uint64_t mem_number(struct backend_txn *txn)
{
	return txn->version.number;
}

static enum code mem_get(struct backend_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err)
{
	const struct tree_entry *entry;

	if (txn->store->has_stopped)
		return stopped(err);
	entry = tree_find(txn->version.tree, key);
	if (!entry)
		return E_ABSENT;
	*ret_value = tree_value(entry);
	return OK;
}

static bool has_room(const struct backend_txn *txn, struct bytes key, size_t size)
{
	const struct tree_entry *old;
	uint64_t limit = txn->store->disk->limit, used = tree_weight(txn->version.tree) + key.size + size;

	if (!limit)
		return true;
	old = tree_find(txn->version.tree, key);
	return used - (old ? old->key_size + old->value_size : 0) <= limit;
}

static enum code mem_put(struct backend_txn *txn, struct bytes key, size_t size, uint8_t **ret_room, struct err *err)
{
	if (txn->store->has_stopped)
		return stopped(err);
	if (!has_room(txn, key, size))
		return full(txn->store->disk, err);
	*ret_room = tree_put(&txn->version.tree, key, size);
	txn->changes++;
	return OK;
}

static enum code mem_remove(struct backend_txn *txn, struct bytes key, struct err *err)
{
	if (txn->store->has_stopped)
		return stopped(err);
	if (!tree_remove(&txn->version.tree, key))
		return E_ABSENT;
	txn->changes++;
	return OK;
}

static enum code mem_range(struct backend_txn *txn, struct bytes from, struct backend_cursor **ret_cursor,
			   struct err *err)
{
	struct backend_cursor *cursor;

	if (txn->store->has_stopped)
		return stopped(err);
	cursor = must_alloc(sizeof *cursor);
	cursor->store = txn->store;
	tree_seek(&cursor->at, txn->version.tree, from);
	*ret_cursor = cursor;
	return OK;
}

static enum code mem_next(struct backend_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value,
			  struct err *err)
{
	const struct tree_entry *entry;

	if (cursor->store->has_stopped)
		return stopped(err);
	entry = tree_next(&cursor->at);
	if (!entry)
		return fail(err, E_ABSENT, "no further entry");
	*ret_key = tree_key(entry);
	*ret_value = tree_value(entry);
	return OK;
}

static void mem_range_end(struct backend_cursor *cursor)
{
	free(cursor);
}

static void mem_close(void *self)
{
	struct mem_store *store = self;

	assert(!store->transactions);
	if (store->disk)
		store->disk->store = NULL;
	free(store);
}

static const struct store_backend mem_backend = {
	.name = "mem",
	.begin = mem_begin,
	.commit = mem_commit,
	.abort = mem_abort,
	.number = mem_number,
	.get = mem_get,
	.put = mem_put,
	.append = mem_put,
	.remove = mem_remove,
	.range = mem_range,
	.next = mem_next,
	.range_end = mem_range_end,
	.close = mem_close,
};

enum code mem_store_open(struct mem_disk *disk, const struct hash_key *fresh_key, struct store **ret_store,
			 struct err *err)
{
	struct mem_store *store;
	enum code code;

	if (disk->store)
		return fail(err, E_BUSY, "a store is open on this simulated disk");
	store = must_alloc(sizeof *store);
	store->disk = disk;
	disk->store = store;
	code = store_open(&mem_backend, store, fresh_key, ret_store, err);
	if (code)
		mem_close(store);
	return code;
}
