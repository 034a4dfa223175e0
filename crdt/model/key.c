/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/key.h"

#include <assert.h>

static const uint64_t sign = UINT64_C(1) << 63;

bool key_takes(enum type type)
{
	return type != TYPE_COUNTER && type != TYPE_PART;
}

static void put_text(struct bytes text, struct buf *key)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] > 1) {
			buf_put_byte(key, text.data[i]);
			continue;
		}
		buf_put_byte(key, 1);
		buf_put_byte(key, (uint8_t)(text.data[i] + 1));
	}
	buf_put_byte(key, 0);
}

static bool read_text(struct reader *key, struct buf *room, struct bytes *ret_text)
{
	size_t start = room->size;

	assert(room->is_borrowed);
	for (;;) {
		uint8_t b = (uint8_t)read_big_endian(key, 1);

		if (!b)
			break;
		if (b == 1) {
			b = (uint8_t)(read_big_endian(key, 1) - 1);
			if (b > 1)
				return false;
		}
		buf_put_byte(room, b);
	}
	*ret_text = bytes_of(room->data + start, room->size - start);
	return !key->is_short && !room->is_full;
}

static void put_address(const struct address *address, struct buf *key)
{
	buf_put_byte(key, address->size);
	buf_put(key, address->bytes, address->size);
}

static bool read_address(struct reader *key, struct address *ret_address)
{
	size_t size = read_big_endian(key, 1);
	const uint8_t *bytes = size == 4 || size == 16 ? read_bytes(key, size) : NULL;

	if (!bytes)
		return false;
	*ret_address = (struct address){ .size = (uint8_t)size };
	memcpy(ret_address->bytes, bytes, size);
	return true;
}

static bool read_fixed(struct reader *key, void *room, size_t size)
{
	const uint8_t *bytes = read_bytes(key, size);

	if (bytes)
		memcpy(room, bytes, size);
	return bytes;
}

static bool read_ref(struct reader *key, struct ref *ret_ref)
{
	ret_ref->kind = (uint32_t)read_big_endian(key, 2);
	return ret_ref->kind && read_fixed(key, ret_ref->id.bytes, sizeof ret_ref->id.bytes);
}

void key_put_slot(const struct field *field, const void *slot, struct buf *key)
{
	const struct network *network = slot;

	switch ((enum type)field->type) {
	case TYPE_BOOL: buf_put_byte(key, *(const bool *)slot); break;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: buf_put_big_endian(key, *(const uint64_t *)slot, 8); break;
	case TYPE_TIME: buf_put_big_endian(key, ((const struct wall_time *)slot)->ms, 8); break;
	case TYPE_INT: buf_put_big_endian(key, (uint64_t) * (const int64_t *)slot ^ sign, 8); break;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES: put_text(*(const struct bytes *)slot, key); break;
	case TYPE_REF:
		buf_put_big_endian(key, ((const struct ref *)slot)->kind, 2);
		buf_put(key, ((const struct ref *)slot)->id.bytes, sizeof(struct id));
		break;
	case TYPE_ID: buf_put(key, slot, sizeof(struct id)); break;
	case TYPE_KEY: buf_put(key, slot, sizeof(struct key32)); break;
	case TYPE_ADDRESS: put_address(slot, key); break;
	case TYPE_NETWORK:
		put_address(&network->address, key);
		buf_put_byte(key, network->prefix);
		break;
	case TYPE_COUNTER:
	case TYPE_PART: assert(key_takes((enum type)field->type)); break;
	}
}

static bool read_number(struct reader *key, uint64_t turned, uint64_t *ret_number)
{
	*ret_number = read_big_endian(key, 8) ^ turned;
	return !key->is_short;
}

static bool read_bool(struct reader *key, bool *ret_truth)
{
	uint64_t byte = read_big_endian(key, 1);

	*ret_truth = byte;
	return !key->is_short && byte <= 1;
}

static bool read_network(struct reader *key, struct network *ret_network)
{
	if (!read_address(key, &ret_network->address))
		return false;
	ret_network->prefix = (uint8_t)read_big_endian(key, 1);
	return !key->is_short && network_is_valid(ret_network);
}

bool key_read_slot(const struct field *field, struct reader *key, struct buf *room, void *ret_slot)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: return read_bool(key, ret_slot);
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: return read_number(key, 0, ret_slot);
	case TYPE_TIME: return read_number(key, 0, &((struct wall_time *)ret_slot)->ms);
	case TYPE_INT: return read_number(key, sign, ret_slot);
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES: return read_text(key, room, ret_slot);
	case TYPE_REF: return read_ref(key, ret_slot);
	case TYPE_ID: return read_fixed(key, ret_slot, sizeof(struct id));
	case TYPE_KEY: return read_fixed(key, ret_slot, sizeof(struct key32));
	case TYPE_ADDRESS: return read_address(key, ret_slot);
	case TYPE_NETWORK: return read_network(key, ret_slot);
	case TYPE_COUNTER:
	case TYPE_PART: break;
	}
	return false;
}
