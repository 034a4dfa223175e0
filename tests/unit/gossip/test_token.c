/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/log/log.h"

/* Tokens by themselves: what they hold, and what a member makes of one. */

/* How often the log was read. */
static size_t log_reads;

enum code __real_log_after(struct store_txn *txn, struct stream stream, struct log_place place,
			   struct logged *ret_logged, struct err *err);
enum code __wrap_log_after(struct store_txn *txn, struct stream stream, struct log_place place,
			   struct logged *ret_logged, struct err *err);

enum code __wrap_log_after(struct store_txn *txn, struct stream stream, struct log_place place,
			   struct logged *ret_logged, struct err *err)
{
	log_reads++;
	return __real_log_after(txn, stream, place, ret_logged, err);
}

static enum token_state find_state(const struct real *real, struct bytes token)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(real);
	struct token_origin origin;
	enum token_state found = TOKEN_ASK;
	struct err err = { 0 };

	if (token_judge(mesh, token, &found, &origin, &err))
		fail_msg("%s", err.text);
	store_end(mesh->look);
	mesh->look = NULL;
	return found;
}

static enum token_state state_of_end(const struct real *real, struct stream stream, struct end end)
{
	struct vector vector = { 0 };
	struct buf out = buf_growing(TOKEN_MAX);
	enum token_state found;

	vector_set(&vector, stream, end);
	token_write_vector(&vector, &out);
	found = find_state(real, buf_bytes(&out));
	buf_done(&out);
	vector_done(&vector);
	return found;
}

static void each_end_is_judged_by_the_log(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1), evicted = chain_of(scene, 2), rows = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct vector none = { 0 };
	struct end early, wrong;

	(void)state;
	rows.stream.lane = LANE_URGENT;
	puppet_batch(puppet, chain_next(&chain, 2, 10));
	early = chain.end;
	puppet_batch(puppet, chain_next(&chain, 2, 10));
	assert_int_equal(state_of_end(real, chain.stream, chain.end), TOKEN_COVERED);
	assert_int_equal(state_of_end(real, chain.stream, early), TOKEN_COVERED);
	wrong = early;
	wrong.hash.bytes[7] ^= 1;
	/* Two histories: nobody knows yet which of them stays. */
	assert_int_equal(state_of_end(real, chain.stream, wrong), TOKEN_BEHIND);
	/* Only the end of a batch was ever an end. */
	wrong = early;
	wrong.seq = 1;
	assert_int_equal(state_of_end(real, chain.stream, wrong), TOKEN_BEHIND);
	chain_next(&chain, 1, 10);
	assert_int_equal(state_of_end(real, chain.stream, chain.end), TOKEN_BEHIND);
	chain_next(&evicted, 1, 10);
	assert_int_equal(state_of_end(real, evicted.stream, evicted.end), TOKEN_BEHIND);
	real_bring(real, &eviction, 1);
	/* Another member may have it, until that one has said what it had. */
	assert_int_equal(state_of_end(real, evicted.stream, evicted.end), TOKEN_BEHIND);
	puppet_agree(puppet);
	puppet_batch(puppet, chain_row(&rows, 2, 0, &none));
	assert_int_equal(real_mesh(real)->counts.void_entry, 0);
	assert_int_equal(state_of_end(real, evicted.stream, evicted.end), TOKEN_LOST);
	scene_free(scene);
}

static void what_is_lost_outweighs_what_is_behind(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain one = chain_of(scene, 1), two = chain_of(scene, 2), rows = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct vector none = { 0 };

	(void)state;
	rows.stream.lane = LANE_URGENT;
	chain_next(&one, 1, 10);
	chain_next(&two, 1, 10);
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	for (int turn = 0; turn < 2; turn++) {
		struct vector vector = { 0 };
		struct buf out = buf_growing(TOKEN_MAX);

		/* Everybody has said what there is of it. */
		if (turn)
			puppet_batch(puppet, chain_row(&rows, 2, 0, &none));
		vector_set(&vector, one.stream, one.end);
		vector_set(&vector, two.stream, two.end);
		token_write_vector(&vector, &out);
		assert_int_equal(find_state(real, buf_bytes(&out)), turn ? TOKEN_LOST : TOKEN_BEHIND);
		buf_done(&out);
		vector_done(&vector);
	}
	scene_free(scene);
}

