/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

static char folder[] = "warren-config-XXXXXX";
static char path[64];
static struct config config;
static struct err err;
static char *words[WORDS_MAX], *environment[WORDS_MAX];
static int rest;

/* Who the process under test thinks that it is; 0: who it is. */
static uid_t other_user;
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

uid_t __wrap_geteuid(void)
{
	return other_user ? other_user : __real_geteuid();
}

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void put_words(const char *line, char *into[])
{
	static char room[2][1024];
	char *text = room[into == environment], *save = NULL;
	int count = 0;

	memset(into, 0, WORDS_MAX * sizeof *into);
	snprintf(text, sizeof room[0], "%s", line);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < WORDS_MAX - 1);
		into[count++] = word;
	}
}

/* Words and variables are parted by spaces. */
static enum code read_given(const char *flags, const char *variables)
{
	struct config_given given = { .argv = words, .environment = environment, .file = path };

	put_words(flags, words);
	put_words(variables, environment);
	while (words[given.argc])
		given.argc++;
	rest = -1;
	err = (struct err){ 0 };
	memset(&config, 7, sizeof config);
	return config_read(&given, &config, &rest, &err);
}

static void check_taken(const char *flags, const char *variables)
{
	if (read_given(flags, variables))
		fail_msg("refused: %s", err.text);
}

