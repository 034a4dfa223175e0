/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/figure.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void machine(char *room, size_t size)
{
	char line[256], cpu[128] = "unknown processor";
	struct utsname system;
	FILE *file = fopen("/proc/cpuinfo", "r");

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "model name : %127[^\n]", cpu) == 1)
			break;
	if (file)
		fclose(file);
	uname(&system);
	snprintf(room, size, "%s, %ld cores, %s %.40s", cpu, sysconf(_SC_NPROCESSORS_ONLN), system.sysname,
		 system.release);
}

void figure_print(const struct figure *figure)
{
	char where[256];

	machine(where, sizeof where);
	printf("{\"figure\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", figure->name, figure->value, figure->unit);
	if (figure->peer)
		printf(",\"peer\":\"%s\",\"peer_value\":%.4g,\"ratio\":%.4g", figure->peer, figure->peer_value,
		       figure->value / figure->peer_value);
	else
		printf(",\"peer\":null,\"peer_value\":null,\"ratio\":null");
	printf(",\"demand\":\"%s\",\"machine\":\"%s\"}\n", figure->demand, where);
	fflush(stdout);
}

bool figure_is_quick(int argc, char **argv)
{
	return argc > 1 && !strcmp(argv[1], "--quick");
}

double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double percentile(double *values, size_t count, double share)
{
	qsort(values, count, sizeof *values, compare_doubles);
	return values[(size_t)((double)(count - 1) * share)];
}

double median(double *values, size_t count)
{
	return percentile(values, count, 0.5);
}

void must(enum code code, const struct err *err, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "bench: %s: %s: %s\n", what, code_name(code), err->text);
	exit(1);
}

void state_folder(const char *name, char *room, size_t size)
{
	char file[512];

	snprintf(room, size, "bench-%s.%d", name, (int)getpid());
	if (mkdir(room, 0700)) {
		perror(room);
		exit(1);
	}
	snprintf(file, sizeof file, "%s/state.mdb", room);
	unlink(file);
}

double state_bytes(const char *folder)
{
	struct stat status;
	char file[512];

	snprintf(file, sizeof file, "%s/state.mdb", folder);
	return stat(file, &status) ? 0 : (double)status.st_blocks * 512;
}

void sample_device(struct rng *rng, struct sample_device *ret)
{
	struct device_row *row = &ret->row;

	*ret = (struct sample_device){ .dns = { 0xc4, 4, 9, 9, 9, 9 } };
	rng_fill(rng, &row->public_key, sizeof row->public_key);
	rng_fill(rng, &row->owner, sizeof row->owner);
	snprintf(ret->name, sizeof ret->name, "phone %llu of Anna", (unsigned long long)rng_below(rng, 1000000));
	snprintf(ret->note, sizeof ret->note, "bought in 2026, number %llu",
		 (unsigned long long)rng_below(rng, 100000));
	row->name = bytes_text(ret->name);
	row->ordinal = 1 + rng_below(rng, 5);
	row->tags = (struct list){ bytes_of("\xa4work\xa6mobile", 12), 2 };
	row->routes = ROUTES_FULL;
	row->dns = (struct list){ bytes_of(ret->dns, 6), 1 };
	row->keepalive = 25;
	row->mtu = 1420;
	row->kill_switch = true;
	row->revision = 1 + rng_below(rng, 9);
	row->note = bytes_text(ret->note);
	row->made.ms = 1790000000000;
	row->platform = bytes_text("iOS 19.2");
	row->keeps_peers = true;
	row->has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name) | BIT(AT_device_ordinal) |
		   BIT(AT_device_tags) | BIT(AT_device_routes) | BIT(AT_device_dns) | BIT(AT_device_keepalive) |
		   BIT(AT_device_mtu) | BIT(AT_device_kill_switch) | BIT(AT_device_revision) | BIT(AT_device_note) |
		   BIT(AT_device_made) | BIT(AT_device_platform) | BIT(AT_device_keeps_peers);
}

struct id put_row(struct store_txn *txn, const struct kind *kind, const void *row, uint64_t at, struct arena *arena)
{
	struct record *record = arena_take(arena, sizeof *record);
	struct buf map = buf_over(arena_take(arena, MODEL_OP_MAX), MODEL_OP_MAX);
	struct err err = { 0 };
	bool is_changed;
	struct id id;

	pack_write(&kind->shape, row, &map);
	must(record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(at, 0), 7 }, record, &err), &err, "op");
	id = record_id(kind->number, record);
	must(state_merge(txn, NULL, kind->number, id, record, arena, &is_changed, &err), &err, "merge");
	return id;
}
