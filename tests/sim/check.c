/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"

#include "crdt/gossip/antientropy.h"
#include "tests/sim/check_closing.h"

#include <stdarg.h>
#include <stdlib.h>

/* Links are gone over at every so many-th step of a machine, and a machine in full after so many steps for each item.
 */
enum { LINKS_EVERY = 16, STEPS_PER_ITEM = 8 };

/* Sessions, clocks and bounds are not a matter of what can be read. */
enum { NEVER_EXCUSED = 1 << 7 | 1 << 9 | 1 << 10 };

static void learn_nodes(struct check *check)
{
	const struct world *world = check->world;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		uint64_t node = world->machines[i].id;
		size_t at = node % NODES;

		while (check->nodes[at].node && check->nodes[at].node != node)
			at = (at + 1) % NODES;
		/* Of two machines with one id the first counts. */
		if (check->nodes[at].node)
			continue;
		check->nodes[at].node = node;
		check->nodes[at].machine = i;
	}
}

uint32_t check_machine_of(const struct check *check, uint64_t node)
{
	size_t at = node % NODES;

	while (check->nodes[at].node && check->nodes[at].node != node)
		at = (at + 1) % NODES;
	return check->nodes[at].node ? check->nodes[at].machine : UINT32_MAX;
}

struct check *check_new(struct world *world)
{
	struct check *check = must_alloc(sizeof *check);

	check->world = world;
	check->roots = must_alloc(ROOTS * sizeof *check->roots);
	check->commits = must_alloc(COMMITS * sizeof *check->commits);
	check->record = must_alloc(sizeof *check->record);
	check->due = CHECK_EVERY;
	learn_nodes(check);
	return check;
}

static void disk_done(struct disk *disk)
{
	vector_done(&disk->vector);
	vector_done(&disk->acked);
	vector_done(&disk->healed);
	vector_done(&disk->frozen);
	check_map_done(&disk->marks);
	changes_done(&disk->changed);
	free(disk->revoked);
	free(disk->evicted);
}

void check_free(struct check *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < WORLD_MACHINES_MAX; i++)
		disk_done(&check->disks[i]);
	for (size_t i = 0; i < COMMITS; i++)
		vector_done(&check->commits[i].vector);
	check_map_done(&check->members);
	check_map_done(&check->dead);
	check_map_done(&check->asked);
	check_map_done(&check->starts);
	chains_done(&check->chains);
	arena_done(&check->arena);
	free(check->promises);
	free(check->commits);
	free(check->roots);
	free(check->record);
	free(check);
}

void check_violate(struct check *check, uint32_t invariant, const struct machine *m, const char *format, ...)
{
	uint64_t ms = world_now(check->world) / 1000000;
	bool is_excused = m && check->disks[m->at].is_damaged && !(BIT(invariant) & NEVER_EXCUSED);
	char text[400];
	va_list args;

	if (check->violation[0] || is_excused)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(check->violation, sizeof check->violation, "invariant %u: machine %s at %llu.%03llu s: %s", invariant,
		 m ? m->name : "-", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000), text);
	world_say(check->world, "VIOLATION %s", check->violation);
}

const char *check_violation(const struct check *check)
{
	return check->violation[0] ? check->violation : NULL;
}

struct check_counts check_counts(const struct check *check)
{
	return check->counts;
}

uint64_t check_patience(const struct check *check)
{
	uint64_t rounds = 3;

	for (uint32_t n = 1; n < check->world->options.machines; n *= 2)
		rounds++;
	return rounds * ANTIENTROPY_ROUND;
}

struct store_txn *check_snapshot(struct check *check, struct machine *m)
{
	struct store_txn *txn;

	(void)check;
	return store_snapshot(m->store, &txn, NULL) ? NULL : txn;
}

void check_read_failed(struct check *check, uint32_t invariant, const struct machine *m, enum code code,
		       const struct err *err)
{
	if (code != E_IO)
		check_violate(check, invariant, m, "%s", err->text);
}

/* --- What moves. */

/* Takes over what the machine's log has of a stream behind a seq. */
static void learn_batches(struct check *check, struct machine *m, struct stream stream, uint64_t after)
{
	struct store_txn *txn = check_snapshot(check, m);
	struct log_place place = log_behind(after);
	struct logged logged;

	for (; txn && !log_after(txn, stream, place, &logged, NULL); place = log_place_of(&logged))
		if (logged.form == LOG_WHOLE)
			chains_learn(&check->chains, logged.bytes);
	store_end(txn);
}

/* Whether all that is durable at a node is known here: of each machine with its key a process was seen. */
static bool is_author_known(const struct check *check, uint64_t node)
{
	const struct world *world = check->world;
	bool is_known = false;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		if (world->machines[i].id != node)
			continue;
		if (!check->disks[i].is_known || check->disks[i].is_evil || check->disks[i].is_damaged)
			return false;
		is_known = true;
	}
	return is_known;
}

