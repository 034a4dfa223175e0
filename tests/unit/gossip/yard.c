/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/yard.h"

#include "crdt/model/pack.h"
#include "crdt/state/dead.h"
#include "crdt/state/state.h"

#include <stdlib.h>

/* Nobody answers it, so after a while it goes on without. */
static void find_mesh(struct yard *yard)
{
	yard->mesh = (struct mesh *)(uintptr_t)real_mesh(yard->real);
	for (int i = 0; i < 3; i++) {
		real_tick(yard->real);
		yard->scene->now += 15000 * MS;
	}
}

struct yard *yard_new(size_t others)
{
	struct yard *yard = must_alloc(sizeof *yard);

	yard->scene = scene_new((uint32_t)others + 1);
	yard->real = real_boot(yard->scene, 0);
	yard->others = others;
	find_mesh(yard);
	for (size_t i = 0; i < others * YARD_LANES; i++) {
		uint32_t key = (uint32_t)(1 + i / YARD_LANES);

		yard->chains[i].signer = yard->scene->keys[key];
		yard->chains[i].stream =
			(struct stream){ scene_node(yard->scene, key), 1, (enum lane)(i % YARD_LANES) };
	}
	return yard;
}

void yard_free(struct yard *yard)
{
	scene_free(yard->scene);
	free(yard);
}

void yard_restart(struct yard *yard)
{
	real_end(yard->real);
	yard->real = real_boot(yard->scene, 0);
	find_mesh(yard);
}

struct op yard_lease(struct yard *yard, uint64_t number, size_t nonce, bool is_dead)
{
	struct arena *arena = &yard->scene->arena;
	struct lease_row row = { .address = { .size = 4, .bytes = { 10, 0, (uint8_t)(number >> 8), (uint8_t)number } },
				 .author = 5 };
	struct record *record = arena_take(arena, sizeof *record);
	struct buf map = buf_over(arena_take(arena, 300), 300);
	uint8_t room[16] = { 0 };
	struct op op = { .kind = KIND_lease, .is_dead = is_dead };

	memcpy(room, &number, sizeof number);
	row.nonce = bytes_of(room, nonce);
	row.has = BIT(AT_lease_nonce) | BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) |
		  BIT(AT_lease_author);
	pack_write(&KIND_TABLE(lease)->shape, &row, &map);
	assert_int_equal(record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	op.id = record_id(KIND_lease, record);
	if (!is_dead)
		op.map = buf_bytes(&map);
	return op;
}

static struct op setting(struct yard *yard, size_t size)
{
	struct arena *arena = &yard->scene->arena;
	struct setting_row row = { .name = bytes_text("of-the-yard") };
	struct record *record = arena_take(arena, sizeof *record);
	struct buf map = buf_over(arena_take(arena, size + 200), size + 200);
	struct op op = { .kind = KIND_setting };
	uint8_t *text = arena_take(arena, size + 1);

