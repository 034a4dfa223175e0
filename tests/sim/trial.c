/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/trial.h"

#include "crdt/model/pack.h"
#include "crdt/state/state.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

static void replied(void *context, struct machine *m, const struct reply *reply)
{
	struct trial *t = context;

	check_replied(t->check, m, reply);
	t->refused += reply->code != OK;
	if (!reply->code && reply->count) {
		t->written++;
		t->last = reply->ids[0];
		memcpy(t->token, reply->token.data, reply->token.size);
		t->token_size = reply->token.size;
	}
	if (reply->number == t->awaited && !reply->code && !reply->is_behind) {
		t->read++;
		check_read(t->check, m->at, bytes_of(t->shown, t->shown_size));
	}
}

static void changed(void *context, struct machine *m, uint32_t kind, struct id id)
{
	struct trial *t = context;

	check_changed(t->check, m, kind, id);
}

static void stepped(void *context, struct machine *m)
{
	struct trial *t = context;

	check_stepped(t->check, m);
}

static void booted(void *context, struct machine *m)
{
	struct trial *t = context;

	check_booted(t->check, m);
}

static void died(void *context, struct machine *m)
{
	struct trial *t = context;

	check_died(t->check, m);
}

struct trial *trial_begin_some(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct trial *t = must_alloc(sizeof *t);
	struct world_options options = { .seed = seed, .machines = machines, .commit_ns = 1000000 };

	options.hooks = (struct world_hooks){
		.context = t, .replied = replied, .changed = changed, .stepped = stepped, .booted = booted, .died = died
	};
	t->rng = rng_from_number(seed);
	t->world = world_new(&options);
	t->world->timeline = getenv("TIMELINE") ? stderr : NULL;
	t->members = members;
	t->check = check_new(t->world);
	world_found_all(t->world, members);
	world_run(t->world, 5 * SECOND);
	return t;
}

struct trial *trial_begin(uint64_t seed, uint32_t machines)
{
	return trial_begin_some(seed, machines, machines);
}

void trial_end(struct trial *t)
{
	check_free(t->check);
	world_free(t->world);
	free(t);
}

void trial_run(struct trial *t, uint64_t ns)
{
	world_run(t->world, world_now(t->world) + ns);
}

void trial_is_well(struct trial *t)
{
	if (check_violation(t->check))
		fail_msg("%s", check_violation(t->check));
}

void trial_violates(struct trial *t, uint32_t invariant)
{
	char text[32];

	snprintf(text, sizeof text, "invariant %u:", invariant);
	if (!check_violation(t->check))
		fail_msg("invariant %u is not found to be violated", invariant);
	if (strncmp(check_violation(t->check), text, strlen(text)) != 0)
		fail_msg("not invariant %u: %s", invariant, check_violation(t->check));
}

struct id trial_make(struct trial *t, uint32_t machine, const struct kind *kind, void *row, uint32_t copies)
{
	uint8_t room[1024];
	struct buf map = buf_over(room, sizeof room);
	struct change change = { .what = CHANGE_CREATE, .kind = kind->number };
	struct asker asker = { .writes = BY_OWNER | BY_AGENT };
	uint64_t written = t->written;

	pack_write(&kind->shape, row, &map);
	change.map = buf_bytes(&map);
	check_asked(t->check, t->world->requests + 1, machine);
	world_write(t->world, machine, &asker, &change, 1, copies, bytes_of(NULL, 0));
	if (t->written == written && world_is_up(t->world, machine))
		trial_run(t, 10000000);
	return t->last;
}

void trial_remove(struct trial *t, uint32_t machine, uint32_t kind, struct id id)
{
	struct asker asker = { .writes = BY_OWNER };
	struct change change = { .what = CHANGE_REMOVE, .kind = kind, .id = id };

	check_asked(t->check, t->world->requests + 1, machine);
	world_write(t->world, machine, &asker, &change, 1, 0, bytes_of(NULL, 0));
}

