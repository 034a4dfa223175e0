/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/seal.h"

#include "tests/sim/quick.h"

/* In the place of crdt/gossip/seal.c: nothing is hidden, and everything that is changed on its way is found. */

struct key32 seal_public(const uint8_t secret[32])
{
	struct quick quick = { 4, 5 };
	struct key32 key;

	quick_bytes(&quick, bytes_of(secret, 32));
	quick_end(quick, key.bytes, sizeof key.bytes);
	return key;
}

/* A sum does not say whose half came first. */
bool seal_agree(const uint8_t secret[32], struct key32 theirs, struct seal_key *ret_shared)
{
	static const struct key32 nothing;
	struct key32 mine = seal_public(secret);

	if (!memcmp(&theirs, &nothing, sizeof theirs))
		return false;
	for (size_t at = 0; at < sizeof mine; at += 8) {
		uint64_t a, b;

		memcpy(&a, mine.bytes + at, sizeof a);
		memcpy(&b, theirs.bytes + at, sizeof b);
		a = quick_step(6, a) + quick_step(6, b);
		memcpy(ret_shared->bytes + at, &a, sizeof a);
	}
	return true;
}

static void make_tag(const struct seal *seal, struct bytes bound, struct bytes plain, uint8_t tag[SEAL_TAG])
{
	struct quick quick = { seal->counter, 7 };

	quick_bytes(&quick, bytes_of(seal->key.bytes, sizeof seal->key.bytes));
	quick_bytes(&quick, bound);
	quick_bytes(&quick, plain);
	quick_end(quick, tag, SEAL_TAG);
}

void seal_close(struct seal *seal, struct bytes bound, struct bytes plain, uint8_t *sealed)
{
	uint8_t tag[SEAL_TAG];

	make_tag(seal, bound, plain, tag);
	if (plain.size)
		memmove(sealed, plain.data, plain.size);
	memcpy(sealed + plain.size, tag, sizeof tag);
	seal->counter++;
}

bool seal_open(struct seal *seal, struct bytes bound, struct bytes sealed, uint8_t *plain)
{
	uint8_t tag[SEAL_TAG];
	size_t size = sealed.size - SEAL_TAG;

	if (sealed.size < SEAL_TAG)
		return false;
	make_tag(seal, bound, bytes_of(sealed.data, size), tag);
	if (memcmp(tag, sealed.data + size, sizeof tag))
		return false;
	if (size)
		memmove(plain, sealed.data, size);
	seal->counter++;
	return true;
}
