/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/state/block_lease.h"
#include "crdt/state/claim.h"
#include "crdt/state/found.h"
#include "crdt/state/live.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"
#include "tests/sim/check_inside.h"

#include <stdlib.h>

/* What is known of a record beside its fields, which have numbers below MODEL_FIELD_MAX. */
enum { MARK_DEAD = 0x10000, GROWN_SIZE = 4 * sizeof(uint64_t) };

static void add_revoked(struct disk *disk, const struct key32 *key)
{
	if (disk->revoked_count == disk->revoked_room) {
		disk->revoked_room = 2 * disk->revoked_room + 16;
		disk->revoked = must_realloc(disk->revoked, disk->revoked_room * sizeof *disk->revoked);
	}
	disk->revoked[disk->revoked_count++] = *key;
}

static const struct cell *find_cell(const struct record *record, uint32_t number)
{
	for (size_t i = 0; i < record->count; i++)
		if (record->cells[i].number == number)
			return &record->cells[i];
	return NULL;
}

/* Whether a device could be let in: it counts, its key is nobody's who went, and nobody else's. */
static bool is_installable(struct store_txn *txn, struct id id, struct key32 key)
{
	struct device_row row;
	bool is_revoked = true;

	return !live_row(txn, KIND_TABLE(device), id, &row, NULL) && !mark_is_revoked(txn, key, &is_revoked, NULL) &&
	       !is_revoked;
}

/*
 * Whether a key that was revoked, here or elsewhere, is (2). Where a device is known as dead before it is known who it
 * is, its key is not among the revoked yet, and nobody could be let in with it.
 */
static void check_revoked_key(struct check *check, struct machine *m, struct store_txn *txn, struct key32 key,
			      bool is_own)
{
	struct ids ids = { 0 };
	struct err err = { 0 };
	bool is_revoked = false;
	enum code code = mark_is_revoked(txn, key, &is_revoked, &err);

	if (!code)
		code = ids_find(txn, KIND_TABLE(device), FIELD_TABLE(device, public_key), &key, &check->arena, &ids,
				&err);
	if (code) {
		check_read_failed(check, 2, m, code, &err);
		return;
	}
	if (!is_revoked && is_own)
		check_violate(check, 2, m, "a key that was revoked on its disk is not any more");
	for (size_t i = 0; i < ids.count; i++)
		if (is_installable(txn, ids.all[i], key))
			check_violate(check, 2, m, "a device with a revoked key could be let in");
	arena_reset(&check->arena);
}

void check_revoked(struct check *check, struct machine *m, struct store_txn *txn)
{
	const struct disk *disk = &check->disks[m->at];

	for (size_t i = 0; i < disk->revoked_count; i++) {
		check->counts.full[2]++;
		check_revoked_key(check, m, txn, disk->revoked[i], true);
	}
}

/* All that is urgent on the other disk is here. */
static bool has_urgent(const struct check *check, const struct vector *vector, const struct vector *other)
{
	for (size_t i = 0; i < other->count; i++)
		if (other->all[i].stream.lane == LANE_URGENT &&
		    !chains_cover(&check->chains, vector, other->all[i].stream, other->all[i].end))
			return false;
	return true;
}

static void check_their_revoked(struct check *check, struct machine *m, struct store_txn *txn, const struct disk *other,
				bool is_rest)
{
	for (size_t i = 0; i < other->revoked_count; i++) {
		check->counts.full[2]++;
		check_revoked_key(check, m, txn, other->revoked[i], is_rest);
	}
}

void check_others_revoked(struct check *check, struct machine *m, struct store_txn *txn)
{
	for (uint32_t i = 0; check->disks[m->at].was_lost && i < check->world->options.machines; i++) {
		const struct disk *other = &check->disks[i];

		if (i != m->at && !other->is_damaged && other->is_known &&
		    has_urgent(check, &check_mesh(m)->vector, &other->vector))
			check_their_revoked(check, m, txn, other, false);
	}
}

