/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/raw.h"

#include "crdt/base/rng.h"

#include <stdio.h>
#include <stdlib.h>

void raw_must(int result, const char *what)
{
	if (!result)
		return;
	fprintf(stderr, "bench: raw LMDB: %s: %s\n", what, mdb_strerror(result));
	exit(1);
}

struct raw raw_open(const char *folder)
{
	struct raw raw;
	MDB_txn *txn;

	raw_must(mdb_env_create(&raw.env), "create");
	raw_must(mdb_env_set_mapsize(raw.env, (size_t)64 << 30), "map");
	raw_must(mdb_env_open(raw.env, folder, MDB_NOTLS, 0600), "open");
	raw_must(mdb_txn_begin(raw.env, NULL, 0, &txn), "begin");
	raw_must(mdb_dbi_open(txn, NULL, 0, &raw.dbi), "dbi");
	raw_must(mdb_txn_commit(txn), "commit");
	return raw;
}

void raw_close(struct raw *raw)
{
	mdb_env_close(raw->env);
}

void raw_commit(struct raw *raw, struct rng *rng, size_t count, size_t size)
{
	uint8_t key[19], value[1024];
	MDB_txn *txn;

	raw_must(mdb_txn_begin(raw->env, NULL, 0, &txn), "begin");
	for (size_t i = 0; i < count; i++) {
		MDB_val k = { sizeof key, key }, v = { size, value };

		rng_fill(rng, key, sizeof key);
		rng_fill(rng, value, size);
		raw_must(mdb_put(txn, raw->dbi, &k, &v, 0), "put");
	}
	raw_must(mdb_txn_commit(txn), "commit");
}
