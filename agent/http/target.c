/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/target.h"

#include "crdt/base/text.h"

static bool is_text(struct bytes text)
{
	uint32_t point;

	while (text.size) {
		size_t size = text_decode(text, &point);

		if (!size || !point)
			return false;
		text = bytes_of(text.data + size, text.size - size);
	}
	return true;
}

/* Two hexadecimal digits behind the percent sign. */
static bool read_escape(const uint8_t *at, const uint8_t *end, uint8_t *ret_byte)
{
	return end - at >= 3 && hex_read(bytes_of(at + 1, 2), ret_byte, 1);
}

static bool decode(struct bytes part, bool has_plus, struct arena *arena, struct bytes *ret_text,
		   struct refusal *refusal)
{
	const uint8_t *end = part.data + part.size;
	uint8_t *room = arena_take(arena, part.size);
	size_t size = 0;

	for (const uint8_t *at = part.data; at < end; at++) {
		room[size] = has_plus && *at == '+' ? ' ' : *at;
		if (*at == '%') {
			if (!read_escape(at, end, &room[size]))
				return refuse(refusal, 400, E_FORM,
					      "A percent sign has to be followed by two hexadecimal digits.");
			at += 2;
		}
		size++;
	}
	*ret_text = bytes_of(room, size);
	if (!is_text(*ret_text))
		return refuse(refusal, 400, E_FORM, "The path and the query have to be UTF-8 without a zero.");
	return true;
}

bool target_segment(struct bytes segment, struct arena *arena, struct bytes *ret_text, struct refusal *ret_refusal)
{
	return decode(segment, false, arena, ret_text, ret_refusal);
}

static bool take_pair(struct bytes pair, struct arena *arena, struct target_query *query, struct refusal *refusal)
{
	const uint8_t *equals = pair.size ? memchr(pair.data, '=', pair.size) : NULL;
	size_t name_size = equals ? (size_t)(equals - pair.data) : 0;
	struct target_pair *added = &query->all[query->count];

	if (!name_size)
		return refuse(refusal, 400, E_FORM, "The query has to be name=value, and & between two of them.");
	if (query->count == TARGET_QUERY_MAX)
		return refuse(refusal, 400, E_LIMIT, "The query may have 16 names.");
	if (!decode(bytes_of(pair.data, name_size), true, arena, &added->name, refusal) ||
	    !decode(bytes_of(equals + 1, pair.size - name_size - 1), true, arena, &added->value, refusal))
		return false;
	for (size_t i = 0; i < query->count; i++)
		if (bytes_equal(query->all[i].name, added->name))
			return refuse(refusal, 400, E_FORM, "The query names something twice.");
	query->count++;
	return true;
}

bool target_query(struct bytes query, struct arena *arena, struct target_query *ret_query, struct refusal *ret_refusal)
{
	ret_query->count = 0;
	while (query.size) {
		const uint8_t *mark = memchr(query.data, '&', query.size);
		size_t size = mark ? (size_t)(mark - query.data) : query.size;

		if (!take_pair(bytes_of(query.data, size), arena, ret_query, ret_refusal))
			return false;
		if (mark && size + 1 == query.size)
			return refuse(ret_refusal, 400, E_FORM,
				      "The query has to be name=value, and & between two of them.");
		size += mark != NULL;
		query = bytes_of(query.data + size, query.size - size);
	}
	return true;
}
