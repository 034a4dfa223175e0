/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "tests/unit/gossip/yard.h"

#include <stdlib.h>

/*
 * Both rounds, against the rule for each mark by itself: when every member acknowledged the `dead`, V is the join of
 * all that is acknowledged and what this member has; when every member has V, the mark may go; whoever goes back sends
 * it back. It is asked after every event, so what is collected must be what it lets go, and in the end that is all.
 */

enum { LEASES = 150, STEPS = 700 };

struct mark {
	struct op made, dead;
	size_t nonce, chain, number; /* of the `dead` that this member merged first */
	size_t made_chain, made_number;
	bool is_dead_written, is_dead, is_collected, may_go, has_v;
	size_t v[YARD_STREAMS];
};

struct told {
	size_t lease;
	bool is_dead;
};

struct trial {
	struct yard *yard;
	struct mark marks[LEASES];
	struct told told[YARD_STREAMS][YARD_BATCHES + 1];
	size_t has[YARD_OTHERS][YARD_STREAMS], acked[YARD_OTHERS][YARD_STREAMS], own[YARD_STREAMS];
	size_t streams, leases, collected, kept, went_back;
};

static bool is_everywhere(const struct trial *trial, size_t chain, size_t number)
{
	for (size_t k = 0; k < trial->yard->others; k++)
		if (trial->acked[k][chain] < number)
			return false;
	return trial->own[chain] >= number;
}

static void note_v(const struct trial *trial, struct mark *mark)
{
	mark->has_v = true;
	for (size_t i = 0; i < trial->streams; i++) {
		mark->v[i] = trial->own[i];
		for (size_t k = 0; k < trial->yard->others; k++)
			if (trial->acked[k][i] > mark->v[i])
				mark->v[i] = trial->acked[k][i];
	}
}

static void judge_marks(struct trial *trial)
{
	for (size_t i = 0; i < trial->leases; i++) {
		struct mark *mark = &trial->marks[i];

		if (!mark->is_dead || mark->may_go)
			continue;
		if (!mark->has_v && is_everywhere(trial, mark->chain, mark->number))
			note_v(trial, mark);
		mark->may_go = mark->has_v;
		for (size_t k = 0; mark->may_go && k < trial->streams; k++)
			mark->may_go = is_everywhere(trial, k, mark->v[k]);
	}
}

static void send_back(struct trial *trial)
{
	for (size_t i = 0; i < trial->leases; i++)
		trial->marks[i].has_v = trial->marks[i].may_go = false;
}

/* What went may go, and what is stable by then covers all that the rule went by. */
static void look_at_marks(struct trial *trial)
{
	for (size_t i = 0; i < trial->leases; i++) {
		struct mark *mark = &trial->marks[i];

		if (!mark->is_dead || mark->is_collected || yard_is_there(trial->yard, &mark->made))
			continue;
		mark->is_collected = true;
		trial->collected++;
		assert_true(mark->may_go);
		assert_int_equal(mark->nonce, 8);
		for (size_t k = 0; k < trial->streams; k++)
			assert_true(vector_seq(&trial->yard->mesh->stable.vector, trial->yard->chains[k].stream) >=
				    mark->v[k]);
	}
}

static void tell(struct trial *trial, size_t chain, size_t lease, bool is_dead)
{
	struct mark *mark = &trial->marks[lease];

	yard_write(trial->yard, chain, is_dead ? &mark->dead : &mark->made, 1);
	trial->told[chain][trial->yard->chains[chain].count] = (struct told){ lease, is_dead };
	trial->has[chain / YARD_LANES][chain] = trial->yard->chains[chain].count;
}

/* Whether it sees the lease alive. */
static bool sees(const struct trial *trial, size_t k, size_t lease)
{
	const struct mark *mark = &trial->marks[lease];

	for (size_t i = 0; i < trial->streams; i++)
		for (size_t number = 1; number <= trial->has[k][i]; number++)
			if (trial->told[i][number].lease == lease && trial->told[i][number].is_dead)
				return false;
	return trial->has[k][mark->made_chain] >= mark->made_number;
}

