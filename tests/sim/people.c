/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/people.h"

#include "crdt/state/state.h"
#include "tests/sim/people_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALL_ACT = PEOPLE_CALLS, CALL_LATE = PEOPLE_CALLS + 1 };
enum { TRIES_MAX = 3, PATIENCE_MAX = 4 };

#define SECOND UINT64_C(1000000000)
#define ANSWER_WITHIN (5 * SECOND)

struct people *people_new(struct world *world, struct check *check, uint32_t machines)
{
	struct people *p = must_alloc(sizeof *p);

	p->world = world;
	p->check = check;
	p->machines = machines;
	for (uint32_t i = 0; i < machines; i++)
		p->places[i] = i;
	p->rng = rng_from_number(world->options.seed ^ UINT64_C(0x70656f706c65));
	for (uint32_t i = 0; i < CLIENTS; i++)
		p->clients[i].machine = i % machines;
	return p;
}

void people_free(struct people *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < CLIENTS; i++)
		arena_done(&p->clients[i].job.arena);
	check_map_done(&p->removed);
	check_map_done(&p->leased);
	free(p);
}

void people_complain(struct people *p, const char *format, ...)
{
	va_list args;

	if (p->violation[0])
		return;
	va_start(args, format);
	vsnprintf(p->violation, sizeof p->violation, format, args);
	va_end(args);
	world_say(p->world, "VIOLATION people: %s", p->violation);
}

static struct client *client_of(struct people *p, uint64_t with)
{
	struct client *c = &p->clients[with % CLIENTS];

	return c->turn == with / CLIENTS ? c : NULL;
}

/* All that was planned for this client before is void. */
static void plan(struct people *p, struct client *c, uint32_t what, uint64_t in_ns)
{
	c->turn++;
	world_call(p->world, world_now(p->world) + in_ns, what, c->turn * CLIENTS + (uint64_t)(c - p->clients));
}

static void think(struct people *p, struct client *c)
{
	c->phase = PHASE_THINK;
	c->awaited = 0;
	c->job.waits = 0;
	arena_reset(&c->job.arena);
	c->job.number = 0;
	if (p->pause_ns)
		plan(p, c, CALL_ACT, 1 + rng_below(&p->rng, 2 * p->pause_ns));
	else
		c->turn++;
}

void people_pace(struct people *p, uint64_t pause_ns)
{
	p->pause_ns = pause_ns;
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (p->clients[i].phase == PHASE_THINK)
			think(p, &p->clients[i]);
}

static bool is_there(const struct people *p, uint32_t machine)
{
	return world_is_up(p->world, machine) && !p->is_lost[machine];
}

/* The one so many places behind that machine. */
static uint32_t place_after(const struct people *p, uint32_t machine, uint32_t by)
{
	uint32_t at = 0;

	while (p->places[at] != machine)
		at++;
	return p->places[(at + by) % p->machines];
}

/* The next one that is up; false: none is. */
static bool move_on(struct people *p, struct client *c)
{
	for (uint32_t i = 1, from = c->machine; i <= p->machines; i++) {
		uint32_t next = place_after(p, from, i);

		if (!is_there(p, next))
			continue;
		if (next != c->machine)
			c->is_covered = false;
		c->machine = next;
		return true;
	}
	p->counts.nobody_there++;
	return false;
}

static void forget_token(struct client *c)
{
	c->token_size = 0;
	c->mine_count = 0;
	c->has_diary = false;
	c->patience = 0;
	c->is_covered = false;
}

void people_lost(struct people *p, uint32_t machine)
{
	p->is_lost[machine] = true;
	for (uint32_t i = 0; i < CLIENTS; i++)
		forget_token(&p->clients[i]);
}

static void uncover(struct people *p, uint32_t machine)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (p->clients[i].machine == machine)
			p->clients[i].is_covered = false;
}

void people_meet(struct people *p, uint32_t machine)
{
	p->places[p->machines++] = machine;
	p->may_lose = true;
}

void people_left(struct people *p, uint32_t machine)
{
	p->is_lost[machine] = true;
	people_restored(p, machine);
}

void people_restored(struct people *p, uint32_t machine)
{
	static const enum pool_name local[] = { POOL_REVOKED, POOL_USAGE };

	p->may_lose = true;
	uncover(p, machine);
	for (size_t i = 0; i < COUNT(local); i++) {
		struct pool *pool = &p->pools[local[i]];

		for (size_t j = pool->count; j-- > 0;)
			if (pool->all[j].machine == machine)
				pool->all[j] = pool->all[--pool->count];
	}
}

