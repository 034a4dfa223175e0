/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"

#include "crdt/base/text.h"

#include <string.h>

enum { FAR = 3 /* letters that differ: no longer near */ };

void nearest_try(struct nearest *nearest, const char *candidate)
{
	size_t found = text_distance(nearest->word, candidate);

	/* Of a short word half its letters may not differ, or anything is near. */
	if (found >= FAR || 2 * found > strlen(candidate) || (nearest->best && found >= nearest->distance))
		return;
	nearest->best = candidate;
	nearest->distance = found;
}

const char *given_value(const struct given *given, const char *name)
{
	for (size_t i = given->option_count; i-- > 0;)
		if (!strcmp(given->options[i].option->name, name))
			return given->options[i].value ? given->options[i].value : "";
	return NULL;
}

/* --- commands */

static enum code no_group(const struct commands *commands, const char *word, struct err *err)
{
	struct nearest nearest = { .word = word };

	for (size_t i = 0; i < commands->count; i++)
		nearest_try(&nearest, commands->all[i].group);
	if (nearest.best)
		return fail(err, E_VALUE, "there is no command %s; did you mean %s?", word, nearest.best);
	return fail(err, E_VALUE, "there is no command %s", word);
}

static enum code no_command(const struct commands *commands, const char *group, const char *word, struct err *err)
{
	struct nearest nearest = { .word = word };

	for (size_t i = 0; i < commands->count; i++)
		if (command_is_of(&commands->all[i], group))
			nearest_try(&nearest, commands->all[i].name);
	if (nearest.best)
		return fail(err, E_VALUE, "there is no command %s %s; did you mean %s?", group, word, nearest.best);
	return fail(err, E_VALUE, "there is no command %s %s", group, word);
}

static enum code take_group(const struct commands *commands, const char *word, struct given *given, struct err *err)
{
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		if (!command_is_of(command, word))
			continue;
		if (!command->name)
			given->command = command;
		given->group = command->group;
		return OK;
	}
	return no_group(commands, word, err);
}

static enum code take_name(const struct commands *commands, const char *word, struct given *given, struct err *err)
{
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		if (command_is_of(command, given->group) && command->name && !strcmp(command->name, word)) {
			given->command = command;
			return OK;
		}
	}
	return no_command(commands, given->group, word, err);
}

static enum code take_argument(const char *word, struct given *given, struct err *err)
{
	for (size_t i = 0; i < ARGUMENTS_MAX; i++)
		if (!given->arguments[i] && given->command->arguments[i].name) {
			given->arguments[i] = word;
			return OK;
		}
	return fail(err, E_VALUE, "this is one word too many: %s", word);
}

static enum code take_word(const struct commands *commands, const char *word, struct given *given, struct err *err)
{
	if (!given->group)
		return take_group(commands, word, given, err);
	if (!given->command)
		return take_name(commands, word, given, err);
	return take_argument(word, given, err);
}

/* --- options */

static bool is_one_of(const char *choices, const char *value)
{
	size_t size = strlen(value);

	for (const char *at = choices; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (!strncmp(at, value, size) && (at[size] == '|' || !at[size]))
			return size > 0;
	}
	return false;
}

static enum code no_option(const struct command *command, const char *name, struct err *err)
{
	struct nearest nearest = { .word = name };
	char room[80];
	struct buf words = buf_over(room, sizeof room - 1);

	for (const struct option *option = command->options; option && option->name; option++)
		nearest_try(&nearest, option->name);
	for (const struct option *option = common_options; option->name; option++)
		nearest_try(&nearest, option->name);
	command_words(command, &words);
	if (nearest.best)
		return fail(err, E_VALUE, "%.*s has no option --%s; did you mean --%s?", (int)words.size, room, name,
			    nearest.best);
	return fail(err, E_VALUE, "%.*s has no option --%s", (int)words.size, room, name);
}

static enum code keep_option(struct given *given, const struct option *option, const char *value, struct err *err)
{
	if (option->choices && value && !option->is_list && !is_one_of(option->choices, value))
		return fail(err, E_VALUE, "--%s is one of %s, not %s", option->name, option->choices, value);
	if (!option->is_list && given_value(given, option->name))
		return fail(err, E_VALUE, "--%s is given twice", option->name);
	if (given->option_count == GIVEN_MAX)
		return fail(err, E_VALUE, "more than %d options", GIVEN_MAX);
	given->options[given->option_count++] = (struct given_option){ option, value };
	return OK;
}

