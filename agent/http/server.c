/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/inside.h"
#include "agent/http/judge.h"

#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 512 };

const struct http_limits http_limits_usual = { .connections = 2000, .idle_ms = 10000, .answer_ms = 120000 };

/* One host, one path, one handler: everything that is decided is decided by us. */
static void configure(struct http_server *server)
{
	h2o_globalconf_t *config = &server->config;
	h2o_hostconf_t *host;
	h2o_handler_t *handler;

	h2o_config_init(config);
	config->server_name = (h2o_iovec_t){ 0 };
	config->max_request_entity_size = JUDGE_BODY_MAX;
	/* From the end of one answer to the last byte of the next request. */
	config->http1.req_timeout = server->setup.limits.idle_ms;
	/* HTTP/2 lets a client start and cancel requests without limit. */
	config->http1.upgrade_to_http2 = 0;
	/* Its timer would still run when the context is disposed of. */
	config->http2.callbacks.request_shutdown = NULL;
	host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	handler = h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof *handler);
	handler->on_req = call_begin;
}

enum code http_open(const struct http_setup *setup, struct http_server **ret_server, struct err *err)
{
	struct http_server *server = must_alloc(sizeof *server);
	int status = uv_loop_init(&server->aside);

	if (status) {
		free(server);
		return fail(err, E_IO, "cannot make a loop for HTTP: %s", uv_strerror(status));
	}
	server->setup = *setup;
	configure(server);
	h2o_context_init(&server->context, setup->loop, &server->config);
	server->accepting.ctx = &server->context;
	server->accepting.hosts = server->config.hosts;
	h2o_timeout_init(setup->loop, &server->answering, setup->limits.answer_ms);
	h2o_timeout_init(setup->loop, &server->sending, setup->limits.idle_ms);
	uv_timer_init(setup->loop, &server->drain);
	*ret_server = server;
	return OK;
}

/* What is not accepted stays in the queue, and libuv asks the kernel for no more. */
static void accept_next(struct listener *listener)
{
	struct http_server *server = listener->server;

	listener->is_waiting = server->connected >= server->setup.limits.connections;
	if (!listener->is_waiting)
		connection_start(listener);
}

void server_accept(struct http_server *server)
{
	for (struct listener *listener = server->listeners; listener; listener = listener->next)
		if (listener->is_waiting && !server->is_ending)
			accept_next(listener);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = (struct listener *)stream;

	if (!status && !listener->server->is_ending)
		accept_next(listener);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *listener = (struct listener *)handle;
	struct http_server *server = listener->server;

	free(listener);
	server_handle_closed(server);
}

enum code http_listen_unix(struct http_server *server, const char *path, const char *group, struct err *err)
{
	struct listener *listener = must_alloc(sizeof *listener);
	enum code code;
	int fd, status;

	listener->server = server;
	code = socket_file_make(listener, path, group, &fd, err);
	if (code) {
		free(listener);
		return code;
	}
	uv_pipe_init(server->setup.loop, &listener->pipe, 0);
	status = uv_pipe_open(&listener->pipe, fd);
	if (status)
		close(fd);
	else
		status = uv_listen((uv_stream_t *)&listener->pipe, BACKLOG, on_connection);
	server->handles++;
	if (status) {
		socket_file_remove(listener);
		uv_close((uv_handle_t *)&listener->pipe, on_listener_closed);
		return fail(err, E_IO, "cannot listen on %s: %s", path, uv_strerror(status));
	}
	listener->next = server->listeners;
	server->listeners = listener;
	return OK;
}

static void on_all_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;
	void (*closed)(void *context) = server->closed;
	void *context = server->closed_context;

	free(server);
	closed(context);
}

/* Timers of h2o may still be among the handles that are being closed; those of the next round come after them. */
static void on_drain_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	uv_timer_init(server->setup.loop, &server->drain);
	uv_close((uv_handle_t *)&server->drain, on_all_closed);
}

/*
 * h2o runs the loop once to get rid of its handles, and a loop does not run inside itself. So it is given another to
 * run, in which there is nothing, and its handles go in the next round of ours.
 */
static void tear_down(struct http_server *server)
{
	uv_loop_t *loop = server->setup.loop;

	h2o_timeout_dispose(loop, &server->answering);
	h2o_timeout_dispose(loop, &server->sending);
	server->context.loop = &server->aside;
	h2o_context_dispose(&server->context);
	h2o_config_dispose(&server->config);
	uv_loop_close(&server->aside);
	server->drain.data = server;
	uv_close((uv_handle_t *)&server->drain, on_drain_closed);
}

void server_handle_closed(struct http_server *server)
{
	if (!--server->handles && server->is_ending)
		tear_down(server);
}

static void close_connections(struct http_server *server, bool is_all)
{
	struct connection *next;

	for (struct connection *connection = server->connections; connection; connection = next) {
		next = connection->next;
		if (is_all || connection_is_idle(connection))
			connection_close(connection);
	}
}

static void on_drained(uv_timer_t *timer)
{
	close_connections(H2O_STRUCT_FROM_MEMBER(struct http_server, drain, timer), true);
}

void http_end(struct http_server *server, uint32_t drain_ms, void (*closed)(void *context), void *context)
{
	server->is_ending = true;
	server->closed = closed;
	server->closed_context = context;
	/* One more, so that nothing is torn down in here. */
	server->handles++;
	while (server->listeners) {
		struct listener *listener = server->listeners;

		server->listeners = listener->next;
		socket_file_remove(listener);
		uv_close((uv_handle_t *)&listener->pipe, on_listener_closed);
	}
	h2o_context_request_shutdown(&server->context);
	close_connections(server, false);
	uv_timer_start(&server->drain, on_drained, drain_ms, 0);
	server_handle_closed(server);
}
