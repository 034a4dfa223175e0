/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/inside.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * While a request is being answered h2o does not read its socket, so it does not learn that the client went away. A
 * second descriptor of the same socket is asked for nothing else. Whoever ends his half of the connection has gone.
 */
struct vanish {
	uv_poll_t poll; /* first: its handle stands for it */
	struct http_server *server;
	struct connection *connection; /* NULL: nobody asks any more */
	int fd;
};

static void on_vanished(uv_poll_t *poll, int status, int events)
{
	struct vanish *vanish = (struct vanish *)poll;

	if ((status || events & UV_DISCONNECT) && vanish->connection)
		connection_close(vanish->connection);
}

static void on_closed(uv_handle_t *handle)
{
	struct vanish *vanish = (struct vanish *)handle;
	struct http_server *server = vanish->server;

	close(vanish->fd);
	free(vanish);
	server_handle_closed(server);
}

struct vanish *vanish_watch(struct connection *connection)
{
	struct http_server *server = connection->server;
	int fd = fcntl(h2o_socket_get_fd(connection->socket), F_DUPFD_CLOEXEC, 0);
	struct vanish *vanish;

	/* Without a descriptor the deadline has to do. */
	if (fd < 0)
		return NULL;
	vanish = must_alloc(sizeof *vanish);
	if (uv_poll_init(server->setup.loop, &vanish->poll, fd)) {
		close(fd);
		free(vanish);
		return NULL;
	}
	vanish->server = server;
	vanish->connection = connection;
	vanish->fd = fd;
	server->handles++;
	if (uv_poll_start(&vanish->poll, UV_DISCONNECT, on_vanished)) {
		vanish_forget(vanish);
		return NULL;
	}
	return vanish;
}

void vanish_forget(struct vanish *vanish)
{
	if (!vanish)
		return;
	vanish->connection = NULL;
	uv_close((uv_handle_t *)&vanish->poll, on_closed);
}
