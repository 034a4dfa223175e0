/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/closed.h"

#include "crdt/gossip/mesh.h"

#include <inttypes.h>

bool closed_has_room(struct mesh *mesh, struct stream stream, struct end before)
{
	struct peer *author = mesh_peer(mesh, stream.node);
	size_t count;

	vector_ends(&mesh->vector, stream, &count);
	if (count < CLOSED_BRANCHES_MAX || vector_has(&mesh->vector, stream, before))
		return true;
	mesh->counts.branches_full++;
	/* Who is evicted already is nobody's peer. */
	if (author && !author->is_told_of) {
		author->is_told_of = true;
		mesh_alarm(mesh,
			   "member %016" PRIx64 " wrote more histories of one start than any sound member: evict it",
			   stream.node);
	}
	return false;
}

static bool has_same_ends(const struct vector *a, const struct vector *b, struct closed_start closed)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct frontier *f = &a->all[i];

		if (f->stream.node == closed.node && (!closed.start || f->stream.start == closed.start) &&
		    !vector_has(b, f->stream, f->end))
			return false;
	}
	return true;
}

static enum code has_said(struct mesh *mesh, uint64_t node, struct closed_start closed, bool *ret_has, struct err *err)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct store_txn *txn;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = closing_has_row(txn, node, closed, &mesh->arena, ret_has, err);
	arena_release(&mesh->arena, before);
	return code;
}

enum code closed_is_settled(struct mesh *mesh, struct closed_start closed, bool *ret_is_settled, struct err *err)
{
	bool is_settled = true;
	enum code code = has_said(mesh, mesh->node, closed, &is_settled, err);

	for (size_t i = 0; !code && is_settled && i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[i];

		code = has_said(mesh, peer->node, closed, &is_settled, err);
		if (!mesh->relay.is_on)
			is_settled = is_settled && has_same_ends(&mesh->vector, &peer->acked, closed) &&
				     has_same_ends(&peer->acked, &mesh->vector, closed);
	}
	if (mesh->relay.is_on)
		is_settled = is_settled && relay_agrees(mesh, closed.node, closed.start);
	if (!code)
		*ret_is_settled = is_settled;
	return code;
}

enum code closed_is_here(struct mesh *mesh, const struct frontier *frontier, bool *ret_is_here, struct err *err)
{
	struct store_txn *txn;
	struct logged logged;
	uint64_t horizon;
	enum code code;

	*ret_is_here = vector_has(&mesh->vector, frontier->stream, frontier->end);
	if (*ret_is_here)
		return OK;
	if (!closed_is(mesh, frontier->stream.node, frontier->stream.start)) {
		*ret_is_here = vector_seq(&mesh->vector, frontier->stream) >= frontier->end.seq;
		return OK;
	}
	code = mesh_reader(mesh, &txn, err);
	if (!code)
		code = log_horizon(txn, frontier->stream, &horizon, err);
	if (!code && frontier->end.seq > horizon)
		code = log_find(txn, frontier->stream, frontier->end, &logged, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_here = !code;
	return OK;
}
