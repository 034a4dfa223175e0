/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_PROBLEM_H
#define WARREN_HTTP_PROBLEM_H

/*
 * Problem documents (RFC 9457): what went wrong, for a program as a stable code and for a person as a text that says
 * what to do.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"

struct problem {
	int status;
	enum code code;
	const struct err *err; /* NULL or without text: what the code means */
	uint64_t number;       /* of the call */
};

void problem_write(const struct problem *problem, struct buf *buf);

/* The words for a status. */
const char *problem_title(int status);

#endif
