/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/twin.h"

#include "crdt/gossip/link.h"

static bool is_former(const struct mesh *mesh, const struct processes *processes, uint64_t process)
{
	return processes->former == process && processes->former_seen.ns &&
	       mono_since_ns(mesh->now, processes->former_seen) < TWIN_MEMORY;
}

static void replace(struct mesh *mesh, struct processes *processes, uint64_t process)
{
	processes->former = processes->now;
	processes->former_seen = processes->now ? mesh->now : (struct mono_time){ 0 };
	processes->now = process;
}

enum twin_verdict twin_judge(struct mesh *mesh, struct peer *peer, struct link *link, uint64_t process)
{
	struct processes *processes = &peer->processes;

	if (processes->now == process)
		return TWIN_NONE;
	if (is_former(mesh, processes, process)) {
		/* The one that was replaced lives, after the one that replaced it. */
		mesh->counts.twin++;
		return TWIN_FOUND;
	}
	if (!peer->link || peer->link->is_closing) {
		replace(mesh, processes, process);
		return TWIN_NONE;
	}
	if (processes->later && processes->later != link)
		link_close(mesh, processes->later, BYE_DUPLICATE);
	processes->later = link;
	processes->asked = mesh->now;
	processes->number = (uint32_t)rng_u64(&mesh->rng) | 1;
	beat_ask(mesh, peer, processes->number);
	return TWIN_WAIT;
}

void twin_answered(struct mesh *mesh, struct peer *peer, uint32_t number)
{
	struct processes *processes = &peer->processes;

	if (!processes->later || number != processes->number)
		return;
	mesh->counts.twin++;
	link_close(mesh, processes->later, BYE_TWIN);
	processes->later = NULL;
}

void twin_gone(struct mesh *mesh, struct peer *peer, const struct link *link)
{
	struct processes *processes = &peer->processes;

	(void)mesh;
	if (processes->later == link)
		processes->later = NULL;
}

void twin_tick(struct mesh *mesh, struct peer *peer)
{
	struct processes *processes = &peer->processes;
	struct link *later = processes->later;
	bool is_alone = !peer->link || peer->link->is_closing;

	if (!later || (!is_alone && mono_since_ns(mesh->now, processes->asked) < TWIN_ANSWER))
		return;
	processes->later = NULL;
	mesh->counts.twin_cleared++;
	if (!is_alone)
		link_close(mesh, peer->link, 0);
	replace(mesh, processes, session_peer(later->session)->process);
	link_take(mesh, later, peer);
}
