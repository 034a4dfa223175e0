/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_COMMAND_H
#define WARREN_CTL_COMMAND_H

/*
 * What can be asked of wgctl, as data. The commands that have a meaning of their own stand in one const table; those of
 * the kinds of record (user list, user add …) are made from the tables of model.h. Parsing, help, the man page, the
 * documentation and the shells' completion walk this list, and nothing else lists commands or options.
 */

#include "crdt/base/arena.h"
#include "crdt/base/buf.h"
#include "crdt/model/model.h"

struct ctl;
struct given;

enum exit_status { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE };

/* What an option's value becomes in the request. */
enum form {
	FORM_TEXT,
	FORM_FLAG, /* it has no value, and is true */
	FORM_BOOL,
	FORM_COUNT, /* a whole number of up to 64 bits */
	FORM_INT,
	FORM_SPAN, /* seconds, or 15m, 24h, 7d */
	FORM_CHOICE,
	FORM_ID,  /* of a record of `of`, or its name */
	FORM_REF, /* user/ and its id or name */
	FORM_JSON,
	FORM_FILE, /* where something is read from or written to */
};

struct option {
	const char *name;    /* without its dashes */
	const char *value;   /* what stands for the value; NULL for a flag */
	const char *about;   /* one line */
	const char *member;  /* of the request's body; NULL: the command reads it by itself */
	const char *choices; /* "day|week|month": all that it may be */
	const struct kind *of;
	enum form form;
	bool is_list, is_required;
};

struct argument {
	const char *name, *about;
	const char *choices;
	bool is_optional;
};

enum { ARGUMENTS_MAX = 2 };

struct command {
	const char *group, *name; /* `name` NULL: the command is one word */
	const char *alias;        /* another word for the group, or NULL */
	const char *about;        /* one line */
	const char *detail;       /* more, or NULL */
	const char *example;
	struct argument arguments[ARGUMENTS_MAX];
	const struct option *options; /* the last has no name; NULL: none */
	enum exit_status (*run)(struct ctl *ctl, const struct given *given);
	const struct kind *kind; /* that it is about, or NULL */
};

/* Options of every command. */
extern const struct option common_options[];

/* The table: the last has no group. */
extern const struct command own_commands[];

struct commands {
	const struct command *all;
	size_t count;
};

/* All of them, those of the kinds included; they live in the arena. */
struct commands commands_make(struct arena *arena);

/* Whether a word stands for that group: the kinds' also in the plural, and with _ for -. */
bool command_is_of(const struct command *command, const char *group);

/* NULL when there is none. */
const struct option *command_option(const struct command *command, const char *name);

/* How a group is called, for titles: what the commands of it are about. */
const char *group_about(const struct command *command);

/* "wgctl user add --login TEXT [OPTIONS]" without line breaks. */
void command_usage(const struct command *command, struct buf *out);

/* "cluster init", or "man". */
void command_words(const struct command *command, struct buf *out);

/* The words that a person types for a name of the model: - in place of _. */
const char *word_of(struct arena *arena, const char *name);

#endif
