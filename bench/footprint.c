/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a device takes on disk, with all its indexes, and on the heap; and how long the check before a start takes.
 *
 * The demand is about what stays: the record and what follows from it. The batch that it came in stays until every
 * member has it, or the log's budget is spent, so what that takes meanwhile is a figure of its own: with many devices
 * to a batch, and with one.
 */

#include "agent/store.h"
#include "agent/verify.h"
#include "bench/figure.h"
#include "crdt/log/log.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/apply.h"
#include "crdt/state/state.h"

#include <malloc.h>
#include <stdio.h>

enum { PER_COMMIT = 512, PER_BATCH = 64 };

/* What comes with each device. */
enum with { WITH_NOTHING, WITH_LEASE, WITH_LOG, WITH_LOG_SINGLY };

static const struct id cluster = { { 1 } };

/* Who writes the devices, where they come in batches. */
struct source {
	struct signer signer;
	struct stream stream;
	struct end end;
	struct root root;
	struct buf entries;
	uint32_t count;
};

static void put_lease(struct store_txn *txn, struct rng *rng, struct id device, struct arena *arena)
{
	struct lease_row lease = { .device = device, .address = { .size = 4 }, .author = 7 };
	uint8_t nonce[8];

	rng_fill(rng, nonce, sizeof nonce);
	rng_fill(rng, lease.address.bytes, 4);
	lease.nonce = bytes_of(nonce, sizeof nonce);
	lease.has = BIT(AT_lease_nonce) | BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) |
		    BIT(AT_lease_author);
	put_row(txn, KIND_TABLE(lease), &lease, 1790000000000, arena);
}

/* In each index of its kind. */
static void make_device(struct rng *rng, struct sample_device *device)
{
	sample_device(rng, device);
	device->row.expires.ms = 1800000000000 + rng_below(rng, 31536000000);
	device->row.expires_guard.generation = 1;
	device->row.has |= BIT(AT_device_expires);
}

static void write_entry(struct source *source, const struct device_row *row, uint64_t at, struct arena *arena)
{
	struct record *record = arena_take(arena, sizeof *record);
	struct buf map = buf_over(arena_take(arena, MODEL_OP_MAX), MODEL_OP_MAX);
	struct op op = { .kind = KIND_device };
	struct err err;

	pack_write(&KIND_TABLE(device)->shape, row, &map);
	op.map = buf_bytes(&map);
	must(record_from_op(op.map, (struct stamp){ hlc_make(at, 0), 7 }, record, &err), &err, "op");
	op.id = record_id(KIND_device, record);
	entry_write(hlc_make(at, 0), NULL, &op, 1, &source->entries);
	source->count++;
}

/* What was written becomes a batch, as another member's does: merged, and put into the log. */
static void close_batch(struct source *source, struct store_txn *txn, struct arena *arena)
{
	struct applying applying = { .txn = txn, .root = &source->root, .arena = arena };
	struct buf whole = buf_growing(BATCH_MAX);
	struct applied applied;
	struct batch batch;
	struct err err;

	if (!source->count)
		return;
	batch_write(&source->signer, cluster, source->stream, source->end, buf_bytes(&source->entries), source->count,
		    &whole);
	must(batch_read(buf_bytes(&whole), &batch, &err), &err, "batch");
	must(apply_batch(&applying, &batch, &applied, &err), &err, "apply");
	must(log_put_batch(txn, &batch, &err), &err, "log");
	source->end = batch.end;
	source->count = 0;
	buf_clear(&source->entries);
	buf_done(&whole);
}

static void commit(struct source *source, struct store_txn *txn, struct arena *arena, enum with with)
{
	struct err err;

	if (with == WITH_LOG || with == WITH_LOG_SINGLY) {
		close_batch(source, txn, arena);
		must(log_put_ends(txn, TABLE_VECTOR, source->stream, &(struct frontier){ source->stream, source->end },
				  1, &err),
		     &err, "end");
		must(root_put(txn, &source->root, &err), &err, "root");
	}
	must(store_commit(txn, &err), &err, "commit");
	arena_reset(arena);
}

static void put_one(struct source *source, struct store_txn *txn, struct rng *rng, uint64_t at, struct arena *arena,
		    enum with with)
{
	struct sample_device device;
	struct id id;

