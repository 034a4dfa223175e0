/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/link.h"
#include "crdt/state/state.h"
#include "tests/sim/check_closing.h"

#include <stdlib.h>

/* What a node may cost, by what it has to do with. */
enum { MEMORY_BASE = 4 << 20, MEMORY_PER_LINK = 1 << 20, MEMORY_PER_STREAM = 4096, MEMORY_PER_REQUEST = 4096 };

/* Dials that cross, links of processes that are gone and not missed yet. */
enum { LINKS_PER_PAIR = 8 };

/* --- Statements (1, 7, 8). */

static struct sum weigh_members(struct check *check, const struct members *members)
{
	static const struct hash_key key = { "weighs members" };
	struct buf buf = buf_growing(SIZE_MAX / 2);
	size_t count;
	const struct member *all = members_all(members, &count);
	struct sum sum;

	(void)check;
	for (size_t i = 0; i < count; i++) {
		buf_put_big_endian(&buf, all[i].node, 8);
		buf_put(&buf, all[i].key.bytes, sizeof all[i].key.bytes);
		buf_put(&buf, all[i].box_key.bytes, sizeof all[i].box_key.bytes);
		buf_put(&buf, all[i].gateway.bytes, sizeof all[i].gateway.bytes);
		buf_put_big_endian(&buf, all[i].sponsor, 8);
		buf_put_big_endian(&buf, all[i].heir, 8);
		buf_put_byte(&buf, all[i].is_evicted);
	}
	buf_put_big_endian(&buf, members_level(members), 8);
	sum = hash_wide(key, buf_bytes(&buf));
	buf_done(&buf);
	return sum;
}

static bool was_evicted(const struct disk *disk, uint64_t node)
{
	for (size_t i = 0; i < disk->evicted_count; i++)
		if (disk->evicted[i] == node)
			return true;
	return false;
}

/* From now on its streams stand where they stand. */
static void freeze(struct disk *disk, const struct mesh *mesh, uint64_t node)
{
	if (disk->evicted_count == disk->evicted_room) {
		disk->evicted_room = 2 * disk->evicted_room + 4;
		disk->evicted = must_realloc(disk->evicted, disk->evicted_room * sizeof *disk->evicted);
	}
	disk->evicted[disk->evicted_count++] = node;
	for (size_t i = 0; i < mesh->vector.count; i++)
		if (mesh->vector.all[i].stream.node == node)
			vector_add(&disk->frozen, mesh->vector.all[i].stream, mesh->vector.all[i].end);
}

static void thaw(struct disk *disk, size_t at)
{
	uint64_t node = disk->evicted[at];

	disk->evicted[at] = disk->evicted[--disk->evicted_count];
	for (size_t i = disk->frozen.count; i-- > 0;)
		if (disk->frozen.all[i].stream.node == node)
			vector_set(&disk->frozen, disk->frozen.all[i].stream, (struct end){ 0 });
}

static void follow_evictions(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);
	size_t count;
	const struct member *all = members_all(mesh->t0.members, &count);

	/* An eviction may turn out to be void. */
	for (size_t i = disk->evicted_count; i-- > 0;) {
		const struct member *member = members_find(mesh->t0.members, disk->evicted[i]);

		if (!member || !member->is_evicted)
			thaw(disk, i);
	}
	for (size_t i = 0; i < count; i++)
		if (all[i].is_evicted && !was_evicted(disk, all[i].node))
			freeze(disk, mesh, all[i].node);
}

void check_evicted_links(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);

	for (const struct link *link = mesh->links; link && check->disks[m->at].evicted_count; link = link->next) {
		if (link->is_closing || !session_is_up(link->session))
			continue;
		check->counts.partial[7]++;
		if (was_evicted(&check->disks[m->at], session_peer(link->session)->node))
			check_violate(check, 7, m, "a session with the evicted %016llx is open",
				      (unsigned long long)session_peer(link->session)->node);
	}
}

void check_statements(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);
	struct check_item *item;
	struct sum sum;

	if (disk->evicted_count)
		check_evicted_links(check, m);
	if (sum_equal(disk->members, mesh->t0.sum))
		return;
	disk->members = mesh->t0.sum;
	check->counts.partial[1]++;
	if (mesh->t0.stored < disk->statements || mesh->t0.count != mesh->t0.stored)
		check_violate(check, 8, m, "it had %zu statements, and has %zu of %zu", disk->statements,
			      mesh->t0.stored, mesh->t0.count);
	disk->statements = mesh->t0.stored;
	sum = weigh_members(check, mesh->t0.members);
	item = check_map_put(&check->members, mesh->t0.sum);
	if (item->words[2] && (item->words[0] != sum.low || item->words[1] != sum.high))
		check_violate(check, 1, m, "of the same statements it makes other members");
	item->words[0] = sum.low;
	item->words[1] = sum.high;
	item->words[2] = 1;
	follow_evictions(check, m);
	check_evicted_links(check, m);
}

