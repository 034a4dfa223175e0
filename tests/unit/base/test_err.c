/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/err.h"

#include "tests/unit/base/check.h"

#include <limits.h>
#include <stdio.h>

static const struct {
	enum code code;
	int number, http;
	const char *name, *text;
} listed[] = {
#define X(name, number, http, text) { name, number, http, #name, text },
	ERR_CODES(X)
#undef X
};

static void every_code_has_its_name_text_and_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(listed); i++) {
		enum code code = listed[i].code;

		/* The numbers leave no hole: the code is the place in the table. */
		assert_int_equal(listed[i].number, -(int)i);
		assert_int_equal(code, listed[i].number);
		assert_string_equal(code_name(code), listed[i].name);
		assert_string_equal(code_text(code), listed[i].text);
		assert_int_equal(code_http(code), listed[i].http);
		assert_int_equal(code == OK, listed[i].http < 300);
		assert_in_range(listed[i].http, 200, 599);
		assert_true(code_text(code)[0]);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(listed[i].name, listed[j].name);
			assert_string_not_equal(listed[i].text, listed[j].text);
		}
	}
}

static void the_codes_that_travel_keep_their_status(void **state)
{
	(void)state;
	assert_int_equal(code_http(OK), 200);
	assert_int_equal(code_http(E_FORM), 400);
	assert_int_equal(code_http(E_VALUE), 422);
	assert_int_equal(code_http(E_LIMIT), 413);
	assert_int_equal(code_http(E_ABSENT), 404);
	assert_int_equal(code_http(E_DENIED), 403);
	assert_int_equal(code_http(E_BUSY), 503);
	assert_int_equal(code_http(E_FULL), 507);
}

static void a_failure_wraps_from_inside_out(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(fail(&err, E_VALUE, "%d is %s", 7, "odd"), E_VALUE);
	assert_string_equal(err.text, "7 is odd");
	assert_int_equal(fail_in(&err, E_DENIED, "field %s", "port"), E_DENIED);
	assert_string_equal(err.text, "field port: 7 is odd");
	assert_int_equal(fail_in(&err, E_FORM, "device"), E_FORM);
	assert_string_equal(err.text, "device: field port: 7 is odd");
	assert_int_equal(fail(&err, E_IO, "new"), E_IO);
	assert_string_equal(err.text, "new");
}

static void fields_nest_into_a_path(void **state)
{
	struct err err = { 0 };

	(void)state;
	fail(&err, E_VALUE, "must not be empty");
	assert_int_equal(fail_at(&err, E_VALUE, "name", -1), E_VALUE);
	assert_string_equal(err.text, "`name`: must not be empty");
	assert_int_equal(fail_at(&err, E_LIMIT, "devices", 3), E_LIMIT);
	assert_string_equal(err.text, "`devices[3].name`: must not be empty");
	assert_int_equal(fail_at(&err, E_VALUE, "hubs", 0), E_VALUE);
	assert_string_equal(err.text, "`hubs[0].devices[3].name`: must not be empty");
	fail(&err, E_VALUE, "%s", "");
	fail_at(&err, E_VALUE, "n", LONG_MAX);
	assert_string_equal(err.text, "`n[9223372036854775807]`: ");
}

static void nobody_has_to_listen(void **state)
{
	(void)state;
	assert_int_equal(fail(NULL, E_ABSENT, "%s", "unheard"), E_ABSENT);
	assert_int_equal(fail_in(NULL, E_LIMIT, "%s", "unheard"), E_LIMIT);
	assert_int_equal(fail_at(NULL, E_FORM, "unheard", 1), E_FORM);
}

/* Lengths around the room: whatever the message would be, its beginning is kept and it ends within the room. */
static void long_messages_are_cut(void **state)
{
	char where[600], what[600], whole[1400];

	(void)state;
	for (int outer = 0; outer < 520; outer += outer < 250 || outer > 260 ? 13 : 1) {
		for (int inner = 0; inner < 520; inner += inner < 250 || inner > 260 ? 11 : 1) {
			struct {
				struct err err;
				uint8_t guard[8];
			} room;

			memset(&room, 0xa5, sizeof room);
			memset(where, 'w', sizeof where);
			memset(what, 'i', sizeof what);
			where[outer] = what[inner] = '\0';
			fail(&room.err, E_VALUE, "%s", what);
			assert_int_equal(strlen(room.err.text), inner < 256 ? inner : 255);
			fail_in(&room.err, E_VALUE, "%s", where);
			assert_true(snprintf(whole, sizeof whole, "%s: %.255s", where, what) > 0);
			whole[255] = '\0';
			assert_string_equal(room.err.text, whole);
			for (size_t i = 0; i < sizeof room.guard; i++)
				assert_int_equal(room.guard[i], 0xa5);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_name_text_and_status),
		cmocka_unit_test(the_codes_that_travel_keep_their_status),
		cmocka_unit_test(a_failure_wraps_from_inside_out),
		cmocka_unit_test(fields_nest_into_a_path),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
