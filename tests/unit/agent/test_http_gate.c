/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that are taken and heads that are not: the same for every way of cutting them. */
#include "agent/http/gate.h"
#include "crdt/base/buf.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static const struct {
	const char *text;
	int status; /* 0: taken */
} heads[] = {
	{ GET HOST "\r\n", 0 },
	{ GET "host:a:80\r\n\r\n", 0 },
	{ GET HOST "A: \t b \t\r\nB:\r\nC: \xc3\xa9\r\n\r\n", 0 },
	{ GET HOST "Accept: a\r\nAccept: b\r\n\r\n", 0 },
	{ POST HOST "Content-Length: 0\r\n\r\n", 0 },
	{ POST HOST "Content-Length: 007\r\nExpect: 100-Continue\r\n\r\n", 0 },
	{ "GET /a?b=%20&c HTTP/1.1\r\n" HOST "\r\n", 0 },
	/* Which Host? */
	{ GET "\r\n", 400 },
	{ GET "A: b\r\n\r\n", 400 },
	{ GET HOST HOST "\r\n", 400 },
	{ GET HOST "hOST: b\r\n\r\n", 400 },
	{ GET "Host:\r\n\r\n", 400 },
	{ GET "Host: a b\r\n\r\n", 400 },
	{ GET "Host: a,b\r\n\r\n", 400 },
	{ GET "Host: http://a\r\n\r\n", 400 },
	/* Where does it end? */
	{ POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 1, 1\r\n\r\n", 400 },
	{ POST HOST "Content-Length: +1\r\n\r\n", 400 },
	{ POST HOST "Content-Length: -1\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 0x1\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 1 1\r\n\r\n", 400 },
	{ POST HOST "Content-Length:\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 18446744073709551617\r\n\r\n", 413 },
	{ POST HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\n\r\n", 400 },
	{ POST HOST "transfer-encoding: identity\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding : chunked\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding\t: chunked\r\n\r\n", 400 },
	{ POST HOST " Transfer-Encoding: chunked\r\n\r\n", 400 },
	{ POST HOST "Expect: 200-ok\r\n\r\n", 417 },
	/* Lines. */
	{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
	{ GET "Host: a\n\r\n", 400 },
	{ GET "Host: abc\n\r\n", 400 },
	{ GET HOST "A: bcd\n\r\n", 400 },
	{ GET HOST "\n", 400 },
	{ GET HOST "A: b\r\r\n\r\n", 400 },
	{ GET HOST "A: b\rC: d\r\n\r\n", 400 },
	{ GET HOST "A: b\r\n c\r\n\r\n", 400 },
	{ GET HOST "A: b\r\n\tc\r\n\r\n", 400 },
	{ GET " folded\r\n" HOST "\r\n", 400 },
	{ "\r\n" GET HOST "\r\n", 400 },
	{ GET HOST "A b: c\r\n\r\n", 400 },
	{ GET HOST "A\r\n\r\n", 400 },
	{ GET HOST ": b\r\n\r\n", 400 },
	{ GET HOST "A: \x01\r\n\r\n", 400 },
	{ GET HOST "A: \x7f\r\n\r\n", 400 },
	{ GET HOST "A\xc3\xa9: b\r\n\r\n", 400 },
	{ GET HOST "Content-Type: a\r\ncontent-type: b\r\n\r\n", 400 },
	{ GET HOST "Authorization: a\r\nAuthorization: b\r\n\r\n", 400 },
	{ GET HOST "Warren-Token: a\r\nwarren-token: b\r\n\r\n", 400 },
	/* The first line. */
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", 400 },
	{ "GET\t/\tHTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\r\n" HOST "\r\n", 400 },
	{ " / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.0\r\n" HOST "\r\n", 505 },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "GET / http/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.12\r\n" HOST "\r\n", 400 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	/* Whose path? */
	{ "GET http://a/ HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a\"b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a\\b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a\x7f HTTP/1.1\r\n" HOST "\r\n", 400 },
};

/* What is said of the beginning is said of the whole, and a beginning never counts as whole. */
static void check_beginnings(struct bytes whole, enum gate_verdict verdict, int status)
{
	struct gate_head head;
	struct refusal refusal;

	for (size_t size = 0; size < whole.size; size++) {
		void *copy = malloc(size ? size : 1); /* of its own, so that nothing behind it can be read */
		enum gate_verdict part;

		memcpy(copy, whole.data, size);
		part = gate_scan(bytes_of(copy, size), &head, &refusal);
		if (part == GATE_REFUSED)
			assert_int_equal(refusal.status, status);
		if (part != GATE_MORE)
			assert_int_equal(part, verdict);
		if (part == GATE_WHOLE)
			assert_int_equal(head.size, size);
		free(copy);
	}
}

static void heads_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct bytes text = bytes_text(heads[i].text);
		struct gate_head head;
		struct refusal refusal = { 0 };
		enum gate_verdict verdict = gate_scan(text, &head, &refusal);

		if (verdict != (heads[i].status ? GATE_REFUSED : GATE_WHOLE) || refusal.status != heads[i].status)
			fail_msg("%s\n-> %d %s", heads[i].text, refusal.status, refusal.text);
		check_beginnings(text, verdict, refusal.status);
	}
}

static void a_head_is_taken_apart(void **state)
{
	struct gate_head head;
	struct refusal refusal;
	struct bytes value;

	(void)state;
	assert_int_equal(gate_scan(bytes_text("POST /a/b?c=d?e HTTP/1.1\r\nHost: h\r\nContent-Length:  12 \r\n"
					      "X-y: \t z z\t\r\n\r\nbody GET"),
				   &head, &refusal),
			 GATE_WHOLE);
	assert_true(bytes_equal(head.method, bytes_text("POST")));
	assert_true(bytes_equal(head.path, bytes_text("/a/b")));
	assert_true(bytes_equal(head.query, bytes_text("c=d?e")));
	assert_int_equal(head.count, 3);
	assert_int_equal(head.body, 12);
	assert_int_equal(head.size, 72);
	assert_true(gate_header(&head, "x-Y", &value));
	assert_true(bytes_equal(value, bytes_text("z z")));
	assert_false(gate_header(&head, "x-yz", &value));
	assert_false(gate_header(&head, "x-", &value));
}

static int scan_repeated(const char *start, const char *part, size_t times, const char *end)
{
	struct buf text = buf_growing(1 << 20);
	struct gate_head head;
	struct refusal refusal = { 0 };

	buf_put_text(&text, start);
	for (size_t i = 0; i < times; i++)
		buf_put_text(&text, part);
	buf_put_text(&text, end);
	gate_scan(buf_bytes(&text), &head, &refusal);
	check_beginnings(buf_bytes(&text), refusal.status ? GATE_REFUSED : GATE_WHOLE, refusal.status);
	buf_done(&text);
	return refusal.status;
}

static void heads_have_limits(void **state)
{
	static const char first[] = "GET /", rest[] = " HTTP/1.1\r\n" HOST "\r\n", few[] = GET HOST, end[] = "\r\n";

	(void)state;
	assert_int_equal(scan_repeated(first, "x", GATE_TARGET_MAX - 1, rest), 0);
	assert_int_equal(scan_repeated(first, "x", GATE_TARGET_MAX, rest), 414);
	assert_int_equal(scan_repeated(first, "x", 9000, rest), 414);
	assert_int_equal(scan_repeated(few, "A: b\r\n", GATE_HEADERS_MAX - 1, end), 0);
	assert_int_equal(scan_repeated(few, "A: b\r\n", GATE_HEADERS_MAX, end), 431);
	assert_int_equal(scan_repeated(few, "A: b\r\n", 10000, end), 431);
	assert_int_equal(scan_repeated(GET HOST "A: ", "x", 9000, "\r\n\r\n"), 431);
}

static void a_head_fills_its_room_to_the_byte(void **state)
{
	static char text[GATE_HEAD_MAX + 2];
	struct gate_head head;
	struct refusal refusal = { 0 };

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		size_t size = GATE_HEAD_MAX + over;
		char *second = text + 9000;

		memset(text, 'x', sizeof text);
		memcpy(text, GET HOST "A: ", 28);
		memcpy(second - 2, "\r\nB: ", 5);
		memcpy(text + size - 4, "\r\n\r\n", 4);
		second[-1000] = '\n';
		memcpy(second - 1001, "\r\nC: ", 5);
		assert_int_equal(gate_scan(bytes_of(text, size), &head, &refusal), over ? GATE_REFUSED : GATE_WHOLE);
		assert_int_equal(refusal.status, over ? 431 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_judged),
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(heads_have_limits),
		cmocka_unit_test(a_head_fills_its_room_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
