/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/stable.h"

#include "crdt/gossip/mesh.h"

#include <stdlib.h>

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

/* A look at what all members acknowledged. */
struct look {
	struct mesh *mesh;
	struct store_txn *txn;
	struct vector least;  /* what all of them and this member have */
	struct vector most;   /* what another one has */
	struct vector joined; /* what they have between them */
	struct ahead *ahead;  /* of each peer */
};

static void look_done(struct look *look)
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

static enum code look_around(struct look *look, struct err *err)
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

static void begin_again(struct stable *stable)
{
	rounds_again(&stable->rounds);
	stable->collecting.is_due = false;
	stable->is_touched = true;
}

static void free_ahead(struct ahead *ahead, size_t count)
{
	for (size_t i = 0; i < count; i++)
		vector_done(&ahead[i].ends);
	free(ahead);
}

static bool are_members_others(const struct mesh *mesh)
{
	const struct stable *stable = &mesh->stable;
	bool is_same = stable->ahead && stable->ahead_count == mesh->peers_count;

	for (size_t i = 0; is_same && i < mesh->peers_count; i++)
		is_same = stable->ahead[i].node == mesh->peers[i]->node;
	return !is_same;
}

/* What was said of those who went, or not yet by those who came, is nothing to go on with. */
static void meet_members(struct mesh *mesh)
{
	struct stable *stable = &mesh->stable;

	if (!are_members_others(mesh))
		return;
	free_ahead(stable->ahead, stable->ahead_count);
	stable->ahead = must_alloc((mesh->peers_count + 1) * sizeof *stable->ahead);
	stable->ahead_count = mesh->peers_count;
	for (size_t i = 0; i < mesh->peers_count; i++)
		stable->ahead[i].node = mesh->peers[i]->node;
	begin_again(stable);
}

/* --- What follows from a look. */

/* All that is merged is behind one of the stream's own ends, so those alone are left once they are all stable. */
static bool is_all_there(const struct look *look, struct stream stream)
{
	size_t count;
	const struct frontier *own = vector_ends(&look->mesh->vector, stream, &count);

	for (size_t i = 0; i < count; i++)
		if (!vector_has(&look->least, stream, own[i].end))
			return false;
	return true;
}

/* The stream's ends that are new are stable, too; whether that changes anything. */
static bool raise(struct look *look, struct stream stream)
{
	struct vector *stable = &look->mesh->stable.vector;
	size_t count, own_count;
	const struct frontier *ends = vector_ends(&look->least, stream, &count);
	bool is_changed = false;

	vector_ends(&look->mesh->vector, stream, &own_count);
	if (own_count == 1) {
		is_changed = ends[0].end.seq > vector_seq(stable, stream);
		if (is_changed)
			vector_note(stable, stream, ends[0].end);
		return is_changed;
	}
	for (size_t i = 0; i < count; i++)
		is_changed |= !vector_has(stable, stream, ends[i].end);
	if (is_changed && is_all_there(look, stream))
		vector_note(stable, stream, (struct end){ 0 });
	for (size_t i = 0; is_changed && i < count; i++)
		vector_note_more(stable, stream, ends[i].end);
	return is_changed;
}

static enum code raise_all(struct look *look, struct err *err)
{
	struct mesh *mesh = look->mesh;
	enum code code = OK;

	for (size_t i = 0; !code && i < look->least.count; i++) {
		struct stream stream = look->least.all[i].stream;
		const struct frontier *ends;
		size_t count;

		if ((i && !stream_compare(&look->least.all[i - 1].stream, &stream)) || !raise(look, stream))
			continue;
		mesh->stable.is_open = true;
		code = mesh_txn(mesh, err);
		ends = vector_ends(&mesh->stable.vector, stream, &count);
		if (!code)
			code = log_put_ends(mesh->txn, TABLE_STABLE, stream, ends, count, err);
	}
	return code;
}

enum covered { COVERED_NOT, COVERED, COVERED_NEVER };

/* Whether every member has an end of the goal. What branches went past nobody can compare any more. */
static enum code is_covered(const struct look *look, const struct frontier *goal, enum covered *ret_covered,
			    struct err *err)
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

