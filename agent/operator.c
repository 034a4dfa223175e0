/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operator.h"

#include "agent/secret_file.h"
#include "crdt/base/text.h"
#include "crdt/log/log.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "warren-operator-key-1"
#define FILE_FRONT "operator-"
#define FILE_END ".key"

enum { FILE_NAME_SIZE = 64, KEYS_MAX = 256 };

/* --- Keys. */

static struct operator_key *take_memory(void)
{
	struct operator_key *key = sodium_malloc(sizeof *key);

	if (!key)
		abort(); /* no memory that may be locked: nobody can act on its lack */
	sodium_memzero(key, sizeof *key);
	return key;
}

struct operator_key *operator_new(const char *name)
{
	struct operator_key *key = take_memory();

	randombytes_buf(key->seed, sizeof key->seed);
	key->signer = signer_from_seed(key->seed);
	snprintf(key->name, sizeof key->name, "%s", name);
	return key;
}

void operator_free(struct operator_key *key)
{
	sodium_free(key);
}

/* By the front of the public key: enough to tell those of one server apart. */
static void file_name(struct key32 key, char room[FILE_NAME_SIZE])
{
	char hex[33];

	hex_write(bytes_of(key.bytes, 16), hex);
	snprintf(room, FILE_NAME_SIZE, FILE_FRONT "%s" FILE_END, hex);
}

enum code operator_write(const char *state_dir, const struct operator_key *key, struct err *err)
{
	struct secret_file file = secret_file_new(MAGIC);
	char name[FILE_NAME_SIZE];
	enum code code;

	file_name(key->signer.key, name);
	secret_file_put_hex(&file, "key", bytes_of(key->signer.key.bytes, 32));
	secret_file_put_hex(&file, "seed", bytes_of(key->seed, 32));
	/* Behind what it could be mistaken for: of two lines of one name the first counts. */
	secret_file_put(&file, "name", bytes_text(key->name));
	code = secret_file_write(state_dir, name, &file, true, err);
	secret_file_done(&file);
	return code;
}

enum code operator_remove(const char *state_dir, struct key32 key, struct err *err)
{
	char name[FILE_NAME_SIZE];

	file_name(key, name);
	return secret_file_remove(state_dir, name, err);
}

static enum code read_one(const char *state_dir, const char *name, struct operator_key *ret_key, struct err *err)
{
	struct secret_file file;
	struct bytes text;
	size_t at = 0;
	enum code code = secret_file_read(state_dir, name, MAGIC, &file, err);

	if (code)
		return code;
	*ret_key->name = 0;
	code = secret_file_hex(&file, "seed", ret_key->seed, 32, err);
	if (!code && secret_file_next(&file, "name", &at, &text))
		snprintf(ret_key->name, sizeof ret_key->name, "%.*s", (int)text.size, (const char *)text.data);
	secret_file_done(&file);
	if (code)
		return fail_in(err, code, "%s/%s", state_dir, name);
	ret_key->signer = signer_from_seed(ret_key->seed);
	return OK;
}

enum code operator_find(const char *state_dir, struct key32 key, struct operator_key **ret_key, struct err *err)
{
	struct operator_key *found = take_memory();
	char name[FILE_NAME_SIZE];
	enum code code;

	file_name(key, name);
	code = read_one(state_dir, name, found, err);
	if (!code && memcmp(found->signer.key.bytes, key.bytes, sizeof key.bytes))
		code = fail(err, E_FORM, "%s/%s holds another key than its name says", state_dir, name);
	if (code) {
		operator_free(found);
		return code == E_ABSENT
			       ? fail(err, E_ABSENT, "this key does not lie on this server: ask where it was made")
			       : code;
	}
	*ret_key = found;
	return OK;
}

/* Behind the front: salt and nonce, then the seed and the name, sealed by a key that the passphrase gives. */
#define SEALED_FRONT "warren-operator-1 "

enum { SEALED_SIZE = 32 + 64 };

enum code operator_seal(const struct operator_key *key, struct bytes passphrase, const uint8_t salt[OPERATOR_SALT],
			char room[OPERATOR_SEALED_MAX], struct err *err)
{
	uint8_t raw[OPERATOR_SALT + crypto_secretbox_MACBYTES + SEALED_SIZE];
	uint8_t plain[SEALED_SIZE] = { 0 }, secret[crypto_secretbox_KEYBYTES];
	size_t front = strlen(SEALED_FRONT);

	_Static_assert(OPERATOR_SALT == crypto_pwhash_SALTBYTES + crypto_secretbox_NONCEBYTES, "salt and nonce");
	if (crypto_pwhash(secret, sizeof secret, (const char *)passphrase.data, passphrase.size, salt,
			  crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE,
			  crypto_pwhash_ALG_ARGON2ID13))
		return fail(err, E_LIMIT, "sealing takes 256 MiB of memory, which this server has not got: free some");
	memcpy(plain, key->seed, 32);
	memcpy(plain + 32, key->name, strnlen(key->name, 64));
	memcpy(raw, salt, OPERATOR_SALT);
	crypto_secretbox_easy(raw + OPERATOR_SALT, plain, sizeof plain, salt + crypto_pwhash_SALTBYTES, secret);
	sodium_memzero(plain, sizeof plain);
	sodium_memzero(secret, sizeof secret);
	memcpy(room, SEALED_FRONT, front);
	base64_write(bytes_of(raw, sizeof raw), room + front);
	return OK;
}

