/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

/* What becomes of the batches of closed starts. */

/* A member that stands (key 0, real), one that stands too (key 1), and one whose start is closed (key 2). */
struct plot {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet; /* of key 1 */
	struct chain chain, rows;
	struct bytes wholes[5]; /* of key 2 */
	struct end ends[5];
};

static struct plot plot_of(uint32_t members)
{
	struct plot plot = { .scene = scene_new(members) };

	plot.real = real_boot(plot.scene, 0);
	plot.puppet = puppet_member(plot.real, 1);
	plot.chain = chain_of(plot.scene, 2);
	plot.rows = chain_of(plot.scene, 1);
	plot.rows.stream.lane = LANE_URGENT;
	for (size_t i = 0; i < COUNT(plot.wholes); i++) {
		plot.wholes[i] = chain_next(&plot.chain, 1, 10);
		plot.ends[i] = plot.chain.end;
	}
	return plot;
}

static const struct mesh *mesh_of(const struct plot *plot)
{
	return real_mesh(plot->real);
}

static void evict(struct plot *plot, uint32_t key)
{
	struct bytes eviction = scene_evict(plot->scene, key, 0);

	real_bring(plot->real, &eviction, 1);
	puppet_agree(plot->puppet);
}

static void say_proof(struct puppet *puppet, struct bytes whole)
{
	struct frame_list list = frame_begin_proofs(&puppet->frame);

	assert_true(frame_put_proof(&list, whole));
	puppet_say(puppet);
}

/* The member's own word closes its start. */
static void close_start(struct plot *plot, uint32_t key, uint64_t start)
{
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);

	proof_write_own(&plot->scene->keys[key], plot->scene->cluster, start, &out);
	say_proof(plot->puppet, buf_bytes(&out));
}

/* Key 1 says that it had merged the stream up to there. */
static struct bytes row_of(struct plot *plot, uint32_t subject, uint64_t start, struct stream stream, struct end end)
{
	struct vector ends = { 0 };
	struct bytes row;

	vector_set(&ends, stream, end);
	row = chain_row(&plot->rows, subject, start, &ends);
	vector_done(&ends);
	return row;
}

static bool stands_at(const struct plot *plot, size_t count)
{
	struct end none = { 0 };
	const struct end *end = vector_find(&mesh_of(plot)->vector, plot->chain.stream);

	return end_equal(end ? *end : none, count ? plot->ends[count - 1] : none);
}

static bool has_row(const struct real *real, uint64_t member, uint64_t subject, uint64_t start)
{
	struct arena arena = { 0 };
	struct store_txn *txn;
	bool has = false;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(closing_has_row(txn, member, (struct closed_start){ subject, start }, &arena, &has, NULL), OK);
	store_end(txn);
	arena_done(&arena);
	return has;
}

static size_t count_named(const struct real *real, struct stream stream, struct end *ret_first)
{
	struct arena arena = { 0 };
	struct store_txn *txn;
	struct end *ends;
	size_t count;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(closing_ends(txn, stream, &arena, &ends, &count, NULL), OK);
	if (count)
		*ret_first = ends[0];
	store_end(txn);
	arena_done(&arena);
	return count;
}

/* --- Rows. */

static void a_row_names_what_was_merged_in_the_transaction_that_closes(void **state)
{
	(void)state;
	for (int is_eviction = 0; is_eviction < 2; is_eviction++) {
		struct plot plot = plot_of(3);
		const struct mesh *mesh = mesh_of(&plot);
		struct chain urgent = chain_of(plot.scene, 2);
		struct end named;
		uint64_t commits;

		urgent.stream.lane = LANE_URGENT;
		puppet_batch(plot.puppet, plot.wholes[0]);
		puppet_batch(plot.puppet, plot.wholes[1]);
		puppet_batch(plot.puppet, chain_next(&urgent, 1, 10));
		commits = mesh->commits;
		if (is_eviction)
			evict(&plot, 2);
		else
			close_start(&plot, 2, 1);
		assert_int_equal(mesh->commits, commits + 1);
		assert_int_equal(mesh->counts.row, 1);
		assert_int_equal(has_row(plot.real, mesh->node, scene_node(plot.scene, 2), 1), !is_eviction);
		assert_int_equal(has_row(plot.real, mesh->node, scene_node(plot.scene, 2), 0), is_eviction);
		assert_int_equal(count_named(plot.real, plot.chain.stream, &named), 1);
		assert_true(end_equal(named, plot.ends[1]));
		assert_int_equal(count_named(plot.real, urgent.stream, &named), 1);
		assert_true(end_equal(named, urgent.end));
		/* And it is told: in the urgent lane. */
		assert_int_equal(vector_seq(&mesh->vector, (struct stream){ mesh->node, 1, LANE_URGENT }), 1);
		assert_int_equal(puppet_count(plot.puppet, FRAME_BATCH), 1);
		scene_pass(plot.scene, 20000);
		assert_int_equal(mesh->counts.row, 1);
		real_check(plot.real);
		scene_free(plot.scene);
	}
}