void people_may_lose(struct people *p)
{
	p->may_lose = true;
}

static void remember(struct people *p, uint64_t number, const struct client *c, uint32_t machine)
{
	p->slots[number % SLOTS] = (struct query){ number, c->job.number, (uint32_t)(c - p->clients), machine };
}

/* --- Showing the token. */

static void await(struct people *p, struct client *c)
{
	struct bytes token = bytes_of(c->token, c->token_size);
	uint64_t number = p->world->requests + 1;

	c->phase = PHASE_AWAIT;
	c->is_covered = false;
	c->is_strict = rng_below(&p->rng, 10) < 7;
	c->awaited = number;
	p->counts.awaits++;
	remember(p, number, c, c->machine);
	plan(p, c, CALL_LATE, ANSWER_WITHIN);
	world_await(p->world, c->machine, token, c->is_strict);
}

/* Where a key was in use twice, and then a state took another's place: the docs name that limit. */
static bool may_miss(const struct people *p)
{
	const struct world *world = p->world;
	uint64_t replaced = world->counts.replaced;
	bool has_clones = false;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		has_clones |= world->machines[i].is_clone;
		replaced += world_is_up(world, i) ? world_mesh(world, i)->counts.replaced : 0;
	}
	return has_clones && replaced;
}

static void check_mine(struct people *p, const struct client *c, struct store_txn *txn, uint32_t machine)
{
	for (size_t i = 0; i < c->mine_count; i++) {
		struct bytes stored;

		if (state_record(txn, c->mine[i].kind, c->mine[i].id, &stored, NULL) == E_ABSENT &&
		    !check_map_find(&p->removed, check_key(c->mine[i].id, 0, 0)) && !may_miss(p))
			people_complain(p, "client %d does not find its own %s at %s", (int)(c - p->clients),
					model_kind(c->mine[i].kind)->shape.name, world_name(p->world, machine));
		p->counts.reads++;
	}
}

/* Only this client writes it, and always where it reads all that it wrote before. */
static void check_diary(struct people *p, const struct client *c, struct store_txn *txn, uint32_t machine)
{
	struct setting_row row;
	char text[32];
	enum code code;

	if (!c->has_diary)
		return;
	snprintf(text, sizeof text, "page %" PRIu64, c->page);
	code = state_row(txn, KIND_TABLE(setting), c->diary, &row, NULL);
	if (code == E_DAMAGED || code == E_IO)
		return;
	p->counts.diary_reads++;
	if ((code || !bytes_equal(row.value, bytes_text(text))) && !may_miss(p))
		people_complain(p, "client %d reads another page than %" PRIu64 " of its diary at %s",
				(int)(c - p->clients), c->page, world_name(p->world, machine));
}

static void read_back(struct people *p, const struct client *c, struct machine *m)
{
	struct store_txn *txn;

	if (p->is_lost[m->at] || store_snapshot(m->store, &txn, NULL))
		return;
	check_mine(p, c, txn, m->at);
	check_diary(p, c, txn, m->at);
	store_end(txn);
	check_read(p->check, m->at, bytes_of(c->token, c->token_size));
}

static void take_token(struct client *c, struct bytes token)
{
	assert(token.size <= sizeof c->token);
	memcpy(c->token, token.data, token.size);
	c->token_size = token.size;
}

static void await_answered(struct people *p, struct client *c, struct machine *m, const struct reply *reply)
{
	c->awaited = 0;
	if (reply->code == E_LOST && c->token[0] == 1 && !p->may_lose)
		people_complain(p, "a token was lost at %s: %s", m->name, reply->text);
	if (reply->code) {
		p->counts.strict_refused += reply->code == E_BUSY;
		if (reply->code == E_LOST || ++c->patience >= PATIENCE_MAX)
			forget_token(c);
		think(p, c);
		return;
	}
	if (reply->is_behind) {
		p->counts.behind++;
		if (c->is_strict)
			people_complain(p, "a strict client was answered from the past at %s", m->name);
	} else {
		p->counts.covered++;
		c->patience = 0;
		c->is_covered = true;
		read_back(p, c, m);
		take_token(c, reply->token);
	}
	c->phase = PHASE_THINK;
	c->is_ready = true;
	plan(p, c, CALL_ACT, SECOND / 1000);
}

