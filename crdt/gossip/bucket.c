/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/bucket.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/state/index.h"

#include <inttypes.h>

void bucket_begin(struct mesh *mesh, struct link *link)
{
	/* What it said last may be old, so this is no more than a reason to ask. */
	if (relay_stands_with(mesh, link->peer))
		link_owe(mesh, link, OWED_TABLE_ASK);
}

static struct sum read_sum(struct reader *r)
{
	uint64_t low = read_big_endian(r, 8);

	return (struct sum){ low, read_big_endian(r, 8) };
}

static enum code compare_table(struct mesh *mesh, struct link *link, struct bytes table, struct err *err)
{
	struct reader r = reader_over(table);

	for (size_t i = 0; i < ROOT_BUCKETS; i++) {
		if (sum_equal(read_sum(&r), mesh->root.buckets[i]))
			continue;
		mesh->counts.root_differed++;
		mesh_alarm(mesh,
			   "member %016" PRIx64
			   " has merged the same as this one and holds another state: comparing records",
			   link->peer->node);
		link->bucket_wanted = (uint8_t)i;
		link_owe(mesh, link, OWED_BUCKET_ASK);
		recover_doubt(mesh, link);
		return OK;
	}
	return snapshot_witnessed(mesh, link->peer, err);
}

static enum code compare_records(struct mesh *mesh, struct link *link, struct reader hashes, struct err *err)
{
	struct record_hash theirs;
	enum code code = mesh_txn(mesh, err);

	while (!code && frame_next_record(&hashes, &theirs)) {
		uint8_t key[RECORD_KEY_SIZE];
		struct bytes record = { 0 };

		record_key_write(theirs.kind, theirs.id, key);
		code = store_get(mesh->txn, bytes_of(key, sizeof key), &record, err);
		if (code == E_ABSENT)
			code = OK;
		if (code || sum_equal(root_weight(&mesh->root, theirs.kind, theirs.id, record), theirs.hash))
			continue;
		mesh_alarm(mesh, "a record of kind %" PRIu32 " in bucket %d is another at member %016" PRIx64,
			   theirs.kind, theirs.id.bytes[0], link->peer->node);
		return OK;
	}
	return code;
}

enum code bucket_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	mesh->counts.bucket++;
	if (frame->kind == FRAME_BUCKET_ASK) {
		link->bucket_asked = frame->bucket_ask.number;
		link_owe(mesh, link, frame->bucket_ask.is_table ? OWED_TABLE : OWED_BUCKET);
		return OK;
	}
	if (frame->bucket.is_table)
		link->peer->sources = frame->bucket.sources;
	/* Both sides must speak of the same vector, or a difference says nothing. */
	if (!sum_equal(frame->bucket.vector, mesh->vector.sum))
		return OK;
	if (frame->bucket.is_table)
		return compare_table(mesh, link, frame->bucket.table, err);
	return compare_records(mesh, link, frame->bucket.hashes, err);
}

static void send_table(struct mesh *mesh, struct link *link)
{
	uint8_t room[ROOT_SIZE];
	struct buf buf = buf_over(room, sizeof room);

	for (size_t i = 0; i < ROOT_BUCKETS; i++) {
		buf_put_big_endian(&buf, mesh->root.buckets[i].low, 8);
		buf_put_big_endian(&buf, mesh->root.buckets[i].high, 8);
	}
	buf_clear(&mesh->frame);
	frame_put_bucket_table(&mesh->frame, mesh->vector.sum, &mesh->snapshot.sources, buf_bytes(&buf));
	link_send(mesh, link);
}

/* Puts the weights of one kind's records in the bucket. */
static enum code put_kind(struct mesh *mesh, struct link *link, uint32_t kind, struct frame_list *list, struct err *err)
{
	uint8_t key[RECORD_KEY_SIZE];
	struct bytes found, record;
	struct store_cursor *cursor;
	enum code code;

	record_key_write(kind, (struct id){ { link->bucket_asked } }, key);
	code = store_range(mesh->look, bytes_of(key, 4), bytes_of(NULL, 0), &cursor, err);
	if (code)
		return code;
	while (!(code = store_next(cursor, &found, &record, err))) {
		struct record_hash hash;

		record_key_read(found, &hash.kind, &hash.id);
		hash.hash = root_weight(&mesh->root, hash.kind, hash.id, record);
		if (sum_equal(hash.hash, (struct sum){ 0 }) || frame_put_record(list, &hash))
			continue;
		link_send(mesh, link);
		buf_clear(&mesh->frame);
		*list = frame_begin_bucket(&mesh->frame, mesh->vector.sum, link->bucket_asked, false);
		frame_put_record(list, &hash);
	}
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

/* The kind of the first record behind all of `kind`; 0: none. */
static enum code next_kind(struct mesh *mesh, uint32_t *kind, struct err *err)
{
	uint8_t key[RECORD_KEY_SIZE];
	struct bytes found, record;
	struct store_cursor *cursor;
	struct id id;
	enum code code;

	record_key_write(*kind + 1, (struct id){ { 0 } }, key);
	code = store_range(mesh->look, bytes_of(key, 1), bytes_of(key, sizeof key), &cursor, err);
	if (code)
		return code;
	code = store_next(cursor, &found, &record, err);
	if (code || !record_key_read(found, kind, &id))
		*kind = 0;
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code send_bucket(struct mesh *mesh, struct link *link, struct err *err)
{
	uint32_t kind = 0;
	struct frame_list list;
	enum code code = mesh_look(mesh, err);

	buf_clear(&mesh->frame);
	list = frame_begin_bucket(&mesh->frame, mesh->vector.sum, link->bucket_asked, false);
	if (!code)
		code = next_kind(mesh, &kind, err);
	while (!code && kind) {
		code = put_kind(mesh, link, kind, &list, err);
		if (!code)
			code = kind < MODEL_KIND_MAX ? next_kind(mesh, &kind, err) : E_ABSENT;
	}
	if (code && code != E_ABSENT)
		return code;
	if (list.count)
		link_send(mesh, link);
	buf_clear(&mesh->frame);
	frame_begin_bucket(&mesh->frame, mesh->vector.sum, link->bucket_asked, true);
	link_send(mesh, link);
	return OK;
}

enum code bucket_flush(struct mesh *mesh, struct link *link, struct err *err)
{
	if (link->owed & (OWED_TABLE_ASK | OWED_BUCKET_ASK)) {
		buf_clear(&mesh->frame);
		frame_put_bucket_ask(&mesh->frame, link->owed & OWED_TABLE_ASK, link->bucket_wanted);
		link_send(mesh, link);
	}
	if (link->owed & OWED_TABLE)
		send_table(mesh, link);
	return link->owed & OWED_BUCKET ? send_bucket(mesh, link, err) : OK;
}
