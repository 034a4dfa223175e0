/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a server, whatever it is doing. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD " HTTP/1.1\r\nHost: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"

static void on_closed(void *context)
{
	((struct http_case *)context)->is_closed = true;
}

static void end(struct http_case *test, uint32_t drain_ms)
{
	http_end(test->server, drain_ms, on_closed, test);
	test->server = NULL;
	assert_false(test->is_closed);
}

static void an_idle_server_ends_at_once(void **state)
{
	struct http_case test;
	struct http_client clients[3];
	uint64_t since;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(clients); i++)
		clients[i] = http_client_open(&test);
	http_client_send(&clients[1], "GET /hello" HEAD "\r\n");
	assert_int_equal(http_client_read(&clients[1]).status, 200);
	http_case_run(&test, 5);
	since = http_case_now_ms();
	end(&test, 60000);
	for (size_t i = 0; i < COUNT(clients); i++)
		http_client_await_end(&clients[i]);
	http_case_close(&test);
	assert_true(http_case_now_ms() - since < 2000);
	for (size_t i = 0; i < COUNT(clients); i++)
		http_client_close(&clients[i]);
}

static void a_server_that_nobody_used_ends(void **state)
{
	struct http_case test;

	(void)state;
	http_case_open(&test, http_case_limits);
	end(&test, 0);
	http_case_close(&test);
}

/* What was asked is answered, what is arriving may arrive, and nobody new is let in. */
static void trap_graceful_stop(void **state)
{
	struct http_case test;
	struct http_client late, half, queued;
	struct http_answer answer;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	http_case_open(&test, http_case_limits);
	late = http_client_open(&test);
	half = http_client_open(&test);
	http_client_send(&late, "GET /later" HEAD "\r\nGET /hello" HEAD "\r\n");
	http_client_send(&half, "POST /json" HEAD JSON "Content-Length: 4\r\n\r\n12");
	http_case_run(&test, 10);
	queued = http_client_open(&test);
	strcpy(address.sun_path, test.path);
	end(&test, 60000);
	assert_true(connect(fd, (struct sockaddr *)&address, sizeof address) && errno == ENOENT);
	http_case_run(&test, 20);
	assert_false(test.is_closed);
	http_client_send(&half, "34");
	answer = http_client_read(&half);
	assert_string_equal(answer.body, "{\"size\":4}");
	assert_true(http_has_line(&answer, "Connection: close"));
	call_answer(test.pending[0], 200, bytes_text("{}"));
	answer = http_client_read(&late);
	assert_string_equal(answer.body, "{}");
	assert_true(http_has_line(&answer, "Connection: close"));
	http_client_await_end(&late);
	http_client_await_end(&half);
	http_client_await_end(&queued);
	/* The request behind the one that was answered is not. */
	assert_int_equal(late.in.size, 0);
	http_case_close(&test);
	assert_int_equal(test.gone, 0);
	http_client_close(&late);
	http_client_close(&half);
	http_client_close(&queued);
	close(fd);
}

static void on_round(uv_prepare_t *rounds)
{
	++*(size_t *)rounds->data;
}

/* h2o would run the loop that it is called from. */
static void trap_loop_in_a_loop(void **state)
{
	struct http_case test;
	struct http_client client;
	uv_prepare_t rounds;
	size_t count = 0, before;

	(void)state;
	http_case_open(&test, http_case_limits);
	uv_prepare_init(&test.loop, &rounds);
	rounds.data = &count;
	uv_prepare_start(&rounds, on_round);
	client = http_client_open(&test);
	http_case_run(&test, 5);
	end(&test, 0);
	for (size_t i = 0; i < 1000 && !test.is_closed; i++) {
		before = count;
		uv_run(&test.loop, UV_RUN_NOWAIT);
		assert_int_equal(count, before + 1);
	}
	uv_close((uv_handle_t *)&rounds, NULL);
	http_client_close(&client);
	http_case_close(&test);
}

static void the_rest_ends_when_the_time_is_up(void **state)
{
	struct http_case test;
	struct http_client clients[6];
	uint64_t since;

	(void)state;
	http_case_open(&test, http_case_limits);
	for (size_t i = 0; i < COUNT(clients); i++)
		clients[i] = http_client_open(&test);
	http_client_send(&clients[0], "GET /later" HEAD "\r\n");
	http_client_send(&clients[1], "GET /never" HEAD "\r\n");
	http_client_send(&clients[2], "GET /events" HEAD "\r\n");
	http_client_send(&clients[3], "GET /he");
	http_client_send(&clients[4], "GET /big" HEAD "\r\n");
	http_client_send(&clients[5], "nonsense\r\n");
	http_case_run(&test, 20);
	since = http_case_now_ms();
	end(&test, 500);
	http_case_run(&test, 100);
	assert_false(test.is_closed);
	assert_int_equal(test.gone, 0);
	http_case_close(&test);
	assert_true(http_case_now_ms() - since >= 400 && http_case_now_ms() - since < 3000);
	assert_int_equal(test.gone, 2);
	for (size_t i = 0; i < COUNT(clients); i++)
		http_client_close(&clients[i]);
}

/* While more wait for a place than there are, and while a connection is being taken. */
static void a_full_server_ends(void **state)
{
	struct http_limits limits = http_case_limits;
	struct http_client clients[5];

	(void)state;
	limits.connections = 2;
	for (size_t turns = 0; turns < 6; turns++) {
		struct http_case test;

		http_case_open(&test, limits);
		for (size_t i = 0; i < COUNT(clients); i++) {
			clients[i] = http_client_open(&test);
			http_client_send(&clients[i], "GET /later" HEAD "\r\n");
		}
		for (size_t i = 0; i < turns; i++)
			uv_run(&test.loop, UV_RUN_NOWAIT);
		end(&test, 10);
		http_case_close(&test);
		for (size_t i = 0; i < COUNT(clients); i++)
			http_client_close(&clients[i]);
	}
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += !dup2(fd, fd) || errno != EBADF;
	return count;
}

/* Of everything that clients can do to a server, nothing stays. */
static void nothing_is_left_behind(void **state)
{
	static const char *const texts[] = { "",
					     "GET",
					     "GET /hello" HEAD "\r\n",
					     "GET /later" HEAD "\r\n",
					     "GET /events" HEAD "\r\n",
					     "GET /big" HEAD "\r\n",
					     "GET /never" HEAD "\r\nGET /hello" HEAD "\r\n",
					     "POST /json" HEAD JSON "Content-Length: 3\r\n\r\n1",
					     "POST /json" HEAD JSON "Content-Length: 300000\r\n\r\n",
					     "POST /json" HEAD JSON "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
					     "nonsense\r\n" };
	struct http_limits limits = { .connections = 8, .idle_ms = 50, .answer_ms = 60 };
	size_t before = open_descriptors();
	struct http_case test;

	(void)state;
	http_case_open(&test, limits);
	for (size_t i = 0; i < 600; i++) {
		struct http_client client = http_client_open(&test);

		http_client_send(&client, texts[dice_below(COUNT(texts))]);
		for (size_t turns = dice_below(6); turns; turns--)
			uv_run(&test.loop, UV_RUN_NOWAIT);
		if (dice_below(40) == 0)
			http_case_run(&test, 80);
		http_client_close(&client);
	}
	http_case_close(&test);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_server_ends_at_once),
		cmocka_unit_test(a_server_that_nobody_used_ends),
		cmocka_unit_test(trap_graceful_stop),
		cmocka_unit_test(a_full_server_ends),
		cmocka_unit_test(the_rest_ends_when_the_time_is_up),
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(trap_loop_in_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
