/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests at the gate: what it takes, the server's own parser takes in the same way, and what it says of a beginning
 * it says of the whole. Then the way on: route, segments, query, and the document of a refusal.
 */
#include "agent/http/judge.h"
#include "agent/http/problem.h"
#include "agent/http/target.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

/* Of h2o's library, which has no header for it. */
struct phr_header {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};
int phr_parse_request(const char *text, size_t size, const char **method, size_t *method_size, const char **path,
		      size_t *path_size, int *minor, struct phr_header *headers, size_t *count, size_t last);

static struct routes *routes;

static void handle(void *context, struct call *call)
{
	(void)context;
	(void)call;
}

static const struct route all[] = {
	{ "GET", "/", ROUTE_ANYBODY, BODY_NONE, handle, "" },
	{ "GET", "/a", ROUTE_OWNERS, BODY_NONE, handle, "" },
	{ "POST", "/a", ROUTE_OWNERS, BODY_JSON, handle, "" },
	{ "GET", "/a/{x}", ROUTE_OWNERS, BODY_NONE, handle, "" },
	{ "PATCH", "/a/{x}", ROUTE_ANYBODY, BODY_JSON, handle, "" },
	{ "GET", "/a/{x}/b/{y}", ROUTE_ANYBODY, BODY_NONE, handle, "" },
	{ "PUT", "/{x}/{y}", ROUTE_OWNERS, BODY_IMPORT, handle, "" },
};

static void check_refusal(const struct refusal *refusal)
{
	struct err err;
	struct problem problem = { .status = refusal->status, .code = refusal->code, .err = &err };
	struct buf text = buf_growing(4096);
	json_t *document;

	assert(refusal->status >= 400 && refusal->status <= 505 && refusal->code);
	assert(strcmp(problem_title(refusal->status), "Error"));
	fail(&err, refusal->code, "%s", refusal->text);
	problem_write(&problem, &text);
	document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	assert(document);
	json_decref(document);
	buf_done(&text);
}

static void check_same_text(struct bytes ours, const char *theirs, size_t size)
{
	assert((const char *)ours.data == theirs && ours.size == size);
}

/* The other parser leaves spaces at the end of a value. */
static void check_parsed(struct bytes input, const struct gate_head *head)
{
	struct phr_header headers[100];
	const char *method, *path;
	size_t method_size, path_size, count = COUNT(headers);
	int minor, size = phr_parse_request((const char *)input.data, input.size, &method, &method_size, &path,
					    &path_size, &minor, headers, &count, 0);

	assert(size > 0 && (size_t)size == head->size && minor == 1 && count == head->count);
	check_same_text(head->method, method, method_size);
	check_same_text(head->path, path, head->path.size);
	assert(path_size == head->path.size + (head->query.data ? head->query.size + 1 : 0));
	for (size_t i = 0; i < count; i++) {
		check_same_text(head->headers[i].name, headers[i].name, headers[i].name_len);
		assert(head->headers[i].value.size <= headers[i].value_len);
		assert(!head->headers[i].value.size || (const char *)head->headers[i].value.data == headers[i].value);
	}
}

static void check_text(struct bytes text)
{
	assert(!text.size || !memchr(text.data, 0, text.size));
}

static void check_target(const struct gate_head *head, const struct route_match *match)
{
	struct arena arena = { 0 };
	struct target_query query;
	struct refusal refusal;
	struct bytes text;

	for (size_t i = 0; i < match->found_count; i++) {
		assert(match->found[i].size && !memchr(match->found[i].data, '/', match->found[i].size));
		if (target_segment(match->found[i], &arena, &text, &refusal))
			check_text(text);
		else
			check_refusal(&refusal);
	}
	if (!target_query(head->query, &arena, &query, &refusal)) {
		check_refusal(&refusal);
	} else {
		assert(query.count <= TARGET_QUERY_MAX);
		for (size_t i = 0; i < query.count; i++) {
			check_text(query.all[i].name);
			check_text(query.all[i].value);
		}
	}
	arena_done(&arena);
}

