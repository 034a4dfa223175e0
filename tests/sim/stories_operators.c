/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_operators.h"

#include "crdt/gossip/link.h"
#include "crdt/log/statement.h"
#include "crdt/model/pack.h"

static struct joining make(struct story *story, const struct signer *operator, uint32_t sponsor, uint64_t seconds,
			   struct id gateway, const char *name)
{
	struct world *world = story->world;
	uint64_t now = SIM_EPOCH_MS + world_now(world) / 1000000;
	struct invite_row row = { .sponsor = world->machines[sponsor].signer.key,
				  .gateway = gateway,
				  .expires = { now + 1000 * seconds } };
	struct joining token = { .sponsor = row.sponsor };
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement statement;
	uint8_t seed[32];

	rng_fill(&world->rng, seed, sizeof seed);
	token.one_time = signer_from_seed(seed);
	row.key = token.one_time.key;
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	statement_write(operator, world->cluster, KIND_TABLE(invite), &row, NULL, 0, &buf);
	MUST(story, !statement_read(buf_bytes(&buf), &statement, NULL));
	token.invite = statement.id;
	buf_done(&buf);
	story_state_by(story, operator, sponsor, KIND_TABLE(invite), &row,
		       "makes a join token, good for %" PRIu64 " s%s%s", seconds, *name ? ", for gateway " : "", name);
	return token;
}

struct joining token_make_by(struct story *story, const struct signer *operator, uint32_t sponsor, uint64_t seconds)
{
	return make(story, operator, sponsor, seconds, (struct id){ { 0 } }, "");
}

struct joining token_make_for(struct story *story, uint32_t sponsor, struct id gateway, const char *name)
{
	return make(story, &story->world->root, sponsor, 900, gateway, name);
}

struct joining token_make(struct story *story, uint32_t sponsor, uint64_t seconds)
{
	return token_make_by(story, &story->world->root, sponsor, seconds);
}

void token_take_back(struct story *story, uint32_t at, const struct joining *token)
{
	struct invite_void_row row = { .has = BIT(AT_invite_void_invite), .invite = token->invite };

	story_state(story, at, KIND_TABLE(invite_void), &row, "takes the token back");
}

void story_join(struct story *story, uint32_t machine, const struct joining *token, const char *which)
{
	struct machine *m = &story->world->machines[machine];
	bool is_up;

	if (world_is_up(story->world, machine))
		world_kill(story->world, machine);
	m->is_joining = true;
	m->joining = *token;
	story_say(story, "%c starts with %s", 'A' + (int)machine, which);
	is_up = world_boot(story->world, machine);
	MUST(story, is_up);
}

bool story_is_member(const struct story *story, uint32_t machine)
{
	return world_mesh(story->world, machine)->is_member;
}

/* --- Evictions. */

static struct eviction_row eviction(const struct story *story, uint32_t machine, uint32_t heir)
{
	return (struct eviction_row){ .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir),
				      .key = story->world->machines[machine].signer.key,
				      .heir = story->world->machines[heir].signer.key };
}

const struct story_asked *node_evict(struct story *story, uint32_t at, uint32_t machine)
{
	struct eviction_row row = eviction(story, machine, at);

	return story_state(story, at, KIND_TABLE(eviction), &row, "evicts %c", 'A' + (int)machine);
}

const struct story_asked *node_evict_with_heir(struct story *story, uint32_t at, uint32_t machine, uint32_t heir)
{
	struct eviction_row row = eviction(story, machine, heir);

	return story_state(story, at, KIND_TABLE(eviction), &row, "evicts %c, and %c is its heir", 'A' + (int)machine,
			   'A' + (int)heir);
}

const struct story_asked *node_evict_by(struct story *story, const struct signer *operator, uint32_t at,
					uint32_t machine)
{
	struct eviction_row row = eviction(story, machine, at);

	return story_state_by(story, operator, at, KIND_TABLE(eviction), &row, "evicts %c", 'A' + (int)machine);
}

const struct story_asked *node_evict_but(struct story *story, uint32_t at, uint32_t machine, uint32_t stays)
{
	const struct mesh *mesh = world_mesh(story->world, at);
	const struct member *member = members_find(mesh->t0.members, story->world->machines[stays].id);
	struct eviction_row row = eviction(story, machine, at);
	uint8_t room[32];
	struct buf standing = buf_over(room, sizeof room);

	MUST(story, member);
	pack_write_slot(FIELD_TABLE(eviction, standing), &member->admission, &standing);
	row.standing = (struct list){ buf_bytes(&standing), 1 };
	row.has |= BIT(AT_eviction_standing);
	return story_state(story, at, KIND_TABLE(eviction), &row, "evicts %c, and says that %c stays",
			   'A' + (int)machine, 'A' + (int)stays);
}

void story_must_be_left(struct story *story, uint32_t machine)
{
	uint64_t node = story->world->machines[machine].id;

	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(story->world, i);

		if (!mesh || !mesh->is_member)
			continue;
		MUST(story, !mesh_peer(mesh, node));
		for (const struct link *link = mesh->links; link; link = link->next)
			MUST(story, !session_is_up(link->session) || session_peer(link->session)->node != node);
	}
}

/* --- Operators and the level. */

struct signer operator_name(struct story *story, uint32_t at, const char *name)
{
	struct operator_row row = { .has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name),
				    .parent = story->world->root.key,
				    .name = bytes_text(name) };
	struct signer named;
	uint8_t seed[32];

	rng_fill(&story->world->rng, seed, sizeof seed);
	named = signer_from_seed(seed);
	row.key = named.key;
	story_state(story, at, KIND_TABLE(operator), &row, "names %s operator", name);
	return named;
}

const struct story_asked *operator_remove(struct story *story, uint32_t at, const struct signer *operator,
					  const char * name)
{
	struct operator_removal_row row = { .has = BIT(AT_operator_removal_key), .key = operator->key };

	return story_state(story, at, KIND_TABLE(operator_removal), &row,
			   "removes %s as operator, and nothing that %s signed stands", name, name);
}

const struct story_asked *level_raise(struct story *story, uint32_t at, uint64_t level)
{
	struct level_row row = { .has = BIT(AT_level_level), .level = level };

	return story_state(story, at, KIND_TABLE(level), &row, "raises the level to %" PRIu64, level);
}
