/* SPDX-License-Identifier: Apache-2.0 */

/* What a device takes on disk, with all its indexes, and on the heap; and how long the check before a start takes. */

#include "agent/store.h"
#include "agent/verify.h"
#include "bench/figure.h"
#include "crdt/state/state.h"

#include <malloc.h>
#include <stdio.h>

enum { PER_COMMIT = 500 };

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

static void fill(struct store *store, size_t count, bool with_leases)
{
	struct rng rng = rng_from_number(4);
	struct arena arena = { 0 };
	struct err err;

	for (size_t i = 0; i < count;) {
		struct store_txn *txn;

		must(store_begin(store, &txn, &err), &err, "begin");
		for (size_t k = 0; k < PER_COMMIT && i < count; k++, i++) {
			struct sample_device device;
			struct id id;

			sample_device(&rng, &device);
			/* So that it has an entry in each index of its kind. */
			device.row.expires.ms = 1800000000000 + rng_below(&rng, 31536000000);
			device.row.expires_guard.generation = 1;
			device.row.has |= BIT(AT_device_expires);
			id = put_row(txn, KIND_TABLE(device), &device.row, 1790000000000 + i, &arena);
			if (with_leases)
				put_lease(txn, &rng, id, &arena);
			arena_reset(&arena);
		}
		must(store_commit(txn, &err), &err, "commit");
	}
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

static double disk_bytes(const char *name, size_t count, bool with_leases, char *folder, size_t size)
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
	fill(store, count, with_leases);
	store_close(store);
	return (state_bytes(folder) - empty) / (double)count;
}

int main(int argc, char **argv)
{
	size_t count = figure_is_quick(argc, argv) ? 500 : 100000;
	char folder[256];
	double alone = disk_bytes("devices", count, false, folder, sizeof folder), both;

	figure_print(&(struct figure){ "footprint.disk_bytes_per_device", "B", "<= 1024, with every index", alone, NULL,
				       0 });
	print_open(folder, count);
	both = disk_bytes("devices-leases", count, true, folder, sizeof folder);
	figure_print(&(struct figure){ "footprint.disk_bytes_per_device_and_lease", "B", "none", both, NULL, 0 });
	return 0;
}
