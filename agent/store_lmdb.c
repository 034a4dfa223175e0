/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store.h"

#include "agent/store_lmdb_inside.h"
#include "agent/store_pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SEAL_MAX = 64, /* what store.c adds to a value at most */
	PAGE_HEADER = 16,
	PAGE_IS_OVERFLOW = 0x04,
};

struct backend_txn {
	struct lmdb *lmdb;
	MDB_txn *txn;
	bool is_writer;
	pthread_t thread; /* of a writer: LMDB holds a mutex from its begin to its end */
	int failed;       /* what made LMDB give the transaction up */
	MDB_cursor *last; /* at the last entry, while all that changes is put behind it; NULL: it has to be found */
};

struct backend_cursor {
	struct backend_txn *txn;
	MDB_cursor *cursor;
	bool is_placed, is_over;
	int placed; /* how that went; the entry, if it went well */
	MDB_val key, value;
};

/* After a failure LMDB answers every further call with MDB_BAD_TXN: the first one is what happened. */
static enum code judge_in(struct backend_txn *txn, int rc, struct err *err)
{
	if (rc == MDB_BAD_TXN && txn->failed)
		rc = txn->failed;
	else if (rc && rc != MDB_NOTFOUND && !txn->failed)
		txn->failed = rc;
	return lmdb_judge(txn->lmdb, rc, err);
}

static MDB_txn *take_idle(struct lmdb *lmdb)
{
	MDB_txn *txn = NULL;

	pthread_mutex_lock(&lmdb->mutex);
	if (lmdb->idle_count)
		txn = lmdb->idle[--lmdb->idle_count];
	pthread_mutex_unlock(&lmdb->mutex);
	return txn;
}

/* False when there are enough. */
static bool put_idle(struct lmdb *lmdb, MDB_txn *txn)
{
	bool is_kept;

	pthread_mutex_lock(&lmdb->mutex);
	is_kept = lmdb->idle_count < IDLE_MAX;
	if (is_kept)
		lmdb->idle[lmdb->idle_count++] = txn;
	pthread_mutex_unlock(&lmdb->mutex);
	return is_kept;
}

static int begin_reading(struct lmdb *lmdb, MDB_txn **ret_txn)
{
	MDB_txn *txn = take_idle(lmdb);
	int rc;

	if (!txn)
		return mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, ret_txn);
	rc = mdb_txn_renew(txn);
	if (rc)
		mdb_txn_abort(txn);
	else
		*ret_txn = txn;
	return rc;
}

static int begin_writing(struct lmdb *lmdb, MDB_txn **ret_txn)
{
	/* LMDB would wait for the other one: for ever, when that is the same thread's. */
	bool is_second = atomic_exchange(&lmdb->is_writing, true);
	int rc;

	assert(!is_second);
	rc = mdb_txn_begin(lmdb->env, NULL, 0, ret_txn);
	if (rc)
		atomic_store(&lmdb->is_writing, false);
	return rc;
}

static enum code lmdb_begin(void *self, bool is_writer, struct backend_txn **ret_txn, struct err *err)
{
	struct lmdb *lmdb = self;
	struct backend_txn *txn;
	MDB_txn *below;
	int rc = is_writer ? begin_writing(lmdb, &below) : begin_reading(lmdb, &below);

	if (rc)
		return lmdb_judge(lmdb, rc, err);
	txn = must_alloc(sizeof *txn);
	txn->lmdb = lmdb;
	txn->txn = below;
	txn->is_writer = is_writer;
	txn->thread = pthread_self();
	*ret_txn = txn;
	return OK;
}

/* LMDB keeps it with its entry whatever else changes, but goes on taking that for the last one. */
static void forget_last(struct backend_txn *txn)
{
	if (txn->last)
		mdb_cursor_close(txn->last);
	txn->last = NULL;
}

static enum code lmdb_commit(struct backend_txn *txn, struct err *err)
{
	enum code code;
	int rc;

	assert(txn->is_writer && pthread_equal(txn->thread, pthread_self()));
	forget_last(txn);
	rc = mdb_txn_commit(txn->txn);
	atomic_store(&txn->lmdb->is_writing, false);
	code = judge_in(txn, rc, err);
	free(txn);
	return code;
}

static void lmdb_abort(struct backend_txn *txn)
{
	if (txn->is_writer) {
		assert(pthread_equal(txn->thread, pthread_self()));
		forget_last(txn);
		mdb_txn_abort(txn->txn);
		atomic_store(&txn->lmdb->is_writing, false);
	} else {
		mdb_txn_reset(txn->txn);
		if (!put_idle(txn->lmdb, txn->txn))
			mdb_txn_abort(txn->txn);
	}
	free(txn);
}

