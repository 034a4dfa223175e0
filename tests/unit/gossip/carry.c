/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"

#include "crdt/log/proof.h"
#include "crdt/model/mp.h"
#include "crdt/state/state.h"

static void read_frame(const struct buf *bytes, struct frame *ret_frame, enum code *ret_code, struct err *err)
{
	struct stream_table told = { 0 };

	*ret_code = frame_read(buf_bytes(bytes), LINK_MEMBER, &told, ret_frame, err);
}

static enum code give(struct carry *carry, struct taker *taker, struct buf *chunk, struct err *err)
{
	struct mono_time now = { carry->to->scene->now };
	struct store_txn *look;
	struct frame frame;
	enum code code;

	if (carry->change && !carry->change(carry->context, carry->carried++, chunk))
		return OK;
	read_frame(chunk, &frame, &code, err);
	if (code)
		return code;
	assert_int_equal(store_snapshot(carry->to->store, &look, NULL), OK);
	code = taker_take(taker, scene_node(carry->to->scene, carry->donor->key), &frame,
			  real_mesh(carry->to)->t0.members, look, now, err);
	store_end(look);
	return code;
}

/* The asks that came while others are answered are answered behind them. */
enum { ASKS = 8 };

struct asks {
	struct snap_debt all[ASKS];
	size_t count;
};

static void hear_ask(struct carry *carry, struct taker *taker, struct asks *asks)
{
	struct buf out = buf_growing(FRAME_MAX);
	struct frame frame;
	enum code code;

	while (taker_ask(taker, &out)) {
		read_frame(&out, &frame, &code, NULL);
		assert_int_equal(code, OK);
		assert_true(asks->count < ASKS);
		asks->all[asks->count] = snap_debt_of(&frame);
		if (carry->chunks)
			asks->all[asks->count].chunks = carry->chunks;
		asks->count++;
		carry->asks++;
		buf_clear(&out);
	}
	buf_done(&out);
}

static enum code answer(struct carry *carry, struct taker *taker, struct asks *asks, struct err *err)
{
	struct donor_window window;
	struct store_txn *look;
	struct buf chunk = buf_growing(2 * FRAME_MAX);
	enum code code;

	assert_int_equal(store_snapshot(carry->donor->store, &look, NULL), OK);
	code = donor_read(&window, look, &asks->all[0], err);
	assert_int_equal(code, OK);
	store_end(look);
	asks->count--;
	memmove(asks->all, asks->all + 1, asks->count * sizeof *asks->all);
	for (size_t i = 0; !code && i < window.count; i++) {
		buf_clear(&chunk);
		donor_put(&window, i, &chunk);
		assert_true(chunk.size <= FRAME_MAX);
		code = give(carry, taker, &chunk, err);
		hear_ask(carry, taker, asks);
	}
	buf_done(&chunk);
	donor_done(&window);
	return code;
}

enum code carry_all(struct carry *carry, struct taker *taker, struct err *err)
{
	struct asks asks = { .count = 0 };
	enum code code = OK;

	hear_ask(carry, taker, &asks);
	while (!code && asks.count)
		code = answer(carry, taker, &asks, err);
	return code;
}

void carry_whole(struct real *donor, struct real *to)
{
	struct snapshot *snapshot = &carry_mesh(to)->snapshot;
	struct carry carry = { .donor = donor, .to = to };
	struct err err = { 0 };

	taker_begin(&snapshot->taker, scene_node(to->scene, donor->key), to->scene->cluster,
		    (struct mono_time){ to->scene->now });
	if (carry_all(&carry, &snapshot->taker, &err))
		fail_msg("%s", err.text);
	assert_int_equal(snapshot->taker.stage, TAKER_IS_WHOLE);
	snapshot->stage = SNAPSHOT_READY;
}

struct installed carry_install(struct real *to, enum snapshot_way way)
{
	struct installed installed = { .forks = NULL };
	struct err err = { 0 };

	if (snapshot_install(carry_mesh(to), way, &installed, &err))
		fail_msg("%s", err.text);
	return installed;
}

