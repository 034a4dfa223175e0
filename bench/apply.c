/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a member does with the batches of another one: verify, merge, log, commit. An op is one `setting`, unindexed, of
 * 300 bytes, in an entry of its own. Only where a figure says so does the entry bring its audit row too; then that row
 * counts as an op of its own, and both as one entry.
 */

#include "agent/store.h"
#include "bench/figure.h"
#include "bench/raw.h"

#include "crdt/log/log.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/apply.h"

#include <stdio.h>
#include <stdlib.h>

enum { SETTING_SIZE = 300, GROUP = 64, WAITING = 16, COMMIT_OPS = GROUP * WAITING, ROUNDS_MAX = 64 };

static const struct id cluster = { { 1, 2, 3 } };

struct bench {
	struct store *store;
	struct raw raw;
	struct rng rng;
	struct signer author;
	struct stream stream;
	struct end end; /* of the author's stream */
	struct root root;
	struct arena arena;
	uint64_t made;      /* entries */
	double in_merges;   /* seconds */
	struct buf batches; /* that wait, each behind its size */
};

/* How many puts LMDB has had: the linker leads them through here. */
static uint64_t put_count;
int __real_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags);

int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
	put_count++;
	return __real_mdb_put(txn, dbi, key, data, flags);
}

/* The row as an op; its bytes lie in the arena. */
static struct op op_of(struct bench *bench, const struct kind *kind, const void *row)
{
	struct record *record = arena_take(&bench->arena, sizeof *record);
	struct buf map = buf_over(arena_take(&bench->arena, 1000), 1000);
	struct err err = { 0 };

	pack_write(&kind->shape, row, &map);
	must(record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(1, 0), 1 }, record, &err), &err, "op");
	return (struct op){ .kind = kind->number, .id = record_id(kind->number, record), .map = buf_bytes(&map) };
}

static struct op setting(struct bench *bench)
{
	uint8_t nonce[8], *value = arena_take(&bench->arena, SETTING_SIZE);
	struct setting_row row = { .nonce = bytes_of(nonce, sizeof nonce), .name = bytes_text("bench.record") };
	struct op op;

	rng_fill(&bench->rng, nonce, sizeof nonce);
	for (size_t i = 0; i < SETTING_SIZE; i++)
		value[i] = (uint8_t)('a' + rng_below(&bench->rng, 26));
	row.has = BIT(AT_setting_nonce) | BIT(AT_setting_name) | BIT(AT_setting_value);
	/* As long as fills the op up. */
	row.value = bytes_of(value, SETTING_SIZE / 2 + 110);
	op = op_of(bench, KIND_TABLE(setting), &row);
	row.value.size -= op.map.size - SETTING_SIZE;
	return op_of(bench, KIND_TABLE(setting), &row);
}

static struct op audit_row(struct bench *bench, const struct op *subject)
{
	uint8_t before[16];
	struct audit_row row = { .node = bench->stream.node, .start = bench->stream.start, .seq = bench->made + 1 };

	rng_fill(&bench->rng, before, sizeof before);
	row.before = bytes_of(before, sizeof before);
	row.at.ms = 1790000000000;
	row.actor = (struct ref){ KIND_user, cluster };
	row.action = bytes_text("setting.create");
	row.subject = (struct ref){ subject->kind, subject->id };
	row.outcome = OUTCOME_DONE;
	row.has = BIT(AT_audit_node) | BIT(AT_audit_start) | BIT(AT_audit_seq) | BIT(AT_audit_before) |
		  BIT(AT_audit_at) | BIT(AT_audit_actor) | BIT(AT_audit_action) | BIT(AT_audit_subject) |
		  BIT(AT_audit_outcome);
	return op_of(bench, KIND_TABLE(audit), &row);
}

/* The next batch of the author's, behind those that wait. */
static void make_batch(struct bench *bench, size_t entries, bool is_audited)
{
	uint8_t *room = arena_take(&bench->arena, BATCH_MAX);
	struct buf said = buf_over(room, ENTRY_MAX), whole = buf_growing(BATCH_MAX);
	struct batch batch;
	struct err err = { 0 };

	for (size_t i = 0; i < entries; i++) {
		struct op ops[2] = { setting(bench) };

		if (is_audited)
			ops[1] = audit_row(bench, &ops[0]);
		entry_write(hlc_make(1790000000000 + bench->made++, 0), &(struct ref){ KIND_user, cluster }, ops,
			    1 + is_audited, &said);
	}
	batch_write(&bench->author, cluster, bench->stream, bench->end, buf_bytes(&said), (uint32_t)entries, &whole);
	must(batch_read(buf_bytes(&whole), &batch, &err), &err, "batch");
	bench->end = batch.end;
	buf_put_big_endian(&bench->batches, whole.size, 4);
	buf_put_bytes(&bench->batches, buf_bytes(&whole));
	buf_done(&whole);
	arena_reset(&bench->arena);
}

static void make_batches(struct bench *bench, size_t batches, size_t entries, bool is_audited)
{
	buf_clear(&bench->batches);
	for (size_t i = 0; i < batches; i++)
		make_batch(bench, entries, is_audited);
}

static void merge(struct bench *bench, struct applying *applying, const struct batch *batch)
{
	double start = now_seconds();
	struct applied applied;
	struct err err = { 0 };

	must(apply_batch(applying, batch, &applied, &err), &err, "apply");
	bench->in_merges += now_seconds() - start;
	if (applied.voids)
		must(E_FORM, &err, "an entry is void");
}

