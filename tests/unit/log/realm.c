/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/log/realm.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"

struct signer realm_signer(uint8_t number, uint8_t node)
{
	uint8_t seed[32] = { number, node, 77 };

	return signer_from_seed(seed);
}

const struct statement *realm_say(struct realm *realm, const struct signer *signer, const struct kind *kind,
				  const void *row)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement *one = &realm->all[realm->count++];
	struct err err = { 0 };

	assert_true(realm->count <= REALM_MAX);
	statement_write(signer, realm->cluster, kind, row, NULL, 0, &buf);
	if (statement_read(arena_copy(&realm->arena, buf_bytes(&buf)), one, &err))
		fail_msg("%s", err.text);
	buf_done(&buf);
	return one;
}

#define HAS(kind, field) BIT(AT_##kind##_##field)

void realm_begin(struct realm *realm, const struct signer *root, const struct signer *recovery)
{
	struct cluster_row row = {
		.has = HAS(cluster, nonce) | HAS(cluster, root_key) | HAS(cluster, recovery_key) | HAS(cluster, name),
		.nonce = bytes_text("12345678"),
		.root_key = root->key,
		.recovery_key = recovery->key,
		.name = bytes_text("realm"),
	};

	realm->count = 0;
	realm->cluster = cluster_id(&row);
	realm_say(realm, root, KIND_TABLE(cluster), &row);
}

void realm_end(struct realm *realm)
{
	realm->count = 0;
	arena_reset(&realm->arena);
}

struct list realm_list(struct realm *realm, const struct id *ids, size_t count)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct list list = { .count = count };

	for (size_t i = 0; i < count; i++)
		mp_put_bin(&buf, bytes_of(ids[i].bytes, sizeof ids[i].bytes));
	list.items = arena_copy(&realm->arena, buf_bytes(&buf));
	buf_done(&buf);
	return list;
}

const struct statement *realm_operator(struct realm *realm, const struct signer *by, struct key32 key)
{
	struct operator_row row = {
		.has = HAS(operator, key) | HAS(operator, parent) | HAS(operator, name),
		.key = key,
		.parent = by->key,
		.name = bytes_text("op"),
	};

	return realm_say(realm, by, KIND_TABLE(operator), &row);
}

const struct statement *realm_remove(struct realm *realm, const struct signer *by, struct key32 key,
				     const struct id *standing, size_t count)
{
	struct operator_removal_row row = {
		.has = HAS(operator_removal, key) | HAS(operator_removal, standing),
		.key = key,
		.standing = realm_list(realm, standing, count),
	};

	return realm_say(realm, by, KIND_TABLE(operator_removal), &row);
}

const struct statement *realm_invite(struct realm *realm, const struct signer *by, const struct signer *once,
				     struct key32 sponsor)
{
	struct invite_row row = {
		.has = HAS(invite, key) | HAS(invite, sponsor) | HAS(invite, gateway) | HAS(invite, expires),
		.key = once->key,
		.sponsor = sponsor,
		.gateway = { { once->key.bytes[0], 9 } },
		.expires = { 1000 },
	};

	return realm_say(realm, by, KIND_TABLE(invite), &row);
}

const struct statement *realm_admit(struct realm *realm, const struct signer *sponsor, const struct signer *once,
				    struct id invite, struct key32 key)
{
	struct key32 box_key = { { key.bytes[0], 3 } };
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct signature proof =
		sign_make(once, SIGN_ADMISSION, admission_text(realm->cluster, invite, key, box_key, room));
	struct admission_row row = {
		.has = HAS(admission, invite) | HAS(admission, key) | HAS(admission, box_key) | HAS(admission, proof),
		.invite = invite,
		.key = key,
		.box_key = box_key,
		.proof = bytes_of(proof.bytes, sizeof proof.bytes),
	};

	return realm_say(realm, sponsor, KIND_TABLE(admission), &row);
}

const struct statement *realm_evict(struct realm *realm, const struct signer *by, struct key32 key, struct key32 heir,
				    const struct id *standing, size_t count)
{
	struct eviction_row row = {
		.has = HAS(eviction, key) | HAS(eviction, heir) | HAS(eviction, standing),
		.key = key,
		.heir = heir,
		.standing = realm_list(realm, standing, count),
	};

	return realm_say(realm, by, KIND_TABLE(eviction), &row);
}

const struct statement *realm_change_root(struct realm *realm, const struct signer *recovery, struct key32 key,
					  struct key32 next_recovery, const struct id *standing, size_t count)
{
	struct root_change_row row = {
		.has = HAS(root_change, key) | HAS(root_change, recovery_key) | HAS(root_change, standing),
		.key = key,
		.recovery_key = next_recovery,
		.standing = realm_list(realm, standing, count),
	};

	return realm_say(realm, recovery, KIND_TABLE(root_change), &row);
}
