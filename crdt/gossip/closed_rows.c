/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/closed_inside.h"

#include "crdt/gossip/exchange.h"
#include "crdt/gossip/mesh.h"
#include "crdt/log/log.h"

/* Fresh starts have so many bits, the first start is 1. */
enum { START_BITS = 48 };

enum code closed_begin_start(struct mesh *mesh, struct err *err)
{
	struct stream stream = { .node = mesh->node };
	enum code code = mesh_close_own(mesh, err);

	if (code)
		return code;
	do
		stream.start = rng_u64(&mesh->rng) >> (64 - START_BITS);
	while (stream.start < 2 || closed_is(mesh, stream.node, stream.start));
	mesh->counts.own_start++;
	code = author_restart(&mesh->author, stream.start, mesh->txn, err);
	push_restart(mesh);
	return code;
}

enum code closed_own(struct mesh *mesh, uint64_t start, struct err *err)
{
	uint8_t room[PROOF_MAX];
	struct buf buf = buf_over(room, sizeof room);

	if (proofs_has(&mesh->proofs, mesh->node, start))
		return OK;
	mesh_alarm(mesh, "this server's disk is older than what others have of it, or was in use twice: it goes on "
			 "with a new start");
	proof_write_own(mesh->signer, mesh->cluster, start, &buf);
	return proofs_add(mesh, buf_bytes(&buf), err);
}

static enum code write_row(struct mesh *mesh, struct closed_start closed, const struct vector *merged, size_t from,
			   struct err *err)
{
	struct change change = closing_change(mesh->node, closed, merged, from, &mesh->arena);
	struct asker asker = { .writes = BY_MEMBER };
	struct judging judging = { .rng = &mesh->rng, .now = mesh->wall };
	struct applying applying = mesh_applying(mesh);
	struct judged judged;
	struct place place;

	mesh->counts.row++;
	mesh->closings.has_news = true;
	return author_ask(&mesh->author, &applying, &judging, &asker, &change, 1, &judged, &place, err);
}

static enum code write_rows(struct mesh *mesh, struct closing_said *said, struct closed_start closed,
			    const struct vector *merged, struct err *err)
{
	size_t from = 0;
	bool is_due = closing_is_due(said, closed, &from);
	enum code code = OK;

	while (!code && is_due) {
		struct arena_mark before = arena_mark(&mesh->arena);

		code = write_row(mesh, closed, merged, from, err);
		is_due = closing_wrote(said, closed, from, &from);
		arena_release(&mesh->arena, before);
	}
	return code;
}

/* Of one node's starts all that are proven closed, from that place among the sorted on: one row tells of all of them
 * while their node is evicted. */
static enum code write_rows_of(struct mesh *mesh, size_t *at, const struct vector *merged, struct err *err)
{
	const struct proofs *proofs = &mesh->proofs;
	struct arena_mark before = arena_mark(&mesh->arena);
	uint64_t node = proofs->all[proofs->sorted[*at]].node;
	bool is_evicted = closed_is_whole(mesh, node);
	struct closing_said said;
	enum code code = OK;

	if (!is_evicted)
		code = closing_read(mesh->txn, mesh->node, node, merged, &mesh->arena, &said, err);
	for (; !code && *at < proofs->count && proofs->all[proofs->sorted[*at]].node == node; ++*at) {
		struct closed_start closed = { node, proofs->all[proofs->sorted[*at]].start };

		if (!is_evicted)
			code = write_rows(mesh, &said, closed, merged, err);
	}
	arena_release(&mesh->arena, before);
	return code;
}

static enum code write_row_of_all(struct mesh *mesh, uint64_t node, const struct vector *merged, struct err *err)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct closing_said said;
	enum code code = closing_read(mesh->txn, mesh->node, node, merged, &mesh->arena, &said, err);

	if (!code)
		code = write_rows(mesh, &said, (struct closed_start){ .node = node }, merged, err);
	arena_release(&mesh->arena, before);
	return code;
}

static enum code write_all_rows(struct mesh *mesh, struct err *err)
{
	size_t count;
	const struct member *all = members_all(mesh->t0.members, &count);
	struct vector merged = { 0 };
	enum code code = OK;

	for (size_t i = 0; i < mesh->vector.count; i++)
		vector_note_more(&merged, mesh->vector.all[i].stream, mesh->vector.all[i].end);
	for (size_t i = 0; i < mesh->had.count; i++)
		vector_note_more(&merged, mesh->had.all[i].stream, mesh->had.all[i].end);
	for (size_t i = 0; !code && i < count; i++)
		if (all[i].is_evicted && (!i || all[i - 1].node != all[i].node))
			code = write_row_of_all(mesh, all[i].node, &merged, err);
	for (size_t i = 0; !code && i < mesh->proofs.count;)
		code = write_rows_of(mesh, &i, &merged, err);
	vector_done(&merged);
	return code;
}

/* Whether two entries of the stream are signed and cannot lie on one chain: then a proof is made of them. */
static enum code prove_split(struct mesh *mesh, struct stream stream, struct err *err)
{
	struct log_place at = { 0 };
	struct logged logged;
	struct batch before = { 0 }, front;
	enum code code = OK;

	while (!code) {
		code = log_after(mesh->txn, stream, at, &logged, err);
		if (code)
			break;
		at = log_place_of(&logged);
		if (logged.form == LOG_FOOTPRINT)
			continue;
		logged.bytes = arena_copy(&mesh->arena, logged.bytes);
		code = logged.form == LOG_WHOLE ? batch_read(logged.bytes, &front, err)
						: batch_read_front(logged.bytes, &front, err);
		if (!code && before.count && proof_is_fork(&before, &front))
			return proofs_add_fork(mesh, &before, &front, err);
		before = front;
	}
	return code == E_ABSENT ? OK : code;
}

/* A start that was closed by an eviction, and is open again, may have its branches all the same. */
static enum code prove_splits(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	for (size_t i = 1; !code && i < mesh->vector.count; i++) {
		struct stream stream = mesh->vector.all[i].stream;

		if (!stream_compare(&mesh->vector.all[i - 1].stream, &stream) &&
		    !closed_is(mesh, stream.node, stream.start))
			code = prove_split(mesh, stream, err);
	}
	return code;
}

enum code closed_apply(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	code = prove_splits(mesh, err);
	if (code)
		return code;
	if (mesh->recovery.begins_start || proofs_has(&mesh->proofs, mesh->node, mesh->author.start))
		code = closed_begin_start(mesh, err);
	if (!code)
		code = write_all_rows(mesh, err);
	return code;
}
