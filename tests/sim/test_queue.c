/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/queue.h"

#include "tests/unit/base/check.h"

/* The heap against a list that is searched from end to end. */

enum { EVENTS_MAX = 3000, ROUNDS = 40, STEPS = 3000 };

static struct event list[EVENTS_MAX];
static size_t count;

static size_t naive_first(void)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (list[i].at_ns < list[best].at_ns) /* the list is in the order of putting in */
			best = i;
	return best;
}

static void naive_remove(size_t place)
{
	memmove(&list[place], &list[place + 1], (count - place - 1) * sizeof *list);
	count--;
}

static void add_one(struct queue *queue, uint64_t spread, uint32_t step)
{
	uint64_t at = dice_below(spread) + (dice_below(10) ? queue->now_ns : 0);
	struct event event = { .kind = step, .a = ~step, .b = dice(), .what = &list[step % 7] };

	queue_add(queue, at, event);
	event.at_ns = at > queue->now_ns ? at : queue->now_ns;
	list[count++] = event;
}

static void take_one(struct queue *queue, uint64_t spread)
{
	uint64_t until = queue->now_ns + dice_below(spread), before = queue->now_ns;
	struct event event = { 0 };
	size_t place = naive_first();
	bool is_due = count && list[place].at_ns <= until;

	assert_true((queue_peek(queue) != NULL) == (count != 0));
	assert_true(!count || queue_peek(queue)->b == list[place].b);
	assert_true(queue_take(queue, until, &event) == is_due);
	assert_true(queue->now_ns == (is_due ? list[place].at_ns : until) && queue->now_ns >= before);
	if (!is_due) {
		assert_true(!event.at_ns && !event.what);
		return;
	}
	assert_true(event.at_ns == list[place].at_ns && event.b == list[place].b && event.what == list[place].what);
	assert_true(event.kind == list[place].kind && event.a == list[place].a);
	naive_remove(place);
}

static void events_come_out_in_order(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Narrow spreads give many events at one time. */
		uint64_t spread = (uint64_t[]){ 1, 3, 100, UINT64_C(1) << 40 }[round % 4], most = 2 + dice_below(900);
		struct queue queue = { 0 };

		count = 0;
		for (uint32_t step = 0; step < STEPS; step++)
			if (count < most && dice_below(2))
				add_one(&queue, spread, step);
			else
				take_one(&queue, spread);
		while (count)
			take_one(&queue, spread);
		assert_null(queue_peek(&queue));
		queue_done(&queue);
	}
}

static void the_far_end_of_time_is_a_time(void **state)
{
	struct queue queue = { 0 };
	struct event event;

	(void)state;
	queue_add(&queue, UINT64_MAX, (struct event){ .kind = 1 });
	assert_false(queue_take(&queue, UINT64_MAX - 1, &event));
	assert_true(queue_take(&queue, UINT64_MAX, &event) && event.kind == 1);
	queue_done(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_in_order),
		cmocka_unit_test(the_far_end_of_time_is_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
