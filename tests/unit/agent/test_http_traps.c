/* SPDX-License-Identifier: Apache-2.0 */
/* What h2o does that we do not let it do, one test for each; those about time and ends are in files of their own. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"
/* If this is ever answered, somebody's idea of where a request ends was smuggled past us. */
#define SECOND "GET /hello" HEAD "\r\n"

/* The refusal, and then nothing but the end: what comes behind is nobody's request. */
static void expect_refused(struct http_case *test, const char *text, int status, const char *code)
{
	struct http_client client = http_client_open(test);
	struct http_answer answer;
	size_t told = test->told;

	http_client_send(&client, text);
	answer = http_client_read(&client);
	http_expect_problem(&answer, status, code);
	assert_true(http_has_line(&answer, "Connection: close"));
	http_client_await_end(&client);
	assert_int_equal(client.in.size, 0);
	assert_int_equal(test->told, told + 1);
	assert_int_equal(test->told_status, status);
	http_client_close(&client);
}

static void trap_lenient_framing(void **state)
{
	static const char *const texts[] = {
		"POST /json" HEAD JSON "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Content-Length: 0, 40\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "Content-Length : 40\r\n\r\n" SECOND,
		"POST /json" HEAD JSON "X: y\r\n Content-Length: 40\r\n\r\n" SECOND,
		"GET /hello HTTP/1.1\nHost: a\n\n" SECOND,
		"GET /hello HTTP/1.1\r\nHost: a\n\r\n" SECOND,
		"GET /hello HTTP/1.1\r\nHost: a\r\n\n" SECOND,
		"GET /hello" HEAD "Host: b\r\n\r\n" SECOND,
		"GET /hello HTTP/1.1\r\n\r\n" SECOND,
		"GET http://localhost/hello" HEAD "\r\n" SECOND,
		"\r\nGET /hello" HEAD "\r\n" SECOND,
		"HELLO\r\n\r\n" SECOND,
		"\x16\x03\x01\x02\n" SECOND,
	};
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(texts); i++)
		expect_refused(&test, texts[i], 400, "form");
	http_case_close(&test);
}

/* A body that is refused by its head is not read: who sent it gets the answer all the same, and what he sends behind
 * it is no request. */
static void trap_body_before_judgement(void **state)
{
	static uint8_t body[300000];
	struct http_case test;
	struct http_client client;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	expect_refused(&test, "POST /nothing" HEAD "Content-Length: 40\r\n\r\n" SECOND, 404, "absent");
	expect_refused(&test, "PUT /json" HEAD "Content-Length: 40\r\n\r\n" SECOND, 405, "absent");
	expect_refused(&test, "POST /json" HEAD "Content-Length: 40\r\n\r\n" SECOND, 415, "form");
	assert_string_equal(test.told_method, "POST");
	expect_refused(&test, "POST /json" HEAD JSON "Content-Length: 99999999999\r\n\r\n" SECOND, 413, "limit");
	client = http_client_open(&test);
	http_client_send(&client, "POST /json" HEAD JSON "Content-Length: 300000\r\n\r\n");
	http_client_send_bytes(&client, bytes_of(body, sizeof body));
	answer = http_client_read(&client);
	http_expect_problem(&answer, 413, "limit");
	http_client_await_end(&client);
	http_client_close(&client);
	http_case_close(&test);
}

static void expect_repeated_refused(struct http_case *test, const char *start, const char *part, size_t times,
				    int status)
{
	struct buf text = buf_growing(1 << 20);

	buf_put_text(&text, start);
	for (size_t i = 0; i < times; i++)
		buf_put_text(&text, part);
	buf_put_text(&text, "\r\n\r\n" SECOND);
	buf_put_byte(&text, 0);
	expect_refused(test, (const char *)text.data, status, "limit");
	buf_done(&text);
}

static void trap_generous_heads(void **state)
{
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	expect_repeated_refused(&test, "GET /hello" HEAD, "A: b\r\n", 10000, 431);
	expect_repeated_refused(&test, "GET /hello" HEAD, "A: b\r\n", 80, 431);
	expect_repeated_refused(&test, "GET /hello" HEAD "A: ", "b", 200000, 431);
	expect_repeated_refused(&test, "GET /", "b", 200000, 414);
	expect_repeated_refused(&test, "", "B", 200000, 414);
	http_case_close(&test);
}

static void trap_h2_rapid_reset(void **state)
{
	struct http_case test;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, http_case_limits);
	expect_refused(&test, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "form");
	expect_refused(&test, "GET /hello HTTP/1.0\r\n\r\n", 505, "form");
	answer = http_ask(&test, "GET /hello" HEAD "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
				 "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n");
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"ok\":true}");
	http_case_close(&test);
}

/* h2o matches a path's beginning. */
static void trap_prefix_paths(void **state)
{
	static const char *const paths[] = { "/hello/x", "/hello/", "/hello//", "/hello/../hello",
					     "/./hello", "//hello", "/hellox",  "/%68ello" };
	struct http_case test;
	char text[128];

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct http_answer answer;

		snprintf(text, sizeof text, "GET %s" HEAD "\r\n", paths[i]);
		answer = http_ask(&test, text);
		http_expect_problem(&answer, 404, "absent");
	}
	http_case_close(&test);
}

/* h2o closes after what is not 200 and has no length. */
static void trap_no_length_closes(void **state)
{
	static const char *const texts[] = { "GET /nothing" HEAD "\r\n",    "POST /hello" HEAD "\r\n",
					     "DELETE /items/a" HEAD "\r\n", "GET /empty" HEAD "\r\n",
					     "POST /json" HEAD JSON "\r\n", "GET /hello" HEAD "\r\n" };
	struct http_case test;
	struct http_client client;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct http_answer answer;

		http_client_send(&client, texts[i]);
		answer = http_client_read(&client);
		assert_true(http_has_line(&answer, "Connection: keep-alive"));
	}
	http_client_close(&client);
	http_case_close(&test);
}

/* libuv polls the listener no more while one waits; it has to be woken when there is room. */
static void trap_too_many_connections(void **state)
{
	enum { MOST = 3, ALL = 12 };
	struct http_limits limits = http_case_limits;
	struct http_client clients[ALL];
	struct http_case test;

	(void)state;
	limits.connections = MOST;
	http_case_open(&test, limits);
	for (size_t i = 0; i < ALL; i++) {
		clients[i] = http_client_open(&test);
		http_client_send(&clients[i], "GET /hello" HEAD "\r\n");
	}
	for (size_t i = 0; i < ALL; i++) {
		struct http_answer answer = http_client_read(&clients[i]);

		assert_int_equal(answer.status, 200);
		assert_true(test.told <= i + MOST);
		if (i + MOST < ALL)
			assert_true(http_client_is_quiet(&clients[i + MOST], 5));
		http_client_close(&clients[i]);
	}
	assert_int_equal(test.told, ALL);
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trap_lenient_framing),      cmocka_unit_test(trap_body_before_judgement),
		cmocka_unit_test(trap_generous_heads),       cmocka_unit_test(trap_h2_rapid_reset),
		cmocka_unit_test(trap_prefix_paths),         cmocka_unit_test(trap_no_length_closes),
		cmocka_unit_test(trap_too_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
