/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/replay.h"

#include "crdt/base/rng.h"
#include "tests/store/shim.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECTOR = 512, IMAGE_MAX = 1 << 26 };

static void image_put(struct image *image, uint64_t offset, const uint8_t *data, size_t size)
{
	if (offset + size > image->size) {
		image->data = must_realloc(image->data, offset + size);
		memset(image->data + image->size, 0, offset + size - image->size);
		image->size = offset + size;
	}
	memcpy(image->data + offset, data, size);
}

struct image image_load(const char *path)
{
	struct image image = { 0 };
	uint8_t room[4096];
	ssize_t got;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(file >= 0);
	assert_true(lseek(file, 0, SEEK_END) <= IMAGE_MAX && !lseek(file, 0, SEEK_SET));
	while ((got = read(file, room, sizeof room)) > 0)
		image_put(&image, image.size, room, (size_t)got);
	close(file);
	return image;
}

static void image_save(const struct image *image, const struct scratch *scratch)
{
	int file;

	scratch_empty(scratch);
	assert_int_equal(mkdir(scratch->dir, 0700), 0);
	file = open(scratch->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	for (size_t at = 0; at < image->size;) {
		ssize_t put = write(file, image->data + at, image->size - at);

		assert_true(put > 0);
		at += (size_t)put;
	}
	close(file);
}

/* Part of what was not synced, as the disk happened to get at it. */
static void put_some(struct image *disk, const struct shim_event *event, enum cut cut, struct rng *rng)
{
	if (cut == CUT_DROPS) {
		if (rng_below(rng, 2))
			image_put(disk, event->offset, event->data, event->size);
		return;
	}
	for (size_t at = 0; at < event->size;) {
		size_t left = SECTOR - (event->offset + at) % SECTOR;
		size_t size = left < event->size - at ? left : event->size - at;

		if (rng_below(rng, 2))
			image_put(disk, event->offset + at, event->data + at, size);
		at += size;
	}
}

/* What is on the disk for sure once `until` events have happened, beginning with what was before. */
struct replay {
	struct image durable;
	const struct shim_event *log;
	size_t until;
	bool *is_durable; /* for each event */
	size_t synced;    /* all writes below this are */
	uint64_t acked;
};

static void replay_one(struct replay *replay)
{
	size_t at = replay->until++;
	const struct shim_event *event = &replay->log[at];

	switch (event->what) {
	case SHIM_WRITE: return;
	case SHIM_DURABLE:
		image_put(&replay->durable, event->offset, event->data, event->size);
		replay->is_durable[at] = true;
		return;
	case SHIM_SYNC:
		for (size_t i = replay->synced; i < at; i++)
			if (replay->log[i].what == SHIM_WRITE)
				image_put(&replay->durable, replay->log[i].offset, replay->log[i].data,
					  replay->log[i].size);
		replay->synced = at + 1;
		return;
	case SHIM_MARK: replay->acked = event->offset; return;
	}
}

/* The disk as a cut at this moment leaves it. */
static void cut_here(const struct replay *replay, size_t count, enum cut cut, const struct scratch *scratch,
		     struct rng *rng)
{
	struct image disk = { must_alloc(replay->durable.size), replay->durable.size };
	/* The call that the cut comes into may have got anywhere, a durable one too. */
	size_t end = replay->until < count ? replay->until + 1 : count;

	memcpy(disk.data, replay->durable.data, disk.size);
	for (size_t i = replay->synced; i < end; i++) {
		enum shim_what what = replay->log[i].what;

		if ((what == SHIM_WRITE || what == SHIM_DURABLE) && !replay->is_durable[i])
			put_some(&disk, &replay->log[i], cut, rng);
	}
	image_save(&disk, scratch);
	free(disk.data);
}

void replay_cuts(const struct image *before, enum cut cut, size_t wanted, replay_judge *judge)
{
	struct scratch scratch = scratch_make();
	struct rng rng = rng_from_number(11 + cut);
	size_t count, cuts = 0;
	const struct shim_event *log = shim_log(&count);
	struct replay replay = { .log = log, .is_durable = must_alloc(count) };

	image_put(&replay.durable, 0, before->data, before->size);
	for (; replay.until < count; replay_one(&replay)) {
		if (rng_below(&rng, count) >= wanted)
			continue;
		cut_here(&replay, count, cut, &scratch, &rng);
		judge(&scratch, replay.acked);
		cuts++;
	}
	print_message("  %zu events, %zu power cuts that %s, all commits there\n", count, cuts,
		      cut == CUT_DROPS ? "drop writes" : "tear sectors");
	assert_true(cuts > (wanted < count ? wanted : count) * 2 / 3);
	free(replay.durable.data);
	free(replay.is_durable);
	scratch_remove(&scratch);
}
