/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/push.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <stdlib.h>

enum window { WINDOW_PEOPLE, WINDOW_BULK };

static enum window window_of(enum lane lane)
{
	return lane == LANE_BULK ? WINDOW_BULK : WINDOW_PEOPLE;
}

void flow_done(struct flow *flow)
{
	free(flow->wants);
	free(flow->sent);
	*flow = (struct flow){ 0 };
}

static void note_rows(struct mesh *mesh, size_t from)
{
	for (size_t i = from; i < mesh->changes.count; i++)
		mesh->closings.has_news |= mesh->changes.all[i].kind == KIND_closing;
}

enum code push_merge(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	size_t changed = mesh->changes.count;
	struct applying applying;
	struct applied applied;
	enum code code = mesh_txn(mesh, err);

	if (code)
		return code;
	applying = mesh_applying(mesh);
	code = apply_batch(&applying, batch, &applied, err);
	if (!code)
		code = log_put_batch(mesh->txn, batch, err);
	if (!code)
		code = author_follow(&mesh->author, batch, &mesh->changes, changed, mesh->txn, err);
	if (code)
		return code;
	note_rows(mesh, changed);
	trim_grew(&mesh->stable.trim, batch);
	mesh->author.hlc = hlc_observe(mesh->author.hlc, mesh->wall, applied.latest);
	mesh->counts.merged++;
	mesh->counts.own_followed += batch->stream.node == mesh->node;
	mesh->counts.void_entry += applied.voids;
	mesh_move(mesh, batch);
	return OK;
}

bool push_takes(const struct mesh *mesh, struct stream stream)
{
	const struct member *author = members_find(mesh->t0.members, stream.node);

	if (!author)
		return false;
	/* Each start is a stream in everybody's vector for good, and no member needs many. */
	return author->is_evicted || vector_find(&mesh->vector, stream) ||
	       vector_streams_of(&mesh->vector, stream.node) < PUSH_STARTS * LANES;
}

/* Whether it is here already; below the horizon it is. */
static enum code is_merged(struct mesh *mesh, const struct batch *batch, bool *ret_is_merged, struct err *err)
{
	struct store_txn *txn;
	struct logged logged;
	uint64_t horizon;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = log_horizon(txn, batch->stream, &horizon, err);
	if (!code && batch->end.seq > horizon)
		code = log_find(txn, batch->stream, batch->end, &logged, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_merged = !code;
	return OK;
}

/* Of an open start, from a member that is known. */
static enum code take_open(struct mesh *mesh, struct link *link, const struct batch *batch, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, batch->stream);
	struct end have = end ? *end : (struct end){ 0 };
	bool is_there = end_equal(have, batch->end);
	enum code code = OK;

	if (batch->first > have.seq + 1) {
		mesh->counts.gap++;
		link_owe(mesh, link, OWED_INDEX);
		return OK;
	}
	if (!is_there && batch->end.seq <= have.seq)
		code = is_merged(mesh, batch, &is_there, err);
	if (!code && is_there) {
		mesh->counts.duplicate++;
		/* Said once more, or the peer would wait for our word that we have it. */
		ack_note(&mesh->recent, batch->stream);
	}
	if (code || is_there)
		return code;
	if (!batch_is_signed(batch, members_find(mesh->t0.members, batch->stream.node)->key))
		return fail(err, E_DENIED, "it passed on a batch whose signature is wrong");
	if (batch->first == have.seq + 1 && id_equal(batch->before, have.hash))
		return push_merge(mesh, batch, err);
	code = closed_contradict(mesh, batch, err);
	if (!code && closed_is(mesh, batch->stream.node, batch->stream.start))
		code = closed_take(mesh, batch, err);
	return code;
}

static enum code take_closed(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	const struct member *author = members_find(mesh->t0.members, batch->stream.node);

	if (!batch_is_signed(batch, author->key)) {
		/* Of two keys that have one id, and so are both evicted, it may be the other's. */
		if (author->is_evicted)
			return OK;
		return fail(err, E_DENIED, "it passed on a batch whose signature is wrong");
	}
	return closed_take(mesh, batch, err);
}

