/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store_lmdb_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_PROBE = 1 << 20 /* LMDB writes at most this much at once, but for larger values */ };

/* Whether LMDB itself has given the file up, as it does when the page that makes a commit could not be written. */
static bool is_given_up(struct lmdb *lmdb)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);

	if (!rc)
		mdb_txn_abort(txn);
	return rc == MDB_PANIC;
}

bool lmdb_is_no_room(int rc)
{
	return rc == ENOSPC || rc == EDQUOT || rc == EFBIG;
}

/*
 * LMDB calls a write that was cut short an EIO, and that is how a disk often becomes full: the first pages of one
 * write still fit. What the disk says to a plain request for room tells the two apart.
 */
static bool has_no_room(struct lmdb *lmdb)
{
	struct stat st;

	if (fstat(lmdb->files.file, &st))
		return false;
	return fallocate(lmdb->files.file, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM_PROBE) && lmdb_is_no_room(errno);
}

/*
 * No room, and nothing lost by it: a write was refused, the pages of the refused commit belong to nothing, and the
 * next one writes all of its own anew. A failed sync is another matter, whatever its number says: the kernel tells
 * it once to every open file and forgets, so it is asked here through a file that LMDB does not use.
 */
static bool is_merely_full(struct lmdb *lmdb, int rc)
{
	if (!lmdb_is_no_room(rc) && rc != EIO)
		return false;
	if (is_given_up(lmdb) || fdatasync(lmdb->files.file))
		return false;
	return lmdb_is_no_room(rc) || has_no_room(lmdb);
}

static enum code map_full(struct lmdb *lmdb, struct err *err)
{
	MDB_envinfo info = { 0 };

	mdb_env_info(lmdb->env, &info);
	return fail(err, E_FULL,
		    "%s/%s has reached the largest size that it can have, %zu MiB: writes are refused and reads go on; "
		    "remove records that are no longer needed",
		    lmdb->state_dir, STORE_FILE, info.me_mapsize >> 20);
}

static enum code disk_failed(struct lmdb *lmdb, int rc, struct err *err)
{
	const char *said = rc == MDB_PANIC ? "a commit could not be ended" : mdb_strerror(rc);

	return fail(err, E_IO, "the disk failed (%s): stop, check the disk, then run warrend --check %s", said,
		    lmdb->state_dir);
}

enum code lmdb_judge(struct lmdb *lmdb, int rc, struct err *err)
{
	switch (rc) {
	case MDB_SUCCESS: return OK;
	case MDB_NOTFOUND: return fail(err, E_ABSENT, "no such entry");
	case MDB_TXN_FULL: return fail(err, E_LIMIT, "too much in one transaction: split it");
	case MDB_READERS_FULL: return fail(err, E_BUSY, "more than %d snapshots at once: end some", READERS_MAX);
	case MDB_VERSION_MISMATCH:
		return fail(err, E_NEWER, "%s/%s has a format of a newer version: install the one that wrote it again",
			    lmdb->state_dir, STORE_FILE);
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_CURSOR_FULL:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_MAP_RESIZED:
	case MDB_BAD_RSLOT:
	case MDB_BAD_TXN:
	case MDB_BAD_VALSIZE:
	case MDB_BAD_DBI:
		return fail(err, E_DAMAGED, "%s/%s is damaged (%s): run warrend --check %s, restore it or join anew",
			    lmdb->state_dir, STORE_FILE, mdb_strerror(rc), lmdb->state_dir);
	case MDB_MAP_FULL: return map_full(lmdb, err);
	case ENOMEM: abort();
	default: break;
	}
	if (!is_merely_full(lmdb, rc))
		return disk_failed(lmdb, rc, err);
	return fail(err, E_FULL, "the disk is full: writes are refused and reads go on; free space under %s",
		    lmdb->state_dir);
}
