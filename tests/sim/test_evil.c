/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/evil.h"
#include "tests/sim/trial.h"
#include "tests/unit/base/check.h"

/*
 * That an evil member harms nobody: each thing it does by itself, many times over, and then all of them. The others go
 * on, nothing is violated, and what it wrote that is valid is everywhere, as if an honest member had written it.
 */

enum { HONEST = 3, TIMES = 8 };

static struct evil *evil;

static const char *const acts[] = {
#define X(name, weight) #name,
	EVIL_ACTS(X)
#undef X
};

static void called(void *context, uint32_t what, uint64_t with)
{
	(void)context;
	evil_called(evil, what, with);
}

/* It has links to all of them; by itself it does nothing more. */
static struct trial *begin(uint64_t seed, uint64_t work_ns, uint64_t pause_ns)
{
	struct trial *t = trial_begin_some(seed, HONEST + 1, HONEST);

	t->world->options.hooks.called = called;
	evil = evil_new(t->world, t->check, HONEST, HONEST);
	evil_begin(evil, world_now(t->world) + work_ns, pause_ns);
	return t;
}

static void end(struct trial *t)
{
	evil_end(evil);
	/* Where it may not fork yet, nobody closes what an evicted one wrote, and each keeps what it got. */
	if (evil_does("equivocate") || !check_is_evicted(&t->world->machines[0], t->world->machines[HONEST].id))
		trial_rest(t);
	trial_is_well(t);
	evil_free(evil);
	trial_end(t);
}

/* What it wrote is merged as anybody's, whichever start it was in when it was found out. */
static uint64_t merged_of_it(const struct trial *t)
{
	const struct vector *vector = &world_mesh(t->world, 1)->vector;
	uint64_t merged = 0;

	for (size_t i = 0; i < vector->count; i++)
		if (vector->all[i].stream.node == t->world->machines[HONEST].id)
			merged += vector->all[i].end.seq;
	return merged;
}

/* The honest ones wrote this meanwhile. */
static void go_on(struct trial *t, uint32_t at)
{
	trial_write(t, at % HONEST, 0);
	trial_run(t, SECOND);
	trial_is_well(t);
}

static void test_one_thing(void **state)
{
	size_t tried = 0;

	(void)state;
	for (uint32_t act = 0; act < COUNT(acts); act++) {
		struct trial *t;
		size_t done = 0;

		if (!evil_does(acts[act])) {
			print_message("not yet: %s\n", acts[act]);
			continue;
		}
		t = begin(act + 1, 0, 1);
		for (uint32_t i = 0; i < TIMES * HONEST; i++) {
			done += evil_act(evil, act);
			evil_dial(evil);
			go_on(t, i);
		}
		assert_true(done > TIMES);
		tried++;
		end(t);
	}
	assert_true(tried >= 20);
}

static void test_all_things(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct trial *t = begin(seed, 120 * SECOND, SECOND / 5);
		const struct evil_counts *counts = evil_counts(evil);

		for (uint32_t i = 0; i < 120; i++)
			go_on(t, i);
		assert_true(merged_of_it(t) > 20);
		assert_true(counts->up > HONEST && counts->told > 200 && counts->heard > 200);
		end(t);
	}
}

/* It goes on after it was put out, and nobody listens. */
static void test_after_its_eviction(void **state)
{
	struct trial *t = begin(7, 60 * SECOND, SECOND / 5);
	struct eviction_row row = { .key = t->world->machines[HONEST].signer.key,
				    .heir = t->world->machines[0].signer.key };

	(void)state;
	row.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir);
	for (uint32_t i = 0; i < 20; i++)
		go_on(t, i);
	world_state(t->world, 0, &t->world->root, KIND_TABLE(eviction), &row);
	for (uint32_t i = 0; i < 30; i++)
		go_on(t, i);
	assert_true(evil_counts(evil)->closed > 0);
	assert_true(evil_counts(evil)->dialled > 10);
	end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thing),
		cmocka_unit_test(test_all_things),
		cmocka_unit_test(test_after_its_eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
