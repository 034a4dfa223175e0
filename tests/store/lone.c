/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/lone.h"

#include "crdt/base/rng.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { MILLISECOND = 1000000 };

static const uint64_t epoch_ms = 1790000000000;
static const struct key32 box_key = { "a key that secrets are boxed to" };

size_t lone_commit_size(uint64_t first)
{
	return 1 + (first * UINT64_C(0x9E3779B97F4A7C15) >> 40) % LONE_COMMIT_MAX;
}

/* What it changes was made more than one commit before, so it is there to be found. */
enum lone_what lone_what(uint64_t number, uint64_t *ret_of)
{
	*ret_of = number;
	if (number > 8 && number % 4 == 3) {
		*ret_of = number - 5;
		return LONE_SET;
	}
	if (number > 8 && number % 4 == 0) {
		*ret_of = number - 7;
		return LONE_REMOVE;
	}
	return LONE_MAKE;
}

void lone_login(uint64_t number, char room[LONE_LOGIN_SIZE])
{
	snprintf(room, LONE_LOGIN_SIZE, "u%08" PRIu64, number % 100000000);
}

struct bytes lone_note(uint64_t number, uint8_t room[LONE_NOTE_MAX])
{
	uint64_t mix = (number + 1) * UINT64_C(0xD1B54A32D192ED03);
	size_t size = 1 + (mix >> 32) % ((mix >> 60) < 12 ? 100 : LONE_NOTE_MAX);

	for (size_t i = 0; i < size; i++)
		room[i] = (uint8_t)('a' + ((mix >> (i % 50)) + i) % 26);
	return bytes_of(room, size);
}

enum code lone_find(struct store_txn *txn, uint64_t number, struct id *ret_id, struct err *err)
{
	const struct kind *user = KIND_TABLE(user);
	struct state_cursor *cursor;
	char login[LONE_LOGIN_SIZE];
	struct bytes slot;
	uint32_t kind;
	enum code code;

	lone_login(number, login);
	slot = bytes_text(login);
	code = state_find(txn, user, &user->shape.fields[AT_user_login], &slot, bytes_of(NULL, 0), &cursor, err);
	if (code)
		return code;
	code = state_next(cursor, &kind, ret_id, err);
	state_find_end(cursor);
	return code;
}

static void hear_reply(void *context, const struct reply *reply)
{
	struct lone *lone = context;

	if (reply->code) {
		lone->refused = reply->code;
		snprintf(lone->refusal, sizeof lone->refusal, "%s", reply->text);
	}
	if (reply->number && lone->replied)
		lone->replied(lone->context, reply);
}

static void hear_alarm(void *context, const char *text)
{
	struct lone *lone = context;

	(void)text;
	lone->alarms++;
}

static void hear_change(void *context, uint32_t kind, struct id id)
{
	(void)context, (void)kind, (void)id;
}

static void hear_dial(void *context, uint64_t node)
{
	(void)context, (void)node;
}

static struct node_event event_at(struct lone *lone, enum node_event_kind kind, uint64_t seed)
{
	struct rng rng = rng_from_number(seed);
	struct node_event event = { .kind = kind };

	lone->now_ns += MILLISECOND;
	event.now.ns = lone->now_ns;
	event.wall.ms = epoch_ms + lone->now_ns / MILLISECOND;
	rng_fill(&rng, event.random, sizeof event.random);
	return event;
}

static struct bytes state_it(struct lone *lone, const struct signer *signer, const struct kind *kind, const void *row,
			     struct arena *arena)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct bytes whole;

	statement_write(signer, lone->cluster, kind, row, NULL, 0, &buf);
	whole = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}

static struct cluster_row cluster_row(const struct lone *lone)
{
	return (struct cluster_row){
		.nonce = bytes_text("one alone"),
		.root_key = lone->root.key,
		.recovery_key = signer_from_seed((const uint8_t[32]){ 3 }).key,
		.name = bytes_text("of one"),
		.has = BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) |
		       BIT(AT_cluster_name),
	};
}

/* The cluster, an invite of the node by itself, and what came of it. */
static void sign_all(struct lone *lone, struct bytes all[3], struct arena *arena)
{
	struct signer one_time = signer_from_seed((const uint8_t[32]){ 4 });
	struct cluster_row cluster = cluster_row(lone);
	struct invite_row invite = {
		.key = one_time.key,
		.sponsor = lone->signer.key,
		.gateway = { { 5 } },
		.expires = { epoch_ms + UINT64_C(31556952000) },
		.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires),
	};
	struct admission_row admission = {
		.key = lone->signer.key,
		.box_key = box_key,
		.has = BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) |
		       BIT(AT_admission_proof),
	};
	struct statement statement;
	struct signature proof;
	uint8_t room[ADMISSION_TEXT_SIZE];
	enum code code;

	all[0] = state_it(lone, &lone->root, KIND_TABLE(cluster), &cluster, arena);
	all[1] = state_it(lone, &lone->root, KIND_TABLE(invite), &invite, arena);
	code = statement_read(all[1], &statement, NULL);
	assert(!code);
	admission.invite = statement.id;
	proof = sign_make(&one_time, SIGN_ADMISSION,
			  admission_text(lone->cluster, admission.invite, admission.key, admission.box_key, room));
	admission.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	all[2] = state_it(lone, &lone->signer, KIND_TABLE(admission), &admission, arena);
}

