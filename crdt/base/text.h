/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEXT_H
#define WARREN_TEXT_H

/*
 * Text: UTF-8 taken apart, and bytes written as hex and base64.
 */

#include "crdt/base/base.h"

/* The code point that `text` begins with, and its length; 0 when that is not UTF-8 in its shortest form. */
size_t text_decode(struct bytes text, uint32_t *ret_point);

/* What no text of ours holds: control characters, separators of lines, and what turns the direction of its neighbours.
 */
bool text_is_refused(uint32_t point);

/* What shows nothing, so that two names with and without it look alike. Joiners are not among them: scripts need them.
 */
bool text_is_invisible(uint32_t point);

/* Makes a C string printable in place: what is not UTF-8, or refused, becomes '?'; a character cut at the end goes. */
void text_make_printable(char *text);

/* How many letters to change, add or drop to make one word of the other; SIZE_MAX for one beyond TEXT_WORD_MAX. */
enum { TEXT_WORD_MAX = 40 };
size_t text_distance(const char *a, const char *b);

/* Small letters, two per byte, and a final zero; `room` holds 2 * bytes.size + 1. */
void hex_write(struct bytes bytes, char *room);

/* Exactly `size` bytes. */
bool hex_read(struct bytes text, void *room, size_t size);

/* With padding. The size is that of the text alone; `base64_write` needs one more for the final zero. */
size_t base64_size(size_t size);
void base64_write(struct bytes bytes, char *room);

/* At most `room_size` bytes. */
bool base64_read(struct bytes text, void *room, size_t room_size, size_t *ret_size);

#endif
