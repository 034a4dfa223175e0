/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/lend_case.h"

#include "crdt/state/live.h"
#include "crdt/state/state.h"

#include <stdio.h>

/* --- What people ask. */

static struct bytes pack(struct scene *scene, const struct kind *kind, const void *row)
{
	struct buf map = buf_over(arena_take(&scene->arena, MODEL_OP_MAX), MODEL_OP_MAX);

	pack_write(&kind->shape, row, &map);
	return buf_bytes(&map);
}

struct change creates(struct scene *scene, const struct kind *kind, const void *row)
{
	return (struct change){ .what = CHANGE_CREATE, .kind = kind->number, .map = pack(scene, kind, row) };
}

/* `key`: what makes a repeat the same request; NULL: nothing. */
uint64_t ask(struct real *real, const struct change *changes, size_t count, const char *key)
{
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++real->scene->requests,
					       .asker = { .writes = BY_OWNER | BY_AGENT },
					       .changes = changes,
					       .count = count,
					       .idempotency = bytes_text(key ? key : ""),
					       .action = bytes_text("test.lend") } };

	real_event(real, &event);
	return event.write.number;
}

struct id made(struct real *real, const struct kind *kind, const void *row)
{
	struct change change = creates(real->scene, kind, row);
	const struct answered *answer = real_answer(real, ask(real, &change, 1, NULL));

	assert_non_null(answer);
	if (answer->code)
		fail_msg("%s", answer->text);
	return answer->id;
}

static struct network network_of(const char *text)
{
	struct network network;

	assert_int_equal(network_parse(bytes_text(text), &network, NULL), OK);
	return network;
}

struct id made_pool(struct real *real, const char *network)
{
	struct pool_row row = { .has = BIT(AT_pool_name) | BIT(AT_pool_network4),
				.name = bytes_text(network),
				.network4 = network_of(network) };

	return made(real, KIND_TABLE(pool), &row);
}

struct id made_user(struct real *real)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text("anna") };

	return made(real, KIND_TABLE(user), &row);
}

uint64_t ask_leases(struct real *real, struct id user, struct id pool, size_t count)
{
	struct scene *scene = real->scene;
	uint64_t number = scene->requests + 1;
	struct change changes[JUDGE_CHANGES_MAX];

	assert_in_range(count, 1, COUNT(changes) / 2);
	for (size_t i = 0; i < count; i++) {
		struct device_row device = {
			.has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name), .owner = user
		};
		struct lease_row lease = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool),
					   .device = judge_made(2 * i),
					   .pool = pool };
		char name[32];

		snprintf(name, sizeof name, "device-%llu-%zu", (unsigned long long)number, i);
		memcpy(device.public_key.bytes, &number, sizeof number);
		device.public_key.bytes[sizeof number] = (uint8_t)i;
		device.name = bytes_text(name);
		changes[2 * i] = creates(scene, KIND_TABLE(device), &device);
		changes[2 * i + 1] = creates(scene, KIND_TABLE(lease), &lease);
	}
	return ask(real, changes, 2 * count, NULL);
}

uint64_t ask_lease(struct real *real, struct id user, struct id pool)
{
	return ask_leases(real, user, pool, 1);
}

void assert_leased(const struct real *real, uint64_t number)
{
	const struct answered *answer = real_answer(real, number);

	assert_non_null(answer);
	if (answer->code)
		fail_msg("%s", answer->text);
}

void assert_dry(const struct real *real, uint64_t number)
{
	const struct answered *answer = real_answer(real, number);

	assert_non_null(answer);
	assert_int_equal(answer->code, E_DRY);
}

