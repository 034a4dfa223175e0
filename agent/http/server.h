/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_SERVER_H
#define WARREN_HTTP_SERVER_H

/*
 * The HTTP server on h2o, with a remedy for each of that library's faults that we know of: HTTP/1.1 alone, strict
 * framing (one Host, one Content-Length or none, no Transfer-Encoding, no bare line feeds), limits on everything
 * before it is read, deadlines, and connections that are counted. What passes goes to a route.
 */

#include "agent/http/route.h"

#include <uv.h>

struct http_server;

struct http_limits {
	uint32_t connections;
	uint32_t idle_ms;   /* for a whole request to arrive, the wait for its first byte included; and for 64 KiB of an
			     * answer to leave */
	uint32_t answer_ms; /* for a handler to answer */
};

extern const struct http_limits http_limits_usual;

struct http_setup {
	uv_loop_t *loop;
	const struct routes *routes;
	void *context; /* the handlers' */
	struct http_limits limits;
	/* NULL, or: each answer once it was sent, for the log and the counts. `pattern` is the route's, or NULL;
	 * `method` is empty if the request could not be read. */
	void (*told)(void *context, const struct call *call, const char *method, const char *pattern, int status,
		     uint64_t took_us);
};

enum code http_open(const struct http_setup *setup, struct http_server **ret_server, struct err *err);

/*
 * A unix socket at that path: mode 0660, of that group (NULL or empty: as the process has it). A file that a dead
 * process left is replaced; of a living one, and for what is no socket, E_TAKEN. E_ABSENT for a group or a directory
 * that is not there.
 */
enum code http_listen_unix(struct http_server *server, const char *path, const char *group, struct err *err);

/* No new connections; those that are idle are closed, the others after their answer, and all of them after `drain_ms`;
 * then `closed`, on the loop, after everything was freed. The socket's file is removed. */
void http_end(struct http_server *server, uint32_t drain_ms, void (*closed)(void *context), void *context);

#endif