static uint64_t lmdb_number(struct backend_txn *txn)
{
	return mdb_txn_id(txn->txn);
}

static MDB_val val_of(struct bytes bytes)
{
	return (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

/*
 * Whether a value lies where the file can have it: in one page, or in as many as its overflow page says. LMDB
 * believes the sizes on the disk, and to follow a changed one would lead out of the map. A writer's own pages lie
 * elsewhere in memory and are not the disk's.
 */
static bool is_possible(const struct backend_txn *txn, MDB_val value)
{
	size_t page_size = txn->lmdb->page_size, at;
	const uint8_t *page;
	uint16_t flags;
	uint32_t pages;

	if (value.mv_size > STORE_VALUE_MAX + SEAL_MAX)
		return false;
	if (txn->is_writer || !page_size)
		return true;
	at = (uintptr_t)value.mv_data % page_size;
	if (at + value.mv_size <= page_size)
		return true;
	page = (const uint8_t *)value.mv_data - at;
	memcpy(&flags, page + 10, sizeof flags);
	memcpy(&pages, page + 12, sizeof pages);
	return at == PAGE_HEADER && flags == PAGE_IS_OVERFLOW && at + value.mv_size <= pages * page_size;
}

static enum code lmdb_get(struct backend_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err)
{
	MDB_val k = val_of(key), value;
	int rc = mdb_get(txn->txn, txn->lmdb->dbi, &k, &value);

	if (rc == MDB_NOTFOUND)
		return E_ABSENT;
	if (rc)
		return judge_in(txn, rc, err);
	if (!is_possible(txn, value))
		return lmdb_judge(txn->lmdb, MDB_CORRUPTED, err);
	*ret_value = bytes_of(value.mv_data, value.mv_size);
	return OK;
}

static enum code lmdb_put(struct backend_txn *txn, struct bytes key, size_t size, uint8_t **ret_room, struct err *err)
{
	MDB_val k = val_of(key), value = { size, NULL };
	int rc;

	forget_last(txn);
	rc = mdb_put(txn->txn, txn->lmdb->dbi, &k, &value, MDB_RESERVE);
	if (rc)
		return judge_in(txn, rc, err);
	*ret_room = value.mv_data;
	return OK;
}

/*
 * LMDB gives an entry behind all others a page of its own when the last one is full, instead of halving that. One
 * cursor for a row of them spares it the way down from the root.
 */
static enum code lmdb_append(struct backend_txn *txn, struct bytes key, size_t size, uint8_t **ret_room,
			     struct err *err)
{
	MDB_val k = val_of(key), value = { size, NULL };
	int rc = txn->last ? MDB_SUCCESS : mdb_cursor_open(txn->txn, txn->lmdb->dbi, &txn->last);

	if (!rc)
		rc = mdb_cursor_put(txn->last, &k, &value, MDB_RESERVE | MDB_APPEND);
	if (rc == MDB_KEYEXIST)
		return E_VALUE;
	if (rc)
		return judge_in(txn, rc, err);
	*ret_room = value.mv_data;
	return OK;
}

static enum code lmdb_remove(struct backend_txn *txn, struct bytes key, struct err *err)
{
	MDB_val k = val_of(key);

	forget_last(txn);
	return judge_in(txn, mdb_del(txn->txn, txn->lmdb->dbi, &k, NULL), err);
}

static enum code lmdb_range(struct backend_txn *txn, struct bytes from, struct backend_cursor **ret_cursor,
			    struct err *err)
{
	struct backend_cursor *cursor;
	MDB_cursor *below;
	int rc = mdb_cursor_open(txn->txn, txn->lmdb->dbi, &below);

	if (rc)
		return judge_in(txn, rc, err);
	cursor = must_alloc(sizeof *cursor);
	cursor->txn = txn;
	cursor->cursor = below;
	cursor->key = val_of(from);
	cursor->placed = mdb_cursor_get(below, &cursor->key, &cursor->value, from.size ? MDB_SET_RANGE : MDB_FIRST);
	cursor->is_placed = true;
	*ret_cursor = cursor;
	return OK;
}

/* A walk over a structure that made no sense once is over: where it would go on, nobody knows. */
static enum code lmdb_next(struct backend_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value,
			   struct err *err)
{
	int rc = cursor->placed;

	if (cursor->is_over)
		return lmdb_judge(cursor->txn->lmdb, MDB_NOTFOUND, err);
	if (!cursor->is_placed)
		rc = mdb_cursor_get(cursor->cursor, &cursor->key, &cursor->value, MDB_NEXT);
	cursor->is_placed = false;
	if (!rc && (cursor->key.mv_size > STORE_KEY_MAX || !is_possible(cursor->txn, cursor->value)))
		rc = MDB_CORRUPTED;
	if (rc) {
		cursor->is_over = true;
		return judge_in(cursor->txn, rc, err);
	}
	*ret_key = bytes_of(cursor->key.mv_data, cursor->key.mv_size);
	*ret_value = bytes_of(cursor->value.mv_data, cursor->value.mv_size);
	return OK;
}

static void lmdb_range_end(struct backend_cursor *cursor)
{
	mdb_cursor_close(cursor->cursor);
	free(cursor);
}

static void lmdb_close(void *self)
{
	struct lmdb *lmdb = self;

	for (size_t i = 0; i < lmdb->idle_count; i++)
		mdb_txn_abort(lmdb->idle[i]);
	if (lmdb->env)
		mdb_env_close(lmdb->env);
	/* The lock goes last: nobody may come in while the file is still mapped. */
	store_files_close(&lmdb->files);
	pthread_mutex_destroy(&lmdb->mutex);
	free(lmdb->state_dir);
	free(lmdb);
}

static const struct store_backend backend = {
	.name = "lmdb",
	.begin = lmdb_begin,
	.commit = lmdb_commit,
	.abort = lmdb_abort,
	.number = lmdb_number,
	.get = lmdb_get,
	.put = lmdb_put,
	.append = lmdb_append,
	.remove = lmdb_remove,
	.range = lmdb_range,
	.next = lmdb_next,
	.range_end = lmdb_range_end,
	.close = lmdb_close,
};

/* LMDB opened by name what was examined by handle: it must be the same file. */
static enum code check_same(struct lmdb *lmdb, struct err *err)
{
	struct stat mine, theirs;
	int file;

	if (mdb_env_get_fd(lmdb->env, &file) || fstat(file, &theirs) || fstat(lmdb->files.file, &mine))
		return fail(err, E_IO, "%s: cannot examine %s: check the disk", lmdb->state_dir, STORE_FILE);
	if (mine.st_dev != theirs.st_dev || mine.st_ino != theirs.st_ino)
		return fail(err, E_DENIED, "%s: %s was replaced while it was opened: find out by whom", lmdb->state_dir,
			    STORE_FILE);
	/* LMDB leaves this one to whoever is executed later. */
	fcntl(file, F_SETFD, FD_CLOEXEC);
	return OK;
}

/* The main database holds the entries. Flags that it never had would change the order of its keys. */
static int open_main(struct lmdb *lmdb)
{
	MDB_txn *txn;
	MDB_stat stat;
	unsigned flags = 0;
	int rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);

	if (rc)
		return rc;
	rc = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
	if (!rc)
		rc = mdb_dbi_flags(txn, lmdb->dbi, &flags);
	if (!rc)
		rc = mdb_stat(txn, lmdb->dbi, &stat);
	mdb_txn_abort(txn);
	if (rc)
		return rc;
	if (stat.ms_psize == (size_t)sysconf(_SC_PAGESIZE))
		lmdb->page_size = stat.ms_psize;
	return flags ? MDB_CORRUPTED : MDB_SUCCESS;
}

/*
 * Never MDB_NOSYNC, MDB_NOMETASYNC, MDB_WRITEMAP or MDB_MAPASYNC: each gives up what a commit promises. Read-ahead
 * stays on: a store is smaller than memory, and after a start its first walk should come from the disk in long
 * strides. A reader needs no table of readers: the lock on the directory keeps every writer out.
 */
static int open_env(struct lmdb *lmdb, const char *path, const struct lmdb_options *options)
{
	bool is_writer = options->mode == LMDB_WRITER;
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (is_writer ? 0 : MDB_RDONLY | MDB_NOLOCK);
	int rc = mdb_env_create(&lmdb->env);

	if (!rc)
		rc = mdb_env_set_mapsize(lmdb->env, options->map_size ? options->map_size : LMDB_MAP_SIZE);
	if (!rc)
		rc = mdb_env_set_maxreaders(lmdb->env, READERS_MAX);
	if (!rc)
		rc = mdb_env_open(lmdb->env, path, flags, 0600);
	if (!rc && is_writer)
		rc = mdb_reader_check(lmdb->env, NULL);
	return rc ? rc : open_main(lmdb);
}

/* While a file is opened there is no LMDB yet that could be asked what became of it. */
static enum code cannot_open(int rc, const char *path, struct err *err)
{
	if (lmdb_is_no_room(rc))
		return fail(err, E_FULL, "cannot open %s: the disk is full: free space on it", path);
	if (rc == EACCES || rc == EPERM || rc == EROFS)
		return fail(err, E_DENIED, "cannot open %s: %s: run as its owner", path, strerror(rc));
	if (rc == ENOMEM)
		return fail(err, E_LIMIT, "cannot map %s: %s: raise the limit of address space", path, strerror(rc));
	return fail(err, E_IO, "cannot open %s: %s: check the disk", path, strerror(rc));
}

static enum code open_file(struct lmdb *lmdb, const char *name, const struct lmdb_options *options, struct err *err)
{
	char path[PATH_MAX];
	enum code code = OK;
	int rc;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", lmdb->state_dir, name) >= sizeof path - sizeof "-lock")
		return fail(err, E_LIMIT, "%s: the path is too long", lmdb->state_dir);
	if (options->mode == LMDB_WRITER)
		code = store_files_make_lock(lmdb->files.dir, name, err);
	if (code)
		return fail_in(err, code, "%s", lmdb->state_dir);
	rc = open_env(lmdb, path, options);
	if (rc > 0)
		return cannot_open(rc, path, err);
	return rc ? lmdb_judge(lmdb, rc, err) : check_same(lmdb, err);
}

static struct lmdb *new_lmdb(const char *state_dir, struct store_files files)
{
	struct lmdb *lmdb = must_alloc(sizeof *lmdb);

	lmdb->files = files;
	lmdb->state_dir = must_alloc(strlen(state_dir) + 1);
	strcpy(lmdb->state_dir, state_dir);
	pthread_mutex_init(&lmdb->mutex, NULL);
	return lmdb;
}

static void remove_new(int dir)
{
	unlinkat(dir, STORE_FILE_NEW, 0);
	unlinkat(dir, STORE_FILE_NEW "-lock", 0);
}

/*
 * Makes a store with its header under another name first, so that a state.mdb always holds at least one commit: a
 * power cut while it is made leaves nothing that could be taken for a damaged store, or for an empty one.
 */
static enum code make_store(const char *state_dir, int dir, const struct lmdb_options *options, struct err *err)
{
	struct store_files files = { .dir = fcntl(dir, F_DUPFD_CLOEXEC, 0), .file = -1 };
	struct lmdb *lmdb = new_lmdb(state_dir, files);
	struct store *store;
	enum code code;

	remove_new(dir);
	code = store_files_make(dir, STORE_FILE_NEW, err);
	if (!code)
		code = store_files_open_one(dir, STORE_FILE_NEW, true, &lmdb->files.file, err);
	if (!code)
		code = open_file(lmdb, STORE_FILE_NEW, options, err);
	if (!code)
		code = store_open(&backend, lmdb, options->fresh_key, &store, err);
	if (code) {
		lmdb_close(lmdb);
		remove_new(dir);
		return code;
	}
	store_close(store);
	code = store_files_publish(dir, err);
	remove_new(dir);
	return code;
}

static enum code find_store(const char *state_dir, const struct lmdb_options *options, struct store_files *files,
			    struct err *err)
{
	enum code code;

	/* Before LMDB: it believes its heads, and would take an empty file for a new one. */
	if (files->file >= 0) {
		code = store_pages_check_heads(files->file, err);
		return code ? fail_in(err, code, "%s", state_dir) : OK;
	}
	if (options->mode == LMDB_READER || !options->fresh_key)
		return fail(err, E_ABSENT, "there is no Warren state in %s: check the path", state_dir);
	code = make_store(state_dir, files->dir, options, err);
	if (code)
		return code;
	return store_files_open_one(files->dir, STORE_FILE, true, &files->file, err);
}

enum code lmdb_store_open(const char *state_dir, const struct lmdb_options *options, struct store **ret_store,
			  struct err *err)
{
	struct store_files files;
	struct lmdb *lmdb;
	enum code code = store_files_open(state_dir, options->mode == LMDB_WRITER, &files, err);

	if (code)
		return code;
	code = find_store(state_dir, options, &files, err);
	if (code) {
		store_files_close(&files);
		return code;
	}
	lmdb = new_lmdb(state_dir, files);
	code = open_file(lmdb, STORE_FILE, options, err);
	if (!code)
		code = store_open(&backend, lmdb, NULL, ret_store, err);
	if (code == E_ABSENT)
		code = fail(err, E_DAMAGED, "%s/%s holds no store: restore it, or remove it to join anew", state_dir,
			    STORE_FILE);
	if (code)
		lmdb_close(lmdb);
	return code;
}
