/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/lend_debt.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

#include <stdlib.h>

void lend_debt_drop(struct lend_debt *debt)
{
	free(debt->all);
	debt->all = NULL;
	debt->count = 0;
}

/* Whether one more may be worked out for the member now; it then counts. */
static bool may_work(const struct mesh *mesh, struct lend_debt *debt)
{
	if (mono_since_ns(mesh->now, debt->since) >= MESH_SECOND) {
		debt->since = mesh->now;
		debt->worked = 0;
	}
	return debt->worked < LEND_WORKED && ++debt->worked;
}

static const struct lend_free *find_free(const struct lend *lend, struct id pool)
{
	for (size_t i = 0; i < lend->frees_count; i++)
		if (id_equal(lend->frees[i].pool, pool))
			return &lend->frees[i];
	return NULL;
}

static enum code count_free(struct mesh *mesh, struct lend_answer *answer, struct err *err)
{
	struct lend *lend = &mesh->lend;
	enum code code = lend_count_free(mesh, answer->id, &answer->amount, err);

	mesh->counts.free_counted++;
	if (!code && lend->frees_count < LEND_FREES)
		lend->frees[lend->frees_count++] = (struct lend_free){ answer->id, answer->amount };
	return code;
}

/* Now, if it may be; else it stays late. Failures of the store alone. */
static enum code work_out(struct mesh *mesh, struct peer *peer, struct lend_answer *answer, struct err *err)
{
	const struct lend_free *known = answer->is_block ? NULL : find_free(&mesh->lend, answer->id);
	struct arena_mark before = arena_mark(&mesh->arena);
	struct err why = { 0 };

	answer->is_later = !known && !may_work(mesh, &peer->lend);
	if (answer->is_later)
		return OK;
	if (known)
		answer->amount = known->free;
	else if (answer->is_block)
		answer->code = lend_answer_block(mesh, peer, answer, &why);
	else
		answer->code = count_free(mesh, answer, &why);
	/* Many may ask before the next commit, and each time the pool's blocks are found anew. */
	arena_release(&mesh->arena, before);
	if (!code_is_disk(answer->code))
		return OK;
	*err = why;
	return answer->code;
}

enum code lend_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct lend_debt *debt = &link->peer->lend;
	struct lend_answer answer = { .number = frame->ask.number, .is_block = frame->ask.what == ASK_BLOCK };
	struct reader r = reader_over(frame->ask.body);
	const uint8_t *bytes = read_bytes(&r, sizeof(struct id));
	enum code code;

	answer.amount = answer.is_block ? read_big_endian(&r, 8) : 0;
	if (r.is_short || reader_left(&r))
		return fail(err, E_FORM, "it asked for addresses of what is no pool");
	/* Whoever asks faster than it hears is not answered. */
	if (debt->count == LEND_ASKED)
		return OK;
	memcpy(&answer.id, bytes, sizeof answer.id);
	code = work_out(mesh, link->peer, &answer, err);
	if (code)
		return code;
	if (!debt->all)
		debt->all = must_alloc(LEND_ASKED * sizeof *debt->all);
	debt->all[debt->count++] = answer;
	if (!answer.is_later)
		link_owe(mesh, link, OWED_ASK);
	return OK;
}

static enum code tick_peer(struct mesh *mesh, struct peer *peer, struct err *err)
{
	struct lend_debt *debt = &peer->lend;
	enum code code = OK;

	if (!peer->link || !link_is_open(mesh, peer->link))
		return OK;
	for (size_t i = 0; !code && i < debt->count; i++)
		if (debt->all[i].is_later)
			code = work_out(mesh, peer, &debt->all[i], err);
	if (lend_debt_is_due(peer->link))
		link_owe(mesh, peer->link, OWED_ASK);
	return code;
}

enum code lend_debt_tick(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < mesh->peers_count; i++)
		code = tick_peer(mesh, mesh->peers[i], err);
	return code;
}

bool lend_debt_is_due(const struct link *link)
{
	const struct lend_debt *debt = &link->peer->lend;

	for (size_t i = 0; i < debt->count; i++)
		if (!debt->all[i].is_later)
			return true;
	return false;
}

static void say_answer(struct mesh *mesh, struct link *link, const struct lend_answer *answer)
{
	uint8_t room[sizeof answer->id];
	struct buf body = buf_over(room, sizeof room);

	if (!answer->code && answer->is_block)
		buf_put(&body, answer->id.bytes, sizeof answer->id.bytes);
	else if (!answer->code)
		buf_put_big_endian(&body, answer->amount, 8);
	buf_clear(&mesh->frame);
	frame_put_answer(&mesh->frame, answer->number, answer->code, buf_bytes(&body));
	link_send(mesh, link);
}

void lend_debt_say(struct mesh *mesh, struct link *link)
{
	struct lend_debt *debt = &link->peer->lend;
	size_t kept = 0;

	for (size_t i = 0; i < debt->count; i++)
		if (debt->all[i].is_later)
			debt->all[kept++] = debt->all[i];
		else
			say_answer(mesh, link, &debt->all[i]);
	debt->count = kept;
	if (!kept)
		lend_debt_drop(debt);
}

void lend_debt_back(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct lend_debt *debt = &mesh->peers[i]->lend;

		for (size_t k = 0; k < debt->count; k++)
			if (debt->all[k].is_new)
				debt->all[k].code = E_BUSY;
	}
}

void lend_debt_forget(struct mesh *mesh)
{
	mesh->lend.frees_count = 0;
}
