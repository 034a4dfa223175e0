/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_PAGE_H
#define WARREN_CTL_PAGE_H

/*
 * Text for people, put together in memory: lines, and tables whose columns stand under each other however wide their
 * letters are. No control character that came from a server gets through: what is not printable becomes '?', and lines
 * end where this code ends them.
 */

#include "crdt/base/buf.h"

enum tone { TONE_PLAIN, TONE_STRONG, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };

struct page {
	struct buf text;
	size_t width; /* in columns; PAGE_ENDLESS when nobody counts them */
	bool has_colour;
};

#define PAGE_ENDLESS SIZE_MAX

struct page page_make(size_t width, bool has_colour);
void page_done(struct page *page);

/* One line; what the format makes is made printable as a whole. */
PRINTF(2, 3) void page_line(struct page *page, const char *format, ...);
PRINTF(3, 4) void page_line_in(struct page *page, enum tone tone, const char *format, ...);

/* Several lines, as a note may have: each of them printable, behind `indent` blanks. */
void page_block(struct page *page, size_t indent, struct bytes text);

/* Words broken into lines of at most `most` columns, behind `indent` blanks. */
void page_wrap(struct page *page, size_t indent, size_t most, const char *text);

/* The same, `head` before it: on the first line where it leaves a gap, else on a line of its own. */
void page_entry(struct page *page, const char *head, size_t indent, size_t most, const char *text);

/* How many columns a text takes on a terminal. */
size_t text_width(struct bytes text);

/* A table: cells are added from left to right, row by row, and copied. */
struct column {
	const char *title;
	bool is_number; /* stands at the right */
	bool is_whole;  /* never cut: ids are no use otherwise */
};

enum { TABLE_COLUMNS_MAX = 12 };

struct cell_text {
	char *text;
	size_t width;
	enum tone tone;
};

struct table {
	const struct column *columns;
	size_t column_count, cell_count, room;
	struct cell_text *cells;
};

struct table table_make(const struct column *columns, size_t count);
void table_add(struct table *table, enum tone tone, struct bytes text);
PRINTF(3, 4) void table_addf(struct table *table, enum tone tone, const char *format, ...);

/* Appends it to the page, cut to its width, and frees it. */
void table_end(struct table *table, struct page *page);

#endif
