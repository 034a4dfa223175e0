/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/session.h"

#include "tests/unit/gossip/ends.h"
#include "tests/unit/gossip/peer.h"

static void any_split_of_the_stream_is_the_same(void **state)
{
	size_t cut = 0, most = 1;

	(void)state;
	for (; cut < most; cut++) {
		again();
		dial();
		pass(&ends[0], &ends[1], cut);
		pass(&ends[1], &ends[0], cut);
		put_some(&ends[0], 0);
		put_some(&ends[0], 37);
		put_some(&ends[0], 1);
		most = ends[0].out.size;
		pass(&ends[0], &ends[1], cut);
		assert_peers();
		put_some(&ends[1], 60);
		put_some(&ends[1], 2);
		pass(&ends[1], &ends[0], cut);
		assert_int_equal(ends[1].frames, 3);
		assert_int_equal(ends[1].told.size, 38);
		assert_int_equal(ends[1].told.data[37], 1);
		assert_int_equal(ends[0].frames, 2);
		assert_int_equal(ends[0].told.size, 62);
		assert_int_equal(ends[0].told.data[59], 60);
	}
	assert_true(most > PEER_HELLO);
}

/* Many frames, some of the largest, in pieces of any size. */
static void any_pieces_make_the_same_frames(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		struct end *from = &ends[round % 2], *to = &ends[1 - round % 2];
		struct buf expected = buf_growing(ENDS_ROOM);

		again();
		shake_hands();
		for (size_t i = 0; i < 12; i++) {
			size_t size = dice_below(i % 6 ? 300 : 40000);

			put_some(from, size);
			memset(buf_take(&expected, size), (int)size, size);
		}
		for (size_t at = 0; at < from->out.size;) {
			size_t left = from->out.size - at, piece = 1 + dice_below(dice_below(4) ? 30 : 50000);

			piece = piece < left ? piece : left;
			give(to, bytes_of(from->out.data + at, piece));
			assert_true(session_size(to->session) < 2 * SESSION_FRAME_MAX);
			at += piece;
		}
		assert_int_equal(to->frames, 12);
		assert_true(bytes_equal(buf_bytes(&to->told), buf_bytes(&expected)));
		buf_done(&expected);
	}
}

static void answers_are_no_larger_than_questions(void **state)
{
	(void)state;
	dial();
	assert_int_equal(ends[0].out.size, PEER_HELLO);
	pass(&ends[0], &ends[1], 0);
	assert_int_equal(ends[1].out.size, PEER_PROOF);
	assert_true(PEER_PROOF <= PEER_HELLO);
	pass(&ends[1], &ends[0], 0);
	assert_int_equal(ends[0].out.size, PEER_CONFIRM);
}

/* Whatever a stranger says, and however little at a time. */
static void a_young_session_is_small(void **state)
{
	(void)state;
	dial();
	for (size_t i = 0; i < 2; i++)
		assert_true(session_size(ends[i].session) <= SESSION_YOUNG_SIZE);
	pass(&ends[0], &ends[1], PEER_HELLO - 1);
	assert_true(session_size(ends[1].session) <= SESSION_YOUNG_SIZE);
	give(&ends[1], bytes_of(ends[1].random, 32));
	assert_true(session_size(ends[1].session) <= SESSION_YOUNG_SIZE);
	assert_int_equal(ends[1].last, SESSION_WAIT);
	give(&ends[1], bytes_of(ends[0].self.signer->secret, 64));
	give(&ends[1], bytes_of(ends[0].self.signer->secret, 64));
	assert_broken(&ends[1], "another cluster or another key");
	assert_true(session_size(ends[1].session) <= SESSION_YOUNG_SIZE);
}