void trial_read(struct trial *t, uint32_t machine)
{
	memcpy(t->shown, t->token, t->token_size);
	t->shown_size = t->token_size;
	t->awaited = t->world->requests + 1;
	world_await(t->world, machine, bytes_of(t->shown, t->shown_size), true);
}

void trial_write(struct trial *t, uint32_t machine, uint32_t copies)
{
	struct setting_row row = { .name = bytes_text("name"), .value = bytes_text("value") };

	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	trial_make(t, machine, KIND_TABLE(setting), &row, copies);
}

struct id trial_user(struct trial *t, uint32_t machine, const char *login)
{
	struct user_row row = { .login = bytes_text(login) };

	row.has = BIT(AT_user_login);
	return trial_make(t, machine, KIND_TABLE(user), &row, 0);
}

struct id trial_device(struct trial *t, uint32_t machine, struct id owner, const char *name)
{
	struct device_row row = { .owner = owner, .name = bytes_text(name) };

	rng_fill(&t->rng, row.public_key.bytes, sizeof row.public_key.bytes);
	row.has = BIT(AT_device_owner) | BIT(AT_device_name) | BIT(AT_device_public_key);
	return trial_make(t, machine, KIND_TABLE(device), &row, 0);
}

void trial_rest(struct trial *t)
{
	net_partition(t->world->net, NET_WHOLE, NULL);
	for (uint32_t i = 0; i < t->world->options.machines; i++)
		if (!world_is_up(t->world, i) && (i < t->members || t->world->machines[i].is_joining))
			world_boot(t->world, i);
	trial_run(t, check_patience(t->check));
	check_rest(t->check);
}

struct mesh *trial_mesh(struct trial *t, uint32_t machine)
{
	return (struct mesh *)(uintptr_t)world_mesh(t->world, machine);
}

void trial_tamper(struct trial *t, uint32_t machine, struct bytes key, const struct bytes *value)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(t->world->machines[machine].store, &txn, NULL), OK);
	assert_int_equal(value ? store_put(txn, key, *value, NULL) : store_delete(txn, key, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

void trial_clear(struct trial *t, uint32_t machine, uint8_t table)
{
	struct store_txn *txn;
	bool is_empty;

	assert_int_equal(store_begin(t->world->machines[machine].store, &txn, NULL), OK);
	assert_int_equal(store_clear_some(txn, table, 1000000, true, &is_empty, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

void trial_put(struct trial *t, uint32_t machine, uint32_t kind, struct id id, const struct record *record)
{
	static uint8_t room[RECORD_MAX];
	struct buf buf = buf_over(room, sizeof room);
	uint8_t key[RECORD_KEY_SIZE];
	struct bytes value;

	record_key_write(kind, id, key);
	record_write(record, &buf);
	value = buf_bytes(&buf);
	trial_tamper(t, machine, bytes_of(key, sizeof key), &value);
}

void trial_get(struct trial *t, uint32_t machine, uint32_t kind, struct id id, struct record *ret_record)
{
	static uint8_t room[4096];
	struct store_txn *txn;
	struct bytes stored;

	assert_int_equal(store_snapshot(t->world->machines[machine].store, &txn, NULL), OK);
	assert_int_equal(state_record(txn, kind, id, &stored, NULL), OK);
	assert_true(stored.size <= sizeof room);
	memcpy(room, stored.data, stored.size);
	assert_int_equal(record_read(bytes_of(room, stored.size), ret_record, NULL), OK);
	store_end(txn);
}

struct trial *trial_begin_with(struct id *ret_user, struct id *ret_device)
{
	struct trial *t = trial_begin(1, 3);

	*ret_user = trial_user(t, 0, "ann");
	*ret_device = trial_device(t, 0, *ret_user, "phone");
	trial_run(t, 2 * SECOND);
	trial_is_well(t);
	return t;
}

struct trial *trial_begin_any(void)
{
	struct id user, device;

	return trial_begin_with(&user, &device);
}
