/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_API_H
#define WARREN_API_H

/*
 * The HTTP API: which routes there are, and what they do. Reads are served from a snapshot on the loop's thread, and
 * what only the heart knows is asked of it; writes go to the heart, and are answered after their commit.
 */

#include "agent/http/route.h"
#include "agent/server.h"

struct join;

struct api {
	struct server *server;
	struct join *join; /* that goes on; there is one at most */
};

/* Before the server closes: what goes on beside the calls ends. */
void api_end(struct api *api);

/* The handlers' context is a struct api. */
extern const struct route api_routes[];
extern const size_t api_routes_count;

#endif
