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

/*
 * Whether an earlier end lies on our chain is not known without looking; that it is the same end is. Nobody is accused
 * of what he did not sign.
 */
static enum code note_off_chain(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, batch->stream);
	const struct member *author = members_find(mesh->t0.members, batch->stream.node);

	if (!author || !end || end->seq != batch->end.seq || end_equal(*end, batch->end))
		return OK;
	if (!batch_is_signed(batch, author->key))
		return fail(err, E_DENIED, "it passed on a batch whose signature is wrong");
	mesh->counts.off_chain++;
	mesh_alarm(mesh, "member %016llx has signed two batches for one place in its stream",
		   (unsigned long long)batch->stream.node);
	return OK;
}

static enum code merge(struct mesh *mesh, const struct batch *batch, struct err *err)
{
	struct applying applying;
	struct applied applied;
	enum code code = mesh_txn(mesh, err);

	if (code)
		return code;
	applying = mesh_applying(mesh);
	code = apply_batch(&applying, batch, &applied, err);
	if (!code)
		code = log_put_batch(mesh->txn, batch, err);
	if (code)
		return code;
	trim_grew(&mesh->stable.trim, batch);
	mesh->author.hlc = hlc_observe(mesh->author.hlc, mesh->wall, applied.latest);
	mesh->counts.merged++;
	mesh->counts.void_entry += applied.voids;
	mesh_move(mesh, batch->stream, batch->end);
	return OK;
}

bool push_takes(const struct mesh *mesh, struct stream stream)
{
	const struct member *author = members_find(mesh->t0.members, stream.node);

	if (!author || author->is_evicted)
		return false;
	/* Each start is a stream in everybody's vector for good, and no member needs many. */
	return vector_find(&mesh->vector, stream) ||
	       vector_streams_of(&mesh->vector, stream.node) < PUSH_STARTS * LANES;
}

/* The batch is new; whether it is the next one. */
static enum code take_next(struct mesh *mesh, struct link *link, const struct batch *batch, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, batch->stream);
	const struct member *author = members_find(mesh->t0.members, batch->stream.node);
	struct end have = end ? *end : (struct end){ 0 };

	/* Not refused and not taken: its author's admission may still be on its way, or its eviction was. */
	if (!author || !push_takes(mesh, batch->stream)) {
		mesh->counts.unknown_author++;
		return OK;
	}
	if (batch->first != have.seq + 1) {
		mesh->counts.gap++;
		link_owe(mesh, link, OWED_INDEX);
		return OK;
	}
	if (!batch_is_signed(batch, author->key))
		return fail(err, E_DENIED, "it passed on a batch whose signature is wrong");
	if (!id_equal(batch->before, have.hash)) {
		mesh->counts.off_chain++;
		mesh_alarm(mesh, "member %016llx goes on from a batch that is not in its stream",
			   (unsigned long long)batch->stream.node);
		return OK;
	}
	return merge(mesh, batch, err);
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
	ack_owe(mesh, link, batch.stream);
	if (batch.end.seq <= vector_seq(&mesh->vector, batch.stream)) {
		mesh->counts.duplicate++;
		/* Said once more, or the peer would wait for our word that we have it. */
		ack_note(&mesh->recent, batch.stream);
		return note_off_chain(mesh, &batch, err);
	}
	return take_next(mesh, link, &batch, err);
}

static void add_want(struct flow *flow, const struct want *want)
{
	for (size_t i = 0; i < flow->wants_count; i++)
		if (!stream_compare(&flow->wants[i].stream, &want->stream)) {
			flow->wants[i] = *want;
			return;
		}
	if (flow->wants_count == FRAME_WANTS_MAX)
		return;
	if (!flow->wants)
		flow->wants = must_alloc(FRAME_WANTS_MAX * sizeof *flow->wants);
	flow->wants[flow->wants_count++] = *want;
}

void push_wanted(struct mesh *mesh, struct link *link, struct reader wants)
{
	struct want want;

	mesh->counts.want++;
	while (frame_next_want(&wants, &want))
		if (want.stream.node != mesh->node || want.stream.start != mesh->author.start)
			add_want(&link->flow, &want);
	link_touch(mesh, link);
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
	link_touch(mesh, link);
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

/* The batch behind `after`, from the log. */
static enum code read_next(struct mesh *mesh, struct stream stream, uint64_t after, struct err *err)
{
	struct last_sent *last = &mesh->last_sent;
	struct logged logged;
	enum code code;

	if (last->is_there && last->after == after && !stream_compare(&last->batch.stream, &stream))
		return OK;
	last->is_there = false;
	code = mesh_look(mesh, err);
	if (!code)
		code = log_after(mesh->look, stream, log_behind(after), &logged, err);
	if (!code && logged.form != LOG_WHOLE)
		code = fail(err, E_ABSENT, "the batch is no longer there whole");
	if (!code)
		code = batch_read(logged.bytes, &last->batch, err);
	if (code)
		return code;
	last->is_there = true;
	last->after = after;
	return OK;
}

static enum code send_next(struct mesh *mesh, struct link *link, struct stream stream, uint64_t after,
			   uint64_t *ret_seq, struct err *err)
{
	const struct batch *batch = &mesh->last_sent.batch;
	enum code code = read_next(mesh, stream, after, err);

	if (code)
		return code;
	buf_clear(&mesh->frame);
	frame_put_batch(&mesh->frame, batch->whole);
	link_send(mesh, link);
	note_sent(mesh, &link->flow, batch, stream.node != mesh->node || stream.start != mesh->author.start);
	*ret_seq = batch->end.seq;
	return OK;
}

static enum code push_own(struct mesh *mesh, struct link *link, enum lane lane, struct err *err)
{
	struct stream own = { mesh->node, mesh->author.start, lane };
	struct flow *flow = &link->flow;
	uint64_t end = mesh->author.lanes[lane].end.seq;
	enum code code = OK;

	while (!code && flow->is_begun && flow->pushed[lane] < end && has_room(mesh, flow, lane, false)) {
		code = send_next(mesh, link, own, flow->pushed[lane], &flow->pushed[lane], err);
		mesh->counts.pushed += !code;
	}
	return code;
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

/* What was asked for in one lane, until it is sent or the window is full. */
static enum code send_wanted(struct mesh *mesh, struct link *link, struct want *want, struct err *err)
{
	enum code code = OK;

	while (!code && want->after < want->until && has_room(mesh, &link->flow, want->stream.lane, true)) {
		code = send_next(mesh, link, want->stream, want->after, &want->after, err);
		mesh->counts.wanted += !code;
	}
	if (code != E_ABSENT)
		return code;
	/* Behind our own end nothing is gone: another member has that, and not yet we. */
	if (want->after < vector_seq(&mesh->vector, want->stream))
		say_gone(mesh, link, want->stream);
	want->after = want->until;
	return OK;
}

static enum code flush_lane(struct mesh *mesh, struct link *link, enum lane lane, struct err *err)
{
	struct flow *flow = &link->flow;
	size_t kept = 0;
	enum code code = push_own(mesh, link, lane, err);

	for (size_t i = 0; i < flow->wants_count; i++) {
		struct want *want = &flow->wants[i];

		if (!code && want->stream.lane == lane)
			code = send_wanted(mesh, link, want, err);
		if (want->after < want->until)
			flow->wants[kept++] = *want;
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
