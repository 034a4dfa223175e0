/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/lend.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/gossip/request.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

#include <stdlib.h>

/* An answer that comes later says nothing of what the member has. */
#define ANSWER_WITHIN (UINT64_C(10) * 1000000000)

struct lend_wait {
	struct lend_wait *next;
	struct arena arena;
	struct errand errand;
	size_t size;
	struct id pool;
	struct mono_time until;
	bool is_ready, is_last, is_dry;
};

enum step {
	STEP_LATER, /* this member may not lease yet */
	STEP_FREE,  /* all are asked what they have */
	STEP_BLOCK, /* one is asked for some */
	STEP_JUDGE, /* what waits is judged again, and then it goes on */
};

struct candidate {
	uint64_t node, free;
	bool is_spent;
};

/* The asking for addresses of one pool. */
struct lend_asking {
	struct lend_asking *next;
	struct id pool;
	enum step step, judging; /* the step during which it is judged again */
	struct mono_time until;
	struct candidate all[LEND_ASKED];
	size_t count;
	bool has_asked;
	bool was_given, was_of_use;    /* a transfer came; addresses came by it, or a write came true */
	uint64_t since, turn;          /* of the questions to all: the last one before them, and of them */
	uint64_t asked;                /* for some */
	bool is_promised, is_answered; /* its transfer is on its way; is here */
	bool is_own;                   /* also without a write that waits */
};

/* --- Requests that wait. */

static void free_wait(struct lend *lend, struct lend_wait *wait)
{
	lend->waits_count--;
	lend->waits_size -= wait->size;
	arena_done(&wait->arena);
	free(wait);
}

static size_t size_of(const struct errand *errand)
{
	size_t size = errand->idempotency.size + errand->action.size + errand->count * sizeof *errand->changes;

	for (size_t i = 0; i < errand->count; i++)
		size += errand->changes[i].map.size;
	return size;
}

static void copy_errand(struct lend_wait *wait, const struct errand *errand)
{
	struct change *changes = arena_take(&wait->arena, errand->count * sizeof *changes);

	wait->errand = *errand;
	for (size_t i = 0; i < errand->count; i++) {
		changes[i] = errand->changes[i];
		changes[i].map = arena_copy(&wait->arena, changes[i].map);
	}
	wait->errand.changes = changes;
	wait->errand.idempotency = arena_copy(&wait->arena, errand->idempotency);
	wait->errand.action = arena_copy(&wait->arena, errand->action);
}

static void keep(struct mesh *mesh, const struct errand *errand, struct id pool)
{
	struct lend *lend = &mesh->lend;
	struct lend_wait *wait = must_alloc(sizeof *wait), **at = &lend->waits;

	copy_errand(wait, errand);
	wait->size = size_of(errand);
	wait->pool = pool;
	wait->until.ns = mesh->now.ns + pending_patience(errand->link, errand->within_ms);
	while (*at && (*at)->until.ns <= wait->until.ns)
		at = &(*at)->next;
	wait->next = *at;
	*at = wait;
	lend->waits_count++;
	lend->waits_size += wait->size;
}

size_t lend_waiting(const struct mesh *mesh, uint32_t link)
{
	size_t count = 0;

	for (const struct lend_wait *wait = mesh->lend.waits; wait; wait = wait->next)
		count += wait->errand.link == link && wait != mesh->lend.judged;
	return count;
}

static bool waits_any(const struct mesh *mesh, struct id pool)
{
	for (const struct lend_wait *wait = mesh->lend.waits; wait; wait = wait->next)
		if (id_equal(wait->pool, pool))
			return true;
	return false;
}

/* Those that wait for the pool are judged again; with `is_last` for the last time. */
static void make_ready(struct mesh *mesh, struct id pool, bool is_last)
{
	for (struct lend_wait *wait = mesh->lend.waits; wait; wait = wait->next) {
		if (!id_equal(wait->pool, pool))
			continue;
		wait->is_ready = true;
		wait->is_last |= is_last;
	}
}

/* --- Questions. */

static void drop_question(struct lend *lend, size_t at)
{
	lend->questions[at] = lend->questions[--lend->questions_count];
}

static void put_question(struct mesh *mesh, struct peer *peer, enum ask_what what, struct id pool)
{
	struct lend *lend = &mesh->lend;
	size_t open = 0;

	for (size_t i = 0; i < lend->questions_count; i++)
		open += lend->questions[i].node == peer->node;
	if (open >= LEND_ASKED || !peer->link || !link_is_open(mesh, peer->link))
		return;
	if (lend->questions_count == lend->questions_room) {
		lend->questions_room = 2 * lend->questions_room + 16;
		lend->questions = must_realloc(lend->questions, lend->questions_room * sizeof *lend->questions);
	}
	lend->questions[lend->questions_count++] = (struct lend_question){
		.what = what,
		.node = peer->node,
		.turn = ++lend->gates.turn,
		.pool = pool,
		.until.ns = mesh->now.ns + ANSWER_WITHIN,
	};
	link_owe(mesh, peer->link, OWED_ASK);
}

