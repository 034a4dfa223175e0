/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/desk.h"

#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

const struct id desk_cluster = { { 1, 2, 3, 4 } };

void desk_open(struct desk *desk)
{
	struct store_txn *txn;

	vector_done(&desk->vector);
	assert_int_equal(store_snapshot(desk->world.store, &txn, NULL), OK);
	assert_int_equal(log_read_vector(txn, TABLE_VECTOR, &desk->vector, NULL), OK);
	assert_int_equal(root_read(txn, desk_cluster, &desk->root, NULL), OK);
	assert_int_equal(author_open(&desk->author, &desk->signer, desk_cluster, &desk->vector, txn, NULL), OK);
	store_end(txn);
}

void desk_begin(struct desk *desk)
{
	*desk = (struct desk){ .rng = rng_from_number(1),
			       .signer = signer_from_seed((const uint8_t[32]){ 9 }),
			       .now_ms = 1000000 };
	world_start(&desk->world, 1);
	desk_open(desk);
}

void desk_end(struct desk *desk)
{
	author_done(&desk->author);
	vector_done(&desk->vector);
	changes_done(&desk->changes);
	arena_done(&desk->arena);
	world_end(&desk->world);
}

void desk_step(struct desk *desk)
{
	desk->applying = (struct applying){ .root = &desk->root, .changes = &desk->changes, .arena = &desk->arena };
	assert_int_equal(store_begin(desk->world.store, &desk->applying.txn, NULL), OK);
}

enum code desk_end_step(struct desk *desk)
{
	enum code code = author_finish(&desk->author, &desk->applying, &desk->err);

	for (size_t i = 0; !code && i < desk->author.closed_count; i++) {
		const struct batch *batch = &desk->author.closed[i];

		vector_set(&desk->vector, batch->stream, batch->end);
		code = log_put_ends(desk->applying.txn, TABLE_VECTOR, batch->stream,
				    &(struct frontier){ batch->stream, batch->end }, 1, &desk->err);
	}
	if (!code)
		code = root_put(desk->applying.txn, &desk->root, &desk->err);
	if (code)
		store_end(desk->applying.txn);
	else
		code = store_commit(desk->applying.txn, &desk->err);
	return code;
}

void desk_forget(struct desk *desk)
{
	author_forget(&desk->author, &desk->vector);
	changes_clear(&desk->changes);
	arena_reset(&desk->arena);
}

void desk_finish(struct desk *desk)
{
	if (desk_end_step(desk))
		fail_msg("%s", desk->err.text);
}

enum code desk_ask(struct desk *desk, const struct change *change, uint8_t writes, const char *action)
{
	struct judging judging = { .rng = &desk->rng, .now = { desk->now_ms }, .action = bytes_text(action) };
	struct asker asker = { .writes = writes };

	return author_ask(&desk->author, &desk->applying, &judging, &asker, change, 1, &desk->judged, &desk->place,
			  &desk->err);
}

struct bytes desk_pack(struct desk *desk, const struct kind *kind, const void *row)
{
	struct buf map = buf_growing(RECORD_MAX);
	struct bytes kept;

	pack_write(&kind->shape, row, &map);
	kept = arena_copy(&desk->arena, buf_bytes(&map));
	buf_done(&map);
	return kept;
}

enum code desk_set(struct desk *desk, size_t size)
{
	static uint8_t text[4000];
	static unsigned names;
	char name[32];
	struct setting_row row = { .has = BIT(AT_setting_name) | BIT(AT_setting_value), .value = bytes_of(text, size) };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };

	memset(text, 'z', sizeof text);
	snprintf(name, sizeof name, "name-%u", names++);
	row.name = bytes_text(name);
	change.map = desk_pack(desk, KIND_TABLE(setting), &row);
	return desk_ask(desk, &change, BY_OWNER, "setting.create");
}

void desk_must(struct desk *desk, enum code code)
{
	if (code)
		fail_msg("%s: %s", code_name(code), desk->err.text);
}

static void found_wrong(void *context, struct bytes key, const char *text)
{
	size_t *count = context;

	(void)key;
	/* There are no members here. */
	if (!strcmp(text, "this batch's signature is not that of a member"))
		return;
	print_error("%s\n", text);
	++*count;
}

void desk_check(struct desk *desk)
{
	struct store_txn *txn;
	size_t wrong = 0;

	assert_int_equal(store_snapshot(desk->world.store, &txn, NULL), OK);
	log_check(txn, found_wrong, &wrong, NULL);
	state_check(txn, found_wrong, &wrong, NULL);
	assert_int_equal(wrong, 0);
	store_end(txn);
}
