/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay_ack.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <stdlib.h>

static void word_done(struct region_word *word)
{
	vector_done(&word->least);
	vector_done(&word->most);
}

void relay_words_done(struct relay_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		word_done(&words->all[i]);
	free(words->all);
	free(words->near.all);
	free(words->far.all);
	free(words->all_near.all);
	free(words->all_far.all);
	*words = (struct relay_words){ 0 };
}

static bool is_relay(const struct mesh *mesh)
{
	return mesh->relay.is_on && mesh->relay.rank < RELAYS;
}

static bool is_near(const struct mesh *mesh, const struct peer *peer)
{
	return peer->place && mesh->relay.own && peer->place->region == mesh->relay.own->region;
}

bool relay_hears(const struct mesh *mesh, const struct peer *peer)
{
	return !mesh->relay.is_on || (is_relay(mesh) && is_near(mesh, peer));
}

static struct region_word *find_word(const struct mesh *mesh, uint64_t region)
{
	const struct relay_words *words = &mesh->relay.words;

	for (size_t i = 0; i < words->count; i++)
		if (words->all[i].region == region)
			return &words->all[i];
	return NULL;
}

const struct region_word *relay_word_of(const struct mesh *mesh, uint64_t region, uint64_t set)
{
	const struct region_word *word = find_word(mesh, region);

	return word && !word->is_partial && word->set == set ? word : NULL;
}

size_t relay_words_count(const struct mesh *mesh)
{
	if (!mesh->relay.is_on)
		return 0;
	return is_relay(mesh) ? mesh->relay.map.regions_count - 1 : 1;
}

/* Of a relay's, its own region is left out. */
const struct region_word *relay_word(const struct mesh *mesh, size_t at)
{
	const struct relay_map *map = &mesh->relay.map;
	const struct relay_region *region;

	if (!is_relay(mesh))
		return relay_word_of(mesh, 0, map->set);
	region = &map->regions[at];
	if (region >= relay_map_region(map, mesh->relay.own))
		region++;
	return relay_word_of(mesh, region->region, region->set);
}

enum { CHECKED = 8, SEEN_TRIES = 8 };

/* An item in the making: which of the ends that others have lie on this member's chain. */
struct narrowing {
	struct mesh *mesh;
	struct region_item item;
	struct end own, stable;
	struct end ends[CHECKED];
	bool is_on[CHECKED];
	size_t count;
};

/* Behind this member's own end; what it cannot read is not there. */
static bool find_end(struct mesh *mesh, struct stream stream, struct end end)
{
	struct store_txn *txn;
	struct logged logged;

	return !mesh_reader(mesh, &txn, NULL) && !log_find(txn, stream, end, &logged, NULL);
}

/* Of several who stand on two branches the least alone says nothing of the others. */
static bool is_on_chain(struct narrowing *n, struct end end)
{
	size_t at;

	/* What is ahead of this member nobody can place yet. */
	if (end.seq <= n->stable.seq || end.seq > n->own.seq || end_equal(end, n->own))
		return true;
	for (size_t i = 0; i < n->count && i < CHECKED; i++)
		if (end_equal(n->ends[i], end))
			return n->is_on[i];
	at = n->count++ % CHECKED;
	n->ends[at] = end;
	n->is_on[at] = find_end(n->mesh, n->item.stream, end);
	return n->is_on[at];
}

static void narrow(struct narrowing *n, struct end least, struct end most)
{
	if (!is_on_chain(n, least))
		least = n->stable;
	if (least.seq < n->item.least.seq)
		n->item.least = least;
	if (most.seq > n->item.most.seq)
		n->item.most = most;
}

/* Of the peer, while its new link has not said where it stands, what it said on the one before. */
static struct end peer_end(const struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	struct end end = relay_end(mesh, peer, stream), was = relay_said(mesh, &peer->was, stream);

	return (!peer->link || !peer->link->has_shown) && was.seq > end.seq ? was : end;
}

