/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/swarm.h"

#include <inttypes.h>

/* Where a zero means nothing, and why. */
static const struct {
	const char *name, *why;
} exceptions[] = {
	{ "mesh.unknown_author", "statements come first on every link, and strangers' batches are not asked for" },
	{ "mesh.newer", "no level is raised here, so all write the same version of batches" },
	{ "mesh.await_lost",
	  "a token is lost by an eviction or a fork alone, or with a process whose tokens name commits" },
	{ "mesh.taken_over", "clusters of less than sixty-five members have no relays: test_relay" },
	{ "mesh.region_word", "as taken_over" },
	{ "mesh.waiting_full", "that many batches never wait here: test_waiting" },
	{ "mesh.waiting_out", "as waiting_full" },
	{ "mesh.branches_full", "no stream gets that many branches here: test_waiting" },
	{ "mesh.token_asked", "a token names a commit only where more than thirty machines have streams" },
	{ "mesh.given_again",
	  "who asks says first what it has, so only a giver that starts anew in between does that" },
	{ "mesh.granted", "no operator signs a grant here: heirs are followed until one stands" },
	{ "mesh.root_differed", "only a disk that lost bits does that" },
	{ "mesh.bucket", "as root_differed" },
	{ "evil.answered", "as token_asked: nothing else is asked yet" },
};

static bool is_exception(const char *room, const char *name)
{
	char whole[64];

	snprintf(whole, sizeof whole, "%s.%s", room, name);
	for (size_t i = 0; i < COUNT(exceptions); i++)
		if (!strcmp(whole, exceptions[i].name))
			return true;
	if (!strcmp(room, "evil"))
		return !faults_is_on("evil") || !evil_does(name);
	return !strcmp(room, "fault") && !faults_is_on(name);
}

enum { COUNTED_SEEDS = 100 };

static bool print_one(FILE *file, const struct swarm_counts *of, const char *room, const char *name, uint64_t count)
{
	bool is_missed = !count && of->seeds >= COUNTED_SEEDS && !is_exception(room, name);

	fprintf(file, "%9s.%-20s %12" PRIu64 "%s\n", room, name, count, is_missed ? "  NEVER" : "");
	return !is_missed;
}

static bool print_invariant(FILE *file, const struct swarm_counts *of, size_t number)
{
	const struct check_counts *counts = &of->check;

	char name[24];

	snprintf(name, sizeof name, "%zu", number);
	return print_one(file, of, "invariant", name, counts->partial[number] + counts->full[number]);
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
#define X(name) is_whole &= print_one(file, counts, "mesh", #name, counts->mesh.name);
	MESH_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, counts, "net", #name, counts->net.name);
	NET_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, counts, "disk", #name, counts->disk.name);
	MEM_COUNTS(X)
#undef X
#define X(name) is_whole &= print_one(file, counts, "people", #name, counts->people.name);
	PEOPLE_COUNTS(X)
#undef X
#define X(name, weight) is_whole &= print_one(file, counts, "act", #name, counts->people.act_##name);
	PEOPLE_ACTS(X)
#undef X
#define X(name) is_whole &= print_one(file, counts, "fault", #name, counts->faults.name);
	FAULTS_COUNTS(X)
#undef X
#define X(name, weight) is_whole &= print_one(file, counts, "evil", #name, counts->evil.name);
	EVIL_ACTS(X)
#undef X
#define X(name) is_whole &= print_one(file, counts, "evil", #name, counts->evil.name);
	EVIL_COUNTS(X)
#undef X
	for (size_t i = 1; i <= INVARIANTS; i++)
		is_whole &= print_invariant(file, counts, i);
	return is_whole;
}