/* What every member was once seen to have it has until it goes back. */
static enum code strike_off(const struct look *look, struct rounds *rounds, struct err *err)
{
	struct vector left = { 0 };
	enum covered covered = COVERED_NOT;
	enum code code = OK;

	for (size_t i = 0; !code && covered != COVERED_NEVER && i < rounds->lacks.count; i++) {
		code = is_covered(look, &rounds->lacks.all[i], &covered, err);
		if (covered != COVERED)
			vector_note_more(&left, rounds->lacks.all[i].stream, rounds->lacks.all[i].end);
	}
	vector_done(&rounds->lacks);
	rounds->lacks = left;
	if (covered == COVERED_NEVER)
		begin_again(&look->mesh->stable);
	return code;
}

static enum code begin_round(struct mesh *mesh, struct err *err)
{
	struct rounds *rounds = &mesh->stable.rounds;
	uint64_t last;
	enum code code = mesh_txn(mesh, err);

	/* What this transaction removed is among the dead, and so is to be in what this member has. */
	if (!code)
		code = mesh_close_own(mesh, err);
	if (code || !store_count(mesh->txn, TABLE_DEAD))
		return code;
	mesh->stable.is_open = true;
	code = dead_begin_round(mesh->txn, &last, err);
	if (!code)
		rounds_begin(rounds, last, &mesh->vector);
	return code;
}

/* Both rounds may pass in one look, where everybody has everything. */
static enum code go_round(const struct look *look, struct err *err)
{
	struct stable *stable = &look->mesh->stable;
	struct rounds *rounds = &stable->rounds;
	enum code code = OK;

	if (rounds->round == ROUND_NONE && !stable->collecting.is_due && store_count(look->txn, TABLE_DEAD))
		code = begin_round(look->mesh, err);
	while (!code && rounds->round != ROUND_NONE) {
		code = strike_off(look, rounds, err);
		if (code || rounds->lacks.count || rounds->round == ROUND_NONE)
			return code;
		if (rounds->round == ROUND_FIRST) {
			rounds_go_on(rounds, &look->joined);
			continue;
		}
		stable->collecting = (struct collecting){ .is_due = true, .last = rounds->last };
		rounds_again(rounds);
	}
	return code;
}

/* The transaction where there is one: it may have more than what is durable. */
static enum code reading(struct mesh *mesh, struct store_txn **ret_txn, struct err *err)
{
	enum code code = mesh->txn ? OK : mesh_look(mesh, err);

	if (!code)
		*ret_txn = mesh->txn ? mesh->txn : mesh->look;
	return code;
}

static enum code take_look(struct mesh *mesh, struct err *err)
{
	struct stable *stable = &mesh->stable;
	struct look look = { .mesh = mesh };
	enum code code;

	meet_members(mesh);
	stable->is_touched = false;
	look.ahead = must_alloc((mesh->peers_count + 1) * sizeof *look.ahead);
	for (size_t i = 0; i < mesh->peers_count; i++)
		look.ahead[i].node = mesh->peers[i]->node;
	code = reading(mesh, &look.txn, err);
	if (!code)
		code = look_around(&look, err);
	free_ahead(stable->ahead, stable->ahead_count);
	stable->ahead = look.ahead;
	if (!code)
		code = go_round(&look, err);
	if (!code)
		code = raise_all(&look, err);
	if (!code)
		relay_prune(mesh);
	vector_done(&stable->most);
	stable->most = look.most;
	look.most = (struct vector){ 0 };
	look_done(&look);
	stable->looked = mesh->now;
	stable->own = mesh->vector.sum;
	stable->trim.is_more = true;
	return code;
}

static enum code collect(struct mesh *mesh, struct err *err)
{
	struct collecting *collecting = &mesh->stable.collecting;
	size_t count;
	enum code code = mesh_txn(mesh, err);

	if (!code)
		code = collect_some(mesh->txn, collecting->last, &collecting->walk, &mesh->arena, &count, err);
	if (code)
		return code;
	mesh->stable.is_open = true;
	mesh->stable.collected += count;
	collecting->is_due = !collecting->walk.is_done;
	/* The dead that came in the meantime have rounds of their own. */
	mesh->stable.is_touched |= collecting->walk.is_done;
	return OK;
}

