/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/exchange.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <assert.h>

/* What was asked for and did not come is asked for again. */
#define EXCHANGE_AGAIN (UINT64_C(2) * 1000000000)

/* How often a link is given up because its peer knows more of our own. */
#define EXCHANGE_AHEAD (UINT64_C(60) * 1000000000)

void exchange_begin(struct mesh *mesh, bool is_new)
{
	mesh->exchange.stage = is_new ? EXCHANGE_URGENT : EXCHANGE_OWN;
	mesh->exchange.begun = mesh->now;
}

void exchange_done(struct exchange *exchange)
{
	vector_done(&exchange->target);
}

static bool is_alone(const struct mesh *mesh)
{
	return members_standing(mesh->t0.members) <= 1;
}

bool exchange_may_write(const struct mesh *mesh)
{
	return mesh->is_member && !mesh->is_evicted &&
	       (mesh->exchange.stage > EXCHANGE_OWN || mesh->exchange.is_stale || is_alone(mesh));
}

bool exchange_may_give(const struct mesh *mesh)
{
	return mesh->is_member && !mesh->is_evicted && !recover_is_old(mesh) &&
	       (mesh->exchange.stage > EXCHANGE_URGENT || is_alone(mesh));
}

bool exchange_may_serve(const struct mesh *mesh)
{
	return exchange_may_give(mesh) ||
	       (mesh->is_member && !mesh->is_evicted && mesh->exchange.is_stale && !recover_is_old(mesh));
}

bool exchange_is_whole(const struct mesh *mesh)
{
	return (mesh->exchange.stage == EXCHANGE_DONE && !recover_is_old(mesh)) || is_alone(mesh);
}

bool exchange_takes(const struct mesh *mesh, struct stream stream)
{
	return stream.node == mesh->node || mesh->exchange.stage > EXCHANGE_OWN || mesh->exchange.is_stale;
}

/* --- To the peer. */

/* The front of a batch, unless only its footprint is left. */
static struct bytes front_of(const struct logged *logged)
{
	struct batch batch;

	if (logged->form == LOG_HEADER)
		return logged->bytes;
	if (logged->form == LOG_FOOTPRINT || batch_read(logged->bytes, &batch, NULL))
		return bytes_of(NULL, 0);
	return batch_front(&batch);
}

/* What was merged here before the disk was replaced is shown too: its author alone can tell what became of it. */
static enum code put_had(struct mesh *mesh, const struct link *link, struct frame_list *list, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < mesh->had.count; i++) {
		const struct frontier *at = &mesh->had.all[i];
		struct logged logged;

		if (at->stream.node != link->peer->node)
			continue;
		code = log_find_waiting(mesh->look, at->stream, at->end, &logged, err);
		if (!code && !frame_put_front(list, front_of(&logged)))
			break;
		code = code == E_ABSENT ? OK : code;
	}
	return code;
}

enum code exchange_say(struct mesh *mesh, struct link *link, struct err *err)
{
	const struct vector *vector = &mesh->vector;
	struct frame_list list;
	enum code code = mesh_look(mesh, err);

	buf_clear(&mesh->frame);
	list = frame_begin_fronts(&mesh->frame);
	for (size_t i = 0; !code && i < vector->count && vector->all[i].stream.node <= link->peer->node; i++) {
		struct logged logged;
		struct bytes front;

		if (vector->all[i].stream.node != link->peer->node)
			continue;
		code = log_find(mesh->look, vector->all[i].stream, vector->all[i].end, &logged, err);
		if (code == E_ABSENT) {
			code = OK;
			continue;
		}
		front = code ? bytes_of(NULL, 0) : front_of(&logged);
		if (front.size && !frame_put_front(&list, front))
			break;
	}
	if (!code)
		code = put_had(mesh, link, &list, err);
	if (!code)
		link_send(mesh, link);
	return code;
}

/* --- From the peer. */

static void want(struct mesh *mesh, struct link *link, struct stream stream, uint64_t until)
{
	uint64_t after = vector_seq(&mesh->vector, stream);

	/* Of a closed start there may be branches. */
	if (closed_is(mesh, stream.node, stream.start) || after >= until)
		after = 0;
	antientropy_ask(mesh, link, (struct want){ .stream = stream, .after = after, .until = until });
}

enum fit { FIT_KNOWN, FIT_LACKING, FIT_WRONG };

