/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/ends.h"

#include <stdlib.h>

struct end ends[2];

static void make_end(struct end *end, uint8_t number)
{
	uint8_t seed[32];

	memset(end, 0, sizeof *end);
	memset(seed, number, sizeof seed);
	memset(end->random, 100 + number, sizeof end->random);
	end->signer = signer_from_seed(seed);
	end->self = (struct session_self){ .signer = &end->signer, .cluster = cluster, .process = 4000 + number };
	end->out = buf_growing(ENDS_ROOM);
	end->told = buf_growing(ENDS_ROOM);
}

static void drop_end(struct end *end)
{
	session_free(end->session);
	buf_done(&end->out);
	buf_done(&end->told);
	memset(end, 0, sizeof *end);
}

int ends_begin(void **state)
{
	(void)state;
	make_end(&ends[0], 0);
	make_end(&ends[1], 1);
	return 0;
}

int ends_finish(void **state)
{
	(void)state;
	drop_end(&ends[0]);
	drop_end(&ends[1]);
	return 0;
}

void again(void)
{
	ends_finish(NULL);
	ends_begin(NULL);
}

void dial(void)
{
	ends[0].session = session_dial(&ends[0].self, ends[1].signer.key, ends[0].random, start, &ends[0].out);
	ends[1].session = session_accept(&ends[1].self, ends[1].random, start);
}

void give(struct end *end, struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size);
	struct bytes left = bytes_of(copy, bytes.size), frame = { 0 };

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	do {
		/* Why it broke is what the first call said. */
		end->last = session_next(end->session, &left, &end->out, &frame,
					 end->last == SESSION_BROKEN ? NULL : &end->err);
		if (end->last == SESSION_UP)
			end->ups++;
		if (end->last == SESSION_FRAME) {
			end->frames++;
			buf_put_bytes(&end->told, frame);
		}
	} while (end->last == SESSION_UP || end->last == SESSION_FRAME);
	assert_int_equal(left.size && end->last == SESSION_WAIT, 0);
	assert_int_equal(end->last == SESSION_BROKEN, *end->err.text != 0);
	free(copy);
}

void pass(struct end *from, struct end *to, size_t cut)
{
	struct bytes all = buf_bytes(&from->out);

	cut = cut < all.size ? cut : all.size;
	give(to, bytes_of(all.data, cut));
	give(to, bytes_of(all.data + cut, all.size - cut));
	buf_clear(&from->out);
}

void shake_hands(void)
{
	dial();
	pass(&ends[0], &ends[1], 0);
	pass(&ends[1], &ends[0], 0);
	pass(&ends[0], &ends[1], 0);
	assert_true(session_is_up(ends[0].session) && session_is_up(ends[1].session));
}

void assert_peers(void)
{
	for (size_t i = 0; i < 2; i++) {
		const struct session_peer *peer = session_peer(ends[i].session);

		assert_int_equal(ends[i].ups, 1);
		assert_memory_equal(&peer->key, &ends[1 - i].signer.key, sizeof peer->key);
		assert_true(peer->node == node_of_key(ends[1 - i].signer.key));
		assert_int_equal(peer->process, ends[1 - i].self.process);
	}
}

void assert_broken(struct end *end, const char *text)
{
	struct bytes left = bytes_text("more"), frame;
	struct buf out = buf_growing(100);

	assert_int_equal(end->last, SESSION_BROKEN);
	if (!strstr(end->err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", end->err.text, text);
	assert_false(session_is_up(end->session));
	for (int i = 0; i < 3; i++)
		assert_int_equal(session_next(end->session, &left, &out, &frame, NULL), SESSION_BROKEN);
	assert_int_equal(out.size, 0);
	buf_done(&out);
}

void put_some(struct end *end, size_t size)
{
	static uint8_t room[SESSION_FRAME_MAX];

	memset(room, (int)size, size);
	session_send(end->session, bytes_of(room, size), &end->out);
}
