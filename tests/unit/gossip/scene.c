/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/scene.h"

#include "crdt/log/log.h"
#include "crdt/model/pack.h"
#include "crdt/state/index.h"
#include "crdt/state/state.h"
#include "tests/unit/gossip/puppet.h"

#include <stdio.h>
#include <stdlib.h>

static const struct hash_key disk_key = { "disks of a scene" };

/* --- The cluster. */

uint64_t scene_node(const struct scene *scene, uint32_t key)
{
	return node_of_key(scene->keys[key].key);
}

static int compare_signers(const void *a, const void *b)
{
	const struct signer *one = a, *other = b;
	uint64_t left = node_of_key(one->key), right = node_of_key(other->key);

	return (left > right) - (left < right);
}

static struct signer make_signer(struct scene *scene)
{
	uint8_t seed[32];

	rng_fill(&scene->rng, seed, sizeof seed);
	return signer_from_seed(seed);
}

struct bytes scene_sign(struct scene *scene, const struct signer *signer, const struct kind *kind, const void *row)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct bytes whole;

	statement_write(signer, scene->cluster, kind, row, NULL, 0, &buf);
	whole = arena_copy(&scene->arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}

struct id scene_statement_id(struct bytes whole)
{
	struct statement statement;

	assert_int_equal(statement_read(whole, &statement, NULL), OK);
	return statement.id;
}

struct bytes scene_invite(struct scene *scene, struct key32 sponsor, uint64_t expires_ms, struct signer *ret_one_time)
{
	struct invite_row row = { .sponsor = sponsor, .expires = { expires_ms } };

	*ret_one_time = make_signer(scene);
	row.key = ret_one_time->key;
	rng_fill(&scene->rng, row.gateway.bytes, sizeof row.gateway.bytes);
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	return scene_sign(scene, &scene->root, KIND_TABLE(invite), &row);
}

struct bytes scene_admit(struct scene *scene, const struct signer *sponsor, const struct signer *one_time,
			 struct id invite, uint32_t key)
{
	struct admission_row row = { .invite = invite, .key = scene->keys[key].key, .box_key = scene->box_keys[key] };
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct signature proof =
		sign_make(one_time, SIGN_ADMISSION, admission_text(scene->cluster, invite, row.key, row.box_key, room));

	row.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	row.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	return scene_sign(scene, sponsor, KIND_TABLE(admission), &row);
}

struct bytes scene_evict(struct scene *scene, uint32_t key, uint32_t heir)
{
	struct eviction_row row = { .key = scene->keys[key].key, .heir = scene->keys[heir].key };

	row.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) | BIT(AT_eviction_standing);
	return scene_sign(scene, &scene->root, KIND_TABLE(eviction), &row);
}

static void found(struct scene *scene, uint32_t members)
{
	struct cluster_row row = { .nonce = bytes_of("of scenes", 8),
				   .root_key = scene->root.key,
				   .recovery_key = scene->recovery.key,
				   .name = bytes_text("scene") };
	struct signer one_time;

	row.has =
		BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) | BIT(AT_cluster_name);
	scene->cluster = cluster_id(&row);
	scene->statements[scene->count++] = scene_sign(scene, &scene->root, KIND_TABLE(cluster), &row);
	for (uint32_t i = 0; i < members; i++) {
		struct bytes invite = scene_invite(scene, scene->keys[0].key, scene->wall.ms + 1000000, &one_time);

		scene->statements[scene->count++] = invite;
		scene->statements[scene->count++] =
			scene_admit(scene, &scene->keys[0], &one_time, scene_statement_id(invite), i);
	}
}

struct scene *scene_new(uint32_t members)
{
	struct scene *scene = must_alloc(sizeof *scene);

	scene->now = 1000 * MESH_SECOND;
	scene->wall.ms = UINT64_C(1790000000000);
	scene->rng = rng_from_number(1);
	scene->root = make_signer(scene);
	scene->recovery = make_signer(scene);
	for (size_t i = 0; i < SCENE_KEYS; i++) {
		scene->keys[i] = make_signer(scene);
		rng_fill(&scene->rng, scene->box_keys[i].bytes, sizeof scene->box_keys[i].bytes);
		scene->disks[i] = mem_disk_new();
	}
	qsort(scene->keys, SCENE_KEYS, sizeof *scene->keys, compare_signers);
	found(scene, members);
	return scene;
}

