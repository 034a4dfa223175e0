/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/put.h"

#include "crdt/model/pack.h"
#include "crdt/state/found.h"

#include <stdio.h>
#include <stdlib.h>

static struct err err;

static void must(enum code code)
{
	if (!code)
		return;
	fprintf(stderr, "%s: %s\n", code_name(code), err.text);
	abort();
}

void putting_start(struct putting *putting, uint64_t seed)
{
	*putting = (struct putting){ 0 };
	world_start(&putting->world, seed);
	must(store_begin(putting->world.store, &putting->txn, &err));
}

void putting_end(struct putting *putting)
{
	must(store_commit(putting->txn, &err));
	world_end(&putting->world);
	arena_done(&putting->arena);
}

bool id_is_zero(struct id id)
{
	return id_equal(id, (struct id){ { 0 } });
}

static void merge(struct putting *putting, uint32_t kind, struct id id, const struct record *record)
{
	bool is_changed;

	must(state_merge(putting->txn, NULL, kind, id, record, &putting->arena, &is_changed, &err));
}

struct id put_row(struct putting *putting, const struct kind *kind, const void *row, uint64_t ms)
{
	struct record *record = arena_take(&putting->arena, sizeof *record);
	struct stamp stamp = { hlc_make(ms, 0), 1 };
	struct buf buf = buf_growing(RECORD_MAX);
	uint8_t nonce[8] = { 0 };
	union any_row made;
	struct bytes map;
	struct id id;

	memcpy(&made, row, kind->shape.size);
	if (!kind->shape.fields[0].number && !row_has_field(&kind->shape, row, 0)) {
		putting->nonces++;
		memcpy(nonce, &putting->nonces, sizeof nonce);
		*(struct bytes *)field_slot(&kind->shape.fields[0], &made) = bytes_of(nonce, sizeof nonce);
		*row_has(&kind->shape, &made) |= 1;
	}
	pack_write(&kind->shape, &made, &buf);
	map = arena_copy(&putting->arena, buf_bytes(&buf));
	buf_done(&buf);
	must(record_from_op(map, stamp, record, &err));
	id = record_id(kind->number, record);
	merge(putting, kind->number, id, record);
	return id;
}

void put_dead(struct putting *putting, const struct kind *kind, struct id id)
{
	struct record *record = arena_take(&putting->arena, sizeof *record);

	record->is_dead = true;
	merge(putting, kind->number, id, record);
}

struct id put_user(struct putting *putting, const char *login, uint64_t role, struct id plan)
{
	struct user_row row = { .has = BIT(AT_user_login) };

	row.login = bytes_text(login);
	if (role) {
		row.has |= BIT(AT_user_role);
		row.role = role;
		row.role_guard.generation = 1;
	}
	if (!id_is_zero(plan)) {
		row.has |= BIT(AT_user_plan);
		row.plan = plan;
	}
	return put_row(putting, KIND_TABLE(user), &row, 1);
}

struct id put_plan_of(struct putting *putting, const char *name, uint64_t devices)
{
	struct plan_row row = { .has = BIT(AT_plan_name), .name = bytes_text(name) };

	if (devices != UINT64_MAX) {
		row.has |= BIT(AT_plan_devices);
		row.devices = devices;
	}
	return put_row(putting, KIND_TABLE(plan), &row, 1);
}

struct id put_device(struct putting *putting, struct id owner, const char *name, uint8_t key, uint64_t ordinal)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name) |
					 BIT(AT_device_ordinal) };

	memset(row.public_key.bytes, key, sizeof row.public_key.bytes);
	row.owner = owner;
	row.name = bytes_text(name);
	row.ordinal = ordinal;
	return put_row(putting, KIND_TABLE(device), &row, 1);
}

struct id put_hold(struct putting *putting, uint32_t kind, struct id id)
{
	struct hold_row row = { .has = BIT(AT_hold_subject), .subject = { kind, id } };

	return put_row(putting, KIND_TABLE(hold), &row, 1);
}
