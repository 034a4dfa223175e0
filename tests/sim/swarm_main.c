/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/swarm.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] = "Usage: swarm [--seeds FROM COUNT] [--minutes M] [--timeline] [--twice] [--stop]\n"
			    "\n"
			    "Runs seeds of the simulator, and says which of them found something.\n"
			    "\n"
			    "  --seeds FROM COUNT  which; without it seed 1\n"
			    "  --minutes M         of virtual time each, at least\n"
			    "  --timeline          print what happens in each, and no counts\n"
			    "  --twice             run each two times, and compare what happens\n"
			    "  --stop              end at the first that fails\n"
			    "\n"
			    "Exit status: 0 nothing was found, 1 something was, or of 100 seeds or more\n"
			    "none came by something (NEVER), 2 wrong usage.\n";

struct asked_for {
	uint64_t from, count;
	uint32_t minutes;
	bool has_timeline, is_twice, stops;
	const char *name;
};

_Noreturn static void wrong_usage(const char *option, const char *what)
{
	fprintf(stderr, "swarm: %s: %s: see swarm --help\n", option, what);
	exit(2);
}

static uint64_t number_of(const char *option, const char *text)
{
	char what[80], *end;
	uint64_t number;

	if (!text)
		wrong_usage(option, "a number is missing");
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno) {
		snprintf(what, sizeof what, "'%.40s' is no number", text);
		wrong_usage(option, what);
	}
	return number;
}

static struct asked_for read_arguments(char **argv)
{
	struct asked_for asked = { .from = 1, .count = 1, .minutes = SWARM_MINUTES, .name = argv[0] };

	while (*++argv) {
		if (!strcmp(*argv, "--seeds")) {
			asked.from = number_of("--seeds", argv[1]);
			asked.count = number_of("--seeds", argv[2]);
			argv += 2;
		} else if (!strcmp(*argv, "--minutes")) {
			asked.minutes = (uint32_t)number_of("--minutes", *++argv);
		} else if (!strcmp(*argv, "--timeline")) {
			asked.has_timeline = true;
		} else if (!strcmp(*argv, "--twice")) {
			asked.is_twice = true;
		} else if (!strcmp(*argv, "--stop")) {
			asked.stops = true;
		} else if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")) {
			fputs(usage, stdout);
			exit(0);
		} else {
			wrong_usage(*argv, "there is no such option");
		}
	}
	return asked;
}

static bool run_to_text(const struct asked_for *asked, uint64_t seed, struct swarm_counts *counts, char *violation,
			char **ret_text, size_t *ret_size)
{
	struct swarm_options options = { .seed = seed, .minutes = asked->minutes };
	bool is_good;

	options.timeline = open_memstream(ret_text, ret_size);
	if (!options.timeline)
		abort();
	is_good = swarm_seed(&options, counts, violation);
	fclose(options.timeline);
	return is_good;
}

static bool run_twice(const struct asked_for *asked, uint64_t seed, struct swarm_counts *counts, char violation[320])
{
	struct swarm_counts again = { 0 };
	char *texts[2] = { NULL, NULL };
	size_t sizes[2];
	bool is_good = run_to_text(asked, seed, counts, violation, &texts[0], &sizes[0]);

	run_to_text(asked, seed, &again, violation, &texts[1], &sizes[1]);
	if (is_good && (sizes[0] != sizes[1] || memcmp(texts[0], texts[1], sizes[0]) != 0)) {
		snprintf(violation, 320, "two runs of this seed differ");
		is_good = false;
	}
	free(texts[0]);
	free(texts[1]);
	return is_good;
}

static char dying_words[80];

/* An assertion ends the program: it shall be known where. */
static void say_last(int number)
{
	ssize_t written = write(STDERR_FILENO, dying_words, strlen(dying_words));

	(void)written;
	signal(number, SIG_DFL);
	raise(number);
}

static bool run_one(const struct asked_for *asked, uint64_t seed, struct swarm_counts *counts)
{
	struct swarm_options options = { .seed = seed,
					 .minutes = asked->minutes,
					 .timeline = asked->has_timeline ? stdout : NULL };
	char violation[320] = "";

	snprintf(dying_words, sizeof dying_words, "swarm: dies of seed %" PRIu64 "\n", seed);
	if (asked->is_twice ? run_twice(asked, seed, counts, violation) : swarm_seed(&options, counts, violation))
		return true;
	printf("seed %" PRIu64 ": %s\n    %s --seeds %" PRIu64 " 1 --minutes %u --timeline\n", seed, violation,
	       asked->name, seed, asked->minutes);
	fflush(stdout);
	return false;
}

int main(int argc, char **argv)
{
	struct asked_for asked = read_arguments(argv);
	struct swarm_counts counts = { 0 };
	uint64_t failed = 0;
	bool is_whole = true;

	(void)argc;
	signal(SIGABRT, say_last);
	signal(SIGSEGV, say_last);
	for (uint64_t i = 0; i < asked.count && !(failed && asked.stops); i++)
		failed += !run_one(&asked, asked.from + i, &counts);
	/* A timeline is to be compared. */
	if (!asked.has_timeline) {
		is_whole = swarm_print(&counts, stdout);
		printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", counts.seeds, failed);
	}
	return failed || !is_whole ? 1 : 0;
}