static struct narrowing begin_item(struct mesh *mesh, struct stream stream)
{
	struct narrowing n = { .mesh = mesh, .own = relay_said(mesh, &mesh->vector, stream) };

	n.stable = relay_floor(mesh, NULL, stream);
	n.item = (struct region_item){ stream, n.own, n.own };
	return n;
}

static void narrow_near(struct narrowing *n)
{
	const struct mesh *mesh = n->mesh;
	const struct relay_region *region = relay_map_region(&mesh->relay.map, mesh->relay.own);

	/* Who is near is not known in the middle of a change. */
	if (mesh->relay.is_stale) {
		n->item.least = n->item.most = n->stable;
		return;
	}
	for (uint32_t i = 0; i < region->count; i++) {
		const struct peer *peer = mesh->relay.near[i];
		struct end end;

		if (!peer)
			continue;
		end = peer_end(mesh, peer, n->item.stream);
		narrow(n, end, end);
	}
}

/* What this region has, as its relay knows. */
static struct region_item near_item(struct mesh *mesh, struct stream stream)
{
	struct narrowing n = begin_item(mesh, stream);

	narrow_near(&n);
	return n.item;
}

/* What everybody has. */
static struct region_item far_item(struct mesh *mesh, struct stream stream)
{
	struct narrowing n = begin_item(mesh, stream);

	if (is_relay(mesh))
		narrow_near(&n);
	for (size_t i = 0; i < relay_words_count(mesh); i++) {
		const struct region_word *word = relay_word(mesh, i);

		narrow(&n, word ? relay_said(mesh, &word->least, stream) : n.stable,
		       word ? relay_said(mesh, &word->most, stream) : n.stable);
	}
	return n.item;
}

struct end relay_least(struct mesh *mesh, struct stream stream)
{
	return far_item(mesh, stream).least;
}

static bool is_level(struct mesh *mesh, struct stream stream)
{
	struct region_item item = far_item(mesh, stream);
	size_t count;

	vector_ends(&mesh->vector, stream, &count);
	return count == 1 && vector_has(&mesh->vector, stream, item.least) &&
	       vector_has(&mesh->vector, stream, item.most);
}

static bool are_level(struct mesh *mesh, const struct vector *vector, uint64_t node, uint64_t start)
{
	bool is_so = true;

	for (size_t i = 0; i < vector->count; i++) {
		struct stream stream = vector->all[i].stream;

		if (stream.node == node && (!start || stream.start == start))
			is_so = is_so && is_level(mesh, stream);
	}
	return is_so;
}

bool relay_agrees(struct mesh *mesh, uint64_t node, uint64_t start)
{
	bool agrees = are_level(mesh, &mesh->vector, node, start);

	/* What somebody has and this member has not is in what was said alone. */
	for (size_t i = 0; agrees && i < relay_words_count(mesh); i++) {
		const struct region_word *word = relay_word(mesh, i);

		agrees = word && are_level(mesh, &word->most, node, start);
	}
	for (const struct link *link = mesh->links; agrees && link; link = link->next)
		agrees = !link->peer || are_level(mesh, &link->peer->acked, node, start);
	return agrees;
}

/* --- What comes. */

static struct region_word *take_word(struct mesh *mesh, uint64_t region)
{
	struct relay_words *words = &mesh->relay.words;
	struct region_word *word = find_word(mesh, region);

	if (word)
		return word;
	words->all = must_realloc(words->all, (words->count + 1) * sizeof *words->all);
	words->all[words->count] = (struct region_word){ .region = region };
	return &words->all[words->count++];
}

/*
 * A relay speaks of its own region; to the members of it also of others, and of everybody. Whoever is a relay itself
 * hears of each region from that region's.
 */
static bool may_speak(const struct mesh *mesh, const struct peer *peer, uint64_t region)
{
	const struct relay_map *map = &mesh->relay.map;

	if (!mesh->relay.is_on || !peer->place || !mesh->relay.own || relay_map_rank(map, peer->place) == RELAYS)
		return false;
	if (region == peer->place->region)
		return true;
	for (uint32_t i = 0; is_near(mesh, peer) && !is_relay(mesh) && i < map->regions_count; i++)
		if (map->regions[i].region == region)
			return true;
	return is_near(mesh, peer) && !region;
}

