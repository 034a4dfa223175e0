/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/session.h"

#include "tests/unit/gossip/ends.h"
#include "tests/unit/gossip/peer.h"

static void flip(struct buf *buf, size_t bit)
{
	buf->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void every_flip_of_hello_breaks_it(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * PEER_HELLO; bit++) {
		again();
		dial();
		flip(&ends[0].out, bit);
		pass(&ends[0], &ends[1], 0);
		if (bit < 64) {
			assert_broken(&ends[1], bit < 48 ? "does not speak this protocol" : "speaks version");
		} else if (ends[1].last == SESSION_WAIT) {
			pass(&ends[1], &ends[0], 0);
			assert_broken(&ends[0], "another cluster or another key");
			assert_int_equal(ends[0].out.size, 0);
		}
		assert_int_equal(ends[0].ups + ends[1].ups, 0);
	}
}

static void every_flip_of_proof_breaks_it(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * PEER_PROOF; bit++) {
		again();
		dial();
		pass(&ends[0], &ends[1], 0);
		flip(&ends[1].out, bit);
		pass(&ends[1], &ends[0], 0);
		assert_broken(&ends[0], bit < 48    ? "does not speak this protocol"
					: bit < 64  ? "speaks version"
					: bit < 320 ? ""
						    : "another cluster or another key");
		assert_int_equal(ends[0].ups, 0);
		assert_int_equal(ends[0].out.size, 0);
	}
}

static void every_flip_of_confirm_breaks_it(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * PEER_CONFIRM; bit++) {
		again();
		dial();
		pass(&ends[0], &ends[1], 0);
		pass(&ends[1], &ends[0], 0);
		flip(&ends[0].out, bit);
		pass(&ends[0], &ends[1], 0);
		assert_broken(&ends[1], "another cluster or another key");
		assert_int_equal(ends[1].ups, 0);
		assert_int_equal(ends[1].out.size, 0);
	}
}

static void another_cluster_is_told_apart(void **state)
{
	(void)state;
	ends[1].self.cluster = other_cluster;
	dial();
	pass(&ends[0], &ends[1], 0);
	pass(&ends[1], &ends[0], 0);
	assert_broken(&ends[0], "another cluster or another key");
	assert_int_equal(ends[0].out.size, 0);
}

static void another_peer_than_meant_is_refused(void **state)
{
	struct key32 meant = ends[1].signer.key;

	(void)state;
	meant.bytes[31] ^= 1;
	ends[0].session = session_dial(&ends[0].self, meant, ends[0].random, start, &ends[0].out);
	ends[1].session = session_accept(&ends[1].self, ends[1].random, start);
	pass(&ends[0], &ends[1], 0);
	pass(&ends[1], &ends[0], 0);
	assert_broken(&ends[0], "another server answers at this address");
	/* And does not learn who asked. */
	assert_int_equal(ends[0].out.size, 0);
}

static void my_own_address_is_told_apart(void **state)
{
	(void)state;
	for (int is_meant = 0; is_meant < 2; is_meant++) {
		struct key32 meant = ends[is_meant ? 0 : 1].signer.key;

		again();
		ends[0].session = session_dial(&ends[0].self, meant, ends[0].random, start, &ends[0].out);
		ends[1].session = session_accept(&ends[0].self, ends[1].random, start);
		pass(&ends[0], &ends[1], 0);
		pass(&ends[1], &ends[0], 0);
		assert_broken(&ends[0], "this is my own address");
		assert_int_equal(ends[0].out.size, 0);
	}
}

/* As a member of another version would ask, and would answer. */
static void another_version_is_told_apart(void **state)
{
	(void)state;
	dial();
	ends[0].out.data[7] = 2;
	pass(&ends[0], &ends[1], 0);
	assert_broken(&ends[1], "that member speaks version 2; this one 1");
	/* What it says is its own version and nothing else. */
	assert_int_equal(ends[1].out.size, 8);
	assert_memory_equal(ends[1].out.data, "warren\0\1", 8);
	ends[1].out.data[6] = 3;
	pass(&ends[1], &ends[0], 5);
	assert_broken(&ends[0], "that member speaks version 769; this one 1");
	assert_int_equal(ends[0].out.size, 0);
}