/* All that wait, in one commit; and how long it took. */
static double take_batches(struct bench *bench)
{
	struct reader waiting = reader_over(buf_bytes(&bench->batches));
	struct applying applying = { .root = &bench->root, .arena = &bench->arena };
	double start = now_seconds();
	struct err err = { 0 };
	struct batch batch = { .version = 0 };

	must(store_begin(bench->store, &applying.txn, &err), &err, "begin");
	while (reader_left(&waiting)) {
		size_t size = read_big_endian(&waiting, 4);

		must(batch_read(bytes_of(read_bytes(&waiting, size), size), &batch, &err), &err, "batch");
		if (!batch_is_signed(&batch, bench->author.key))
			must(E_DENIED, &err, "signature");
		merge(bench, &applying, &batch);
		must(log_put_batch(applying.txn, &batch, &err), &err, "log");
	}
	must(log_put_ends(applying.txn, TABLE_VECTOR, batch.stream, &(struct frontier){ batch.stream, batch.end }, 1,
			  &err),
	     &err, "end");
	must(root_put(applying.txn, &bench->root, &err), &err, "root");
	must(store_commit(applying.txn, &err), &err, "commit");
	arena_reset(&bench->arena);
	return now_seconds() - start;
}

static double raw_rate(struct bench *bench)
{
	double start = now_seconds();

	raw_commit(&bench->raw, &bench->rng, COMMIT_OPS, SETTING_SIZE);
	return COMMIT_OPS / (now_seconds() - start);
}

/* Of one signature after the other, of batches that wait. */
static double verify_rate(struct bench *bench, size_t count)
{
	struct reader waiting = reader_over(buf_bytes(&bench->batches));
	size_t size = read_big_endian(&waiting, 4);
	struct err err = { 0 };
	struct batch batch;
	double start;

	must(batch_read(bytes_of(read_bytes(&waiting, size), size), &batch, &err), &err, "batch");
	start = now_seconds();
	for (size_t i = 0; i < count; i++)
		if (!batch_is_signed(&batch, bench->author.key))
			must(E_DENIED, &err, "signature");
	return (double)count / (now_seconds() - start);
}

static void in_batches(struct bench *bench, size_t rounds)
{
	double whole[ROUNDS_MAX], merged[ROUNDS_MAX], raws[ROUNDS_MAX], audited[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		make_batches(bench, WAITING, GROUP, false);
		bench->in_merges = 0;
		whole[i] = COMMIT_OPS / take_batches(bench);
		merged[i] = COMMIT_OPS / bench->in_merges;
		raws[i] = raw_rate(bench);
		make_batches(bench, WAITING, GROUP / 2, true);
		audited[i] = COMMIT_OPS / take_batches(bench);
	}
	figure_print(&(struct figure){ "apply.ops_per_s", "1/s", "none of its own: merging alone, in one transaction",
				       median(merged, rounds), NULL, 0 });
	figure_print(&(struct figure){ "apply.verified_ops_per_s", "1/s",
				       ">= 100000, 16 batches of 64 ops a commit; the peer: 1024 puts a commit",
				       median(whole, rounds), "raw LMDB", median(raws, rounds) });
	figure_print(&(struct figure){ "apply.audited_ops_per_s", "1/s",
				       "none of its own: as verified_ops_per_s, every second op an audit row",
				       median(audited, rounds), "raw LMDB", median(raws, rounds) });
}

static void singly(struct bench *bench, size_t rounds, size_t count)
{
	double ours[ROUNDS_MAX], verified[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		make_batches(bench, count, 1, false);
		ours[i] = (double)count / take_batches(bench);
		verified[i] = verify_rate(bench, count);
	}
	figure_print(&(struct figure){ "apply.single_ratio", "1/s",
				       ">= 0.8 x Ed25519 verify, each op in a batch of its own", median(ours, rounds),
				       "Ed25519 verify", median(verified, rounds) });
}

static void count_puts(struct bench *bench, size_t rounds)
{
	uint64_t before = put_count;

	for (size_t i = 0; i < rounds; i++) {
		make_batches(bench, 1, GROUP, true);
		take_batches(bench);
	}
	figure_print(&(struct figure){ "apply.puts_per_entry", "puts",
				       "<= 2.5, a setting with its audit row, 64 entries a commit",
				       (double)(put_count - before) / (double)(rounds * GROUP), NULL, 0 });
}

static void open_bench(struct bench *bench)
{
	struct hash_key key = { { 1 } };
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &key };
	struct store_txn *txn;
	char folder[256];
	struct err err = { 0 };

	state_folder("apply", folder, sizeof folder);
	must(lmdb_store_open(folder, &options, &bench->store, &err), &err, "open");
	state_folder("apply-raw", folder, sizeof folder);
	bench->raw = raw_open(folder);
	bench->rng = rng_from_number(3);
	bench->author = signer_from_seed((const uint8_t[32]){ 7 });
	bench->stream = (struct stream){ node_of_key(bench->author.key), 1, LANE_PEOPLE };
	bench->batches = buf_growing((size_t)COMMIT_OPS * 2000);
	must(store_snapshot(bench->store, &txn, &err), &err, "snapshot");
	must(root_read(txn, cluster, &bench->root, &err), &err, "root");
	store_end(txn);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);
	struct bench *bench = must_alloc(sizeof *bench);

	open_bench(bench);
	/* Both trees as deep as they are in use. */
	for (size_t i = 0; i < (is_quick ? 1 : 100); i++) {
		make_batches(bench, WAITING, GROUP, false);
		take_batches(bench);
		raw_commit(&bench->raw, &bench->rng, COMMIT_OPS, SETTING_SIZE);
	}
	in_batches(bench, is_quick ? 2 : 31);
	singly(bench, is_quick ? 2 : 11, is_quick ? 64 : COMMIT_OPS);
	count_puts(bench, is_quick ? 1 : 100);
	store_close(bench->store);
	raw_close(&bench->raw);
	buf_done(&bench->batches);
	arena_done(&bench->arena);
	free(bench);
	return 0;
}
