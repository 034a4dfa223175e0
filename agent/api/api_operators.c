/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "crdt/model/pack.h"

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
