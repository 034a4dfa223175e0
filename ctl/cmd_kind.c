/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/body.h"
#include "ctl/handlers.h"
#include "ctl/lookup.h"
#include "ctl/terminal.h"

#include <stdio.h>
#include <stdlib.h>

/* --- how a record looks */

/* A value on one line: lists by commas, what has parts as JSON. */
static void put_value(json_t *value, struct buf *out)
{
	json_t *one;
	size_t i;

	if (json_is_string(value)) {
		buf_put(out, json_string_value(value), json_string_length(value));
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, one)
		{
			if (i)
				buf_put_text(out, ", ");
			put_value(one, out);
		}
	} else if (value && !json_is_null(value)) {
		json_put_safe(value, JSON_COMPACT, out);
	}
}

static void add_value(struct table *table, json_t *value)
{
	struct buf text = buf_growing(1 << 20);

	put_value(value, &text);
	table_add(table, TONE_PLAIN, buf_bytes(&text));
	buf_done(&text);
}

/* As many fields as a table has room for, those that people look for first: all but notes, which have lines. */
static size_t choose_columns(const struct kind *kind, const struct field **fields, size_t most)
{
	const struct field *name = lookup_name_field(kind);
	size_t count = 0;

	if (name)
		fields[count++] = name;
	for (size_t i = 0; i < kind->shape.count && count < most; i++) {
		const struct field *field = &kind->shape.fields[i];

		if (field != name && !field->is_hidden && !field->is_secret && field->type != TYPE_NOTE &&
		    field->type != TYPE_PART)
			fields[count++] = field;
	}
	return count;
}

static void title_of(const char *name, char *room, size_t size)
{
	size_t i = 0;

	for (; name[i] && i + 1 < size; i++)
		room[i] = name[i] == '_'                     ? ' '
			  : name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A')
							     : name[i];
	room[i] = '\0';
}

enum { FIELDS_SHOWN = 6, TITLE_SIZE = 40 };

static void show_rows(struct page *page, json_t *document, const void *context)
{
	const struct kind *kind = context;
	const struct field *fields[FIELDS_SHOWN];
	char titles[FIELDS_SHOWN][TITLE_SIZE];
	struct column columns[FIELDS_SHOWN + 1] = { { .title = "ID", .is_whole = true } };
	size_t count = choose_columns(kind, fields, FIELDS_SHOWN), i;
	struct table table = table_make(columns, count + 1);
	json_t *one;

	for (size_t c = 0; c < count; c++) {
		title_of(fields[c]->name, titles[c], TITLE_SIZE);
		columns[c + 1].title = titles[c];
		columns[c + 1].is_number =
			!fields[c]->is_list && (fields[c]->type == TYPE_UINT || fields[c]->type == TYPE_COUNT64 ||
						fields[c]->type == TYPE_INT || fields[c]->type == TYPE_SPAN);
	}
	json_array_foreach(json_object_get(document, kind->plural), i, one)
	{
		table_add(&table, TONE_PLAIN, json_text_in(one, "id"));
		for (size_t c = 0; c < count; c++)
			add_value(&table, json_object_get(one, fields[c]->name));
	}
	table_end(&table, page);
}

static void put_lines(struct page *page, const char *name, struct bytes text)
{
	page_line(page, "%s:", name);
	page_block(page, 4, text);
}

/* Every field that the answer has, also those that only a later version knows. */
static void show_row(struct page *page, json_t *row, const void *context)
{
	const char *name;
	json_t *value;
	size_t widest = 0;

	(void)context;
	json_object_foreach(row, name, value) widest =
		strlen(name) > widest && strlen(name) < 40 ? strlen(name) : widest;
	json_object_foreach(row, name, value)
	{
		struct buf text = buf_growing(1 << 20);

		put_value(value, &text);
		if (json_is_string(value) && text.size && memchr(text.data, '\n', text.size))
			put_lines(page, name, buf_bytes(&text));
		else
			page_line(page, "%-*s  %.*s", (int)widest, name, BYTES(buf_bytes(&text)));
		buf_done(&text);
	}
}

/* --- list, show */

struct rows {
	json_t *all;
	uint64_t most;
};

