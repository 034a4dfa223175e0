/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What it takes a fresh member to have what a donor has: from the donor's disk, through sealed frames, judged, to a
 * commit on the joiner's disk. Both ends work in turn in one process, so no time is spent on the way, and none saved by
 * working at once.
 */

#include "agent/store.h"
#include "bench/figure.h"
#include "bench/raw.h"
#include "crdt/gossip/session.h"
#include "crdt/gossip/taker.h"
#include "crdt/log/log.h"
#include "crdt/model/pack.h"
#include "crdt/state/index.h"
#include "crdt/state/install.h"
#include "crdt/state/state.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { SETTING_SIZE = 300, PER_COMMIT = 1000, ROUNDS_MAX = 8 };

struct bench {
	struct id cluster;
	struct signer root, author;
	struct members *members;
	struct rng rng;
	struct arena arena;
	size_t records;
	struct session_self selves[2];
	struct session *sessions[2]; /* the joiner's, the donor's */
	struct buf out[2];
	size_t joins;
	size_t carried, payload; /* bytes on the wire, and of the records and their keys */
};

/* --- Who is a member. */

static struct statement stated(struct bench *bench, const struct signer *signer, const struct kind *kind,
			       const void *row)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement statement;
	struct err err = { 0 };

	statement_write(signer, bench->cluster, kind, row, NULL, 0, &buf);
	must(statement_read(arena_copy(&bench->arena, buf_bytes(&buf)), &statement, &err), &err, "statement");
	buf_done(&buf);
	return statement;
}

static void found_cluster(struct bench *bench)
{
	struct signer one_time = signer_from_seed((const uint8_t[32]){ 3 });
	struct cluster_row cluster = { .nonce = bytes_of("of bench", 8), .root_key = bench->root.key };
	struct invite_row invite = { .key = one_time.key, .sponsor = bench->author.key, .expires = { 1800000000000 } };
	struct admission_row admission = { .key = bench->author.key };
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct statement all[3];
	struct signature proof;

	cluster.recovery_key = one_time.key;
	cluster.name = bytes_text("bench");
	cluster.has =
		BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) | BIT(AT_cluster_name);
	bench->cluster = cluster_id(&cluster);
	all[0] = stated(bench, &bench->root, KIND_TABLE(cluster), &cluster);
	invite.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	all[1] = stated(bench, &bench->root, KIND_TABLE(invite), &invite);
	admission.invite = all[1].id;
	proof = sign_make(&one_time, SIGN_ADMISSION,
			  admission_text(bench->cluster, all[1].id, admission.key, admission.box_key, room));
	admission.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	admission.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	all[2] = stated(bench, &bench->author, KIND_TABLE(admission), &admission);
	bench->members = members_make(bench->cluster, all, COUNT(all));
	if (!members_find(bench->members, node_of_key(bench->author.key)))
		must(E_ABSENT, &(struct err){ "the author is no member", false }, "found");
}

/* --- What the donor has. */

static void put_setting(struct bench *bench, struct store_txn *txn, uint64_t number)
{
	uint8_t nonce[8], before[16], value[SETTING_SIZE - 40];
	struct setting_row row = { .nonce = bytes_of(nonce, sizeof nonce), .name = bytes_text("bench.record") };
	struct audit_row audit = { .node = node_of_key(bench->author.key), .start = 1, .seq = number + 1 };

	rng_fill(&bench->rng, nonce, sizeof nonce);
	rng_fill(&bench->rng, before, sizeof before);
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)('a' + rng_below(&bench->rng, 26));
	row.value = bytes_of(value, sizeof value);
	row.has = BIT(AT_setting_nonce) | BIT(AT_setting_name) | BIT(AT_setting_value);
	audit.subject = (struct ref){ KIND_setting,
				      put_row(txn, KIND_TABLE(setting), &row, 1790000000000 + number, &bench->arena) };
	audit.before = bytes_of(before, sizeof before);
	audit.at.ms = 1790000000000;
	audit.actor = (struct ref){ KIND_user, bench->cluster };
	audit.action = bytes_text("setting.create");
	audit.outcome = OUTCOME_DONE;
	audit.has = BIT(AT_audit_node) | BIT(AT_audit_start) | BIT(AT_audit_seq) | BIT(AT_audit_before) |
		    BIT(AT_audit_at) | BIT(AT_audit_actor) | BIT(AT_audit_action) | BIT(AT_audit_subject) |
		    BIT(AT_audit_outcome);
	put_row(txn, KIND_TABLE(audit), &audit, 1790000000000 + number, &bench->arena);
}

