/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/apply.h"
#include "crdt/state/state.h"
#include "tests/unit/base/check.h"
#include "tests/unit/state/world.h"

enum { PLANS = 5 };

static const struct id cluster = { { 1, 2, 3, 4 } };
static struct arena arena;

/* A batch in the making, and what is worked with. */
struct bench {
	struct world world;
	struct signer author;
	struct stream stream;
	struct buf entries;
	uint32_t count;
	struct root root;
	struct changes changes;
	struct applying applying;
};

static void start(struct bench *bench)
{
	*bench = (struct bench){ .author = signer_from_seed((const uint8_t[32]){ 9 }),
				 .entries = buf_growing(ENTRY_MAX) };
	world_start(&bench->world, 1);
	bench->stream = (struct stream){ node_of_key(bench->author.key), 1, LANE_PEOPLE };
	bench->applying = (struct applying){ .root = &bench->root, .changes = &bench->changes, .arena = &arena };
	assert_int_equal(store_begin(bench->world.store, &bench->applying.txn, NULL), OK);
	assert_int_equal(root_read(bench->applying.txn, cluster, &bench->root, NULL), OK);
}

static void end(struct bench *bench)
{
	struct root is;

	assert_int_equal(root_compute(bench->applying.txn, cluster, &is, NULL), OK);
	assert_memory_equal(is.buckets, bench->root.buckets, sizeof is.buckets);
	store_end(bench->applying.txn);
	world_end(&bench->world);
	buf_done(&bench->entries);
	changes_done(&bench->changes);
	arena_done(&arena);
}

/* A plan of that name, made by the nth nonce. */
static struct op plan(uint8_t nth, const char *name)
{
	uint8_t nonce[8] = { nth };
	struct plan_row row = { .nonce = bytes_of(nonce, sizeof nonce), .name = bytes_text(name) };
	struct buf map = buf_over(arena_take(&arena, 1000), 1000);

	row.has = BIT(AT_plan_nonce) | BIT(AT_plan_name);
	pack_write(&KIND_TABLE(plan)->shape, &row, &map);
	return (struct op){ .kind = KIND_plan, .id = gen_id_of(KIND_plan, buf_bytes(&map)), .map = buf_bytes(&map) };
}

static struct op wrong_plan(uint8_t nth)
{
	struct op op = plan(nth, "wrong");

	op.id.bytes[0] ^= 1;
	return op;
}

static void say(struct bench *bench, uint64_t ms, const struct op *ops, size_t count)
{
	entry_write(hlc_make(ms, 0), NULL, ops, count, &bench->entries);
	bench->count++;
}

/* Signs what was said, and applies it; whatever it was, no memory is kept for it. */
static enum code apply(struct bench *bench, struct applied *ret_applied, struct err *err)
{
	struct buf whole = buf_growing(BATCH_MAX);
	struct batch batch;
	struct arena_mark before;
	enum code code;

	batch_write(&bench->author, cluster, bench->stream, (struct end){ 0 }, buf_bytes(&bench->entries), bench->count,
		    &whole);
	assert_int_equal(batch_read(buf_bytes(&whole), &batch, NULL), OK);
	assert_true(batch_is_signed(&batch, bench->author.key));
	buf_clear(&bench->entries);
	bench->count = 0;
	before = arena_mark(&arena);
	code = apply_batch(&bench->applying, &batch, ret_applied, err);
	assert_true(arena_mark(&arena).newest == before.newest && arena_mark(&arena).used == before.used);
	buf_done(&whole);
	return code;
}

static bool is_there(struct bench *bench, struct op op, const char *name)
{
	struct plan_row row;

	return !state_row(bench->applying.txn, KIND_TABLE(plan), op.id, &row, NULL) &&
	       bytes_equal(row.name, bytes_text(name));
}

static void a_batch_becomes_state(void **state)
{
	struct op ops[PLANS];
	struct applied applied;
	struct bench bench;

	(void)state;
	start(&bench);
	for (uint8_t i = 0; i < PLANS; i++)
		ops[i] = plan(i, "one");
	say(&bench, 9, ops, 2);
	say(&bench, 12, ops + 2, 2);
	say(&bench, 11, ops + 4, 1);
	assert_int_equal(apply(&bench, &applied, NULL), OK);
	assert_int_equal(applied.entries, 3);
	assert_int_equal(applied.voids, 0);
	assert_int_equal(applied.latest.bits, hlc_make(12, 0).bits);
	assert_int_equal(bench.changes.count, PLANS);
	for (size_t i = 0; i < PLANS; i++) {
		assert_true(is_there(&bench, ops[i], "one"));
		assert_int_equal(bench.changes.all[i].kind, KIND_plan);
		assert_true(id_equal(bench.changes.all[i].id, ops[i].id));
	}
	/* Again, it changes nothing; and with a dead op it ends. */
	changes_clear(&bench.changes);
	say(&bench, 9, ops, 2);
	say(&bench, 10, &(struct op){ .kind = KIND_plan, .id = ops[1].id, .is_dead = true }, 1);
	assert_int_equal(apply(&bench, &applied, NULL), OK);
	assert_int_equal(bench.changes.count, 1);
	assert_true(is_there(&bench, ops[0], "one") && !is_there(&bench, ops[1], "one"));
	end(&bench);
}

