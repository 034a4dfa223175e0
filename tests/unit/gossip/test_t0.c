/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* The set of statements: what is taken, what is told to whom, and how somebody becomes a member. */

enum { STRANGER = 6 };

static struct bytes invite(struct scene *scene, struct signer *ret_one_time)
{
	return scene_invite(scene, scene->keys[0].key, scene->wall.ms + 100000, ret_one_time);
}

static size_t count_of(const struct real *real)
{
	return real_mesh(real)->t0.count;
}

static void statements_of_a_member_are_taken_and_passed_on(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *from = puppet_member(real, 1), *to = puppet_member(real, 2);
	struct signer one_time;
	struct bytes whole = invite(scene, &one_time), heard;
	struct reader list;

	(void)state;
	puppet_forget(from);
	puppet_forget(to);
	puppet_statements(from, &whole, 1);
	assert_int_equal(count_of(real), scene->count + 1);
	assert_int_equal(puppet_count(to, FRAME_T0_STATEMENTS), 1);
	list = puppet_last(to, FRAME_T0_STATEMENTS)->t0_statements;
	assert_true(frame_next_statement(&list, &heard));
	assert_true(bytes_equal(heard, whole));
	real_check(real);
	puppet_statements(from, &whole, 1);
	assert_int_equal(count_of(real), scene->count + 1);
	assert_int_equal(puppet_count(to, FRAME_T0_STATEMENTS), 1);
	scene_free(scene);
}

static void what_hangs_on_another_is_taken_in_any_order(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	struct signer one_time;
	struct bytes both[2];
	uint64_t number;

	(void)state;
	both[1] = invite(scene, &one_time);
	both[0] = scene_admit(scene, &scene->keys[0], &one_time, scene_statement_id(both[1]), 1);
	number = real_bring(real, both, 2);
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_int_equal(members_standing(real_mesh(real)->t0.members), 2);
	real_check(real);
	scene_free(scene);
}

static struct bytes sign_wrong(struct scene *scene)
{
	struct signer one_time;
	struct bytes whole = invite(scene, &one_time);

	((uint8_t *)(uintptr_t)whole.data)[whole.size - 1] ^= 1;
	return whole;
}

static void a_statement_with_a_wrong_signature_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes whole = sign_wrong(scene);
	struct id disk = real_disk(real);

	(void)state;
	puppet_statements(puppet, &whole, 1);
	puppet_refused(puppet, disk, "a statement's signature is wrong");
	scene_free(scene);
}

/* Whatever else is in the frame. */
static void nothing_behind_a_bad_statement_is_taken(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct signer one_time;
	struct bytes both[2] = { sign_wrong(scene), invite(scene, &one_time) };
	struct id disk = real_disk(real);

	(void)state;
	puppet_statements(puppet, both, 2);
	puppet_refused(puppet, disk, "a statement's signature is wrong");
	scene_free(scene);
}

static void what_is_no_statement_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct level_row nothing = { .has = 0 };
	struct bytes wholes[] = { bytes_text("nothing of the kind"),
				  scene_sign(scene, &scene->root, KIND_TABLE(level), &nothing) };
	static const enum code codes[] = { E_FORM, E_VALUE };
	struct id disk = real_disk(real);
	struct statement statement;

	(void)state;
	for (size_t i = 0; i < COUNT(wholes); i++) {
		struct puppet *puppet = puppet_member(real, 1);
		struct err err = { 0 };

		assert_int_equal(statement_read(wholes[i], &statement, &err), codes[i]);
		puppet_statements(puppet, &wholes[i], 1);
		puppet_refused(puppet, disk, err.text);
	}
	scene_free(scene);
}

/* Whoever has no member as signer, or another cluster: perhaps once more is known it is another matter. */
static void statements_of_others_are_left_out(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real), cluster = scene->cluster;
	struct operator_row row = { .has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name),
				    .key = scene->keys[5].key,
				    .parent = scene->keys[4].key,
				    .name = bytes_text("nobody") };
	struct signer one_time;
	struct bytes whole = scene_sign(scene, &scene->keys[4], KIND_TABLE(operator), &row);

	(void)state;
	puppet_statements(puppet, &whole, 1);
	puppet_ignored(puppet, disk);
	scene->cluster.bytes[0] ^= 1;
	whole = invite(scene, &one_time);
	scene->cluster = cluster;
	puppet_statements(puppet, &whole, 1);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->counts.t0_refused, 2);
	scene_free(scene);
}

