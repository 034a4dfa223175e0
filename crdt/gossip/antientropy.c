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

/* Whether the stream's author tells us itself what it writes. */
static bool is_linked(const struct mesh *mesh, uint64_t author)
{
	const struct peer *peer = mesh_peer(mesh, author);

	return peer && peer->link && link_is_open(mesh, peer->link);
}

static void notice(struct mesh *mesh, struct peer *peer, const struct frontier *frontier)
{
	struct gap gap = { frontier->stream, frontier->end.seq, peer->node, mesh->now }, *old;

	if (gap.stream.node == mesh->node || gap.until <= vector_seq(&mesh->vector, gap.stream))
		return;
	/* What would not be taken is not asked for. */
	if (!push_takes(mesh, gap.stream))
		return;
	old = find_gap(&mesh->gaps, frontier->stream);
	if (old && old->teller == peer->node)
		old->until = gap.until;
	if (old) {
		/* Looked at again when that one is closed. */
		peer->has_more_gaps |= old->teller != peer->node;
		return;
	}
	if (is_linked(mesh, frontier->stream.node))
		gap.due.ns += ANTIENTROPY_GRACE;
	add_gap(mesh, peer, &gap);
}

void antientropy_notice(struct mesh *mesh, struct link *link, const struct frontier *frontier)
{
	notice(mesh, link->peer, frontier);
}

/* What had no place before, from what the peers said last. */
static void notice_more(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		if (!peer->has_more_gaps || peer->gaps == ANTIENTROPY_SHARE)
			continue;
		peer->has_more_gaps = false;
		for (size_t k = 0; k < peer->acked.count; k++)
			notice(mesh, peer, &peer->acked.all[k]);
	}
}

void antientropy_begin(struct mesh *mesh, struct link *link)
{
	mesh->counts.index++;
	link_owe(mesh, link, OWED_INDEX);
}

void antientropy_compare(struct mesh *mesh, struct link *link, bool is_answer)
{
	if (!is_answer)
		link_owe(mesh, link, OWED_ANSWER);
	push_begin(mesh, link);
	antientropy_want(mesh);
}

void antientropy_gone(struct mesh *mesh, struct link *link, struct reader streams)
{
	struct stream stream;

	/* The link's peer is not asked for it again while others may have it. */
	while (frame_next_gone(&streams, &stream))
		vector_note(&link->peer->acked, stream, (struct end){ 0 });
	mesh_alarm(mesh, "a member has dropped what this one still lacks");
}

/* Any of those who have more of it: not always the same one, nor the one who claims most. */
static struct peer *choose_peer(struct mesh *mesh, const struct gap *gap)
{
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;
	uint64_t own = vector_seq(&mesh->vector, gap->stream);

	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (peer->link && link_is_open(mesh, peer->link) && vector_seq(&peer->acked, gap->stream) > own)
			return peer;
	}
	return NULL;
}

static void want(struct mesh *mesh, struct gap *gap)
{
	struct peer *peer = choose_peer(mesh, gap);
	struct want asked = { gap->stream, vector_seq(&mesh->vector, gap->stream), 0 };

	gap->due.ns = mesh->now.ns + ANTIENTROPY_PATIENCE;
	if (!peer || peer->link->wanted_count == FRAME_WANTS_MAX)
		return;
	asked.until = vector_seq(&peer->acked, gap->stream);
	if (!peer->link->wanted)
		peer->link->wanted = must_alloc(FRAME_WANTS_MAX * sizeof *peer->link->wanted);
	peer->link->wanted[peer->link->wanted_count++] = asked;
	link_owe(mesh, peer->link, OWED_WANT);
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
	link->wanted_count = 0;
	link_send(mesh, link);
}

/* Whether it is closed, or never will be, or who told of it does not say so any more: then others are heard again. */
static bool is_over(struct mesh *mesh, const struct gap *gap, const struct peer *teller)
{
	if (vector_seq(&mesh->vector, gap->stream) >= gap->until || !push_takes(mesh, gap->stream))
		return true;
	if (vector_seq(&teller->acked, gap->stream) >= gap->until)
		return false;
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->has_more_gaps = true;
	return true;
}

void antientropy_want(struct mesh *mesh)
{
	struct gaps *gaps = &mesh->gaps;
	size_t kept = 0;

	for (size_t i = 0; i < gaps->count; i++) {
		struct gap gap = gaps->all[i];
		struct peer *teller = mesh_peer(mesh, gap.teller);

		if (is_over(mesh, &gap, teller)) {
			teller->gaps--;
			continue;
		}
		if (gap.due.ns <= mesh->now.ns)
			want(mesh, &gap);
		gaps->all[kept++] = gap;
	}
	gaps->count = kept;
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

void antientropy_tick(struct mesh *mesh)
{
	notice_more(mesh);
	antientropy_want(mesh);
	if (mono_since_ns(mesh->now, mesh->gaps.exchanged) < ANTIENTROPY_ROUND)
		return;
	mesh->gaps.exchanged = mesh->now;
	exchange_with_next(mesh);
}
