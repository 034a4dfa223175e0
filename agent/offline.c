/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/offline.h"

#include "agent/cleanup.h"
#include "agent/store.h"
#include "agent/store_pages.h"
#include "agent/verify.h"
#include "crdt/model/json.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/index.h"

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
	"What to do: nothing is lost: the next start of warrend makes the indexes anew. But\n"
	"test the disk and the memory of this machine: bits do not change by themselves.\n";

/* One reading of a state, in a process of its own. */
struct reading {
	const char *state_dir;
	const struct kind *only; /* of a dump; NULL: all */
	uint64_t damages;        /* that a dump has met */
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
	if (report->is_current)
		printf("%s is whole: %" PRIu64 " records, %" PRIu64 " index entries, each verified\n", state_dir,
		       report->records, report->entries);
	else
		printf("%s is whole: %" PRIu64 " records, each verified\n"
		       "its indexes are of another version, or half made: they are made anew at the next start\n",
		       state_dir, report->records);
}

static enum exit_status check(struct reading *reading)
{
	struct verify_report report = { .line = print_line, .is_daring = true };
	struct err err = { 0 };
	enum code code = verify_state(reading->state_dir, &report, &err);

	if (code && !report.damages)
		return explain(code, &err);
	if (!report.damages) {
		tell_whole(reading->state_dir, &report);
		return EXIT_OK;
	}
	printf("\n%s is damaged: %" PRIu64 " finding%s in %" PRIu64 " records and %" PRIu64 " index entries\n\n%s",
	       reading->state_dir, report.damages, report.damages == 1 ? "" : "s", report.records, report.entries,
	       report.damages == report.derived ? remedy_of_indexes : remedy);
	return EXIT_FAILED;
}

enum exit_status offline_check(const char *state_dir)
{
	struct reading reading = { .state_dir = state_dir };

	return in_child(check, &reading, stdout);
}

static void put_head(const struct kind *kind, uint32_t number, struct id id, struct buf *line)
{
	char text[16];

	buf_put_text(line, "{\"kind\":");
	if (kind) {
		json_write_text(bytes_text(kind->shape.name), line);
	} else {
		snprintf(text, sizeof text, "%u", number);
		buf_put_text(line, text);
	}
	buf_put_text(line, ",\"id\":");
	json_write_id(id, line);
}

/* The fields that only a later version could show, by their numbers. */
static void put_unknown(const struct kind *kind, const struct record *record, struct buf *line)
{
	bool is_first = true;
	char text[32];

	for (size_t i = 0; i < record->count; i++) {
		if (kind && model_field(&kind->shape, record->cells[i].number))
			continue;
		snprintf(text, sizeof text, "%s%u", is_first ? ",\"unknown_fields\":[" : ",", record->cells[i].number);
		buf_put_text(line, text);
		is_first = false;
	}
	if (!is_first)
		buf_put_byte(line, ']');
}

static void put_row(const struct kind *kind, struct bytes map, struct buf *line)
{
	CLEANUP(cleanup_memory) void *row = must_alloc(kind->shape.size);
	struct err why = { 0 };

	if (pack_read(&kind->shape, map, true, row, &why)) {
		buf_put_text(line, ",\"invalid\":");
		json_write_text(bytes_text(why.text), line);
	} else {
		buf_put_text(line, ",\"fields\":");
		json_write_row(&kind->shape, NULL, row, JSON_MASKED, line);
	}
}

static enum code dump_record(uint32_t number, struct id id, struct bytes bytes, struct buf *line, struct err *err)
{
	const struct kind *kind = model_kind(number);
	CLEANUP(cleanup_memory) struct record *record = must_alloc(sizeof *record);
	struct bytes map;
	bool is_dead;
	enum code code = record_read(bytes, record, err);

	if (!code)
		code = record_map(bytes, &is_dead, &map, err);
	if (code)
		return code;
	put_head(kind, number, id, line);
	if (is_dead)
		buf_put_text(line, ",\"dead\":true");
	else if (kind)
		put_row(kind, map, line);
	put_unknown(kind, record, line);
	buf_put_text(line, "}\n");
	if (line->is_full)
		return fail(err, E_LIMIT, "a record is too large to be shown");
	fwrite(line->data, 1, line->size, stdout);
	return OK;
}

static void found(void *context, struct bytes key, const char *text)
{
	struct reading *reading = context;
	char name[VERIFY_NAME_SIZE];

	reading->damages++;
	verify_name(key, name);
	fprintf(stderr, "warrend: damaged: %s%s%s\n", key.size ? name : "", key.size ? ": " : "", text);
}

/* The next record onto stdout; a damaged one is named, and passed over while there is a way on. */
static enum code dump_next(struct reading *reading, struct store_cursor *cursor, struct buf *line, struct err *err)
{
	struct bytes key = { 0 }, value;
	uint32_t kind;
	struct id id;
	enum code code = store_next(cursor, &key, &value, err);

	if (!code && !record_key_read(key, &kind, &id))
		code = fail(err, E_DAMAGED, "this is no record's key");
	buf_clear(line);
	if (!code)
		code = dump_record(kind, id, value, line, err);
	if (!code || code == E_ABSENT || code == E_IO)
		return code;
	found(reading, key, key.size && code == E_DAMAGED ? "its bytes do not match their hash" : err->text);
	return key.size ? OK : code;
}

static enum code dump_all(struct reading *reading, struct store_txn *txn, struct err *err)
{
	CLEANUP(buf_done) struct buf line = buf_growing(4 * (size_t)RECORD_MAX);
	uint8_t prefix[RECORD_KEY_SIZE];
	struct store_cursor *cursor;
	uint64_t count = 0;
	enum code code;

	record_key_write(reading->only ? reading->only->number : 0, (struct id){ { 0 } }, prefix);
	code = store_range(txn, bytes_of(prefix, reading->only ? 3 : 1), bytes_of(NULL, 0), &cursor, err);
	if (code)
		return code;
	while (!(code = dump_next(reading, cursor, &line, err)))
		count++;
	store_range_end(cursor);
	if (code == E_ABSENT && !reading->only && count != store_count(txn, TABLE_RECORD))
		found(reading, bytes_of(NULL, 0), "there are other records than the ledger counts");
	return code == E_ABSENT ? OK : code;
}

static enum code dump_state(struct reading *reading, struct err *err)
{
	struct lmdb_options options = { .mode = LMDB_READER };
	CLEANUP(cleanup_store) struct store *store = NULL;
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	enum code code = store_pages_check(reading->state_dir, found, reading, err);

	if (code && code != E_DAMAGED)
		return code;
	code = lmdb_store_open(reading->state_dir, &options, &store, err);
	if (!code)
		code = store_snapshot(store, &txn, err);
	if (!code)
		code = dump_all(reading, txn, err);
	return code;
}

static enum exit_status dump(struct reading *reading)
{
	struct err err = { 0 };
	enum code code = dump_state(reading, &err);

	if (reading->damages) {
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
