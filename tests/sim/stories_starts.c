/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_starts.h"

#include "crdt/gossip/mesh.h"
#include "crdt/log/proof.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"
#include "tests/sim/stories_inside.h"

#include <stdlib.h>

enum { STARTS_MAX = 32, ROWS_MAX = 100, FIRST_START = 1 };

struct story_starts {
	struct closed_start fresh[STARTS_MAX]; /* each but the first of a node, as they were met */
	size_t fresh_count;
	struct id rows[ROWS_MAX]; /* that were told */
	size_t rows_count;
	struct seen {
		uint64_t start;
		size_t proofs;
		uint32_t evicted; /* a bit for each machine */
		enum exchange_stage stage;
		uint64_t waiting, let_in, dropped, replaced, joined;
		struct id rows[8]; /* that it wrote in this commit */
		size_t rows_count;
	} seen[STORY_MACHINES];
};

/* --- What starts and nodes are called. */

static uint32_t machine_of(const struct story *story, uint64_t node)
{
	uint32_t who = 0;

	while (who < story->world->options.machines && story->world->machines[who].id != node)
		who++;
	return who;
}

/* As the story counts them. */
static uint32_t number_of(struct story *story, uint64_t node, uint64_t start)
{
	struct story_starts *starts = story->starts;
	uint32_t number = FIRST_START;

	if (start == FIRST_START)
		return FIRST_START;
	for (size_t i = 0; i < starts->fresh_count; i++) {
		number += starts->fresh[i].node == node;
		if (starts->fresh[i].node == node && starts->fresh[i].start == start)
			return number;
	}
	MUST(story, starts->fresh_count < STARTS_MAX);
	starts->fresh[starts->fresh_count++] = (struct closed_start){ node, start };
	return number + 1;
}

/* 0: the story has met no such. */
static uint64_t start_of(const struct story *story, uint64_t node, uint32_t number)
{
	if (number <= FIRST_START)
		return number;
	for (size_t i = 0; i < story->starts->fresh_count; i++)
		if (story->starts->fresh[i].node == node && --number == FIRST_START)
			return story->starts->fresh[i].start;
	return 0;
}

static void put_start(struct story *story, uint64_t node, uint64_t start, struct buf *out)
{
	put_format(out, "%c's start %" PRIu32, 'A' + (int)machine_of(story, node), number_of(story, node, start));
}

static void hear(struct story *story, uint32_t at, const char *one, const char *several, struct buf *text)
{
	buf_put_byte(text, 0);
	if (story->is_told)
		story_hear(story, at, one, several, (const char *)text->data);
	buf_clear(text);
}

/* --- Ends. */

static const char *const lanes[LANES] = { "urgent", "others", "bulk" };

/* "urgent up to 1, others up to 3 and up to 4" */
static void put_ends(const struct frontier *ends, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		bool is_branch = i && !stream_compare(&ends[i].stream, &ends[i - 1].stream);

		if (is_branch)
			buf_put_text(out, " and");
		else
			put_format(out, "%s%s", i ? ", " : "", lanes[ends[i].stream.lane]);
		put_format(out, " up to %" PRIu64, ends[i].end.seq);
	}
}

/* Those of one start follow each other: where they end. */
static size_t end_of(const struct frontier *ends, size_t count, size_t from)
{
	size_t to = from + 1;

	while (to < count && ends[to].stream.start == ends[from].stream.start)
		to++;
	return to;
}

/* "start 1: urgent up to 1, others up to 3; start 2: others up to 1", by the story's numbers. */
static void put_starts(struct story *story, const struct frontier *ends, size_t count, struct buf *out)
{
	bool is_first = true;

	for (uint32_t number = FIRST_START; number <= STARTS_MAX; number++)
		for (size_t from = 0, to; from < count; from = to) {
			to = end_of(ends, count, from);
			if (number_of(story, ends[from].stream.node, ends[from].stream.start) != number)
				continue;
			put_format(out, "%sstart %" PRIu32 ": ", is_first ? "" : "; ", number);
			put_ends(ends + from, to - from, out);
			is_first = false;
		}
	if (!count)
		buf_put_text(out, "nothing");
}

