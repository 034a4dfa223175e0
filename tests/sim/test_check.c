/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "tests/sim/check_inside.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>
#include <time.h>

/* That a sound world violates nothing, and that each check fails when what it is for comes to pass. */

enum { SECOND = 1000000000, WRITES = 100 };

struct trial {
	struct world *world;
	struct check *check;
	struct rng rng;
	uint8_t token[TOKEN_MAX];
	size_t token_size;
	uint64_t awaited;
	uint64_t written, refused, read;
	struct id last; /* that was made */
	uint32_t last_at;
};

static void replied(void *context, struct machine *m, const struct reply *reply)
{
	struct trial *t = context;

	check_replied(t->check, m, reply);
	t->refused += reply->code != OK;
	if (!reply->code && reply->count) {
		t->written++;
		t->last = reply->ids[0];
		t->last_at = m->at;
		memcpy(t->token, reply->token.data, reply->token.size);
		t->token_size = reply->token.size;
	}
	if (reply->number == t->awaited && !reply->code && !reply->is_behind) {
		t->read++;
		check_read(t->check, m->at, bytes_of(t->token, t->token_size));
	}
}

static void changed(void *context, struct machine *m, uint32_t kind, struct id id)
{
	struct trial *t = context;

	check_changed(t->check, m, kind, id);
}

static void stepped(void *context, struct machine *m)
{
	struct trial *t = context;

	check_stepped(t->check, m);
}

static void booted(void *context, struct machine *m)
{
	struct trial *t = context;

	check_booted(t->check, m);
}

static void died(void *context, struct machine *m)
{
	struct trial *t = context;

	check_died(t->check, m);
}

static struct trial *begin(uint64_t seed, uint32_t machines)
{
	struct trial *t = must_alloc(sizeof *t);
	struct world_options options = { .seed = seed, .machines = machines, .commit_ns = 1000000 };

	options.hooks = (struct world_hooks){
		.context = t, .replied = replied, .changed = changed, .stepped = stepped, .booted = booted, .died = died
	};
	t->rng = rng_from_number(seed);
	t->world = world_new(&options);
	t->world->timeline = getenv("TIMELINE") ? stderr : NULL;
	t->check = check_new(t->world);
	world_found_all(t->world, machines);
	world_run(t->world, 5ull * SECOND);
	return t;
}

static void end(struct trial *t)
{
	check_free(t->check);
	world_free(t->world);
	free(t);
}

static void run(struct trial *t, uint64_t ns)
{
	world_run(t->world, world_now(t->world) + ns);
}

static void assert_well(struct trial *t)
{
	if (check_violation(t->check))
		fail_msg("%s", check_violation(t->check));
}

static void assert_violated(struct trial *t, uint32_t invariant)
{
	char text[32];

	snprintf(text, sizeof text, "invariant %u:", invariant);
	if (!check_violation(t->check))
		fail_msg("invariant %u is not found to be violated", invariant);
	if (strncmp(check_violation(t->check), text, strlen(text)) != 0)
		fail_msg("not invariant %u: %s", invariant, check_violation(t->check));
}

static void ask(struct trial *t, uint32_t machine, const struct change *changes, size_t count, uint32_t copies)
{
	struct asker asker = { .writes = BY_OWNER };

	check_asked(t->check, t->world->requests + 1, machine);
	world_write(t->world, machine, &asker, changes, count, copies, bytes_of(NULL, 0));
}

static void write_setting(struct trial *t, uint32_t machine, uint32_t copies)
{
	struct setting_row row = { .name = bytes_text("name"), .value = bytes_text("value") };
	uint8_t room[512];
	struct buf map = buf_over(room, sizeof room);
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };

	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	change.map = buf_bytes(&map);
	ask(t, machine, &change, 1, copies);
}

static void shake(struct trial *t)
{
	uint32_t machine = (uint32_t)rng_below(&t->rng, 3);

	switch (rng_below(&t->rng, 8)) {
	case 0:
		if (world_is_up(t->world, machine))
			world_kill(t->world, machine);
		break;
	case 1:
		if (world_is_up(t->world, machine))
			world_cut_power(t->world, machine);
		break;
	case 2: net_partition(t->world->net, (enum net_shape)rng_below(&t->rng, NET_SHAPES), NULL); break;
	case 3: clock_jump(&t->world->machines[machine].clock, world_now(t->world), -1000 * SIM_YEAR_MS); break;
	case 4: clock_set(&t->world->machines[machine].clock, world_now(t->world)); break;
	default: break;
	}
	for (uint32_t i = 0; i < 3; i++)
		if (!world_is_up(t->world, i) && rng_below(&t->rng, 3) == 0)
			world_boot(t->world, i);
}

static void come_to_rest(struct trial *t)
{
	net_partition(t->world->net, NET_WHOLE, NULL);
	for (uint32_t i = 0; i < t->world->options.machines; i++)
		if (!world_is_up(t->world, i))
			world_boot(t->world, i);
	run(t, check_patience(t->check));
	check_rest(t->check);
}

static void test_a_sound_world(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct trial *t = begin(seed, 3);

		for (uint32_t i = 0; i < WRITES; i++) {
			uint32_t machine = (uint32_t)rng_below(&t->rng, 3);

			shake(t);
			write_setting(t, machine, (uint32_t)rng_below(&t->rng, 3));
			run(t, rng_below(&t->rng, SECOND));
			t->awaited = t->world->requests + 1;
			world_await(t->world, (uint32_t)rng_below(&t->rng, 3), bytes_of(t->token, t->token_size), true);
			run(t, rng_below(&t->rng, 2ull * SECOND));
		}
		come_to_rest(t);
		if (check_violation(t->check))
			fail_msg("seed %u: %s", (unsigned)seed, check_violation(t->check));
		assert_true(t->written > WRITES / 3);
		assert_true(t->read > WRITES / 10);
		end(t);
	}
}

/* A root that its records do not have. */
static void test_another_root(void **state)
{
	struct trial *t = begin(1, 3);
	struct mesh *mesh = (struct mesh *)(uintptr_t)world_mesh(t->world, 1);

	(void)state;
	assert_well(t);
	mesh->root.buckets[7].low++;
	check_full(t->check);
	assert_violated(t, 13);
	end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sound_world),
		cmocka_unit_test(test_another_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
