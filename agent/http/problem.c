/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/problem.h"

#include "crdt/model/json.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	int status;
	const char *title;
} titles[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *problem_title(int status)
{
	for (size_t i = 0; i < COUNT(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return status < 300 ? "OK" : "Error";
}

/* "E_TAKEN" is "taken", and 0 is "ok". */
static void put_code(enum code code, struct buf *buf)
{
	const char *name = code_name(code);

	for (name += code ? 2 : 0; *name; name++)
		buf_put_byte(buf, *name == '_' ? '_' : (uint8_t)(*name | 0x20));
}

static void put_field(struct buf *buf, const char *name, struct bytes text)
{
	buf_put_text(buf, ",\"");
	buf_put_text(buf, name);
	buf_put_text(buf, "\":");
	json_write_text(text, buf);
}

/* The field that a placed message begins with, in backquotes. */
static struct bytes field_of(const struct err *err)
{
	const char *end = err && err->is_placed && err->text[0] == '`' ? strchr(err->text + 1, '`') : NULL;

	return end ? bytes_of(err->text + 1, (size_t)(end - err->text - 1)) : (struct bytes){ 0 };
}

void problem_write(const struct problem *problem, struct buf *buf)
{
	const char *detail = problem->err && *problem->err->text ? problem->err->text : code_text(problem->code);
	struct bytes field = field_of(problem->err);
	char number[24];

	buf_put_text(buf, "{\"type\":\"about:blank\"");
	put_field(buf, "title", bytes_text(problem_title(problem->status)));
	snprintf(number, sizeof number, "%d", problem->status);
	buf_put_text(buf, ",\"status\":");
	buf_put_text(buf, number);
	buf_put_text(buf, ",\"code\":\"");
	put_code(problem->code, buf);
	buf_put_text(buf, "\"");
	put_field(buf, "detail", bytes_text(detail));
	if (field.size)
		put_field(buf, "field", field);
	snprintf(number, sizeof number, "%016" PRIx64, problem->number);
	put_field(buf, "number", bytes_text(number));
	buf_put_text(buf, "}");
}