void check_all_revoked(struct check *check, struct machine *m, struct store_txn *txn)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (i != m->at && !check->disks[i].is_damaged && check_stands(check, i))
			check_their_revoked(check, m, txn, &check->disks[i], true);
}

static void learn_revoked(struct check *check, struct machine *m, struct store_txn *txn, uint32_t kind, struct id id,
			  const struct record *record)
{
	const struct field *field = FIELD_TABLE(device, public_key);
	const struct cell *cell = kind == KIND_device ? find_cell(record, field->number) : NULL;
	struct disk *disk = &check->disks[m->at];
	struct reader r;
	struct key32 key;

	/* The identity may come later than the `dead`, and changes the record then. */
	if (!cell || check_map_find(&disk->marks, check_key(id, kind, field->number)))
		return;
	r = reader_over(cell->value);
	if (pack_read_slot(field, &r, &key, NULL))
		return;
	check_map_put(&disk->marks, check_key(id, kind, field->number));
	add_revoked(disk, &key);
	check->counts.partial[2]++;
	check_revoked_key(check, m, txn, key, true);
}

/* A value that only grows (13). Canonical values compare as bytes, and zeroes behind them change nothing. */
static void check_grown(struct check *check, struct machine *m, uint32_t kind, struct id id, const struct cell *cell)
{
	struct disk *disk = &check->disks[m->at];
	struct check_item *item = check_map_put(&disk->marks, check_key(id, kind, cell->number));
	uint8_t now[GROWN_SIZE] = { 0 };

	memcpy(now, cell->value.data, cell->value.size < GROWN_SIZE ? cell->value.size : GROWN_SIZE);
	check->counts.partial[13]++;
	if (memcmp(now, item->words, GROWN_SIZE) < 0)
		check_violate(check, 13, m, "field %u of a record of kind %u became less", cell->number, kind);
	memcpy(item->words, now, GROWN_SIZE);
}

static void check_cells(struct check *check, struct machine *m, uint32_t kind, struct id id,
			const struct record *record)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct cell *cell = &record->cells[i];

		if (field_merge(cell->number) == MERGE_MAX)
			check_grown(check, m, kind, id, cell);
		if (field_merge(cell->number) != MERGE_LWW)
			continue;
		check->counts.partial[9]++;
		if (!hlc_is_valid(cell->stamp.hlc))
			check_violate(check, 9, m, "a stored stamp is beyond the end of time");
	}
}

void check_record(struct check *check, struct machine *m, struct store_txn *txn, uint32_t kind, struct id id,
		  struct bytes stored)
{
	struct disk *disk = &check->disks[m->at];
	struct record *record = check->record;
	struct sum dead = check_key(id, kind, MARK_DEAD);
	struct err err = { 0 };

	check->counts.partial[8]++;
	if (record_read(stored, record, &err)) {
		check_violate(check, 8, m, "a stored record of kind %u is none: %s", kind, err.text);
		return;
	}
	if (record->is_dead) {
		check_map_put(&disk->marks, dead);
		check_map_put(&check->dead, check_key(id, 0, 0));
		learn_revoked(check, m, txn, kind, id, record);
		return;
	}
	/* A disk that was old may have changed what was collected here: without its identity that is nothing. */
	if (record_has_identity(record) && check_map_find(&disk->marks, dead))
		check_violate(check, 8, m, "a record of kind %u that was dead lives", kind);
	check_cells(check, m, kind, id, record);
}

/* --- Names (6). */

/* The plain name of a user who counts is theirs, or nobody's. */
static void check_login(struct check *check, struct machine *m, struct store_txn *txn, struct id id)
{
	struct user_row row, other;
	struct id found;
	struct err err = { 0 };
	enum code code;

	if (m->core != &core_now || live_row(txn, KIND_TABLE(user), id, &row, NULL))
		return;
	check->counts.partial[6]++;
	code = claim_resolve(txn, KIND_TABLE(user), row.login, &check->arena, &found, &err);
	if (code && code != E_TAKEN)
		check_violate(check, 6, m, "the login of a live account leads nowhere: %s", err.text);
	if (!code && (!id_equal(found, id) || live_row(txn, KIND_TABLE(user), found, &other, NULL)))
		check_violate(check, 6, m, "the login of a live account leads to another one");
	arena_reset(&check->arena);
}