static void lengths_have_limits(void **state)
{
	static const struct {
		uint8_t length[4];
		bool is_right;
	} lengths[] = {
		{ { 0, 0, 0, 0 }, false },       { { 0, 0, 0, SEAL_TAG - 1 }, false }, { { 0, 0, 0, SEAL_TAG }, true },
		{ { 0, 1, 8, SEAL_TAG }, true }, { { 0, 1, 8, SEAL_TAG + 1 }, false }, { { 0x80, 0, 0, 0 }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++)
		for (size_t split = 0; split < 2; split++) {
			again();
			shake_hands();
			/* By itself, and with something behind it. */
			buf_put(&ends[0].out, lengths[i].length, 4);
			buf_put(&ends[0].out, "behind", 6);
			pass(&ends[0], &ends[1], split ? 2 : 10);
			if (lengths[i].is_right)
				assert_int_equal(ends[1].last, SESSION_WAIT);
			else
				assert_broken(&ends[1], "bytes, where 16 to 67600 are possible");
			assert_true(session_size(ends[1].session) <= SESSION_YOUNG_SIZE + SESSION_FRAME_MAX + 20);
		}
}

/* What one attack makes of two messages, of 30 and 40 bytes, and what gets through of it. */
static size_t attack(size_t number, const uint8_t *sent, uint8_t *room, size_t *ret_through)
{
	const size_t first = 30 + SESSION_OVERHEAD, second = 40 + SESSION_OVERHEAD;

	memcpy(room, sent, first + second);
	*ret_through = 0;
	switch (number) {
	case 0: /* repeated */
		memcpy(room + first, sent, first);
		*ret_through = 1;
		return 2 * first;
	case 1: /* exchanged */
		memcpy(room, sent + first, second);
		memcpy(room + second, sent, first);
		return first + second;
	case 2: /* left out */ memcpy(room, sent + first, second); return second;
	case 3: /* cut short, then the next */
		memcpy(room + first - 1, sent + first, second);
		return first + second - 1;
	case 4: /* a shorter length */ room[3]--; return first + second;
	case 5: /* a byte of the second */
		room[first + 20] ^= 0x10;
		*ret_through = 1;
		return first + second;
	default: return 0;
	}
}

static void messages_come_once_and_in_order(void **state)
{
	uint8_t room[256];

	(void)state;
	for (size_t number = 0; number < 6; number++)
		for (size_t cut = 0; cut < 100; cut += 9) {
			size_t through, size;

			again();
			shake_hands();
			put_some(&ends[0], 30);
			put_some(&ends[0], 40);
			size = attack(number, ends[0].out.data, room, &through);
			buf_clear(&ends[0].out);
			buf_put(&ends[0].out, room, size);
			pass(&ends[0], &ends[1], cut);
			assert_int_equal(ends[1].frames, through);
			assert_broken(&ends[1], "not the one that comes next");
		}
}

/* Back to whoever said it, of the same counter. */
static void a_reflected_message_is_refused(void **state)
{
	(void)state;
	shake_hands();
	put_some(&ends[0], 30);
	give(&ends[0], buf_bytes(&ends[0].out));
	assert_int_equal(ends[0].frames, 0);
	assert_broken(&ends[0], "not the one that comes next");
}

/* Neither a repeated hello nor a proof of before makes a session; nor does a hello as an answer to itself. */
static void an_old_handshake_makes_no_session(void **state)
{
	struct buf hello = buf_growing(ENDS_ROOM), proof = buf_growing(ENDS_ROOM), confirm = buf_growing(ENDS_ROOM);

	(void)state;
	dial();
	buf_put_bytes(&hello, buf_bytes(&ends[0].out));
	pass(&ends[0], &ends[1], 0);
	buf_put_bytes(&proof, buf_bytes(&ends[1].out));
	pass(&ends[1], &ends[0], 0);
	buf_put_bytes(&confirm, buf_bytes(&ends[0].out));
	again();
	ends[0].random[9]++;
	ends[1].random[9]++;
	dial();
	give(&ends[1], buf_bytes(&hello));
	buf_clear(&ends[1].out);
	give(&ends[1], buf_bytes(&confirm));
	assert_broken(&ends[1], "another cluster or another key");
	give(&ends[0], buf_bytes(&proof));
	assert_broken(&ends[0], "another cluster or another key");
	again();
	dial();
	give(&ends[0], buf_bytes(&hello));
	assert_broken(&ends[0], "another cluster or another key");
	assert_int_equal(ends[0].ups + ends[1].ups, 0);
	buf_done(&hello);
	buf_done(&proof);
	buf_done(&confirm);
}

/* The same random bytes, and one thing different: nothing of one link is good on the other. */
static void keys_bind_all_that_was_said(void **state)
{
	struct buf sent = buf_growing(ENDS_ROOM), back = buf_growing(ENDS_ROOM);

	(void)state;
	for (size_t what = 0; what < 8; what++) {
		again();
		shake_hands();
		put_some(&ends[0], 30);
		put_some(&ends[1], 30);
		buf_clear(&sent);
		buf_clear(&back);
		buf_put_bytes(&sent, buf_bytes(&ends[0].out));
		buf_put_bytes(&back, buf_bytes(&ends[1].out));
		again();
		switch (what) {
		case 0: break; /* nothing: then it is the same link */
		case 1: ends[0].self.process++; break;
		case 2: ends[1].self.process++; break;
		case 3: ends[0].self.cluster = ends[1].self.cluster = other_cluster; break;
		case 4: ends[0].signer = signer_from_seed(ends[1].random); break;
		case 5: ends[1].signer = signer_from_seed(ends[1].random); break;
		case 6: ends[0].random[9]++; break;
		default: ends[1].random[9]++; break;
		}
		shake_hands();
		assert_peers();
		give(&ends[1], buf_bytes(&sent));
		give(&ends[0], buf_bytes(&back));
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(ends[i].frames, !what);
			if (what)
				assert_broken(&ends[i], "not the one that comes next");
		}
	}
	buf_done(&sent);
	buf_done(&back);
}

