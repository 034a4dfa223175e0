/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"

#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX = 64 * 1024, COPIES_MAX = 16, KEY_MAX = 255 };

void api_answer(struct call *call, int status, struct say *say)
{
	call_answer(call, status, buf_bytes(&say->buf));
	say_done(say);
}

bool api_is_member(struct api *api, struct call *call)
{
	struct err err = { 0 };

	switch (server_state(api->server)) {
	case SERVER_MEMBER: return true;
	case SERVER_EVICTED:
		fail(&err, E_DENIED,
		     "this server was evicted from its cluster: stop warrend, move %s away, and join anew",
		     server_state_dir(api->server));
		call_refuse(call, E_DENIED, &err);
		return false;
	case SERVER_NEW:
		fail(&err, E_BUSY,
		     "this server belongs to no cluster yet: `wgctl cluster init --name NAME` makes one, `wgctl node "
		     "join TOKEN` joins one");
		break;
	case SERVER_JOINING: fail(&err, E_BUSY, "this server is still joining its cluster: try again"); break;
	}
	call_refuse(call, E_BUSY, &err);
	return false;
}

/* --- Bodies. */

bool api_body(struct call *call, json_t **ret_object)
{
	struct err err = { 0 };
	json_t *object;
	enum code code = json_open(call_body(call), BODY_MAX, &object, &err);

	if (!code && !json_is_object(object)) {
		json_decref(object);
		code = fail(&err, E_FORM, "the body must be a JSON object, such as {\"name\": \"…\"}");
	}
	if (code) {
		call_refuse(call, code, &err);
		return false;
	}
	*ret_object = object;
	return true;
}

bool api_text(struct call *call, json_t *object, const char *name, bool is_required, struct bytes *ret_text)
{
	json_t *value = json_object_get(object, name);
	struct err err = { 0 };

	*ret_text = bytes_of(NULL, 0);
	if (value && json_is_string(value)) {
		*ret_text = bytes_of(json_string_value(value), json_string_length(value));
		return true;
	}
	if (!is_required && (!value || json_is_null(value)))
		return true;
	fail(&err, E_VALUE, "`%s`: %s", name, value ? "must be a text" : "is missing: give it");
	call_refuse(call, E_VALUE, &err);
	return false;
}

bool api_only(struct call *call, json_t *object, const char *const *names)
{
	struct err err = { 0 };

	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		const char *const *name = names;

		while (*name && strcmp(*name, json_object_iter_key(at)))
			name++;
		if (*name)
			continue;
		fail(&err, E_VALUE, "`%.60s`: there is no such field here: leave it out", json_object_iter_key(at));
		text_make_printable(err.text);
		call_refuse(call, E_VALUE, &err);
		return false;
	}
	return true;
}

/* --- Waiting for the heart. */

static void wait_gone(void *context)
{
	struct api_wait *wait = context;

	wait->call = NULL;
}

struct api_wait *api_wait_new(struct api *api, struct call *call)
{
	struct api_wait *wait = must_alloc(sizeof *wait);

	*wait = (struct api_wait){ .api = api, .call = call };
	call_later(call, wait_gone, wait);
	return wait;
}