static void who_had_nothing_says_that(void **state)
{
	struct plot plot = plot_of(3);
	struct end named;

	(void)state;
	evict(&plot, 2);
	assert_int_equal(mesh_of(&plot)->counts.row, 1);
	assert_true(has_row(plot.real, mesh_of(&plot)->node, scene_node(plot.scene, 2), 0));
	assert_int_equal(count_named(plot.real, plot.chain.stream, &named), 0);
	scene_free(plot.scene);
}

static void a_row_that_a_full_disk_lost_is_written_again(void **state)
{
	struct plot plot = plot_of(3);
	struct id disk;
	struct end named;

	(void)state;
	puppet_batch(plot.puppet, plot.wholes[0]);
	disk = real_disk(plot.real);
	mem_disk_full_at(plot.real->disk, 1);
	close_start(&plot, 2, 1);
	mem_disk_full_at(plot.real->disk, 0);
	assert_true(id_equal(real_disk(plot.real), disk));
	assert_false(closed_is(mesh_of(&plot), scene_node(plot.scene, 2), 1));
	close_start(&plot, 2, 1);
	assert_int_equal(count_named(plot.real, plot.chain.stream, &named), 1);
	real_check(plot.real);
	scene_free(plot.scene);
}

/* --- What waits, and what is let in. */

static void what_nobody_names_waits(void **state)
{
	struct plot plot = plot_of(4);
	const struct mesh *mesh = mesh_of(&plot);
	struct puppet *other = puppet_member(plot.real, 3);

	(void)state;
	puppet_batch(plot.puppet, plot.wholes[0]);
	close_start(&plot, 2, 1);
	puppet_forget(plot.puppet);
	puppet_forget(other);
	for (int times = 0; times < 2; times++)
		puppet_batch(plot.puppet, plot.wholes[1]);
	assert_true(stands_at(&plot, 1));
	assert_int_equal(mesh->counts.waiting, 1);
	scene_pass(plot.scene, 3000);
	assert_false(puppet_heard_end(plot.puppet, plot.chain.stream, 2));
	puppet_want(other, plot.chain.stream, 1, 2);
	assert_int_equal(puppet_count(other, FRAME_BATCH), 0);
	real_check(plot.real);
	real_end(plot.real);
	plot.real = real_boot(plot.scene, 0);
	plot.puppet = puppet_member(plot.real, 1);
	/* Also over a restart. */
	puppet_batch(plot.puppet, row_of(&plot, 2, 1, plot.chain.stream, plot.ends[1]));
	assert_true(stands_at(&plot, 2));
	real_check(plot.real);
	scene_free(plot.scene);
}

