/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"
#include "tests/unit/gossip/lend_case.h"

#include <stdio.h>

/*
 * What must be known of the others before a block is leased from that another may have leased from. The node has key 0;
 * keys 1 and 2 are puppets, the third one may be.
 */

static void bring(struct play *play, struct bytes statement)
{
	real_bring(play->real, &statement, 1);
	for (size_t i = 0; i < COUNT(play->puppets); i++)
		if (play->puppets[i] && !play->puppets[i]->is_closed)
			puppet_agree(play->puppets[i]);
}

static struct vector up_to(const struct chain *chain)
{
	struct vector vector = { 0 };

	if (chain->end.seq)
		vector_set(&vector, chain->stream, chain->end);
	return vector;
}

/* The puppet's row: of that key's it had merged what the chain has. */
static void say_row(struct play *play, size_t puppet, uint32_t subject, uint64_t start, const struct chain *chain)
{
	struct vector vector = up_to(chain);

	puppet_batch(play->puppets[puppet], chain_row(&play->rows[puppet], subject, start, &vector));
	vector_done(&vector);
}

/* Asked, and answered by that puppet as soon as it is: it has none. */
static uint64_t ask_and_hear(struct play *play, size_t puppet)
{
	uint64_t number;

	puppet_forget(play->puppets[puppet]);
	number = lease_in(play);
	/* There may be several gates in a row. */ for (size_t i = 0; i < 8 && !real_answer(play->real, number); i++)
		say_free(play->puppets[puppet], 0);
	return number;
}

/* Keys 0 to 2; the pool is key 2's, which is evicted, and key 0 its heir. */
static struct play heirs(void)
{
	struct play play = play_of(3, 2);

	bring(&play, scene_evict(play.scene, 2, 0));
	return play;
}

static void an_heir_waits_for_every_row(void **state)
{
	struct play play = heirs();

	(void)state;
	assert_dry(play.real, ask_and_hear(&play, 0));
	assert_dry(play.real, ask_and_hear(&play, 0));
	assert_int_equal(counts(play.real)->inherited, 0);
	say_row(&play, 0, 2, 0, &play.chains[1]);
	assert_leased(play.real, ask_and_hear(&play, 0));
	assert_int_equal(counts(play.real)->inherited, 1);
	/* Once met: nobody is asked any more. */
	puppet_forget(play.puppets[0]);
	assert_leased(play.real, lease_in(&play));
	assert_null(question(play.puppets[0], ASK_FREE));
	real_check(play.real);
	scene_free(play.scene);
}

/* What it acknowledged before its row may not be all that it had by then. */
static void an_heir_waits_for_a_word_after_the_row(void **state)
{
	struct play play = heirs();
	const struct frame *asked;
	uint64_t number;

	(void)state;
	number = lease_in(&play);
	asked = question(play.puppets[0], ASK_FREE);
	assert_non_null(asked);
	say_row(&play, 0, 2, 0, &play.chains[1]); /* This question was asked before, so it is asked again. */
	say_free(play.puppets[0], 0);
	assert_null(real_answer(play.real, number));
	scene_pass(play.scene, 510);
	assert_dry(play.real, number);
	number = lease_in(&play);
	assert_null(real_answer(play.real, number));
	say_free(play.puppets[0], 0);
	assert_leased(play.real, number);
	scene_free(play.scene);
}

/* The other one has a batch of the evicted member's that is not here. */
static void an_heir_waits_for_what_others_have(void **state)
{
	struct play play = heirs();
	struct chain more = play.chains[1];
	struct bytes batch = chain_next(&more, 1, 10);

	(void)state;
	say_row(&play, 0, 2, 0, &more);
	puppet_ack(play.puppets[0], more.stream, more.end);
	assert_dry(play.real, ask_and_hear(&play, 0));
	assert_dry(play.real, ask_and_hear(&play, 0));
	puppet_batch(play.puppets[0], batch);
	assert_leased(play.real, lease_in(&play));
	scene_free(play.scene);
}

/* It is connected anew, and has not said yet where it stands: what it said before holds. */
static void connect_anew(struct play *play, size_t puppet)
{
	puppet_hang_up(play->puppets[puppet]);
	play->puppets[puppet] = puppet_dial(play->real, &play->scene->keys[puppet + 1], 1001 + puppet);
	puppet_agree(play->puppets[puppet]);
}

