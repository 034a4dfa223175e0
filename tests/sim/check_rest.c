/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/state.h"
#include "tests/sim/check_closing.h"

#include <assert.h>
#include <stdlib.h>

/* --- Equal vectors, the same bytes (1). */

struct side {
	const struct check *check;
	bool is_whole; /* nothing of it was collected */
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;
};

static bool side_open(struct side *side, const struct check *check, struct store_txn *txn)
{
	uint8_t table = TABLE_RECORD;

	*side = (struct side){ .check = check, .txn = txn };
	return txn && !store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &side->cursor, NULL);
}

static void side_next(struct side *side)
{
	side->code = store_next(side->cursor, &side->key, &side->value, NULL);
	if (side->code)
		side->key = side->value = bytes_of(NULL, 0);
}

/* Whether a start was ever closed, of which more than was waited for may be merged later. */
static bool may_come_late(const struct check *check)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (check->disks[i].may_fork || check->disks[i].evicted_room)
			return true;
	return false;
}

/* What collecting may have to do with it. */
struct remains {
	bool may_go; /* dead, and nobody makes it again: it has a random nonce, and nothing hangs on it for good */
	bool is_made_again; /* without its identity, by what came of a closed start when it had been collected */
};

static struct remains look_at(const struct side *side)
{
	struct record *record = must_alloc(sizeof *record);
	struct bytes nonce = bytes_of("\xc4\x08", 2);
	struct remains remains = { .may_go = false };
	uint32_t kind;
	struct id id;

	if (record_key_read(side->key, &kind, &id) && !record_read(side->value, record, NULL)) {
		remains.may_go = record->is_dead && record->count && kind != KIND_user &&
				 record->cells[0].number == MERGE_ONCE &&
				 bytes_start_with(record->cells[0].value, nonce);
		remains.is_made_again = !record_has_identity(record) && may_come_late(side->check);
	}
	free(record);
	return remains;
}

/* The same bytes, or a mark that was collected on one side at least; what was made again weighs nothing either. */
static bool is_alike(const struct side *a, const struct side *b)
{
	struct remains of_a, of_b;

	if (bytes_equal(a->value, b->value))
		return true;
	of_a = look_at(a);
	of_b = look_at(b);
	return (of_a.is_made_again && (of_b.is_made_again || of_b.may_go)) || (of_a.may_go && of_b.is_made_again);
}

/* Whether the other side, which has not got it, may have collected it. */
static bool may_be_missing(const struct side *side, const struct side *other)
{
	struct remains remains = look_at(side);

	return !other->is_whole && (remains.may_go || remains.is_made_again);
}

/* Steps over marks of the dead that the other side has collected. False: they differ in more than that. */
static bool meet(struct side *a, struct side *b)
{
	for (;;) {
		int order = bytes_compare(a->key, b->key);
		struct side *first = b->code || (!a->code && order < 0) ? a : b;

		if (a->code == b->code && !order)
			return is_alike(a, b);
		if (first->code || !may_be_missing(first, first == a ? b : a))
			return false;
		side_next(first);
	}
}

/* Whether both tables of records have the same bytes; of the first all may be there. A damaged one is not judged. */
static bool is_same(const struct check *check, struct store_txn *a, bool is_whole, struct store_txn *b)
{
	struct side sides[2];
	bool is_same = true;

	if (!side_open(&sides[0], check, a))
		return true;
	sides[0].is_whole = is_whole;
	if (side_open(&sides[1], check, b)) {
		do {
			side_next(&sides[0]);
			side_next(&sides[1]);
			is_same = meet(&sides[0], &sides[1]);
		} while (is_same && !sides[0].code && !sides[1].code);
		for (size_t i = 0; i < 2; i++)
			is_same |= sides[i].code && sides[i].code != E_ABSENT;
		store_range_end(sides[1].cursor);
	}
	store_range_end(sides[0].cursor);
	return is_same;
}

static void compare_records(struct check *check, struct machine *a, struct machine *b)
{
	struct store_txn *of_a = check_snapshot(check, a), *of_b = check_snapshot(check, b);

	check->counts.full[1]++;
	if (of_a && of_b && !is_same(check, of_a, false, of_b))
		check_violate(check, 1, b, "its vector is that of machine %s, its records are not", a->name);
	store_end(of_a);
	store_end(of_b);
}

/* Each with the first before it that has merged the same. */
static void compare_all(struct check *check)
{
	struct world *world = check->world;

	for (uint32_t i = 1; i < world->options.machines; i++)
		for (uint32_t j = 0; j < i; j++) {
			const struct mesh *one = world_mesh(world, j), *other = world_mesh(world, i);

			if (!one || !other || check->disks[j].is_damaged || !vector_equal(&one->vector, &other->vector))
				continue;
			compare_records(check, &world->machines[j], &world->machines[i]);
			break;
		}
}

void check_full(struct check *check)
{
	struct world *world = check->world;

	for (uint32_t i = 0; i < world->options.machines; i++)
		if (world->machines[i].node)
			check_machine(check, &world->machines[i]);
	if (!check->violation[0])
		compare_all(check);
}

