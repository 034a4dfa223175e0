/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/buf.h"
#include "crdt/model/model.h"
#include "tests/unit/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * All that model.def said, model.golden, it still says. Numbers, types and merges are for ever; who may set a field,
 * what is secret, required, indexed, and every limit change only where somebody sees it. What is added needs no line
 * here, until `test_model_golden --write` writes the file anew: then it is guarded too.
 */

enum { GOLDEN_MAX = 1 << 20 };

static const char *what_of(const struct field *f)
{
	if (f->type == TYPE_CHOICE)
		return model_choices[f->of].name;
	if (f->type == TYPE_ADDRESS || f->type == TYPE_NETWORK)
		return f->of == 4 ? "IPv4" : f->of ? "IPv6" : "-";
	if (f->type == TYPE_PART)
		return model_parts[f->of].name;
	return f->of ? model_kind(f->of)->shape.name : "-";
}

static void describe_marks(const struct field *f, struct buf *buf)
{
	const struct {
		bool is;
		const char *name;
	} marks[] = {
		{ f->is_required, " required" }, { f->is_indexed, " indexed" }, { f->is_claim, " claim" },
		{ f->is_parent, " parent" },     { f->is_marked, " marked" },   { f->is_secret, " secret" },
		{ f->is_hidden, " hidden" },
	};

	for (size_t i = 0; i < COUNT(marks); i++)
		if (marks[i].is)
			buf_put_text(buf, marks[i].name);
	buf_put_byte(buf, '\n');
}

static void describe_shape(const struct shape *shape, struct buf *buf)
{
	static const char *const merges[] = { "ONCE", "LWW", "MAX", "CRED" };
	static const char *const types[] = {
#define X(type, c_type, least, most) #type,
		MODEL_TYPES(X)
#undef X
	};
	char line[256];

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		snprintf(line, sizeof line, "%s.%s %u %s %s of %s most %u min %" PRIx64 " max %" PRIx64 " by %u",
			 shape->name, f->name, f->number >> 2, merges[f->merge], types[f->type], what_of(f), f->most,
			 f->min, f->max, f->by);
		buf_put_text(buf, line);
		describe_marks(f, buf);
	}
}

static struct buf describe(void)
{
	struct buf buf = buf_growing(GOLDEN_MAX);
	char line[256];

	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct kind *kind = &model_kinds[i];

		snprintf(line, sizeof line, "kind %s %u tier %u plural %s%s\n", kind->shape.name,
			 (unsigned)kind->number >> 2, (unsigned)kind->number & 3, kind->plural,
			 kind->is_urgent ? " urgent" : "");
		buf_put_text(&buf, line);
		describe_shape(&kind->shape, &buf);
	}
	for (size_t i = 0; i < MODEL_PARTS; i++)
		describe_shape(&model_parts[i], &buf);
	for (size_t i = 0; i < MODEL_CHOICES; i++)
		for (size_t k = 0; k < model_choices[i].count; k++) {
			const struct choice *choice = &model_choices[i].all[k];

			snprintf(line, sizeof line, "choice %s %s %" PRIu64 "\n", model_choices[i].name, choice->name,
				 choice->number);
			buf_put_text(&buf, line);
		}
	assert_false(buf.is_full);
	return buf;
}

/* Whether `text` has the line, whole. */
static bool has_line(struct bytes text, struct bytes line)
{
	for (size_t at = 0; at + line.size <= text.size;) {
		const uint8_t *start = text.data + at, *end = memchr(start, '\n', text.size - at);

		if (bytes_equal(bytes_of(start, (size_t)(end + 1 - start)), line))
			return true;
		at = (size_t)(end + 1 - text.data);
	}
	return false;
}

static void the_model_says_what_it_said(void **state)
{
	FILE *file = fopen(MODEL_GOLDEN, "r");
	struct buf is = describe();
	char line[512];
	size_t count = 0;

	(void)state;
	assert_non_null(file);
	for (; fgets(line, sizeof line, file); count++)
		if (!has_line(buf_bytes(&is), bytes_text(line)))
			fail_msg("model.def no longer says: %s", line);
	fclose(file);
	assert_true(count > 300);
	buf_done(&is);
}

static int write_golden(void)
{
	FILE *file = fopen(MODEL_GOLDEN, "w");
	struct buf is = describe();
	bool is_written = file && fwrite(is.data, 1, is.size, file) == is.size;

	is_written = file && !fclose(file) && is_written;
	buf_done(&is);
	return is_written ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_model_says_what_it_said),
	};

	if (argc > 1 && !strcmp(argv[1], "--write"))
		return write_golden();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
