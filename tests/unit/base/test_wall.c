/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "crdt/base/time.h"

#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 100000 };

static const char *const edges[] = {
	"1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.001Z", "1972-02-29T23:59:59.999Z", "1999-12-31T23:59:59.999Z",
	"2000-01-01T00:00:00.000Z", "2000-02-29T12:00:00.000Z", "2000-03-01T00:00:00.000Z", "2024-02-29T00:00:00.000Z",
	"2026-11-21T15:26:43.000Z", "2038-01-19T03:14:08.000Z", "2100-02-28T23:59:59.999Z", "2100-03-01T00:00:00.000Z",
	"2400-02-29T00:00:00.000Z", "4000-12-31T23:59:59.999Z", "6429-10-17T02:45:55.327Z",
};

/* libc's calendar is the oracle. */
static void naive_format(uint64_t ms, char room[64])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	assert_non_null(gmtime_r(&seconds, &tm));
	snprintf(room, 64, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
}

static void assert_both_ways(uint64_t ms)
{
	char text[WALL_TEXT_SIZE], naive[64];
	struct wall_time back = { 7 };

	wall_format((struct wall_time){ ms }, text);
	naive_format(ms, naive);
	assert_string_equal(text, naive);
	assert_int_equal(wall_parse(bytes_text(text), &back, NULL), OK);
	assert_true(back.ms == ms);
}

static void times_come_back(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++)
		assert_both_ways(dice_below(WALL_MAX_MS + 1) >> dice_below(3) * 2);
	for (uint64_t year = 1970; year < 6429; year++) {
		struct tm first = { .tm_year = (int)year - 1900, .tm_mday = 1 };
		uint64_t ms = (uint64_t)timegm(&first) * 1000, march = ms + UINT64_C(59) * 86400000;

		assert_both_ways(ms);
		if (ms)
			assert_both_ways(ms - 1);
		assert_both_ways(march - 1);
		assert_both_ways(march);
		assert_both_ways(march + 86400000);
	}
	assert_both_ways(WALL_MAX_MS);
	for (size_t i = 0; i < COUNT(edges); i++) {
		char text[WALL_TEXT_SIZE];
		struct wall_time time;

		assert_int_equal(wall_parse(bytes_text(edges[i]), &time, NULL), OK);
		wall_format(time, text);
		assert_string_equal(text, edges[i]);
	}
}

static void the_last_time_is_the_last(void **state)
{
	static const char *const beyond[] = { "6429-10-17T02:45:55.328Z", "6429-10-17T02:45:55.327-00:01",
					      "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999-23:59" };
	struct wall_time time = { 7 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(beyond); i++) {
		char message[256];

		assert_int_equal(wall_parse(bytes_text(beyond[i]), &time, &err), E_VALUE);
		snprintf(message, sizeof message, "%s is not a time: it lies after 6429-10-17T02:45:55.327Z",
			 beyond[i]);
		assert_string_equal(err.text, message);
		assert_true(time.ms == 7);
	}
	assert_int_equal(wall_parse(bytes_text("6429-10-17T02:46:55.327+00:01"), &time, NULL), OK);
	assert_true(time.ms == WALL_MAX_MS);
}

static void spellings_of_one_time(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:01Z", 1000 },        { "1970-01-01t00:00:01z", 1000 },
		{ "1970-01-01T00:00:01+00:00", 1000 },   { "1970-01-01T00:00:01-00:00", 1000 },
		{ "1970-01-01T01:00:01+01:00", 1000 },   { "1969-12-31T23:59:01-00:01", 1000 },
		{ "1969-12-31T19:00:00.005-05:00", 5 },  { "1970-01-01T23:59:00+23:59", 0 },
		{ "1970-01-01T00:00:00.1Z", 100 },       { "1970-01-01T00:00:00.12Z", 120 },
		{ "1970-01-01T00:00:00.123Z", 123 },     { "1970-01-01T00:00:00.1239Z", 123 },
		{ "1970-01-01T00:00:00.000999999Z", 0 }, { "1970-01-01T00:00:00.999999999-23:59", 86340999 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct wall_time time = { 7 };
		struct err err = { 0 };

		if (wall_parse(bytes_text(cases[i].text), &time, &err))
			fail_msg("%s", err.text);
		assert_true(time.ms == cases[i].ms);
	}
}

static void offsets_shift(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t ms = (int64_t)dice_below(WALL_MAX_MS + 1), minutes = (int64_t)dice_below(1440);
		int64_t sign = dice_below(2) ? 1 : -1, real = ms - sign * minutes * 60000;
		char local[64], text[96];
		struct wall_time time = { 7 };
		bool is_there = real >= 0 && real <= (int64_t)WALL_MAX_MS;

		naive_format((uint64_t)ms, local);
		snprintf(text, sizeof text, "%.23s%c%02d:%02d", local, sign > 0 ? '+' : '-', (int)(minutes / 60),
			 (int)(minutes % 60));
		assert_int_equal(wall_parse(bytes_text(text), &time, NULL), is_there ? OK : E_VALUE);
		assert_true(time.ms == (is_there ? (uint64_t)real : 7));
	}
}

#define FORM "write it as 2026-11-21T15:26:43Z"
#define DATE "there is no such date or hour"
#define EARLY "it lies before 1970"

