/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/gate.h"
#include "agent/http/route.h"

#include <assert.h>
#include <stdlib.h>

struct segments {
	struct bytes all[ROUTE_SEGMENTS_MAX];
	size_t count;
};

struct routes {
	const struct route *all;
	struct segments *patterns;
	size_t count;
};

/* "/" has none. False: it is no path, or has too many. */
static bool split(struct bytes path, struct segments *ret_segments)
{
	const uint8_t *at = path.data, *end = path.data + path.size, *slash;

	ret_segments->count = 0;
	if (!path.size || *at++ != '/')
		return false;
	if (at == end)
		return true;
	for (;;) {
		if (ret_segments->count == ROUTE_SEGMENTS_MAX)
			return false;
		slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;
		ret_segments->all[ret_segments->count++] = bytes_of(at, (size_t)((slash ? slash : end) - at));
		if (!slash)
			return true;
		at = slash + 1;
	}
}

static bool is_parameter(struct bytes segment)
{
	return segment.data[0] == '{';
}

static bool do_overlap(const struct segments *a, const struct segments *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!is_parameter(a->all[i]) && !is_parameter(b->all[i]) && !bytes_equal(a->all[i], b->all[i]))
			return false;
	return true;
}

static bool is_method(const char *method)
{
	size_t size = strlen(method);

	return size && size <= GATE_METHOD_MAX && strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == size;
}

static void check_route(const struct route *route, const struct segments *pattern)
{
	size_t parameters = 0;

	assert(is_method(route->method) && route->handle);
	assert(route->access == ROUTE_ANYBODY || route->access == ROUTE_OWNERS);
	assert(route->body == BODY_NONE || (strcmp(route->method, "GET") && strcmp(route->method, "HEAD")));
	for (size_t i = 0; i < pattern->count; i++) {
		struct bytes segment = pattern->all[i];

		assert(segment.size);
		assert(!is_parameter(segment) || (segment.size > 2 && segment.data[segment.size - 1] == '}'));
		parameters += is_parameter(segment);
	}
	assert(parameters <= ROUTE_PARAMETERS_MAX);
}

struct routes *routes_make(const struct route *all, size_t count)
{
	struct routes *routes = must_alloc(sizeof *routes);

	routes->all = all;
	routes->count = count;
	routes->patterns = must_alloc(count * sizeof *routes->patterns);
	for (size_t i = 0; i < count; i++) {
		bool is_path = split(bytes_text(all[i].pattern), &routes->patterns[i]);

		assert(is_path);
		check_route(&all[i], &routes->patterns[i]);
		for (size_t j = 0; j < i; j++)
			assert(strcmp(all[i].method, all[j].method) ||
			       !do_overlap(&routes->patterns[i], &routes->patterns[j]));
	}
	return routes;
}

void routes_free(struct routes *routes)
{
	if (routes)
		free(routes->patterns);
	free(routes);
}

static bool is_match(const struct segments *pattern, const struct segments *path)
{
	if (pattern->count != path->count)
		return false;
	for (size_t i = 0; i < path->count; i++)
		if (is_parameter(pattern->all[i]) ? !path->all[i].size : !bytes_equal(pattern->all[i], path->all[i]))
			return false;
	return true;
}

static void find_parameters(const struct segments *pattern, const struct segments *path, struct route_match *match)
{
	for (size_t i = 0; i < path->count; i++)
		if (is_parameter(pattern->all[i]))
			match->found[match->found_count++] = path->all[i];
}

static void allow(struct route_match *match, const char *method)
{
	size_t used = strlen(match->allow), size = strlen(method);

	assert(used + size + 3 <= sizeof match->allow);
	if (used)
		memcpy(match->allow + used, ", ", 2);
	memcpy(match->allow + used + (used ? 2 : 0), method, size + 1);
}

struct route_match routes_find(const struct routes *routes, struct bytes method, struct bytes path)
{
	struct route_match match = { 0 };
	struct segments segments;

	if (!split(path, &segments))
		return match;
	for (size_t i = 0; i < routes->count; i++) {
		if (!is_match(&routes->patterns[i], &segments))
			continue;
		if (bytes_equal(method, bytes_text(routes->all[i].method))) {
			match.route = &routes->all[i];
			find_parameters(&routes->patterns[i], &segments, &match);
			match.allow[0] = 0;
			return match;
		}
		allow(&match, routes->all[i].method);
	}
	return match;
}
