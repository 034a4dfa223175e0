/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"

#include <sodium.h>
#include <stdio.h>

enum { LIST_USUAL = 100, LIST_MOST = 1000, PLACE_MAX = 512 };

static const struct json_asked asked_new = { .by = BY_OWNER | BY_ADMIN | BY_OPERATOR, .is_whole = true };
static const struct json_asked asked_change = { .by = BY_OWNER | BY_ADMIN | BY_OPERATOR };

/* --- Finding one. */

/* A record by its id, or by the name that it alone has. */
static enum code find(struct store_txn *txn, const struct kind *kind, struct bytes text, struct arena *arena,
		      union any_row *ret_row, struct id *ret_id, struct err *err)
{
	struct id id;
	struct ids ids;

	if (hex_read(text, id.bytes, sizeof id.bytes) && !state_row(txn, kind, id, ret_row, NULL)) {
		*ret_id = id;
		return OK;
	}
	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *field = &kind->shape.fields[i];

		if (!field->is_claim || !field->is_indexed || field->is_list ||
		    ids_find(txn, kind, field, &text, arena, &ids, NULL) || !ids.count)
			continue;
		*ret_id = ids.all[0];
		return state_row(txn, kind, ids.all[0], ret_row, err);
	}
	return fail(err, E_ABSENT, "there is no such %s (any more)", kind->shape.name);
}

/* --- Reading. */

static void answer_row(struct api *api, struct call *call, const struct kind *kind, struct bytes name, int status)
{
	struct store_txn *txn;
	union any_row row;
	struct err err = { 0 };
	struct say say;
	struct id id;
	enum code code = store_snapshot(server_store(api->server), &txn, &err);

	if (!code) {
		code = find(txn, kind, name, call_arena(call), &row, &id, &err);
		if (!code) {
			say = say_new();
			json_write_row(&kind->shape, &id, &row, JSON_PUBLIC, &say.buf);
			api_answer(call, status, &say);
		}
		store_end(txn);
	}
	if (code)
		call_refuse(call, code, &err);
}

static void get(struct api *api, struct call *call, const void *what)
{
	answer_row(api, call, what, call_path(call, 0), 200);
}

void api_record_get(struct api *api, struct call *call, const struct kind *kind)
{
	api_read_after(api, call, get, kind);
}

static bool read_limit(struct call *call, size_t *ret_limit)
{
	struct err err = { 0 };
	struct bytes text;
	size_t limit = 0;

	*ret_limit = LIST_USUAL;
	if (!call_query(call, "limit", &text))
		return true;
	for (size_t i = 0; i < text.size && text.size <= 4; i++)
		limit = limit * 10 + (text.data[i] >= '0' && text.data[i] <= '9' ? text.data[i] - '0' : LIST_MOST + 1);
	*ret_limit = limit;
	if (text.size && text.size <= 4 && limit && limit <= LIST_MOST)
		return true;
	fail(&err, E_VALUE, "`limit`: must be a number from 1 to %d", LIST_MOST);
	call_refuse(call, E_VALUE, &err);
	return false;
}

static bool read_place(struct call *call, struct bytes *ret_place)
{
	uint8_t *room = arena_take(call_arena(call), PLACE_MAX);
	struct err err = { 0 };
	struct bytes text;
	size_t size = 0;

	*ret_place = bytes_of(NULL, 0);
	if (!call_query(call, "cursor", &text))
		return true;
	*ret_place = bytes_of(room, 0);
	if (!sodium_base642bin(room, PLACE_MAX, (const char *)text.data, text.size, NULL, &size, NULL,
			       sodium_base64_VARIANT_URLSAFE_NO_PADDING)) {
		ret_place->size = size;
		return true;
	}
	fail(&err, E_VALUE, "`cursor`: is not what a list's `next` said: leave it out to begin anew");
	call_refuse(call, E_VALUE, &err);
	return false;
}

