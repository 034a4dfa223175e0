/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/closed_inside.h"

#include "crdt/gossip/exchange.h"
#include "crdt/gossip/mesh.h"
#include "crdt/log/log.h"

#include <stdlib.h>

bool closed_is_whole(const struct mesh *mesh, uint64_t node)
{
	const struct member *member = members_find(mesh->t0.members, node);

	return member && member->is_evicted;
}

bool closed_is(const struct mesh *mesh, uint64_t node, uint64_t start)
{
	return closed_is_whole(mesh, node) || proofs_has(&mesh->proofs, node, start);
}

void closed_changed(struct mesh *mesh)
{
	mesh->closings.is_changed = true;
	stable_closing(mesh);
}

bool closed_is_due(const struct mesh *mesh)
{
	const struct closings *closings = &mesh->closings;

	return (closings->is_changed || closings->has_news) && exchange_may_write(mesh);
}

/* --- What waits. */

static enum code is_known(struct mesh *mesh, const struct batch *batch, bool *ret_is_known, struct err *err)
{
	struct logged logged;
	enum code code = log_find(mesh->txn, batch->stream, batch->end, &logged, err);

	if (code == E_ABSENT)
		code = log_find_waiting(mesh->txn, batch->stream, batch->end, &logged, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_known = !code;
	return OK;
}

/* Whether the batch before that one is merged; below the horizon it was. */
static enum code is_founded_by(struct mesh *mesh, const struct batch *batch, bool *ret_is_founded, struct err *err)
{
	struct end before = { batch->first - 1, batch->before };
	struct logged logged;
	uint64_t horizon;
	enum code code;

	if (!before.seq) {
		*ret_is_founded = true;
		return OK;
	}
	code = log_horizon(mesh->txn, batch->stream, &horizon, err);
	if (code)
		return code;
	code = log_find(mesh->txn, batch->stream, before, &logged, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_founded = !code || before.seq <= horizon;
	return OK;
}

/* Whether what it goes on from is here: then the rest comes too, else more is to be asked for, once. */
static enum code note_part(struct mesh *mesh, const struct batch *batch, bool is_new, struct err *err)
{
	enum part part = PART_FOUNDED;
	struct logged logged;
	bool is_founded;
	enum code code = is_founded_by(mesh, batch, &is_founded, err);

	if (!code && !is_founded) {
		code = log_find_waiting(mesh->txn, batch->stream, (struct end){ batch->first - 1, batch->before },
					&logged, err);
		part = code ? PART_APART : PART_FOLLOWS;
		code = code == E_ABSENT ? OK : code;
	}
	if (!code && (part != PART_APART || is_new))
		antientropy_came(mesh, batch, part);
	return code;
}

enum code closed_take(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	uint64_t horizon;
	bool is_there = false;
	enum code code = mesh_txn(mesh, err);

	if (!code)
		code = is_known(mesh, batch, &is_there, err);
	if (!code)
		code = log_horizon(mesh->txn, batch->stream, &horizon, err);
	if (code)
		return code;
	if (is_there)
		return note_part(mesh, batch, false, err);
	/* So long ago that nobody can tell any more whether it was merged: it was, unless a disk was older still. */
	if (batch->end.seq <= horizon)
		return OK;
	code = waiting_put(mesh, batch, &is_there, err);
	if (code)
		return code;
	mesh->counts.waiting += is_there;
	mesh->counts.waiting_full += !is_there;
	mesh->closings.has_news |= is_there;
	return is_there ? note_part(mesh, batch, true, err) : OK;
}

/* A batch that waits, its bytes copied; E_ABSENT. */
static enum code read_waiting(struct mesh *mesh, struct stream stream, struct end end, struct batch *ret_batch,
			      struct err *err)
{
	struct logged logged;
	enum code code = log_find_waiting(mesh->txn, stream, end, &logged, err);

	return code ? code : batch_read(arena_copy(&mesh->arena, logged.bytes), ret_batch, err);
}

static enum code let_in(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	struct logged logged;
	enum code code = log_find_waiting(mesh->txn, batch->stream, batch->end, &logged, err);

	if (!code)
		code = waiting_drop(mesh, &logged, err);
	mesh->counts.let_in++;
	return code ? code : push_merge(mesh, batch, err);
}

/*
 * What was merged here before stays until its start is closed: then a row names it. And while others have not borne out
 * the state that is here, it may lack what it says that it has.
 */
static enum code drop(struct mesh *mesh, const struct logged *logged, struct err *err)
{
	if (mesh->snapshot.is_unproven || vector_find(&mesh->had, logged->stream))
		return OK;
	mesh->counts.waiting_dropped++;
	return waiting_drop(mesh, logged, err);
}

/* A batch of an open stream that does not go on from its end: merged already, too far on, or another history. */
static enum code drop_or_contradict(struct mesh *mesh, const struct batch *batch, const struct logged *waits,
				    struct err *err)
{
	struct logged logged;
	uint64_t horizon;
	enum code code = log_find(mesh->txn, batch->stream, batch->end, &logged, err);