void scene_free(struct scene *scene)
{
	for (size_t i = 0; i < SCENE_REALS; i++)
		real_end(&scene->reals[i]);
	for (size_t i = 0; i < scene->puppets_count; i++)
		puppet_free(scene->puppets[i]);
	for (size_t i = 0; i < scene->wires_count; i++) {
		buf_done(&scene->wires[i].under_way[0]);
		buf_done(&scene->wires[i].under_way[1]);
	}
	for (size_t i = 0; i < SCENE_KEYS; i++)
		mem_disk_free(scene->disks[i]);
	arena_done(&scene->arena);
	free(scene);
}

/* --- What nodes ask of the world. */

static struct wire *wire_of(struct real *real, uint32_t number, size_t *ret_side)
{
	for (size_t i = 0; i < real->scene->wires_count; i++)
		for (size_t side = 0; side < 2; side++) {
			struct wire *wire = &real->scene->wires[i];

			*ret_side = side;
			if (wire->ends[side] == real && wire->numbers[side] == number)
				return wire;
		}
	return NULL;
}

static void effect_send(void *context, uint32_t number, struct bytes bytes)
{
	struct real *real = context;
	size_t side;
	struct wire *wire = wire_of(real, number, &side);

	real->sends++;
	assert_non_null(wire);
	assert_false(wire->is_closed[side]);
	if (wire->puppet)
		puppet_hear(wire->puppet, bytes);
	else
		buf_put_bytes(&wire->under_way[!side], bytes);
}

static void effect_close(void *context, uint32_t number)
{
	struct real *real = context;
	size_t side;
	struct wire *wire = wire_of(real, number, &side);

	assert_non_null(wire);
	assert_false(wire->is_closed[side]);
	wire->is_closed[side] = true;
	if (wire->puppet)
		wire->puppet->is_closed = true;
}

static void effect_dial(void *context, uint64_t node)
{
	struct real *real = context;

	if (real->dials_count < SCENE_SEEN)
		real->dials[real->dials_count++] = node;
}

static void effect_reply(void *context, const struct reply *reply)
{
	struct real *real = context;
	struct answered *a = &real->replies[real->replies_count++];

	assert_true(real->replies_count < SCENE_SEEN);
	*a = (struct answered){ .number = reply->number,
				.code = reply->code,
				.count = reply->count,
				.copies = reply->copies,
				.is_behind = reply->is_behind,
				.is_lost = reply->is_lost,
				.token_size = reply->token.size };
	memcpy(a->token, reply->token.data, reply->token.size);
	if (reply->text)
		snprintf(a->text, sizeof a->text, "%s", reply->text);
	if (reply->count)
		a->id = reply->ids[0];
}

static void effect_changed(void *context, uint32_t kind, struct id id)
{
	struct real *real = context;

	(void)kind;
	(void)id;
	real->changes++;
}

static void effect_alarm(void *context, const char *text)
{
	struct real *real = context;

	if (real->alarms_count < SCENE_SEEN)
		snprintf(real->alarms[real->alarms_count++], sizeof real->alarms[0], "%s", text);
}

static const struct effects all_effects = {
	.send = effect_send,
	.close = effect_close,
	.dial = effect_dial,
	.reply = effect_reply,
	.changed = effect_changed,
	.alarm = effect_alarm,
};

/* --- Nodes. */

static void start(struct real *real)
{
	struct scene *scene = real->scene;
	struct node_config config = { .is_new = !scene->has_key[real->key],
				      .signer = &scene->keys[real->key],
				      .box_key = scene->box_keys[real->key],
				      .cluster = scene->cluster,
				      .process = rng_u64(&scene->rng),
				      .effects = &real->effects,
				      .joining = real->is_joining ? &real->joining : NULL };
	struct err err = { 0 };

	real->disk = scene->disks[real->key];
	real->effects = all_effects;
	real->effects.context = real;
	real->process = config.process;
	if (mem_store_open(real->disk, &disk_key, &real->store, &err) || state_open(real->store, &err))
		fail_msg("%s", err.text);
	config.store = real->store;
	scene->has_key[real->key] = true;
	if (node_open(&config, (struct mono_time){ scene->now }, &real->node, &err))
		fail_msg("%s", err.text);
}

static struct real *free_place(struct scene *scene, uint32_t key)
{
	struct real *real = scene->reals;

	while (real->node)
		real++;
	assert_true(real < scene->reals + SCENE_REALS);
	*real = (struct real){ .scene = scene, .key = key };
	return real;
}

struct real *real_boot(struct scene *scene, uint32_t key)
{
	struct real *real = free_place(scene, key);

	start(real);
	if (!real_mesh(real)->t0.count)
		real_bring(real, scene->statements, scene->count);
	real_forget(real);
	return real;
}

struct real *real_boot_joining(struct scene *scene, uint32_t key, const struct joining *joining)
{
	struct real *real = free_place(scene, key);

