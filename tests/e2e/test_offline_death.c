/* SPDX-License-Identifier: Apache-2.0 */

/* The check's child dies: by what it read, which is damage, or because somebody ended it, which says nothing. */

#include "agent/offline.h"
#include "agent/verify.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum code __wrap_verify_state(const char *state_dir, struct verify_report *report, struct err *err);

static int signal_to_die_of;

/* In place of the real one: what LMDB does on a page that makes no sense, but without a sanitizer's say in it. */
enum code __wrap_verify_state(const char *state_dir, struct verify_report *report, struct err *err)
{
	const struct rlimit none = { 0, 0 };

	(void)state_dir;
	(void)report;
	(void)err;
	setrlimit(RLIMIT_CORE, &none);
	signal(signal_to_die_of, SIG_DFL);
	kill(getpid(), signal_to_die_of);
	return OK;
}

/* Catches what a descriptor is told. */
struct listening {
	int of, before, from;
};

static struct listening listen_to(int of)
{
	struct listening listening = { .of = of, .before = dup(of) };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], of) >= 0);
	close(ends[1]);
	listening.from = ends[0];
	return listening;
}

static void end_listening(struct listening *listening, char said[2048])
{
	ssize_t got;

	fflush(NULL);
	dup2(listening->before, listening->of);
	close(listening->before);
	got = read(listening->from, said, 2047);
	said[got > 0 ? got : 0] = '\0';
	close(listening->from);
}

static enum exit_status die_of(int number, char said[2048], char complained[2048])
{
	struct listening out = listen_to(STDOUT_FILENO), error = listen_to(STDERR_FILENO);
	enum exit_status status;

	signal_to_die_of = number;
	status = offline_check("/some/state");
	end_listening(&error, complained);
	end_listening(&out, said);
	return status;
}

static void a_crash_is_damage(void **state)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	char said[2048], complained[2048], wanted[128];

	(void)state;
	for (size_t i = 0; i < COUNT(crashes); i++) {
		assert_int_equal(die_of(crashes[i], said, complained), EXIT_FAILED);
		snprintf(wanted, sizeof wanted,
			 "damaged: the structure of the state's file: reading it ended with signal %d", crashes[i]);
		assert_non_null(strstr(said, wanted));
		assert_non_null(strstr(said, "/some/state is damaged"));
		assert_non_null(strstr(said, "What to do:"));
		assert_string_equal(complained, "");
	}
}

static void an_end_by_somebody_else_says_nothing(void **state)
{
	static const int ends[] = { SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGXCPU };
	char said[2048], complained[2048], wanted[128];

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		assert_int_equal(die_of(ends[i], said, complained), EXIT_UNREACHABLE);
		snprintf(wanted, sizeof wanted, "the reading of /some/state was ended by signal %d", ends[i]);
		assert_non_null(strstr(complained, wanted));
		assert_non_null(strstr(complained, "before it was done"));
		assert_string_equal(said, "");
	}
}

/* A pipe that nobody reads any more: there is nobody to tell, and nothing wrong with the state. */
static void a_reader_that_left_is_told_nothing(void **state)
{
	char said[2048], complained[2048];

	(void)state;
	assert_int_equal(die_of(SIGPIPE, said, complained), EXIT_FAILED);
	assert_string_equal(said, "");
	assert_string_equal(complained, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_is_damage),
		cmocka_unit_test(an_end_by_somebody_else_says_nothing),
		cmocka_unit_test(a_reader_that_left_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
