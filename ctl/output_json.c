/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

void json_put_safe(json_t *document, size_t flags, struct buf *out)
{
	char *text = json_dumps(document, flags | JSON_ENCODE_ANY);
	struct bytes left = bytes_text(text ? text : "null");

	/* Outside of strings there is nothing but ASCII, and inside them line feeds are escaped already. */
	while (left.size) {
		uint32_t point = 0;
		size_t length = text_decode(left, &point);
		char escaped[16];

		length = length ? length : 1;
		if (text_is_refused(point) && point != '\n') {
			snprintf(escaped, sizeof escaped, "\\u%04x", point & 0xffff);
			buf_put_text(out, escaped);
		} else {
			buf_put(out, left.data, length);
		}
		left = bytes_of(left.data + length, left.size - length);
	}
	free(text);
}

static enum exit_status write_document(json_t *document, size_t flags)
{
	struct buf text = buf_growing(SIZE_MAX / 2);
	enum exit_status status;

	json_put_safe(document, flags, &text);
	buf_put_byte(&text, '\n');
	status = output_write(buf_bytes(&text));
	buf_done(&text);
	return status;
}

static enum exit_status json_answer(struct ctl *ctl, json_t *document, struct view view)
{
	(void)ctl, (void)view;
	return write_document(document, JSON_INDENT(2));
}

static enum exit_status json_problem(struct ctl *ctl, json_t *problem)
{
	(void)ctl;
	/* On one line, for it may stand among others of a watch. */
	return json_is_null(problem) ? EXIT_DONE : write_document(problem, JSON_COMPACT);
}

static enum exit_status json_tick(struct ctl *ctl, json_t *document, struct view view)
{
	(void)ctl, (void)view;
	return write_document(document, JSON_COMPACT);
}

const struct output output_json = { json_answer, json_problem, json_tick };
