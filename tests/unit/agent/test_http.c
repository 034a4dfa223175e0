/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the server sees. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"

static void an_answer_has_its_headers(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	answer = http_ask(&test, "GET /hello" HEAD "\r\n");
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"ok\":true}");
	assert_true(http_has_line(&answer, "Content-Type: application/json"));
	assert_true(http_has_line(&answer, "Content-Length: 11"));
	assert_true(http_has_line(&answer, "Cache-Control: no-store"));
	assert_true(http_has_line(&answer, "X-Content-Type-Options: nosniff"));
	assert_null(strcasestr(answer.head, "\nserver:"));
	http_case_run(&test, 2);
	assert_int_equal(test.told, 1);
	assert_string_equal(test.told_method, "GET");
	assert_string_equal(test.told_pattern, "/hello");
	assert_int_equal(test.told_status, 200);
	assert_int_equal(test.told_caller.kind, CALLER_SOCKET);
	assert_int_equal(test.told_caller.uid, getuid());
	assert_int_equal(test.told_caller.gid, getgid());
	assert_int_equal(test.told_caller.pid, getpid());
	http_case_close(&test);
}

static void a_target_is_decoded(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	answer = http_ask(&test, "GET /items/a%2Fb+/of/%c3%a9?q=x+y%26&r+s=1" HEAD "warren-TOKEN: t\r\n\r\n");
	assert_string_equal(answer.body,
			    "{\"id\":\"a/b+\",\"other\":\"\xc3\xa9\",\"q\":\"x y&\",\"r s\":\"1\",\"token\":\"t\"}");
	assert_true(http_has_line(&answer, "Warren-After: abc"));
	/* Whatever a handler hands on, it begins no header. */
	assert_true(http_has_line(&answer, "X-Split: a??Set-Cookie: b"));
	http_case_close(&test);
}

static const struct {
	const char *text;
	int status;
	const char *code, *line;
} refused[] = {
	{ "GET /nothing" HEAD "\r\n", 404, "absent", NULL },
	{ "GET /hello/" HEAD "\r\n", 404, "absent", NULL },
	{ "GET /hello/x" HEAD "\r\n", 404, "absent", NULL },
	{ "POST /hello" HEAD "\r\n", 405, "absent", "Allow: GET, HEAD" },
	{ "OPTIONS /items/a" HEAD "\r\n", 405, "absent", "Allow: DELETE, PATCH" },
	{ "GET /items/%zz/of/a" HEAD "\r\n", 400, "form", NULL },
	{ "GET /items/%00/of/a" HEAD "\r\n", 400, "form", NULL },
	{ "GET /items/a/of/b?q=1&q=2" HEAD "\r\n", 400, "form", NULL },
	{ "GET /items/a/of/b?q=%4" HEAD "\r\n", 400, "form", NULL },
	{ "GET /items/a/of/b?q" HEAD "\r\n", 400, "form", NULL },
	{ "POST /json" HEAD "\r\n", 415, "form", NULL },
	{ "POST /json" HEAD "Content-Length: 2\r\n\r\n{}", 415, "form", NULL },
	{ "POST /json" HEAD "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, "form", NULL },
	{ "POST /json" HEAD "Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", 415, "form",
	  NULL },
	{ "POST /import" HEAD JSON "Content-Length: 2\r\n\r\n{}", 415, "form", NULL },
	{ "GET /hello" HEAD "Content-Length: 1\r\n\r\nx", 400, "form", NULL },
	{ "POST /none" HEAD JSON "Content-Length: 1\r\n\r\nx", 400, "form", NULL },
	{ "POST /json" HEAD JSON "Content-Length: 65537\r\n\r\n", 413, "limit", NULL },
	{ "DELETE /items/a" HEAD "\r\n", 409, "taken", NULL },
};

static void refusals_are_problems(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(refused); i++) {
		answer = http_ask(&test, refused[i].text);
		http_expect_problem(&answer, refused[i].status, refused[i].code);
		assert_true(!refused[i].line || http_has_line(&answer, refused[i].line));
	}
	http_case_run(&test, 2);
	assert_int_equal(test.told, COUNT(refused));
	http_case_close(&test);
}

