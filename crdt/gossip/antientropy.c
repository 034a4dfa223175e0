/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/antientropy.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

#include <stdlib.h>

void gaps_done(struct gaps *gaps)
{
	free(gaps->all);
	free(gaps->round);
	*gaps = (struct gaps){ 0 };
}

static struct gap *find_gap(struct gaps *gaps, struct stream stream)
{
	for (size_t i = 0; i < gaps->count; i++)
		if (!stream_compare(&gaps->all[i].stream, &stream))
			return &gaps->all[i];
	return NULL;
}

static void add_gap(struct mesh *mesh, struct peer *teller, const struct gap *gap)
{
	struct gaps *gaps = &mesh->gaps;

	if (teller->gaps == ANTIENTROPY_SHARE || gaps->count == ANTIENTROPY_GAPS) {
		teller->has_more_gaps = true;
		return;
	}
	if (gaps->count == gaps->room) {
		gaps->room = gaps->room ? 2 * gaps->room : 16;
		gaps->all = must_realloc(gaps->all, gaps->room * sizeof *gaps->all);
	}
	gaps->all[gaps->count++] = *gap;
	teller->gaps++;
}

void antientropy_forget(struct mesh *mesh, uint64_t teller)
{
	struct gaps *gaps = &mesh->gaps;
	size_t kept = 0;

	for (size_t i = 0; i < gaps->count; i++)
		if (gaps->all[i].teller != teller)
			gaps->all[kept++] = gaps->all[i];
	gaps->count = kept;
}

/* Whether the stream's author tells us itself what it writes, or relays do. */
static bool is_linked(const struct mesh *mesh, uint64_t author)
{
	const struct peer *peer = mesh_peer(mesh, author);

	return mesh->relay.is_on || (peer && peer->link && link_is_open(mesh, peer->link));
}

/* Whether it may have been pushed and refused, right after our start: then it does not come by itself. */
static bool came_too_early(const struct mesh *mesh)
{
	return mesh->exchange.passed.ns && mono_since_ns(mesh->now, mesh->exchange.passed) < ANTIENTROPY_GRACE;
}

/* What kind of gap a frontier of somebody else's shows. */
enum lack {
	LACKS_NOTHING,
	LACKS_MORE,   /* the stream goes on there */
	LACKS_RIVAL,  /* another batch stands there in our place: to be shown, and closed by it */
	LACKS_BRANCH, /* of a closed start, what is not known here */
};

static enum code find_lack(struct mesh *mesh, const struct frontier *frontier, enum lack *ret_lack, struct err *err)
{
	uint64_t seq = vector_seq(&mesh->vector, frontier->stream);
	bool has = vector_has(&mesh->vector, frontier->stream, frontier->end);
	enum code code;

	*ret_lack = LACKS_NOTHING;
	/* What would not be taken is not asked for. */
	if (has || !frontier->end.seq || !push_takes(mesh, frontier->stream) || !exchange_takes(mesh, frontier->stream))
		return OK;
	if (closed_is(mesh, frontier->stream.node, frontier->stream.start)) {
		code = closed_has(mesh, frontier, &has, err);
		if (!code && !has)
			*ret_lack = LACKS_BRANCH;
		return code;
	}
	/* Of its present start this member is told by fronts, in its own words. */
	if (frontier->stream.node == mesh->node && frontier->stream.start == mesh->author.start)
		return OK;
	if (frontier->end.seq > seq)
		*ret_lack = LACKS_MORE;
	else if (frontier->end.seq == seq)
		*ret_lack = LACKS_RIVAL;
	return OK;
}

static enum code notice(struct mesh *mesh, struct peer *peer, const struct frontier *frontier, struct err *err)
{
	struct gap gap = { .stream = frontier->stream, .until = frontier->end, .due = mesh->now, .back = 1 }, *old;
	uint64_t seq = vector_seq(&mesh->vector, frontier->stream);
	enum lack lack;
	enum code code = find_lack(mesh, frontier, &lack, err);

	if (code || lack == LACKS_NOTHING)
		return code;
	gap.teller = peer->node;
	old = find_gap(&mesh->gaps, frontier->stream);
	if (old && old->teller == peer->node && lack == LACKS_MORE)
		old->until = gap.until;
	if (old) {
		/* Looked at again when that one is closed. */
		peer->has_more_gaps |= old->teller != peer->node || !end_equal(old->until, gap.until);
		return OK;
	}
	if (frontier->end.seq > seq)
		gap.back = frontier->end.seq - seq;
	if (is_linked(mesh, frontier->stream.node) && lack == LACKS_MORE && !came_too_early(mesh))
		gap.due.ns += ANTIENTROPY_GRACE;
	add_gap(mesh, peer, &gap);
	return OK;
}