static void an_operator_is_told_why(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct signer one_time;
	struct bytes whole = sign_wrong(scene);
	struct id disk = real_disk(real);
	uint64_t number = real_bring(real, &whole, 1);

	(void)state;
	assert_int_equal(real_answer(real, number)->code, E_FORM);
	assert_string_equal(real_answer(real, number)->text, "a statement's signature is wrong");
	scene->cluster.bytes[0] ^= 1;
	whole = invite(scene, &one_time);
	number = real_bring(real, &whole, 1);
	assert_int_equal(real_answer(real, number)->code, E_DENIED);
	assert_string_equal(real_answer(real, number)->text, "the statement is about another cluster");
	assert_true(id_equal(real_disk(real), disk));
	real_check(real);
	scene_free(scene);
}

/* --- Becoming known. */

/* Whose admission the node has not heard of shows it, and is a member from then on. */
static void a_stranger_that_shows_its_admission_is_a_member(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 7);
	struct signer one_time;
	struct bytes both[2];

	(void)state;
	both[0] = invite(scene, &one_time);
	both[1] = scene_admit(scene, &scene->keys[0], &one_time, scene_statement_id(both[0]), STRANGER);
	puppet_statements(puppet, both, 2);
	assert_non_null(mesh_peer(real_mesh(real), scene_node(scene, STRANGER)));
	puppet_open(puppet, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	real_check(real);
	scene_free(scene);
}

static void a_stranger_is_shown_what_makes_us_a_member_and_no_more(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 1);
	struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 7);
	struct bytes heard;
	struct reader list;
	size_t count = 0;

	(void)state;
	list = puppet_last(puppet, FRAME_T0_STATEMENTS)->t0_statements;
	while (frame_next_statement(&list, &heard))
		for (size_t i = 0; i < scene->count; i++)
			if (bytes_equal(heard, scene->statements[i])) {
				/* The cluster, its sponsor's invite and admission, its own. */
				assert_true(i < 5);
				count++;
			}
	assert_int_equal(count, 5);
	scene_free(scene);
}

/* --- Applications. */

struct applying_one {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet;
	struct signer one_time;
	struct bytes invite;
	struct key32 key;
	uint32_t level;
};

static struct applying_one begin_application(uint32_t sponsor, uint64_t expires_in_ms)
{
	struct applying_one a = { .scene = scene_new(2), .level = LEVEL_KNOWN };
	struct scene *scene = a.scene;

	a.real = real_boot(scene, 0);
	puppet_member(a.real, 1);
	a.invite = scene_invite(scene, scene->keys[sponsor].key, scene->wall.ms + expires_in_ms, &a.one_time);
	real_bring(a.real, &a.invite, 1);
	a.key = scene->keys[STRANGER].key;
	a.puppet = puppet_dial(a.real, &scene->keys[STRANGER], 7);
	return a;
}

static void apply(struct applying_one *a)
{
	struct id id = scene_statement_id(a->invite);
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct key32 box_key = a->scene->box_keys[STRANGER];
	struct bytes text = admission_text(a->scene->cluster, id, a->key, box_key, room);

	frame_put_t0_apply(&a->puppet->frame, id, a->key, box_key, sign_make(&a->one_time, SIGN_ADMISSION, text),
			   a->level);
	puppet_say(a->puppet);
}

static void expect_refusal(struct applying_one *a, const char *why)
{
	struct id disk = real_disk(a->real);
	const struct frame *frame;

	apply(a);
	puppet_ignored(a->puppet, disk);
	frame = puppet_last(a->puppet, FRAME_T0_REFUSE);
	if (!bytes_equal(frame->t0_refuse, bytes_text(why)))
		fail_msg("%.*s", (int)frame->t0_refuse.size, (const char *)frame->t0_refuse.data);
	assert_int_equal(real_mesh(a->real)->counts.refused_applicant, 1);
	assert_int_equal(members_standing(real_mesh(a->real)->t0.members), 2);
	scene_free(a->scene);
}

static void an_application_with_a_good_token_makes_a_member(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	const struct member *member;

	(void)state;
	apply(&a);
	member = members_find(real_mesh(a.real)->t0.members, scene_node(a.scene, STRANGER));
	assert_non_null(member);
	assert_memory_equal(&member->box_key, &a.scene->box_keys[STRANGER], 32);
	assert_int_equal(puppet_count(a.puppet, FRAME_T0_REFUSE), 0);
	puppet_open(a.puppet, NULL);
	real_write(a.real, 10, 0);
	assert_int_equal(puppet_count(a.puppet, FRAME_BATCH), 1);
	real_check(a.real);
	scene_free(a.scene);
}

