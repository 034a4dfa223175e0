/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/hash.h"

#include <endian.h>
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
	uint64_t raw;

	_Static_assert(sizeof key == crypto_shorthash_KEYBYTES, "SipHash-2-4");
	_Static_assert(sizeof raw == crypto_shorthash_BYTES, "SipHash-2-4");
	crypto_shorthash((uint8_t *)&raw, bytes.data, bytes.size, key.bytes);
	/* The same number on any machine: roots travel. */
	return le64toh(raw);
}

struct sum hash_wide(struct hash_key key, struct bytes bytes)
{
	uint64_t raw[2];

	_Static_assert(sizeof key == crypto_shorthash_siphashx24_KEYBYTES, "SipHash-2-4, 128 bits");
	_Static_assert(sizeof raw == crypto_shorthash_siphashx24_BYTES, "SipHash-2-4, 128 bits");
	crypto_shorthash_siphashx24((uint8_t *)raw, bytes.data, bytes.size, key.bytes);
	return (struct sum){ .low = le64toh(raw[0]), .high = le64toh(raw[1]) };
}
