/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include "agent/secret_file.h"
#include "crdt/base/text.h"

#include <sodium.h>
#include <stdlib.h>

#define FILE_NAME "node.key"
#define MAGIC "warren-node-key-1"

static struct identity *take_memory(void)
{
	struct identity *identity = sodium_malloc(sizeof *identity);

	if (!identity)
		abort(); /* no memory that may be locked: nobody can act on its lack */
	sodium_memzero(identity, sizeof *identity);
	return identity;
}

/* The keys that follow from the seeds. */
static void complete(struct identity *identity)
{
	identity->signer = signer_from_seed(identity->seed);
	crypto_scalarmult_base(identity->box_key.bytes, identity->box_secret);
}

static enum code read_token(const struct secret_file *file, struct identity *identity, struct err *err)
{
	struct bytes text;
	size_t at = 0;

	if (!secret_file_next(file, "joining", &at, &text))
		return OK;
	identity->is_joining = true;
	return join_token_read(text, &identity->token, err);
}

static enum code read_first(const struct secret_file *file, struct identity *identity, struct err *err)
{
	struct bytes text;
	size_t at = 0, count = 0;

	while (secret_file_next(file, "first", &at, &text)) {
		uint8_t *room = arena_take(&identity->arena, text.size + 1);
		size_t size;

		if (count == IDENTITY_FIRST || !base64_read(text, room, text.size, &size))
			return fail(err, E_FORM, "a line 'first' is damaged");
		identity->first[count++] = bytes_of(room, size);
	}
	if (count && count != IDENTITY_FIRST)
		return fail(err, E_FORM, "a line 'first' is missing");
	identity->is_founding = count;
	return OK;
}

enum code identity_read(const char *state_dir, struct identity **ret_identity, struct err *err)
{
	struct identity *identity;
	struct secret_file file;
	enum code code = secret_file_read(state_dir, FILE_NAME, MAGIC, &file, err);

	if (code)
		return code;
	identity = take_memory();
	code = secret_file_hex(&file, "cluster", identity->cluster.bytes, 16, err);
	if (!code)
		code = secret_file_hex(&file, "seed", identity->seed, 32, err);
	if (!code)
		code = secret_file_hex(&file, "box", identity->box_secret, 32, err);
	if (!code)
		code = read_token(&file, identity, err);
	if (!code)
		code = read_first(&file, identity, err);
	secret_file_done(&file);
	if (code) {
		identity_free(identity);
		return fail_in(err, code, "%s/%s", state_dir, FILE_NAME);
	}
	complete(identity);
	*ret_identity = identity;
	return OK;
}

struct identity *identity_new(struct id cluster)
{
	struct identity *identity = take_memory();

	identity->cluster = cluster;
	randombytes_buf(identity->seed, sizeof identity->seed);
	randombytes_buf(identity->box_secret, sizeof identity->box_secret);
	complete(identity);
	return identity;
}

struct identity *identity_copy(const struct identity *identity)
{
	struct identity *copy = take_memory();

	*copy = *identity;
	copy->arena = (struct arena){ 0 };
	for (size_t i = 0; i < IDENTITY_FIRST; i++)
		copy->first[i] = arena_copy(&copy->arena, identity->first[i]);
	return copy;
}

void identity_free(struct identity *identity)
{
	if (identity)
		arena_done(&identity->arena);
	sodium_free(identity);
}

static void put_first(struct secret_file *file, const struct identity *identity)
{
	for (size_t i = 0; i < IDENTITY_FIRST; i++) {
		size_t size = base64_size(identity->first[i].size);
		char *text = must_alloc(size + 1);

		base64_write(identity->first[i], text);
		secret_file_put(file, "first", bytes_of(text, size));
		free(text);
	}
}

enum code identity_write(const char *state_dir, const struct identity *identity, bool is_new, struct err *err)
{
	struct secret_file file = secret_file_new(MAGIC);
	char token[JOIN_TOKEN_MAX];
	enum code code;

	secret_file_put_hex(&file, "cluster", bytes_of(identity->cluster.bytes, 16));
	secret_file_put_hex(&file, "seed", bytes_of(identity->seed, 32));
	secret_file_put_hex(&file, "box", bytes_of(identity->box_secret, 32));
	if (identity->is_joining) {
		join_token_write(&identity->token, token);
		secret_file_put(&file, "joining", bytes_text(token));
		sodium_memzero(token, sizeof token);
	}
	if (identity->is_founding)
		put_first(&file, identity);
	code = secret_file_write(state_dir, FILE_NAME, &file, is_new, err);
	secret_file_done(&file);
	return code;
}

enum code identity_forget(const char *state_dir, struct err *err)
{
	return secret_file_remove(state_dir, FILE_NAME, err);
}

struct joining identity_joining(const struct identity *identity)
{
	return (struct joining){ .sponsor = identity->token.sponsor,
				 .invite = identity->token.invite,
				 .one_time = signer_from_seed(identity->token.one_time) };
}
