/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/vector.h"

#include "tests/unit/base/check.h"

enum { NODES = 4, STARTS = 2, STREAMS = NODES * STARTS * LANES, ENDS = 8, ROUNDS = 20000 };

/* All there could be, in order: the naive vector. A bit for each end that a stream may have; the zeroed one's is 0. */
struct naive {
	uint8_t ends[STREAMS];
};

static struct stream stream_at(size_t place)
{
	return (struct stream){
		.node = UINT64_MAX / (NODES + 1 - place / (STARTS * LANES)),
		.start = place / LANES % STARTS ? UINT64_C(1) << 47 : 1,
		.lane = (enum lane)(place % LANES),
	};
}

static struct end end_at(size_t bit)
{
	return (struct end){ .seq = bit / 2, .hash = { { [15] = bit % 2 } } };
}

static void assert_stream(const struct vector *vector, const struct naive *naive, size_t place, size_t *count)
{
	const struct stream stream = stream_at(place);
	const struct end *last = NULL;
	size_t ends, here = 0;
	const struct frontier *first = vector_ends(vector, stream, &ends);

	for (size_t i = 0; i < ENDS; i++) {
		bool is_there = naive->ends[place] >> i & 1;

		assert_int_equal(vector_has(vector, stream, end_at(i)), is_there);
		if (!is_there)
			continue;
		last = &vector->all[*count + here++].end;
		assert_true(end_equal(*last, end_at(i)));
	}
	assert_int_equal(ends, here);
	assert_ptr_equal(first, here ? &vector->all[*count] : NULL);
	assert_ptr_equal(vector_find(vector, stream), last);
	assert_true(vector_seq(vector, stream) == (last ? last->seq : 0));
	*count += here;
}

static void assert_is(const struct vector *vector, const struct naive *naive)
{
	size_t count = 0;

	for (size_t i = 0; i < STREAMS; i++)
		assert_stream(vector, naive, i, &count);
	assert_int_equal(vector->count, count);
	for (size_t node = 0; node < NODES; node++) {
		size_t streams = 0;

		for (size_t i = 0; i < STARTS * LANES; i++)
			streams += naive->ends[node * STARTS * LANES + i] != 0;
		assert_int_equal(vector_streams_of(vector, stream_at(node * STARTS * LANES).node), streams);
	}
	assert_int_equal(vector_streams_of(vector, 5), 0);
}

static bool naive_covers(const struct naive *have, const struct naive *want)
{
	for (size_t i = 0; i < STREAMS; i++) {
		int has = 0, wants = 0;

		for (int bit = 1; bit < ENDS; bit++) {
			has = have->ends[i] >> bit & 1 ? bit / 2 : has;
			wants = want->ends[i] >> bit & 1 ? bit / 2 : wants;
		}
		if (has < wants || (want->ends[i] && !have->ends[i]))
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
		for (size_t bit = ENDS; bit-- > 0;)
			if (naive->ends[i] >> bit & 1)
				vector_add(&vector, stream_at(i), end_at(bit));
	assert_is(&vector, naive);
	sum = vector.sum;
	vector_done(&vector);
	return sum;
}

/* One step to a vector, and without the sum to another. */
static void step(struct vector *vector, struct vector *noted, struct naive *naive)
{
	size_t place = dice_below(STREAMS), bit = dice_below(ENDS);
	struct stream stream = stream_at(place);
	struct end end = end_at(bit);
	uint8_t one = (uint8_t)(1u << bit & ~1u);

	switch (dice_below(4)) {
	case 0:
		vector_set(vector, stream, end);
		vector_note(noted, stream, end);
		naive->ends[place] = one;
		break;
	case 1:
		vector_drop(vector, stream, end);
		vector_drop(noted, stream, end);
		naive->ends[place] = (uint8_t)(naive->ends[place] & ~one);
		break;
	default:
		vector_add(vector, stream, end);
		vector_note_more(noted, stream, end);
		naive->ends[place] |= one;
	}
}

static void copy(struct vector *to, const struct vector *from)
{
	for (size_t i = 0; i < STREAMS; i++) {
		size_t count;
		const struct frontier *ends = vector_ends(from, stream_at(i), &count);

		vector_set(to, stream_at(i), (struct end){ 0 });
		for (size_t k = 0; k < count; k++)
			vector_add(to, stream_at(i), ends[k].end);
	}
}

static void vectors_are_what_was_set(void **state)
{
	struct vector a = { 0 }, b = { 0 }, noted = { 0 }, unused = { 0 };
	struct naive na = { 0 }, nb = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		step(&a, &noted, &na);
		assert_is(&a, &na);
		assert_is(&noted, &na);
		assert_true(vector_equal(&a, &noted));
		if (!(round % 8))
			assert_true(sum_equal(a.sum, sum_of(&na)));
		/* Nearly the same ones are what one mistakes for another. */
		if (!dice_below(3)) {
			copy(&b, &a);
			nb = na;
			assert_true(vector_equal(&a, &b));
			assert_true(sum_equal(a.sum, b.sum));
		}
		step(&b, &unused, &nb);
		assert_int_equal(vector_covers(&a, &b), naive_covers(&na, &nb));
		assert_int_equal(vector_covers(&b, &a), naive_covers(&nb, &na));
		assert_int_equal(vector_equal(&a, &b), !memcmp(&na, &nb, sizeof na));
		assert_int_equal(sum_equal(a.sum, b.sum), !memcmp(&na, &nb, sizeof na));
	}
	vector_done(&a);
	vector_done(&b);
	vector_done(&noted);
	vector_done(&unused);
}

static void an_empty_vector_weighs_nothing(void **state)
{
	struct vector vector = { 0 };
	size_t count = 7;

	(void)state;
	vector_set(&vector, stream_at(3), (struct end){ 7, { { 1 } } });
	vector_add(&vector, stream_at(3), (struct end){ 7, { { 2 } } });
	assert_false(sum_equal(vector.sum, (struct sum){ 0 }));
	vector_set(&vector, stream_at(3), (struct end){ 0 });
	assert_true(sum_equal(vector.sum, (struct sum){ 0 }));
	assert_int_equal(vector.count, 0);
	vector_set(&vector, stream_at(3), (struct end){ 0 });
	vector_add(&vector, stream_at(3), (struct end){ 0 });
	vector_drop(&vector, stream_at(3), (struct end){ 0 });
	assert_int_equal(vector.count, 0);
	assert_null(vector_ends(&vector, stream_at(3), &count));
	assert_int_equal(count, 0);
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
