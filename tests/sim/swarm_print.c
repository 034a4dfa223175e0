/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/swarm.h"

#include <inttypes.h>

/* Where a zero means nothing, and why. */
static const struct {
	const char *name, *why;
} exceptions[] = {
	{ "mesh.off_chain", "only a forked stream has such batches" },
};

static bool is_exception(const char *room, const char *name)
{
	char whole[64];

	snprintf(whole, sizeof whole, "%s.%s", room, name);
	for (size_t i = 0; i < COUNT(exceptions); i++)
		if (!strcmp(whole, exceptions[i].name))
			return true;
	return false;
}

static bool print_one(FILE *file, const char *room, const char *name, uint64_t count)
{
	bool is_missed = !count && !is_exception(room, name);

	fprintf(file, "%8s.%-20s %12" PRIu64 "%s\n", room, name, count, is_missed ? "  NEVER" : "");
	return !is_missed;
}

/* clang-format off */
#define NET_COUNTS(X)                                                                                                  \
	X(dials) X(opened) X(refused) X(closed) X(resets) X(timeouts) X(lost) X(blocked) X(dark) X(unheard_acks)       \
	X(again) X(held) X(slowed) X(joined) X(cut) X(injected) X(kills) X(power_cuts)
#define MEM_COUNTS(X) X(commits) X(crashes) X(unheard) X(torn) X(flipped) X(full) X(failed)
/* clang-format on */

bool swarm_print(const struct swarm_counts *counts, FILE *file)
{
	bool is_whole = true;

	fprintf(file, "%" PRIu64 " seeds, %" PRIu64 " virtual minutes, %" PRIu64 " steps, %" PRIu64 " commits\n",
		counts->seeds, counts->virtual_ms / 60000, counts->steps, counts->commits);
#define X(name) is_whole &= print_one(file, "mesh", #name, counts->mesh.name);
	MESH_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, "net", #name, counts->net.name);
	NET_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, "disk", #name, counts->disk.name);
	MEM_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, "people", #name, counts->people.name);
	PEOPLE_COUNTS(X)
#undef X
#define X(name, weight) is_whole &= print_one(file, "act", #name, counts->people.act_##name);
	PEOPLE_ACTS(X)
#undef X
#define X(name) is_whole &= print_one(file, "fault", #name, counts->faults.name);
	FAULTS_COUNTS(X)
#undef X
	for (size_t i = 1; i <= INVARIANTS; i++)
		fprintf(file, "invariant %2zu: %12" PRIu64 " partly, %8" PRIu64 " in full\n", i,
			counts->check.partial[i], counts->check.full[i]);
	return is_whole;
}