/* In whichever order batches and the row come: it is let in once all is there, from the bottom to the top. */
static void it_is_let_in_when_all_of_the_chain_is_there(void **state)
{
	static const int orders[6][3] = {
		{ 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct plot plot = plot_of(3);
		struct bytes row = row_of(&plot, 2, 1, plot.chain.stream, plot.ends[2]);

		puppet_batch(plot.puppet, plot.wholes[0]);
		close_start(&plot, 2, 1);
		for (size_t k = 0; k < 3; k++) {
			assert_true(stands_at(&plot, 1));
			assert_int_equal(mesh_of(&plot)->counts.let_in, 0);
			puppet_batch(plot.puppet, orders[i][k] == 3 ? row : plot.wholes[orders[i][k]]);
		}
		assert_true(stands_at(&plot, 3));
		assert_int_equal(mesh_of(&plot)->counts.let_in, 2);
		scene_pass(plot.scene, 1100);
		assert_true(puppet_heard_end(plot.puppet, plot.chain.stream, 3));
		/* What lies beyond is not permitted by it. */
		puppet_batch(plot.puppet, plot.wholes[3]);
		assert_true(stands_at(&plot, 3));
		real_check(plot.real);
		scene_free(plot.scene);
	}
}

/* What a row says of another chain, or of another start, lets nothing in. */
static void a_row_lets_in_its_own_chain_alone(void **state)
{
	struct plot plot = plot_of(3);
	struct stream other = plot.chain.stream;
	struct end wrong = plot.ends[1];

	(void)state;
	close_start(&plot, 2, 1);
	puppet_batch(plot.puppet, plot.wholes[0]);
	puppet_batch(plot.puppet, plot.wholes[1]);
	wrong.hash.bytes[0] ^= 1;
	puppet_batch(plot.puppet, row_of(&plot, 2, 1, other, wrong));
	other.lane = LANE_BULK;
	puppet_batch(plot.puppet, row_of(&plot, 2, 1, other, plot.ends[1]));
	other = plot.chain.stream;
	other.start = 2;
	puppet_batch(plot.puppet, row_of(&plot, 2, 2, other, plot.ends[1]));
	assert_true(stands_at(&plot, 0));
	puppet_batch(plot.puppet, row_of(&plot, 2, 1, plot.chain.stream, plot.ends[1]));
	assert_true(stands_at(&plot, 2));
	real_check(plot.real);
	scene_free(plot.scene);
}

/* Rows in closed streams count only once somebody else vouches for them. */
static void two_closed_members_cannot_vouch_for_each_other(void **state)
{
	struct plot plot = plot_of(4);
	const struct mesh *mesh = mesh_of(&plot);
	struct chain rows[2] = { chain_of(plot.scene, 2), chain_of(plot.scene, 3) };
	struct bytes wholes[2];
	struct vector ends = { 0 };

	(void)state;
	rows[0].stream.lane = rows[1].stream.lane = LANE_URGENT;
	/* Key 2 says what key 3 wrote, and key 3 what key 2 wrote; each row's own end is named by the other's. */
	vector_set(&ends, plot.chain.stream, plot.ends[0]);
	wholes[1] = chain_row(&rows[1], 2, 0, &ends);
	vector_set(&ends, plot.chain.stream, (struct end){ 0 });
	vector_set(&ends, rows[1].stream, rows[1].end);
	wholes[0] = chain_row(&rows[0], 3, 0, &ends);
	vector_done(&ends);
	evict(&plot, 2);
	evict(&plot, 3);
	puppet_batch(plot.puppet, plot.wholes[0]);
	puppet_batch(plot.puppet, wholes[0]);
	puppet_batch(plot.puppet, wholes[1]);
	assert_int_equal(mesh->counts.waiting, 3);
	assert_int_equal(mesh->counts.let_in, 0);
	/* One that stands vouches for the first of them, and so for all that hangs on it. */
	puppet_batch(plot.puppet, row_of(&plot, 2, 0, rows[0].stream, rows[0].end));
	assert_int_equal(mesh->counts.let_in, 3);
	assert_true(stands_at(&plot, 1));
	real_check(plot.real);
	scene_free(plot.scene);
}

static void a_wrong_signature_does_not_wait(void **state)
{
	(void)state;
	for (int is_eviction = 0; is_eviction < 2; is_eviction++) {
		struct plot plot = plot_of(3);
		struct chain forged = chain_of(plot.scene, 2);
		struct id disk;

		forged.signer = plot.scene->keys[1];
		if (is_eviction)
			evict(&plot, 2);
		else
			close_start(&plot, 2, 1);
		disk = real_disk(plot.real);
		puppet_batch(plot.puppet, chain_next(&forged, 1, 10));
		/* Of two keys that have one id, and so are both evicted, it may be the other's. */
		if (is_eviction)
			puppet_ignored(plot.puppet, disk);
		else
			puppet_refused(plot.puppet, disk, "it passed on a batch whose signature is wrong");
		assert_int_equal(mesh_of(&plot)->counts.waiting, 0);
		scene_free(plot.scene);
	}
}

/* --- Branches. */

/* Two disks of one member: each half of the cluster has one history, and in the end all have both. */
static void branches_of_two_copies_are_merged_everywhere(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1), *c;
	struct puppet *to_a = puppet_member(a, 3), *to_b = puppet_member(b, 3);
	struct chain one = chain_of(scene, 3), other;
	struct bytes first = chain_next(&one, 1, 10);
	size_t count;

	(void)state;
	other = one;
	puppet_batch(to_a, first);
	puppet_batch(to_b, first);
	for (int i = 0; i < 3; i++)
		puppet_batch(to_a, chain_next(&one, 1, 10));
	for (int i = 0; i < 2; i++)
		puppet_batch(to_b, chain_next(&other, 2, 10));
	puppet_hang_up(to_a);
	puppet_hang_up(to_b);
	scene_meet(scene, a, b);
	scene_pass(scene, 30000);
	c = real_boot(scene, 2);
	scene_meet(scene, c, a);
	scene_pass(scene, 30000);
	assert_int_equal(real_mesh(a)->counts.fork + real_mesh(b)->counts.fork > 0, 1);
	vector_ends(&real_mesh(a)->vector, one.stream, &count);
	assert_int_equal(count, 2);
	assert_true(vector_has(&real_mesh(a)->vector, one.stream, one.end));
	assert_true(vector_has(&real_mesh(a)->vector, one.stream, other.end));
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(c)->vector));
	assert_memory_equal(real_mesh(a)->root.buckets, real_mesh(b)->root.buckets, sizeof real_mesh(a)->root.buckets);
	assert_memory_equal(real_mesh(a)->root.buckets, real_mesh(c)->root.buckets, sizeof real_mesh(a)->root.buckets);
	real_check(a);
	real_check(b);
	real_check(c);
	scene_free(scene);
}

