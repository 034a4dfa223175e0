/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"

#include "crdt/base/buf.h"
#include "crdt/base/text.h"
#include "crdt/base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* A pipe takes up to PIPE_BUF bytes whole or not at all: so lines of several threads never mix. */
enum { LINE_SIZE = PIPE_BUF, VALUE_MAX = 512, END_ROOM = 64 };

static _Atomic(enum log_style) form_now = LOG_LOGFMT;
static _Atomic(enum log_level) level_now = LOG_INFO;
static _Atomic uint64_t lost; /* lines that nobody took, since the last one that somebody did */

void log_setup(enum log_style form, enum log_level level)
{
	atomic_store(&form_now, form);
	atomic_store(&level_now, level);
}

bool log_is_on(enum log_level level)
{
	return level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERROR: return "error";
	case LOG_WARN: return "warn";
	case LOG_INFO: return "info";
	case LOG_DEBUG: return "debug";
	}
	return "error";
}

/* How long the text's next character is, and which; what is no UTF-8 is one byte that nobody can show. */
static size_t next_point(struct bytes text, uint32_t *ret_point)
{
	size_t length = text_decode(text, ret_point);

	if (length)
		return length;
	*ret_point = 0xfffd;
	return 1;
}

static bool is_shown(uint32_t point)
{
	return !text_is_refused(point) && !text_is_invisible(point);
}

static void put_u(struct buf *line, uint32_t unit)
{
	char text[8];

	snprintf(text, sizeof text, "\\u%04" PRIx32, unit & 0xffff);
	buf_put_text(line, text);
}

static void put_escaped_point(struct buf *line, uint32_t point)
{
	if (point > 0xffff) { /* JSON names such a one by two halves */
		put_u(line, 0xd800 + ((point - 0x10000) >> 10));
		put_u(line, 0xdc00 + ((point - 0x10000) & 0x3ff));
	} else {
		put_u(line, point);
	}
}

/* In quotes, by JSON's rules, which logfmt shares. */
static void put_quoted(struct buf *line, struct bytes text)
{
	size_t most = text.size, at = 0;

	buf_put_byte(line, '"');
	while (at < most) {
		uint32_t point;
		size_t length = next_point(bytes_of(text.data + at, text.size - at), &point);

		if (at + length > VALUE_MAX) {
			buf_put_text(line, "…");
			break;
		}
		if (point == '"' || point == '\\')
			buf_put_byte(line, '\\');
		if (point == '\n')
			buf_put_text(line, "\\n");
		else if (point == '\t')
			buf_put_text(line, "\\t");
		else if (!is_shown(point) || (length == 1 && point == 0xfffd))
			put_escaped_point(line, point);
		else
			buf_put(line, text.data + at, length);
		at += length;
	}
	buf_put_byte(line, '"');
}

/* Whether logfmt may show it without quotes. */
static bool is_plain(struct bytes text)
{
	if (!text.size || text.size > VALUE_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("\"=\\", text.data[i]))
			return false;
	return true;
}

static void put_text(struct buf *line, enum log_style form, struct bytes text)
{
	if (form == LOG_LOGFMT && is_plain(text))
		buf_put_bytes(line, text);
	else
		put_quoted(line, text);
}

static void put_name(struct buf *line, enum log_style form, const char *name)
{
	bool is_first = line->size <= 1;

	if (form == LOG_JSON) {
		buf_put_text(line, is_first ? "\"" : ",\"");
		buf_put_text(line, name);
		buf_put_text(line, "\":");
		return;
	}
	if (!is_first)
		buf_put_byte(line, ' ');
	buf_put_text(line, name);
	buf_put_byte(line, '=');
}

static void put_field(struct buf *line, enum log_style form, const struct log_field *field)
{
	char number[24];

	if (field->type == LOG_TEXT && !field->text)
		return;
	put_name(line, form, field->name);
	switch (field->type) {
	case LOG_TEXT:
		/* One byte beyond what is shown tells that there is more; how much nobody asks. */
		put_text(line, form, bytes_of(field->text, strnlen(field->text, VALUE_MAX + 4)));
		return;
	case LOG_NUMBER:
		snprintf(number, sizeof number, "%" PRId64, field->number);
		buf_put_text(line, number);
		return;
	case LOG_HEX:
		snprintf(number, sizeof number, "%016" PRIx64, field->hex);
		put_text(line, form, bytes_text(number));
		return;
	}
}

static void put_time(struct buf *line, enum log_style form)
{
	char room[WALL_TEXT_SIZE];
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	wall_format((struct wall_time){ (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 }, room);
	put_field(line, form, &LOG_OF_TEXT("time", room));
}

/* A field that does not fit is left out with all behind it, and the line says so: it is never cut inside of one. */
static void put_fields(struct buf *line, enum log_style form, const struct log_field *fields, size_t count)
{
	line->room -= END_ROOM;
	line->limit -= END_ROOM;
	for (size_t i = 0; i < count && !line->is_full; i++) {
		size_t before = line->size;

		put_field(line, form, &fields[i]);
		if (line->is_full)
			line->size = before;
	}
	line->room += END_ROOM;
	line->limit += END_ROOM;
	if (line->is_full) {
		line->is_full = false;
		put_field(line, form, &LOG_OF_NUMBER("cut", 1));
	}
}

/* Who reads the log may be slow, or gone: the agent neither waits for it nor fails with it. */
static bool send_line(struct bytes line)
{
	while (line.size) {
		ssize_t wrote = write(STDERR_FILENO, line.data, line.size);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		line = bytes_of(line.data + wrote, line.size - (size_t)wrote);
	}
	return true;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
	enum log_style form = atomic_load(&form_now);
	uint8_t room[LINE_SIZE];
	struct buf line = buf_over(room, sizeof room);
	uint64_t lost_before;
	int errno_before = errno;

	if (!log_is_on(level))
		return;
	lost_before = atomic_exchange(&lost, 0);
	if (form == LOG_JSON)
		buf_put_byte(&line, '{');
	put_time(&line, form);
	put_field(&line, form, &LOG_OF_TEXT("level", level_name(level)));
	put_field(&line, form, &LOG_OF_TEXT("msg", message));
	put_fields(&line, form, fields, count);
	if (lost_before)
		put_field(&line, form, &LOG_OF_NUMBER("lost", lost_before));
	buf_put_text(&line, form == LOG_JSON ? "}\n" : "\n");
	if (!send_line(buf_bytes(&line)))
		atomic_fetch_add(&lost, lost_before + 1);
	errno = errno_before;
}