/* A disk that does not cover what is stable is old: it writes nothing before it has that again. */
static bool is_old(const struct trial *trial, size_t k)
{
	for (size_t i = 0; i < trial->streams; i++)
		if (trial->has[k][i] < vector_seq(&trial->yard->mesh->stable.vector, trial->yard->chains[i].stream))
			return true;
	return false;
}

/* Another one makes a lease, or ends one that it sees. */
static void do_write(struct trial *trial)
{
	size_t k = dice_below(trial->yard->others), chain = k * YARD_LANES + dice_below(YARD_LANES);
	size_t lease = trial->leases ? dice_below(trial->leases) : 0;
	struct mark *mark = &trial->marks[lease];

	if (trial->yard->chains[chain].count == YARD_BATCHES || is_old(trial, k))
		return;
	if (trial->leases < LEASES && (!trial->leases || dice_below(2))) {
		mark = &trial->marks[lease = trial->leases++];
		*mark = (struct mark){ .nonce = dice_below(6) ? 8 : 16, .made_chain = chain };
		mark->made = yard_lease(trial->yard, lease, mark->nonce, false);
		mark->dead = yard_lease(trial->yard, lease, mark->nonce, true);
		tell(trial, chain, lease, false);
		mark->made_number = trial->yard->chains[chain].count;
	} else if (sees(trial, k, lease)) {
		mark->is_dead_written = true;
		tell(trial, chain, lease, true);
	}
}

static void merge_here(struct trial *trial, size_t chain, size_t count)
{
	while (trial->own[chain] < count) {
		size_t number = ++trial->own[chain];
		struct told told = trial->told[chain][number];
		struct mark *mark = &trial->marks[told.lease];

		yard_merge_to(trial->yard, chain, number);
		if (!told.is_dead || mark->is_dead)
			continue;
		mark->is_dead = true;
		mark->chain = chain;
		mark->number = number;
	}
	judge_marks(trial);
}

static void do_merge(struct trial *trial)
{
	size_t chain = dice_below(trial->streams), count = trial->yard->chains[chain].count;
	size_t k = dice_below(trial->yard->others + 1);
	size_t *has = k < trial->yard->others ? &trial->has[k][chain] : &trial->own[chain];
	size_t to = *has + dice_below(count - *has + 1);

	if (k < trial->yard->others)
		*has = to;
	else
		merge_here(trial, chain, to);
}

static void ack(struct trial *trial, size_t k, size_t chain, size_t number)
{
	trial->acked[k][chain] = number;
	yard_ack(trial->yard, k, chain, number);
	judge_marks(trial);
}

/* What it has, or what it had a while ago, of some streams. */
static void do_ack(struct trial *trial)
{
	size_t k = dice_below(trial->yard->others), part = 1 + dice_below(4);

	for (size_t i = 0; i < trial->streams; i++) {
		size_t said = trial->acked[k][i], has = trial->has[k][i];

		if (has > said && !dice_below(part))
			ack(trial, k, i, dice_below(3) ? has : said + dice_below(has - said + 1));
	}
}

/* An old disk: what others wrote is partly gone there, and it says so. */
static void do_go_back(struct trial *trial)
{
	size_t k = dice_below(trial->yard->others);

	for (size_t i = 0; i < trial->streams; i++) {
		if (i / YARD_LANES != k)
			trial->has[k][i] = dice_below(trial->has[k][i] + 1);
		if (trial->has[k][i] >= trial->acked[k][i])
			continue;
		trial->acked[k][i] = trial->has[k][i];
		yard_ack(trial->yard, k, i, trial->has[k][i]);
		trial->went_back++;
		send_back(trial);
		stable_went_back(trial->yard->mesh);
	}
	judge_marks(trial);
}

static void do_restart(struct trial *trial)
{
	yard_restart(trial->yard);
	memset(trial->acked, 0, sizeof trial->acked);
	send_back(trial);
}

static void do_look(struct trial *trial)
{
	bool is_full = !dice_below(8);

	if (is_full)
		mem_disk_full_at(trial->yard->real->disk, 1 + dice_below(5));
	yard_look(trial->yard);
	mem_disk_full_at(trial->yard->real->disk, 0);
	look_at_marks(trial);
	if (!dice_below(10))
		yard_check(trial->yard);
}

