/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/look.h"

#include "crdt/gossip/mesh.h"

enum { SIGHTS = 16 };

/* What is found out about one stream: its own ends, and which of the others that were named lie on them. */
struct sight {
	struct store_txn *txn;
	struct stream stream;
	const struct frontier *own;
	size_t own_count;
	struct end ends[SIGHTS];
	bool is_here[SIGHTS];
	size_t count;
};

void look_done(struct look *look)
{
	vector_done(&look->least);
	vector_done(&look->most);
	vector_done(&look->joined);
}

static struct sight see(const struct look *look, struct stream stream)
{
	struct sight sight = { .txn = look->txn, .stream = stream };

	sight.own = vector_ends(&look->mesh->vector, stream, &sight.own_count);
	return sight;
}

static bool is_own_end(const struct sight *sight, struct end end)
{
	for (size_t i = 0; i < sight->own_count; i++)
		if (end_equal(sight->own[i].end, end))
			return true;
	return false;
}

/* Whether the batch with that end is merged here. Most members name the same few. */
static enum code is_here(struct sight *sight, struct end end, bool *ret_is_here, struct err *err)
{
	struct logged logged;
	enum code code;

	*ret_is_here = is_own_end(sight, end);
	if (*ret_is_here || !sight->own_count || !end.seq || end.seq > sight->own[sight->own_count - 1].end.seq)
		return OK;
	for (size_t i = 0; i < sight->count && i < SIGHTS; i++)
		if (end_equal(sight->ends[i], end)) {
			*ret_is_here = sight->is_here[i];
			return OK;
		}
	code = log_find(sight->txn, sight->stream, end, &logged, err);
	if (code && code != E_ABSENT && code != E_NEWER)
		return code;
	*ret_is_here = !code;
	sight->ends[sight->count % SIGHTS] = end;
	sight->is_here[sight->count++ % SIGHTS] = !code;
	return OK;
}

/* The furthest end of the peer in a stream without branches that lies on this member's chain; zeroed: none does. */
static enum code furthest(struct sight *sight, const struct vector *said, struct end *best, struct err *err)
{
	size_t count;
	const struct frontier *ends = vector_ends(said, sight->stream, &count);
	enum code code = OK;

	for (size_t i = 0; !code && i < count; i++) {
		bool is_on;

		code = is_here(sight, ends[i].end, &is_on, err);
		if (!code && is_on && ends[i].end.seq > best->seq)
			*best = ends[i].end;
	}
	return code;
}

/* Of a stream without branches the least and the greatest that the others have. */
static enum code look_along(struct look *look, struct sight *sight, struct err *err)
{
	const struct mesh *mesh = look->mesh;
	struct end least = sight->own[0].end, most = { 0 };
	enum code code = OK;

	for (size_t i = 0; !code && i < mesh->peers_count; i++) {
		struct end end;

		if (!relay_hears(mesh, mesh->peers[i]))
			continue;
		end = relay_floor(mesh, mesh->peers[i], sight->stream);
		code = furthest(sight, &mesh->peers[i]->acked, &end, err);
		if (!code)
			code = furthest(sight, &mesh->stable.ahead[i].ends, &end, err);
		least = end.seq < least.seq ? end : least;
		most = end.seq > most.seq ? end : most;
	}
	for (size_t i = 0; !code && i < relay_words_count(mesh); i++) {
		const struct region_word *word = relay_word(mesh, i);
		struct end end = relay_floor(mesh, NULL, sight->stream);

		code = word ? furthest(sight, &word->least, &end, err) : OK;
		least = end.seq < least.seq ? end : least;
		if (!code && word)
			code = furthest(sight, &word->most, &most, err);
	}
	vector_note(&look->least, sight->stream, least);
	vector_note(&look->most, sight->stream, most);
	return code;
}

/* Of a stream with branches those ends that all others name. */
static void look_across(struct look *look, const struct sight *sight)
{
	const struct mesh *mesh = look->mesh;

	for (size_t k = 0; k < sight->own_count; k++) {
		bool is_everywhere = true;

		for (size_t i = 0; is_everywhere && i < mesh->peers_count; i++)
			is_everywhere = vector_has(&mesh->peers[i]->acked, sight->stream, sight->own[k].end);
		if (is_everywhere)
			vector_note_more(&look->least, sight->stream, sight->own[k].end);
	}
}