static const struct {
	const char *text, *remedy;
} refused[] = {
	{ "", FORM },
	{ " ", FORM },
	{ "now", FORM },
	{ "2026", FORM },
	{ "2026-11-21", FORM },
	{ "2026-11-21T15:26Z", FORM },
	{ "2026-11-21T15:26:43", FORM },
	{ "2026-11-21 15:26:43Z", FORM },
	{ "2026-11-21T15:26:43 Z", FORM },
	{ " 2026-11-21T15:26:43Z", FORM },
	{ "2026-11-21T15:26:43Z ", FORM },
	{ "2026-11-21T15:26:43Z\n", FORM },
	{ "2026\r11\r21T15:26:43Z", FORM },
	{ "2026-11-21T15\x1a"
	  "26\x1a"
	  "43Z",
	  FORM },
	{ "02026-11-21T15:26:43Z", FORM },
	{ "+2026-11-21T15:26:43Z", FORM },
	{ "-026-11-21T15:26:43Z", FORM },
	{ "2026-1-21T15:26:43Z", FORM },
	{ "2026-11-21T15:26:43.Z", FORM },
	{ "2026-11-21T15:26:43,5Z", FORM },
	{ "2026-11-21T15:26:43.5", FORM },
	{ "2026-11-21T15:26:43.0123456789Z", FORM },
	{ "2026-11-21T15:26:43.5.5Z", FORM },
	{ "2026-11-21T15:26:43+", FORM },
	{ "2026-11-21T15:26:43+1:00", FORM },
	{ "2026-11-21T15:26:43+0100", FORM },
	{ "2026-11-21T15:26:43+01", FORM },
	{ "2026-11-21T15:26:43+24:00", FORM },
	{ "2026-11-21T15:26:43+01:60", FORM },
	{ "2026-11-21T15:26:43+01:00Z", FORM },
	{ "2026-11-21T15:26:43\xe2\x88\x92"
	  "01:00",
	  FORM },
	{ "0000-01-01T00:00:00Z", DATE },
	{ "2026-00-21T15:26:43Z", DATE },
	{ "2026-13-21T15:26:43Z", DATE },
	{ "2026-11-00T15:26:43Z", DATE },
	{ "2026-11-31T15:26:43Z", DATE },
	{ "2026-01-32T15:26:43Z", DATE },
	{ "2026-02-29T15:26:43Z", DATE },
	{ "2100-02-29T15:26:43Z", DATE },
	{ "2024-02-30T15:26:43Z", DATE },
	{ "2026-11-21T24:00:00Z", DATE },
	{ "2026-11-21T15:60:43Z", DATE },
	{ "2026-11-21T23:59:60Z", DATE },
	{ "0001-01-01T00:00:00Z", EARLY },
	{ "1969-12-31T23:59:59.999Z", EARLY },
	{ "1970-01-01T00:00:00+00:01", EARLY },
	{ "1970-01-01T23:58:59.999+23:59", EARLY },
};

static void what_is_no_time_is_refused_with_its_remedy(void **state)
{
	struct wall_time time = { 7 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		char message[256];

		snprintf(message, sizeof message, "%s is not a time: %s", refused[i].text, refused[i].remedy);
		text_make_printable(message);
		if (wall_parse(bytes_text(refused[i].text), &time, &err) != E_VALUE)
			fail_msg("'%s' was taken", refused[i].text);
		assert_string_equal(err.text, message);
		assert_int_equal(wall_parse(bytes_text(refused[i].text), &time, NULL), E_VALUE);
		assert_true(time.ms == 7);
	}
	assert_int_equal(wall_parse((struct bytes){ 0 }, &time, &err), E_VALUE);
	assert_string_equal(err.text, " is not a time: " FORM);
}

/* Whether a calendar of libc takes the 20 characters as the same date again. */
static bool naive_takes(const char text[21])
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	struct tm tm = { 0 }, same;
	time_t time;

	for (size_t i = 0; i < 20; i++) {
		bool is_letter = form[i] == 'T' || form[i] == 'Z';

		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
				   : text[i] != form[i] && !(is_letter && text[i] == form[i] - 'A' + 'a'))
			return false;
	}
	if (sscanf(text, "%d-%d-%d%*c%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	same = tm;
	time = timegm(&same);
	return time >= 0 && (uint64_t)time <= WALL_MAX_MS / 1000 && same.tm_year == tm.tm_year &&
	       same.tm_mon == tm.tm_mon && same.tm_mday == tm.tm_mday && same.tm_hour == tm.tm_hour &&
	       same.tm_min == tm.tm_min && same.tm_sec == tm.tm_sec;
}

/* Any byte put anywhere, and one more of them: taken exactly when the calendar takes it. */
static void one_wrong_byte_is_found(void **state)
{
	(void)state;
	for (size_t at = 0; at < 20; at++) {
		for (int byte = 0; byte < 256; byte++) {
			for (int round = 0; round < 8; round++) {
				char text[] = "2024-02-28T19:26:43Z";
				struct wall_time time;

				text[at] = (char)byte;
				if (round)
					text[dice_below(20)] = (char)('0' + dice_below(10));
				assert_int_equal(wall_parse(bytes_of(text, 20), &time, NULL) == OK, naive_takes(text));
			}
		}
	}
}

/* The text sits in memory of exactly its size, so that a sanitizer sees a read behind it. */
static void no_cut_text_is_read_past_its_end(void **state)
{
	static const char whole[] = "2026-11-21T15:26:43.123456789+01:00";

	(void)state;
	for (size_t size = 0; size < sizeof whole; size++) {
		char *text = malloc(size + !size);
		struct wall_time time;

		assert_non_null(text);
		memcpy(text, whole, size);
		assert_int_equal(wall_parse(bytes_of(text, size), &time, NULL) == OK, size == sizeof whole - 1);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_come_back),
		cmocka_unit_test(the_last_time_is_the_last),
		cmocka_unit_test(spellings_of_one_time),
		cmocka_unit_test(offsets_shift),
		cmocka_unit_test(what_is_no_time_is_refused_with_its_remedy),
		cmocka_unit_test(one_wrong_byte_is_found),
		cmocka_unit_test(no_cut_text_is_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
