/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/conflict.h"
#include "crdt/state/found.h"
#include "crdt/state/spend.h"
#include "crdt/state/state.h"
#include "tests/sim/check_inside.h"

#include <stdlib.h>

/* --- Once-only secrets, against the rule read literally (13): counted, and what is beyond it is said to be. */

/* Nothing happened to any disk, and nobody was evicted: then nothing is ever spent too often. */
static bool is_plain(const struct check *check, const struct machine *m)
{
	size_t count;
	const struct member *all = members_all(check_mesh(m)->t0.members, &count);

	for (uint32_t i = 0; i < check->world->options.machines; i++) {
		const struct disk *disk = &check->disks[i];

		if (disk->may_fork || disk->was_lost || disk->is_damaged || disk->is_evil)
			return false;
	}
	for (size_t i = 0; i < count; i++)
		if (all[i].is_evicted)
			return false;
	return true;
}

struct use {
	struct id id;
	struct ref credential;
	uint64_t ordinal;
	uint8_t nonce[16];
	size_t nonce_size;
};

struct uses {
	struct use *all;
	size_t count, room;
};

static void add_use(struct uses *uses, const struct spend_row *row)
{
	struct use *use;

	if (uses->count == uses->room) {
		uses->room = 2 * uses->room + 64;
		uses->all = must_realloc(uses->all, uses->room * sizeof *uses->all);
	}
	use = &uses->all[uses->count++];
	*use = (struct use){
		.id = row->id, .credential = row->credential, .ordinal = row->ordinal, .nonce_size = row->nonce.size
	};
	memcpy(use->nonce, row->nonce.data, row->nonce.size);
}

static struct uses all_uses(struct store_txn *txn)
{
	struct uses uses = { 0 };
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;

	if (state_all(txn, 0, bytes_of(NULL, 0), &cursor, NULL))
		return uses;
	while (!state_next(cursor, &kind, &id, NULL)) {
		struct spend_row row;

		if (kind == KIND_spend && !state_row(txn, KIND_TABLE(spend), id, &row, NULL))
			add_use(&uses, &row);
	}
	state_find_end(cursor);
	return uses;
}

static bool is_before(const struct use *a, const struct use *b)
{
	return a->ordinal != b->ordinal ? a->ordinal < b->ordinal : memcmp(&a->id, &b->id, sizeof a->id) < 0;
}

static bool is_flagged(const struct check_map *flagged, const struct use *use)
{
	return check_map_find(flagged, check_key(use->id, 0, 0));
}

static void flag(void *context, const struct conflict *conflict)
{
	if (conflict->what == CONFLICT_SPENT)
		check_map_put(context, check_key(conflict->id, 0, 0));
}

static uint64_t uses_of(struct store_txn *txn, struct ref ref)
{
	struct credential credential;

	return spend_credential(txn, ref, &credential, NULL) ? UINT64_MAX : credential.uses;
}

static void check_use(struct check *check, struct machine *m, struct store_txn *txn, const struct uses *uses,
		      const struct use *use, const struct check_map *flagged)
{
	uint64_t before = 0, most = uses_of(txn, use->credential);

	check->counts.full[13]++;
	for (size_t i = 0; i < uses->count; i++) {
		const struct use *other = &uses->all[i];

		if (other == use || !id_equal(other->credential.id, use->credential.id))
			continue;
		before += is_before(other, use);
		if (use->nonce_size == 16 && other->nonce_size == 16 && !memcmp(use->nonce, other->nonce, 16))
			check_violate(check, 13, m, "one request is two uses");
	}
	if (before >= most && is_plain(check, m))
		check_violate(check, 13, m, "a secret for %llu uses has %llu before one more", (unsigned long long)most,
			      (unsigned long long)before);
	if ((before >= most) != is_flagged(flagged, use))
		check_violate(check, 13, m, "a use is %sbeyond what its secret allows, and is %ssaid to be",
			      before >= most ? "" : "not ", is_flagged(flagged, use) ? "" : "not ");
}

void check_spends(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct uses uses = all_uses(txn);
	struct check_map flagged = { 0 };

	if (!conflict_find(txn, flag, &flagged, NULL))
		for (size_t i = 0; i < uses.count; i++)
			check_use(check, m, txn, &uses, &uses.all[i], &flagged);
	check_map_done(&flagged);
	free(uses.all);
}

/* Whether a machine has one of the uses, or is not there to say so. */
static bool may_have(struct check *check, const struct machine *m, const struct reply *reply)
{
	struct store_txn *txn;
	bool has = false;

	if (!m->node || check->disks[m->at].was_lost || check->disks[m->at].is_evil ||
	    store_snapshot(m->store, &txn, NULL))
		return m->has_key || m->is_clone || m->program.heard;
	for (size_t i = 0; i < reply->count; i++) {
		struct bytes stored;

		has |= !state_record(txn, KIND_spend, reply->ids[i], &stored, NULL);
	}
	store_end(txn);
	return has;
}

void check_spent(struct check *check, struct machine *m, const struct reply *reply)
{
	uint32_t count = 0;

	if (reply->code || check->violation[0] || members_standing(check_mesh(m)->t0.members) < 2)
		return;
	check->counts.partial[3]++;
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		count += may_have(check, &check->world->machines[i], reply);
	if (count < 2)
		check_violate(check, 3, m, "a secret's use was told to somebody before a second machine had it");
}
