/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/batch.h"

#include "crdt/model/model.h"
#include "crdt/model/record.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"

static struct arena arena;
static struct signer author;
static const struct id cluster = { { 1, 2, 3 } };

#define ID "c410 00112233445566778899aabbccddeeff "

static void assert_bytes(struct bytes is, struct bytes should)
{
	assert_int_equal(is.size, should.size);
	assert_memory_equal(is.data, should.data, is.size);
}

static enum lane lane_of(uint32_t kind, bool is_dead, const char *map)
{
	struct op ops[] = { { .kind = KIND_usage, .map = bytes_of("\x81\x04\x07", 3) },
			    { .kind = kind, .is_dead = is_dead, .map = unhex(&arena, map) } };

	if (is_dead)
		ops[1].map = bytes_of(NULL, 0);
	assert_int_equal(entry_lane(ops, 1), LANE_BULK);
	return entry_lane(ops, 2);
}

static void an_entry_travels_in_its_most_urgent_lane(void **state)
{
	struct op both[] = { { .kind = KIND_device, .is_dead = true }, { .kind = KIND_group, .is_dead = true } };

	(void)state;
	assert_int_equal(lane_of(KIND_device, true, ""), LANE_URGENT);
	assert_int_equal(lane_of(KIND_device, false, "81 04 01"), LANE_PEOPLE);
	assert_int_equal(lane_of(KIND_enrolment_approval, true, ""), LANE_PEOPLE);
	assert_int_equal(lane_of(KIND_hold, false, "82 00 c4080102030405060708 04 01"), LANE_URGENT);
	assert_int_equal(lane_of(KIND_hold, false, "81 05 01"), LANE_PEOPLE);
	assert_int_equal(lane_of(KIND_hold, false, "80"), LANE_PEOPLE);
	assert_int_equal(lane_of(KIND_hold, true, ""), LANE_URGENT);
	assert_int_equal(lane_of(KIND_audit, false, "81 04 07"), LANE_BULK);
	assert_int_equal(lane_of(0xfffd, true, ""), LANE_PEOPLE);
	assert_int_equal(lane_of(0xfffe, false, "81 04 07"), LANE_BULK);
	assert_int_equal(entry_lane(both, 2), LANE_URGENT);
	both[0].kind = KIND_group;
	both[1].kind = KIND_device;
	assert_int_equal(entry_lane(both, 2), LANE_URGENT);
	arena_reset(&arena);
}

/* By that number alone a batch tells whose row it is, whatever the kind. */
static void every_row_of_a_member_names_it_first(void **state)
{
	size_t own = 0;

	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct field *field = model_field(&model_kinds[i].shape, RECORD_FIRST);

		if (model_kinds[i].number % 4 != TIER_OWN)
			continue;
		own++;
		if (!field || field->type != TYPE_NODE || field->is_list || !field->is_required)
			fail_msg("kind %s: the field at place 1 is not its author", model_kinds[i].shape.name);
	}
	assert_true(own > 5);
}

/* The same form for ever: what one version wrote, all others read. */
static void the_form_is_fixed(void **state)
{
	static const char header[] = "99 01 c410 01020300000000000000000000000000 05 01 01 0a 01 "
				     "c410 01020300000000000000000000000000 c420";
	struct bytes entry = unhex(&arena, "93 05 92 41 " ID "91 93 41 " ID "c0"), should = unhex(&arena, header);
	struct op op = { .kind = 0x41, .is_dead = true };
	struct ref actor = { .kind = 0x41 };
	struct buf made = buf_growing(BATCH_MAX), whole = buf_growing(BATCH_MAX);

	(void)state;
	for (size_t i = 0; i < 16; i++)
		op.id.bytes[i] = actor.id.bytes[i] = (uint8_t)(i * 0x11);
	entry_write((struct hlc){ 5 }, &actor, &op, 1, &made);
	assert_bytes(buf_bytes(&made), entry);
	batch_write(&author, cluster, (struct stream){ 5, 1, LANE_PEOPLE }, (struct end){ 9, cluster },
		    buf_bytes(&made), 1, &whole);
	assert_memory_equal(whole.data, should.data, should.size);
	assert_memory_equal(whole.data + should.size + 32, "\xc4\x40", 2);
	assert_int_equal(whole.size, should.size + 32 + 66 + entry.size);
	buf_done(&made);
	buf_done(&whole);
	arena_reset(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_travels_in_its_most_urgent_lane),
		cmocka_unit_test(every_row_of_a_member_names_it_first),
		cmocka_unit_test(the_form_is_fixed),
	};
	uint8_t seed[32] = { 4 };
	int failed;

	author = signer_from_seed(seed);
	failed = cmocka_run_group_tests_name("entry", tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
