/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include "crdt/model/pack.h"
#include "crdt/state/conflict.h"

enum { SEEN = 64 };

static struct putting p;
static struct id none;

struct seen {
	struct conflict all[SEEN];
	char text[SEEN][256];
	size_t count;
};

static void note(void *context, const struct conflict *conflict)
{
	struct seen *seen = context;
	struct conflict *copy = &seen->all[seen->count];

	assert_true(seen->count < SEEN);
	*copy = *conflict;
	copy->others = arena_take(&p.arena, conflict->count * sizeof *copy->others);
	if (conflict->count)
		memcpy(copy->others, conflict->others, conflict->count * sizeof *copy->others);
	conflict_describe(conflict, seen->text[seen->count], sizeof seen->text[0]);
	if (seen->count) {
		const struct conflict *before = &seen->all[seen->count - 1];
		int order = memcmp(&before->id, &conflict->id, sizeof before->id);

		assert_true(
			before->kind->number < conflict->kind->number ||
			(before->kind == conflict->kind && (order < 0 || (!order && before->what <= conflict->what))));
	}
	seen->count++;
}

static struct seen look(void)
{
	struct seen seen = { .count = 0 };

	assert_int_equal(conflict_find(p.txn, note, &seen, NULL), OK);
	return seen;
}

static const struct conflict *about(const struct seen *seen, enum conflict_what what, struct id id)
{
	const struct conflict *found = NULL;

	for (size_t i = 0; i < seen->count; i++) {
		if (seen->all[i].what != what || !id_equal(seen->all[i].id, id))
			continue;
		assert_null(found);
		found = &seen->all[i];
	}
	return found;
}

static struct id smaller(struct id a, struct id b)
{
	return memcmp(&a, &b, sizeof a) < 0 ? a : b;
}

