/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include <stdio.h>

/* Links from their opening to their end: strangers, members, two of one peer, and who dials. */

enum { STRANGER = 6 };

static struct link *link_of(const struct puppet *puppet)
{
	return link_find(real_mesh(puppet->to), puppet->number);
}

static void put_frame(struct puppet *puppet, enum frame_kind kind)
{
	struct buf *out = &puppet->frame;
	struct chain chain = chain_of(puppet->scene, STRANGER);

	switch (kind) {
	case FRAME_BATCH: frame_put_batch(out, chain_next(&chain, 1, 10)); return;
	case FRAME_ACK: frame_begin_frontiers(out, FRAME_ACK, false, true); return;
	case FRAME_INDEX: frame_begin_frontiers(out, FRAME_INDEX, false, true); return;
	case FRAME_BEAT: frame_put_beat(out, (struct sum){ 1, 2 }); return;
	case FRAME_HINT: frame_put_hint(out, HINT_SILENT, 5, 0); return;
	case FRAME_WANT: frame_begin_wants(out); return;
	case FRAME_GONE: frame_begin_gone(out); return;
	case FRAME_BUCKET: frame_begin_bucket(out, (struct sum){ 1, 2 }, 1, true); return;
	case FRAME_BUCKET_ASK: frame_put_bucket_ask(out, true, 0); return;
	case FRAME_SNAP_ASK: frame_put_snap_ask(out, 1, 1, &(struct snap_place){ .part = SNAP_STABLE }); return;
	case FRAME_SNAP:
		frame_put_snap(out, &(struct snap_front){ .part = SNAP_STABLE, .next.part = SNAP_PARTS },
			       bytes_of(NULL, 0));
		return;
	case FRAME_ASK: frame_put_ask(out, 1, ASK_TOKEN, 1, bytes_text("\x01")); return;
	case FRAME_ANSWER: frame_put_answer(out, 1, OK, bytes_of(NULL, 0)); return;
	case FRAME_PROOFS: frame_begin_proofs(out); return;
	case FRAME_FRONTS: frame_begin_fronts(out); return;
	case FRAME_OLD: frame_begin_old(out); return;
	case FRAME_REGION: frame_put_region(out, 1, 2, true, NULL, 0); return;
	case FRAME_T0_SUM:
	case FRAME_T0_LIST:
	case FRAME_T0_STATEMENTS:
	case FRAME_T0_APPLY:
	case FRAME_T0_REFUSE:
	case FRAME_BYE:
	case FRAME_KINDS: break;
	}
	fail_msg("not a frame of members alone");
}

static void a_stranger_may_say_nothing_that_members_say(void **state)
{
	(void)state;
	for (enum frame_kind kind = FRAME_BATCH; kind < FRAME_KINDS; kind += kind + 1 == FRAME_BYE ? 2 : 1) {
		struct scene *scene = scene_new(2);
		struct real *real = real_boot(scene, 0);
		struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 5);
		struct id disk = real_disk(real);

		put_frame(puppet, kind);
		puppet_say(puppet);
		assert_true(puppet_was_told(puppet, BYE_BROKE));
		assert_true(id_equal(real_disk(real), disk));
		real_check(real);
		assert_int_equal(real_mesh(real)->counts.link_broken, 1);
		assert_int_equal(real_mesh(real)->links_count, 0);
		scene_free(scene);
	}
}

static void a_stranger_is_told_nothing_but_statements(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 5);

	(void)state;
	puppet_agree(puppet);
	real_write(real, 10, 0);
	scene_pass(scene, 30000);
	assert_int_equal(puppet_count(puppet, FRAME_T0_STATEMENTS), puppet->count);
	assert_false(puppet->is_closed);
	scene_free(scene);
}

static void a_frame_of_no_form_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);
	char why[80];

	(void)state;
	buf_put_byte(&puppet->frame, FRAME_KINDS);
	puppet_say(puppet);
	snprintf(why, sizeof why, "a frame is of kind %d, which this version does not know", FRAME_KINDS);
	puppet_refused(puppet, disk, why);
	scene_free(scene);
}

static void bytes_that_are_no_message_end_the_link_without_a_word(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);
	uint8_t rubbish[64] = { 0, 0, 0, 40 };

	(void)state;
	puppet_forget(puppet);
	puppet_push(puppet, bytes_of(rubbish, sizeof rubbish));
	assert_true(puppet->is_closed);
	assert_int_equal(puppet->count, 0);
	assert_true(id_equal(real_disk(real), disk));
	assert_int_equal(real->alarms_count, 1);
	scene_free(scene);
}

