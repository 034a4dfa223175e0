/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A state directory as an agent leaves it: what a node alone in its cluster wrote, with its log and the cluster's
 * statements, and records of every kind as if others had, some changed, some removed. Secrets in it contain
 * SECRET_MARK.
 */

#include "agent/verify.h"
#include "crdt/base/rng.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"
#include "tests/store/lone.h"
#include "tests/unit/model/gen_row.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "Usage: make_state STATE [SEED]\n"
			    "\n"
			    "Makes a state directory with records of every kind, as an agent leaves it, for\n"
			    "warrend --check and --dump. The values are random, from SEED, 1 without it. A\n"
			    "directory that is there already gets more of them; with the seed 0 it is only\n"
			    "opened, as an agent opens it.\n";

enum { PER_KIND = 12, COMMITS = 12 };

static const char secret_mark[] = "SECRET-MARK-0123456789abcdef0123456789";

static void must(enum code code, const struct err *err)
{
	if (!code)
		return;
	fprintf(stderr, "make_state: %s: %s\n", code_name(code), err->text);
	exit(1);
}

static void print_line(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "make_state: damaged: %s\n", text);
}

/* What is written at once: the transaction, and the root that goes with it. */
struct writing {
	struct store_txn *txn;
	struct root root;
	struct arena arena;
};

static struct writing begin(struct store *store, struct id cluster)
{
	struct writing writing = { .txn = NULL };
	struct err err = { 0 };

	must(store_begin(store, &writing.txn, &err), &err);
	must(root_read(writing.txn, cluster, &writing.root, &err), &err);
	return writing;
}

static void commit(struct writing *writing)
{
	struct err err = { 0 };

	must(root_put(writing->txn, &writing->root, &err), &err);
	must(store_commit(writing->txn, &err), &err);
	arena_done(&writing->arena);
}

static void merge_record(struct writing *writing, uint32_t kind, struct id id, const struct record *record)
{
	struct err err = { 0 };
	bool is_changed;

	must(state_merge(writing->txn, &writing->root, kind, id, record, &writing->arena, &is_changed, &err), &err);
}

static void merge(struct writing *writing, uint32_t kind, struct id id, struct bytes map, uint64_t at)
{
	struct record *record = arena_take(&writing->arena, sizeof *record);
	struct err err = { 0 };

	must(record_from_op(map, (struct stamp){ hlc_make(1790000000000 + at, 0), 7 }, record, &err), &err);
	merge_record(writing, kind, id, record);
}

static void remove_record(struct writing *writing, const struct kind *kind, struct id id)
{
	struct record *dead = arena_take(&writing->arena, sizeof *dead);

	dead->is_dead = true;
	merge_record(writing, kind->number, id, dead);
}

static void put_kind(struct store *store, struct id cluster, const struct kind *kind, struct rng *rng)
{
	struct writing writing = begin(store, cluster);

	for (size_t i = 0; i < PER_KIND; i++) {
		struct id id;
		struct bytes op = gen_op(kind, rng, &writing.arena, &id);

		merge(&writing, kind->number, id, op, i);
		if (i % 3 == 1)
			merge(&writing, kind->number, id, gen_change(kind, rng, &writing.arena), 100 + i);
		if (i % 6 == 5)
			remove_record(&writing, kind, id);
	}
	commit(&writing);
}

/* One whose secret is known, to be looked for in what is printed. */
static void put_marked(struct store *store, struct id cluster)
{
	static const uint8_t hash[32] = "hash of an api key's secret";
	struct api_key_row key = {
		.nonce = bytes_text("a nonce."),
		.hash = bytes_of(hash, sizeof hash),
		.prefix = bytes_text("abcdefgh"),
		.owner = { { 1 } },
		.name = bytes_text("nightly \"backup\" \\ job"),
		.expires = { 1800000000000 },
		.has = BIT(AT_api_key_nonce) | BIT(AT_api_key_hash) | BIT(AT_api_key_prefix) | BIT(AT_api_key_owner) |
		       BIT(AT_api_key_name) | BIT(AT_api_key_expires),
	};
	struct sealed_secret_row box = {
		.subject = { KIND_user, { { 1 } } },
		.member = 7,
		.box = bytes_text(secret_mark),
		.box_guard = { .generation = 1 },
		.has = BIT(AT_sealed_secret_subject) | BIT(AT_sealed_secret_member) | BIT(AT_sealed_secret_box),
	};
	const void *rows[] = { &key, &box };
	const struct kind *kinds[] = { KIND_TABLE(api_key), KIND_TABLE(sealed_secret) };
	struct writing writing = begin(store, cluster);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf map = buf_over(arena_take(&writing.arena, MODEL_OP_MAX), MODEL_OP_MAX);

		pack_write(&kinds[i]->shape, rows[i], &map);
		merge(&writing, kinds[i]->number, gen_id_of(kinds[i]->number, buf_bytes(&map)), buf_bytes(&map), 0);
	}
	commit(&writing);
}

