/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/estate.h"

#include "tests/unit/base/check.h"

#include "crdt/state/state.h"

static struct signer root_signer(void)
{
	return realm_signer(200, 200);
}

static struct signer node_signer(uint64_t node)
{
	return realm_signer((uint8_t)node, (uint8_t)node);
}

void estate_start(struct estate *estate, uint64_t seed)
{
	struct signer root = root_signer(), recovery = realm_signer(201, 201);

	memset(estate, 0, sizeof *estate);
	putting_start(&estate->p, seed);
	realm_begin(&estate->realm, &root, &recovery);
	estate_admit(estate, 1, 1, (struct id){ { 0 } });
	estate_members(estate);
}

void estate_end(struct estate *estate)
{
	members_free(estate->members);
	realm_end(&estate->realm);
	arena_done(&estate->realm.arena);
	putting_end(&estate->p);
}

void estate_admit(struct estate *estate, uint64_t node, uint64_t sponsor, struct id gateway)
{
	struct signer root = root_signer(), once = realm_signer((uint8_t)node, 100), by = node_signer(sponsor);
	struct invite_row row = {
		.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires),
		.key = once.key,
		.sponsor = by.key,
		.gateway = gateway,
		.expires = { 1000 },
	};

	realm_admit(&estate->realm, &by, &once, realm_say(&estate->realm, &root, KIND_TABLE(invite), &row)->id,
		    node_signer(node).key);
}

void estate_double(struct estate *estate, uint64_t node, uint64_t sponsor)
{
	const struct member *member = members_find(estate->members, node);
	struct signer once = realm_signer((uint8_t)node, 100), by = node_signer(sponsor);

	realm_admit(&estate->realm, &by, &once, member->invite, realm_signer(202, (uint8_t)(node + 100)).key);
}

void estate_evict(struct estate *estate, uint64_t node, uint64_t heir)
{
	struct signer root = root_signer();
	const struct statement *said;
	struct id standing[ESTATE_NODES];
	size_t members, count = 0;
	const struct member *all = members_all(estate->members, &members);

	/* Those whom it let in stay. */
	for (size_t i = 0; i < members && count < ESTATE_NODES; i++)
		if (all[i].sponsor == node && all[i].node != node)
			standing[count++] = all[i].admission;
	said = realm_evict(&estate->realm, &root, node_signer(node).key, node_signer(heir).key, standing, count);
	assert_true(estate->evictions_count < ESTATE_SAID);
	estate->evictions[estate->evictions_count++] = (struct estate_word){ node, heir, said->hash };
}

void estate_grant(struct estate *estate, uint64_t node, uint64_t heir)
{
	struct signer root = root_signer();
	struct grant_row row = { .has = BIT(AT_grant_key) | BIT(AT_grant_heir),
				 .key = node_signer(node).key,
				 .heir = node_signer(heir).key };

	assert_true(estate->grants_count < ESTATE_SAID);
	estate->grants[estate->grants_count++] =
		(struct estate_word){ node, heir, realm_say(&estate->realm, &root, KIND_TABLE(grant), &row)->hash };
}

void estate_members(struct estate *estate)
{
	members_free(estate->members);
	estate->members = members_make(estate->realm.cluster, estate->realm.all, estate->realm.count);
}

uint32_t estate_number(const char *address)
{
	struct address parsed;

	assert_int_equal(address_parse(bytes_text(address), &parsed, NULL), OK);
	return (uint32_t)parsed.bytes[0] << 24 | (uint32_t)parsed.bytes[1] << 16 | (uint32_t)parsed.bytes[2] << 8 |
	       parsed.bytes[3];
}

struct pool_row estate_pool(struct estate *estate, const char *network, uint64_t maker, struct id gateway)
{
	struct pool_row row = { .has = BIT(AT_pool_network4) | BIT(AT_pool_maker) | BIT(AT_pool_name),
				.maker = maker,
				.name = bytes_text("pool") };
	struct id id;

	assert_int_equal(network_parse(bytes_text(network), &row.network4, NULL), OK);
	if (!id_is_zero(gateway)) {
		row.has |= BIT(AT_pool_gateway);
		row.gateway = gateway;
	}
	id = put_row(&estate->p, KIND_TABLE(pool), &row, 1);
	assert_int_equal(state_row(estate->p.txn, KIND_TABLE(pool), id, &row, NULL), OK);
	row.nonce = (struct bytes){ 0 };
	row.name = bytes_text("pool");
	return row;
}

struct id estate_give(struct estate *estate, const struct pool_row *pool, uint64_t giver, uint64_t taker,
		      uint32_t first, uint32_t last, const struct id *before)
{
	struct transfer_row row = {
		.has = BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
		       BIT(AT_transfer_first) | BIT(AT_transfer_last) | (before ? BIT(AT_transfer_before) : 0),
		.giver = giver,
		.pool = pool->id,
		.taker = taker,
		.first = block_address(first),
		.last = block_address(last),
	};

	if (before)
		row.before = *before;
	row.id = put_row(&estate->p, KIND_TABLE(transfer), &row, 1);
	assert_true(estate->gifts_count < ESTATE_GIFTS);
	estate->gifts[estate->gifts_count++] = row;
	return row.id;
}

