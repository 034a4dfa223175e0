/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/heart.h"

#include "agent/founding.h"
#include "agent/rows.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/base/check.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * Two hearts, each with its thread, whose links are this process: what one sends the other is given. All hooks are on
 * this thread. Nothing is waited for longer than thirty seconds.
 */

enum { WAIT_MS = 30000, REPLIES_MAX = 4096, LOOKS_MAX = 256 };

struct side {
	struct side *other;
	struct heart *heart;
	struct mem_disk *disk;
	struct store *store;
	struct heart_standing standing;
	enum code replies[REPLIES_MAX]; /* by number */
	size_t replied[REPLIES_MAX];    /* how often */
	uint64_t last_reply;
	size_t changed, took, given, knows, failed, looked[LOOKS_MAX];
	bool is_in_order, is_deaf, ends_at_reply, is_closed;
};

static struct world {
	uv_loop_t loop;
	struct side sides[2];
	struct founded founded;
	struct arena arena;
	struct identity *guest;
	struct joining joining;
	uint32_t links;
} w;

/* --- Hooks. */

static void on_send(void *context, uint32_t link, struct bytes bytes)
{
	struct side *side = context;

	if (!side->other->heart || side->other->is_deaf)
		return;
	side->other->given++;
	heart_bytes(side->other->heart, link, bytes);
}

static void on_close(void *context, uint32_t link)
{
	struct side *side = context;

	if (side->other->heart)
		heart_gone(side->other->heart, link);
}

static void on_dial(void *context, uint64_t node)
{
	struct side *side = context;

	if (!side->heart)
		return;
	if (!side->other->heart || side->other->is_deaf) {
		heart_refused(side->heart, node);
		return;
	}
	heart_opened(side->heart, node, ++w.links);
	heart_accepted(side->other->heart, w.links);
}

static void on_took(void *context, uint32_t link)
{
	struct side *side = context;

	(void)link;
	side->took++;
}

static void on_knows(void *context, uint32_t link, uint64_t node)
{
	struct side *side = context;

	(void)link;
	(void)node;
	side->knows++;
}

static void on_closed(void *context)
{
	struct side *side = context;

	side->is_closed = true;
}

static void end_side(struct side *side)
{
	struct heart *heart = side->heart;

	/* Its hooks are still called from inside, and ask it for more. */
	heart_end(heart, on_closed, side);
	side->heart = NULL;
}

static void on_reply(void *context, const struct reply *reply)
{
	struct side *side = context;

	assert_true(reply->number < REPLIES_MAX);
	side->replies[reply->number] = reply->code;
	side->replied[reply->number]++;
	side->is_in_order &= reply->number > side->last_reply;
	side->last_reply = reply->number;
	if (side->ends_at_reply) {
		side->ends_at_reply = false;
		end_side(side);
	}
}

static void on_changed(void *context, uint32_t kind, struct id id)
{
	struct side *side = context;

	(void)id;
	side->changed += kind == KIND_gateway;
}

static void on_alarm(void *context, const char *text)
{
	(void)context;
	assert_true(text[0]);
}

static void on_stands(void *context, const struct heart_standing *standing)
{
	struct side *side = context;

	side->standing = *standing;
}

static void on_failed(void *context, enum code code, const char *text)
{
	struct side *side = context;

	assert_int_equal(code, E_IO);
	assert_true(text[0]);
	side->failed++;
}

/* --- Waiting. */

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static bool turn_until(bool (*is_done)(struct side *side), struct side *side)
{
	static const struct timespec nap = { .tv_nsec = 200000 };
	uint64_t until = now_ms() + WAIT_MS;

	while (!is_done(side)) {
		if (now_ms() > until)
			return false;
		uv_run(&w.loop, UV_RUN_NOWAIT);
		nanosleep(&nap, NULL);
	}
	return true;
}

static uint64_t awaited;

static bool is_answered(struct side *side)
{
	return side->replied[awaited];
}

static enum code answer(struct side *side, uint64_t number)
{
	awaited = number;
	assert_true(turn_until(is_answered, side));
	return side->replies[number];
}

