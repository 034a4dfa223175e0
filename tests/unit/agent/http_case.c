/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/http_case.h"

#include "tests/unit/base/check.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* libuv and h2o are not built with the sanitizers: what they read after it was freed has to look wrong to them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "max_free_fill_size=1048576:free_fill_byte=85";
}

const struct http_limits http_case_limits = { .connections = 16, .idle_ms = 5000, .answer_ms = 5000 };

static void on_told(void *context, const struct call *call, const char *method, const char *pattern, int status,
		    uint64_t took_us)
{
	struct http_case *test = context;

	assert_true(took_us < 60 * 1000000);
	test->told++;
	test->told_status = status;
	test->told_caller = *call_caller(call);
	snprintf(test->told_method, sizeof test->told_method, "%s", method);
	snprintf(test->told_pattern, sizeof test->told_pattern, "%s", pattern ? pattern : "");
}

uint64_t http_case_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

void http_case_open(struct http_case *test, struct http_limits limits)
{
	struct http_setup setup = { .loop = &test->loop, .context = test, .limits = limits, .told = on_told };

	memset(test, 0, sizeof *test);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&test->loop), 0);
	snprintf(test->folder, sizeof test->folder, "/tmp/warren-http-XXXXXX");
	assert_non_null(mkdtemp(test->folder));
	snprintf(test->path, sizeof test->path, "%s/s", test->folder);
	setup.routes = test->routes = http_case_routes();
	assert_int_equal(http_open(&setup, &test->server, NULL), OK);
	assert_int_equal(http_listen_unix(test->server, test->path, NULL, NULL), OK);
}

static void on_closed(void *context)
{
	struct http_case *test = context;

	test->is_closed = true;
}

void http_case_close(struct http_case *test)
{
	uint64_t until = http_case_now_ms() + 10000;

	if (test->server)
		http_end(test->server, 0, on_closed, test);
	while (!test->is_closed && http_case_now_ms() < until)
		http_case_turn(test);
	assert_true(test->is_closed);
	uv_run(&test->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&test->loop), 0);
	routes_free(test->routes);
	assert_int_equal(rmdir(test->folder), 0);
}

void http_case_turn(struct http_case *test)
{
	static const struct timespec nap = { .tv_nsec = 200000 };

	uv_run(&test->loop, UV_RUN_NOWAIT);
	nanosleep(&nap, NULL);
}

void http_case_run(struct http_case *test, uint32_t ms)
{
	uint64_t until = http_case_now_ms() + ms;

	for (size_t turns = 0; turns < 20 || http_case_now_ms() < until; turns++)
		http_case_turn(test);
}
