/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "agent/rows.h"
#include "crdt/base/text.h"
#include "crdt/model/pack.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { INVITE_LIFE_S = 24 * 3600, INVITE_LIFE_MAX_S = 30 * 24 * 3600, EVICTION_STANDING_MAX = 2000 };

/* --- The list. */

void api_members_list(void *context, struct call *call)
{
	struct api *api = context;
	struct api_view view;
	struct say say;
	size_t count;
	const struct member *all;

	if (!api_is_member(api, call) || !api_view(api, call, &view))
		return;
	all = members_all(view.realm.members, &count);
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, "members");
	for (size_t i = 0; i < count; i++) {
		say_object(&say, NULL);
		say_node(&say, "node", all[i].node);
		say_key(&say, "key", all[i].key);
		say_id(&say, "gateway", all[i].gateway);
		say_bytes(&say, "name", api_gateway_name(view.txn, all[i].gateway));
		say_node(&say, "sponsor", all[i].sponsor);
		say_text(&say, "state", all[i].is_evicted ? "evicted" : "member");
		if (all[i].heir)
			say_node(&say, "heir", all[i].heir);
		else
			say_null(&say, "heir");
		say_object_end(&say);
	}
	say_list_end(&say);
	say_object_end(&say);
	api_view_done(&view);
	api_answer(call, 200, &say);
}

/* --- Invites. */

struct inviting {
	struct join_token token;
	struct id gateway;
	uint64_t life_ms;
	struct arena arena;
	bool is_written; /* the gateway is there */
};

static void inviting_free(void *context)
{
	struct inviting *inviting = context;

	arena_done(&inviting->arena);
	sodium_memzero(inviting, sizeof *inviting);
	free(inviting);
}

static void answer_invite(struct api_wait *wait)
{
	struct inviting *inviting = wait->context;
	char text[JOIN_TOKEN_MAX];
	struct say say;

	if (!wait->call)
		return;
	join_token_write(&inviting->token, text);
	say = say_new();
	say_object(&say, NULL);
	say_text(&say, "token", text);
	say_id(&say, "id", inviting->token.invite);
	say_id(&say, "gateway", inviting->gateway);
	say_time(&say, "expires", inviting->token.expires);
	say_object_end(&say);
	sodium_memzero(text, sizeof text);
	call_answer(wait->call, 201, buf_bytes(&say.buf));
	sodium_memzero(say.buf.data, say.buf.size);
	say_done(&say);
}

static void sign_invite(struct api *api, const struct operator_key *key, struct inviting *inviting,
			const struct realm *realm, struct bytes *ret_whole)
{
	struct invite_row row = { .sponsor = server_identity(api->server)->signer.key,
				  .gateway = inviting->gateway,
				  .expires = inviting->token.expires };
	struct statement said;

	randombytes_buf(inviting->token.one_time, sizeof inviting->token.one_time);
	row.key = signer_from_seed(inviting->token.one_time).key;
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	*ret_whole = operator_sign(&key->signer, realm, KIND_TABLE(invite), &row, &inviting->arena);
	if (!statement_read(*ret_whole, &said, NULL))
		inviting->token.invite = said.id;
	inviting->token.cluster = realm->cluster;
	inviting->token.sponsor = row.sponsor;
}

/* The gateway is there: now the invite for it. */
static void bring_invite(struct api_wait *wait)
{
	struct inviting *inviting = wait->context;
	struct api_view view;
	struct operator_key *key;
	struct bytes whole;

	if (!wait->call || !api_view(wait->api, wait->call, &view))
		return;
	if (api_operator_key(wait->api, wait->call, &view, &key)) {
		inviting->token.count =
			server_endpoints(wait->api->server, inviting->token.addresses, JOIN_TOKEN_ADDRESSES);
		sign_invite(wait->api, key, inviting, &view.realm, &whole);
		operator_free(key);
		api_wait_bring(wait, &whole, 1);
	}
	api_view_done(&view);
}

static void invite_went_on(struct api_wait *wait, const struct reply *reply)
{
	struct inviting *inviting = wait->context;

	if (inviting->is_written) {
		answer_invite(wait);
		return;
	}
	inviting->is_written = true;
	inviting->gateway = reply->ids[0];
	bring_invite(wait);
}

static struct wall_time in_ms(uint64_t ms)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall_time){ (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + ms };
}

static bool read_life(struct call *call, json_t *body, uint64_t *ret_life_ms)
{
	json_t *value = json_object_get(body, "expires_s");
	struct err err = { 0 };

	*ret_life_ms = INVITE_LIFE_S * UINT64_C(1000);
	if (!value)
		return true;
	if (json_is_integer(value) && json_integer_value(value) >= 60 &&
	    json_integer_value(value) <= INVITE_LIFE_MAX_S) {
		*ret_life_ms = (uint64_t)json_integer_value(value) * 1000;
		return true;
	}
	fail(&err, E_VALUE, "`expires_s`: must be a number of seconds from 60 (a minute) to %d (30 days)",
	     INVITE_LIFE_MAX_S);
	call_refuse(call, E_VALUE, &err);
	return false;
}

