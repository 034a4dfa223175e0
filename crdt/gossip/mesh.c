/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"

#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum code mesh_txn(struct mesh *mesh, struct err *err)
{
	return mesh->txn ? OK : store_begin(mesh->store, &mesh->txn, err);
}

enum code mesh_look(struct mesh *mesh, struct err *err)
{
	return mesh->look ? OK : store_snapshot(mesh->store, &mesh->look, err);
}

enum code mesh_reader(struct mesh *mesh, struct store_txn **ret_txn, struct err *err)
{
	enum code code = mesh->txn ? OK : mesh_look(mesh, err);

	if (!code)
		*ret_txn = mesh->txn ? mesh->txn : mesh->look;
	return code;
}

struct applying mesh_applying(struct mesh *mesh)
{
	return (struct applying){
		.txn = mesh->txn,
		.root = &mesh->root,
		.changes = &mesh->changes,
		.arena = &mesh->arena,
	};
}

static bool is_moved(const struct mesh *mesh, struct stream stream)
{
	for (size_t i = mesh->moved_count; i-- > 0;)
		if (!stream_compare(&mesh->moved[i], &stream))
			return true;
	return false;
}

/* Of a closed start the batch's branch grows, or a new one begins. */
static void move_end(struct vector *vector, const struct batch *batch)
{
	struct end before = { batch->first - 1, batch->before };
	const struct end *last = vector_find(vector, batch->stream);
	size_t count;

	vector_ends(vector, batch->stream, &count);
	if (!count || (count == 1 && end_equal(*last, before))) {
		vector_set(vector, batch->stream, batch->end);
		return;
	}
	vector_drop(vector, batch->stream, before);
	vector_add(vector, batch->stream, batch->end);
}

void mesh_move(struct mesh *mesh, const struct batch *batch)
{
	struct stream stream = batch->stream;

	relay_moves(mesh, stream);
	move_end(&mesh->vector, batch);
	if (is_moved(mesh, stream))
		return;
	if (mesh->moved_count == mesh->moved_room) {
		mesh->moved_room = mesh->moved_room ? 2 * mesh->moved_room : 16;
		mesh->moved = must_realloc(mesh->moved, mesh->moved_room * sizeof *mesh->moved);
	}
	mesh->moved[mesh->moved_count++] = stream;
}

/* Where the peer of that id is, or would be. */
static size_t place_of(const struct mesh *mesh, uint64_t node)
{
	size_t low = 0, high = mesh->peers_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mesh->peers[middle]->node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct peer *mesh_peer(const struct mesh *mesh, uint64_t node)
{
	size_t at = place_of(mesh, node);

	return at < mesh->peers_count && mesh->peers[at]->node == node ? mesh->peers[at] : NULL;
}

static struct peer *new_peer(const struct mesh *mesh, uint64_t node)
{
	struct peer *peer = must_alloc(sizeof *peer);

	peer->node = node;
	peer->pulse.heard = mesh->now;
	return peer;
}

static void free_peer(struct peer *peer)
{
	vector_done(&peer->acked);
	vector_done(&peer->was);
	hints_done(&peer->hints);
	asked_done(&peer->asked);
	lend_debt_drop(&peer->lend);
	free(peer);
}

/* The members that stand become the peers; who stood before keeps what is known of it. */
static void choose_peers(struct mesh *mesh)
{
	size_t count, kept = 0;
	const struct member *all = members_all(mesh->t0.members, &count);
	struct peer **peers = must_alloc((count + 1) * sizeof *peers);

	for (size_t i = 0; i < count; i++) {
		struct peer *old = mesh_peer(mesh, all[i].node);

		if (all[i].is_evicted || all[i].node == mesh->node)
			continue;
		peers[kept++] = old ? old : new_peer(mesh, all[i].node);
		if (old)
			mesh->peers[place_of(mesh, old->node)] = old;
	}
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct member *member = members_find(mesh->t0.members, mesh->peers[i]->node);

		if (member && !member->is_evicted)
			continue;
		for (struct link *link = mesh->links; link; link = link->next)
			if (link->peer == mesh->peers[i])
				link->peer = NULL;
		antientropy_forget(mesh, mesh->peers[i]->node);
		free_peer(mesh->peers[i]);
	}
	free(mesh->peers);
	mesh->peers = peers;
	mesh->peers_count = kept;
	mesh->place = place_of(mesh, mesh->node);
}

