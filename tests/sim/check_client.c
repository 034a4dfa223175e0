/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "crdt/state/state.h"
#include "tests/sim/check_inside.h"

#include <stdlib.h>

/* As token.c writes them; read here once more, so that both have to be right. */
enum { TOKEN_VECTOR = 1, TOKEN_COMMIT = 2, TOKEN_HASH = 8, SAMPLES = 2 };

/* What a token says of one stream. False: it is no token, or at its end. */
static bool next_item(struct reader *r, struct frontier *ret_item)
{
	struct frontier item = { .stream.node = read_big_endian(r, 8) };
	const uint8_t *hash;

	item.stream.start = mp_read(r).value;
	item.stream.lane = (enum lane)read_big_endian(r, 1);
	item.end.seq = mp_read(r).value;
	hash = read_bytes(r, TOKEN_HASH);
	if (!hash)
		return false;
	memcpy(item.end.hash.bytes, hash, TOKEN_HASH);
	*ret_item = item;
	return true;
}

/* Whether an end of the vector begins like that one. */
static bool has_end(const struct vector *vector, const struct frontier *item)
{
	for (size_t i = 0; i < vector->count; i++) {
		const struct frontier *f = &vector->all[i];

		if (!stream_compare(&f->stream, &item->stream) && f->end.seq == item->end.seq &&
		    !memcmp(f->end.hash.bytes, item->end.hash.bytes, TOKEN_HASH))
			return true;
	}
	return false;
}

/* An answer's token is what is durable here, no more (4) and no less (11). */
static void check_given(struct check *check, struct machine *m, struct bytes token)
{
	const struct mesh *mesh = check_mesh(m);
	struct reader r = reader_over(token);
	uint64_t form = read_big_endian(&r, 1);
	struct frontier item;
	size_t count = 0;

	check->counts.partial[11]++;
	if (form == TOKEN_COMMIT) {
		size_t at = check->commits_at++ % COMMITS;

		check->commits[at].node = mesh->node;
		check->commits[at].process = mesh->self.process;
		check->commits[at].commits = mesh->commits;
		vector_copy(&check->commits[at].vector, &mesh->vector);
		return;
	}
	while (form == TOKEN_VECTOR && reader_left(&r) && next_item(&r, &item)) {
		count++;
		if (!has_end(&mesh->vector, &item))
			check_violate(check, 11, m, "it gave a token of another state than its own");
	}
	if (form != TOKEN_VECTOR || r.is_short || count != mesh->vector.count)
		check_violate(check, 11, m, "it gave a token that does not say all of its state");
}

static void add_promise(struct check *check, const struct machine *m, struct id id)
{
	const struct mesh *mesh = check_mesh(m);
	struct promise *promise;

	if (check->promises_count == check->promises_room) {
		check->promises_room = 2 * check->promises_room + 256;
		check->promises = must_realloc(check->promises, check->promises_room * sizeof *check->promises);
	}
	promise = &check->promises[check->promises_count++];
	*promise = (struct promise){ .id = id, .machine = m->at, .start = mesh->author.start };
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		const struct end *end =
			vector_find(&mesh->vector, (struct stream){ mesh->node, mesh->author.start, lane });

		promise->ends[lane] = end ? *end : (struct end){ 0 };
	}
}

void check_asked(struct check *check, uint64_t number, uint32_t machine)
{
	struct check_item *item = check_map_put(&check->asked, (struct sum){ number, 1 });

	item->words[0] = machine;
	item->words[2] = check->world->machines[machine].node && check_mesh(&check->world->machines[machine])->is_twin;
}

void check_asked_any(struct check *check, uint64_t number, uint32_t machine)
{
	check_asked(check, number, machine);
	check_map_put(&check->asked, (struct sum){ number, 1 })->words[1] = true;
}

