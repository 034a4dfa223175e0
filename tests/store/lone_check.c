/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/lone_check.h"

#include "crdt/log/log.h"
#include "crdt/state/state.h"
#include "tests/unit/base/check.h"

static void must(enum code code, const struct err *err)
{
	if (code)
		fail_msg("%s: %s", code_name(code), err->text);
}

static void must_be_whole(enum code code, const struct findings *findings, const struct err *err)
{
	if (findings->count)
		fail_msg("%zu findings, the first: %s", findings->count, findings->first);
	must(code, err);
}

/* Whether a batch goes on where `before` ended, of which a footprint has no more than the beginning of its hash. */
static void check_follows(const struct logged *logged, const struct logged *before, struct id *hash)
{
	struct batch batch;
	struct err err = { 0 };

	assert_int_equal(logged->first, before->last + 1);
	if (logged->form == LOG_FOOTPRINT)
		return;
	if (logged->form == LOG_WHOLE)
		must(batch_read(logged->bytes, &batch, &err), &err);
	else
		must(batch_read_front(logged->bytes, &batch, &err), &err);
	assert_int_equal(batch.end.seq, logged->last);
	assert_int_equal(log_place_at((struct end){ before->last, batch.before }).tail, before->tail);
	assert_true(before->form == LOG_FOOTPRINT || id_equal(batch.before, *hash));
	*hash = batch.end.hash;
}

/* A stream, batch by batch, from its first on: each goes on where the one before it ended, and below is less of them.
 */
static uint64_t walk_stream(struct store_txn *txn, const struct frontier *last)
{
	struct logged before = { .form = LOG_FOOTPRINT }, logged;
	struct id hash = { { 0 } };
	struct err err = { 0 };
	enum code code;

	while (!(code = log_after(txn, last->stream, log_place_of(&before), &logged, &err))) {
		check_follows(&logged, &before, &hash);
		assert_true(logged.form <= before.form);
		before = logged;
	}
	assert_int_equal(code, E_ABSENT);
	assert_int_equal(before.last, last->end.seq);
	assert_int_equal(before.tail, log_place_at(last->end).tail);
	assert_true(before.form == LOG_FOOTPRINT || id_equal(hash, last->end.hash));
	return before.last;
}

/* Each change is one entry, in one lane or another. */
static uint64_t count_changes(struct store_txn *txn)
{
	struct vector vector = { 0 };
	struct err err = { 0 };
	uint64_t count = 0;

	must(log_read_vector(txn, TABLE_VECTOR, &vector, &err), &err);
	for (size_t i = 0; i < vector.count; i++)
		count += walk_stream(txn, &vector.all[i]);
	vector_done(&vector);
	return count;
}

static void check_root(struct store_txn *txn)
{
	struct root stored, computed;
	struct statement *all;
	struct arena arena = { 0 };
	struct err err = { 0 };
	size_t count;

	must(log_read_statements(txn, &arena, &all, &count, &err), &err);
	/* Killed before it was founded. */
	if (count) {
		must(root_find(txn, &stored, &err), &err);
		must(root_compute(txn, all[0].cluster, &computed, &err), &err);
		assert_memory_equal(stored.buckets, computed.buckets, sizeof stored.buckets);
	}
	arena_done(&arena);
}

/* Which change gave the user of `made` its note last; 0: it was removed. */
static uint64_t version_of(uint64_t made, uint64_t count)
{
	uint64_t version = made, of;

	for (uint64_t number = made + 1; number <= count && number <= made + 8; number++) {
		enum lone_what what = lone_what(number, &of);

		if (what != LONE_MAKE && of == made)
			version = what == LONE_SET ? number : 0;
	}
	return version;
}

static void check_user(struct store_txn *txn, uint64_t made, uint64_t version)
{
	uint8_t note[LONE_NOTE_MAX];
	struct user_row row;
	struct err err = { 0 };
	struct id id;
	enum code code = lone_find(txn, made, &id, &err);

	if (!version) {
		assert_int_equal(code, E_ABSENT);
		return;
	}
	if (code)
		fail_msg("what change %llu made is not there: %s", (unsigned long long)made, err.text);
	must(state_row(txn, KIND_TABLE(user), id, &row, &err), &err);
	assert_true(bytes_equal(row.note, lone_note(version, note)));
}

static void check_users(struct store_txn *txn, uint64_t count)
{
	uint64_t of;

	for (uint64_t number = 1; number <= count; number++)
		if (lone_what(number, &of) == LONE_MAKE)
			check_user(txn, number, version_of(number, count));
	for (uint64_t number = count + 1; number <= count + LONE_COMMIT_MAX; number++)
		check_user(txn, number, 0);
}

/* No commit is there in part. */
static void check_boundary(uint64_t count)
{
	uint64_t done = 0;

	while (done < count)
		done += lone_commit_size(done + 1);
	assert_int_equal(done, count);
}

uint64_t lone_check(struct store *store)
{
	struct findings findings = { 0 };
	struct store_txn *txn;
	struct err err = { 0 };
	uint64_t count;
	enum code code;

	must(store_snapshot(store, &txn, &err), &err);
	code = state_check(txn, findings_note, &findings, &err);
	must_be_whole(code, &findings, &err);
	code = log_check(txn, findings_note, &findings, &err);
	must_be_whole(code, &findings, &err);
	count = count_changes(txn);
	check_boundary(count);
	check_root(txn);
	check_users(txn, count);
	store_end(txn);
	return count;
}

uint64_t lone_check_all(const struct scratch *scratch, struct store *store)
{
	scratch_assert_whole(scratch, store);
	return lone_check(store);
}

void lone_check_memory(const struct lone *lone)
{
	const struct mesh *mesh = node_mesh(lone->node);
	struct vector vector = { 0 };
	struct err err = { 0 };
	struct store_txn *txn;
	struct root stored;

	must(store_snapshot(lone->store, &txn, &err), &err);
	must(log_read_vector(txn, TABLE_VECTOR, &vector, &err), &err);
	assert_true(vector_equal(&vector, &mesh->vector));
	must(root_find(txn, &stored, &err), &err);
	assert_memory_equal(stored.buckets, mesh->root.buckets, sizeof stored.buckets);
	assert_int_equal(store_count(txn, TABLE_STATEMENT), mesh->t0.count);
	assert_true(mesh->is_member);
	vector_done(&vector);
	store_end(txn);
}