enum code push_receive(struct mesh *mesh, struct link *link, struct bytes whole, struct err *err)
{
	struct batch batch;
	enum code code = batch_read(whole, &batch, err);

	/* Not for this version: it waits with its author until this member is upgraded. */
	if (code == E_NEWER) {
		mesh->counts.newer++;
		return OK;
	}
	if (code)
		return code;
	if (!id_equal(batch.cluster, mesh->cluster))
		return fail(err, E_DENIED, "it sent a batch of another cluster");
	if (!exchange_takes(mesh, batch.stream)) {
		mesh->counts.too_early++;
		return OK;
	}
	ack_owe(mesh, link, batch.stream);
	/* Not refused and not taken: its author's admission may still be on its way. */
	if (!push_takes(mesh, batch.stream)) {
		mesh->counts.unknown_author++;
		return OK;
	}
	if (closed_is(mesh, batch.stream.node, batch.stream.start))
		return take_closed(mesh, &batch, err);
	return take_open(mesh, link, &batch, err);
}

static struct wanted *find_wanted(const struct flow *flow, struct stream stream)
{
	for (size_t i = 0; i < flow->wants_count; i++)
		if (!stream_compare(&flow->wants[i].want.stream, &stream))
			return &flow->wants[i];
	return NULL;
}

static void add_want(struct flow *flow, const struct want *want)
{
	struct wanted asked = { *want, log_behind(want->after) }, *old = find_wanted(flow, want->stream);

	if (old) {
		*old = asked;
		return;
	}
	if (flow->wants_count == FRAME_WANTS_MAX)
		return;
	if (flow->wants_count == flow->wants_room) {
		flow->wants_room = flow->wants_room ? 2 * flow->wants_room : 4;
		flow->wants = must_realloc(flow->wants, flow->wants_room * sizeof *flow->wants);
	}
	flow->wants[flow->wants_count++] = asked;
}

/* The line's rate and its least round trip, from what was just acknowledged. */
static void measure(struct mesh *mesh, struct flow *flow, const struct sent *sent, uint64_t bytes)
{
	uint64_t round = mono_since_ns(mesh->now, sent->at) + 1, rate;

	if (!flow->round_ns || round < flow->round_ns)
		flow->round_ns = round;
	rate = bytes * MESH_SECOND / round;
	/* Forgets slowly, so that a line that got slower is found out. */
	flow->bytes_per_s = rate > flow->bytes_per_s ? rate : flow->bytes_per_s - flow->bytes_per_s / 64;
}

/* It is on its way no more. */
static void landed(struct flow *flow, const struct sent *sent)
{
	flow->under_way[window_of(sent->stream.lane)] -= sent->size;
	if (sent->is_wanted && sent->stream.lane != LANE_BULK)
		flow->wanted_under_way -= sent->size;
}

void push_acknowledged(struct mesh *mesh, struct link *link, const struct frontier *frontier)
{
	struct flow *flow = &link->flow;
	size_t kept = 0;

	for (size_t i = 0; i < flow->sent_count; i++) {
		const struct sent *sent = &flow->sent[i];
		enum window window = window_of(sent->stream.lane);

		if (stream_compare(&sent->stream, &frontier->stream) || sent->seq > frontier->end.seq) {
			flow->sent[kept++] = *sent;
			continue;
		}
		measure(mesh, flow, sent, flow->under_way[window]);
		landed(flow, sent);
	}
	flow->sent_count = kept;
}

/*
 * What is wanted of a closed start waits at the peer, and so is not acknowledged. Who wants more of it says how far it
 * came instead, and what is behind that is under way already.
 */