static bool is_key_file(const char *name)
{
	size_t size = strlen(name), end = strlen(FILE_END);

	return !strncmp(name, FILE_FRONT, strlen(FILE_FRONT)) && size > end && !strcmp(name + size - end, FILE_END) &&
	       size < FILE_NAME_SIZE;
}

/* Reads all that are here; those that cannot be read are told of only when there is no other. */
static enum code for_each(const char *state_dir, bool (*use)(void *context, const struct operator_key *key),
			  void *context, struct err *err)
{
	struct operator_key *key = take_memory();
	DIR *dir = opendir(state_dir);
	struct dirent *entry;
	enum code code = OK;
	bool goes_on = true;

	while (goes_on && dir && (entry = readdir(dir))) {
		enum code one;

		if (!is_key_file(entry->d_name))
			continue;
		one = read_one(state_dir, entry->d_name, key, err);
		if (one)
			code = one;
		else
			goes_on = use(context, key);
	}
	if (dir)
		closedir(dir);
	else if (errno != ENOENT)
		code = fail(err, E_IO, "reading %s: %s", state_dir, strerror(errno));
	operator_free(key);
	return code;
}

struct listing {
	struct key32 *keys;
	size_t count;
};

static bool list_one(void *context, const struct operator_key *key)
{
	struct listing *listing = context;

	listing->keys[listing->count++] = key->signer.key;
	return listing->count < KEYS_MAX;
}

enum code operator_list(const char *state_dir, struct arena *arena, struct key32 **ret_keys, size_t *ret_count,
			struct err *err)
{
	struct listing listing = { .keys = arena_take(arena, KEYS_MAX * sizeof(struct key32)) };
	enum code code = for_each(state_dir, list_one, &listing, err);

	if (code && !listing.count)
		return code;
	*ret_keys = listing.keys;
	*ret_count = listing.count;
	return OK;
}

struct choosing {
	const struct members *members;
	struct operator_key *best;
	uint32_t depth;
};

/* How far below the root; false: it counts for nothing. */
static bool find_depth(const struct members *members, struct key32 key, uint32_t *ret_depth)
{
	struct operator_view view;

	for (size_t i = 0; members_operator(members, i, &view); i++)
		if (!view.is_removed && !memcmp(view.key.bytes, key.bytes, sizeof key.bytes)) {
			*ret_depth = view.depth;
			return true;
		}
	return false;
}

static bool choose_one(void *context, const struct operator_key *key)
{
	struct choosing *choosing = context;
	uint32_t depth;

	if (!find_depth(choosing->members, key->signer.key, &depth) || (choosing->best && depth >= choosing->depth))
		return true;
	if (!choosing->best)
		choosing->best = take_memory();
	*choosing->best = *key;
	choosing->depth = depth;
	return true;
}

enum code operator_read(const char *state_dir, const struct members *members, struct operator_key **ret_key,
			struct err *err)
{
	struct choosing choosing = { .members = members };
	enum code code = for_each(state_dir, choose_one, &choosing, err);

	if (choosing.best) {
		*ret_key = choosing.best;
		return OK;
	}
	if (code)
		return code;
	return fail(
		err, E_ABSENT,
		"no operator's key lies on this server: run this on the server where the cluster was made, or bring "
		"a key here");
}

/* --- Statements. */

enum code realm_read(struct store_txn *txn, struct id cluster, struct arena *arena, struct realm *ret_realm,
		     struct err *err)
{
	struct realm realm = { .cluster = cluster };
	enum code code = log_read_statements(txn, arena, &realm.all, &realm.count, err);

	if (code)
		return code;
	realm.members = members_make(cluster, realm.all, realm.count);
	*ret_realm = realm;
	return OK;
}

void realm_done(struct realm *realm)
{
	members_free(realm->members);
	*realm = (struct realm){ 0 };
}

static bool is_named(const struct realm *realm, struct id hash)
{
	for (size_t i = 0; i < realm->count; i++) {
		const struct statement *s = &realm->all[i];

		for (size_t at = 0; at + sizeof hash <= s->heads.size; at += sizeof hash)
			if (!memcmp(s->heads.data + at, hash.bytes, sizeof hash.bytes))
				return true;
	}
	return false;
}

/* Those that no other names; where there are more than a statement has room for, the newest. */
static size_t find_heads(const struct realm *realm, struct id heads[STATEMENT_HEADS_MAX])
{
	size_t count = 0;

	for (size_t i = realm->count; i-- > 0 && count < STATEMENT_HEADS_MAX;)
		if (!is_named(realm, realm->all[i].hash))
			heads[count++] = realm->all[i].hash;
	return count;
}

struct bytes operator_sign(const struct signer *signer, const struct realm *realm, const struct kind *kind,
			   const void *row, struct arena *arena)
{
	struct id heads[STATEMENT_HEADS_MAX];
	size_t count = kind == KIND_TABLE(admission) ? 0 : find_heads(realm, heads);
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct bytes whole;

	statement_write(signer, realm->cluster, kind, row, heads, count, &buf);
	whole = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}
