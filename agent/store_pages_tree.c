/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store_pages_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { FREE_KEY_SIZE = 8, VALUE_MAX = STORE_VALUE_MAX + 64 };

/* One tree on its walk from left to right. */
struct walk {
	struct pages *pages;
	const struct tree_head *head;
	bool is_free_list, is_broken; /* broken: what follows in order is not known any more */
	uint8_t *rooms;               /* a page for each level */
	uint64_t branches, leaves, large_pages, entries;
	uint8_t last[STORE_KEY_MAX], floor[STORE_KEY_MAX]; /* the last key; what the next must not be below */
	size_t last_size, floor_size;
};

static struct page_header header_of(const uint8_t *page)
{
	struct page_header header;

	memcpy(&header, page, sizeof header);
	return header;
}

size_t page_node_count(const uint8_t *page)
{
	return (header_of(page).lower - (size_t)PAGE_HEADER_SIZE) / 2;
}

static size_t node_offset(const uint8_t *page, size_t index)
{
	uint16_t offset;

	memcpy(&offset, page + PAGE_HEADER_SIZE + 2 * index, sizeof offset);
	return offset;
}

/* Its header must lie in the page; whether the rest does is for the caller to ask. */
static struct node node_at(const uint8_t *page, size_t offset)
{
	uint16_t parts[4];
	struct node node;

	memcpy(parts, page + offset, sizeof parts);
	node.size = parts[0] | (uint32_t)parts[1] << 16;
	node.flags = parts[2];
	node.child = node.size | (uint64_t)parts[2] << 32;
	node.key = bytes_of(page + offset + NODE_HEADER_SIZE, parts[3]);
	node.value = node.key.data + parts[3];
	return node;
}

struct node page_node(const uint8_t *page, size_t index)
{
	return node_at(page, node_offset(page, index));
}

static size_t node_size(const struct node *node, bool is_leaf)
{
	size_t value = !is_leaf ? 0 : node->flags & NODE_IS_LARGE ? 8 : node->size;

	return (NODE_HEADER_SIZE + node->key.size + value + 1) & ~(size_t)1;
}

/* Marks a node's bytes; false when it does not lie whole behind `upper`, or on another. */
static bool place_node(const struct pages *pages, const uint8_t *page, size_t index, size_t *used)
{
	struct page_header header = header_of(page);
	size_t offset = node_offset(page, index), size;
	struct node node;

	if (offset < header.upper || (offset & 1) || offset + NODE_HEADER_SIZE > pages->page_size)
		return false;
	node = node_at(page, offset);
	size = node_size(&node, header.kind == PAGE_LEAF);
	if (size > pages->page_size - offset)
		return false;
	if (header.kind == PAGE_LEAF && (node.flags & ~NODE_IS_LARGE))
		return false;
	for (size_t i = offset / 2; i < (offset + size) / 2; i++) {
		if (pages->taken[i])
			return false;
		pages->taken[i] = 1;
	}
	*used += size;
	return true;
}

static bool check_nodes(struct pages *pages, const uint8_t *page, uint64_t number)
{
	size_t used = 0;

	memset(pages->taken, 0, pages->page_size / 2);
	for (size_t i = 0; i < page_node_count(page); i++) {
		if (place_node(pages, page, i, &used))
			continue;
		pages_say(pages, "page %" PRIu64 ": its node %zu does not lie where a node can", number, i);
		return false;
	}
	if (used == pages->page_size - header_of(page).upper)
		return true;
	pages_say(pages, "page %" PRIu64 ": its nodes do not fill the space that is theirs", number);
	return false;
}

bool pages_check_page(struct pages *pages, const uint8_t *page, uint64_t number, enum page_kind kind)
{
	struct page_header header = header_of(page);
	size_t least = kind == PAGE_BRANCH ? 2 : 1;

	if (header.number != number)
		pages_say(pages, "page %" PRIu64 ": it says that it is page %" PRIu64, number, header.number);
	else if (header.kind != kind || header.pad)
		pages_say(pages, "page %" PRIu64 ": it is not the kind of page that belongs here", number);
	else if (header.lower < PAGE_HEADER_SIZE + 2 * least || (header.lower & 1) || header.lower > header.upper ||
		 header.upper > pages->page_size)
		pages_say(pages, "page %" PRIu64 ": its free space has no possible bounds", number);
	else
		return check_nodes(pages, page, number);
	return false;
}

