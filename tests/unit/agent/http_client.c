/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 10000, IN_MAX = 64 << 20 };

struct http_client http_client_open(struct http_case *test)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct http_client client = { .test = test, .in = buf_growing(IN_MAX) };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", test->path);
	client.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(client.fd >= 0);
	assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	return client;
}

void http_client_close(struct http_client *client)
{
	close(client->fd);
	buf_done(&client->in);
}

void http_client_send_bytes(struct http_client *client, struct bytes bytes)
{
	uint64_t until = http_case_now_ms() + WAIT_MS;

	while (bytes.size) {
		ssize_t sent = send(client->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

		if (sent > 0)
			bytes = bytes_of(bytes.data + sent, bytes.size - (size_t)sent);
		else if (sent < 0 && errno != EAGAIN)
			return; /* what the server said before it closed can be read still */
		else
			http_case_turn(client->test);
		assert_true(http_case_now_ms() < until);
	}
}

void http_client_send(struct http_client *client, const char *text)
{
	http_client_send_bytes(client, bytes_text(text));
}

/* Takes what is there. */
static void pull(struct http_client *client)
{
	uint8_t room[65536];
	ssize_t size;

	http_case_turn(client->test);
	while ((size = recv(client->fd, room, sizeof room, 0)) > 0)
		buf_put(&client->in, room, (size_t)size);
	if (!size || errno != EAGAIN)
		client->is_ended = true;
	assert_false(client->in.is_full);
}

static void await_bytes(struct http_client *client, uint64_t until)
{
	if (client->is_ended || http_case_now_ms() >= until)
		fail_msg("no answer: %.*s", (int)client->in.size, (const char *)client->in.data);
	pull(client);
}

static void drop(struct http_client *client, size_t size)
{
	memmove(client->in.data, client->in.data + size, client->in.size - size);
	client->in.size -= size;
}

static size_t await_text(struct http_client *client, size_t from, const char *text)
{
	uint64_t until = http_case_now_ms() + WAIT_MS;

	for (;;) {
		uint8_t *found = client->in.size > from
					 ? memmem(client->in.data + from, client->in.size - from, text, strlen(text))
					 : NULL;

		if (found)
			return (size_t)(found - client->in.data);
		await_bytes(client, until);
	}
}

static void await_size(struct http_client *client, size_t size)
{
	uint64_t until = http_case_now_ms() + WAIT_MS;

	while (client->in.size < size)
		await_bytes(client, until);
}

static void keep(struct http_answer *answer, const uint8_t *bytes, size_t size)
{
	size_t room = answer->size < sizeof answer->body ? sizeof answer->body - 1 - answer->size : 0;

	memcpy(answer->body + answer->size, bytes, size < room ? size : room);
	answer->size += size;
}

static void read_chunks(struct http_client *client, struct http_answer *answer)
{
	for (;;) {
		size_t end = await_text(client, 0, "\r\n") + 2;
		size_t size = strtoul((const char *)client->in.data, NULL, 16);

		await_size(client, end + size + 2);
		if (size && answer->size < sizeof answer->body - 1)
			keep(answer, client->in.data + end, size);
		else
			answer->size += size;
		drop(client, end + size + 2);
		if (!size)
			return;
	}
}

struct http_answer http_client_read(struct http_client *client)
{
	struct http_answer answer = { 0 };
	size_t end = await_text(client, 0, "\r\n\r\n") + 4, size;
	const char *length;

	assert_true(end < sizeof answer.head);
	memcpy(answer.head, client->in.data, end - 2);
	drop(client, end);
	assert_int_equal(sscanf(answer.head, "HTTP/1.1 %d", &answer.status), 1);
	if (strstr(answer.head, "transfer-encoding: chunked")) {
		read_chunks(client, &answer);
		return answer;
	}
	length = strstr(answer.head, "\r\nContent-Length: ");
	size = length ? strtoul(length + 18, NULL, 10) : 0;
	await_size(client, size);
	keep(&answer, client->in.data, size);
	drop(client, size);
	return answer;
}

bool http_client_is_quiet(struct http_client *client, uint32_t ms)
{
	uint64_t until = http_case_now_ms() + ms;

	while (!client->in.size && !client->is_ended && http_case_now_ms() < until)
		pull(client);
	return !client->in.size && !client->is_ended;
}

void http_client_await_end(struct http_client *client)
{
	uint64_t until = http_case_now_ms() + WAIT_MS;

	while (!client->is_ended) {
		assert_true(http_case_now_ms() < until);
		pull(client);
	}
}

struct http_answer http_ask(struct http_case *test, const char *text)
{
	struct http_client client = http_client_open(test);
	struct http_answer answer;

	http_client_send(&client, text);
	answer = http_client_read(&client);
	http_client_close(&client);
	return answer;
}

bool http_has_line(const struct http_answer *answer, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
	return strstr(answer->head, whole);
}

void http_expect_problem(const struct http_answer *answer, int status, const char *code)
{
	char expected[64];

	if (answer->status != status)
		fail_msg("%d in place of %d: %s", answer->status, status, answer->body);
	assert_true(http_has_line(answer, "Content-Type: application/problem+json"));
	assert_true(http_has_line(answer, "Cache-Control: no-store"));
	assert_true(http_has_line(answer, "X-Content-Type-Options: nosniff"));
	snprintf(expected, sizeof expected, "\"status\":%d,\"code\":\"%s\",\"detail\":\"", status, code);
	assert_non_null(strstr(answer->body, expected));
	assert_non_null(strstr(answer->body, "{\"type\":\"about:blank\",\"title\":\""));
	assert_non_null(strstr(answer->body, ",\"number\":\""));
}