/* Of a region an author hears what that has of its own streams. Nobody fills this memory with what does not exist. */
static bool is_expected(const struct mesh *mesh, const struct peer *peer, uint64_t region, struct stream stream)
{
	if (region && is_near(mesh, peer))
		return stream.node == mesh->node && vector_find(&mesh->vector, stream);
	return members_find(mesh->t0.members, stream.node);
}

/* What was said of others says nothing of these. */
static void begin_word(struct region_word *word, uint64_t set)
{
	if (word->set == set)
		return;
	word_done(word);
	*word = (struct region_word){ .region = word->region, .set = set };
}

static void note_item(struct mesh *mesh, struct region_word *word, const struct region_item *item)
{
	bool went_back = item->least.seq < vector_seq(&word->least, item->stream);

	vector_note(&word->least, item->stream, item->least);
	vector_note(&word->most, item->stream, item->most);
	if (went_back)
		stable_went_back(mesh);
	mesh->counts.went_back += went_back;
}

enum code relay_hear(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct reader items = frame->region.items;
	struct region_item item;
	struct region_word *word;

	/* Two members may see for a while another map. */
	if (!may_speak(mesh, link->peer, frame->region.region))
		return OK;
	mesh->counts.region_word++;
	word = take_word(mesh, frame->region.region);
	begin_word(word, frame->region.set);
	word->is_partial = !frame->region.is_last;
	while (frame_next_region_item(&items, &item)) {
		if (!is_expected(mesh, link->peer, word->region, item.stream))
			continue;
		note_item(mesh, word, &item);
		relay_touch(mesh, NULL, item.stream);
	}
	mesh->stable.is_touched = true;
	mesh->pendings.is_touched = true;
	if (word->most.count <= ACK_STREAMS_MAX)
		return OK;
	begin_word(word, 0);
	return fail(err, E_LIMIT, "it named more than %d streams", ACK_STREAMS_MAX);
}

void relay_words_refresh(struct mesh *mesh)
{
	const struct relay_map *map = &mesh->relay.map;
	struct relay_words *words = &mesh->relay.words;
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++) {
		struct region_word word = words->all[i];
		bool is_there = !word.region;

		for (uint32_t k = 0; !is_there && k < map->regions_count; k++)
			is_there = map->regions[k].region == word.region;
		if (is_there)
			words->all[kept++] = word;
		else
			word_done(&word);
	}
	words->count = kept;
}

/* --- What is said. */

/* Whoever says the same stream over and over takes no more room than by saying it once. */
static void note_touched(struct relay_words *words, struct stream stream)
{
	static const struct hash_key key = { "warren touched.." };
	const struct recent *touched = &words->touched;
	uint64_t parts[] = { stream.node, stream.start, stream.lane };
	uint64_t hash = hash_keyed(key, bytes_of(parts, sizeof parts)), *place = NULL;

	for (size_t i = 0; i < SEEN_TRIES; i++) {
		uint64_t *seen = &words->seen[(hash + i) % COUNT(words->seen)];
		bool is_new = *seen > words->told && *seen + ACK_RECENT > touched->at;

		if (is_new && !stream_compare(&touched->all[(*seen - 1) % ACK_RECENT], &stream))
			return;
		if (!place || !is_new)
			place = seen;
	}
	ack_note(&words->touched, stream);
	*place = touched->at;
}

void relay_touch(struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	struct relay_words *words = &mesh->relay.words;

	if (!is_relay(mesh) || (peer && !is_near(mesh, peer)))
		return;
	note_touched(words, stream);
	if (!words->due.ns)
		words->due.ns = mesh->now.ns + RELAY_WORD_PROMPT;
	if (!words->due_all.ns)
		words->due_all.ns = mesh->now.ns + RELAY_WORD_SLOW;
}

