/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/buf.h"
#include "tests/sim/faults_inside.h"
#include "tests/sim/world_inside.h"

/* --- Bytes that were sent once. */

static void tap_send(void *context, uint32_t number, struct bytes bytes);

/* Whoever watches the world has the faults. */
static struct faults *tapped;

static const struct wire *wire_numbered(const struct machine *m, uint32_t number)
{
	for (size_t i = 0; i < m->wires_count; i++)
		if (m->wires[i].number == number)
			return &m->wires[i];
	return NULL;
}

static void capture(struct faults *f, const struct machine *m, uint32_t number, struct bytes bytes)
{
	const struct wire *wire = wire_numbered(m, number);
	struct capture *c = &f->captures[f->captured++ % CAPTURES];

	if (!wire)
		return;
	c->link = wire->link;
	c->side = wire->side;
	c->size = (uint32_t)(bytes.size < CAPTURE_MAX ? bytes.size : CAPTURE_MAX);
	memcpy(c->bytes, bytes.data, c->size);
}

static void tap_send(void *context, uint32_t number, struct bytes bytes)
{
	/* One of many, so that it costs nothing. */
	if (bytes.size && !(++tapped->seen % 61))
		capture(tapped, context, number, bytes);
	world_effects.send(context, number, bytes);
}

void faults_tap(struct faults *f, struct machine *m)
{
	tapped = f;
	m->effects.send = tap_send;
}

static struct bytes random_capture(struct faults *f, const struct capture **ret_capture)
{
	uint32_t count = f->captured < CAPTURES ? f->captured : CAPTURES;
	const struct capture *c;

	if (!count)
		return bytes_of(NULL, 0);
	c = &f->captures[rng_below(&f->rng, count)];
	*ret_capture = c;
	return bytes_of(c->bytes, c->size);
}

static const struct wire *random_wire(struct faults *f)
{
	struct machine *m = faults_pick(f);

	return m && m->wires_count ? &m->wires[rng_below(&f->rng, m->wires_count)] : NULL;
}

static void inject(struct faults *f, enum fault fault)
{
	const struct capture *captured = NULL;
	struct bytes bytes = random_capture(f, &captured);
	const struct wire *wire = random_wire(f);
	uint8_t garbage[256];
	size_t size = 1 + (size_t)rng_below(&f->rng, sizeof garbage);

	if (fault == FAULT_reflect) {
		if (captured)
			net_inject(f->world->net, captured->link, 1 - captured->side, bytes);
		return;
	}
	if (!wire)
		return;
	rng_fill(&f->rng, garbage, size);
	if (fault == FAULT_garbage)
		net_inject(f->world->net, wire->link, wire->side, bytes_of(garbage, size));
	else if (captured)
		net_inject(f->world->net, wire->link, wire->side, bytes);
}

/* --- Strangers. */

static uint32_t free_stranger(const struct faults *f)
{
	for (uint32_t i = f->machines; i < f->machines + STRANGERS; i++)
		if (!world_is_up(f->world, i))
			return i;
	return 0;
}

/* A link that nobody's node made. */
static void dial_as_stranger(struct faults *f)
{
	struct machine *to = faults_pick(f);

	if (!to)
		return;
	f->stranger_link = net_dial(f->world->net, f->machines, to->at);
	faults_later(f, CALL_ATTACK, f->stranger_link, FAULTS_SECOND);
}

static void say_as_stranger(struct faults *f, uint64_t link)
{
	const struct capture *captured = NULL;
	struct bytes bytes = random_capture(f, &captured);
	uint8_t garbage[200];

	rng_fill(&f->rng, garbage, sizeof garbage);
	if (bytes.size && rng_below(&f->rng, 4))
		net_send(f->world->net, link, 0, bytes);
	else
		net_send(f->world->net, link, 0, bytes_of(garbage, sizeof garbage));
	faults_later(f, CALL_LEAVE, WORLD_MACHINES_MAX, 20 * FAULTS_SECOND);
}

static struct id invite_id(const struct world *world, const struct invite_row *row)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement statement;
	struct id id = { { 0 } };

	statement_write(&world->root, world->cluster, KIND_TABLE(invite), row, NULL, 0, &buf);
	if (!statement_read(buf_bytes(&buf), &statement, NULL))
		id = statement.id;
	buf_done(&buf);
	return id;
}