static enum code fit_front(struct mesh *mesh, const struct batch *front, enum fit *ret_fit, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, front->stream);
	struct logged logged;
	uint64_t horizon;
	enum code code = log_find(mesh->txn, front->stream, front->end, &logged, err);

	if (code && code != E_ABSENT)
		return code;
	*ret_fit = FIT_KNOWN;
	if (!code)
		return OK;
	code = log_horizon(mesh->txn, front->stream, &horizon, err);
	if (code || front->end.seq <= horizon)
		return code;
	*ret_fit = FIT_LACKING;
	if (!end || closed_is(mesh, mesh->node, front->stream.start))
		return OK;
	if (front->first <= end->seq || (front->first == end->seq + 1 && !id_equal(front->before, end->hash)))
		*ret_fit = FIT_WRONG;
	return OK;
}

static enum code take_front(struct mesh *mesh, struct link *link, const struct batch *front, struct err *err)
{
	enum fit fit;
	enum code code = fit_front(mesh, front, &fit, err);

	if (code || fit == FIT_KNOWN)
		return code;
	if (fit == FIT_WRONG)
		return closed_contradict(mesh, front, err);
	mesh->counts.own_lacking++;
	want(mesh, link, front->stream, front->end.seq);
	if (closed_is(mesh, mesh->node, front->stream.start))
		return OK;
	/* It is our own word that it is there: who shows less takes nothing of that back. */
	if (mesh->exchange.stage == EXCHANGE_OWN && vector_seq(&mesh->exchange.target, front->stream) < front->end.seq)
		vector_set(&mesh->exchange.target, front->stream, front->end);
	return OK;
}

static enum code read_front(struct mesh *mesh, struct bytes bytes, struct batch *ret_front, struct err *err)
{
	enum code code = batch_read_front(bytes, ret_front, err);

	if (!code && (ret_front->stream.node != mesh->node || !id_equal(ret_front->cluster, mesh->cluster) ||
		      !batch_is_signed(ret_front, mesh->signer->key)))
		return fail(err, E_DENIED, "it showed a batch as this server's own that is none");
	return code;
}

/* All of them first: who shows one that is none has shown nothing. */
static enum code check_fronts(struct mesh *mesh, struct reader list, struct err *err)
{
	struct batch front;
	struct bytes bytes;
	enum code code = OK;

	while (!code && frame_next_front(&list, &bytes))
		code = read_front(mesh, bytes, &front, err);
	return code;
}

enum code exchange_fronts(struct mesh *mesh, struct link *link, struct reader list, struct err *err)
{
	struct exchange *exchange = &mesh->exchange;
	struct bytes bytes;
	enum code code = check_fronts(mesh, list, err);

	if (!code)
		code = mesh_txn(mesh, err);
	while (!code && frame_next_front(&list, &bytes)) {
		struct batch front;

		code = batch_read_front(bytes, &front, err);
		if (!code)
			code = take_front(mesh, link, &front, err);
	}
	if (code)
		return code;
	mesh->counts.fronts++;
	if (exchange->stage == EXCHANGE_OWN && !exchange->has_target) {
		exchange->has_target = true;
		exchange->asked = mesh->now;
	}
	return OK;
}

void exchange_shown(struct mesh *mesh, struct link *link)
{
	struct exchange *exchange = &mesh->exchange;
	const struct vector *acked = &link->peer->acked;

	if (exchange->stage == EXCHANGE_OWN || exchange->stage == EXCHANGE_DONE || exchange->has_target)
		return;
	vector_done(&exchange->target);
	for (size_t i = 0; i < acked->count; i++)
		vector_note_more(&exchange->target, acked->all[i].stream, acked->all[i].end);
	exchange->with = link->peer->node;
	exchange->since = mesh->now;
	exchange->has_target = true;
}

/* --- Whether it is here. */

static enum code is_reached(struct mesh *mesh, bool *ret_is_reached, struct err *err)
{
	const struct exchange *exchange = &mesh->exchange;
	bool is_reached = true;
	enum code code = OK;

	for (size_t i = 0; !code && is_reached && i < exchange->target.count; i++) {
		const struct frontier *frontier = &exchange->target.all[i];

		/* Where our own start is closed, nothing of it is lacking: we go on in another. */
		if (exchange->stage == EXCHANGE_OWN && closed_is(mesh, frontier->stream.node, frontier->stream.start))
			continue;
		if (exchange->stage != EXCHANGE_URGENT || frontier->stream.lane == LANE_URGENT)
			code = closed_is_here(mesh, frontier, &is_reached, err);
	}
	if (!code)
		*ret_is_reached = is_reached;
	return code;
}

static void pass_own(struct mesh *mesh)
{
	struct exchange *exchange = &mesh->exchange;

	mesh->counts.exchange_own++;
	exchange->stage = EXCHANGE_URGENT;
	exchange->passed = mesh->now;
	exchange->has_target = false;
	/* What is closed is to be said, and what came too early is to be asked for. */
	closed_changed(mesh);
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		peer->has_more_gaps = true;
		if (peer->link && link_is_open(mesh, peer->link))
			antientropy_begin(mesh, peer->link);
	}
}