static void go_on(struct mesh *mesh, struct link *link, const struct want *want)
{
	struct wanted *old = find_wanted(&link->flow, want->stream);
	struct frontier came = { want->stream, { .seq = want->after } };

	push_acknowledged(mesh, link, &came);
	if (old && want->after > old->want.after && want->after <= old->at.seq)
		old->want = *want;
	else
		add_want(&link->flow, want);
}

void push_wanted(struct mesh *mesh, struct link *link, struct reader wants)
{
	struct want want;

	mesh->counts.want++;
	while (frame_next_want(&wants, &want)) {
		bool is_own = want.stream.node == mesh->node && want.stream.start == mesh->author.start;

		if (is_own && !mesh->relay.is_on)
			continue;
		if (closed_is(mesh, want.stream.node, want.stream.start))
			go_on(mesh, link, &want);
		else
			add_want(&link->flow, &want);
	}
	link_touch(mesh, link);
}

static bool has_sent(const struct flow *flow, struct stream stream)
{
	for (size_t i = 0; i < flow->sent_count; i++)
		if (!stream_compare(&flow->sent[i].stream, &stream))
			return true;
	return false;
}

void push_begin(struct mesh *mesh, struct link *link)
{
	struct flow *flow = &link->flow;

	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream own = { mesh->node, mesh->author.start, lane };

		/* Where nothing is on its way, the peer stands where it says. */
		if (!flow->is_begun || !has_sent(flow, own))
			flow->pushed[lane] = vector_seq(&link->peer->acked, own);
	}
	flow->is_begun = true;
	if (mesh->relay.is_on)
		relay_begin(mesh, link);
	link_touch(mesh, link);
}

/* The furthest of the stream that is on its way; 0: nothing. */
static uint64_t furthest_sent(const struct flow *flow, struct stream stream)
{
	uint64_t furthest = 0;

	for (size_t i = 0; i < flow->sent_count; i++)
		if (flow->sent[i].seq > furthest && !stream_compare(&flow->sent[i].stream, &stream))
			furthest = flow->sent[i].seq;
	return furthest;
}

bool push_has_sent(const struct link *link, struct stream stream, uint64_t seq)
{
	const struct wanted *owed = find_wanted(&link->flow, stream);

	return (owed && owed->want.until >= seq) || furthest_sent(&link->flow, stream) >= seq;
}

void push_owe(struct mesh *mesh, struct link *link, struct stream stream, uint64_t until)
{
	struct flow *flow = &link->flow;
	struct wanted *owed = find_wanted(flow, stream);
	uint64_t sent = furthest_sent(flow, stream), has = relay_seq(mesh, link->peer, stream);
	struct want want = { stream, sent > has ? sent : has, until };

	/* Before the peer has said where it stands nobody knows what it lacks; then it asks. */
	if (!flow->is_begun || want.after >= until)
		return;
	if (!owed)
		add_want(flow, &want);
	else if (owed->want.until < until)
		owed->want.until = until;
	link_touch(mesh, link);
}

void push_restart(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next)
		for (enum lane lane = LANE_URGENT; link->peer && link->flow.is_begun && lane < LANES; lane++) {
			struct stream own = { mesh->node, mesh->author.start, lane };

			link->flow.pushed[lane] = vector_seq(&link->peer->acked, own);
		}
}

static uint64_t bulk_window(const struct flow *flow)
{
	uint64_t held = flow->bytes_per_s / 1000 * (flow->round_ns / 1000) / 1000;

	if (2 * held < PUSH_BULK_LEAST)
		return PUSH_BULK_LEAST;
	return 2 * held > PUSH_BULK_MOST ? PUSH_BULK_MOST : 2 * held;
}

/* What the peer asks for is never all of it: what it asks for and does not take must not keep out what is new. */
static bool has_room(struct mesh *mesh, const struct flow *flow, enum lane lane, bool is_wanted)
{
	enum window window = window_of(lane);
	bool has = flow->under_way[window] < (window == WINDOW_BULK ? bulk_window(flow) : PUSH_WINDOW);

	if (is_wanted && window == WINDOW_PEOPLE)
		has = has && flow->wanted_under_way < PUSH_WINDOW / 2;
	mesh->counts.window_full += !has;
	return has;
}

