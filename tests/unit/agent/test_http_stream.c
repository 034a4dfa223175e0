/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: asked for as fast as the client takes them, and no faster. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <h2o.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"

/* What h2o is given is looked at: an empty vector, or nothing that is not the end, shows nothing over a plain socket.
 */
void __real_h2o_send(h2o_req_t *req, h2o_iovec_t *vectors, size_t count, h2o_send_state_t send_state);
void __wrap_h2o_send(h2o_req_t *req, h2o_iovec_t *vectors, size_t count, h2o_send_state_t send_state);

static size_t sends;

void __wrap_h2o_send(h2o_req_t *req, h2o_iovec_t *vectors, size_t count, h2o_send_state_t send_state)
{
	sends++;
	assert_true(count || send_state == H2O_SEND_STATE_FINAL);
	for (size_t i = 0; i < count; i++)
		assert_true(vectors[i].len);
	__real_h2o_send(req, vectors, count, send_state);
}

static void a_stream_arrives_whole(void **state)
{
	static const size_t pieces[] = { 1, 1000, 65536 };
	struct http_case test;
	struct http_client client;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct http_answer answer;

		test.stream_piece = pieces[i];
		test.stream_left = pieces[i] * 50 + 1;
		test.stream_asked = 0;
		http_client_send(&client, "GET /stream" HEAD "\r\n");
		answer = http_client_read(&client);
		assert_int_equal(answer.status, 200);
		assert_true(http_has_line(&answer, "Content-Type: text/plain"));
		assert_true(http_has_line(&answer, "Cache-Control: no-store"));
		assert_int_equal(answer.size, pieces[i] * 50 + 1);
		assert_int_equal(test.stream_asked, 51);
		assert_int_equal(answer.body[0], 'a');
	}
	http_client_send(&client, "GET /hello" HEAD "\r\n");
	assert_string_equal(http_client_read(&client).body, "{\"ok\":true}");
	http_client_close(&client);
	http_case_close(&test);
}

/* h2o takes one piece at a time, and more is asked for only when it is gone: a slow reader costs one piece. */
static void trap_two_sends(void **state)
{
	enum { PIECES = 200, PIECE = 65536 };
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	size_t before;

	(void)state;
	http_case_open(&test, http_case_limits);
	test.stream_piece = PIECE;
	test.stream_left = PIECES * PIECE;
	client = http_client_open(&test);
	http_client_send(&client, "GET /stream" HEAD "\r\n");
	http_case_run(&test, 100);
	before = test.stream_asked;
	assert_true(before < PIECES / 2);
	http_case_run(&test, 50);
	assert_int_equal(test.stream_asked, before);
	answer = http_client_read(&client);
	assert_int_equal(answer.size, PIECES * PIECE);
	assert_int_equal(test.stream_asked, PIECES);
	http_client_close(&client);
	http_case_close(&test);
}

/* A stream may have nothing to say for long, be put to at any time, and be ended at any time. */
static void events_come_when_they_come(void **state)
{
	struct http_limits limits = { .connections = 4, .idle_ms = 100, .answer_ms = 100 };
	struct http_case test;
	struct http_client client;
	struct http_answer answer;

	(void)state;
	http_case_open(&test, limits);
	client = http_client_open(&test);
	http_client_send(&client, "GET /events" HEAD "\r\n");
	for (size_t i = 1; i <= 3; i++) {
		http_case_run(&test, 150);
		assert_int_equal(test.stream_asked, i);
		call_put(test.stream, bytes_text("data: x\n\n"));
	}
	http_case_run(&test, 150);
	assert_int_equal(test.stream_asked, 4);
	call_end(test.stream);
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "data: x\n\ndata: x\n\ndata: x\n\n");
	assert_true(http_has_line(&answer, "Content-Type: text/event-stream"));
	http_client_close(&client);
	http_case_run(&test, 5);
	assert_int_equal(test.gone, 0);
	assert_int_equal(test.told, 1);
	http_case_close(&test);
}

/* Over TLS an empty vector would end the process. */
static void trap_empty_vector(void **state)
{
	struct http_case test;
	struct http_client client;
	struct http_answer answer;
	size_t before = sends;

	(void)state;
	http_case_open(&test, http_case_limits);
	client = http_client_open(&test);
	http_client_send(&client, "GET /events" HEAD "\r\n");
	http_case_run(&test, 10);
	call_put(test.stream, (struct bytes){ 0 });
	assert_true(http_client_is_quiet(&client, 10));
	call_put(test.stream, bytes_text("x"));
	call_end(test.stream);
	answer = http_client_read(&client);
	assert_string_equal(answer.body, "x");
	http_client_send(&client, "GET /events" HEAD "\r\n");
	http_case_run(&test, 10);
	call_end(test.stream);
	answer = http_client_read(&client);
	assert_int_equal(answer.size, 0);
	http_client_send(&client, "GET /empty" HEAD "\r\n");
	assert_int_equal(http_client_read(&client).status, 204);
	assert_int_equal(sends, before + 4);
	http_client_close(&client);
	http_case_close(&test);
}

/* With nothing to say, and in the middle of a piece. */
static void who_leaves_a_stream_is_gone(void **state)
{
	static uint8_t much[65536];
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < 6; i++) {
		struct http_client client = http_client_open(&test);
		uint64_t until = http_case_now_ms() + 3000;
		size_t asked = test.stream_asked;

		http_client_send(&client, "GET /events" HEAD "\r\n");
		for (size_t pieces = 0; pieces < (i % 2 ? 100 : 1); pieces++) {
			http_case_run(&test, 2);
			if (test.stream_asked == asked)
				break;
			asked = test.stream_asked;
			call_put(test.stream, bytes_of(much, sizeof much));
		}
		http_client_close(&client);
		while (test.gone == i && http_case_now_ms() < until)
			http_case_turn(&test);
		assert_int_equal(test.gone, i + 1);
	}
	http_case_close(&test);
}

static void who_takes_nothing_is_cut_off(void **state)
{
	struct http_limits limits = { .connections = 4, .idle_ms = 150, .answer_ms = 5000 };
	struct http_case test;
	struct http_client client;

	(void)state;
	http_case_open(&test, limits);
	test.stream_piece = 65536;
	test.stream_left = SIZE_MAX / 2;
	client = http_client_open(&test);
	http_client_send(&client, "GET /stream" HEAD "\r\n");
	http_case_run(&test, 600);
	http_client_await_end(&client);
	assert_true(test.stream_asked < 200);
	http_client_close(&client);
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_arrives_whole),      cmocka_unit_test(trap_two_sends),
		cmocka_unit_test(events_come_when_they_come),  cmocka_unit_test(trap_empty_vector),
		cmocka_unit_test(who_leaves_a_stream_is_gone), cmocka_unit_test(who_takes_nothing_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
