/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/validate.h"

#include "crdt/base/text.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_printable_ascii(uint8_t b)
{
	return b >= 0x20 && b < 0x7f;
}

/* Eight bytes at a time: all within 0x20 … 0x7e. */
static bool are_printable_ascii(const uint8_t *bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t word;

	memcpy(&word, bytes, 8);
	/* Below 0x20 borrows, 0x7f and above carries, into the high bit. */
	return !(((word - ones * 0x20) | (word + ones) | word) & high);
}

static enum code check_characters(struct bytes text, bool has_lines, struct err *err)
{
	size_t at = 0;

	while (at < text.size) {
		uint32_t point;
		size_t length;

		if (text.size - at >= 8 && are_printable_ascii(text.data + at)) {
			at += 8;
			continue;
		}
		if (is_printable_ascii(text.data[at])) {
			at++;
			continue;
		}
		length = text_decode(bytes_of(text.data + at, text.size - at), &point);
		if (!length)
			return fail(err, E_VALUE, "byte %zu is not UTF-8", at);
		if (text_is_refused(point) && !(has_lines && (point == '\n' || point == '\t')))
			return fail(err, E_VALUE, "the character U+%04" PRIX32 " at byte %zu is not allowed", point,
				    at);
		at += length;
	}
	return OK;
}

static enum code check_size(const struct field *field, size_t size, struct err *err)
{
	uint64_t min = field->min, max = field->max;

	if (size >= min && size <= max)
		return OK;
	if (!size)
		return fail(err, E_VALUE, "must not be empty");
	if (min == max)
		return fail(err, E_VALUE, "must have %" PRIu64 " bytes, has %zu", min, size);
	return fail(err, E_VALUE, "must have %" PRIu64 " to %" PRIu64 " bytes, has %zu", min, max, size);
}

static enum code check_line(struct bytes text, struct err *err)
{
	return check_characters(text, false, err);
}

static enum code check_note(struct bytes text, struct err *err)
{
	return check_characters(text, true, err);
}

/* Small letters and digits, and behind the first also the `others`. */
static enum code check_word(struct bytes text, const char *others, const char *shown, struct err *err)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t b = text.data[i];
		bool is_plain = (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9');

		if (!is_plain && (!i || !b || !strchr(others, b)))
			return fail(err, E_VALUE,
				    "use small letters and digits, and behind the first also %s (byte %zu is none)",
				    shown, i);
	}
	return OK;
}

static enum code check_slug(struct bytes text, struct err *err)
{
	return check_word(text, "-_.", "- _ .", err);
}

/* ASCII alone, so that no two logins look alike. */
static enum code check_login(struct bytes text, struct err *err)
{
	return check_word(text, "-_.@+", "- _ . @ +", err);
}

static enum code check_visible(struct bytes text, struct err *err)
{
	uint32_t point;

	for (size_t at = 0; at < text.size; at += text_decode(bytes_of(text.data + at, text.size - at), &point)) {
		text_decode(bytes_of(text.data + at, text.size - at), &point);
		if (text_is_invisible(point))
			return fail(err, E_VALUE, "the character U+%04" PRIX32 " at byte %zu cannot be seen", point,
				    at);
	}
	return OK;
}

static enum code check_name(struct bytes text, struct err *err)
{
	enum code code = check_characters(text, false, err);

	if (code)
		return code;
	if (text.data[0] == ' ' || text.data[text.size - 1] == ' ')
		return fail(err, E_VALUE, "must not begin or end with a space");
	/* "name~3f2a" is how one of several holders of a name is told apart. */
	if (memchr(text.data, '~', text.size))
		return fail(err, E_VALUE, "must not contain ~");
	return check_visible(text, err);
}

static bool is_letter(uint8_t b)
{
	return (b | 0x20) >= 'a' && (b | 0x20) <= 'z';
}

/* A name whose last label is a number, such as 10.0.0.256 or 127.1, is a mistyped address to some and a name to none.
 */
static enum code check_host(struct bytes text, struct err *err)
{
	struct address address;
	size_t label = 0;
	bool has_letter = false;

	if (!address_parse(text, &address, NULL))
		return OK;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t b = text.data[i];
		bool is_inner = b == '-' && label && i + 1 < text.size && text.data[i + 1] != '.';
		bool is_plain = is_letter(b) || (b >= '0' && b <= '9') || is_inner;

		if (b == '.' && label && i + 1 < text.size) {
			label = 0;
			has_letter = false;
			continue;
		}
		if (!is_plain || ++label > 63)
			return fail(err, E_VALUE, "is neither a DNS name nor an address (byte %zu)", i);
		has_letter |= is_letter(b);
	}
	return has_letter ? OK : fail(err, E_VALUE, "is neither a DNS name nor an address");
}

static enum code check_url(struct bytes text, struct err *err)
{
	size_t front = bytes_start_with(text, bytes_text("https://")) ? 8 : 7;