	if (!code || batch->first > vector_seq(&mesh->vector, batch->stream) + 1)
		return drop(mesh, waits, err);
	if (code == E_ABSENT)
		code = log_horizon(mesh->txn, batch->stream, &horizon, err);
	if (code)
		return code;
	if (batch->end.seq <= horizon)
		return drop(mesh, waits, err);
	code = closed_contradict(mesh, batch, err);
	/* Then it waits for a row that names it, as others do. */
	if (code || closed_is(mesh, batch->stream.node, batch->stream.start))
		return code;
	return drop(mesh, waits, err);
}

static enum code let_in_or_drop(struct mesh *mesh, const struct logged *logged, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, logged->stream);
	struct end have = end ? *end : (struct end){ 0 };
	struct batch batch;
	enum code code = batch_read(arena_copy(&mesh->arena, logged->bytes), &batch, err);

	if (code)
		return code;
	if (batch.first == have.seq + 1 && id_equal(batch.before, have.hash))
		return let_in(mesh, &batch, err);
	return drop_or_contradict(mesh, &batch, logged, err);
}

/* Of an open stream nothing waits: what goes on from its end is merged, and the rest is asked for anew. */
static enum code let_in_open(struct mesh *mesh, struct stream stream, struct err *err)
{
	struct log_place from = { 0 };
	struct logged logged;
	enum code code = OK;

	while (!code) {
		code = log_waiting_after(mesh->txn, stream, from, &logged, err);
		if (code)
			break;
		from = log_place_of(&logged);
		code = let_in_or_drop(mesh, &logged, err);
	}
	return code == E_ABSENT ? OK : code;
}

/* The ends of a chain, the highest first. */
struct chain {
	struct end *ends;
	size_t count, room;
};

static void chain_add(struct chain *chain, struct end end)
{
	if (chain->count == chain->room) {
		chain->room = 2 * chain->room + 8;
		chain->ends = must_realloc(chain->ends, chain->room * sizeof *chain->ends);
	}
	chain->ends[chain->count++] = end;
}

/* From a named end down to what is merged. E_ABSENT: not all of it is there. */
static enum code find_chain(struct mesh *mesh, struct stream stream, struct end end, struct chain *chain,
			    struct err *err)
{
	struct logged logged;
	bool is_founded = false;
	enum code code = log_find(mesh->txn, stream, end, &logged, err);

	/* What waits may be merged all the same. */
	if (code != E_ABSENT)
		return code ? code : E_ABSENT;
	code = OK;
	while (!code && !is_founded) {
		struct batch batch;

		code = log_find_waiting(mesh->txn, stream, end, &logged, err);
		if (!code)
			code = batch_read(logged.bytes, &batch, err);
		if (code)
			break;
		chain_add(chain, end);
		end = (struct end){ batch.first - 1, batch.before };
		code = is_founded_by(mesh, &batch, &is_founded, err);
	}
	return !code && !closed_has_room(mesh, stream, end) ? E_ABSENT : code;
}

/* When a chain is whole all of it is let in, the lowest first. */
static enum code let_in_chain(struct mesh *mesh, struct stream stream, struct end end, struct err *err)
{
	struct chain chain = { 0 };
	enum code code = find_chain(mesh, stream, end, &chain, err);

	while (!code && chain.count) {
		struct arena_mark before = arena_mark(&mesh->arena);
		struct batch batch;

		code = read_waiting(mesh, stream, chain.ends[--chain.count], &batch, err);
		if (!code)
			code = let_in(mesh, &batch, err);
		arena_release(&mesh->arena, before);
	}
	free(chain.ends);
	return code == E_ABSENT ? OK : code;
}

static enum code let_in_named(struct mesh *mesh, struct stream stream, struct err *err)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct end *ends;
	size_t count;
	enum code code = closing_ends(mesh->txn, stream, &mesh->arena, &ends, &count, err);

	for (size_t i = 0; !code && i < count; i++)
		code = let_in_chain(mesh, stream, ends[i], err);
	arena_release(&mesh->arena, before);
	return code;
}

/* A donor's state may bring what waits. */
static enum code drop_merged(struct mesh *mesh, struct stream stream, struct err *err)
{
	struct log_place from = { 0 };
	struct logged logged, merged;
	struct batch batch;
	enum code code = OK;

	while (!code && !mesh->snapshot.is_unproven) {
		code = log_waiting_after(mesh->txn, stream, from, &logged, err);
		if (code)
			break;
		from = log_place_of(&logged);
		code = batch_read(logged.bytes, &batch, err);
		if (!code)
			code = log_find(mesh->txn, stream, batch.end, &merged, err);
		if (!code)
			code = waiting_drop(mesh, &logged, err);
		else if (code == E_ABSENT)
			code = OK;
	}
	return code == E_ABSENT ? OK : code;
}

