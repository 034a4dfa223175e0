/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/link.h"
#include "tests/unit/gossip/puppet.h"

/*
 * A long stretch of a closed start: it waits, and so is not acknowledged, but it is more than is on its way at once
 * without that. So whoever asks for more of it says how far it came.
 */

enum { BATCHES = 40, ENTRIES = 10, SIZE = 1000, CREDIT_BATCHES = ANTIENTROPY_CREDIT / ENTRIES / SIZE + 1 };

/* A member that stands (key 0, real), one that stands too (key 1), and one whose start is closed (key 2). */
struct plot {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet; /* of key 1 */
	struct chain chain;    /* of key 2 */
	struct bytes wholes[BATCHES];
};

static struct plot plot_of(uint32_t members)
{
	struct plot plot = { .scene = scene_new(members) };

	plot.real = real_boot(plot.scene, 0);
	plot.puppet = puppet_member(plot.real, 1);
	plot.chain = chain_of(plot.scene, 2);
	for (size_t i = 0; i < BATCHES; i++)
		plot.wholes[i] = chain_next(&plot.chain, ENTRIES, SIZE);
	return plot;
}

/* The member's own word closes its start. */
static void close_start(struct plot *plot)
{
	struct frame_list list = frame_begin_proofs(&plot->puppet->frame);
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);

	proof_write_own(&plot->scene->keys[2], plot->scene->cluster, 1, &out);
	assert_true(frame_put_proof(&list, buf_bytes(&out)));
	puppet_say(plot->puppet);
}

static void give(struct plot *plot, size_t from, size_t until)
{
	for (size_t i = from; i < until; i++)
		puppet_batch(plot->puppet, plot->wholes[i]);
}

/* From behind which batch on it was wanted last; all that was heard is forgotten. */
static uint64_t wanted_from(struct plot *plot)
{
	struct reader wants = puppet_last(plot->puppet, FRAME_WANT)->wants;
	struct want want = { .until = 0 };

	assert_true(frame_next_want(&wants, &want));
	assert_int_equal(stream_compare(&want.stream, &plot->chain.stream), 0);
	assert_int_equal(want.until, BATCHES * ENTRIES);
	puppet_forget(plot->puppet);
	assert_int_equal(want.after % ENTRIES, 0);
	return want.after / ENTRIES;
}

static void more_is_wanted_from_where_it_came_to(void **state)
{
	struct plot plot = plot_of(3);
	size_t at = 0;

	(void)state;
	close_start(&plot);
	puppet_ack(plot.puppet, plot.chain.stream, plot.chain.end);
	scene_pass(plot.scene, 1100);
	assert_int_equal(wanted_from(&plot), 0);
	for (int times = 0; times < 3; times++) {
		give(&plot, at, at + CREDIT_BATCHES - 1);
		assert_int_equal(puppet_count(plot.puppet, FRAME_WANT), 0);
		at += CREDIT_BATCHES;
		give(&plot, at - 1, at);
		assert_int_equal(wanted_from(&plot), at);
	}
	/* Where no more of it comes, it is asked for from there once more, and then from the beginning. */
	give(&plot, at, at + 1);
	scene_pass(plot.scene, 7000);
	assert_int_equal(wanted_from(&plot), at + 1);
	scene_pass(plot.scene, 7000);
	assert_int_equal(wanted_from(&plot), 0);
	/* What waits already came, too. */
	give(&plot, 0, CREDIT_BATCHES);
	assert_int_equal(wanted_from(&plot), CREDIT_BATCHES);
	give(&plot, CREDIT_BATCHES, BATCHES);
	puppet_forget(plot.puppet);
	scene_pass(plot.scene, 20000);
	assert_int_equal(puppet_count(plot.puppet, FRAME_WANT), 0);
	assert_int_equal(real_mesh(plot.real)->counts.waiting, BATCHES);
	real_check(plot.real);
	scene_free(plot.scene);
}

static void ask(struct puppet *puppet, const struct plot *plot, size_t from)
{
	puppet_forget(puppet);
	puppet_want(puppet, plot->chain.stream, from * ENTRIES, BATCHES * ENTRIES);
}

/* The stream's batches that were heard, each the one after the other. */
static size_t hear(const struct puppet *puppet, const struct plot *plot, size_t at)
{
	for (size_t i = 0; i < puppet->count; i++) {
		struct batch batch;

		if (puppet->heard[i].frame.kind != FRAME_BATCH)
			continue;
		assert_int_equal(batch_read(puppet->heard[i].frame.batch, &batch, NULL), OK);
		if (!stream_compare(&batch.stream, &plot->chain.stream))
			assert_true(bytes_equal(batch.whole, plot->wholes[at++]));
	}
	return at;
}

static void whoever_wants_more_has_what_is_before_it(void **state)
{
	struct plot plot = plot_of(4);
	struct puppet *asks = puppet_member(plot.real, 3);
	size_t at, first, times = 0;

	(void)state;
	give(&plot, 0, BATCHES);
	close_start(&plot);
	ask(asks, &plot, 0);
	first = at = hear(asks, &plot, 0);
	assert_in_range(first, 1, BATCHES - 1);
	while (at < BATCHES) {
		assert_in_range(++times, 1, BATCHES);
		/* Half of it is under way yet, and is not sent twice. */
		ask(asks, &plot, at - first / 2);
		at = hear(asks, &plot, at);
	}
	assert_in_range(times, 2, 2 * BATCHES / first);
	scene_free(plot.scene);
}

static void what_is_wanted_once_more_from_one_place_is_sent_again(void **state)
{
	struct plot plot = plot_of(4);
	struct puppet *asks = puppet_member(plot.real, 3);
	size_t first, second;

	(void)state;
	give(&plot, 0, BATCHES);
	close_start(&plot);
	ask(asks, &plot, 0);
	first = hear(asks, &plot, 0);
	ask(asks, &plot, 4);
	second = hear(asks, &plot, first);
	assert_int_equal(second, first + 4);
	ask(asks, &plot, 4);
	scene_pass(plot.scene, 12000);
	assert_true(hear(asks, &plot, 4) > 4);
	scene_free(plot.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_is_wanted_from_where_it_came_to),
		cmocka_unit_test(whoever_wants_more_has_what_is_before_it),
		cmocka_unit_test(what_is_wanted_once_more_from_one_place_is_sent_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
