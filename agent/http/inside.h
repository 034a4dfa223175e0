/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_INSIDE_H
#define WARREN_HTTP_INSIDE_H

/*
 * What the files of the adapter share: the server, its connections, the call that one of them is busy with. The only
 * header here that knows h2o.
 *
 * h2o parses, frames and writes. We stand between it and the socket: each callback that it leaves there is wrapped
 * (connection_hold), so that the gate sees a head before h2o does, and h2o never gets more than one request at a time.
 */

#include "agent/http/gate.h"
#include "agent/http/server.h"
#include "agent/http/target.h"

#include <h2o.h>
#include <h2o/http1.h>

struct connection;
struct vanish;

struct listener {
	uv_pipe_t pipe; /* first: its handle stands for it */
	struct http_server *server;
	struct listener *next;
	bool is_waiting; /* it has a connection that was not taken: there were too many */
	char path[104];
	dev_t device;
	ino_t inode;
};

struct http_server {
	struct http_setup setup;
	h2o_globalconf_t config;
	h2o_context_t context;
	h2o_accept_ctx_t accepting;
	h2o_timeout_t answering, sending;
	struct listener *listeners;
	struct connection *connections;
	size_t connected;
	size_t handles; /* listeners, connections and watches that are open */
	bool is_ending;
	uv_timer_t drain;
	uv_loop_t aside; /* see tear_down */
	void (*closed)(void *context);
	void *closed_context;
};

struct connection {
	uv_pipe_t pipe; /* first: its handle stands for it */
	struct http_server *server;
	struct connection *next, **link;
	h2o_socket_t *socket;              /* NULL: closed */
	h2o_socket_cb on_read, on_written; /* h2o's */
	h2o_timeout_entry_t deadline;
	struct caller caller;
	struct buf behind;      /* what came behind the request that h2o has */
	size_t whole;           /* the size of the request that h2o has, or gets; 0: its head is awaited */
	struct refusal refusal; /* of that request, if it has a status */
	char refused_method[GATE_METHOD_MAX + 1];
	bool is_lingering;
	struct call *call; /* NULL: none */
};

/* What its handler has to be told apart: a call that waits for its answer, one whose answer is being written, and one
 * whose answer has no known end. */
enum call_phase { CALL_ASKED, CALL_ANSWERED, CALL_STREAMED };

struct call {
	h2o_generator_t generator; /* first: h2o's stands for ours */
	h2o_req_t *req;
	struct connection *connection;
	struct gate_head head;
	struct bytes body;
	struct route_match match;
	struct bytes places[ROUTE_PARAMETERS_MAX];
	struct target_query query;
	struct arena arena;
	char method[GATE_METHOD_MAX + 1];
	uint64_t number, began_ns;
	enum call_phase phase;
	int status;
	bool is_sending;   /* h2o takes one piece at a time */
	bool is_last;      /* the last one is on its way */
	bool is_ending;    /* nothing more is put */
	struct bytes rest; /* of the answer */
	void *piece;       /* of the stream, being sent */
	void (*more)(void *context, struct call *call);
	void *more_context;
	void (*gone)(void *context);
	void *gone_context;
	struct vanish *vanish; /* who looks whether the client still is there */
};

enum { PIECE_MAX = 64 << 10 };

/* connection.c */
void connection_start(struct listener *listener);
void connection_close(struct connection *connection);
void connection_hold(struct connection *connection);
/* The list's time from now, or NULL for none. */
void connection_limit(struct connection *connection, h2o_timeout_t *list);
bool connection_is_idle(const struct connection *connection);

/* call.c */
int call_begin(h2o_handler_t *handler, h2o_req_t *req);
void call_expire(struct call *call);
void call_refuse_with(struct call *call, const struct refusal *refusal);
/* The last byte is on its way. */
void call_was_sent(struct call *call);

/* vanish.c */
struct vanish *vanish_watch(struct connection *connection);
void vanish_forget(struct vanish *vanish);

/* server.c */
void server_handle_closed(struct http_server *server);
void server_accept(struct http_server *server);

/* socket_file.c */
enum code socket_file_make(struct listener *listener, const char *path, const char *group, int *ret_fd,
			   struct err *err);
void socket_file_remove(const struct listener *listener);

#endif
