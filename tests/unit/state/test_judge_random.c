/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/asking.h"

static struct asking a;

enum { USERS = 8, DEVICES = 16, KEYS = 30, STEPS = 400, WORLDS = 30 };

/* What the random test knows of a world that it keeps by hand. */
struct person {
	struct id id;
	size_t login;
	bool is_owner, is_there;
};

struct thing {
	struct id id;
	size_t owner, name;
	bool is_there;
};

static struct person people[USERS];
static struct thing things[DEVICES];
static bool is_key_used[KEYS];
static const char *const logins[] = { "a", "b", "c", "d", "e", "f" };
static struct id plan_id;
static uint64_t plan_most;

static bool has_login(size_t login, size_t but)
{
	for (size_t i = 0; i < USERS; i++)
		if (people[i].is_there && i != but && people[i].login == login)
			return true;
	return false;
}

static void try_user(size_t at, size_t login)
{
	bool is_owner = !dice_below(3), is_taken = has_login(login, at), was_owner = people[at].is_owner;
	size_t owners = 0;
	enum code code;

	for (size_t i = 0; i < USERS; i++)
		owners += people[i].is_there && people[i].is_owner;
	if (!people[at].is_there) {
		ask_user(&a, logins[login], is_owner ? ROLE_OWNER : 0, plan_id);
		code = asked(&a);
		assert_int_equal(code, is_taken ? E_TAKEN : OK);
		if (!code)
			people[at] = (struct person){ a.judged.ids[0], login, is_owner, true };
	} else if (dice_below(3)) {
		ask_login(&a, people[at].id, logins[login]);
		code = asked(&a);
		assert_int_equal(code, is_taken ? E_TAKEN : OK);
		if (!code)
			people[at].login = login;
	} else {
		ask_remove(&a, KIND_TABLE(user), people[at].id);
		code = asked(&a);
		assert_int_equal(code, was_owner && owners == 1 ? E_DENIED : OK);
		people[at].is_there = code;
	}
}

static void try_device(size_t at, size_t owner, size_t key)
{
	size_t name = dice_below(COUNT(logins)), count = 0;
	bool is_named = false;
	enum code code, wanted;

	for (size_t i = 0; i < DEVICES; i++) {
		if (!things[i].is_there || things[i].owner != owner || i == at)
			continue;
		count++;
		is_named |= things[i].name == name;
	}
	if (things[at].is_there) {
		ask_remove(&a, KIND_TABLE(device), things[at].id);
		TAKEN(&a);
		things[at].is_there = false;
		return;
	}
	ask_device(&a, people[owner].id, logins[name], (uint8_t)key);
	code = asked(&a);
	wanted = is_key_used[key] || is_named ? E_TAKEN : OK;
	if (!is_key_used[key] && count >= plan_most)
		wanted = E_LIMIT;
	if (!people[owner].is_there)
		wanted = is_key_used[key] && code == E_TAKEN ? E_TAKEN : E_ABSENT;
	assert_int_equal(code, wanted);
	if (code)
		return;
	is_key_used[key] = true;
	things[at] = (struct thing){ a.judged.ids[0], owner, name, true };
}

/* A user's devices go with the user. */
static void forget_orphans(void)
{
	for (size_t i = 0; i < DEVICES; i++)
		things[i].is_there &= people[things[i].owner].is_there;
}

/* Worlds are short, since keys run out. */
static void whatever_is_asked_the_rules_hold(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		print_message("seed %u\n", (unsigned)seed);
		asking_start(&a, seed);
		memset(people, 0, sizeof people);
		memset(things, 0, sizeof things);
		memset(is_key_used, 0, sizeof is_key_used);
		plan_most = seed % 5;
		plan_id = put_plan_of(&a.p, "p", plan_most);
		for (int step = 0; step < STEPS; step++) {
			if (dice_below(2))
				try_user(dice_below(USERS), dice_below(COUNT(logins)));
			else
				try_device(dice_below(DEVICES), dice_below(USERS), 1 + dice_below(KEYS - 1));
			forget_orphans();
			arena_reset(&a.p.arena);
		}
		asking_end(&a);
	}
}

/* A value, or a byte of it, that may be wrong. */
static struct bytes spoil(struct bytes map)
{
	uint8_t *copy = arena_take(&a.p.arena, map.size);

	memcpy(copy, map.data, map.size);
	if (!dice_below(4))
		copy[dice_below(map.size)] ^= (uint8_t)(1u << dice_below(8));
	return bytes_of(copy, dice_below(20) ? map.size : dice_below(map.size + 1));
}

static void ask_anything(struct id *known, uint32_t *kinds, size_t count)
{
	const struct kind *kind = &model_kinds[dice_below(MODEL_KINDS)];
	size_t at = dice_below(count);
	struct id id;

	switch (dice_below(3)) {
	case 0:
		ask_map(&a, CHANGE_CREATE, kind->number, (struct id){ { 0 } },
			spoil(gen_op(kind, &a.rng, &a.p.arena, &id)));
		break;
	case 1:
		kind = model_kind(kinds[at]);
		ask_map(&a, CHANGE_SET, kinds[at], known[at], spoil(gen_change(kind, &a.rng, &a.p.arena)));
		break;
	default: ask_map(&a, CHANGE_REMOVE, kinds[at], known[at], bytes_of(NULL, 0));
	}
}

/* All kinds and fields, right and wrong: whatever is taken is an entry that everybody takes (asking.c). */
static void no_request_makes_a_bad_entry(void **state)
{
	enum { KNOWN = 60, REQUESTS = 6000 };
	struct id known[KNOWN] = { 0 };
	uint32_t kinds[KNOWN];
	size_t taken = 0, refused = 0;

	(void)state;
	asking_start(&a, 21);
	for (size_t i = 0; i < KNOWN; i++)
		kinds[i] = model_kinds[dice_below(MODEL_KINDS)].number;
	for (int i = 0; i < REQUESTS; i++) {
		a.asker.writes = (uint8_t)(dice_below(4) ? 0xff : dice());
		a.judging.idempotency = bytes_of(&i, dice_below(2) ? sizeof i : 0);
		for (size_t n = 1 + dice_below(2); n; n--)
			ask_anything(known, kinds, KNOWN);
		if (asked(&a)) {
			refused++;
		} else {
			size_t at = dice_below(KNOWN);

			taken++;
			known[at] = a.judged.ids[0];
			kinds[at] = a.changes[0].kind;
		}
		arena_reset(&a.p.arena);
	}
	assert_true(taken > 300 && refused > 300);
	asking_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_asked_the_rules_hold),
		cmocka_unit_test(no_request_makes_a_bad_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
