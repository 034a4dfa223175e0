/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes the log or the root of a state wrong, in a way that no hash of the store tells: what one who writes with our
 * own code, or a fault of it, could do. The stream is that of a node's people's lane, and of it what is whole.
 */

#include "agent/store.h"
#include "crdt/log/log.h"
#include "crdt/state/root.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "Usage: damage_state STATE WHAT\n"
			    "\n"
			    "Makes a state directory wrong, for warrend --check to find. WHAT is one of: gap,\n"
			    "last, signature, entries, end (of a stream's batches), root, statement,\n"
			    "statement-gap.\n";

enum { KEY_SIZE = 1 + 8 + 8 + 1 + 8 + 8, SIGNATURE_SIZE = 64 };

struct damage {
	struct store_txn *txn;
	struct arena arena;
	struct stream stream;
	struct batch second; /* whole batch of the stream */
	struct bytes last;   /* the key of its last one */
	struct end end;
};

static void must(enum code code, const struct err *err)
{
	if (!code)
		return;
	fprintf(stderr, "damage_state: %s: %s\n", code_name(code), err->text);
	exit(1);
}

static struct bytes key_of(struct damage *damage, struct end end)
{
	struct buf key = buf_over(arena_take(&damage->arena, KEY_SIZE), KEY_SIZE);

	buf_put_byte(&key, TABLE_BATCH);
	buf_put_big_endian(&key, damage->stream.node, 8);
	buf_put_big_endian(&key, damage->stream.start, 8);
	buf_put_byte(&key, (uint8_t)damage->stream.lane);
	buf_put_big_endian(&key, end.seq, 8);
	buf_put(&key, end.hash.bytes, 8);
	return buf_bytes(&key);
}

static void look_around(struct damage *damage)
{
	struct vector vector = { 0 };
	struct log_place place = log_behind(0);
	struct logged logged;
	struct err err = { 0 };
	size_t whole = 0;

	must(log_read_vector(damage->txn, TABLE_VECTOR, &vector, &err), &err);
	for (size_t i = 0; i < vector.count; i++)
		if (vector.all[i].stream.lane == LANE_PEOPLE) {
			damage->stream = vector.all[i].stream;
			damage->end = vector.all[i].end;
		}
	vector_done(&vector);
	do {
		must(log_after(damage->txn, damage->stream, place, &logged, &err), &err);
		place = log_place_of(&logged);
		whole += logged.form == LOG_WHOLE;
	} while (whole < 2);
	must(batch_read(arena_copy(&damage->arena, logged.bytes), &damage->second, &err), &err);
	damage->last = key_of(damage, damage->end);
}

/* Puts the value of a key again with one bit of it turned. */
static void turn(struct damage *damage, struct bytes key, size_t from_start, size_t from_end)
{
	struct bytes value, copy;
	struct err err = { 0 };

	must(store_get(damage->txn, key, &value, &err), &err);
	copy = arena_copy(&damage->arena, value);
	((uint8_t *)copy.data)[from_end ? copy.size - from_end : from_start] ^= 1;
	must(store_put(damage->txn, key, copy, &err), &err);
}

static struct bytes statement_key(uint8_t number)
{
	static uint8_t key[] = { TABLE_STATEMENT, 0, 0, 0, 0 };

	key[sizeof key - 1] = number;
	return bytes_of(key, sizeof key);
}

static bool make_damage(struct damage *damage, const char *what, struct err *err)
{
	struct bytes second = key_of(damage, damage->second.end);

	if (!strcmp(what, "gap")) {
		must(store_delete(damage->txn, second, err), err);
	} else if (!strcmp(what, "last")) {
		must(store_delete(damage->txn, damage->last, err), err);
	} else if (!strcmp(what, "signature")) {
		turn(damage, second, damage->second.header.size + 2 + SIGNATURE_SIZE - 1, 0);
	} else if (!strcmp(what, "entries")) {
		turn(damage, second, 0, 1);
	} else if (!strcmp(what, "end")) {
		damage->end.hash.bytes[0] ^= 1;
		must(log_put_ends(damage->txn, TABLE_VECTOR, damage->stream,
				  &(struct frontier){ damage->stream, damage->end }, 1, err),
		     err);
	} else if (!strcmp(what, "root")) {
		turn(damage, bytes_of(root_key, sizeof root_key), 0, 1);
	} else if (!strcmp(what, "statement")) {
		turn(damage, statement_key(1), 0, 1);
	} else if (!strcmp(what, "statement-gap")) {
		must(store_delete(damage->txn, statement_key(1), err), err);
	} else {
		return false;
	}
	return true;
}

static int wrong_usage(const char *what)
{
	fprintf(stderr, "damage_state: %s: see damage_state --help\n", what);
	return 2;
}

int main(int argc, char **argv)
{
	struct lmdb_options options = { .mode = LMDB_WRITER };
	struct damage damage = { .txn = NULL };
	struct err err = { 0 };
	struct store *store;
	bool is_known;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage, stdout) < 0;
	if (argc != 3)
		return wrong_usage("name the state directory and what to make wrong");
	if (sodium_init() < 0)
		return 1;
	must(lmdb_store_open(argv[1], &options, &store, &err), &err);
	must(store_begin(store, &damage.txn, &err), &err);
	look_around(&damage);
	is_known = make_damage(&damage, argv[2], &err);
	if (is_known)
		must(store_commit(damage.txn, &err), &err);
	else
		store_end(damage.txn);
	store_close(store);
	arena_done(&damage.arena);
	return is_known ? 0 : wrong_usage("it knows no such damage");
}
