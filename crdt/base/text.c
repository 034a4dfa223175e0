/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"

#include <sodium.h>

size_t text_decode(struct bytes text, uint32_t *ret_point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = text.data[0];
	size_t length = first < 0x80   ? 1
			: first < 0xc0 ? 0
			: first < 0xe0 ? 2
			: first < 0xf0 ? 3
			: first < 0xf8 ? 4
				       : 0;
	uint32_t point = length == 1 ? first : length ? first & (0x7fU >> length) : 0;

	if (!length || length > text.size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text.data[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	*ret_point = point;
	return length;
}

bool text_is_refused(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
	       (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

bool text_is_invisible(uint32_t point)
{
	return point == 0xad || point == 0x61c || point == 0x115f || point == 0x1160 || point == 0x180e ||
	       point == 0x200b || point == 0x200e || point == 0x200f || (point >= 0x2060 && point <= 0x2064) ||
	       point == 0x3164 || point == 0xffa0 || (point >= 0xe0000 && point < 0xe1000);
}

/* Whether `text` is the beginning of a character whose end was cut off. */
static bool is_cut(struct bytes text)
{
	uint8_t first = text.data[0];
	size_t length = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (length <= text.size)
		return false;
	for (size_t i = 1; i < text.size; i++)
		if ((text.data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

void text_make_printable(char *text)
{
	size_t size = strlen(text), to = 0;

	for (size_t at = 0; at < size;) {
		uint32_t point = 0;
		size_t length = text_decode(bytes_of(text + at, size - at), &point);

		if (!length && is_cut(bytes_of(text + at, size - at)))
			break;
		if (!length || text_is_refused(point)) {
			at += length ? length : 1;
			text[to++] = '?';
			continue;
		}
		memmove(text + to, text + at, length);
		to += length;
		at += length;
	}
	text[to] = '\0';
}

void hex_write(struct bytes bytes, char *room)
{
	sodium_bin2hex(room, 2 * bytes.size + 1, bytes.data, bytes.size);
}

bool hex_read(struct bytes text, void *room, size_t size)
{
	size_t length;

	return text.size == 2 * size &&
	       !sodium_hex2bin(room, size, (const char *)text.data, text.size, NULL, &length, NULL) && length == size;
}

size_t base64_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

void base64_write(struct bytes bytes, char *room)
{
	sodium_bin2base64(room, base64_size(bytes.size) + 1, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
}

bool base64_read(struct bytes text, void *room, size_t room_size, size_t *ret_size)
{
	return !sodium_base642bin(room, room_size, (const char *)text.data, text.size, NULL, ret_size, NULL,
				  sodium_base64_VARIANT_ORIGINAL);
}

size_t text_distance(const char *a, const char *b)
{
	size_t row[TEXT_WORD_MAX + 1], length = strlen(b);

	if (length > TEXT_WORD_MAX || strlen(a) > TEXT_WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[length];
}
