/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/peer.h"

#include "crdt/base/rng.h"

#include <sodium.h>

static const uint8_t head[8] = { 'w', 'a', 'r', 'r', 'e', 'n', 0, 1 };

static void absorb(struct peer *peer, const void *data, size_t size)
{
	memcpy(peer->before, peer->transcript, 32);
	crypto_generichash(peer->transcript, 32, data, size, peer->before, 32);
}

struct peer peer_make(bool is_dialler, uint64_t seed, struct id cluster)
{
	static const char name[] = "warren session: X25519, Ed25519, ChaCha20-Poly1305, BLAKE2b";
	struct rng rng = rng_from_number(seed);
	struct peer peer = { .is_dialler = is_dialler, .cluster = cluster };
	uint8_t raw[32];

	rng_fill(&rng, raw, sizeof raw);
	peer.signer = signer_from_seed(raw);
	rng_fill(&rng, peer.secret, sizeof peer.secret);
	peer.process = rng_u64(&rng);
	absorb(&peer, name, sizeof name);
	absorb(&peer, head, sizeof head);
	absorb(&peer, cluster.bytes, sizeof cluster.bytes);
	return peer;
}

static void derive(const struct peer *peer, const char *label, uint8_t key[32])
{
	uint8_t text[64];
	size_t size = strlen(label) + 1;

	memcpy(text, label, size);
	memcpy(text + size, peer->transcript, 32);
	crypto_generichash(key, 32, text, size + 32, peer->shared, 32);
}

static void put_number(uint8_t *room, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		room[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static void put_identity(struct peer *peer, enum misdeed misdeed, struct buf *out)
{
	const struct peer other = peer_make(peer->is_dialler, 777, peer->cluster);
	const struct signer *signer = misdeed == IS_OTHER_MEMBER ? &other.signer : &peer->signer;
	const struct key32 *key = misdeed == CLAIMS_OTHER_KEY  ? &other.signer.key
				  : misdeed == CLAIMS_YOUR_KEY ? &peer->yours
							       : &signer->key;
	bool as_dialler = peer->is_dialler != (misdeed == SIGNS_AS_OTHER_ROLE);
	uint8_t text[1 + 32 + 32 + 8], plain[32 + 8 + 64], sealed[sizeof plain + 16], nonce[12] = { 0 }, seal[32];
	struct signature signature;

	text[0] = as_dialler ? 1 : 2;
	memcpy(text + 1, misdeed == SIGNS_OLD_TRANSCRIPT ? peer->before : peer->transcript, 32);
	memcpy(text + 33, key, 32);
	put_number(text + 65, peer->process + (misdeed == SIGNS_OTHER_PROCESS), 8);
	signature =
		sign_make(signer, misdeed == SIGNS_AS_BATCH ? SIGN_BATCH : SIGN_HANDSHAKE, bytes_of(text, sizeof text));
	memcpy(plain, key, 32);
	put_number(plain + 32, peer->process, 8);
	memcpy(plain + 40, signature.bytes, 64);
	derive(peer, peer->is_dialler ? "confirm" : "proof", seal);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain, sizeof plain, peer->transcript, 32, NULL, nonce,
						  seal);
	buf_put(out, sealed, sizeof sealed);
	absorb(peer, plain, sizeof plain);
}

/* No signature is checked: what this peer takes is for a test to judge. */
static bool take_identity(struct peer *peer, const uint8_t *sealed)
{
	uint8_t plain[32 + 8 + 64], nonce[12] = { 0 }, seal[32];

	derive(peer, peer->is_dialler ? "proof" : "confirm", seal);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, sizeof plain + 16, peer->transcript,
						      32, nonce, seal))
		return false;
	absorb(peer, plain, sizeof plain);
	memcpy(&peer->yours, plain, 32);
	return true;
}

static void come_up(struct peer *peer)
{
	derive(peer, "from dialler", peer->is_dialler ? peer->send_key : peer->open_key);
	derive(peer, "from acceptor", peer->is_dialler ? peer->open_key : peer->send_key);
	derive(peer, "bound", peer->bound);
}

static void make_open(const struct peer *peer, uint8_t open[PEER_OPEN])
{
	memcpy(open, head, sizeof head);
	crypto_scalarmult_base(open + sizeof head, peer->secret);
}

void peer_hello(struct peer *peer, struct buf *out)
{
	uint8_t hello[PEER_HELLO] = { 0 };

	make_open(peer, hello);
	absorb(peer, hello, sizeof hello);
	buf_put(out, hello, sizeof hello);
}

void peer_proof(struct peer *peer, struct bytes hello, enum misdeed misdeed, struct buf *out)
{
	uint8_t open[PEER_OPEN];

	absorb(peer, hello.data, PEER_HELLO);
	if (crypto_scalarmult(peer->shared, peer->secret, hello.data + sizeof head))
		return;
	make_open(peer, open);
	absorb(peer, open, sizeof open);
	buf_put(out, open, sizeof open);
	put_identity(peer, misdeed, out);
}

bool peer_confirm(struct peer *peer, struct bytes proof, enum misdeed misdeed, struct buf *out)
{
	if (proof.size != PEER_PROOF || crypto_scalarmult(peer->shared, peer->secret, proof.data + sizeof head))
		return false;
	absorb(peer, proof.data, PEER_OPEN);
	if (!take_identity(peer, proof.data + PEER_OPEN))
		return false;
	put_identity(peer, misdeed, out);
	come_up(peer);
	return true;
}

bool peer_take_confirm(struct peer *peer, struct bytes confirm)
{
	if (confirm.size < PEER_CONFIRM || !take_identity(peer, confirm.data))
		return false;
	come_up(peer);
	return true;
}

static void make_bound(const struct peer *peer, size_t size, uint8_t room[36])
{
	put_number(room, size, 4);
	memcpy(room + 4, peer->bound, 32);
}

void peer_send(struct peer *peer, struct bytes frame, struct buf *out)
{
	uint8_t nonce[12] = { 0 }, bound[36];
	uint8_t *message = buf_take(out, 4 + frame.size + 16);

	make_bound(peer, frame.size + 16, bound);
	put_number(nonce + 4, peer->sent++, 8);
	put_number(message, frame.size + 16, 4);
	crypto_aead_chacha20poly1305_ietf_encrypt(message + 4, NULL, frame.data, frame.size, bound, sizeof bound, NULL,
						  nonce, peer->send_key);
}

bool peer_open(struct peer *peer, struct bytes message, uint8_t *room, struct bytes *ret_frame)
{
	uint8_t nonce[12] = { 0 }, bound[36];

	if (message.size < 20)
		return false;
	make_bound(peer, message.size - 4, bound);
	put_number(nonce + 4, peer->opened++, 8);
	if (memcmp(bound, message.data, 4) ||
	    crypto_aead_chacha20poly1305_ietf_decrypt(room, NULL, NULL, message.data + 4, message.size - 4, bound,
						      sizeof bound, nonce, peer->open_key))
		return false;
	*ret_frame = bytes_of(room, message.size - 20);
	return true;
}