static void a_handlers_refusal_names_its_field(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	answer = http_ask(&test, "DELETE /items/a" HEAD "\r\n");
	assert_non_null(
		strstr(answer.body, "\"detail\":\"`name`: is taken: choose \\\"another\\\"\",\"field\":\"name\""));
	http_case_close(&test);
}

static void a_refusal_without_a_body_keeps_the_connection(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (int i = 0; i < 3; i++) {
		http_client_send(&client, "GET /nothing" HEAD "\r\n");
		answer = http_client_read(&client);
		http_expect_problem(&answer, 404, "absent");
		assert_true(http_has_line(&answer, "Connection: keep-alive"));
	}
	http_client_send(&client, "GET /hello" HEAD "Connection: close\r\n\r\n");
	answer = http_client_read(&client);
	assert_true(http_has_line(&answer, "Connection: close"));
	http_client_await_end(&client);
	http_client_close(&client);
	http_case_close(&test);
}

static void bodies_arrive(void **state)
{
	static const size_t sizes[] = { 0, 1, 8191, 8192, 65536 };
	static uint8_t body[65536];
	struct http_case test;
	struct http_client client;
	char text[160];

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct http_answer answer;

		snprintf(text, sizeof text, "POST /json" HEAD JSON "Content-Length: %zu\r\n\r\n", sizes[i]);
		http_client_send(&client, text);
		http_case_run(&test, 1);
		http_client_send_bytes(&client, bytes_of(body, sizes[i]));
		answer = http_client_read(&client);
		snprintf(text, sizeof text, "{\"size\":%zu}", sizes[i]);
		assert_string_equal(answer.body, text);
		assert_int_equal(answer.status, 201);
	}
	http_client_close(&client);
	http_case_close(&test);
}

static void an_import_has_eight_mebibytes(void **state)
{
	enum { MOST = 8 << 20 };
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	uint8_t *body = calloc(1, MOST);

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client, "POST /import" HEAD
				  "Content-Type: application/octet-stream\r\nContent-Length: 8388608\r\n\r\n");
	http_client_send_bytes(&client, bytes_of(body, MOST));
	http_client_send(&client, "GET /hello" HEAD "\r\n");
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "{\"size\":8388608}");
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "{\"ok\":true}");
	http_client_close(&client);
	answer = http_ask(&test, "POST /import" HEAD
				 "Content-Type: application/octet-stream\r\nContent-Length: 8388609\r\n\r\n");
	http_expect_problem(&answer, 413, "limit");
	free(body);
	http_case_close(&test);
}

static void expect_continues(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client, "POST /json" HEAD JSON "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	answer = http_client_read(&client);
	assert_int_equal(answer.status, 100);
	http_client_send(&client, "{}POST /json" HEAD JSON
				  "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n1GET /empty" HEAD "\r\n");
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "{\"size\":2}");
	answer = http_client_read(&client);
	assert_int_equal(answer.status, 100);
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "{\"size\":1}");
	answer = http_client_read(&client);
	assert_int_equal(answer.status, 204);
	http_client_close(&client);
	/* Who asks first is told before he sends. */
	answer = http_ask(&test, "POST /json" HEAD JSON "Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n");
	http_expect_problem(&answer, 413, "limit");
	answer = http_ask(&test, "POST /json" HEAD JSON "Content-Length: 7\r\nExpect: gold\r\n\r\n");
	http_expect_problem(&answer, 417, "form");
	http_case_close(&test);
}