/* --- Rows. */

static size_t read_ends(struct story *story, const struct closing_row *row, struct frontier *ends, size_t most)
{
	struct reader items = reader_over(row->ends.items);
	struct chain_end_row end;
	struct bytes part;
	size_t count = 0;

	while (row->has & BIT(AT_closing_ends) && pack_next(FIELD_TABLE(closing, ends), &items, &part)) {
		MUST(story, count < most && !pack_read(&model_parts[PART_chain_end], part, true, &end, NULL));
		ends[count] = (struct frontier){ { row->subject, end.start, (enum lane)end.lane }, { .seq = end.seq } };
		memcpy(ends[count++].end.hash.bytes, end.hash.data, end.hash.size);
	}
	return count;
}

static void tell_row(struct story *story, uint32_t at, const struct closing_row *row)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);
	struct frontier ends[64];
	size_t count = read_ends(story, row, ends, COUNT(ends));

	if (row->has & BIT(AT_closing_start)) {
		put_start(story, row->subject, row->start, &text);
		buf_put_text(&text, ": ");
		put_ends(ends, count, &text);
		buf_put_text(&text, count ? "" : "nothing");
	} else {
		put_format(&text, "%c, which is evicted: ", 'A' + (int)machine_of(story, row->subject));
		put_starts(story, ends, count, &text);
	}
	hear(story, at, "says what it had of", "say what they had of", &text);
	buf_done(&text);
}

/* Whoever has a row first wrote it: it is told once, and not where it arrives. */
static bool is_new_row(struct story_starts *starts, struct id id)
{
	for (size_t i = 0; i < starts->rows_count; i++)
		if (id_equal(starts->rows[i], id))
			return false;
	return true;
}

void story_starts_changed(struct story *story, const struct machine *machine, uint32_t kind, struct id id)
{
	struct story_starts *starts = story->starts;

	if (!starts || kind != KIND_closing || !is_new_row(starts, id))
		return;
	MUST(story, starts->rows_count < ROWS_MAX && starts->seen[machine->at].rows_count < COUNT(starts->seen->rows));
	starts->rows[starts->rows_count++] = id;
	starts->seen[machine->at].rows[starts->seen[machine->at].rows_count++] = id;
}

/* Those of this commit. */
static void tell_rows(struct story *story, const struct machine *machine, struct seen *seen)
{
	struct closing_row row;
	struct store_txn *txn;

	if (!seen->rows_count)
		return;
	MUST(story, !store_snapshot(machine->store, &txn, NULL));
	for (size_t i = 0; i < seen->rows_count; i++) {
		MUST(story, !state_row(txn, KIND_TABLE(closing), seen->rows[i], &row, NULL));
		tell_row(story, machine->at, &row);
	}
	store_end(txn);
	seen->rows_count = 0;
}

/* --- What a commit left otherwise than it was. */

static void tell_proofs(struct story *story, uint32_t at, const struct proofs *proofs, size_t *ret_seen)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);

	for (; *ret_seen < proofs->count; ++*ret_seen) {
		const struct known_proof *known = &proofs->all[*ret_seen];
		struct proof proof;

		MUST(story, !proof_read(known->whole, &proof, NULL));
		buf_put_text(&text, "that ");
		put_start(story, known->node, known->start, &text);
		buf_put_text(&text,
			     proof.is_fork ? " is closed: it has two histories" : " is closed: its owner said so");
		hear(story, at, "knows", "know", &text);
	}
	buf_done(&text);
}

static void tell_evictions(struct story *story, uint32_t at, const struct mesh *mesh, uint32_t *ret_evicted)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);

	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		uint64_t node = story->world->machines[i].id;
		const struct member *member = members_find(mesh->t0.members, node);
		bool is_evicted = member && member->is_evicted;

		if (machine_of(story, node) != i || is_evicted == !!(*ret_evicted & BIT(i)))
			continue;
		*ret_evicted ^= (uint32_t)BIT(i);
		if (node == mesh->node)
			continue;
		put_format(&text, "that %c is %s", 'A' + (int)i, is_evicted ? "evicted" : "a member again");
		hear(story, at, "knows", "know", &text);
	}
	buf_done(&text);
}

