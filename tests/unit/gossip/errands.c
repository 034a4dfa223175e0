/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/errands.h"

#include "crdt/model/pack.h"
#include "crdt/state/spend.h"

struct errands errands;

void errands_begin(uint32_t members)
{
	errands.scene = scene_new(members);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		errands.reals[i] = real_boot(errands.scene, i);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		errands.wires[i] = scene_meet(errands.scene, errands.reals[(i + 1) % SCENE_REALS],
					      errands.reals[(i + 2) % SCENE_REALS]);
	scene_pass(errands.scene, 3000);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_forget(errands.reals[i]);
}

void errand_put(struct asked_for *asking, const struct kind *kind, const void *row)
{
	struct buf map = buf_growing(MODEL_OP_MAX);

	pack_write(&kind->shape, row, &map);
	asking->changes[asking->count++] = (struct change){ .what = CHANGE_CREATE,
							    .kind = kind->number,
							    .map = arena_copy(&errands.scene->arena, buf_bytes(&map)) };
	buf_done(&map);
}

uint64_t errand_ask(struct real *real, const struct asked_for *asking)
{
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++errands.scene->requests,
					       .asker = { .writes = BY_OWNER | BY_AGENT },
					       .changes = asking->changes,
					       .count = asking->count,
					       .idempotency = bytes_text(asking->key ? asking->key : ""),
					       .action = bytes_text("scene.spend"),
					       .copies = asking->copies } };

	real_event(real, &event);
	return event.write.number;
}

/* A token of so many uses whose home is that member, known to everybody. */
struct id errands_token(uint32_t home, uint64_t uses)
{
	static const uint8_t hash[32] = { 7 };
	struct enrolment_token_row row = { .has = BIT(AT_enrolment_token_hash) | BIT(AT_enrolment_token_uses) |
						  BIT(AT_enrolment_token_name) | BIT(AT_enrolment_token_expires),
					   .hash = bytes_of(hash, sizeof hash),
					   .uses = uses,
					   .name = bytes_text("laptops"),
					   .expires = { UINT64_C(1) << 42 } };
	struct asked_for asking = { .count = 0 };
	uint64_t number;

	errand_put(&asking, KIND_TABLE(enrolment_token), &row);
	number = errand_ask(errands.reals[home], &asking);
	assert_int_equal(real_answer(errands.reals[home], number)->code, OK);
	scene_pass(errands.scene, 1100);
	return real_answer(errands.reals[home], number)->id;
}

struct asked_for errand_spending(struct id token, const char *key)
{
	struct spend_row row = { .has = BIT(AT_spend_credential), .credential = { KIND_enrolment_token, token } };
	struct asked_for asking = { .key = key };

	errand_put(&asking, KIND_TABLE(spend), &row);
	return asking;
}

uint64_t errand_spend(uint32_t at, struct id token, const char *key)
{
	struct asked_for asking = errand_spending(token, key);

	return errand_ask(errands.reals[at], &asking);
}

size_t errands_count(uint32_t at, struct id token)
{
	struct ref ref = { KIND_enrolment_token, token };
	struct store_txn *txn;
	struct spent *spent;
	size_t count;

	assert_int_equal(store_snapshot(errands.reals[at]->store, &txn, NULL), OK);
	assert_int_equal(spend_all(txn, ref, &errands.scene->arena, &spent, &count, NULL), OK);
	store_end(txn);
	return count;
}

const struct answered *errands_answer(uint32_t at, uint64_t number, enum code code)
{
	const struct answered *answer = real_answer(errands.reals[at], number);

	if (!answer || answer->code != code)
		fail_msg("%s: %s", answer ? code_name(answer->code) : "no answer", answer ? answer->text : "");
	return answer;
}

const struct mesh_counts *errands_counts(uint32_t at)
{
	return &real_mesh(errands.reals[at])->counts;
}