static void who_applies_again_gets_the_same_answer(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct id disk;

	(void)state;
	apply(&a);
	disk = real_disk(a.real);
	a.scene->wall.ms += 5000;
	apply(&a);
	puppet_ignored(a.puppet, disk);
	a.puppet = puppet_dial(a.real, &a.scene->keys[STRANGER], 7);
	apply(&a);
	puppet_ignored(a.puppet, disk);
	assert_int_equal(puppet_count(a.puppet, FRAME_T0_REFUSE), 0);
	scene_free(a.scene);
}

/* Until it has heard another member it may not know what was taken back. */
static void a_sponsor_that_has_just_started_lets_nobody_in(void **state)
{
	static const char *const why =
		"this server has just started, and lets nobody in before it has heard the others: try again";
	struct applying_one a = begin_application(0, 100000);
	struct id disk;

	(void)state;
	real_end(a.real);
	a.real = real_boot(a.scene, 0);
	disk = real_disk(a.real);
	a.puppet = puppet_dial(a.real, &a.scene->keys[STRANGER], 7);
	apply(&a);
	puppet_ignored(a.puppet, disk);
	assert_true(bytes_equal(puppet_last(a.puppet, FRAME_T0_REFUSE)->t0_refuse, bytes_text(why)));
	/* Nor when it goes on without: what is spent once is not spent twice. */
	scene_pass(a.scene, 21000);
	assert_true(real_mesh(a.real)->exchange.is_stale);
	apply(&a);
	assert_int_equal(puppet_count(a.puppet, FRAME_T0_REFUSE), 2);
	puppet_member(a.real, 1);
	apply(&a);
	assert_int_equal(puppet_count(a.puppet, FRAME_T0_REFUSE), 2);
	assert_non_null(members_find(real_mesh(a.real)->t0.members, scene_node(a.scene, STRANGER)));
	scene_free(a.scene);
}

static void an_expired_token_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 0);

	(void)state;
	expect_refusal(&a, "this token has expired: make a new one");
}

static void a_token_taken_back_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct invite_void_row row = { .has = BIT(AT_invite_void_invite), .invite = scene_statement_id(a.invite) };
	struct bytes whole = scene_sign(a.scene, &a.scene->root, KIND_TABLE(invite_void), &row);

	(void)state;
	real_bring(a.real, &whole, 1);
	expect_refusal(&a, "this token was taken back: make a new one");
}

static void a_used_token_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct bytes whole = scene_admit(a.scene, &a.scene->keys[0], &a.one_time, scene_statement_id(a.invite), 5),
		     eviction;

	(void)state;
	real_bring(a.real, &whole, 1);
	eviction = scene_evict(a.scene, 5, 0);
	real_bring(a.real, &eviction, 1);
	expect_refusal(&a, "this token was used by another server: make a new one");
}

static void a_token_for_another_sponsor_is_refused(void **state)
{
	struct applying_one a = begin_application(1, 1000);

	(void)state;
	expect_refusal(&a, "this invite names another server as sponsor: join there");
}

static void a_wrong_secret_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);

	(void)state;
	a.one_time = a.scene->keys[3];
	expect_refusal(&a, "the token's secret is wrong: paste it whole");
}

static void an_invite_that_is_not_known_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);

	(void)state;
	a.invite = scene_invite(a.scene, a.scene->keys[0].key, a.scene->wall.ms + 1000, &a.one_time);
	expect_refusal(&a,
		       "this invite is not known here: was it made in this cluster, and has it reached this server?");
}

static void an_application_for_another_key_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);

	(void)state;
	a.key = a.scene->keys[5].key;
	expect_refusal(&a, "the application is for another server's key");
}

static void a_version_older_than_the_level_is_refused(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct level_row row = { .has = BIT(AT_level_level), .level = 1 };
	struct bytes whole = scene_sign(a.scene, &a.scene->root, KIND_TABLE(level), &row);

	(void)state;
	real_bring(a.real, &whole, 1);
	a.level = 0;
	expect_refusal(&a, "the new server's version is older than what this cluster uses: install a newer one there");
}

static void a_version_of_the_level_is_let_in(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct level_row row = { .has = BIT(AT_level_level), .level = LEVEL_KNOWN };
	struct bytes whole = scene_sign(a.scene, &a.scene->root, KIND_TABLE(level), &row);

	(void)state;
	real_bring(a.real, &whole, 1);
	apply(&a);
	assert_int_equal(puppet_count(a.puppet, FRAME_T0_REFUSE), 0);
	assert_non_null(members_find(real_mesh(a.real)->t0.members, scene_node(a.scene, STRANGER)));
	scene_free(a.scene);
}

