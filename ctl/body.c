/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/body.h"

#include "crdt/model/json.h"
#include "ctl/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BODY_MAX = 64 << 10 };

bool count_read(const char *text, uint64_t *ret_count)
{
	uint64_t count = 0;

	if (!*text)
		return false;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(count, 10, &count) ||
		    __builtin_add_overflow(count, (uint64_t)(*text - '0'), &count))
			return false;
	*ret_count = count;
	return true;
}

bool span_read(const char *text, uint64_t *ret_seconds)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char digits[24];
	size_t size = strlen(text);
	uint64_t factor = 1, count;

	if (!size || size >= sizeof digits)
		return false;
	memcpy(digits, text, size + 1);
	for (size_t i = 0; i < COUNT(units); i++)
		if (text[size - 1] == units[i].letter) {
			factor = units[i].seconds;
			digits[size - 1] = '\0';
		}
	if (!count_read(digits, &count) || __builtin_mul_overflow(count, factor, &count))
		return false;
	*ret_seconds = count;
	return true;
}

static enum exit_status read_all(int fd, const char *path, size_t limit, struct buf *text)
{
	uint8_t room[4096];
	ssize_t size;

	do {
		size = read(fd, room, sizeof room);
		if (size > 0)
			buf_put(text, room, (size_t)size);
	} while ((size > 0 && !text->is_full) || (size < 0 && errno == EINTR));
	if (size < 0)
		return ctl_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	if (text->is_full || text->size > limit)
		return ctl_fail(EXIT_FAILED, "%s has more than %zu bytes", path, limit);
	buf_put_byte(text, '\0');
	text->size--;
	return EXIT_DONE;
}

enum exit_status file_read(const char *path, size_t limit, struct buf *ret_text)
{
	bool is_input = !strcmp(path, "-");
	int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct buf text = buf_growing(limit + 2);
	enum exit_status status;

	if (fd < 0)
		return ctl_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	status = read_all(fd, is_input ? "standard input" : path, limit, &text);
	if (!is_input)
		close(fd);
	if (status)
		buf_done(&text);
	else
		*ret_text = text;
	return status;
}

/* --- values */

static enum exit_status not_so(const struct option *option, const char *value, const char *must)
{
	return ctl_fail(EXIT_USAGE, "--%s is %s, not %s", option->name, must, value);
}

static json_t *json_of_count(uint64_t count)
{
	char digits[24];

	/* Beyond what a JSON number carries without loss, the API takes digits as text. */
	if (!(count >> 53))
		return json_integer((json_int_t)count);
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
	return json_string(digits);
}

static enum exit_status from_count(const struct option *option, const char *value, json_t **ret_value)
{
	uint64_t count;

	if (!count_read(value, &count))
		return not_so(option, value, "a whole number");
	*ret_value = json_of_count(count);
	return EXIT_DONE;
}

static enum exit_status from_int(const struct option *option, const char *value, json_t **ret_value)
{
	bool is_below = *value == '-';
	uint64_t count;

	if (!count_read(value + is_below, &count) || count >> 53)
		return not_so(option, value, "a whole number");
	*ret_value = json_integer(is_below ? -(json_int_t)count : (json_int_t)count);
	return EXIT_DONE;
}

static enum exit_status from_span(const struct option *option, const char *value, json_t **ret_value)
{
	uint64_t seconds;

	if (!span_read(value, &seconds) || seconds >> 53)
		return not_so(option, value, "seconds, or such as 15m, 24h, 7d");
	*ret_value = json_integer((json_int_t)seconds);
	return EXIT_DONE;
}

static enum exit_status from_json(const struct option *option, const char *value, json_t **ret_value)
{
	struct err err = { 0 };

	if (json_open(bytes_text(value), BODY_MAX, ret_value, &err))
		return ctl_fail(EXIT_USAGE, "--%s is no JSON: %s", option->name, err.text);
	return EXIT_DONE;
}

static enum exit_status from_text(const struct option *option, const char *value, json_t **ret_value)
{
	*ret_value = json_string(value);
	return *ret_value ? EXIT_DONE : ctl_fail(EXIT_USAGE, "--%s is not in UTF-8", option->name);
}

static enum exit_status from_choice(const struct option *option, const char *value, json_t **ret_value)
{
	size_t size = strlen(value);

	for (const char *at = option->choices; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (strcspn(at, "|") == size && !memcmp(at, value, size))
			return from_text(option, value, ret_value);
	}
	return ctl_fail(EXIT_USAGE, "--%s is one of %s, not %s", option->name, option->choices, value);
}

static enum exit_status from_id(struct ctl *ctl, const struct option *option, const char *value, json_t **ret_value)
{
	const char *id;
	enum exit_status status = lookup_id(ctl, option->of, value, &id);

