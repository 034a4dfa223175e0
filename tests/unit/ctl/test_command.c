/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"
#include "ctl/handlers.h"
#include "ctl/help.h"
#include "tests/unit/base/check.h"

#include <locale.h>
#include <stdlib.h>

static struct arena arena;
static struct commands commands;

static void every_command_is_there_once(void **state)
{
	(void)state;
	assert_true(commands.count > 120);
	for (size_t i = 0; i < commands.count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct command *a = &commands.all[i], *b = &commands.all[j];

			if (a->name && b->name
				    ? command_is_of(a, b->group) && !strcmp(a->name, b->name)
				    : command_is_of(a, b->group) && a->name != b->name && (!a->name || !b->name))
				fail_msg("%s %s is there twice", a->group, a->name ? a->name : "");
		}
}

static void check_option(const struct command *command, const struct option *option)
{
	if (!option->about || !*option->about || strpbrk(option->name, "_ |'"))
		fail_msg("%s %s --%s", command->group, command->name, option->name);
	for (const struct option *other = common_options; other->name; other++)
		if (!strcmp(other->name, option->name))
			fail_msg("%s %s --%s hides an option of every command", command->group, command->name,
				 option->name);
	for (const struct option *other = command->options; other != option; other++)
		if (!strcmp(other->name, option->name))
			fail_msg("%s %s has --%s twice", command->group, command->name, option->name);
	assert_int_equal(option->value == NULL, option->form == FORM_FLAG);
	assert_int_equal(option->of != NULL, option->form == FORM_ID);
	if (option->form == FORM_CHOICE)
		assert_non_null(option->choices);
}

static void every_command_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands.count; i++) {
		const struct command *command = &commands.all[i];

		if (!command->run || !command->about || !*command->about || !command->example)
			fail_msg("%s %s lacks something", command->group, command->name ? command->name : "");
		/* Lists show it without a capital, sentences with one; each puts its own full stop. */
		assert_true(*command->about >= 'a' && *command->about <= 'z');
		assert_int_not_equal(command->about[strlen(command->about) - 1], '.');
		for (const struct option *option = command->options; option && option->name; option++)
			check_option(command, option);
	}
}

/* As a shell takes a line apart: blanks, and double quotes. */
static int split_words(char *line, char **words, int most)
{
	int count = 0;

	while (*line && count < most) {
		bool is_quoted;

		line += strspn(line, " ");
		is_quoted = *line == '"';
		line += is_quoted;
		words[count++] = line;
		line += strcspn(line, is_quoted ? "\"" : " ");
		if (*line)
			*line++ = '\0';
	}
	return count;
}

static void every_example_is_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands.count; i++) {
		char *line = strdup(commands.all[i].example), *words[40];
		struct given given;
		struct err err = { 0 };
		int count;

		line[strcspn(line, "<>")] = '\0';
		count = split_words(line, words, COUNT(words));
		while (count && !*words[count - 1])
			count--;
		assert_string_equal(words[0], "wgctl");
		if (args_read(&commands, count - 1, words + 1, &given, &err))
			fail_msg("%s: %s", commands.all[i].example, err.text);
		assert_ptr_equal(given.command, &commands.all[i]);
		free(line);
	}
}

static void fields_become_options(void **state)
{
	const struct command *add = NULL, *set = NULL;

	(void)state;
	for (size_t i = 0; i < commands.count; i++) {
		if (commands.all[i].kind != KIND_TABLE(device))
			continue;
		add = commands.all[i].run == run_kind_add ? &commands.all[i] : add;
		set = commands.all[i].run == run_kind_set ? &commands.all[i] : set;
	}
	assert_non_null(add);
	assert_non_null(set);
	assert_true(command_option(add, "public-key")->is_required);
	assert_true(command_option(add, "tags")->is_list);
	assert_int_equal(command_option(add, "owner")->form, FORM_ID);
	assert_ptr_equal(command_option(add, "owner")->of, KIND_TABLE(user));
	assert_string_equal(command_option(add, "kill_switch")->choices, "true|false");
	assert_string_equal(command_option(add, "routes")->choices, "full|split|policy");
	/* What makes the record is set once; what only the agent sets, never. */
	assert_null(command_option(set, "public-key"));
	assert_false(command_option(set, "name")->is_required);
	assert_null(command_option(add, "ordinal"));
	assert_null(command_option(add, "made"));
	assert_non_null(command_option(set, "unset"));
}

static void help_fits_eighty_columns(void **state)
{
	(void)state;
	for (size_t i = 0; i < commands.count; i++) {
		struct page page = page_make(PAGE_ENDLESS, false);
		char *text;

		help_command(&commands.all[i], &page);
		buf_put_byte(&page.text, '\0');
		text = (char *)page.text.data;
		assert_non_null(strstr(text, "Usage:\n  wgctl "));
		assert_non_null(strstr(text, "Example:\n  wgctl "));
		for (char *line = text; *line; line += strcspn(line, "\n") + 1)
			if (text_width(bytes_of(line, strcspn(line, "\n"))) > 80)
				fail_msg("%s", text);
		page_done(&page);
	}
}

/* What is in the table is in all that is made from it. */
static void everything_made_names_every_command(void **state)
{
	static void (*const makers[])(const struct commands *, struct buf *) = {
		completion_bash, completion_zsh, completion_fish, manual_markdown, manual_roff,
	};

	(void)state;
	for (size_t m = 0; m < COUNT(makers); m++) {
		struct buf text = buf_growing(16 << 20);

		makers[m](&commands, &text);
		buf_put_byte(&text, '\0');
		assert_false(text.is_full);
		for (size_t i = 0; i < commands.count; i++) {
			const struct command *command = &commands.all[i];
			const char *group = command->group, *dash = strrchr(group, '-');

			/* A manual's page writes its dashes in another way. */
			if (!strstr((char *)text.data, makers[m] == manual_roff && dash ? dash + 1 : group))
				fail_msg("maker %zu says nothing of %s", m, group);
			if (command->name && !strstr((char *)text.data, command->name))
				fail_msg("maker %zu says nothing of %s %s", m, group, command->name);
		}
		buf_done(&text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_there_once), cmocka_unit_test(every_command_is_whole),
		cmocka_unit_test(every_example_is_right),      cmocka_unit_test(fields_become_options),
		cmocka_unit_test(help_fits_eighty_columns),    cmocka_unit_test(everything_made_names_every_command),
	};
	int failed;

	setlocale(LC_CTYPE, "C.UTF-8");
	commands = commands_make(&arena);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
