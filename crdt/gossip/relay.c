/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay.h"

#include "crdt/gossip/link.h"
#include "crdt/state/state.h"

#include <stdlib.h>

/* Before anything was measured. */
#define ROUND_GUESS (UINT64_C(200) * 1000000)

void relay_done(struct relay *relay)
{
	relay_map_done(&relay->map);
	free(relay->watched);
	free(relay->near);
	relay_words_done(&relay->words);
	*relay = (struct relay){ 0 };
}

void relay_changed(struct mesh *mesh)
{
	mesh->relay.is_stale = true;
}

/* --- The map. */

static uint64_t region_number(struct bytes name)
{
	static const struct hash_key key = { "warren region of" };

	return hash_keyed(key, name);
}

/* Of a gateway that nobody described, or that has no region: the empty one. */
static enum code read_region(struct store_txn *txn, struct id gateway, uint64_t *ret_region, struct err *err)
{
	struct gateway_row row = { 0 };
	enum code code = state_row(txn, KIND_TABLE(gateway), gateway, &row, err);

	if (code && code != E_ABSENT && code != E_VALUE && code != E_LIMIT)
		return code;
	*ret_region = region_number(!code && row.has & BIT(AT_gateway_region) ? row.region : bytes_of(NULL, 0));
	return OK;
}

static bool is_silent(const struct mesh *mesh, uint64_t node)
{
	const struct peer *peer = mesh_peer(mesh, node);

	return peer && peer->pulse.is_silent;
}

static enum code make_map(struct mesh *mesh, struct err *err)
{
	size_t count, kept = 0;
	const struct member *all = members_all(mesh->t0.members, &count);
	struct relay_place *places = must_alloc((count + 1) * sizeof *places);
	struct store_txn *txn;
	enum code code = mesh_reader(mesh, &txn, err);

	for (size_t i = 0; !code && i < count; i++) {
		if (all[i].is_evicted)
			continue;
		places[kept] = (struct relay_place){ .node = all[i].node, .is_silent = is_silent(mesh, all[i].node) };
		code = read_region(txn, all[i].gateway, &places[kept++].region, err);
	}
	if (!code)
		relay_map_make(&mesh->relay.map, places, kept);
	free(places);
	return code;
}

/* Each peer knows its place, and this member its part. */
static void find_places(struct mesh *mesh)
{
	struct relay *relay = &mesh->relay;

	relay->own = relay_map_find(&relay->map, mesh->node);
	relay->rank = relay->own ? relay_map_rank(&relay->map, relay->own) : RELAYS;
	relay->twin = relay->rank < RELAYS ? relay_map_twin(&relay->map, relay->own) : NULL;
}

static void find_near(struct mesh *mesh)
{
	struct relay *relay = &mesh->relay;
	const struct relay_region *region = relay->own ? relay_map_region(&relay->map, relay->own) : NULL;

	free(relay->near);
	relay->near = region ? must_alloc((region->count + 1) * sizeof *relay->near) : NULL;
	for (uint32_t i = 0; region && i < region->count; i++)
		relay->near[i] = mesh_peer(mesh, relay->map.places[region->first + i].node);
}

static void switch_off(struct mesh *mesh)
{
	relay_fill_all(mesh);
	relay_done(&mesh->relay);
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->place = NULL;
	/* From now on each link is told of this member's batches by itself. */
	for (struct link *link = mesh->links; link; link = link->next)
		if (link_is_open(mesh, link) && link->flow.is_begun)
			push_begin(mesh, link);
}

enum code relay_refresh(struct mesh *mesh, struct err *err)
{
	struct relay *relay = &mesh->relay;
	enum code code;

	if (!relay->is_stale)
		return OK;
	relay->is_stale = false;
	if (members_standing(mesh->t0.members) <= RELAY_ABOVE) {
		if (relay->is_on)
			switch_off(mesh);
		return OK;
	}
	code = make_map(mesh, err);
	if (code)
		return code;
	relay->is_on = true;
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->place = relay_map_find(&relay->map, mesh->peers[i]->node);
	find_places(mesh);
	find_near(mesh);
	relay_words_refresh(mesh);
	return OK;
}

