/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay_kept.h"

#include "crdt/gossip/mesh.h"

#include <stdlib.h>

static struct end stable_end(const struct mesh *mesh, struct stream stream)
{
	const struct end *end = vector_find(&mesh->stable.vector, stream);

	return end ? *end : (struct end){ 0 };
}

/* The one end that was said, or else where everybody is. Of several nothing can be said in one. */
struct end relay_said(const struct mesh *mesh, const struct vector *said, struct stream stream)
{
	size_t count;
	const struct frontier *ends = vector_ends(said, stream, &count);
	struct end stable = stable_end(mesh, stream);

	return count == 1 && ends->end.seq > stable.seq ? ends->end : stable;
}

/* The one end that this member has itself; zeroed: it has none, or several. */
static struct end own_end(const struct mesh *mesh, struct stream stream)
{
	size_t count;
	const struct frontier *ends = vector_ends(&mesh->vector, stream, &count);

	return count == 1 ? ends->end : (struct end){ 0 };
}

struct end relay_end(const struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	size_t count;

	vector_ends(&peer->acked, stream, &count);
	return !count && peer->is_level ? own_end(mesh, stream) : relay_said(mesh, &peer->acked, stream);
}

struct end relay_floor(const struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	if (peer && !vector_find(&peer->acked, stream) && peer->is_level)
		return own_end(mesh, stream);
	return !peer || peer->is_pruned ? stable_end(mesh, stream) : (struct end){ 0 };
}

uint64_t relay_seq(const struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	return peer->is_pruned ? relay_end(mesh, peer, stream).seq : vector_seq(&peer->acked, stream);
}

bool relay_stands_with(const struct mesh *mesh, const struct peer *peer)
{
	const struct vector *own = &mesh->vector, *acked = &peer->acked;

	if (!peer->is_pruned)
		return vector_equal(acked, own);
	for (size_t i = 0; i < acked->count; i++)
		if (!vector_has(own, acked->all[i].stream, acked->all[i].end))
			return false;
	for (size_t i = 0; !peer->is_level && i < own->count; i++)
		if (!vector_has(acked, own->all[i].stream, own->all[i].end) &&
		    !vector_has(&mesh->stable.vector, own->all[i].stream, own->all[i].end))
			return false;
	return true;
}

/* --- What is kept. */

static void shrink(struct vector *vector)
{
	if (vector->room <= 32 || vector->count >= vector->room / 4)
		return;
	vector->room = vector->count + 16;
	vector->all = must_realloc(vector->all, vector->room * sizeof *vector->all);
}

/* What lies behind the stable end of a stream, where neither has several. */
static void prune(struct vector *vector, const struct vector *stable)
{
	struct stream before = { .node = 0 };
	size_t kept = 0;

	for (size_t i = 0; i < vector->count; i++) {
		const struct frontier f = vector->all[i];
		bool has_more = i + 1 < vector->count && !stream_compare(&vector->all[i + 1].stream, &f.stream);
		size_t ends;

		vector_ends(stable, f.stream, &ends);
		if (has_more || !stream_compare(&before, &f.stream) || ends != 1 ||
		    f.end.seq > vector_seq(stable, f.stream))
			vector->all[kept++] = f;
		before = f.stream;
	}
	vector->count = kept;
	shrink(vector);
}

/* What is where this member is, too. */
static void prune_level(struct vector *vector, const struct mesh *mesh)
{
	struct stream before = { .node = 0 };
	size_t kept = 0;

	for (size_t i = 0; i < vector->count; i++) {
		const struct frontier f = vector->all[i];
		bool has_more = i + 1 < vector->count && !stream_compare(&vector->all[i + 1].stream, &f.stream);

		if (has_more || !stream_compare(&before, &f.stream) || !f.end.seq ||
		    !end_equal(f.end, own_end(mesh, f.stream)))
			vector->all[kept++] = f;
		before = f.stream;
	}
	vector->count = kept;
	shrink(vector);
}

/* The end of a stream that has none there, also that of nothing, which a vector does not take otherwise. */
static void put_end(struct vector *vector, struct stream stream, struct end end)
{
	static const struct end some = { .seq = 1 };
	size_t count;

	vector_note(vector, stream, end.seq ? end : some);
	if (!end.seq)
		vector->all[vector_ends(vector, stream, &count) - vector->all].end = end;
}

void relay_fill(const struct mesh *mesh, struct peer *peer)
{
	for (size_t i = 0; peer->is_level && i < mesh->vector.count; i++) {
		struct stream stream = mesh->vector.all[i].stream;

		if (!vector_find(&peer->acked, stream))
			vector_note(&peer->acked, stream, own_end(mesh, stream));
	}
	peer->is_pruned = false;
	peer->is_level = false;
}

void relay_fill_all(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->peers_count; i++)
		relay_fill(mesh, mesh->peers[i]);
}

void relay_moves(struct mesh *mesh, struct stream stream)
{
	struct end own = own_end(mesh, stream);

	for (size_t i = 0; mesh->relay.is_on && i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		if (peer->is_level && !vector_find(&peer->acked, stream))
			put_end(&peer->acked, stream, own);
	}
}

void relay_noted(const struct mesh *mesh, struct peer *peer, struct stream stream)
{
	size_t count;
	const struct frontier *ends = vector_ends(&peer->acked, stream, &count);

	if (peer->is_level && count == 1 && ends->end.seq && end_equal(ends->end, own_end(mesh, stream)))
		vector_note(&peer->acked, stream, (struct end){ 0 });
}

static void make_level(const struct mesh *mesh, struct peer *peer)
{
	if (peer->is_level)
		return;
	for (size_t i = 0; i < mesh->vector.count; i++) {
		struct stream stream = mesh->vector.all[i].stream;

		if (!vector_find(&peer->acked, stream))
			put_end(&peer->acked, stream, relay_end(mesh, peer, stream));
	}
	prune_level(&peer->acked, mesh);
	peer->is_pruned = true;
	peer->is_level = true;
}

static void prune_peer(const struct mesh *mesh, struct peer *peer)
{
	if (peer->is_level)
		relay_fill(mesh, peer);
	if (!peer->acked.count)
		return;
	prune(&peer->acked, &mesh->stable.vector);
	peer->is_pruned = true;
}

void relay_prune(struct mesh *mesh)
{
	const struct vector *stable = &mesh->stable.vector;
	struct relay_words *words = &mesh->relay.words;

	if (!mesh->relay.is_on)
		return;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		/* Whoever has not yet said where it stands is still to be judged by that, and what it has not is to
		 * show. */
		if (peer->link && !peer->link->has_shown)
			continue;
		if (peer->link && relay_hears(mesh, peer))
			make_level(mesh, peer);
		else
			prune_peer(mesh, peer);
	}
	for (size_t i = 0; i < words->count; i++) {
		prune(&words->all[i].least, stable);
		prune(&words->all[i].most, stable);
	}
}
