/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/join_token.h"

#include "crdt/base/buf.h"
#include "crdt/base/hash.h"
#include "crdt/base/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>

enum {
	TOKEN_VERSION = 1,
	CHECK_SIZE = 4,
	HOST_MAX = 253,
	RAW_MAX = 1 + 16 + 32 + 16 + 32 + 8 + 1 + JOIN_TOKEN_ADDRESSES * (2 + 1 + HOST_MAX) + CHECK_SIZE,
	GROUPS = 8,
	GROUP_BYTES = 4,
};

#define RECOVERY_PREFIX "wrn-recovery-"

static void put_check(struct buf *out)
{
	struct bytes all = buf_bytes(out);
	struct id hash = hash_id(&all, 1);

	buf_put(out, hash.bytes, CHECK_SIZE);
}

/* Whether the last bytes are the check of those before. */
static bool is_checked(struct bytes all)
{
	struct bytes front = bytes_of(all.data, all.size - CHECK_SIZE);
	struct id hash = hash_id(&front, 1);

	return !sodium_memcmp(hash.bytes, all.data + front.size, CHECK_SIZE);
}

void join_token_write(const struct join_token *token, char room[JOIN_TOKEN_MAX])
{
	uint8_t raw[RAW_MAX];
	struct buf out = buf_over(raw, sizeof raw);
	size_t prefix = strlen(JOIN_TOKEN_PREFIX);

	buf_put_byte(&out, TOKEN_VERSION);
	buf_put(&out, token->cluster.bytes, 16);
	buf_put(&out, token->sponsor.bytes, 32);
	buf_put(&out, token->invite.bytes, 16);
	buf_put(&out, token->one_time, 32);
	buf_put_big_endian(&out, token->expires.ms, 8);
	buf_put_byte(&out, (uint8_t)token->count);
	for (size_t i = 0; i < token->count; i++) {
		buf_put_big_endian(&out, token->addresses[i].port, 2);
		buf_put_byte(&out, (uint8_t)strlen(token->addresses[i].host));
		buf_put_text(&out, token->addresses[i].host);
	}
	put_check(&out);
	assert(!out.is_full);
	memcpy(room, JOIN_TOKEN_PREFIX, prefix);
	sodium_bin2base64(room + prefix, JOIN_TOKEN_MAX - prefix, raw, out.size,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(raw, sizeof raw);
}

static void read_into(struct reader *r, void *room, size_t size)
{
	const uint8_t *bytes = read_bytes(r, size);

	if (bytes)
		memcpy(room, bytes, size);
}

static bool read_address(struct reader *r, struct transport_address *ret_address)
{
	const uint8_t *host;
	size_t size;

	ret_address->port = (uint16_t)read_big_endian(r, 2);
	size = (size_t)read_big_endian(r, 1);
	host = read_bytes(r, size);
	if (!host || !size || size > HOST_MAX || !ret_address->port)
		return false;
	for (size_t i = 0; i < size; i++)
		if (host[i] <= ' ' || host[i] > '~')
			return false;
	memcpy(ret_address->host, host, size);
	ret_address->host[size] = 0;
	return true;
}

static bool read_raw(struct reader *r, struct join_token *token)
{
	read_into(r, token->cluster.bytes, 16);
	read_into(r, token->sponsor.bytes, 32);
	read_into(r, token->invite.bytes, 16);
	read_into(r, token->one_time, 32);
	token->expires.ms = read_big_endian(r, 8);
	token->count = (size_t)read_big_endian(r, 1);
	if (token->count > JOIN_TOKEN_ADDRESSES)
		return false;
	for (size_t i = 0; i < token->count; i++)
		if (!read_address(r, &token->addresses[i]))
			return false;
	return !r->is_short && !reader_left(r);
}

static enum code read_text(struct bytes text, uint8_t raw[RAW_MAX], struct join_token *token, struct err *err)
{
	struct bytes prefix = bytes_text(JOIN_TOKEN_PREFIX);
	struct reader r;
	size_t size;

	if (!bytes_start_with(text, prefix))
		return fail(err, E_FORM, "this is no join token: it begins with %s, as `wgctl node invite` prints it",
			    JOIN_TOKEN_PREFIX);
	if (sodium_base642bin(raw, RAW_MAX, (const char *)text.data + prefix.size, text.size - prefix.size, NULL, &size,
			      NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    size < 1 + CHECK_SIZE)
		return fail(err, E_FORM, "the join token is cut or changed: paste the whole line again");
	if (!is_checked(bytes_of(raw, size)))
		return fail(err, E_FORM, "the join token is cut or changed: paste the whole line again");
	if (raw[0] != TOKEN_VERSION)
		return fail(err, E_NEWER, "another version of Warren made this join token: install that version here");
	r = reader_over(bytes_of(raw + 1, size - 1 - CHECK_SIZE));
	return read_raw(&r, token) ? OK : fail(err, E_FORM, "the join token is damaged: make a new one");
}

enum code join_token_read(struct bytes text, struct join_token *ret_token, struct err *err)
{
	struct join_token token = { 0 };
	uint8_t raw[RAW_MAX];
	enum code code = read_text(text, raw, &token, err);

	if (!code)
		*ret_token = token;
	sodium_memzero(raw, sizeof raw);
	sodium_memzero(&token, sizeof token);
	return code;
}

void recovery_key_write(const uint8_t seed[32], char room[RECOVERY_KEY_MAX])
{
	uint8_t raw[32 + CHECK_SIZE];
	struct buf out = buf_over(raw, sizeof raw);
	size_t at = strlen(RECOVERY_PREFIX);

	buf_put(&out, seed, 32);
	put_check(&out);
	memcpy(room, RECOVERY_PREFIX, at);
	for (size_t i = 0; i <= GROUPS; i++) {
		hex_write(bytes_of(raw + i * GROUP_BYTES, GROUP_BYTES), room + at);
		at += 2 * GROUP_BYTES;
		room[at++] = i == GROUPS ? 0 : '-';
	}
	sodium_memzero(raw, sizeof raw);
}

enum code recovery_key_read(struct bytes text, uint8_t ret_seed[32], struct err *err)
{
	struct bytes prefix = bytes_text(RECOVERY_PREFIX);
	uint8_t raw[32 + CHECK_SIZE];
	size_t size;
	bool is_good;

	if (!bytes_start_with(text, prefix))
		return fail(err, E_FORM, "this is no recovery key: it begins with %s", RECOVERY_PREFIX);
	is_good = !sodium_hex2bin(raw, sizeof raw, (const char *)text.data + prefix.size, text.size - prefix.size, "- ",
				  &size, NULL) &&
		  size == sizeof raw && is_checked(bytes_of(raw, sizeof raw));
	if (is_good)
		memcpy(ret_seed, raw, 32);
	sodium_memzero(raw, sizeof raw);
	return is_good ? OK
		       : fail(err, E_FORM,
			      "the recovery key is mistyped, or not whole: compare it with what you wrote down");
}