void relay_silence(struct mesh *mesh, const struct peer *peer)
{
	if (mesh->relay.is_on && relay_map_silence(&mesh->relay.map, peer->node, peer->pulse.is_silent))
		find_places(mesh);
}

/* --- Links. */

static bool is_reached(const struct mesh *mesh, const struct relay_place *place)
{
	const struct peer *peer = mesh_peer(mesh, place->node);

	return peer && !peer->pulse.is_silent && peer->link && link_is_open(mesh, peer->link);
}

bool relay_links(const struct mesh *mesh, const struct peer *peer)
{
	const struct relay *relay = &mesh->relay;

	if (!relay->is_on || !relay->own || !peer->place)
		return true;
	return relay_map_links(&relay->map, relay->own, peer->place) ||
	       (peer->needed.ns && mono_since_ns(mesh->now, peer->needed) < RELAY_SPARE);
}

void relay_need(struct mesh *mesh, struct peer *peer)
{
	if (!mesh->relay.is_on)
		return;
	peer->needed = mesh->now;
	if (!peer->link)
		link_want(mesh, peer);
}

bool relay_spares(struct mesh *mesh, struct peer *peer)
{
	if (!peer->link || relay_links(mesh, peer)) {
		peer->spare.ns = 0;
		return false;
	}
	if (!peer->spare.ns)
		peer->spare = mesh->now;
	return mono_since_ns(mesh->now, peer->spare) >= RELAY_SPARE;
}

bool relay_serves(const struct mesh *mesh, const struct relay_place *author, const struct peer *to)
{
	const struct relay *relay = &mesh->relay;
	const struct relay_place *server;

	if (!author || !relay->own || !to->place)
		return false;
	server = relay_map_server(&relay->map, author, to->place);
	if (server == relay->own)
		return true;
	return server && server == relay->twin && !is_reached(mesh, relay->twin);
}

/* Whom this member looks after, should nobody else give it what comes from that author. */
static bool looks_after(const struct mesh *mesh, const struct relay_place *author, const struct peer *to)
{
	const struct relay *relay = &mesh->relay;
	bool is_near = to->place && to->place->region == relay->own->region;

	if (!to->place || to->place == author)
		return false;
	if (relay->rank < RELAYS && is_near)
		return true;
	if (relay->rank < RELAYS || author == relay->own)
		return author->region == relay->own->region && relay_map_rank(&relay->map, to->place) < RELAYS;
	return false;
}

bool relay_tells(const struct mesh *mesh, const struct peer *peer)
{
	const struct relay *relay = &mesh->relay;

	if (!relay->is_on || !relay->own || !peer->place)
		return true;
	return peer->place->region == relay->own->region && relay_map_rank(&relay->map, peer->place) < RELAYS;
}

/* --- News. */

static bool gave(const struct peer *peer, struct stream stream)
{
	for (size_t i = 0; i < peer->given.count; i++)
		if (!stream_compare(&peer->given.all[i], &stream))
			return true;
	return false;
}

static void watch(struct mesh *mesh, struct stream stream, uint64_t seq)
{
	struct relay *relay = &mesh->relay;

	/* Whoever has so much to look after leaves the oldest to anti-entropy. */
	if (relay->watched_count == RELAY_WATCHED_MAX)
		memmove(relay->watched, relay->watched + 1, --relay->watched_count * sizeof *relay->watched);
	if (relay->watched_count == relay->watched_room) {
		relay->watched_room = relay->watched_room ? 2 * relay->watched_room : 16;
		relay->watched = must_realloc(relay->watched, relay->watched_room * sizeof *relay->watched);
	}
	relay->watched[relay->watched_count++] =
		(struct watched){ stream, seq, mesh->now, { mesh->now.ns + RELAY_SLACK } };
}

/* What the author's relays are to hear from other regions' at once, and both of a region from its members. */
static bool is_to_hear(const struct mesh *mesh, const struct relay_place *author, const struct peer *peer)
{
	const struct relay *relay = &mesh->relay;

	if (!peer->place || relay_map_rank(&relay->map, peer->place) == RELAYS)
		return false;
	return peer->place->region == relay->own->region ||
	       (relay->rank < RELAYS && author && peer->place->region == author->region);
}