/* All that the author had written by then is durable, whether or not it was answered. */
static void note_acknowledged(struct check *check, struct machine *m, const struct reply *reply)
{
	const struct mesh *mesh = check_mesh(m);

	/* What stands on a damaged disk alone may be lost at any time. */
	if (check->disks[m->at].is_damaged)
		return;
	check->counts.partial[3]++;
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream stream = { mesh->node, mesh->author.start, lane };
		const struct end *end = vector_find(&mesh->vector, stream);

		if (end)
			vector_set(&check->disks[m->at].acked, stream, *end);
	}
	for (size_t i = 0; i < reply->count; i++)
		add_promise(check, m, reply->ids[i]);
}

/* Of whatever kind it is, and dead or alive. */
static bool is_there(struct store_txn *txn, struct id id)
{
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		struct bytes stored;

		if (!state_record(txn, model_kinds[i].number, id, &stored, NULL))
			return true;
	}
	return false;
}

/* Whether a machine has all of it; whoever is down may have. */
static bool may_have(struct check *check, uint32_t machine, const struct reply *reply)
{
	struct machine *m = &check->world->machines[machine];
	struct store_txn *txn;
	bool has = true;

	if (!m->node || check->disks[machine].was_lost || store_snapshot(m->store, &txn, NULL))
		return true;
	for (size_t i = 0; has && i < reply->count; i++)
		has = is_there(txn, reply->ids[i]);
	store_end(txn);
	return has;
}

/* As many others have it as the answer says. */
static void check_copies(struct check *check, struct machine *m, const struct reply *reply)
{
	uint32_t copies = 0;

	if (!reply->copies || reply->code)
		return;
	for (uint32_t i = 0; i < check->world->options.machines; i++)
		copies += i != m->at && may_have(check, i, reply);
	if (copies < reply->copies)
		check_violate(check, 3, m, "it counts %u copies, and %u others have it", reply->copies, copies);
}

void check_replied(struct check *check, struct machine *m, const struct reply *reply)
{
	const struct check_item *item = check_map_find(&check->asked, (struct sum){ reply->number, 1 });

	if (check->violation[0])
		return;
	if (item && item->words[0] != m->at)
		check_violate(check, 11, m, "it answered a request that was put to another");
	if (item && item->words[2] && !reply->code)
		check_violate(check, 4, m, "it knows that it runs twice, and writes");
	check_copies(check, m, reply);
	if (item && item->words[1])
		return;
	check_given(check, m, reply->token);
	if (!reply->code && (item || reply->count))
		note_acknowledged(check, m, reply);
}

/*
 * Whether all that its author had written by then is among what the vector says. Where a request was only repeated, the
 * record is not its author's, and says nothing of where it is.
 */
static bool is_promise_covered(const struct check *check, const struct promise *promise, const struct vector *vector)
{
	uint64_t node = check->world->machines[promise->machine].id;

	if (chains_only_others_wrote(&check->chains, promise->id, node, promise->start))
		return false;
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream stream = { node, promise->start, lane };

		if (promise->ends[lane].seq && !chains_cover(&check->chains, vector, stream, promise->ends[lane]))
			return false;
	}
	return true;
}

/* Some of what was promised before, in turn: where the place is covered, the record is there. */
static void check_samples(struct check *check, struct machine *m, struct store_txn *txn, const struct vector *shown)
{
	for (size_t i = 0; i < SAMPLES && check->promises_count; i++) {
		const struct promise *promise = &check->promises[check->promises_at++ % check->promises_count];

		if (is_promise_covered(check, promise, shown) && !is_there(txn, promise->id) &&
		    !check_map_find(&check->dead, check_key(promise->id, 0, 0)))
			check_violate(check, 11, m, "a client does not read what it was told is written");
	}
}

/* A token may name several ends of one stream. */
static void vector_show(struct vector *shown, const struct frontier *item)
{
	if (item->end.seq)
		vector_note_more(shown, item->stream, item->end);
}

static const struct vector *find_commit(const struct check *check, struct reader *r)
{
	uint64_t node = read_big_endian(r, 8), process = read_big_endian(r, 8), commits = mp_read(r).value;

	for (size_t i = 0; i < COMMITS; i++)
		if (check->commits[i].node == node && check->commits[i].process == process &&
		    check->commits[i].commits == commits)
			return &check->commits[i].vector;
	return NULL;
}