/* --- Worlds. */

static void open_side(struct side *side, const struct identity *identity, bool is_joining)
{
	struct heart_hooks hooks = { side,     on_send,    on_close, on_dial,   on_took,  on_knows,
				     on_reply, on_changed, on_alarm, on_stands, on_failed };
	static const struct hash_key fresh = { { 7 } };
	struct node_config node = { .signer = &identity->signer,
				    .box_key = identity->box_key,
				    .cluster = identity->cluster,
				    .process = 1 + dice(),
				    .is_new = true };

	side->disk = mem_disk_new();
	side->is_in_order = true;
	assert_int_equal(mem_store_open(side->disk, &fresh, &side->store, NULL), OK);
	node.store = side->store;
	node.joining = is_joining ? &w.joining : NULL;
	assert_int_equal(heart_open(&w.loop, &node, &hooks, &side->heart, NULL), OK);
}

static uint64_t write_gateway(struct side *side, const char *name)
{
	struct arena arena = { 0 };
	struct gateway_row row = { .name = bytes_text(name), .has = BIT(AT_gateway_name) };
	struct change change = rows_new(KIND_TABLE(gateway), &row, &arena);
	struct heart_wish wish = { .asker = { .writes = BY_OWNER | BY_ADMIN | BY_OPERATOR },
				   .changes = &change,
				   .count = 1,
				   .action = bytes_text("gateway.create") };
	uint64_t number = heart_write(side->heart, &wish);

	/* All of it was copied. */
	arena_done(&arena);
	return number;
}

static uint64_t write_numbered(struct side *side, size_t i)
{
	char name[32];

	snprintf(name, sizeof name, "gw-%zu", i);
	return write_gateway(side, name);
}

static void found(void)
{
	struct founding founding = { .name = bytes_text("home"), .now = { 1000 } };

	founding.gateway.name = bytes_text("fra-1");
	founding.gateway.has = BIT(AT_gateway_name);
	assert_int_equal(founding_make(&founding, &w.arena, &w.founded, NULL), OK);
	open_side(&w.sides[0], w.founded.identity, false);
	assert_int_equal(answer(&w.sides[0], heart_bring(w.sides[0].heart, w.founded.statements, 3)), OK);
}

/* An invite for the other side, brought to the first. */
static void invite(void)
{
	struct statement said[3], invite;
	struct realm realm = { .cluster = w.founded.identity->cluster, .all = said, .count = 3 };
	struct invite_row row = { .sponsor = w.founded.identity->signer.key,
				  .gateway = { { 9 } },
				  .expires = { UINT64_C(4000000000000) } };
	uint8_t seed[32] = { 3 };
	struct bytes whole;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(statement_read(w.founded.statements[i], &said[i], NULL), OK);
	row.key = signer_from_seed(seed).key;
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	whole = operator_sign(&w.founded.root->signer, &realm, KIND_TABLE(invite), &row, &w.arena);
	assert_int_equal(statement_read(whole, &invite, NULL), OK);
	assert_int_equal(answer(&w.sides[0], heart_bring(w.sides[0].heart, &whole, 1)), OK);
	w.joining = (struct joining){ row.sponsor, invite.id, signer_from_seed(seed) };
}

static bool is_serving(struct side *side)
{
	return side->standing.is_member && side->standing.may_serve;
}

static void join(void)
{
	invite();
	w.guest = identity_new(w.founded.identity->cluster);
	open_side(&w.sides[1], w.guest, true);
	assert_true(turn_until(is_serving, &w.sides[1]));
}

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	w.sides[0].other = &w.sides[1];
	w.sides[1].other = &w.sides[0];
	return uv_loop_init(&w.loop);
}

static bool is_closed(struct side *side)
{
	return side->is_closed;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct side *side = &w.sides[i];

		if (side->heart)
			end_side(side);
		if (!side->store)
			continue;
		assert_true(turn_until(is_closed, side));
		store_close(side->store);
		mem_disk_free(side->disk);
	}
	assert_int_equal(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	founded_done(&w.founded);
	identity_free(w.guest);
	arena_done(&w.arena);
	return 0;
}

