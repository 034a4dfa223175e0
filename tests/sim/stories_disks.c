/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_disks.h"

#include "crdt/gossip/mesh.h"
#include "tests/sim/stories_inside.h"

#include <stdlib.h>

/* A disk as it was, and what was merged on it. */
struct copy {
	struct mem_disk *disk;
	struct vector has;
};

struct story_copies {
	struct copy of[STORY_MACHINES];
};

static void drop(struct copy *copy)
{
	mem_disk_free(copy->disk);
	vector_done(&copy->has);
	*copy = (struct copy){ 0 };
}

void story_copies_free(struct story *story)
{
	for (uint32_t i = 0; story->copies && i < STORY_MACHINES; i++)
		drop(&story->copies->of[i]);
	free(story->copies);
}

/* The machine is up. */
static void take(struct story *story, uint32_t machine, struct copy *copy)
{
	const struct mesh *mesh = world_mesh(story->world, machine);

	MUST(story, mesh);
	drop(copy);
	copy->disk = mem_disk_clone(story->world->machines[machine].disk);
	for (size_t i = 0; i < mesh->vector.count; i++)
		vector_note_more(&copy->has, mesh->vector.all[i].stream, mesh->vector.all[i].end);
}

static const struct copy *copy_of(struct story *story, uint32_t machine)
{
	MUST(story, story->copies && story->copies->of[machine].disk);
	return &story->copies->of[machine];
}

void story_copy(struct story *story, uint32_t machine)
{
	if (!story->copies)
		story->copies = must_alloc(sizeof *story->copies);
	story_say(story, "somebody copies %c's disk", 'A' + (int)machine);
	take(story, machine, &story->copies->of[machine]);
}

void story_put_back(struct story *story, uint32_t machine)
{
	const struct copy *copy = copy_of(story, machine);

	MUST(story, !world_is_up(story->world, machine));
	story_say(story, "%c's disk is replaced by the copy", 'A' + (int)machine);
	mem_disk_restore(story->world->machines[machine].disk, copy->disk);
	check_disk_restored(story->check, machine, &copy->has);
}

static void become(struct story *story, uint32_t to, uint32_t from, const struct copy *copy)
{
	world_clone(story->world, to, from, copy->disk);
	story->world->machines[to].has_key = true;
	check_disk_cloned(story->check, to, from, &copy->has);
}

void story_clone(struct story *story, uint32_t from, uint32_t to)
{
	struct copy copy = { 0 };

	story_say(story, "%c becomes a copy of %c: its disk, and so its key", 'A' + (int)to, 'A' + (int)from);
	take(story, from, &copy);
	become(story, to, from, &copy);
	drop(&copy);
}

void story_clone_copy(struct story *story, uint32_t from, uint32_t to)
{
	story_say(story, "%c gets the copy of %c's disk, and so its key", 'A' + (int)to, 'A' + (int)from);
	become(story, to, from, copy_of(story, from));
}

void story_cut_all(struct story *story)
{
	story_say(story, "the power goes, everywhere");
	for (uint32_t i = 0; i < story->world->options.machines; i++)
		if (world_is_up(story->world, i))
			world_cut_power(story->world, i);
}

void story_shrink_log(struct story *story, uint32_t machine)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)world_mesh(story->world, machine);

	MUST(story, mesh);
	story_say(story, "%c's log may take next to no room from now on", 'A' + (int)machine);
	mesh->stable.trim.budget = 1;
}

void story_block(struct story *story, uint32_t from, uint32_t to)
{
	story_say(story, "nothing gets from %c to %c any more", 'A' + (int)from, 'A' + (int)to);
	net_block(story->world->net, from, to, true);
}

void story_unblock(struct story *story, uint32_t from, uint32_t to)
{
	story_say(story, "all gets from %c to %c again", 'A' + (int)from, 'A' + (int)to);
	net_block(story->world->net, from, to, false);
}