static void set_token(struct call *call, struct bytes token)
{
	char text[2 * TOKEN_MAX + 1];

	if (!token.size || token.size > TOKEN_MAX)
		return;
	sodium_bin2base64(text, sizeof text, token.data, token.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	call_set_header(call, "Warren-After", text);
}

static void on_reply(void *context, const struct reply *reply)
{
	struct api_wait *wait = context;
	struct err err = { 0 };

	if (reply->code && wait->call) {
		snprintf(err.text, sizeof err.text, "%s", reply->text ? reply->text : code_text(reply->code));
		call_refuse(wait->call, reply->code, &err);
	} else if (!reply->code) {
		if (wait->call)
			set_token(wait->call, reply->token);
		if (wait->then) {
			uint64_t number = wait->number;

			wait->then(wait, reply);
			/* It asked again. */
			if (wait->number != number)
				return;
		} else if (wait->call) {
			call_answer_empty(wait->call);
		}
	}
	api_wait_drop(wait);
}

void api_wait_write(struct api_wait *wait, const struct heart_wish *wish)
{
	wait->number = server_write(wait->api->server, wish, on_reply, wait);
}

void api_wait_bring(struct api_wait *wait, const struct bytes *statements, size_t count)
{
	wait->number = server_bring(wait->api->server, statements, count, on_reply, wait);
}

void api_wait_drop(struct api_wait *wait)
{
	if (wait->free)
		wait->free(wait->context);
	free(wait);
}

struct asker api_asker(void)
{
	return (struct asker){ .writes = BY_OWNER | BY_ADMIN | BY_OPERATOR };
}

static bool refuse_wish(struct call *call, const char *text)
{
	struct err err = { 0 };

	fail(&err, E_VALUE, "%s", text);
	call_refuse(call, E_VALUE, &err);
	return false;
}

bool api_wish(struct call *call, const char *action, struct heart_wish *ret_wish)
{
	struct heart_wish wish = { .asker = api_asker(), .action = bytes_text(action) };
	struct bytes text;

	if (call_header(call, "idempotency-key", &text)) {
		if (!text.size || text.size > KEY_MAX)
			return refuse_wish(call, "`Idempotency-Key`: must have 1 to 255 characters");
		/* One route's key is no other's. */
		struct buf key = buf_growing(KEY_MAX + 64);

		buf_put_text(&key, action);
		buf_put_byte(&key, 0);
		buf_put_bytes(&key, text);
		wish.idempotency = arena_copy(call_arena(call), buf_bytes(&key));
		buf_done(&key);
	}
	if (call_query(call, "replicas", &text)) {
		for (size_t i = 0; i < text.size && text.size <= 2; i++)
			wish.copies = wish.copies * 10 +
				      (uint32_t)(text.data[i] >= '0' && text.data[i] <= '9' ? text.data[i] - '0' : 100);
		if (!text.size || text.size > 2 || wish.copies > COPIES_MAX)
			return refuse_wish(call, "`replicas`: must be a number from 0 to 16");
	}
	*ret_wish = wish;
	return true;
}

/* --- Reading no less than a token says. */

struct reading {
	api_read *read;
	const void *what;
};

static void read_on(struct api_wait *wait, const struct reply *reply)
{
	const struct reading *reading = wait->context;

	if (!wait->call)
		return;
	if (reply->is_behind)
		call_set_header(wait->call, "Warren-Behind", "1");
	if (reply->is_lost)
		call_set_header(wait->call, "Warren-Lost", "1");
	reading->read(wait->api, wait->call, reading->what);
}

static bool read_token(struct call *call, struct bytes text, struct bytes *ret_token)
{
	uint8_t *room = arena_take(call_arena(call), TOKEN_MAX);
	struct err err = { 0 };
	size_t size;

	if (!sodium_base642bin(room, TOKEN_MAX, (const char *)text.data, text.size, NULL, &size, NULL,
			       sodium_base64_VARIANT_URLSAFE_NO_PADDING)) {
		*ret_token = bytes_of(room, size);
		return true;
	}
	fail(&err, E_FORM, "`Warren-Token`: is not what a `Warren-After` said: leave it out");
	call_refuse(call, E_FORM, &err);
	return false;
}

void api_read_after(struct api *api, struct call *call, api_read *read, const void *what)
{
	struct bytes text, token, strict;
	struct reading *reading;
	struct api_wait *wait;

	if (!api_is_member(api, call))
		return;
	if (!call_header(call, "warren-token", &text)) {
		read(api, call, what);
		return;
	}
	if (!read_token(call, text, &token))
		return;
	reading = must_alloc(sizeof *reading);
	*reading = (struct reading){ read, what };
	wait = api_wait_new(api, call);
	wait->context = reading;
	wait->free = free;
	wait->then = read_on;
	wait->number = server_await(api->server, token,
				    call_header(call, "warren-strict", &strict) && bytes_equal(strict, bytes_text("1")),
				    on_reply, wait);
}

/* --- Looking things up. */

bool api_view(struct api *api, struct call *call, struct api_view *ret_view)
{
	struct api_view view = { 0 };
	struct err err = { 0 };
	enum code code = store_snapshot(server_store(api->server), &view.txn, &err);

	if (!code)
		code = realm_read(view.txn, server_identity(api->server)->cluster, call_arena(call), &view.realm, &err);
	if (code) {
		store_end(view.txn);
		call_refuse(call, code, &err);
		return false;
	}
	*ret_view = view;
	return true;
}

void api_view_done(struct api_view *view)
{
	realm_done(&view->realm);
	store_end(view->txn);
}

struct bytes api_cluster_name(const struct api_view *view)
{
	struct cluster_row row;

	for (size_t i = 0; i < view->realm.count; i++)
		if (view->realm.all[i].kind == KIND_cluster &&
		    !pack_read(&KIND_TABLE(cluster)->shape, view->realm.all[i].map, true, &row, NULL))
			return row.name;
	return bytes_of(NULL, 0);
}

struct bytes api_gateway_name(struct store_txn *txn, struct id gateway)
{
	struct gateway_row row;

	if (state_row(txn, KIND_TABLE(gateway), gateway, &row, NULL))
		return bytes_of(NULL, 0);
	return row.name;
}

bool api_find_gateway(struct store_txn *txn, struct arena *arena, struct bytes text, struct id *ret_id)
{
	struct gateway_row row;
	struct ids ids;
	struct id id;

	if (hex_read(text, id.bytes, sizeof id.bytes) && !state_row(txn, KIND_TABLE(gateway), id, &row, NULL)) {
		*ret_id = id;
		return true;
	}
	if (ids_find(txn, KIND_TABLE(gateway), FIELD_TABLE(gateway, name), &text, arena, &ids, NULL) || !ids.count)
		return false;
	*ret_id = ids.all[0];
	return true;
}

const struct member *api_serving(const struct members *members, struct id gateway)
{
	const struct member *found = NULL;
	size_t count;
	const struct member *all = members_all(members, &count);

	for (size_t i = 0; i < count; i++)
		if (id_equal(all[i].gateway, gateway) && (!found || found->is_evicted))
			found = &all[i];
	return found;
}

const struct member *api_member(struct api_view *view, struct call *call, struct bytes text, const char *field)
{
	const struct member *member = NULL;
	struct err err = { 0 };
	uint8_t raw[8];
	struct id gateway;

	if (hex_read(text, raw, sizeof raw)) {
		struct reader r = reader_over(bytes_of(raw, sizeof raw));

		member = members_find(view->realm.members, read_big_endian(&r, sizeof raw));
	}
	if (!member && text.size && api_find_gateway(view->txn, call_arena(call), text, &gateway))
		member = api_serving(view->realm.members, gateway);
	if (member)
		return member;
	fail(&err, E_ABSENT, "`%s`: no member has this id, or serves a gateway of this name: see `wgctl node list`",
	     field);
	call_refuse(call, E_ABSENT, &err);
	return NULL;
}

void api_healthy(void *context, struct call *call)
{
	(void)context;
	call_answer(call, 200, bytes_text("{\"ok\":true}"));
}

void api_ready(void *context, struct call *call)
{
	struct api *api = context;
	const struct heart_standing *standing = server_standing(api->server);
	struct err err = { 0 };

	if (!api_is_member(api, call))
		return;
	if (standing->may_serve && !standing->is_twin) {
		call_answer(call, 200, bytes_text("{\"ok\":true}"));
		return;
	}
	fail(&err, E_BUSY, "this server has just started, and does not have all yet that others have: try again");
	call_refuse(call, E_BUSY, &err);
}
