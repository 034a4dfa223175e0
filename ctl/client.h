/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_CLIENT_H
#define WARREN_CTL_CLIENT_H

/*
 * Requests to an agent over its unix socket.
 *
 * A connection that dies midway leaves open whether the server has done what it was asked. So a GET is repeated, and so
 * is a POST, under the same Idempotency-Key; whatever else is not. What the server says of its writes (Warren-After)
 * goes with every later request of the same client (Warren-Token), so that it reads what it wrote.
 */

#include "crdt/base/err.h"

#include <jansson.h>

struct client;

struct request {
	const char *method; /* NULL: GET */
	const char *path;   /* with its query, encoded */
	json_t *body;       /* borrowed; NULL: none */
	unsigned timeout_s; /* 0: the usual */
	/* Called now and then while it waits; may be NULL. */
	void (*waiting)(void *context, unsigned seconds);
	void *context;
};

enum { ANSWER_MAX = 64 << 20 };

struct answer {
	int status;
	json_t *document; /* the caller's; a null when there was none */
	unsigned tries;   /* 1: it came at once */
};

/* `path` is borrowed. */
struct client *client_open(const char *path);
void client_close(struct client *client);

/*
 * OK: the server answered, whatever it said. E_ABSENT: it is not reachable; E_LOST: it was, and whether it did what was
 * asked is not known; E_FORM: what came is no answer of ours. The message says what to do.
 */
enum code client_call(struct client *client, const struct request *request, struct answer *ret_answer, struct err *err);

#endif