/* In each index of its kind. */
static void put_device(struct bench *bench, struct store_txn *txn, uint64_t number)
{
	struct sample_device device;

	sample_device(&bench->rng, &device);
	device.row.expires.ms = 1800000000000 + rng_below(&bench->rng, 31536000000);
	device.row.expires_guard.generation = 1;
	device.row.has |= BIT(AT_device_expires);
	put_row(txn, KIND_TABLE(device), &device.row, 1790000000000 + number, &bench->arena);
}

/* What everybody has is no longer in the log, but for the end. */
static void put_end(struct bench *bench, struct store_txn *txn)
{
	struct stream stream = { node_of_key(bench->author.key), 1, LANE_PEOPLE };
	struct buf entries = buf_growing(ENTRY_MAX), whole = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_setting, .is_dead = true };
	struct frontier end = { .stream = stream };
	struct batch batch;
	struct err err = { 0 };

	entry_write(hlc_make(1790000000000, 0), NULL, &op, 1, &entries);
	batch_write(&bench->author, bench->cluster, stream, (struct end){ 0 }, buf_bytes(&entries), 1, &whole);
	must(batch_read(buf_bytes(&whole), &batch, &err), &err, "batch");
	end.end = batch.end;
	must(log_put_batch(txn, &batch, &err), &err, "log");
	must(log_put_ends(txn, TABLE_VECTOR, stream, &end, 1, &err), &err, "vector");
	must(log_put_ends(txn, TABLE_STABLE, stream, &end, 1, &err), &err, "stable");
	buf_done(&entries);
	buf_done(&whole);
}

static struct store *open_store(const char *name)
{
	struct hash_key key = { { 1 } };
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &key };
	struct store *store;
	char folder[256];
	struct err err = { 0 };

	state_folder(name, folder, sizeof folder);
	must(lmdb_store_open(folder, &options, &store, &err), &err, "open");
	must(state_open(store, &err), &err, "state");
	return store;
}

typedef void put_one(struct bench *bench, struct store_txn *txn, uint64_t number);

static struct store *make_donor(struct bench *bench, const char *name, put_one *put)
{
	struct store *store = open_store(name);
	struct store_txn *txn;
	struct err err = { 0 };

	for (size_t i = 0; i < bench->records;) {
		must(store_begin(store, &txn, &err), &err, "begin");
		if (!i)
			put_end(bench, txn);
		for (size_t n = 0; n < PER_COMMIT && i < bench->records; n++) {
			struct arena_mark mark = arena_mark(&bench->arena);

			put(bench, txn, i++);
			arena_release(&bench->arena, mark);
		}
		must(store_commit(txn, &err), &err, "commit");
	}
	return store;
}

/* --- The way. */

static void meet(struct bench *bench)
{
	struct bytes hello, frame;
	uint8_t random[32] = { 5 };
	struct err err = { 0 };

	for (size_t i = 0; i < 2; i++) {
		buf_clear(&bench->out[i]);
		session_free(bench->sessions[i]);
	}
	bench->sessions[0] =
		session_dial(&bench->selves[0], bench->author.key, random, (struct mono_time){ 1 }, &bench->out[0]);
	random[0] = 6;
	bench->sessions[1] = session_accept(&bench->selves[1], random, (struct mono_time){ 1 });
	for (size_t i = 0; i < 6; i++) {
		struct buf *from = &bench->out[i % 2];

		hello = buf_bytes(from);
		while (session_next(bench->sessions[1 - i % 2], &hello, &bench->out[1 - i % 2], &frame, &err) !=
		       SESSION_WAIT)
			continue;
		buf_clear(from);
	}
	if (!session_is_up(bench->sessions[0]) || !session_is_up(bench->sessions[1]))
		must(E_DENIED, &err, "handshake");
}