/* --- Who believes what of whom (4). */

/* Which of two machines said it is not to be told. */
static bool has_clone(const struct check *check, uint64_t node)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (check->world->machines[i].is_clone && check->world->machines[i].id == node)
			return true;
	return false;
}

static void check_note(struct check *check, struct machine *m, const struct peer *peer)
{
	uint32_t at = check_machine_of(check, peer->node);
	const struct disk *disk = at == UINT32_MAX ? NULL : &check->disks[at];

	if (!disk || !disk->is_known || has_clone(check, peer->node))
		return;
	/* What was said of a disk that is gone says nothing of the new one. */
	if (disk->was_lost && (!peer->link || peer->link->made.ns <= disk->lost_ns || !peer->link->flow.is_begun))
		return;
	check->counts.partial[4]++;
	if (!chains_cover_all(&check->chains, &disk->vector, &peer->acked))
		check_violate(check, 4, m, "machine %s acknowledged to it what is not on its disk",
			      world_name(check->world, at));
}

void check_told(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);

	if (mesh->peers_count)
		check_note(check, m, mesh->peers[check->turn++ % mesh->peers_count]);
}

static void check_all_told(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);

	for (size_t i = 0; i < mesh->peers_count; i++)
		check_note(check, m, mesh->peers[i]);
}

/* --- Bounds (10). */

static void check_link(struct check *check, struct machine *m, const struct link *link)
{
	size_t hints = link->peer ? link->peer->hints.count : 0, asked = link->peer ? link->peer->asked.count : 0;

	check->counts.partial[10]++;
	if (link->flow.under_way[0] > PUSH_WINDOW + BATCH_MAX || link->flow.under_way[1] > PUSH_BULK_MOST + BATCH_MAX)
		check_violate(check, 10, m, "%llu and %llu bytes are under way on one link",
			      (unsigned long long)link->flow.under_way[0], (unsigned long long)link->flow.under_way[1]);
	if (link->flow.wants_count > FRAME_WANTS_MAX || link->wanted_count > FRAME_WANTS_MAX || hints > HINTS_MAX ||
	    asked > PENDING_ASKS || link->out.size)
		check_violate(check, 10, m, "%zu wants, %zu wanted, %zu hints, %zu questions, %zu bytes wait on a link",
			      (size_t)link->flow.wants_count, link->wanted_count, hints, asked, link->out.size);
}

void check_links(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);
	size_t n = check->world->options.machines, guests = 0;

	for (const struct link *link = mesh->links; link; link = link->next) {
		guests += !link->peer && !link->is_closing && !link->is_dialler;
		check_link(check, m, link);
	}
	if (guests > MESH_GUESTS_MAX || m->wires_count > WORLD_LINKS_MAX)
		check_violate(check, 10, m, "it has %zu strangers and %zu wires", guests, m->wires_count);
	if (net_links(check->world->net) > LINKS_PER_PAIR * n * n)
		check_violate(check, 10, m, "%zu machines have %zu links", n, net_links(check->world->net));
}

static size_t link_memory(const struct link *link)
{
	return sizeof *link + session_size(link->session) + link->out.room +
	       link->flow.sent_room * sizeof *link->flow.sent +
	       (link->told.room + link->named.room) * (sizeof(struct stream) + 4) +
	       (link->flow.wants ? FRAME_WANTS_MAX * sizeof *link->flow.wants : 0) +
	       (link->wanted ? FRAME_WANTS_MAX * sizeof *link->wanted : 0) + link->t0.count * sizeof *link->t0.theirs;
}

void check_memory(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);
	size_t streams = mesh->vector.count, used = sizeof *mesh, most;

	for (const struct link *link = mesh->links; link; link = link->next)
		used += link_memory(link);
	for (size_t i = 0; i < mesh->peers_count; i++)
		used += sizeof *mesh->peers[i] + mesh->peers[i]->acked.room * sizeof *mesh->peers[i]->acked.all;
	used += mesh->vector.room * sizeof *mesh->vector.all + mesh->gaps.room * sizeof *mesh->gaps.all +
		mesh->moved_room * sizeof *mesh->moved + mesh->changes.room * sizeof *mesh->changes.all +
		mesh->frame.room + mesh->t0.room * sizeof *mesh->t0.all +
		mesh->author.closed_room * sizeof *mesh->author.closed;
	most = MEMORY_BASE + mesh->links_count * MEMORY_PER_LINK +
	       streams * (mesh->peers_count + 1) * MEMORY_PER_STREAM + mesh->pendings.count * MEMORY_PER_REQUEST +
	       mesh->t0.count * 4 * sizeof *mesh->t0.all;
	check->counts.full[10]++;
	if (used > most)
		check_violate(check, 10, m, "it keeps %zu bytes with %zu links and %zu streams", used,
			      mesh->links_count, streams);
}