void mesh_members_changed(struct mesh *mesh)
{
	const struct member *self = members_find(mesh->t0.members, mesh->node);
	bool was_evicted = mesh->is_evicted;

	mesh->is_member = self && !self->is_evicted;
	mesh->is_evicted = self && self->is_evicted;
	closed_changed(mesh);
	if (mesh->is_evicted && !was_evicted)
		mesh_alarm(mesh, "this server was evicted from the cluster: it serves and writes nothing any more");
	choose_peers(mesh);
	relay_changed(mesh);
	/* What they said before of whoever is new now counts. */
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->has_more_gaps = true;
	for (struct link *link = mesh->links; link; link = link->next)
		link_judge(mesh, link);
}

void mesh_alarm(struct mesh *mesh, const char *format, ...)
{
	va_list args;

	mesh->counts.alarm++;
	if (mesh->alarms_count == MESH_ALARMS)
		return;
	va_start(args, format);
	vsnprintf(mesh->alarms[mesh->alarms_count++], sizeof mesh->alarms[0], format, args);
	va_end(args);
}

static enum code read_state(struct mesh *mesh, struct err *err)
{
	struct vector vector = { 0 };
	enum code code = log_read_vector(mesh->look, TABLE_VECTOR, &vector, err);

	if (!code)
		code = root_read(mesh->look, mesh->cluster, &mesh->root, err);
	if (!code)
		code = stable_load(mesh, err);
	if (!code)
		code = author_open(&mesh->author, mesh->signer, mesh->cluster, &vector, mesh->look, err);
	if (code) {
		vector_done(&vector);
		return code;
	}
	relay_fill_all(mesh);
	vector_done(&mesh->vector);
	mesh->vector = vector;
	vector_done(&mesh->had);
	code = log_read_vector(mesh->look, TABLE_HAD, &mesh->had, err);
	if (!code)
		code = waiting_load(mesh, err);
	if (!code)
		code = proofs_open(mesh, err);
	if (!code)
		code = lend_load(mesh, err);
	if (!code)
		code = snapshot_open(mesh, err);
	return code ? code : t0_open(mesh, err);
}

enum code mesh_load(struct mesh *mesh, struct err *err)
{
	enum code code = mesh_look(mesh, err);

	if (!code)
		code = read_state(mesh, err);
	mesh->moved_count = 0;
	mesh->own_moved = 0;
	changes_clear(&mesh->changes);
	if (code)
		return code;
	mesh_members_changed(mesh);
	return relay_refresh(mesh, err);
}

enum code mesh_close_own(struct mesh *mesh, struct err *err)
{
	struct applying applying = mesh_applying(mesh);
	enum code code = author_finish(&mesh->author, &applying, err);

	for (; !code && mesh->own_moved < mesh->author.closed_count; mesh->own_moved++) {
		mesh_move(mesh, &mesh->author.closed[mesh->own_moved]);
		trim_grew(&mesh->stable.trim, &mesh->author.closed[mesh->own_moved]);
	}
	return code;
}

static enum code put_ends(struct mesh *mesh, struct stream stream, struct err *err)
{
	size_t count;
	const struct frontier *ends = vector_ends(&mesh->vector, stream, &count);

	return log_put_ends(mesh->txn, TABLE_VECTOR, stream, ends, count, err);
}

/* What closings bring, the author's batches, the ends that moved, the root: once for all that the transaction did. */
static enum code finish(struct mesh *mesh, struct err *err)
{
	enum code code = closed_finish(mesh, err);

	if (!code)
		code = mesh_close_own(mesh, err);
	for (size_t i = 0; !code && i < mesh->moved_count; i++)
		code = put_ends(mesh, mesh->moved[i], err);
	if (!code)
		code = lend_finish(mesh, err);
	return code ? code : root_put(mesh->txn, &mesh->root, err);
}

static void forget_transaction(struct mesh *mesh)
{
	mesh->moved_count = 0;
	mesh->own_moved = 0;
	author_forget(&mesh->author, &mesh->vector);
	changes_clear(&mesh->changes);
	mesh->lend.looked = 0;
	stable_forget(mesh);
}

/* Everybody has what came to be told of it. */
static void settle(struct mesh *mesh)
{
	mesh->commits++;
	stable_settle(mesh);
	proofs_settled(&mesh->proofs);
	mesh->recovery.begins_start = false;
	for (size_t i = 0; i < mesh->moved_count; i++)
		ack_note(&mesh->recent, mesh->moved[i]);
	relay_news(mesh);
	/* What came in is what requests may wait for. */
	mesh->pendings.is_touched |= mesh->moved_count || mesh->t0.stored != mesh->t0.count;
	mesh->t0.stored = mesh->t0.count;
	if (mesh->author.closed_count)
		for (struct link *link = mesh->links; link; link = link->next)
			link_touch(mesh, link);
	for (size_t i = 0; i < mesh->changes.count; i++) {
		if (mesh->changes.all[i].kind == KIND_gateway)
			relay_changed(mesh);
		mesh->effects->changed(mesh->effects->context, mesh->changes.all[i].kind, mesh->changes.all[i].id);
	}
}