struct login {
	struct bytes name;
	struct id id;
};

static int compare_logins(const void *a, const void *b)
{
	const struct login *one = a, *other = b;
	int order = bytes_compare(one->name, other->name);

	return order ? order : memcmp(one->id.bytes, other->id.bytes, sizeof one->id.bytes);
}

/* What `count` live accounts with one login must come to. */
static void check_claim(struct check *check, struct machine *m, struct store_txn *txn, const struct login *all,
			size_t count)
{
	struct id found = { { 0 } };
	enum code code = claim_resolve(txn, KIND_TABLE(user), all->name, &check->arena, &found, NULL);

	check->counts.full[6]++;
	if (count > 1 && code != E_TAKEN)
		check_violate(check, 6, m, "a login that %zu live accounts claim means one of them", count);
	if (count == 1 && (code || !id_equal(found, all->id)))
		check_violate(check, 6, m, "a login that one live account claims does not lead there");
}

void check_logins(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct state_cursor *cursor;
	struct login *all = NULL;
	size_t count = 0, room = 0;
	struct user_row row;
	uint32_t kind;
	struct id id;

	if (state_all(txn, KIND_user, bytes_of(NULL, 0), &cursor, NULL))
		return;
	while (!state_next(cursor, &kind, &id, NULL)) {
		if (live_row(txn, KIND_TABLE(user), id, &row, NULL))
			continue;
		if (count == room) {
			room = 2 * room + 64;
			all = must_realloc(all, room * sizeof *all);
		}
		all[count++] = (struct login){ row.login, id };
	}
	state_find_end(cursor);
	if (count > 1)
		qsort(all, count, sizeof *all, compare_logins);
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && bytes_equal(all[next].name, all[i].name);)
			next++;
		check_claim(check, m, txn, &all[i], next - i);
	}
	free(all);
	arena_reset(&check->arena);
}

/* --- Leases (5). */

struct leased {
	struct id pool;
	struct address address;
	bool stands;
};

static int compare_leased(const void *a, const void *b)
{
	const struct leased *one = a, *other = b;
	int order = memcmp(one->pool.bytes, other->pool.bytes, sizeof one->pool.bytes);

	return order ? order : memcmp(&one->address, &other->address, sizeof one->address);
}

/* Whether an address may have been leased twice: somebody lost leases, or left, or lies. */
static bool may_be_shared(const struct check *check, const struct mesh *mesh)
{
	size_t count;
	const struct member *all = members_all(mesh->t0.members, &count);
	bool may = false;

	for (uint32_t i = 0; i < check->world->options.machines; i++)
		may |= check->disks[i].may_fork || check->disks[i].is_damaged || check->disks[i].is_evil;
	for (size_t i = 0; i < count; i++)
		may |= all[i].is_evicted;
	return may;
}

/* All live leases with an address. */
static struct leased *find_leases(struct check *check, struct store_txn *txn, size_t *count)
{
	struct state_cursor *cursor;
	struct leased *all = NULL;
	struct lease_row row;
	size_t room = 0;
	uint32_t kind;
	struct id id;

	if (state_all(txn, KIND_lease, bytes_of(NULL, 0), &cursor, NULL))
		return NULL;
	while (!state_next(cursor, &kind, &id, NULL)) {
		bool stands;

		if (live_row(txn, KIND_TABLE(lease), id, &row, NULL) || !(row.has & BIT(AT_lease_address)) ||
		    lease_stands(txn, id, &check->arena, &stands, NULL))
			continue;
		if (*count == room) {
			room = 2 * room + 64;
			all = must_realloc(all, room * sizeof *all);
		}
		memset(&all[*count], 0, sizeof *all);
		all[*count].pool = row.pool;
		memcpy(&all[*count].address, &row.address, sizeof row.address);
		all[(*count)++].stands = stands;
		check->counts.full[5]++;
	}
	state_find_end(cursor);
	return all;
}

