/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_closing.h"
#include "crdt/log/proof.h"
#include "crdt/model/pack.h"
#include "crdt/state/closing.h"
#include "crdt/state/state.h"

#include <stdlib.h>

/* --- What the rows that a disk has merged say, and its proofs. */

enum { ALL_STARTS = 0 };

/* Whether members write closing rows at all. */
static const bool has_rows = true;

/* A row: who says so, of whom, and of which start; or a proof, by nobody. */
struct said {
	uint64_t author, subject, start;
};

struct closed_starts {
	struct frontier *named;
	struct said *rows, *proofs;
	size_t named_count, named_room, rows_count, rows_room, proofs_count, proofs_room;
};

static void closings_done(struct closed_starts *closings)
{
	free(closings->named);
	free(closings->rows);
	free(closings->proofs);
}

static void add_said(struct said **all, size_t *count, size_t *room, struct said said)
{
	if (*count == *room) {
		*room = 2 * *room + 16;
		*all = must_realloc(*all, *room * sizeof **all);
	}
	(*all)[(*count)++] = said;
}

static void add_named(struct closed_starts *closings, struct frontier f)
{
	if (closings->named_count == closings->named_room) {
		closings->named_room = 2 * closings->named_room + 16;
		closings->named = must_realloc(closings->named, closings->named_room * sizeof *closings->named);
	}
	closings->named[closings->named_count++] = f;
}

static void add_row(struct closed_starts *closings, const struct closing_row *row)
{
	struct reader items = reader_over(row->ends.items);
	uint64_t start = row->has & BIT(AT_closing_start) ? row->start : ALL_STARTS;
	struct chain_end_row end;
	struct bytes map;

	add_said(&closings->rows, &closings->rows_count, &closings->rows_room,
		 (struct said){ row->node, row->subject, start });
	while (pack_next(FIELD_TABLE(closing, ends), &items, &map)) {
		struct frontier f = { .stream.node = row->subject };

		if (pack_read(&model_parts[PART_chain_end], map, true, &end, NULL))
			continue;
		f.stream.start = end.start;
		f.stream.lane = (enum lane)end.lane;
		f.end.seq = end.seq;
		memcpy(f.end.hash.bytes, end.hash.data, sizeof f.end.hash.bytes);
		/* It speaks of what it closes, and of nothing else. */
		if (start == ALL_STARTS || end.start == start)
			add_named(closings, f);
	}
}

static enum code add_proof(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	struct closed_starts *closings = context;

	(void)proof;
	(void)err;
	add_said(&closings->proofs, &closings->proofs_count, &closings->proofs_room, (struct said){ 0, node, start });
	return OK;
}

static struct closed_starts read_closings(struct store_txn *txn)
{
	struct closed_starts closings = { 0 };
	struct state_cursor *cursor;
	struct closing_row row;
	uint32_t kind;
	struct id id;

	log_read_proofs(txn, add_proof, &closings, NULL);
	if (state_all(txn, KIND_closing, bytes_of(NULL, 0), &cursor, NULL))
		return closings;
	while (!state_next(cursor, &kind, &id, NULL))
		if (!state_row(txn, KIND_TABLE(closing), id, &row, NULL))
			add_row(&closings, &row);
	state_find_end(cursor);
	return closings;
}

static bool is_proven(const struct closed_starts *closings, uint64_t node, uint64_t start)
{
	for (size_t i = 0; i < closings->proofs_count; i++)
		if (closings->proofs[i].subject == node && closings->proofs[i].start == start)
			return true;
	return false;
}

static bool has_row(const struct closed_starts *closings, uint64_t author, uint64_t subject, uint64_t start)
{
	for (size_t i = 0; i < closings->rows_count; i++)
		if (closings->rows[i].author == author && closings->rows[i].subject == subject &&
		    closings->rows[i].start == start)
			return true;
	return false;
}

/* Whether some row names it, or what comes behind it. */
static bool is_named(const struct check *check, const struct closed_starts *closings, const struct frontier *f)
{
	for (size_t i = 0; i < closings->named_count; i++)
		if (!stream_compare(&closings->named[i].stream, &f->stream) &&
		    chains_lead(&check->chains, f->stream, closings->named[i].end, f->end))
			return true;
	return false;
}

