/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "tests/sim/evil_inside.h"

enum { VALUE_MAX = 1000, LARGE_FIELD = 60 * 1024, FLOOD_TINY = 64, FLOOD_LARGE = 6 };

/* --- Entries. */

static struct hlc now_of(const struct evil *e)
{
	return hlc_make(SIM_EPOCH_MS + world_now(e->world) / 1000000, 0);
}

static struct id id_of(struct evil *e, uint32_t kind, struct bytes map)
{
	struct record *record = arena_take(&e->arena, sizeof *record);

	/* Of what no record could be made the id is anything. */
	if (record_from_op(map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL))
		return (struct id){ "of no record...." };
	return record_id(kind, record);
}

static struct op op_of(struct evil *e, uint32_t kind, struct buf *map)
{
	struct op op = { .kind = kind };

	op.map = arena_copy(&e->arena, buf_bytes(map));
	op.id = id_of(e, kind, op.map);
	buf_done(map);
	return op;
}

static void put_nonce(struct evil *e, struct buf *map)
{
	uint8_t nonce[8];

	rng_fill(&e->rng, nonce, sizeof nonce);
	mp_put_uint(map, FIELD_TABLE(setting, nonce)->number);
	mp_put_bin(map, bytes_of(nonce, sizeof nonce));
}

/* A setting with any name and any value, whatever a row may have. */
static struct op setting(struct evil *e, struct bytes name, size_t size)
{
	struct buf map = buf_growing(BATCH_MAX);
	uint8_t *value = arena_take(&e->arena, size + 1);

	memset(value, 'e', size);
	mp_put_map(&map, 3);
	put_nonce(e, &map);
	mp_put_uint(&map, FIELD_TABLE(setting, name)->number);
	mp_put_text(&map, name);
	mp_put_uint(&map, FIELD_TABLE(setting, value)->number);
	mp_put_text(&map, bytes_of(value, size));
	return op_of(e, KIND_setting, &map);
}

static struct op plain(struct evil *e, size_t size)
{
	return setting(e, bytes_text("evil"), size);
}

static struct op row_op(struct evil *e, const struct kind *kind, const void *row)
{
	struct buf map = buf_growing(BATCH_MAX);

	pack_write(&kind->shape, row, &map);
	return op_of(e, kind->number, &map);
}

/* --- Batches. */

/* Signs what stands behind the chain's end, which stays where it is. */
static struct bytes sign_at(struct evil *e, const struct signer *signer, const struct evil_chain *chain,
			    struct bytes entries, uint32_t count)
{
	struct buf out = buf_growing(2 * BATCH_MAX);
	struct bytes whole;

	batch_write(signer, e->world->cluster, chain->stream, chain->end, entries, count, &out);
	whole = arena_copy(&e->arena, buf_bytes(&out));
	buf_done(&out);
	return whole;
}

static struct bytes make_at(struct evil *e, const struct signer *signer, const struct evil_chain *chain, struct hlc hlc,
			    const struct op *op, uint32_t count)
{
	struct buf entries = buf_growing(BATCH_MAX);
	struct bytes whole;

	for (uint32_t i = 0; i < count; i++)
		entry_write(hlc, NULL, &op[i], 1, &entries);
	whole = sign_at(e, signer, chain, buf_bytes(&entries), count);
	buf_done(&entries);
	return whole;
}

static void go_on(struct evil *e, struct evil_chain *chain, struct bytes whole)
{
	struct batch batch;

	if (!batch_read(whole, &batch, NULL))
		chain->end = batch.end;
	evil_own(e, whole);
}

/* The next batch of a lane. */
static struct bytes next(struct evil *e, enum lane lane, struct hlc hlc, struct op op)
{
	struct bytes whole = make_at(e, &e->machine->signer, &e->lanes[lane], hlc, &op, 1);

	go_on(e, &e->lanes[lane], whole);
	return whole;
}

static struct bytes next_people(struct evil *e, struct op op)
{
	return next(e, LANE_PEOPLE, now_of(e), op);
}

