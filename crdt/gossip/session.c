/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/session.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

/*
 * `hello`: head, ephemeral key, zeros. `proof`: head, ephemeral key, a sealed identity. `confirm`: a sealed identity.
 * Of these only the heads and the ephemeral keys can be read by strangers; whoever does not know the cluster's id
 * cannot make a server show who it is.
 */
enum {
	HASH_SIZE = 32,
	LENGTH_SIZE = 4,
	HEAD_SIZE = 8,
	IDENTITY_SIZE = sizeof(struct key32) + 8 + sizeof(struct signature),
	OPEN_SIZE = HEAD_SIZE + sizeof(struct key32), /* of hello and proof, what is not sealed */
	PROOF_SIZE = OPEN_SIZE + IDENTITY_SIZE + SEAL_TAG,
	HELLO_SIZE = PROOF_SIZE,
	CONFIRM_SIZE = IDENTITY_SIZE + SEAL_TAG,
	SEALED_MAX = SESSION_FRAME_MAX + SEAL_TAG,
	/* Rooms beyond this are given back after their message. */
	ROOM_KEPT_MAX = 4096,
};

enum state { AWAIT_HELLO, AWAIT_PROOF, AWAIT_CONFIRM, UP, BROKEN, STATES };

enum role { DIALLER = 1, ACCEPTOR = 2 };

/* What may never be seen, and is wiped as one. */
struct secrets {
	uint8_t ephemeral[32];
	struct seal_key shared;
	struct seal sends, opens;
};

/* Memory that grows only while there is nothing in it worth keeping. */
struct room {
	uint8_t *data;
	size_t size;
};

struct session {
	const struct session_self *self;
	enum state state;
	enum role role;
	struct mono_time made;
	struct session_peer peer; /* of a dialler that is not up, only the key: whom it means to reach */
	struct secrets secrets;
	uint8_t transcript[HASH_SIZE];
	uint8_t bound[LENGTH_SIZE + HASH_SIZE]; /* to each message: its length, and the link that it is of */
	uint8_t young[HELLO_SIZE];              /* a message of the handshake that is not whole yet */
	struct room kept, plain; /* one that is not whole yet; one that was opened where it did not lie */
	size_t held;             /* bytes in `young`, later in `kept` */
};

_Static_assert(sizeof(struct session) <= SESSION_YOUNG_SIZE, "with its buffer for the handshake");
_Static_assert(PROOF_SIZE <= HELLO_SIZE, "no answer is larger than its question");

/* Rooms. */

static void room_drop(struct room *room)
{
	if (room->data)
		sodium_memzero(room->data, room->size);
	free(room->data);
	*room = (struct room){ 0 };
}

/* What `keep` begins with stays. */
static void room_grow(struct room *room, size_t size, size_t keep)
{
	struct room grown = { .size = size };

	if (size <= room->size)
		return;
	/* Not zeroed: what is read of it was written before. */
	grown.data = must_realloc(NULL, size);
	if (keep)
		memcpy(grown.data, room->data, keep);
	room_drop(room);
	*room = grown;
}

/* The transcript and what comes from it. */

static void put_number(uint8_t *room, uint64_t number, size_t size)
{
	struct buf buf = buf_over(room, size);

	buf_put_big_endian(&buf, number, size);
}

static void make_head(uint8_t head[HEAD_SIZE])
{
	memcpy(head, "warren", 6);
	put_number(head + 6, SESSION_VERSION, 2);
}

/* Each hash is keyed with the one before it, so the last says all, in its order. */
static void absorb(struct session *session, struct bytes bytes)
{
	uint8_t before[HASH_SIZE];

	memcpy(before, session->transcript, sizeof before);
	crypto_generichash(session->transcript, HASH_SIZE, bytes.data, bytes.size, before, sizeof before);
}

static void begin_transcript(struct session *session)
{
	static const char name[] = "warren session: X25519, Ed25519, ChaCha20-Poly1305, BLAKE2b";
	uint8_t head[HEAD_SIZE];

	make_head(head);
	absorb(session, bytes_of(name, sizeof name));
	absorb(session, bytes_of(head, sizeof head));
	absorb(session, bytes_of(session->self->cluster.bytes, sizeof session->self->cluster.bytes));
}

