/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/err.h"

#include "crdt/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	enum code code;
	int http;
	const char *name, *text;
} codes[] = {
#define X(name, number, http, text) { name, http, #name, text },
	ERR_CODES(X)
#undef X
};

enum code fail(struct err *err, enum code code, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		vsnprintf(err->text, sizeof err->text, format, args);
		va_end(args);
		/* Messages repeat what strangers sent. */
		text_make_printable(err->text);
		err->is_placed = false;
	}
	return code;
}

enum code fail_in(struct err *err, enum code code, const char *format, ...)
{
	struct err inner;
	va_list args;
	size_t used;

	if (!err)
		return code;
	inner = *err;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", inner.text);
	text_make_printable(err->text);
	err->is_placed = false;
	return code;
}

enum code fail_at(struct err *err, enum code code, const char *name, long index)
{
	struct err inner;
	char at[24] = "";

	if (!err)
		return code;
	inner = *err;
	if (index >= 0)
		snprintf(at, sizeof at, "[%ld]", index);
	snprintf(err->text, sizeof err->text, "`%s%s%s%s", name, at,
		 inner.is_placed ? "." : "`: ", inner.text + inner.is_placed);
	text_make_printable(err->text);
	err->is_placed = true;
	return code;
}

const char *code_name(enum code code)
{
	return codes[-code].name;
}

const char *code_text(enum code code)
{
	return codes[-code].text;
}

int code_http(enum code code)
{
	return codes[-code].http;
}

void *must_alloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void *must_realloc(void *memory, size_t size)
{
	void *grown = realloc(memory, size ? size : 1);

	if (!grown)
		abort();
	return grown;
}

bool code_is_disk(enum code code)
{
	return code == E_FULL || code == E_IO || code == E_DAMAGED;
}
