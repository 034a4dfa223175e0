/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/vector.h"

#include "tests/unit/base/check.h"

enum { NODES = 4, STARTS = 2, STREAMS = NODES * STARTS * LANES, ROUNDS = 20000 };

/* All there could be, in order: the naive vector. */
struct naive {
	struct end ends[STREAMS];
};

static struct stream stream_at(size_t place)
{
	return (struct stream){
		.node = UINT64_MAX / (place / (STARTS * LANES) + 2),
		.start = place / LANES % STARTS ? UINT64_C(1) << 47 : 1,
		.lane = (enum lane)(place % LANES),
	};
}

static struct end random_end(void)
{
	struct end end = { .seq = dice_below(4), .hash = { { (uint8_t)dice_below(2) } } };

	return end;
}

static void assert_is(const struct vector *vector, const struct naive *naive)
{
	size_t count = 0;

	for (size_t i = 0; i < STREAMS; i++) {
		const struct end *end = vector_find(vector, stream_at(i));
		bool is_there = !end_equal(naive->ends[i], (struct end){ 0 });

		assert_int_equal(end != NULL, is_there);
		assert_true(!is_there || end_equal(*end, naive->ends[i]));
		assert_true(vector_seq(vector, stream_at(i)) == naive->ends[i].seq);
		count += is_there;
	}
	assert_int_equal(vector->count, count);
	for (size_t i = 1; i < count; i++)
		assert_true(stream_compare(&vector->all[i - 1].stream, &vector->all[i].stream) < 0);
}

static bool naive_covers(const struct naive *have, const struct naive *want)
{
	for (size_t i = 0; i < STREAMS; i++) {
		bool is_absent = end_equal(have->ends[i], (struct end){ 0 });

		if (have->ends[i].seq < want->ends[i].seq)
			return false;
		if (is_absent && !end_equal(want->ends[i], (struct end){ 0 }))
			return false;
	}
	return true;
}

/* The same ends put together anew, in another order. */
static struct sum sum_of(const struct naive *naive)
{
	struct vector vector = { 0 };
	struct sum sum;

	for (size_t i = STREAMS; i-- > 0;)
		vector_set(&vector, stream_at(i), naive->ends[i]);
	assert_is(&vector, naive);
	sum = vector.sum;
	vector_done(&vector);
	return sum;
}

static void set_both(struct vector *vector, struct naive *naive)
{
	size_t place = dice_below(STREAMS);
	struct end end = random_end();

	vector_set(vector, stream_at(place), end);
	naive->ends[place] = end;
}

static void vectors_are_what_was_set(void **state)
{
	struct vector a = { 0 }, b = { 0 }, noted = { 0 };
	struct naive na = { 0 }, nb = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t place = dice_below(STREAMS);
		struct end end = random_end();

		vector_set(&a, stream_at(place), end);
		vector_note(&noted, stream_at(place), end);
		na.ends[place] = end;
		set_both(&b, &nb);
		/* Nearly the same ones are what one mistakes for another. */
		if (dice_below(3)) {
			vector_set(&b, stream_at(place), end);
			nb.ends[place] = end;
		}
		assert_is(&a, &na);
		assert_is(&noted, &na);
		assert_true(vector_equal(&a, &noted));
		assert_true(sum_equal(a.sum, sum_of(&na)));
		assert_int_equal(vector_covers(&a, &b), naive_covers(&na, &nb));
		assert_int_equal(vector_covers(&b, &a), naive_covers(&nb, &na));
		assert_int_equal(vector_equal(&a, &b), !memcmp(&na, &nb, sizeof na));
		if (!dice_below(10)) {
			for (size_t i = 0; i < STREAMS; i++)
				vector_set(&b, stream_at(i), na.ends[i]);
			nb = na;
			assert_true(vector_equal(&a, &b));
		}
	}
	vector_done(&a);
	vector_done(&b);
	vector_done(&noted);
}

static void an_empty_vector_weighs_nothing(void **state)
{
	struct vector vector = { 0 };

	(void)state;
	vector_set(&vector, stream_at(3), (struct end){ 7, { { 1 } } });
	assert_false(sum_equal(vector.sum, (struct sum){ 0 }));
	vector_set(&vector, stream_at(3), (struct end){ 0 });
	assert_true(sum_equal(vector.sum, (struct sum){ 0 }));
	assert_int_equal(vector.count, 0);
	vector_set(&vector, stream_at(3), (struct end){ 0 });
	assert_int_equal(vector.count, 0);
	vector_done(&vector);
	vector_done(&vector);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_are_what_was_set),
		cmocka_unit_test(an_empty_vector_weighs_nothing),
	};

	return cmocka_run_group_tests_name("vector", tests, NULL, NULL);
}
