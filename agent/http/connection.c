/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/inside.h"
#include "agent/http/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

/* What h2o gets in place of a request that is not taken: it then answers with the refusal, and closes. */
static const char stand_in[] = "GET / HTTP/1.1\r\nHost: -\r\nConnection: close\r\n\r\n";

/* More than h2o's buffer can hold after the longest body. */
enum { BEHIND_MAX = 32 << 20 };

static void on_read(h2o_socket_t *socket, const char *error);
static void on_written(h2o_socket_t *socket, const char *error);

void connection_hold(struct connection *connection)
{
	h2o_socket_t *socket = connection->socket;

	if (!socket || connection->is_lingering)
		return;
	if (socket->_cb.read && socket->_cb.read != on_read) {
		connection->on_read = socket->_cb.read;
		socket->_cb.read = on_read;
	}
	if (socket->_cb.write && socket->_cb.write != on_written) {
		connection->on_written = socket->_cb.write;
		socket->_cb.write = on_written;
	}
}

/* h2o has no call for this. An error while reading makes it let go of everything, whatever it is at. */
void connection_close(struct connection *connection)
{
	if (connection->socket)
		connection->on_read(connection->socket, h2o_socket_error_closed);
}

void connection_limit(struct connection *connection, h2o_timeout_t *list)
{
	h2o_timeout_unlink(&connection->deadline);
	if (list)
		h2o_timeout_link(connection->server->setup.loop, list, &connection->deadline);
}

static void on_deadline(h2o_timeout_entry_t *entry)
{
	struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, deadline, entry);

	if (connection->call && connection->call->phase == CALL_ASKED)
		call_expire(connection->call);
	else
		connection_close(connection);
}

bool connection_is_idle(const struct connection *connection)
{
	return connection->socket && !connection->call && !connection->socket->input->size;
}

static void set_input(struct connection *connection, struct bytes bytes)
{
	h2o_buffer_t **input = &connection->socket->input;
	h2o_iovec_t room;

	h2o_buffer_consume(input, (*input)->size);
	room = h2o_buffer_reserve(input, bytes.size);
	memcpy(room.base, bytes.data, bytes.size);
	(*input)->size = bytes.size;
}

static void replace(struct connection *connection, const struct refusal *refusal)
{
	connection->refusal = *refusal;
	connection->whole = sizeof stand_in - 1;
	buf_clear(&connection->behind);
	set_input(connection, bytes_text(stand_in));
}

static void keep_method(struct connection *connection, enum gate_verdict verdict, struct bytes method)
{
	size_t size = verdict == GATE_WHOLE ? method.size : 0;

	if (size)
		memcpy(connection->refused_method, method.data, size);
	connection->refused_method[size] = 0;
}

/* False: the head is not there yet. A request without body that is refused by its head reaches call_begin like any
 * other, and the connection stays. */
static bool take_head(struct connection *connection)
{
	h2o_buffer_t *input = connection->socket->input;
	struct gate_head head;
	struct route_match match;
	struct refusal refusal;
	enum gate_verdict verdict = gate_scan(bytes_of(input->bytes, input->size), &head, &refusal);
	bool is_taken;

	if (verdict == GATE_MORE)
		return false;
	is_taken = verdict == GATE_WHOLE &&
		   (http_judge(connection->server->setup.routes, &connection->caller, &head, &match, &refusal) ||
		    !head.body);
	if (is_taken) {
		connection->whole = head.size + head.body;
		return true;
	}
	keep_method(connection, verdict, head.method);
	replace(connection, &refusal);
	return true;
}

static void take(struct connection *connection)
{
	h2o_socket_t *socket = connection->socket;

	if (!connection->whole && !take_head(connection))
		return;
	if (socket->input->size > connection->whole) {
		buf_put(&connection->behind, socket->input->bytes + connection->whole,
			socket->input->size - connection->whole);
		assert(!connection->behind.is_full);
		socket->input->size = connection->whole;
	}
	connection->on_read(socket, NULL);
	connection_hold(connection);
}

static void on_read(h2o_socket_t *socket, const char *error)
{
	struct connection *connection = socket->on_close.data;

	if (error)
		connection_close(connection);
	else
		take(connection);
}

/* What came behind the last request is the next one, or its beginning. */
static void take_behind(struct connection *connection)
{
	struct buf behind = connection->behind;

	if (!connection->socket || connection->call || connection->whole || !behind.size)
		return;
	connection->behind = buf_growing(BEHIND_MAX);
	set_input(connection, buf_bytes(&behind));
	buf_done(&behind);
	take(connection);
}

static void on_lingering(h2o_socket_t *socket, const char *error)
{
	if (error)
		connection_close(socket->on_close.data);
	else
		h2o_buffer_consume(&socket->input, socket->input->size);
}

/* Who closes while bytes are unread may take back what he wrote. So the client is told that this is the end, and what
 * it sends until it ends too is thrown away: for as long as the answer might have taken to leave. */
static void linger(struct connection *connection)
{
	connection->is_lingering = true;
	shutdown(h2o_socket_get_fd(connection->socket), SHUT_WR);
	h2o_socket_read_start(connection->socket, on_lingering);
}

static void on_written(h2o_socket_t *socket, const char *error)
{
	struct connection *connection = socket->on_close.data;
	bool is_whole = connection->call && connection->call->is_last;

	if (is_whole && !error)
		call_was_sent(connection->call);
	if (is_whole && !error && connection->refusal.status) {
		linger(connection);
		return;
	}
	connection->on_written(socket, error);
	connection_hold(connection);
	take_behind(connection);
}

static void on_socket_closed(void *context)
{
	struct connection *connection = context;

	connection->socket = NULL;
	h2o_timeout_unlink(&connection->deadline);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *connection = (struct connection *)handle;
	struct http_server *server = connection->server;

	buf_done(&connection->behind);
	free(connection);
	server->connected--;
	server_accept(server);
	server_handle_closed(server);
}

static struct caller caller_of(const uv_pipe_t *pipe)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	int fd;

	if (uv_fileno((const uv_handle_t *)pipe, &fd) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return (struct caller){ .kind = CALLER_NOBODY };
	return (struct caller){ .kind = CALLER_SOCKET, .uid = peer.uid, .gid = peer.gid, .pid = (uint32_t)peer.pid };
}

static void enlist(struct connection *connection)
{
	struct http_server *server = connection->server;

	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	server->connections = connection;
}

void connection_start(struct listener *listener)
{
	struct http_server *server = listener->server;
	struct connection *connection = must_alloc(sizeof *connection);

	connection->server = server;
	connection->deadline.cb = on_deadline;
	connection->behind = buf_growing(BEHIND_MAX);
	uv_pipe_init(server->setup.loop, &connection->pipe, 0);
	server->connected++;
	server->handles++;
	if (uv_accept((uv_stream_t *)&listener->pipe, (uv_stream_t *)&connection->pipe)) {
		uv_close((uv_handle_t *)&connection->pipe, on_closed);
		return;
	}
	connection->caller = caller_of(&connection->pipe);
	connection->socket = h2o_uv_socket_create((uv_stream_t *)&connection->pipe, on_closed);
	connection->socket->on_close.cb = on_socket_closed;
	connection->socket->on_close.data = connection;
	enlist(connection);
	h2o_accept(&server->accepting, connection->socket);
	connection_hold(connection);
	assert(connection->on_read);
}