static void note_sent(struct mesh *mesh, struct flow *flow, const struct batch *batch, bool is_wanted)
{
	if (flow->sent_count == flow->sent_room) {
		flow->sent_room = flow->sent_room ? 2 * flow->sent_room : 16;
		flow->sent = must_realloc(flow->sent, flow->sent_room * sizeof *flow->sent);
	}
	flow->sent[flow->sent_count++] =
		(struct sent){ batch->stream, batch->end.seq, (uint32_t)batch->whole.size, is_wanted, mesh->now };
	flow->under_way[window_of(batch->stream.lane)] += batch->whole.size;
	if (is_wanted && batch->stream.lane != LANE_BULK)
		flow->wanted_under_way += batch->whole.size;
}

/*
 * The batch behind a place, from the log. E_ABSENT: there is none; E_LOST: it is there no more. Of a closed start with
 * its branches what everybody had long ago is stepped over.
 */
static enum code find_next(struct mesh *mesh, struct stream stream, struct log_place after, struct batch *ret_batch,
			   struct err *err)
{
	bool is_closed = closed_is(mesh, stream.node, stream.start);
	uint64_t everybody = vector_seq(&mesh->stable.vector, stream);
	struct logged logged;
	enum code code;

	do {
		code = log_after(mesh->look, stream, after, &logged, err);
		if (code)
			return code;
		/* One that begins before the place shows to whoever stands there that there are two histories. */
		if (!is_closed && logged.first > after.seq + 1)
			return E_LOST;
		after = log_place_of(&logged);
	} while (is_closed && logged.form != LOG_WHOLE && logged.last <= everybody);
	return logged.form == LOG_WHOLE ? batch_read(logged.bytes, ret_batch, err) : E_LOST;
}

static enum code read_next(struct mesh *mesh, struct stream stream, struct log_place after, struct err *err)
{
	struct last_sent *last = &mesh->last_sent;
	enum code code;

	if (last->is_there && last->after.seq == after.seq && last->after.tail == after.tail &&
	    !stream_compare(&last->batch.stream, &stream))
		return OK;
	last->is_there = false;
	code = mesh_look(mesh, err);
	if (!code)
		code = find_next(mesh, stream, after, &last->batch, err);
	if (code)
		return code;
	last->is_there = true;
	last->after = after;
	return OK;
}

/* What follows a place and begins no later than right behind `until`. */
static enum code send_next(struct mesh *mesh, struct link *link, struct stream stream, struct log_place *at,
			   uint64_t until, struct err *err)
{
	const struct batch *batch = &mesh->last_sent.batch;
	enum code code = read_next(mesh, stream, *at, err);

	if (!code && at->seq >= until && batch->end.seq > until)
		return E_ABSENT;
	if (code)
		return code;
	buf_clear(&mesh->frame);
	frame_put_batch(&mesh->frame, batch->whole);
	link_send(mesh, link);
	note_sent(mesh, &link->flow, batch, stream.node != mesh->node || stream.start != mesh->author.start);
	*at = log_place_at(batch->end);
	return OK;
}

static void say_gone(struct mesh *mesh, struct link *link, struct stream stream)
{
	struct frame_list list;

	buf_clear(&mesh->frame);
	list = frame_begin_gone(&mesh->frame);
	frame_put_gone(&list, stream);
	link_send(mesh, link);
	mesh->counts.gone++;
}

static enum code push_own(struct mesh *mesh, struct link *link, enum lane lane, struct err *err)
{
	struct stream own = { mesh->node, mesh->author.start, lane };
	struct flow *flow = &link->flow;
	uint64_t end = mesh->author.lanes[lane].end.seq;
	struct log_place at = log_behind(flow->pushed[lane]);
	enum code code = OK;

