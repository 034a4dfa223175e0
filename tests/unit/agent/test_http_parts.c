/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, targets and problem documents, each by itself. */
#include "agent/http/problem.h"
#include "agent/http/route.h"
#include "agent/http/target.h"
#include "tests/unit/base/check.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void handle(void *context, struct call *call)
{
	(void)context;
	(void)call;
}

#define ROUTE(method, pattern)                                       \
	{                                                            \
		method, pattern, ROUTE_OWNERS, BODY_NONE, handle, "" \
	}

static const struct route some[] = {
	ROUTE("GET", "/"),
	ROUTE("GET", "/a"),
	ROUTE("POST", "/a"),
	ROUTE("GET", "/a/{x}"),
	ROUTE("DELETE", "/a/{x}"),
	ROUTE("GET", "/a/{x}/b"),
	ROUTE("GET", "/a/{x}/{y}/{z}/c"),
	ROUTE("PUT", "/b/{x}/{y}"),
	ROUTE("PATCH", "/b/c/{y}"),
	ROUTE("GET", "/1/2/3/4/5/6/7/8/9/10/11/12"),
};

static const struct {
	const char *method, *path;
	int nth; /* of the routes; -1: none */
	const char *allow;
} asked[] = {
	{ "GET", "/", 0, "" },
	{ "GET", "/a", 1, "" },
	{ "POST", "/a", 2, "" },
	{ "PUT", "/a", -1, "GET, POST" },
	{ "GETS", "/a", -1, "GET, POST" },
	{ "HEAD", "/a", -1, "GET, POST" },
	{ "GET", "/a/", -1, "" },
	{ "GET", "//a", -1, "" },
	{ "GET", "/ab", -1, "" },
	{ "GET", "/A", -1, "" },
	{ "GET", "/%61", -1, "" },
	{ "GET", "/a/b", 3, "" },
	{ "DELETE", "/a/..", 4, "" },
	{ "GET", "/a/b/b", 5, "" },
	{ "GET", "/a//b", -1, "" },
	{ "GET", "/a/b/b/", -1, "" },
	{ "GET", "/a/b/bb", -1, "" },
	{ "GET", "/a/1/2/3/c", 6, "" },
	{ "GET", "/a/1/2/3/c/d", -1, "" },
	{ "PUT", "/b/c/d", 7, "" },
	{ "PATCH", "/b/c/d", 8, "" },
	{ "GET", "/b/c/d", -1, "PUT, PATCH" },
	{ "GET", "/b/d/d", -1, "PUT" },
	{ "GET", "/1/2/3/4/5/6/7/8/9/10/11/12", 9, "" },
	{ "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13", -1, "" },
	{ "GET", "", -1, "" },
	{ "GET", "a", -1, "" },
};

static void paths_are_matched_exactly(void **state)
{
	struct routes *routes = routes_make(some, COUNT(some));

	(void)state;
	for (size_t i = 0; i < COUNT(asked); i++) {
		struct route_match match = routes_find(routes, bytes_text(asked[i].method), bytes_text(asked[i].path));

		if (match.route != (asked[i].nth < 0 ? NULL : &some[asked[i].nth]))
			fail_msg("%s %s", asked[i].method, asked[i].path);
		assert_string_equal(match.allow, asked[i].allow);
	}
	routes_free(routes);
}

static void places_are_found(void **state)
{
	struct routes *routes = routes_make(some, COUNT(some));
	struct route_match match = routes_find(routes, bytes_text("GET"), bytes_text("/a/%31/two/3/c"));

	(void)state;
	assert_int_equal(match.found_count, 3);
	assert_true(bytes_equal(match.found[0], bytes_text("%31")));
	assert_true(bytes_equal(match.found[1], bytes_text("two")));
	assert_true(bytes_equal(match.found[2], bytes_text("3")));
	routes_free(routes);
}

/* Whether a table ends the process: another one, that says nothing of it. */
static bool is_a_bug(const struct route *table, size_t count)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		fclose(stderr);
		routes_make(table, count);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void wrong_tables_end_the_process(void **state)
{
	static const struct route twice[] = { ROUTE("GET", "/a/{x}"), ROUTE("GET", "/a/b") };
	static const struct route open = { "GET", "/a", 0, BODY_NONE, handle, "" };
	static const struct route body = { "GET", "/a", ROUTE_OWNERS, BODY_JSON, handle, "" };
	static const struct route wrong[] = {
		ROUTE("get", "/a"),  ROUTE("", "/a"),     ROUTE("GET", "a"),
		ROUTE("GET", "/a/"), ROUTE("GET", "//a"), ROUTE("GET", ""),
		ROUTE("GET", "/{}"), ROUTE("GET", "/{x"), ROUTE("GET", "/{a}/{b}/{c}/{d}/{e}"),
	};

	(void)state;
	assert_false(is_a_bug(twice, 1));
	assert_true(is_a_bug(twice, 2));
	assert_true(is_a_bug(&open, 1));
	assert_true(is_a_bug(&body, 1));
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_true(is_a_bug(&wrong[i], 1));
}

