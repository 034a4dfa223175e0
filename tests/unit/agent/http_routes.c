/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/json.h"
#include "tests/unit/agent/http_case.h"

#include <stdio.h>
#include <stdlib.h>

enum { BIG = 3 << 20 };

static void hello(void *context, struct call *call)
{
	(void)context;
	call_answer(call, 200, bytes_text("{\"ok\":true}"));
}

static void size_of(void *context, struct call *call)
{
	char text[64];

	(void)context;
	snprintf(text, sizeof text, "{\"size\":%zu}", call_body(call).size);
	call_answer(call, 201, bytes_text(text));
}

static void put_value(struct buf *buf, const char *name, struct bytes value)
{
	buf_put_text(buf, buf->size ? "," : "{");
	json_write_text(bytes_text(name), buf);
	buf_put_byte(buf, ':');
	json_write_text(value, buf);
}

/* What it was asked, as it understood it. */
static void item(void *context, struct call *call)
{
	struct buf text = buf_growing(1 << 16);
	struct bytes value;

	(void)context;
	put_value(&text, "id", call_path(call, 0));
	put_value(&text, "other", call_path(call, 1));
	if (call_query(call, "q", &value))
		put_value(&text, "q", value);
	if (call_query(call, "r s", &value))
		put_value(&text, "r s", value);
	if (call_header(call, "Warren-Token", &value))
		put_value(&text, "token", value);
	buf_put_byte(&text, '}');
	call_set_header(call, "Warren-After", "abc");
	call_set_header(call, "X-Split", "a\r\nSet-Cookie: b");
	call_answer(call, 200, arena_copy(call_arena(call), buf_bytes(&text)));
	buf_done(&text);
}

static void empty(void *context, struct call *call)
{
	(void)context;
	call_answer_empty(call);
}

static void big(void *context, struct call *call)
{
	char *text = malloc(BIG);

	(void)context;
	memset(text, 'x', BIG);
	call_answer(call, 200, bytes_of(text, BIG));
	free(text);
}

static void refuse_it(void *context, struct call *call)
{
	struct err err = { 0 };

	(void)context;
	fail(&err, E_TAKEN, "is taken: choose \"another\"");
	call_refuse(call, fail_at(&err, E_TAKEN, "name", -1), &err);
}

static void on_gone(void *context)
{
	((struct http_case *)context)->gone++;
}

static void later(void *context, struct call *call)
{
	struct http_case *test = context;

	call_later(call, on_gone, test);
	test->pending[test->pending_count++ % HTTP_PENDING_MAX] = call;
}

static void never(void *context, struct call *call)
{
	(void)context;
	(void)call;
}

/* Each piece is of one letter, and the letters go round. */
static void more(void *context, struct call *call)
{
	struct http_case *test = context;
	size_t size = test->stream_left < test->stream_piece ? test->stream_left : test->stream_piece;
	uint8_t *piece = arena_take(call_arena(call), size);

	memset(piece, 'a' + (int)(test->stream_asked++ % 26), size);
	test->stream_left -= size;
	call_put(call, bytes_of(piece, size));
	if (!test->stream_left)
		call_end(call);
}

static void stream(void *context, struct call *call)
{
	call_stream(call, "text/plain", more, context);
}

static void has_room(void *context, struct call *call)
{
	struct http_case *test = context;

	test->stream = call;
	test->stream_asked++;
}

static void events(void *context, struct call *call)
{
	call_later(call, on_gone, context);
	call_stream(call, "text/event-stream", has_room, context);
}

#define ANY ROUTE_ANYBODY
#define OWN ROUTE_OWNERS
static const struct route all[] = {
	{ "GET", "/", ANY, BODY_NONE, hello, "" },
	{ "GET", "/hello", ANY, BODY_NONE, hello, "" },
	{ "HEAD", "/hello", ANY, BODY_NONE, hello, "" },
	{ "POST", "/json", OWN, BODY_JSON, size_of, "" },
	{ "POST", "/import", OWN, BODY_IMPORT, size_of, "" },
	{ "POST", "/none", OWN, BODY_NONE, size_of, "" },
	{ "GET", "/items/{id}/of/{other}", OWN, BODY_NONE, item, "" },
	{ "DELETE", "/items/{id}", OWN, BODY_NONE, refuse_it, "" },
	{ "PATCH", "/items/{id}", OWN, BODY_JSON, empty, "" },
	{ "GET", "/empty", OWN, BODY_NONE, empty, "" },
	{ "GET", "/big", OWN, BODY_NONE, big, "" },
	{ "GET", "/later", OWN, BODY_NONE, later, "" },
	{ "POST", "/later", OWN, BODY_JSON, later, "" },
	{ "GET", "/never", OWN, BODY_NONE, never, "" },
	{ "GET", "/stream", OWN, BODY_NONE, stream, "" },
	{ "GET", "/events", OWN, BODY_NONE, events, "" },
};

struct routes *http_case_routes(void)
{
	return routes_make(all, COUNT(all));
}