void exchange_replaced(struct mesh *mesh)
{
	if (mesh->exchange.stage == EXCHANGE_OWN)
		pass_own(mesh);
}

enum code exchange_step(struct mesh *mesh, struct err *err)
{
	struct exchange *exchange = &mesh->exchange;
	bool is_passed = true;
	enum code code = OK;

	/* What a full disk took back may be that our own start is closed. */
	if (exchange->stage == EXCHANGE_OWN && mesh->proofs.undone.size)
		return OK;
	while (!code && is_passed && exchange->has_target && exchange->stage < EXCHANGE_DONE) {
		code = is_reached(mesh, &is_passed, err);
		if (code || !is_passed)
			break;
		if (exchange->stage == EXCHANGE_OWN) {
			pass_own(mesh);
		} else {
			mesh->counts.exchange_urgent += exchange->stage == EXCHANGE_URGENT;
			mesh->counts.exchange_whole += exchange->stage == EXCHANGE_REST;
			exchange->stage++;
		}
	}
	if (exchange->stage == EXCHANGE_DONE)
		vector_done(&exchange->target);
	return code;
}

void exchange_back(struct mesh *mesh, enum exchange_stage stage)
{
	struct exchange *exchange = &mesh->exchange;

	if (exchange->stage == stage)
		return;
	exchange->stage = stage;
	/* What was shown of our own is still known; what others have they say again. */
	exchange->has_target = stage == EXCHANGE_OWN;
}

/* Any of those who have more of it, or else any. */
static struct link *choose_link(struct mesh *mesh, struct stream stream)
{
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;
	struct link *any = NULL;

	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (!peer->link || !link_is_open(mesh, peer->link))
			continue;
		if (vector_seq(&peer->acked, stream) > vector_seq(&mesh->vector, stream))
			return peer->link;
		any = peer->link;
	}
	return any;
}

static void ask_again(struct mesh *mesh)
{
	const struct vector *target = &mesh->exchange.target;

	mesh->exchange.asked = mesh->now;
	for (size_t i = 0; i < target->count; i++) {
		const struct frontier *lacking = &target->all[i];
		struct link *link = choose_link(mesh, lacking->stream);

		if (link && vector_seq(&mesh->vector, lacking->stream) < lacking->end.seq)
			want(mesh, link, lacking->stream, lacking->end.seq);
	}
}

void exchange_tick(struct mesh *mesh)
{
	struct exchange *exchange = &mesh->exchange;
	struct peer *peer = mesh_peer(mesh, exchange->with);
	bool is_there = peer && peer->link && link_is_open(mesh, peer->link);

	if (exchange->stage == EXCHANGE_DONE || !mesh->is_member || is_alone(mesh))
		return;
	if (!exchange->is_stale && mono_since_ns(mesh->now, exchange->begun) >= EXCHANGE_PATIENCE &&
	    exchange->stage <= EXCHANGE_URGENT) {
		exchange->is_stale = true;
		mesh->counts.exchange_stale++;
		mesh_alarm(mesh, "stale start: no other member answered, and this one goes on with what its disk says; "
				 "evict members that will not return");
		closed_changed(mesh);
	}
	if (!exchange->has_target)
		return;
	/* Of our own it is all the same who brings it. */
	if (exchange->stage == EXCHANGE_OWN) {
		if (mono_since_ns(mesh->now, exchange->asked) >= EXCHANGE_AGAIN)
			ask_again(mesh);
		return;
	}
	/* Whoever went away, or showed what it does not have, is not waited for. */
	if (!is_there || mono_since_ns(mesh->now, exchange->since) >= EXCHANGE_PATIENCE)
		exchange->has_target = false;
}

static bool is_ahead(const struct mesh *mesh, const struct peer *peer)
{
	for (int lane = 0; lane < LANES; lane++) {
		struct stream own = { mesh->node, mesh->author.start, (enum lane)lane };

		if (vector_seq(&peer->acked, own) > vector_seq(&mesh->vector, own))
			return true;
	}
	return false;
}

void exchange_watch(struct mesh *mesh)
{
	/* Until then it is told, or takes over what the others have. */
	if (mesh->exchange.stage != EXCHANGE_DONE || mesh->recovery.need != RECOVERY_NONE)
		return;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		if (!peer->link || !is_ahead(mesh, peer) ||
		    (peer->ahead.ns && mono_since_ns(mesh->now, peer->ahead) < EXCHANGE_AHEAD))
			continue;
		peer->ahead = mesh->now;
		mesh->counts.ahead++;
		link_close(mesh, peer->link, 0);
	}
}
