/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/log/logbook.h"

#include "tests/unit/base/check.h"

#include <stdio.h>

void logbook_begin(struct logbook *book)
{
	struct signer recovery = realm_signer(9, 9), once = realm_signer(8, 8), once_more = realm_signer(7, 7);
	struct realm *realm = &book->realm;
	struct id invite;

	book->root = realm_signer(1, 1);
	book->founder = realm_signer(2, 2);
	book->guest = realm_signer(3, 3);
	realm_begin(realm, &book->root, &recovery);
	invite = realm_invite(realm, &book->root, &once, book->founder.key)->id;
	realm_admit(realm, &book->founder, &once, invite, book->founder.key);
	invite = realm_invite(realm, &book->root, &once_more, book->founder.key)->id;
	realm_admit(realm, &book->founder, &once_more, invite, book->guest.key);
	book->disk = mem_disk_new();
	assert_int_equal(mem_store_open(book->disk, &(struct hash_key){ { 7 } }, &book->store, NULL), OK);
	logbook_write(book);
	for (size_t i = 0; i < realm->count; i++)
		assert_int_equal(log_put_statement(book->txn, (uint32_t)i, realm->all[i].whole, NULL), OK);
	logbook_commit(book);
}

void logbook_end(struct logbook *book)
{
	logbook_abandon(book);
	store_close(book->store);
	mem_disk_free(book->disk);
	realm_end(&book->realm);
	arena_done(&book->realm.arena);
	arena_done(&book->arena);
}

void logbook_write(struct logbook *book)
{
	assert_int_equal(store_begin(book->store, &book->txn, NULL), OK);
}

void logbook_commit(struct logbook *book)
{
	struct store_txn *txn = book->txn;

	book->txn = NULL;
	assert_int_equal(store_commit(txn, NULL), OK);
}

void logbook_abandon(struct logbook *book)
{
	store_end(book->txn);
	book->txn = NULL;
}

struct batch logbook_batch(struct logbook *book, const struct signer *author, struct stream stream, struct end before,
			   uint32_t count, uint64_t turn)
{
	struct buf entries = buf_growing(BATCH_MAX), whole = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_group, .is_dead = true };
	struct batch batch;

	for (uint32_t i = 0; i < count; i++)
		entry_write((struct hlc){ turn + i }, NULL, &op, 1, &entries);
	batch_write(author, book->realm.cluster, stream, before, buf_bytes(&entries), count, &whole);
	assert_int_equal(batch_read(arena_copy(&book->arena, buf_bytes(&whole)), &batch, NULL), OK);
	buf_done(&entries);
	buf_done(&whole);
	return batch;
}

void logbook_put_end(struct logbook *book, struct stream stream, struct end end)
{
	struct frontier one = { stream, end };

	assert_int_equal(log_put_ends(book->txn, TABLE_VECTOR, stream, &one, end.seq != 0, NULL), OK);
}

struct findings {
	size_t count;
	char text[300];
};

static void note(void *context, struct bytes key, const char *text)
{
	struct findings *findings = context;

	assert_true(key.size > 0);
	if (!findings->count++)
		snprintf(findings->text, sizeof findings->text, "%s", text);
}

static struct findings look(struct logbook *book)
{
	struct findings findings = { 0 };
	struct store_txn *txn;
	struct err err = { 0 };
	enum code code;

	assert_int_equal(store_snapshot(book->store, &txn, NULL), OK);
	code = log_check(txn, note, &findings, &err);
	assert_int_equal(code, findings.count ? E_DAMAGED : OK);
	if (code)
		assert_string_equal(err.text, "the log is damaged");
	store_end(txn);
	return findings;
}

void logbook_expect(struct logbook *book, size_t count, const char *text)
{
	struct findings findings = look(book);

	if (!strstr(findings.text, text) || findings.count != count)
		fail_msg("%zu findings, the first: %s", findings.count, findings.text);
}

size_t logbook_findings(struct logbook *book)
{
	return look(book).count;
}
