/* SPDX-License-Identifier: Apache-2.0 */

/* What a link costs: making it, sealing and opening what goes over it, and taking its commonest frames apart. */

#include "crdt/gossip/session.h"
#include "bench/figure.h"
#include "crdt/gossip/frame_write.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 25, OUT_MAX = 1 << 20, FRAME_SIZE = 100 };

static size_t repeats = 20000;

/* Two ends, and what the first sends to the second. */
struct pair {
	struct signer signers[2];
	struct session_self selves[2];
	struct session *sessions[2];
	struct buf out[2];
};

typedef void work(void *context);

static double once_ns(work *run, void *context, size_t count)
{
	double start = now_seconds();

	run(context);
	return (now_seconds() - start) / (double)count * 1e9;
}

/*
 * Of one of `count`: the least of several rounds, since whatever else the machine does only ever adds time. Both in
 * turn, so that a machine that slows down slows both; `peers` may be NULL.
 */
static void measure(work *ours, work *peers, void *context, size_t count, struct figure *figure)
{
	double a[ROUNDS], b[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		a[i] = once_ns(ours, context, count);
		b[i] = peers ? once_ns(peers, context, count) : 0;
	}
	figure->value = percentile(a, ROUNDS, 0);
	figure->peer_value = percentile(b, ROUNDS, 0);
}

static void keep(const void *memory)
{
	__asm__ volatile("" ::"r"(memory) : "memory");
}

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static void make_pair(struct pair *pair)
{
	static const struct id cluster = { { 1, 2, 3 } };

	for (size_t i = 0; i < 2; i++) {
		uint8_t seed[32] = { (uint8_t)i };

		pair->signers[i] = signer_from_seed(seed);
		pair->selves[i] = (struct session_self){ &pair->signers[i], cluster, i + 1 };
		pair->out[i] = buf_growing(OUT_MAX);
	}
}

/* One step through what the other end said. */
static enum session_step step(struct pair *pair, size_t end)
{
	struct bytes arrived = buf_bytes(&pair->out[1 - end]), frame;
	enum session_step made = session_next(pair->sessions[end], &arrived, &pair->out[end], &frame, NULL);

	buf_clear(&pair->out[1 - end]);
	return made;
}

static void shake_hands(struct pair *pair)
{
	struct mono_time now = { 1 };
	uint8_t random[32] = { 9 };

	pair->sessions[0] = session_dial(&pair->selves[0], pair->signers[1].key, random, now, &pair->out[0]);
	random[1] = 1;
	pair->sessions[1] = session_accept(&pair->selves[1], random, now);
	expect(step(pair, 1) == SESSION_WAIT && step(pair, 0) == SESSION_UP && step(pair, 1) == SESSION_UP,
	       "the handshake failed");
}

static size_t handshakes(void)
{
	return repeats / 400 + 1;
}

static void many_handshakes(void *context)
{
	struct pair *pair = context;

	for (size_t i = 0; i < handshakes(); i++) {
		shake_hands(pair);
		session_free(pair->sessions[0]);
		session_free(pair->sessions[1]);
	}
}

/* What no such handshake can do without: two ephemeral keys, two agreements, two signatures, each made and checked. */
static void library_handshakes(void *context)
{
	struct pair *pair = context;
	uint8_t secret[32] = { 9 }, public[32], shared[32], signature[64];

	for (size_t i = 0; i < 2 * handshakes(); i++) {
		const struct signer *signer = &pair->signers[i % 2];

		crypto_scalarmult_base(public, secret);
		expect(!crypto_scalarmult(shared, secret, public), "the library does not agree");
		crypto_sign_detached(signature, NULL, shared, sizeof shared, signer->secret);
		expect(!crypto_sign_verify_detached(signature, shared, sizeof shared, signer->key.bytes),
		       "the library does not verify");
	}
}

static void print_handshake(struct pair *pair)
{
	struct figure figure = {
		.name = "session.handshake_us",
		.unit = "us, both sides of a new link",
		.demand = "<= 1.25 x libsodium",
		.peer = "libsodium, the public-key calls alone",
	};

	measure(many_handshakes, library_handshakes, pair, handshakes(), &figure);
	figure.value /= 1e3;
	figure.peer_value /= 1e3;
	figure_print(&figure);
}