/* What its author never had durable, nobody else has (4). */
static void check_origin(struct check *check, struct machine *m, const struct frontier *now)
{
	const struct end *before = vector_find(&check->disks[m->at].vector, now->stream);

	check->counts.partial[4]++;
	if (chains_know(&check->chains, now->stream, now->end))
		return;
	if (m->id != now->stream.node && is_author_known(check, now->stream.node))
		check_violate(check, 4, m, "it has %llu entries of machine %s, on whose disk they never were",
			      (unsigned long long)now->end.seq,
			      world_name(check->world, check_machine_of(check, now->stream.node)));
	learn_batches(check, m, now->stream, before && before->seq < now->end.seq ? before->seq : 0);
}

static bool is_alone(const struct mesh *mesh)
{
	return members_standing(mesh->t0.members) <= 1;
}

/*
 * Before a process knows what others have of it, it merges nothing but that, and writes nothing (4). What it wrote
 * while it was alone may be durable together with the first that it lets in.
 */
static void check_early(struct check *check, struct machine *m, struct stream stream)
{
	const struct mesh *mesh = check_mesh(m);

	if (mesh->exchange.stage != EXCHANGE_OWN || mesh->exchange.is_stale || is_alone(mesh) ||
	    check->disks[m->at].was_alone)
		return;
	check->counts.partial[4]++;
	for (size_t i = 0; i < mesh->vector.count; i++) {
		const struct frontier *f = &mesh->vector.all[i];

		if (stream_compare(&f->stream, &stream) || vector_has(&check->disks[m->at].vector, f->stream, f->end))
			continue;
		if (f->stream.node != m->id)
			check_violate(check, 4, m, "it merges of %016llx before it knows what others have of itself",
				      (unsigned long long)f->stream.node);
		else if (!chains_know(&check->chains, f->stream, f->end))
			check_violate(check, 4, m, "it writes %llu before it knows what others have of it",
				      (unsigned long long)f->end.seq);
	}
}

/* What a replaced disk had stays beside its state, until its start is closed and it is merged again. */
static bool still_has(const struct check *check, const struct mesh *mesh, const struct frontier *was)
{
	return chains_cover(&check->chains, &mesh->vector, was->stream, was->end) ||
	       chains_cover(&check->chains, &mesh->had, was->stream, was->end);
}

/* A stream of somebody, here, goes on and never back (8), unless the disk is an old one, which may be replaced. */
static void check_move(struct check *check, struct machine *m, struct stream stream)
{
	struct disk *disk = &check->disks[m->at];
	const struct vector *now = &check_mesh(m)->vector;

	for (size_t i = 0; i < now->count; i++)
		if (!stream_compare(&now->all[i].stream, &stream))
			check_origin(check, m, &now->all[i]);
	check->counts.partial[8]++;
	for (size_t i = 0; !disk->was_lost && i < disk->vector.count; i++) {
		const struct frontier *was = &disk->vector.all[i];

		if (!stream_compare(&was->stream, &stream) && !still_has(check, check_mesh(m), was))
			check_violate(check, 8, m, "a stream of %016llx went from %llu to %llu",
				      (unsigned long long)stream.node, (unsigned long long)was->end.seq,
				      (unsigned long long)vector_seq(now, stream));
	}
}

/* Of who was evicted only what was merged before, or what a row that counts names, is here (7). */
static void check_frozen(struct check *check, struct machine *m)
{
	const struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);

	for (size_t i = 0; i < disk->evicted_count; i++)
		for (size_t j = 0; j < mesh->vector.count; j++) {
			const struct frontier *is = &mesh->vector.all[j];

			if (is->stream.node != disk->evicted[i])
				continue;
			check->counts.partial[7]++;
			if (!chains_cover(&check->chains, &disk->frozen, is->stream, is->end) &&
			    !check_may_move(check, m, is))
				check_violate(check, 7, m, "the stream of the evicted %016llx moved to %llu",
					      (unsigned long long)is->stream.node, (unsigned long long)is->end.seq);
		}
}

/* As good as root_total among those who do not forge, and it costs a tenth. */
static struct sum weigh_root(const struct root *root)
{
	struct sum sum = { 0 };

	for (uint64_t i = 0; i < ROOT_BUCKETS; i++) {
		sum.low += root->buckets[i].low * (2 * i + 1);
		sum.high += root->buckets[i].high * (2 * i + 1);
	}
	return sum;
}