/* A member that knows all there is to know, and lies. */
static void misdeeds_are_seen_through(void **state)
{
	static const struct {
		const char *by_acceptor, *by_dialler;
	} texts[MISDEEDS] = {
		[SIGNS_AS_OTHER_ROLE] = { "signature is wrong", "signature is wrong" },
		[SIGNS_AS_BATCH] = { "signature is wrong", "signature is wrong" },
		[SIGNS_OTHER_PROCESS] = { "signature is wrong", "signature is wrong" },
		[SIGNS_OLD_TRANSCRIPT] = { "signature is wrong", "signature is wrong" },
		[CLAIMS_OTHER_KEY] = { "another server answers", "signature is wrong" },
		[CLAIMS_YOUR_KEY] = { "runs twice", "runs twice" },
		[IS_OTHER_MEMBER] = { "another server answers", NULL }, /* whom an acceptor gets is for others to say */
	};

	(void)state;
	for (enum misdeed misdeed = SIGNS_AS_OTHER_ROLE; misdeed < MISDEEDS; misdeed++) {
		struct peer acceptor = peer_make(false, 9, cluster), dialler = peer_make(true, 10, cluster);

		again();
		acceptor.yours = ends[0].signer.key;
		ends[0].session = session_dial(&ends[0].self, acceptor.signer.key, ends[0].random, start, &ends[0].out);
		peer_proof(&acceptor, buf_bytes(&ends[0].out), misdeed, &ends[1].out);
		buf_clear(&ends[0].out);
		pass(&ends[1], &ends[0], 0);
		assert_broken(&ends[0], texts[misdeed].by_acceptor);
		assert_int_equal(ends[0].out.size, 0);
		ends[1].session = session_accept(&ends[1].self, ends[1].random, start);
		peer_hello(&dialler, &ends[0].out);
		pass(&ends[0], &ends[1], 0);
		assert_true(peer_confirm(&dialler, buf_bytes(&ends[1].out), misdeed, &ends[0].out));
		pass(&ends[0], &ends[1], 0);
		if (texts[misdeed].by_dialler)
			assert_broken(&ends[1], texts[misdeed].by_dialler);
		else
			assert_int_equal(ends[1].ups, 1);
	}
}

static void an_ephemeral_key_that_gives_nothing_is_refused(void **state)
{
	(void)state;
	dial();
	memset(ends[0].out.data + 8, 0, 32);
	pass(&ends[0], &ends[1], 0);
	assert_broken(&ends[1], "nothing secret");
	assert_int_equal(ends[1].out.size, 0);
	again();
	dial();
	pass(&ends[0], &ends[1], 0);
	memset(ends[1].out.data + 8, 0, 32);
	pass(&ends[1], &ends[0], 0);
	assert_broken(&ends[0], "nothing secret");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		END_TEST(every_flip_of_hello_breaks_it),      END_TEST(every_flip_of_proof_breaks_it),
		END_TEST(every_flip_of_confirm_breaks_it),    END_TEST(another_cluster_is_told_apart),
		END_TEST(another_peer_than_meant_is_refused), END_TEST(my_own_address_is_told_apart),
		END_TEST(another_version_is_told_apart),      END_TEST(lengths_have_limits),
		END_TEST(messages_come_once_and_in_order),    END_TEST(a_reflected_message_is_refused),
		END_TEST(an_old_handshake_makes_no_session),  END_TEST(keys_bind_all_that_was_said),
		END_TEST(misdeeds_are_seen_through),          END_TEST(an_ephemeral_key_that_gives_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
