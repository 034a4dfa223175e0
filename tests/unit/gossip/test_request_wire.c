/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/request.h"
#include "tests/unit/gossip/errands.h"
#include "tests/unit/gossip/puppet.h"

/* Requests that are handed on, as they are on the wire, and by members who are none too good. */

static struct puppet *puppet;
static struct real *asked;

/* What one says on behalf of somebody; the answer's code, or OK when there is none yet. */
static void hand(const struct errand *errand, uint32_t number)
{
	struct buf body = buf_growing(FRAME_BODY_MAX);

	assert_true(request_put(errand, &body));
	frame_put_ask(&puppet->frame, number, ASK_REQUEST, 60000, buf_bytes(&body));
	puppet_say(puppet);
	buf_done(&body);
}

static void begin_puppet(void)
{
	errands.scene = scene_new(3);
	asked = errands.reals[HOME] = real_boot(errands.scene, HOME);
	puppet = puppet_member(asked, 1);
}

/* Those who do not agree on who is home do not send a request round and round. */
static void what_was_handed_on_goes_no_further(void **state)
{
	struct asked_for asking;
	struct errand errand = { .asker = { .writes = BY_OWNER | BY_AGENT },
				 .count = 1,
				 .idempotency = bytes_text("a"),
				 .action = bytes_text("scene.spend") };
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct outcome outcome;
	const struct frame *said;
	struct id token;

	(void)state;
	errands_begin(4);
	token = errands_token(THIRD, 2);
	asking = errand_spending(token, "a");
	errand.changes = asking.changes;
	assert_true(request_put(&errand, &body));
	puppet = puppet_member(errands.reals[OTHER], 3);
	frame_put_ask(&puppet->frame, 5, ASK_REQUEST, 1000, buf_bytes(&body));
	puppet_say(puppet);
	said = puppet_last(puppet, FRAME_ANSWER);
	assert_int_equal(said->answer.code, E_BUSY);
	assert_int_equal(said->answer.number, 5);
	assert_int_equal(request_read_outcome(said->answer.body, &errands.scene->arena, &outcome, NULL), OK);
	assert_non_null(memmem(outcome.text.data, outcome.text.size, "do not agree", 12));
	assert_int_equal(errands_counts(OTHER)->request_handed, 0);
	assert_int_equal(errands_count(THIRD, token), 0);
	buf_done(&body);
	scene_free(errands.scene);
}

static void what_spends_nothing_is_not_done_for_others(void **state)
{
	struct gateway_fact_row fact = { .has = BIT(AT_gateway_fact_version), .version = bytes_text("9") };
	struct setting_row row = { .has = BIT(AT_setting_name), .name = bytes_text("name") };
	struct errand errand = { .asker = { .writes = 0xff }, .action = bytes_text("scene.do") };
	struct asked_for asking = { .count = 0 };
	struct id token;

	(void)state;
	begin_puppet();
	token = errands_token(HOME, 5);
	errand_put(&asking, KIND_TABLE(setting), &row);
	errand.changes = asking.changes;
	errand.count = 1;
	hand(&errand, 1);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	/* And not what a member says of itself alone. */
	asking = errand_spending(token, NULL);
	errand_put(&asking, KIND_TABLE(gateway_fact), &fact);
	errand.count = 2;
	hand(&errand, 2);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	assert_int_equal(errands_count(HOME, token), 0);
	errand.count = 0;
	hand(&errand, 3);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	scene_free(errands.scene);
}

static void nobody_waits_here_for_longer_than_we_do(void **state)
{
	struct errand errand = { .asker = { .writes = BY_AGENT }, .action = bytes_text("scene.do"), .count = 1 };
	struct asked_for asking;
	struct id token;

	(void)state;
	begin_puppet();
	token = errands_token(HOME, 100000);
	asking = errand_spending(token, NULL);
	errand.changes = asking.changes;
	for (uint32_t i = 1; i <= PENDING_ASKS; i++)
		hand(&errand, i);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 0);
	hand(&errand, 100);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_BUSY);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.number, 100);
	scene_pass(errands.scene, 2010);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), PENDING_ASKS + 1);
	assert_int_equal(errands_counts(HOME)->spend_alone, PENDING_ASKS);
	assert_false(puppet->is_closed);
	assert_int_equal(errands_count(HOME, token), PENDING_ASKS);
	scene_free(errands.scene);
}

