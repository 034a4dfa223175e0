/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come later, and clients that do not wait for them. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <sys/socket.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"

static void await_pending(struct http_case *test, size_t count)
{
	uint64_t until = http_case_now_ms() + 10000;

	while (test->pending_count < count) {
		assert_true(http_case_now_ms() < until);
		http_case_turn(test);
	}
}

static void await_gone(struct http_case *test, size_t count)
{
	uint64_t until = http_case_now_ms() + 3000;

	while (test->gone < count) {
		assert_true(http_case_now_ms() < until);
		http_case_turn(test);
	}
}

static void answers_may_come_later(void **state)
{
	struct http_case test;
	struct http_client client;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (size_t i = 0; i < 3; i++) {
		char body[8];

		http_client_send(&client, "POST /later" HEAD JSON "Content-Length: 7\r\n\r\n\"later\"");
		await_pending(&test, i + 1);
		assert_true(http_client_is_quiet(&client, 20));
		/* What was asked is still there. */
		snprintf(body, sizeof body, "%.*s", (int)call_body(test.pending[i]).size,
			 (const char *)call_body(test.pending[i]).data);
		assert_string_equal(body, "\"later\"");
		call_answer(test.pending[i], 200, bytes_text("{}"));
		assert_string_equal(http_client_read(&client).body, "{}");
	}
	http_client_close(&client);
	http_case_run(&test, 5);
	assert_int_equal(test.gone, 0);
	http_case_close(&test);
}

/* What comes meanwhile waits its turn, and moves nothing that the call borrowed. */
static void requests_behind_a_late_one(void **state)
{
	struct http_case test;
	struct http_client client;
	static const char text[] = "POST /later" HEAD JSON "Content-Length: 3\r\n\r\n123GET /hello" HEAD "\r\n";

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client, text);
	await_pending(&test, 1);
	for (int i = 0; i < 100; i++)
		http_client_send(&client, "GET /hello" HEAD "\r\n");
	assert_true(http_client_is_quiet(&client, 20));
	assert_true(bytes_equal(call_body(test.pending[0]), bytes_text("123")));
	call_answer(test.pending[0], 200, bytes_text("[1]"));
	assert_string_equal(http_client_read(&client).body, "[1]");
	for (int i = 0; i < 101; i++)
		assert_string_equal(http_client_read(&client).body, "{\"ok\":true}");
	http_client_close(&client);
	http_case_close(&test);
}

/* h2o does not read while it answers, so it does not see who left. */
static void trap_unread_socket(void **state)
{
	struct http_case test;
	struct http_client clients[12];

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(clients); i++) {
		clients[i] = http_client_open(&test);
		http_client_send(&clients[i],
				 i % 2 ? "GET /later" HEAD "\r\n" : "GET /later" HEAD "\r\nGET /hello" HEAD "\r\n");
	}
	await_pending(&test, COUNT(clients));
	for (size_t i = 0; i < COUNT(clients); i++) {
		if (i % 3 == 0)
			shutdown(clients[i].fd, SHUT_WR);
		else
			http_client_close(&clients[i]);
		await_gone(&test, i + 1);
		if (i % 3 == 0)
			http_client_close(&clients[i]);
	}
	http_case_run(&test, 5);
	assert_int_equal(test.gone, COUNT(clients));
	assert_int_equal(test.told, 0);
	http_case_close(&test);
}

/* An answer that is late by one round of the loop finds its request, or was told that it is gone: never in between. */
static void trap_deferred_reply(void **state)
{
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < 200; i++) {
		struct http_client client = http_client_open(&test);
		size_t gone = test.gone;

		http_client_send(&client, "GET /later" HEAD "\r\n");
		await_pending(&test, i + 1);
		if (i % 3)
			http_client_close(&client);
		for (size_t turns = dice_below(4); turns; turns--)
			uv_run(&test.loop, UV_RUN_NOWAIT);
		if (test.gone == gone)
			call_answer(test.pending[i % HTTP_PENDING_MAX], 200, bytes_text("{}"));
		if (i % 3 == 0) {
			assert_string_equal(http_client_read(&client).body, "{}");
			http_client_close(&client);
		}
	}
	http_case_run(&test, 5);
	assert_true(test.gone > 0 && test.gone < 200);
	http_case_close(&test);
}

/* Refused late, and empty late. */
static void late_refusals(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	struct err err = { 0 };

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client, "GET /later" HEAD "\r\n");
	await_pending(&test, 1);
	fail(&err, E_DRY, "no address is left: add a pool");
	call_refuse(test.pending[0], E_DRY, &err);
	answer = http_client_read(&client);
	http_expect_problem(&answer, 503, "dry");
	http_client_send(&client, "GET /later" HEAD "\r\n");
	await_pending(&test, 2);
	call_answer_empty(test.pending[1]);
	assert_int_equal(http_client_read(&client).status, 204);
	http_client_close(&client);
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_may_come_later), cmocka_unit_test(requests_behind_a_late_one),
		cmocka_unit_test(trap_unread_socket),     cmocka_unit_test(trap_deferred_reply),
		cmocka_unit_test(late_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