struct id estate_lease(struct estate *estate, const struct pool_row *pool, struct id device, uint32_t address,
		       uint64_t author)
{
	struct lease_row row = {
		.has = BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) | BIT(AT_lease_author),
		.device = device,
		.pool = pool->id,
		.address = block_address(address),
		.author = author,
	};

	return put_row(&estate->p, KIND_TABLE(lease), &row, 1);
}

static const struct estate_word *word_of(const struct estate_word *all, size_t count, uint64_t node)
{
	const struct estate_word *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (all[i].node == node && (!best || memcmp(&all[i].hash, &best->hash, sizeof best->hash) < 0))
			best = &all[i];
	return best;
}

static const struct member *standing(const struct estate *estate, uint64_t node)
{
	const struct member *member = members_find(estate->members, node);

	return member && !member->is_evicted ? member : NULL;
}

static bool is_in(const uint64_t *line, size_t count, uint64_t node)
{
	for (size_t i = 0; i < count; i++)
		if (line[i] == node)
			return true;
	return false;
}

/* On from the last of the line while it is evicted. */
static size_t walk_on(const struct estate *estate, uint64_t *line, size_t count)
{
	for (;;) {
		const struct member *last = members_find(estate->members, line[count - 1]);
		const struct estate_word *eviction =
			word_of(estate->evictions, estate->evictions_count, line[count - 1]);
		uint64_t next;

		if (!last || !last->is_evicted)
			return count;
		next = eviction ? eviction->heir : last->sponsor;
		if (!members_find(estate->members, next) || is_in(line, count, next))
			return count;
		line[count++] = next;
	}
}

/* The owner, the heirs of an evicted one, and then whom they were granted to. */
static size_t line_of(const struct estate *estate, uint64_t node, uint64_t *line)
{
	size_t count;

	line[0] = node;
	count = walk_on(estate, line, 1);
	for (size_t i = 0; i < count && !standing(estate, line[count - 1]); i++) {
		const struct estate_word *grant = word_of(estate->grants, estate->grants_count, line[i]);

		if (!grant || !members_find(estate->members, grant->heir) || is_in(line, count, grant->heir))
			continue;
		line[count++] = grant->heir;
		count = walk_on(estate, line, count);
	}
	return count;
}

/* From its second host to the last: a whole transfer counts, or nothing of it. */
static bool is_inside(const struct pool_row *pool, const struct transfer_row *gift)
{
	struct address first = pool->network4.address, last = first;

	first.bytes[3] += 2;
	for (unsigned bit = pool->network4.prefix; bit < 32; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	last.bytes[3]--;
	return memcmp(gift->first.bytes, first.bytes, 4) >= 0 && memcmp(gift->last.bytes, last.bytes, 4) <= 0;
}

/* The transfer that gave the address on, of those that name `tip` as the one before them. */
static const struct transfer_row *next_gift(const struct estate *estate, const struct pool_row *pool, uint32_t address,
					    const struct transfer_row *tip, const uint64_t *line, size_t count)
{
	const struct transfer_row *best = NULL;
	size_t best_place = 0;

	for (size_t i = 0; i < estate->gifts_count; i++) {
		const struct transfer_row *gift = &estate->gifts[i];
		struct address at = block_address(address);
		bool has_before = gift->has & BIT(AT_transfer_before);
		size_t place = 0;

		if (!id_equal(gift->pool, pool->id) || has_before != !!tip ||
		    (tip && !id_equal(gift->before, tip->id)) || memcmp(gift->first.bytes, at.bytes, 4) > 0 ||
		    memcmp(gift->last.bytes, at.bytes, 4) < 0)
			continue;
		if (!is_inside(pool, gift))
			continue;
		while (place < count && line[place] != gift->giver)
			place++;
		if (place == count)
			continue;
		if (!best || place < best_place ||
		    (place == best_place && memcmp(&gift->id, &best->id, sizeof gift->id) < 0)) {
			best = gift;
			best_place = place;
		}
	}
	return best;
}

struct estate_owner estate_owner(const struct estate *estate, const struct pool_row *pool, uint32_t address)
{
	const struct transfer_row *tip = NULL, *next = NULL;
	struct estate_owner owner = { 0 };
	uint64_t line[2 * ESTATE_NODES];
	size_t count;

	do {
		tip = next;
		count = line_of(estate, tip ? tip->taker : pool->maker, line);
		next = next_gift(estate, pool, address, tip, line, count);
	} while (next);
	owner.owner = standing(estate, line[count - 1]) ? line[count - 1] : 0;
	owner.has_tip = tip;
	if (tip)
		owner.tip = tip->id;
	for (size_t i = 0; i < count; i++)
		if (members_find(estate->members, line[i]) && !standing(estate, line[i]))
			owner.via[owner.via_count++] = line[i];
	return owner;
}

struct block_map estate_map(struct estate *estate, const struct pool_row *pool)
{
	struct block_map map;
	struct err err = { 0 };

	if (block_map(estate->p.txn, estate->members, pool, &estate->p.arena, &map, &err))
		fail_msg("%s", err.text);
	return map;
}
