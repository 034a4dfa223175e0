/* SPDX-License-Identifier: Apache-2.0 */

/* What the root costs a write: a live record of 300 bytes becomes another one. */

#include "crdt/state/root.h"
#include "bench/figure.h"
#include "crdt/model/mp.h"
#include "crdt/model/record.h"

#include <stdlib.h>

enum { RECORD_SIZE = 300, ROUNDS = 11 };

/* A record with an identity and one long text. */
static struct bytes record_of(uint8_t letter, uint8_t room[RECORD_SIZE])
{
	static const uint8_t front[] = "\x93\xc2\xc4\x00\x82\x00\xc4\x08"
				       "nonce---\x06";
	struct buf buf = buf_over(room, RECORD_SIZE);
	uint8_t text[RECORD_SIZE];

	memset(text, letter, sizeof text);
	buf_put(&buf, front, sizeof front - 1);
	mp_put_text(&buf, bytes_of(text, RECORD_SIZE - buf.size - 3));
	return buf_bytes(&buf);
}

static double update_ns(struct root *root, size_t count)
{
	uint8_t rooms[2][RECORD_SIZE];
	struct bytes records[] = { record_of('a', rooms[0]), record_of('b', rooms[1]) };
	struct id id = { { 0 } };
	double start = now_seconds();

	for (size_t i = 0; i < count; i++) {
		id.bytes[0] = (uint8_t)i;
		root_change(root, 1, id, records[i % 2], records[(i + 1) % 2]);
	}
	return (now_seconds() - start) * 1e9 / (double)count;
}

int main(int argc, char **argv)
{
	size_t count = figure_is_quick(argc, argv) ? 1000 : 1000000;
	struct root *root = must_alloc(sizeof *root);
	double times[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++)
		times[i] = update_ns(root, count);
	figure_print(&(struct figure){ "root.update_ns", "ns", "little beside a put: a record of 300 bytes changes",
				       median(times, ROUNDS), NULL, 0 });
	free(root);
	return 0;
}
