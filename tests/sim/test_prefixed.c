/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/merge.h"
#include "crdt/state/state.h"

#include "tests/sim/store_mem.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"

/*
 * Two versions of the core in one program: this one, and the next one, whose names begin with next_ and which knows a
 * kind more. Both keep the same ops, each on a disk of its own. Merging two records is left out of the next version: it
 * is done by this one's.
 */

enum { KIND_SENSOR = 60 << 2 | TIER_SHARED, ROW_MAX = 4096, OPS = 200 };

/* Of the same types as this version's, whatever becomes of these. */
extern __typeof__(model_fingerprint) next_model_fingerprint;
extern __typeof__(model_kind) next_model_kind;
extern __typeof__(gen_op) next_gen_op;
extern __typeof__(record_from_op) next_record_from_op;
extern __typeof__(state_open) next_state_open;
extern __typeof__(state_merge) next_state_merge;
extern __typeof__(state_row) next_state_row;
extern __typeof__(state_is_current) next_state_is_current;

static unsigned merges;

void __real_merge_records(const struct record *a, const struct record *b, struct arena *arena,
			  struct record *ret_merged);
void __wrap_merge_records(const struct record *a, const struct record *b, struct arena *arena,
			  struct record *ret_merged);

void __wrap_merge_records(const struct record *a, const struct record *b, struct arena *arena,
			  struct record *ret_merged)
{
	merges++;
	__real_merge_records(a, b, arena, ret_merged);
}

static void both_versions_are_there(void **state)
{
	const struct kind *device = model_kind(KIND_device), *next_device = next_model_kind(KIND_device);

	(void)state;
	assert_false(id_equal(model_fingerprint(), next_model_fingerprint()));
	assert_null(model_kind(KIND_SENSOR));
	assert_string_equal(next_model_kind(KIND_SENSOR)->shape.name, "sensor");
	assert_ptr_not_equal(device, next_device);
	assert_true(device->shape.count < next_device->shape.count);
}

struct side {
	struct mem_disk *disk;
	struct store *store;
	struct store_txn *txn;
};

static void start(struct side *side, enum code (*open)(struct store *store, struct err *err))
{
	struct hash_key key = { { 9 } };

	side->disk = mem_disk_new();
	assert_int_equal(mem_store_open(side->disk, &key, &side->store, NULL), OK);
	assert_int_equal(open(side->store, NULL), OK);
	assert_int_equal(store_begin(side->store, &side->txn, NULL), OK);
}

static void end(struct side *side)
{
	assert_int_equal(store_commit(side->txn, NULL), OK);
	store_close(side->store);
	mem_disk_free(side->disk);
}

/* One of the next version's ops, which both merge, and only one understands. */
static void merge_one(struct side *now, struct side *next, struct rng *rng, struct arena *arena)
{
	const struct kind *kind = next_model_kind(KIND_SENSOR);
	struct record *record = arena_take(arena, sizeof *record), *same = arena_take(arena, sizeof *same);
	struct stamp stamp = { hlc_make(rng_below(rng, 1000), 0), 1 };
	struct bytes kept, next_kept;
	struct id id;
	struct bytes map = next_gen_op(kind, rng, arena, &id);
	bool is_changed = false;
	void *row = arena_take(arena, ROW_MAX);

	assert_int_equal(record_from_op(map, stamp, record, NULL), OK);
	assert_int_equal(next_record_from_op(map, stamp, same, NULL), OK);
	assert_int_equal(state_merge(now->txn, NULL, KIND_SENSOR, id, record, arena, &is_changed, NULL), OK);
	assert_true(is_changed);
	assert_int_equal(next_state_merge(next->txn, NULL, KIND_SENSOR, id, same, arena, &is_changed, NULL), OK);
	merges = 0;
	assert_int_equal(next_state_merge(next->txn, NULL, KIND_SENSOR, id, same, arena, &is_changed, NULL), OK);
	assert_true(!is_changed && merges == 1);
	assert_int_equal(state_record(now->txn, KIND_SENSOR, id, &kept, NULL), OK);
	assert_int_equal(state_record(next->txn, KIND_SENSOR, id, &next_kept, NULL), OK);
	assert_true(bytes_equal(kept, next_kept));
	assert_true(kind->shape.size <= ROW_MAX);
	assert_int_equal(next_state_row(next->txn, kind, id, row, NULL), OK);
}

static void both_versions_keep_the_same(void **state)
{
	struct rng rng = rng_from_number(5);
	struct arena arena = { 0 };
	struct side now, next;
	bool is_current = false;

	(void)state;
	start(&now, state_open);
	start(&next, next_state_open);
	for (unsigned i = 0; i < OPS; i++) {
		merge_one(&now, &next, &rng, &arena);
		arena_reset(&arena);
	}
	assert_int_equal(next_state_is_current(next.txn, &is_current, NULL), OK);
	assert_true(is_current);
	assert_int_equal(state_is_current(next.txn, &is_current, NULL), OK);
	assert_false(is_current);
	arena_done(&arena);
	end(&now);
	end(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_versions_are_there),
		cmocka_unit_test(both_versions_keep_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