void check_read(struct check *check, uint32_t machine, struct bytes token)
{
	struct machine *m = &check->world->machines[machine];
	struct reader r = reader_over(token);
	uint64_t form = token.size ? read_big_endian(&r, 1) : TOKEN_VECTOR;
	struct vector shown = { 0 };
	const struct vector *commit = form == TOKEN_COMMIT ? find_commit(check, &r) : NULL;
	struct store_txn *txn = m->node && !check->violation[0] ? check_snapshot(check, m) : NULL;
	struct frontier item;

	if (!txn)
		return;
	check_statements(check, m);
	check_vector(check, m);
	check->counts.full[11]++;
	while (form == TOKEN_VECTOR && reader_left(&r) && next_item(&r, &item)) {
		if (!chains_cover(&check->chains, &check_mesh(m)->vector, item.stream, item.end))
			check_violate(check, 11, m, "a client reads there less than it saw before: %llu of %016llx",
				      (unsigned long long)item.end.seq, (unsigned long long)item.stream.node);
		vector_show(&shown, &item);
	}
	if (commit && !chains_cover_all(&check->chains, &check_mesh(m)->vector, commit))
		check_violate(check, 11, m, "a client reads there less than it saw before, by a commit's token");
	check_samples(check, m, txn, commit ? commit : &shown);
	vector_done(&shown);
	store_end(txn);
}

void check_kept(struct check *check, struct machine *m)
{
	const struct vector *acked = &check->disks[m->at].acked;

	for (size_t i = 0; i < acked->count; i++) {
		check->counts.full[4]++;
		if (!chains_cover(&check->chains, &check_mesh(m)->vector, acked->all[i].stream, acked->all[i].end))
			check_violate(check, 4, m, "what it acknowledged up to %llu is not on its disk",
				      (unsigned long long)acked->all[i].end.seq);
	}
}

/* The ids of all records, dead or alive. */
static struct check_map all_ids(struct store_txn *txn)
{
	struct check_map ids = { 0 };
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;

	if (state_all(txn, 0, bytes_of(NULL, 0), &cursor, NULL))
		return ids;
	while (!state_next(cursor, &kind, &id, NULL))
		check_map_put(&ids, check_key(id, 0, 0));
	state_find_end(cursor);
	return ids;
}

bool check_is_evicted(const struct machine *m, uint64_t node)
{
	const struct member *member = members_find(check_mesh(m)->t0.members, node);

	return !member || member->is_evicted;
}

/* What one disk has, or had, is here. */
static void check_arrived(struct check *check, struct machine *m, const struct frontier *all, size_t count,
			  const struct machine *from)
{
	for (size_t i = 0; i < count; i++) {
		check->counts.full[3]++;
		if (!chains_cover(&check->chains, &check_mesh(m)->vector, all[i].stream, all[i].end))
			check_violate(check, 3, m, "it has not got what machine %s had of %016llx up to %llu",
				      from->name, (unsigned long long)all[i].stream.node,
				      (unsigned long long)all[i].end.seq);
	}
}

void check_promises(struct check *check, struct machine *m, struct store_txn *txn)
{
	struct check_map ids = all_ids(txn);

	for (uint32_t i = 0; i < check->world->options.machines; i++) {
		const struct disk *disk = &check->disks[i];
		struct machine *from = &check->world->machines[i];

		if (disk->is_damaged || check_is_evicted(m, from->id))
			continue;
		check_arrived(check, m, disk->acked.all, disk->acked.count, from);
		check_arrived(check, m, disk->healed.all, disk->healed.count, from);
	}
	for (size_t i = 0; i < check->promises_count; i++) {
		const struct promise *promise = &check->promises[i];
		struct sum key = check_key(promise->id, 0, 0);

		check->counts.full[3]++;
		if (is_promise_covered(check, promise, &check_mesh(m)->vector) && !check_map_find(&ids, key) &&
		    !check_map_find(&check->dead, key))
			check_violate(check, 3, m, "a record that machine %s acknowledged is not there",
				      world_name(check->world, promise->machine));
	}
	check_map_done(&ids);
}
