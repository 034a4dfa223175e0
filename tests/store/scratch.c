/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "crdt/base/buf.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

const struct hash_key scratch_key = { "a key of a store" };

struct scratch scratch_make(void)
{
	struct scratch scratch;
	const char *base = getenv("TMPDIR");
	char room[PATH_MAX - 128];

	assert_true((size_t)snprintf(room, sizeof room, "%s/warren.XXXXXX", base ? base : "/tmp") < sizeof room);
	assert_non_null(mkdtemp(room));
	snprintf(scratch.dir, sizeof scratch.dir, "%s/state", room);
	snprintf(scratch.file, sizeof scratch.file, "%s/state.mdb", scratch.dir);
	return scratch;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

void scratch_empty(const struct scratch *scratch)
{
	nftw(scratch->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void scratch_remove(const struct scratch *scratch)
{
	char room[PATH_MAX];

	scratch_empty(scratch);
	snprintf(room, sizeof room, "%.*s", (int)(strlen(scratch->dir) - strlen("/state")), scratch->dir);
	rmdir(room);
}

enum code scratch_try(const struct scratch *scratch, enum lmdb_mode mode, struct store **ret_store, struct err *err)
{
	struct lmdb_options options = { .mode = mode, .fresh_key = mode == LMDB_WRITER ? &scratch_key : NULL };

	return lmdb_store_open(scratch->dir, &options, ret_store, err);
}

struct store *scratch_open(const struct scratch *scratch, enum lmdb_mode mode)
{
	struct store *store = NULL;
	struct err err = { 0 };

	if (scratch_try(scratch, mode, &store, &err))
		fail_msg("the store does not open: %s", err.text);
	return store;
}

void findings_note(void *context, struct bytes key, const char *text)
{
	struct findings *findings = context;

	(void)key;
	if (!findings->count++)
		snprintf(findings->first, sizeof findings->first, "%s", text);
}

struct findings scratch_scan(struct store *store)
{
	struct findings findings = { 0 };
	struct store_txn *txn;
	struct err err = { 0 };

	if (store_snapshot(store, &txn, &err)) {
		findings_note(&findings, bytes_of(NULL, 0), err.text);
		return findings;
	}
	if (store_scan(txn, findings_note, &findings, &err) && !findings.count)
		findings_note(&findings, bytes_of(NULL, 0), err.text);
	store_end(txn);
	return findings;
}

struct findings scratch_pages(const struct scratch *scratch)
{
	struct findings findings = { 0 };
	struct err err = { 0 };
	int file = open(scratch->file, O_RDONLY | O_CLOEXEC);

	assert_true(file >= 0);
	if (store_pages_check_file(file, findings_note, &findings, &err) && !findings.count)
		findings_note(&findings, bytes_of(NULL, 0), err.text);
	close(file);
	return findings;
}

void scratch_assert_whole(const struct scratch *scratch, struct store *store)
{
	struct findings scan = scratch_scan(store), pages = scratch_pages(scratch);

	if (scan.count)
		fail_msg("the scan finds: %s", scan.first);
	if (pages.count)
		fail_msg("the check of pages finds: %s", pages.first);
}

struct bytes number_key(uint32_t number, uint8_t room[5])
{
	struct buf buf = buf_over(room, 5);

	buf_put_byte(&buf, 1);
	buf_put_big_endian(&buf, number, 4);
	return buf_bytes(&buf);
}

struct bytes number_value(uint32_t number, uint64_t version)
{
	static uint8_t room[40000];
	uint64_t mix = (version + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ number * UINT64_C(0xD1B54A32D192ED03);
	/* Mostly small, as records are, and one in eight with pages of its own. */
	size_t size = 16 + (mix >> 40) % ((mix >> 60) < 14 ? 600 : sizeof room - 16);
	struct buf buf = buf_over(room, sizeof room);

	buf_put_big_endian(&buf, version, 8);
	buf_put_big_endian(&buf, number, 8);
	for (size_t i = 16; i < size; i++)
		room[i] = (uint8_t)(mix >> (8 * (i % 7))) ^ (uint8_t)i;
	return bytes_of(room, size);
}

void put_number(struct store_txn *txn, uint32_t number, uint64_t version)
{
	uint8_t room[5];

	/* What fails is kept by the transaction, and told by its commit. */
	store_put(txn, number_key(number, room), number_value(number, version), NULL);
}

int scratch_setup(void **state)
{
	struct scratch *scratch = must_alloc(sizeof *scratch);

	*scratch = scratch_make();
	*state = scratch;
	return 0;
}

int scratch_teardown(void **state)
{
	scratch_remove(*state);
	free(*state);
	return 0;
}

void commit_one(struct store *store, uint32_t number, uint64_t version)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(store, &txn, NULL), OK);
	put_number(txn, number, version);
	assert_int_equal(store_commit(txn, NULL), OK);
}

void assert_number(struct store *store, uint32_t number, uint64_t version)
{
	struct store_txn *txn;
	struct bytes value;
	uint8_t room[5];

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	assert_int_equal(store_get(txn, number_key(number, room), &value, NULL), OK);
	assert_true(bytes_equal(value, number_value(number, version)));
	store_end(txn);
}