/* So many streams that their ends are no token: three of each start. */
static void make_long_vector(struct scene *scene, struct puppet *puppet, size_t streams)
{
	for (size_t i = 0; i < streams; i++) {
		struct chain chain = chain_of(scene, 1);

		chain.stream.start = 1 + i / LANES;
		chain.stream.lane = (enum lane)(i % LANES);
		puppet_batch(puppet, chain_next(&chain, 1, 1));
	}
}

static void a_long_vector_becomes_a_commit_that_its_member_resolves(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 2);
	struct puppet *puppet = puppet_member(a, 1);
	struct buf token = buf_growing(TOKEN_MAX);
	struct vector vector = { 0 };
	uint64_t number;

	(void)state;
	scene_meet(scene, a, b);
	scene_carry(scene);
	make_long_vector(scene, puppet, 60);
	token_write(real_mesh(a), &token);
	assert_true(token.size > 1000);
	make_long_vector(scene, puppet, 150);
	real_write(a, 10, 0);
	assert_true(real_mesh(a)->vector.count > 150);
	buf_clear(&token);
	token_write(real_mesh(a), &token);
	assert_in_range(token.size, 18, 30);
	assert_int_equal(find_state(a, buf_bytes(&token)), TOKEN_COVERED);
	assert_int_equal(find_state(b, buf_bytes(&token)), TOKEN_ASK);
	/* All of it reaches the other one, which answers then and not before. */
	number = real_await(b, buf_bytes(&token), true);
	assert_null(real_answer(b, number));
	scene_pass(scene, 1900);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	assert_non_null(real_answer(b, number));
	assert_int_equal(real_answer(b, number)->code, OK);
	vector_done(&vector);
	buf_done(&token);
	scene_free(scene);
}

static void an_empty_token_is_covered_and_rubbish_is_refused(void **state)
{
	static const char *const rubbish[] = { "\x03",
					       "\x01"
					       "12345678",
					       "\x02"
					       "1234",
					       "\x01"
					       "12345678\x01\x07\x01"
					       "12345678",
					       "\x02"
					       "1234567812345678\x01\x01" };
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(real);
	static const uint8_t none[20] = { 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, LANE_PEOPLE, 0 };
	struct token_origin origin;
	enum token_state found;
	struct err err = { 0 };

	(void)state;
	/* No batch ends at 0. */
	assert_int_equal(token_judge(mesh, bytes_of(none, sizeof none), &found, &origin, &err), E_FORM);
	assert_int_equal(find_state(real, bytes_of(NULL, 0)), TOKEN_COVERED);
	assert_int_equal(find_state(real, bytes_text("\x01")), TOKEN_COVERED);
	for (size_t i = 0; i < COUNT(rubbish); i++) {
		assert_int_equal(token_judge(mesh, bytes_text(rubbish[i]), &found, &origin, &err), E_FORM);
		assert_string_equal(err.text, "the token is not one of ours: leave it out");
	}
	scene_free(scene);
}

static void put_end(struct buf *token, const struct chain *chain)
{
	struct vector vector = { 0 };
	struct buf one = buf_growing(TOKEN_MAX);

	vector_set(&vector, chain->stream, chain->end);
	token_write_vector(&vector, &one);
	/* Without its form, but for the first. */
	buf_put(token, one.data + (token->size ? 1 : 0), one.size - (token->size ? 1 : 0));
	buf_done(&one);
	vector_done(&vector);
}

