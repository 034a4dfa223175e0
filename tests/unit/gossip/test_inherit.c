/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* When an heir knows all that others saw of whoever it inherits from. */

/* Key 0 is the heir, key 1 stands too, key 2 was evicted or began another start. */
struct plot {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet;
	struct chain chain, rows;
};

static struct plot plot_of(uint32_t members)
{
	struct plot plot = { .scene = scene_new(members) };

	plot.real = real_boot(plot.scene, 0);
	plot.puppet = puppet_member(plot.real, 1);
	plot.chain = chain_of(plot.scene, 2);
	plot.rows = chain_of(plot.scene, 1);
	plot.rows.stream.lane = LANE_URGENT;
	return plot;
}

static bool may(const struct plot *plot, uint64_t start)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(plot->real);
	struct closed_start closed = { scene_node(plot->scene, 2), start };
	bool found = false;

	assert_int_equal(closed_may_inherit(mesh, closed, &found, NULL), OK);
	if (!start)
		assert_int_equal(closed_gates(mesh).may_inherit(mesh, closed.node), found);
	store_end(mesh->look);
	mesh->look = NULL;
	return found;
}

static void evict(struct plot *plot)
{
	struct bytes eviction = scene_evict(plot->scene, 2, 0);

	real_bring(plot->real, &eviction, 1);
	puppet_agree(plot->puppet);
}

static void once_all_have_told_and_what_they_have_is_here(void **state)
{
	struct plot plot = plot_of(3);
	struct vector has = { 0 };
	struct bytes first = chain_next(&plot.chain, 1, 10), second;

	(void)state;
	vector_set(&has, plot.chain.stream, plot.chain.end);
	second = chain_next(&plot.chain, 1, 10);
	puppet_batch(plot.puppet, first);
	/* What it said before its row. */
	puppet_index(plot.puppet, &has, true);
	vector_done(&has);
	assert_false(may(&plot, 0));
	evict(&plot);
	assert_false(may(&plot, 0));
	/* Its row alone says what it had when it wrote that, and not that this is all it has. */
	puppet_batch(plot.puppet, chain_row(&plot.rows, 2, 0, &has));
	assert_false(may(&plot, 0));
	vector_set(&has, plot.rows.stream, plot.rows.end);
	vector_set(&has, plot.chain.stream, plot.chain.end);
	puppet_batch(plot.puppet, chain_row(&plot.rows, 2, 0, &has));
	assert_false(may(&plot, 0));
	vector_set(&has, plot.rows.stream, plot.rows.end);
	puppet_index(plot.puppet, &has, true);
	assert_false(may(&plot, 0));
	puppet_batch(plot.puppet, second);
	assert_true(vector_has(&real_mesh(plot.real)->vector, plot.chain.stream, plot.chain.end));
	assert_true(may(&plot, 0));
	/* And so it stays. */
	chain_next(&plot.chain, 1, 10);
	vector_set(&has, plot.chain.stream, plot.chain.end);
	puppet_index(plot.puppet, &has, true);
	assert_true(may(&plot, 0));
	vector_done(&has);
	scene_free(plot.scene);
}

/* Who has said nothing since it was met may have anything. */
static void whoever_is_silent_is_waited_for(void **state)
{
	struct plot plot = plot_of(4);
	struct vector has = { 0 };
	struct chain rows = chain_of(plot.scene, 3);
	struct puppet *other;

	(void)state;
	rows.stream.lane = LANE_URGENT;
	evict(&plot);
	puppet_batch(plot.puppet, chain_row(&plot.rows, 2, 0, &has));
	/* The row of the one who is away comes by another. */
	puppet_batch(plot.puppet, chain_row(&rows, 2, 0, &has));
	vector_set(&has, plot.rows.stream, plot.rows.end);
	vector_set(&has, rows.stream, rows.end);
	puppet_index(plot.puppet, &has, true);
	assert_false(may(&plot, 0));
	other = puppet_dial(plot.real, &plot.scene->keys[3], 9);
	puppet_agree(other);
	puppet_index(other, &has, true);
	assert_true(may(&plot, 0));
	vector_done(&has);
	scene_free(plot.scene);
}

static void what_is_open_is_not_inherited(void **state)
{
	struct plot plot = plot_of(3);

	(void)state;
	assert_false(may(&plot, 0));
	assert_false(may(&plot, 1));
	scene_free(plot.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_all_have_told_and_what_they_have_is_here),
		cmocka_unit_test(whoever_is_silent_is_waited_for),
		cmocka_unit_test(what_is_open_is_not_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
