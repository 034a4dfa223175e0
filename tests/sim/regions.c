/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/regions.h"

#include <assert.h>

#define INSIDE_NS UINT64_C(500000)

static const char *const names[REGIONS] = {
	"Frankfurt", "London", "Paris",  "Virginia",  "Ohio",    "Oregon", "Sao Paulo", "Tokyo",
	"Singapore", "Sydney", "Mumbai", "Cape Town", "Bahrain", "Seoul",  "Montreal",
};

/* Milliseconds to the regions before it. */
static const uint8_t delays[REGIONS][REGIONS] = {
	{ 0 },
	{ 8 },
	{ 5, 5 },
	{ 46, 38, 40 },
	{ 50, 43, 45, 6 },
	{ 71, 65, 67, 33, 26 },
	{ 102, 93, 97, 57, 62, 88 },
	{ 112, 106, 109, 75, 68, 49, 128 },
	{ 80, 83, 75, 108, 101, 82, 160, 35 },
	{ 125, 132, 140, 99, 94, 70, 156, 52, 46 },
	{ 62, 57, 54, 95, 100, 109, 150, 63, 29, 75 },
	{ 77, 75, 73, 114, 118, 138, 160, 160, 140, 160, 130 },
	{ 45, 45, 42, 82, 87, 107, 140, 82, 48, 92, 19, 115 },
	{ 112, 117, 115, 89, 82, 62, 143, 17, 37, 67, 64, 160, 85 },
	{ 46, 39, 42, 8, 13, 30, 62, 75, 107, 102, 95, 112, 82, 87 },
};

const char *region_name(uint32_t region)
{
	assert(region < REGIONS);
	return names[region];
}

uint64_t region_delay_ns(uint32_t from, uint32_t to)
{
	assert(from < REGIONS && to < REGIONS);
	if (from == to)
		return INSIDE_NS;
	return (from > to ? delays[from][to] : delays[to][from]) * UINT64_C(1000000);
}

void regions_place(struct net *net, uint32_t machines, const uint32_t *places)
{
	for (uint32_t i = 0; i < machines; i++)
		for (uint32_t j = 0; j < machines; j++)
			net_path(net, i, j)->delay_ns =
				region_delay_ns(places ? places[i] : i % REGIONS, places ? places[j] : j % REGIONS);
}

void regions_print(FILE *file)
{
	for (uint32_t i = 0; i < REGIONS; i++) {
		fprintf(file, "%-10s", names[i]);
		for (uint32_t j = 0; j < REGIONS; j++)
			fprintf(file, "%6.1f", (double)region_delay_ns(i, j) / 1e6);
		fprintf(file, "\n");
	}
}
