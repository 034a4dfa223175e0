/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay_ack.h"

#include "crdt/gossip/link.h"

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
	const struct region_word *word = relay_word_of(mesh, region->region, region->set);
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