/* 32 bytes of what both sides have come to and all that was said; with its final zero no label begins another. */
static void derive(const struct session *session, const char *label, uint8_t *room)
{
	const struct seal_key *shared = &session->secrets.shared;
	crypto_generichash_state state;

	crypto_generichash_init(&state, shared->bytes, sizeof shared->bytes, HASH_SIZE);
	crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
	crypto_generichash_update(&state, session->transcript, sizeof session->transcript);
	crypto_generichash_final(&state, room, HASH_SIZE);
	sodium_memzero(&state, sizeof state);
}

static struct seal derive_seal(const struct session *session, const char *label)
{
	struct seal seal = { 0 };

	_Static_assert(sizeof seal.key.bytes == HASH_SIZE, "one hash is one key");
	derive(session, label, seal.key.bytes);
	return seal;
}

static struct bytes transcript_bytes(const struct session *session)
{
	return bytes_of(session->transcript, sizeof session->transcript);
}

/* The keys of the link; from here on nothing of the handshake is needed. */
static void come_up(struct session *session)
{
	struct seal from_dialler = derive_seal(session, "from dialler");
	struct seal from_acceptor = derive_seal(session, "from acceptor");

	derive(session, "bound", session->bound + LENGTH_SIZE);
	session->secrets = (struct secrets){
		.sends = session->role == DIALLER ? from_dialler : from_acceptor,
		.opens = session->role == DIALLER ? from_acceptor : from_dialler,
	};
	sodium_memzero(&from_dialler, sizeof from_dialler);
	sodium_memzero(&from_acceptor, sizeof from_acceptor);
}

/* Identities. */

/* What is signed: who signs, in which role, after all that was said before. */
static struct bytes signed_text(const struct session *session, enum role role, struct key32 key, uint64_t process,
				struct buf *room)
{
	buf_put_byte(room, (uint8_t)role);
	buf_put_bytes(room, transcript_bytes(session));
	buf_put(room, key.bytes, sizeof key.bytes);
	buf_put_big_endian(room, process, 8);
	return buf_bytes(room);
}

enum { SIGNED_SIZE = 1 + HASH_SIZE + sizeof(struct key32) + 8 };

static void put_identity(struct session *session, const char *label, struct buf *out)
{
	const struct session_self *self = session->self;
	uint8_t text_room[SIGNED_SIZE], plain_room[IDENTITY_SIZE];
	struct buf text = buf_over(text_room, sizeof text_room), plain = buf_over(plain_room, sizeof plain_room);
	struct seal seal = derive_seal(session, label);
	struct signature signature;
	uint8_t *sealed = buf_take(out, IDENTITY_SIZE + SEAL_TAG);

	signature = sign_make(self->signer, SIGN_HANDSHAKE,
			      signed_text(session, session->role, self->signer->key, self->process, &text));
	buf_put(&plain, self->signer->key.bytes, sizeof self->signer->key.bytes);
	buf_put_big_endian(&plain, self->process, 8);
	buf_put(&plain, signature.bytes, sizeof signature.bytes);
	if (sealed)
		seal_close(&seal, transcript_bytes(session), buf_bytes(&plain), sealed);
	absorb(session, buf_bytes(&plain));
	sodium_memzero(&seal, sizeof seal);
}

/* A dialler takes only the one whom it means to reach. */
static enum code judge_peer(const struct session *session, const struct session_peer *peer, struct err *err)
{
	if (!memcmp(&peer->key, &session->self->signer->key, sizeof peer->key))
		return fail(err, E_DENIED, "%s",
			    peer->process == session->self->process
				    ? "this is my own address: the other end is this process itself"
				    : "this server runs twice: stop one and evict it, or evict both");
	if (session->role == DIALLER && memcmp(&peer->key, &session->peer.key, sizeof peer->key))
		return fail(err, E_DENIED, "another server answers at this address: correct the address");
	if (!peer->node)
		return fail(err, E_DENIED, "the peer's key is one that nobody may have: it has to make another");
	return OK;
}

