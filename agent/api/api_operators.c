/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/model/validate.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_key(const struct key32 *keys, size_t count, struct key32 key)
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(keys[i].bytes, key.bytes, sizeof key.bytes))
			return true;
	return false;
}

/* As whoever named it said; the root named itself. */
static struct bytes name_of(const struct realm *realm, struct key32 key)
{
	struct operator_row row;

	for (size_t i = 0; i < realm->count; i++)
		if (realm->all[i].kind == KIND_operator &&
		    !pack_read(&KIND_TABLE(operator)->shape, realm->all[i].map, true, &row, NULL) &&
		    !memcmp(row.key.bytes, key.bytes, sizeof key.bytes))
			return row.name;
	return bytes_text("root");
}

void api_operator_list(void *context, struct call *call)
{
	struct api *api = context;
	struct operator_view one;
	struct api_view view;
	struct key32 *here = NULL;
	size_t count = 0;
	struct say say;

	if (!api_is_member(api, call) || !api_view(api, call, &view))
		return;
	operator_list(server_state_dir(api->server), call_arena(call), &here, &count, NULL);
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, "operators");
	for (size_t i = 0; members_operator(view.realm.members, i, &one); i++) {
		say_object(&say, NULL);
		say_key(&say, "key", one.key);
		say_bytes(&say, "name", name_of(&view.realm, one.key));
		say_key(&say, "parent", one.parent);
		say_bool(&say, "is_root", !one.depth);
		say_bool(&say, "is_here", has_key(here, count, one.key));
		say_text(&say, "state", one.is_removed ? "removed" : "stands");
		say_object_end(&say);
	}
	say_list_end(&say);
	say_object_end(&say);
	api_view_done(&view);
	api_answer(call, 200, &say);
}

/* --- Signing. */

bool api_operator_key(struct api *api, struct call *call, const struct api_view *view, struct operator_key **ret_key)
{
	struct err err = { 0 };
	enum code code = operator_read(server_state_dir(api->server), view->realm.members, ret_key, &err);

	if (code)
		call_refuse(call, code, &err);
	return !code;
}

struct api_wait *api_sign(struct api *api, struct call *call, const struct api_view *view, const struct kind *kind,
			  const void *row)
{
	struct operator_key *key;
	struct api_wait *wait;
	struct bytes whole;

	if (!api_operator_key(api, call, view, &key))
		return NULL;
	whole = operator_sign(&key->signer, &view->realm, kind, row, call_arena(call));
	operator_free(key);
	wait = api_wait_new(api, call);
	api_wait_bring(wait, &whole, 1);
	return wait;
}

/* --- A further key. */

/* The key lies on the disk before it counts: one that counts and is nowhere could never be used. */
static bool keep_key(struct api *api, struct call *call, const struct operator_key *key)
{
	struct err err = { 0 };
	enum code code = operator_write(server_state_dir(api->server), key, &err);

	if (code)
		call_refuse(call, code, &err);
	return !code;
}

static void answer_added(struct api_wait *wait, const struct reply *reply)
{
	const struct operator_key *key = wait->context;
	struct say say;

	(void)reply;
	if (!wait->call)
		return;
	say = say_new();
	say_object(&say, NULL);
	say_key(&say, "key", key->signer.key);
	say_text(&say, "name", key->name);
	say_object_end(&say);
	api_answer(wait->call, 201, &say);
}

static void free_key(void *key)
{
	operator_free(key);
}

static void add(struct api *api, struct call *call, struct api_view *view, struct operator_key *key)
{
	struct operator_row row = { .key = key->signer.key, .name = bytes_text(key->name) };
	struct operator_key *parent;
	struct api_wait *wait = NULL;

	if (api_operator_key(api, call, view, &parent)) {
		row.parent = parent->signer.key;
		row.has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name);
		operator_free(parent);
		if (keep_key(api, call, key))
			wait = api_sign(api, call, view, KIND_TABLE(operator), &row);
	}
	if (!wait) {
		operator_free(key);
		return;
	}
	wait->context = key;
	wait->then = answer_added;
	wait->free = free_key;
}

void api_operator_add(void *context, struct call *call)
{
	static const char *const fields[] = { "name", NULL };
	struct api *api = context;
	struct api_view view;
	struct err err = { 0 };
	struct bytes name;
	char text[65];
	json_t *body;
	enum code code = E_FORM;

	if (!api_is_member(api, call) || !api_body(call, &body))
		return;
	if (api_only(call, body, fields) && api_text(call, body, "name", true, &name)) {
		code = validate_slot(FIELD_TABLE(operator, name), &name, &err);
		if (code)
			call_refuse(call, fail_at(&err, code, "name", -1), &err);
		else
			snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
	}
	json_decref(body);
	if (code || !api_view(api, call, &view))
		return;
	add(api, call, &view, operator_new(text));
	api_view_done(&view);
}

/* --- One that counts no more. */

