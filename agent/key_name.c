/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key_name.h"

#include "crdt/base/text.h"
#include "crdt/log/log.h"
#include "crdt/model/model.h"
#include "crdt/state/dead.h"
#include "crdt/state/index.h"
#include "crdt/state/mark.h"
#include "crdt/state/root.h"

#include <inttypes.h>
#include <stdio.h>

enum { STREAM_KEY_SIZE = 1 + 8 + 8 + 1, BATCH_KEY_SIZE = STREAM_KEY_SIZE + 8 + 8 };
enum { STATEMENT_KEY_SIZE = 1 + 4, PROOF_KEY_SIZE = 1 + 8 + 8 };

const char *key_lane(enum lane lane)
{
	switch (lane) {
	case LANE_URGENT: return "urgent";
	case LANE_PEOPLE: return "people";
	case LANE_BULK: return "bulk";
	case LANES: break;
	}
	return "unknown";
}

bool key_stream(struct bytes key, struct stream *ret_stream, uint64_t *ret_seq)
{
	struct reader r = reader_over(key);
	uint8_t table = (uint8_t)read_big_endian(&r, 1);
	uint64_t node = read_big_endian(&r, 8), start = read_big_endian(&r, 8), lane = read_big_endian(&r, 1);

	bool is_batch = (table == TABLE_BATCH || table == TABLE_WAITING) && key.size == BATCH_KEY_SIZE;
	bool is_end =
		(table == TABLE_VECTOR || table == TABLE_STABLE || table == TABLE_HAD) && key.size == STREAM_KEY_SIZE;

	if ((!is_batch && !is_end) || lane >= LANES)
		return false;
	*ret_stream = (struct stream){ .node = node, .start = start, .lane = (enum lane)lane };
	*ret_seq = is_batch ? read_big_endian(&r, 8) : 0;
	return true;
}

bool key_statement(struct bytes key, uint32_t *ret_number)
{
	struct reader r = reader_over(key);

	if (key.size != STATEMENT_KEY_SIZE || read_big_endian(&r, 1) != TABLE_STATEMENT)
		return false;
	*ret_number = (uint32_t)read_big_endian(&r, 4);
	return true;
}

static bool name_of_proof(struct bytes key, char room[KEY_NAME_SIZE])
{
	struct reader r = reader_over(key);
	uint64_t node, start;

	if (key.size != PROOF_KEY_SIZE || read_big_endian(&r, 1) != TABLE_PROOF)
		return false;
	node = read_big_endian(&r, 8);
	start = read_big_endian(&r, 8);
	snprintf(room, KEY_NAME_SIZE, "proof that start %" PRIu64 " of node %016" PRIx64 " is closed", start, node);
	return true;
}

static const char *name_of_table(uint8_t table)
{
	switch (table) {
	case TABLE_BATCH: return "batch";
	case TABLE_WAITING: return "waiting batch";
	case TABLE_STABLE: return "what everybody has";
	case TABLE_HAD: return "what the disk before had";
	default: return "end";
	}
}

static bool name_of_log(struct bytes key, char room[KEY_NAME_SIZE])
{
	struct stream stream;
	uint32_t number;
	uint64_t seq;

	if (key_statement(key, &number)) {
		snprintf(room, KEY_NAME_SIZE, "statement %" PRIu32, number);
		return true;
	}
	if (!key_stream(key, &stream, &seq))
		return false;
	if (key.size == BATCH_KEY_SIZE)
		snprintf(room, KEY_NAME_SIZE,
			 "%s that ends at %" PRIu64 " of node %016" PRIx64 ", start %" PRIu64 ", lane %s",
			 name_of_table(key.data[0]), seq, stream.node, stream.start, key_lane(stream.lane));
	else
		snprintf(room, KEY_NAME_SIZE, "%s of node %016" PRIx64 ", start %" PRIu64 ", lane %s",
			 name_of_table(key.data[0]), stream.node, stream.start, key_lane(stream.lane));
	return true;
}

static bool name_of_state(struct bytes key, char room[KEY_NAME_SIZE])
{
	const struct kind *kind;
	const struct field *field = NULL;
	char hex[2 * sizeof(struct id) + 1];
	uint32_t number;
	struct id id;

	if (record_key_read(key, &number, &id)) {
		kind = model_kind(number);
		hex_write(bytes_of(id.bytes, sizeof id.bytes), hex);
		snprintf(room, KEY_NAME_SIZE, "%s %s", kind ? kind->shape.name : "record of an unknown kind", hex);
		return true;
	}
	if (dead_key_read(key, &number, &id)) {
		kind = model_kind(number);
		hex_write(bytes_of(id.bytes, sizeof id.bytes), hex);
		snprintf(room, KEY_NAME_SIZE, "list of the dead: %s %s", kind ? kind->shape.name : "unknown kind", hex);
		return true;
	}
	if (!index_key_read(key, &number, &id))
		return false;
	kind = model_kind(number);
	field = kind ? model_field(&kind->shape, (uint32_t)(key.data[3] << 8 | key.data[4])) : NULL;
	hex_write(bytes_of(id.bytes, sizeof id.bytes), hex);
	snprintf(room, KEY_NAME_SIZE, "index entry by %s of %s %s", field ? field->name : "an unknown field",
		 kind ? kind->shape.name : "an unknown kind", hex);
	return true;
}

void key_name(struct bytes key, char room[KEY_NAME_SIZE])
{
	char hex[2 * 48 + 1];

	if (root_is_key(key)) {
		snprintf(room, KEY_NAME_SIZE, "the root");
		return;
	}
	if (name_of_state(key, room) || name_of_log(key, room) || name_of_proof(key, room))
		return;
	hex_write(bytes_of(key.data, key.size < 48 ? key.size : 48), hex);
	snprintf(room, KEY_NAME_SIZE, "%s %s", key.size && key.data[0] == TABLE_MARK ? "mark" : "entry", hex);
}