static enum code take_identity(struct session *session, const char *label, const uint8_t *sealed, struct err *err)
{
	uint8_t text_room[SIGNED_SIZE], plain[IDENTITY_SIZE];
	struct buf text = buf_over(text_room, sizeof text_room);
	struct seal seal = derive_seal(session, label);
	bool is_open = seal_open(&seal, transcript_bytes(session), bytes_of(sealed, IDENTITY_SIZE + SEAL_TAG), plain);
	struct reader r = reader_over(bytes_of(plain, sizeof plain));
	struct session_peer peer;
	struct signature signature;
	enum code code;

	sodium_memzero(&seal, sizeof seal);
	if (!is_open)
		return fail(err, E_DENIED,
			    "the peer is of another cluster or another key, or somebody changed what it "
			    "said: check the address and the cluster");
	memcpy(&peer.key, read_bytes(&r, sizeof peer.key), sizeof peer.key);
	peer.process = read_big_endian(&r, 8);
	memcpy(&signature, read_bytes(&r, sizeof signature), sizeof signature);
	peer.node = node_of_key(peer.key);
	code = judge_peer(session, &peer, err);
	if (code)
		return code;
	signed_text(session, session->role == DIALLER ? ACCEPTOR : DIALLER, peer.key, peer.process, &text);
	if (!sign_check(peer.key, SIGN_HANDSHAKE, buf_bytes(&text), signature))
		return fail(err, E_DENIED, "the peer's signature is wrong: it is not who it says");
	absorb(session, bytes_of(plain, sizeof plain));
	session->peer = peer;
	return OK;
}

/* The handshake. */

static enum code agree(struct session *session, const uint8_t *message, struct err *err)
{
	struct secrets *secrets = &session->secrets;
	struct key32 theirs;
	bool is_secret;

	memcpy(&theirs, message + HEAD_SIZE, sizeof theirs);
	is_secret = seal_agree(secrets->ephemeral, theirs, &secrets->shared);
	sodium_memzero(secrets->ephemeral, sizeof secrets->ephemeral);
	return is_secret ? OK : fail(err, E_DENIED, "the peer's ephemeral key gives nothing secret");
}

static void put_open(struct session *session, struct buf *out)
{
	struct key32 ours = seal_public(session->secrets.ephemeral);
	uint8_t head[HEAD_SIZE];

	make_head(head);
	buf_put(out, head, sizeof head);
	buf_put(out, ours.bytes, sizeof ours.bytes);
}

static enum code take_hello(struct session *session, struct buf *out, struct err *err)
{
	uint8_t room[OPEN_SIZE];
	struct buf open = buf_over(room, sizeof room);
	enum code code;

	absorb(session, bytes_of(session->young, HELLO_SIZE));
	put_open(session, &open);
	code = agree(session, session->young, err);
	if (code)
		return code;
	absorb(session, buf_bytes(&open));
	buf_put_bytes(out, buf_bytes(&open));
	put_identity(session, "proof", out);
	return OK;
}

static enum code take_proof(struct session *session, struct buf *out, struct err *err)
{
	enum code code = agree(session, session->young, err);

	if (code)
		return code;
	absorb(session, bytes_of(session->young, OPEN_SIZE));
	code = take_identity(session, "proof", session->young + OPEN_SIZE, err);
	if (code)
		return code;
	put_identity(session, "confirm", out);
	come_up(session);
	return OK;
}

static enum code take_confirm(struct session *session, struct buf *out, struct err *err)
{
	enum code code = take_identity(session, "confirm", session->young, err);

	(void)out;
	if (code)
		return code;
	come_up(session);
	return OK;
}

/*
 * The way of a session: in each state how large the message is that it waits for, whether that begins with a head, who
 * takes it, and what state follows. From every state what is wrong leads to BROKEN, and nothing leads out of there.
 */
static const struct {
	size_t size;
	bool has_head;
	enum code (*take)(struct session *session, struct buf *out, struct err *err);
	enum state next;
} way[STATES] = {
	[AWAIT_HELLO] = { HELLO_SIZE, true, take_hello, AWAIT_CONFIRM },
	[AWAIT_PROOF] = { PROOF_SIZE, true, take_proof, UP },
	[AWAIT_CONFIRM] = { CONFIRM_SIZE, false, take_confirm, UP },
	[UP] = { .next = UP }, /* messages of any size: take_message */
	[BROKEN] = { .next = BROKEN },
};