/* What only a later version knows: a kind, and a field of a policy. */
static void put_later(struct store *store, struct id cluster)
{
	const uint32_t kinds[] = { 0xfff1, KIND_policy };
	struct writing writing = begin(store, cluster);

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct buf map = buf_over(arena_take(&writing.arena, 100), 100);

		mp_put_map(&map, 3);
		mp_put_uint(&map, 0);
		mp_put_bin(&map, bytes_text("nonce of 16 byte"));
		mp_put_uint(&map, 1 << 2 | MERGE_LWW);
		mp_put_text(&map, bytes_text("of a later version"));
		mp_put_uint(&map, 60 << 2 | MERGE_LWW);
		mp_put_uint(&map, 7);
		merge(&writing, kinds[i], gen_id_of(kinds[i], buf_bytes(&map)), buf_bytes(&map), 0);
	}
	commit(&writing);
}

/* The cluster's id. A node that was here before goes on behind what it wrote. */
static struct id let_node_write(struct store *store)
{
	struct lone lone = { .now_ns = 0 };
	const struct vector *vector;
	struct trim *trim;
	struct err err = { 0 };
	uint64_t next = 1;

	must(lone_open(&lone, store, &err), &err);
	vector = &node_mesh(lone.node)->vector;
	for (size_t i = 0; i < vector->count; i++)
		next += vector->all[i].end.seq;
	trim = &((struct mesh *)(uintptr_t)node_mesh(lone.node))->stable.trim;
	for (size_t i = 0; i < COMMITS; i++) {
		size_t size = lone_commit_size(next);

		/* Who is alone keeps less than whole batches only where there is no room for them. */
		trim->budget = i == COMMITS / 2 ? trim->bytes - 1 : LOG_BUDGET;
		lone.now_ns += (uint64_t)STABLE_EVERY_MS * 1000000;
		must(lone_write(&lone, next, size, &err), &err);
		if (lone.refused)
			must(fail(&err, lone.refused, "%s", lone.refusal), &err);
		next += size;
	}
	lone_close(&lone);
	return lone.cluster;
}

static int wrong_usage(const char *what)
{
	fprintf(stderr, "make_state: %s: see make_state --help\n", what);
	return 2;
}

static bool read_seed(const char *text, uint64_t *ret_seed)
{
	char *end;

	*ret_seed = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end;
}

int main(int argc, char **argv)
{
	struct verify_report report = { .line = print_line };
	uint64_t seed = 1;
	struct rng rng;
	struct hash_key secret;
	struct store *store;
	struct err err = { 0 };
	struct id cluster;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage, stdout) < 0;
	if (argc < 2 || argc > 3)
		return wrong_usage(argc < 2 ? "name the directory to make a state in" : "that is too much");
	if (*argv[1] == '-' || !*argv[1])
		return wrong_usage("that is neither a directory nor an option");
	if (argc == 3 && !read_seed(argv[2], &seed))
		return wrong_usage("a seed is a number");
	if (sodium_init() < 0)
		return 1;
	rng = rng_from_number(seed);
	rng_fill(&rng, &secret, sizeof secret);
	must(verify_and_open(argv[1], &secret, &report, &store, &err), &err);
	if (seed) {
		cluster = let_node_write(store);
		for (size_t i = 0; i < MODEL_KINDS; i++)
			put_kind(store, cluster, &model_kinds[i], &rng);
		put_marked(store, cluster);
		put_later(store, cluster);
	}
	store_close(store);
	return 0;
}