/* An option as it stands in one word: "--name" or "--name=value", cut in two in place of `room`. */
struct split {
	char name[64];
	const char *value;
};

static bool split_option(const char *word, struct split *ret_split)
{
	size_t size;

	word += 2;
	size = strcspn(word, "=");
	if (size >= sizeof ret_split->name)
		return false;
	memcpy(ret_split->name, word, size);
	ret_split->name[size] = '\0';
	ret_split->value = word[size] ? word + size + 1 : NULL;
	return true;
}

static bool take_common(const char *name, const char *value, struct given *given)
{
	if (!strcmp(name, "json"))
		given->is_json = true;
	else if (!strcmp(name, "help"))
		given->wants_help = true;
	else if (!strcmp(name, "version"))
		given->wants_version = true;
	else if (!strcmp(name, "socket"))
		given->socket = value;
	else
		return false;
	return true;
}

static const struct option *find_option(const struct command *command, const char *name)
{
	for (const struct option *option = common_options; option->name; option++)
		if (!strcmp(option->name, name))
			return option;
	return command ? command_option(command, name) : NULL;
}

/* *at is the option's word, and becomes its value's if that is the next. */
static enum code take_option(int argc, char **argv, int *at, struct given *given, struct err *err)
{
	const char *word = !strcmp(argv[*at], "-h") ? "--help" : !strcmp(argv[*at], "-V") ? "--version" : argv[*at];
	const struct option *option;
	struct split split;

	if (word[1] != '-')
		return fail(err, E_VALUE, "there is no option %s: options begin with two dashes", word);
	if (!split_option(word, &split))
		return fail(err, E_VALUE, "there is no option as long as %.40s…", word);
	option = find_option(given->command, split.name);
	if (!option && !given->command)
		return fail(err, E_VALUE, "--%s stands before any command that may have it", split.name);
	if (!option)
		return no_option(given->command, split.name, err);
	if (!option->value && split.value)
		return fail(err, E_VALUE, "--%s takes no value", option->name);
	if (option->value && !split.value) {
		if (*at + 1 >= argc)
			return fail(err, E_VALUE, "--%s wants a value: %s", option->name, option->value);
		split.value = argv[++*at];
	}
	if (take_common(option->name, split.value, given))
		return OK;
	return keep_option(given, option, split.value, err);
}

/* --- what is missing */

static enum code check_arguments(const struct given *given, struct err *err)
{
	for (size_t i = 0; i < ARGUMENTS_MAX; i++) {
		const struct argument *argument = &given->command->arguments[i];

		if (!argument->name)
			break;
		if (!given->arguments[i]) {
			if (argument->is_optional)
				continue;
			return fail(err, E_VALUE, "%s is missing: %s", argument->name, argument->about);
		}
		if (!*given->arguments[i])
			return fail(err, E_VALUE, "%s is empty: %s", argument->name, argument->about);
		if (argument->choices && !is_one_of(argument->choices, given->arguments[i]))
			return fail(err, E_VALUE, "%s is one of %s, not %s", argument->name, argument->choices,
				    given->arguments[i]);
	}
	return OK;
}

static enum code check_whole(const struct given *given, struct err *err)
{
	/* A whole body from a file may hold what else options must say. */
	bool has_body = given_value(given, "json-body");
	enum code code = check_arguments(given, err);

	for (const struct option *option = given->command->options; !code && option && option->name; option++)
		if (option->is_required && !has_body && !given_value(given, option->name))
			code = fail(err, E_VALUE, "--%s is missing: %s", option->name, option->about);
	return code;
}

enum code args_read(const struct commands *commands, int argc, char **argv, struct given *ret_given, struct err *err)
{
	struct given given = { 0 };
	bool has_ended = false;
	enum code code = OK;

	for (int at = 0; at < argc && !code; at++) {
		const char *word = argv[at];

		if (!has_ended && !strcmp(word, "--"))
			has_ended = true;
		else if (!has_ended && word[0] == '-' && word[1])
			code = take_option(argc, argv, &at, &given, err);
		else
			code = take_word(commands, word, &given, err);
	}
	if (!code && given.command && !given.wants_help && !given.wants_version)
		code = check_whole(&given, err);
	if (!code)
		*ret_given = given;
	return code;
}