static void step(struct trial *trial)
{
	uint64_t roll = dice_below(100);

	if (roll < 22)
		do_write(trial);
	else if (roll < 62)
		do_merge(trial);
	else if (roll < 85)
		do_ack(trial);
	else if (roll < 86)
		do_go_back(trial);
	else if (roll < 87)
		do_restart(trial);
	else
		do_look(trial);
}

/* Everybody gets everything, and says so: then every mark goes that may, and what lives lives. */
static void settle(struct trial *trial)
{
	for (size_t i = 0; i < trial->streams; i++)
		merge_here(trial, i, trial->yard->chains[i].count);
	for (size_t k = 0; k < trial->yard->others; k++)
		for (size_t i = 0; i < trial->streams; i++)
			ack(trial, k, i, trial->yard->chains[i].count);
	for (int i = 0; i < 3; i++) {
		yard_look(trial->yard);
		look_at_marks(trial);
	}
	for (size_t i = 0; i < trial->leases; i++) {
		const struct mark *mark = &trial->marks[i];

		assert_int_equal(yard_is_there(trial->yard, &mark->made), !mark->is_dead_written || mark->nonce == 16);
		trial->kept += mark->is_dead_written && mark->nonce == 16;
	}
	assert_int_equal(yard_listed(trial->yard), 0);
	assert_true(vector_equal(&trial->yard->mesh->vector, &trial->yard->mesh->stable.vector));
	yard_check(trial->yard);
}

static void every_mark_goes_by_the_rule(void **state)
{
	size_t early = 0, late = 0, kept = 0, went_back = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++) {
		struct trial *trial = must_alloc(sizeof *trial);

		dice_state = seed * 77777777;
		trial->yard = yard_new(1 + seed % 4);
		trial->streams = trial->yard->others * YARD_LANES;
		for (int i = 0; i < STEPS; i++)
			step(trial);
		early += trial->collected;
		settle(trial);
		late += trial->collected;
		kept += trial->kept;
		went_back += trial->went_back;
		yard_free(trial->yard);
		free(trial);
	}
	print_message("%zu of %zu marks went on the way; %zu acknowledgements went back\n", early, late, went_back);
	assert_true(early > 50 && late > early && kept > 20 && went_back > 20);
}

/* --- Schedules that broke earlier versions of the rule. */

/* A copy of what was made is still on its way, in a lane that the `dead` overtook: everybody has the `dead`. */
static void a_dead_that_overtook_what_it_ends(void **state)
{
	struct yard *yard = yard_new(2);
	struct op made = yard_lease(yard, 1, 8, false), dead = yard_lease(yard, 1, 8, true);

	(void)state;
	yard_write(yard, 0, &made, 1);
	yard_write(yard, 3, &made, 1);
	yard_write(yard, 2, &dead, 1);
	yard_merge_to(yard, 2, 1);
	for (size_t k = 0; k < 2; k++)
		yard_ack(yard, k, 2, 1);
	yard_look(yard);
	/* Of what it ends nothing is known yet. */
	assert_true(yard_is_there(yard, &dead) && !yard_listed(yard));
	yard_merge_to(yard, 0, 1);
	for (size_t k = 0; k < 2; k++)
		yard_ack(yard, k, 0, 1);
	yard_ack(yard, 1, 3, 1);
	yard_look(yard);
	yard_look(yard);
	assert_true(yard_is_there(yard, &dead) && yard_listed(yard));
	yard_merge_to(yard, 3, 1);
	yard_look(yard);
	assert_true(yard_is_there(yard, &dead));
	yard_ack(yard, 0, 3, 1);
	yard_look(yard);
	assert_false(yard_is_there(yard, &dead) || yard_listed(yard));
	yard_check(yard);
	yard_free(yard);
}

