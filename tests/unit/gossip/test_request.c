/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/request.h"
#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/spend.h"
#include "crdt/state/state.h"
#include "tests/unit/gossip/puppet.h"

/* Requests that only one member may do: handed to it, done there once, and answered where they were asked. */

enum { HOME = 0, OTHER = 1, THIRD = 2 };

static struct scene *scene;
static struct real *reals[SCENE_REALS];
static struct puppet *puppet;
static struct wire *wires[SCENE_REALS]; /* by the end that is not there: [THIRD] is between HOME and OTHER */

static void begin(uint32_t members)
{
	scene = scene_new(members);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		reals[i] = real_boot(scene, i);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		wires[i] = scene_meet(scene, reals[(i + 1) % SCENE_REALS], reals[(i + 2) % SCENE_REALS]);
	scene_pass(scene, 3000);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_forget(reals[i]);
}

/* --- What clients ask for. */

struct asking {
	struct change changes[2];
	size_t count;
	const char *key;
	uint32_t copies;
};

static void put(struct asking *asking, const struct kind *kind, const void *row)
{
	struct buf map = buf_growing(MODEL_OP_MAX);

	pack_write(&kind->shape, row, &map);
	asking->changes[asking->count++] = (struct change){ .what = CHANGE_CREATE,
							    .kind = kind->number,
							    .map = arena_copy(&scene->arena, buf_bytes(&map)) };
	buf_done(&map);
}