/* How many live leases a node knows, each of its own address. */
size_t leases(const struct real *real)
{
	static bool seen[65536];
	struct state_cursor *cursor;
	struct store_txn *txn;
	struct lease_row row;
	size_t count = 0;
	uint32_t kind;
	struct id id;

	memset(seen, 0, sizeof seen);
	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(state_all(txn, KIND_lease, bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!state_next(cursor, &kind, &id, NULL)) {
		uint16_t at;

		if (live_row(txn, KIND_TABLE(lease), id, &row, NULL))
			continue;
		at = (uint16_t)(row.address.bytes[2] << 8 | row.address.bytes[3]);
		assert_false(seen[at]);
		seen[at] = true;
		count++;
	}
	state_find_end(cursor);
	store_end(txn);
	return count;
}

/* --- A real node among puppets. */

/* The pool was made by that key: 0 is the node's own. */
struct play play_of(uint32_t members, uint32_t maker)
{
	struct play play = { .scene = scene_new(members) };
	struct pool_row row = { .has = BIT(AT_pool_name) | BIT(AT_pool_network4) | BIT(AT_pool_maker),
				.name = bytes_text("pool"),
				.network4 = network_of("10.0.0.0/24"),
				.maker = scene_node(play.scene, maker) };

	play.real = real_boot(play.scene, 0);
	for (uint32_t i = 0; i + 1 < members; i++) {
		play.puppets[i] = puppet_member(play.real, i + 1);
		play.chains[i] = play.rows[i] = chain_of(play.scene, i + 1);
		play.rows[i].stream.lane = LANE_URGENT;
	}
	play.user = made_user(play.real);
	if (maker)
		puppet_batch(play.puppets[maker - 1],
			     chain_record(&play.chains[maker - 1], KIND_TABLE(pool), &row, &play.pool));
	else
		play.pool = made_pool(play.real, "10.0.0.0/24");
	for (uint32_t i = 0; i + 1 < members; i++)
		puppet_forget(play.puppets[i]);
	return play;
}

/* NULL: it was not asked that. */
const struct frame *question(const struct puppet *puppet, enum ask_what what)
{
	for (size_t i = puppet->count; i-- > 0;)
		if (puppet->heard[i].frame.kind == FRAME_ASK && puppet->heard[i].frame.ask.what == what)
			return &puppet->heard[i].frame;
	return NULL;
}

void answer(struct puppet *puppet, const struct frame *question, enum code code, struct bytes body)
{
	assert_non_null(question);
	frame_put_answer(&puppet->frame, question->ask.number, code, body);
	puppet_say(puppet);
}

void say_free(struct puppet *puppet, uint64_t count)
{
	uint8_t room[8];
	struct buf body = buf_over(room, sizeof room);

	buf_put_big_endian(&body, count, 8);
	answer(puppet, question(puppet, ASK_FREE), OK, buf_bytes(&body));
}

void say_given(struct puppet *puppet, struct id transfer)
{
	answer(puppet, question(puppet, ASK_BLOCK), OK, bytes_of(transfer.bytes, sizeof transfer.bytes));
}

struct bytes transfer_to(struct play *play, uint32_t giver, uint32_t taker, uint8_t first, uint8_t last,
			 struct id *ret_id)
{
	struct transfer_row row = { .has = BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
					   BIT(AT_transfer_first) | BIT(AT_transfer_last) | BIT(AT_transfer_start),
				    .giver = scene_node(play->scene, giver),
				    .pool = play->pool,
				    .taker = scene_node(play->scene, taker),
				    .first = { .size = 4, .bytes = { 10, 0, 0, first } },
				    .last = { .size = 4, .bytes = { 10, 0, 0, last } },
				    .start = 1 };

	return chain_record(&play->chains[giver - 1], KIND_TABLE(transfer), &row, ret_id);
}

struct bytes transfer(struct play *play, uint32_t giver, uint8_t first, uint8_t last, struct id *ret_id)
{
	return transfer_to(play, giver, 0, first, last, ret_id);
}

uint64_t lease_in(struct play *play)
{
	return ask_lease(play->real, play->user, play->pool);
}

void ask_node(struct puppet *puppet, enum ask_what what, uint32_t number, struct id pool, uint64_t start)
{
	uint8_t room[24];
	struct buf body = buf_over(room, sizeof room);

	buf_put(&body, pool.bytes, sizeof pool.bytes);
	if (what == ASK_BLOCK)
		buf_put_big_endian(&body, start, 8);
	puppet_forget(puppet);
	frame_put_ask(&puppet->frame, number, what, 700, buf_bytes(&body));
	puppet_say(puppet);
}

const struct frame *heard_answer(const struct puppet *puppet, uint32_t number)
{
	const struct frame *frame = puppet_last(puppet, FRAME_ANSWER);

	assert_int_equal(frame->answer.number, number);
	return frame;
}

uint64_t heard_free(const struct puppet *puppet, uint32_t number)
{
	const struct frame *frame = heard_answer(puppet, number);
	struct reader r = reader_over(frame->answer.body);
	uint64_t count = read_big_endian(&r, 8);

	assert_int_equal(frame->answer.code, OK);
	assert_false(r.is_short || reader_left(&r));
	return count;
}

struct id heard_transfer(const struct puppet *puppet, uint32_t number)
{
	const struct frame *frame = heard_answer(puppet, number);
	struct id id;

	assert_int_equal(frame->answer.code, OK);
	assert_int_equal(frame->answer.body.size, sizeof id);
	memcpy(&id, frame->answer.body.data, sizeof id);
	return id;
}