static void what_others_have_they_have_on_a_new_link_too(void **state)
{
	struct play play = heirs();
	struct chain more = play.chains[1];
	struct bytes batch = chain_next(&more, 1, 10);
	uint64_t number;

	(void)state;
	say_row(&play, 0, 2, 0, &more);
	puppet_ack(play.puppets[0], more.stream, more.end);
	assert_dry(play.real, ask_and_hear(&play, 0));
	for (int i = 0; i < 2; i++) {
		connect_anew(&play, 0);
		number = lease_in(&play);
		scene_pass(play.scene, 2010);
		assert_dry(play.real, number);
	}
	puppet_index(play.puppets[0], NULL, true);
	puppet_ack(play.puppets[0], more.stream, more.end);
	puppet_batch(play.puppets[0], batch);
	assert_leased(play.real, lease_in(&play));
	scene_free(play.scene);
}

/* The one was heard before the other, and then its link broke. */
static void what_was_heard_first_is_known_when_all_were_heard(void **state)
{
	struct play play = play_of(4, 2);
	struct chain more = play.chains[1];
	uint64_t number;

	(void)state;
	bring(&play, scene_evict(play.scene, 2, 0));
	chain_next(&more, 1, 10);
	say_row(&play, 0, 2, 0, &more);
	say_row(&play, 2, 2, 0, &play.chains[1]);
	puppet_ack(play.puppets[0], more.stream, more.end);
	puppet_forget(play.puppets[2]);
	number = lease_in(&play);
	say_free(play.puppets[0], 0);
	connect_anew(&play, 0);
	say_free(play.puppets[2], 0);
	scene_pass(play.scene, 2010);
	assert_dry(play.real, number);
	assert_int_equal(counts(play.real)->inherited, 0);
	scene_free(play.scene);
}

/* It has a row here, and answers nothing: when as many questions are open as may be, no more are put to it. */
static void whoever_answers_nothing_holds_up_nothing_else(void **state)
{
	struct play play = heirs();
	struct pool_row row = { .has = BIT(AT_pool_name) | BIT(AT_pool_network4) | BIT(AT_pool_maker),
				.maker = scene_node(play.scene, 1) };
	struct id pool;
	uint64_t number;
	char name[32];

	(void)state;
	for (uint8_t i = 0; i < LEND_ASKED; i++) {
		snprintf(name, sizeof name, "pool-%u", i);
		row.name = bytes_text(name);
		row.network4 = (struct network){ { .size = 4, .bytes = { 10, 1, i, 0 } }, 24 };
		puppet_batch(play.puppets[0], chain_record(&play.chains[0], KIND_TABLE(pool), &row, &pool));
		ask_lease(play.real, play.user, pool);
		scene_pass(play.scene, i % 32 == 31 ? 600 : 0);
		if (i % 32 == 31)
			real_forget(play.real);
	}
	scene_pass(play.scene, 2100);
	assert_int_equal(real_mesh(play.real)->lend.questions_count, LEND_ASKED);
	real_forget(play.real);
	say_row(&play, 0, 2, 0, &play.chains[1]);
	number = lease_in(&play);
	assert_dry(play.real, number);
	scene_free(play.scene);
}

/* What is late says nothing any more, and who is silent for long may be asked anew. */
static void questions_are_forgotten(void **state)
{
	struct play play = play_of(3, 2);

	(void)state;
	lease_in(&play);
	assert_true(real_mesh(play.real)->lend.questions_count > 0);
	scene_pass(play.scene, 9000);
	lease_in(&play);
	assert_true(real_mesh(play.real)->lend.questions_count > 2);
	scene_pass(play.scene, 2000);
	lease_in(&play);
	assert_int_equal(real_mesh(play.real)->lend.questions_count, 4);
	scene_free(play.scene);
}

/* Its disk was lost, and with it what only it had. */
static void what_nobody_has_any_more_is_not_waited_for(void **state)
{
	struct play play = heirs();
	struct chain more = play.chains[1];

	(void)state;
	chain_next(&more, 1, 10);
	say_row(&play, 0, 2, 0, &more);
	puppet_ack(play.puppets[0], more.stream, more.end);
	assert_dry(play.real, ask_and_hear(&play, 0));
	puppet_ack(play.puppets[0], play.chains[1].stream, play.chains[1].end);
	assert_leased(play.real, lease_in(&play));
	scene_free(play.scene);
}

static void once_met_it_stays_met(void **state)
{
	struct play play = heirs();

	(void)state;
	say_row(&play, 0, 2, 0, &play.chains[1]);
	assert_leased(play.real, ask_and_hear(&play, 0));
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	play.puppets[0] = puppet_member(play.real, 1);
	assert_leased(play.real, lease_in(&play));
	assert_null(question(play.puppets[0], ASK_FREE));
	scene_free(play.scene);
}

