/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lookup.h"

#include "crdt/base/text.h"

#include <stdio.h>

static bool is_id(const char *text)
{
	struct id id;

	return hex_read(bytes_text(text), id.bytes, sizeof id.bytes);
}

static bool is_text(json_t *object, const char *name, const char *text)
{
	struct bytes found = json_text_in(object, name);

	return found.size && bytes_equal(found, bytes_text(text));
}

const struct field *lookup_name_field(const struct kind *kind)
{
	const struct field *name = NULL;

	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *field = &kind->shape.fields[i];

		if (field->is_claim)
			return field;
		if (!strcmp(field->name, "name") && !field->is_hidden)
			name = field;
	}
	return name;
}

const struct kind *lookup_kind(struct ctl *ctl, const char *word)
{
	for (size_t i = 0; i < ctl->commands.count; i++)
		if (ctl->commands.all[i].kind && command_is_of(&ctl->commands.all[i], word))
			return ctl->commands.all[i].kind;
	return NULL;
}

/* --- all records of a kind */

static const char *page_path(struct ctl *ctl, const struct kind *kind, struct bytes cursor)
{
	char *room = arena_take(&ctl->arena, cursor.size + 1);
	const char *path = ctl_path(ctl, kind->plural, NULL), *encoded;
	size_t size;
	char *whole;

	memcpy(room, cursor.data ? cursor.data : (const uint8_t *)"", cursor.size);
	/* What a path's segment is encoded to stands for itself in a query too. */
	encoded = ctl_path(ctl, room, NULL) + strlen("/api/v1/");
	size = strlen(path) + strlen(encoded) + 40;
	whole = arena_take(&ctl->arena, size);
	snprintf(whole, size, "%s?limit=%d%s%s", path, PAGE_ROWS, cursor.size ? "&cursor=" : "", encoded);
	return whole;
}

enum exit_status lookup_each(struct ctl *ctl, const struct kind *kind, bool (*row)(void *context, json_t *row),
			     void *context)
{
	json_t *document = NULL;
	struct bytes cursor = { 0 };
	bool has_enough = false;

	for (int page = 0; page < PAGES_MAX; page++) {
		const struct request request = { .path = page_path(ctl, kind, cursor) };
		json_t *next, *rows, *one;
		size_t i;
		enum exit_status status;

		status = ctl_call(ctl, &request, &next);
		json_decref(document);
		if (status)
			return status;
		document = next;
		rows = json_object_get(document, kind->plural);
		if (!json_is_array(rows)) {
			json_decref(document);
			return ctl_fail(EXIT_FAILED, "the answer has no %s: is the server of another version?",
					kind->plural);
		}
		json_array_foreach(rows, i, one) has_enough = has_enough || row(context, one);
		cursor = json_text_in(document, "next");
		if (has_enough || !cursor.size)
			break;
	}
	json_decref(document);
	return EXIT_DONE;
}

/* --- names */

struct search {
	const char *field, *text;
	char id[64];
	size_t found;
};

static bool compare_row(void *context, json_t *row)
{
	struct search *search = context;
	struct bytes id = json_text_in(row, "id");

	if (!is_text(row, search->field, search->text) || id.size >= sizeof search->id)
		return false;
	search->found++;
	snprintf(search->id, sizeof search->id, "%.*s", BYTES(id));
	return search->found > 1;
}

enum exit_status lookup_id(struct ctl *ctl, const struct kind *kind, const char *text, const char **ret_id)
{
	const struct field *field = lookup_name_field(kind);
	struct search search = { .text = text };
	enum exit_status status;

	if (is_id(text)) {
		*ret_id = text;
		return EXIT_DONE;
	}
	if (!field)
		return ctl_fail(EXIT_USAGE, "%s is no id: a %s has no name, so say its 32 hex digits (wgctl get %s)",
				text, word_of(&ctl->arena, kind->shape.name), word_of(&ctl->arena, kind->plural));
	search.field = field->name;
	status = lookup_each(ctl, kind, compare_row, &search);
	if (status)
		return status;
	if (!search.found)
		return ctl_fail(EXIT_FAILED, "there is no %s %s; wgctl get %s lists them",
				word_of(&ctl->arena, kind->shape.name), text, word_of(&ctl->arena, kind->plural));
	if (search.found > 1)
		return ctl_fail(EXIT_FAILED,
				"several are called %s: say the id of the one that you mean (wgctl get %s)", text,
				word_of(&ctl->arena, kind->plural));
	*ret_id = (const char *)arena_copy(&ctl->arena, bytes_of(search.id, strlen(search.id) + 1)).data;
	return EXIT_DONE;
}

enum exit_status lookup_ref(struct ctl *ctl, const char *text, const char **ret_ref)
{
	const char *slash = strchr(text, '/'), *id;
	char word[64], ref[128];
	const struct kind *kind;
	enum exit_status status;

	if (!slash || (size_t)(slash - text) >= sizeof word)
		return ctl_fail(EXIT_USAGE, "%s names no record: say its kind and its name or id, such as user/anna",
				text);
	snprintf(word, sizeof word, "%.*s", (int)(slash - text), text);
	kind = lookup_kind(ctl, word);
	if (!kind)
		return ctl_fail(EXIT_USAGE, "there is no kind %s; wgctl help lists them", word);
	status = lookup_id(ctl, kind, slash + 1, &id);
	if (status)
		return status;
	snprintf(ref, sizeof ref, "%s/%s", kind->shape.name, id);
	*ret_ref = (const char *)arena_copy(&ctl->arena, bytes_of(ref, strlen(ref) + 1)).data;
	return EXIT_DONE;
}

enum exit_status lookup_member(json_t *members, const char *text, json_t **ret_member)
{
	json_t *one, *found = NULL, *standing = NULL;
	size_t i, count = 0, count_standing = 0;

	/* Of several that served one gateway, those that were evicted are seldom meant. */
	json_array_foreach(json_object_get(members, "members"), i, one)
	{
		if (is_text(one, "node", text)) {
			*ret_member = one;
			return EXIT_DONE;
		}
		if (!is_text(one, "gateway", text) && !is_text(one, "name", text))
			continue;
		found = one;
		count++;
		if (is_text(one, "state", "evicted"))
			continue;
		standing = one;
		count_standing++;
	}
	if (!count)
		return ctl_fail(EXIT_FAILED, "there is no server %s; wgctl cluster members lists them", text);
	if (count_standing > 1 || (!count_standing && count > 1))
		return ctl_fail(EXIT_FAILED,
				"several servers are called %s: say the node's 16 hex digits (wgctl cluster "
				"members)",
				text);
	*ret_member = standing ? standing : found;
	return EXIT_DONE;
}
