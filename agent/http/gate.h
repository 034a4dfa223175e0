/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_GATE_H
#define WARREN_HTTP_GATE_H

/*
 * The gate: what a request's head must look like before the server's library sees a byte of it. That library takes
 * what others would understand differently (two lengths, bare line feeds, no Host), so the gate takes only what can be
 * read in one way: HTTP/1.1, a path, one Host, at most one Content-Length, no Transfer-Encoding.
 *
 * What it says of the beginning of a head, it says of the whole.
 */

#include "crdt/base/err.h"

enum {
	GATE_HEAD_MAX = 16 << 10, /* with the empty line at its end */
	GATE_LINE_MAX = 8 << 10,
	GATE_TARGET_MAX = 4 << 10,
	GATE_HEADERS_MAX = 64,
	GATE_METHOD_MAX = 16,
};

struct gate_header {
	struct bytes name, value;
};

/* All of it borrowed from what was scanned. */
struct gate_head {
	struct bytes method;
	struct bytes path;  /* as it came, with its first slash */
	struct bytes query; /* as it came, without the question mark */
	struct gate_header headers[GATE_HEADERS_MAX];
	size_t count;
	size_t size;   /* of all of it */
	uint64_t body; /* bytes that follow */
};

/* Why something is not taken. */
struct refusal {
	int status;
	enum code code;
	char text[120];
	char allow[64]; /* of 405: the methods that there are */
};

/* Fills it in and returns false, so that a caller can `return refuse(…)`. */
bool refuse(struct refusal *refusal, int status, enum code code, const char *text);

enum gate_verdict { GATE_MORE, GATE_WHOLE, GATE_REFUSED };

enum gate_verdict gate_scan(struct bytes input, struct gate_head *ret_head, struct refusal *ret_refusal);

/* Whether they are the same, in whatever case. */
bool gate_is(struct bytes text, const char *name);

/* The value of the only header of that name; false: there is none. */
bool gate_header(const struct gate_head *head, const char *name, struct bytes *ret_value);

#endif