static void who_does_not_say_who_it_is_goes_after_10_s(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;

	(void)state;
	scene_pass(scene, 100);
	puppet = puppet_knock(real);
	scene_pass(scene, 9900);
	assert_false(puppet->is_closed);
	scene_pass(scene, 1200);
	assert_true(puppet->is_closed);
	assert_int_equal(real->sends, 0);
	scene_free(scene);
}

static void a_stranger_goes_after_60_s(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;

	(void)state;
	scene_pass(scene, 100);
	puppet = puppet_dial(real, &scene->keys[STRANGER], 5);
	scene_pass(scene, 59900);
	assert_false(puppet->is_closed);
	scene_pass(scene, 1200);
	assert_true(puppet_was_told(puppet, BYE_STRANGER));
	scene_free(scene);
}

static void of_too_many_strangers_the_oldest_goes(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *all[MESH_GUESTS_MAX + 2], *member = puppet_member(real, 1);

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		/* The second one is the oldest by its time, though not by its number. */
		scene->now += i == 1 ? 0 : MS;
		scene->now -= i == 1 ? MS / 2 : 0;
		all[i] = puppet_knock(real);
		assert_int_equal(i >= 1 && all[1]->is_closed, i >= MESH_GUESTS_MAX);
		assert_int_equal(all[0]->is_closed, i >= MESH_GUESTS_MAX + 1);
	}
	for (size_t i = 2; i < COUNT(all); i++)
		assert_false(all[i]->is_closed);
	assert_false(member->is_closed);
	scene_free(scene);
}

static size_t cost_of(const struct link *link)
{
	return sizeof *link + session_size(link->session) + link->out.room;
}

static void who_has_not_shown_who_it_is_costs_a_kilobyte_at_most(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_knock(real);
	uint8_t random[32] = { 4 };
	struct bytes hello;

	(void)state;
	puppet->session =
		session_dial(&puppet->self, scene->keys[0].key, random, (struct mono_time){ scene->now }, &puppet->out);
	hello = buf_bytes(&puppet->out);
	assert_in_range(cost_of(link_of(puppet)), 1, 1024);
	puppet_push(puppet, bytes_of(hello.data, hello.size - 1));
	assert_in_range(cost_of(link_of(puppet)), 1, 1024);
	assert_int_equal(real->sends, 0);
	puppet_push(puppet, bytes_of(hello.data + hello.size - 1, 1));
	assert_in_range(cost_of(link_of(puppet)), 1, 1024);
	assert_int_equal(real->sends, 1);
	assert_false(session_is_up(link_of(puppet)->session));
	scene_free(scene);
}

/* --- Goodbyes. */

static void any_bye_of_a_member_ends_the_link(void **state)
{
	(void)state;
	for (enum bye_reason bye = BYE_STOPPING; bye < BYE_REASONS; bye++) {
		struct scene *scene = scene_new(2);
		struct real *real = real_boot(scene, 0);
		struct puppet *puppet = puppet_member(real, 1);
		struct id disk = real_disk(real);
		uint64_t number;

		puppet_forget(puppet);
		frame_put_bye(&puppet->frame, bye);
		puppet_say(puppet);
		assert_true(puppet->is_closed);
		assert_int_equal(puppet->count, 0);
		assert_true(id_equal(real_disk(real), disk));
		assert_int_equal(real->alarms_count, bye == BYE_TWIN || bye == BYE_EVICTED);
		assert_int_equal(real_mesh(real)->is_twin, bye == BYE_TWIN);
		number = real_write(real, 10, 0);
		assert_int_equal(real_answer(real, number)->code, bye == BYE_TWIN ? E_BUSY : OK);
		scene_free(scene);
	}
}

static void a_bye_of_a_stranger_means_nothing_to_us(void **state)
{
	(void)state;
	for (enum bye_reason bye = BYE_STOPPING; bye < BYE_REASONS; bye++) {
		struct scene *scene = scene_new(2);
		struct real *real = real_boot(scene, 0);
		struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 5);
		uint64_t number;

		frame_put_bye(&puppet->frame, bye);
		puppet_say(puppet);
		assert_true(puppet->is_closed);
		assert_int_equal(real->alarms_count, 0);
		assert_false(real_mesh(real)->is_twin);
		number = real_write(real, 10, 0);
		assert_int_equal(real_answer(real, number)->code, OK);
		scene_free(scene);
	}
}