/* --- Tests. */

static size_t wanted;

static bool has_changes(struct side *side)
{
	return side->changed >= wanted;
}

static bool took_all(struct side *side)
{
	return side->took == side->given;
}

static void what_one_writes_the_other_has(void **state)
{
	struct side *a = &w.sides[0], *b = &w.sides[1];

	(void)state;
	found();
	assert_true(turn_until(is_serving, a));
	join();
	assert_int_equal(answer(a, write_gateway(a, "par-1")), OK);
	wanted = 1;
	assert_true(turn_until(has_changes, b));
	assert_int_equal(answer(b, write_gateway(b, "ams-1")), OK);
	wanted = 2;
	assert_true(turn_until(has_changes, a));
	/* What arrived was said to be used up, and who is there once per link. */
	assert_true(turn_until(took_all, a));
	assert_true(turn_until(took_all, b));
	assert_true(a->given && b->given);
	assert_int_equal(a->knows, 1);
	assert_int_equal(b->knows, 1);
	assert_true(a->is_in_order);
}

static void a_token_is_awaited(void **state)
{
	struct side *a = &w.sides[0];

	(void)state;
	found();
	assert_int_equal(answer(a, heart_await(a->heart, bytes_of(NULL, 0), true)), OK);
	assert_int_equal(answer(a, heart_await(a->heart, bytes_text("nonsense"), true)), E_FORM);
}

struct looker {
	struct side *side;
	size_t place;
	bool was_member, has_looked;
};

static struct looker lookers[LOOKS_MAX];

static void look(void *context, const struct node *node)
{
	struct looker *looker = context;

	looker->has_looked = true;
	looker->was_member = node_mesh(node)->is_member;
}

static void look_done(void *context)
{
	struct looker *looker = context;

	looker->side->looked[looker->place]++;
}

static void ask_look(struct side *side, size_t place)
{
	lookers[place] = (struct looker){ .side = side, .place = place };
	heart_look(side->heart, look, look_done, &lookers[place]);
}

static bool all_looked(struct side *side)
{
	for (size_t i = 0; i < wanted; i++)
		if (!side->looked[i])
			return false;
	return true;
}

static void assert_looked(const struct side *side, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(side->looked[i], 1);
}

static void every_look_is_done(void **state)
{
	struct side *a = &w.sides[0];

	(void)state;
	found();
	wanted = LOOKS_MAX;
	for (size_t i = 0; i < wanted; i++) {
		ask_look(a, i);
		if (i % 7 == 0)
			write_numbered(a, i);
	}
	assert_true(turn_until(all_looked, a));
	assert_looked(a, wanted);
	for (size_t i = 0; i < wanted; i++)
		assert_true(lookers[i].has_looked && lookers[i].was_member);
}

static void what_is_queued_at_the_end_is_done_and_told(void **state)
{
	struct side *a = &w.sides[0];
	uint64_t first, last;

	(void)state;
	found();
	join();
	first = last = write_numbered(a, 0);
	for (size_t i = 1; i < 200; i++) {
		last = write_numbered(a, i);
		ask_look(a, i - 1);
	}
	end_side(a);
	for (uint64_t number = first; number <= last; number++) {
		assert_int_equal(a->replied[number], 1);
		assert_int_equal(a->replies[number], OK);
	}
	assert_looked(a, 199);
	assert_int_equal(a->changed, 200);
	assert_true(a->is_in_order);
	assert_true(turn_until(is_closed, a));
}

/* From inside a hook: the rest is given in the order in which it was told. */
static void a_hook_may_end_it(void **state)
{
	struct side *a = &w.sides[0];
	uint64_t last = 0;

	(void)state;
	found();
	a->ends_at_reply = true;
	for (size_t i = 0; i < 300; i++)
		last = write_numbered(a, i);
	assert_true(turn_until(is_closed, a));
	assert_true(a->is_in_order);
	assert_int_equal(a->last_reply, last);
	for (uint64_t number = 1; number <= last; number++)
		assert_int_equal(a->replied[number], 1);
}

