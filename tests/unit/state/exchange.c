/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version of Warren at work on a state directory; test_evolution runs two builds of it, which know different
 * model.defs, on each other's ops and directories.
 *
 *     exchange DIR open             opens it as the agent does (and makes its indexes anew, when another version
 *                                   wrote it)
 *     exchange DIR open COMMITS     the same, and is gone after so many commits; it prints whether it came to that
 *     exchange DIR offline          what `warrend --check` says of it
 *     exchange DIR write SEED OPS   merges random records of all kinds, and appends their ops to the file OPS
 *     exchange DIR edit SEED OPS    merges random changes of all records there are, and appends their ops
 *     exchange DIR merge OPS        merges the ops of a file
 *     exchange DIR merge-back OPS   the same, the last first
 *     exchange DIR dump FILE        writes every record as it is stored
 *     exchange DIR index FILE       writes every index entry
 *     exchange DIR root             prints a hash that adds up over the records
 *     exchange DIR read             prints what readers see: rows, invalid, dead and unknown records
 *     exchange DIR check            reads all and checks all
 */
#include "agent/offline.h"
#include "agent/verify.h"
#include "crdt/state/index.h"
#include "crdt/state/state.h"
#include "tests/unit/model/gen_row.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PER_KIND = 6, OPS_MAX = 1 << 26 };

struct op {
	uint32_t kind;
	bool is_dead;
	struct id id;
	struct stamp stamp;
	struct bytes map;
};

struct run {
	struct store *store;
	struct store_txn *txn;
	struct arena arena;
	struct rng rng;
	struct buf ops; /* to be appended to the file */
	uint64_t node;
};

static struct err err;

/* How many commits there are until the process is gone; 0: it stays. */
static uint64_t commits_left;

enum code __real_store_commit(struct store_txn *txn, struct err *err_of_it);
enum code __wrap_store_commit(struct store_txn *txn, struct err *err_of_it);

enum code __wrap_store_commit(struct store_txn *txn, struct err *err_of_it)
{
	enum code code = __real_store_commit(txn, err_of_it);

	if (commits_left && !--commits_left) {
		printf("gone\n");
		fflush(stdout);
		_exit(0);
	}
	return code;
}

static void must(enum code code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "%s: %s\n", what, err.text);
	exit(1);
}

static struct bytes read_file(const char *path, struct arena *arena)
{
	FILE *file = fopen(path, "rb");
	uint8_t *room = arena_take(arena, OPS_MAX);
	size_t size = file ? fread(room, 1, OPS_MAX, file) : 0;

	if (!file || size == OPS_MAX || fclose(file))
		exit(2);
	return bytes_of(room, size);
}

static void write_file(const char *path, const char *mode, struct bytes bytes)
{
	FILE *file = fopen(path, mode);

	if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file))
		exit(2);
}

static void put_op(const struct op *op, struct buf *buf)
{
	buf_put_big_endian(buf, op->kind, 4);
	buf_put_byte(buf, op->is_dead);
	buf_put(buf, op->id.bytes, sizeof op->id.bytes);
	buf_put_big_endian(buf, op->stamp.hlc.bits, 8);
	buf_put_big_endian(buf, op->stamp.node, 8);
	buf_put_big_endian(buf, op->map.size, 4);
	buf_put_bytes(buf, op->map);
}

static bool next_op(struct reader *r, struct op *op)
{
	const uint8_t *id;

	if (!reader_left(r))
		return false;
	op->kind = (uint32_t)read_big_endian(r, 4);
	op->is_dead = read_big_endian(r, 1);
	id = read_bytes(r, sizeof op->id.bytes);
	op->stamp.hlc.bits = read_big_endian(r, 8);
	op->stamp.node = read_big_endian(r, 8);
	op->map.size = read_big_endian(r, 4);
	op->map.data = read_bytes(r, op->map.size);
	assert(id && !r->is_short);
	memcpy(op->id.bytes, id, sizeof op->id.bytes);
	return true;
}

static void apply(struct run *run, const struct op *op)
{
	struct arena arena = { 0 };
	struct record *with = arena_take(&arena, sizeof *with);
	bool is_changed;

	must(record_from_op(op->map, op->stamp, with, &err), "op");
	with->is_dead = op->is_dead;
	must(state_merge(run->txn, NULL, op->kind, op->id, with, &arena, &is_changed, &err), "merge");
	arena_done(&arena);
}