static void who_was_evicted_is_told_so(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 2), *again, *other = puppet_member(real, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);

	(void)state;
	real_bring(real, &eviction, 1);
	assert_true(puppet_was_told(puppet, BYE_EVICTED));
	again = puppet_dial(real, &scene->keys[2], 5);
	assert_true(puppet_was_told(again, BYE_EVICTED));
	assert_false(other->is_closed);
	assert_int_equal(puppet_count(other, FRAME_T0_STATEMENTS), 2);
	assert_null(mesh_peer(real_mesh(real), scene_node(scene, 2)));
	real_check(real);
	scene_free(scene);
}

/* --- Two links of one peer. */

/* The node has `key`, the peer the other of 0 and 1; 0 has the smaller id. */
static void cross(uint32_t key, bool is_ours_first, uint64_t later_ms, bool is_later_kept)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, key);
	const struct signer *signer = &scene->keys[!key];
	struct puppet *first, *second;

	first = is_ours_first ? puppet_answer(real, signer, 7) : puppet_dial(real, signer, 7);
	puppet_open(first, NULL);
	scene->now += later_ms * MS;
	second = is_ours_first ? puppet_dial(real, signer, 7) : puppet_answer(real, signer, 7);
	if (is_later_kept)
		assert_true(puppet_was_told(first, BYE_RENEWED));
	else
		assert_true(puppet_was_told(second, BYE_DUPLICATE));
	assert_ptr_equal(mesh_peer(real_mesh(real), node_of_key(signer->key))->link,
			 link_of(is_later_kept ? second : first));
	assert_int_equal(real_mesh(real)->links_count, 1);
	scene_free(scene);
}

static void of_dials_that_cross_the_one_of_the_smaller_node_stays(void **state)
{
	(void)state;
	cross(0, true, 100, false);
	cross(0, false, 100, true);
	cross(1, true, 100, true);
	cross(1, false, 100, false);
}

static void long_after_the_first_the_later_link_stays(void **state)
{
	(void)state;
	cross(0, true, 10100, true);
	cross(1, false, 10100, true);
}

static void of_two_links_from_one_side_the_later_stays(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_dial(real, &scene->keys[1], 7), *second;

	(void)state;
	puppet_open(first, NULL);
	real_write(real, 10, 0);
	puppet_ack(first, real_mesh(real)->vector.all[0].stream, real_mesh(real)->vector.all[0].end);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 1))->acked.count, 1);
	second = puppet_dial(real, &scene->keys[1], 7);
	assert_true(puppet_was_told(first, BYE_RENEWED));
	/* What the first one had is nothing to the second, which says anew where it stands. */
	assert_int_equal(puppet_count(second, FRAME_BATCH), 0);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 1))->acked.count, 0);
	puppet_open(second, NULL);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	puppet_forget(second);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	scene_free(scene);
}

/* What is under way to one end of a wire. */
static void deliver(struct wire *wire, size_t side)
{
	struct node_event event = { .kind = EVENT_BYTES };
	struct buf taken = wire->under_way[side];

	assert_true(taken.size > 0);
	wire->under_way[side] = buf_growing(SIZE_MAX / 2);
	event.link.number = wire->numbers[side];
	event.link.bytes = buf_bytes(&taken);
	real_event(wire->ends[side], &event);
	buf_done(&taken);
}

/* Each side is up on its own dial before it hears of the other's, whichever was made first. */
static void of_dials_that_cross_both_keep_the_same(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct scene *scene = scene_new(2);
		struct real *small = real_boot(scene, 0), *large = real_boot(scene, 1);
		struct wire *one, *two, *kept, *closed;

		one = scene_meet(scene, turn ? small : large, turn ? large : small);
		scene->now += MS;
		two = scene_meet(scene, turn ? large : small, turn ? small : large);
		for (size_t side = 1; side < 4; side++) {
			scene->now += MS;
			deliver(one, side % 2);
			deliver(two, side % 2);
		}
		scene_carry(scene);
		kept = turn ? one : two;
		closed = turn ? two : one;
		assert_false(kept->is_closed[0] || kept->is_closed[1]);
		assert_true(closed->is_closed[0] && closed->is_closed[1]);
		scene_free(scene);
	}
}

/* --- Dialling. */