/* --- The state and the log (4, 8, 13). */

struct finding {
	struct check *check;
	struct machine *m;
	uint32_t invariant;
};

static void found(void *context, struct bytes key, const char *text)
{
	struct finding *finding = context;

	check_violate(finding->check, finding->invariant, finding->m, "in table %u: %s", key.size ? key.data[0] : 0,
		      text);
}

static void check_stored_root(struct check *check, struct machine *m, struct store_txn *txn)
{
	const struct mesh *mesh = check_mesh(m);
	struct root *root = arena_take(&check->arena, sizeof *root);
	struct finding finding = { check, m, 13 };
	struct err err = { 0 };
	enum code code = root_compute(txn, mesh->cluster, root, &err);

	check->counts.full[13]++;
	if (code)
		check_read_failed(check, 13, m, code, &err);
	else if (memcmp(root->buckets, mesh->root.buckets, sizeof root->buckets))
		check_violate(check, 13, m, "its root is not that of its records");
	arena_reset(&check->arena);
	/* Another version has other indexes, and says so itself. */
	if (m->core == &core_now)
		state_check(txn, found, &finding, &err);
}

/* What it believes to be durable is (4). */
static void check_stored_vector(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct vector stored = { 0 };
	struct err err = { 0 };
	enum code code = log_read_vector(txn, TABLE_VECTOR, &stored, &err);

	check->counts.full[4]++;
	if (code)
		check_read_failed(check, 4, m, code, &err);
	else if (!vector_equal(&stored, &check_mesh(m)->vector))
		check_violate(check, 4, m, "its vector is not the one on its disk");
	vector_done(&stored);
}

/* Whoever joins by a disk that lost a footprint has none of those below it. */
static bool is_any_damaged(const struct check *check)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (check->disks[i].is_damaged)
			return true;
	return false;
}

/* Each stream from its first entry on: as nothing is collected, queries have all of it (8). */
static void check_log(struct check *check, struct machine *m, struct store_txn *txn)
{
	const struct mesh *mesh = check_mesh(m);
	struct finding finding = { check, m, 8 };
	struct err err = { 0 };

	check->counts.full[8]++;
	for (size_t i = 0; i < mesh->vector.count; i++) {
		struct stream stream = mesh->vector.all[i].stream;
		uint64_t horizon = 0;
		enum code code = log_horizon(txn, stream, &horizon, &err);

		if (code)
			check_read_failed(check, 8, m, code, &err);
		else if (horizon && !is_any_damaged(check))
			check_violate(check, 8, m, "a stream of %016llx begins with %llu",
				      (unsigned long long)stream.node, (unsigned long long)horizon + 1);
	}
	log_check(txn, found, &finding, &err);
}

static void check_records(struct check *check, struct machine *m, struct store_txn *txn)
{
	uint8_t table = TABLE_RECORD;
	struct store_cursor *cursor;
	struct bytes key, value;
	struct err err = { 0 };
	enum code code = store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, &err);
	uint32_t kind;
	struct id id;

	if (code) {
		check_read_failed(check, 8, m, code, &err);
		return;
	}
	while (!(code = store_next(cursor, &key, &value, &err)))
		if (record_key_read(key, &kind, &id))
			check_record(check, m, txn, kind, id, value);
	store_range_end(cursor);
	if (code != E_ABSENT)
		check_read_failed(check, 8, m, code, &err);
}

void check_machine(struct check *check, struct machine *m)
{
	struct store_txn *txn = check->violation[0] || !m->node ? NULL : check_snapshot(check, m);

	if (!txn)
		return;
	check->counts.full[1]++;
	check->counts.full[7]++;
	check->counts.full[9]++;
	check_stored_vector(check, m, txn);
	check_records(check, m, txn);
	check_revoked(check, m, txn);
	check_others_revoked(check, m, txn);
	if (m->core == &core_now) {
		check_leases(check, m, txn);
		check_logins(check, m, txn);
	}
	check_log(check, m, txn);
	check_closings(check, m, txn);
	check_stored_root(check, m, txn);
	check_links(check, m);
	check_memory(check, m);
	check_all_told(check, m);
	check_evicted_links(check, m);
	store_end(txn);
}