static enum code trim(struct mesh *mesh, struct err *err)
{
	struct stable *stable = &mesh->stable;
	struct trimming trimming = { .own = &mesh->vector, .stable = &stable->vector, .most = &stable->most };
	enum code code = trim_is_counting(&stable->trim) ? OK : mesh_txn(mesh, err);

	if (!code)
		code = reading(mesh, &trimming.txn, err);
	return code ? code : trim_step(&stable->trim, &trimming, err);
}

static enum code take_step(struct mesh *mesh, struct err *err)
{
	struct stable *stable = &mesh->stable;
	bool was_counting = trim_is_counting(&stable->trim);
	enum code code = OK;

	stable->stepped = mesh->now;
	if (stable->collecting.is_due)
		code = collect(mesh, err);
	if (code || !stable->trim.is_more)
		return code;
	trim_open(&stable->trim, &mesh->vector);
	code = trim(mesh, err);
	if (!code && was_counting && !trim_is_counting(&stable->trim))
		code = trim(mesh, err);
	return code;
}

static bool has_passed(const struct mesh *mesh, struct mono_time since, uint64_t ms)
{
	return !since.ns || mono_since_ns(mesh->now, since) >= ms * 1000000;
}

static bool has_steps(const struct stable *stable)
{
	return stable->collecting.is_due || stable->trim.is_more;
}

enum code stable_tick(struct mesh *mesh, struct err *err)
{
	struct stable *stable = &mesh->stable;
	bool is_touched = stable->is_touched || !sum_equal(stable->own, mesh->vector.sum) || are_members_others(mesh);
	enum code code = OK;

	/* One a transaction: what it did is either durable or taken back. */
	if (!mesh->is_member || stable->trim.is_open)
		return OK;
	if (is_touched && has_passed(mesh, stable->looked, STABLE_EVERY_MS))
		code = take_look(mesh, err);
	if (!code && has_steps(stable) && has_passed(mesh, stable->stepped, STABLE_STEP_MS))
		code = take_step(mesh, err);
	return code;
}

struct mono_time stable_next(const struct mesh *mesh)
{
	const struct stable *stable = &mesh->stable;

	if (!mesh->is_member || !has_steps(stable))
		return (struct mono_time){ UINT64_MAX };
	return (struct mono_time){ stable->stepped.ns + STABLE_STEP_MS * UINT64_C(1000000) };
}

enum code stable_load(struct mesh *mesh, struct err *err)
{
	struct vector vector = { 0 };
	enum code code = log_read_vector(mesh->look, TABLE_STABLE, &vector, err);

	if (code) {
		vector_done(&vector);
		return code;
	}
	vector_done(&mesh->stable.vector);
	mesh->stable.vector = vector;
	if (!mesh->stable.trim.budget)
		mesh->stable.trim.budget = LOG_BUDGET;
	/* What this member has is less than it was a moment ago. */
	begin_again(&mesh->stable);
	return OK;
}

void stable_done(struct stable *stable)
{
	vector_done(&stable->vector);
	vector_done(&stable->most);
	free_ahead(stable->ahead, stable->ahead_count);
	rounds_done(&stable->rounds);
	trim_done(&stable->trim);
}

void stable_settle(struct mesh *mesh)
{
	mesh->stable.is_open = false;
	trim_settle(&mesh->stable.trim);
}

/* A full disk is tried again with the next look, and not at once. */
void stable_forget(struct mesh *mesh)
{
	struct stable *stable = &mesh->stable;

	if (stable->is_open || stable->trim.is_open)
		stable->trim.is_more = false;
	stable->is_open = false;
	trim_take_back(&stable->trim);
}

void stable_went_back(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->stable.ahead_count; i++)
		vector_done(&mesh->stable.ahead[i].ends);
	begin_again(&mesh->stable);
}

void stable_closing(struct mesh *mesh)
{
	begin_again(&mesh->stable);
}

void stable_replaced(struct mesh *mesh)
{
	stable_went_back(mesh);
	trim_anew(&mesh->stable.trim);
}