/* Equal vectors, equal roots (1). */
static void check_root(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);
	struct sum root = weigh_root(&mesh->root);
	size_t at = mesh->vector.sum.low % ROOTS;

	/* The root of nothing is its cluster's, and a free place is the sum of nothing. */
	if (!mesh->vector.count || check->disks[m->at].is_damaged)
		return;
	check->counts.partial[1]++;
	if (sum_equal(check->roots[at].vector, mesh->vector.sum) && !sum_equal(check->roots[at].root, root))
		check_violate(check, 1, m, "its root is another than one with an equal vector had");
	check->roots[at].vector = mesh->vector.sum;
	check->roots[at].root = root;
}

/* Takes over the streams that changed; or, where they are too many to be known, all. */
static void follow_vector(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);
	bool is_whole = mesh->recent.at - disk->noted > ACK_RECENT;

	for (uint64_t i = disk->noted; !is_whole && i < mesh->recent.at; i++) {
		struct stream stream = mesh->recent.all[i % ACK_RECENT];

		check_early(check, m, stream);
		check_move(check, m, stream);
		vector_follow(&disk->vector, &mesh->vector, stream);
	}
	disk->noted = mesh->recent.at;
	if (!is_whole && sum_equal(disk->vector.sum, mesh->vector.sum))
		return;
	for (size_t i = 0; i < mesh->vector.count; i++)
		check_move(check, m, mesh->vector.all[i].stream);
	for (size_t i = 0; !disk->was_lost && i < disk->vector.count; i++)
		if (!still_has(check, mesh, &disk->vector.all[i]))
			check_violate(check, 8, m, "its vector went back");
	vector_copy(&disk->vector, &mesh->vector);
}

void check_vector(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);

	if (mesh->recent.at == disk->noted && sum_equal(disk->vector.sum, mesh->vector.sum))
		return;
	follow_vector(check, m);
	check_frozen(check, m);
	check_root(check, m);
}

/* --- What costs little enough for every step. */

/* The hybrid clock follows others no further than 10 s, and counts on for each entry (9). */
static void check_clock(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);

	if (mesh->wall.ms > disk->latest_ms)
		disk->latest_ms = mesh->wall.ms;
	if (mesh->author.hlc.bits == disk->hlc.bits)
		return;
	disk->hlc = mesh->author.hlc;
	check->counts.partial[9]++;
	if (hlc_ms(disk->hlc) > disk->latest_ms + HLC_MAX_AHEAD_MS + 1000 || !hlc_is_valid(disk->hlc))
		check_violate(check, 9, m, "its hybrid clock shows %llu ms, and its wall clock never more than %llu",
			      (unsigned long long)hlc_ms(disk->hlc), (unsigned long long)disk->latest_ms);
}

/* A start is begun once: not by a twin too, nor again by a disk that is old (4). */
static void check_start(struct check *check, struct machine *m, bool is_begun)
{
	struct disk *disk = &check->disks[m->at];
	const struct mesh *mesh = check_mesh(m);
	struct sum key = { .low = mesh->author.start, .high = m->id };

	if (mesh->author.start == disk->start)
		return;
	disk->start = mesh->author.start;
	check->counts.partial[4]++;
	if (is_begun && check_map_find(&check->starts, key))
		check_violate(check, 4, m, "it begins start %llx, which was begun before",
			      (unsigned long long)disk->start);
	check_map_put(&check->starts, key);
}

static bool is_any_forked(const struct check *check)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		if (check->disks[i].may_fork)
			return true;
	return false;
}

static void check_counters(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);

	check->counts.partial[10]++;
	if ((mesh->counts.fork || mesh->counts.unplaced) && !is_any_forked(check))
		check_violate(check, 4, m, "it met a fork, and nothing forked");
	if (mesh->links_count > MESH_LINKS_MAX || mesh->pendings.count > 2 * PENDING_MAX ||
	    mesh->gaps.count > ANTIENTROPY_GAPS || mesh->alarms_count || mesh->txn || mesh->look)
		check_violate(check, 10, m, "after a step there are %zu links, %zu requests, %zu gaps, %zu alarms",
			      mesh->links_count, mesh->pendings.count, mesh->gaps.count, mesh->alarms_count);
}

static void take_turn(struct check *check)
{
	const struct world *world = check->world;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		struct machine *m = &check->world->machines[check->turn++ % world->options.machines];

		if (!m->node)
			continue;
		check_machine(check, m);
		return;
	}
}

static void check_in_turn(struct check *check, struct machine *m)
{
	struct store_txn *txn;
	uint64_t items = 0;

	check->steps++;
	if (check->steps % LINKS_EVERY == 0) {
		check_links(check, m);
		check_told(check, m);
	}
	if (check->steps < check->due)
		return;
	txn = check_snapshot(check, m);
	if (txn)
		items = store_count(txn, TABLE_RECORD) + store_count(txn, TABLE_BATCH);
	store_end(txn);
	check->due = check->steps + (items * STEPS_PER_ITEM > CHECK_EVERY ? items * STEPS_PER_ITEM : CHECK_EVERY);
	take_turn(check);
}

