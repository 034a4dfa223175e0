/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include "crdt/state/limit.h"

enum { DEVICES = 12 };

static struct putting p;
static struct id none;

static size_t devices_of(struct id user, struct owned **ret_owned, uint64_t *ret_most)
{
	size_t count;

	assert_int_equal(limit_devices(p.txn, user, &p.arena, ret_owned, &count, ret_most, NULL), OK);
	return count;
}

struct one {
	struct id id;
	uint64_t ordinal;
	bool is_dead;
};

/* How many live ones of the same owner go before it. */
static size_t before(const struct one *all, size_t count, size_t at)
{
	size_t before = 0;

	for (size_t i = 0; i < count; i++)
		before += !all[i].is_dead &&
			  (all[i].ordinal < all[at].ordinal || (all[i].ordinal == all[at].ordinal &&
								memcmp(&all[i].id, &all[at].id, sizeof all[i].id) < 0));
	return before;
}

static void assert_limit(struct id user, const struct one *all, size_t count, uint64_t limit)
{
	struct owned *owned;
	uint64_t most;
	size_t found = devices_of(user, &owned, &most), live = 0;

	assert_int_equal(most, limit);
	for (size_t i = 0; i < count; i++) {
		size_t place = before(all, count, i);

		if (all[i].is_dead)
			continue;
		live++;
		assert_true(place < found && id_equal(owned[place].id, all[i].id));
		assert_int_equal(owned[place].ordinal, all[i].ordinal);
		assert_int_equal(owned[place].is_within, place < limit);
	}
	assert_int_equal(found, live);
}

static void the_first_by_ordinal_and_id_are_within(void **state)
{
	(void)state;
	for (int round = 0; round < 80; round++) {
		uint64_t limit = dice_below(4) ? dice_below(DEVICES) : UINT64_MAX;
		struct one all[DEVICES] = { 0 };
		struct id user, other;

		putting_start(&p, 1);
		user = put_user(&p, "anna", 0, put_plan_of(&p, "basic", limit));
		other = put_user(&p, "bert", 0, none);
		for (size_t i = 0; i < DEVICES; i++) {
			all[i].ordinal = dice_below(6);
			all[i].id = put_device(&p, user, "x", (uint8_t)(i + 1), all[i].ordinal);
			put_device(&p, other, "x", (uint8_t)(i + 100), all[i].ordinal);
			if (!dice_below(4)) {
				put_dead(&p, KIND_TABLE(device), all[i].id);
				all[i].is_dead = true;
			}
			assert_limit(user, all, i + 1, limit);
		}
		putting_end(&p);
	}
}

static void without_a_good_plan_there_is_no_limit(void **state)
{
	struct plan_row broken = { .has = BIT(AT_plan_name) | BIT(AT_plan_devices), .devices = 1 };
	struct owned *owned;
	struct id plan, user;
	uint64_t most;

	(void)state;
	putting_start(&p, 2);
	plan = put_plan_of(&p, "basic", 1);
	user = put_user(&p, "anna", 0, plan);
	put_device(&p, user, "one", 1, 1);
	put_device(&p, user, "two", 2, 2);
	assert_int_equal(devices_of(user, &owned, &most), 2);
	assert_int_equal(most, 1);
	assert_false(owned[1].is_within);
	put_dead(&p, KIND_TABLE(plan), plan);
	assert_int_equal(devices_of(user, &owned, &most), 2);
	assert_true(most == UINT64_MAX && owned[1].is_within);
	broken.name = bytes_text("two\nlines");
	user = put_user(&p, "bert", 0, put_row(&p, KIND_TABLE(plan), &broken, 1));
	put_device(&p, user, "one", 3, 1);
	assert_int_equal(devices_of(user, &owned, &most), 1);
	assert_true(most == UINT64_MAX);
	put_dead(&p, KIND_TABLE(user), user);
	assert_int_equal(devices_of(user, &owned, &most), 0);
	assert_int_equal(devices_of((struct id){ { 7 } }, &owned, &most), 0);
	putting_end(&p);
}

static void the_next_ordinal_follows_the_largest(void **state)
{
	uint64_t ceiling = FIELD_TABLE(device, ordinal)->max;
	struct owned owned[3] = { { .ordinal = 4 }, { .ordinal = 9 }, { .ordinal = 2 } };

	(void)state;
	assert_int_equal(limit_next_ordinal(NULL, 0), 1);
	assert_int_equal(limit_next_ordinal(owned, 3), 10);
	owned[2].ordinal = ceiling - 1;
	assert_int_equal(limit_next_ordinal(owned, 3), ceiling);
	owned[2].ordinal = ceiling;
	assert_int_equal(limit_next_ordinal(owned, 3), ceiling);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_by_ordinal_and_id_are_within),
		cmocka_unit_test(without_a_good_plan_there_is_no_limit),
		cmocka_unit_test(the_next_ordinal_follows_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
