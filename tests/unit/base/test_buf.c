/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/buf.h"

#include "tests/unit/base/check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3000, WRITES = 60, BIGGEST = 4096 };

void *__wrap_realloc(void *memory, size_t size);
void *__real_realloc(void *memory, size_t size);

/* A sanitizer would end the process in its own way where libc returns NULL. */
void *__wrap_realloc(void *memory, size_t size)
{
	return size >> 40 ? NULL : __real_realloc(memory, size);
}

static void numbers_come_back(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t value = dice() >> dice_below(64);

		for (size_t size = 1; size <= 8; size++) {
			uint64_t cut = size == 8 ? value : value & (BIT(8 * size) - 1);
			uint8_t room[8];
			struct buf buf = buf_over(room, sizeof room);
			struct reader r;

			buf_put_big_endian(&buf, value, size);
			assert_int_equal(buf.size, size);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(room[i], value >> 8 * (size - 1 - i) & 0xff);
			r = reader_over(buf_bytes(&buf));
			assert_int_equal(read_big_endian(&r, size), cut);
			assert_int_equal(reader_left(&r), 0);
			assert_false(r.is_short);
		}
	}
}

/* The oracle: an array with room for everything, a length and a flag. */
struct naive {
	uint8_t bytes[BIGGEST];
	size_t size, limit;
	bool is_full;
};

static void naive_put(struct naive *naive, const uint8_t *data, size_t size)
{
	naive->is_full |= naive->size + size > naive->limit;
	if (naive->is_full)
		return;
	memcpy(naive->bytes + naive->size, data, size);
	naive->size += size;
}

static void put_the_same(struct buf *buf, struct naive *naive)
{
	uint8_t data[128], *room;
	size_t size = dice_below(dice_below(8) ? 20 : 128);
	uint64_t value = dice();

	dice_fill(data, sizeof data);
	switch (dice_below(4)) {
	case 0: buf_put_byte(buf, data[0]), size = 1; break;
	case 1: buf_put_bytes(buf, bytes_of(data, size)); break;
	case 2:
		room = buf_take(buf, size);
		assert_int_equal(room == NULL, naive->is_full || naive->size + size > naive->limit);
		if (room)
			memcpy(room, data, size);
		break;
	default:
		size = 1 + size % 8;
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(value >> 8 * (size - 1 - i));
		buf_put_big_endian(buf, value, size);
	}
	naive_put(naive, data, size);
}

static void a_buf_agrees_with_the_oracle(void **state)
{
	static uint8_t lent[BIGGEST];
	static struct naive naive;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		bool is_lent = dice_below(2);
		struct buf buf;

		naive.size = 0;
		naive.limit = dice_below(dice_below(2) ? BIGGEST : 300);
		naive.is_full = false;
		buf = is_lent ? buf_over(lent, naive.limit) : buf_growing(naive.limit);
		for (int i = 0; i < WRITES; i++) {
			if (!dice_below(50)) {
				buf_clear(&buf);
				naive.size = 0;
				naive.is_full = false;
			}
			put_the_same(&buf, &naive);
			assert_int_equal(buf.is_full, naive.is_full);
			assert_int_equal(buf.size, naive.size);
			assert_true(buf.room <= naive.limit);
			if (is_lent)
				assert_ptr_equal(buf.data, lent);
			assert_memory_equal(buf.data, naive.bytes, naive.size);
		}
		buf_done(&buf);
		assert_null(buf.data);
	}
}

static void a_full_buf_stays_full(void **state)
{
	uint8_t room[6] = { 0 };
	struct buf buf = buf_over(room, 4);

	(void)state;
	buf_put_text(&buf, "abc");
	buf_put_text(&buf, "de");
	assert_true(buf.is_full);
	buf_put_byte(&buf, 'f');
	assert_null(buf_take(&buf, 0));
	assert_int_equal(buf.size, 3);
	assert_memory_equal(room, "abc\0\0", 6);
	buf_clear(&buf);
	buf_put_text(&buf, "wxyz");
	assert_false(buf.is_full);
	assert_memory_equal(room, "wxyz\0", 6);
	assert_null(buf_take(&buf, SIZE_MAX));
	assert_true(buf.is_full);
}

/* Nothing always fits: its address is not the NULL that says "does not fit". */
static void nothing_can_be_put_and_read(void **state)
{
	struct buf growing = buf_growing(0), open = buf_growing(SIZE_MAX), lent = buf_over(NULL, 0);
	struct buf *bufs[] = { &growing, &open, &lent };
	struct reader r = reader_over((struct bytes){ 0 });

	(void)state;
	for (size_t i = 0; i < COUNT(bufs); i++) {
		buf_put(bufs[i], NULL, 0);
		assert_non_null(buf_take(bufs[i], 0));
		assert_false(bufs[i]->is_full);
		assert_int_equal(bufs[i]->size, 0);
		if (bufs[i]->limit == 0)
			assert_null(buf_take(bufs[i], 1));
		buf_done(bufs[i]);
	}
	assert_int_equal(reader_left(&r), 0);
	assert_non_null(read_bytes(&r, 0));
	assert_false(r.is_short);
	assert_null(read_bytes(&r, 1));
	assert_true(r.is_short);
}

/* Room doubles, but never around the end of size_t, where the doubling would have no end. */
static void an_impossible_growth_ends_the_process(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (!child) {
		struct buf buf = buf_growing(SIZE_MAX);

		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		alarm(10);
		buf_put_byte(&buf, 1);
		buf_take(&buf, SIZE_MAX / 2 + 2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_reader_agrees_with_the_oracle(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t data[64];
		size_t size = dice_below(sizeof data + 1), at = 0;
		struct reader r = reader_over(bytes_of(data, size));
		bool is_short = false;

		dice_fill(data, sizeof data);
		for (int i = 0; i < 20; i++) {
			size_t want = dice_below(12) ? dice_below(9) : SIZE_MAX - dice_below(80);
			uint64_t value = 0;

			is_short |= want > size - at;
			if (dice_below(2) && want <= 8) {
				for (size_t b = 0; !is_short && b < want; b++)
					value = value * 256 + data[at + b];
				assert_true(read_big_endian(&r, want) == value);
			} else {
				assert_ptr_equal(read_bytes(&r, want), is_short ? NULL : data + at);
			}
			at += is_short ? 0 : want;
			assert_int_equal(r.is_short, is_short);
			assert_int_equal(reader_left(&r), is_short ? 0 : size - at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(a_buf_agrees_with_the_oracle),
		cmocka_unit_test(a_full_buf_stays_full),
		cmocka_unit_test(nothing_can_be_put_and_read),
		cmocka_unit_test(an_impossible_growth_ends_the_process),
		cmocka_unit_test(a_reader_agrees_with_the_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
