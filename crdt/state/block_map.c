/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/hash.h"
#include "crdt/state/block_line.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

#include <stdlib.h>

/* A transfer, and where it hangs. */
struct gift {
	struct id id, before;
	bool has_before;
	uint32_t first, last;
	uint64_t giver, taker, start;
	const struct block_line *line; /* of the taker */
	size_t place; /* of the giver in the line of the gift before it; SIZE_MAX: it counts for nothing */
};

/*
 * Addresses in a row. Those that one gift has are a tree, ordered by address and, from the top down, by random weights,
 * so that a further gift takes its part out in a few steps however many there are. 0 is none.
 */
struct span {
	uint32_t first, last, left, right;
	uint64_t weight;
};

struct painting {
	struct gift *gifts; /* those that name one before them together, by right */
	size_t gifts_count;
	struct span *spans;
	uint32_t spans_count;
	struct hash_key key; /* of the weights; nobody knows it before all gifts are there */
	struct block *blocks;
	size_t blocks_count;
};

struct address block_address(uint32_t number)
{
	return (struct address){ .size = 4,
				 .bytes = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
					    (uint8_t)number } };
}

static uint32_t number_of(const struct address *address)
{
	return (uint32_t)address->bytes[0] << 24 | (uint32_t)address->bytes[1] << 16 |
	       (uint32_t)address->bytes[2] << 8 | address->bytes[3];
}

static uint32_t add_span(struct painting *p, uint32_t first, uint32_t last)
{
	uint32_t number = ++p->spans_count;

	p->spans[number] = (struct span){ .first = first,
					  .last = last,
					  .weight = hash_keyed(p->key, bytes_of(&number, sizeof number)) };
	return number;
}

/* All of `a` are before those of `b`. */
static uint32_t join(struct painting *p, uint32_t a, uint32_t b)
{
	if (!a || !b)
		return a ? a : b;
	if (p->spans[a].weight > p->spans[b].weight) {
		p->spans[a].right = join(p, p->spans[a].right, b);
		return a;
	}
	p->spans[b].left = join(p, a, p->spans[b].left);
	return b;
}

/* Those that begin before `at`, and the others. */
static void part(struct painting *p, uint32_t tree, uint32_t at, uint32_t *ret_below, uint32_t *ret_above)
{
	struct span *span = &p->spans[tree];

	if (!tree) {
		*ret_below = *ret_above = 0;
	} else if (span->first < at) {
		part(p, span->right, at, &span->right, ret_above);
		*ret_below = tree;
	} else {
		part(p, span->left, at, ret_below, &span->left);
		*ret_above = tree;
	}
}

/* The addresses before `at`, and the others. */
static void cut(struct painting *p, uint32_t tree, uint32_t at, uint32_t *ret_below, uint32_t *ret_above)
{
	uint32_t across;

	part(p, tree, at, ret_below, ret_above);
	across = *ret_below;
	while (across && p->spans[across].right)
		across = p->spans[across].right;
	if (!across || p->spans[across].last < at)
		return;
	*ret_above = join(p, add_span(p, at, p->spans[across].last), *ret_above);
	p->spans[across].last = at - 1;
}

/* Takes [first, last] out of the tree. */
static uint32_t take_out(struct painting *p, uint32_t *tree, uint32_t first, uint32_t last)
{
	uint32_t below, inside, above;

	cut(p, *tree, first, &below, &above);
	cut(p, above, last + 1, &inside, &above);
	*tree = join(p, below, above);
	return inside;
}

/* What no further gift took belongs to the gift's taker. */
static void keep(struct painting *p, uint32_t tree, const struct block *like)
{
	struct block block = *like;

	if (!tree)
		return;
	keep(p, p->spans[tree].left, like);
	block.first = p->spans[tree].first;
	block.last = p->spans[tree].last;
	p->blocks[p->blocks_count++] = block;
	keep(p, p->spans[tree].right, like);
}