static void check_refused(const char *flags, const char *variables, enum code code, const char *why)
{
	enum code got = read_given(flags, variables);

	if (got != code || !strstr(err.text, why))
		fail_msg("[%s] [%s]: %s: \"%s\" instead of %s: \"%s\"", flags, variables, code_name(got), err.text,
			 code_name(code), why);
	assert_int_equal(rest, -1);
	assert_int_equal(config.state[0], 7);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/warrend.conf", folder);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	rmdir(path);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void test_layers(void **state)
{
	(void)state;
	write_file("state = /file\nlog.level = warn\nlog.format = json\n", 0640);
	check_taken("--log.level=error", "WARREN_LOG_LEVEL=debug WARREN_STATE=/environment PATH=/bin");
	assert_string_equal(config.state, "/environment");
	assert_int_equal(config.log_level, LOG_ERROR);
	assert_int_equal(config.log_style, LOG_JSON);
	assert_string_equal(config.socket, "/run/warren/warrend.sock");
	check_taken("", "");
	assert_string_equal(config.state, "/file");
	assert_int_equal(config.log_level, LOG_WARN);
	/* What is given last hides nothing that is wrong further down. */
	write_file("state = file\n", 0640);
	check_refused("--state=/flag", "", E_VALUE, "warrend.conf:1: state: \"file\" is no absolute path");
}

static void test_missing_file(void **state)
{
	(void)state;
	check_taken("", "");
	assert_string_equal(config.state, "/var/lib/warren");
	check_refused("--config=/nowhere/x.conf", "", E_ABSENT, "/nowhere/x.conf: it is not there");
	check_refused("", "WARREN_CONFIG=/nowhere/y.conf", E_ABSENT, "/nowhere/y.conf: it is not there");
	check_refused("--config=/nowhere/x.conf", "WARREN_CONFIG=/nowhere/y.conf", E_ABSENT, "x.conf");
}

static void test_other_file(void **state)
{
	char flag[128];

	(void)state;
	write_file("state = /file\n", 0600);
	check_taken("--config=", "");
	assert_string_equal(config.state, "/var/lib/warren");
	check_taken("", "WARREN_CONFIG=");
	assert_string_equal(config.state, "/var/lib/warren");
	snprintf(flag, sizeof flag, "--config=%s", path);
	check_taken(flag, "WARREN_CONFIG=/nowhere");
	assert_string_equal(config.state, "/file");
	check_refused("--config", "", E_FORM, "--config=FILE");
	check_refused("--config= --config=", "", E_FORM, "--config is given twice");
	check_refused("", "WARREN_CONFIG= WARREN_CONFIG=", E_FORM, "WARREN_CONFIG is in the environment twice");
}

static void test_who_may_write(void **state)
{
	char remedy[128];

	(void)state;
	write_file("", 0660);
	snprintf(remedy, sizeof remedy, "chmod go-w %s", path);
	check_refused("", "", E_DENIED, remedy);
	write_file("", 0602);
	check_refused("", "", E_DENIED, remedy);
	write_file("", 0644);
	check_taken("", "");
	if (getuid())
		other_user = getuid() + 1; /* then it is this user's file that is a stranger's */
	else
		assert_int_equal(chown(path, 1234, 0), 0);
	snprintf(remedy, sizeof remedy, "belongs to user %u, who could change it: chown root %s",
		 getuid() ? (unsigned)getuid() : 1234, path);
	check_refused("", "", E_DENIED, remedy);
	other_user = 0;
}

static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	check_refused("", "", E_FORM, "it is no file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	check_refused("", "", E_FORM, "it is no file");
}

static void test_large_file(void **state)
{
	static char text[64 * 1024 + 2];

	(void)state;
	memset(text, '\n', sizeof text - 2);
	write_file(text, 0600);
	check_taken("", "");
	text[sizeof text - 2] = '\n';
	write_file(text, 0600);
	check_refused("", "", E_LIMIT, "larger than 65536 bytes");
}

static void test_variables(void **state)
{
	(void)state;
	check_taken("",
		    "WARREN_GOSSIP_LISTEN=:1,[fd00::1]:2 WARREN_SERVER=x WARREN_PORT=tcp://10.0.0.1 WARREN_ WARREN=1 "
		    "WARREN_VERSION");
	assert_int_equal(config.listen.count, 2);
	check_taken("", "WARREN_GOSSIP_LISTEN=");
	assert_int_equal(config.listen.count, 0);
	check_refused("", "WARREN_STATE=", E_VALUE, "WARREN_STATE (state): it may not be empty");
	check_refused("", "WARREN_STATE=/a\x01", E_FORM, "WARREN_STATE (state): byte 3 begins the control character");
	check_refused("", "WARREN_STATE=/a\nb", E_FORM, "U+000A");
	check_refused("", "WARREN_GOSSIP_LISTEN=a:x", E_VALUE,
		      "WARREN_GOSSIP_LISTEN (gossip.listen): \"x\" is no port");
	check_refused("", "WARREN_GOSSIP_PORT=1", E_ABSENT, "WARREN_GOSSIP_PORT: the nearest is WARREN_GOSSIP_");
	check_refused("", "WARREN_LOG=json", E_ABSENT, "the nearest is WARREN_LOG_");
	check_refused("", "WARREN_STAT=/a", E_ABSENT, "the nearest is WARREN_STATE");
	check_refused("", "WARREN_STATES=/a", E_ABSENT, "the nearest is WARREN_STATE");
	check_refused("", "WARREN_state=/a", E_ABSENT, "the nearest is WARREN_STATE");
	check_refused("", "WARREN_LOG.LEVEL=warn", E_ABSENT, "the nearest is WARREN_LOG_LEVEL");
	check_refused("", "WARREN_CONF=/a", E_ABSENT, "the nearest is WARREN_CONFIG;");
	check_refused("", "WARREN_STATE=/a WARREN_STATE=/b", E_FORM, "WARREN_STATE is in the environment twice");
}

static void test_flags(void **state)
{
	(void)state;
	check_taken("--gossip.listen= --socket.group=adm", "");
	assert_int_equal(rest, 0);
	assert_int_equal(config.listen.count, 0);
	assert_string_equal(config.socket_group, "adm");
	check_refused("--state=", "", E_VALUE, "--state: it may not be empty");
	check_refused("--state", "", E_FORM, "--state has no value: write it in one word: --state=");
	check_refused("--log.level debug", "", E_FORM, "--log.level has no value");
	check_refused("--log.levle=debug", "", E_ABSENT, "no flag --log.levle: the nearest is --log.level=");
	check_refused("--log.levle debug", "", E_ABSENT, "no flag --log.levle: the nearest is --log.level=");
	check_refused("--confog=/a", "", E_ABSENT, "no flag --confog: the nearest is --config=");
	check_refused("--=x", "", E_ABSENT, "no flag --: ");
	check_refused("--state=/a --state=/a", "", E_FORM, "--state is given twice");
}

static void check_rest(void)
{
	static const char *const left[] = {
		"--dump", "/var/lib/a=b.c", "--", "-x", "device", "--state=/a", "--config="
	};

	assert_int_equal(rest, 5);
	for (size_t i = 0; i < COUNT(left); i++)
		assert_string_equal(words[i], left[i]);
	assert_string_equal(config.state, "/a");
}

/* What is left to the caller stands in front, and a second reading finds the flags again. */
static void test_rest(void **state)
{
	const struct config_given given = { .argc = 7, .argv = words, .environment = environment, .file = path };

	(void)state;
	check_taken("--dump --state=/a /var/lib/a=b.c -- --config= -x device", "");
	check_rest();
	memset(&config, 7, sizeof config);
	assert_int_equal(config_read(&given, &config, &rest, NULL), OK);
	check_rest();
}

static void test_needs_restart(void **state)
{
	struct config usual, other;

	(void)state;
	check_taken("", "");
	usual = config;
	assert_null(config_needs_restart(&usual, &config));
	check_taken("--log.level=debug --log.format=json --gossip.advertise=a", "");
	assert_null(config_needs_restart(&usual, &config));
	check_taken("--state=/a --socket=/b --socket.group=c --gossip.listen=:1", "");
	assert_string_equal(config_needs_restart(&usual, &config), "state, socket, socket.group, gossip.listen");
	other = config;
	check_taken("--state=/a --socket=/b --socket.group=c --gossip.listen=:2", "");
	assert_string_equal(config_needs_restart(&other, &config), "gossip.listen");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_teardown(test, remove_file)
	const struct CMUnitTest tests[] = {
		CASE(test_layers),  CASE(test_missing_file),  CASE(test_other_file), CASE(test_who_may_write),
		CASE(test_no_file), CASE(test_large_file),    CASE(test_variables),  CASE(test_flags),
		CASE(test_rest),    CASE(test_needs_restart),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