/* A gateway whose server was lost gets another: nobody may serve it any more. */
static bool find_replaced(struct api *api, struct call *call, struct bytes name, struct id *ret_gateway)
{
	const struct member *member = NULL;
	struct err err = { 0 };
	struct api_view view;
	bool is_served;

	if (!api_view(api, call, &view))
		return false;
	if (!api_find_gateway(view.txn, call_arena(call), name, ret_gateway)) {
		fail(&err, E_ABSENT, "`replace`: there is no gateway of this name: see `wgctl node list`");
		call_refuse(call, E_ABSENT, &err);
		api_view_done(&view);
		return false;
	}
	member = api_serving(view.realm.members, *ret_gateway);
	is_served = member && !member->is_evicted;
	api_view_done(&view);
	if (!is_served)
		return true;
	fail(&err, E_TAKEN, "`replace`: a member serves this gateway: evict it first, with `wgctl node evict %.*s`",
	     (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
	call_refuse(call, E_TAKEN, &err);
	return false;
}

static const char *const invite_fields[] = { "name", "location", "region",    "country", "tier",
					     "host", "replace",  "expires_s", NULL };

/* Before anything is written: whether an invite can be signed here. */
static bool may_sign(struct api *api, struct call *call)
{
	struct operator_key *key = NULL;
	struct api_view view;

	if (!api_view(api, call, &view))
		return false;
	if (api_operator_key(api, call, &view, &key))
		operator_free(key);
	api_view_done(&view);
	return key;
}

/* The new gateway's record first: the invite names it. */
static bool make_gateway(struct call *call, json_t *body, struct heart_wish *wish, struct change *ret_change)
{
	struct gateway_row row;

	if (!api_wish(call, "gateway.create", wish) || !api_gateway_read(call, body, "name", NULL, &row))
		return false;
	*ret_change = rows_new(KIND_TABLE(gateway), &row, call_arena(call));
	wish->changes = ret_change;
	wish->count = 1;
	return true;
}

static bool read_invite(struct api *api, struct call *call, json_t *body, struct inviting *inviting,
			struct heart_wish *ret_wish, struct change *ret_change)
{
	struct bytes replaced;

	if (!api_only(call, body, invite_fields) || !read_life(call, body, &inviting->life_ms) ||
	    !api_text(call, body, "replace", false, &replaced))
		return false;
	inviting->token.expires = in_ms(inviting->life_ms);
	inviting->is_written = replaced.size;
	if (inviting->is_written)
		return find_replaced(api, call, replaced, &inviting->gateway);
	return make_gateway(call, body, ret_wish, ret_change);
}

void api_invite_make(void *context, struct call *call)
{
	struct api *api = context;
	struct inviting *inviting;
	struct heart_wish wish = { 0 };
	struct change change;
	struct api_wait *wait;
	json_t *body;
	bool is_fine;

	if (!api_is_member(api, call) || !may_sign(api, call) || !api_body(call, &body))
		return;
	inviting = must_alloc(sizeof *inviting);
	*inviting = (struct inviting){ 0 };
	is_fine = read_invite(api, call, body, inviting, &wish, &change);
	json_decref(body);
	if (!is_fine) {
		inviting_free(inviting);
		return;
	}
	wait = api_wait_new(api, call);
	wait->then = invite_went_on;
	wait->context = inviting;
	wait->free = inviting_free;
	if (!inviting->is_written) {
		api_wait_write(wait, &wish);
		return;
	}
	bring_invite(wait);
	if (!wait->number)
		api_wait_drop(wait);
}

static void say_invite(struct say *say, struct api_view *view, const struct statement *said)
{
	const struct invite_view *invite = members_invite(view->realm.members, said->id);
	uint64_t sponsor;

	if (!invite)
		return;
	sponsor = node_of_key(invite->sponsor);
	say_object(say, NULL);
	say_id(say, "id", invite->id);
	say_id(say, "gateway", invite->gateway);
	say_bytes(say, "name", api_gateway_name(view->txn, invite->gateway));
	say_node(say, "sponsor", sponsor);
	say_time(say, "expires", invite->expires);
	say_text(say, "state",
		 invite->is_used                     ? "used"
		 : invite->is_void                   ? "void"
		 : invite->expires.ms <= in_ms(0).ms ? "expired"
						     : "open");
	say_object_end(say);
}

void api_invite_list(void *context, struct call *call)
{
	struct api *api = context;
	struct api_view view;
	struct say say;

	if (!api_is_member(api, call) || !api_view(api, call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, "invites");
	for (size_t i = 0; i < view.realm.count; i++)
		if (view.realm.all[i].kind == KIND_invite)
			say_invite(&say, &view, &view.realm.all[i]);
	say_list_end(&say);
	say_object_end(&say);
	api_view_done(&view);
	api_answer(call, 200, &say);
}

void api_invite_void(void *context, struct call *call)
{
	struct invite_void_row row = { .has = BIT(AT_invite_void_invite) };
	struct api *api = context;
	struct api_view view;
	struct err err = { 0 };

	if (!api_is_member(api, call) || !api_view(api, call, &view))
		return;
	if (hex_read(call_path(call, 0), row.invite.bytes, sizeof row.invite.bytes) &&
	    members_invite(view.realm.members, row.invite)) {
		api_sign(api, call, &view, KIND_TABLE(invite_void), &row);
	} else {
		fail(&err, E_ABSENT, "there is no such invite");
		call_refuse(call, E_ABSENT, &err);
	}
	api_view_done(&view);
}

/* --- Evicting. */

struct evicting {
	uint64_t node, heir;
};

static void answer_evicted(struct api_wait *wait, const struct reply *reply)
{
	const struct evicting *evicting = wait->context;
	struct say say;

	(void)reply;
	if (!wait->call)
		return;
	say = say_new();
	say_object(&say, NULL);
	say_node(&say, "node", evicting->node);
	say_node(&say, "heir", evicting->heir);
	say_list(&say, "knew");
	say_text(&say, NULL,
		 "everything that replicates: users, devices, addresses, hashes of passwords and keys, the audit");
	say_text(&say, NULL, "what was sealed to it, and the traffic that it carried");
	say_list_end(&say);
	say_object_end(&say);
	api_answer(wait->call, 200, &say);
}

/* Those whom it let in, and who stand. */
static struct list standing_of(const struct realm *realm, const struct member *member, struct arena *arena)
{
	const struct field *field = FIELD_TABLE(eviction, standing);
	struct buf items = buf_growing(EVICTION_STANDING_MAX * 32);
	struct list list = { 0 };
	size_t count;
	const struct member *all = members_all(realm->members, &count);

	for (size_t i = 0; i < count && list.count < EVICTION_STANDING_MAX; i++)
		if (all[i].sponsor == member->node && all[i].node != member->node && !all[i].is_evicted) {
			pack_write_slot(field, &all[i].admission, &items);
			list.count++;
		}
	list.items = arena_copy(arena, buf_bytes(&items));
	buf_done(&items);
	return list;
}

/* Who gets its addresses: as asked, else this server, else whoever stands. NULL: refused. */
static const struct member *find_heir(struct api *api, struct api_view *view, struct call *call, json_t *body,
				      const struct member *member)
{
	const struct member *heir = members_find(view->realm.members, server_node(api->server));
	struct err err = { 0 };
	struct bytes text;
	size_t count;
	const struct member *all = members_all(view->realm.members, &count);

	if (!api_text(call, body, "heir", false, &text))
		return NULL;
	if (text.size)
		heir = api_member(view, call, text, "heir");
	else
		for (size_t i = 0; i < count && (!heir || heir->is_evicted || heir->node == member->node); i++)
			heir = &all[i];
	if (!heir)
		return NULL;
	if (!heir->is_evicted && heir->node != member->node)
		return heir;
	fail(&err, E_VALUE, "`heir`: must be another member that stands: what the evicted one owned goes to it");
	call_refuse(call, E_VALUE, &err);
	return NULL;
}

static void evict(struct api *api, struct call *call, struct api_view *view, json_t *body)
{
	struct eviction_row row = { .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) };
	const struct member *member = api_member(view, call, call_path(call, 0), "node");
	const struct member *heir = member ? find_heir(api, view, call, body, member) : NULL;
	struct evicting *evicting;
	struct err err = { 0 };
	struct api_wait *wait;

	if (!heir)
		return;
	if (member->is_evicted) {
		fail(&err, E_TAKEN, "this member was evicted already");
		call_refuse(call, E_TAKEN, &err);
		return;
	}
	row.key = member->key;
	row.heir = heir->key;
	row.standing = standing_of(&view->realm, member, call_arena(call));
	row.has |= row.standing.count ? BIT(AT_eviction_standing) : 0;
	wait = api_sign(api, call, view, KIND_TABLE(eviction), &row);
	if (!wait)
		return;
	evicting = must_alloc(sizeof *evicting);
	*evicting = (struct evicting){ member->node, heir->node };
	wait->context = evicting;
	wait->then = answer_evicted;
	wait->free = free;
}

void api_member_evict(void *context, struct call *call)
{
	static const char *const fields[] = { "heir", NULL };
	struct api *api = context;
	struct api_view view;
	json_t *body;

	if (!api_is_member(api, call) || !api_body(call, &body))
		return;
	if (api_only(call, body, fields) && api_view(api, call, &view)) {
		evict(api, call, &view, body);
		api_view_done(&view);
	}
	json_decref(body);
}
