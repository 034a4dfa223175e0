/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"
#include "ctl/handlers.h"
#include "ctl/help.h"
#include "ctl/terminal.h"

#include <curl/curl.h>
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define USUAL_SOCKET "/run/warren/warrend.sock"

/* What an empty variable says counts as nothing said. */
static const char *socket_of(const struct given *given)
{
	const char *named = getenv("WARREN_SOCKET");

	if (given->socket)
		return given->socket;
	return named && *named ? named : USUAL_SOCKET;
}

static enum exit_status wrong_usage(struct ctl *ctl, const struct err *err)
{
	ctl_fail(EXIT_USAGE, "%s", err->text);
	ctl_hint(ctl, "wgctl help lists the commands; --help behind one says more of it");
	return EXIT_USAGE;
}

/* Tokens and passphrases pass through here: no core file keeps them. */
static void keep_no_core(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

static enum exit_status run(struct ctl *ctl, int argc, char **argv)
{
	struct given given;
	struct err err = { 0 };
	enum exit_status status;

	if (args_read(&ctl->commands, argc, argv, &given, &err))
		return wrong_usage(ctl, &err);
	if (given.wants_version)
		return output_write(bytes_text("wgctl " WARREN_VERSION "\n"));
	if (given.wants_help)
		return help_show(ctl, given.group, given.command);
	if (!given.command) {
		help_refuse(ctl, given.group);
		return EXIT_USAGE;
	}
	ctl->output = given.is_json ? &output_json : &output_text;
	ctl->socket = socket_of(&given);
	if (!*ctl->socket)
		return ctl_fail(EXIT_USAGE, "--socket is empty: say where warrend listens");
	ctl->client = client_open(ctl->socket);
	status = given.command->run(ctl, &given);
	client_close(ctl->client);
	return status;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .output = &output_text };
	enum exit_status status;

	keep_no_core();
	signal(SIGPIPE, SIG_IGN);
	/* Only for how wide letters are: texts are UTF-8 whatever the locale says. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT))
		return (int)ctl_fail(EXIT_FAILED, "libsodium or libcurl did not start");
	ctl.commands = commands_make(&ctl.arena);
	terminal_look(&ctl);
	status = run(&ctl, argc - 1, argv + 1);
	arena_done(&ctl.arena);
	curl_global_cleanup();
	return (int)status;
}
