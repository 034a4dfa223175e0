/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/page.h"

#include "crdt/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

enum { PAGE_MAX = 256 << 20 };

struct page page_make(size_t width, bool has_colour)
{
	return (struct page){ .text = buf_growing(PAGE_MAX), .width = width, .has_colour = has_colour };
}

void page_done(struct page *page)
{
	buf_done(&page->text);
}

size_t text_width(struct bytes text)
{
	size_t width = 0;

	for (size_t at = 0; at < text.size;) {
		uint32_t point = 0;
		size_t length = text_decode(bytes_of(text.data + at, text.size - at), &point);
		int columns = length && !text_is_invisible(point) ? wcwidth((wchar_t)point) : length ? 0 : 1;

		/* What this C library does not know takes one column on most terminals. */
		width += columns < 0 ? 1 : (size_t)columns;
		at += length ? length : 1;
	}
	return width;
}

static const char *tone_code(enum tone tone)
{
	switch (tone) {
	case TONE_PLAIN: break;
	case TONE_STRONG: return "\033[1m";
	case TONE_GOOD: return "\033[32m";
	case TONE_WARN: return "\033[33m";
	case TONE_BAD: return "\033[31m";
	case TONE_DIM: return "\033[2m";
	}
	return "";
}

static void put_toned(struct page *page, enum tone tone, struct bytes text)
{
	bool is_toned = page->has_colour && tone != TONE_PLAIN && text.size;

	if (is_toned)
		buf_put_text(&page->text, tone_code(tone));
	buf_put_bytes(&page->text, text);
	if (is_toned)
		buf_put_text(&page->text, "\033[0m");
}

/* For the caller to free. */
static char *formatted(const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	text_make_printable(text);
	return text;
}

void page_line(struct page *page, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = formatted(format, arguments);
	va_end(arguments);
	buf_put_text(&page->text, text);
	buf_put_byte(&page->text, '\n');
	free(text);
}

void page_line_in(struct page *page, enum tone tone, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = formatted(format, arguments);
	va_end(arguments);
	put_toned(page, tone, bytes_text(text));
	buf_put_byte(&page->text, '\n');
	free(text);
}

static void put_blanks(struct page *page, size_t count)
{
	while (count--)
		buf_put_byte(&page->text, ' ');
}

/* A printable copy for the caller to free; a zero byte ends nothing, but becomes '?' as others do. */
static char *printable_copy(struct bytes text)
{
	char *copy = must_alloc(text.size + 1);

	for (size_t i = 0; i < text.size; i++)
		copy[i] = text.data[i] ? (char)text.data[i] : '?';
	copy[text.size] = '\0';
	text_make_printable(copy);
	return copy;
}

void page_block(struct page *page, size_t indent, struct bytes text)
{
	while (text.size) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		size_t size = end ? (size_t)(end - text.data) : text.size;
		char *line = printable_copy(bytes_of(text.data, size));

		put_blanks(page, indent);
		buf_put_text(&page->text, line);
		buf_put_byte(&page->text, '\n');
		free(line);
		size += end != NULL;
		text = bytes_of(text.data + size, text.size - size);
	}
}

void page_entry(struct page *page, const char *head, size_t indent, size_t most, const char *text)
{
	size_t at = text_width(bytes_text(head)),
	       used = 0; /* where the line stands, and what it has behind the indent */

	buf_put_text(&page->text, head);
	if (at && at + 2 > indent) {
		buf_put_byte(&page->text, '\n');
		at = 0;
	}
	put_blanks(page, indent - at);
	while (*text) {
		size_t length = strcspn(text, " "), width = text_width(bytes_of(text, length));

		if (used && indent + used + 1 + width > most) {
			buf_put_byte(&page->text, '\n');
			put_blanks(page, indent);
			used = 0;
		}
		if (used)
			buf_put_byte(&page->text, ' ');
		buf_put(&page->text, text, length);
		used += width + (used > 0);
		text += length;
		text += strspn(text, " ");
	}
	buf_put_byte(&page->text, '\n');
}

void page_wrap(struct page *page, size_t indent, size_t most, const char *text)
{
	page_entry(page, "", indent, most, text);
}

/* --- tables */

struct table table_make(const struct column *columns, size_t count)
{
	return (struct table){ .columns = columns, .column_count = count };
}

