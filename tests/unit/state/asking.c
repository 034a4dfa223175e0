/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/asking.h"

#include "tests/unit/base/check.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/apply.h"
#include "crdt/state/found.h"

void asking_start(struct asking *a, uint64_t seed)
{
	*a = (struct asking){ .rng = rng_from_number(seed) };
	putting_start(&a->p, seed);
	a->judging = (struct judging){
		.txn = a->p.txn,
		.arena = &a->p.arena,
		.rng = &a->rng,
		.node = ASKING_NODE,
		.start = ASKING_START,
		.hlc = hlc_make(1000, 0),
		.now = { 1000 },
		.action = bytes_text("test.do"),
		.audit_seq = 1,
	};
	a->asker = (struct asker){ .writes = BY_OWNER };
}

void asking_end(struct asking *a)
{
	putting_end(&a->p);
}

void ask_map(struct asking *a, enum change_what what, uint32_t kind, struct id id, struct bytes map)
{
	assert_true(a->count < COUNT(a->changes));
	a->changes[a->count++] =
		(struct change){ .what = what, .kind = kind, .id = id, .map = arena_copy(&a->p.arena, map) };
}

static void ask_row(struct asking *a, enum change_what what, const struct kind *kind, struct id id, const void *row)
{
	struct buf buf = buf_growing(RECORD_MAX);
	union any_row copy;

	memcpy(&copy, row, kind->shape.size);
	for (size_t i = 0; i < kind->shape.count; i++)
		if (kind->shape.fields[i].merge == MERGE_CRED && row_has_field(&kind->shape, row, i))
			field_guard(&kind->shape.fields[i], &copy)->generation = 1;
	pack_write(&kind->shape, &copy, &buf);
	ask_map(a, what, kind->number, id, buf_bytes(&buf));
	buf_done(&buf);
}

void ask_create(struct asking *a, const struct kind *kind, const void *row)
{
	ask_row(a, CHANGE_CREATE, kind, (struct id){ { 0 } }, row);
}

void ask_set(struct asking *a, const struct kind *kind, struct id id, const void *row)
{
	ask_row(a, CHANGE_SET, kind, id, row);
}

void ask_unset(struct asking *a, const struct kind *kind, struct id id, size_t place)
{
	uint8_t room[16];
	struct buf buf = buf_over(room, sizeof room);

	mp_put_map(&buf, 1);
	mp_put_uint(&buf, kind->shape.fields[place].number);
	if (kind->shape.fields[place].merge == MERGE_CRED) {
		mp_put_array(&buf, 2);
		mp_put_uint(&buf, 1);
	}
	mp_put_nil(&buf);
	ask_map(a, CHANGE_SET, kind->number, id, buf_bytes(&buf));
}

void ask_remove(struct asking *a, const struct kind *kind, struct id id)
{
	ask_map(a, CHANGE_REMOVE, kind->number, id, bytes_of(NULL, 0));
}

static void check_audit(struct asking *a, struct id first, uint32_t kind)
{
	struct audit_row row;

	assert_int_equal(state_row(a->p.txn, KIND_TABLE(audit), a->judged.audit_hash, &row, NULL), OK);
	assert_int_equal(row.node, ASKING_NODE);
	assert_int_equal(row.start, ASKING_START);
	assert_int_equal(row.seq, a->judging.audit_seq);
	assert_int_equal(row.at.ms, a->judging.now.ms);
	assert_int_equal(row.outcome, OUTCOME_DONE);
	assert_true(bytes_equal(row.before, bytes_of(a->judging.audit_before.bytes, 16)));
	assert_true(bytes_equal(row.action, a->judging.action));
	assert_true(row.subject.kind == kind && id_equal(row.subject.id, first));
	assert_int_equal(!!(row.has & BIT(AT_audit_actor)), a->asker.has_actor);
	if (a->asker.has_actor)
		assert_true(id_equal(row.actor.id, a->asker.actor.id));
}

static void take_entry(struct asking *a)
{
	struct changes changes = { 0 };
	struct applying applying = { .txn = a->p.txn, .changes = &changes, .arena = &a->p.arena };
	struct op ops[JUDGE_CHANGES_MAX + 1];
	struct entry entry;
	struct reader r;
	size_t count = 0;

	assert_int_equal(entry_check(a->judged.entry, ASKING_NODE, &entry, &a->err), OK);
	assert_int_equal(entry.hlc.bits, a->judged.hlc.bits);
	assert_true(entry.hlc.bits >= a->judging.hlc.bits);
	assert_int_equal(entry.has_actor, a->asker.has_actor);
	r = reader_over(entry.ops);
	while (entry_next(&r, &ops[count]))
		count++;
	assert_int_equal(count, entry.count);
	assert_int_equal(a->judged.lane, entry_lane(ops, count));
	assert_int_equal(apply_entry(&applying, ASKING_NODE, &entry, &a->err), OK);
	/* No op is there for nothing. */
	assert_int_equal(changes.count, count);
	changes_done(&changes);
	if (a->judging.action.size) {
		check_audit(a, a->judged.ids[0], a->changes[0].kind);
		a->judging.audit_seq++;
	}
}

enum code asked(struct asking *a)
{
	struct judged judged = a->judged;
	enum code code = judge(&a->judging, &a->asker, a->changes, a->count, &judged, &a->err);

	if (code == E_DRY) {
		a->dry = judged.pool;
		judged.pool = a->judged.pool;
	}
	if (code) {
		assert_memory_equal(&judged, &a->judged, sizeof judged);
		a->count = 0;
		return code;
	}
	a->judged = judged;
	if (!judged.is_repeat)
		take_entry(a);
	else
		assert_true(!judged.entry.size && id_equal(judged.audit_hash, a->judging.audit_before));
	a->judging.audit_before = judged.audit_hash;
	a->count = 0;
	return OK;
}

void ask_user(struct asking *a, const char *login, uint64_t role, struct id plan)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text(login), .role = role, .plan = plan };

	row.has |= (role ? BIT(AT_user_role) : 0) | (id_is_zero(plan) ? 0 : BIT(AT_user_plan));
	ask_create(a, KIND_TABLE(user), &row);
}

struct id made_user(struct asking *a, const char *login, uint64_t role)
{
	ask_user(a, login, role, (struct id){ { 0 } });
	TAKEN(a);
	return a->judged.ids[0];
}

void ask_device(struct asking *a, struct id owner, const char *name, uint8_t key)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name) };

	memset(row.public_key.bytes, key, sizeof row.public_key.bytes);
	row.owner = owner;
	row.name = bytes_text(name);
	ask_create(a, KIND_TABLE(device), &row);
}

void ask_login(struct asking *a, struct id user, const char *login)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text(login) };

	ask_set(a, KIND_TABLE(user), user, &row);
}

void ask_role(struct asking *a, struct id user, uint64_t role)
{
	struct user_row row = { .has = BIT(AT_user_role), .role = role };

	ask_set(a, KIND_TABLE(user), user, &row);
}

void read_row(struct asking *a, const struct kind *kind, struct id id, void *ret_row)
{
	assert_int_equal(state_row(a->p.txn, kind, id, ret_row, &a->err), OK);
}

bool is_there(struct asking *a, const struct kind *kind, struct id id)
{
	union any_row row;

	return !state_row(a->p.txn, kind, id, &row, NULL);
}
