/* SPDX-License-Identifier: Apache-2.0 */

/* Durable commits of the store against LMDB's own, in turn on one disk: one entry a commit, and 64. */

#include "agent/store.h"
#include "bench/figure.h"
#include "bench/raw.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_SIZE = 300, GROUP = 64, LATENCIES_MAX = 20000 };

struct both {
	struct store *store;
	struct raw raw;
	struct rng rng;
	double latency[LATENCIES_MAX]; /* of our single commits, in ms */
	size_t latencies;
};

static void our_commit(struct both *both, size_t count)
{
	uint8_t key[19], value[VALUE_SIZE];
	struct store_txn *txn;
	struct err err;

	must(store_begin(both->store, &txn, &err), &err, "begin");
	for (size_t i = 0; i < count; i++) {
		rng_fill(&both->rng, key, sizeof key);
		rng_fill(&both->rng, value, sizeof value);
		key[0] = 5;
		must(store_put(txn, bytes_of(key, sizeof key), bytes_of(value, sizeof value), &err), &err, "put");
	}
	must(store_commit(txn, &err), &err, "commit");
}

static double our_rate(struct both *both, size_t commits, size_t count)
{
	double start = now_seconds();

	for (size_t i = 0; i < commits; i++) {
		double begin = now_seconds();

		our_commit(both, count);
		if (count == 1 && both->latencies < LATENCIES_MAX)
			both->latency[both->latencies++] = (now_seconds() - begin) * 1e3;
	}
	return (double)(commits * count) / (now_seconds() - start);
}

static double raw_rate(struct both *both, size_t commits, size_t count)
{
	double start = now_seconds();

	for (size_t i = 0; i < commits; i++)
		raw_commit(&both->raw, &both->rng, count, VALUE_SIZE);
	return (double)(commits * count) / (now_seconds() - start);
}

static void compare(struct both *both, size_t rounds, size_t commits, size_t count, struct figure *figure)
{
	double ours[64], raws[64];

	for (size_t i = 0; i < rounds; i++) {
		ours[i] = our_rate(both, commits, count);
		raws[i] = raw_rate(both, commits, count);
	}
	figure->value = median(ours, rounds);
	figure->peer_value = median(raws, rounds);
	figure_print(figure);
}

static void open_both(struct both *both)
{
	struct hash_key key = { { 1 } };
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &key };
	char folder[256];
	struct err err;

	state_folder("commit", folder, sizeof folder);
	must(lmdb_store_open(folder, &options, &both->store, &err), &err, "open");
	state_folder("commit-raw", folder, sizeof folder);
	both->raw = raw_open(folder);
	both->rng = rng_from_number(2);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);
	size_t rounds = is_quick ? 2 : 31;
	struct both *both = must_alloc(sizeof *both);

	open_both(both);
	/* Both trees as deep as they are in use. */
	for (size_t i = 0; i < (is_quick ? 2 : 100); i++) {
		our_commit(both, 1000);
		raw_commit(&both->raw, &both->rng, 1000, VALUE_SIZE);
	}
	compare(both, rounds, is_quick ? 3 : 200, 1,
		&(struct figure){ "commit.single_per_s", "1/s", ">= 0.8 x raw LMDB", 0, "raw LMDB", 0 });
	compare(both, rounds, is_quick ? 1 : 20, GROUP,
		&(struct figure){ "commit.grouped_per_s", "1/s", ">= 20000, 64 a commit", 0, "raw LMDB", 0 });
	figure_print(&(struct figure){ "commit.single_p99_ms", "ms", "<= 5",
				       percentile(both->latency, both->latencies, 0.99), NULL, 0 });
	store_close(both->store);
	raw_close(&both->raw);
	free(both);
	return 0;
}