/* What waits of a branch below what is known any more is not let in, for nobody can tell where it leaves the chain. */
static void below_the_horizon_nothing_waits(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct chain twin = chain_of(plot.scene, 2);
	struct store_txn *txn;
	struct logged logged;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		puppet_batch(plot.puppet, plot.wholes[i]);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(store_begin(plot.real->store, &txn, NULL), OK);
		assert_int_equal(log_find(txn, plot.chain.stream, plot.ends[i], &logged, NULL), OK);
		assert_int_equal(log_drop(txn, &logged, NULL), OK);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	close_start(&plot, 2, 1);
	puppet_batch(plot.puppet, chain_next(&twin, 1, 20));
	puppet_batch(plot.puppet, chain_next(&twin, 1, 20));
	assert_int_equal(mesh->counts.waiting, 0);
	/* The first one above it goes on from what is known no more, and so from something that was merged. */
	puppet_batch(plot.puppet, chain_next(&twin, 1, 20));
	assert_int_equal(mesh->counts.waiting, 1);
	puppet_batch(plot.puppet, row_of(&plot, 2, 1, twin.stream, twin.end));
	assert_int_equal(mesh->counts.let_in, 1);
	assert_true(vector_has(&mesh->vector, twin.stream, twin.end));
	assert_true(vector_has(&mesh->vector, twin.stream, plot.ends[2]));
	scene_free(plot.scene);
}

/* --- A start that opens again. */

/* Key 2 is evicted by an operator. Returns the statement that removes the operator, and so makes the eviction void. */
static struct bytes evict_by_operator(struct plot *plot)
{
	struct scene *scene = plot->scene;
	const struct signer *operator= & scene->keys[5];
	struct operator_row named = { .has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name),
				      .key = operator->key,
				      .parent = scene->root.key,
				      .name = bytes_text("anna") };
	struct eviction_row eviction = { .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) |
						BIT(AT_eviction_standing),
					 .key = scene->keys[2].key,
					 .heir = scene->keys[0].key };
	struct operator_removal_row removal = { .has = BIT(AT_operator_removal_key) | BIT(AT_operator_removal_standing),
						.key = operator->key };
	struct bytes statements[2] = { scene_sign(scene, &scene->root, KIND_TABLE(operator), &named),
				       scene_sign(scene, operator, KIND_TABLE(eviction), &eviction) };

	real_bring(plot->real, statements, 2);
	puppet_agree(plot->puppet);
	assert_true(closed_is(mesh_of(plot), scene_node(scene, 2), 1));
	return scene_sign(scene, &scene->root, KIND_TABLE(operator_removal), &removal);
}