/* A token of nothing but what only the log can judge, and last what is not there yet. */
static void a_clients_token_is_looked_up_once_and_not_while_it_waits(void **state)
{
	enum { CLIENTS = 20 };
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1), missing = chain_of(scene, 2);
	struct bytes last = chain_next(&missing, 1, 10);
	struct buf token = buf_growing(TOKEN_MAX);
	size_t ends = 0;

	(void)state;
	for (; token.size < TOKEN_MAX - 60; ends++) {
		puppet_batch(puppet, chain_next(&chain, 1, 10));
		put_end(&token, &chain);
	}
	assert_true(ends > 80);
	put_end(&token, &missing);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	log_reads = 0;
	real_forget(real);
	for (int i = 0; i < CLIENTS; i++)
		real_await(real, buf_bytes(&token), false);
	for (int i = 0; i < 50; i++)
		puppet_ack(puppet, chain.stream, chain.end);
	assert_int_equal(real->replies_count, 0);
	assert_int_equal(log_reads, 0);
	puppet_batch(puppet, last);
	assert_int_equal(real->replies_count, CLIENTS);
	assert_int_equal(log_reads, CLIENTS * ends);
	buf_done(&token);
	scene_free(scene);
}

/* A member asks about tokens that there can be, and no longer ones. */
static void a_member_asks_about_no_more_than_a_token(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct bytes one;
	struct id disk;

	(void)state;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	put_end(&body, &chain);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	one = arena_copy(&scene->arena, buf_bytes(&body));
	while (body.size <= TOKEN_MAX)
		buf_put(&body, one.data + 1, one.size - 1);
	disk = real_disk(real);
	log_reads = 0;
	frame_put_ask(&puppet->frame, 1, ASK_TOKEN, 2000, buf_bytes(&body));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "it asked about a token of more than 2048 bytes");
	assert_int_equal(log_reads, 0);
	buf_done(&body);
	scene_free(scene);
}

/* --- Over restarts, restores, forks and evictions: a token is never said to be covered by what is not. */

/* A write of one's own, and the token of its answer. */
static struct bytes written_token(struct scene *scene, struct real *real)
{
	uint64_t number = real_write(real, 10, 0);
	const struct answered *answer = real_answer(real, number);

	assert_int_equal(answer->code, OK);
	return arena_copy(&scene->arena, bytes_of(answer->token, answer->token_size));
}

static const struct answered *awaited(struct real *real, struct bytes token, bool is_strict)
{
	uint64_t number = real_await(real, token, is_strict);

	return real_answer(real, number);
}

static void a_commit_of_an_earlier_process_is_lost(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	const struct answered *answer;
	struct bytes token;

	(void)state;
	make_long_vector(scene, puppet, 150);
	token = written_token(scene, real);
	assert_in_range(token.size, 18, 30);
	assert_int_equal(awaited(real, token, true)->code, OK);
	/* Of a commit that is still to come nobody can have one. */
	real_end(real);
	real = real_boot(scene, 0);
	for (int strict = 0; strict < 2; strict++) {
		answer = awaited(real, token, strict);
		assert_int_equal(answer->code, E_LOST);
		assert_true(answer->is_lost);
	}
	/* What the answer says instead is good. */
	token = bytes_of(answer->token, answer->token_size);
	assert_int_equal(awaited(real, token, false)->code, OK);
	/* The first commit of another process, and one of this process, which has not come so far. */
	puppet_member(real, 1);
	real_write(real, 10, 0);
	assert_true(real_mesh(real)->commits);
	for (int is_ours = 0; is_ours < 2; is_ours++) {
		struct buf out = buf_growing(100);

		buf_put_byte(&out, 2);
		buf_put_big_endian(&out, real_mesh(real)->node, 8);
		buf_put_big_endian(&out, real->process + !is_ours, 8);
		buf_put_byte(&out, is_ours ? 0x7f : 1);
		assert_int_equal(find_state(real, buf_bytes(&out)), TOKEN_LOST);
		buf_done(&out);
	}
	scene_free(scene);
}

/* Whoever could resolve it is asked, and then evicted: it is lost at once, to whoever waits already too. */
static void a_commit_of_whom_is_evicted_meanwhile_is_lost(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 2);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct buf token = buf_growing(100);
	uint64_t number;

	(void)state;
	buf_put_byte(&token, 2);
	buf_put_big_endian(&token, scene_node(scene, 2), 8);
	buf_put_big_endian(&token, 1002, 8);
	buf_put_byte(&token, 1);
	number = real_await(real, buf_bytes(&token), false);
	assert_int_equal(puppet_count(puppet, FRAME_ASK), 1);
	assert_null(real_answer(real, number));
	real_bring(real, &eviction, 1);
	assert_int_equal(real_answer(real, number)->code, E_LOST);
	assert_int_equal(awaited(real, buf_bytes(&token), true)->code, E_LOST);
	buf_done(&token);
	scene_free(scene);
}

