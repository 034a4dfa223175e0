/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"
#include "crdt/base/time.h"
#include "tests/unit/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* Standard error leads into a pipe while a line is written, and back before anything is checked. */
static int pipe_ends[2], true_stderr;
static char line[8192];

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	true_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	log_setup(LOG_LOGFMT, LOG_INFO);
	return true_stderr < 0 || pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	return 0;
}

static void say(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
	dup2(pipe_ends[1], STDERR_FILENO);
	log_write(level, message, fields, count);
	dup2(true_stderr, STDERR_FILENO);
}

/* What one write left in the pipe: a whole line, or nothing. */
static size_t take_line(void)
{
	ssize_t got = read(pipe_ends[0], line, sizeof line - 1);

	line[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

static void check_is_line(size_t size)
{
	assert_true(size && size <= PIPE_BUF);
	assert_int_equal(strlen(line), size);
	assert_ptr_equal(strchr(line, '\n'), line + size - 1);
	for (size_t i = 0; i + 1 < size; i++)
		assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
}

/* Without the time, which is looked at alone. */
static const char *behind_time(void)
{
	struct wall_time time;
	struct timeval now;

	assert_int_equal(strncmp(line, "time=", 5), 0);
	assert_int_equal(wall_parse(bytes_of(line + 5, 24), &time, NULL), OK);
	assert_int_equal(line[5 + 23], 'Z');
	gettimeofday(&now, NULL);
	assert_true(llabs((int64_t)time.ms - (int64_t)now.tv_sec * 1000) < 60000);
	return line + 5 + 25;
}

static void check_value(const char *value, const char *shown)
{
	char expected[1024];

	say(LOG_WARN, "hello", &LOG_OF_TEXT("v", value), 1);
	check_is_line(take_line());
	snprintf(expected, sizeof expected, "level=warn msg=hello v=%s\n", shown);
	assert_string_equal(behind_time(), expected);
}

static void test_logfmt(void **state)
{
	(void)state;
	dup2(pipe_ends[1], STDERR_FILENO);
	log_say(LOG_INFO, "link is up", LOG_OF_HEX("node", 0xab), LOG_OF_NUMBER("n", -3), LOG_OF_TEXT("none", NULL),
		LOG_OF_TEXT("host", "10.0.0.1"));
	dup2(true_stderr, STDERR_FILENO);
	check_is_line(take_line());
	assert_string_equal(behind_time(), "level=info msg=\"link is up\" node=00000000000000ab n=-3 host=10.0.0.1\n");
	dup2(pipe_ends[1], STDERR_FILENO);
	log_say(LOG_ERROR, "alone");
	dup2(true_stderr, STDERR_FILENO);
	check_is_line(take_line());
	assert_string_equal(behind_time(), "level=error msg=alone\n");
}

static void test_escapes(void **state)
{
	(void)state;
	check_value("a-b/c:d", "a-b/c:d");
	check_value("", "\"\"");
	check_value("a b", "\"a b\"");
	check_value("a=b", "\"a=b\"");
	check_value("\"", "\"\\\"\"");
	check_value("a\\b", "\"a\\\\b\"");
	check_value("a\nlevel=error msg=x", "\"a\\nlevel=error msg=x\"");
	check_value("\t\r\x1b[1m\x7f", "\"\\t\\u000d\\u001b[1m\\u007f\"");
	check_value("\xc3\xa9", "\"\xc3\xa9\"");
	check_value("a\xff\xc3", "\"a\\ufffd\\ufffd\"");
	check_value("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	check_value("\xe2\x80\xae", "\"\\u202e\"");
	check_value("\xe2\x80\xa8", "\"\\u2028\"");
	check_value("\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"");
	check_value("\xf0\x9f\x90\x87", "\"\xf0\x9f\x90\x87\"");
}

static void test_levels(void **state)
{
	(void)state;
	for (enum log_level most = LOG_ERROR; most <= LOG_DEBUG; most++) {
		log_setup(LOG_LOGFMT, most);
		for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
			assert_int_equal(log_is_on(level), level <= most);
			say(level, "x", NULL, 0);
			assert_int_equal(take_line() > 0, level <= most);
		}
	}
}

static json_t *take_json(void)
{
	json_error_t error;
	json_t *object;

	check_is_line(take_line());
	object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %s", error.text, line);
	return object;
}

static const char *text_in(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void test_json(void **state)
{
	const struct log_field fields[] = { LOG_OF_TEXT("none", NULL), LOG_OF_HEX("node", UINT64_MAX),
					    LOG_OF_NUMBER("n", INT64_MIN), LOG_OF_TEXT("v", "a\"\\\n\t\x01\xc3\xa9"),
					    LOG_OF_TEXT("bad", "\xff\xf3\xa0\x81\x81") };
	json_t *object;

	(void)state;
	log_setup(LOG_JSON, LOG_DEBUG);
	say(LOG_DEBUG, "say \"it\"", fields, COUNT(fields));
	object = take_json();
	assert_int_equal(json_object_size(object), 7);
	assert_int_equal(strlen(text_in(object, "time")), 24);
	assert_string_equal(text_in(object, "level"), "debug");
	assert_string_equal(text_in(object, "msg"), "say \"it\"");
	assert_string_equal(text_in(object, "node"), "ffffffffffffffff");
	assert_true(json_integer_value(json_object_get(object, "n")) == INT64_MIN);
	assert_string_equal(text_in(object, "v"), "a\"\\\n\t\x01\xc3\xa9");
	assert_string_equal(text_in(object, "bad"), "\xef\xbf\xbd\xf3\xa0\x81\x81");
	json_decref(object);
}

/* A value is cut at 512 bytes, between two characters. */
static void test_long_values(void **state)
{
	char value[700];
	json_t *object;

	(void)state;
	log_setup(LOG_JSON, LOG_INFO);
	for (size_t size = 505; size < 520; size++) {
		memset(value, 'a', size);
		memcpy(value + size, "\xf0\x9f\x90\x87", 5);
		say(LOG_INFO, value, &LOG_OF_TEXT("v", value), 1);
		object = take_json();
		assert_string_equal(text_in(object, "v"), text_in(object, "msg"));
		if (size <= 508)
			assert_string_equal(text_in(object, "v"), value);
		else
			memcpy(value + (size < 512 ? size : 512), "…", sizeof "…");
		assert_string_equal(text_in(object, "v"), value);
		json_decref(object);
	}
	log_setup(LOG_LOGFMT, LOG_INFO);
	memset(value, 'a', sizeof value);
	value[512] = '\0';
	check_value(value, value);
	value[512] = 'a';
	value[513] = '\0';
	say(LOG_INFO, "x", &LOG_OF_TEXT("v", value), 1);
	check_is_line(take_line());
	assert_non_null(strstr(line, "aaa…\"\n"));
}

/* Every field that is there is whole, and a line that lacks some says so. */
static void test_long_lines(void **state)
{
	struct log_field fields[40];
	char worst[600], names[COUNT(fields)][8];
	json_t *object;

	(void)state;
	memset(worst, 1, sizeof worst - 1);
	worst[sizeof worst - 1] = '\0';
	for (size_t i = 0; i < COUNT(fields); i++) {
		snprintf(names[i], sizeof names[i], "f%zu", i);
		fields[i] = LOG_OF_TEXT(names[i], i % 2 ? worst : "short");
	}
	log_setup(LOG_JSON, LOG_INFO);
	say(LOG_INFO, worst, fields, COUNT(fields));
	object = take_json();
	assert_int_equal(json_integer_value(json_object_get(object, "cut")), 1);
	assert_string_equal(text_in(object, "f0"), "short");
	assert_null(json_object_get(object, "f1"));
	assert_null(json_object_get(object, "f2"));
	json_decref(object);
	for (size_t i = 0; i < COUNT(fields); i++)
		fields[i] = LOG_OF_NUMBER(names[i], i);
	say(LOG_INFO, "x", fields, COUNT(fields));
	object = take_json();
	assert_int_equal(json_object_size(object), 3 + COUNT(fields));
	json_decref(object);
}

/* Any bytes, in any of the places, at lengths around all limits. */
static void test_hostile(void **state)
{
	char texts[4][1024];
	struct log_field fields[3];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		for (size_t i = 0; i < COUNT(texts); i++) {
			size_t size = dice_below(round % 3 ? 40 : sizeof texts[i]);

			dice_fill((uint8_t *)texts[i], size);
			for (size_t j = 0; round % 2 && j < size; j++)
				texts[i][j] = (char)("\n\" =\\a\x80\xc3\xa9\xf0"[dice_below(10)]);
			texts[i][size] = '\0';
		}
		for (size_t i = 0; i < COUNT(fields); i++)
			fields[i] = LOG_OF_TEXT(i == 0 ? "a" : i == 1 ? "b" : "c", texts[i]);
		log_setup(LOG_JSON, LOG_INFO);
		say(LOG_INFO, texts[3], fields, COUNT(fields));
		json_decref(take_json());
		log_setup(LOG_LOGFMT, LOG_INFO);
		say(LOG_INFO, texts[3], fields, COUNT(fields));
		check_is_line(take_line());
	}
}

static void fill_pipe(void)
{
	char zeros[4096] = { 0 };

	while (write(pipe_ends[1], zeros, sizeof zeros) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void test_nobody_reads(void **state)
{
	(void)state;
	fill_pipe();
	errno = 1234;
	for (int i = 0; i < 3; i++)
		say(LOG_INFO, "x", NULL, 0);
	assert_int_equal(errno, 1234);
	while (take_line())
		;
	say(LOG_INFO, "x", NULL, 0);
	check_is_line(take_line());
	assert_string_equal(behind_time(), "level=info msg=x lost=3\n");
	say(LOG_INFO, "x", NULL, 0);
	check_is_line(take_line());
	assert_string_equal(behind_time(), "level=info msg=x\n");
	close(pipe_ends[0]);
	say(LOG_INFO, "x", NULL, 0); /* EPIPE */
	close(pipe_ends[1]);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	say(LOG_INFO, "x", NULL, 0);
	check_is_line(take_line());
	assert_string_equal(behind_time(), "level=info msg=x lost=1\n");
}

enum { THREADS = 4, LINES = 500 };

static void *write_many(void *argument)
{
	char filler[900];
	int *number = argument;

	memset(filler, 'a' + *number, sizeof filler);
	filler[sizeof filler - 1] = '\0';
	for (int i = 0; i < LINES; i++) {
		log_setup(i % 2 ? LOG_JSON : LOG_LOGFMT, LOG_INFO);
		log_say(LOG_INFO, "many", LOG_OF_TEXT("v", filler + i), LOG_OF_NUMBER("t", *number),
			LOG_OF_TEXT("last", "end"));
	}
	return NULL;
}

/* Each line has one beginning, one end and the letters of one thread. */
static void check_whole(const char *text, int *counts)
{
	const char *letters = strstr(text, "many");
	char letter;

	assert_non_null(letters);
	letters += 4 + strcspn(letters + 4, "=:");
	letters += strspn(letters, "=:\"");
	letter = *letters;
	assert_in_range(letter, 'a', 'a' + THREADS - 1);
	letters += strspn(letters, (char[]){ letter, '\0' });
	assert_non_null(strstr(letters, "end"));
	assert_null(strstr(letters, "many"));
	counts[letter - 'a']++;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS], counts[THREADS] = { 0 };
	char *text = NULL;
	size_t room = 0;
	FILE *reader = fdopen(dup(pipe_ends[0]), "re");

	(void)state;
	fcntl(pipe_ends[0], F_SETFL, 0);
	fcntl(pipe_ends[1], F_SETFL, 0);
	dup2(pipe_ends[1], STDERR_FILENO);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, write_many, &numbers[i]);
	}
	for (int i = 0; i < THREADS * LINES; i++) {
		assert_true(getline(&text, &room, reader) > 0);
		check_whole(text, counts);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	dup2(true_stderr, STDERR_FILENO);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(counts[i], LINES);
	fclose(reader);
	free(text);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_logfmt),  CASE(test_escapes),      CASE(test_levels),
		CASE(test_json),    CASE(test_long_values),  CASE(test_long_lines),
		CASE(test_hostile), CASE(test_nobody_reads), CASE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