/* Stamps of both sides meet, and some are equal but for the node. */
static struct stamp make_stamp(struct run *run)
{
	return (struct stamp){ hlc_make(1000 + rng_below(&run->rng, 3), (uint16_t)rng_below(&run->rng, 2)), run->node };
}

static void tell(struct run *run, struct op op)
{
	apply(run, &op);
	put_op(&op, &run->ops);
}

static void do_write(struct run *run)
{
	for (size_t i = 0; i < (size_t)MODEL_KINDS * PER_KIND; i++) {
		const struct kind *kind = &model_kinds[i / PER_KIND];
		struct op op = { .kind = kind->number, .stamp = make_stamp(run) };

		op.map = gen_op(kind, &run->rng, &run->arena, &op.id);
		tell(run, op);
	}
}

struct known {
	uint32_t kind;
	struct id id;
};

/* All records; the cursor ends before the next write. */
static size_t list_records(struct run *run, struct known *known, size_t room)
{
	struct state_cursor *cursor;
	size_t count = 0;
	enum code code;

	must(state_all(run->txn, 0, bytes_of(NULL, 0), &cursor, &err), "all");
	while (!(code = state_next(cursor, &known[count].kind, &known[count].id, &err)) && count + 1 < room)
		count++;
	state_find_end(cursor);
	must(code == E_ABSENT ? OK : code, "all");
	return count;
}

static void do_edit(struct run *run)
{
	static struct known known[100000];
	size_t count = list_records(run, known, COUNT(known));

	for (size_t i = 0; i < count; i++) {
		const struct kind *kind = model_kind(known[i].kind);
		struct op op = { .kind = known[i].kind, .id = known[i].id, .stamp = make_stamp(run) };

		op.is_dead = !rng_below(&run->rng, 8);
		op.map = kind && !op.is_dead ? gen_change(kind, &run->rng, &run->arena) : bytes_of("\x80", 1);
		tell(run, op);
	}
}

static void do_merge(struct run *run, const char *path, bool is_back)
{
	struct reader r = reader_over(read_file(path, &run->arena));
	struct op *ops = arena_take(&run->arena, 100000 * sizeof *ops);
	size_t count = 0;

	while (next_op(&r, &ops[count]))
		count++;
	for (size_t i = 0; i < count; i++)
		apply(run, &ops[is_back ? count - 1 - i : i]);
}

/* Hands every key and value of a table to `put`. */
static void each(struct run *run, uint8_t table, void (*put)(struct bytes key, struct bytes value, struct buf *buf),
		 struct buf *buf)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	must(store_range(run->txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, &err), "range");
	while (!(code = store_next(cursor, &key, &value, &err)))
		put(key, value, buf);
	store_range_end(cursor);
	must(code == E_ABSENT ? OK : code, "next");
}

static void put_entry(struct bytes key, struct bytes value, struct buf *buf)
{
	buf_put_big_endian(buf, key.size, 4);
	buf_put_bytes(buf, key);
	buf_put_big_endian(buf, value.size, 4);
	buf_put_bytes(buf, value);
}