static uint64_t ask(struct real *real, const struct asking *asking)
{
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++scene->requests,
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
static struct id made_token(uint32_t home, uint64_t uses)
{
	static const uint8_t hash[32] = { 7 };
	struct enrolment_token_row row = { .has = BIT(AT_enrolment_token_hash) | BIT(AT_enrolment_token_uses) |
						  BIT(AT_enrolment_token_name) | BIT(AT_enrolment_token_expires),
					   .hash = bytes_of(hash, sizeof hash),
					   .uses = uses,
					   .name = bytes_text("laptops"),
					   .expires = { UINT64_C(1) << 42 } };
	struct asking asking = { .count = 0 };
	uint64_t number;

	put(&asking, KIND_TABLE(enrolment_token), &row);
	number = ask(reals[home], &asking);
	assert_int_equal(real_answer(reals[home], number)->code, OK);
	scene_pass(scene, 1100);
	return real_answer(reals[home], number)->id;
}

static struct asking spending(struct id token, const char *key)
{
	struct spend_row row = { .has = BIT(AT_spend_credential), .credential = { KIND_enrolment_token, token } };
	struct asking asking = { .key = key };

	put(&asking, KIND_TABLE(spend), &row);
	return asking;
}

static uint64_t spend(uint32_t at, struct id token, const char *key)
{
	struct asking asking = spending(token, key);

	return ask(reals[at], &asking);
}

static size_t count_spends(uint32_t at, struct id token)
{
	struct ref ref = { KIND_enrolment_token, token };
	struct store_txn *txn;
	struct spent *spent;
	size_t count;

	assert_int_equal(store_snapshot(reals[at]->store, &txn, NULL), OK);
	assert_int_equal(spend_all(txn, ref, &scene->arena, &spent, &count, NULL), OK);
	store_end(txn);
	return count;
}

static const struct answered *answer_of(uint32_t at, uint64_t number, enum code code)
{
	const struct answered *answer = real_answer(reals[at], number);

	if (!answer || answer->code != code)
		fail_msg("%s: %s", answer ? code_name(answer->code) : "no answer", answer ? answer->text : "");
	return answer;
}

static const struct mesh_counts *counts(uint32_t at)
{
	return &real_mesh(reals[at])->counts;
}

/* --- Handed on. */

static void what_another_spends_is_done_there_and_answered_here(void **state)
{
	const struct answered *answer;
	struct id token;
	uint64_t number;

	(void)state;
	begin(3);
	token = made_token(HOME, 2);
	number = spend(OTHER, token, "a");
	assert_null(real_answer(reals[OTHER], number));
	scene_pass(scene, 200);
	answer = answer_of(OTHER, number, OK);
	assert_true(answer->copies >= 1 && answer->count == 1);
	assert_int_equal(counts(OTHER)->request_handed, 1);
	assert_int_equal(counts(HOME)->request_taken, 1);
	assert_int_equal(counts(OTHER)->request_answered, 1);
	/* Its token tells of it: whoever shows it anywhere reads what was done. */
	number = real_await(reals[OTHER], bytes_of(answer->token, answer->token_size), true);
	assert_false(answer_of(OTHER, number, OK)->is_behind);
	assert_int_equal(count_spends(OTHER, token), 1);
	assert_int_equal(count_spends(HOME, token), 1);
	/* At its home nothing is handed on. */
	number = spend(HOME, token, NULL);
	scene_pass(scene, 200);
	assert_true(answer_of(HOME, number, OK)->copies >= 1);
	/* What the judge there says is said here. */
	number = spend(THIRD, token, "b");
	scene_pass(scene, 200);
	assert_non_null(strstr(answer_of(THIRD, number, E_TAKEN)->text, "was used already"));
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_check(reals[i]);
	scene_free(scene);
}

static void a_repeat_is_answered_alike_wherever_it_is_asked(void **state)
{
	struct id token, first;
	uint64_t number;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	number = spend(OTHER, token, "same");
	scene_pass(scene, 200);
	first = answer_of(OTHER, number, OK)->id;
	for (uint32_t at = 0; at < SCENE_REALS; at++) {
		number = spend(at, token, "same");
		scene_pass(scene, 1200);
		assert_true(id_equal(answer_of(at, number, OK)->id, first));
		assert_true(answer_of(at, number, OK)->copies >= 1);
	}
	assert_int_equal(count_spends(HOME, token), 1);
	assert_int_equal(counts(HOME)->spend_repeated, 3);
	scene_free(scene);
}

/* All at once, before anything of it can have been written. */
static void two_at_once_under_one_key_are_one_use(void **state)
{
	uint64_t one, other;
	struct id token;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	one = spend(OTHER, token, "same");
	other = spend(THIRD, token, "same");
	scene_pass(scene, 300);
	assert_true(id_equal(answer_of(OTHER, one, OK)->id, answer_of(THIRD, other, OK)->id));
	reals[HOME]->is_gathering = true;
	one = spend(HOME, token, "both");
	other = spend(HOME, token, "both");
	reals[HOME]->is_gathering = false;
	real_tick(reals[HOME]);
	assert_null(real_answer(reals[HOME], one));
	assert_null(real_answer(reals[HOME], other));
	scene_pass(scene, 1200);
	assert_true(id_equal(answer_of(HOME, one, OK)->id, answer_of(HOME, other, OK)->id));
	assert_int_equal(count_spends(HOME, token), 2);
	scene_free(scene);
}

/* --- Told only when another member has it. */

static void hold(bool is_held)
{
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		wires[i]->is_held = is_held;
}

static void nobody_is_told_before_another_member_has_it(void **state)
{
	uint64_t number, again;
	struct id token;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	hold(true);
	number = spend(HOME, token, "a");
	scene_pass(scene, 1000);
	assert_null(real_answer(reals[HOME], number));
	again = spend(HOME, token, "a");
	scene_pass(scene, 1010);
	assert_string_equal(answer_of(HOME, number, E_BUSY)->text,
			    "it is done, but no other server has confirmed it yet: repeat it with the same key");
	assert_int_equal(answer_of(HOME, number, E_BUSY)->count, 0);
	scene_pass(scene, 1000);
	answer_of(HOME, again, E_BUSY);
	number = spend(HOME, token, NULL);
	scene_pass(scene, 2010);
	assert_non_null(strstr(answer_of(HOME, number, E_BUSY)->text, "see what came of it"));
	assert_int_equal(counts(HOME)->spend_alone, 3);
	/* It stands, and its repeat is told when they have it. */
	hold(false);
	number = spend(HOME, token, "a");
	scene_pass(scene, 1500);
	answer_of(HOME, number, OK);
	assert_int_equal(count_spends(OTHER, token), 2);
	scene_free(scene);
}

static void whoever_is_alone_tells_at_once(void **state)
{
	struct id token;
	uint64_t number;

	(void)state;
	scene = scene_new(1);
	reals[HOME] = real_boot(scene, HOME);
	token = made_token(HOME, 1);
	number = spend(HOME, token, "a");
	answer_of(HOME, number, OK);
	number = spend(HOME, token, "a");
	answer_of(HOME, number, OK);
	number = spend(HOME, token, "b");
	answer_of(HOME, number, E_TAKEN);
	scene_free(scene);
}

/* --- Homes that are away. */

static void a_home_that_cannot_be_reached_is_named(void **state)
{
	uint64_t number;
	struct id token;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	scene_cut(wires[OTHER]);
	scene_cut(wires[THIRD]);
	number = spend(OTHER, token, "a");
	scene_pass(scene, 1990);
	assert_null(real_answer(reals[OTHER], number));
	scene_pass(scene, 20);
	assert_non_null(strstr(answer_of(OTHER, number, E_BUSY)->text, "cannot be reached from here: try again"));
	assert_int_equal(counts(OTHER)->request_silent, 1);
	/* It is asked once it is there, if that is in time. */
	number = spend(OTHER, token, "a");
	scene_pass(scene, 500);
	wires[THIRD] = scene_meet(scene, reals[HOME], reals[OTHER]);
	scene_pass(scene, 1400);
	answer_of(OTHER, number, OK);
	assert_int_equal(count_spends(HOME, token), 1);
	scene_free(scene);
}

/* The request came there, and its answer does not come back. */
static void a_home_that_ends_before_it_answers_spends_once_all_the_same(void **state)
{
	struct id token, first;
	uint64_t number;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	/* What goes to the third is held, and nobody else acknowledges in time. */
	wires[OTHER]->is_held = true;
	number = spend(OTHER, token, "a");
	for (int i = 0; i < 40 && !counts(HOME)->request_taken; i++)
		scene_pass(scene, 1);
	assert_int_equal(count_spends(HOME, token), 1);
	scene_cut(wires[THIRD]);
	scene_cut(wires[OTHER]);
	real_end(reals[HOME]);
	scene_pass(scene, 2100);
	/* Acknowledged or not: the client cannot know. */
	assert_non_null(real_answer(reals[OTHER], number));
	reals[HOME] = real_boot(scene, HOME);
	wires[THIRD] = scene_meet(scene, reals[HOME], reals[OTHER]);
	scene_pass(scene, 3000);
	number = spend(OTHER, token, "a");
	scene_pass(scene, 1500);
	first = answer_of(OTHER, number, OK)->id;
	number = spend(HOME, token, "a");
	scene_pass(scene, 1500);
	assert_true(id_equal(answer_of(HOME, number, OK)->id, first));
	assert_int_equal(count_spends(HOME, token), 1);
	scene_free(scene);
}

static void after_a_start_nothing_is_spent_before_the_exchange(void **state)
{
	uint64_t number;
	struct id token;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	scene_cut(wires[OTHER]);
	scene_cut(wires[THIRD]);
	real_end(reals[HOME]);
	reals[HOME] = real_boot(scene, HOME);
	/* It writes on with what its disk says, but what it spent it cannot know. */
	scene_pass(scene, 21000);
	assert_true(exchange_may_write(real_mesh(reals[HOME])));
	number = spend(HOME, token, "a");
	assert_non_null(strstr(answer_of(HOME, number, E_BUSY)->text, "does not know yet what was spent"));
	wires[THIRD] = scene_meet(scene, reals[HOME], reals[OTHER]);
	scene_pass(scene, 3000);
	number = spend(HOME, token, "a");
	scene_pass(scene, 1500);
	answer_of(HOME, number, OK);
	scene_free(scene);
}

/* Key 0 let the others in: it stays. */
static void of_an_evicted_home_the_heir_spends_once_it_knows_all(void **state)
{
	struct bytes eviction;
	struct id token, first;
	uint64_t number;

	(void)state;
	begin(3);
	token = made_token(THIRD, 2);
	number = spend(HOME, token, "a");
	scene_pass(scene, 1500);
	first = answer_of(HOME, number, OK)->id;
	eviction = scene_evict(scene, THIRD, OTHER);
	/* The heir hears of it, and does not hear the other's row. */
	wires[THIRD]->is_held = true;
	real_bring(reals[OTHER], &eviction, 1);
	number = spend(OTHER, token, "b");
	assert_non_null(strstr(answer_of(OTHER, number, E_BUSY)->text, "not all have told yet"));
	/* What was done before is found all the same; that others have what the heir wrote since is another matter. */
	number = spend(OTHER, token, "a");
	assert_null(real_answer(reals[OTHER], number));
	wires[THIRD]->is_held = false;
	scene_pass(scene, 4000);
	assert_true(id_equal(answer_of(OTHER, number, OK)->id, first));
	number = spend(HOME, token, "b");
	scene_pass(scene, 1500);
	answer_of(HOME, number, OK);
	assert_int_equal(counts(OTHER)->request_taken, 1);
	number = spend(HOME, token, "c");
	scene_pass(scene, 1500);
	answer_of(HOME, number, E_TAKEN);
	assert_int_equal(count_spends(OTHER, token), 2);
	scene_free(scene);
}

/* Those who do not agree on who is home do not send a request round and round. */
static void what_was_handed_on_goes_no_further(void **state)
{
	struct asking asking;
	struct errand errand = { .asker = { .writes = BY_OWNER | BY_AGENT },
				 .count = 1,
				 .idempotency = bytes_text("a"),
				 .action = bytes_text("scene.spend") };
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct outcome outcome;
	const struct frame *said;
	struct id token;

	(void)state;
	begin(4);
	token = made_token(THIRD, 2);
	asking = spending(token, "a");
	errand.changes = asking.changes;
	assert_true(request_put(&errand, &body));
	puppet = puppet_member(reals[OTHER], 3);
	frame_put_ask(&puppet->frame, 5, ASK_REQUEST, 1000, buf_bytes(&body));
	puppet_say(puppet);
	said = puppet_last(puppet, FRAME_ANSWER);
	assert_int_equal(said->answer.code, E_BUSY);
	assert_int_equal(said->answer.number, 5);
	assert_int_equal(request_read_outcome(said->answer.body, &scene->arena, &outcome, NULL), OK);
	assert_non_null(memmem(outcome.text.data, outcome.text.size, "do not agree", 12));
	assert_int_equal(counts(OTHER)->request_handed, 0);
	assert_int_equal(count_spends(THIRD, token), 0);
	buf_done(&body);
	scene_free(scene);
}

static void a_home_that_is_evicted_meanwhile_spends_once_all_the_same(void **state)
{
	struct bytes eviction;
	struct id token, first;
	uint64_t number;

	(void)state;
	begin(3);
	token = made_token(THIRD, 5);
	/* It is done at the home, which only the heir hears of; the answer does not come. */
	number = spend(HOME, token, "a");
	for (int i = 0; i < 40 && !count_spends(OTHER, token); i++)
		scene_pass(scene, 1);
	wires[OTHER]->is_held = true;
	eviction = scene_evict(scene, THIRD, OTHER);
	real_bring(reals[HOME], &eviction, 1);
	scene_pass(scene, 6000);
	assert_non_null(real_answer(reals[HOME], number));
	number = spend(HOME, token, "a");
	scene_pass(scene, 2000);
	first = answer_of(HOME, number, OK)->id;
	number = spend(OTHER, token, "a");
	scene_pass(scene, 2000);
	assert_true(id_equal(answer_of(OTHER, number, OK)->id, first));
	assert_int_equal(count_spends(OTHER, token), 1);
	assert_int_equal(count_spends(HOME, token), 1);
	scene_free(scene);
}

/* --- By members who are none too good. */

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
	scene = scene_new(3);
	asked = reals[HOME] = real_boot(scene, HOME);
	puppet = puppet_member(asked, 1);
}

