/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

static struct arena arena;
static struct commands commands;

enum { WORDS_MAX = 300 };

/* Words end by NULL. */
static enum code read_words(char **words, struct given *ret_given, struct err *err)
{
	int count = 0;

	while (words[count])
		count++;
	return args_read(&commands, count, words, ret_given, err);
}
#define READ(given, err, ...) read_words((char *[]){ __VA_ARGS__, NULL }, given, err)

static void options_stand_anywhere(void **state)
{
	struct given given;

	(void)state;
	assert_int_equal(
		READ(&given, NULL, "--json", "node", "--socket", "/a", "set", "--tier=pro", "fra-1", "--host", "h"),
		OK);
	assert_string_equal(given.command->name, "set");
	assert_string_equal(given.arguments[0], "fra-1");
	assert_string_equal(given.socket, "/a");
	assert_true(given.is_json);
	assert_string_equal(given_value(&given, "tier"), "pro");
	assert_string_equal(given_value(&given, "host"), "h");
	assert_null(given_value(&given, "region"));
	assert_int_equal(given.option_count, 2);
}

static void two_dashes_end_options(void **state)
{
	struct given given;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(READ(&given, NULL, "node", "drain", "--", "--json"), OK);
	assert_string_equal(given.arguments[0], "--json");
	assert_false(given.is_json);
	assert_int_equal(READ(&given, NULL, "node", "join", "-"), OK);
	assert_string_equal(given.arguments[0], "-");
	assert_int_equal(READ(&given, &err, "node", "drain", "--json"), E_VALUE);
	assert_string_equal(err.text, "NAME|ID is missing: the server");
}

static void values_may_look_like_options(void **state)
{
	struct given given;

	(void)state;
	assert_int_equal(READ(&given, NULL, "gateway", "add", "--name", "x", "--latitude", "-5", "--note", "--json"),
			 OK);
	assert_string_equal(given_value(&given, "latitude"), "-5");
	assert_string_equal(given_value(&given, "note"), "--json");
	assert_false(given.is_json);
	assert_int_equal(READ(&given, NULL, "gateway", "add", "--name=", "--note=a=b"), OK);
	assert_string_equal(given_value(&given, "name"), "");
	assert_string_equal(given_value(&given, "note"), "a=b");
}

static void kinds_have_several_names(void **state)
{
	static char *const names[] = { "port-forward", "port_forward", "port-forwards", "port_forwards" };
	struct given given;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(READ(&given, NULL, names[i], "list"), OK);
		assert_int_equal(given.command->kind->number, KIND_port_forward);
	}
	assert_int_equal(READ(&given, NULL, "port", "list"), E_VALUE);
	assert_int_equal(READ(&given, NULL, "device_fact", "list"), E_VALUE);
	/* What a member says of itself, or an operator signed, is not made by people. */
	assert_int_equal(READ(&given, NULL, "gateway-fact", "list"), E_VALUE);
	assert_int_equal(READ(&given, NULL, "admission", "list"), E_VALUE);
}

static void help_needs_nothing_else(void **state)
{
	struct given given;

	(void)state;
	assert_int_equal(READ(&given, NULL, "cluster", "init", "--help"), OK);
	assert_true(given.wants_help);
	assert_int_equal(READ(&given, NULL, "-h", "cluster"), OK);
	assert_null(given.command);
	assert_string_equal(given.group, "cluster");
	assert_int_equal(READ(&given, NULL, "-V"), OK);
	assert_true(given.wants_version);
}

static void near_words_are_proposed(void **state)
{
	static const struct {
		const char *word, *candidate;
		bool is_near;
	} cases[] = {
		{ "clutser", "cluster", true }, { "cluster", "cluster", true }, { "cluste", "cluster", true },
		{ "xyz", "man", false },        { "mn", "man", true },          { "get", "set", true },
		{ "abc", "cluster", false },    { "", "man", false },           { "node", "nodes", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct nearest nearest = { .word = cases[i].word };

		nearest_try(&nearest, cases[i].candidate);
		if ((nearest.best != NULL) != cases[i].is_near)
			fail_msg("%s and %s", cases[i].word, cases[i].candidate);
	}
}

static void the_nearest_of_several_is(void **state)
{
	struct nearest nearest = { .word = "initt" };

	(void)state;
	nearest_try(&nearest, "invit");
	nearest_try(&nearest, "init");
	nearest_try(&nearest, "inits");
	assert_string_equal(nearest.best, "init");
}

static void too_many_options_are_refused(void **state)
{
	static char option[] = "--tiers=a";
	char *words[WORDS_MAX] = { "plan", "add", "--name", "x" };
	struct given given;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 4; i < GIVEN_MAX + 3; i++)
		words[i] = option;
	assert_int_equal(read_words(words, &given, NULL), OK);
	assert_int_equal(given.option_count, GIVEN_MAX);
	words[GIVEN_MAX + 3] = option;
	assert_int_equal(read_words(words, &given, &err), E_VALUE);
	assert_string_equal(err.text, "more than 200 options");
}

static void long_words_are_only_wrong(void **state)
{
	static char word[5000], option[5000];
	struct given given;
	struct err err = { 0 };

	(void)state;
	memset(word, 'x', sizeof word - 1);
	memset(option, '-', sizeof option - 1);
	assert_int_equal(READ(&given, &err, word), E_VALUE);
	assert_int_equal(READ(&given, &err, "node", word), E_VALUE);
	assert_int_equal(READ(&given, &err, "node", "set", option), E_VALUE);
	assert_int_equal(READ(&given, &err, "node", "set", "a", "--status", word), E_VALUE);
}

/* Whatever the words: a verdict, and what was refused left no trace. */
static void random_words_are_judged(void **state)
{
	static char *const pool[] = { "cluster", "init", "user",   "add",     "set",      "--name", "--name=",
				      "--login", "a",    "--",     "-",       "--json",   "help",   "",
				      "=",       "--=",  "-h",     "--tiers", "--socket", "node",   "evict",
				      "users",   "rm",   "--role", "owner",   "get",      "man" };
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char *words[9] = { NULL };
		struct given given = { .option_count = 12345 };
		size_t count = dice_below(COUNT(words));
		struct err err = { 0 };

		for (size_t i = 0; i < count; i++)
			words[i] = pool[dice_below(COUNT(pool))];
		if (read_words(words, &given, &err)) {
			assert_int_equal(given.option_count, 12345);
			assert_int_not_equal(*err.text, 0);
		} else {
			taken++;
			assert_true(given.option_count < COUNT(words));
		}
	}
	assert_true(taken > 200);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),       cmocka_unit_test(two_dashes_end_options),
		cmocka_unit_test(values_may_look_like_options), cmocka_unit_test(kinds_have_several_names),
		cmocka_unit_test(help_needs_nothing_else),      cmocka_unit_test(near_words_are_proposed),
		cmocka_unit_test(the_nearest_of_several_is),    cmocka_unit_test(too_many_options_are_refused),
		cmocka_unit_test(long_words_are_only_wrong),    cmocka_unit_test(random_words_are_judged),
	};
	int failed;

	commands = commands_make(&arena);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