/* One that is up and idle costs little more, also after a large message in pieces. */
static void an_idle_session_is_small(void **state)
{
	(void)state;
	shake_hands();
	put_some(&ends[0], SESSION_FRAME_MAX);
	pass(&ends[0], &ends[1], 20000);
	assert_int_equal(ends[1].frames, 1);
	assert_int_equal(ends[1].told.size, SESSION_FRAME_MAX);
	put_some(&ends[0], SESSION_FRAME_MAX);
	pass(&ends[0], &ends[1], 0);
	assert_int_equal(ends[1].frames, 2);
	assert_true(session_size(ends[1].session) <= SESSION_YOUNG_SIZE + 8192);
}

/* Against the other way to write it: it is understood, and understands. */
static void a_plain_peer_accepts(void **state)
{
	struct peer peer = peer_make(false, 9, cluster);
	struct bytes frame;
	uint8_t room[100];

	(void)state;
	ends[0].session = session_dial(&ends[0].self, peer.signer.key, ends[0].random, start, &ends[0].out);
	peer_proof(&peer, buf_bytes(&ends[0].out), BEHAVES, &ends[1].out);
	buf_clear(&ends[0].out);
	pass(&ends[1], &ends[0], 0);
	assert_int_equal(ends[0].ups, 1);
	assert_int_equal(session_peer(ends[0].session)->process, peer.process);
	assert_true(peer_take_confirm(&peer, buf_bytes(&ends[0].out)));
	buf_clear(&ends[0].out);
	put_some(&ends[0], 44);
	assert_true(peer_open(&peer, buf_bytes(&ends[0].out), room, &frame));
	assert_int_equal(frame.size, 44);
	peer_send(&peer, bytes_text("hello"), &ends[1].out);
	pass(&ends[1], &ends[0], 3);
	assert_int_equal(ends[0].frames, 1);
	assert_memory_equal(ends[0].told.data, "hello", 5);
}

static void a_plain_peer_dials(void **state)
{
	struct peer peer = peer_make(true, 9, cluster);

	(void)state;
	ends[1].session = session_accept(&ends[1].self, ends[1].random, start);
	peer_hello(&peer, &ends[0].out);
	pass(&ends[0], &ends[1], 0);
	assert_true(peer_confirm(&peer, buf_bytes(&ends[1].out), BEHAVES, &ends[0].out));
	peer_send(&peer, bytes_text("at once"), &ends[0].out);
	pass(&ends[0], &ends[1], 0);
	assert_int_equal(ends[1].ups, 1);
	assert_int_equal(ends[1].frames, 1);
	assert_memory_equal(&session_peer(ends[1].session)->key, &peer.signer.key, sizeof peer.signer.key);
}

static void keys_get_old(void **state)
{
	struct mono_time late = { start.ns + SESSION_AGE_MAX_NS };

	(void)state;
	shake_hands();
	assert_false(session_is_old(ends[0].session, start));
	assert_false(session_is_old(ends[0].session, (struct mono_time){ late.ns - 1 }));
	assert_true(session_is_old(ends[0].session, late));
	assert_true(session_is_old(ends[1].session, late));
	for (uint64_t i = 0; i < SESSION_MESSAGES_MAX; i++) {
		if (i % 4096 == 0)
			for (size_t k = 0; k < 2; k++)
				assert_false(session_is_old(ends[k].session, start));
		put_some(&ends[0], 1);
		if (ends[0].out.size > 20000 || i + 1 == SESSION_MESSAGES_MAX)
			pass(&ends[0], &ends[1], 0);
		buf_clear(&ends[1].told);
	}
	assert_int_equal(ends[1].frames, SESSION_MESSAGES_MAX);
	for (size_t k = 0; k < 2; k++)
		assert_true(session_is_old(ends[k].session, start));
}

static void nothing_can_be_freed(void **state)
{
	(void)state;
	session_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		END_TEST(any_split_of_the_stream_is_the_same),
		END_TEST(any_pieces_make_the_same_frames),
		END_TEST(answers_are_no_larger_than_questions),
		END_TEST(a_young_session_is_small),
		END_TEST(an_idle_session_is_small),
		END_TEST(a_plain_peer_accepts),
		END_TEST(a_plain_peer_dials),
		END_TEST(keys_get_old),
		END_TEST(nothing_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