static enum session_step break_session(struct session *session)
{
	session->state = BROKEN;
	sodium_memzero(&session->secrets, sizeof session->secrets);
	room_drop(&session->kept);
	room_drop(&session->plain);
	return SESSION_BROKEN;
}

static size_t hold(struct session *session, uint8_t *room, size_t size, struct bytes *arrived)
{
	size_t wanted = size - session->held, taken = arrived->size < wanted ? arrived->size : wanted;

	if (taken)
		memcpy(room + session->held, arrived->data, taken);
	*arrived = bytes_of(arrived->data + taken, arrived->size - taken);
	session->held += taken;
	return session->held;
}

/* As soon as it is there: what follows a head of another version has a size that only that version knows. */
static enum code check_head(const struct session *session, struct buf *out, struct err *err)
{
	struct reader r = reader_over(bytes_of(session->young, HEAD_SIZE));
	uint8_t ours[HEAD_SIZE];
	uint64_t version;

	make_head(ours);
	if (memcmp(read_bytes(&r, 6), ours, 6))
		return fail(err, E_FORM, "the other end does not speak this protocol: check the address");
	version = read_big_endian(&r, 2);
	if (version == SESSION_VERSION)
		return OK;
	/* So that the one who asks can say the same. */
	if (session->role == ACCEPTOR)
		buf_put(out, ours, sizeof ours);
	return fail(err, E_NEWER, "that member speaks version %u; this one %d: bring both to one version",
		    (unsigned)version, SESSION_VERSION);
}

static enum session_step shake_hands(struct session *session, struct bytes *arrived, struct buf *out, struct err *err)
{
	while (session->state != UP) {
		size_t before = session->held;
		size_t held = hold(session, session->young, way[session->state].size, arrived);

		if (way[session->state].has_head && before < HEAD_SIZE && held >= HEAD_SIZE &&
		    check_head(session, out, err))
			return break_session(session);
		if (held < way[session->state].size)
			return SESSION_WAIT;
		if (way[session->state].take(session, out, err))
			return break_session(session);
		session->held = 0;
		session->state = way[session->state].next;
	}
	sodium_memzero(session->young, sizeof session->young);
	return SESSION_UP;
}

/* Messages. */

static bool is_length_right(const uint8_t *message, size_t *ret_size, struct err *err)
{
	struct reader r = reader_over(bytes_of(message, LENGTH_SIZE));
	uint64_t size = read_big_endian(&r, LENGTH_SIZE);

	if (size < SEAL_TAG || size > SEALED_MAX) {
		fail(err, E_LIMIT, "a message of %llu bytes, where %d to %d are possible", (unsigned long long)size,
		     SEAL_TAG, SEALED_MAX);
		return false;
	}
	*ret_size = (size_t)size;
	return true;
}

static enum session_step open_message(struct session *session, const uint8_t *message, size_t size, uint8_t *plain,
				      struct bytes *ret_frame, struct err *err)
{
	memcpy(session->bound, message, LENGTH_SIZE);
	if (!seal_open(&session->secrets.opens, bytes_of(session->bound, sizeof session->bound),
		       bytes_of(message + LENGTH_SIZE, size), plain)) {
		fail(err, E_DENIED,
		     "a message is not the one that comes next from this peer, or was changed on its way");
		return break_session(session);
	}
	*ret_frame = bytes_of(plain, size - SEAL_TAG);
	return SESSION_FRAME;
}

/* While whole messages follow one another, each is opened in the same room. */
static void give_back_plain(struct session *session)
{
	if (session->plain.size > ROOM_KEPT_MAX)
		room_drop(&session->plain);
}

/* What did not arrive at once is put together in `kept`, and opened there. */
static enum session_step keep_message(struct session *session, struct bytes *arrived, struct bytes *ret_frame,
				      struct err *err)
{
	struct room *kept = &session->kept;
	size_t size;

	give_back_plain(session);
	if (session->held < LENGTH_SIZE) {
		room_grow(kept, LENGTH_SIZE + SEAL_TAG, session->held);
		if (hold(session, kept->data, LENGTH_SIZE, arrived) < LENGTH_SIZE)
			return SESSION_WAIT;
	}
	if (!is_length_right(kept->data, &size, err))
		return break_session(session);
	room_grow(kept, LENGTH_SIZE + size, session->held);
	if (hold(session, kept->data, LENGTH_SIZE + size, arrived) < LENGTH_SIZE + size)
		return SESSION_WAIT;
	session->held = 0;
	return open_message(session, kept->data, size, kept->data + LENGTH_SIZE, ret_frame, err);
}

