/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store.h"
#include "crdt/base/buf.h"
#include "tests/sim/store_mem.h"
#include "tests/store/conformance.h"

#include <dirent.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *make_disk(void)
{
	return mem_disk_new();
}

static void drop_disk(void *place)
{
	mem_disk_free(place);
}

static enum code open_disk(void *place, const struct hash_key *fresh_key, struct store **ret_store, struct err *err)
{
	return mem_store_open(place, fresh_key, ret_store, err);
}

static void poke_disk(void *place, struct bytes key, struct bytes value)
{
	mem_disk_poke(place, key, value);
}

static const struct store_maker in_memory = { "in memory", 2500, make_disk, drop_disk, open_disk, poke_disk };

/* Nothing can be tested without its folder, its file, its LMDB. */
static void must(bool is_fine, const char *what)
{
	if (is_fine)
		return;
	perror(what);
	abort();
}

static void *make_folder(void)
{
	const char *under = getenv("TMPDIR");
	char *path;

	must(asprintf(&path, "%s/warren-store-XXXXXX", under ? under : P_tmpdir) >= 0, "asprintf");
	must(mkdtemp(path), path);
	return path;
}

static void drop_folder(void *place)
{
	DIR *folder = opendir(place);
	struct dirent *entry;

	must(folder, place);
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	must(!rmdir(place), place);
	free(place);
}

static enum code open_folder(void *place, const struct hash_key *fresh_key, struct store **ret_store, struct err *err)
{
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = fresh_key };

	return lmdb_store_open(place, &options, ret_store, err);
}

static MDB_val val_of(struct bytes bytes)
{
	return (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

/* LMDB cannot poke without making a commit: gives the ledger its number, so that the store cannot tell by that. */
static void hide_commit(MDB_txn *txn, MDB_dbi dbi)
{
	const struct bytes header_key = bytes_of("\0h", 2), ledger_key = bytes_of("\0l", 2);
	MDB_val h = val_of(header_key), l = val_of(ledger_key), header, ledger;
	uint8_t value[512], room[sizeof value];
	struct buf number = buf_over(value, 8);
	struct hash_key secret;

	if (mdb_get(txn, dbi, &h, &header) || header.mv_size != 36)
		return;
	if (mdb_get(txn, dbi, &l, &ledger) || ledger.mv_size < 16 || ledger.mv_size > sizeof value)
		return;
	memcpy(&secret, (uint8_t *)header.mv_data + 12, sizeof secret);
	memcpy(value, ledger.mv_data, ledger.mv_size - 8);
	buf_put_big_endian(&number, mdb_txn_id(txn), 8);
	ledger = val_of(conformance_seal(secret, ledger_key, bytes_of(value, ledger.mv_size - 8), room));
	must(!mdb_put(txn, dbi, &l, &ledger, 0), "mdb_put");
}

static void poke_folder(void *place, struct bytes key, struct bytes value)
{
	MDB_val k = val_of(key), v = val_of(value);
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char *path;
	int rc;

	must(asprintf(&path, "%s/state.mdb", (char *)place) >= 0, "asprintf");
	must(!mdb_env_create(&env), "mdb_env_create");
	must(!mdb_env_open(env, path, MDB_NOSUBDIR, 0600), "mdb_env_open");
	must(!mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
	must(!mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
	hide_commit(txn, dbi);
	rc = value.data ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL);
	must(!rc || rc == MDB_NOTFOUND, "mdb_put, mdb_del");
	must(!mdb_txn_commit(txn), "mdb_txn_commit");
	mdb_env_close(env);
	free(path);
}

static const struct store_maker in_a_file = { "in a file", 500, make_folder, drop_folder, open_folder, poke_folder };

int main(void)
{
	int failed = conformance_run(&in_memory) + conformance_repair(&in_memory);

	return failed + conformance_run(&in_a_file) + conformance_repair(&in_a_file);
}