/* Not with another one's state: others may have more than that has. */
static void a_state_taken_over_has_met_nothing(void **state)
{
	struct play play = heirs();
	uint64_t number;

	(void)state;
	say_row(&play, 0, 2, 0, &play.chains[1]);
	assert_leased(play.real, ask_and_hear(&play, 0));
	lend_replaced((struct mesh *)(uintptr_t)real_mesh(play.real));
	real_write(play.real, 10, 0);
	number = lease_in(&play);
	scene_pass(play.scene, 2010);
	assert_dry(play.real, number);
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	play.puppets[0] = puppet_member(play.real, 1);
	number = lease_in(&play);
	scene_pass(play.scene, 2010);
	assert_dry(play.real, number);
	assert_leased(play.real, ask_and_hear(&play, 0));
	real_check(play.real);
	scene_free(play.scene);
}

/* And what a transaction that failed had met was not. */
static void what_was_met_by_what_was_not_written_is_not_met(void **state)
{
	struct play play = heirs();
	uint64_t number;

	(void)state;
	say_row(&play, 0, 2, 0, &play.chains[1]);
	number = lease_in(&play);
	mem_disk_full_at(play.real->disk, 1);
	say_free(play.puppets[0], 0);
	mem_disk_full_at(play.real->disk, 0);
	assert_int_equal(real_answer(play.real, number)->code, E_FULL);
	assert_int_equal(real_mesh(play.real)->lend.gates.count, 0);
	real_check(play.real);
	assert_leased(play.real, ask_and_hear(&play, 0));
	scene_free(play.scene);
}

static void without_a_word_of_all_it_is_not_met(void **state)
{
	struct play play = play_of(4, 2);
	uint64_t number;

	(void)state;
	bring(&play, scene_evict(play.scene, 2, 0));
	say_row(&play, 0, 2, 0, &play.chains[1]);
	say_row(&play, 2, 2, 0, &play.chains[1]);
	number = lease_in(&play);
	say_free(play.puppets[0], 0);
	scene_pass(play.scene, 600);
	assert_dry(play.real, number);
	/* Who wants to pass is known for a while, and those who were not heard are asked each second. */
	puppet_forget(play.puppets[0]);
	puppet_forget(play.puppets[2]);
	scene_pass(play.scene, 1100);
	assert_null(question(play.puppets[0], ASK_FREE));
	say_free(play.puppets[2], 0);
	assert_leased(play.real, lease_in(&play));
	scene_free(play.scene);
}

/* --- Frozen blocks. */

static struct bytes grant(struct play *play, uint32_t key, uint32_t heir)
{
	struct grant_row row = { .has = BIT(AT_grant_key) | BIT(AT_grant_heir),
				 .key = play->scene->keys[key].key,
				 .heir = play->scene->keys[heir].key };

	return scene_sign(play->scene, &play->scene->root, KIND_TABLE(grant), &row);
}

static void a_frozen_block_is_leased_from_once_it_is_granted(void **state)
{
	struct play play = play_of(4, 2);
	struct chain more = play.chains[0];
	uint64_t number;

	(void)state;
	/* Of keys 2 and 3 each is the other's heir; key 1 stands. */
	bring(&play, scene_evict(play.scene, 2, 3));
	bring(&play, scene_evict(play.scene, 3, 2));
	say_row(&play, 0, 2, 0, &play.chains[1]);
	say_row(&play, 0, 3, 0, &play.chains[2]);
	assert_dry(play.real, ask_and_hear(&play, 0));
	assert_int_equal(counts(play.real)->inherited + counts(play.real)->granted, 0);
	/* What somebody acknowledged under the statement is to be here, whoever wrote it. */
	bring(&play, grant(&play, 2, 0));
	chain_next(&more, 1, 10);
	puppet_ack(play.puppets[0], more.stream, more.end);
	number = ask_and_hear(&play, 0);
	assert_dry(play.real, number);
	assert_int_equal(counts(play.real)->granted, 0);
	puppet_batch(play.puppets[0], chain_next(&play.chains[0], 1, 10));
	assert_leased(play.real, lease_in(&play));
	assert_int_equal(counts(play.real)->granted, 1);
	scene_free(play.scene);
}

static void a_grant_alone_is_not_enough(void **state)
{
	struct play play = play_of(4, 2);
	uint64_t number;
	(void)state;
	bring(&play, scene_evict(play.scene, 2, 3));
	bring(&play, scene_evict(play.scene, 3, 2));
	say_row(&play, 0, 2, 0, &play.chains[1]);
	say_row(&play, 0, 3, 0, &play.chains[2]);
	bring(&play, grant(&play, 2, 0));
	number = lease_in(&play);
	scene_pass(play.scene, 2010);
	assert_dry(play.real, number);
	assert_leased(play.real, ask_and_hear(&play, 0));
	scene_free(play.scene);
}

/* --- The own start. */

static void say_own_word(struct play *play)
{
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);
	struct frame_list list = frame_begin_proofs(&play->puppets[0]->frame);

	proof_write_own(&play->scene->keys[0], play->scene->cluster, 1, &out);
	assert_true(frame_put_proof(&list, buf_bytes(&out)));
	puppet_say(play->puppets[0]);
}

