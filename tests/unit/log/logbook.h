/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_LOGBOOK_H
#define WARREN_TEST_LOGBOOK_H

/*
 * What the tests of the log share: a store with the statements of a cluster of two members, and batches of them.
 */

#include "crdt/log/log.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/log/realm.h"

struct logbook {
	struct realm realm;
	struct arena arena;
	struct mem_disk *disk;
	struct store *store;
	struct store_txn *txn; /* the one that writes */
	struct signer root, founder, guest;
};

void logbook_begin(struct logbook *book);
void logbook_end(struct logbook *book);

void logbook_write(struct logbook *book);
void logbook_commit(struct logbook *book);
void logbook_abandon(struct logbook *book);

/* A batch of `count` entries behind `before`, of the author's node, not yet put; the stamps begin at `turn`. */
struct batch logbook_batch(struct logbook *book, const struct signer *author, struct stream stream, struct end before,
			   uint32_t count, uint64_t turn);

/* That the stream ends there and nowhere else; zeroed: nowhere. */
void logbook_put_end(struct logbook *book, struct stream stream, struct end end);

/* That the check finds so much, and says this first. */
void logbook_expect(struct logbook *book, size_t count, const char *text);

/* How much the check finds. */
size_t logbook_findings(struct logbook *book);

#endif