static enum code read_gifts(struct store_txn *txn, const struct block_map *map, struct arena *arena, struct painting *p,
			    struct err *err)
{
	struct transfer_row row;
	struct ids ids;
	enum code code = ids_find(txn, KIND_TABLE(transfer), FIELD_TABLE(transfer, pool), &map->pool, arena, &ids, err);

	if (code)
		return code;
	p->gifts = arena_take(arena, ids.count * sizeof *p->gifts);
	for (size_t i = 0; i < ids.count; i++) {
		struct gift *gift = &p->gifts[p->gifts_count];

		code = state_row(txn, KIND_TABLE(transfer), ids.all[i], &row, err);
		if (code && !is_gone(code))
			return code;
		if (code || row.first.size != 4 || row.last.size != 4)
			continue;
		*gift = (struct gift){ .id = row.id,
				       .before = row.before,
				       .has_before = row.has & BIT(AT_transfer_before),
				       .first = number_of(&row.first),
				       .last = number_of(&row.last),
				       .giver = row.giver,
				       .taker = row.taker,
				       .start = row.has & BIT(AT_transfer_start) ? row.start : 1,
				       .place = SIZE_MAX };
		if (gift->first <= gift->last && gift->first >= map->first && gift->last <= map->last)
			p->gifts_count++;
	}
	return OK;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(((const struct gift *)a)->id.bytes, ((const struct gift *)b)->id.bytes, sizeof(struct id));
}

static int compare_takers(const void *a, const void *b)
{
	const struct gift *const *one = a, *const *other = b;

	return ((*one)->taker > (*other)->taker) - ((*one)->taker < (*other)->taker);
}

/* Each taker's line is made once. */
static void draw_lines(struct painting *p, struct block_lines *lines)
{
	struct gift **sorted = arena_take(lines->arena, (p->gifts_count + 1) * sizeof *sorted);

	for (size_t i = 0; i < p->gifts_count; i++)
		sorted[i] = &p->gifts[i];
	if (p->gifts_count)
		qsort(sorted, p->gifts_count, sizeof *sorted, compare_takers);
	for (size_t i = 0; i < p->gifts_count; i++) {
		bool is_same = i && sorted[i]->taker == sorted[i - 1]->taker;

		sorted[i]->line = is_same ? sorted[i - 1]->line : block_line_of(lines, sorted[i]->taker);
	}
}

static int compare_right(const void *a, const void *b)
{
	const struct gift *one = a, *other = b;

	/* What counts for nothing comes last. */
	if ((one->place == SIZE_MAX) != (other->place == SIZE_MAX))
		return one->place == SIZE_MAX ? 1 : -1;
	if (!id_equal(one->before, other->before))
		return memcmp(one->before.bytes, other->before.bytes, sizeof one->before.bytes);
	if (one->has_before != other->has_before)
		return one->has_before - other->has_before;
	if (one->place != other->place)
		return one->place < other->place ? -1 : 1;
	return compare_ids(a, b);
}

/* Finds the gift before each, whether the giver owned it, and the order in which gifts take. */
static void hang(struct painting *p, const struct block_line *root)
{
	size_t standing = 0;

	if (!p->gifts_count)
		return;
	qsort(p->gifts, p->gifts_count, sizeof *p->gifts, compare_ids);
	for (size_t i = 0; i < p->gifts_count; i++) {
		struct gift *gift = &p->gifts[i], sought = { .id = gift->before }, *parent = NULL;
		const struct bytes parts[] = { bytes_of(&p->key, sizeof p->key), bytes_of(&gift->id, sizeof gift->id) };
		struct id key = hash_id(parts, COUNT(parts));

		memcpy(&p->key, &key, sizeof p->key);
		if (gift->has_before)
			parent = bsearch(&sought, p->gifts, p->gifts_count, sizeof sought, compare_ids);
		if (parent || !gift->has_before)
			gift->place = block_line_place(parent ? parent->line : root, gift->giver);
		standing += gift->place != SIZE_MAX;
	}
	qsort(p->gifts, p->gifts_count, sizeof *p->gifts, compare_right);
	p->gifts_count = standing;
}

