/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/stable.h"

#include "crdt/gossip/look.h"
#include "crdt/gossip/mesh.h"

#include <stdlib.h>

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

/*
 * Whoever has no others may just not know of them yet, since its disk is from before they came. What it writes until
 * then is its alone, so it keeps that while there is room.
 */
static bool is_alone(const struct mesh *mesh)
{
	return !mesh->peers_count && !trim_is_over(&mesh->stable.trim);
}

static enum code raise_all(struct look *look, struct err *err)
{
	struct mesh *mesh = look->mesh;
	enum code code = OK;

	if (is_alone(mesh))
		return OK;
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

/* What every member was once seen to have it has until it goes back. */
static enum code strike_off(const struct look *look, struct rounds *rounds, struct err *err)
{
	struct vector left = { 0 };
	enum covered covered = COVERED_NOT;
	enum code code = OK;

	for (size_t i = 0; !code && covered != COVERED_NEVER && i < rounds->lacks.count; i++) {
		code = look_covers(look, &rounds->lacks.all[i], &covered, err);
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
	/* In the middle of a change nobody knows who speaks for whom. */
	if (is_touched && !mesh->relay.is_stale && has_passed(mesh, stable->looked, STABLE_EVERY_MS))
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