static void names_and_keys_that_two_have(void **state)
{
	struct id anna, other, bert, phone, tablet;
	const struct conflict *c;
	struct seen seen;

	(void)state;
	putting_start(&p, 1);
	assert_int_equal(look().count, 0);
	anna = put_user(&p, "anna", 0, none);
	bert = put_user(&p, "bert", 0, none);
	phone = put_device(&p, anna, "phone", 1, 1);
	assert_int_equal(look().count, 0);
	other = put_user(&p, "anna", 0, none);
	tablet = put_device(&p, bert, "phone", 1, 1);
	seen = look();
	assert_int_equal(seen.count, 2);
	c = about(&seen, CONFLICT_NAME, smaller(anna, other));
	assert_non_null(c);
	assert_ptr_equal(c->field, FIELD_TABLE(user, login));
	assert_int_equal(c->count, 1);
	assert_true(id_equal(smaller(c->id, c->others[0]), c->id));
	c = about(&seen, CONFLICT_KEY, smaller(phone, tablet));
	assert_non_null(c);
	assert_int_equal(c->count, 1);
	assert_non_null(strstr(seen.text[0], "and 1 other have one `login`"));
	assert_non_null(strstr(seen.text[1], "have one public key"));
	/* Each ends when somebody decides; a device without a user is nobody's. */
	put_dead(&p, KIND_TABLE(user), other);
	assert_int_equal(look().count, 1);
	put_dead(&p, KIND_TABLE(user), bert);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

static void put_role(struct id user, uint64_t role, uint64_t generation)
{
	struct user_row row = { .has = BIT(AT_user_role), .role = role, .role_guard = { generation, false } };
	struct record *record = arena_take(&p.arena, sizeof *record);
	uint8_t room[32];
	struct buf buf = buf_over(room, sizeof room);
	bool is_changed;

	pack_write(&KIND_TABLE(user)->shape, &row, &buf);
	assert_int_equal(record_from_op(buf_bytes(&buf), (struct stamp){ 0 }, record, NULL), OK);
	assert_int_equal(state_merge(p.txn, NULL, KIND_user, user, record, &p.arena, &is_changed, NULL), OK);
}

static void values_at_one_generation(void **state)
{
	struct id anna;
	struct seen seen;

	(void)state;
	putting_start(&p, 2);
	anna = put_user(&p, "anna", ROLE_USER, none);
	put_role(anna, ROLE_OWNER, 1);
	seen = look();
	assert_int_equal(seen.count, 1);
	assert_non_null(about(&seen, CONFLICT_VALUE, anna));
	assert_ptr_equal(seen.all[0].field, FIELD_TABLE(user, role));
	assert_non_null(strstr(seen.text[0], "two values of `role`"));
	put_role(anna, ROLE_OWNER, 2);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

static void policies_without_one_head(void **state)
{
	struct policy_row row = { .has = BIT(AT_policy_name), .name = bytes_text("home") };
	struct policy_version_row version = { .has = BIT(AT_policy_version_policy) };
	struct id policy, first;
	struct seen seen;
	static const uint8_t rule[] = { 0x81, 4, VERDICT_DENY };

	(void)state;
	putting_start(&p, 3);
	policy = put_row(&p, KIND_TABLE(policy), &row, 1);
	seen = look();
	assert_int_equal(seen.count, 1);
	assert_int_equal(about(&seen, CONFLICT_POLICY, policy)->count, 0);
	assert_non_null(strstr(seen.text[0], "has no rules"));
	version.policy = policy;
	first = put_row(&p, KIND_TABLE(policy_version), &version, 1);
	assert_int_equal(look().count, 0);
	version.has |= BIT(AT_policy_version_rules);
	version.rules = (struct list){ bytes_of(rule, sizeof rule), 1 };
	put_row(&p, KIND_TABLE(policy_version), &version, 1);
	seen = look();
	assert_int_equal(seen.count, 1);
	assert_int_equal(about(&seen, CONFLICT_POLICY, policy)->count, 2);
	assert_non_null(strstr(seen.text[0], "was saved 2 times at once"));
	put_dead(&p, KIND_TABLE(policy_version), first);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

static void devices_that_are_off(void **state)
{
	struct id anna, bert, devices[5];
	struct seen seen;

	(void)state;
	putting_start(&p, 4);
	anna = put_user(&p, "anna", 0, put_plan_of(&p, "two", 2));
	bert = put_user(&p, "bert", 0, put_plan_of(&p, "none", 0));
	for (uint8_t i = 0; i < 4; i++)
		devices[i] = put_device(&p, anna, "x", (uint8_t)(i + 1), 10u - i);
	devices[4] = put_device(&p, bert, "x", 9, 1);
	seen = look();
	assert_int_equal(seen.count, 3);
	assert_non_null(about(&seen, CONFLICT_LIMIT, devices[0]));
	assert_non_null(about(&seen, CONFLICT_LIMIT, devices[1]));
	assert_non_null(about(&seen, CONFLICT_LIMIT, devices[4]));
	assert_non_null(strstr(seen.text[0], "more than its owner's plan allows"));
	put_dead(&p, KIND_TABLE(device), devices[2]);
	assert_int_equal(look().count, 2);
	put_dead(&p, KIND_TABLE(user), bert);
	assert_int_equal(look().count, 1);
	putting_end(&p);
}

static void records_that_break_limits(void **state)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text("no\nlogin") };
	struct record *record;
	struct id user;
	struct seen seen;
	bool is_changed;

	(void)state;
	putting_start(&p, 5);
	user = put_row(&p, KIND_TABLE(user), &row, 1);
	seen = look();
	assert_int_equal(seen.count, 1);
	assert_non_null(about(&seen, CONFLICT_INVALID, user));
	assert_non_null(strstr(seen.text[0], "breaks this version's limits"));
	put_dead(&p, KIND_TABLE(user), user);
	assert_int_equal(look().count, 0);
	/* What has come without its identity is not there yet. */
	record = arena_take(&p.arena, sizeof *record);
	assert_int_equal(record_from_op(bytes_of("\x81\x05\xa1"
						 "x",
						 4),
					(struct stamp){ 0 }, record, NULL),
			 OK);
	assert_int_equal(state_merge(p.txn, NULL, KIND_user, (struct id){ { 5 } }, record, &p.arena, &is_changed, NULL),
			 OK);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

enum { USERS = 12, DEVICES = 20 };

struct one {
	struct id id;
	uint64_t value; /* a name or a key */
	size_t owner;
	bool is_gone;
};

/* How many others share the value of `at`; none when it is not the smallest of them. */
static size_t sharing(const struct one *all, size_t count, size_t at)
{
	size_t others = 0;

	if (all[at].is_gone)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (i == at || all[i].is_gone || all[i].value != all[at].value)
			continue;
		/* A device is its key and owner: the same one, made twice. */
		if (id_equal(all[i].id, all[at].id)) {
			if (i < at)
				return 0;
			continue;
		}
		if (memcmp(&all[i].id, &all[at].id, sizeof all[i].id) < 0)
			return 0;
		others++;
	}
	return others;
}

static size_t assert_shared(const struct seen *seen, enum conflict_what what, const struct one *all, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (!sharing(all, count, i))
			continue;
		found++;
		assert_non_null(about(seen, what, all[i].id));
	}
	return found;
}

/* Random users and devices; who shares a name or a key by a look at all pairs. */
static void pairs_say_the_same(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct one users[USERS] = { 0 }, devices[DEVICES] = { 0 };
		struct seen seen;

		putting_start(&p, 6);
		for (size_t i = 0; i < USERS; i++) {
			users[i].value = dice_below(COUNT(names));
			users[i].id = put_user(&p, names[users[i].value], 0, none);
		}
		for (size_t i = 0; i < DEVICES; i++) {
			devices[i].value = 1 + dice_below(12);
			devices[i].owner = dice_below(USERS);
			devices[i].id = put_device(&p, users[devices[i].owner].id, "x", (uint8_t)devices[i].value, 1);
		}
		for (size_t i = 0; i < USERS; i++) {
			users[i].is_gone = !dice_below(4);
			if (users[i].is_gone)
				put_dead(&p, KIND_TABLE(user), users[i].id);
		}
		for (size_t i = 0; i < DEVICES; i++)
			devices[i].is_gone = users[devices[i].owner].is_gone;
		seen = look();
		assert_int_equal(seen.count, assert_shared(&seen, CONFLICT_NAME, users, USERS) +
						     assert_shared(&seen, CONFLICT_KEY, devices, DEVICES));
		putting_end(&p);
	}
}

