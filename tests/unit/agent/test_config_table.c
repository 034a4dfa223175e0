/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_table.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

static struct config config;
static struct err err;

static enum code read_text(const char *text)
{
	config_usual(&config);
	err = (struct err){ 0 };
	return config_read_text(bytes_text(text), "x.conf", &config, &err);
}

static void check_taken(const char *text)
{
	if (read_text(text))
		fail_msg("refused: %s", err.text);
}

/* The message begins with the place and the option, and holds what to do. */
static void check_refused(const char *text, const char *place, const char *why)
{
	if (!read_text(text))
		fail_msg("taken: %s", text);
	if (strncmp(err.text, place, strlen(place)) || !strstr(err.text, why))
		fail_msg("\"%s\" is refused with \"%s\", not with \"%s … %s\"", text, err.text, place, why);
}

static void check_is_usual(const struct config *c)
{
	assert_string_equal(c->state, "/var/lib/warren");
	assert_string_equal(c->socket, "/run/warren/warrend.sock");
	assert_string_equal(c->socket_group, "");
	assert_int_equal(c->listen.count, 1);
	assert_string_equal(c->listen.all[0].host, "::");
	assert_int_equal(c->listen.all[0].port, 8444);
	assert_int_equal(c->advertise.count, 0);
	assert_int_equal(c->log_style, LOG_LOGFMT);
	assert_int_equal(c->log_level, LOG_INFO);
}

static void test_usual(void **state)
{
	(void)state;
	check_taken("");
	check_is_usual(&config);
	check_taken("# nothing\n\n   \n\t# state = /x\n");
	check_is_usual(&config);
}

static void test_all_options(void **state)
{
	(void)state;
	check_taken("state=/srv/warren\n"
		    "socket\t=  /tmp/w.sock  # where?\n"
		    "  socket.group = adm\n"
		    "gossip.listen = 10.0.0.1:9000, [fd00::1]:9001\n"
		    "gossip.advertise = fra-1.example:9000\n"
		    "log.format = json\n"
		    "log.level = debug");
	assert_string_equal(config.state, "/srv/warren");
	assert_string_equal(config.socket, "/tmp/w.sock");
	assert_string_equal(config.socket_group, "adm");
	assert_int_equal(config.listen.count, 2);
	assert_string_equal(config.listen.all[1].host, "fd00::1");
	assert_int_equal(config.listen.all[1].port, 9001);
	assert_int_equal(config.advertise.count, 1);
	assert_string_equal(config.advertise.all[0].host, "fra-1.example");
	assert_int_equal(config.log_style, LOG_JSON);
	assert_int_equal(config.log_level, LOG_DEBUG);
}