static enum session_step take_message(struct session *session, struct bytes *arrived, struct bytes *ret_frame,
				      struct err *err)
{
	const uint8_t *message = arrived->data;
	size_t size;

	/* The last call's frame is not borrowed any more. */
	if (!session->held && session->kept.size > ROOM_KEPT_MAX)
		room_drop(&session->kept);
	if (!arrived->size) {
		give_back_plain(session);
		return SESSION_WAIT;
	}
	if (session->held || arrived->size < LENGTH_SIZE)
		return keep_message(session, arrived, ret_frame, err);
	if (!is_length_right(message, &size, err))
		return break_session(session);
	if (arrived->size < LENGTH_SIZE + size)
		return keep_message(session, arrived, ret_frame, err);
	*arrived = bytes_of(message + LENGTH_SIZE + size, arrived->size - LENGTH_SIZE - size);
	room_grow(&session->plain, size, 0);
	return open_message(session, message, size, session->plain.data, ret_frame, err);
}

enum session_step session_next(struct session *session, struct bytes *arrived, struct buf *out, struct bytes *ret_frame,
			       struct err *err)
{
	if (session->state == BROKEN) {
		fail(err, E_DENIED, "this session is broken: close its link");
		return SESSION_BROKEN;
	}
	if (session->state == UP)
		return take_message(session, arrived, ret_frame, err);
	return shake_hands(session, arrived, out, err);
}

static struct session *make_session(const struct session_self *self, enum role role, const uint8_t random[32],
				    struct mono_time now)
{
	struct session *session = must_alloc(sizeof *session);

	session->self = self;
	session->role = role;
	session->made = now;
	session->state = role == DIALLER ? AWAIT_PROOF : AWAIT_HELLO;
	memcpy(session->secrets.ephemeral, random, sizeof session->secrets.ephemeral);
	begin_transcript(session);
	return session;
}

struct session *session_dial(const struct session_self *self, struct key32 peer, const uint8_t random[32],
			     struct mono_time now, struct buf *out)
{
	static const uint8_t padding[HELLO_SIZE - OPEN_SIZE] = { 0 };
	struct session *session = make_session(self, DIALLER, random, now);
	uint8_t room[HELLO_SIZE];
	struct buf hello = buf_over(room, sizeof room);

	session->peer.key = peer;
	put_open(session, &hello);
	buf_put(&hello, padding, sizeof padding);
	absorb(session, buf_bytes(&hello));
	buf_put_bytes(out, buf_bytes(&hello));
	return session;
}

struct session *session_accept(const struct session_self *self, const uint8_t random[32], struct mono_time now)
{
	return make_session(self, ACCEPTOR, random, now);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	break_session(session);
	sodium_memzero(session, sizeof *session);
	free(session);
}

void session_send(struct session *session, struct bytes frame, struct buf *out)
{
	size_t size = frame.size + SEAL_TAG;
	uint8_t *message;

	assert(session->state == UP && frame.size <= SESSION_FRAME_MAX);
	message = buf_take(out, LENGTH_SIZE + size);
	if (!message)
		return;
	put_number(message, size, LENGTH_SIZE);
	memcpy(session->bound, message, LENGTH_SIZE);
	seal_close(&session->secrets.sends, bytes_of(session->bound, sizeof session->bound), frame,
		   message + LENGTH_SIZE);
}

const struct session_peer *session_peer(const struct session *session)
{
	assert(session->peer.node);
	return &session->peer;
}

bool session_is_up(const struct session *session)
{
	return session->state == UP;
}

bool session_is_old(const struct session *session, struct mono_time now)
{
	const struct secrets *secrets = &session->secrets;

	return mono_since_ns(now, session->made) >= SESSION_AGE_MAX_NS ||
	       secrets->sends.counter >= SESSION_MESSAGES_MAX || secrets->opens.counter >= SESSION_MESSAGES_MAX;
}

size_t session_size(const struct session *session)
{
	return sizeof *session + session->kept.size + session->plain.size;
}
