/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_ARGS_H
#define WARREN_CTL_ARGS_H

/*
 * The words of a command line, judged against the table of commands before anything is done. Options may stand
 * anywhere; `--` ends them. What is unknown is refused, with the nearest word that is known.
 */

#include "crdt/base/err.h"
#include "ctl/command.h"

enum { GIVEN_MAX = 200 };

struct given_option {
	const struct option *option;
	const char *value; /* NULL for a flag */
};

struct given {
	const struct command *command; /* NULL: only help or the version is wanted */
	const char *group;             /* without a command: the group that help is wanted of, or NULL */
	const char *arguments[ARGUMENTS_MAX];
	struct given_option options[GIVEN_MAX];
	size_t option_count;
	const char *socket; /* NULL: not said */
	bool is_json, wants_help, wants_version;
};

/* `argv` is without the program's name, and is borrowed. E_VALUE: the message says what is wrong with the words. */
enum code args_read(const struct commands *commands, int argc, char **argv, struct given *ret_given, struct err *err);

/* The last value given for the option; NULL: none was. A flag's is "". */
const char *given_value(const struct given *given, const char *name);

/* The word nearest to `word`, kept through calls of nearest_try; to be proposed when it is near enough. */
struct nearest {
	const char *word, *best;
	size_t distance;
};
void nearest_try(struct nearest *nearest, const char *candidate);

#endif