static bool keep_row(void *context, json_t *row)
{
	struct rows *rows = context;

	if (json_array_size(rows->all) < rows->most)
		json_array_append(rows->all, row);
	return json_array_size(rows->all) >= rows->most;
}

static enum exit_status list(struct ctl *ctl, const struct given *given, const struct kind *kind)
{
	const char *said = given_value(given, "limit");
	struct rows rows = { .most = UINT64_MAX };
	enum exit_status status;
	json_t *document;

	if (said && (!count_read(said, &rows.most) || !rows.most))
		return ctl_fail(EXIT_USAGE, "--limit is a whole number from 1 on, not %s", said);
	rows.all = json_array();
	status = lookup_each(ctl, kind, keep_row, &rows);
	if (status) {
		json_decref(rows.all);
		return status;
	}
	/* As the API answers it, on one page. */
	document = json_pack("{s:o, s:n}", kind->plural, rows.all, "next");
	return ctl_show(ctl, document, (struct view){ show_rows, kind });
}

static enum exit_status show_one(struct ctl *ctl, const struct kind *kind, const char *text)
{
	const char *id;
	json_t *document;
	enum exit_status status = lookup_id(ctl, kind, text, &id);
	struct request request = { 0 };

	if (status)
		return status;
	request.path = ctl_path(ctl, kind->plural, id, NULL);
	status = ctl_call(ctl, &request, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_row, NULL });
}

enum exit_status run_kind_list(struct ctl *ctl, const struct given *given)
{
	return list(ctl, given, given->command->kind);
}

enum exit_status run_kind_show(struct ctl *ctl, const struct given *given)
{
	return show_one(ctl, given->command->kind, given->arguments[0]);
}

enum exit_status run_get(struct ctl *ctl, const struct given *given)
{
	const struct kind *kind = lookup_kind(ctl, given->arguments[0]);
	struct nearest nearest = { .word = given->arguments[0] };

	for (size_t i = 0; !kind && i < ctl->commands.count; i++)
		if (ctl->commands.all[i].alias)
			nearest_try(&nearest, ctl->commands.all[i].alias);
	if (!kind && nearest.best)
		return ctl_fail(EXIT_USAGE, "there are no %s; did you mean %s?", given->arguments[0], nearest.best);
	if (!kind)
		return ctl_fail(EXIT_USAGE, "there are no %s; wgctl help lists the kinds of record",
				given->arguments[0]);
	if (given->arguments[1])
		return show_one(ctl, kind, given->arguments[1]);
	return list(ctl, given, kind);
}

/* --- writes */

enum exit_status run_kind_add(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = NULL;
	json_t *document;
	enum exit_status status = body_make(ctl, given, &body);

	if (!status)
		status = ctl_write(ctl, "POST", ctl_path(ctl, given->command->kind->plural, NULL), body, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_row, NULL });
}

enum exit_status run_kind_set(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = NULL;
	const struct kind *kind = given->command->kind;
	const char *id;
	json_t *document;
	enum exit_status status = body_make(ctl, given, &body);

	if (!status && !json_object_size(body))
		return ctl_fail(EXIT_USAGE, "say what to set: wgctl %s set --help lists the options",
				given->command->group);
	if (!status)
		status = lookup_id(ctl, kind, given->arguments[0], &id);
	if (!status)
		status = ctl_write(ctl, "PATCH", ctl_path(ctl, kind->plural, id, NULL), body, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_row, NULL });
}

static void show_gone(struct page *page, json_t *document, const void *context)
{
	(void)document;
	page_line(page, "The %s is gone.", (const char *)context);
}

enum exit_status run_kind_rm(struct ctl *ctl, const struct given *given)
{
	const struct kind *kind = given->command->kind;
	const char *id;
	json_t *document;
	char question[400];
	enum exit_status status = lookup_id(ctl, kind, given->arguments[0], &id);

	if (status)
		return status;
	snprintf(question, sizeof question, "Remove the %s %s, and what hangs on it?", given->command->group,
		 given->arguments[0]);
	status = terminal_confirm(given, question);
	if (!status)
		status = ctl_write(ctl, "DELETE", ctl_path(ctl, kind->plural, id, NULL), NULL, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_gone, given->command->group });
}