/*
 * Where a key is in use twice, what one process acknowledged is taken for the other's word too. So a log may have been
 * cut of what nobody else has, and a state that took the place of this one may lack it: a limit that the docs name.
 */
static void note_replaced(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];
	uint64_t replaced = check_mesh(m)->counts.replaced;
	bool has_clones = false;

	for (uint32_t i = 0; i < check->world->options.machines; i++)
		has_clones |= check->world->machines[i].is_clone;
	if (has_clones && replaced > disk->replaced) {
		vector_done(&disk->vector);
		vector_done(&disk->acked);
		vector_done(&disk->healed);
		check_map_done(&disk->marks);
		disk->revoked_count = 0;
		disk->may_fork = disk->was_lost = true;
		disk->lost_ns = world_now(check->world);
	}
	disk->replaced = replaced;
}

void check_stepped(struct check *check, struct machine *m)
{
	if (check->violation[0])
		return;
	note_replaced(check, m);
	check_statements(check, m);
	check_vector(check, m);
	check->disks[m->at].was_alone = is_alone(check_mesh(m));
	check_clock(check, m);
	check_start(check, m, true);
	check_counters(check, m);
	if (check->disks[m->at].changed.count)
		check_changed_records(check, m);
	check_gates(check, m);
	check_in_turn(check, m);
}

void check_changed(struct check *check, struct machine *m, uint32_t kind, struct id id)
{
	changes_add(&check->disks[m->at].changed, kind, id);
}

/* --- What becomes of machines. */

/* What others hold of a machine's streams is on its disk, now that it is read again (4). */
static void check_others(struct check *check, struct machine *m)
{
	const struct mesh *mesh = check_mesh(m);

	for (uint32_t i = 0; i < check->world->options.machines; i++) {
		const struct vector *theirs = &check->disks[i].vector;

		for (size_t j = 0; i != m->at && j < theirs->count; j++) {
			const struct frontier *f = &theirs->all[j];

			if (f->stream.node != m->id)
				continue;
			check->counts.full[4]++;
			if (f->end.seq > vector_seq(&mesh->vector, f->stream))
				check_violate(check, 4, m,
					      "it starts with %llu of its own entries, machine %s has %llu",
					      (unsigned long long)vector_seq(&mesh->vector, f->stream),
					      world_name(check->world, i), (unsigned long long)f->end.seq);
		}
	}
}

/* What a process that died in a step made durable of its own, nobody else may know yet. */
static void learn_own(struct check *check, struct machine *m)
{
	const struct vector *vector = &check_mesh(m)->vector;

	for (size_t i = 0; i < vector->count; i++)
		if (vector->all[i].stream.node == m->id &&
		    !chains_know(&check->chains, vector->all[i].stream, vector->all[i].end))
			learn_batches(check, m, vector->all[i].stream, 0);
}

void check_booted(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];

	disk->noted = disk->replaced = 0;
	disk->hlc = (struct hlc){ 0 };
	disk->members = (struct sum){ 0 };
	changes_clear(&disk->changed);
	if (check->violation[0])
		return;
	check_start(check, m, false);
	if (!disk->may_fork)
		check_others(check, m);
	learn_own(check, m);
	check_kept(check, m);
	check_statements(check, m);
	check_vector(check, m);
	disk->is_known = true;
	check_gates_booted(check, m);
	disk->was_alone = is_alone(check_mesh(m));
	check_machine(check, m);
}

/* A process that ended within a step may have made more durable than it told us, so others may have more. */
void check_died(struct check *check, struct machine *m)
{
	struct disk *disk = &check->disks[m->at];

	disk->is_known &= !m->died;
	changes_clear(&disk->changed);
}

void check_may_fork(struct check *check, uint32_t machine)
{
	check->disks[machine].may_fork = true;
}

void check_disk_lost(struct check *check, uint32_t machine)
{
	struct disk *disk = &check->disks[machine];

	disk_done(disk);
	*disk = (struct disk){
		.may_fork = true, .was_lost = true, .lost_ns = world_now(check->world), .latest_ms = disk->latest_ms
	};
}

void check_disk_restored(struct check *check, uint32_t machine, const struct vector *has)
{
	check_disk_lost(check, machine);
	vector_copy(&check->disks[machine].vector, has);
}

void check_disk_cloned(struct check *check, uint32_t machine, uint32_t of, const struct vector *has)
{
	check_may_fork(check, of);
	check_disk_restored(check, machine, has);
}

void check_healed(struct check *check)
{
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		vector_copy(&check->disks[i].healed, &check->disks[i].vector);
}

void check_evil(struct check *check, uint32_t machine)
{
	check_may_fork(check, machine);
	check->disks[machine].is_evil = true;
}

void check_disk_damaged(struct check *check, uint32_t machine)
{
	check_disk_lost(check, machine);
	check->disks[machine].is_damaged = true;
}
