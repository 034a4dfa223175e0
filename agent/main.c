/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/offline.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char usage[] =
	"warrend " WARREN_VERSION ", the agent of a Warren server\n"
	"\n"
	"  warrend --check STATE         verify a state directory while no agent runs on it: every record, index\n"
	"                                and hash; says what is damaged and what to do, and changes nothing\n"
	"  warrend --dump STATE [KIND]   print its records as lines of JSON, secrets masked\n"
	"  warrend --version\n"
	"  warrend --help\n"
	"\n"
	"Exit status: 0 all is well, 1 damaged or failed, 2 wrong usage, 3 the state cannot be read.\n"
	"Example: warrend --check /var/lib/warren\n";

/* What is in memory here is nobody else's: not in a core file, not for a debugger. */
static void seal_process(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

static enum exit_status wrong_usage(const char *word)
{
	if (word)
		fprintf(stderr, "warrend: %s is not understood here\n\n", word);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : NULL;

	seal_process();
	if (sodium_init() < 0) {
		fputs("warrend: libsodium did not start\n", stderr);
		return EXIT_FAILED;
	}
	if (!command)
		return (int)wrong_usage(NULL);
	if (!strcmp(command, "--check") && argc == 3)
		return (int)offline_check(argv[2]);
	if (!strcmp(command, "--dump") && (argc == 3 || argc == 4))
		return (int)offline_dump(argv[2], argv[3]);
	if (!strcmp(command, "--version") && argc == 2)
		return puts("warrend " WARREN_VERSION) < 0;
	if (!strcmp(command, "--help") && argc == 2)
		return fputs(usage, stdout) < 0;
	return (int)wrong_usage(argc > 2 ? argv[argc - 1] : command);
}
