/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_HEX_H
#define WARREN_TEST_HEX_H

/* Bytes as tests write them: hex digits, with blanks where they help the eye. */

#include "crdt/base/arena.h"

static inline uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static inline struct bytes unhex(struct arena *arena, const char *text)
{
	uint8_t *bytes = arena_take(arena, strlen(text) / 2);
	size_t digits = 0;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		if (digits % 2)
			bytes[digits / 2] |= hex_digit(*text);
		else
			bytes[digits / 2] = (uint8_t)(hex_digit(*text) << 4);
		digits++;
	}
	return bytes_of(bytes, digits / 2);
}

#endif