/* What goes on is merged, all else is asked for anew. */
static void what_waits_in_a_start_that_opens_again_is_merged_or_dropped(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct bytes undone;

	(void)state;
	puppet_batch(plot.puppet, plot.wholes[0]);
	undone = evict_by_operator(&plot);
	puppet_batch(plot.puppet, plot.wholes[1]);
	puppet_batch(plot.puppet, plot.wholes[2]);
	puppet_batch(plot.puppet, plot.wholes[4]);
	assert_int_equal(mesh->counts.waiting, 3);
	real_bring(plot.real, &undone, 1);
	puppet_agree(plot.puppet);
	assert_false(closed_is(mesh, scene_node(plot.scene, 2), 1));
	assert_true(stands_at(&plot, 3));
	assert_int_equal(mesh->counts.let_in, 2);
	assert_int_equal(mesh->counts.waiting_dropped, 1);
	assert_int_equal(mesh->waiting.total, 0);
	puppet_batch(plot.puppet, plot.wholes[3]);
	puppet_batch(plot.puppet, plot.wholes[4]);
	assert_true(stands_at(&plot, 5));
	/* Evicted once more, the row about it names what came since. */
	assert_int_equal(mesh->counts.row, 1);
	evict(&plot, 2);
	assert_int_equal(mesh->counts.row, 2);
	real_check(plot.real);
	scene_free(plot.scene);
}

/* Two histories that were merged while it was closed close it anew, with a row of its own. */
static void a_start_with_branches_does_not_open_again(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct chain twin = chain_of(plot.scene, 2);
	struct bytes rival = chain_next(&twin, 1, 20), undone;

	(void)state;
	puppet_batch(plot.puppet, plot.wholes[0]);
	undone = evict_by_operator(&plot);
	puppet_batch(plot.puppet, rival);
	puppet_batch(plot.puppet, row_of(&plot, 2, 0, twin.stream, twin.end));
	assert_true(vector_has(&mesh->vector, twin.stream, twin.end));
	assert_int_equal(mesh->proofs.count, 0);
	real_bring(plot.real, &undone, 1);
	assert_true(has_row(plot.real, mesh->node, twin.stream.node, 1) && mesh->proofs.count == 1);
	real_check(plot.real);
	scene_free(plot.scene);
}

/* --- This member's own start. */

static void what_it_wrote_on_another_disk_counts_as_far_as_others_say(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct stream old = { mesh->node, 1, LANE_PEOPLE };
	struct chain twin = chain_of(plot.scene, 0);
	struct bytes rival = chain_next(&twin, 1, 10), rest = chain_next(&twin, 1, 10);
	size_t count;

	(void)state;
	real_write(plot.real, 10, 0);
	puppet_batch(plot.puppet, rival);
	assert_true(mesh->author.start > 1);
	puppet_batch(plot.puppet, rest);
	puppet_batch(plot.puppet, row_of(&plot, 0, 1, old, twin.end));
	vector_ends(&mesh->vector, old, &count);
	assert_int_equal(count, 2);
	assert_true(vector_has(&mesh->vector, old, twin.end));
	real_check(plot.real);
	scene_free(plot.scene);
}

