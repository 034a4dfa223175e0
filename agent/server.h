/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SERVER_H
#define WARREN_SERVER_H

/*
 * This server's part in its cluster: identity, store, heart and transport, from when it founds or joins one. All on the
 * loop's thread.
 */

#include "agent/config.h"
#include "agent/founding.h"
#include "agent/heart.h"

struct server;

enum server_state { SERVER_NEW, SERVER_JOINING, SERVER_MEMBER, SERVER_EVICTED };

struct server_hooks {
	void *context;
	void (*stands)(void *context);                               /* state or standing changed */
	void (*changed)(void *context, uint32_t kind, struct id id); /* a record */
	void (*failed)(void *context, const char *text);             /* the process must end */
};

/* Goes on as what it was. E_DAMAGED, E_NEWER, E_TAKEN (the port), …: each says what to do. The server is to be closed
 * after a failure too. */
enum code server_open(uv_loop_t *loop, const struct config *config, const struct server_hooks *hooks,
		      struct server **ret_server, struct err *err);

uv_loop_t *server_loop(const struct server *server);
enum server_state server_state(const struct server *server);
const struct heart_standing *server_standing(const struct server *server);
const char *server_state_dir(const struct server *server);

/* Of one that is not new. */
const struct identity *server_identity(const struct server *server);
struct store *server_store(const struct server *server);
struct heart *server_heart(const struct server *server);
uint64_t server_node(const struct server *server);
const struct transport *server_transport(const struct server *server);

/* Bytes of the disk that the state takes. */
int64_t server_disk_used(const struct server *server);

/* The last alarms, the newest first; NULL behind the last. */
const char *server_alarm(const struct server *server, size_t place);

/* Where others reach it, as it tells them; how many. */
size_t server_endpoints(const struct server *server, struct transport_address *room, size_t most);

/* As heart_…, with a function of its own for the reply, called once. */
typedef void server_reply(void *context, const struct reply *reply);

/*
 * Keys are on the disk when it returns, with what is to be written first, so that a crash does not leave half a
 * cluster; `reply` tells that all of it is in the state. E_TAKEN: it is in a cluster.
 */
enum code server_found(struct server *server, const struct founded *founded, server_reply *reply, void *context,
		       struct err *err);

/* Begins to join. E_TAKEN: it is in a cluster. `stands` tells what comes of it. */
enum code server_join(struct server *server, const struct join_token *token, struct err *err);

/* Takes back what server_join began, with all files, unless it has become a member; then `done`. */
void server_leave(struct server *server, void (*done)(void *context), void *context);

uint64_t server_write(struct server *server, const struct heart_wish *wish, server_reply *reply, void *context);
uint64_t server_await(struct server *server, struct bytes token, bool is_strict, server_reply *reply, void *context);
uint64_t server_bring(struct server *server, const struct bytes *statements, size_t count, server_reply *reply,
		      void *context);
/* Nobody waits for it any more. */
void server_forget(struct server *server, uint64_t number);

void server_close(struct server *server, void (*closed)(void *context), void *context);

#endif