static void after_a_fork_the_own_block_waits_too(void **state)
{
	struct play play = play_of(2, 0);
	struct chain none = play.chains[0];

	(void)state;
	assert_leased(play.real, lease_in(&play));
	say_own_word(&play);
	assert_true(real_mesh(play.real)->author.start > 1);
	assert_dry(play.real, ask_and_hear(&play, 0));
	none.end = (struct end){ 0 };
	say_row(&play, 0, 0, 1, &none);
	assert_leased(play.real, ask_and_hear(&play, 0));
	assert_int_equal(counts(play.real)->owned_again, 1);
	scene_free(play.scene);
}

/* It goes on in a fresh start, and nothing closes the old one. */
static void what_a_start_that_was_left_had_waits_for_a_word(void **state)
{
	struct play play = play_of(2, 0);
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(play.real);
	uint64_t number;

	(void)state;
	mesh->recovery.begins_start = true;
	closed_changed(mesh);
	real_write(play.real, 10, 0);
	assert_true(mesh->author.start > 1);
	assert_int_equal(mesh->proofs.count, 0);
	number = lease_in(&play);
	scene_pass(play.scene, 2010);
	assert_dry(play.real, number);
	assert_leased(play.real, ask_and_hear(&play, 0));
	assert_int_equal(counts(play.real)->owned_again, 1);
	scene_free(play.scene);
}

static void what_it_has_since_is_its_own_at_once(void **state)
{
	struct play play = play_of(2, 0);
	struct id pool;

	(void)state;
	say_own_word(&play);
	assert_dry(play.real, ask_and_hear(&play, 0));
	pool = made_pool(play.real, "10.1.0.0/24");
	assert_leased(play.real, ask_lease(play.real, play.user, pool));
	scene_free(play.scene);
}

/* --- After a start. */

static void nothing_is_leased_before_the_exchange(void **state)
{
	struct play play = play_of(2, 0);
	uint64_t number;

	(void)state;
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	play.puppets[0] = puppet_dial(play.real, &play.scene->keys[1], 7);
	puppet_agree(play.puppets[0]);
	puppet_fronts(play.puppets[0], NULL, 0);
	/* It may write by now, and not yet lease. */
	assert_true(exchange_may_write(real_mesh(play.real)) && !exchange_may_serve(real_mesh(play.real)));
	number = lease_in(&play);
	assert_null(real_answer(play.real, number));
	puppet_index(play.puppets[0], NULL, true);
	scene_pass(play.scene, 1);
	assert_leased(play.real, number);
	scene_free(play.scene);
}

static void who_waits_for_the_exchange_is_told_so(void **state)
{
	struct play play = play_of(2, 0);
	uint64_t number;

	(void)state;
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	play.puppets[0] = puppet_dial(play.real, &play.scene->keys[1], 7);
	puppet_agree(play.puppets[0]);
	puppet_fronts(play.puppets[0], NULL, 0);
	number = lease_in(&play);
	scene_pass(play.scene, 2010);
	assert_int_equal(real_answer(play.real, number)->code, E_BUSY);
	assert_string_equal(real_answer(play.real, number)->text,
			    "this server has just started, and leases no address before it has heard the others: try "
			    "again");
	scene_free(play.scene);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_heir_waits_for_every_row),
	cmocka_unit_test(an_heir_waits_for_a_word_after_the_row),
	cmocka_unit_test(an_heir_waits_for_what_others_have),
	cmocka_unit_test(what_others_have_they_have_on_a_new_link_too),
	cmocka_unit_test(what_was_heard_first_is_known_when_all_were_heard),
	cmocka_unit_test(whoever_answers_nothing_holds_up_nothing_else),
	cmocka_unit_test(questions_are_forgotten),
	cmocka_unit_test(what_nobody_has_any_more_is_not_waited_for),
	cmocka_unit_test(once_met_it_stays_met),
	cmocka_unit_test(a_state_taken_over_has_met_nothing),
	cmocka_unit_test(what_was_met_by_what_was_not_written_is_not_met),
	cmocka_unit_test(without_a_word_of_all_it_is_not_met),
	cmocka_unit_test(a_frozen_block_is_leased_from_once_it_is_granted),
	cmocka_unit_test(a_grant_alone_is_not_enough),
	cmocka_unit_test(after_a_fork_the_own_block_waits_too),
	cmocka_unit_test(what_a_start_that_was_left_had_waits_for_a_word),
	cmocka_unit_test(what_it_has_since_is_its_own_at_once),
	cmocka_unit_test(nothing_is_leased_before_the_exchange),
	cmocka_unit_test(who_waits_for_the_exchange_is_told_so),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
