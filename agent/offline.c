/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/offline.h"

#include "agent/cleanup.h"
#include "agent/store.h"
#include "agent/verify.h"
#include "crdt/model/json.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A check that takes longer than this per gigabyte goes in circles. */
enum { CHECK_SECONDS = 3600 };

static const char remedy[] =
	"\nWhat to do: do not start warrend on this directory. Keep a copy of it, and put back one that passes this\n"
	"check; where other servers of the cluster hold the same records, this server can also be evicted and join\n"
	"anew with an empty directory: it gets all of them back. Then test the disk and the memory of this machine.\n";

static enum exit_status explain(enum code code, const struct err *err)
{
	fprintf(stderr, "warrend: %s\n", err->text);
	return code == E_DAMAGED || code == E_NEWER ? EXIT_FAILED : EXIT_UNREACHABLE;
}

static void print_line(void *context, const char *text)
{
	(void)context;
	printf("damaged: %s\n", text);
	/* The next one may be the end of this process. */
	fflush(stdout);
}

/* The child's whole life. */
static enum exit_status check(const char *state_dir)
{
	struct verify_report report = { .line = print_line, .is_daring = true };
	struct err err = { 0 };
	enum code code = verify_state(state_dir, &report, &err);

	if (code && !report.damages)
		return explain(code, &err);
	if (!report.damages) {
		printf("%s is whole: %" PRIu64 " records, %" PRIu64 " index entries, each verified\n", state_dir,
		       report.records, report.entries);
		return EXIT_OK;
	}
	printf("\n%s is damaged: %" PRIu64 " finding%s in %" PRIu64 " records and %" PRIu64 " index entries\n%s",
	       state_dir, report.damages, report.damages == 1 ? "" : "s", report.records, report.entries, remedy);
	return EXIT_FAILED;
}

static void live_and_die(const char *state_dir)
{
	const struct rlimit limit = { CHECK_SECONDS, CHECK_SECONDS };
	enum exit_status status;

	setrlimit(RLIMIT_CPU, &limit);
	status = check(state_dir);
	fflush(stdout);
	_exit(fflush(stderr) ? EXIT_FAILED : (int)status);
}

enum exit_status offline_check(const char *state_dir)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		live_and_die(state_dir);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("warrend: the check could not be run");
		return EXIT_UNREACHABLE;
	}
	if (WIFEXITED(status))
		return (enum exit_status)WEXITSTATUS(status);
	printf("damaged: the structure of the state's file: reading it ended with signal %d (%s)\n\n%s is damaged\n%s",
	       WTERMSIG(status), strsignal(WTERMSIG(status)), state_dir, remedy);
	return EXIT_FAILED;
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

static enum code dump_all(struct store_txn *txn, uint32_t only, struct err *err)
{
	CLEANUP(buf_done) struct buf line = buf_growing(4 * (size_t)RECORD_MAX);
	struct state_cursor *cursor;
	struct bytes bytes;
	uint32_t kind;
	struct id id;
	enum code code = state_all(txn, only, &cursor, err);

	if (code)
		return code;
	while (!(code = state_next(cursor, &kind, &id, err))) {
		buf_clear(&line);
		code = state_record(txn, kind, id, &bytes, err);
		if (!code)
			code = dump_record(kind, id, bytes, &line, err);
		if (code)
			break;
	}
	state_find_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code dump(const char *state_dir, uint32_t only, struct err *err)
{
	struct lmdb_options options = { .mode = LMDB_READER };
	CLEANUP(cleanup_store) struct store *store = NULL;
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	enum code code = lmdb_store_open(state_dir, &options, &store, err);

	if (!code)
		code = store_snapshot(store, &txn, err);
	if (!code)
		code = dump_all(txn, only, err);
	if (!code && (fflush(stdout) || ferror(stdout)))
		code = fail(err, E_IO, "the output could not be written");
	return code;
}

enum exit_status offline_dump(const char *state_dir, const char *kind)
{
	const struct kind *only = kind ? model_kind_named(bytes_text(kind)) : NULL;
	struct err err = { 0 };
	enum code code;

	if (kind && !only) {
		fprintf(stderr, "warrend: there is no kind %s; these are:\n", kind);
		for (size_t i = 0; i < MODEL_KINDS; i++)
			fprintf(stderr, "  %-20s %s\n", model_kinds[i].shape.name, model_kinds[i].about);
		return EXIT_USAGE;
	}
	code = dump(state_dir, only ? only->number : 0, &err);
	return code ? explain(code, &err) : EXIT_OK;
}
