/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/beat.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

#include <stdlib.h>

/* So many beats in a row must differ before anything is made of it: what is on its way makes one differ. */
enum { BEATS_TO_LAST = 3 };

struct sum beat_sum(const struct mesh *mesh)
{
	static const struct hash_key key = { "warren heartbeat" };
	struct sum all[4] = { mesh->vector.sum, root_total(&mesh->root), mesh->t0.sum, mesh->proofs.sum };
	uint8_t room[sizeof all];
	struct buf buf = buf_over(room, sizeof room);

	for (size_t i = 0; i < COUNT(all); i++) {
		buf_put_big_endian(&buf, all[i].low, 8);
		buf_put_big_endian(&buf, all[i].high, 8);
	}
	return hash_wide(key, buf_bytes(&buf));
}

void hints_done(struct hints *hints)
{
	free(hints->all);
	*hints = (struct hints){ .all = NULL };
}

static void owe_hint(struct mesh *mesh, struct link *link, enum hint_what what, uint64_t node, uint32_t number)
{
	struct hints *hints = &link->peer->hints;

	if (hints->count == HINTS_MAX)
		return;
	if (!hints->all)
		hints->all = must_alloc(HINTS_MAX * sizeof *hints->all);
	hints->all[hints->count++] = (struct hint){ what, node, number };
	link_owe(mesh, link, OWED_HINTS);
}

static void hint_all(struct mesh *mesh, enum hint_what what, uint64_t node)
{
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct link *link = mesh->peers[i]->link;

		if (link && mesh->peers[i]->node != node && link_is_open(mesh, link))
			owe_hint(mesh, link, what, node, 0);
	}
}

void beat_ask(struct mesh *mesh, struct peer *peer, uint32_t number)
{
	if (peer->link && link_is_open(mesh, peer->link))
		owe_hint(mesh, peer->link, HINT_PROBE, peer->node, number);
}

void beat_flush(struct mesh *mesh, struct link *link)
{
	struct hints *hints = &link->peer->hints;

	if (link->owed & OWED_BEAT) {
		buf_clear(&mesh->frame);
		frame_put_beat(&mesh->frame, beat_sum(mesh));
		link_send(mesh, link);
		mesh->counts.beat++;
	}
	for (size_t i = 0; i < hints->count; i++) {
		buf_clear(&mesh->frame);
		frame_put_hint(&mesh->frame, hints->all[i].what, hints->all[i].node, hints->all[i].number);
		link_send(mesh, link);
	}
	hints_done(hints);
}

void beat_heard(struct mesh *mesh, struct peer *peer)
{
	struct pulse *pulse = &peer->pulse;

	pulse->heard = mesh->now;
	pulse->is_probing = false;
	if (pulse->probe_for) {
		struct peer *asker = mesh_peer(mesh, pulse->probe_for);

		if (asker && asker->link && link_is_open(mesh, asker->link))
			owe_hint(mesh, asker->link, HINT_BACK, peer->node, 0);
		pulse->probe_for = 0;
	}
	if (!pulse->is_silent)
		return;
	pulse->is_silent = false;
	relay_silence(mesh, peer);
	mesh->counts.false_silence++;
	hint_all(mesh, HINT_BACK, peer->node);
}

void beat_lost(struct mesh *mesh, struct peer *peer)
{
	if (peer->pulse.is_silent)
		return;
	peer->pulse.is_silent = true;
	peer->pulse.is_probing = false;
	relay_silence(mesh, peer);
	mesh->counts.silence++;
	/* Those who have no connection to it do not know at once. */
	if (mesh->relay.is_on)
		hint_all(mesh, HINT_SILENT, peer->node);
}

void beat_receive(struct mesh *mesh, struct link *link, struct sum sum)
{
	struct pulse *pulse = &link->peer->pulse;
	struct sum own = beat_sum(mesh);

	if (sum_equal(sum, own)) {
		pulse->differed = 0;
		return;
	}
	mesh->counts.beat_differed++;
	if (!pulse->differed++)
		pulse->differing = own;
	if (pulse->differed < BEATS_TO_LAST)
		return;
	pulse->differed = 0;
	link_owe(mesh, link, OWED_T0_SUM);
	link->proofs_told = 0;
	antientropy_begin(mesh, link);
	/* It is not that something is on its way: both stand where they stood, and at the same place. */
	if (sum_equal(pulse->differing, own))
		bucket_begin(mesh, link);
}

static void answer_probe(struct mesh *mesh, struct link *link, uint64_t node, uint32_t number)
{
	struct peer *peer = mesh_peer(mesh, node);

	if (node == mesh->node) {
		owe_hint(mesh, link, HINT_BACK, node, number);
		return;
	}
	if (!peer || !peer->link || !link_is_open(mesh, peer->link))
		return;
	peer->pulse.probe_for = link->peer->node;
	owe_hint(mesh, peer->link, HINT_PROBE, node, 0);
}

