/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "agent/rows.h"
#include "crdt/model/pack.h"
#include "crdt/state/conflict.h"
#include "crdt/state/state.h"

#include <stdio.h>
#include <stdlib.h>

/* --- What the heart alone knows. */

struct peer_status {
	uint64_t node, behind;
	bool is_linked, is_silent, has_clock;
	int64_t clock_off_ms;
};

struct status {
	struct api *api;
	struct call *call;
	struct peer_status *peers;
	size_t count;
	uint64_t log_bytes;
	bool is_exchanged, is_twin;
};

/* How many entries this server has that the peer has not said to have. */
static uint64_t count_behind(const struct vector *ours, const struct vector *theirs)
{
	uint64_t count = 0;

	for (size_t i = 0; i < ours->count; i++) {
		uint64_t seq = vector_seq(theirs, ours->all[i].stream);

		if (ours->all[i].end.seq > seq)
			count += ours->all[i].end.seq - seq;
	}
	return count;
}

static void look(void *context, const struct node *node)
{
	struct status *status = context;
	const struct mesh *mesh = node_mesh(node);

	status->peers = must_alloc((mesh->peers_count + 1) * sizeof *status->peers);
	status->count = mesh->peers_count;
	status->is_exchanged = exchange_may_serve(mesh);
	status->is_twin = mesh->is_twin;
	status->log_bytes = mesh->stable.trim.bytes;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[i];

		status->peers[i] = (struct peer_status){ .node = peer->node,
							 .behind = count_behind(&mesh->vector, &peer->acked),
							 .is_linked = peer->link,
							 .is_silent = peer->pulse.is_silent,
							 .has_clock = peer->has_clock,
							 .clock_off_ms = peer->clock_off_ms };
	}
}

static const struct peer_status *find_peer(const struct status *status, uint64_t node)
{
	for (size_t i = 0; i < status->count; i++)
		if (status->peers[i].node == node)
			return &status->peers[i];
	return NULL;
}

/* --- The page. */

static void say_endpoints(struct say *say, const struct gateway_fact_row *fact)
{
	struct reader items = reader_over(fact->endpoints.items);
	struct endpoint_row row;
	struct bytes part;
	char text[300];

	say_list(say, "endpoints");
	while (fact->has & BIT(AT_gateway_fact_endpoints) &&
	       pack_next(FIELD_TABLE(gateway_fact, endpoints), &items, &part)) {
		bool is_six;

		if (pack_read(&model_parts[PART_endpoint], part, true, &row, NULL))
			continue;
		is_six = memchr(row.host.data, ':', row.host.size);
		snprintf(text, sizeof text, "%s%.*s%s:%u", is_six ? "[" : "", (int)row.host.size,
			 (const char *)row.host.data, is_six ? "]" : "", (unsigned)row.port);
		say_text(say, NULL, text);
	}
	say_list_end(say);
}

static void say_alarms(struct say *say, const struct gateway_fact_row *fact)
{
	struct reader items = reader_over(fact->alarms.items);
	struct bytes text;

	say_list(say, "alarms");
	while (fact->has & BIT(AT_gateway_fact_alarms) && pack_next(FIELD_TABLE(gateway_fact, alarms), &items, &text))
		say_bytes(say, NULL, text);
	say_list_end(say);
}

static void say_gateway(struct say *say, struct store_txn *txn, struct id gateway)
{
	struct gateway_row row = { 0 };

	if (rows_gateway(txn, gateway, &row, NULL))
		row = (struct gateway_row){ 0 };
	say_id(say, "gateway", gateway);
	say_bytes(say, "name", row.name);
	say_bytes(say, "location", row.location);
}

static void say_link(struct say *say, const struct status *status, const struct member *member, bool is_self)
{
	const struct peer_status *peer = find_peer(status, member->node);

	say_bool(say, "is_self", is_self);
	say_text(say, "state", member->is_evicted ? "evicted" : "member");
	say_text(say, "link", is_self ? "self" : peer && peer->is_linked ? "up" : "down");
	say_bool(say, "silent", peer && peer->is_silent);
	say_number(say, "behind_entries", peer ? (int64_t)peer->behind : 0);
	if (peer && peer->has_clock)
		say_number(say, "clock_offset_ms", peer->clock_off_ms);
	else
		say_null(say, "clock_offset_ms");
}

