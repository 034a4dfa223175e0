/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/inside.h"
#include "agent/http/judge.h"
#include "agent/http/problem.h"

#include "crdt/base/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { PROBLEM_MAX = 4096 };

const struct caller *call_caller(const struct call *call)
{
	return &call->connection->caller;
}

struct bytes call_body(const struct call *call)
{
	return call->body;
}

struct bytes call_path(const struct call *call, size_t place)
{
	assert(place < call->match.found_count);
	return call->places[place];
}

bool call_query(const struct call *call, const char *name, struct bytes *ret_value)
{
	for (size_t i = 0; i < call->query.count; i++)
		if (bytes_equal(call->query.all[i].name, bytes_text(name))) {
			*ret_value = call->query.all[i].value;
			return true;
		}
	*ret_value = (struct bytes){ 0 };
	return false;
}

bool call_header(const struct call *call, const char *name, struct bytes *ret_value)
{
	*ret_value = (struct bytes){ 0 };
	return gate_header(&call->head, name, ret_value);
}

struct arena *call_arena(struct call *call)
{
	return &call->arena;
}

uint64_t call_number(const struct call *call)
{
	return call->number;
}

void call_set_header(struct call *call, const char *name, const char *value)
{
	h2o_iovec_t name_copy = h2o_strdup(&call->req->pool, name, SIZE_MAX);
	h2o_iovec_t value_copy = h2o_strdup(&call->req->pool, value, SIZE_MAX);

	assert(call->phase == CALL_ASKED);
	/* Nothing that somebody sent ends a line here. */
	text_make_printable(value_copy.base);
	h2o_add_header_by_str(&call->req->pool, &call->req->res.headers, name_copy.base, name_copy.len, 0, NULL,
			      value_copy.base, strlen(value_copy.base));
}

static bool is_head(const struct call *call)
{
	return !strcmp(call->method, "HEAD");
}

