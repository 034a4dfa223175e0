/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_HTTP_CASE_H
#define WARREN_TEST_HTTP_CASE_H

/*
 * A server on a unix socket in a folder of its own, with routes that show what calls can do, and clients of raw bytes.
 * All in one thread: whoever waits for a client's bytes runs the loop meanwhile. No wait is longer than ten seconds.
 */

#include "agent/http/server.h"
#include "crdt/base/buf.h"

enum { HTTP_PENDING_MAX = 64 };

struct http_case {
	uv_loop_t loop;
	struct routes *routes;
	struct http_server *server;
	char folder[40], path[64];
	bool is_closed;
	/* Calls that wait (/later), and how many of those went away. */
	struct call *pending[HTTP_PENDING_MAX];
	size_t pending_count, gone;
	/* What /stream still has to say, in pieces of how many bytes, and how often it was asked for more. */
	size_t stream_left, stream_piece, stream_asked;
	struct call *stream; /* /events: which puts what the test says, when it says so */
	/* What was told of the last answer, and of how many. */
	size_t told;
	char told_method[20], told_pattern[40];
	int told_status;
	struct caller told_caller;
};

extern const struct http_limits http_case_limits;

void http_case_open(struct http_case *test, struct http_limits limits);
/* Ends the server, and proves that nothing of it is left: no handle, no descriptor, no file. */
void http_case_close(struct http_case *test);
/* One round of the loop, and a short sleep if there was nothing to do. */
void http_case_turn(struct http_case *test);
/* That long, and some rounds at least, however slow they are. */
void http_case_run(struct http_case *test, uint32_t ms);
uint64_t http_case_now_ms(void);

/* http_routes.c */
struct routes *http_case_routes(void);

struct http_client {
	struct http_case *test;
	int fd;
	struct buf in; /* what came and was not taken yet */
	bool is_ended; /* the server closed */
};

struct http_answer {
	int status;
	char head[2048]; /* with its lines, without the empty one */
	char body[4096]; /* its beginning, ended by a zero */
	size_t size;     /* of the body */
};

struct http_client http_client_open(struct http_case *test);
void http_client_close(struct http_client *client);
void http_client_send(struct http_client *client, const char *text);
void http_client_send_bytes(struct http_client *client, struct bytes bytes);
/* The next answer: by its Content-Length, or in chunks. Fails the test if none comes. */
struct http_answer http_client_read(struct http_client *client);
/* Whether nothing comes within this time, and the connection stays. */
bool http_client_is_quiet(struct http_client *client, uint32_t ms);
/* Runs until the server closes, or fails the test. */
void http_client_await_end(struct http_client *client);

/* A connection, the text, its answer. */
struct http_answer http_ask(struct http_case *test, const char *text);
/* The same, and the answer must be a problem of that status and code, with everything a problem must have. */
void http_expect_problem(const struct http_answer *answer, int status, const char *code);
bool http_has_line(const struct http_answer *answer, const char *line);

#endif