static bool read_key(struct call *call, struct key32 *ret_key)
{
	struct bytes text = call_path(call, 0);
	struct err err = { 0 };
	size_t size;

	if (base64_read(text, ret_key->bytes, sizeof ret_key->bytes, &size) && size == sizeof ret_key->bytes)
		return true;
	fail(&err, E_VALUE, "the path names no operator's key: take it from `wgctl operator list`, %%-encoded");
	call_refuse(call, E_VALUE, &err);
	return false;
}

/* What it signed and what stands goes on standing; what it may still have signed, and nobody here has seen, does not.
 */
static struct list standing_of(const struct realm *realm, struct key32 key, struct arena *arena)
{
	const struct field *field = FIELD_TABLE(operator_removal, standing);
	struct buf items = buf_growing(field->most * 32u);
	struct list list = { 0 };

	for (size_t i = 0; i < realm->count && list.count < field->most; i++)
		if (!memcmp(realm->all[i].signer.bytes, key.bytes, sizeof key.bytes) &&
		    members_stands(realm->members, realm->all[i].hash)) {
			pack_write_slot(field, &realm->all[i].hash, &items);
			list.count++;
		}
	list.items = arena_copy(arena, buf_bytes(&items));
	buf_done(&items);
	return list;
}

static bool is_known(const struct members *members, struct key32 key)
{
	struct operator_view one;

	for (size_t i = 0; members_operator(members, i, &one); i++)
		if (!memcmp(one.key.bytes, key.bytes, sizeof key.bytes))
			return !one.is_removed;
	return false;
}

void api_operator_remove(void *context, struct call *call)
{
	struct operator_removal_row row = { .has = BIT(AT_operator_removal_key) };
	struct api *api = context;
	struct api_view view;
	struct err err = { 0 };

	if (!api_is_member(api, call) || !read_key(call, &row.key) || !api_view(api, call, &view))
		return;
	if (is_known(view.realm.members, row.key)) {
		row.standing = standing_of(&view.realm, row.key, call_arena(call));
		row.has |= row.standing.count ? BIT(AT_operator_removal_standing) : 0;
		api_sign(api, call, &view, KIND_TABLE(operator_removal), &row);
	} else {
		fail(&err, E_ABSENT, "no operator has this key: see `wgctl operator list`");
		call_refuse(call, E_ABSENT, &err);
	}
	api_view_done(&view);
}

/* --- A sealed copy. */

struct sealing {
	uv_work_t work;
	struct api *api;
	struct call *call; /* NULL: the client went away */
	struct operator_key *key;
	char passphrase[PASSPHRASE_MAX + 1];
	uint8_t salt[OPERATOR_SALT];
	char sealed[OPERATOR_SEALED_MAX];
	enum code code;
	struct err err;
};

static void seal_gone(void *context)
{
	struct sealing *sealing = context;

	sealing->call = NULL;
}

static void seal(uv_work_t *work)
{
	struct sealing *sealing = work->data;

	sealing->code = operator_seal(sealing->key, bytes_text(sealing->passphrase), sealing->salt, sealing->sealed,
				      &sealing->err);
}

static void seal_done(uv_work_t *work, int status)
{
	struct sealing *sealing = work->data;
	char text[2 * OPERATOR_SEALED_MAX];
	struct say say;

	(void)status;
	if (sealing->call && sealing->code) {
		call_refuse(sealing->call, sealing->code, &sealing->err);
	} else if (sealing->call) {
		say = say_new();
		say_object(&say, NULL);
		base64_write(bytes_text(sealing->sealed), text);
		say_text(&say, "file", text);
		say_object_end(&say);
		api_answer(sealing->call, 200, &say);
	}
	operator_free(sealing->key);
	sodium_memzero(sealing, sizeof *sealing);
	free(sealing);
}

static void begin_sealing(struct api *api, struct call *call, struct operator_key *key, struct bytes passphrase)
{
	struct sealing *sealing = must_alloc(sizeof *sealing);

	*sealing = (struct sealing){ .api = api, .call = call, .key = key };
	sealing->work.data = sealing;
	memcpy(sealing->passphrase, passphrase.data, passphrase.size);
	randombytes_buf(sealing->salt, sizeof sealing->salt);
	call_later(call, seal_gone, sealing);
	uv_queue_work(server_loop(api->server), &sealing->work, seal, seal_done);
}

void api_operator_export(void *context, struct call *call)
{
	static const char *const fields[] = { "passphrase", NULL };
	struct api *api = context;
	struct operator_key *found;
	struct err err = { 0 };
	struct bytes passphrase;
	struct key32 key;
	json_t *body;
	enum code code;

	if (!api_is_member(api, call) || !read_key(call, &key) || !api_body(call, &body))
		return;
	if (api_only(call, body, fields) && api_text(call, body, "passphrase", true, &passphrase)) {
		code = operator_find(server_state_dir(api->server), key, &found, &err);
		if (!code && (passphrase.size < PASSPHRASE_MIN || passphrase.size > PASSPHRASE_MAX)) {
			operator_free(found);
			code = fail(&err, E_VALUE, "`passphrase`: must have %d to %d characters", PASSPHRASE_MIN,
				    PASSPHRASE_MAX);
		}
		if (code)
			call_refuse(call, code, &err);
		else
			begin_sealing(api, call, found, passphrase);
	}
	json_decref(body);
}
