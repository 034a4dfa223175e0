/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/dead.h"

#include "crdt/model/mp.h"
#include "crdt/model/record.h"

enum { NONCE_SIZE = 8, ROUND_SIZE = 8 };

const uint8_t dead_round_key[DEAD_ROUND_KEY_SIZE] = { TABLE_META, 'd' };

void dead_key_write(uint32_t kind, struct id id, uint8_t room[DEAD_KEY_SIZE])
{
	record_key_write(kind, id, room);
	room[0] = TABLE_DEAD;
}

bool dead_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id)
{
	uint8_t room[RECORD_KEY_SIZE];

	if (key.size != DEAD_KEY_SIZE || key.data[0] != TABLE_DEAD)
		return false;
	memcpy(room, key.data, sizeof room);
	room[0] = TABLE_RECORD;
	return record_key_read(bytes_of(room, sizeof room), ret_kind, ret_id);
}

bool dead_value_read(struct bytes value, uint64_t *ret_round)
{
	struct reader r = reader_over(value);

	if (value.size != ROUND_SIZE)
		return false;
	*ret_round = read_big_endian(&r, ROUND_SIZE);
	return true;
}

bool dead_is_listed(uint32_t kind, struct bytes record)
{
	const struct kind *known = model_kind(kind);
	struct mp_head nonce;
	struct bytes map;
	struct reader r;
	bool is_dead;

	if (!record.size || record_map(record, &is_dead, &map, NULL) || !is_dead)
		return false;
	if (!known || kind == KIND_user || !model_field(&known->shape, MERGE_ONCE))
		return false;
	/* Its identity is all that a dead record has, and the nonce is the first of that. */
	r = reader_over(map);
	if (!mp_read(&r).value || mp_read(&r).value != MERGE_ONCE)
		return false;
	nonce = mp_read(&r);
	return nonce.class == MP_BIN && nonce.value == NONCE_SIZE;
}

enum code dead_round(struct store_txn *txn, uint64_t *ret_round, struct err *err)
{
	struct bytes value;
	enum code code = store_get(txn, bytes_of(dead_round_key, sizeof dead_round_key), &value, err);

	if (code == E_ABSENT) {
		*ret_round = 0;
		return OK;
	}
	if (!code && !dead_value_read(value, ret_round))
		code = fail(err, E_DAMAGED, "the number of the round is damaged: run warrend --check");
	return code;
}

static struct bytes write_round(uint64_t round, uint8_t room[ROUND_SIZE])
{
	struct buf buf = buf_over(room, ROUND_SIZE);

	buf_put_big_endian(&buf, round, ROUND_SIZE);
	return buf_bytes(&buf);
}

enum code dead_move(struct store_txn *txn, uint32_t kind, struct id id, bool was_listed, bool is_listed,
		    struct err *err)
{
	uint8_t key[DEAD_KEY_SIZE], room[ROUND_SIZE];
	uint64_t round;
	enum code code;

	if (was_listed == is_listed)
		return OK;
	dead_key_write(kind, id, key);
	if (was_listed)
		return store_delete(txn, bytes_of(key, sizeof key), err);
	code = dead_round(txn, &round, err);
	return code ? code : store_put(txn, bytes_of(key, sizeof key), write_round(round, room), err);
}

enum code dead_begin_round(struct store_txn *txn, uint64_t *ret_last, struct err *err)
{
	uint8_t room[ROUND_SIZE];
	uint64_t round;
	enum code code = dead_round(txn, &round, err);

	if (!code)
		code = store_put(txn, bytes_of(dead_round_key, sizeof dead_round_key), write_round(round + 1, room),
				 err);
	if (!code)
		*ret_last = round;
	return code;
}