static void the_smaller_one_dials_at_once_the_other_after_3_s(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);

	(void)state;
	scene_pass(scene, 1500);
	assert_int_equal(real->dials_count, 1);
	assert_int_equal(real->dials[0], scene_node(scene, 1));
	real_end(real);
	real = real_boot(scene, 1);
	scene_pass(scene, 2500);
	assert_int_equal(real->dials_count, 0);
	scene_pass(scene, 2500);
	assert_int_equal(real->dials_count, 1);
	scene_free(scene);
}

static void refuse_dial(struct real *real, uint64_t node)
{
	struct node_event event = { .kind = EVENT_REFUSED };

	event.link.node = node;
	real_event(real, &event);
}

static void dials_that_come_to_nothing_get_rarer(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	size_t early, before = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		scene_pass(scene, 1000);
		if (real->dials_count > before)
			refuse_dial(real, scene_node(scene, 1));
		before = real->dials_count;
		if (i == 9)
			early = before;
	}
	assert_in_range(early, 3, 8);
	/* At most every 8 s, and at least every 24 s. */
	assert_in_range(before, 300 / 25, 300 / 8 + 8);
	scene_free(scene);
}

static void nobody_is_dialled_twice_at_a_time(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;

	(void)state;
	scene_pass(scene, 60000);
	assert_int_equal(real->dials_count, 1);
	puppet = puppet_answer(real, &scene->keys[1], 7);
	puppet_open(puppet, NULL);
	scene_pass(scene, 60000);
	assert_int_equal(real->dials_count, 1);
	puppet_hang_up(puppet);
	scene_pass(scene, 1500);
	assert_int_equal(real->dials_count, 2);
	scene_free(scene);
}

static void a_link_to_nobody_is_closed(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_knock(real);
	struct node_event event = { .kind = EVENT_OPENED };

	(void)state;
	puppet_hang_up(puppet);
	puppet->is_closed = false;
	event.link.number = puppet->number;
	event.link.node = 12345;
	real_event(real, &event);
	assert_true(puppet->is_closed);
	assert_int_equal(real_mesh(real)->links_count, 0);
	assert_int_equal(real->sends, 0);
	scene_free(scene);
}

static void keys_an_hour_old_are_renewed_by_who_dialled(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_answer(real, &scene->keys[1], 7), *next;

	(void)state;
	puppet_open(puppet, NULL);
	scene_pass(scene, 3590 * 1000);
	assert_int_equal(real->dials_count, 0);
	scene_pass(scene, 20 * 1000);
	assert_int_equal(real->dials_count, 1);
	next = puppet_answer(real, &scene->keys[1], 7);
	assert_true(puppet_was_told(puppet, BYE_RENEWED));
	puppet_open(next, NULL);
	scene_pass(scene, 20 * 1000);
	assert_int_equal(real->dials_count, 1);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_may_say_nothing_that_members_say),
		cmocka_unit_test(a_stranger_is_told_nothing_but_statements),
		cmocka_unit_test(a_frame_of_no_form_ends_the_link),
		cmocka_unit_test(bytes_that_are_no_message_end_the_link_without_a_word),
		cmocka_unit_test(who_does_not_say_who_it_is_goes_after_10_s),
		cmocka_unit_test(a_stranger_goes_after_60_s),
		cmocka_unit_test(of_too_many_strangers_the_oldest_goes),
		cmocka_unit_test(who_has_not_shown_who_it_is_costs_a_kilobyte_at_most),
		cmocka_unit_test(any_bye_of_a_member_ends_the_link),
		cmocka_unit_test(a_bye_of_a_stranger_means_nothing_to_us),
		cmocka_unit_test(who_was_evicted_is_told_so),
		cmocka_unit_test(of_dials_that_cross_the_one_of_the_smaller_node_stays),
		cmocka_unit_test(long_after_the_first_the_later_link_stays),
		cmocka_unit_test(of_two_links_from_one_side_the_later_stays),
		cmocka_unit_test(the_smaller_one_dials_at_once_the_other_after_3_s),
		cmocka_unit_test(dials_that_come_to_nothing_get_rarer),
		cmocka_unit_test(nobody_is_dialled_twice_at_a_time),
		cmocka_unit_test(a_link_to_nobody_is_closed),
		cmocka_unit_test(keys_an_hour_old_are_renewed_by_who_dialled),
		cmocka_unit_test(of_dials_that_cross_both_keep_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