enum code antientropy_notice(struct mesh *mesh, struct link *link, const struct frontier *frontier, struct err *err)
{
	return notice(mesh, link->peer, frontier, err);
}

/* What had no place before, from what the peers said last. */
static enum code notice_more(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		if (!peer->has_more_gaps || peer->gaps == ANTIENTROPY_SHARE || !is_linked(mesh, peer->node))
			continue;
		peer->has_more_gaps = false;
		for (size_t k = 0; !code && k < peer->acked.count; k++)
			code = notice(mesh, peer, &peer->acked.all[k], err);
	}
	return code;
}

void antientropy_begin(struct mesh *mesh, struct link *link)
{
	mesh->counts.index++;
	link_owe(mesh, link, OWED_INDEX);
}

enum code antientropy_compare(struct mesh *mesh, struct link *link, bool is_answer, struct err *err)
{
	if (!is_answer)
		link_owe(mesh, link, OWED_ANSWER);
	push_begin(mesh, link);
	return antientropy_want(mesh, err);
}

void antientropy_gone(struct mesh *mesh, struct link *link, struct reader streams)
{
	struct stream stream;

	/* By now another may have given it. */
	while (frame_next_gone(&streams, &stream))
		if (find_gap(&mesh->gaps, stream) || stream.node == mesh->node ||
		    vector_seq(&link->peer->acked, stream) > vector_seq(&mesh->vector, stream))
			recover_gone(mesh, link, stream);
}

static bool is_closed(const struct mesh *mesh, const struct gap *gap)
{
	return closed_is(mesh, gap->stream.node, gap->stream.start);
}

static bool has_it(const struct mesh *mesh, const struct peer *peer, const struct gap *gap)
{
	uint64_t own = vector_seq(&mesh->vector, gap->stream);

	if (is_closed(mesh, gap) || gap->until.seq <= own)
		return vector_has(&peer->acked, gap->stream, gap->until);
	return vector_seq(&peer->acked, gap->stream) > own;
}

/* Any of those who have more of it: not always the same one, nor the one who claims most. */
static struct peer *choose_peer(struct mesh *mesh, const struct gap *gap)
{
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;

	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (peer->link && link_is_open(mesh, peer->link) && has_it(mesh, peer, gap))
			return peer;
	}
	return NULL;
}

void antientropy_ask(struct mesh *mesh, struct link *link, struct want want)
{
	size_t last = link->wanted_count;

	/* Of what is asked twice the later counts. */
	if (last && !stream_compare(&link->wanted[last - 1].stream, &want.stream)) {
		link->wanted[last - 1] = want;
		return;
	}
	if (link->wanted_count == FRAME_WANTS_MAX)
		return;
	if (!link->wanted)
		link->wanted = must_alloc(FRAME_WANTS_MAX * sizeof *link->wanted);
	link->wanted[link->wanted_count++] = want;
	link_owe(mesh, link, OWED_WANT);
}

/* Whether part of it came, and the rest is to be had from there on. */
static bool goes_on(const struct gap *gap)
{
	return gap->reached > gap->after && gap->reached < gap->until.seq;
}

static struct peer *choose_giver(struct mesh *mesh, const struct gap *gap)
{
	struct peer *last = goes_on(gap) ? mesh_peer(mesh, gap->asked) : NULL;

	if (last && last->link && link_is_open(mesh, last->link) && has_it(mesh, last, gap))
		return last;
	return choose_peer(mesh, gap);
}

/* From where on a branch is asked for. */
static uint64_t step_back(struct gap *gap, uint64_t giver)
{
	if (goes_on(gap)) {
		gap->after = gap->reached;
	} else {
		gap->after = gap->until.seq > gap->back ? gap->until.seq - gap->back : 0;
		gap->back = gap->back > UINT64_MAX / 2 ? UINT64_MAX : 2 * gap->back;
		gap->reached = 0;
	}
	gap->asked = giver;
	gap->came = 0;
	gap->is_apart = false;
	return gap->after;
}

static void want(struct mesh *mesh, struct gap *gap)
{
	struct peer *peer = choose_giver(mesh, gap);
	uint64_t own = vector_seq(&mesh->vector, gap->stream);
	struct want asked = { .stream = gap->stream, .after = own, .until = gap->until.seq };

	/* Whoever has it may be back soon. */
	gap->due.ns = mesh->now.ns + (peer ? ANTIENTROPY_PATIENCE : MESH_SECOND);
	if (!peer)
		return;
	if (is_closed(mesh, gap) || gap->until.seq <= own)
		asked.after = step_back(gap, peer->node);
	else
		asked.until = vector_seq(&peer->acked, gap->stream);
	antientropy_ask(mesh, peer->link, asked);
}

