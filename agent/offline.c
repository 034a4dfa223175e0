/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/offline.h"

#include "agent/dump.h"
#include "agent/verify.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A reading that takes longer than this goes in circles. */
enum { READING_SECONDS = 3600 };

static const char remedy[] = "What to do: do not start warrend on this directory. Keep a copy of it, and put\n"
			     "back one that passes this check. Then test the disk and the memory of this\n"
			     "machine: bits do not change by themselves.\n";

/* Where all records are sound, and only what follows from them is not. */
static const char remedy_of_indexes[] =
	"What to do: nothing is lost: the next start of warrend makes the indexes anew, and\n"
	"the root with them. But test the disk and the memory of this machine: bits do not\n"
	"change by themselves.\n";

/* Where all records are sound, and batches, statements or ends of streams are not. */
static const char remedy_of_log[] =
	"What to do: every record is there: warrend --dump shows them. What is damaged is the\n"
	"log, from which the servers of a cluster bring each other up to date, and a server\n"
	"with a wrong one misleads the others: do not start warrend on this directory. Keep a\n"
	"copy of it, and put back one that passes this check. Then test the disk and the\n"
	"memory of this machine: bits do not change by themselves.\n";

/* One reading of a state, in a process of its own. */
struct reading {
	const char *state_dir;
	const struct kind *only; /* of a dump; NULL: all */
};

static enum exit_status explain(enum code code, const struct err *err)
{
	fprintf(stderr, "warrend: %s\n", err->text);
	return code == E_DAMAGED || code == E_NEWER ? EXIT_FAILED : EXIT_UNREACHABLE;
}

static void live_and_die(enum exit_status (*work)(struct reading *reading), struct reading *reading)
{
	const struct rlimit limit = { READING_SECONDS, READING_SECONDS };
	enum exit_status status;

	setrlimit(RLIMIT_CPU, &limit);
	status = work(reading);
	if (fflush(stdout) || ferror(stdout)) {
		fputs("warrend: the output could not be written\n", stderr);
		status = EXIT_FAILED;
	}
	_exit((int)status);
}

/* What a reader brings upon itself by what it reads; any other signal came from somebody else. */
static bool is_by_itself(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGABRT;
}

/* LMDB believes what it reads: should a damaged file kill the reader, that is told to `out`, and nothing worse. */
static enum exit_status in_child(enum exit_status (*work)(struct reading *reading), struct reading *reading, FILE *out)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		live_and_die(work, reading);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("warrend: the state could not be read");
		return EXIT_UNREACHABLE;
	}
	if (WIFEXITED(status))
		return (enum exit_status)WEXITSTATUS(status);
	/* Whoever read our output has seen enough (`--dump … | head`): there is nobody to tell more. */
	if (WTERMSIG(status) == SIGPIPE)
		return EXIT_FAILED;
	if (!is_by_itself(WTERMSIG(status))) {
		fprintf(stderr,
			"warrend: the reading of %s was ended by signal %d (%s) before it was done: try again\n",
			reading->state_dir, WTERMSIG(status), strsignal(WTERMSIG(status)));
		return EXIT_UNREACHABLE;
	}
	fprintf(out, "damaged: the structure of the state's file: reading it ended with signal %d (%s)\n",
		WTERMSIG(status), strsignal(WTERMSIG(status)));
	fprintf(out, "\n%s is damaged\n\n%s", reading->state_dir, remedy);
	return EXIT_FAILED;
}

static void print_line(void *context, const char *text)
{
	(void)context;
	printf("damaged: %s\n", text);
	/* The next one may be the end of this process. */
	fflush(stdout);
}

static void tell_whole(const char *state_dir, const struct verify_report *report)
{
	printf("%s is whole: %" PRIu64 " records, %" PRIu64 " batches, %" PRIu64 " statements, ", state_dir,
	       report->records, report->batches, report->statements);
	if (report->is_current)
		printf("%" PRIu64 " index entries, ", report->entries);
	puts("each verified");
	if (!report->is_current)
		puts("its indexes are of another version, or half made: they are made anew at the next start");
}

static const char *remedy_for(const struct verify_report *report)
{
	if (report->damages == report->derived)
		return remedy_of_indexes;
	return report->damages == report->derived + report->logged ? remedy_of_log : remedy;
}

static enum exit_status check(struct reading *reading)
{
	struct verify_report report = { .line = print_line, .is_daring = true, .is_thorough = true };
	struct err err = { 0 };
	enum code code = verify_state(reading->state_dir, &report, &err);

	if (code && !report.damages)
		return explain(code, &err);
	if (!report.damages) {
		tell_whole(reading->state_dir, &report);
		return EXIT_OK;
	}
	printf("\n%s is damaged: %" PRIu64 " finding%s in %" PRIu64 " records, %" PRIu64 " batches, %" PRIu64
	       " statements and %" PRIu64 " index entries\n\n%s",
	       reading->state_dir, report.damages, report.damages == 1 ? "" : "s", report.records, report.batches,
	       report.statements, report.entries, remedy_for(&report));
	return EXIT_FAILED;
}

enum exit_status offline_check(const char *state_dir)
{
	struct reading reading = { .state_dir = state_dir };

	return in_child(check, &reading, stdout);
}

static enum exit_status dump(struct reading *reading)
{
	struct err err = { 0 };
	uint64_t damages = 0;
	enum code code = dump_state(reading->state_dir, reading->only, &damages, &err);

	if (damages) {
		fflush(stdout);
		fprintf(stderr,
			"warrend: %s is damaged: what could be read is shown; run warrend --check for the rest\n",
			reading->state_dir);
		return EXIT_FAILED;
	}
	return code ? explain(code, &err) : EXIT_OK;
}

enum exit_status offline_dump(const char *state_dir, const char *kind)
{
	struct reading reading = { .state_dir = state_dir, .only = kind ? model_kind_named(bytes_text(kind)) : NULL };

	if (kind && !reading.only) {
		fprintf(stderr, "warrend: there is no kind %s; these are:\n", kind);
		for (size_t i = 0; i < MODEL_KINDS; i++)
			fprintf(stderr, "  %-20s %s\n", model_kinds[i].shape.name, model_kinds[i].about);
		return EXIT_USAGE;
	}
	return in_child(dump, &reading, stderr);
}
