/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store_pages_inside.h"

#include "agent/store.h"
#include "agent/store_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SAID_MAX = 100,
	FORMAT = 1,
	PAGE_SIZE_MIN = 512,
	FREE_FLAGS = 0x4008, /* whole numbers as keys; a file rather than a directory */
};

static const uint32_t magic = 0xBEEFC0DE;
static const uint8_t ledger_key[] = { 0, 'l' };

_Static_assert(sizeof(struct page_header) == PAGE_HEADER_SIZE, "as on the disk");
_Static_assert(sizeof(struct head) == 136, "as on the disk");

void pages_say(struct pages *pages, const char *format, ...)
{
	char text[256];
	va_list args;

	if (pages->said > SAID_MAX || pages->failure)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (pages->said++ == SAID_MAX)
		snprintf(text, sizeof text, "there is more damage than is listed here");
	pages->found(pages->context, bytes_of(NULL, 0), text);
}

/* False with *ret_failure 0: the file ends before. */
static bool read_at(int file, void *room, size_t size, uint64_t offset, int *ret_failure)
{
	uint8_t *at = room;

	while (size) {
		ssize_t got = pread(file, at, size, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			*ret_failure = got ? errno : 0;
			return false;
		}
		at += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return true;
}

bool pages_read_part(struct pages *pages, uint64_t number, size_t offset, void *room, size_t size)
{
	int failure = 0;

	if (number < pages->file_count &&
	    read_at(pages->file, room, size, number * pages->page_size + offset, &failure))
		return true;
	if (failure && !pages->failure) {
		pages->failure = failure;
		pages->failed_page = number;
	}
	pages_say(pages, "page %" PRIu64 ": it cannot be read, the file has %" PRIu64 " pages", number,
		  pages->file_count);
	return false;
}

bool pages_read(struct pages *pages, uint64_t number, uint8_t *room)
{
	return pages_read_part(pages, number, 0, room, pages->page_size);
}

bool pages_claim(struct pages *pages, uint64_t first, uint64_t count, enum page_owner owner, uint64_t from)
{
	if (first >= pages->count || count > pages->count - first) {
		pages_say(pages, "page %" PRIu64 ": it refers to page %" PRIu64 ", of %" PRIu64 " that there are", from,
			  first, pages->count);
		return false;
	}
	for (uint64_t i = first; i < first + count; i++) {
		if (pages->owners[i] != OWNER_NONE) {
			pages_say(pages, "page %" PRIu64 ": it claims page %" PRIu64 ", which is already %s", from, i,
				  pages->owners[i] == OWNER_FREE   ? "free"
				  : pages->owners[i] == OWNER_HEAD ? "a head of the file"
								   : "in use");
			return false;
		}
		pages->owners[i] = (uint8_t)owner;
	}
	return true;
}

static bool is_tree(const struct tree_head *tree)
{
	return (tree->root == NO_PAGE) == !tree->depth && tree->depth <= DEPTH_MAX;
}

/*
 * The last pages may be free ones that were never written, and so behind the end of the file. But as each of them
 * is listed as free in the file, they are no more than the numbers that have room in it.
 */
static bool is_too_large(const struct pages *pages, const struct head *head)
{
	uint64_t most = pages->file_count + pages->file_count * pages->page_size / sizeof(uint64_t);

	return head->last_page >= LMDB_MAP_SIZE / pages->page_size || head->map_size > LMDB_MAP_SIZE ||
	       head->last_page >= head->map_size / pages->page_size || head->last_page >= most;
}

/* One head by itself. False when nothing can be built on it. */
static bool check_head(struct pages *pages, const uint8_t *page, unsigned slot, struct head *ret_head)
{
	struct page_header header;
	struct head head;

	memcpy(&header, page, sizeof header);
	memcpy(&head, page + PAGE_HEADER_SIZE, sizeof head);
	if (header.number != slot || header.kind != PAGE_HEAD || header.pad || header.run)
		pages_say(pages, "page %u: it does not begin as a head of the file does", slot);
	else if (head.magic != magic)
		pages_say(pages, "page %u: its mark is not LMDB's", slot);
	else if (head.version != FORMAT)
		pages_say(pages, "page %u: its format is %" PRIu32 ", not %d", slot, head.version, FORMAT);
	else if (head.free.pad != pages->page_size)
		pages_say(pages, "page %u: it gives %" PRIu32 " for the size of a page, not %zu", slot, head.free.pad,
			  pages->page_size);
	else if (head.free.flags != FREE_FLAGS || head.main.flags || head.main.pad || head.address)
		pages_say(pages, "page %u: its flags are not those of a store", slot);
	else if (head.last_page < 1 || is_too_large(pages, &head))
		pages_say(pages, "page %u: it counts %" PRIu64 " pages, more than can be", slot, head.last_page);
	else if (!is_tree(&head.free) || !is_tree(&head.main))
		pages_say(pages, "page %u: a tree of its has an impossible depth", slot);
	else if ((slot & 1) != (head.number & 1) && head.number)
		pages_say(pages, "page %u: it is of commit %" PRIu64 ", which belongs into the other head", slot,
			  head.number);
	else {
		*ret_head = head;
		return true;
	}
	return false;
}

/* Each commit overwrites the older head, so the two are always one commit apart, but in a file without any. */
static bool check_sequence(struct pages *pages, const struct head heads[2])
{
	uint64_t apart = heads[0].number > heads[1].number ? heads[0].number - heads[1].number
							   : heads[1].number - heads[0].number;

	if (apart == 1 || !(heads[0].number | heads[1].number))
		return true;
	pages_say(pages,
		  "pages 0 and 1: commits %" PRIu64 " and %" PRIu64 " do not follow one another: one was changed",
		  heads[0].number, heads[1].number);
	return false;
}

/* The ledger's number in a leaf. */
static bool ledger_in(const uint8_t *page, uint64_t *ret_number)
{
	for (size_t i = 0; i < page_node_count(page); i++) {
		struct node node = page_node(page, i);
		struct reader r = reader_over(bytes_of(node.value, node.size));

		if (!bytes_equal(node.key, bytes_of(ledger_key, sizeof ledger_key)))
			continue;
		*ret_number = read_big_endian(&r, 8);
		return !r.is_short && !(node.flags & NODE_IS_LARGE);
	}
	return false;
}

/* Goes down the left edge of a tree; its leaf is in `room` then. */
static bool find_first_leaf(struct pages *pages, const struct tree_head *tree, uint8_t *room)
{
	uint64_t number = tree->root;

	for (unsigned level = 1; level < tree->depth && level < DEPTH_MAX; level++) {
		if (!pages_read(pages, number, room) || !pages_check_page(pages, room, number, PAGE_BRANCH))
			return false;
		number = page_node(room, 0).child;
	}
	return pages_read(pages, number, room) && pages_check_page(pages, room, number, PAGE_LEAF);
}

/*
 * LMDB goes by the larger commit number alone: a bit lost in it makes the older head the newest, and the last commit
 * is gone without a trace in the tree. Through its own head it is still there, under its own number. The older head's
 * trees are whole too, for a commit only overwrites pages that neither head uses; so their beginnings must be there.
 */
static void check_ledger(struct pages *pages, const struct head *head, unsigned slot)
{
	uint8_t *room;
	uint64_t number;

	/* Before the first commit there is none. */
	if (!head->number && head->main.root == NO_PAGE)
		return;
	room = must_alloc(pages->page_size);
	/* The ledger is in the leftmost leaf: no key but the store's header comes before. */
	if (!find_first_leaf(pages, &head->main, room) || !ledger_in(room, &number))
		pages_say(pages, "page %u: no ledger is found from this head, of commit %" PRIu64, slot, head->number);
	else if (number != head->number)
		pages_say(pages,
			  "page %u: this head is of commit %" PRIu64 ", the ledger below it of commit %" PRIu64
			  ": a commit was taken back, or never ended because the disk failed",
			  slot, head->number, number);
	if (head->free.root != NO_PAGE && !find_first_leaf(pages, &head->free, room))
		pages_say(pages, "page %u: no list of free pages is found from this head", slot);
	free(room);
}

static void check_coverage(struct pages *pages)
{
	for (uint64_t i = 0, from; i < pages->count; i++) {
		if (pages->owners[i] != OWNER_NONE)
			continue;
		for (from = i; i + 1 < pages->count && pages->owners[i + 1] == OWNER_NONE; i++)
			;
		pages_say(pages, "pages %" PRIu64 " to %" PRIu64 ": neither in use nor free", from, i);
	}
}

static void check_trees(struct pages *pages, const struct head *newest)
{
	pages->count = newest->last_page + 1;
	pages->newest = newest->number;
	pages->owners = must_alloc(pages->count);
	pages->owners[0] = pages->owners[1] = OWNER_HEAD;
	pages_check_tree(pages, &newest->main, false);
	pages_check_tree(pages, &newest->free, true);
	/* After other damage what is missing below it would only be listed once more. */
	if (!pages->said)
		check_coverage(pages);
}

/* Both heads; false when nothing can be built on them. */
static bool read_heads(struct pages *pages, struct head heads[2])
{
	uint8_t *room = must_alloc(pages->page_size);
	bool is_sound = true;

	for (unsigned i = 0; i < 2; i++)
		is_sound = pages_read(pages, i, room) && check_head(pages, room, i, &heads[i]) && is_sound;
	free(room);
	return is_sound && check_sequence(pages, heads);
}

static void check_all(struct pages *pages)
{
	struct head heads[2];

	if (!read_heads(pages, heads))
		return;
	pages->taken = must_alloc(pages->page_size / 2);
	check_trees(pages, &heads[heads[1].number > heads[0].number]);
	for (unsigned i = 0; i < 2; i++)
		check_ledger(pages, &heads[i], i);
}

/* The first head tells the size of a page, and so where the second one is. */
static bool find_page_size(struct pages *pages, uint64_t size)
{
	struct head head;

	if (size < PAGE_HEADER_SIZE + sizeof head ||
	    !read_at(pages->file, &head, sizeof head, PAGE_HEADER_SIZE, &pages->failure)) {
		pages_say(pages, "page 0: it cannot be read, the file has %" PRIu64 " bytes", size);
		return false;
	}
	pages->page_size = head.free.pad;
	if (head.magic != magic && (head.free.pad < PAGE_SIZE_MIN || head.free.pad > PAGE_SIZE_MAX)) {
		pages_say(pages, "page 0: either this is no Warren state at all, or its beginning was overwritten");
		return false;
	}
	if (head.free.pad < PAGE_SIZE_MIN || head.free.pad > PAGE_SIZE_MAX || (head.free.pad & (head.free.pad - 1))) {
		pages_say(pages, "page 0: it gives %" PRIu32 " for the size of a page", head.free.pad);
		return false;
	}
	pages->file_count = size / pages->page_size;
	return true;
}

/* Whether a file is LMDB's, of a format that came later: both heads say so, as one changed bit could not. */
static bool is_newer(int file)
{
	struct head heads[2];
	int failure;

	/* What cannot be read here, the check itself cannot read either, and says so. */
	if (!read_at(file, &heads[0], sizeof heads[0], PAGE_HEADER_SIZE, &failure) ||
	    heads[0].free.pad > PAGE_SIZE_MAX ||
	    !read_at(file, &heads[1], sizeof heads[1], heads[0].free.pad + PAGE_HEADER_SIZE, &failure))
		return false;
	return heads[0].magic == magic && heads[1].magic == magic && heads[0].version > FORMAT &&
	       heads[0].version == heads[1].version;
}

static enum code disk_failed(const struct pages *pages, struct err *err)
{
	return fail(err, E_IO, "cannot read page %" PRIu64 " of %s: %s: check the disk", pages->failed_page, STORE_FILE,
		    strerror(pages->failure));
}

static enum code newer(struct err *err)
{
	return fail(err, E_NEWER, "%s has a format of a newer version: install the one that wrote it again",
		    STORE_FILE);
}

enum code store_pages_check_file(int file, store_found *found, void *context, struct err *err)
{
	struct pages pages = { .file = file, .found = found, .context = context };
	struct stat st;

	if (fstat(file, &st))
		return fail(err, E_IO, "cannot examine %s: %s: check the disk", STORE_FILE, strerror(errno));
	if (is_newer(file))
		return newer(err);
	if (find_page_size(&pages, (uint64_t)st.st_size))
		check_all(&pages);
	free(pages.owners);
	free(pages.taken);
	if (pages.failure)
		return disk_failed(&pages, err);
	return pages.said ? fail(err, E_DAMAGED, "%s: its structure is damaged: restore it, or join anew", STORE_FILE)
			  : OK;
}

static void keep_first(void *context, struct bytes key, const char *text)
{
	struct err *err = context;

	(void)key;
	if (!err->text[0])
		snprintf(err->text, sizeof err->text, "%s", text);
}

enum code store_pages_check_heads(int file, struct err *err)
{
	struct err first = { 0 };
	struct pages pages = { .file = file, .found = keep_first, .context = &first };
	struct head heads[2];
	struct stat st;

	if (fstat(file, &st))
		return fail(err, E_IO, "cannot examine %s: %s: check the disk", STORE_FILE, strerror(errno));
	if (is_newer(file))
		return newer(err);
	if (find_page_size(&pages, (uint64_t)st.st_size) && read_heads(&pages, heads))
		return OK;
	if (pages.failure)
		return disk_failed(&pages, err);
	return fail(err, E_DAMAGED, "%s is damaged (%s): restore it, or join anew", STORE_FILE, first.text);
}

enum code store_pages_check(const char *state_dir, store_found *found, void *context, struct err *err)
{
	struct store_files files;
	enum code code = store_files_open(state_dir, false, &files, err);

	if (code)
		return code;
	if (files.file < 0)
		code = fail(err, E_ABSENT, "there is no Warren state in %s: check the path", state_dir);
	else
		code = store_pages_check_file(files.file, found, context, err);
	store_files_close(&files);
	return code;
}