static void what_spends_nothing_is_not_done_for_others(void **state)
{
	struct gateway_fact_row fact = { .has = BIT(AT_gateway_fact_version), .version = bytes_text("9") };
	struct setting_row row = { .has = BIT(AT_setting_name), .name = bytes_text("name") };
	struct errand errand = { .asker = { .writes = 0xff }, .action = bytes_text("scene.do") };
	struct asking asking = { .count = 0 };
	struct id token;

	(void)state;
	begin_puppet();
	token = made_token(HOME, 5);
	put(&asking, KIND_TABLE(setting), &row);
	errand.changes = asking.changes;
	errand.count = 1;
	hand(&errand, 1);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	/* And not what a member says of itself alone. */
	asking = spending(token, NULL);
	put(&asking, KIND_TABLE(gateway_fact), &fact);
	errand.count = 2;
	hand(&errand, 2);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	assert_int_equal(count_spends(HOME, token), 0);
	errand.count = 0;
	hand(&errand, 3);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_DENIED);
	scene_free(scene);
}

static void nobody_waits_here_for_longer_than_we_do(void **state)
{
	struct errand errand = { .asker = { .writes = BY_AGENT }, .action = bytes_text("scene.do"), .count = 1 };
	struct asking asking;
	struct id token;

	(void)state;
	begin_puppet();
	token = made_token(HOME, 100000);
	asking = spending(token, NULL);
	errand.changes = asking.changes;
	for (uint32_t i = 1; i <= PENDING_ASKS; i++)
		hand(&errand, i);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 0);
	hand(&errand, 100);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_BUSY);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.number, 100);
	scene_pass(scene, 2010);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), PENDING_ASKS + 1);
	assert_int_equal(counts(HOME)->spend_alone, PENDING_ASKS);
	assert_false(puppet->is_closed);
	assert_int_equal(count_spends(HOME, token), PENDING_ASKS);
	scene_free(scene);
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
	scene_free(scene);
}

