/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"
#include "agent/offline.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] = "warrend " WARREN_VERSION ", the agent of a Warren server\n"
			    "\n"
			    "  warrend [--OPTION=VALUE …]   run, until it is told to end; what it is told by\n"
			    "                               flags, by WARREN_… variables, and by\n"
			    "                               /etc/warren/warrend.conf, in this order\n"
			    "  warrend --config-example     print that file with every option\n"
			    "  warrend --check STATE        verify a state directory while no agent runs on\n"
			    "                               it: every record, index, batch, signature and\n"
			    "                               hash; says what is damaged and what to do, and\n"
			    "                               changes nothing\n"
			    "  warrend --dump STATE [KIND]  print its records, statements and the ends of its\n"
			    "                               streams as JSON lines, no secrets\n"
			    "  warrend --version\n"
			    "  warrend --help\n"
			    "\n"
			    "Exit status: 0 all is well, 1 damaged or failed, 2 wrong usage, 3 the state\n"
			    "cannot be read.\n"
			    "Example: warrend --check /var/lib/warren\n";

/* Far more than all options take. */
enum { CONFIG_EXAMPLE_MAX = 64 * 1024 };

/* What is in memory here is nobody else's: not in a core file, not for a debugger. */
static void seal_process(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

static enum exit_status wrong_usage(const char *what, const char *word)
{
	fprintf(stderr, "warrend: %s", what);
	if (word)
		fprintf(stderr, " '%s'", word);
	fputs(": see warrend --help\n", stderr);
	return EXIT_USAGE;
}

static bool is(const char *command, const char *name)
{
	return !strcmp(command, name);
}

/* How many words the command has at most, its own included; 0 when there is no such command. */
static int most_words(const char *command)
{
	if (is(command, "--help") || is(command, "-h") || is(command, "--version") || is(command, "--config-example"))
		return 2;
	return is(command, "--check") ? 3 : is(command, "--dump") ? 4 : 0;
}

static enum exit_status say(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static enum exit_status say_example(void)
{
	struct buf text = buf_growing(CONFIG_EXAMPLE_MAX);
	bool is_said;

	config_write_example(&text);
	is_said = fwrite(text.data, 1, text.size, stdout) == text.size && !fflush(stdout);
	buf_done(&text);
	return is_said ? EXIT_OK : EXIT_FAILED;
}

static enum exit_status serve(int argc, char **argv)
{
	struct config_given given = { .argc = argc, .argv = argv, .environment = environ };
	struct config config;
	struct err err = { 0 };
	int rest = 0;

	if (config_read(&given, &config, &rest, &err)) {
		fprintf(stderr, "warrend: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (rest)
		return wrong_usage("there is no command", argv[0]);
	log_setup(config.log_style, config.log_level);
	return agent_run(&config, &given) ? EXIT_FAILED : EXIT_OK;
}

static enum exit_status run(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : NULL;
	int most = command ? most_words(command) : 0;

	if (!most)
		return serve(argc - 1, argv + 1);
	if (argc > most)
		return wrong_usage("one argument too many:", argv[most]);
	if (is(command, "--version"))
		return say("warrend " WARREN_VERSION "\n");
	if (is(command, "--config-example"))
		return say_example();
	if (most == 2)
		return say(usage);
	if (argc < 3 || !*argv[2])
		return wrong_usage("name the state directory behind", command);
	return is(command, "--check") ? offline_check(argv[2]) : offline_dump(argv[2], argv[3]);
}

int main(int argc, char **argv)
{
	seal_process();
	if (sodium_init() < 0) {
		fputs("warrend: libsodium did not start\n", stderr);
		return EXIT_FAILED;
	}
	return (int)run(argc, argv);
}
