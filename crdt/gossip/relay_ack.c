/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay_ack.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

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

static const struct region_word *usable(const struct mesh *mesh, uint64_t region, uint32_t members)
{
	const struct region_word *word = find_word(mesh, region);

	return word && !word->is_partial && word->members == members ? word : NULL;
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
		return usable(mesh, 0, map->count);
	region = &map->regions[at];
	if (region >= relay_map_region(map, mesh->relay.own))
		region++;
	return usable(mesh, region->region, region->count);
}

static void narrow(struct region_item *item, struct end least, struct end most)
{
	if (least.seq < item->least.seq)
		item->least = least;
	if (most.seq > item->most.seq)
		item->most = most;
}

/* Of the peer, while its new link has not said where it stands, what it said on the one before. */
static struct end peer_end(const struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	struct end end = relay_end(mesh, peer, stream), was = relay_said(mesh, &peer->was, stream);

	return (!peer->link || !peer->link->has_shown) && was.seq > end.seq ? was : end;
}

static struct region_item own_item(const struct mesh *mesh, struct stream stream)
{
	struct end own = relay_said(mesh, &mesh->vector, stream);

	return (struct region_item){ stream, own, own };
}

/* What this region has, as its relay knows. */
static struct region_item near_item(const struct mesh *mesh, struct stream stream)
{
	const struct relay_map *map = &mesh->relay.map;
	const struct relay_region *region = relay_map_region(map, mesh->relay.own);
	struct region_item item = own_item(mesh, stream);
	struct end stable = relay_floor(mesh, NULL, stream);

	/* Who is near is not known in the middle of a change. */
	if (mesh->relay.is_stale)
		return (struct region_item){ stream, stable, stable };
	for (uint32_t i = 0; i < region->count; i++) {
		const struct peer *peer = mesh->relay.near[i];
		struct end end;

		if (!peer)
			continue;
		end = peer_end(mesh, peer, stream);
		narrow(&item, end, end);
	}
	return item;
}

/* What everybody has. */
static struct region_item far_item(const struct mesh *mesh, struct stream stream)
{
	struct region_item item = is_relay(mesh) ? near_item(mesh, stream) : own_item(mesh, stream);

	for (size_t i = 0; i < relay_words_count(mesh); i++) {
		const struct region_word *word = relay_word(mesh, i);
		struct end stable = relay_floor(mesh, NULL, stream);

		narrow(&item, word ? relay_said(mesh, &word->least, stream) : stable,
		       word ? relay_said(mesh, &word->most, stream) : stable);
	}
	return item;
}

struct end relay_least(const struct mesh *mesh, struct stream stream)
{
	return far_item(mesh, stream).least;
}

static bool is_level(const struct mesh *mesh, struct stream stream)
{
	struct region_item item = far_item(mesh, stream);
	size_t count;

	vector_ends(&mesh->vector, stream, &count);
	return count == 1 && vector_has(&mesh->vector, stream, item.least) &&
	       vector_has(&mesh->vector, stream, item.most);
}

static bool are_level(const struct mesh *mesh, const struct vector *vector, uint64_t node, uint64_t start)
{
	bool is_so = true;

	for (size_t i = 0; i < vector->count; i++) {
		struct stream stream = vector->all[i].stream;

		if (stream.node == node && (!start || stream.start == start))
			is_so = is_so && is_level(mesh, stream);
	}
	return is_so;
}

bool relay_agrees(const struct mesh *mesh, uint64_t node, uint64_t start)
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

/* --- Copies. */

/* Of a region, so many whose acknowledgements came here themselves. */
static enum code count_heard(struct mesh *mesh, const struct relay_region *region, struct stream stream, uint64_t seq,
			     uint32_t *ret_count, struct err *err)
{
	enum code code = OK;

	for (struct link *link = mesh->links; !code && link; link = link->next) {
		const struct peer *peer = link->peer;
		struct end end = peer && peer->link == link ? relay_end(mesh, peer, stream) : (struct end){ 0 };
		bool is_on = false;

		if (!end.seq || end.seq < seq || !peer->place || peer->place->region != region->region)
			continue;
		code = ack_is_on_chain(mesh, stream, end, &is_on, err);
		*ret_count += is_on;
	}
	return code;
}

/* And by what was said of it. */
static enum code count_said(struct mesh *mesh, const struct relay_region *region, struct stream stream, uint64_t seq,
			    uint32_t *ret_count, struct err *err)
{
	const struct region_word *word = usable(mesh, region->region, region->count);
	const struct end *least = word ? vector_find(&word->least, stream) : NULL;
	const struct end *most = word ? vector_find(&word->most, stream) : NULL;
	bool is_own = region->region == mesh->relay.own->region, is_on = false;
	enum code code = OK;

	if (least && least->seq >= seq) {
		code = ack_is_on_chain(mesh, stream, *least, &is_on, err);
		*ret_count = is_on ? region->count - is_own : 0;
	} else if (most && most->seq >= seq && !is_own) {
		code = ack_is_on_chain(mesh, stream, *most, &is_on, err);
		*ret_count = is_on;
	}
	return code;
}

enum code relay_copies(struct mesh *mesh, struct stream stream, uint64_t seq, uint32_t *ret_copies, struct err *err)
{
	const struct relay_map *map = &mesh->relay.map;
	uint32_t copies = 0;
	enum code code = OK;