/* What a member of an evicted one's has is covered, what nobody has is lost, and until all have said so neither. */
static void of_an_evicted_members_streams_only_what_is_here_is_covered(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2), rows = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0), second;
	struct vector named = { 0 };
	struct end ends[3];

	(void)state;
	rows.stream.lane = LANE_URGENT;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	ends[0] = chain.end;
	second = chain_next(&chain, 1, 10);
	ends[1] = chain.end;
	chain_next(&chain, 1, 10);
	ends[2] = chain.end;
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(state_of_end(real, chain.stream, ends[i]), i ? TOKEN_BEHIND : TOKEN_COVERED);
	/* The other member has one more, and brings it. */
	vector_set(&named, chain.stream, ends[1]);
	puppet_batch(puppet, chain_row(&rows, 2, 0, &named));
	assert_int_equal(state_of_end(real, chain.stream, ends[1]), TOKEN_BEHIND);
	puppet_index(puppet, &named, true);
	assert_int_equal(state_of_end(real, chain.stream, ends[2]), TOKEN_BEHIND);
	puppet_batch(puppet, second);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(state_of_end(real, chain.stream, ends[i]), i < 2 ? TOKEN_COVERED : TOKEN_LOST);
	vector_done(&named);
	scene_free(scene);
}

static void close_start(struct scene *scene, struct puppet *puppet, uint32_t key)
{
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);
	struct frame_list list = frame_begin_proofs(&puppet->frame);

	proof_write_own(&scene->keys[key], scene->cluster, 1, &out);
	assert_true(frame_put_proof(&list, buf_bytes(&out)));
	puppet_say(puppet);
}

/* Three histories of one start: one that is here, one that another member has, one that nobody has. */
static void of_a_closed_starts_branches_each_is_judged_for_itself(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain here = chain_of(scene, 2), there, nowhere, rows = chain_of(scene, 1),
		     rows_two = chain_of(scene, 2);
	struct vector named = { 0 }, all = { 0 };
	struct bytes other;

	(void)state;
	rows.stream.lane = rows_two.stream.lane = LANE_URGENT;
	rows_two.stream.start = 99;
	puppet_batch(one, chain_next(&here, 1, 10));
	there = nowhere = here;
	puppet_batch(one, chain_next(&here, 1, 10));
	other = chain_next(&there, 1, 20);
	chain_next(&nowhere, 1, 30);
	assert_int_equal(state_of_end(real, here.stream, here.end), TOKEN_COVERED);
	assert_int_equal(state_of_end(real, here.stream, there.end), TOKEN_BEHIND);
	close_start(scene, one, 2);
	assert_int_equal(state_of_end(real, here.stream, here.end), TOKEN_COVERED);
	assert_int_equal(state_of_end(real, here.stream, there.end), TOKEN_BEHIND);
	assert_int_equal(state_of_end(real, here.stream, nowhere.end), TOKEN_BEHIND);
	vector_set(&named, here.stream, there.end);
	puppet_batch(one, chain_row(&rows, 2, 1, &named));
	puppet_batch(two, chain_row(&rows_two, 2, 1, &named));
	assert_int_equal(real_mesh(real)->counts.void_entry, 0);
	assert_int_equal(state_of_end(real, here.stream, there.end), TOKEN_BEHIND);
	puppet_batch(one, other);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(state_of_end(real, here.stream, here.end), TOKEN_COVERED);
		assert_int_equal(state_of_end(real, here.stream, there.end), TOKEN_COVERED);
		/* Until both have the same as we. */
		assert_int_equal(state_of_end(real, here.stream, nowhere.end), TOKEN_BEHIND);
		vector_set(&all, here.stream, here.end);
		vector_add(&all, here.stream, there.end);
		puppet_index(i ? two : one, &all, true);
	}
	assert_int_equal(state_of_end(real, here.stream, nowhere.end), TOKEN_LOST);
	assert_int_equal(state_of_end(real, here.stream, there.end), TOKEN_COVERED);
	vector_done(&named);
	vector_done(&all);
	scene_free(scene);
}

