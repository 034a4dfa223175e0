/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/policy_head.h"

enum { VERSIONS = 24, REPLACES = 16 };

static struct putting p;

struct version {
	struct id id, policy, replaces[REPLACES];
	size_t count;
	bool is_dead;
};

static struct id put_policy(const char *name)
{
	struct policy_row row = { .has = BIT(AT_policy_name), .name = bytes_text(name) };

	return put_row(&p, KIND_TABLE(policy), &row, 1);
}

static struct id put_version(struct id policy, const struct id *replaces, size_t count, uint64_t port)
{
	uint8_t rules[64], ids[REPLACES * 18];
	struct policy_version_row row = { .has = BIT(AT_policy_version_policy) | BIT(AT_policy_version_rules) };
	struct port_range_row range = { .has = 3, .first = port, .last = port };
	struct rule_row rule = { .has = BIT(AT_rule_verdict) | BIT(AT_rule_ports), .verdict = VERDICT_ALLOW };
	uint8_t ports[32];
	struct buf buf = buf_over(ports, sizeof ports);

	pack_write(&model_parts[PART_port_range], &range, &buf);
	rule.ports = (struct list){ buf_bytes(&buf), 1 };
	buf = buf_over(rules, sizeof rules);
	pack_write(&model_parts[PART_rule], &rule, &buf);
	row.rules = (struct list){ buf_bytes(&buf), 1 };
	buf = buf_over(ids, sizeof ids);
	for (size_t i = 0; i < count; i++)
		mp_put_bin(&buf, bytes_of(replaces[i].bytes, sizeof replaces[i].bytes));
	assert_false(buf.is_full);
	row.policy = policy;
	row.replaces = (struct list){ buf_bytes(&buf), count };
	row.has |= count ? BIT(AT_policy_version_replaces) : 0;
	return put_row(&p, KIND_TABLE(policy_version), &row, 1);
}

static void assert_heads(struct id policy, const struct version *all, size_t count)
{
	size_t heads = 0, found;
	struct id *ids;

	assert_int_equal(policy_heads(p.txn, policy, &p.arena, &ids, &found, NULL), OK);
	for (size_t i = 0; i < count; i++) {
		bool is_head = !all[i].is_dead && id_equal(all[i].policy, policy), is_found = false;

		for (size_t k = 0; k < count; k++)
			for (size_t r = 0; r < all[k].count; r++)
				if (!all[k].is_dead && id_equal(all[k].policy, policy) &&
				    id_equal(all[k].replaces[r], all[i].id))
					is_head = false;
		for (size_t k = 0; k < found; k++)
			is_found |= id_equal(ids[k], all[i].id);
		assert_int_equal(is_found, is_head);
		heads += is_head;
	}
	assert_int_equal(found, heads);
	for (size_t i = 1; i < found; i++)
		assert_true(memcmp(&ids[i - 1], &ids[i], sizeof *ids) < 0);
}

/* Two policies, whose versions also claim to replace those of the other. */
static void heads_are_what_nobody_of_the_policy_replaces(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		struct version all[VERSIONS] = { 0 };
		struct id policies[2];

		putting_start(&p, 1);
		policies[0] = put_policy("one");
		policies[1] = put_policy("two");
		for (size_t i = 0; i < VERSIONS; i++) {
			all[i].policy = policies[dice_below(2)];
			all[i].count = i ? dice_below(4) : 0;
			for (size_t r = 0; r < all[i].count; r++)
				all[i].replaces[r] = all[dice_below(i)].id;
			all[i].id = put_version(all[i].policy, all[i].replaces, all[i].count, i + 1);
			if (!dice_below(8)) {
				put_dead(&p, KIND_TABLE(policy_version), all[i].id);
				all[i].is_dead = true;
			}
			assert_heads(policies[0], all, i + 1);
			assert_heads(policies[1], all, i + 1);
		}
		putting_end(&p);
	}
}

static void too_many_heads_are_all_told(void **state)
{
	struct id policy, *ids;
	size_t count;

	(void)state;
	putting_start(&p, 2);
	policy = put_policy("one");
	assert_int_equal(policy_heads(p.txn, policy, &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, 0);
	for (uint64_t i = 1; i <= POLICY_HEADS_MAX + 3; i++)
		put_version(policy, NULL, 0, i);
	assert_int_equal(policy_heads(p.txn, policy, &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, POLICY_HEADS_MAX + 3);
	put_dead(&p, KIND_TABLE(policy), policy);
	assert_int_equal(policy_heads(p.txn, policy, &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, 0);
	putting_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_what_nobody_of_the_policy_replaces),
		cmocka_unit_test(too_many_heads_are_all_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