static void rubbish_for_an_answer_ends_the_link_and_the_client_is_told(void **state)
{
	uint64_t number;
	struct id disk, token;
	uint32_t question;

	(void)state;
	begin(4);
	/* A puppet in place of the home. */
	token = made_token(HOME, 5);
	scene_cut(wires[OTHER]);
	scene_cut(wires[THIRD]);
	real_end(reals[HOME]);
	puppet = puppet_member(reals[OTHER], HOME);
	number = spend(OTHER, token, "a");
	assert_int_equal(puppet_last(puppet, FRAME_ASK)->ask.what, ASK_REQUEST);
	assert_in_range(puppet_last(puppet, FRAME_ASK)->ask.within_ms, 1000, 1999);
	question = puppet_last(puppet, FRAME_ASK)->ask.number;
	disk = real_disk(reals[OTHER]);
	/* On another link it is none. */
	frame_put_answer(&puppet->frame, question + 1, OK, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_false(puppet->is_closed);
	frame_put_answer(&puppet->frame, question, OK, bytes_text("rubbish"));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "its answer to a request is none");
	/* Nor is it asked again, by whatever link. */
	puppet = puppet_member(reals[OTHER], HOME);
	scene_pass(scene, 100);
	assert_int_equal(puppet_count(puppet, FRAME_ASK), 0);
	frame_put_answer(&puppet->frame, question, E_TAKEN, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_null(real_answer(reals[OTHER], number));
	scene_pass(scene, 2000);
	assert_non_null(strstr(answer_of(OTHER, number, E_BUSY)->text, "repeat it with the same key"));
	scene_free(scene);
}

/* --- On the wire. */

static void what_is_too_large_for_a_frame_is_refused(void **state)
{
	struct setting_row row = { .has = BIT(AT_setting_name) | BIT(AT_setting_value), .name = bytes_text("name") };
	struct change changes[20] = { { 0 } };
	struct asking asking;
	uint8_t value[4000];
	struct node_event event;
	struct id token;

	(void)state;
	begin(3);
	token = made_token(HOME, 5);
	memset(value, 'x', sizeof value);
	row.value = bytes_of(value, sizeof value - 10);
	asking = spending(token, NULL);
	changes[0] = asking.changes[0];
	put(&asking, KIND_TABLE(setting), &row);
	for (size_t i = 1; i < COUNT(changes); i++)
		changes[i] = asking.changes[1];
	event = (struct node_event){ .kind = EVENT_WRITE,
				     .write = { .number = ++scene->requests,
						.asker = { .writes = BY_OWNER | BY_AGENT },
						.changes = changes,
						.count = COUNT(changes),
						.action = bytes_text("scene.spend") } };
	real_event(reals[OTHER], &event);
	assert_non_null(strstr(answer_of(OTHER, event.write.number, E_LIMIT)->text, "ask there, or for less at once"));
	scene_free(scene);
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
		cmocka_unit_test(what_another_spends_is_done_there_and_answered_here),
		cmocka_unit_test(a_repeat_is_answered_alike_wherever_it_is_asked),
		cmocka_unit_test(two_at_once_under_one_key_are_one_use),
		cmocka_unit_test(nobody_is_told_before_another_member_has_it),
		cmocka_unit_test(whoever_is_alone_tells_at_once),
		cmocka_unit_test(a_home_that_cannot_be_reached_is_named),
		cmocka_unit_test(a_home_that_ends_before_it_answers_spends_once_all_the_same),
		cmocka_unit_test(after_a_start_nothing_is_spent_before_the_exchange),
		cmocka_unit_test(of_an_evicted_home_the_heir_spends_once_it_knows_all),
		cmocka_unit_test(a_home_that_is_evicted_meanwhile_spends_once_all_the_same),
		cmocka_unit_test(what_was_handed_on_goes_no_further),
		cmocka_unit_test(what_spends_nothing_is_not_done_for_others),
		cmocka_unit_test(nobody_waits_here_for_longer_than_we_do),
		cmocka_unit_test(rubbish_ends_the_link),
		cmocka_unit_test(rubbish_for_an_answer_ends_the_link_and_the_client_is_told),
		cmocka_unit_test(what_is_too_large_for_a_frame_is_refused),
		cmocka_unit_test(requests_are_read_as_they_were_put_and_in_no_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