static void test_values(void **state)
{
	(void)state;
	check_taken("state = /a#b = c\n"); /* a '#' inside of a word is no comment */
	assert_string_equal(config.state, "/a#b = c");
	check_taken("state = /with blank\n");
	assert_string_equal(config.state, "/with blank");
	check_taken("state = /\xc3\xa9\n");
	check_taken("gossip.listen =\n"); /* it only dials */
	assert_int_equal(config.listen.count, 0);
	check_taken("socket.group = # nobody's\n");
	check_taken("log.level = error");
	assert_int_equal(config.log_level, LOG_ERROR);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *place, *why;
	} wrong[] = {
		{ "\n\nstate\n", "x.conf:3: ", "write name = value" },
		{ "[gossip]\n", "x.conf:1: ", "write name = value" },
		{ "state = a\n", "x.conf:1: state: ", "begin it with a slash" },
		{ "state =\n", "x.conf:1: state: ", "may not be empty: write an absolute path" },
		{ "#\nsocket =  # none\n", "x.conf:2: socket: ", "may not be empty" },
		{ "socket.group = a,b\n", "x.conf:1: socket.group: ", "is no group" },
		{ "socket.group = -a\n", "x.conf:1: socket.group: ", "is no group" },
		{ "gossip.listen = a:x\n", "x.conf:1: gossip.listen: ", "is no port" },
		{ "gossip.advertise = :1\n", "x.conf:1: gossip.advertise: ", "no host" },
		{ "log.format = JSON\n", "x.conf:1: log.format: ", "write logfmt or json" },
		{ "log.level =\n", "x.conf:1: log.level: ", "such as info" },
		{ "log.level = 3\n", "x.conf:1: log.level: ", "write error, warn, info or debug" },
		{ "log.level = warn\nstate = /a\nlog.level = warn\n", "x.conf:3: ", "in line 1 already" },
		{ "state = /a\r\n", "x.conf:1: ", "line ends of Unix" },
		{ "state = /a\rb\n", "x.conf:1: ", "U+000D" },
		{ "state = /\x1b[1m\n", "x.conf:1: ", "U+001B" },
		{ "state = /a\tb\n", "x.conf:1: state: ", "U+0009" },
		{ "state = /\xff\n", "x.conf:1: ", "not UTF-8" },
		{ "state = /\xe2\x80\xae\n", "x.conf:1: ", "U+202E" },
		{ "# \x07\n", "x.conf:1: ", "U+0007" },
		{ "\xef\xbb\xbfstate = /a\n", "x.conf:1: byte 1 ", "U+FEFF" },
		{ " = 1\n", "x.conf:1: ", "there is no option \"\"" },
		{ "State = /a\n", "x.conf:1: ", "the nearest is state" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_refused(wrong[i].text, wrong[i].place, wrong[i].why);
	config_usual(&config);
	assert_int_equal(config_read_text(bytes_of("a\0b", 3), "x.conf", &config, &err), E_FORM);
	assert_string_equal(err.text, "x.conf:1: byte 2 begins the control character U+0000: remove it");
}

/* Also what stood before the line at fault. */
static void test_untouched_on_failure(void **state)
{
	(void)state;
	check_refused("state = /a\nlog.level = debug\nnonsense\n", "x.conf:3: ", "");
	check_is_usual(&config);
}

static void test_sizes(void **state)
{
	static char text[CONFIG_FILE_MAX + 2];

	(void)state;
	memset(text, '#', sizeof text - 1);
	assert_int_equal(config_read_text(bytes_of(text, CONFIG_FILE_MAX), "x.conf", &config, &err), OK);
	assert_int_equal(config_read_text(bytes_of(text, CONFIG_FILE_MAX + 1), "x.conf", &config, &err), E_LIMIT);
	assert_non_null(strstr(err.text, "x.conf: it is larger than 65536"));
	memset(text, 0, sizeof text);
	memcpy(text, "socket = /", 10);
	memset(text + 10, 'a', CONFIG_PATH_MAX - 2);
	check_taken(text);
	assert_int_equal(strlen(config.socket), CONFIG_PATH_MAX - 1);
	text[10 + CONFIG_PATH_MAX - 2] = 'a';
	check_refused(text, "x.conf:1: socket: ", "has 100 bytes, and 99 are the limit");
}

static void test_nearest(void **state)
{
	static const struct {
		const char *name, *nearest;
	} slips[] = {
		{ "stat", "state" },
		{ "sockte", "socket" },
		{ "gosip.listen", "gossip.listen" },
		{ "gossip_listen", "gossip.listen" },
		{ "listen", "gossip.listen" },
		{ "advertize", "gossip.advertise" },
		{ "level", "log.level" },
		{ "LOG.LEVEL", "log.level" },
		{ "log.fromat", "log.format" },
		{ "loglevel", "log.level" },
		{ "group", "socket.group" },
		{ "socket_group", "socket.group" },
	};
	size_t away;

	(void)state;
	for (size_t i = 0; i < COUNT(slips); i++)
		assert_string_equal(config_nearest(bytes_text(slips[i].name), &away)->name, slips[i].nearest);
	config_nearest(bytes_text("log.level"), &away);
	assert_int_equal(away, 0);
	config_nearest(bytes_text("log.lveel"), &away);
	assert_int_equal(away, 1); /* two neighbours swapped */
	config_nearest(bytes_text("log.vle"), &away);
	assert_int_equal(away, 3);
}

/* A name of any length is compared. */
static void test_nearest_long(void **state)
{
	char name[500];
	size_t away;

	(void)state;
	for (size_t size = 0; size < sizeof name; size++) {
		memset(name, 'z', size);
		assert_non_null(config_nearest(bytes_of(name, size), &away));
		assert_true(away <= size + OPTION_NAME_MAX);
	}
	assert_true(away > 400);
}

/* What every row of the table must be for the code that walks it. */
static void test_table(void **state)
{
	char name[OPTION_NAME_MAX + sizeof "WARREN_"];

	(void)state;
	for (size_t i = 0; i < config_options_count; i++) {
		const struct option *o = &config_options[i];

		assert_true(strlen(o->name) <= OPTION_NAME_MAX);
		assert_int_equal(strspn(o->name, "abcdefghijklmnopqrstuvwxyz."), strlen(o->name));
		assert_ptr_equal(config_find(bytes_text(o->name)), o);
		assert_true(o->offset + o->size <= sizeof config && o->size);
		assert_true(*o->about && *o->form);
		assert_true(!o->is_needed || *o->usual);
		assert_true((o->type == OPTION_CHOICE) == !!o->choices);
	}
	config_variable(config_find(bytes_text("gossip.listen")), name);
	assert_string_equal(name, "WARREN_GOSSIP_LISTEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_untouched_on_failure),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_nearest_long),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