void carry_again(struct two *two)
{
	taker_begin(&two->taker, scene_node(two->scene, 0), two->scene->cluster, (struct mono_time){ two->scene->now });
}

struct two carry_two(size_t writes)
{
	struct two two = { .scene = scene_new(3) };

	two.donor = real_boot(two.scene, 0);
	two.to = real_boot(two.scene, 1);
	for (size_t i = 0; i < writes; i++) {
		real_write(two.donor, 10 + 37 * i % 900, 0);
		real_forget(two.donor);
	}
	two.carry = (struct carry){ .donor = two.donor, .to = two.to };
	carry_again(&two);
	return two;
}

void carry_end(struct two *two)
{
	taker_end(&two->taker);
	scene_free(two->scene);
}

void carry_put_large(struct real *real, size_t cells)
{
	static struct record record;
	static uint8_t values[100][4010];
	struct id id = { { 0xaa, 1 } };
	struct arena arena = { 0 };
	struct store_txn *txn;
	bool is_changed;

	record = (struct record){ .count = cells };
	for (size_t i = 0; i < cells; i++) {
		struct buf value = buf_over(values[i], sizeof values[i]);
		uint8_t text[4000];

		memset(text, 'a', sizeof text);
		mp_put_text(&value, bytes_of(text, sizeof text));
		record.cells[i] = (struct cell){ .number = (uint32_t)(i + 2) << 2 | MERGE_LWW };
		record.cells[i].value = buf_bytes(&value);
		record.cells[i].stamp = (struct stamp){ hlc_make(1, 0), 1 };
	}
	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(state_merge(txn, NULL, 200 << 2 | TIER_SHARED, id, &record, &arena, &is_changed, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	arena_done(&arena);
}

void carry_put_proof(struct real *real, uint32_t key, uint64_t start)
{
	struct scene *scene = real->scene;
	struct buf proof = buf_growing(PROOF_MAX);
	struct store_txn *txn;

	proof_write_own(&scene->keys[key], scene->cluster, start, &proof);
	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(log_put_proof(txn, scene_node(scene, key), start, buf_bytes(&proof), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	buf_done(&proof);
}

void carry_put_stable(struct real *real)
{
	const struct mesh *mesh = real_mesh(real);
	struct store_txn *txn;

	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	for (size_t i = 0; i < mesh->vector.count; i++)
		assert_int_equal(
			log_put_ends(txn, TABLE_STABLE, mesh->vector.all[i].stream, &mesh->vector.all[i], 1, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

void carry_shrink(struct real *real)
{
	const struct mesh *mesh = real_mesh(real);
	struct store_txn *txn;

	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	for (size_t i = 0; i < mesh->vector.count; i++) {
		struct frontier at = mesh->vector.all[i];
		struct log_place place = { 0 };
		struct logged logged;

		while (!log_after(txn, at.stream, place, &logged, NULL)) {
			place = log_place_of(&logged);
			if (logged.last <= at.end.seq / 2)
				assert_int_equal(log_shrink(txn, &logged, LOG_FOOTPRINT, NULL), OK);
			else if (logged.last < at.end.seq && logged.last % 2)
				assert_int_equal(log_shrink(txn, &logged, LOG_HEADER, NULL), OK);
		}
	}
	assert_int_equal(store_commit(txn, NULL), OK);
}

struct two carry_parted(size_t common)
{
	struct two two = carry_two(common);
	struct wire *wire = scene_meet(two.scene, two.donor, two.to);

	scene_carry(two.scene);
	for (size_t i = 0; i < common; i++) {
		real_write(two.to, 50, 0);
		real_forget(two.to);
	}
	scene_pass(two.scene, 5000);
	assert_true(vector_equal(&real_mesh(two.donor)->vector, &real_mesh(two.to)->vector));
	scene_cut(wire);
	return two;
}

void carry_write(struct real *real, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		real_write(real, 60, 0);
		real_forget(real);
	}
}