	make_device(rng, &device);
	switch (with) {
	case WITH_NOTHING:
	case WITH_LEASE:
		id = put_row(txn, KIND_TABLE(device), &device.row, at, arena);
		if (with == WITH_LEASE)
			put_lease(txn, rng, id, arena);
		break;
	case WITH_LOG:
	case WITH_LOG_SINGLY:
		write_entry(source, &device.row, at, arena);
		if (source->count == PER_BATCH || with == WITH_LOG_SINGLY)
			close_batch(source, txn, arena);
		break;
	}
	if (!source->count)
		arena_reset(arena);
}

static void fill(struct store *store, size_t count, enum with with)
{
	struct source source = { .stream = { .node = 7, .start = 1, .lane = LANE_PEOPLE } };
	struct rng rng = rng_from_number(4);
	struct arena arena = { 0 };
	struct store_txn *txn;
	struct err err;

	source.signer = signer_from_seed((const uint8_t[32]){ 1 });
	source.entries = buf_growing(ENTRY_MAX);
	for (size_t i = 0; i < count;) {
		must(store_begin(store, &txn, &err), &err, "begin");
		if (!i && (with == WITH_LOG || with == WITH_LOG_SINGLY))
			must(root_read(txn, cluster, &source.root, &err), &err, "root");
		for (size_t k = 0; k < PER_COMMIT && i < count; k++, i++)
			put_one(&source, txn, &rng, 1790000000000 + i, &arena, with);
		commit(&source, txn, &arena, with);
	}
	buf_done(&source.entries);
	arena_done(&arena);
}

static void no_line(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "bench: damaged: %s\n", text);
}

static double heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return (double)(info.uordblks + info.hblkhd);
}

/* Opened as the agent opens it, verified first, with a snapshot at hand: what that keeps on the heap. */
static void print_open(const char *folder, size_t count)
{
	struct verify_report report = { .line = no_line };
	double before = heap_bytes(), start = now_seconds(), took;
	struct store_txn *txn;
	struct store *store;
	struct err err;

	must(verify_and_open(folder, NULL, &report, &store, &err), &err, "verify");
	took = now_seconds() - start;
	must(store_snapshot(store, &txn, &err), &err, "snapshot");
	figure_print(&(struct figure){ "footprint.heap_bytes_per_device", "B", "<= 64",
				       (heap_bytes() - before) / (double)count, NULL, 0 });
	figure_print(&(struct figure){ "footprint.start_check_s", "s", "none; every record, index and hash", took, NULL,
				       0 });
	store_end(txn);
	store_close(store);
}

static double disk_bytes(const char *name, size_t count, enum with with, char *folder, size_t size)
{
	struct hash_key secret = { { 1 } };
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &secret };
	struct store *store;
	struct err err;
	double empty;

	state_folder(name, folder, size);
	must(lmdb_store_open(folder, &options, &store, &err), &err, "open");
	must(state_open(store, &err), &err, "open");
	empty = state_bytes(folder);
	fill(store, count, with);
	store_close(store);
	return (state_bytes(folder) - empty) / (double)count;
}

static void print_bytes(const char *name, const char *demand, double value)
{
	figure_print(&(struct figure){ name, "B", demand, value, NULL, 0 });
}

int main(int argc, char **argv)
{
	size_t count = figure_is_quick(argc, argv) ? 500 : 100000;
	char folder[256];

	print_bytes("footprint.disk_bytes_per_device", "<= 1024, with every index",
		    disk_bytes("devices", count, WITH_NOTHING, folder, sizeof folder));
	print_open(folder, count);
	print_bytes("footprint.disk_bytes_per_device_and_lease", "none",
		    disk_bytes("devices-leases", count, WITH_LEASE, folder, sizeof folder));
	print_bytes("footprint.disk_bytes_per_device_and_log", "none; 64 to a batch, until the log lets it go",
		    disk_bytes("devices-log", count, WITH_LOG, folder, sizeof folder));
	print_bytes("footprint.disk_bytes_per_device_and_log_singly", "none; 1 to a batch, until the log lets it go",
		    disk_bytes("devices-log-singly", count, WITH_LOG_SINGLY, folder, sizeof folder));
	return 0;
}