static int compare(const struct walk *walk, struct bytes a, struct bytes b)
{
	uint64_t x, y;

	if (!walk->is_free_list)
		return bytes_compare(a, b);
	memcpy(&x, a.data, sizeof x);
	memcpy(&y, b.data, sizeof y);
	return (x > y) - (x < y);
}

static bool check_key_size(struct walk *walk, struct bytes key, uint64_t number, size_t index)
{
	if (walk->is_free_list ? key.size == FREE_KEY_SIZE : key.size >= 1 && key.size <= STORE_KEY_MAX)
		return true;
	pages_say(walk->pages, "page %" PRIu64 ": the key of its node %zu has an impossible size", number, index);
	walk->is_broken = true;
	return false;
}

/* A key is above all before it; an entry's also not below the branch that led to it. */
static void check_order(struct walk *walk, struct bytes key, uint64_t number, size_t index)
{
	bool is_above = !walk->last_size || compare(walk, key, bytes_of(walk->last, walk->last_size)) > 0;
	bool is_below = walk->floor_size && compare(walk, key, bytes_of(walk->floor, walk->floor_size)) < 0;

	if ((is_above && !is_below) || walk->is_broken)
		return;
	pages_say(walk->pages, "page %" PRIu64 ": the key of its node %zu is out of order", number, index);
	walk->is_broken = true;
}

static void keep(uint8_t *room, size_t *size, struct bytes key)
{
	memcpy(room, key.data, key.size);
	*size = key.size;
}

/* The run of a large value: its first page says how long it is. False when it cannot be believed. */
static bool check_run(struct walk *walk, const struct node *node, uint64_t number, uint64_t *ret_first)
{
	struct pages *pages = walk->pages;
	uint64_t first, need = (PAGE_HEADER_SIZE - 1 + (uint64_t)node->size) / pages->page_size + 1;
	struct page_header header;
	uint8_t *room = walk->rooms + (DEPTH_MAX * pages->page_size);

	memcpy(&first, node->value, sizeof first);
	if (first >= pages->count) {
		pages_say(pages, "page %" PRIu64 ": it refers to page %" PRIu64 ", of %" PRIu64 " that there are",
			  number, first, pages->count);
		return false;
	}
	if (!pages_read(pages, first, room))
		return false;
	header = header_of(room);
	if (header.number != first || header.kind != PAGE_OVERFLOW || header.pad || header.run < need ||
	    first + need > pages->file_count) {
		pages_say(pages, "page %" PRIu64 ": it does not begin a large value as page %" PRIu64 " has it", first,
			  number);
		return false;
	}
	walk->large_pages += header.run;
	*ret_first = first;
	return pages_claim(pages, first, header.run, OWNER_USED, number);
}

/* Free pages of one commit: how many, then their numbers from the last to the first. */
static void check_free(struct walk *walk, const uint8_t *list, size_t size, uint64_t number)
{
	uint64_t count = 0, page, last = UINT64_MAX;

	if (size >= 8)
		memcpy(&count, list, 8);
	if (size < 8 || size % 8 || count > size / 8 - 1) {
		pages_say(walk->pages, "page %" PRIu64 ": a list of free pages has an impossible size", number);
		return;
	}
	for (uint64_t i = 1; i <= count; i++, last = page) {
		memcpy(&page, list + 8 * i, sizeof page);
		if (page >= last) {
			pages_say(walk->pages, "page %" PRIu64 ": a list of free pages is out of order", number);
			return;
		}
		if (!pages_claim(walk->pages, page, 1, OWNER_FREE, number))
			return;
	}
}