static void check_judged(const struct gate_head *head, enum caller_kind kind)
{
	struct caller caller = { .kind = kind };
	struct route_match match;
	struct refusal refusal;

	if (!http_judge(routes, &caller, head, &match, &refusal)) {
		check_refusal(&refusal);
		assert((refusal.status == 405) == !!*refusal.allow);
		return;
	}
	fuzz_taken();
	assert(match.route && bytes_equal(head->method, bytes_text(match.route->method)));
	assert(kind == CALLER_SOCKET || match.route->access == ROUTE_ANYBODY);
	assert(!head->body || match.route->body != BODY_NONE);
	assert(head->body <= JUDGE_BODY_MAX);
	check_target(head, &match);
}

/* The same bytes, of which only a part has come. */
static void check_beginning(struct bytes input, size_t size, enum gate_verdict verdict, const struct gate_head *head,
			    const struct refusal *refusal)
{
	struct gate_head early;
	struct refusal why;
	enum gate_verdict part = gate_scan(bytes_of(input.data, size), &early, &why);

	if (part == GATE_REFUSED)
		assert(verdict == GATE_REFUSED && why.status == refusal->status);
	if (part == GATE_WHOLE)
		assert(verdict == GATE_WHOLE && early.size == head->size && early.body == head->body);
	if (part == GATE_MORE)
		assert(verdict != GATE_WHOLE || size < head->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input fuzz = fuzz_read(data, size);
	struct bytes input = fuzz.parts[0];
	struct gate_head head;
	struct refusal refusal;
	enum gate_verdict verdict = gate_scan(input, &head, &refusal);

	for (size_t i = 0; i < 3 && input.size; i++)
		check_beginning(input, ((size_t)fuzz.front[i] * 257 + i) % input.size, verdict, &head, &refusal);
	if (verdict == GATE_REFUSED)
		check_refusal(&refusal);
	if (verdict != GATE_WHOLE)
		return 0;
	check_parsed(input, &head);
	check_judged(&head, fuzz.front[3] % 4 ? CALLER_SOCKET : CALLER_NOBODY);
	return 0;
}

static void put_one_of(struct buf *buf, struct rng *rng, const char *const *texts, size_t count)
{
	buf_put_text(buf, texts[rng_below(rng, count)]);
}

#define PUT_ONE_OF(buf, rng, ...)                                      \
	put_one_of((buf), (rng), (const char *const[]){ __VA_ARGS__ }, \
		   sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* Mostly what is right. */
static void make_request(struct buf *buf, struct rng *rng)
{
	PUT_ONE_OF(buf, rng, "GET", "GET", "POST", "PATCH", "PUT", "HEAD", "get");
	buf_put_text(buf, " ");
	PUT_ONE_OF(buf, rng, "/", "/a", "/a", "/a/x", "/a/%41/b/%c3%a9", "/x/y", "/a/%", "/b", "http://a/a", "*");
	PUT_ONE_OF(buf, rng, "", "", "?", "?a=b", "?a=b&c=%20", "?a&b", "?a=b&a=c", "?+=+");
	PUT_ONE_OF(buf, rng, " HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " ");
	buf_put_text(buf, "\r\n");
	for (size_t i = rng_below(rng, 3); i; i--)
		PUT_ONE_OF(buf, rng, "Accept: */*\r\n", "X: y \t\r\n", "Connection: close\r\n", "Y:\r\n", "\tz\r\n");
	PUT_ONE_OF(buf, rng, "Host: a\r\n", "Host: a:80\r\n", "host:[::1]\r\n", "Host: a\n", "");
	PUT_ONE_OF(buf, rng, "", "", "Content-Length: 2\r\n", "Content-Length: 0\r\n", "Content-Length: 70000\r\n",
		   "Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n");
	PUT_ONE_OF(buf, rng, "", "", "Content-Type: application/json\r\n", "Content-Type: application/octet-stream\r\n",
		   "Expect: 100-continue\r\n");
	PUT_ONE_OF(buf, rng, "\r\n", "\r\n", "\r\n", "\r\n{}", "\r\n{}GET / HTTP/1.1\r\n", "\n");
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	struct fuzz_input input = { .parts = { { 0 } } };
	struct buf text = buf_growing(4096);
	size_t size;

	for (size_t i = 0; i < FUZZ_FRONT; i++)
		input.front[i] = (uint8_t)rng_u64(rng);
	make_request(&text, rng);
	input.parts[0] = buf_bytes(&text);
	size = fuzz_write(&input, data, max_size);
	buf_done(&text);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 3) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	routes = routes_make(all, COUNT(all));
	return 0;
}