	memset(text, 'y', size);
	yard->scene->nonces++;
	row.nonce = bytes_of(&yard->scene->nonces, 8);
	row.value = bytes_of(text, size);
	row.has = BIT(AT_setting_nonce) | BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	op.map = buf_bytes(&map);
	assert_int_equal(record_from_op(op.map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	op.id = record_id(KIND_setting, record);
	return op;
}

static struct batch make(struct yard *yard, size_t chain, struct end before, const struct op *ops, size_t count)
{
	const struct yard_chain *of = &yard->chains[chain];
	struct buf entry = buf_growing(ENTRY_MAX), out = buf_growing(BATCH_MAX);
	struct batch batch;

	entry_write(hlc_make(yard->scene->wall.ms, 0), NULL, ops, count, &entry);
	batch_write(&of->signer, yard->scene->cluster, of->stream, before, buf_bytes(&entry), 1, &out);
	assert_int_equal(batch_read(arena_copy(&yard->scene->arena, buf_bytes(&out)), &batch, NULL), OK);
	buf_done(&entry);
	buf_done(&out);
	return batch;
}

void yard_write(struct yard *yard, size_t chain, const struct op *ops, size_t count)
{
	struct yard_chain *of = &yard->chains[chain];
	struct batch batch = make(yard, chain, of->ends[of->count], ops, count);

	assert_true(of->count < YARD_BATCHES);
	of->whole[++of->count] = batch.whole;
	of->ends[of->count] = batch.end;
}

void yard_write_large(struct yard *yard, size_t chain, size_t size)
{
	struct op op = setting(yard, size);

	yard_write(yard, chain, &op, 1);
}

struct batch yard_batch(struct yard *yard, size_t chain, struct end before, size_t size)
{
	struct op op = setting(yard, size);

	return make(yard, chain, before, &op, 1);
}

static void put(struct yard *yard, const struct batch *batch)
{
	struct mesh *mesh = yard->mesh;
	struct applying applying;
	struct applied applied;

	assert_int_equal(mesh_txn(mesh, NULL), OK);
	applying = mesh_applying(mesh);
	assert_int_equal(apply_batch(&applying, batch, &applied, NULL), OK);
	assert_int_equal(applied.voids, 0);
	assert_int_equal(log_put_batch(mesh->txn, batch, NULL), OK);
	trim_grew(&mesh->stable.trim, batch);
}

void yard_merge(struct yard *yard, const struct batch *batch)
{
	put(yard, batch);
	mesh_move(yard->mesh, batch);
	assert_int_equal(real_commit(yard->real), OK);
}

void yard_branch(struct yard *yard, const struct batch *batch)
{
	struct mesh *mesh = yard->mesh;
	struct end parent = { batch->first - 1, batch->before };
	const struct frontier *ends;
	size_t count;

	put(yard, batch);
	if (vector_has(&mesh->vector, batch->stream, parent))
		vector_drop(&mesh->vector, batch->stream, parent);
	vector_add(&mesh->vector, batch->stream, batch->end);
	ends = vector_ends(&mesh->vector, batch->stream, &count);
	assert_int_equal(log_put_ends(mesh->txn, TABLE_VECTOR, batch->stream, ends, count, NULL), OK);
	assert_int_equal(real_commit(yard->real), OK);
}

size_t yard_has(const struct yard *yard, size_t chain)
{
	const struct yard_chain *of = &yard->chains[chain];
	const struct end *end = vector_find(&yard->mesh->vector, of->stream);

	for (size_t i = 1; end && i <= of->count; i++)
		if (end_equal(of->ends[i], *end))
			return i;
	return 0;
}

void yard_merge_to(struct yard *yard, size_t chain, size_t count)
{
	for (size_t i = yard_has(yard, chain) + 1; i <= count; i++) {
		struct batch batch;

		assert_int_equal(batch_read(yard->chains[chain].whole[i], &batch, NULL), OK);
		yard_merge(yard, &batch);
	}
}

void yard_ack_own(struct yard *yard)
{
	const struct vector *own = &yard->mesh->vector;

	for (size_t k = 0; k < yard->mesh->peers_count; k++)
		for (size_t i = 0; i < own->count; i++)
			if (own->all[i].stream.node == yard->mesh->node)
				vector_note(&yard->mesh->peers[k]->acked, own->all[i].stream, own->all[i].end);
	yard->mesh->stable.is_touched = true;
}

struct peer *yard_peer(struct yard *yard, size_t other)
{
	return mesh_peer(yard->mesh, scene_node(yard->scene, (uint32_t)other + 1));
}

void yard_ack(struct yard *yard, size_t other, size_t chain, size_t count)
{
	const struct yard_chain *of = &yard->chains[chain];

	vector_note(&yard_peer(yard, other)->acked, of->stream, of->ends[count]);
	yard->mesh->stable.is_touched = true;
}

void yard_ack_all(struct yard *yard)
{
	for (size_t k = 0; k < yard->others; k++)
		for (size_t i = 0; i < yard->others * YARD_LANES; i++)
			yard_ack(yard, k, i, yard->chains[i].count);
}

void yard_look(struct yard *yard)
{
	yard->scene->now += STABLE_EVERY_MS * MS;
	real_tick(yard->real);
	for (int i = 0; stable_next(yard->mesh).ns != UINT64_MAX; i++) {
		assert_true(i < 2000);
		yard->scene->now += STABLE_STEP_MS * MS;
		real_tick(yard->real);
	}
}

static struct store_txn *snapshot(struct yard *yard)
{
	struct store_txn *txn;

	assert_int_equal(store_snapshot(yard->real->store, &txn, NULL), OK);
	return txn;
}

bool yard_is_there(struct yard *yard, const struct op *op)
{
	struct store_txn *txn = snapshot(yard);
	struct bytes record;
	bool is_there = !state_record(txn, op->kind, op->id, &record, NULL);

	store_end(txn);
	return is_there;
}

size_t yard_listed(struct yard *yard)
{
	struct store_txn *txn = snapshot(yard);
	size_t count = store_count(txn, TABLE_DEAD);

	store_end(txn);
	return count;
}

bool yard_form(struct yard *yard, size_t chain, size_t number, enum log_form *ret_form)
{
	const struct yard_chain *of = &yard->chains[chain];
	struct store_txn *txn = snapshot(yard);
	struct logged logged;
	bool is_there = !log_find(txn, of->stream, of->ends[number], &logged, NULL);

	if (is_there)
		*ret_form = logged.form;
	store_end(txn);
	return is_there;
}

static void check_entry(const struct yard *yard, const struct logged *logged)
{
	const struct mesh *mesh = yard->mesh;
	uint64_t stable = vector_seq(&mesh->stable.vector, logged->stream);
	size_t count;
	const struct frontier *ends = vector_ends(&mesh->vector, logged->stream, &count);

	assert_int_not_equal(count, 0);
	if (logged->form != LOG_FOOTPRINT)
		return;
	assert_true(logged->last <= stable);
	for (size_t i = 0; i < count; i++)
		assert_false(ends[i].end.seq == logged->last &&
			     !memcmp(ends[i].end.hash.bytes, &(uint64_t){ htobe64(logged->tail) }, 8));
}

void yard_check(struct yard *yard)
{
	struct store_txn *txn = snapshot(yard);
	struct vector stable = { 0 };
	struct stream stream = { 0 };
	uint64_t bytes = 0;

	assert_int_equal(log_read_vector(txn, TABLE_STABLE, &stable, NULL), OK);
	assert_true(vector_equal(&stable, &yard->mesh->stable.vector));
	vector_done(&stable);
	while (!log_next_stream(txn, TABLE_BATCH, &stream, &stream, NULL)) {
		struct log_place place = { 0 };
		struct logged logged;

		while (!log_after(txn, stream, place, &logged, NULL)) {
			check_entry(yard, &logged);
			bytes += TRIM_ENTRY + logged.bytes.size;
			place = log_place_of(&logged);
		}
	}
	if (!trim_is_counting(&yard->mesh->stable.trim))
		assert_int_equal(bytes, yard->mesh->stable.trim.bytes);
	store_end(txn);
	real_check(yard->real);
}