/* Nobody is answered as from what the disk had before it was put back. */
static void an_old_disk_covers_nothing_that_it_lacks(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct wire *wire = scene_meet(scene, a, b);
	struct bytes early, late;
	struct mem_disk *copy;
	uint64_t strict, loose;

	(void)state;
	scene_pass(scene, 3000);
	early = written_token(scene, a);
	copy = mem_disk_clone(scene->disks[0]);
	late = written_token(scene, a);
	scene_pass(scene, 100);
	scene_cut(wire);
	real_end(a);
	mem_disk_restore(scene->disks[0], copy);
	mem_disk_free(copy);
	a = real_boot(scene, 0);
	assert_int_equal(awaited(a, early, false)->code, OK);
	assert_false(awaited(a, early, false)->is_behind);
	/* Also what the disk has is told to nobody who wants to be sure: there may have been more. */
	strict = real_await(a, early, true);
	loose = real_await(a, late, false);
	scene_pass(scene, 2010);
	assert_int_equal(real_answer(a, strict)->code, E_BUSY);
	assert_int_equal(real_answer(a, loose)->code, OK);
	assert_true(real_answer(a, loose)->is_behind);
	/* Nor does time alone make it sure. */
	scene_pass(scene, 25000);
	strict = real_await(a, late, true);
	scene_pass(scene, 2010);
	assert_int_equal(real_answer(a, strict)->code, E_BUSY);
	strict = real_await(a, late, true);
	scene_meet(scene, a, b);
	scene_pass(scene, 1900);
	assert_int_equal(real_answer(a, strict)->code, OK);
	assert_false(real_answer(a, strict)->is_behind);
	scene_free(scene);
}

/* An old disk that wrote on: its own two histories are told apart. */
static void an_old_disk_that_wrote_on_covers_no_other_history(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct wire *wire = scene_meet(scene, a, b);
	struct bytes late, other;
	struct mem_disk *copy;

	(void)state;
	scene_pass(scene, 3000);
	written_token(scene, a);
	copy = mem_disk_clone(scene->disks[0]);
	late = written_token(scene, a);
	scene_pass(scene, 100);
	scene_cut(wire);
	real_end(a);
	mem_disk_restore(scene->disks[0], copy);
	mem_disk_free(copy);
	a = real_boot(scene, 0);
	scene_pass(scene, 21000);
	other = written_token(scene, a);
	assert_int_equal(find_state(a, other), TOKEN_COVERED);
	assert_int_equal(find_state(a, late), TOKEN_BEHIND);
	assert_int_equal(find_state(b, late), TOKEN_COVERED);
	assert_int_equal(find_state(b, other), TOKEN_BEHIND);
	/* When they met, both histories count. */
	scene_meet(scene, a, b);
	scene_pass(scene, 20000);
	assert_int_equal(find_state(a, late), TOKEN_COVERED);
	assert_int_equal(find_state(b, late), TOKEN_COVERED);
	assert_int_equal(find_state(a, other), TOKEN_COVERED);
	assert_int_equal(find_state(b, other), TOKEN_COVERED);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_is_judged_by_the_log),
		cmocka_unit_test(what_is_lost_outweighs_what_is_behind),
		cmocka_unit_test(a_long_vector_becomes_a_commit_that_its_member_resolves),
		cmocka_unit_test(an_empty_token_is_covered_and_rubbish_is_refused),
		cmocka_unit_test(a_clients_token_is_looked_up_once_and_not_while_it_waits),
		cmocka_unit_test(a_member_asks_about_no_more_than_a_token),
		cmocka_unit_test(a_commit_of_an_earlier_process_is_lost),
		cmocka_unit_test(a_commit_of_whom_is_evicted_meanwhile_is_lost),
		cmocka_unit_test(of_an_evicted_members_streams_only_what_is_here_is_covered),
		cmocka_unit_test(of_a_closed_starts_branches_each_is_judged_for_itself),
		cmocka_unit_test(an_old_disk_covers_nothing_that_it_lacks),
		cmocka_unit_test(an_old_disk_that_wrote_on_covers_no_other_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
