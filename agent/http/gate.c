/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http/gate.h"

#include <stdio.h>

/* What a byte may be part of. */
enum { TOKEN = 1, TARGET = 2, HOST = 4 };

static const uint8_t kinds[256] = {
	['0' ... '9'] = TOKEN | TARGET | HOST,
	['A' ... 'Z'] = TOKEN | TARGET | HOST,
	['a' ... 'z'] = TOKEN | TARGET | HOST,
	['-'] = TOKEN | TARGET | HOST,
	['.'] = TOKEN | TARGET | HOST,
	['_'] = TOKEN | TARGET | HOST,
	['!'] = TOKEN | TARGET,
	['$'] = TOKEN | TARGET,
	['%'] = TOKEN | TARGET,
	['&'] = TOKEN | TARGET,
	['\''] = TOKEN | TARGET,
	['*'] = TOKEN | TARGET,
	['+'] = TOKEN | TARGET,
	['~'] = TOKEN | TARGET,
	['#'] = TOKEN,
	['^'] = TOKEN,
	['`'] = TOKEN,
	['|'] = TOKEN,
	['('] = TARGET,
	[')'] = TARGET,
	[','] = TARGET,
	['/'] = TARGET,
	[';'] = TARGET,
	['='] = TARGET,
	['?'] = TARGET,
	['@'] = TARGET,
	[':'] = TARGET | HOST,
	['['] = HOST,
	[']'] = HOST,
};

/* Headers whose second occurrence would leave open which one counts; and all whose name begins with "warren-". */
static const char *const singles[] = { "host",          "content-length",  "content-type", "expect",
				       "authorization", "idempotency-key", "if-match" };

bool refuse(struct refusal *refusal, int status, enum code code, const char *text)
{
	*refusal = (struct refusal){ .status = status, .code = code };
	snprintf(refusal->text, sizeof refusal->text, "%s", text);
	return false;
}

static bool refuse_form(struct refusal *refusal, const char *text)
{
	return refuse(refusal, 400, E_FORM, text);
}

static bool is_all(struct bytes text, uint8_t kind)
{
	for (size_t i = 0; i < text.size; i++)
		if (!(kinds[text.data[i]] & kind))
			return false;
	return text.size;
}

static uint8_t small_letter(uint8_t b)
{
	return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 'a' - 'A') : b;
}

static bool is_same_name(struct bytes a, struct bytes b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (small_letter(a.data[i]) != small_letter(b.data[i]))
			return false;
	return true;
}

bool gate_is(struct bytes text, const char *name)
{
	return is_same_name(text, bytes_text(name));
}

static bool is_single(struct bytes name)
{
	for (size_t i = 0; i < COUNT(singles); i++)
		if (gate_is(name, singles[i]))
			return true;
	return name.size > 7 && gate_is(bytes_of(name.data, 7), "warren-");
}

static bool is_there(const struct gate_head *head, struct bytes name)
{
	for (size_t i = 0; i < head->count; i++)
		if (is_same_name(head->headers[i].name, name))
			return true;
	return false;
}

bool gate_header(const struct gate_head *head, const char *name, struct bytes *ret_value)
{
	for (size_t i = 0; i < head->count; i++)
		if (gate_is(head->headers[i].name, name)) {
			*ret_value = head->headers[i].value;
			return true;
		}
	return false;
}

static bool take_method(struct bytes method, struct gate_head *head, struct refusal *refusal)
{
	bool is_good = method.size && method.size <= GATE_METHOD_MAX;

	for (size_t i = 0; is_good && i < method.size; i++)
		is_good = method.data[i] >= 'A' && method.data[i] <= 'Z';
	if (!is_good)
		return refuse_form(refusal, "The method has to be one word of capital letters.");
	head->method = method;
	return true;
}

static bool take_version(struct bytes version, struct refusal *refusal)
{
	if (bytes_equal(version, bytes_text("HTTP/1.1")))
		return true;
	if (version.size == 8 && bytes_start_with(version, bytes_text("HTTP/")) && version.data[6] == '.')
		return refuse(refusal, 505, E_FORM, "Only HTTP/1.1 is spoken here.");
	return refuse_form(refusal, "The first line has to be: method, path, HTTP/1.1.");
}

static bool take_target(struct bytes target, struct gate_head *head, struct refusal *refusal)
{
	const uint8_t *mark;

	if (target.size > GATE_TARGET_MAX)
		return refuse(refusal, 414, E_LIMIT, "The path and its query may take 4096 bytes.");
	if (!target.size || target.data[0] != '/')
		return refuse_form(refusal, "The target has to be a path that begins with a slash.");
	if (!is_all(target, TARGET))
		return refuse_form(refusal, "The path has a byte that must be written as %XX.");
	mark = memchr(target.data, '?', target.size);
	head->path = bytes_of(target.data, mark ? (size_t)(mark - target.data) : target.size);
	head->query = mark ? bytes_of(mark + 1, target.size - head->path.size - 1) : (struct bytes){ 0 };
	return true;
}