static const struct {
	const char *written, *decoded; /* NULL: refused */
} segments[] = {
	{ "abc", "abc" },  { "a+b", "a+b" }, { "%41%2f%2F", "A//" }, { "%c3%a9", "\xc3\xa9" }, { "%25", "%" },
	{ "%", NULL },     { "a%4", NULL },  { "%4g", NULL },        { "%%41", NULL },         { "%00", NULL },
	{ "a%00b", NULL }, { "%ff", NULL },  { "%c3", NULL },        { "%c0%80", NULL },       { "%-1", NULL },
};

static void segments_are_decoded(void **state)
{
	struct arena arena = { 0 };
	struct refusal refusal;
	struct bytes text;

	(void)state;
	for (size_t i = 0; i < COUNT(segments); i++) {
		bool is_taken = target_segment(bytes_text(segments[i].written), &arena, &text, &refusal);

		if (is_taken != !!segments[i].decoded)
			fail_msg("%s", segments[i].written);
		if (is_taken)
			assert_true(bytes_equal(text, bytes_text(segments[i].decoded)));
		else
			assert_int_equal(refusal.status, 400);
	}
	arena_done(&arena);
}

static const struct {
	const char *written;
	size_t count; /* 99: refused */
} queries[] = {
	{ "", 0 },
	{ "a=b", 1 },
	{ "a=", 1 },
	{ "a=b&c=d", 2 },
	{ "a=b=c", 1 },
	{ "a+b=c+d", 1 },
	{ "a", 99 },
	{ "=b", 99 },
	{ "&", 99 },
	{ "a=b&", 99 },
	{ "&a=b", 99 },
	{ "a=b&&c=d", 99 },
	{ "a=b&a=b", 99 },
	{ "a=b&%61=c", 99 },
	{ "a=%", 99 },
	{ "%00=b", 99 },
	{ "a=%00", 99 },
	{ "a=%fe", 99 },
	{ "a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=", 16 },
	{ "a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=&q=", 99 },
};

static void queries_are_decoded(void **state)
{
	struct arena arena = { 0 };
	struct target_query query;
	struct refusal refusal;

	(void)state;
	for (size_t i = 0; i < COUNT(queries); i++) {
		bool is_taken = target_query(bytes_text(queries[i].written), &arena, &query, &refusal);

		if (is_taken != (queries[i].count != 99) || (is_taken && query.count != queries[i].count))
			fail_msg("%s", queries[i].written);
	}
	assert_true(target_query(bytes_text("a+%62=%2B+%26&c=d"), &arena, &query, &refusal));
	assert_true(bytes_equal(query.all[0].name, bytes_text("a b")));
	assert_true(bytes_equal(query.all[0].value, bytes_text("+ &")));
	assert_true(bytes_equal(query.all[1].value, bytes_text("d")));
	arena_done(&arena);
}

static json_t *problem_of(const struct problem *problem)
{
	struct buf text = buf_growing(4096);
	json_t *document;

	problem_write(problem, &text);
	document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	buf_done(&text);
	assert_non_null(document);
	return document;
}

static void expect_text(const json_t *document, const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(document, name)), text);
}

static void problems_are_documents(void **state)
{
	struct err err = { 0 };
	struct problem problem = { .status = 409, .code = E_TAKEN, .err = &err, .number = 0xabc };
	json_t *document;

	(void)state;
	fail(&err, E_TAKEN, "is \"taken\"\nby another: choose one");
	fail_at(&err, E_TAKEN, "name", -1);
	fail_at(&err, E_TAKEN, "devices", 3);
	document = problem_of(&problem);
	expect_text(document, "type", "about:blank");
	expect_text(document, "title", "Conflict");
	expect_text(document, "code", "taken");
	expect_text(document, "detail", "`devices[3].name`: is \"taken\"?by another: choose one");
	expect_text(document, "field", "devices[3].name");
	expect_text(document, "number", "0000000000000abc");
	assert_int_equal(json_integer_value(json_object_get(document, "status")), 409);
	assert_int_equal(json_object_size(document), 7);
	json_decref(document);
}

/* A field only if the message was placed under one, and always a text. */
static void problems_without_a_field(void **state)
{
	struct err err = { 0 };
	struct problem problem = { .status = 507, .code = E_FULL, .number = UINT64_MAX };
	json_t *document = problem_of(&problem);

	(void)state;
	expect_text(document, "detail", code_text(E_FULL));
	expect_text(document, "code", "full");
	expect_text(document, "number", "ffffffffffffffff");
	assert_null(json_object_get(document, "field"));
	json_decref(document);
	problem.err = &err;
	fail(&err, E_FULL, "`x` is not a field");
	document = problem_of(&problem);
	assert_null(json_object_get(document, "field"));
	json_decref(document);
}

static void every_code_has_a_title(void **state)
{
	static const enum code codes[] = {
#define X(name, number, http, text) name,
		ERR_CODES(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++)
		assert_string_not_equal(problem_title(code_http(codes[i])), "Error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_matched_exactly),    cmocka_unit_test(places_are_found),
		cmocka_unit_test(wrong_tables_end_the_process), cmocka_unit_test(segments_are_decoded),
		cmocka_unit_test(queries_are_decoded),          cmocka_unit_test(problems_are_documents),
		cmocka_unit_test(problems_without_a_field),     cmocka_unit_test(every_code_has_a_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