/* A repeated request makes the same id at another member, so its end is remembered for good; and so is a device's. */
static void what_may_come_again_stays(void **state)
{
	struct yard *yard = yard_new(2);
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner), .owner = { { 3 } } };
	struct buf map = buf_growing(200);
	struct record *record = must_alloc(sizeof *record);
	struct op ops[6] = { { .kind = KIND_device } };

	(void)state;
	pack_write(&KIND_TABLE(device)->shape, &row, &map);
	ops[0].map = buf_bytes(&map);
	assert_int_equal(record_from_op(ops[0].map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	ops[0].id = record_id(KIND_device, record);
	ops[1] = yard_lease(yard, 1, 16, false);
	ops[2] = yard_lease(yard, 2, 8, false);
	ops[3] = (struct op){ .kind = KIND_device, .id = ops[0].id, .is_dead = true };
	ops[4] = yard_lease(yard, 1, 16, true);
	ops[5] = yard_lease(yard, 2, 8, true);
	yard_write(yard, 0, ops, 3);
	yard_write(yard, 0, ops + 3, 3);
	yard_merge_to(yard, 0, 2);
	yard_ack_all(yard);
	for (int i = 0; i < 3; i++)
		yard_look(yard);
	assert_true(yard_is_there(yard, &ops[0]) && yard_is_there(yard, &ops[1]));
	assert_false(yard_is_there(yard, &ops[2]));
	/* The same request, again, elsewhere. */
	yard_write(yard, 2, ops + 1, 1);
	yard_merge_to(yard, 2, 1);
	yard_check(yard);
	free(record);
	buf_done(&map);
	yard_free(yard);
}

/* What only a disk had that is an old one now is not waited for: it said so, and round one starts again. */
static void an_acknowledgement_that_went_back(void **state)
{
	struct yard *yard = yard_new(2);
	struct op made = yard_lease(yard, 1, 8, false), dead = yard_lease(yard, 1, 8, true);

	(void)state;
	yard_write(yard, 0, &made, 1);
	yard_write(yard, 0, &dead, 1);
	yard_write_large(yard, 2, 10);
	yard_merge_to(yard, 0, 2);
	for (size_t k = 0; k < 2; k++)
		yard_ack(yard, k, 0, 2);
	yard_ack(yard, 1, 2, 1);
	for (int i = 0; i < 3; i++)
		yard_look(yard);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_SECOND);
	yard_ack(yard, 1, 2, 0);
	yard_look(yard);
	assert_true(yard_is_there(yard, &dead));
	stable_went_back(yard->mesh);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_NONE);
	yard_look(yard);
	assert_false(yard_is_there(yard, &dead));
	/* Whoever has the record forgotten can tell an old disk. */
	yard_restart(yard);
	assert_int_equal(vector_seq(&yard->mesh->stable.vector, yard->chains[0].stream), 2);
	yard_free(yard);
}

/* A new member has nothing, a closing may let in what nobody has: each sends the round back. */
static void whoever_comes_and_whatever_closes_starts_again(void **state)
{
	struct yard *yard = yard_new(1);
	struct op made = yard_lease(yard, 1, 8, false), dead = yard_lease(yard, 1, 8, true);
	struct signer one_time;
	struct bytes all[2];

	(void)state;
	yard_write(yard, 0, &made, 1);
	yard_write(yard, 0, &dead, 1);
	yard_merge_to(yard, 0, 2);
	yard_ack(yard, 0, 0, 1);
	yard_look(yard);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_FIRST);
	stable_closing(yard->mesh);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_NONE);
	yard_look(yard);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_FIRST);
	all[0] = scene_invite(yard->scene, yard->scene->keys[0].key, yard->scene->wall.ms + 1000, &one_time);
	all[1] = scene_admit(yard->scene, &yard->scene->keys[0], &one_time, scene_statement_id(all[0]), 5);
	real_bring(yard->real, all, 2);
	yard_ack(yard, 0, 0, 2);
	yard_look(yard);
	assert_true(yard_is_there(yard, &dead));
	/* It closes what is the evicted one's, in a row that is to be everywhere, too. */
	all[0] = scene_evict(yard->scene, 5, 0);
	real_bring(yard->real, all, 1);
	yard_ack_own(yard);
	yard_look(yard);
	assert_false(yard_is_there(yard, &dead));
	yard_free(yard);
}

