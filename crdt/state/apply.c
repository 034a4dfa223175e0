/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/apply.h"

#include "crdt/model/record.h"
#include "crdt/state/state.h"

#include <stdlib.h>

enum { CHANGES_FIRST_ROOM = 64 };

void changes_add(struct changes *changes, uint32_t kind, struct id id)
{
	if (changes->count == changes->room) {
		changes->room = changes->room ? 2 * changes->room : CHANGES_FIRST_ROOM;
		changes->all = must_realloc(changes->all, changes->room * sizeof *changes->all);
	}
	changes->all[changes->count++] = (struct changed){ .kind = kind, .id = id };
}

void changes_clear(struct changes *changes)
{
	changes->count = 0;
}

void changes_done(struct changes *changes)
{
	free(changes->all);
	*changes = (struct changes){ 0 };
}

/* The op as a record of its own. */
static enum code read_op(const struct op *op, struct stamp stamp, struct record *ret_record, struct err *err)
{
	if (!op->is_dead)
		return record_from_op(op->map, stamp, ret_record, err);
	ret_record->is_dead = true;
	ret_record->count = 0;
	return OK;
}

static enum code judge_op(const struct op *op, struct stamp stamp, struct err *err)
{
	struct record record; /* only the cells that are counted are written */
	enum code code = read_op(op, stamp, &record, err);

	return code ? code : state_judge(op->kind, op->id, &record, err);
}

static enum code merge_op(struct applying *applying, const struct op *op, struct stamp stamp, struct err *err)
{
	struct arena_mark before = arena_mark(applying->arena);
	struct record record;
	bool is_changed = false;
	enum code code = read_op(op, stamp, &record, err);

	if (!code)
		code = state_merge_judged(applying->txn, applying->root, op->kind, op->id, &record, applying->arena,
					  &is_changed, err);
	if (is_changed && applying->changes)
		changes_add(applying->changes, op->kind, op->id);
	/* A batch may touch thousands of records, each as large as records get. */
	arena_release(applying->arena, before);
	return code;
}

static enum code judge_entry(uint64_t author, const struct entry *entry, struct err *err)
{
	struct stamp stamp = { .hlc = entry->hlc, .node = author };
	struct reader ops = reader_over(entry->ops);
	enum code code = OK;
	struct op op;

	while (!code && entry_next(&ops, &op))
		code = judge_op(&op, stamp, err);
	return code;
}

static enum code merge_entry(struct applying *applying, uint64_t author, const struct entry *entry, struct err *err)
{
	struct stamp stamp = { .hlc = entry->hlc, .node = author };
	struct reader ops = reader_over(entry->ops);
	enum code code = OK;
	struct op op;

	while (!code && entry_next(&ops, &op))
		code = merge_op(applying, &op, stamp, err);
	return code;
}

enum code apply_entry(struct applying *applying, uint64_t author, const struct entry *entry, struct err *err)
{
	enum code code = judge_entry(author, entry, err);

	return code ? code : merge_entry(applying, author, entry, err);
}

enum code apply_batch(struct applying *applying, const struct batch *batch, struct applied *ret_applied,
		      struct err *err)
{
	struct reader entries = reader_over(batch->entries);
	uint64_t author = batch->stream.node;
	struct applied applied = { 0 };
	enum code validity, code = OK;
	struct entry entry;

	while (!code && batch_next(&entries, author, &entry, &validity, NULL)) {
		if (validity || judge_entry(author, &entry, NULL))
			continue;
		code = merge_entry(applying, author, &entry, err);
		applied.entries++;
		if (hlc_compare(entry.hlc, applied.latest) > 0)
			applied.latest = entry.hlc;
	}
	if (code)
		return code;
	/* Also those that cannot even be told apart. */
	applied.voids = batch->count - applied.entries;
	*ret_applied = applied;
	return OK;
}
