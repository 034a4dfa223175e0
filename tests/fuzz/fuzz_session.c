/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, with somebody in between: an input is a script of what happens to the bytes on their way. Whatever it is,
 * a session comes up with the one whom it was made for or not at all, and what it gives out are that one's frames, in
 * their order, from the first on. In half of the inputs one end is a member that misbehaves.
 */
#include "crdt/gossip/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gossip/peer.h"

#include <assert.h>
#include <stdlib.h>

enum { FRAMES_MAX = 64, WAY_MAX = 1 << 16, PLAIN_MAX = 300 };

static const struct id cluster = { { 0xc1, 2, 3 } };
static struct signer signers[2];

/* What one end does to itself is seen in `session`; what is on its way to the other is in `way`. */
struct end {
	struct session_self self;
	struct session *session;
	struct buf out, way;
	size_t sent, got, last; /* frames; where the last message began in `way` */
	bool is_up, is_broken;
};

static struct end ends[2];
static uint8_t way_rooms[2][WAY_MAX];
static bool is_touched; /* anything on any way is not what was said */

/* In place of end 1. */
static struct peer peer;
static bool has_peer, has_peer_spoken, has_lied, is_peer_up;

/* What two said in another session: from the first to the second, and back. */
static struct buf records[2];

static uint8_t frame_byte(size_t end, size_t number)
{
	return (uint8_t)(end * 91 + number * 7 + 1);
}

static size_t frame_size(size_t end, size_t number)
{
	return (number * 37 + end) % PLAIN_MAX;
}

static struct bytes make_frame(size_t end, size_t number, uint8_t room[PLAIN_MAX])
{
	memset(room, frame_byte(end, number), frame_size(end, number));
	return bytes_of(room, frame_size(end, number));
}

/* From what an end wrote to the way. */
static void put_on_way(struct end *end)
{
	if (end->out.size) {
		end->last = end->way.size;
		buf_put_bytes(&end->way, buf_bytes(&end->out));
	}
	buf_clear(&end->out);
}

static void check_frame(size_t number, struct bytes frame)
{
	uint8_t room[PLAIN_MAX];
	struct end *end = &ends[number], *other = &ends[1 - number];

	assert(end->is_up);
	assert(end->got < other->sent);
	assert(bytes_equal(frame, make_frame(1 - number, end->got, room)));
	end->got++;
}

static void check_up(size_t number)
{
	struct end *end = &ends[number];
	const struct session_peer *who = session_peer(end->session);

	assert(!end->is_up && !has_lied);
	end->is_up = true;
	fuzz_taken();
	if (has_peer) {
		assert(!memcmp(&who->key, &peer.signer.key, 32) && who->process == peer.process);
		return;
	}
	assert(!memcmp(&who->key, &signers[1 - number].key, 32) && who->process == ends[1 - number].self.process);
}

static void arrive(size_t number, struct bytes bytes)
{
	struct end *end = &ends[number];
	uint8_t *copy = must_alloc(bytes.size);
	struct bytes left = bytes_of(copy, bytes.size), frame;
	enum session_step step;
	struct err err = { 0 };

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	do {
		step = session_next(end->session, &left, &end->out, &frame, &err);
		if (step == SESSION_UP)
			check_up(number);
		if (step == SESSION_FRAME)
			check_frame(number, frame);
		assert(!end->is_broken || step == SESSION_BROKEN);
		assert((step == SESSION_BROKEN) == !!*err.text);
	} while (step == SESSION_UP || step == SESSION_FRAME);
	assert(step == SESSION_BROKEN || !left.size);
	/* Nothing breaks by itself. */
	assert(step != SESSION_BROKEN || is_touched);
	end->is_broken = step == SESSION_BROKEN;
	assert(session_size(end->session) <= SESSION_YOUNG_SIZE + (end->is_up ? 2 * (SESSION_FRAME_MAX + 20) : 0));
	assert(end->out.size <= PEER_PROOF);
	put_on_way(end);
	free(copy);
}

/* All of what is on the way, to whoever is there. */
static void deliver(size_t from, size_t size)
{
	struct buf *way = &ends[from].way;

	size = size < way->size ? size : way->size;
	if (from == 0 && has_peer)
		return;
	arrive(1 - from, bytes_of(way->data, size));
	memmove(way->data, way->data + size, way->size - size);
	way->size -= size;
	ends[from].last -= size < ends[from].last ? size : ends[from].last;
}

static void send_frame(size_t number)
{
	uint8_t room[PLAIN_MAX];
	struct end *end = &ends[number];

	if (end->sent == FRAMES_MAX)
		return;
	if (has_peer && number == 1) {
		if (!is_peer_up)
			return;
		peer_send(&peer, make_frame(1, end->sent++, room), &end->out);
	} else {
		if (!end->is_up || end->is_broken)
			return;
		session_send(end->session, make_frame(number, end->sent++, room), &end->out);
	}
	put_on_way(end);
}

/* The peer's part of the handshake, as far as it has come; it speaks once. */
static void peer_acts(enum misdeed misdeed)
{
	struct bytes heard = buf_bytes(&ends[0].way);
	struct end *end = &ends[1];

	if (!has_peer_spoken && heard.size >= PEER_PROOF) {
		/* An acceptor takes any member. */
		if (peer.is_dialler && misdeed == IS_OTHER_MEMBER)
			misdeed = BEHAVES;
		has_lied = misdeed != BEHAVES;
		is_touched |= has_lied;
		has_peer_spoken = true;
		heard.size = PEER_PROOF;
		if (peer.is_dialler)
			is_peer_up = peer_confirm(&peer, heard, misdeed, &end->out);
		else
			peer_proof(&peer, heard, misdeed, &end->out);
	} else if (!peer.is_dialler && !is_peer_up && heard.size >= PEER_HELLO + PEER_CONFIRM) {
		is_peer_up = peer_take_confirm(&peer, bytes_of(heard.data + PEER_HELLO, PEER_CONFIRM));
	}
	put_on_way(end);
}