static void seal_and_open(void *context)
{
	static const uint8_t plain[FRAME_SIZE];
	struct pair *pair = context;

	for (size_t i = 0; i < repeats; i++) {
		session_send(pair->sessions[0], bytes_of(plain, sizeof plain), &pair->out[0]);
		expect(step(pair, 1) == SESSION_FRAME, "a frame did not arrive");
	}
}

/* The library's two calls on as many bytes. */
static void library_seal_and_open(void *context)
{
	static uint8_t plain[FRAME_SIZE], sealed[FRAME_SIZE + SEAL_TAG];
	static const uint8_t key[32] = { 3 }, nonce[12] = { 4 };

	(void)context;
	for (size_t i = 0; i < repeats; i++) {
		crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain, sizeof plain, NULL, 0, NULL, nonce, key);
		expect(!crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, sizeof sealed, NULL, 0,
								  nonce, key),
		       "the library failed");
	}
}

static void print_message(struct pair *pair)
{
	struct figure figure = {
		.name = "session.message_ns",
		.unit = "ns to seal and open a frame of 100 bytes",
		.demand = "<= 1.25 x libsodium",
		.peer = "libsodium",
	};

	shake_hands(pair);
	measure(seal_and_open, library_seal_and_open, pair, repeats, &figure);
	figure_print(&figure);
	session_free(pair->sessions[0]);
	session_free(pair->sessions[1]);
}

struct reading {
	struct bytes bytes;
	struct stream_table told;
};

static void read_frames(void *context)
{
	struct reading *reading = context;
	struct frontier frontier = { 0 };
	struct frame frame;
	struct err err;

	for (size_t i = 0; i < repeats; i++) {
		must(frame_read(reading->bytes, LINK_MEMBER, &reading->told, &frame, &err), &err, "frame");
		while (frame.kind == FRAME_ACK && frame_next_frontier(&frame.ack.list, &reading->told, &frontier))
			keep(&frontier);
		keep(&frame);
	}
}

/* An ack of one stream, of the 45 that a mesh of 15 has. */
static void print_frames(void)
{
	struct reading reading = { 0 };
	struct stream_table named = { 0 };
	struct frontier frontier = { .end.seq = 70000 };
	struct buf out = buf_growing(FRAME_MAX);
	struct frame_list list;
	struct figure figure = { .unit = "ns", .demand = "<= 200" };

	for (uint64_t i = 0; i < 45; i++) {
		stream_table_append(&reading.told, (struct stream){ i + 1, 1, LANE_PEOPLE });
		stream_table_append(&named, (struct stream){ i + 1, 1, LANE_PEOPLE });
	}
	stream_table_settle(&reading.told);
	stream_table_settle(&named);
	frontier.stream = named.all[30];
	list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	expect(frame_put_frontier(&list, &named, &frontier), "the frontier does not fit");
	reading.bytes = buf_bytes(&out);
	figure.name = "session.read_ack_ns";
	measure(read_frames, NULL, &reading, repeats, &figure);
	figure_print(&figure);
	buf_clear(&out);
	frame_put_beat(&out, (struct sum){ 1, 2 });
	reading.bytes = buf_bytes(&out);
	figure.name = "session.read_beat_ns";
	measure(read_frames, NULL, &reading, repeats, &figure);
	figure_print(&figure);
	stream_table_done(&reading.told);
	stream_table_done(&named);
	buf_done(&out);
}

int main(int argc, char **argv)
{
	struct pair pair;

	if (figure_is_quick(argc, argv))
		repeats = 100;
	/* As the agent does: so the library takes the quickest way that the processor has. */
	if (sodium_init() < 0)
		return 1;
	make_pair(&pair);
	print_handshake(&pair);
	print_message(&pair);
	print_frames();
	buf_done(&pair.out[0]);
	buf_done(&pair.out[1]);
	return 0;
}
