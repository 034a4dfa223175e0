/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CONFIG_TABLE_H
#define WARREN_CONFIG_TABLE_H

/*
 * The one table of options, and what walks it: values read from text, names looked up, whole files read from memory.
 * No file, no environment: those are config.c's.
 */

#include "agent/config.h"

enum option_type { OPTION_PATH, OPTION_GROUP, OPTION_ADDRESSES, OPTION_CHOICE };

enum { OPTIONS_MAX = 32, OPTION_NAME_MAX = 32, CONFIG_FILE_MAX = 64 * 1024 };

struct option {
	const char *name;
	enum option_type type;
	size_t offset, size;        /* where in struct config */
	const char *usual;          /* as it would be written; empty: nothing */
	const char *const *choices; /* OPTION_CHOICE: in the order of their enum, up to a NULL */
	const char *form;           /* what may be written, for people */
	const char *about;          /* lines parted by '\n' */
	bool is_needed;             /* may not be empty */
	bool is_live;               /* a running agent takes a change up */
	bool is_to_reach;           /* OPTION_ADDRESSES: where others reach this server */
};

extern const struct option config_options[];
extern const size_t config_options_count;

/* NULL: there is none. The nearest is the one that somebody who wrote `name` most probably meant. */
const struct option *config_find(struct bytes name);
const struct option *config_nearest(struct bytes name, size_t *ret_distance);

/* WARREN_GOSSIP_LISTEN for gossip.listen, with its final zero. */
void config_variable(const struct option *option, char room[OPTION_NAME_MAX + sizeof "WARREN_"]);

/* The usual values. */
void config_usual(struct config *ret_config);

/* Reads the value into its place; on failure nothing changes, and the message does not name the option. */
enum code config_set(const struct option *option, struct bytes value, struct config *config, struct err *err);

/* Whether both have the same there. */
bool config_same(const struct option *option, const struct config *a, const struct config *b);

/* All that a file of that name holds, over what is in *config; on failure nothing changes. */
enum code config_read_text(struct bytes text, const char *file, struct config *config, struct err *err);

#endif
