/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "agent/rows.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct wall_time wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall_time){ (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 };
}

/* --- What it is. */

static const char *const state_names[] = {
	[SERVER_NEW] = "new",
	[SERVER_JOINING] = "joining",
	[SERVER_MEMBER] = "member",
	[SERVER_EVICTED] = "evicted",
};

static void say_cluster(struct api *api, struct api_view *view, struct say *say)
{
	const struct member *own = members_find(view->realm.members, server_node(api->server));

	say_bytes(say, "name", api_cluster_name(view));
	say_id(say, "id", view->realm.cluster);
	say_node(say, "node", server_node(api->server));
	if (own)
		say_bytes(say, "gateway", api_gateway_name(view->txn, own->gateway));
}

void api_cluster_get(void *context, struct call *call)
{
	struct api *api = context;
	struct say say;
	struct api_view view;
	bool is_new = server_state(api->server) == SERVER_NEW;

	if (!is_new && !api_view(api, call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_text(&say, "state", state_names[server_state(api->server)]);
	say_text(&say, "version", WARREN_VERSION);
	if (!is_new) {
		say_cluster(api, &view, &say);
		api_view_done(&view);
	}
	say_object_end(&say);
	api_answer(call, 200, &say);
}

/* --- Making one. */

static const char *const init_fields[] = { "name", "gateway", "location", "region", "country", "tier", "host", NULL };

/* What the host is called, as far as a gateway may be. */
static void default_name(char *room, size_t size)
{
	char host[256] = "";
	size_t kept = 0;

	gethostname(host, sizeof host - 1);
	for (const char *at = host; *at && *at != '.' && kept + 1 < size && kept < 32; at++) {
		char c = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (kept && (c == '-' || c == '_')))
			room[kept++] = c;
	}
	room[kept] = 0;
	if (!kept)
		snprintf(room, size, "server");
}

struct initing {
	struct founded founded;
	struct arena arena;
};

static void initing_free(void *context)
{
	struct initing *initing = context;

	founded_done(&initing->founded);
	arena_done(&initing->arena);
	free(initing);
}

static void answer_init(struct api_wait *wait, const struct reply *reply)
{
	struct initing *initing = wait->context;
	struct api_view view;
	struct say say;

	(void)reply;
	if (!wait->call || !api_view(wait->api, wait->call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_cluster(wait->api, &view, &say);
	say_text(&say, "recovery_key", initing->founded.recovery_key);
	say_key(&say, "operator", initing->founded.root->signer.key);
	say_object_end(&say);
	call_answer(wait->call, 201, buf_bytes(&say.buf));
	sodium_memzero(say.buf.data, say.buf.size);
	say_done(&say);
	api_view_done(&view);
}

static void on_founded(void *context, const struct reply *reply)
{
	struct api_wait *wait = context;
	struct err err = { 0 };

	if (!reply->code) {
		answer_init(wait, reply);
	} else if (wait->call) {
		snprintf(err.text, sizeof err.text, "%s", reply->text ? reply->text : code_text(reply->code));
		call_refuse(wait->call, reply->code, &err);
	}
	initing_free(wait->context);
	free(wait);
}

void api_cluster_init(void *context, struct call *call)
{
	struct api *api = context;
	struct founding founding = { .now = wall_now() };
	struct initing *initing = must_alloc(sizeof *initing);
	struct err err = { 0 };
	struct api_wait *wait;
	json_t *body = NULL;
	char name[64];
	enum code code = OK;
	bool is_fine;

	*initing = (struct initing){ 0 };
	default_name(name, sizeof name);
	is_fine = api_body(call, &body) && api_only(call, body, init_fields) &&
		  api_text(call, body, "name", true, &founding.name) &&
		  api_gateway_read(call, body, "gateway", name, &founding.gateway);
	if (is_fine) {
		founding.name = arena_copy(call_arena(call), founding.name);
		code = founding_make(&founding, &initing->arena, &initing->founded, &err);
	}
	json_decref(body);
	if (!is_fine || code) {
		if (code)
			call_refuse(call, code, &err);
		initing_free(initing);
		return;
	}
	wait = api_wait_new(api, call);
	wait->context = initing;
	code = server_found(api->server, &initing->founded, on_founded, wait, &err);
	if (!code)
		return;
	call_refuse(call, code, &err);
	initing_free(initing);
	free(wait);
}

/* --- Joining one. */

enum {
	JOIN_LOOK_MS = 100,      /* how often it is looked whether all is here */
	JOIN_PATIENCE_MS = 90000 /* for the sponsor to answer, and then for what the others have to arrive */
};

struct join {
	struct api *api;
	struct call *call;
	uv_timer_t timer;
	uint64_t until;
	enum code code; /* why it came to nothing, and in words */
	struct err err;
	bool is_looking, is_whole, is_leaving, is_over;
};

static void join_gone(void *context)
{
	struct join *join = context;

	join->call = NULL;
}

static void join_freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void join_end(struct join *join)
{
	join->is_over = true;
	join->api->join = NULL;
	uv_timer_stop(&join->timer);
	if (!join->is_looking)
		uv_close((uv_handle_t *)&join->timer, join_freed);
}

static void join_answer(struct join *join)
{
	struct api_view view;
	struct say say;

	if (join->call && api_view(join->api, join->call, &view)) {
		say = say_new();
		say_object(&say, NULL);
		say_cluster(join->api, &view, &say);
		say_object_end(&say);
		api_answer(join->call, 200, &say);
		api_view_done(&view);
	}
	join_end(join);
}

static void join_look(void *context, const struct node *node)
{
	struct join *join = context;
	const struct mesh *mesh = node_mesh(node);

	join->is_whole = mesh->is_member && exchange_may_serve(mesh) && exchange_is_whole(mesh);
}

static void join_looked(void *context)
{
	struct join *join = context;

	join->is_looking = false;
	if (join->is_over)
		uv_close((uv_handle_t *)&join->timer, join_freed);
	else if (join->is_whole && !join->is_leaving)
		join_answer(join);
}

static void join_tick(uv_timer_t *timer);

static void join_left(void *context)
{
	struct join *join = context;

	join->is_leaving = false;
	if (server_state(join->api->server) == SERVER_MEMBER && !join->is_over) {
		uv_timer_start(&join->timer, join_tick, 0, JOIN_LOOK_MS);
		return;
	}
	if (join->call)
		call_refuse(join->call, join->code, &join->err);
	join_end(join);
}

/* Nothing half joined stays behind, and who is told so may join anew at once. */
static void join_fail(struct join *join, enum code code, const struct err *err)
{
	join->code = code;
	join->err = *err;
	join->is_leaving = true;
	uv_timer_stop(&join->timer);
	server_leave(join->api->server, join_left, join);
}

static void join_tick(uv_timer_t *timer)
{
	struct join *join = timer->data;
	struct server *server = join->api->server;
	struct err err = { 0 };

	if (server_state(server) == SERVER_MEMBER) {
		if (!join->is_looking) {
			join->is_looking = true;
			heart_look(server_heart(server), join_look, join_looked, join);
		}
		/* It is in, and goes on by itself. */
		if (uv_now(timer->loop) > join->until)
			join_answer(join);
	} else if (server_standing(server)->refusal[0]) {
		snprintf(err.text, sizeof err.text, "%s", server_standing(server)->refusal);
		join_fail(join, E_DENIED, &err);
	} else if (uv_now(timer->loop) > join->until) {
		const struct join_token *token = &server_identity(server)->token;

		fail(&err, E_BUSY,
		     "the server that made this token does not answer at %s port %u: is warrend running there, and "
		     "does "
		     "its firewall let this server in? Then join again",
		     token->count ? token->addresses[0].host : "(no address)",
		     token->count ? token->addresses[0].port : 0);
		join_fail(join, E_BUSY, &err);
	}
}

static void join_begin(struct api *api, struct call *call, uv_loop_t *loop)
{
	struct join *join = must_alloc(sizeof *join);

	*join = (struct join){ .api = api, .call = call };
	api->join = join;
	uv_timer_init(loop, &join->timer);
	join->timer.data = join;
	join->until = uv_now(loop) + JOIN_PATIENCE_MS;
	uv_timer_start(&join->timer, join_tick, 0, JOIN_LOOK_MS);
	call_later(call, join_gone, join);
}

/* One that leaves ends by itself. */
void api_end(struct api *api)
{
	if (api->join && api->join->is_leaving)
		api->join->is_over = true;
	else if (api->join)
		join_end(api->join);
}

void api_cluster_join(void *context, struct call *call)
{
	static const char *const fields[] = { "token", NULL };
	struct api *api = context;
	struct join_token token;
	struct err err = { 0 };
	struct bytes text;
	json_t *body = NULL;
	enum code code = OK;
	bool is_fine =
		api_body(call, &body) && api_only(call, body, fields) && api_text(call, body, "token", true, &text);

	if (is_fine)
		code = join_token_read(text, &token, &err);
	json_decref(body);
	if (!is_fine)
		return;
	if (!code && token.expires.ms <= wall_now().ms)
		code = fail(&err, E_DENIED, "this token has expired: make a new one, or set this server's clock right");
	if (!code)
		code = server_join(api->server, &token, &err);
	sodium_memzero(&token, sizeof token);
	if (code)
		call_refuse(call, code, &err);
	else
		join_begin(api, call, server_loop(api->server));
}