/* An end that is not there yet is waited for, also when the peer has gone on: or where much is written, it always has.
 */
static enum code wait_for(struct look *look, size_t at, struct sight *sight, struct end end, struct err *err)
{
	struct vector *waiting = &look->ahead[at].ends;
	bool is_waiting = false, is_on = false;
	enum code code = OK;
	size_t count;
	const struct frontier *before = vector_ends(&look->mesh->stable.ahead[at].ends, sight->stream, &count);

	for (size_t i = 0; !code && i < count; i++) {
		code = is_here(sight, before[i].end, &is_on, err);
		if (code || is_on)
			continue;
		vector_note_more(waiting, sight->stream, before[i].end);
		is_waiting = true;
	}
	if (!is_waiting)
		vector_note_more(waiting, sight->stream, end);
	return code;
}

/* What a peer named and this member does not have is part of what there is, and may yet come. */
static enum code look_ahead(struct look *look, size_t at, struct sight *sight, struct err *err)
{
	size_t count;
	const struct frontier *ends = vector_ends(&look->mesh->peers[at]->acked, sight->stream, &count);
	enum code code = OK;

	for (size_t i = 0; !code && i < count; i++) {
		bool is_on;

		code = is_here(sight, ends[i].end, &is_on, err);
		if (code || is_on || !ends[i].end.seq)
			continue;
		vector_note_more(&look->joined, sight->stream, ends[i].end);
		code = wait_for(look, at, sight, ends[i].end, err);
	}
	return code;
}

static enum code look_at(struct look *look, struct stream stream, struct err *err)
{
	struct sight sight = see(look, stream);
	enum code code = OK;

	for (size_t i = 0; i < sight.own_count; i++)
		vector_note_more(&look->joined, stream, sight.own[i].end);
	if (sight.own_count == 1)
		code = look_along(look, &sight, err);
	else
		look_across(look, &sight);
	for (size_t i = 0; !code && i < look->mesh->peers_count; i++)
		if (look->mesh->peers[i]->acked.count)
			code = look_ahead(look, i, &sight, err);
	return code;
}

/* Streams of which this member has nothing yet. */
static enum code look_beyond(struct look *look, size_t at, struct err *err)
{
	const struct vector *acked = &look->mesh->peers[at]->acked;
	enum code code = OK;

	for (size_t i = 0; !code && i < acked->count; i++) {
		struct stream stream = acked->all[i].stream;
		struct sight sight = see(look, stream);

		if (!sight.own_count && (!i || stream_compare(&acked->all[i - 1].stream, &stream)))
			code = look_ahead(look, at, &sight, err);
	}
	return code;
}

/* What others have who do not say so here is part of what there is, too. */
static void join_word(struct look *look, const struct region_word *word)
{
	for (size_t i = 0; word && i < word->most.count; i++)
		if (word->most.all[i].end.seq > vector_seq(&look->mesh->vector, word->most.all[i].stream))
			vector_note_more(&look->joined, word->most.all[i].stream, word->most.all[i].end);
}

enum code look_around(struct look *look, struct err *err)
{
	const struct vector *own = &look->mesh->vector;
	enum code code = OK;

	for (size_t i = 0; !code && i < own->count; i++)
		if (!i || stream_compare(&own->all[i - 1].stream, &own->all[i].stream))
			code = look_at(look, own->all[i].stream, err);
	for (size_t i = 0; !code && i < look->mesh->peers_count; i++)
		code = look_beyond(look, i, err);
	for (size_t i = 0; !code && i < relay_words_count(look->mesh); i++)
		join_word(look, relay_word(look->mesh, i));
	return code;
}

enum code look_covers(const struct look *look, const struct frontier *goal, enum covered *ret_covered, struct err *err)
{
	struct sight sight = see(look, goal->stream);
	bool is_on;
	enum code code = is_here(&sight, goal->end, &is_on, err);

	*ret_covered = COVERED_NOT;
	if (code || !is_on)
		return code;
	if (sight.own_count == 1)
		*ret_covered = vector_seq(&look->least, goal->stream) >= goal->end.seq ? COVERED : COVERED_NOT;
	else if (!is_own_end(&sight, goal->end))
		*ret_covered = COVERED_NEVER;
	else if (vector_has(&look->least, goal->stream, goal->end))
		*ret_covered = COVERED;
	return OK;
}