static bool take_first_line(struct bytes line, struct gate_head *head, struct refusal *refusal)
{
	const uint8_t *end = line.data + line.size, *first, *second;

	first = line.size ? memchr(line.data, ' ', line.size) : NULL;
	second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
	if (!second)
		return refuse_form(refusal, "The first line has to be: method, path, HTTP/1.1.");
	return take_version(bytes_of(second + 1, (size_t)(end - second - 1)), refusal) &&
	       take_method(bytes_of(line.data, (size_t)(first - line.data)), head, refusal) &&
	       take_target(bytes_of(first + 1, (size_t)(second - first - 1)), head, refusal);
}

static bool take_length(struct bytes value, struct gate_head *head, struct refusal *refusal)
{
	uint64_t length = 0;

	if (!value.size)
		return refuse_form(refusal, "Content-Length has to be a number.");
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] < '0' || value.data[i] > '9')
			return refuse_form(refusal, "Content-Length has to be a number.");
	if (value.size > 10)
		return refuse(refusal, 413, E_LIMIT, "The body is too long.");
	for (size_t i = 0; i < value.size; i++)
		length = length * 10 + (uint64_t)(value.data[i] - '0');
	head->body = length;
	return true;
}

/* The headers that say where the request ends, or whom it is for. */
static bool take_framing(struct gate_header header, struct gate_head *head, struct refusal *refusal)
{
	if (gate_is(header.name, "transfer-encoding"))
		return refuse_form(refusal,
				   "Transfer-Encoding is not taken here: send the body with its Content-Length.");
	if (gate_is(header.name, "content-length"))
		return take_length(header.value, head, refusal);
	if (gate_is(header.name, "host") && (header.value.size > 255 || !is_all(header.value, HOST)))
		return refuse_form(refusal, "Host has to be a name or an address.");
	if (gate_is(header.name, "expect") && !gate_is(header.value, "100-continue"))
		return refuse(refusal, 417, E_FORM, "Nothing but 100-continue can be expected.");
	return true;
}

static struct bytes trim(struct bytes text)
{
	while (text.size && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

static bool is_printable(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((text.data[i] < 0x20 && text.data[i] != '\t') || text.data[i] == 0x7f)
			return false;
	return true;
}

static bool take_header_line(struct bytes line, struct gate_head *head, struct refusal *refusal)
{
	const uint8_t *colon = memchr(line.data, ':', line.size);
	struct gate_header header;

	if (line.data[0] == ' ' || line.data[0] == '\t')
		return refuse_form(refusal, "A header has to be one line.");
	header.name = bytes_of(line.data, colon ? (size_t)(colon - line.data) : 0);
	if (!is_all(header.name, TOKEN))
		return refuse_form(refusal, "A header has to be a name, a colon at once, and a value.");
	header.value = trim(bytes_of(colon + 1, line.size - header.name.size - 1));
	if (!is_printable(header.value))
		return refuse_form(refusal, "A header has a control character.");
	if (head->count == GATE_HEADERS_MAX)
		return refuse(refusal, 431, E_LIMIT, "There may be 64 headers.");
	if (is_single(header.name) && is_there(head, header.name))
		return refuse_form(refusal, "A header that may stand once is there twice.");
	head->headers[head->count++] = header;
	return take_framing(header, head, refusal);
}

static bool finish(struct gate_head *head, struct refusal *refusal)
{
	struct bytes host;

	if (!gate_header(head, "host", &host))
		return refuse_form(refusal, "There has to be a Host.");
	return true;
}

/* One line, without its end; *ret_line is NULL when it is not whole yet. */
static bool next_line(struct bytes input, size_t at, struct bytes *ret_line, struct refusal *refusal)
{
	const uint8_t *start = input.data + at;
	size_t left = input.size - at, size;
	const uint8_t *feed = left ? memchr(start, '\n', left) : NULL;

	size = feed ? (size_t)(feed - start) + 1 : left + 1;
	if (!at && size > GATE_LINE_MAX)
		return refuse(refusal, 414, E_LIMIT, "The path and its query may take 4096 bytes.");
	if (size > GATE_LINE_MAX || at + size > GATE_HEAD_MAX)
		return refuse(refusal, 431, E_LIMIT, "The headers may take 16 KiB, and one of them 8 KiB.");
	*ret_line = (struct bytes){ 0 };
	if (!feed)
		return true;
	if (feed == start || feed[-1] != '\r')
		return refuse_form(refusal, "Lines have to end with carriage return and line feed.");
	*ret_line = bytes_of(start, size - 2);
	return true;
}

enum gate_verdict gate_scan(struct bytes input, struct gate_head *ret_head, struct refusal *ret_refusal)
{
	size_t at = 0;

	if (!input.size)
		return GATE_MORE;
	ret_head->count = 0;
	ret_head->body = 0;
	for (;;) {
		struct bytes line;

		if (!next_line(input, at, &line, ret_refusal))
			return GATE_REFUSED;
		if (!line.data)
			return GATE_MORE;
		if (!at) {
			if (!take_first_line(line, ret_head, ret_refusal))
				return GATE_REFUSED;
		} else if (!line.size) {
			ret_head->size = at + 2;
			return finish(ret_head, ret_refusal) ? GATE_WHOLE : GATE_REFUSED;
		} else if (!take_header_line(line, ret_head, ret_refusal)) {
			return GATE_REFUSED;
		}
		at += line.size + 2;
	}
}