/* What the others were seen to have before, whoever is new does not. */
static void whoever_comes_is_waited_for_in_all(void **state)
{
	struct yard *yard = yard_new(1);
	struct op made = yard_lease(yard, 1, 8, false), dead = yard_lease(yard, 1, 8, true);
	struct signer one_time;
	struct bytes all[2];

	(void)state;
	yard_write(yard, 0, &made, 1);
	yard_write(yard, 0, &dead, 1);
	yard_write_large(yard, 1, 10);
	yard_merge_to(yard, 0, 2);
	yard_merge_to(yard, 1, 1);
	yard_ack(yard, 0, 0, 2);
	yard_look(yard);
	assert_int_equal(yard->mesh->stable.rounds.lacks.count, 1);
	all[0] = scene_invite(yard->scene, yard->scene->keys[0].key, yard->scene->wall.ms + 1000, &one_time);
	all[1] = scene_admit(yard->scene, &yard->scene->keys[0], &one_time, scene_statement_id(all[0]), 5);
	real_bring(yard->real, all, 2);
	yard_ack(yard, 0, 1, 1);
	yard_ack(yard, 4, 1, 1);
	yard_look(yard);
	assert_int_equal(yard->mesh->stable.rounds.round, ROUND_FIRST);
	yard_ack(yard, 4, 0, 2);
	yard_look(yard);
	assert_false(yard_is_there(yard, &dead));
	yard_free(yard);
}

/* Many of them take several steps, and the dead that come in the meantime have rounds of their own. */
static void many_are_collected_in_steps(void **state)
{
	enum { MANY = 3 * COLLECT_MOST };
	struct yard *yard = yard_new(1);
	struct op ops[100];

	(void)state;
	for (uint64_t i = 0; i < 2 * MANY; i += COUNT(ops)) {
		for (uint64_t k = 0; k < COUNT(ops); k++)
			ops[k] = yard_lease(yard, (i + k) / 2, 8, k % 2);
		yard_write(yard, 0, ops, COUNT(ops));
	}
	yard_merge_to(yard, 0, yard->chains[0].count);
	yard_ack_all(yard);
	yard->scene->now += STABLE_EVERY_MS * MS;
	real_tick(yard->real);
	assert_in_range(yard_listed(yard), MANY - COLLECT_MOST, MANY + COUNT(ops) - COLLECT_MOST);
	yard->scene->now += STABLE_STEP_MS * MS;
	real_tick(yard->real);
	ops[0] = yard_lease(yard, 60000, 8, false);
	ops[1] = yard_lease(yard, 60000, 8, true);
	yard_write(yard, 1, ops, 2);
	yard_merge_to(yard, 1, 1);
	yard_look(yard);
	assert_int_equal(yard_listed(yard), 1);
	yard_ack_all(yard);
	yard_look(yard);
	assert_int_equal(yard_listed(yard), 0);
	yard_check(yard);
	yard_free(yard);
}

/* A round that begins in the transaction of a removal is about it, so its batch is part of what all are to have. */
static void a_round_waits_for_what_is_removed_beside_it(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	const struct mesh *mesh = real_mesh(real);
	struct change change = { .what = CHANGE_REMOVE, .kind = KIND_setting };
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = 1000,
					       .asker = { .writes = BY_OWNER },
					       .changes = &change,
					       .count = 1,
					       .action = bytes_text("setting.remove") } };

	(void)state;
	change.id = real_answer(real, real_write(real, 10, 0))->id;
	scene->now += 2 * STABLE_EVERY_MS * MS;
	real->is_gathering = true;
	real_event(real, &event);
	real_tick(real);
	real->is_gathering = false;
	assert_int_equal(real_commit(real), OK);
	assert_int_equal(mesh->stable.rounds.round, ROUND_FIRST);
	assert_true(vector_covers(&mesh->stable.rounds.goal, &mesh->vector));
	real_check(real);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mark_goes_by_the_rule),
		cmocka_unit_test(a_dead_that_overtook_what_it_ends),
		cmocka_unit_test(what_may_come_again_stays),
		cmocka_unit_test(an_acknowledgement_that_went_back),
		cmocka_unit_test(whoever_comes_and_whatever_closes_starts_again),
		cmocka_unit_test(whoever_comes_is_waited_for_in_all),
		cmocka_unit_test(many_are_collected_in_steps),
		cmocka_unit_test(a_round_waits_for_what_is_removed_beside_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