/* --- Asking for something. */

static void send_to(struct people *p, struct client *c, uint32_t machine)
{
	struct job *job = &c->job;
	uint64_t number = p->world->requests + 1;

	p->counts.asked++;
	p->counts.copies += job->copies > 0;
	remember(p, number, c, machine);
	if (job->spends)
		check_asked_any(p->check, number, machine);
	else
		check_asked(p->check, number, machine);
	world_say(p->world, "client %d asks %s for %zu changes, the first of a %s (%" PRIu64 ")", (int)(c - p->clients),
		  world_name(p->world, machine), job->count,
		  model_kind(job->changes[0].kind) ? model_kind(job->changes[0].kind)->shape.name : "?", number);
	for (size_t i = 0; i < job->count; i++)
		if (job->changes[i].what == CHANGE_REMOVE)
			check_map_put(&p->removed, check_key(job->changes[i].id, 0, 0));
	world_write(p->world, machine, &job->asker, job->changes, job->count, job->copies,
		    bytes_of(job->key, job->is_repeatable ? sizeof job->key : 0));
}

static void send_all(struct people *p, struct client *c)
{
	struct job *job = &c->job;
	uint32_t machine = c->machine;

	c->phase = PHASE_JOB;
	job->tries++;
	/* Answers may come at once. */
	job->waits = 1;
	plan(p, c, CALL_LATE, ANSWER_WITHIN);
	for (uint32_t i = 0, sent = 0; i < p->machines && sent < job->machines; i++) {
		uint32_t at = place_after(p, machine, i);

		if (!is_there(p, at))
			continue;
		sent++;
		job->waits += 1 + job->burst;
		for (uint32_t again = 0; again <= job->burst; again++)
			send_to(p, c, at);
	}
	if (job->machines > 1)
		p->counts.at_once++;
	job->waits--;
	if (!job->waits && c->phase == PHASE_JOB)
		think(p, c);
}

static void act(struct people *p, struct client *c)
{
	bool is_ready = c->is_ready && is_there(p, c->machine);
	bool has_to_move = !is_there(p, c->machine) || (!is_ready && rng_below(&p->rng, 2));

	c->is_ready = false;
	if (has_to_move && !move_on(p, c)) {
		think(p, c);
		return;
	}
	if (!is_ready && c->token_size && rng_below(&p->rng, 10) < 6) {
		await(p, c);
		return;
	}
	c->job = (struct job){ .arena = c->job.arena, .number = ++p->jobs, .machines = 1 };
	people_choose(p, c);
	send_all(p, c);
}

/* No answer came. */
static void be_late(struct people *p, struct client *c)
{
	struct job *job = &c->job;
	bool is_again = c->phase == PHASE_JOB && job->is_repeatable && job->tries < TRIES_MAX && job->machines == 1;

	p->counts.unanswered++;
	/* What was asked for may come true, or not. */
	if (c->phase == PHASE_JOB && job->is_diary)
		c->has_diary = false;
	c->is_covered = false;
	if (is_again && move_on(p, c)) {
		p->counts.repeated++;
		send_all(p, c);
		return;
	}
	think(p, c);
}

void people_called(struct people *p, uint32_t what, uint64_t with)
{
	struct client *c = client_of(p, with);

	if (!c)
		return;
	if (what == CALL_LATE)
		be_late(p, c);
	else
		act(p, c);
}

/* A client's own model goes on from what it was told. */
static void note_own(struct people *p, struct client *c, const struct reply *reply, uint32_t machine)
{
	/* What it knew before is promised only where its token was covered. */
	if (!c->is_covered || machine != c->machine) {
		c->mine_count = 0;
		if (!c->job.is_diary)
			c->has_diary = false;
	}
	take_token(c, reply->token);
	c->machine = machine;
	c->is_covered = true;
	for (size_t i = 0; i < reply->count; i++) {
		size_t at;

		/* A lease ends by itself, and is forgotten. */
		if (c->job.changes[i].kind == KIND_lease)
			continue;
		at = c->mine_count < MINE_MAX ? c->mine_count++ : (size_t)rng_below(&p->rng, MINE_MAX);

		c->mine[at].kind = c->job.changes[i].kind;
		c->mine[at].id = reply->ids[i];
	}
}