static void the_own_start_is_closed_and_the_next_one_begins(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct stream old = { mesh->node, 1, LANE_PEOPLE }, next = old;
	struct chain twin = chain_of(plot.scene, 0);
	struct bytes rival = chain_next(&twin, 1, 10);
	struct end named;
	uint64_t number;
	struct batch batch;

	(void)state;
	real_write(plot.real, 10, 0);
	plot.real->is_gathering = true;
	number = real_write(plot.real, 10, 0);
	puppet_batch(plot.puppet, rival);
	assert_int_equal(real_commit(plot.real), OK);
	plot.real->is_gathering = false;
	next.start = mesh->author.start;
	assert_true(next.start > 1 && next.start < UINT64_C(1) << 48);
	assert_true(closed_is(mesh, mesh->node, 1));
	assert_int_equal(mesh->counts.fork, 1);
	/* What the same transaction had from clients stands in the old start, whose row is in the next one. */
	assert_int_equal(real_answer(plot.real, number)->code, OK);
	assert_int_equal(vector_seq(&mesh->vector, old), 2);
	assert_int_equal(count_named(plot.real, old, &named), 1);
	assert_true(end_equal(named, *vector_find(&mesh->vector, old)));
	assert_true(has_row(plot.real, mesh->node, mesh->node, 1));
	assert_int_equal(vector_seq(&mesh->vector, (struct stream){ mesh->node, next.start, LANE_URGENT }), 1);
	assert_int_equal(vector_seq(&mesh->vector, (struct stream){ mesh->node, 1, LANE_URGENT }), 0);
	/* It goes on there, and is heard at once. */
	puppet_forget(plot.puppet);
	real_write(plot.real, 10, 0);
	assert_int_equal(vector_seq(&mesh->vector, next), 1);
	assert_int_equal(puppet_count(plot.puppet, FRAME_BATCH), 1);
	assert_int_equal(batch_read(puppet_last(plot.puppet, FRAME_BATCH)->batch, &batch, NULL), OK);
	assert_int_equal(stream_compare(&batch.stream, &next), 0);
	real_check(plot.real);
	real_end(plot.real);
	plot.real = real_boot(plot.scene, 0);
	puppet_member(plot.real, 1);
	assert_int_equal(mesh_of(&plot)->author.start, next.start);
	real_write(plot.real, 10, 0);
	assert_int_equal(vector_seq(&mesh_of(&plot)->vector, next), 2);
	real_check(plot.real);
	scene_free(plot.scene);
}

/* Also where the transaction that begins the next start finds no room. */
static void a_full_disk_leaves_the_old_start(void **state)
{
	struct plot plot = plot_of(3);
	const struct mesh *mesh = mesh_of(&plot);
	struct chain twin = chain_of(plot.scene, 0);
	struct bytes rival = chain_next(&twin, 1, 10);

	(void)state;
	real_write(plot.real, 10, 0);
	mem_disk_full_at(plot.real->disk, 1);
	puppet_batch(plot.puppet, rival);
	mem_disk_full_at(plot.real->disk, 0);
	assert_int_equal(mesh->author.start, 1);
	assert_int_equal(mesh->proofs.count, 0);
	real_write(plot.real, 10, 0);
	assert_int_equal(vector_seq(&mesh->vector, (struct stream){ mesh->node, 1, LANE_PEOPLE }), 2);
	puppet_batch(plot.puppet, rival);
	assert_true(mesh->author.start > 1);
	real_check(plot.real);
	scene_free(plot.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_names_what_was_merged_in_the_transaction_that_closes),
		cmocka_unit_test(who_had_nothing_says_that),
		cmocka_unit_test(a_row_that_a_full_disk_lost_is_written_again),
		cmocka_unit_test(what_nobody_names_waits),
		cmocka_unit_test(it_is_let_in_when_all_of_the_chain_is_there),
		cmocka_unit_test(a_row_lets_in_its_own_chain_alone),
		cmocka_unit_test(two_closed_members_cannot_vouch_for_each_other),
		cmocka_unit_test(a_wrong_signature_does_not_wait),
		cmocka_unit_test(branches_of_two_copies_are_merged_everywhere),
		cmocka_unit_test(below_the_horizon_nothing_waits),
		cmocka_unit_test(what_waits_in_a_start_that_opens_again_is_merged_or_dropped),
		cmocka_unit_test(a_start_with_branches_does_not_open_again),
		cmocka_unit_test(what_it_wrote_on_another_disk_counts_as_far_as_others_say),
		cmocka_unit_test(the_own_start_is_closed_and_the_next_one_begins),
		cmocka_unit_test(a_full_disk_leaves_the_old_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
