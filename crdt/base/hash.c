/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/hash.h"

#include <sodium.h>

struct id hash_id(const struct bytes *parts, size_t count)
{
	crypto_generichash_state state;
	struct id id;

	crypto_generichash_init(&state, NULL, 0, sizeof id.bytes);
	for (size_t i = 0; i < count; i++)
		crypto_generichash_update(&state, parts[i].data, parts[i].size);
	crypto_generichash_final(&state, id.bytes, sizeof id.bytes);
	return id;
}

uint64_t hash_keyed(struct hash_key key, struct bytes bytes)
{
	uint8_t raw[crypto_shorthash_BYTES];
	uint64_t hash = 0;

	_Static_assert(sizeof key == crypto_shorthash_KEYBYTES, "SipHash-2-4");
	crypto_shorthash(raw, bytes.data, bytes.size, key.bytes);
	/* The same number on any machine: roots travel. */
	for (size_t i = 0; i < sizeof raw; i++)
		hash |= (uint64_t)raw[i] << (8 * i);
	return hash;
}

struct sum hash_wide(struct hash_key key, struct bytes bytes)
{
	uint8_t raw[crypto_shorthash_siphashx24_BYTES];
	struct sum sum = { 0 };

	_Static_assert(sizeof key == crypto_shorthash_siphashx24_KEYBYTES, "SipHash-2-4, 128 bits");
	crypto_shorthash_siphashx24(raw, bytes.data, bytes.size, key.bytes);
	for (size_t i = 0; i < 8; i++) {
		sum.low |= (uint64_t)raw[i] << (8 * i);
		sum.high |= (uint64_t)raw[8 + i] << (8 * i);
	}
	return sum;
}
