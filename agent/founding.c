/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/founding.h"

#include "agent/rows.h"
#include "crdt/model/validate.h"

#include <sodium.h>

enum { NONCE_SIZE = 16 };

/* An invite of the founder by itself is redeemed at once. */
#define FOUNDING_TIME_MS UINT64_C(3600000)

static struct bytes fresh_nonce(struct arena *arena)
{
	uint8_t *bytes = arena_take(arena, NONCE_SIZE);

	randombytes_buf(bytes, NONCE_SIZE);
	return bytes_of(bytes, NONCE_SIZE);
}

static enum code make_records(const struct founding *founding, struct arena *arena, struct founded *founded,
			      struct err *err)
{
	struct gateway_row gateway = founding->gateway;
	struct cluster_settings_row settings = { .nonce = fresh_nonce(arena),
						 .scope = SCOPE_CLUSTER,
						 .name = founding->name };
	struct id id;
	enum code code;

	gateway.nonce = fresh_nonce(arena);
	gateway.has |= BIT(AT_gateway_nonce);
	settings.has = BIT(AT_cluster_settings_nonce) | BIT(AT_cluster_settings_scope) | BIT(AT_cluster_settings_name);
	code = rows_create(KIND_TABLE(gateway), &gateway, arena, &founded->changes[0], &founded->gateway, err);
	if (!code)
		code = rows_create(KIND_TABLE(cluster_settings), &settings, arena, &founded->changes[1], &id, err);
	return code;
}

static struct bytes make_cluster(const struct founding *founding, struct founded *founded, struct realm *realm,
				 struct arena *arena)
{
	struct cluster_row row = { .nonce = fresh_nonce(arena),
				   .root_key = founded->root->signer.key,
				   .name = founding->name,
				   .made = founding->now };
	uint8_t seed[32];

	randombytes_buf(seed, sizeof seed);
	row.recovery_key = signer_from_seed(seed).key;
	recovery_key_write(seed, founded->recovery_key);
	sodium_memzero(seed, sizeof seed);
	row.has = BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) |
		  BIT(AT_cluster_name) | BIT(AT_cluster_made);
	realm->cluster = cluster_id(&row);
	return operator_sign(&founded->root->signer, realm, KIND_TABLE(cluster), &row, arena);
}

static struct bytes make_invite(const struct founding *founding, const struct founded *founded,
				const struct realm *realm, struct key32 one_time, struct arena *arena)
{
	struct invite_row row = { .key = one_time,
				  .sponsor = founded->identity->signer.key,
				  .gateway = founded->gateway,
				  .expires = { founding->now.ms + FOUNDING_TIME_MS } };

	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	return operator_sign(&founded->root->signer, realm, KIND_TABLE(invite), &row, arena);
}

static struct bytes make_admission(const struct founded *founded, const struct realm *realm, struct id invite,
				   const struct signer *one_time, struct arena *arena)
{
	struct admission_row row = { .invite = invite,
				     .key = founded->identity->signer.key,
				     .box_key = founded->identity->box_key };
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct signature proof =
		sign_make(one_time, SIGN_ADMISSION, admission_text(realm->cluster, invite, row.key, row.box_key, room));

	row.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	row.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	return operator_sign(&founded->identity->signer, realm, KIND_TABLE(admission), &row, arena);
}

/* The same read again: its id and its hash. */
static struct statement read_again(struct bytes whole)
{
	struct statement statement = { 0 };

	statement_read(whole, &statement, NULL);
	return statement;
}

static void make_statements(const struct founding *founding, struct founded *founded, struct arena *arena)
{
	struct statement said[1];
	struct realm realm = { .all = said };
	struct signer one_time;
	uint8_t seed[32];

	randombytes_buf(seed, sizeof seed);
	one_time = signer_from_seed(seed);
	sodium_memzero(seed, sizeof seed);
	founded->statements[0] = make_cluster(founding, founded, &realm, arena);
	founded->identity->cluster = realm.cluster;
	said[0] = read_again(founded->statements[0]);
	realm.count = 1;
	founded->statements[1] = make_invite(founding, founded, &realm, one_time.key, arena);
	founded->statements[2] =
		make_admission(founded, &realm, read_again(founded->statements[1]).id, &one_time, arena);
	sodium_memzero(&one_time, sizeof one_time);
}

static enum code check_name(struct bytes name, struct err *err)
{
	struct err why = { 0 };
	const struct field *field = FIELD_TABLE(cluster, name);
	enum code code = validate_slot(field, &name, &why);

	return code ? fail(err, code, "`name`: %s", why.text) : OK;
}

enum code founding_make(const struct founding *founding, struct arena *arena, struct founded *ret_founded,
			struct err *err)
{
	struct founded founded = { 0 };
	enum code code = check_name(founding->name, err);

	if (!code)
		code = make_records(founding, arena, &founded, err);
	if (code)
		return code;
	founded.identity = identity_new((struct id){ { 0 } });
	founded.root = operator_new("root");
	make_statements(founding, &founded, arena);
	*ret_founded = founded;
	return OK;
}

void founded_done(struct founded *founded)
{
	if (founded->identity)
		identity_free(founded->identity);
	if (founded->root)
		operator_free(founded->root);
	sodium_memzero(founded, sizeof *founded);
}