void check_leases(struct check *check, struct machine *m, struct store_txn *txn)
{
	bool may_share = may_be_shared(check, check_mesh(m));
	size_t count = 0, standing = 0;
	struct leased *all = find_leases(check, txn, &count);

	if (count > 1)
		qsort(all, count, sizeof *all, compare_leased);
	for (size_t i = 0; i < count; i++) {
		bool is_same = i && !compare_leased(&all[i - 1], &all[i]);

		standing = (is_same ? standing : 0) + all[i].stands;
		if (standing > 1)
			check_violate(check, 5, m, "two live leases of one address stand");
		if (is_same && !may_share)
			check_violate(check, 5, m, "an address was leased twice, though nobody lost anything");
		check->counts.partial[5] += !may_share;
	}
	free(all);
	arena_reset(&check->arena);
}

/* Whether a live lease of the pool has the address, or one that ended left its mark. */
static bool is_taken(struct check *check, struct store_txn *txn, struct id pool, struct address address)
{
	const struct field *field = FIELD_TABLE(lease, address);
	bool is = false, is_marked = false;
	struct ids ids = { 0 };
	struct lease_row row;

	if (mark_is_set(txn, KIND_TABLE(lease), field, &address, &is_marked, NULL) ||
	    ids_find(txn, KIND_TABLE(lease), field, &address, &check->arena, &ids, NULL))
		return false;
	for (size_t i = 0; i < ids.count; i++)
		is |= !state_row(txn, KIND_TABLE(lease), ids.all[i], &row, NULL) && id_equal(row.pool, pool);
	return is || is_marked;
}

static bool has_just_given(const struct mesh *mesh, struct id transfer)
{
	for (size_t i = 0; i < mesh->lend.given_count; i++)
		if (id_equal(mesh->lend.given[i].transfer, transfer))
			return true;
	return false;
}

/* What a machine gave away in this step is free, unless a lease came in the same step. */
static void check_given(struct check *check, struct machine *m, struct store_txn *txn, struct id id)
{
	const struct changes *changes = &check->disks[m->at].changed;
	struct transfer_row row;
	bool may_be_taken = may_be_shared(check, check_mesh(m));

	for (size_t i = 0; i < changes->count; i++)
		may_be_taken |= changes->all[i].kind == KIND_lease;
	if (may_be_taken || !has_just_given(check_mesh(m), id) || state_row(txn, KIND_TABLE(transfer), id, &row, NULL))
		return;
	check->counts.partial[5]++;
	for (;;) {
		if (is_taken(check, txn, row.pool, row.first))
			check_violate(check, 5, m, "it gave away an address that has a lease, or the mark of one");
		if (!memcmp(row.first.bytes, row.last.bytes, row.first.size))
			break;
		for (size_t i = row.first.size; i-- && !++row.first.bytes[i];)
			;
	}
	arena_reset(&check->arena);
}

/* --- What a step changed. */

static void check_changed_record(struct check *check, struct machine *m, struct store_txn *txn,
				 const struct changed *changed)
{
	struct bytes stored;
	struct err err = { 0 };
	enum code code = state_record(txn, changed->kind, changed->id, &stored, &err);

	/* What is dead may be forgotten. */
	if (code == E_ABSENT && check_map_find(&check->dead, check_key(changed->id, 0, 0)))
		return;
	if (code) {
		check_read_failed(check, 8, m, code, &err);
		return;
	}
	check_record(check, m, txn, changed->kind, changed->id, stored);
	if (changed->kind == KIND_user)
		check_login(check, m, txn, changed->id);
	if (changed->kind == KIND_transfer)
		check_given(check, m, txn, changed->id);
}

void check_changed_records(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	struct store_txn *txn = check_snapshot(check, m);

	for (size_t i = 0; txn && i < disk->changed.count; i++)
		check_changed_record(check, m, txn, &disk->changed.all[i]);
	store_end(txn);
	changes_clear(&disk->changed);
}