/* What holds back a stream is caught up with: whoever asks is told, by the next that is heard. */
static void send_kept(struct evil *e, struct evil_link *link)
{
	for (size_t i = 0; i < EVIL_KEPT; i++)
		if (e->kept[i].size)
			evil_send(e, link, e->kept[i]);
}

static void equivocate(struct evil *e, struct evil_link *link, enum lane lane)
{
	struct evil_chain *chain = &e->lanes[lane];
	struct op ops[2] = { plain(e, 10), plain(e, 11) };
	struct bytes one = make_at(e, &e->machine->signer, chain, now_of(e), &ops[0], 1);
	struct bytes other = make_at(e, &e->machine->signer, chain, now_of(e), &ops[1], 1);

	evil_send(e, link, one);
	evil_send(e, evil_other(e, link), other);
	go_on(e, chain, evil_below(e, 2) ? one : other);
}

static void break_chain(struct evil *e, struct evil_link *link)
{
	struct evil_chain chain = e->lanes[LANE_PEOPLE];
	struct op op = plain(e, 10);

	rng_fill(&e->rng, chain.end.hash.bytes, sizeof chain.end.hash.bytes);
	/* Far behind what is there, so that no two of them can meet. */
	chain.end.seq += 1000 + evil_below(e, 1000000);
	evil_send(e, link, make_at(e, &e->machine->signer, &chain, now_of(e), &op, 1));
}

static void flood(struct evil *e, enum evil_kind kind)
{
	size_t count = kind == EVIL_flood_tiny ? FLOOD_TINY : FLOOD_LARGE;

	for (size_t i = 0; i < count; i++) {
		struct op ops[56];
		uint32_t entries = kind == EVIL_flood_tiny ? 1 : COUNT(ops);
		struct bytes whole;

		for (uint32_t j = 0; j < entries; j++)
			ops[j] = plain(e, kind == EVIL_flood_tiny ? 1 : VALUE_MAX);
		whole = make_at(e, &e->machine->signer, &e->lanes[LANE_BULK], now_of(e), ops, entries);
		go_on(e, &e->lanes[LANE_BULK], whole);
		evil_send_all(e, whole);
		arena_reset(&e->arena);
	}
}

/* As many as a batch may have, and none of them is one. */
static void flood_entries(struct evil *e, uint32_t count)
{
	uint8_t *nothing = arena_take(&e->arena, count);
	struct bytes whole;

	memset(nothing, 0xc0, count);
	whole = sign_at(e, &e->machine->signer, &e->lanes[LANE_BULK], bytes_of(nothing, count), count);
	go_on(e, &e->lanes[LANE_BULK], whole);
	evil_send_all(e, whole);
}

static void begin_starts(struct evil *e, struct evil_link *link)
{
	for (int i = 0; i < 4; i++) {
		struct evil_chain chain = { .stream = { e->machine->id, 2 + evil_below(e, 1 << 20), LANE_PEOPLE } };
		struct op op = plain(e, 1);

		evil_send(e, link, make_at(e, &e->machine->signer, &chain, now_of(e), &op, 1));
	}
}

static void forge_stream(struct evil *e, struct evil_link *link)
{
	const struct mesh *mesh = evil_mesh(e, link);
	struct op op = plain(e, 10);
	struct evil_chain chain = { { e->world->machines[link->machine].id, 1, LANE_PEOPLE }, { 0 } };

	if (mesh->vector.count) {
		const struct frontier *f = &mesh->vector.all[evil_below(e, mesh->vector.count)];

		chain = (struct evil_chain){ f->stream, f->end };
	}
	if (chain.stream.node != e->machine->id)
		evil_send(e, link, make_at(e, &e->machine->signer, &chain, now_of(e), &op, 1));
}