static void pass_on(struct mesh *mesh, struct stream stream)
{
	const struct relay_place *author = relay_map_find(&mesh->relay.map, stream.node);
	const struct end *end = vector_find(&mesh->vector, stream);
	bool is_closed = closed_is(mesh, stream.node, stream.start), is_own = stream.node == mesh->node;

	relay_touch(mesh, NULL, stream);
	for (struct link *link = mesh->links; link; link = link->next) {
		struct peer *peer = link->peer;

		if (!link_is_open(mesh, link))
			continue;
		if (end && !is_closed && relay_serves(mesh, author, peer) && !gave(peer, stream))
			push_owe(mesh, link, stream, end->seq);
		if (!is_own && is_to_hear(mesh, author, peer))
			ack_owe(mesh, link, stream);
	}
	if (author && end && !is_closed && (is_own || mesh->relay.rank < RELAYS))
		watch(mesh, stream, end->seq);
}

void relay_news(struct mesh *mesh)
{
	for (size_t i = 0; mesh->relay.is_on && mesh->relay.own && i < mesh->moved_count; i++)
		pass_on(mesh, mesh->moved[i]);
}

void relay_begin(struct mesh *mesh, struct link *link)
{
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream own = { mesh->node, mesh->author.start, lane };

		if (relay_serves(mesh, mesh->relay.own, link->peer))
			push_owe(mesh, link, own, mesh->author.lanes[lane].end.seq);
	}
}

/* --- What was not acknowledged. */

static uint64_t wait_ns(const struct link *link)
{
	uint64_t round = link->flow.round_ns ? link->flow.round_ns : ROUND_GUESS;

	if (link->peer->up_ns && link->peer->up_ns < round)
		round = link->peer->up_ns;
	return 2 * round + RELAY_SLACK;
}

/* Gives it to whom it is time for; when it is for the next, UINT64_MAX when nobody is left. */
static uint64_t look(struct mesh *mesh, const struct watched *watched)
{
	const struct relay_place *author = relay_map_find(&mesh->relay.map, watched->stream.node);
	uint64_t next = UINT64_MAX;

	for (struct link *link = mesh->links; author && link; link = link->next) {
		uint64_t due;

		if (!link_is_open(mesh, link) || !looks_after(mesh, author, link->peer) ||
		    relay_seq(mesh, link->peer, watched->stream) >= watched->seq ||
		    push_has_sent(link, watched->stream, watched->seq))
			continue;
		due = watched->at.ns + wait_ns(link);
		if (due <= mesh->now.ns) {
			push_owe(mesh, link, watched->stream, watched->seq);
			mesh->counts.taken_over++;
		} else if (due < next) {
			next = due;
		}
	}
	return next;
}

void relay_tick(struct mesh *mesh)
{
	struct relay *relay = &mesh->relay;
	size_t kept = 0;

	if (relay->is_on && !relay->is_stale)
		relay_words_tick(mesh);
	for (size_t i = 0; i < relay->watched_count; i++) {
		struct watched watched = relay->watched[i];

		if (watched.due.ns <= mesh->now.ns && relay->own)
			watched.due.ns = look(mesh, &watched);
		if (watched.due.ns != UINT64_MAX && mono_since_ns(mesh->now, watched.at) < RELAY_PATIENCE)
			relay->watched[kept++] = watched;
	}
	relay->watched_count = kept;
}

struct mono_time relay_next(const struct mesh *mesh)
{
	struct mono_time next = relay_words_next(mesh);

	for (size_t i = 0; i < mesh->relay.watched_count; i++)
		if (mesh->relay.watched[i].due.ns < next.ns)
			next = mesh->relay.watched[i].due;
	return next;
}

/* --- The ring. */

struct peer *relay_behind(const struct mesh *mesh)
{
	const struct relay *relay = &mesh->relay;

	return relay->own ? mesh_peer(mesh, relay_map_behind(&relay->map, relay->own)->node) : NULL;
}

struct peer *relay_before(const struct mesh *mesh)
{
	const struct relay *relay = &mesh->relay;

	return relay->own ? mesh_peer(mesh, relay_map_before(&relay->map, relay->own)->node) : NULL;
}
