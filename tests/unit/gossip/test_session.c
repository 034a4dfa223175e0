/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/session.h"

#include "tests/unit/base/check.h"
#include "tests/unit/gossip/peer.h"

#include <stdlib.h>

enum { ROOM = 1 << 18 };

static const struct id cluster = { { 0xc1, 2, 3 } }, other_cluster = { { 0xc1, 2, 4 } };
static const struct mono_time start = { 5000000000 };

/* One end: who it is, its session, and what it has to send. */
struct end {
	struct signer signer;
	struct session_self self;
	struct session *session;
	struct buf out;
	uint8_t random[32];
	/* What came of what it got. */
	size_t ups, frames;
	struct buf told; /* the frames, one behind the other */
	enum session_step last;
	struct err err;
};

static struct end ends[2];

static void make_end(struct end *end, uint8_t number)
{
	uint8_t seed[32];

	memset(end, 0, sizeof *end);
	memset(seed, number, sizeof seed);
	memset(end->random, 100 + number, sizeof end->random);
	end->signer = signer_from_seed(seed);
	end->self = (struct session_self){ .signer = &end->signer, .cluster = cluster, .process = 4000 + number };
	end->out = buf_growing(ROOM);
	end->told = buf_growing(ROOM);
}

static void drop_end(struct end *end)
{
	session_free(end->session);
	buf_done(&end->out);
	buf_done(&end->told);
	memset(end, 0, sizeof *end);
}

static int begin(void **state)
{
	(void)state;
	make_end(&ends[0], 0);
	make_end(&ends[1], 1);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	drop_end(&ends[0]);
	drop_end(&ends[1]);
	return 0;
}

static void again(void)
{
	finish(NULL);
	begin(NULL);
}

static void dial(void)
{
	ends[0].session = session_dial(&ends[0].self, ends[1].signer.key, ends[0].random, start, &ends[0].out);
	ends[1].session = session_accept(&ends[1].self, ends[1].random, start);
}

/* Gives an end bytes, in a room of just their size so that reading beyond them is noticed. */
static void give(struct end *end, struct bytes bytes)
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

/* All that one has to send to the other, the first `cut` bytes of it by themselves. */
static void pass(struct end *from, struct end *to, size_t cut)
{
	struct bytes all = buf_bytes(&from->out);

	cut = cut < all.size ? cut : all.size;
	give(to, bytes_of(all.data, cut));
	give(to, bytes_of(all.data + cut, all.size - cut));
	buf_clear(&from->out);
}

static void shake_hands(void)
{
	dial();
	pass(&ends[0], &ends[1], 0);
	pass(&ends[1], &ends[0], 0);
	pass(&ends[0], &ends[1], 0);
	assert_true(session_is_up(ends[0].session) && session_is_up(ends[1].session));
}

static void assert_peers(void)
{
	for (size_t i = 0; i < 2; i++) {
		const struct session_peer *peer = session_peer(ends[i].session);

		assert_int_equal(ends[i].ups, 1);
		assert_memory_equal(&peer->key, &ends[1 - i].signer.key, sizeof peer->key);
		assert_true(peer->node == node_of_key(ends[1 - i].signer.key));
		assert_int_equal(peer->process, ends[1 - i].self.process);
	}
}

static void assert_broken(struct end *end, const char *text)
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

static void put_some(struct end *end, size_t size)
{
	static uint8_t room[SESSION_FRAME_MAX];

	memset(room, (int)size, size);
	session_send(end->session, bytes_of(room, size), &end->out);
}

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
		struct buf expected = buf_growing(ROOM);

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
	struct buf hello = buf_growing(ROOM), proof = buf_growing(ROOM), confirm = buf_growing(ROOM);

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
	struct buf sent = buf_growing(ROOM), back = buf_growing(ROOM);

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
		[CLAIMS_YOUR_KEY] = { "my own address", "my own address" },
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_split_of_the_stream_is_the_same),
		TEST(any_pieces_make_the_same_frames),
		TEST(every_flip_of_hello_breaks_it),
		TEST(every_flip_of_proof_breaks_it),
		TEST(every_flip_of_confirm_breaks_it),
		TEST(another_cluster_is_told_apart),
		TEST(another_peer_than_meant_is_refused),
		TEST(my_own_address_is_told_apart),
		TEST(another_version_is_told_apart),
		TEST(answers_are_no_larger_than_questions),
		TEST(a_young_session_is_small),
		TEST(an_idle_session_is_small),
		TEST(lengths_have_limits),
		TEST(messages_come_once_and_in_order),
		TEST(a_reflected_message_is_refused),
		TEST(an_old_handshake_makes_no_session),
		TEST(keys_bind_all_that_was_said),
		TEST(a_plain_peer_accepts),
		TEST(a_plain_peer_dials),
		TEST(misdeeds_are_seen_through),
		TEST(an_ephemeral_key_that_gives_nothing_is_refused),
		TEST(keys_get_old),
		TEST(nothing_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
