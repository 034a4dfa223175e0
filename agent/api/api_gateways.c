/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "crdt/model/pack.h"

/* What a request may say of a gateway, beside its name; `host` is short for the public one. */
static const char *const gateway_fields[] = { "location", "region",    "country",     "tier",    "status",  "capacity",
					      "latitude", "longitude", "public_host", "egress4", "egress6", "note" };

static json_t *pick(json_t *body, const char *name_field, const char *default_name)
{
	json_t *object = json_object(), *value;

	for (size_t i = 0; i < COUNT(gateway_fields); i++)
		if ((value = json_object_get(body, gateway_fields[i])))
			json_object_set(object, gateway_fields[i], value);
	if ((value = json_object_get(body, "host")))
		json_object_set(object, "public_host", value);
	if ((value = json_object_get(body, name_field)))
		json_object_set(object, "name", value);
	else if (default_name)
		json_object_set_new(object, "name", json_string(default_name));
	return object;
}

bool api_gateway_read(struct call *call, json_t *body, const char *name_field, const char *default_name,
		      struct gateway_row *ret_row)
{
	const struct shape *shape = &KIND_TABLE(gateway)->shape;
	json_t *object = pick(body, name_field, default_name);
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct err err = { 0 };
	struct gateway_row row;
	enum code code = json_read_row(
		shape, object, (struct json_asked){ .by = BY_OWNER | BY_ADMIN | BY_OPERATOR, .is_whole = default_name },
		&map, &err);

	if (!code)
		code = pack_read(shape, arena_copy(call_arena(call), buf_bytes(&map)), false, &row, &err);
	buf_done(&map);
	json_decref(object);
	if (code)
		call_refuse(call, code, &err);
	else
		*ret_row = row;
	return !code;
}