static void check_large_free(struct walk *walk, const struct node *node, uint64_t first, uint64_t number)
{
	struct pages *pages = walk->pages;
	uint8_t *list = must_alloc(node->size);

	if (pages_read_part(pages, first, PAGE_HEADER_SIZE, list, node->size))
		check_free(walk, list, node->size, number);
	free(list);
}

static void check_entry(struct walk *walk, const struct node *node, uint64_t number, size_t index)
{
	uint64_t first = 0, commit;
	bool is_large = node->flags & NODE_IS_LARGE;

	walk->entries++;
	if (!check_key_size(walk, node->key, number, index))
		return;
	check_order(walk, node->key, number, index);
	keep(walk->last, &walk->last_size, node->key);
	if (is_large && !check_run(walk, node, number, &first))
		return;
	if (!walk->is_free_list) {
		if (node->size > VALUE_MAX)
			pages_say(walk->pages, "page %" PRIu64 ": the value of its node %zu is too large", number,
				  index);
		return;
	}
	memcpy(&commit, node->key.data, sizeof commit);
	if (!commit || commit > walk->pages->newest)
		pages_say(walk->pages, "page %" PRIu64 ": it has free pages of commit %" PRIu64 ", which is not yet",
			  number, commit);
	if (is_large)
		check_large_free(walk, node, first, number);
	else
		check_free(walk, node->value, node->size, number);
}

static void walk_page(struct walk *walk, uint64_t number, unsigned level, uint64_t from);

static void walk_branch(struct walk *walk, const uint8_t *page, uint64_t number, unsigned level)
{
	walk->branches++;
	for (size_t i = 0; i < page_node_count(page); i++) {
		struct node node = page_node(page, i);

		/* The first key of a branch stands for "all below the second" and is not looked at. */
		if (i && check_key_size(walk, node.key, number, i)) {
			check_order(walk, node.key, number, i);
			keep(walk->floor, &walk->floor_size, node.key);
		}
		walk_page(walk, node.child, level + 1, number);
	}
}

/* As deep as the head says, and never deeper than LMDB goes. */
static void walk_page(struct walk *walk, uint64_t number, unsigned level, uint64_t from)
{
	struct pages *pages = walk->pages;
	bool is_leaf = level + 1 == walk->head->depth;
	uint8_t *page = walk->rooms + level * pages->page_size;

	if (!pages_claim(pages, number, 1, OWNER_USED, from) || !pages_read(pages, number, page) ||
	    !pages_check_page(pages, page, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH)) {
		walk->is_broken = true;
		return;
	}
	if (!is_leaf) {
		walk_branch(walk, page, number, level);
		return;
	}
	walk->leaves++;
	for (size_t i = 0; i < page_node_count(page); i++) {
		struct node node = page_node(page, i);

		check_entry(walk, &node, number, i);
	}
}

static void check_counts(struct walk *walk, const char *name)
{
	const struct {
		const char *what;
		uint64_t is, should;
	} counts[] = {
		{ "branches", walk->branches, walk->head->branches },
		{ "leaves", walk->leaves, walk->head->leaves },
		{ "pages of large values", walk->large_pages, walk->head->large_pages },
		{ "entries", walk->entries, walk->head->entries },
	};

	for (size_t i = 0; i < COUNT(counts); i++)
		if (counts[i].is != counts[i].should)
			pages_say(walk->pages, "the tree of %s: %" PRIu64 " %s where its head counts %" PRIu64, name,
				  counts[i].is, counts[i].what, counts[i].should);
}

void pages_check_tree(struct pages *pages, const struct tree_head *head, bool is_free_list)
{
	const char *name = is_free_list ? "free pages" : "entries";
	struct walk walk = { .pages = pages, .head = head, .is_free_list = is_free_list };

	if (head->depth) {
		/* And one for the beginning of a large value. */
		walk.rooms = must_alloc((DEPTH_MAX + 1) * pages->page_size);
		walk_page(&walk, head->root, 0, 0);
		free(walk.rooms);
	}
	check_counts(&walk, name);
}