/* Its thread has ended, and it is not gone yet. */
static void who_asks_an_ended_heart_is_told(void **state)
{
	struct side *a = &w.sides[0];
	struct heart *heart;

	(void)state;
	found();
	heart = a->heart;
	end_side(a);
	a->heart = heart;
	ask_look(a, 0);
	write_numbered(a, 1);
	heart_refused(heart, 1);
	a->heart = NULL;
	assert_int_equal(a->looked[0], 0);
	assert_true(turn_until(is_closed, a));
	assert_int_equal(a->looked[0], 1);
	assert_false(lookers[0].has_looked);
}

static uint64_t full_at;

static void fill_disk(void *context, const struct node *node)
{
	struct side *side = context;

	(void)node;
	mem_disk_full_at(side->disk, full_at);
}

static void break_disk(void *context, const struct node *node)
{
	struct side *side = context;

	(void)node;
	mem_disk_fail_at(side->disk, 1);
}

/* Number 0 is no request's. */
static void on_disk_done(void *context)
{
	struct side *side = context;

	side->replied[0] = 1;
}

/* A disk is the thread's that works on it. */
static void on_disk(struct side *side, void (*act)(void *context, const struct node *node))
{
	side->replied[0] = 0;
	heart_look(side->heart, act, on_disk_done, side);
	awaited = 0;
	assert_true(turn_until(is_answered, side));
}

/* Several in one batch: all of them are answered, each once, and what comes from others is used up all the same. */
static void a_full_disk_refuses_each_and_passes(void **state)
{
	struct side *a = &w.sides[0], *b = &w.sides[1];
	uint64_t first, last;

	(void)state;
	found();
	join();
	full_at = 1;
	on_disk(a, fill_disk);
	first = last = write_numbered(a, 0);
	for (size_t i = 1; i < 50; i++)
		last = write_numbered(a, i);
	answer(a, last);
	for (uint64_t number = first; number <= last; number++) {
		assert_int_equal(a->replied[number], 1);
		assert_int_equal(a->replies[number], E_FULL);
	}
	assert_int_equal(answer(b, write_gateway(b, "ams-1")), OK);
	assert_true(turn_until(took_all, a));
	full_at = 0;
	on_disk(a, fill_disk);
	assert_int_equal(answer(a, write_gateway(a, "par-1")), OK);
	/* What it could not keep is missed with the next that comes. */
	assert_int_equal(answer(b, write_gateway(b, "lon-1")), OK);
	wanted = 3;
	assert_true(turn_until(has_changes, a));
	assert_true(turn_until(has_changes, b));
	assert_int_equal(a->failed, 0);
}

static bool has_failed(struct side *side)
{
	return side->failed;
}

static void a_broken_disk_ends_it_and_who_looks_is_told(void **state)
{
	struct side *a = &w.sides[0];
	struct timespec before, after, while_it_sleeps = { 1, 600000000 };

	(void)state;
	found();
	on_disk(a, break_disk);
	write_gateway(a, "par-1");
	assert_true(turn_until(has_failed, a));
	wanted = 1;
	ask_look(a, 0);
	assert_true(turn_until(all_looked, a));
	/* It sleeps until it is ended, past when the node would tick. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	nanosleep(&while_it_sleeps, NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
	assert_int_equal(a->failed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_one_writes_the_other_has, begin, end),
		cmocka_unit_test_setup_teardown(a_token_is_awaited, begin, end),
		cmocka_unit_test_setup_teardown(every_look_is_done, begin, end),
		cmocka_unit_test_setup_teardown(what_is_queued_at_the_end_is_done_and_told, begin, end),
		cmocka_unit_test_setup_teardown(a_hook_may_end_it, begin, end),
		cmocka_unit_test_setup_teardown(who_asks_an_ended_heart_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_full_disk_refuses_each_and_passes, begin, end),
		cmocka_unit_test_setup_teardown(a_broken_disk_ends_it_and_who_looks_is_told, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