static void an_empty_answer_and_heads(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	const char *second;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client,
			 "GET /empty" HEAD "\r\nHEAD /json" HEAD "\r\nHEAD /hello" HEAD "Connection: close\r\n\r\n");
	answer = http_client_read(&client);
	assert_int_equal(answer.status, 204);
	assert_null(strstr(answer.head, "Content-Length"));
	assert_null(strstr(answer.head, "Content-Type:"));
	assert_true(http_has_line(&answer, "Connection: keep-alive"));
	/* Two heads without a body. */
	http_client_await_end(&client);
	buf_put_byte(&client.in, 0);
	second = strstr((char *)client.in.data, "\r\n\r\n");
	assert_non_null(strstr((char *)client.in.data, "HTTP/1.1 405 Method Not Allowed\r\n"));
	assert_non_null(strstr((char *)client.in.data, "\r\nAllow: POST\r\n"));
	assert_int_equal(strncmp(second + 4, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_non_null(strstr(second, "\r\nContent-Length: 11\r\n"));
	assert_string_equal(strstr(second + 4, "\r\n\r\n"), "\r\n\r\n");
	http_client_close(&client);
	http_case_close(&test);
}

static void a_long_answer_arrives_whole(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	answer = http_ask(&test, "GET /big" HEAD "\r\n");
	assert_int_equal(answer.size, 3 << 20);
	http_case_close(&test);
}

static void requests_in_a_row_are_answered_in_order(void **state)
{
	struct buf text = buf_growing(1 << 20);
	struct http_case test;
	struct http_client client;
	char line[200];

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (int i = 0; i < 300; i++) {
		snprintf(line, sizeof line,
			 "GET /items/%d/of/b" HEAD "\r\nPOST /json" HEAD JSON "Content-Length: 3\r\n\r\n[1]", i);
		buf_put_text(&text, line);
	}
	http_client_send_bytes(&client, buf_bytes(&text));
	for (int i = 0; i < 300; i++) {
		struct http_answer answer = http_client_read(&client);

		snprintf(line, sizeof line, "{\"id\":\"%d\",\"other\":\"b\"}", i);
		assert_string_equal(answer.body, line);
		answer = http_client_read(&client);
		assert_string_equal(answer.body, "{\"size\":3}");
	}
	assert_int_equal(test.told, 600);
	http_client_close(&client);
	buf_done(&text);
	http_case_close(&test);
}

/* However the bytes are cut, the answers are the same. */
static void requests_may_arrive_in_pieces(void **state)
{
	static const char text[] = "GET /hello" HEAD "\r\nPOST /json" HEAD JSON
				   "Content-Length: 5\r\n\r\n12345GET /empty" HEAD "\r\nGET /hello\nHost: a\n\n";
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t step = 1; step < sizeof text; step += 1 + step / 3) {
		struct http_client client = http_client_open(&test);
		static const int statuses[] = { 200, 201, 204, 400 };

		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t left = sizeof text - 1 - at;

			http_client_send_bytes(&client, bytes_of(text + at, step < left ? step : left));
			uv_run(&test.loop, UV_RUN_NOWAIT);
		}
		for (size_t i = 0; i < COUNT(statuses); i++) {
			struct http_answer answer = http_client_read(&client);

			assert_int_equal(answer.status, statuses[i]);
		}
		http_client_await_end(&client);
		http_client_close(&client);
	}
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_its_headers),
		cmocka_unit_test(a_target_is_decoded),
		cmocka_unit_test(refusals_are_problems),
		cmocka_unit_test(a_handlers_refusal_names_its_field),
		cmocka_unit_test(a_refusal_without_a_body_keeps_the_connection),
		cmocka_unit_test(bodies_arrive),
		cmocka_unit_test(an_import_has_eight_mebibytes),
		cmocka_unit_test(expect_continues),
		cmocka_unit_test(an_empty_answer_and_heads),
		cmocka_unit_test(a_long_answer_arrives_whole),
		cmocka_unit_test(requests_in_a_row_are_answered_in_order),
		cmocka_unit_test(requests_may_arrive_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
