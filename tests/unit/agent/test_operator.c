/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operator.h"

#include "agent/founding.h"
#include "tests/unit/base/check.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Which of the keys that lie on a server signs, and what a statement names that is signed here. */

enum { SAID_MAX = 128 };

static struct cluster {
	char dir[64];
	struct founded founded;
	struct arena arena;
	struct statement all[SAID_MAX];
	struct realm realm;
	struct operator_key *keys[SAID_MAX];
	size_t keys_count;
} c;

/* It is read, and the members are made anew. */
static struct id take(struct bytes whole)
{
	assert_true(c.realm.count < SAID_MAX);
	assert_int_equal(statement_read(whole, &c.all[c.realm.count], NULL), OK);
	members_free(c.realm.members);
	c.realm.members = members_make(c.realm.cluster, c.all, ++c.realm.count);
	return c.all[c.realm.count - 1].hash;
}

static int begin(void **state)
{
	struct founding founding = { .name = bytes_text("home"), .now = { 1000 } };

	(void)state;
	memset(&c, 0, sizeof c);
	snprintf(c.dir, sizeof c.dir, "/tmp/warren-operator-XXXXXX");
	assert_non_null(mkdtemp(c.dir));
	founding.gateway.name = bytes_text("fra-1");
	founding.gateway.has = BIT(AT_gateway_name);
	assert_int_equal(founding_make(&founding, &c.arena, &c.founded, NULL), OK);
	c.realm = (struct realm){ .cluster = c.founded.identity->cluster, .all = c.all };
	for (size_t i = 0; i < COUNT(c.founded.statements); i++)
		take(c.founded.statements[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	operator_remove(c.dir, c.founded.root->signer.key, NULL);
	for (size_t i = 0; i < c.keys_count; i++) {
		operator_remove(c.dir, c.keys[i]->signer.key, NULL);
		operator_free(c.keys[i]);
	}
	members_free(c.realm.members);
	founded_done(&c.founded);
	arena_done(&c.arena);
	return rmdir(c.dir);
}

/* A key that `parent` names as operator. */
static struct operator_key *name_operator(const struct operator_key *parent, const char *name)
{
	struct operator_key *key = operator_new(name);
	struct operator_row row = { .key = key->signer.key, .parent = parent->signer.key, .name = bytes_text(name) };

	row.has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name);
	take(operator_sign(&parent->signer, &c.realm, KIND_TABLE(operator), &row, &c.arena));
	return c.keys[c.keys_count++] = key;
}

static void assert_chosen(const struct operator_key *expected)
{
	struct operator_key *key;

	assert_int_equal(operator_read(c.dir, c.realm.members, &key, NULL), OK);
	assert_memory_equal(key->signer.key.bytes, expected->signer.key.bytes, 32);
	assert_memory_equal(key->seed, expected->seed, sizeof key->seed);
	assert_string_equal(key->name, expected->name);
	operator_free(key);
}

static void put_key(const struct operator_key *key)
{
	assert_int_equal(operator_write(c.dir, key, NULL), OK);
}

static void the_key_nearest_to_the_root_signs(void **state)
{
	struct operator_key *child = name_operator(c.founded.root, "child"),
			    *grandchild = name_operator(child, "grandchild"), *stranger = operator_new("stranger");

	(void)state;
	c.keys[c.keys_count++] = stranger;
	put_key(stranger);
	put_key(grandchild);
	assert_chosen(grandchild);
	put_key(child);
	assert_chosen(child);
	put_key(c.founded.root);
	assert_chosen(c.founded.root);
	assert_int_equal(operator_write(c.dir, child, NULL), E_TAKEN);
}

static void a_removed_key_signs_no_more(void **state)
{
	struct operator_key *child = name_operator(c.founded.root, "child"), *key;
	struct operator_removal_row row = { .key = child->signer.key, .has = BIT(AT_operator_removal_key) };
	struct err err = { 0 };

	(void)state;
	put_key(child);
	assert_chosen(child);
	take(operator_sign(&c.founded.root->signer, &c.realm, KIND_TABLE(operator_removal), &row, &c.arena));
	assert_int_equal(operator_read(c.dir, c.realm.members, &key, &err), E_ABSENT);
	assert_non_null(strstr(err.text, "bring a key here"));
}

static void a_file_that_cannot_be_read_hides_no_other(void **state)
{
	struct operator_key *child = name_operator(c.founded.root, "child"), *key;
	struct key32 *keys;
	size_t count;
	char path[160];
	FILE *file;

	(void)state;
	snprintf(path, sizeof path, "%s/operator-x.key", c.dir);
	file = fopen(path, "w");
	fputs("warren-operator-key-1\nseed 00\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
	/* Alone it is told of. */
	assert_int_equal(operator_read(c.dir, c.realm.members, &key, NULL), E_FORM);
	assert_int_equal(operator_list(c.dir, &c.arena, &keys, &count, NULL), E_FORM);
	put_key(child);
	assert_chosen(child);
	assert_int_equal(operator_list(c.dir, &c.arena, &keys, &count, NULL), OK);
	assert_int_equal(count, 1);
	assert_memory_equal(keys[0].bytes, child->signer.key.bytes, 32);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(operator_remove(c.dir, child->signer.key, NULL), OK);
	assert_int_equal(operator_list(c.dir, &c.arena, &keys, &count, NULL), OK);
	assert_int_equal(count, 0);
	snprintf(path, sizeof path, "%s/nowhere", c.dir);
	assert_int_equal(operator_list(path, &c.arena, &keys, &count, NULL), OK);
	assert_int_equal(count, 0);
}

/* A name is the caller's text: it must not pass for a line of the file. */
static void no_name_passes_for_a_key(void **state)
{
	struct operator_key *key = name_operator(c.founded.root, "a");

	(void)state;
	snprintf(key->name, sizeof key->name, "a\nkey 00\nseed 00");
	put_key(key);
	snprintf(key->name, sizeof key->name, "a");
	assert_chosen(key);
}

/* What stands in the statement, as a list. */
static void assert_heads(size_t place, const struct id *heads, size_t count)
{
	const struct statement *said = &c.all[place];

	assert_int_equal(said->heads.size, count * sizeof *heads);
	for (size_t i = 0; i < count; i++)
		assert_non_null(memmem(said->heads.data, said->heads.size, heads[i].bytes, sizeof heads[i]));
}

static void a_statement_names_what_no_other_names(void **state)
{
	struct realm before = c.realm;
	struct id heads[2];

	(void)state;
	/* The founder's invite names the cluster, the admission nothing. */
	assert_heads(0, NULL, 0);
	assert_heads(1, &c.all[0].hash, 1);
	assert_heads(2, NULL, 0);
	name_operator(c.founded.root, "child");
	heads[0] = before.all[1].hash;
	heads[1] = before.all[2].hash;
	assert_heads(3, heads, 2);
	name_operator(c.keys[0], "grandchild");
	assert_heads(4, &c.all[3].hash, 1);
}

static void heads_are_no_more_than_fit(void **state)
{
	struct realm small = c.realm;

	(void)state;
	/* Each as if nobody had said anything but the cluster itself. */
	for (size_t i = 0; i < STATEMENT_HEADS_MAX + 3; i++) {
		struct operator_key *key = operator_new("one");
		struct operator_row row = { .key = key->signer.key,
					    .parent = c.founded.root->signer.key,
					    .name = bytes_text("one") };

		c.keys[c.keys_count++] = key;
		row.has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name);
		small.count = 1;
		take(operator_sign(&c.founded.root->signer, &small, KIND_TABLE(operator), &row, &c.arena));
	}
	name_operator(c.founded.root, "last");
	assert_int_equal(c.all[c.realm.count - 1].heads.size, STATEMENT_HEADS_MAX * sizeof(struct id));
	assert_non_null(memmem(c.all[c.realm.count - 1].heads.data, c.all[c.realm.count - 1].heads.size,
			       c.all[c.realm.count - 2].hash.bytes, sizeof(struct id)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_key_nearest_to_the_root_signs, begin, end),
		cmocka_unit_test_setup_teardown(a_removed_key_signs_no_more, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_hides_no_other, begin, end),
		cmocka_unit_test_setup_teardown(no_name_passes_for_a_key, begin, end),
		cmocka_unit_test_setup_teardown(a_statement_names_what_no_other_names, begin, end),
		cmocka_unit_test_setup_teardown(heads_are_no_more_than_fit, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
