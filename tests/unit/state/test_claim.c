/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include "crdt/base/text.h"
#include "crdt/state/claim.h"
#include "crdt/state/live.h"

#include <stdio.h>

static struct putting p;
static struct id none;

static enum code resolve(const char *text, struct id *ret_id, struct err *err)
{
	return claim_resolve(p.txn, KIND_TABLE(user), bytes_text(text), &p.arena, ret_id, err);
}

static void text_of(struct id id, char room[CLAIM_TEXT_MAX + 1])
{
	struct bytes text;

	assert_int_equal(claim_text(p.txn, KIND_TABLE(user), id, &p.arena, &text, NULL), OK);
	assert_true(text.size <= CLAIM_TEXT_MAX);
	memcpy(room, text.data, text.size);
	room[text.size] = '\0';
}

static void one_holder_answers_to_the_plain_name(void **state)
{
	struct id anna, found, *ids;
	char text[CLAIM_TEXT_MAX + 1], hex[33], full[80];
	struct err err = { 0 };
	size_t count;

	(void)state;
	putting_start(&p, 1);
	anna = put_user(&p, "anna", 0, none);
	put_user(&p, "annabel", 0, none);
	assert_int_equal(resolve("anna", &found, &err), OK);
	assert_true(id_equal(found, anna));
	text_of(anna, text);
	assert_string_equal(text, "anna");
	hex_write(bytes_of(anna.bytes, 16), hex);
	assert_int_equal(resolve(hex, &found, &err), OK);
	assert_true(id_equal(found, anna));
	/* A full name that was right while there were two stays right. */
	snprintf(full, sizeof full, "anna~%.6s", hex);
	assert_int_equal(resolve(full, &found, &err), OK);
	assert_true(id_equal(found, anna));
	snprintf(full, sizeof full, "anna~%.5s", hex);
	assert_int_equal(resolve(full, &found, &err), E_ABSENT);
	assert_string_equal(err.text, "give at least 6 characters of the id behind ~");
	assert_int_equal(resolve("Anna", &found, &err), E_ABSENT);
	assert_int_equal(resolve("", &found, &err), E_ABSENT);
	assert_int_equal(resolve("~", &found, &err), E_ABSENT);
	assert_int_equal(resolve("an", &found, &err), E_ABSENT);
	assert_string_equal(err.text, "there is no such user: list the users to see their names");
	put_dead(&p, KIND_TABLE(user), anna);
	assert_int_equal(resolve("anna", &found, &err), E_ABSENT);
	assert_int_equal(resolve(hex, &found, &err), E_ABSENT);
	assert_int_equal(claim_holders(p.txn, KIND_TABLE(user), bytes_text("anna"), &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, 0);
	putting_end(&p);
}

static void several_holders_answer_to_their_full_names(void **state)
{
	char one[CLAIM_TEXT_MAX + 1], other[CLAIM_TEXT_MAX + 1];
	struct err err = { 0 };
	struct id a, b, found;

	(void)state;
	putting_start(&p, 2);
	a = put_user(&p, "anna", 0, none);
	b = put_user(&p, "anna", 0, none);
	assert_int_equal(resolve("anna", &found, &err), E_TAKEN);
	text_of(a, one);
	text_of(b, other);
	assert_non_null(strstr(err.text, one));
	assert_non_null(strstr(err.text, other));
	assert_int_equal(strlen(one), 4 + 1 + CLAIM_TAIL);
	assert_int_equal(resolve(one, &found, &err), OK);
	assert_true(id_equal(found, a));
	assert_int_equal(resolve(other, &found, &err), OK);
	assert_true(id_equal(found, b));
	assert_int_equal(resolve("anna~000000000", &found, &err), E_ABSENT);
	putting_end(&p);
}

static size_t shared(struct id a, struct id b)
{
	char one[33], other[33];
	size_t shared = 0;

	hex_write(bytes_of(a.bytes, 16), one);
	hex_write(bytes_of(b.bytes, 16), other);
	while (one[shared] == other[shared])
		shared++;
	return shared;
}

/* So many of one name that six characters do not tell all apart. */
static void tails_are_as_long_as_they_must_be(void **state)
{
	enum { MANY = 6000 };
	char text[CLAIM_TEXT_MAX + 1];
	struct id *ids, found;
	size_t count, longer = 0;

	(void)state;
	putting_start(&p, 3);
	for (int i = 0; i < MANY; i++) {
		put_user(&p, "anna", 0, none);
		arena_reset(&p.arena);
	}
	assert_int_equal(claim_holders(p.txn, KIND_TABLE(user), bytes_text("anna"), &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, MANY);
	/* They ascend, so only neighbours share long beginnings. */
	for (size_t i = 1; i + 1 < count; i++) {
		size_t before = shared(ids[i - 1], ids[i]), behind = shared(ids[i], ids[i + 1]);
		size_t longest = before > behind ? before : behind;

		if (longest < CLAIM_TAIL)
			continue;
		longer++;
		text_of(ids[i], text);
		assert_int_equal(strlen(text), 5 + longest + 1);
		assert_int_equal(resolve(text, &found, NULL), OK);
		assert_true(id_equal(found, ids[i]));
		text[strlen(text) - 1] = '\0';
		assert_int_equal(resolve(text, &found, NULL), E_TAKEN);
	}
	assert_true(longer > 0);
	putting_end(&p);
}

/* Every claim of every user by a look at all of them. */
static void resolving_is_what_a_look_at_all_records_says(void **state)
{
	enum { USERS = 60 };
	static const char *const names[] = { "a", "b", "ab", "a.b", "c" };
	struct id users[USERS];
	const char *name[USERS];
	bool is_dead[USERS] = { false };

	(void)state;
	putting_start(&p, 4);
	for (size_t i = 0; i < USERS; i++) {
		name[i] = names[dice_below(COUNT(names))];
		users[i] = put_user(&p, name[i], 0, none);
	}
	for (size_t round = 0; round < USERS; round++) {
		size_t gone = dice_below(USERS);

		put_dead(&p, KIND_TABLE(user), users[gone]);
		is_dead[gone] = true;
		for (size_t n = 0; n < COUNT(names); n++) {
			size_t holders = 0, last = 0;
			struct id found;
			enum code code;

			for (size_t i = 0; i < USERS; i++) {
				if (is_dead[i] || strcmp(name[i], names[n]))
					continue;
				holders++;
				last = i;
			}
			code = resolve(names[n], &found, NULL);
			assert_int_equal(code, !holders ? E_ABSENT : holders == 1 ? OK : E_TAKEN);
			if (!code)
				assert_true(id_equal(found, users[last]));
		}
	}
	putting_end(&p);
}

/* A pool that hangs on a gateway holds its name only as long as that is there. */
static void claims_end_with_what_they_hang_on(void **state)
{
	struct gateway_row gateway = { .has = BIT(AT_gateway_name), .name = bytes_text("fra-1") };
	struct pool_row pool = { .has = BIT(AT_pool_maker) | BIT(AT_pool_name) | BIT(AT_pool_gateway), .maker = 1 };
	struct id id, found, *ids;
	struct bytes text;
	size_t count;

	(void)state;
	putting_start(&p, 5);
	pool.name = bytes_text("home");
	pool.gateway = put_row(&p, KIND_TABLE(gateway), &gateway, 1);
	id = put_row(&p, KIND_TABLE(pool), &pool, 1);
	assert_int_equal(claim_resolve(p.txn, KIND_TABLE(pool), bytes_text("home"), &p.arena, &found, NULL), OK);
	assert_true(id_equal(found, id));
	put_dead(&p, KIND_TABLE(gateway), pool.gateway);
	assert_int_equal(claim_holders(p.txn, KIND_TABLE(pool), bytes_text("home"), &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, 0);
	assert_int_equal(claim_resolve(p.txn, KIND_TABLE(pool), bytes_text("home"), &p.arena, &found, NULL), E_ABSENT);
	assert_int_equal(claim_text(p.txn, KIND_TABLE(pool), id, &p.arena, &text, NULL), E_ABSENT);
	putting_end(&p);
}

static void kinds_without_names_answer_to_their_ids(void **state)
{
	struct id user, device, found;
	struct bytes text;
	char hex[33];

	(void)state;
	putting_start(&p, 6);
	assert_null(claim_field(KIND_TABLE(device)));
	assert_string_equal(claim_field(KIND_TABLE(user))->name, "login");
	user = put_user(&p, "anna", 0, none);
	device = put_device(&p, user, "phone", 1, 1);
	hex_write(bytes_of(device.bytes, 16), hex);
	assert_int_equal(claim_text(p.txn, KIND_TABLE(device), device, &p.arena, &text, NULL), OK);
	assert_true(bytes_equal(text, bytes_text(hex)));
	assert_int_equal(claim_resolve(p.txn, KIND_TABLE(device), text, &p.arena, &found, NULL), OK);
	assert_true(id_equal(found, device));
	assert_int_equal(claim_resolve(p.txn, KIND_TABLE(device), bytes_text("phone"), &p.arena, &found, NULL),
			 E_ABSENT);
	putting_end(&p);
}

static void any_text_may_be_asked_for(void **state)
{
	uint8_t text[700];
	struct id found;

	(void)state;
	putting_start(&p, 7);
	put_user(&p, "a", 0, none);
	for (int i = 0; i < 3000; i++) {
		size_t size = dice_below(sizeof text);

		dice_fill(text, size);
		if (dice_below(2) && size)
			text[dice_below(size)] = '~';
		if (!dice_below(3))
			memset(text, 1, size);
		assert_int_equal(claim_resolve(p.txn, KIND_TABLE(user), bytes_of(text, size), &p.arena, &found, NULL),
				 E_ABSENT);
		arena_reset(&p.arena);
	}
	putting_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_holder_answers_to_the_plain_name),
		cmocka_unit_test(several_holders_answer_to_their_full_names),
		cmocka_unit_test(tails_are_as_long_as_they_must_be),
		cmocka_unit_test(resolving_is_what_a_look_at_all_records_says),
		cmocka_unit_test(claims_end_with_what_they_hang_on),
		cmocka_unit_test(kinds_without_names_answer_to_their_ids),
		cmocka_unit_test(any_text_may_be_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
