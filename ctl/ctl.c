/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include "crdt/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(const char *before, const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	text_make_printable(text);
	fprintf(stderr, "%s%s\n", before, text);
	free(text);
}

enum exit_status ctl_fail(enum exit_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("wgctl: ", format, arguments);
	va_end(arguments);
	return status;
}

void ctl_hint(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;

	if (!ctl->has_error_tty)
		return;
	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

void json_drop(json_t **document)
{
	json_decref(*document);
}

struct bytes json_text_in(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_string(value) ? bytes_of(json_string_value(value), json_string_length(value))
				     : bytes_of(NULL, 0);
}

long long json_number_in(json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

bool json_truth_in(json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

/* --- paths */

static void put_segment(struct buf *path, const char *segment)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	buf_put_byte(path, '/');
	for (const char *at = segment; *at; at++) {
		uint8_t b = (uint8_t)*at;

		if (strchr(plain, *at))
			buf_put_byte(path, b);
		else
			buf_put(path, (char[]){ '%', hex[b >> 4], hex[b & 15] }, 3);
	}
}

const char *ctl_path(struct ctl *ctl, const char *first, ...)
{
	struct buf path = buf_growing(4UL * ANSWER_MAX); /* whatever an answer or a command line holds */
	va_list segments;
	const char *kept;

	buf_put_text(&path, "/api/v1");
	va_start(segments, first);
	for (const char *segment = first; segment; segment = va_arg(segments, const char *))
		put_segment(&path, segment);
	va_end(segments);
	buf_put_byte(&path, '\0');
	kept = (const char *)arena_copy(&ctl->arena, buf_bytes(&path)).data;
	buf_done(&path);
	return kept;
}

/* --- requests */

enum exit_status ctl_try(struct ctl *ctl, const struct request *request, struct answer *ret_answer)
{
	struct err err = { 0 };
	enum code code = client_call(ctl->client, request, ret_answer, &err);

	if (!code)
		return EXIT_DONE;
	return ctl_fail(code == E_FORM || code == E_VALUE ? EXIT_FAILED : EXIT_UNREACHABLE, "%s", err.text);
}

/* What a status means when the server said nothing of it. */
static const char *usual_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} all[] = {
#define X(name, number, http, text) { http, text },
		ERR_CODES(X)
#undef X
	};

	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i].status == status)
			return all[i].text;
	return "it did not say why";
}

enum exit_status ctl_refuse(struct ctl *ctl, const struct answer *answer)
{
	struct bytes detail = json_text_in(answer->document, "detail");
	struct bytes title = json_text_in(answer->document, "title");
	struct bytes field = json_text_in(answer->document, "field");
	struct bytes number = json_text_in(answer->document, "number");
	bool names_field = !field.size || !detail.size || memmem(detail.data, detail.size, field.data, field.size);

	detail = detail.size ? detail : title.size ? title : bytes_text(usual_text(answer->status));
	if (answer->status >= 500)
		ctl_fail(EXIT_FAILED, "%.*s (status %d; journalctl -u warrend has more of request %.*s)", BYTES(detail),
			 answer->status, BYTES(number.size ? number : bytes_text("at this time")));
	else if (json_is_null(answer->document))
		ctl_fail(EXIT_FAILED, "the server refused this: %.*s (status %d)", BYTES(detail), answer->status);
	else
		ctl_fail(EXIT_FAILED, "%.*s%s%.*s", names_field ? 0 : (int)field.size,
			 field.size ? (const char *)field.data : "", names_field ? "" : ": ", BYTES(detail));
	ctl->output->problem(ctl, answer->document);
	return EXIT_FAILED;
}

/* Hands the document of a success on; what was refused is said. */
static enum exit_status settle(struct ctl *ctl, struct answer *answer, json_t **ret_document)
{
	if (answer->status >= 200 && answer->status < 300) {
		*ret_document = answer->document;
		return EXIT_DONE;
	}
	ctl_refuse(ctl, answer);
	json_decref(answer->document);
	return EXIT_FAILED;
}

enum exit_status ctl_call(struct ctl *ctl, const struct request *request, json_t **ret_document)
{
	struct answer answer = { 0 };
	enum exit_status status = ctl_try(ctl, request, &answer);

	return status ? status : settle(ctl, &answer, ret_document);
}

enum exit_status ctl_write(struct ctl *ctl, const char *method, const char *path, json_t *body, json_t **ret_document)
{
	size_t size = strlen(path) + sizeof "?replicas=1";
	char *with_copy = arena_take(&ctl->arena, size);
	struct request request = { .method = method, .path = with_copy, .body = body };
	struct answer answer = { 0 };
	enum exit_status status;

	snprintf(with_copy, size, "%s?replicas=1", path);
	status = ctl_try(ctl, &request, &answer);
	if (status)
		return status;
	if (answer.status != 400 || !bytes_equal(json_text_in(answer.document, "field"), bytes_text("replicas")))
		return settle(ctl, &answer, ret_document);
	json_decref(answer.document);
	request.path = path;
	return ctl_call(ctl, &request, ret_document);
}

enum exit_status ctl_show(struct ctl *ctl, json_t *document, struct view view)
{
	enum exit_status status = ctl->output->answer(ctl, document, view);

	json_decref(document);
	return status;
}