	while (!code && flow->is_begun && !mesh->relay.is_on && at.seq < end && has_room(mesh, flow, lane, false)) {
		at = log_behind(at.seq);
		code = send_next(mesh, link, own, &at, end, err);
		mesh->counts.pushed += !code;
	}
	if (code == E_LOST || code == E_ABSENT) {
		say_gone(mesh, link, own);
		at.seq = end;
		code = OK;
	}
	flow->pushed[lane] = at.seq;
	return code;
}

/* Of a closed start two batches may end at one seq. */
static bool is_sent(const struct mesh *mesh, const struct wanted *asked)
{
	if (asked->at.seq != asked->want.until)
		return asked->at.seq > asked->want.until;
	return asked->at.tail == UINT64_MAX || !closed_is(mesh, asked->want.stream.node, asked->want.stream.start);
}

/* What was asked for in one stream, until it is sent or the window is full. */
static enum code send_wanted(struct mesh *mesh, struct link *link, struct wanted *asked, struct err *err)
{
	struct stream stream = asked->want.stream;
	enum code code = OK;

	while (!code && !is_sent(mesh, asked) && has_room(mesh, &link->flow, stream.lane, true)) {
		code = send_next(mesh, link, stream, &asked->at, asked->want.until, err);
		mesh->counts.wanted += !code;
	}
	if (code != E_ABSENT && code != E_LOST)
		return code;
	/* Behind our own end nothing is gone: another member has that, and not yet we. */
	if (code == E_LOST && asked->at.seq < vector_seq(&mesh->vector, stream))
		say_gone(mesh, link, stream);
	asked->at = log_behind(asked->want.until);
	return OK;
}

/* Of a closed start what is under way is still to be asked for, by whoever says so that it has come. */
static bool is_coming(const struct mesh *mesh, const struct flow *flow, struct stream stream)
{
	return closed_is(mesh, stream.node, stream.start) && has_sent(flow, stream);
}

static enum code flush_lane(struct mesh *mesh, struct link *link, enum lane lane, struct err *err)
{
	struct flow *flow = &link->flow;
	uint32_t kept = 0;
	enum code code = push_own(mesh, link, lane, err);

	for (size_t i = 0; i < flow->wants_count; i++) {
		struct wanted *asked = &flow->wants[i];

		if (!code && asked->want.stream.lane == lane)
			code = send_wanted(mesh, link, asked, err);
		if (!is_sent(mesh, asked) || is_coming(mesh, flow, asked->want.stream))
			flow->wants[kept++] = *asked;
	}
	flow->wants_count = kept;
	return code;
}

enum code push_flush(struct mesh *mesh, struct link *link, struct err *err)
{
	enum code code = OK;

	for (enum lane lane = LANE_URGENT; !code && lane < LANES; lane++)
		code = flush_lane(mesh, link, lane, err);
	return code;
}

/* It may have met a full disk, or the peer lacked what it hangs on: ours is sent again, what was asked for is asked. */
static void give_up(struct mesh *mesh, struct link *link, const struct sent *sent)
{
	struct stream own = { mesh->node, mesh->author.start, sent->stream.lane };
	uint64_t acked = vector_seq(&link->peer->acked, own), *pushed = &link->flow.pushed[own.lane];

	mesh->counts.lost_patience++;
	landed(&link->flow, sent);
	if (!stream_compare(&sent->stream, &own) && acked < *pushed)
		*pushed = acked;
}

void push_tick(struct mesh *mesh, struct link *link)
{
	struct flow *flow = &link->flow;
	size_t kept = 0;

	if (!flow->sent_count || mono_since_ns(mesh->now, flow->sent[0].at) < PUSH_PATIENCE)
		return;
	for (size_t i = 0; i < flow->sent_count; i++) {
		if (mono_since_ns(mesh->now, flow->sent[i].at) < PUSH_PATIENCE)
			flow->sent[kept++] = flow->sent[i];
		else
			give_up(mesh, link, &flow->sent[i]);
	}
	flow->sent_count = kept;
	link_owe(mesh, link, OWED_INDEX);
}