/* --- Invariant 7: nothing beyond a closing limit is merged. */

/* Of a start that this member closed by a row of its own: whatever is merged of it, somebody named. */
static void check_limit(struct check *check, struct machine *m, const struct closed_starts *closings,
			struct said closed)
{
	const struct mesh *mesh = check_mesh(m);

	if (!has_row(closings, mesh->node, closed.subject, closed.start))
		return;
	for (size_t i = 0; i < mesh->vector.count; i++) {
		const struct frontier *f = &mesh->vector.all[i];

		if (f->stream.node != closed.subject || (closed.start != ALL_STARTS && f->stream.start != closed.start))
			continue;
		check->counts.full[7]++;
		if (!is_named(check, closings, f))
			check_violate(check, 7, m,
				      "of the closed start %llx of %016llx it has %llu, which nobody named",
				      (unsigned long long)f->stream.start, (unsigned long long)f->stream.node,
				      (unsigned long long)f->end.seq);
	}
}

bool check_may_move(struct check *check, struct machine *m, const struct frontier *f)
{
	struct store_txn *txn = check_snapshot(check, m);
	struct closed_starts closings = txn ? read_closings(txn) : (struct closed_starts){ 0 };
	bool may = !txn || is_named(check, &closings, f);

	store_end(txn);
	closings_done(&closings);
	return may;
}

/* --- Invariant 4: a proof closes a start that forked, and no other. */

static bool may_be_closed(const struct check *check, uint64_t node)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (check->world->machines[i].id == node && check->disks[i].may_fork)
			return true;
	return false;
}

static void check_proofs(struct check *check, struct machine *m, const struct closed_starts *closings)
{
	for (size_t i = 0; i < closings->proofs_count; i++) {
		check->counts.full[4]++;
		if (!may_be_closed(check, closings->proofs[i].subject))
			check_violate(check, 4, m, "it has a proof against %016llx, which never forked",
				      (unsigned long long)closings->proofs[i].subject);
		check_limit(check, m, closings, closings->proofs[i]);
	}
}

void check_closings(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct closed_starts closings = read_closings(txn);
	const struct disk *disk = &check->disks[m->at];

	check_proofs(check, m, &closings);
	for (size_t i = 0; i < disk->evicted_count; i++)
		check_limit(check, m, &closings, (struct said){ 0, disk->evicted[i], ALL_STARTS });
	closings_done(&closings);
}

/* --- At rest. */

/* Every member that stands has said what it had. */
static void check_all_said(struct check *check, struct machine *m, const struct closed_starts *closings,
			   struct said closed)
{
	size_t count;
	const struct member *all = members_all(check_mesh(m)->t0.members, &count);

	for (size_t i = 0; has_rows && i < count; i++) {
		uint32_t at = check_machine_of(check, all[i].node);

		/* One that nobody ever heard of, or that is down, says nothing; and nobody asks a liar. */
		if (all[i].is_evicted || at == UINT32_MAX || !check_stands(check, at) || check->disks[at].is_evil)
			continue;
		check->counts.full[12]++;
		if (!has_row(closings, all[i].node, closed.subject, closed.start))
			check_violate(check, 12, m, "machine %s has not said what it had of start %llx of %016llx",
				      world_name(check->world, at), (unsigned long long)closed.start,
				      (unsigned long long)closed.subject);
	}
}

void check_closed(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct closed_starts closings = read_closings(txn);
	const struct disk *disk = &check->disks[m->at];
	const struct vector *vector = &check_mesh(m)->vector;

	for (size_t i = 0; i < closings.proofs_count; i++)
		if (!check_is_evicted(m, closings.proofs[i].subject))
			check_all_said(check, m, &closings, closings.proofs[i]);
	for (size_t i = 0; i < disk->evicted_count; i++)
		check_all_said(check, m, &closings, (struct said){ 0, disk->evicted[i], ALL_STARTS });
	for (size_t i = 1; i < vector->count; i++) {
		const struct stream *stream = &vector->all[i].stream;

		check->counts.full[4]++;
		if (!stream_compare(stream, &vector->all[i - 1].stream) && !check_is_evicted(m, stream->node) &&
		    !is_proven(&closings, stream->node, stream->start))
			check_violate(check, 4, m, "start %llx of %016llx has two histories, and is not closed",
				      (unsigned long long)stream->start, (unsigned long long)stream->node);
	}
	closings_done(&closings);
}

