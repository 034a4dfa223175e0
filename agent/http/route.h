/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_ROUTE_H
#define WARREN_HTTP_ROUTE_H

/*
 * Which handler answers what: a const table, matched exactly and never by prefix. Patterns are like
 * "/api/v1/members/{node}"; a {…} stands for one segment that is not empty, and what else is in a pattern for itself as
 * it came, not decoded. What is in no route is 404, another
 * method of a path that is there is 405 with Allow. A route names who may call it, or it does not compile.
 */

#include "agent/http/call.h"

enum route_access {
	ROUTE_ANYBODY = 1, /* tells nothing that a stranger may not know */
	ROUTE_OWNERS,      /* owners; so far those whom the socket's file lets in */
};

enum route_body {
	BODY_NONE,   /* one is refused */
	BODY_JSON,   /* 64 KiB, Content-Type: application/json */
	BODY_IMPORT, /* 8 MiB, application/octet-stream */
};

struct route {
	const char *method, *pattern;
	enum route_access access;
	enum route_body body;
	void (*handle)(void *context, struct call *call);
	const char *about; /* one line, for the API's description */
};

struct routes;

/* The table is borrowed. Two routes that match one path are a bug, and end the process. */
struct routes *routes_make(const struct route *all, size_t count);
void routes_free(struct routes *routes);

enum { ROUTE_SEGMENTS_MAX = 12, ROUTE_PARAMETERS_MAX = 4 };

struct route_match {
	const struct route *route;                /* NULL: none */
	struct bytes found[ROUTE_PARAMETERS_MAX]; /* not decoded */
	size_t found_count;
	char allow[64]; /* without a route: the methods that the path has; empty: no such path */
};

struct route_match routes_find(const struct routes *routes, struct bytes method, struct bytes path);

#endif