/* The next frame that the other end sent; false: none. */
static bool hear(struct bench *bench, size_t end, struct bytes *arrived, struct frame *ret_frame)
{
	struct stream_table told = { 0 };
	struct bytes bytes;
	struct err err = { 0 };

	switch (session_next(bench->sessions[end], arrived, &bench->out[end], &bytes, &err)) {
	case SESSION_FRAME: must(frame_read(bytes, LINK_MEMBER, &told, ret_frame, &err), &err, "frame"); return true;
	case SESSION_WAIT: return false;
	case SESSION_UP:
	case SESSION_BROKEN: break;
	}
	must(E_FORM, &err, "session");
	return false;
}

static void ask(struct bench *bench, struct taker *taker)
{
	struct buf frame = buf_growing(FRAME_MAX);

	if (taker_ask(taker, &frame))
		session_send(bench->sessions[0], buf_bytes(&frame), &bench->out[0]);
	buf_done(&frame);
}

/* The donor hears what it is asked, and answers. */
static void answer(struct bench *bench, struct store *donor)
{
	struct buf asked = bench->out[0], chunk = buf_growing(FRAME_MAX);
	struct bytes arrived = buf_bytes(&asked);
	struct frame frame;
	struct err err = { 0 };

	bench->out[0] = buf_growing(SIZE_MAX / 2);
	while (hear(bench, 1, &arrived, &frame)) {
		struct snap_debt debt = snap_debt_of(&frame);
		struct donor_window window;
		struct store_txn *look;

		must(store_snapshot(donor, &look, &err), &err, "look");
		must(donor_read(&window, look, &debt, &err), &err, "read");
		store_end(look);
		for (size_t i = 0; i < window.count; i++) {
			buf_clear(&chunk);
			donor_put(&window, i, &chunk);
			session_send(bench->sessions[1], buf_bytes(&chunk), &bench->out[1]);
		}
		donor_done(&window);
	}
	bench->carried += asked.size;
	buf_done(&asked);
	buf_done(&chunk);
}

static void take(struct bench *bench, struct taker *taker)
{
	struct buf sent = bench->out[1];
	struct bytes arrived = buf_bytes(&sent);
	struct frame frame;
	struct err err = { 0 };

	bench->out[1] = buf_growing(SIZE_MAX / 2);
	while (hear(bench, 0, &arrived, &frame)) {
		must(taker_take(taker, node_of_key(bench->author.key), &frame, bench->members, NULL,
				(struct mono_time){ 2 }, &err),
		     &err, "take");
		ask(bench, taker);
	}
	bench->carried += sent.size;
	buf_done(&sent);
}

static void put_in_place(struct bench *bench, struct taker *taker, struct store *store)
{
	struct root *root = must_alloc(sizeof *root);
	struct installing installing = { .gift = &taker->gift, .members = bench->members };
	struct vector vector = { 0 };
	struct installed installed;
	struct arena arena = { 0 };
	struct store_txn *txn;
	struct err err = { 0 };

	must(store_begin(store, &txn, &err), &err, "begin");
	must(root_read(txn, bench->cluster, root, &err), &err, "root");
	installing.txn = txn;
	installing.root = root;
	installing.vector = &vector;
	installing.arena = &arena;
	must(install_replace(&installing, &installed, &err), &err, "install");
	must(root_put(txn, root, &err), &err, "root");
	must(store_commit(txn, &err), &err, "commit");
	vector_done(&vector);
	arena_done(&arena);
	free(root);
}