	for (uint32_t i = 0; !code && mesh->relay.own && i < map->regions_count; i++) {
		uint32_t heard = 0, said = 0;

		code = count_heard(mesh, &map->regions[i], stream, seq, &heard, err);
		if (!code)
			code = count_said(mesh, &map->regions[i], stream, seq, &said, err);
		copies += heard > said ? heard : said;
	}
	if (!code)
		*ret_copies = copies;
	return code;
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

/* A relay speaks of its own region; to the members of it also of others, and of everybody. */
static bool may_speak(const struct mesh *mesh, const struct peer *peer, uint64_t region)
{
	const struct relay_map *map = &mesh->relay.map;

	if (!mesh->relay.is_on || !peer->place || !mesh->relay.own || relay_map_rank(map, peer->place) == RELAYS)
		return false;
	if (region == peer->place->region)
		return true;
	for (uint32_t i = 0; is_near(mesh, peer) && i < map->regions_count; i++)
		if (map->regions[i].region == region)
			return true;
	return is_near(mesh, peer) && !region;
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
	word->members = frame->region.members;
	word->is_partial = !frame->region.is_last;
	while (frame_next_region_item(&items, &item)) {
		/* Nobody fills this memory with what does not exist. */
		if (!members_find(mesh->t0.members, item.stream.node))
			continue;
		note_item(mesh, word, &item);
		relay_touch(mesh, NULL, item.stream);
	}
	mesh->stable.is_touched = true;
	mesh->pendings.is_touched = true;
	if (word->most.count > ACK_STREAMS_MAX)
		return fail(err, E_LIMIT, "it named more than %d streams", ACK_STREAMS_MAX);
	return OK;
}

/* --- What is said. */

void relay_touch(struct mesh *mesh, const struct peer *peer, struct stream stream)
{
	struct relay_words *words = &mesh->relay.words;

	if (!is_relay(mesh) || (peer && !is_near(mesh, peer)))
		return;
	ack_note(&words->touched, stream);
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

typedef struct region_item make_item(const struct mesh *mesh, struct stream stream);

static void add_all(const struct mesh *mesh, struct region_items *items, make_item *make)
{
	const struct vector *own = &mesh->vector;

	for (size_t i = 0; i < own->count; i++)
		if (!i || stream_compare(&own->all[i - 1].stream, &own->all[i].stream))
			*add_item(items) = make(mesh, own->all[i].stream);
}

/* Of all that was touched since; of everything, where that is too long ago. */
static void make_items(const struct mesh *mesh, struct region_items *items, uint64_t since, make_item *make)
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
	if (count > 1)
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

void relay_words_tick(struct mesh *mesh)
{
	struct relay_words *words = &mesh->relay.words;
	bool is_all = words->due_all.ns && words->due_all.ns <= mesh->now.ns;

	if (words->all_made.ns && words->all_made.ns != mesh->now.ns)
		forget_all(words);

	if (!words->due.ns || words->due.ns > mesh->now.ns)
		if (!is_all)
			return;
	words->due.ns = 0;
	words->far.count = 0;
	make_items(mesh, &words->near, words->told, near_item);
	words->told = words->touched.at;
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
	uint64_t next = words->due.ns ? words->due.ns : UINT64_MAX;

	if (words->due_all.ns && words->due_all.ns < next)
		next = words->due_all.ns;
	return (struct mono_time){ next };
}

void relay_words_age(struct mesh *mesh, struct link *link)
{
	bool is_served = serves(mesh, link->peer);

	if (is_served && (!link->peer->has_words || link->peer->words_members != mesh->relay.map.count))
		link_owe(mesh, link, OWED_WORDS);
	link->peer->has_words &= is_served;
}

static void send_items(struct mesh *mesh, struct link *link, uint64_t region, uint32_t members,
		       const struct region_items *items)
{
	size_t i = 0;

	/* One without items says of how many the others are. */
	if (!items->count && link->peer->words_members == mesh->relay.map.count)
		return;
	do {
		size_t count = items->count - i < FRAME_REGION_MAX ? items->count - i : FRAME_REGION_MAX;

		buf_clear(&mesh->frame);
		frame_put_region(&mesh->frame, region, members, i + count == items->count, items->all + i, count);
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
		const struct region_word *word = is_own ? NULL : usable(mesh, region->region, region->count);

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
		send_items(mesh, link, region->region, region->count, &some);
	}
	free(some.all);
}

void relay_words_flush(struct mesh *mesh, struct link *link)
{
	const struct relay_map *map = &mesh->relay.map;
	struct region_items near = mesh->relay.words.near, far = mesh->relay.words.far;

	if (!(link->owed & OWED_WORDS) || !serves(mesh, link->peer))
		return;
	if (!link->peer->has_words) {
		make_all(mesh);
		near = mesh->relay.words.all_near;
		far = mesh->relay.words.all_far;
		link->peer->has_words = true;
	}
	if (is_near(mesh, link->peer)) {
		send_items(mesh, link, 0, map->count, &far);
		tell_author(mesh, link, &near);
	} else {
		send_items(mesh, link, mesh->relay.own->region, relay_map_region(map, mesh->relay.own)->count, &near);
	}
	link->peer->words_members = map->count;
}