void antientropy_came(struct mesh *mesh, const struct batch *batch, enum part part)
{
	struct gap *gap = find_gap(&mesh->gaps, batch->stream);

	if (!gap)
		return;
	gap->is_apart |= part == PART_APART;
	gap->due.ns = mesh->now.ns + (gap->is_apart ? 0 : ANTIENTROPY_PATIENCE);
	/* What waits since long ago may follow nothing. */
	if (part == PART_APART || (part == PART_FOLLOWS && batch->first > gap->reached + 1))
		return;
	if (batch->end.seq > gap->reached)
		gap->reached = batch->end.seq;
	gap->came += batch->whole.size;
	if (gap->came >= ANTIENTROPY_CREDIT && goes_on(gap))
		want(mesh, gap);
}

static int compare_wants(const void *a, const void *b)
{
	const struct want *one = a, *other = b;

	return stream_compare(&one->stream, &other->stream);
}

void antientropy_say(struct mesh *mesh, struct link *link)
{
	struct frame_list list;

	if (!link->wanted_count)
		return;
	qsort(link->wanted, link->wanted_count, sizeof *link->wanted, compare_wants);
	buf_clear(&mesh->frame);
	list = frame_begin_wants(&mesh->frame);
	for (size_t i = 0; i < link->wanted_count; i++)
		if (!i || stream_compare(&link->wanted[i - 1].stream, &link->wanted[i].stream))
			frame_put_want(&list, &link->wanted[i]);
	free(link->wanted);
	link->wanted = NULL;
	link->wanted_count = 0;
	link_send(mesh, link);
}

/* Whether it is closed, or never will be, or who told of it does not say so any more: then others are heard again. */
static enum code is_over(struct mesh *mesh, const struct gap *gap, const struct peer *teller, bool *ret_is_over,
			 struct err *err)
{
	struct frontier frontier = { gap->stream, gap->until };
	enum lack lack;
	enum code code = find_lack(mesh, &frontier, &lack, err);

	if (code)
		return code;
	*ret_is_over = lack == LACKS_NOTHING;
	if (*ret_is_over)
		return OK;
	/* Who is not there any more keeps nobody from being heard. */
	if (is_linked(mesh, teller->node) &&
	    (lack == LACKS_MORE ? vector_seq(&teller->acked, gap->stream) >= gap->until.seq
				: vector_has(&teller->acked, gap->stream, gap->until)))
		return OK;
	*ret_is_over = true;
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->has_more_gaps = true;
	return OK;
}

enum code antientropy_want(struct mesh *mesh, struct err *err)
{
	struct gaps *gaps = &mesh->gaps;
	size_t kept = 0;
	enum code code = OK;

	for (size_t i = 0; i < gaps->count; i++) {
		struct gap gap = gaps->all[i];
		struct peer *teller = mesh_peer(mesh, gap.teller);
		bool is_done = false;

		if (!code)
			code = is_over(mesh, &gap, teller, &is_done, err);
		if (is_done) {
			teller->gaps--;
			continue;
		}
		if (!code && gap.due.ns <= mesh->now.ns)
			want(mesh, &gap);
		gaps->all[kept++] = gap;
	}
	gaps->count = kept;
	return code;
}

static void shuffle_round(struct mesh *mesh)
{
	struct gaps *gaps = &mesh->gaps;

	gaps->round = must_realloc(gaps->round, (mesh->peers_count + 1) * sizeof *gaps->round);
	gaps->round_count = mesh->peers_count;
	for (size_t i = 0; i < mesh->peers_count; i++)
		gaps->round[i] = mesh->peers[i]->node;
	for (size_t i = gaps->round_count; i > 1; i--) {
		size_t other = (size_t)rng_below(&mesh->rng, i);
		uint64_t node = gaps->round[i - 1];

		gaps->round[i - 1] = gaps->round[other];
		gaps->round[other] = node;
	}
}

static void exchange_with_next(struct mesh *mesh)
{
	struct gaps *gaps = &mesh->gaps;

	for (size_t tries = 0; tries <= mesh->peers_count; tries++) {
		struct peer *peer;

		if (!gaps->round_count)
			shuffle_round(mesh);
		if (!gaps->round_count)
			return;
		peer = mesh_peer(mesh, gaps->round[--gaps->round_count]);
		if (!peer || !peer->link || !link_is_open(mesh, peer->link))
			continue;
		antientropy_begin(mesh, peer->link);
		return;
	}
}

enum code antientropy_tick(struct mesh *mesh, struct err *err)
{
	enum code code = notice_more(mesh, err);

	if (!code)
		code = antientropy_want(mesh, err);
	if (code || mono_since_ns(mesh->now, mesh->gaps.exchanged) < ANTIENTROPY_ROUND)
		return code;
	mesh->gaps.exchanged = mesh->now;
	exchange_with_next(mesh);
	return OK;
}
