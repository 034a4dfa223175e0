/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api.h"

#include "agent/join_token.h"
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The API as a client of the unix socket sees it, over a whole server of one: what is refused, and how it ends. */

static struct agent {
	struct http_case http; /* its loop, its socket */
	struct config config;
	struct api api;
	size_t failed;
	bool is_http_closed, is_closed, leaves, has_left;
} a;

/* --- A server. */

/* The hooks that the server gave its heart. */
static struct heart_hooks hooks_of_heart;

enum code __real_heart_open(uv_loop_t *loop, const struct node_config *node, const struct heart_hooks *hooks,
			    struct heart **ret_heart, struct err *err);
enum code __wrap_heart_open(uv_loop_t *loop, const struct node_config *node, const struct heart_hooks *hooks,
			    struct heart **ret_heart, struct err *err);

enum code __wrap_heart_open(uv_loop_t *loop, const struct node_config *node, const struct heart_hooks *hooks,
			    struct heart **ret_heart, struct err *err)
{
	hooks_of_heart = *hooks;
	return __real_heart_open(loop, node, hooks, ret_heart, err);
}

static void on_stands(void *context)
{
	(void)context;
}

static void on_changed(void *context, uint32_t kind, struct id id)
{
	(void)context;
	(void)kind;
	(void)id;
}

static void on_failed(void *context, const char *text)
{
	(void)context;
	(void)text;
	a.failed++;
}

static void start(void)
{
	static const struct http_limits limits = { .connections = 16, .idle_ms = 9000, .answer_ms = 9000 };
	struct http_setup setup = { .loop = &a.http.loop, .context = &a.api, .limits = limits };
	struct server_hooks hooks = { NULL, on_stands, on_changed, on_failed };

	a.api = (struct api){ 0 };
	a.is_http_closed = a.is_closed = false;
	assert_int_equal(uv_loop_init(&a.http.loop), 0);
	assert_int_equal(server_open(&a.http.loop, &a.config, &hooks, &a.api.server, NULL), OK);
	setup.routes = a.http.routes = routes_make(api_routes, api_routes_count);
	assert_int_equal(http_open(&setup, &a.http.server, NULL), OK);
	assert_int_equal(http_listen_unix(a.http.server, a.http.path, NULL, NULL), OK);
}

static void on_closed(void *context)
{
	*(bool *)context = true;
}

static void on_http_closed(void *context)
{
	*(bool *)context = true;
	api_end(&a.api);
	if (a.leaves)
		server_leave(a.api.server, on_closed, &a.has_left);
	server_close(a.api.server, on_closed, &a.is_closed);
}

/* As a process ends; whatever goes on, nothing is left in the loop a moment later. */
static void stop(void)
{
	uint64_t until = http_case_now_ms() + 8000;

	http_end(a.http.server, 100, on_http_closed, &a.is_http_closed);
	while (uv_loop_alive(&a.http.loop) && http_case_now_ms() < until)
		http_case_turn(&a.http);
	assert_true(a.is_closed);
	assert_int_equal(uv_loop_close(&a.http.loop), 0);
	routes_free(a.http.routes);
	assert_int_equal(a.failed, 0);
}

static int begin(void **state)
{
	(void)state;
	memset(&a, 0, sizeof a);
	signal(SIGPIPE, SIG_IGN);
	snprintf(a.http.folder, sizeof a.http.folder, "/tmp/warren-api-XXXXXX");
	assert_non_null(mkdtemp(a.http.folder));
	snprintf(a.http.path, sizeof a.http.path, "%s/s", a.http.folder);
	snprintf(a.config.state, sizeof a.config.state, "%s/state", a.http.folder);
	a.config.listen.count = 1;
	snprintf(a.config.listen.all[0].host, TRANSPORT_HOST_MAX, "127.0.0.1");
	start();
	return 0;
}

static size_t count_state(bool is_emptied)
{
	DIR *dir = opendir(a.config.state);
	struct dirent *entry;
	char path[600];
	size_t count = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", a.config.state, entry->d_name);
			count++;
			if (is_emptied)
				unlink(path);
		}
	if (dir)
		closedir(dir);
	return count;
}