static struct id put_pool(const char *network)
{
	struct pool_row row = { .has = BIT(AT_pool_network4) | BIT(AT_pool_maker) | BIT(AT_pool_name),
				.maker = 1,
				.name = bytes_text(network) };

	assert_int_equal(network_parse(bytes_text(network), &row.network4, NULL), OK);
	return put_row(&p, KIND_TABLE(pool), &row, 1);
}

static struct id put_lease(struct id device, struct id pool, uint8_t last)
{
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) |
					BIT(AT_lease_author),
				 .device = device,
				 .pool = pool,
				 .address = { 4, { 10, 0, 0, last } },
				 .author = 1 };

	return put_row(&p, KIND_TABLE(lease), &row, 1);
}

static void leases_that_share(void **state)
{
	struct id anna, phone, tablet, pool, other, a, b, c;
	const struct conflict *found;
	struct seen seen;

	(void)state;
	putting_start(&p, 7);
	anna = put_user(&p, "anna", 0, none);
	phone = put_device(&p, anna, "phone", 1, 1);
	tablet = put_device(&p, anna, "tablet", 2, 2);
	pool = put_pool("10.0.0.0/24");
	other = put_pool("10.0.0.0/25");
	a = put_lease(phone, pool, 7);
	put_lease(tablet, other, 7);
	put_lease(phone, other, 8);
	assert_int_equal(look().count, 0);
	b = put_lease(tablet, pool, 7);
	seen = look();
	assert_int_equal(seen.count, 2);
	found = about(&seen, CONFLICT_ADDRESS, smaller(a, b));
	assert_non_null(found);
	assert_ptr_equal(found->field, FIELD_TABLE(lease, address));
	assert_int_equal(found->count, 1);
	assert_non_null(about(&seen, CONFLICT_LOST, id_equal(smaller(a, b), a) ? tablet : phone));
	put_dead(&p, KIND_TABLE(lease), b);
	assert_int_equal(look().count, 0);
	c = put_lease(phone, pool, 9);
	seen = look();
	assert_int_equal(seen.count, 1);
	found = about(&seen, CONFLICT_LEASES, smaller(a, c));
	assert_non_null(found);
	assert_ptr_equal(found->field, FIELD_TABLE(lease, device));
	/* A device that is gone shares nothing. */
	put_dead(&p, KIND_TABLE(device), phone);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

static void pools_that_overlap(void **state)
{
	struct gateway_row gateway = { .has = BIT(AT_gateway_name), .name = bytes_text("fra-1") };
	struct interface_row row = { .has = BIT(AT_interface_gateway) | BIT(AT_interface_pool) |
					    BIT(AT_interface_name) | BIT(AT_interface_port),
				     .name = bytes_text("wg0"),
				     .port = 51820 };
	struct id pools[2];
	const struct conflict *found;
	struct seen seen;
	int later;

	(void)state;
	putting_start(&p, 8);
	row.gateway = put_row(&p, KIND_TABLE(gateway), &gateway, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look().count, 0);
		row.pool = pools[i] = put_pool(i ? "10.0.0.0/24" : "10.0.0.0/16");
		put_row(&p, KIND_TABLE(interface), &row, 1);
	}
	later = id_equal(smaller(pools[0], pools[1]), pools[0]);
	seen = look();
	assert_int_equal(seen.count, 1);
	found = about(&seen, CONFLICT_POOL, pools[later]);
	assert_non_null(found);
	assert_true(found->count == 1 && id_equal(found->others[0], pools[!later]));
	put_dead(&p, KIND_TABLE(pool), pools[!later]);
	assert_int_equal(look().count, 0);
	putting_end(&p);
}

static void descriptions_fit_any_room(void **state)
{
	struct conflict conflict = { .kind = KIND_TABLE(enrolment_approval),
				     .field = FIELD_TABLE(enrolment_approval, state),
				     .count = SIZE_MAX };
	char room[256], whole[256];

	(void)state;
	for (int what = 0; what < CONFLICT_KINDS; what++) {
		conflict.what = (enum conflict_what)what;
		conflict_describe(&conflict, whole, sizeof whole);
		assert_true(strlen(whole) > 60 && strlen(whole) < sizeof whole - 1);
		for (size_t size = 1; size < sizeof room; size++) {
			memset(room, 'x', sizeof room);
			conflict_describe(&conflict, room, size);
			assert_true(strlen(room) < size);
			assert_int_equal(strncmp(room, whole, strlen(room)), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_keys_that_two_have),
		cmocka_unit_test(values_at_one_generation),
		cmocka_unit_test(policies_without_one_head),
		cmocka_unit_test(devices_that_are_off),
		cmocka_unit_test(records_that_break_limits),
		cmocka_unit_test(pairs_say_the_same),
		cmocka_unit_test(leases_that_share),
		cmocka_unit_test(pools_that_overlap),
		cmocka_unit_test(descriptions_fit_any_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