static void send_piece(struct call *call, struct bytes piece, bool is_last)
{
	h2o_iovec_t vector = { .base = (char *)piece.data, .len = piece.size };

	assert(!call->is_sending && (piece.size || is_last));
	call->is_sending = true;
	call->is_last = is_last;
	connection_limit(call->connection, &call->connection->server->sending);
	/* An empty vector ends the process over TLS. */
	h2o_send(call->req, piece.size ? &vector : NULL, piece.size ? 1 : 0,
		 is_last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
	connection_hold(call->connection);
}

static void send_rest(struct call *call)
{
	size_t size = call->rest.size < PIECE_MAX ? call->rest.size : PIECE_MAX;
	struct bytes piece = bytes_of(call->rest.data, size);

	if (size)
		call->rest = bytes_of(call->rest.data + size, call->rest.size - size);
	send_piece(call, piece, !call->rest.size);
}

static void on_room(h2o_generator_t *generator, h2o_req_t *req)
{
	struct call *call = (struct call *)generator;

	(void)req;
	call->is_sending = false;
	free(call->piece);
	call->piece = NULL;
	connection_limit(call->connection, NULL);
	if (call->phase == CALL_ANSWERED)
		send_rest(call);
	else if (call->is_ending)
		send_piece(call, (struct bytes){ 0 }, true);
	else
		call->more(call->more_context, call);
}

/* `length` is SIZE_MAX if there is none. */
static void start(struct call *call, int status, const char *type, size_t length)
{
	h2o_req_t *req = call->req;

	assert(call->phase == CALL_ASKED);
	call->status = status;
	req->res.status = status;
	req->res.reason = problem_title(status);
	req->res.content_length = length;
	if (type)
		call_set_header(call, "Content-Type", type);
	call_set_header(call, "Cache-Control", "no-store");
	call_set_header(call, "X-Content-Type-Options", "nosniff");
	if (call->connection->server->is_ending)
		req->http1_is_persistent = 0;
	call->generator.proceed = on_room;
	h2o_start_response(req, &call->generator);
}

/* `body` lives as long as the request. */
static void answer(struct call *call, int status, const char *type, struct bytes body, size_t length)
{
	start(call, status, type, length);
	call->phase = CALL_ANSWERED;
	call->gone = NULL;
	vanish_forget(call->vanish);
	call->vanish = NULL;
	call->rest = is_head(call) ? (struct bytes){ 0 } : body;
	send_rest(call);
}

static void answer_copy(struct call *call, int status, const char *type, struct bytes body)
{
	h2o_iovec_t copy = h2o_strdup(&call->req->pool, (const char *)body.data, body.size);

	answer(call, status, type, bytes_of(copy.base, copy.len), copy.len);
}

void call_answer(struct call *call, int status, struct bytes json)
{
	assert(status >= 200 && status < 300 && status != 204);
	answer_copy(call, status, "application/json", json);
}

void call_answer_empty(struct call *call)
{
	answer(call, 204, NULL, (struct bytes){ 0 }, SIZE_MAX);
}

static void answer_problem(struct call *call, int status, enum code code, const struct err *err)
{
	CLEANUP(buf_done) struct buf text = buf_growing(PROBLEM_MAX);
	struct problem problem = { .status = status, .code = code, .err = err, .number = call->number };

	problem_write(&problem, &text);
	assert(!text.is_full);
	answer_copy(call, status, "application/problem+json", buf_bytes(&text));
}

void call_refuse(struct call *call, enum code code, const struct err *err)
{
	assert(code);
	answer_problem(call, code_http(code), code, err);
}

void call_refuse_with(struct call *call, const struct refusal *refusal)
{
	struct err err;

	fail(&err, refusal->code, "%s", refusal->text);
	if (*refusal->allow)
		call_set_header(call, "Allow", refusal->allow);
	answer_problem(call, refusal->status, refusal->code, &err);
}

void call_stream(struct call *call, const char *type, void (*more)(void *context, struct call *call), void *context)
{
	assert(!is_head(call));
	start(call, 200, type, SIZE_MAX);
	call->phase = CALL_STREAMED;
	call->more = more;
	call->more_context = context;
	connection_limit(call->connection, NULL);
	if (!call->vanish)
		call->vanish = vanish_watch(call->connection);
	more(context, call);
}

void call_put(struct call *call, struct bytes bytes)
{
	assert(call->phase == CALL_STREAMED && !call->is_sending && !call->is_ending && bytes.size <= PIECE_MAX);
	if (!bytes.size)
		return;
	call->piece = must_alloc(bytes.size);
	memcpy(call->piece, bytes.data, bytes.size);
	send_piece(call, bytes_of(call->piece, bytes.size), false);
}

void call_end(struct call *call)
{
	assert(call->phase == CALL_STREAMED && !call->is_ending);
	call->is_ending = true;
	call->gone = NULL;
	if (!call->is_sending)
		send_piece(call, (struct bytes){ 0 }, true);
}

void call_later(struct call *call, void (*gone)(void *context), void *context)
{
	assert(call->phase == CALL_ASKED);
	call->gone = gone;
	call->gone_context = context;
}

/* Once at most. */
static void tell_gone(struct call *call)
{
	void (*gone)(void *context) = call->gone;

	call->gone = NULL;
	if (gone)
		gone(call->gone_context);
}

void call_expire(struct call *call)
{
	struct refusal refusal;

	refuse(&refusal, 504, E_BUSY, "It took too long; whether it was done is not known.");
	tell_gone(call);
	call_refuse_with(call, &refusal);
}

void call_was_sent(struct call *call)
{
	const struct http_setup *setup = &call->connection->server->setup;
	const struct route *route = call->match.route;

	if (setup->told)
		setup->told(setup->context, call, call->method, route ? route->pattern : NULL, call->status,
			    (uv_hrtime() - call->began_ns) / 1000);
}

static void on_disposed(void *memory)
{
	struct call *call = memory;
	struct connection *connection = call->connection;

	connection->call = NULL;
	connection->whole = 0;
	connection_limit(connection, NULL);
	vanish_forget(call->vanish);
	tell_gone(call);
	free(call->piece);
	arena_done(&call->arena);
}

/* What the gate saw before, seen again where h2o keeps it until the answer is sent. */
static bool admit(struct call *call, struct refusal *refusal)
{
	struct connection *connection = call->connection;
	const h2o_buffer_t *input = connection->socket->input;
	struct gate_head *head = &call->head;
	enum gate_verdict verdict = gate_scan(bytes_of(input->bytes, input->size), head, refusal);

	assert(verdict == GATE_WHOLE && head->size + head->body == input->size);
	assert(call->req->entity.len == head->body);
	call->body = bytes_of(input->bytes + head->size, head->body);
	memcpy(call->method, head->method.data, head->method.size);
	if (!http_judge(connection->server->setup.routes, &connection->caller, head, &call->match, refusal))
		return false;
	for (size_t i = 0; i < call->match.found_count; i++)
		if (!target_segment(call->match.found[i], &call->arena, &call->places[i], refusal))
			return false;
	return target_query(head->query, &call->arena, &call->query, refusal);
}

static void handle(struct call *call)
{
	struct refusal refusal;

	if (!admit(call, &refusal)) {
		call_refuse_with(call, &refusal);
		return;
	}
	call->match.route->handle(call->connection->server->setup.context, call);
	if (call->phase == CALL_ASKED)
		call->vanish = vanish_watch(call->connection);
}

int call_begin(h2o_handler_t *handler, h2o_req_t *req)
{
	struct connection *connection = req->conn->callbacks->get_socket(req->conn)->on_close.data;
	struct call *call = h2o_mem_alloc_shared(&req->pool, sizeof *call, on_disposed);

	(void)handler;
	memset(call, 0, sizeof *call);
	call->req = req;
	call->connection = connection;
	call->began_ns = uv_hrtime();
	randombytes_buf(&call->number, sizeof call->number);
	connection->call = call;
	connection_limit(connection, &connection->server->answering);
	if (connection->refusal.status) {
		memcpy(call->method, connection->refused_method, sizeof call->method);
		call_refuse_with(call, &connection->refusal);
	} else {
		handle(call);
	}
	return 0;
}
