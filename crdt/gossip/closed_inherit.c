/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/closed.h"

#include "crdt/gossip/mesh.h"
#include "crdt/log/log.h"

static bool is_of(struct closed_start closed, struct stream stream)
{
	return stream.node == closed.node && (!closed.start || stream.start == closed.start);
}

/* Whether what the peer last said of itself is no older than what is here of it, and so than its rows. */
static bool has_told(const struct mesh *mesh, const struct peer *peer)
{
	for (size_t i = 0; i < mesh->vector.count; i++) {
		const struct frontier *f = &mesh->vector.all[i];

		if (f->stream.node == peer->node && f->stream.lane == LANE_URGENT &&
		    !closed_is(mesh, f->stream.node, f->stream.start) &&
		    vector_seq(&peer->acked, f->stream) < f->end.seq)
			return false;
	}
	return peer->acked.count;
}

static enum code is_merged(struct mesh *mesh, const struct frontier *frontier, bool *ret_is_merged, struct err *err)
{
	struct store_txn *txn;
	struct logged logged;
	uint64_t horizon = 0;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = log_find(txn, frontier->stream, frontier->end, &logged, err);
	*ret_is_merged = !code;
	if (code != E_ABSENT)
		return code;
	code = log_horizon(txn, frontier->stream, &horizon, err);
	*ret_is_merged = !code && frontier->end.seq <= horizon;
	return code;
}

static enum code has_all_of(struct mesh *mesh, const struct peer *peer, struct closed_start closed, bool *ret_has,
			    struct err *err)
{
	bool has = has_told(mesh, peer);
	enum code code = OK;

	for (size_t i = 0; !code && has && i < peer->acked.count; i++)
		if (is_of(closed, peer->acked.all[i].stream))
			code = is_merged(mesh, &peer->acked.all[i], &has, err);
	if (!code)
		*ret_has = has;
	return code;
}

static bool is_met(const struct closings *closings, struct closed_start closed)
{
	for (size_t i = 0; i < closings->met_count; i++)
		if (closings->met[i].node == closed.node && closings->met[i].start == closed.start)
			return true;
	return false;
}

static void note_met(struct closings *closings, struct closed_start closed)
{
	if (closings->met_count == closings->met_room) {
		closings->met_room = 2 * closings->met_room + 4;
		closings->met = must_realloc(closings->met, closings->met_room * sizeof *closings->met);
	}
	closings->met[closings->met_count++] = closed;
}

enum code closed_may_inherit(struct mesh *mesh, struct closed_start closed, bool *ret_may, struct err *err)
{
	bool may = closed_is(mesh, closed.node, closed.start);
	enum code code = OK;

	if (is_met(&mesh->closings, closed)) {
		*ret_may = true;
		return OK;
	}
	if (may)
		code = closed_has_said(mesh, mesh->node, closed, &may, err);
	for (size_t i = 0; !code && may && i < mesh->peers_count; i++) {
		code = closed_has_said(mesh, mesh->peers[i]->node, closed, &may, err);
		if (!code && may)
			code = has_all_of(mesh, mesh->peers[i], closed, &may, err);
	}
	if (code)
		return code;
	if (may)
		note_met(&mesh->closings, closed);
	*ret_may = may;
	return OK;
}

/* What the disk fails with, the next use of it says. */
static bool may_inherit(void *context, uint64_t node)
{
	bool may;

	return !closed_may_inherit(context, (struct closed_start){ .node = node }, &may, NULL) && may;
}

static bool may_lease_own(void *context)
{
	struct mesh *mesh = context;
	bool may = true;

	for (size_t i = 0; may && i < mesh->proofs.count; i++) {
		struct closed_start closed = { mesh->proofs.all[i].node, mesh->proofs.all[i].start };

		if (closed.node == mesh->node && closed_may_inherit(mesh, closed, &may, NULL))
			return false;
	}
	return may;
}

struct block_gates closed_gates(struct mesh *mesh)
{
	return (struct block_gates){ .may_inherit = may_inherit, .may_lease_own = may_lease_own, .context = mesh };
}