/* --- Whoever inherits. */

/* What is known of a gate, and the statements by which it was looked at last, beside a disk's marks. */
enum { MARK_GATE = 0x67617465, MARK_MEMBERS };

static struct check_item *gate_mark(struct check *check, const struct machine *m, uint64_t node)
{
	return check_map_put(&check->disks[m->at].marks, (struct sum){ node, MARK_GATE });
}

void check_gates_booted(struct check *check, const struct machine *m)
{
	const struct lend_gates *gates = &check_mesh(m)->lend.gates;

	for (size_t i = 0; i < gates->count; i++)
		if (gates->all[i].kind == GATE_INHERIT)
			gate_mark(check, m, gates->all[i].number)->words[0] = true;
}

/* Whether the statements are those of the step before. */
static bool has_same_members(struct check *check, const struct machine *m)
{
	struct check_item *item = check_map_put(&check->disks[m->at].marks, (struct sum){ MARK_MEMBERS, MARK_MEMBERS });
	struct sum now = check_mesh(m)->t0.sum;
	bool is_same = item->words[0] == now.low && item->words[1] == now.high;

	item->words[0] = now.low;
	item->words[1] = now.high;
	return is_same;
}

static bool is_sound(const struct check *check, uint32_t machine)
{
	const struct disk *disk = &check->disks[machine];

	return !disk->may_fork && !disk->was_lost && !disk->is_damaged && !disk->is_evil;
}

/* All that the other had of the node, when it learned that it is evicted, is here. */
static void check_inherited(struct check *check, struct machine *m, uint64_t node, uint32_t other)
{
	const struct vector *frozen = &check->disks[other].frozen;

	for (size_t i = 0; i < frozen->count; i++) {
		const struct frontier *f = &frozen->all[i];

		check->counts.partial[5]++;
		if (f->stream.node == node && f->end.seq &&
		    !chains_cover(&check->chains, &check_mesh(m)->vector, f->stream, f->end))
			check_violate(check, 5, m, "it inherits without what machine %s has of %016llx",
				      world_name(check->world, other), (unsigned long long)node);
	}
}

static void check_gate(struct check *check, struct machine *m, struct store_txn *txn, uint64_t node)
{
	const struct mesh *mesh = check_mesh(m);
	uint32_t whose = check_machine_of(check, node);
	bool may_be_less = !is_sound(check, m->at) || whose == UINT32_MAX || !is_sound(check, whose);

	for (size_t i = 0; i < mesh->peers_count; i++) {
		uint64_t peer = mesh->peers[i]->node;
		uint32_t other = check_machine_of(check, peer);
		bool has = true;

		check->counts.partial[5]++;
		if (!closing_has_row(txn, peer, (struct closed_start){ .node = node }, &check->arena, &has, NULL) &&
		    !has)
			check_violate(check, 5, m, "it inherits what was %016llx's before all have said what they have",
				      (unsigned long long)node);
		if (!may_be_less && other != UINT32_MAX && is_sound(check, other))
			check_inherited(check, m, node, other);
	}
	arena_reset(&check->arena);
}

void check_gates(struct check *check, struct machine *m)
{
	const struct lend_gates *gates = &check_mesh(m)->lend.gates;
	const struct disk *disk = &check->disks[m->at];
	bool is_same = has_same_members(check, m);

	for (size_t i = 0; i < gates->count; i++) {
		const struct lend_gate *gate = &gates->all[i];
		struct store_txn *txn;

		if (gate->kind != GATE_INHERIT || !gate->is_met || gate_mark(check, m, gate->number)->words[0])
			continue;
		gate_mark(check, m, gate->number)->words[0] = true;
		txn = is_same && !disk->is_damaged && !disk->is_evil ? check_snapshot(check, m) : NULL;
		if (txn)
			check_gate(check, m, txn, gate->number);
		store_end(txn);
	}
}
