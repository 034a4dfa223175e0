/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/judge.h"

enum { JSON_MAX = 64 << 10 };

static bool judge_path(const struct route_match *match, struct refusal *refusal)
{
	if (match->route)
		return true;
	if (!*match->allow)
		return refuse(refusal, 404, E_ABSENT, "There is nothing at this path.");
	refuse(refusal, 405, E_ABSENT, "This path has not that method; the header Allow says which it has.");
	memcpy(refusal->allow, match->allow, sizeof refusal->allow);
	return false;
}

static bool judge_caller(const struct route *route, const struct caller *caller, struct refusal *refusal)
{
	switch (route->access) {
	case ROUTE_ANYBODY: return true;
	case ROUTE_OWNERS:
		return caller->kind == CALLER_SOCKET ||
		       refuse(refusal, 403, E_DENIED, "This is for owners: ask on the unix socket.");
	}
	return refuse(refusal, 403, E_DENIED, "Nobody may ask this.");
}

static bool has_type(const struct gate_head *head, const char *type)
{
	struct bytes value;

	return gate_header(head, "content-type", &value) && gate_is(value, type);
}

static bool judge_body(const struct route *route, const struct gate_head *head, struct refusal *refusal)
{
	switch (route->body) {
	case BODY_NONE: return !head->body || refuse(refusal, 400, E_FORM, "No body is taken here.");
	case BODY_JSON:
		if (head->body > JSON_MAX)
			return refuse(refusal, 413, E_LIMIT, "The body may take 64 KiB here.");
		return has_type(head, "application/json") ||
		       refuse(refusal, 415, E_FORM, "Content-Type has to be application/json.");
	case BODY_IMPORT:
		if (head->body > JUDGE_BODY_MAX)
			return refuse(refusal, 413, E_LIMIT, "The body may take 8 MiB here.");
		return has_type(head, "application/octet-stream") ||
		       refuse(refusal, 415, E_FORM, "Content-Type has to be application/octet-stream.");
	}
	return refuse(refusal, 400, E_FORM, "No body is taken here.");
}

bool http_judge(const struct routes *routes, const struct caller *caller, const struct gate_head *head,
		struct route_match *ret_match, struct refusal *ret_refusal)
{
	*ret_match = routes_find(routes, head->method, head->path);
	return judge_path(ret_match, ret_refusal) && judge_caller(ret_match->route, caller, ret_refusal) &&
	       judge_body(ret_match->route, head, ret_refusal);
}