static struct region_item *add_item(struct region_items *items)
{
	if (items->count == items->room) {
		items->room = items->room ? 2 * items->room : 16;
		items->all = must_realloc(items->all, items->room * sizeof *items->all);
	}
	return &items->all[items->count++];
}

static int compare_streams(const void *a, const void *b)
{
	return stream_compare(a, b);
}

typedef struct region_item make_item(struct mesh *mesh, struct stream stream);

static void add_all(struct mesh *mesh, struct region_items *items, make_item *make)
{
	const struct vector *own = &mesh->vector;

	for (size_t i = 0; i < own->count; i++)
		if (!i || stream_compare(&own->all[i - 1].stream, &own->all[i].stream))
			*add_item(items) = make(mesh, own->all[i].stream);
}

/* Of all that was touched since; of everything, where that is too long ago. */
static void make_items(struct mesh *mesh, struct region_items *items, uint64_t since, make_item *make)
{
	const struct recent *touched = &mesh->relay.words.touched;
	struct stream streams[ACK_RECENT];
	size_t count = 0;

	items->count = 0;
	if (touched->at - since > ACK_RECENT) {
		add_all(mesh, items, make);
		return;
	}
	for (uint64_t i = since; i < touched->at; i++)
		streams[count++] = touched->all[i % ACK_RECENT];
	qsort(streams, count, sizeof *streams, compare_streams);
	for (size_t i = 0; i < count; i++)
		if (!i || stream_compare(&streams[i - 1], &streams[i]))
			*add_item(items) = make(mesh, streams[i]);
}

static void forget_all(struct relay_words *words)
{
	free(words->all_near.all);
	free(words->all_far.all);
	words->all_near = (struct region_items){ 0 };
	words->all_far = (struct region_items){ 0 };
	words->all_made.ns = 0;
}

/* Many links come up at one time, and all are told the same. */
static void make_all(struct mesh *mesh)
{
	struct relay_words *words = &mesh->relay.words;

	if (words->all_made.ns == mesh->now.ns)
		return;
	forget_all(words);
	words->all_made = mesh->now;
	add_all(mesh, &words->all_near, near_item);
	add_all(mesh, &words->all_far, far_item);
}

static bool serves(const struct mesh *mesh, const struct peer *peer)
{
	return is_relay(mesh) && peer->place && peer->place != mesh->relay.twin &&
	       relay_serves(mesh, mesh->relay.own, peer);
}

/* When all of this region may be said again; 0: it need not. */
static struct mono_time whole_due(const struct relay_words *words)
{
	return (struct mono_time){ words->is_behind ? words->whole.ns + RELAY_WORD_WHOLE : 0 };
}

/* Where more was touched than is kept, the newest; and all of it, once that may be said. */
static void make_near(struct mesh *mesh)
{
	struct relay_words *words = &mesh->relay.words;
	uint64_t since = words->told;

	if (words->touched.at - since > ACK_RECENT) {
		words->is_behind = true;
		since = words->touched.at - ACK_RECENT;
	}
	if (words->is_behind && whole_due(words).ns <= mesh->now.ns) {
		words->is_behind = false;
		words->whole = mesh->now;
		words->near.count = 0;
		add_all(mesh, &words->near, near_item);
	} else {
		make_items(mesh, &words->near, since, near_item);
	}
	words->told = words->touched.at;
}

static bool is_due(const struct mesh *mesh, struct mono_time due)
{
	return due.ns && due.ns <= mesh->now.ns;
}

void relay_words_tick(struct mesh *mesh)
{
	struct relay_words *words = &mesh->relay.words;
	bool is_all = is_due(mesh, words->due_all);

	if (words->all_made.ns && words->all_made.ns != mesh->now.ns)
		forget_all(words);
	if (!is_relay(mesh) || (!is_due(mesh, words->due) && !is_due(mesh, whole_due(words)) && !is_all))
		return;
	words->due.ns = 0;
	words->far.count = 0;
	make_near(mesh);
	if (is_all) {
		words->due_all.ns = 0;
		make_items(mesh, &words->far, words->told_all, far_item);
		words->told_all = words->touched.at;
	}
	for (struct link *link = mesh->links; link; link = link->next)
		if (link_is_open(mesh, link) && serves(mesh, link->peer) && link->peer->has_words)
			link_owe(mesh, link, OWED_WORDS);
}