	real->joining = *joining;
	real->is_joining = true;
	start(real);
	return real;
}

void real_end(struct real *real)
{
	node_close(real->node);
	store_close(real->store);
	real->node = NULL;
	real->store = NULL;
}

enum code real_commit(struct real *real)
{
	enum code failed = real->failed;

	real->failed = OK;
	return node_commit(real->node, failed, &real->err);
}

void real_event(struct real *real, struct node_event *event)
{
	event->now.ns = real->scene->now;
	event->wall = real->scene->wall;
	rng_fill(&real->scene->rng, event->random, sizeof event->random);
	if (!real->failed)
		real->failed = node_step(real->node, event, &real->err);
	if (!real->is_gathering && real_commit(real))
		fail_msg("%s", real->err.text);
}

void real_tick(struct real *real)
{
	struct node_event event = { .kind = EVENT_TICK };

	real_event(real, &event);
}

uint64_t real_write(struct real *real, size_t size, uint32_t copies)
{
	uint8_t text[4000] = { 0 }, room[4200];
	char name[32];
	struct setting_row row = { .value = bytes_of(text, size) };
	struct buf map = buf_over(room, sizeof room);
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++real->scene->requests,
					       .asker = { .writes = BY_OWNER },
					       .changes = &change,
					       .count = 1,
					       .action = bytes_text("scene.write"),
					       .copies = copies } };

	snprintf(name, sizeof name, "name-%llu", (unsigned long long)event.write.number);
	memset(text, 'x', sizeof text);
	row.name = bytes_text(name);
	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	change.map = buf_bytes(&map);
	real_event(real, &event);
	return event.write.number;
}

uint64_t real_bring(struct real *real, const struct bytes *all, size_t count)
{
	struct node_event event = { .kind = EVENT_STATEMENTS,
				    .statements = { .number = ++real->scene->requests, .all = all, .count = count } };

	real_event(real, &event);
	return event.statements.number;
}

uint64_t real_await(struct real *real, struct bytes token, bool is_strict)
{
	struct node_event event = {
		.kind = EVENT_AWAIT,
		.await = { .number = ++real->scene->requests, .token = token, .is_strict = is_strict }
	};

	real_event(real, &event);
	return event.await.number;
}

const struct answered *real_answer(const struct real *real, uint64_t number)
{
	const struct answered *found = NULL;

	for (size_t i = 0; i < real->replies_count; i++)
		if (real->replies[i].number == number) {
			assert_null(found);
			found = &real->replies[i];
		}
	return found;
}

bool real_has_alarm(const struct real *real, const char *text)
{
	for (size_t i = 0; i < real->alarms_count; i++)
		if (!strcmp(real->alarms[i], text))
			return true;
	return false;
}

void real_forget(struct real *real)
{
	real->replies_count = real->alarms_count = real->dials_count = real->sends = real->changes = 0;
}

struct id real_disk(const struct real *real)
{
	struct buf all = buf_growing(SIZE_MAX / 2);
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value, part;
	struct id hash;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(store_range(txn, bytes_of(NULL, 0), bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!store_next(cursor, &key, &value, NULL)) {
		buf_put_big_endian(&all, key.size, 4);
		buf_put_bytes(&all, key);
		buf_put_big_endian(&all, value.size, 4);
		buf_put_bytes(&all, value);
	}
	store_range_end(cursor);
	store_end(txn);
	part = buf_bytes(&all);
	hash = hash_id(&part, 1);
	buf_done(&all);
	return hash;
}

static void found_wrong(void *context, struct bytes key, const char *text)
{
	(void)context;
	(void)key;
	print_error("%s\n", text);
}

static void check_author(const struct mesh *mesh, struct store_txn *txn)
{
	static const uint8_t key[] = { TABLE_META, 'a' };
	struct bytes value;

	assert_int_equal(mesh->author.closed_count + mesh->moved_count + mesh->changes.count, 0);
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream own = { mesh->node, mesh->author.start, lane };
		const struct end *end = vector_find(&mesh->vector, own);

		assert_int_equal(mesh->author.lanes[lane].count, 0);
		assert_int_equal(mesh->author.lanes[lane].end.seq, end ? end->seq : 0);
	}
	if (store_get(txn, bytes_of(key, sizeof key), &value, NULL)) {
		assert_int_equal(mesh->author.audit_seq, 0);
	} else {
		struct reader r = reader_over(value);

		assert_int_equal(read_big_endian(&r, 8), mesh->author.audit_seq);
		assert_memory_equal(r.at, mesh->author.audit_hash.bytes, 16);
	}
}