static void add_hash(struct bytes key, struct bytes value, struct buf *sum)
{
	struct id id = hash_id((struct bytes[]){ key, value }, 2);
	unsigned carry = 0;

	for (size_t i = sizeof id.bytes; i-- > 0;) {
		carry += (unsigned)sum->data[i] + id.bytes[i];
		sum->data[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

static void do_dump(struct run *run, uint8_t table, const char *path)
{
	struct buf buf = buf_growing(OPS_MAX);

	each(run, table, put_entry, &buf);
	assert(!buf.is_full);
	write_file(path, "wb", buf_bytes(&buf));
	buf_done(&buf);
}

static void do_root(struct run *run)
{
	uint8_t room[16] = { 0 };
	struct buf sum = buf_over(room, sizeof room);

	each(run, TABLE_RECORD, add_hash, &sum);
	for (size_t i = 0; i < sizeof room; i++)
		printf("%02x", room[i]);
	printf("\n");
}

static void do_read(struct run *run)
{
	static struct known known[100000];
	size_t count = list_records(run, known, COUNT(known)), rows = 0, invalid = 0, dead = 0, unknown = 0;

	for (size_t i = 0; i < count; i++) {
		const struct kind *kind = model_kind(known[i].kind);
		struct arena arena = { 0 };
		enum code code = E_NEWER;

		if (kind)
			code = state_row(run->txn, kind, known[i].id, arena_take(&arena, kind->shape.size), &err);
		rows += code == OK;
		dead += code == E_ABSENT;
		unknown += code == E_NEWER;
		invalid += code == E_VALUE;
		arena_done(&arena);
	}
	printf("%zu records: %zu rows, %zu invalid, %zu dead, %zu unknown\n", count, rows, invalid, dead, unknown);
	assert(rows + invalid + dead + unknown == count);
}

static void tell_damage(void *context, struct bytes key, const char *text)
{
	(void)context;
	fprintf(stderr, "damage at %zu bytes of key: %s\n", key.size, text);
}

static uint64_t asked_for;

static void count_keys(struct bytes key, struct bytes value, struct buf *buf)
{
	struct arena arena = { 0 };
	uint32_t kind;
	struct id id;

	(void)buf;
	assert(record_key_read(key, &kind, &id));
	asked_for += index_keys_of(kind, id, value, &arena).count;
	arena_done(&arena);
}

/* Also that an item which a list holds twice counts once, or state_check would miss a stray entry for each. */
static void do_check(struct run *run)
{
	store_end(run->txn);
	must(store_snapshot(run->store, &run->txn, &err), "snapshot");
	must(store_scan(run->txn, tell_damage, NULL, &err), "scan");
	must(state_check(run->txn, tell_damage, NULL, &err), "check");
	each(run, TABLE_RECORD, count_keys, NULL);
	assert(store_count(run->txn, TABLE_INDEX) == asked_for);
}

static int act(struct run *run, const char *what, const char *const *more, int count)
{
	if (!strcmp(what, "write") && count == 2)
		do_write(run);
	else if (!strcmp(what, "edit") && count == 2)
		do_edit(run);
	else if (!strcmp(what, "merge") && count == 1)
		do_merge(run, more[0], false);
	else if (!strcmp(what, "merge-back") && count == 1)
		do_merge(run, more[0], true);
	else if (!strcmp(what, "dump") && count == 1)
		do_dump(run, TABLE_RECORD, more[0]);
	else if (!strcmp(what, "index") && count == 1)
		do_dump(run, TABLE_INDEX, more[0]);
	else if (!strcmp(what, "root") && !count)
		do_root(run);
	else if (!strcmp(what, "read") && !count)
		do_read(run);
	else if (!strcmp(what, "check") && !count)
		do_check(run);
	else if (strcmp(what, "open") || count > 1)
		return 2;
	if (count == 2)
		write_file(more[1], "ab", buf_bytes(&run->ops));
	return 0;
}

static void tell_line(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "damaged: %s\n", text);
}

int main(int argc, char **argv)
{
	const struct hash_key key = { { 1 } };
	struct verify_report report = { .line = tell_line };
	struct run run = { .ops = buf_growing(OPS_MAX) };
	int result;

	if (argc < 3)
		return 2;
	run.node = argc == 5 ? strtoull(argv[3], NULL, 10) : 1;
	run.rng = rng_from_number(run.node);
	if (!strcmp(argv[2], "offline"))
		return (int)offline_check(argv[1]);
	commits_left = argc == 4 && !strcmp(argv[2], "open") ? strtoull(argv[3], NULL, 10) : 0;
	must(verify_and_open(argv[1], &key, &report, &run.store, &err), "state");
	commits_left = 0;
	/* Indexes of another version, or half of them, are no damage that is mended: they are none. */
	if (report.damages)
		return 1;
	must(store_begin(run.store, &run.txn, &err), "begin");
	result = act(&run, argv[2], (const char *const *)argv + 3, argc - 3);
	if (!strcmp(argv[2], "check"))
		store_end(run.txn);
	else
		must(store_commit(run.txn, &err), "commit");
	store_close(run.store);
	buf_done(&run.ops);
	arena_done(&run.arena);
	return result;
}
