/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_LOOKUP_H
#define WARREN_CTL_LOOKUP_H

/*
 * What a person calls a thing, and what the API calls it. A name is looked for among all records of the kind, page by
 * page, unless it is an id already.
 */

#include "ctl/ctl.h"

enum { PAGE_ROWS = 500, PAGES_MAX = 10000 };

/*
 * Calls `row` with every record of the kind until it says that it has enough, or an error was said. The row is
 * borrowed.
 */
enum exit_status lookup_each(struct ctl *ctl, const struct kind *kind, bool (*row)(void *context, json_t *row),
			     void *context);

/* The id of the record with that name, or `text` itself if it is one; in the arena. */
enum exit_status lookup_id(struct ctl *ctl, const struct kind *kind, const char *text, const char **ret_id);

/* "user/anna" becomes "user/3f2a…". */
enum exit_status lookup_ref(struct ctl *ctl, const char *text, const char **ret_ref);

/* The member that has that node id, gateway or name: a row of /members, borrowed from `members`. */
enum exit_status lookup_member(json_t *members, const char *text, json_t **ret_member);

/* The kind with that name, in the singular or plural; NULL when no kind that is shared has it. */
const struct kind *lookup_kind(struct ctl *ctl, const char *word);

/* The field that people know a record by; NULL when the kind has none. */
const struct field *lookup_name_field(const struct kind *kind);

#endif
