/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"

/* The handlers of each kind that people make records of. */

#define HANDLERS_STATEMENT(name)
#define HANDLERS_OWN(name)
#define HANDLERS_SHARED(name)                                       \
	static void list_##name(void *context, struct call *call)   \
	{                                                           \
		api_records_list(context, call, KIND_TABLE(name));  \
	}                                                           \
	static void make_##name(void *context, struct call *call)   \
	{                                                           \
		api_record_make(context, call, KIND_TABLE(name));   \
	}                                                           \
	static void get_##name(void *context, struct call *call)    \
	{                                                           \
		api_record_get(context, call, KIND_TABLE(name));    \
	}                                                           \
	static void set_##name(void *context, struct call *call)    \
	{                                                           \
		api_record_set(context, call, KIND_TABLE(name));    \
	}                                                           \
	static void remove_##name(void *context, struct call *call) \
	{                                                           \
		api_record_remove(context, call, KIND_TABLE(name)); \
	}
#define KIND(name, plural, place, tier, ...) HANDLERS_##tier(name)
#include MODEL_DEF

#define ROUTES_STATEMENT(name, plural)
#define ROUTES_OWN(name, plural)
#define ROUTES_SHARED(name, plural)                                                                                    \
	{ "GET", "/api/v1/" #plural, ROUTE_OWNERS, BODY_NONE, list_##name, "lists them: limit, cursor" },              \
		{ "POST", "/api/v1/" #plural, ROUTE_OWNERS, BODY_JSON, make_##name, "makes one" },                     \
		{ "GET", "/api/v1/" #plural "/{id}", ROUTE_OWNERS, BODY_NONE, get_##name, "one, by its id or name" },  \
		{ "PATCH", "/api/v1/" #plural "/{id}", ROUTE_OWNERS, BODY_JSON, set_##name, "changes fields of one" }, \
		{ "DELETE", "/api/v1/" #plural "/{id}", ROUTE_OWNERS, BODY_NONE, remove_##name, "removes one for good" },

/* clang-format off */
const struct route api_routes[] = {
	{ "GET", "/healthz", ROUTE_ANYBODY, BODY_NONE, api_healthy, "the process runs" },
	{ "GET", "/readyz", ROUTE_ANYBODY, BODY_NONE, api_ready, "it has what the others have" },
	{ "GET", "/api/v1/cluster", ROUTE_OWNERS, BODY_NONE, api_cluster_get, "what this server is" },
	{ "POST", "/api/v1/cluster", ROUTE_OWNERS, BODY_JSON, api_cluster_init, "makes a cluster of this server" },
	{ "POST", "/api/v1/cluster/join", ROUTE_OWNERS, BODY_JSON, api_cluster_join, "joins the cluster of a token" },
	{ "GET", "/api/v1/cluster/status", ROUTE_OWNERS, BODY_NONE, api_cluster_status, "how all members are" },
	{ "GET", "/api/v1/members", ROUTE_OWNERS, BODY_NONE, api_members_list, "who is and was a member" },
	{ "POST", "/api/v1/members/{node}/evict", ROUTE_OWNERS, BODY_JSON, api_member_evict, "puts a member out for good" },
	{ "GET", "/api/v1/invites", ROUTE_OWNERS, BODY_NONE, api_invite_list, "places for new members" },
	{ "POST", "/api/v1/invites", ROUTE_OWNERS, BODY_JSON, api_invite_make, "makes a join token" },
	{ "DELETE", "/api/v1/invites/{id}", ROUTE_OWNERS, BODY_NONE, api_invite_void, "takes one back" },
	{ "GET", "/api/v1/operators", ROUTE_OWNERS, BODY_NONE, api_operator_list, "whose keys sign" },
	{ "POST", "/api/v1/operators", ROUTE_OWNERS, BODY_JSON, api_operator_add, "makes a further key, here" },
	{ "DELETE", "/api/v1/operators/{key}", ROUTE_OWNERS, BODY_NONE, api_operator_remove, "a key counts no more" },
	{ "POST", "/api/v1/operators/{key}/export", ROUTE_OWNERS, BODY_JSON, api_operator_export, "a sealed copy of a key" },
	{ "GET", "/api/v1/doctor", ROUTE_OWNERS, BODY_NONE, api_doctor, "what is amiss around this server" },
	{ "GET", "/api/v1/conflicts", ROUTE_OWNERS, BODY_NONE, api_conflicts, "what somebody has to decide" },
#define KIND(name, plural, place, tier, ...) ROUTES_##tier(name, plural)
#include MODEL_DEF
};
/* clang-format on */

const size_t api_routes_count = COUNT(api_routes);