static void tell_exchange(struct story *story, uint32_t at, const struct exchange *exchange, struct seen *seen)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);

	if (seen->stage == EXCHANGE_OWN && exchange->stage > EXCHANGE_OWN)
		hear(story, at, "has all that it ever wrote", "have all that they ever wrote", &text);
	if (seen->stage < EXCHANGE_DONE && exchange->stage == EXCHANGE_DONE)
		hear(story, at, "has all that it was shown", "have all that they were shown", &text);
	seen->stage = exchange->stage;
	buf_done(&text);
}

static void tell_recovery(struct story *story, uint32_t at, const struct mesh_counts *counts, struct seen *seen)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);

	if (counts->replaced > seen->replaced)
		hear(story, at, "has taken over another member's state", "have taken over another member's state",
		     &text);
	if (counts->joined > seen->joined)
		hear(story, at, "has added another member's state to its own",
		     "have added another member's state to their own", &text);
	seen->replaced = counts->replaced;
	seen->joined = counts->joined;
	buf_done(&text);
}

static uint64_t count_waiting(struct story *story, const struct machine *machine)
{
	struct store_txn *txn;
	uint64_t count;

	MUST(story, !store_snapshot(machine->store, &txn, NULL));
	count = store_count(txn, TABLE_WAITING);
	store_end(txn);
	return count;
}

static void put_batches(uint64_t count, struct buf *out)
{
	put_format(out, "%" PRIu64 " batch%s", count, count == 1 ? "" : "es");
}

static void tell_waiting(struct story *story, const struct machine *machine, const struct mesh *mesh, struct seen *seen)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);
	uint64_t waiting = count_waiting(story, machine), let_in = mesh->counts.let_in - seen->let_in;

	if (waiting > seen->waiting) {
		put_batches(waiting, &text);
		buf_put_text(&text, " of a closed start waiting, for nobody has vouched for it");
		hear(story, machine->at, "keeps", "keep", &text);
	}
	if (let_in) {
		put_batches(let_in, &text);
		buf_put_text(&text, " of a closed start, for somebody has vouched for it");
		hear(story, machine->at, "takes", "take", &text);
	}
	if (mesh->counts.waiting_dropped > seen->dropped) {
		put_batches(mesh->counts.waiting_dropped - seen->dropped, &text);
		hear(story, machine->at, "drops what waited:", "drop what waited:", &text);
	}
	seen->waiting = waiting;
	seen->let_in = mesh->counts.let_in;
	seen->dropped = mesh->counts.waiting_dropped;
	buf_done(&text);
}

static void tell_start(struct story *story, const struct machine *machine, uint64_t start, uint64_t *ret_seen)
{
	struct buf text = buf_growing(STORY_TEXT_MAX);

	if (start != *ret_seen) {
		put_format(&text, "start %" PRIu32, number_of(story, machine->id, start));
		hear(story, machine->at, "goes on with a new start, its", "go on with a new start, their", &text);
	}
	*ret_seen = start;
	buf_done(&text);
}

void story_starts_stepped(struct story *story, const struct machine *machine)
{
	const struct mesh *mesh = world_mesh(story->world, machine->at);
	struct seen *seen;

	if (!story->starts)
		return;
	seen = &story->starts->seen[machine->at];
	tell_exchange(story, machine->at, &mesh->exchange, seen);
	tell_evictions(story, machine->at, mesh, &seen->evicted);
	tell_proofs(story, machine->at, &mesh->proofs, &seen->proofs);
	tell_recovery(story, machine->at, &mesh->counts, seen);
	tell_start(story, machine, mesh->author.start, &seen->start);
	tell_rows(story, machine, seen);
	tell_waiting(story, machine, mesh, seen);
}

/* --- Leading. */