static double join(struct bench *bench, struct store *donor)
{
	struct taker taker = { .stage = TAKER_IDLE };
	struct store *joiner;
	char name[32];
	double start;

	snprintf(name, sizeof name, "snapshot-joiner-%zu", ++bench->joins);
	joiner = open_store(name);

	bench->carried = 0;
	bench->payload = 0;
	meet(bench);
	start = now_seconds();
	taker_begin(&taker, node_of_key(bench->author.key), bench->cluster, (struct mono_time){ 1 });
	for (ask(bench, &taker); taker.stage == TAKER_GATHERS;) {
		answer(bench, donor);
		take(bench, &taker);
	}
	put_in_place(bench, &taker, joiner);
	start = now_seconds() - start;
	for (size_t i = 0; i < taker.gift.records_count; i++)
		bench->payload += SNAP_RECORD_KEY + taker.gift.records[i].record.size;
	taker_end(&taker);
	store_close(joiner);
	return start;
}

/* The same records into an empty LMDB, in order. */
static double append(const struct bench *bench, struct store *donor)
{
	char folder[256], name[32];
	struct store_txn *look;
	struct store_cursor *cursor;
	struct bytes key, value;
	struct err err = { 0 };
	struct raw raw;
	MDB_txn *txn;
	double start;

	snprintf(name, sizeof name, "snapshot-raw-%zu", bench->joins);
	state_folder(name, folder, sizeof folder);
	raw = raw_open(folder);
	must(store_snapshot(donor, &look, &err), &err, "look");
	must(store_range(look, bytes_of(&(uint8_t){ TABLE_RECORD }, 1), bytes_of(NULL, 0), &cursor, &err), &err,
	     "range");
	start = now_seconds();
	raw_must(mdb_txn_begin(raw.env, NULL, 0, &txn), "begin");
	while (!store_next(cursor, &key, &value, &err)) {
		MDB_val k = { key.size, (void *)(uintptr_t)key.data },
			v = { value.size, (void *)(uintptr_t)value.data };

		raw_must(mdb_put(txn, raw.dbi, &k, &v, MDB_APPEND), "append");
	}
	raw_must(mdb_txn_commit(txn), "commit");
	start = now_seconds() - start;
	store_range_end(cursor);
	store_end(look);
	raw_close(&raw);
	return start;
}

static void measure(struct bench *bench, const char *figure, const char *demand, const char *name, put_one *put,
		    size_t rounds)
{
	struct store *donor = make_donor(bench, name, put);
	double ours[ROUNDS_MAX], theirs[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		ours[i] = join(bench, donor);
		theirs[i] = append(bench, donor);
	}
	figure_print(&(struct figure){ figure, "s", demand, median(ours, rounds),
				       "raw LMDB, appending the same records", median(theirs, rounds) });
	store_close(donor);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);
	struct bench *bench = must_alloc(sizeof *bench);

	/* As the agent does: until then libsodium takes its slowest code. */
	if (sodium_init() < 0)
		return 1;
	bench->rng = rng_from_number(3);
	bench->root = signer_from_seed((const uint8_t[32]){ 7 });
	bench->author = signer_from_seed((const uint8_t[32]){ 8 });
	bench->records = is_quick ? 1000 : 100000;
	found_cluster(bench);
	for (size_t i = 0; i < 2; i++) {
		bench->selves[i] = (struct session_self){ i ? &bench->author : &bench->root, bench->cluster, i + 1 };
		bench->out[i] = buf_growing(SIZE_MAX / 2);
	}
	measure(bench, "snapshot.100k_s", "<= 0.5 s, bench records with their audit rows, donor's disk to joiner's",
		"snapshot-donor", put_setting, is_quick ? 1 : 5);
	figure_print(&(struct figure){ "snapshot.overhead_ratio", "bytes",
				       "<= 1.1 x the records and their keys, sealed and asks included",
				       (double)bench->carried, "the records and their keys", (double)bench->payload });
	measure(bench, "snapshot.100k_devices_s", "<= 3 s, with every index", "snapshot-devices", put_device,
		is_quick ? 1 : 5);
	for (size_t i = 0; i < 2; i++) {
		session_free(bench->sessions[i]);
		buf_done(&bench->out[i]);
	}
	members_free(bench->members);
	arena_done(&bench->arena);
	free(bench);
	return 0;
}