static void say_member(struct say *say, const struct status *status, struct api_view *view, const struct member *member,
		       struct arena *arena)
{
	struct gateway_fact_row fact;

	if (rows_fact(view->txn, member->node, arena, &fact, NULL))
		fact = (struct gateway_fact_row){ 0 };
	say_object(say, NULL);
	say_node(say, "node", member->node);
	say_gateway(say, view->txn, member->gateway);
	say_bytes(say, "version", fact.version);
	say_link(say, status, member, member->node == server_node(status->api->server));
	say_endpoints(say, &fact);
	if (fact.has & BIT(AT_gateway_fact_started))
		say_time(say, "started", fact.started);
	else
		say_null(say, "started");
	say_alarms(say, &fact);
	say_object_end(say);
}

static void say_members(struct say *say, const struct status *status, struct api_view *view, struct arena *arena)
{
	size_t count;
	const struct member *all = members_all(view->realm.members, &count);

	say_list(say, "members");
	for (size_t i = 0; i < count; i++)
		say_member(say, status, view, &all[i], arena);
	say_list_end(say);
}

static void say_own_alarms(struct say *say, const struct server *server)
{
	const char *text;

	say_list(say, "alarms");
	for (size_t i = 0; (text = server_alarm(server, i)); i++)
		say_text(say, NULL, text);
	say_list_end(say);
}

static void say_status(const struct status *status)
{
	struct server *server = status->api->server;
	struct api_view view;
	struct say say;

	if (!api_view(status->api, status->call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_bytes(&say, "name", api_cluster_name(&view));
	say_id(&say, "id", view.realm.cluster);
	say_node(&say, "node", server_node(server));
	say_number(&say, "level", (int64_t)members_level(view.realm.members));
	say_bool(&say, "exchanged", status->is_exchanged);
	say_bool(&say, "is_twin", status->is_twin);
	say_members(&say, status, &view, call_arena(status->call));
	say_own_alarms(&say, server);
	say_object(&say, "disk");
	say_number(&say, "used", server_disk_used(server));
	say_number(&say, "log", (int64_t)status->log_bytes);
	say_object_end(&say);
	say_object_end(&say);
	api_answer(status->call, 200, &say);
	api_view_done(&view);
}

static void gone(void *context)
{
	struct status *status = context;

	status->call = NULL;
}

static void looked(void *context)
{
	struct status *status = context;

	if (status->call)
		say_status(status);
	free(status->peers);
	free(status);
}

void api_cluster_status(void *context, struct call *call)
{
	struct api *api = context;
	struct status *status;

	if (!api_is_member(api, call))
		return;
	status = must_alloc(sizeof *status);
	*status = (struct status){ .api = api, .call = call };
	call_later(call, gone, status);
	heart_look(server_heart(api->server), look, looked, status);
}

/* --- Conflicts. */

static void say_conflict(void *context, const struct conflict *conflict)
{
	struct say *say = context;
	char text[512];

	conflict_describe(conflict, text, sizeof text);
	say_object(say, NULL);
	say_text(say, "kind", conflict->kind->shape.name);
	say_list(say, "ids");
	say_id(say, NULL, conflict->id);
	for (size_t i = 0; i < conflict->count; i++)
		say_id(say, NULL, conflict->others[i]);
	say_list_end(say);
	say_text(say, "what", text);
	say_object_end(say);
}

void api_conflicts(void *context, struct call *call)
{
	struct api *api = context;
	struct api_view view;
	struct err err = { 0 };
	struct say say;
	enum code code;

	if (!api_is_member(api, call) || !api_view(api, call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, "conflicts");
	code = conflict_find(view.txn, say_conflict, &say, &err);
	say_list_end(&say);
	say_object_end(&say);
	api_view_done(&view);
	if (!code) {
		api_answer(call, 200, &say);
		return;
	}
	say_done(&say);
	call_refuse(call, code, &err);
}