/* --- All batches anew, in another order (1). */

struct batches {
	struct bytes *all;
	size_t count;
};

/*
 * All that was ever merged and is merged here, wherever it still lies. What is not merged here does not count: an
 * evicted member's last words.
 */
static struct batches gather(const struct check *check, const struct vector *merged)
{
	struct batches batches = { .all = must_alloc((check->chains.count + 1) * sizeof *batches.all) };

	for (size_t i = 0; i < check->chains.count; i++) {
		struct batch batch;

		if (!batch_read(check->chains.all[i], &batch, NULL) &&
		    chains_cover(&check->chains, merged, batch.stream, batch.end))
			batches.all[batches.count++] = check->chains.all[i];
	}
	return batches;
}

static void shuffle(struct batches *batches, uint64_t seed)
{
	struct rng rng = rng_from_number(seed);

	for (size_t i = batches->count; i > 1; i--) {
		size_t other = (size_t)rng_below(&rng, i);
		struct bytes one = batches->all[i - 1];

		batches->all[i - 1] = batches->all[other];
		batches->all[other] = one;
	}
}

static enum code apply_all(struct batches *batches, struct store *store, struct arena *arena)
{
	struct store_txn *txn;
	struct applying applying = { .arena = arena };
	enum code code = store_begin(store, &txn, NULL);

	applying.txn = txn;
	for (size_t i = 0; !code && i < batches->count; i++) {
		struct applied applied;
		struct batch batch;

		code = batch_read(batches->all[i], &batch, NULL);
		if (!code)
			code = apply_batch(&applying, &batch, &applied, NULL);
		arena_reset(arena);
	}
	return code ? code : store_commit(txn, NULL);
}

/* The state that all batches make, whatever their order, is the one that everybody has. */
static void check_fold(struct check *check, struct machine *m)
{
	static const struct hash_key key = { "another disk's" };
	struct mem_disk *disk = mem_disk_new();
	struct batches batches = gather(check, &check_mesh(m)->vector);
	struct store_txn *anew, *theirs = check_snapshot(check, m);
	struct store *store;
	enum code code;

	shuffle(&batches, check->world->options.seed + check->steps);
	code = mem_store_open(disk, &key, &store, NULL);
	assert(!code);
	code = apply_all(&batches, store, &check->arena);
	if (!code)
		code = store_snapshot(store, &anew, NULL);
	assert(!code);
	check->counts.full[1]++;
	if (theirs && !is_same(check, anew, true, theirs))
		check_violate(check, 1, m, "%zu batches make another state in another order", batches.count);
	store_end(anew);
	store_end(theirs);
	store_close(store);
	mem_disk_free(disk);
	free(batches.all);
}

/* --- At rest. */

bool check_stands(const struct check *check, uint32_t machine)
{
	const struct world *world = check->world;
	const struct mesh *own = world_mesh(world, machine);

	for (uint32_t i = 0; own && i < world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(world, i);
		const struct member *member = mesh ? members_find(mesh->t0.members, own->node) : NULL;

		if (member && member->is_evicted)
			return false;
	}
	return own && own->is_member;
}

static void check_one(struct check *check, struct machine *first, struct machine *m)
{
	const struct mesh *a = check_mesh(first), *b = check_mesh(m);

	check->counts.full[12]++;
	if (!sum_equal(a->t0.sum, b->t0.sum))
		check_violate(check, 12, m, "it has %zu statements, machine %s %zu", b->t0.count, first->name,
			      a->t0.count);
	for (size_t i = 0; i < a->vector.count; i++) {
		const struct frontier *f = &a->vector.all[i];
		const struct end *end = vector_find(&b->vector, f->stream);

		if (!vector_has(&b->vector, f->stream, f->end))
			check_violate(check, 12, m, "of lane %u of %s%016llx it has %llu, machine %s has %llu",
				      f->stream.lane, check_is_evicted(m, f->stream.node) ? "the evicted " : "",
				      (unsigned long long)f->stream.node, (unsigned long long)(end ? end->seq : 0),
				      first->name, (unsigned long long)f->end.seq);
	}
	if (!vector_equal(&a->vector, &b->vector))
		check_violate(check, 12, m, "it has streams that machine %s has not", first->name);
}

void check_rest(struct check *check)
{
	struct world *world = check->world;
	struct machine *first = NULL;

	check_full(check);
	for (uint32_t i = 0; i < world->options.machines && !check->violation[0]; i++) {
		struct store_txn *txn;

		if (!check_stands(check, i) || check->disks[i].is_damaged)
			continue;
		if (!first)
			first = &world->machines[i];
		txn = check_snapshot(check, &world->machines[i]);
		if (txn) {
			check_promises(check, &world->machines[i], txn);
			check_closed(check, &world->machines[i], txn);
			check_all_revoked(check, &world->machines[i], txn);
			check_spends(check, &world->machines[i], txn);
		}
		store_end(txn);
		check_one(check, first, &world->machines[i]);
	}
	if (first && !check->violation[0])
		check_fold(check, first);
}