	return status ? status : from_text(option, id, ret_value);
}

static enum exit_status value_of(struct ctl *ctl, const struct option *option, const char *value, json_t **ret_value)
{
	const char *ref;
	enum exit_status status;

	switch (option->form) {
	case FORM_TEXT:
	case FORM_FILE: return from_text(option, value, ret_value);
	case FORM_FLAG: *ret_value = json_true(); return EXIT_DONE;
	case FORM_BOOL: *ret_value = json_boolean(*value == 't'); return EXIT_DONE;
	case FORM_COUNT: return from_count(option, value, ret_value);
	case FORM_INT: return from_int(option, value, ret_value);
	case FORM_SPAN: return from_span(option, value, ret_value);
	case FORM_CHOICE: return from_choice(option, value, ret_value);
	case FORM_JSON: return from_json(option, value, ret_value);
	case FORM_ID: return from_id(ctl, option, value, ret_value);
	case FORM_REF:
		status = lookup_ref(ctl, value, &ref);
		return status ? status : from_text(option, ref, ret_value);
	}
	return EXIT_USAGE;
}

/* --- lists: by commas, or the option again; none when the value is empty */

static enum exit_status add_items(struct ctl *ctl, const struct option *option, char *items, json_t *list)
{
	char *rest = items, *item;

	while ((item = strsep(&rest, ","))) {
		json_t *value = NULL;
		enum exit_status status = EXIT_DONE;

		if (*item)
			status = value_of(ctl, option, item, &value);
		if (status)
			return status;
		if (value)
			json_array_append_new(list, value);
	}
	return EXIT_DONE;
}

static enum exit_status add_list(struct ctl *ctl, const struct option *option, const char *value, json_t *body)
{
	json_t *list = json_object_get(body, option->member), *more = NULL;
	enum exit_status status;
	char *items;

	if (option->form == FORM_JSON) {
		status = from_json(option, value, &more);
		if (status)
			return status;
		if (!json_is_array(more)) {
			json_decref(more);
			return not_so(option, value, "a JSON list");
		}
		json_array_extend(list, more);
		json_decref(more);
		return EXIT_DONE;
	}
	items = must_alloc(strlen(value) + 1);
	strcpy(items, value);
	status = add_items(ctl, option, items, list);
	free(items);
	return status;
}

static enum exit_status add_member(struct ctl *ctl, const struct option *option, const char *value, json_t *body)
{
	json_t *made = NULL;
	enum exit_status status;

	if (option->is_list)
		return add_list(ctl, option, value, body);
	status = value_of(ctl, option, value, &made);
	if (!status)
		json_object_set_new(body, option->member, made);
	return status;
}

static enum exit_status read_body(const char *path, json_t **ret_body)
{
	struct err err = { 0 };
	struct buf text;
	json_t *body;
	enum exit_status status = file_read(path, BODY_MAX, &text);
	enum code code;

	if (status)
		return status;
	code = json_open(buf_bytes(&text), BODY_MAX, &body, &err);
	buf_done(&text);
	if (code)
		return ctl_fail(EXIT_USAGE, "%s: %s", path, err.text);
	if (!json_is_object(body)) {
		json_decref(body);
		return ctl_fail(EXIT_USAGE, "%s: must be one JSON object, { \"field\": value, … }", path);
	}
	*ret_body = body;
	return EXIT_DONE;
}

static enum exit_status add_unset(const struct given *given, const char *name, json_t *body)
{
	const struct option *option = command_option(given->command, name);

	if (!option || !option->member)
		return ctl_fail(EXIT_USAGE, "there is no field %s to unset", name);
	json_object_set_new(body, option->member, json_null());
	return EXIT_DONE;
}

enum exit_status body_make(struct ctl *ctl, const struct given *given, json_t **ret_body)
{
	const char *path = given_value(given, "json-body");
	json_t *body = NULL;
	enum exit_status status = EXIT_DONE;

	if (path)
		status = read_body(path, &body);
	else
		body = json_object();
	/* A list that is given replaces what the file says of it. */
	for (size_t i = 0; !status && i < given->option_count; i++)
		if (given->options[i].option->is_list && given->options[i].option->member)
			json_object_set_new(body, given->options[i].option->member, json_array());
	for (size_t i = 0; !status && i < given->option_count; i++) {
		const struct given_option *one = &given->options[i];

		if (one->option->member)
			status = add_member(ctl, one->option, one->value, body);
		else if (!strcmp(one->option->name, "unset"))
			status = add_unset(given, one->value, body);
	}
	if (status)
		json_decref(body);
	else
		*ret_body = body;
	return status;
}