static void say_next(struct say *say, struct bytes place)
{
	char text[2 * PLACE_MAX];

	sodium_bin2base64(text, sizeof text, place.data, place.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	say_text(say, "next", text);
}

/* Up to `limit` rows; *ret_next when there may be more. */
static enum code say_rows(struct say *say, struct store_txn *txn, const struct kind *kind, struct bytes from,
			  size_t limit, bool *ret_is_more, struct buf *next, struct err *err)
{
	struct state_cursor *cursor;
	union any_row row;
	uint32_t number;
	struct id id;
	size_t count = 0;
	enum code code = state_all(txn, kind->number, from, &cursor, err);

	if (code)
		return code;
	while (count < limit && !(code = state_next(cursor, &number, &id, err))) {
		buf_clear(next);
		buf_put_bytes(next, state_place(cursor));
		/* The dead, and what is invalid here, are not there for readers. */
		if (state_row(txn, kind, id, &row, NULL))
			continue;
		json_write_row(&kind->shape, &id, &row, JSON_PUBLIC, say_raw(say, NULL));
		count++;
	}
	state_find_end(cursor);
	*ret_is_more = !code;
	return code == E_ABSENT ? OK : code;
}

static void list(struct api *api, struct call *call, const void *what)
{
	const struct kind *kind = what;
	struct buf next = buf_growing(PLACE_MAX);
	struct store_txn *txn;
	struct err err = { 0 };
	struct bytes from;
	struct say say;
	size_t limit;
	bool is_more = false;
	enum code code;

	if (!read_limit(call, &limit) || !read_place(call, &from))
		return;
	code = store_snapshot(server_store(api->server), &txn, &err);
	if (code) {
		call_refuse(call, code, &err);
		return;
	}
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, kind->plural);
	code = say_rows(&say, txn, kind, from, limit, &is_more, &next, &err);
	say_list_end(&say);
	if (is_more)
		say_next(&say, buf_bytes(&next));
	else
		say_null(&say, "next");
	say_object_end(&say);
	store_end(txn);
	buf_done(&next);
	if (!code) {
		api_answer(call, 200, &say);
		return;
	}
	say_done(&say);
	call_refuse(call, code, &err);
}

void api_records_list(struct api *api, struct call *call, const struct kind *kind)
{
	api_read_after(api, call, list, kind);
}

/* --- Writing. */

struct writing {
	const struct kind *kind;
	int status;
};

static void answer_written(struct api_wait *wait, const struct reply *reply)
{
	const struct writing *writing = wait->context;
	char hex[33];

	if (!wait->call || !reply->count)
		return;
	hex_write(bytes_of(reply->ids[0].bytes, 16), hex);
	answer_row(wait->api, wait->call, writing->kind, bytes_of(hex, 32), writing->status);
}

static void ask(struct api *api, struct call *call, struct heart_wish *wish, const struct change *change,
		const struct kind *kind, int status)
{
	struct api_wait *wait = api_wait_new(api, call);
	struct writing *writing;

	wish->changes = change;
	wish->count = 1;
	if (status) {
		writing = must_alloc(sizeof *writing);
		*writing = (struct writing){ kind, status };
		wait->context = writing;
		wait->free = free;
		wait->then = answer_written;
	}
	api_wait_write(wait, wish);
}

/* "device.create": what the audit calls it. */
static const char *action_of(struct call *call, const struct kind *kind, const char *verb)
{
	char *room = arena_take(call_arena(call), 64);

	snprintf(room, 64, "%s.%s", kind->shape.name, verb);
	return room;
}

static bool read_map(struct call *call, const struct kind *kind, struct json_asked asked, struct bytes *ret_map)
{
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct err err = { 0 };
	json_t *body;
	enum code code;

	if (!api_body(call, &body))
		return false;
	code = json_read_row(&kind->shape, body, asked, &map, &err);
	json_decref(body);
	*ret_map = arena_copy(call_arena(call), buf_bytes(&map));
	buf_done(&map);
	if (code)
		call_refuse(call, code, &err);
	return !code;
}

void api_record_make(struct api *api, struct call *call, const struct kind *kind)
{
	struct change change = { .what = CHANGE_CREATE, .kind = kind->number };
	struct heart_wish wish;

	if (api_is_member(api, call) && api_wish(call, action_of(call, kind, "create"), &wish) &&
	    read_map(call, kind, asked_new, &change.map))
		ask(api, call, &wish, &change, kind, 201);
}

static bool find_id(struct api *api, struct call *call, const struct kind *kind, struct id *ret_id)
{
	struct store_txn *txn;
	struct err err = { 0 };
	union any_row row;
	enum code code = store_snapshot(server_store(api->server), &txn, &err);

	if (!code) {
		code = find(txn, kind, call_path(call, 0), call_arena(call), &row, ret_id, &err);
		store_end(txn);
	}
	if (code)
		call_refuse(call, code, &err);
	return !code;
}

void api_record_set(struct api *api, struct call *call, const struct kind *kind)
{
	struct change change = { .what = CHANGE_SET, .kind = kind->number };
	struct heart_wish wish;

	if (api_is_member(api, call) && api_wish(call, action_of(call, kind, "set"), &wish) &&
	    find_id(api, call, kind, &change.id) && read_map(call, kind, asked_change, &change.map))
		ask(api, call, &wish, &change, kind, 200);
}

void api_record_remove(struct api *api, struct call *call, const struct kind *kind)
{
	struct change change = { .what = CHANGE_REMOVE, .kind = kind->number };
	struct heart_wish wish;

	if (api_is_member(api, call) && api_wish(call, action_of(call, kind, "remove"), &wish) &&
	    find_id(api, call, kind, &change.id))
		ask(api, call, &wish, &change, kind, 0);
}