static void who_was_evicted_does_not_join_with_the_same_key(void **state)
{
	struct applying_one a = begin_application(0, 1000);
	struct bytes eviction = scene_evict(a.scene, 1, 0);
	struct id disk;

	(void)state;
	real_bring(a.real, &eviction, 1);
	disk = real_disk(a.real);
	a.puppet = puppet_dial(a.real, &a.scene->keys[1], 7);
	assert_true(puppet_was_told(a.puppet, BYE_EVICTED));
	a.key = a.scene->keys[1].key;
	apply(&a);
	assert_true(id_equal(real_disk(a.real), disk));
	scene_free(a.scene);
}

/* --- The one that joins. */

static void who_joins_dials_its_sponsor_applies_and_is_told_all(void **state)
{
	struct scene *scene = scene_new(2);
	struct joining joining = { .sponsor = scene->keys[0].key };
	struct real *sponsor = real_boot(scene, 0), *joiner;
	struct bytes whole = invite(scene, &joining.one_time);

	(void)state;
	real_bring(sponsor, &whole, 1);
	puppet_member(sponsor, 1);
	joining.invite = scene_statement_id(whole);
	joiner = real_boot_joining(scene, 5, &joining);
	scene_pass(scene, 2500);
	assert_true(joiner->dials_count > 0);
	assert_int_equal(joiner->dials[0], scene_node(scene, 0));
	scene_meet(scene, joiner, sponsor);
	scene_carry(scene);
	assert_true(real_mesh(joiner)->is_member);
	assert_int_equal(real_mesh(joiner)->t0.count, scene->count + 2);
	assert_true(sum_equal(real_mesh(joiner)->t0.sum, real_mesh(sponsor)->t0.sum));
	real_check(joiner);
	real_check(sponsor);
	scene_free(scene);
}

static void a_refusal_is_told_to_whoever_joins(void **state)
{
	struct scene *scene = scene_new(2);
	struct joining joining = { .sponsor = scene->keys[0].key, .one_time = scene->keys[3] };
	struct real *joiner = real_boot_joining(scene, 5, &joining);
	struct puppet *sponsor = puppet_answer(joiner, &scene->keys[0], 7), *other;

	(void)state;
	assert_int_equal(puppet_count(sponsor, FRAME_T0_APPLY), 1);
	frame_put_t0_refuse(&sponsor->frame, bytes_text("not today"));
	puppet_say(sponsor);
	assert_true(real_has_alarm(joiner, "joining was refused: not today"));
	/* Nobody else has a say in it, and nobody else is shown the token. */
	other = puppet_dial(joiner, &scene->keys[STRANGER], 7);
	assert_int_equal(other->count, 0);
	frame_put_t0_refuse(&other->frame, bytes_text("never"));
	puppet_say(other);
	assert_int_equal(joiner->alarms_count, 1);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_of_a_member_are_taken_and_passed_on),
		cmocka_unit_test(what_hangs_on_another_is_taken_in_any_order),
		cmocka_unit_test(a_statement_with_a_wrong_signature_ends_the_link),
		cmocka_unit_test(nothing_behind_a_bad_statement_is_taken),
		cmocka_unit_test(what_is_no_statement_ends_the_link),
		cmocka_unit_test(statements_of_others_are_left_out),
		cmocka_unit_test(an_operator_is_told_why),
		cmocka_unit_test(a_stranger_that_shows_its_admission_is_a_member),
		cmocka_unit_test(a_stranger_is_shown_what_makes_us_a_member_and_no_more),
		cmocka_unit_test(an_application_with_a_good_token_makes_a_member),
		cmocka_unit_test(who_applies_again_gets_the_same_answer),
		cmocka_unit_test(a_sponsor_that_has_just_started_lets_nobody_in),
		cmocka_unit_test(an_expired_token_is_refused),
		cmocka_unit_test(a_token_taken_back_is_refused),
		cmocka_unit_test(a_used_token_is_refused),
		cmocka_unit_test(a_token_for_another_sponsor_is_refused),
		cmocka_unit_test(a_wrong_secret_is_refused),
		cmocka_unit_test(an_invite_that_is_not_known_is_refused),
		cmocka_unit_test(an_application_for_another_key_is_refused),
		cmocka_unit_test(a_version_older_than_the_level_is_refused),
		cmocka_unit_test(a_version_of_the_level_is_let_in),
		cmocka_unit_test(who_was_evicted_does_not_join_with_the_same_key),
		cmocka_unit_test(who_joins_dials_its_sponsor_applies_and_is_told_all),
		cmocka_unit_test(a_refusal_is_told_to_whoever_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
