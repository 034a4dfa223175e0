/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_API_SAY_H
#define WARREN_API_SAY_H

/*
 * Answers as JSON, written as they come: objects and lists nest, and commas follow by themselves. A name of NULL is for
 * the items of a list and for the whole document.
 */

#include "crdt/base/buf.h"
#include "crdt/base/time.h"

struct say {
	struct buf buf;
	bool is_behind; /* something stands before it in the same object or list */
};

struct say say_new(void);
void say_done(struct say *say);

void say_object(struct say *say, const char *name);
void say_object_end(struct say *say);
void say_list(struct say *say, const char *name);
void say_list_end(struct say *say);

void say_text(struct say *say, const char *name, const char *text); /* NULL: null */
void say_bytes(struct say *say, const char *name, struct bytes text);
void say_number(struct say *say, const char *name, int64_t number);
void say_bool(struct say *say, const char *name, bool is);
void say_null(struct say *say, const char *name);
void say_node(struct say *say, const char *name, uint64_t node);
void say_id(struct say *say, const char *name, struct id id);
void say_key(struct say *say, const char *name, struct key32 key);
void say_time(struct say *say, const char *name, struct wall_time time);
/* A whole value that is JSON already is appended to what this returns. */
struct buf *say_raw(struct say *say, const char *name);

#endif