/* Some byte of a batch is another. */
static void forge_bytes(struct evil *e, struct evil_link *link)
{
	struct bytes kept = e->kept[evil_below(e, EVIL_KEPT)];
	uint8_t *forged = arena_take(&e->arena, kept.size + 1);

	if (!kept.size)
		return;
	memcpy(forged, kept.data, kept.size);
	forged[evil_below(e, kept.size)] ^= (uint8_t)(1 << evil_below(e, 8));
	evil_send(e, link, bytes_of(forged, kept.size));
}

/* --- Ops that no honest author writes. */

static struct op unknown_kind(struct evil *e)
{
	struct buf map = buf_growing(BATCH_MAX);

	mp_put_map(&map, 1);
	put_nonce(e, &map);
	return op_of(e, 50000 << 2 | TIER_SHARED, &map);
}

static struct op unknown_field(struct evil *e)
{
	struct buf map = buf_growing(BATCH_MAX);

	mp_put_map(&map, 3);
	put_nonce(e, &map);
	mp_put_uint(&map, FIELD_TABLE(setting, name)->number);
	mp_put_text(&map, bytes_text("evil"));
	mp_put_uint(&map, 90 << 2 | MERGE_LWW);
	mp_put_uint(&map, 7);
	return op_of(e, KIND_setting, &map);
}

/* A row that another member says of itself. */
static struct op others_row(struct evil *e, const struct evil_link *link)
{
	struct presence_row row = { .node = e->world->machines[link->machine].id, .is_online = true };

	rng_fill(&e->rng, row.device.bytes, sizeof row.device.bytes);
	row.has = BIT(AT_presence_node) | BIT(AT_presence_device) | BIT(AT_presence_is_online);
	return row_op(e, KIND_TABLE(presence), &row);
}

/* Addresses that it never owned, of a pool that is not there. */
static struct op transfer(struct evil *e, const struct evil_link *link)
{
	struct transfer_row row = { .giver = e->machine->id,
				    .taker = e->world->machines[link->machine].id,
				    .first = { .size = 4, .bytes = { 10, 0, 0, 0 } },
				    .last = { .size = 4, .bytes = { 10, 255, 255, 255 } } };
	uint8_t nonce[8];

	rng_fill(&e->rng, nonce, sizeof nonce);
	rng_fill(&e->rng, row.pool.bytes, sizeof row.pool.bytes);
	row.nonce = bytes_of(nonce, sizeof nonce);
	row.has = BIT(AT_transfer_nonce) | BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
		  BIT(AT_transfer_first) | BIT(AT_transfer_last);
	return row_op(e, KIND_TABLE(transfer), &row);
}

/* Of its own start or of a healthy member's: ends that nobody ever had. */
static struct op closing(struct evil *e, uint64_t subject)
{
	struct closing_row row = { .node = e->machine->id, .subject = subject, .start = 1 };
	struct buf end = buf_growing(200);
	uint8_t nonce[8], hash[16];

	rng_fill(&e->rng, nonce, sizeof nonce);
	rng_fill(&e->rng, hash, sizeof hash);
	for (uint64_t lane = 0; lane < LANES; lane++) {
		struct chain_end_row one = {
			.start = 1, .lane = lane, .seq = 1 + evil_below(e, 100000), .hash = bytes_of(hash, sizeof hash)
		};

		one.has = BIT(AT_chain_end_start) | BIT(AT_chain_end_lane) | BIT(AT_chain_end_seq) |
			  BIT(AT_chain_end_hash);
		pack_write(&model_parts[PART_chain_end], &one, &end);
	}
	row.nonce = bytes_of(nonce, sizeof nonce);
	row.ends = (struct list){ arena_copy(&e->arena, buf_bytes(&end)), LANES };
	row.has = BIT(AT_closing_nonce) | BIT(AT_closing_node) | BIT(AT_closing_subject) | BIT(AT_closing_start) |
		  BIT(AT_closing_ends);
	buf_done(&end);
	return row_op(e, KIND_TABLE(closing), &row);
}