struct mono_time relay_words_next(const struct mesh *mesh)
{
	const struct relay_words *words = &mesh->relay.words;
	uint64_t due[] = { words->due.ns, words->due_all.ns, whole_due(words).ns }, next = UINT64_MAX;

	for (size_t i = 0; is_relay(mesh) && i < COUNT(due); i++)
		next = due[i] && due[i] < next ? due[i] : next;
	return (struct mono_time){ next };
}

/* Of whom the peer is told. */
static uint64_t set_for(const struct mesh *mesh, const struct peer *peer)
{
	const struct relay_map *map = &mesh->relay.map;

	return is_near(mesh, peer) ? map->set : relay_map_region(map, mesh->relay.own)->set;
}

void relay_words_age(struct mesh *mesh, struct link *link)
{
	struct peer *peer = link->peer;
	bool is_served = serves(mesh, peer);

	/* Of others than before, all of it. */
	peer->has_words = peer->has_words && is_served && peer->words_set == set_for(mesh, peer);
	if (is_served && !peer->has_words)
		link_owe(mesh, link, OWED_WORDS);
}

static void send_items(struct mesh *mesh, struct link *link, uint64_t region, uint64_t set,
		       const struct region_items *items)
{
	size_t i = 0;

	/* One without items says of whom the next ones are. */
	if (!items->count && link->peer->words_set == set_for(mesh, link->peer))
		return;
	do {
		size_t count = items->count - i < FRAME_REGION_MAX ? items->count - i : FRAME_REGION_MAX;

		buf_clear(&mesh->frame);
		frame_put_region(&mesh->frame, region, set, i + count == items->count, items->all + i, count);
		link_send(mesh, link);
		i += count;
	} while (i < items->count);
}

/* To an author what each region has of its streams. */
static void tell_author(struct mesh *mesh, struct link *link, const struct region_items *near)
{
	const struct relay_map *map = &mesh->relay.map;
	struct region_items some = { 0 };

	for (uint32_t k = 0; k < map->regions_count; k++) {
		const struct relay_region *region = &map->regions[k];
		bool is_own = region->region == mesh->relay.own->region;
		const struct region_word *word = is_own ? NULL : relay_word_of(mesh, region->region, region->set);

		some.count = 0;
		for (size_t i = 0; (is_own || word) && i < near->count; i++) {
			struct stream stream = near->all[i].stream;

			if (stream.node != link->peer->node)
				continue;
			*add_item(&some) = near->all[i];
			if (is_own)
				continue;
			some.all[some.count - 1].least = relay_said(mesh, &word->least, stream);
			some.all[some.count - 1].most = relay_said(mesh, &word->most, stream);
		}
		send_items(mesh, link, region->region, region->set, &some);
	}
	free(some.all);
}

void relay_words_flush(struct mesh *mesh, struct link *link)
{
	const struct relay_map *map = &mesh->relay.map;
	struct region_items near = mesh->relay.words.near, far = mesh->relay.words.far;

	if (!(link->owed & OWED_WORDS) || !serves(mesh, link->peer))
		return;
	if (!link->peer->has_words || link->peer->words_set != set_for(mesh, link->peer)) {
		make_all(mesh);
		near = mesh->relay.words.all_near;
		far = mesh->relay.words.all_far;
		link->peer->has_words = true;
	}
	if (is_near(mesh, link->peer)) {
		send_items(mesh, link, 0, map->set, &far);
		tell_author(mesh, link, &near);
	} else {
		send_items(mesh, link, mesh->relay.own->region, set_for(mesh, link->peer), &near);
	}
	link->peer->words_set = set_for(mesh, link->peer);
}