void table_add(struct table *table, enum tone tone, struct bytes text)
{
	struct cell_text *cell;

	if (table->cell_count == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = must_realloc(table->cells, table->room * sizeof *table->cells);
	}
	cell = &table->cells[table->cell_count++];
	cell->text = printable_copy(text.size ? text : bytes_text("-"));
	cell->width = text_width(bytes_text(cell->text));
	cell->tone = tone;
}

void table_addf(struct table *table, enum tone tone, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = formatted(format, arguments);
	va_end(arguments);
	table_add(table, tone, bytes_text(text));
	free(text);
}

enum { COLUMN_GAP = 2, COLUMN_LEAST = 4 };

/* Takes columns from the widest that may be cut, until all fits or nothing more can be taken. */
static void fit(const struct table *table, size_t *widths, size_t most)
{
	size_t total = 0;

	for (size_t c = 0; c < table->column_count; c++)
		total += widths[c] + (c ? COLUMN_GAP : 0);
	while (total > most) {
		size_t widest = SIZE_MAX;

		for (size_t c = 0; c < table->column_count; c++)
			if (!table->columns[c].is_whole && !table->columns[c].is_number && widths[c] > COLUMN_LEAST &&
			    (widest == SIZE_MAX || widths[c] > widths[widest]))
				widest = c;
		if (widest == SIZE_MAX)
			return;
		widths[widest]--;
		total--;
	}
}

/* How many bytes of the text fit into that many columns. */
static size_t fitting(const char *text, size_t columns)
{
	size_t size = strlen(text), at = 0, used = 0;

	while (at < size) {
		uint32_t point;
		size_t length = text_decode(bytes_of(text + at, size - at), &point);
		size_t width = text_width(bytes_of(text + at, length ? length : 1));

		if (used + width > columns)
			break;
		used += width;
		at += length ? length : 1;
	}
	return at;
}

/* The text in `columns` columns, the end taken off if it must be; returns how many it took. */
static size_t put_cut(struct page *page, const struct cell_text *cell, size_t columns)
{
	size_t size;

	if (cell->width <= columns) {
		put_toned(page, cell->tone, bytes_text(cell->text));
		return cell->width;
	}
	if (!columns)
		return 0;
	size = fitting(cell->text, columns - 1);
	put_toned(page, cell->tone, bytes_of(cell->text, size));
	buf_put_text(&page->text, "…");
	return text_width(bytes_of(cell->text, size)) + 1;
}

static void put_row(struct page *page, const struct table *table, const struct cell_text *row, const size_t *widths)
{
	size_t used = 0; /* of the line: nothing is put beyond the page's width */

	for (size_t c = 0; c < table->column_count; c++) {
		size_t gap = c ? COLUMN_GAP : 0;
		size_t left = page->width > used + gap ? page->width - used - gap : 0;
		size_t room = widths[c] < left ? widths[c] : left;
		size_t wide = row[c].width < room ? row[c].width : room;
		bool is_last = c + 1 == table->column_count;

		if (!room && widths[c])
			break;
		put_blanks(page, gap + (table->columns[c].is_number ? room - wide : 0));
		wide = put_cut(page, &row[c], room);
		if (!is_last && !table->columns[c].is_number)
			put_blanks(page, room - wide);
		used += gap + room;
	}
	while (page->text.size && page->text.data[page->text.size - 1] == ' ')
		page->text.size--;
	buf_put_byte(&page->text, '\n');
}

static void put_titles(struct page *page, const struct table *table, const size_t *widths)
{
	struct cell_text row[TABLE_COLUMNS_MAX];

	for (size_t c = 0; c < table->column_count; c++)
		row[c] = (struct cell_text){ .text = (char *)(uintptr_t)table->columns[c].title,
					     .width = text_width(bytes_text(table->columns[c].title)),
					     .tone = TONE_DIM };
	put_row(page, table, row, widths);
}

void table_end(struct table *table, struct page *page)
{
	size_t widths[TABLE_COLUMNS_MAX];

	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = text_width(bytes_text(table->columns[c].title));
		for (size_t i = c; i < table->cell_count; i += table->column_count)
			if (table->cells[i].width > widths[c])
				widths[c] = table->cells[i].width;
	}
	fit(table, widths, page->width);
	put_titles(page, table, widths);
	for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
		put_row(page, table, &table->cells[i], widths);
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = table_make(table->columns, table->column_count);
}