static void begin(struct story *story, const struct machine *machine)
{
	struct seen *seen = &story->starts->seen[machine->at];
	const struct mesh *mesh = world_mesh(story->world, machine->at);

	*seen = (struct seen){ .start = mesh->author.start,
			       .proofs = mesh->proofs.count,
			       .stage = mesh->exchange.stage,
			       .waiting = count_waiting(story, machine) };
	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		const struct member *member = members_find(mesh->t0.members, story->world->machines[i].id);

		if (member && member->is_evicted && machine_of(story, member->node) == i)
			seen->evicted |= (uint32_t)BIT(i);
	}
}

void story_starts_booted(struct story *story, const struct machine *machine)
{
	if (story->starts)
		begin(story, machine);
}

void story_tell_starts(struct story *story)
{
	story->starts = must_alloc(sizeof *story->starts);
	for (uint32_t i = 0; i < story->world->options.machines; i++)
		if (world_is_up(story->world, i))
			begin(story, &story->world->machines[i]);
}

void story_starts_free(struct story *story)
{
	free(story->starts);
}

size_t story_proofs(const struct story *story, uint32_t machine)
{
	return world_mesh(story->world, machine)->proofs.count;
}

bool story_is_closed(const struct story *story, uint32_t at, uint32_t whose, uint32_t start)
{
	uint64_t node = story->world->machines[whose].id;

	return closed_is(world_mesh(story->world, at), node, start_of(story, node, start));
}

uint32_t story_start(struct story *story, uint32_t machine)
{
	const struct mesh *mesh = world_mesh(story->world, machine);

	return number_of(story, mesh->node, mesh->author.start);
}

static void view_streams(struct story *story, struct store_txn *txn, struct id whose, struct buf *out)
{
	struct vector vector = { 0 };
	uint64_t node;
	size_t from = 0, to;

	memcpy(&node, whose.bytes, sizeof node);
	MUST(story, !log_read_vector(txn, TABLE_VECTOR, &vector, NULL));
	while (from < vector.count && vector.all[from].stream.node != node)
		from++;
	for (to = from; to < vector.count && vector.all[to].stream.node == node;)
		to++;
	put_format(out, "of %c ", 'A' + (int)machine_of(story, node));
	put_starts(story, vector.all + from, to - from, out);
	vector_done(&vector);
}

static void view_log(struct story *story, struct store_txn *txn, struct id whose, struct buf *out)
{
	size_t counts[LOG_FOOTPRINT + 1] = { 0 };
	struct stream stream = { 0 };
	struct logged logged;
	uint64_t node;

	memcpy(&node, whose.bytes, sizeof node);
	while (!log_next_stream(txn, TABLE_BATCH, &stream, &stream, NULL)) {
		struct log_place place = { 0 };

		while (stream.node == node && !log_after(txn, stream, place, &logged, NULL)) {
			counts[logged.form]++;
			place = log_place_of(&logged);
		}
	}
	put_format(out, "in the log, of %c: %zu whole, %zu header%s, %zu footprint%s",
		   'A' + (int)machine_of(story, node), counts[LOG_WHOLE], counts[LOG_HEADER],
		   counts[LOG_HEADER] == 1 ? "" : "s", counts[LOG_FOOTPRINT], counts[LOG_FOOTPRINT] == 1 ? "" : "s");
}

static void show_of(struct story *story, story_view *view, uint32_t whose)
{
	struct id id = { { 0 } };

	memcpy(id.bytes, &story->world->machines[whose].id, sizeof story->world->machines[whose].id);
	story_show(story, view, id);
}

void story_show_log(struct story *story, uint32_t whose)
{
	show_of(story, view_log, whose);
}

void story_show_streams(struct story *story, uint32_t whose)
{
	show_of(story, view_streams, whose);
}

bool story_is_settled(struct story *story, uint32_t at, uint32_t whose, uint32_t start)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)world_mesh(story->world, at);
	uint64_t node = story->world->machines[whose].id;
	struct closed_start closed = { node, start_of(story, node, start) };
	bool is_settled = false;

	/* It looks, between two commits, and what it looked through is put away again. */
	MUST(story, !mesh->txn && !mesh->look);
	MUST(story, !closed_is_settled(mesh, closed, &is_settled, NULL));
	store_end(mesh->look);
	mesh->look = NULL;
	return is_settled;
}