/* As a batch of the peer's would be, to the peer itself, who will say that it is not so, and along the ring: it may be
 * about a relay. */
static void pass_hint_on(struct mesh *mesh, const struct link *from, enum hint_what what, const struct peer *peer)
{
	for (struct link *link = mesh->links; mesh->relay.is_on && link; link = link->next)
		if (link != from && link_is_open(mesh, link) &&
		    (link->peer == peer || relay_serves(mesh, peer->place, link->peer) ||
		     link->peer == relay_behind(mesh) || link->peer == relay_before(mesh)))
			owe_hint(mesh, link, what, peer->node, 0);
}

void beat_greet(struct mesh *mesh, struct link *link)
{
	for (size_t i = 0; mesh->relay.is_on && i < mesh->peers_count; i++)
		if (mesh->peers[i]->pulse.is_silent && mesh->peers[i] != link->peer)
			owe_hint(mesh, link, HINT_SILENT, mesh->peers[i]->node, 0);
}

void beat_hint(struct mesh *mesh, struct link *link, enum hint_what what, uint64_t node, uint32_t number)
{
	struct peer *peer = mesh_peer(mesh, node);
	bool was_silent;

	if (what == HINT_PROBE) {
		answer_probe(mesh, link, node, number);
		return;
	}
	if (what == HINT_SILENT && node == mesh->node)
		hint_all(mesh, HINT_BACK, node);
	if (peer && peer == link->peer && what == HINT_BACK)
		twin_answered(mesh, peer, number);
	if (!peer || peer == link->peer)
		return;
	was_silent = peer->pulse.is_silent;
	if (what == HINT_BACK) {
		peer->pulse.is_probing = false;
		peer->pulse.is_silent = false;
		peer->pulse.heard = mesh->now;
	} else if (mono_since_ns(mesh->now, peer->pulse.heard) > BEAT_SILENCE) {
		peer->pulse.is_silent = true;
	}
	if (was_silent == peer->pulse.is_silent)
		return;
	relay_silence(mesh, peer);
	pass_hint_on(mesh, link, what, peer);
}

/* The ring goes by the ids, which are hashes: the next one up, and around. */
static struct peer *successor(const struct mesh *mesh)
{
	if (mesh->relay.is_on)
		return relay_behind(mesh);
	return mesh->peers_count ? mesh->peers[mesh->place % mesh->peers_count] : NULL;
}

static struct peer *predecessor(const struct mesh *mesh)
{
	size_t count = mesh->peers_count;

	if (mesh->relay.is_on)
		return relay_before(mesh);
	return count ? mesh->peers[(mesh->place + count - 1) % count] : NULL;
}

/* Asks one other member, any, whether it hears the peer. */
static void probe(struct mesh *mesh, struct peer *peer)
{
	size_t from = (size_t)rng_below(&mesh->rng, mesh->peers_count);

	mesh->counts.probe++;
	peer->pulse.is_probing = true;
	peer->pulse.probed = mesh->now;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *other = mesh->peers[(from + i) % mesh->peers_count];

		if (other == peer || other->pulse.is_silent || !other->link || !link_is_open(mesh, other->link))
			continue;
		owe_hint(mesh, other->link, HINT_PROBE, peer->node, 0);
		return;
	}
}

static void judge_silence(struct mesh *mesh, struct peer *peer)
{
	struct pulse *pulse = &peer->pulse;

	if (pulse->is_silent || mono_since_ns(mesh->now, pulse->heard) < BEAT_SILENCE)
		return;
	if (!pulse->is_probing) {
		probe(mesh, peer);
	} else if (mono_since_ns(mesh->now, pulse->probed) >= BEAT_PROBE) {
		beat_lost(mesh, peer);
		if (!mesh->relay.is_on)
			hint_all(mesh, HINT_SILENT, peer->node);
	}
}

void beat_watch(struct mesh *mesh)
{
	struct peer *before = predecessor(mesh);

	/* Whoever comes to be the one before is given the time to be heard. */
	if (mesh->relay.is_on && before && before->node != mesh->relay.watching) {
		mesh->relay.watching = before->node;
		before->pulse.heard = mesh->now;
	}
	if (before && mesh->is_member)
		judge_silence(mesh, before);
}

void beat_tick(struct mesh *mesh)
{
	struct peer *next = successor(mesh);

	if (next && next->link && link_is_open(mesh, next->link))
		link_owe(mesh, next->link, OWED_BEAT);
}

struct mono_time beat_next(const struct mesh *mesh)
{
	const struct peer *before = predecessor(mesh);

	if (!before || before->pulse.is_silent || !mesh->is_member)
		return (struct mono_time){ UINT64_MAX };
	if (before->pulse.is_probing)
		return (struct mono_time){ before->pulse.probed.ns + BEAT_PROBE };
	return (struct mono_time){ before->pulse.heard.ns + BEAT_SILENCE };
}