static int end(void **state)
{
	(void)state;
	stop();
	count_state(true);
	rmdir(a.config.state);
	return rmdir(a.http.folder);
}

/* --- Asking. */

static char last_request[4096];

static const char *request(const char *method, const char *path, const char *lines, const char *body)
{
	int size = snprintf(last_request, sizeof last_request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path,
			    lines);

	if (body)
		size += snprintf(last_request + size, sizeof last_request - (size_t)size,
				 "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
	snprintf(last_request + size, sizeof last_request - (size_t)size, "\r\n%s", body ? body : "");
	return last_request;
}

static struct http_answer ask(const char *method, const char *path, const char *body)
{
	return http_ask(&a.http, request(method, path, "", body));
}

static struct http_answer expect(int status, const char *method, const char *path, const char *body)
{
	struct http_answer answer = ask(method, path, body);

	if (answer.status != status)
		fail_msg("%s %s: %d in place of %d: %s", method, path, answer.status, status, answer.body);
	return answer;
}

static void refuse(const char *method, const char *path, const char *lines, const char *body, int status,
		   const char *code)
{
	struct http_answer answer = http_ask(&a.http, request(method, path, lines, body));

	if (answer.status != status)
		fail_msg("%s %s %s %s: %d: %s", method, path, lines, body ? body : "", answer.status, answer.body);
	http_expect_problem(&answer, status, code);
}

/* A text of the answer's; empty: it has none of that name. */
static const char *text_of(const struct http_answer *answer, const char *name)
{
	static char room[4][1700];
	static size_t turn;
	char key[64], *value = room[turn++ % COUNT(room)];
	const char *at;

	snprintf(key, sizeof key, "\"%s\":\"", name);
	at = strstr(answer->body, key);
	*value = 0;
	if (at)
		sscanf(at + strlen(key), "%1699[^\"]", value);
	return value;
}

static void found(void)
{
	uint64_t until = http_case_now_ms() + 8000;

	expect(201, "POST", "/api/v1/cluster", "{\"name\":\"home\",\"gateway\":\"fra-1\"}");
	while (ask("GET", "/readyz", NULL).status != 200)
		assert_true(http_case_now_ms() < until);
}

/* --- Tests. */

static void who_is_in_no_cluster_says_so(void **state)
{
	struct http_answer answer = expect(200, "GET", "/api/v1/cluster", NULL);

	(void)state;
	assert_non_null(strstr(answer.body, "\"state\":\"new\""));
	expect(200, "GET", "/healthz", NULL);
	refuse("GET", "/readyz", "", NULL, 503, "busy");
	refuse("GET", "/api/v1/gateways", "", NULL, 503, "busy");
	refuse("GET", "/api/v1/cluster/status", "", NULL, 503, "busy");
	refuse("POST", "/api/v1/gateways", "", "{\"name\":\"x\"}", 503, "busy");
	refuse("POST", "/api/v1/invites", "", "{\"name\":\"x\"}", 503, "busy");
	refuse("POST", "/api/v1/members/00/evict", "", "{}", 503, "busy");
	refuse("POST", "/api/v1/cluster/join", "", "{\"token\":\"wrn-join-AAAA\"}", 400, "form");
	refuse("POST", "/api/v1/cluster/join", "", "{\"token\":1}", 422, "value");
	refuse("POST", "/api/v1/cluster/join", "", "{}", 422, "value");
	refuse("POST", "/api/v1/cluster/join", "", "[]", 400, "form");
	refuse("POST", "/api/v1/cluster", "", "{\"gateway\":\"fra-1\"}", 422, "value");
	refuse("POST", "/api/v1/cluster", "", "{\"name\":\"\"}", 422, "value");
	refuse("POST", "/api/v1/cluster", "", "{\"name\":\"home\",\"note\":\"x\"}", 422, "value");
	refuse("POST", "/api/v1/cluster", "", "{\"name\":\"home\",\"gateway\":\"Not A Slug\"}", 422, "value");
	/* Nothing of it left anything. */
	assert_int_equal(count_state(false), 0);
}

static void a_founding_is_one_and_outlives_the_process(void **state)
{
	struct http_answer first, again;
	uint8_t seed[32];

	(void)state;
	first = expect(201, "POST", "/api/v1/cluster", "{\"name\":\"home\",\"gateway\":\"fra-1\"}");
	assert_int_equal(recovery_key_read(bytes_text(text_of(&first, "recovery_key")), seed, NULL), OK);
	assert_string_equal(text_of(&first, "gateway"), "fra-1");
	refuse("POST", "/api/v1/cluster", "", "{\"name\":\"home\"}", 409, "taken");
	stop();
	start();
	again = expect(200, "GET", "/api/v1/cluster", NULL);
	assert_string_equal(text_of(&again, "node"), text_of(&first, "node"));
	assert_string_equal(text_of(&again, "id"), text_of(&first, "id"));
	assert_null(strstr(again.body, "recovery"));
}

static void records_are_made_found_changed_and_removed(void **state)
{
	struct http_answer answer;
	char path[100];

	(void)state;
	found();
	answer = expect(201, "POST", "/api/v1/gateways", "{\"name\":\"par-1\"}");
	assert_non_null(strstr(answer.head, "Warren-After: "));
	snprintf(path, sizeof path, "/api/v1/gateways/%s", text_of(&answer, "id"));
	refuse("POST", "/api/v1/gateways", "", "{\"name\":\"par-1\"}", 409, "taken");
	answer = expect(200, "PATCH", "/api/v1/gateways/par-1", "{\"location\":\"Paris\"}");
	assert_string_equal(text_of(&answer, "location"), "Paris");
	answer = expect(200, "GET", path, NULL);
	assert_string_equal(text_of(&answer, "location"), "Paris");
	refuse("PATCH", path, "", "{\"id\":\"0\"}", 422, "value");
	refuse("PATCH", path, "", "{\"location\":7}", 422, "value");
	refuse("PATCH", path, "", "{\"nosuch\":7}", 422, "value");
	refuse("PATCH", path, "", "7", 400, "form");
	refuse("PATCH", path, "", "{", 400, "form");
	refuse("PATCH", "/api/v1/gateways/nosuch", "", "{\"location\":\"x\"}", 404, "absent");
	expect(204, "DELETE", path, NULL);
	refuse("GET", path, "", NULL, 404, "absent");
	refuse("DELETE", path, "", NULL, 404, "absent");
}

static void lists_come_in_pieces(void **state)
{
	char body[64], path[400] = "/api/v1/settings?limit=2", seen[5] = "";
	struct http_answer answer;

	(void)state;
	found();
	for (size_t i = 0; i < COUNT(seen); i++) {
		snprintf(body, sizeof body, "{\"name\":\"s-%zu\"}", i);
		expect(201, "POST", "/api/v1/settings", body);
	}
	for (size_t pieces = 0; path[0]; pieces++) {
		assert_true(pieces < 4);
		answer = expect(200, "GET", path, NULL);
		for (const char *at = answer.body; (at = strstr(at, "\"name\":\"s-")); at += 10)
			seen[at[10] - '0']++;
		snprintf(path, sizeof path, "/api/v1/settings?limit=2&cursor=%s", text_of(&answer, "next"));
		if (!*text_of(&answer, "next"))
			path[0] = 0;
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		assert_int_equal(seen[i], 1);
}

static void what_a_query_cannot_mean_is_refused(void **state)
{
	static const char *const limits[] = { "0", "1001", "-1", "x", "", "1x", "99999", "%31%3a" };
	static const char *const copies[] = { "17", "x", "", "-1", "0%3a", "%2f%3b", "100", "1%20" };
	char path[100];

	(void)state;
	found();
	for (size_t i = 0; i < COUNT(limits); i++) {
		snprintf(path, sizeof path, "/api/v1/settings?limit=%s", limits[i]);
		refuse("GET", path, "", NULL, 422, "value");
	}
	for (size_t i = 0; i < COUNT(copies); i++) {
		snprintf(path, sizeof path, "/api/v1/settings?replicas=%s", copies[i]);
		assert_non_null(strstr(expect(422, "POST", path, "{\"name\":\"x\"}").body, "must be a number from 0"));
	}
	expect(201, "POST", "/api/v1/settings?replicas=0", "{\"name\":\"x\"}");
	refuse("GET", "/api/v1/settings?cursor=*", "", NULL, 422, "value");
	refuse("GET", "/api/v1/settings?cursor=A", "", NULL, 422, "value");
}

static void tokens_and_keys_of_requests(void **state)
{
	struct http_answer answer, again;
	char lines[2600], key[300];
	const char *after;

	(void)state;
	found();
	answer = http_ask(&a.http, request("POST", "/api/v1/settings", "Idempotency-Key: one\r\n", "{\"name\":\"x\"}"));
	assert_int_equal(answer.status, 201);
	again = http_ask(&a.http, request("POST", "/api/v1/settings", "Idempotency-Key: one\r\n", "{\"name\":\"x\"}"));
	assert_int_equal(again.status, 201);
	assert_string_equal(text_of(&again, "id"), text_of(&answer, "id"));
	memset(key, 'k', sizeof key);
	snprintf(lines, sizeof lines, "Idempotency-Key: %.256s\r\n", key);
	refuse("POST", "/api/v1/settings", lines, "{\"name\":\"x\"}", 422, "value");
	refuse("POST", "/api/v1/settings", "Idempotency-Key: \r\n", "{\"name\":\"x\"}", 422, "value");
	after = strstr(answer.head, "Warren-After: ");
	assert_non_null(after);
	snprintf(lines, sizeof lines, "Warren-Token: %.*s\r\nWarren-Strict: 1\r\n",
		 (int)strcspn(after + strlen("Warren-After: "), "\r"), after + strlen("Warren-After: "));
	assert_int_equal(http_ask(&a.http, request("GET", "/api/v1/settings", lines, NULL)).status, 200);
	refuse("GET", "/api/v1/settings", "Warren-Token: *\r\n", NULL, 400, "form");
	refuse("GET", "/api/v1/settings", "Warren-Token: AAAA\r\n", NULL, 400, "form");
}

static void invites_are_made_listed_and_taken_back(void **state)
{
	struct http_answer answer;
	struct join_token token;
	char path[100];

	(void)state;
	found();
	refuse("POST", "/api/v1/invites", "", "{\"name\":\"par-1\",\"expires_s\":59}", 422, "value");
	refuse("POST", "/api/v1/invites", "", "{\"name\":\"par-1\",\"expires_s\":2592001}", 422, "value");
	refuse("POST", "/api/v1/invites", "", "{\"name\":\"par-1\",\"expires_s\":\"60\"}", 422, "value");
	refuse("POST", "/api/v1/invites", "", "{\"name\":\"par-1\",\"nosuch\":1}", 422, "value");
	refuse("POST", "/api/v1/invites", "", "{}", 422, "value");
	refuse("POST", "/api/v1/invites", "", "{\"replace\":\"nosuch\"}", 404, "absent");
	refuse("POST", "/api/v1/invites", "", "{\"replace\":\"fra-1\"}", 409, "taken");
	answer = expect(201, "POST", "/api/v1/invites", "{\"name\":\"par-1\"}");
	assert_int_equal(join_token_read(bytes_text(text_of(&answer, "token")), &token, NULL), OK);
	assert_int_equal(token.count, 1);
	assert_string_equal(token.addresses[0].host, "127.0.0.1");
	snprintf(path, sizeof path, "/api/v1/invites/%s", text_of(&answer, "id"));
	answer = expect(200, "GET", "/api/v1/invites", NULL);
	assert_non_null(strstr(answer.body, "\"state\":\"open\""));
	assert_null(strstr(answer.body, "wrn-join"));
	expect(204, "DELETE", path, NULL);
	answer = expect(200, "GET", "/api/v1/invites", NULL);
	assert_null(strstr(answer.body, "\"state\":\"open\""));
	refuse("DELETE", "/api/v1/invites/00", "", NULL, 404, "absent");
	refuse("POST", "/api/v1/members/nosuch/evict", "", "{}", 404, "absent");
	refuse("POST", "/api/v1/members/fra-1/evict", "", "{}", 422, "value");
}

/* --- A disk that fails. */

static void on_reply(void *context, const struct reply *reply)
{
	assert_int_equal(reply->code, E_IO);
	assert_non_null(strstr(reply->text, "look whether it was done"));
	++*(size_t *)context;
}

static void who_waits_when_the_disk_fails_is_answered(void **state)
{
	size_t replies = 0;

	(void)state;
	found();
	for (size_t i = 0; i < 3; i++)
		server_await(a.api.server, bytes_of(NULL, 0), false, on_reply, &replies);
	hooks_of_heart.failed(hooks_of_heart.context, E_IO, "as a test says");
	assert_int_equal(replies, 3);
	assert_int_equal(a.failed, 1);
	a.failed = 0;
	http_case_run(&a.http, 100);
	assert_int_equal(replies, 3);
}

/* --- Joining where nobody answers. */

static const char *join_body(void)
{
	static char body[JOIN_TOKEN_MAX + 20];
	struct join_token token = { .cluster = { { 1 } }, .expires = { UINT64_C(4000000000000) }, .count = 1 };
	uint8_t seed[32] = { 5 };
	char text[JOIN_TOKEN_MAX];

	token.sponsor = signer_from_seed(seed).key;
	token.addresses[0].port = 1;
	snprintf(token.addresses[0].host, TRANSPORT_HOST_MAX, "127.0.0.1");
	join_token_write(&token, text);
	snprintf(body, sizeof body, "{\"token\":\"%s\"}", text);
	return body;
}

static struct http_client begin_joining(void)
{
	struct http_client client = http_client_open(&a.http);

	http_client_send(&client, request("POST", "/api/v1/cluster/join", "", join_body()));
	assert_true(http_client_is_quiet(&client, 300));
	return client;
}

static void an_end_ends_a_joining_too(void **state)
{
	struct http_client client = begin_joining();

	(void)state;
	refuse("POST", "/api/v1/cluster/join", "", join_body(), 409, "taken");
	refuse("GET", "/readyz", "", NULL, 503, "busy");
	stop();
	http_client_close(&client);
	/* It goes on with the next process. */
	start();
	assert_non_null(strstr(expect(200, "GET", "/api/v1/cluster", NULL).body, "\"state\":\"joining\""));
}

static void who_asked_to_join_may_go_away(void **state)
{
	struct http_client client = begin_joining();

	(void)state;
	http_client_close(&client);
	http_case_run(&a.http, 300);
	assert_non_null(strstr(expect(200, "GET", "/api/v1/cluster", NULL).body, "\"state\":\"joining\""));
}

static void an_end_comes_behind_a_joining_that_is_taken_back(void **state)
{
	struct join_token token;
	const char *text = join_body() + strlen("{\"token\":\"");

	(void)state;
	assert_int_equal(join_token_read(bytes_of(text, strlen(text) - 2), &token, NULL), OK);
	assert_int_equal(server_join(a.api.server, &token, NULL), OK);
	http_case_run(&a.http, 50);
	a.leaves = true;
	stop();
	a.leaves = false;
	assert_true(a.has_left);
	assert_int_equal(count_state(false), 0);
	start();
	assert_non_null(strstr(expect(200, "GET", "/api/v1/cluster", NULL).body, "\"state\":\"new\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_in_no_cluster_says_so, begin, end),
		cmocka_unit_test_setup_teardown(a_founding_is_one_and_outlives_the_process, begin, end),
		cmocka_unit_test_setup_teardown(records_are_made_found_changed_and_removed, begin, end),
		cmocka_unit_test_setup_teardown(lists_come_in_pieces, begin, end),
		cmocka_unit_test_setup_teardown(what_a_query_cannot_mean_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(tokens_and_keys_of_requests, begin, end),
		cmocka_unit_test_setup_teardown(invites_are_made_listed_and_taken_back, begin, end),
		cmocka_unit_test_setup_teardown(who_waits_when_the_disk_fails_is_answered, begin, end),
		cmocka_unit_test_setup_teardown(an_end_ends_a_joining_too, begin, end),
		cmocka_unit_test_setup_teardown(who_asked_to_join_may_go_away, begin, end),
		cmocka_unit_test_setup_teardown(an_end_comes_behind_a_joining_that_is_taken_back, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