/* However many wait longer, and were asked before. */
static void whoever_waits_for_less_is_told_sooner(void **state)
{
	struct errand errand = { .asker = { .writes = BY_AGENT }, .action = bytes_text("scene.do"), .count = 1 };
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct asked_for asking;
	uint64_t before, behind;
	struct id token;

	(void)state;
	begin_puppet();
	token = errands_token(HOME, 10);
	asking = errand_spending(token, NULL);
	errand.changes = asking.changes;
	assert_true(request_put(&errand, &body));
	before = errand_spend(HOME, token, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		frame_put_ask(&puppet->frame, 10 + i, ASK_REQUEST, 1500 - 500 * i, buf_bytes(&body));
		puppet_say(puppet);
	}
	behind = errand_spend(HOME, token, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		scene_pass(errands.scene, 490);
		assert_int_equal(puppet_count(puppet, FRAME_ANSWER), i);
		scene_pass(errands.scene, 10);
		assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.number, 12 - i);
	}
	assert_null(real_answer(errands.reals[HOME], before));
	scene_pass(errands.scene, 510);
	errands_answer(HOME, before, E_BUSY);
	errands_answer(HOME, behind, E_BUSY);
	buf_done(&body);
	scene_free(errands.scene);
}

static void rubbish_ends_the_link(void **state)
{
	struct id disk;

	(void)state;
	begin_puppet();
	disk = real_disk(asked);
	frame_put_ask(&puppet->frame, 1, ASK_REQUEST, 1000, bytes_text("rubbish"));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "it handed on a request that is none");
	scene_free(errands.scene);
}