void real_check(const struct real *real)
{
	const struct mesh *mesh = real_mesh(real);
	struct vector vector = { 0 };
	struct arena arena = { 0 };
	struct statement *all;
	struct store_txn *txn;
	struct root root;
	size_t count;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(log_read_vector(txn, TABLE_VECTOR, &vector, NULL), OK);
	assert_true(vector_equal(&vector, &mesh->vector));
	vector_done(&vector);
	assert_int_equal(root_compute(txn, mesh->cluster, &root, NULL), OK);
	assert_memory_equal(root.buckets, mesh->root.buckets, sizeof root.buckets);
	assert_int_equal(log_read_statements(txn, &arena, &all, &count, NULL), OK);
	assert_int_equal(count, mesh->t0.count);
	for (size_t i = 0; i < count; i++)
		assert_true(id_equal(all[i].hash, mesh->t0.all[i].hash));
	arena_done(&arena);
	check_author(mesh, txn);
	assert_int_equal(log_check(txn, found_wrong, NULL, NULL), OK);
	assert_int_equal(state_check(txn, found_wrong, NULL, NULL), OK);
	store_end(txn);
	assert_null(mesh->txn);
	assert_null(mesh->look);
}

/* --- Time, and bytes between nodes. */

struct wire *scene_meet(struct scene *scene, struct real *dialler, struct real *other)
{
	struct wire *wire = &scene->wires[scene->wires_count++];
	struct node_event opened = { .kind = EVENT_OPENED }, accepted = { .kind = EVENT_ACCEPTED };

	assert_true(scene->wires_count < SCENE_WIRES);
	*wire = (struct wire){ .ends = { dialler, other }, .numbers = { ++scene->links, ++scene->links } };
	wire->under_way[0] = buf_growing(SIZE_MAX / 2);
	wire->under_way[1] = buf_growing(SIZE_MAX / 2);
	opened.link.number = wire->numbers[0];
	opened.link.node = scene_node(scene, other->key);
	accepted.link.number = wire->numbers[1];
	real_event(dialler, &opened);
	real_event(other, &accepted);
	return wire;
}

static void tell_gone(struct real *real, uint32_t number)
{
	struct node_event event = { .kind = EVENT_GONE };

	event.link.number = number;
	if (real && real->node)
		real_event(real, &event);
}

void scene_cut(struct wire *wire)
{
	for (size_t side = 0; side < 2; side++) {
		bool was_closed = wire->is_closed[side];

		buf_clear(&wire->under_way[side]);
		wire->is_closed[side] = true;
		if (!was_closed)
			tell_gone(wire->ends[side], wire->numbers[side]);
	}
}

/* What is under way to one end; false: nothing. */
static bool carry_one(struct wire *wire, size_t side)
{
	struct node_event event = { .kind = EVENT_BYTES };
	struct buf *to = &wire->under_way[side];
	struct buf taken = *to;

	if (wire->is_closed[side] || wire->is_held)
		return false;
	if (to->size) {
		*to = buf_growing(SIZE_MAX / 2);
		event.link.number = wire->numbers[side];
		event.link.bytes = buf_bytes(&taken);
		real_event(wire->ends[side], &event);
		buf_done(&taken);
		return true;
	}
	if (!wire->is_closed[!side])
		return false;
	wire->is_closed[side] = true;
	tell_gone(wire->ends[side], wire->numbers[side]);
	return true;
}

void scene_carry(struct scene *scene)
{
	bool moved = true;

	for (size_t rounds = 0; moved; rounds++) {
		assert_true(rounds < 10000);
		moved = false;
		for (size_t i = 0; i < scene->wires_count; i++)
			if (!scene->wires[i].puppet)
				for (size_t side = 0; side < 2; side++)
					moved = carry_one(&scene->wires[i], side) || moved;
	}
}

static uint64_t tick_all(struct scene *scene)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < SCENE_REALS; i++) {
		struct real *real = &scene->reals[i];

		if (real->node && node_next(real->node).ns <= scene->now)
			real_tick(real);
		if (real->node && node_next(real->node).ns < next)
			next = node_next(real->node).ns;
	}
	return next;
}

void scene_pass(struct scene *scene, uint64_t ms)
{
	uint64_t until = scene->now + ms * MS, began = scene->now, wall = scene->wall.ms;

	for (size_t rounds = 0; scene->now < until; rounds++) {
		uint64_t next;

		/* A node that wants tick after tick at one time would never let it pass. */
		assert_true(rounds < 100 + 20 * ms);
		scene_carry(scene);
		next = tick_all(scene);
		if (next > scene->now)
			scene->now = next < until ? next : until;
		scene->wall.ms = wall + (scene->now - began) / MS;
	}
	scene_carry(scene);
	tick_all(scene);
}
