/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ERR_H
#define WARREN_ERR_H

/*
 * Errors: a negative code for the program, and a message for whoever has to act on it.
 *
 * `struct err *` is the last parameter of what can fail, and may be NULL. The message says what is wrong and what
 * to do; whoever passes an error on may prepend where it happened. Outputs stay untouched on failure.
 */

#include "crdt/base/base.h"

/* The one list: name, number, HTTP status, what it means. */
#define ERR_CODES(X)                                     \
	X(OK, 0, 200, "ok")                              \
	X(E_FORM, -1, 400, "not well-formed")            \
	X(E_VALUE, -2, 422, "a value is not allowed")    \
	X(E_LIMIT, -3, 413, "too big")                   \
	X(E_ABSENT, -4, 404, "not there")                \
	X(E_DENIED, -5, 403, "not permitted")            \
	X(E_NEWER, -6, 501, "made by a newer version")   \
	X(E_BUSY, -7, 503, "in use")                     \
	X(E_FULL, -8, 507, "the disk is full")           \
	X(E_DAMAGED, -9, 500, "damaged on disk")         \
	X(E_IO, -10, 500, "the disk failed")             \
	X(E_TAKEN, -11, 409, "taken by another")         \
	X(E_LOST, -12, 410, "can no longer be promised") \
	X(E_DRY, -13, 503, "no address is free here")    \
	X(E_ELSEWHERE, -14, 503, "another server's to do")

enum code {
#define X(name, number, http, text) name = (number),
	ERR_CODES(X)
#undef X
};

struct err {
	char text[256];
	bool is_placed; /* it begins with the field that it is about */
};

/* Writes the message and returns `code`, so that a caller can `return fail(…)`. */
PRINTF(3, 4) enum code fail(struct err *err, enum code code, const char *format, ...);

/* Prepends "where: " to the message that is already there. */
PRINTF(3, 4) enum code fail_in(struct err *err, enum code code, const char *format, ...);

/* Puts the message under a field: "`devices[3].name`: must not be empty". An `index` below 0 is none. */
enum code fail_at(struct err *err, enum code code, const char *name, long index);

const char *code_name(enum code code);
const char *code_text(enum code code);
int code_http(enum code code);

/* Whether it says something of the disk, and nothing of what was asked of it. */
bool code_is_disk(enum code code);

#endif
