/* SPDX-License-Identifier: Apache-2.0 */
/* Time: for a request to arrive, for a handler to answer, for an answer to leave. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <sys/socket.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"

static const struct http_limits quick = { .connections = 16, .idle_ms = 200, .answer_ms = 200 };

/* The server ends the connection this long after `since`, and not much later. */
static void expect_end_after(struct http_client *client, uint64_t since, uint32_t ms)
{
	uint64_t took;

	http_client_await_end(client);
	took = http_case_now_ms() - since;
	if (took + 60 < ms || took > ms + 3000)
		fail_msg("%d ms", (int)took);
}

/* One byte now and then keeps nobody here: the time is one for the whole request. */
static void trap_one_budget(void **state)
{
	static const char text[] =
		"POST /json" HEAD JSON "Content-Length: 1000\r\n\r\n1111111111111111111111111111111111";
	static const size_t starts[] = { 0, 1, 20, sizeof text - 30 };
	struct http_case test;

	(void)state;
	http_case_open(&test, quick);
	for (size_t i = 0; i < COUNT(starts); i++) {
		struct http_client client = http_client_open(&test);
		uint64_t since = http_case_now_ms();
		size_t at = starts[i];

		http_client_send_bytes(&client, bytes_of(text, at));
		while (http_client_is_quiet(&client, 20) && at < sizeof text - 1)
			http_client_send_bytes(&client, bytes_of(text + at++, 1));
		expect_end_after(&client, since, quick.idle_ms);
		assert_int_equal(client.in.size, 0);
		http_client_close(&client);
	}
	http_case_close(&test);
}

static void who_says_nothing_is_closed(void **state)
{
	struct http_case test;
	struct http_client client;
	uint64_t since;

	(void)state;
	http_case_open(&test, quick);
	client = http_client_open(&test);
	since = http_case_now_ms();
	expect_end_after(&client, since, quick.idle_ms);
	http_client_close(&client);
	/* And between two requests, each of which has its own time. */
	client = http_client_open(&test);
	for (int i = 0; i < 3; i++) {
		http_case_run(&test, 120);
		http_client_send(&client, "GET /hello" HEAD "\r\n");
		assert_int_equal(http_client_read(&client).status, 200);
	}
	since = http_case_now_ms();
	expect_end_after(&client, since, quick.idle_ms);
	http_client_close(&client);
	http_case_close(&test);
}

static void what_is_not_answered_is_answered(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	uint64_t since;

	(void)state;
	http_case_open(&test, quick);
	client = http_client_open(&test);
	for (int i = 0; i < 2; i++) {
		since = http_case_now_ms();
		http_client_send(&client, i ? "GET /never" HEAD "\r\n" : "GET /later" HEAD "\r\n");
		answer = http_client_read(&client);
		http_expect_problem(&answer, 504, "busy");
		assert_true(http_case_now_ms() - since + 60 >= quick.answer_ms);
		assert_int_equal(test.gone, 1);
	}
	http_client_send(&client, "GET /hello" HEAD "\r\n");
	assert_int_equal(http_client_read(&client).status, 200);
	http_client_close(&client);
	http_case_run(&test, 5);
	assert_int_equal(test.gone, 1);
	http_case_close(&test);
}

/* Who takes nothing of a long answer is cut off, and who takes it slowly is not. */
static void answers_that_nobody_takes(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, quick);
	client = http_client_open(&test);
	http_client_send(&client, "GET /big" HEAD "\r\n");
	http_case_run(&test, 700);
	http_client_await_end(&client);
	assert_true(client.in.size < 2 << 20);
	assert_int_equal(test.told, 0);
	http_client_close(&client);
	client = http_client_open(&test);
	http_client_send(&client, "GET /big" HEAD "\r\n");
	for (int i = 0; i < 10; i++) {
		uint8_t room[40000];

		http_case_run(&test, 50);
		while (client.in.size < (size_t)(i + 1) * 100000) {
			ssize_t size = recv(client.fd, room, sizeof room, 0);

			assert_true(size != 0);
			if (size > 0)
				buf_put(&client.in, room, (size_t)size);
			else
				http_case_turn(&test);
		}
	}
	answer = http_client_read(&client);
	assert_int_equal(answer.size, 3 << 20);
	http_client_close(&client);
	http_case_close(&test);
}

/* Who was refused and goes on sending is not listened to for ever. */
static void who_was_refused_is_not_kept(void **state)
{
	struct http_case test;
	struct http_client client;
	uint64_t since;

	(void)state;
	http_case_open(&test, quick);
	client = http_client_open(&test);
	since = http_case_now_ms();
	http_client_send(&client, "GET /hello HTTP/1.1\n");
	assert_int_equal(http_client_read(&client).status, 400);
	while (!client.is_ended)
		http_client_await_end(&client);
	while (send(client.fd, "x", 1, MSG_NOSIGNAL) == 1 && http_case_now_ms() - since < 5000)
		http_case_run(&test, 5);
	assert_true(http_case_now_ms() - since + 60 >= quick.idle_ms);
	assert_true(http_case_now_ms() - since < 5000);
	http_client_close(&client);
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trap_one_budget),
		cmocka_unit_test(who_says_nothing_is_closed),
		cmocka_unit_test(what_is_not_answered_is_answered),
		cmocka_unit_test(answers_that_nobody_takes),
		cmocka_unit_test(who_was_refused_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