enum code lone_found(struct lone *lone, struct err *err)
{
	struct node_event event = event_at(lone, EVENT_STATEMENTS, 6);
	struct arena arena = { 0 };
	struct bytes all[3];
	enum code code;

	lone->refused = OK;
	sign_all(lone, all, &arena);
	event.statements.all = all;
	event.statements.count = COUNT(all);
	code = node_step(lone->node, &event, err);
	code = node_commit(lone->node, code, err);
	arena_done(&arena);
	if (!code && lone->refused)
		code = fail(err, lone->refused, "%s", lone->refusal);
	return code;
}

enum code lone_open(struct lone *lone, struct store *store, struct err *err)
{
	struct node_config config = { .signer = &lone->signer, .box_key = box_key, .store = store };
	struct cluster_row row;
	enum code code = state_open(store, err);

	if (code)
		return code;
	lone->root = signer_from_seed((const uint8_t[32]){ 1 });
	lone->signer = signer_from_seed((const uint8_t[32]){ 2 });
	row = cluster_row(lone);
	lone->cluster = cluster_id(&row);
	lone->store = store;
	lone->effects = (struct effects){
		.context = lone, .dial = hear_dial, .reply = hear_reply, .changed = hear_change, .alarm = hear_alarm
	};
	config.cluster = lone->cluster;
	config.effects = &lone->effects;
	config.process = 7;
	code = node_open(&config, (struct mono_time){ lone->now_ns }, &lone->node, err);
	if (code || node_mesh(lone->node)->is_member)
		return code;
	return lone_found(lone, err);
}

void lone_close(struct lone *lone)
{
	node_close(lone->node);
	lone->node = NULL;
}

/* The change with a number, into `room`. */
static enum code make_change(struct lone *lone, uint64_t number, uint8_t room[2 * LONE_NOTE_MAX],
			     struct change *ret_change, struct err *err)
{
	struct user_row row = { .has = BIT(AT_user_note) };
	struct buf map = buf_over(room, 2 * LONE_NOTE_MAX);
	uint8_t note[LONE_NOTE_MAX];
	char login[LONE_LOGIN_SIZE];
	struct store_txn *look;
	uint64_t of;
	enum lone_what what = lone_what(number, &of);
	enum code code;

	*ret_change = (struct change){ .what = CHANGE_CREATE, .kind = KIND_user };
	row.note = lone_note(number, note);
	if (what == LONE_MAKE) {
		lone_login(number, login);
		row.login = bytes_text(login);
		row.has |= BIT(AT_user_login);
	}
	pack_write(&KIND_TABLE(user)->shape, &row, &map);
	ret_change->map = buf_bytes(&map);
	if (what == LONE_MAKE)
		return OK;
	ret_change->what = what == LONE_SET ? CHANGE_SET : CHANGE_REMOVE;
	if (what == LONE_REMOVE)
		ret_change->map = bytes_of(NULL, 0);
	code = store_snapshot(lone->store, &look, err);
	if (code)
		return code;
	code = lone_find(look, of, &ret_change->id, err);
	store_end(look);
	return code;
}

static enum code ask(struct lone *lone, uint64_t number, struct err *err)
{
	uint8_t room[2 * LONE_NOTE_MAX];
	struct change change;
	struct node_event event = event_at(lone, EVENT_WRITE, number);
	enum code code = make_change(lone, number, room, &change, err);

	if (code)
		return code;
	event.write.number = number;
	event.write.asker.writes = BY_OWNER;
	event.write.changes = &change;
	event.write.count = 1;
	event.write.action = bytes_text("user.test");
	return node_step(lone->node, &event, err);
}

enum code lone_write(struct lone *lone, uint64_t first, size_t count, struct err *err)
{
	struct node_event tick = event_at(lone, EVENT_TICK, first);
	enum code code = node_step(lone->node, &tick, err);

	lone->refused = OK;
	for (size_t i = 0; !code && i < count; i++)
		code = ask(lone, first + i, err);
	return node_commit(lone->node, code, err);
}