/* The first gift that names `before`, or the place where it would be. */
static size_t first_after(const struct painting *p, bool has_before, struct id before)
{
	struct gift sought = { .before = before, .has_before = has_before };
	size_t low = 0, high = p->gifts_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_right(&p->gifts[middle], &sought) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What is still to be given on: the addresses that a gift gave. */
struct todo {
	const struct gift *gift; /* NULL: the pool itself */
	uint32_t tree;
};

/* Further gifts take out of a gift what they may; returns how many did. */
static size_t give_on(struct painting *p, struct todo *todo, struct todo *further)
{
	bool has_before = todo->gift;
	struct id before = has_before ? todo->gift->id : (struct id){ { 0 } };
	size_t count = 0;

	for (size_t i = first_after(p, has_before, before); i < p->gifts_count; i++) {
		const struct gift *gift = &p->gifts[i];
		uint32_t inside;

		if (gift->has_before != has_before || !id_equal(gift->before, before))
			break;
		inside = take_out(p, &todo->tree, gift->first, gift->last);
		if (inside)
			further[count++] = (struct todo){ gift, inside };
	}
	return count;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *one = a, *other = b;

	return (one->first > other->first) - (one->first < other->first);
}

static void paint(struct painting *p, struct block_map *map, const struct block *first, struct arena *arena)
{
	struct todo *todo = arena_take(arena, (p->gifts_count + 1) * sizeof *todo);
	size_t depth = 1;

	/* Each gift cuts at most twice. */
	p->spans = arena_take(arena, (2 * p->gifts_count + 2) * sizeof *p->spans);
	p->blocks = arena_take(arena, (2 * p->gifts_count + 1) * sizeof *p->blocks);
	todo[0] = (struct todo){ NULL, add_span(p, map->first, map->last) };
	while (depth) {
		struct todo next = todo[--depth];
		struct block like = *first;
		size_t further = give_on(p, &next, &todo[depth]);

		if (next.gift) {
			like = (struct block){ .has_tip = true,
					       .tip = next.gift->id,
					       .start = next.gift->start,
					       .line = next.gift->line };
		}
		keep(p, next.tree, &like);
		depth += further;
	}
	qsort(p->blocks, p->blocks_count, sizeof *p->blocks, compare_blocks);
	map->all = p->blocks;
	map->count = p->blocks_count;
}

/* False when no address is left for devices. */
static bool find_limits(const struct pool_row *pool, struct block_map *map)
{
	uint32_t base = number_of(&pool->network4.address);

	if (!(pool->has & BIT(AT_pool_network4)) || pool->network4.prefix > 30)
		return false;
	map->first = base + 2;
	map->last = base + (uint32_t)((UINT64_C(1) << (32 - pool->network4.prefix)) - 2);
	return true;
}

enum code block_map(struct store_txn *txn, const struct members *members, const struct pool_row *pool,
		    struct arena *arena, struct block_map *ret_map, struct err *err)
{
	struct block_map map = { .pool = pool->id, .first = 1 };
	struct block whole = { .start = 1 };
	struct painting painting = { 0 };
	struct block_lines lines;
	enum code code;

	block_lines_begin(&lines, members, arena);
	map.root = pool->has & BIT(AT_pool_gateway) ? block_line_of_gateway(&lines, pool->gateway, pool->maker)
						    : block_line_of(&lines, pool->maker);
	whole.line = map.root;
	if (map.root->owner == pool->maker && pool->has & BIT(AT_pool_start))
		whole.start = pool->start;
	if (!find_limits(pool, &map)) {
		*ret_map = map;
		return OK;
	}
	code = read_gifts(txn, &map, arena, &painting, err);
	if (code)
		return code;
	draw_lines(&painting, &lines);
	hang(&painting, map.root);
	paint(&painting, &map, &whole, arena);
	*ret_map = map;
	return OK;
}

const struct block *block_of(const struct block_map *map, struct address address)
{
	uint32_t number = number_of(&address);
	size_t low = 0, high = map->count;

	if (address.size != 4)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->all[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->count && map->all[low].first <= number ? &map->all[low] : NULL;
}