/* One whose time is over, or which is taken back. */
static void make_bad_invite(struct faults *f, struct machine *m, struct machine *sponsor, bool is_void)
{
	struct invite_row row = { .sponsor = sponsor->signer.key,
				  .expires = { is_void ? SIM_EPOCH_MS + 500 * (uint64_t)SIM_YEAR_MS : 0 } };
	struct invite_void_row taken_back = { .has = BIT(AT_invite_void_invite) };
	uint8_t seed[32];

	rng_fill(&f->rng, seed, sizeof seed);
	m->joining.one_time = signer_from_seed(seed);
	m->joining.sponsor = sponsor->signer.key;
	row.key = m->joining.one_time.key;
	rng_fill(&f->rng, row.gateway.bytes, sizeof row.gateway.bytes);
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	m->joining.invite = invite_id(f->world, &row);
	taken_back.invite = m->joining.invite;
	world_state(f->world, sponsor->at, &f->world->root, KIND_TABLE(invite), &row);
	if (is_void && world_is_up(f->world, sponsor->at))
		world_state(f->world, sponsor->at, &f->world->root, KIND_TABLE(invite_void), &taken_back);
}

static const struct machine *machine_of(const struct faults *f, struct key32 key)
{
	for (uint32_t i = 0; i < f->machines; i++)
		if (!memcmp(f->world->machines[i].signer.key.bytes, key.bytes, sizeof key.bytes))
			return &f->world->machines[i];
	return NULL;
}

/* One that somebody came in with; false: there is none. */
static bool copy_invite(struct faults *f, struct machine *m)
{
	for (uint32_t i = 0; i < f->machines; i++) {
		const struct machine *other = &f->world->machines[i];
		const struct machine *sponsor = machine_of(f, other->joining.sponsor);

		if (!other->is_joining || !sponsor || !sponsor->node)
			continue;
		if (!members_find(world_mesh(f->world, sponsor->at)->t0.members, other->id))
			continue;
		m->joining = other->joining;
		return true;
	}
	return false;
}

/* What speaks against the invite must have got to the sponsor: its disk may have been full. */
static bool is_worthless(const struct faults *f, const struct machine *m)
{
	const struct machine *sponsor = machine_of(f, m->joining.sponsor);
	const struct mesh *mesh = sponsor ? world_mesh(f->world, sponsor->at) : NULL;
	const struct invite_view *view = mesh ? members_invite(mesh->t0.members, m->joining.invite) : NULL;

	return view && (view->is_void || view->is_used || !view->expires.ms);
}

static void come(struct faults *f, enum fault fault)
{
	struct machine *sponsor = faults_pick(f);
	uint32_t at = free_stranger(f);
	struct machine *m = &f->world->machines[at];

	if (!at || !sponsor || !world_mesh(f->world, sponsor->at)->is_member)
		return;
	m->is_joining = true;
	if (fault == FAULT_invite_twice) {
		if (!copy_invite(f, m))
			return;
	} else if (fault == FAULT_stranger) {
		uint8_t seed[32];

		rng_fill(&f->rng, seed, sizeof seed);
		m->joining.one_time = signer_from_seed(seed);
		m->joining.sponsor = sponsor->signer.key;
		rng_fill(&f->rng, m->joining.invite.bytes, sizeof m->joining.invite.bytes);
		world_boot(f->world, at);
		faults_later(f, CALL_LEAVE, at, 20 * FAULTS_SECOND);
		return;
	} else {
		make_bad_invite(f, m, sponsor, fault == FAULT_invite_void);
	}
	faults_later(f, CALL_ATTACK, at, 3 * FAULTS_SECOND);
}

static void knock(struct faults *f, uint32_t machine)
{
	struct machine *m = &f->world->machines[machine];

	if (m->node || f->is_healed || !is_worthless(f, m))
		return;
	world_boot(f->world, machine);
	faults_later(f, CALL_LEAVE, machine, 20 * FAULTS_SECOND);
}

/* A sponsor's old disk, or a clone's, may be from when the sponsor was alone, and ask nobody what became of the invite.
 */
static bool may_be_let_in(const struct faults *f, uint32_t machine)
{
	const struct machine *sponsor = machine_of(f, f->world->machines[machine].joining.sponsor);

	return sponsor && f->state[sponsor->at].is_old;
}

/* Nobody who came is in. */
static void leave(struct faults *f, uint32_t machine)
{
	if (machine >= WORLD_MACHINES_MAX) {
		net_close(f->world->net, f->stranger_link, 0);
		return;
	}
	if (!world_is_up(f->world, machine))
		return;
	if (world_mesh(f->world, machine)->is_member && !may_be_let_in(f, machine))
		faults_complain(f, "%s became a member by an invite that is worth nothing",
				world_name(f->world, machine));
	world_kill(f->world, machine);
}

void faults_attack(struct faults *f, enum fault fault)
{
	if (fault == FAULT_replay || fault == FAULT_reflect || fault == FAULT_garbage)
		inject(f, fault);
	else if (fault == FAULT_stranger_link)
		dial_as_stranger(f);
	else
		come(f, fault);
}

void faults_attack_called(struct faults *f, uint32_t what, uint64_t with)
{
	if (what == CALL_LEAVE)
		leave(f, (uint32_t)with);
	else if (with < WORLD_MACHINES_MAX)
		knock(f, (uint32_t)with);
	else
		say_as_stranger(f, with);
}