void lend_ask_free(struct mesh *mesh, struct peer *peer, struct id pool)
{
	put_question(mesh, peer, ASK_FREE, pool);
}

/* Of what a link that broke carried nothing is known, and whoever is late is not waited for. */
static void forget_questions(struct mesh *mesh)
{
	struct lend *lend = &mesh->lend;

	for (size_t i = lend->questions_count; i-- > 0;) {
		const struct peer *peer = mesh_peer(mesh, lend->questions[i].node);

		if (!peer || !peer->link || !link_is_open(mesh, peer->link) ||
		    lend->questions[i].until.ns <= mesh->now.ns)
			drop_question(lend, i);
	}
}

static bool is_open(const struct mesh *mesh, const struct lend_asking *asking, enum ask_what what)
{
	const struct lend *lend = &mesh->lend;

	for (size_t i = 0; i < lend->questions_count; i++)
		if (lend->questions[i].what == what && id_equal(lend->questions[i].pool, asking->pool) &&
		    (what == ASK_FREE ? lend->questions[i].turn > asking->since
				      : lend->questions[i].node == asking->asked))
			return true;
	return false;
}

/* Whether something may still come of the step. */
static bool is_pending(const struct mesh *mesh, const struct lend_asking *asking, enum step step)
{
	if (asking->until.ns <= mesh->now.ns)
		return false;
	if (step == STEP_FREE)
		return is_open(mesh, asking, ASK_FREE);
	return step == STEP_BLOCK && !asking->is_answered && (asking->is_promised || is_open(mesh, asking, ASK_BLOCK));
}

/* --- Asking. */

static struct lend_asking *find_asking(const struct mesh *mesh, struct id pool)
{
	struct lend_asking *asking = mesh->lend.askings;

	while (asking && !id_equal(asking->pool, pool))
		asking = asking->next;
	return asking;
}

static void ask_all(struct mesh *mesh, struct lend_asking *asking)
{
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;

	asking->step = STEP_FREE;
	asking->has_asked = true;
	asking->was_given = asking->was_of_use = false;
	asking->until.ns = mesh->now.ns + LEND_FREE_PATIENCE;
	asking->count = 0;
	asking->since = mesh->lend.gates.turn;
	mesh->counts.asked++;
	for (size_t i = 0; i < mesh->peers_count && asking->count < LEND_ASKED; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (!peer->link || !link_is_open(mesh, peer->link))
			continue;
		asking->all[asking->count++] = (struct candidate){ .node = peer->node };
		lend_ask_free(mesh, peer, asking->pool);
	}
	asking->turn = mesh->lend.gates.turn;
}

static void begin(struct mesh *mesh, struct id pool, bool is_own)
{
	struct lend_asking *asking = find_asking(mesh, pool);

	if (!asking) {
		asking = must_alloc(sizeof *asking);
		asking->pool = pool;
		asking->step = STEP_LATER;
		asking->next = mesh->lend.askings;
		mesh->lend.askings = asking;
		mesh->lend.askings_count++;
		if (exchange_may_serve(mesh))
			ask_all(mesh, asking);
	}
	asking->is_own |= is_own;
}

void lend_want(struct mesh *mesh, struct id pool)
{
	if (mesh->lend.askings_count < LEND_POOLS)
		begin(mesh, pool, true);
}

static void judge_again(struct mesh *mesh, struct lend_asking *asking)
{
	asking->judging = asking->step;
	asking->step = STEP_JUDGE;
	make_ready(mesh, asking->pool, false);
}

/* Whoever says to have the most is asked for some. False: there is nobody left. */
static bool ask_next(struct mesh *mesh, struct lend_asking *asking)
{
	struct candidate *best = NULL;
	struct peer *peer;

	for (size_t i = 0; i < asking->count; i++) {
		struct candidate *one = &asking->all[i];

		if (!one->is_spent && one->free && (!best || one->free > best->free))
			best = one;
	}
	if (!best)
		return false;
	best->is_spent = true;
	asking->step = STEP_BLOCK;
	asking->asked = best->node;
	asking->is_promised = asking->is_answered = false;
	asking->until.ns = mesh->now.ns + LEND_BLOCK_PATIENCE;
	peer = mesh_peer(mesh, best->node);
	if (peer)
		put_question(mesh, peer, ASK_BLOCK, asking->pool);
	return true;
}

