/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/block_line.h"

#include <stdlib.h>

void block_lines_begin(struct block_lines *lines, const struct members *members, struct arena *arena)
{
	*lines = (struct block_lines){ .members = members, .arena = arena };
	if (members)
		lines->all = members_all(members, &lines->count);
	lines->seen = arena_take(arena, (lines->count + 1) * sizeof *lines->seen);
	/* Each member once, and who never was one. */
	lines->nodes = arena_take(arena, (lines->count + 1) * sizeof *lines->nodes);
}

static const struct member *find(const struct block_lines *lines, uint64_t node)
{
	return lines->members && node ? members_find(lines->members, node) : NULL;
}

static void begin(struct block_lines *lines)
{
	lines->lines++;
	lines->length = 0;
}

/* False when the member is in the line already. */
static bool add(struct block_lines *lines, const struct member *member)
{
	uint32_t *seen = &lines->seen[member - lines->all];

	if (*seen == lines->lines)
		return false;
	*seen = lines->lines;
	lines->nodes[lines->length++] = member->node;
	return true;
}

/* From one who is in the line to the next, until one stands: that one; 0 when there is nobody, or a circle. */
static uint64_t follow(struct block_lines *lines, const struct member *member)
{
	while (member && member->is_evicted) {
		member = find(lines, member->heir ? member->heir : member->sponsor);
		if (!member || !add(lines, member))
			return 0;
	}
	return member ? member->node : 0;
}

/* What nobody in the line inherits is given away, the first one's own grant first. */
static void grant(struct block_lines *lines, struct block_line *line)
{
	for (size_t i = 0; !line->owner && i < lines->length; i++) {
		const struct grant_view *granted = members_grant(lines->members, lines->nodes[i]);
		const struct member *heir = granted ? find(lines, granted->heir) : NULL;

		if (!heir || !add(lines, heir))
			continue;
		line->is_under = true;
		line->under = granted->hash;
		line->owner = follow(lines, heir);
	}
}

static const struct block_line *end(struct block_lines *lines, struct block_line *line)
{
	uint64_t *nodes = arena_take(lines->arena, 2 * lines->length * sizeof *nodes), *via = nodes + lines->length;

	for (size_t i = 0; i < lines->length; i++) {
		const struct member *member = find(lines, lines->nodes[i]);

		nodes[i] = lines->nodes[i];
		if (member && member->is_evicted)
			via[line->via_count++] = nodes[i];
	}
	line->nodes = nodes;
	line->count = lines->length;
	line->via = via;
	return line;
}

const struct block_line *block_line_of(struct block_lines *lines, uint64_t node)
{
	struct block_line *line = arena_take(lines->arena, sizeof *line);
	const struct member *member = find(lines, node);

	begin(lines);
	if (member)
		add(lines, member);
	else
		lines->nodes[lines->length++] = node;
	line->owner = follow(lines, member);
	if (lines->members)
		grant(lines, line);
	return end(lines, line);
}

static int compare_admissions(const void *a, const void *b)
{
	const struct member *const *one = a, *const *other = b;

	return memcmp((*one)->admission.bytes, (*other)->admission.bytes, sizeof(struct id));
}

/* All that ever served the gateway, the maker first. */
static size_t find_servers(const struct block_lines *lines, struct id gateway, uint64_t maker,
			   const struct member **servers)
{
	size_t count = 0, others = 0;

	for (size_t i = 0; i < lines->count; i++)
		if (lines->all[i].node == maker && id_equal(lines->all[i].gateway, gateway))
			servers[count++] = &lines->all[i];
	others = count;
	for (size_t i = 0; i < lines->count; i++)
		if (lines->all[i].node != maker && id_equal(lines->all[i].gateway, gateway))
			servers[count++] = &lines->all[i];
	if (count > others)
		qsort(servers + others, count - others, sizeof *servers, compare_admissions);
	return count;
}

/*
 * Whoever served the gateway may have given of the pool, and so may have their heirs while nobody served it: all of
 * them stay in the line.
 */
const struct block_line *block_line_of_gateway(struct block_lines *lines, struct id gateway, uint64_t maker)
{
	struct block_line *line = arena_take(lines->arena, sizeof *line);
	const struct member **servers = arena_take(lines->arena, (lines->count + 1) * sizeof *servers), *owner = NULL;
	size_t count = find_servers(lines, gateway, maker, servers);

	begin(lines);
	for (size_t i = 0; i < count; i++) {
		add(lines, servers[i]);
		if (!owner && !servers[i]->is_evicted)
			owner = servers[i];
	}
	line->owner = owner ? owner->node : 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t heir = servers[i]->is_evicted ? follow(lines, servers[i]) : 0;

		line->owner = line->owner ? line->owner : heir;
	}
	if (owner && lines->length > 1) {
		line->is_under = true;
		line->under = owner->admission;
	}
	if (lines->members)
		grant(lines, line);
	return end(lines, line);
}

size_t block_line_place(const struct block_line *line, uint64_t node)
{
	for (size_t i = 0; i < line->count; i++)
		if (line->nodes[i] == node)
			return i;
	return SIZE_MAX;
}
