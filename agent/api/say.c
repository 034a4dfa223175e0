/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/say.h"

#include "crdt/base/text.h"
#include "crdt/model/json.h"

#include <inttypes.h>
#include <stdio.h>

/* An answer is bounded by what its handler reads; this is where a fault of our own ends. */
enum { ANSWER_MAX = 64 << 20 };

struct say say_new(void)
{
	return (struct say){ .buf = buf_growing(ANSWER_MAX) };
}

void say_done(struct say *say)
{
	buf_done(&say->buf);
}

struct buf *say_raw(struct say *say, const char *name)
{
	if (say->is_behind)
		buf_put_byte(&say->buf, ',');
	say->is_behind = true;
	if (name) {
		json_write_text(bytes_text(name), &say->buf);
		buf_put_byte(&say->buf, ':');
	}
	return &say->buf;
}

static void begin(struct say *say, const char *name, char bracket)
{
	buf_put_byte(say_raw(say, name), (uint8_t)bracket);
	say->is_behind = false;
}

static void end(struct say *say, char bracket)
{
	buf_put_byte(&say->buf, (uint8_t)bracket);
	say->is_behind = true;
}

void say_object(struct say *say, const char *name)
{
	begin(say, name, '{');
}

void say_object_end(struct say *say)
{
	end(say, '}');
}

void say_list(struct say *say, const char *name)
{
	begin(say, name, '[');
}

void say_list_end(struct say *say)
{
	end(say, ']');
}

void say_null(struct say *say, const char *name)
{
	buf_put_text(say_raw(say, name), "null");
}

void say_bytes(struct say *say, const char *name, struct bytes text)
{
	json_write_text(text, say_raw(say, name));
}

void say_text(struct say *say, const char *name, const char *text)
{
	if (text)
		say_bytes(say, name, bytes_text(text));
	else
		say_null(say, name);
}

void say_number(struct say *say, const char *name, int64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, number);
	buf_put_text(say_raw(say, name), text);
}

void say_bool(struct say *say, const char *name, bool is)
{
	buf_put_text(say_raw(say, name), is ? "true" : "false");
}

void say_node(struct say *say, const char *name, uint64_t node)
{
	char text[20];

	snprintf(text, sizeof text, "%016" PRIx64, node);
	say_text(say, name, text);
}

void say_id(struct say *say, const char *name, struct id id)
{
	json_write_id(id, say_raw(say, name));
}

void say_key(struct say *say, const char *name, struct key32 key)
{
	char text[64];

	base64_write(bytes_of(key.bytes, sizeof key.bytes), text);
	say_text(say, name, text);
}

void say_time(struct say *say, const char *name, struct wall_time time)
{
	char text[WALL_TEXT_SIZE];

	wall_format(time, text);
	say_text(say, name, text);
}