/* What somebody in between does to a way. */
static void touch(size_t number, uint8_t how, uint8_t where, struct bytes raw)
{
	struct buf *way = &ends[number].way;
	struct buf *other = &ends[1 - number].way;
	size_t at = way->size ? where % way->size : 0, size = way->size;
	size_t last = ends[number].last < size ? ends[number].last : 0;

	is_touched = true;
	switch (how % 7) {
	case 0:
		if (size)
			way->data[at] ^= (uint8_t)(1 << where % 8);
		return;
	case 1: way->size = at; return;
	case 2: buf_put(way, way->data + last, size - last); return;
	case 3: buf_put_bytes(other, bytes_of(way->data + at, size - at)); return;
	case 4: buf_put_bytes(way, raw); return;
	case 5:
		buf_put_bytes(way, bytes_of(way->data, at));
		memmove(way->data, way->data + at, size);
		way->size = size;
		return;
	default:
		if (where < 128)
			way->size = 0;
		buf_put_bytes(way, buf_bytes(&records[where & 1]));
	}
}

static void run(struct bytes script, struct bytes raw)
{
	for (size_t i = 0; i + 2 < script.size && i < 3 * 100; i += 3) {
		uint8_t what = script.data[i], a = script.data[i + 1], b = script.data[i + 2];

		if (what < 120)
			deliver(a & 1, b < 64 ? b : SIZE_MAX);
		else if (what < 180)
			send_frame(a & 1);
		else if (what < 220 && has_peer)
			peer_acts(b < 224 ? BEHAVES : (enum misdeed)(b % MISDEEDS));
		else if (what >= 220 && ends[a & 1].way.size < WAY_MAX / 4 && ends[!(a & 1)].way.size < WAY_MAX / 4)
			touch(a & 1, (uint8_t)(what - 220), b, raw);
	}
}

/* When nobody touched anything, all that was sent arrives. */
static void settle(void)
{
	for (size_t i = 0; i < 4; i++) {
		if (has_peer)
			peer_acts(BEHAVES);
		deliver(0, SIZE_MAX);
		deliver(1, SIZE_MAX);
	}
	if (is_touched)
		return;
	assert(ends[0].is_up && (has_peer ? is_peer_up : ends[1].is_up));
	assert(ends[0].got == ends[1].sent && (has_peer || ends[1].got == ends[0].sent));
}

static void begin(const uint8_t front[FUZZ_FRONT], bool with_peer)
{
	struct mono_time now = { 1 };
	uint8_t random[32];

	has_peer = with_peer;
	has_peer_spoken = has_lied = is_peer_up = is_touched = false;
	for (size_t i = 0; i < 2; i++)
		ends[i] = (struct end){ .self = { &signers[i], cluster, 100 + front[1] + i },
					.out = buf_growing(WAY_MAX),
					.way = buf_over(way_rooms[i], WAY_MAX) };
	peer = peer_make(front[0] & 2, 50, cluster);
	peer.yours = signers[0].key;
	memset(random, front[2], sizeof random);
	if (with_peer && peer.is_dialler) {
		ends[0].session = session_accept(&ends[0].self, random, now);
		peer_hello(&peer, &ends[1].out);
		put_on_way(&ends[1]);
		return;
	}
	ends[0].session =
		session_dial(&ends[0].self, with_peer ? peer.signer.key : signers[1].key, random, now, &ends[0].out);
	put_on_way(&ends[0]);
	random[31] = 77;
	if (!with_peer)
		ends[1].session = session_accept(&ends[1].self, random, now);
}

static void end_all(void)
{
	for (size_t i = 0; i < 2; i++) {
		session_free(ends[i].session);
		buf_done(&ends[i].out);
		buf_done(&ends[i].way);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);

	begin(input.front, input.front[0] & 1);
	run(input.parts[0], input.parts[1]);
	settle();
	end_all();
	return 0;
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng), 3, (uint8_t)rng_u64(rng) } };
	uint8_t script[90], raw[40];
	size_t touches = rng_below(rng, 4);

	rng_fill(rng, script, sizeof script);
	rng_fill(rng, raw, sizeof raw);
	/* Few touches, so that what comes after one is met too. */
	for (size_t i = 0; i < sizeof script; i += 3)
		if (script[i] >= 220 && rng_below(rng, 12) >= touches)
			script[i] = (uint8_t)(script[i] - 100);
	input.parts[0] = bytes_of(script, 3 * rng_below(rng, sizeof script / 3 + 1));
	input.parts[1] = bytes_of(raw, rng_below(rng, sizeof raw + 1));
	return fuzz_write(&input, data, max_size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 4) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

/* A session of the same two, of before, and what was said in it. */
static void make_records(void)
{
	static const uint8_t front[FUZZ_FRONT] = { 0, 200, 200 };

	begin(front, false);
	for (size_t i = 0; i < 6; i++) {
		size_t from = i % 2;

		if (i > 3)
			send_frame(from);
		buf_put_bytes(&records[from], buf_bytes(&ends[from].way));
		deliver(from, SIZE_MAX);
	}
	assert(ends[0].got + ends[1].got == 2);
	end_all();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < 2; i++) {
		uint8_t seed[32] = { (uint8_t)i };

		signers[i] = signer_from_seed(seed);
		records[i] = buf_growing(WAY_MAX);
	}
	make_records();
	fuzz_begin();
	return 0;
}