	if (front == 7 && !bytes_start_with(text, bytes_text("http://")))
		return fail(err, E_VALUE, "must begin with https:// or http://");
	if (text.size == front)
		return fail(err, E_VALUE, "names no host");
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("\"<>\\^`{|}", text.data[i]))
			return fail(err, E_VALUE, "byte %zu must be written as %%XX", i);
	return OK;
}

static enum code check_number(const struct field *field, uint64_t number, struct err *err)
{
	uint64_t min = field->min, max = field->max;

	if (number >= min && number <= max)
		return OK;
	return fail(err, E_VALUE, "must be %" PRIu64 " to %" PRIu64 ", is %" PRIu64, min, max, number);
}

static enum code check_signed(const struct field *field, int64_t number, struct err *err)
{
	int64_t min = (int64_t)field->min, max = (int64_t)field->max;

	if (number >= min && number <= max)
		return OK;
	return fail(err, E_VALUE, "must be %" PRId64 " to %" PRId64 ", is %" PRId64, min, max, number);
}

static enum code check_choice(const struct field *field, uint64_t number, struct err *err)
{
	const struct choices *choices = &model_choices[field->of];

	for (size_t i = 0; i < choices->count; i++)
		if (choices->all[i].number == number)
			return OK;
	return fail(err, E_VALUE, "%" PRIu64 " is no %s that this version knows", number, choices->name);
}

static enum code check_address(const struct field *field, const struct address *address, struct err *err)
{
	if (address->size != 4 && address->size != 16)
		return fail(err, E_VALUE, "is not an IP address");
	if (field->of && address->size != (field->of == 4 ? 4 : 16))
		return fail(err, E_VALUE, "must be IPv%u", field->of);
	return OK;
}

static enum code check_network(const struct field *field, const struct network *network, struct err *err)
{
	enum code code = check_address(field, &network->address, err);

	if (!code && !network_is_valid(network))
		code = fail(err, E_VALUE, "is not a network: it has bits behind its prefix");
	return code;
}

static enum code check_text(const struct field *field, struct bytes text,
			    enum code (*check)(struct bytes text, struct err *err), struct err *err)
{
	enum code code = check_size(field, text.size, err);

	return code ? code : check(text, err);
}

enum code validate_slot(const struct field *field, const void *slot, struct err *err)
{
	switch ((enum type)field->type) {
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_NODE: return check_number(field, *(const uint64_t *)slot, err);
	case TYPE_INT: return check_signed(field, *(const int64_t *)slot, err);
	case TYPE_TIME: return check_number(field, ((const struct wall_time *)slot)->ms, err);
	case TYPE_CHOICE: return check_choice(field, *(const uint64_t *)slot, err);
	case TYPE_SLUG: return check_text(field, *(const struct bytes *)slot, check_slug, err);
	case TYPE_LOGIN: return check_text(field, *(const struct bytes *)slot, check_login, err);
	case TYPE_NAME: return check_text(field, *(const struct bytes *)slot, check_name, err);
	case TYPE_LINE: return check_text(field, *(const struct bytes *)slot, check_line, err);
	case TYPE_NOTE: return check_text(field, *(const struct bytes *)slot, check_note, err);
	case TYPE_HOST: return check_text(field, *(const struct bytes *)slot, check_host, err);
	case TYPE_URL: return check_text(field, *(const struct bytes *)slot, check_url, err);
	case TYPE_BYTES: return check_size(field, ((const struct bytes *)slot)->size, err);
	case TYPE_ADDRESS: return check_address(field, slot, err);
	case TYPE_NETWORK: return check_network(field, slot, err);
	case TYPE_BOOL:
	case TYPE_ID:
	case TYPE_REF:
	case TYPE_KEY:
	case TYPE_COUNTER:
	case TYPE_PART: return OK; /* any bytes of the right form; a part's own fields are checked as it is read */
	}
	return OK;
}

const char *validate_type_text(const struct field *field)
{
	static const char *const texts[] = {
		[TYPE_BOOL] = "true or false",
		[TYPE_UINT] = "a whole number",
		[TYPE_COUNT64] = "a whole number",
		[TYPE_INT] = "a whole number",
		[TYPE_TIME] = "a time",
		[TYPE_SPAN] = "a number of seconds",
		[TYPE_CHOICE] = "a choice",
		[TYPE_NODE] = "a node's id",
		[TYPE_SLUG] = "a text",
		[TYPE_LOGIN] = "a text",
		[TYPE_NAME] = "a text",
		[TYPE_LINE] = "a text",
		[TYPE_NOTE] = "a text",
		[TYPE_HOST] = "a text",
		[TYPE_URL] = "a text",
		[TYPE_BYTES] = "bytes",
		[TYPE_ID] = "an id",
		[TYPE_REF] = "a kind and an id",
		[TYPE_KEY] = "a key of 32 bytes",
		[TYPE_ADDRESS] = "an IP address",
		[TYPE_NETWORK] = "a network",
		[TYPE_COUNTER] = "a counter",
		[TYPE_PART] = "an object",
	};

	return texts[field->type];
}