/* False: it came to its end. */
static bool go_on(struct mesh *mesh, struct lend_asking *asking)
{
	bool was_of_use = asking->was_given && asking->was_of_use;

	if (!waits_any(mesh, asking->pool) && (!asking->is_own || asking->was_given))
		return false;
	asking->was_given = false;
	if (was_of_use || !asking->has_asked)
		ask_all(mesh, asking);
	else if (asking->step == STEP_JUDGE && is_pending(mesh, asking, asking->judging))
		asking->step = asking->judging;
	else if (ask_next(mesh, asking))
		return true;
	/* What was waited for is here by now, and the others' answers were given before; if any was asked at all. */
	else if (asking->turn > asking->since && lend_gates_want(mesh, asking->turn))
		ask_all(mesh, asking);
	else {
		make_ready(mesh, asking->pool, true);
		return false;
	}
	return true;
}

static bool advance_one(struct mesh *mesh, struct lend_asking *asking)
{
	switch (asking->step) {
	case STEP_LATER:
		if (exchange_may_serve(mesh))
			judge_again(mesh, asking);
		return waits_any(mesh, asking->pool) || asking->is_own;
	case STEP_FREE:
		if (asking->was_given || !is_pending(mesh, asking, STEP_FREE))
			judge_again(mesh, asking);
		return true;
	case STEP_BLOCK:
		if (asking->was_given)
			judge_again(mesh, asking);
		else if (!is_pending(mesh, asking, STEP_BLOCK))
			return go_on(mesh, asking);
		return true;
	case STEP_JUDGE: return go_on(mesh, asking);
	}
	return true;
}

/* Whether anything came of it. */
static bool advance(struct mesh *mesh)
{
	struct lend_asking **at = &mesh->lend.askings;
	bool is_changed = false;

	forget_questions(mesh);
	while (*at) {
		struct lend_asking *asking = *at;
		enum step step = asking->step;

		if (advance_one(mesh, asking)) {
			is_changed |= asking->step != step;
			at = &asking->next;
			continue;
		}
		is_changed = true;
		*at = asking->next;
		mesh->lend.askings_count--;
		free(asking);
	}
	for (struct lend_wait *wait = mesh->lend.waits; wait; wait = wait->next)
		if (wait->until.ns <= mesh->now.ns)
			wait->is_ready = wait->is_last = true;
	return is_changed;
}

/* --- Transfers that arrive. */

static void note_transfer(struct mesh *mesh, struct id id)
{
	struct lend_asking *asking;
	struct transfer_row row;

	if (state_row(mesh->txn, KIND_TABLE(transfer), id, &row, NULL) || row.taker != mesh->node)
		return;
	asking = find_asking(mesh, row.pool);
	if (!asking)
		return;
	asking->was_given = true;
	asking->was_of_use |= lend_is_gain(mesh, &row);
	asking->is_answered |= row.giver == asking->asked;
}

static void look_for_transfers(struct mesh *mesh)
{
	struct lend *lend = &mesh->lend;
	const struct changes *changes = &mesh->changes;

	if (lend->looked > changes->count)
		lend->looked = 0;
	for (; lend->looked < changes->count; lend->looked++)
		if (lend->askings && mesh->txn && changes->all[lend->looked].kind == KIND_transfer)
			note_transfer(mesh, changes->all[lend->looked].id);
}

/* --- Requests that come. */

bool lend_keep(struct mesh *mesh, const struct errand *errand, struct id pool, enum code *code, struct err *err)
{
	struct lend *lend = &mesh->lend;
	struct lend_wait *judged = lend->judged;
	bool is_last = judged && judged->is_last, has_room = lend->askings_count < LEND_POOLS;

	has_room |= find_asking(mesh, pool) != NULL;
	if (!judged)
		has_room = has_room && lend->waits_count < LEND_WAITS &&
			   lend->waits_size + size_of(errand) <= LEND_WAITS_SIZE;
	if (!is_last && has_room) {
		begin(mesh, pool, false);
		if (judged) {
			judged->pool = pool;
			judged->is_dry = true;
		} else {
			keep(mesh, errand, pool);
		}
		return true;
	}
	*err = (struct err){ 0 };
	if (!has_room)
		*code = fail(err, E_BUSY, "too many requests wait for addresses here: try again");
	else if (!exchange_may_serve(mesh))
		*code = fail(err, E_BUSY,
			     "this server has just started, and leases no address before it has heard the others: "
			     "try again");
	else
		lend_say_who(mesh, pool, err);
	mesh->counts.dry++;
	return false;
}

/* The one that was judged: it waits on, or is done with. */
void lend_judged(struct mesh *mesh)
{
	struct lend *lend = &mesh->lend;
	struct lend_wait *judged = lend->judged, **at = &lend->waits;
	struct lend_asking *asking;

	if (!judged)
		return;
	lend->judged = NULL;
	if (judged->is_dry) {
		judged->is_dry = false;
		return;
	}
	asking = find_asking(mesh, judged->pool);
	if (asking)
		asking->was_of_use = true;
	while (*at != judged)
		at = &(*at)->next;
	*at = judged->next;
	free_wait(lend, judged);
}