static struct hlc some_stamp(struct evil *e, enum evil_kind kind)
{
	if (kind == EVIL_back_date)
		return hlc_make(1 + evil_below(e, 1000), 0);
	if (kind == EVIL_post_date)
		return hlc_make(hlc_ms(now_of(e)) + (uint64_t)SIM_YEAR_MS * (1 + evil_below(e, 100)), 0);
	return hlc_make(WALL_MAX_MS + (kind == EVIL_beyond_ceiling), kind == EVIL_beyond_ceiling ? 0 : 0xffff);
}

/* A version of batches that nobody knows. */
static void newer_batch(struct evil *e, struct evil_link *link)
{
	struct op op = plain(e, 1);
	struct bytes whole = make_at(e, &e->machine->signer, &e->lanes[LANE_PEOPLE], now_of(e), &op, 1);
	uint8_t *bytes = (uint8_t *)(uintptr_t)whole.data;

	bytes[1] = BATCH_VERSION + 1;
	evil_send(e, link, whole);
}

/* The bulk lane goes on, and the others hear of it from each other alone. */
static void withhold_lane(struct evil *e, struct evil_link *link)
{
	evil_send(e, link, next(e, LANE_URGENT, now_of(e), plain(e, 3)));
	for (int i = 0; i < 3; i++)
		evil_send_all(e, next_people(e, plain(e, 4)));
}

/* A batch to one alone, and what follows it to all. */
static void withhold_batch(struct evil *e, struct evil_link *link)
{
	evil_send(e, link, next_people(e, plain(e, 5)));
	evil_send_all(e, next_people(e, plain(e, 6)));
}

/* --- Which of them. */

static bool act_op(struct evil *e, enum evil_kind kind, const struct evil_link *link)
{
	struct op op;

	switch (kind) {
	case EVIL_write: op = plain(e, 1 + evil_below(e, 300)); break;
	case EVIL_large_field: op = setting(e, bytes_text("evil"), LARGE_FIELD); break;
	case EVIL_bad_name: op = setting(e, bytes_text("two\nlines"), 5); break;
	case EVIL_unknown_kind: op = unknown_kind(e); break;
	case EVIL_unknown_field: op = unknown_field(e); break;
	case EVIL_others_row: op = others_row(e, link); break;
	case EVIL_transfer: op = transfer(e, link); break;
	case EVIL_close_unknown: op = closing(e, e->machine->id); break;
	case EVIL_close_healthy: op = closing(e, e->world->machines[link->machine].id); break;
	default: return false;
	}
	evil_send_all(e, next_people(e, op));
	return true;
}

bool evil_act_batch(struct evil *e, enum evil_kind kind, struct evil_link *link)
{
	if (act_op(e, kind, link))
		return true;
	switch (kind) {
	case EVIL_equivocate: equivocate(e, link, LANE_PEOPLE); return true;
	case EVIL_fork_again: equivocate(e, link, LANE_URGENT); return true;
	case EVIL_break_chain: break_chain(e, link); return true;
	case EVIL_back_date:
	case EVIL_post_date:
	case EVIL_at_ceiling:
	case EVIL_beyond_ceiling: evil_send_all(e, next(e, LANE_PEOPLE, some_stamp(e, kind), plain(e, 2))); return true;
	case EVIL_flood_large:
	case EVIL_flood_tiny: flood(e, kind); return true;
	case EVIL_flood_entries: flood_entries(e, BATCH_ENTRIES_MAX); return true;
	case EVIL_void_entry: flood_entries(e, 1); return true;
	case EVIL_begin_starts: begin_starts(e, link); return true;
	case EVIL_forge_stream: forge_stream(e, link); return true;
	case EVIL_forge_bytes: forge_bytes(e, link); return true;
	case EVIL_replay_batch: send_kept(e, link); return true;
	case EVIL_newer_batch: newer_batch(e, link); return true;
	case EVIL_withhold_batch: withhold_batch(e, link); return true;
	case EVIL_withhold_lane: withhold_lane(e, link); return true;
	default: return false;
	}
}