typedef enum code for_stream(struct mesh *mesh, struct stream stream, struct err *err);

static enum code for_all_waiting(struct mesh *mesh, for_stream *closed, for_stream *open, struct err *err)
{
	struct stream stream = { 0 };
	enum code code = OK;

	while (!code) {
		code = log_next_stream(mesh->txn, TABLE_WAITING, &stream, &stream, err);
		if (code)
			break;
		if (!closed_is(mesh, stream.node, stream.start))
			code = open(mesh, stream, err);
		else
			code = closed(mesh, stream, err);
	}
	return code == E_ABSENT ? OK : code;
}

enum code closed_has(struct mesh *mesh, const struct frontier *frontier, bool *ret_has, struct err *err)
{
	struct end end = frontier->end;
	struct store_txn *txn;
	struct logged logged;
	struct batch batch;
	uint64_t horizon;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = log_horizon(txn, frontier->stream, &horizon, err);
	while (!code && end.seq > horizon) {
		code = log_find(txn, frontier->stream, end, &logged, err);
		if (code != E_ABSENT)
			break;
		code = log_find_waiting(txn, frontier->stream, end, &logged, err);
		if (!code)
			code = batch_read(logged.bytes, &batch, err);
		if (!code)
			end = (struct end){ batch.first - 1, batch.before };
	}
	if (code && code != E_ABSENT)
		return code;
	*ret_has = !code;
	return OK;
}

/* --- All of it. */

static enum code leave(struct mesh *mesh, struct stream stream, struct err *err)
{
	(void)mesh;
	(void)stream;
	(void)err;
	return OK;
}

/* What is merged again is had no more. */
static enum code forget_had(struct mesh *mesh, struct err *err)
{
	struct vector *had = &mesh->had;
	enum code code = OK;

	for (size_t i = 0; !code && i < had->count;) {
		struct frontier at = had->all[i];
		struct logged logged;
		size_t count;
		const struct frontier *ends;

		code = log_find(mesh->txn, at.stream, at.end, &logged, err);
		if (code) {
			code = code == E_ABSENT ? OK : code;
			i++;
			continue;
		}
		vector_drop(had, at.stream, at.end);
		ends = vector_ends(had, at.stream, &count);
		code = log_put_ends(mesh->txn, TABLE_HAD, at.stream, ends, count, err);
	}
	return code;
}

enum code closed_finish(struct mesh *mesh, struct err *err)
{
	struct closings *closings = &mesh->closings;
	enum code code = OK;

	if (!closed_is_due(mesh))
		return OK;
	/* What waits in open streams may close one of them. */
	while (!code && closings->is_changed) {
		closings->is_changed = false;
		closings->has_news = true;
		code = closed_apply(mesh, err);
		if (!code)
			code = for_all_waiting(mesh, drop_merged, let_in_open, err);
	}
	while (!code && closings->has_news) {
		closings->has_news = false;
		code = for_all_waiting(mesh, let_in_named, leave, err);
	}
	return code ? code : forget_had(mesh, err);
}

enum code closed_begin_write(struct mesh *mesh, struct err *err)
{
	enum code code = mesh_txn(mesh, err);

	return code ? code : closed_finish(mesh, err);
}

/* --- Proofs. */

/* What is here of the batch that overlaps with the other, or that the other should go on from. E_ABSENT. */
static enum code find_rival(struct mesh *mesh, const struct batch *front, struct end have, struct batch *ret_rival,
			    struct err *err)
{
	uint64_t after = front->first <= have.seq ? front->first - 1 : have.seq - 1;
	struct logged logged;
	struct bytes bytes;
	enum code code = log_after(mesh->txn, front->stream, log_behind(after), &logged, err);

	if (code)
		return code;
	if (logged.form == LOG_FOOTPRINT)
		return E_ABSENT;
	bytes = arena_copy(&mesh->arena, logged.bytes);
	return logged.form == LOG_WHOLE ? batch_read(bytes, ret_rival, err) : batch_read_front(bytes, ret_rival, err);
}

enum code closed_contradict(struct mesh *mesh, const struct batch *front, struct err *err)
{
	const struct end *have = vector_find(&mesh->vector, front->stream);
	struct batch rival;
	enum code code = mesh_txn(mesh, err);

	if (!code)
		code = have ? find_rival(mesh, front, *have, &rival, err) : E_ABSENT;
	if (code && code != E_ABSENT)
		return code;
	if (!code && proof_is_fork(&rival, front)) {
		mesh->counts.fork++;
		return proofs_add_fork(mesh, &rival, front, err);
	}
	mesh->counts.unplaced++;
	return front->stream.node == mesh->node ? closed_own(mesh, front->stream.start, err) : OK;
}
