/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include "agent/secret_file.h"
#include "tests/unit/base/check.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Who a server is comes back from its file as it was, with what it was about to do. */

static char dir[64];

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/warren-identity-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	identity_forget(dir, NULL);
	return rmdir(dir);
}

static void assert_keys(const struct identity *a, const struct identity *b)
{
	assert_memory_equal(&a->cluster, &b->cluster, sizeof a->cluster);
	assert_memory_equal(a->seed, b->seed, sizeof a->seed);
	assert_memory_equal(a->box_secret, b->box_secret, sizeof a->box_secret);
	assert_memory_equal(&a->signer.key, &b->signer.key, sizeof a->signer.key);
	assert_memory_equal(&a->box_key, &b->box_key, sizeof a->box_key);
}

static struct identity *read_again(void)
{
	struct identity *again;

	assert_int_equal(identity_read(dir, &again, NULL), OK);
	return again;
}

static void keys_come_back(void **state)
{
	struct identity *one = identity_new((struct id){ { 1, 2 } }), *other = identity_new(one->cluster), *again;

	(void)state;
	assert_int_equal(identity_read(dir, &again, NULL), E_ABSENT);
	assert_memory_not_equal(one->seed, other->seed, sizeof one->seed);
	assert_memory_not_equal(one->box_secret, other->box_secret, sizeof one->box_secret);
	assert_int_equal(identity_write(dir, one, true, NULL), OK);
	assert_int_equal(identity_write(dir, other, true, NULL), E_TAKEN);
	again = read_again();
	assert_keys(one, again);
	assert_false(again->is_joining || again->is_founding);
	identity_free(again);
	assert_int_equal(identity_forget(dir, NULL), OK);
	assert_int_equal(identity_read(dir, &again, NULL), E_ABSENT);
	identity_free(other);
	identity_free(one);
}

static void a_joining_goes_on_and_then_leaves_no_trace(void **state)
{
	struct identity *one = identity_new((struct id){ { 1 } }), *again;
	struct joining joining;
	struct secret_file file;
	struct bytes line;
	size_t at = 0;

	(void)state;
	one->is_joining = true;
	one->token = (struct join_token){ .cluster = one->cluster, .invite = { { 5 } }, .expires = { 77 }, .count = 1 };
	one->token.one_time[3] = 9;
	snprintf(one->token.addresses[0].host, sizeof one->token.addresses[0].host, "192.0.2.7");
	one->token.addresses[0].port = 8444;
	assert_int_equal(identity_write(dir, one, true, NULL), OK);
	again = read_again();
	assert_true(again->is_joining);
	joining = identity_joining(again);
	assert_memory_equal(&joining.invite, &one->token.invite, sizeof joining.invite);
	assert_memory_equal(joining.one_time.key.bytes, signer_from_seed(one->token.one_time).key.bytes, 32);
	assert_string_equal(again->token.addresses[0].host, "192.0.2.7");
	again->is_joining = false;
	assert_int_equal(identity_write(dir, again, false, NULL), OK);
	identity_free(again);
	assert_int_equal(secret_file_read(dir, "node.key", "warren-node-key-1", &file, NULL), OK);
	assert_false(secret_file_next(&file, "joining", &at, &line));
	secret_file_done(&file);
	again = read_again();
	assert_false(again->is_joining);
	assert_keys(one, again);
	identity_free(again);
	identity_free(one);
}

static void a_founding_goes_on(void **state)
{
	static const char *const firsts[IDENTITY_FIRST] = { "one", "tw", "t", "\xff\xfe four", "5" };
	struct identity *one = identity_new((struct id){ { 1 } }), *copy, *again;

	(void)state;
	one->is_founding = true;
	for (size_t i = 0; i < IDENTITY_FIRST; i++)
		one->first[i] = bytes_text(firsts[i]);
	copy = identity_copy(one);
	assert_keys(one, copy);
	identity_free(one);
	assert_int_equal(identity_write(dir, copy, true, NULL), OK);
	again = read_again();
	assert_true(again->is_founding);
	for (size_t i = 0; i < IDENTITY_FIRST; i++) {
		assert_true(bytes_equal(copy->first[i], bytes_text(firsts[i])));
		assert_true(bytes_equal(again->first[i], bytes_text(firsts[i])));
	}
	identity_free(again);
	identity_free(copy);
}

static void assert_refused(const char *const *lines, const char *word)
{
	struct secret_file file = secret_file_new("warren-node-key-1");
	struct identity *again;
	struct err err = { 0 };

	for (; *lines; lines += 2)
		secret_file_put(&file, lines[0], bytes_text(lines[1]));
	assert_int_equal(secret_file_write(dir, "node.key", &file, false, NULL), OK);
	secret_file_done(&file);
	assert_int_equal(identity_read(dir, &again, &err), E_FORM);
	if (!strstr(err.text, "node.key") || !strstr(err.text, word))
		fail_msg("%s", err.text);
	/* Nobody's key stands in what is logged. */
	assert_null(strstr(err.text, "2222"));
}

#define ID "11111111111111111111111111111111"
#define SEED "2222222222222222222222222222222222222222222222222222222222222222"

static void what_is_damaged_is_named_and_not_shown(void **state)
{
	(void)state;
	assert_refused((const char *[]){ "seed", SEED, "box", SEED, NULL }, "cluster");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED "2", "box", SEED, NULL }, "seed");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED, "box", ID, NULL }, "box");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED, "box", SEED, "joining", "x", NULL }, "token");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED, "box", SEED, "first", "YQ==", NULL }, "missing");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED, "box", SEED, "first", "Y", NULL }, "damaged");
	assert_refused((const char *[]){ "cluster", ID, "seed", SEED, "box", SEED, "first", "YQ==", "first", "YQ==",
					 "first", "YQ==", "first", "YQ==", "first", "YQ==", "first", "YQ==", NULL },
		       "damaged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_come_back, begin, end),
		cmocka_unit_test_setup_teardown(a_joining_goes_on_and_then_leaves_no_trace, begin, end),
		cmocka_unit_test_setup_teardown(a_founding_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_named_and_not_shown, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