/* The author is the second part of an op's stamp. */
static void the_later_author_wins_a_tie(void **state)
{
	struct bench bench;
	struct op op = plan(1, "b"), other = plan(1, "a");
	struct entry entry;

	(void)state;
	start(&bench);
	for (uint64_t author = 1; author <= 2; author++) {
		say(&bench, 5, author == 1 ? &op : &other, 1);
		assert_int_equal(entry_check(buf_bytes(&bench.entries), author, &entry, NULL), OK);
		assert_int_equal(apply_entry(&bench.applying, author, &entry, NULL), OK);
		buf_clear(&bench.entries);
	}
	assert_true(is_there(&bench, op, "a"));
	end(&bench);
}

static void what_is_void_is_skipped_whole(void **state)
{
	struct op ops[] = { plan(1, "one"), wrong_plan(2), plan(3, "three") }, good = plan(4, "four");
	struct applied applied;
	struct bench bench;
	struct entry entry;
	struct err err = { 0 };

	(void)state;
	start(&bench);
	say(&bench, 90, ops, 3);
	say(&bench, 5, &good, 1);
	say(&bench, 91, &(struct op){ .kind = KIND_presence, .is_dead = true }, 1);
	mp_put_text(&bench.entries, bytes_text("no entry"));
	bench.count++;
	assert_int_equal(apply(&bench, &applied, NULL), OK);
	assert_int_equal(applied.entries, 1);
	assert_int_equal(applied.voids, 3);
	assert_int_equal(applied.latest.bits, hlc_make(5, 0).bits);
	assert_true(is_there(&bench, good, "four"));
	assert_int_equal(bench.changes.count, 1);
	assert_int_equal(store_count(bench.applying.txn, TABLE_RECORD), 1);
	say(&bench, 90, ops, 3);
	assert_int_equal(entry_check(buf_bytes(&bench.entries), 7, &entry, NULL), OK);
	assert_int_equal(apply_entry(&bench.applying, 7, &entry, &err), E_VALUE);
	assert_string_equal(err.text, "the record's identity does not give its id");
	assert_int_equal(store_count(bench.applying.txn, TABLE_RECORD), 1);
	/* Bytes that make no values end a batch: all behind them is void. */
	buf_clear(&bench.entries);
	say(&bench, 6, ops, 1);
	buf_put_byte(&bench.entries, 0xc1);
	bench.count += 5;
	assert_int_equal(apply(&bench, &applied, NULL), OK);
	assert_int_equal(applied.entries + applied.voids, 7);
	end(&bench);
}

static void damage_is_passed_on(void **state)
{
	struct op ops[] = { plan(1, "one"), plan(2, "two") };
	struct applied applied = { .entries = 77 };
	uint8_t key[RECORD_KEY_SIZE];
	struct bench bench;
	struct err err = { 0 };

	(void)state;
	start(&bench);
	record_key_write(KIND_plan, ops[1].id, key);
	assert_int_equal(store_put(bench.applying.txn, bytes_of(key, sizeof key), bytes_text("no record"), NULL), OK);
	say(&bench, 5, ops, 2);
	assert_int_equal(apply(&bench, &applied, &err), E_DAMAGED);
	assert_int_equal(applied.entries, 77);
	assert_string_equal(err.text, "the stored record: record: its frame is not canonical");
	assert_int_equal(store_delete(bench.applying.txn, bytes_of(key, sizeof key), NULL), OK);
	end(&bench);
}

static void nobody_needs_to_watch(void **state)
{
	struct op op = plan(1, "one");
	struct applied applied;
	struct bench bench;

	(void)state;
	start(&bench);
	bench.applying.root = NULL;
	bench.applying.changes = NULL;
	say(&bench, 5, &op, 1);
	assert_int_equal(apply(&bench, &applied, NULL), OK);
	assert_true(is_there(&bench, op, "one"));
	assert_int_equal(root_compute(bench.applying.txn, cluster, &bench.root, NULL), OK);
	end(&bench);
}

static void changes_grow(void **state)
{
	struct changes changes = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		changes_add(&changes, i, (struct id){ { (uint8_t)i } });
	assert_int_equal(changes.count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(changes.all[i].kind == i && changes.all[i].id.bytes[0] == (uint8_t)i);
	changes_clear(&changes);
	assert_int_equal(changes.count, 0);
	changes_done(&changes);
	assert_null(changes.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_becomes_state),         cmocka_unit_test(the_later_author_wins_a_tie),
		cmocka_unit_test(what_is_void_is_skipped_whole), cmocka_unit_test(damage_is_passed_on),
		cmocka_unit_test(nobody_needs_to_watch),         cmocka_unit_test(changes_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