/* What ends the process is told in any case: nothing is told after it. */
static void tell_unwritten(struct mesh *mesh, enum code code, const char *why)
{
	bool was_told = mesh->unwritten.ns && mono_since_ns(mesh->now, mesh->unwritten) < MESH_UNWRITTEN_EVERY;

	if (was_told && code == E_FULL)
		return;
	mesh->unwritten = mesh->now;
	mesh_alarm(mesh, "nothing was written: %s", why);
}

/* Memory had gone ahead of a disk that did not follow. */
static enum code roll_back(struct mesh *mesh, enum code code, struct err *err)
{
	uint64_t start = mesh->author.start;
	struct err why = { 0 };
	enum code loaded;

	mesh->counts.commit_failed++;
	pending_refuse(mesh, code, err->text);
	lend_back(mesh);
	forget_transaction(mesh);
	tell_unwritten(mesh, code, err->text);
	if (code != E_FULL)
		return code;
	loaded = mesh_load(mesh, &why);
	if (mesh->author.start != start)
		push_restart(mesh);
	if (loaded)
		*err = why;
	return loaded;
}

static enum code commit(struct mesh *mesh, struct err *err)
{
	enum exchange_stage stage = mesh->exchange.stage;
	enum code code = proofs_again(mesh, err);

	if (!code)
		code = exchange_step(mesh, err);
	if (!code && closed_is_due(mesh))
		code = mesh_txn(mesh, err);
	if (!code && !mesh->txn) {
		stable_settle(mesh);
		return OK;
	}
	if (!code)
		code = finish(mesh, err);
	if (code)
		store_end(mesh->txn);
	else
		code = store_commit(mesh->txn, err);
	mesh->txn = NULL;
	if (code) {
		exchange_back(mesh, stage);
		return roll_back(mesh, code, err);
	}
	settle(mesh);
	forget_transaction(mesh);
	return OK;
}

static void tell_alarms(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->alarms_count; i++)
		mesh->effects->alarm(mesh->effects->context, mesh->alarms[i]);
	mesh->alarms_count = 0;
}

static void end_look(struct mesh *mesh)
{
	store_end(mesh->look);
	mesh->look = NULL;
	mesh->last_sent.is_there = false;
}

enum code mesh_commit(struct mesh *mesh, enum code failed, struct err *err)
{
	enum code code = failed;
	bool is_installed = false;

	/* What was looked at while events were handled is older than what is to be said now. */
	end_look(mesh);
	if (failed) {
		store_end(mesh->txn);
		mesh->txn = NULL;
		code = roll_back(mesh, failed, err);
	} else {
		code = commit(mesh, err);
	}
	if (!code)
		code = recover_install(mesh, &is_installed, err);
	/* What our own log held beyond it is merged before anybody sees the state. */
	if (!code && is_installed)
		code = commit(mesh, err);
	if (!code && is_installed)
		code = pending_replaced(mesh, err);
	if (!code)
		code = relay_refresh(mesh, err);
	if (!code)
		code = link_flush(mesh, err);
	if (!code)
		code = pending_flush(mesh, err);
	/* What those who wait have us ask. */
	if (!code)
		code = link_flush(mesh, err);
	end_look(mesh);
	lend_debt_forget(mesh);
	tell_alarms(mesh);
	arena_reset(&mesh->arena);
	return code;
}

void mesh_done(struct mesh *mesh)
{
	store_end(mesh->txn);
	store_end(mesh->look);
	link_free_all(mesh);
	for (size_t i = 0; i < mesh->peers_count; i++)
		free_peer(mesh->peers[i]);
	free(mesh->peers);
	free(mesh->moved);
	t0_done(&mesh->t0);
	proofs_done(&mesh->proofs);
	exchange_done(&mesh->exchange);
	recover_done(&mesh->recovery);
	vector_done(&mesh->vector);
	vector_done(&mesh->had);
	waiting_done(&mesh->waiting);
	changes_done(&mesh->changes);
	author_done(&mesh->author);
	stable_done(&mesh->stable);
	gaps_done(&mesh->gaps);
	relay_done(&mesh->relay);
	pendings_done(&mesh->pendings);
	lend_done(&mesh->lend);
	snapshot_done(&mesh->snapshot);
	arena_done(&mesh->arena);
	buf_done(&mesh->frame);
}