static void rubbish_for_an_answer_ends_the_link_and_the_client_is_told(void **state)
{
	uint64_t number;
	struct id disk, token;
	uint32_t question;

	(void)state;
	errands_begin(4);
	/* A puppet in place of the home. */
	token = errands_token(HOME, 5);
	scene_cut(errands.wires[OTHER]);
	scene_cut(errands.wires[THIRD]);
	real_end(errands.reals[HOME]);
	puppet = puppet_member(errands.reals[OTHER], HOME);
	number = errand_spend(OTHER, token, "a");
	assert_int_equal(puppet_last(puppet, FRAME_ASK)->ask.what, ASK_REQUEST);
	assert_in_range(puppet_last(puppet, FRAME_ASK)->ask.within_ms, 1000, 1999);
	question = puppet_last(puppet, FRAME_ASK)->ask.number;
	disk = real_disk(errands.reals[OTHER]);
	/* On another link it is none. */
	frame_put_answer(&puppet->frame, question + 1, OK, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_false(puppet->is_closed);
	frame_put_answer(&puppet->frame, question, OK, bytes_text("rubbish"));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "its answer to a request is none");
	/* Nor is it asked again, by whatever link. */
	puppet = puppet_member(errands.reals[OTHER], HOME);
	scene_pass(errands.scene, 100);
	assert_int_equal(puppet_count(puppet, FRAME_ASK), 0);
	frame_put_answer(&puppet->frame, question, E_TAKEN, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_null(real_answer(errands.reals[OTHER], number));
	scene_pass(errands.scene, 2000);
	assert_non_null(strstr(errands_answer(OTHER, number, E_BUSY)->text, "repeat it with the same key"));
	scene_free(errands.scene);
}

/* What became of it on a link that broke nobody knows, and what comes by another is no answer. */
static void an_answer_comes_by_the_link_of_its_question(void **state)
{
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct outcome outcome = { .text = bytes_text("no") };
	uint32_t question;
	uint64_t number;
	struct id token;

	(void)state;
	errands_begin(4);
	token = errands_token(HOME, 5);
	scene_cut(errands.wires[OTHER]);
	scene_cut(errands.wires[THIRD]);
	real_end(errands.reals[HOME]);
	puppet = puppet_member(errands.reals[OTHER], HOME);
	number = errand_spend(OTHER, token, NULL);
	question = puppet_last(puppet, FRAME_ASK)->ask.number;
	puppet_hang_up(puppet);
	puppet = puppet_member(errands.reals[OTHER], HOME);
	request_put_outcome(&outcome, &body);
	frame_put_answer(&puppet->frame, question, E_TAKEN, buf_bytes(&body));
	puppet_say(puppet);
	assert_null(real_answer(errands.reals[OTHER], number));
	scene_pass(errands.scene, 2010);
	assert_non_null(strstr(errands_answer(OTHER, number, E_BUSY)->text, "see what came of it"));
	buf_done(&body);
	scene_free(errands.scene);
}

/* --- On the wire. */

static void what_is_too_large_for_a_frame_is_refused(void **state)
{
	struct setting_row row = { .has = BIT(AT_setting_name) | BIT(AT_setting_value), .name = bytes_text("name") };
	struct change changes[20] = { { 0 } };
	struct asked_for asking;
	uint8_t value[4000];
	struct node_event event;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	memset(value, 'x', sizeof value);
	row.value = bytes_of(value, sizeof value - 10);
	asking = errand_spending(token, NULL);
	changes[0] = asking.changes[0];
	errand_put(&asking, KIND_TABLE(setting), &row);
	for (size_t i = 1; i < COUNT(changes); i++)
		changes[i] = asking.changes[1];
	event = (struct node_event){ .kind = EVENT_WRITE,
				     .write = { .number = ++errands.scene->requests,
						.asker = { .writes = BY_OWNER | BY_AGENT },
						.changes = changes,
						.count = COUNT(changes),
						.action = bytes_text("scene.spend") } };
	real_event(errands.reals[OTHER], &event);
	assert_non_null(
		strstr(errands_answer(OTHER, event.write.number, E_LIMIT)->text, "ask there, or for less at once"));
	scene_free(errands.scene);
}

static void requests_are_read_as_they_were_put_and_in_no_other_way(void **state)
{
	struct arena arena = { 0 };
	uint8_t map[5] = { 0x81, 1, 2, 3, 4 };
	struct change changes[2] = { { .what = CHANGE_REMOVE, .kind = 7, .id = { { 1, 2 } } },
				     { .what = CHANGE_CREATE, .kind = 1 << 20, .map = { map, sizeof map } } };
	struct errand errand = { .asker = { 5, { { 9 } }, { 3, { { 4 } } }, true },
				 .changes = changes,
				 .count = 2,
				 .idempotency = bytes_text("key"),
				 .action = bytes_text("what.do"),
				 .copies = 3 };
	struct buf out = buf_growing(FRAME_BODY_MAX), again = buf_growing(FRAME_BODY_MAX);
	struct errand found;

	(void)state;
	assert_true(request_put(&errand, &out));
	assert_int_equal(request_read(buf_bytes(&out), &arena, &found, NULL), OK);
	assert_true(request_put(&found, &again));
	assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
	assert_int_equal(found.count, 2);
	assert_int_equal(found.copies, 3);
	assert_true(found.asker.has_actor && found.asker.actor.kind == 3 && found.asker.writes == 5);
	for (size_t size = 0; size < out.size; size++)
		assert_int_equal(request_read(bytes_of(out.data, size), &arena, &found, NULL), E_FORM);
	buf_put_byte(&out, 0);
	assert_int_equal(request_read(buf_bytes(&out), &arena, &found, NULL), E_FORM);
	buf_done(&out);
	buf_done(&again);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_handed_on_goes_no_further),
		cmocka_unit_test(what_spends_nothing_is_not_done_for_others),
		cmocka_unit_test(nobody_waits_here_for_longer_than_we_do),
		cmocka_unit_test(whoever_waits_for_less_is_told_sooner),
		cmocka_unit_test(rubbish_ends_the_link),
		cmocka_unit_test(rubbish_for_an_answer_ends_the_link_and_the_client_is_told),
		cmocka_unit_test(an_answer_comes_by_the_link_of_its_question),
		cmocka_unit_test(what_is_too_large_for_a_frame_is_refused),
		cmocka_unit_test(requests_are_read_as_they_were_put_and_in_no_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