static struct lend_wait *find_ready(const struct mesh *mesh)
{
	struct lend_wait *wait = mesh->lend.waits;

	while (wait && !wait->is_ready)
		wait = wait->next;
	return wait;
}

static uint32_t left_ms(const struct mesh *mesh, const struct lend_wait *wait)
{
	return wait->until.ns > mesh->now.ns ? (uint32_t)((wait->until.ns - mesh->now.ns) / NS_PER_MS) : 0;
}

const struct errand *lend_next(struct mesh *mesh)
{
	struct lend_wait *wait;
	bool is_moving = mesh->lend.waits || mesh->lend.askings;

	lend_judged(mesh);
	look_for_transfers(mesh);
	wait = find_ready(mesh);
	while (!wait && is_moving) {
		is_moving = advance(mesh);
		wait = find_ready(mesh);
	}
	if (!wait)
		return NULL;
	wait->is_ready = false;
	mesh->lend.judged = wait;
	wait->errand.within_ms = left_ms(mesh, wait);
	return &wait->errand;
}

struct mono_time lend_due(const struct mesh *mesh)
{
	struct mono_time due = { UINT64_MAX };

	if (mesh->lend.waits)
		due = mesh->lend.waits->until;
	for (const struct lend_asking *asking = mesh->lend.askings; asking; asking = asking->next)
		if (asking->step == STEP_LATER ? exchange_may_serve(mesh) : asking->until.ns < due.ns)
			due = asking->step == STEP_LATER ? mesh->now : asking->until;
	return due;
}

/* --- Frames. */

/* A transfer that is here already comes with no batch. */
static void note_promise(struct mesh *mesh, struct lend_asking *asking, struct bytes body)
{
	struct store_txn *txn;
	struct transfer_row row;
	struct id id;

	if (body.size != sizeof id)
		return;
	memcpy(&id, body.data, sizeof id);
	asking->is_promised = true;
	if (!mesh_reader(mesh, &txn, NULL) && !state_row(txn, KIND_TABLE(transfer), id, &row, NULL))
		asking->is_answered = asking->was_given = true;
}

static void note_free(struct lend_asking *asking, uint64_t node, struct bytes body)
{
	struct reader r = reader_over(body);
	uint64_t free = read_big_endian(&r, 8);

	for (size_t i = 0; i < asking->count; i++)
		if (asking->all[i].node == node && !r.is_short)
			asking->all[i].free = free;
}

bool lend_answered(struct mesh *mesh, struct link *link, const struct frame *frame)
{
	struct lend *lend = &mesh->lend;
	struct lend_question question;
	struct lend_asking *asking;
	size_t at = 0;

	while (at < lend->questions_count &&
	       (lend->questions[at].number != frame->answer.number || lend->questions[at].node != link->peer->node))
		at++;
	if (at == lend->questions_count)
		return false;
	question = lend->questions[at];
	drop_question(lend, at);
	if (frame->answer.code)
		return true;
	/* Before its answer it said what it has. */
	if (question.turn > link->peer->lend.heard)
		link->peer->lend.heard = question.turn;
	asking = find_asking(mesh, question.pool);
	if (asking && question.what == ASK_FREE)
		note_free(asking, question.node, frame->answer.body);
	else if (asking && question.node == asking->asked && asking->step == STEP_BLOCK)
		note_promise(mesh, asking, frame->answer.body);
	return true;
}

/* --- The whole. */

enum code lend_load(struct mesh *mesh, struct err *err)
{
	struct lend *lend = &mesh->lend;

	lend->looked = 0;
	if (!lend->given_count) {
		vector_done(&lend->before);
		for (size_t i = 0; i < mesh->vector.count; i++)
			if (mesh->vector.all[i].stream.node == mesh->node)
				vector_note_more(&lend->before, mesh->vector.all[i].stream, mesh->vector.all[i].end);
	}
	return lend_gates_load(mesh, err);
}

void lend_done(struct lend *lend)
{
	while (lend->waits) {
		struct lend_wait *next = lend->waits->next;

		free_wait(lend, lend->waits);
		lend->waits = next;
	}
	while (lend->askings) {
		struct lend_asking *next = lend->askings->next;

		free(lend->askings);
		lend->askings = next;
	}
	free(lend->questions);
	vector_done(&lend->before);
	lend_gates_done(&lend->gates);
	*lend = (struct lend){ 0 };
}

enum code lend_finish(struct mesh *mesh, struct err *err)
{
	return lend_gates_finish(mesh, err);
}

void lend_replaced(struct mesh *mesh)
{
	mesh->lend.gates.is_replaced = true;
}

enum code lend_tick(struct mesh *mesh, struct err *err)
{
	lend_gates_tick(mesh);
	return lend_end_some(mesh, err);
}