static void check_repeat(struct people *p, struct job *job, const struct reply *reply)
{
	if (!job->is_repeatable)
		return;
	if (!job->is_answered) {
		memcpy(job->ids, reply->ids, reply->count * sizeof *reply->ids);
		job->is_answered = true;
		return;
	}
	p->counts.repeat_same++;
	if (memcmp(job->ids, reply->ids, reply->count * sizeof *reply->ids))
		people_complain(p, "a repeated request made other records");
}

static void refused(struct people *p, const struct client *c, const struct reply *reply, uint32_t machine)
{
	uint64_t always = job_code(E_BUSY) | job_code(E_FULL) | job_code(E_IO) | job_code(E_DAMAGED);
	const struct job *job = &c->job;

	/* There were enough others for so many copies. */
	if (job->copies && p->may_lose)
		always |= job_code(E_VALUE);
	p->counts.refused++;
	p->counts.dry += reply->code == E_DRY;
	if (!((job->refusals | always) & job_code(reply->code)))
		people_complain(p, "%s refuses what it should not (%s): %s", world_name(p->world, machine),
				code_name(reply->code), reply->text);
	if (!(job->refusals & job_code(reply->code)))
		return;
	p->counts.forbidden_refused += job->must_be_refused && !job->is_revoked;
	p->counts.revoked_refused += job->is_revoked;
}

/* Whether an address is one that somebody had before. */
static void note_lease(struct people *p, struct store_txn *txn, struct id id)
{
	struct lease_row row;
	struct bytes parts[2];
	struct id key;

	if (state_row(txn, KIND_TABLE(lease), id, &row, NULL) || !(row.has & BIT(AT_lease_address)))
		return;
	parts[0] = bytes_of(row.pool.bytes, sizeof row.pool.bytes);
	parts[1] = bytes_of(row.address.bytes, row.address.size);
	key = hash_id(parts, COUNT(parts));
	p->counts.leased++;
	p->counts.reused += check_map_find(&p->leased, check_key(key, 0, 0)) != NULL;
	check_map_put(&p->leased, check_key(key, 0, 0));
}

static void note_leases(struct people *p, const struct job *job, struct machine *m, const struct reply *reply)
{
	struct store_txn *txn = NULL;

	for (size_t i = 0; i < reply->count; i++) {
		if (job->changes[i].kind != KIND_lease || job->changes[i].what != CHANGE_CREATE)
			continue;
		if (!txn && store_snapshot(m->store, &txn, NULL))
			return;
		note_lease(p, txn, reply->ids[i]);
	}
	store_end(txn);
}

static void job_answered(struct people *p, struct client *c, struct machine *m, const struct reply *reply)
{
	struct job *job = &c->job;

	job->waits--;
	if (reply->code) {
		refused(p, c, reply, m->at);
		if (job->is_diary)
			c->has_diary = false;
	} else if (job->must_be_refused && !may_miss(p)) {
		people_complain(p, "%s does what it must refuse (%s of a %s)", m->name,
				job->changes[0].what == CHANGE_CREATE ? "making" : "changing",
				model_kind(job->changes[0].kind) ? model_kind(job->changes[0].kind)->shape.name : "?");
	} else {
		check_repeat(p, job, reply);
		note_leases(p, job, m, reply);
		note_own(p, c, reply, m->at);
		people_learn(p, c, reply, m->at);
	}
	if (job->spends)
		people_spent(p, c, m, reply);
	if (!job->waits)
		think(p, c);
}

void people_replied(struct people *p, struct machine *m, const struct reply *reply)
{
	const struct query *slot = &p->slots[reply->number % SLOTS];
	struct client *c = &p->clients[slot->client];

	if (slot->number != reply->number)
		return;
	world_say(p->world, "%s answers %" PRIu64 ": %s%s%s", m->name, reply->number, code_name(reply->code),
		  reply->code ? ": " : "", reply->code ? reply->text : "");
	if (!reply->code && slot->job)
		p->counts.acknowledged++;
	if (c->awaited == reply->number)
		await_answered(p, c, m, reply);
	else if (c->phase == PHASE_JOB && slot->job == c->job.number)
		job_answered(p, c, m, reply);
}

const char *people_violation(const struct people *p)
{
	return p->violation[0] ? p->violation : NULL;
}

const struct people_counts *people_counts(const struct people *p)
{
	return &p->counts;
}
