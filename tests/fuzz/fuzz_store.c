/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store over a disk that changes what it holds: every read gives what was once written there or an error, and
 * the scan finds all that is changed.
 *
 * An input is a list of damages to the entries of a small state, applied beneath the store. The seals are worked out
 * here once more, so that one damage can be an entry that is sound and yet not the one that was last written.
 */
#include "crdt/state/index.h"
#include "crdt/state/merge.h"
#include "crdt/state/state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"
#include "tests/sim/store_mem.h"

#include <assert.h>

enum { RECORDS = 12, ENTRIES_MAX = 512, STEPS_MAX = 12, STEP_SIZE = 4, SEAL_SIZE = 8 };

static const struct hash_key key_of_seals = { { 1, 2, 3 } };
static const uint8_t header_key[] = { 0, 'h' }, ledger_key[] = { 0, 'l' };

/* An entry as it lies on the disk, seal and all; NULL once it is gone. */
struct entry {
	struct bytes key, raw, value; /* the value that a reader may get; NULL: none */
	bool is_named;                /* by the scan */
};

static struct mem_disk *whole;
static struct entry sound[ENTRIES_MAX], entries[ENTRIES_MAX];
static size_t sound_count, entry_count;
static struct arena forever, arena;

static void *copy_of(struct arena *in, struct bytes bytes)
{
	return memcpy(arena_take(in, bytes.size + 1), bytes.size ? bytes.data : (const uint8_t *)"", bytes.size);
}

static struct bytes sealed(struct bytes key, struct bytes value, struct arena *in)
{
	uint8_t room[16], *raw = arena_take(in, value.size + SEAL_SIZE);
	struct buf both = buf_over(room, sizeof room), buf = buf_over(raw, value.size + SEAL_SIZE);

	buf_put_big_endian(&both, hash_keyed(key_of_seals, key), 8);
	buf_put_big_endian(&both, hash_keyed(key_of_seals, value), 8);
	buf_put_bytes(&buf, value);
	buf_put_big_endian(&buf, hash_keyed(key_of_seals, buf_bytes(&both)), 8);
	return buf_bytes(&buf);
}

static struct entry *entry_of(struct bytes key)
{
	for (size_t i = 0; i < entry_count; i++)
		if (bytes_equal(entries[i].key, key))
			return &entries[i];
	return NULL;
}

/* What a reader may get of raw bytes; NULL: none. */
static struct bytes readable(struct bytes key, struct bytes raw)
{
	struct bytes value;

	if (raw.size < SEAL_SIZE)
		return (struct bytes){ 0 };
	value = bytes_of(raw.data, raw.size - SEAL_SIZE);
	return bytes_equal(sealed(key, value, &arena), raw) ? value : (struct bytes){ 0 };
}

/* Puts raw bytes under a key, which may be a new one. */
static void set_raw(struct bytes key, struct bytes raw)
{
	struct entry *entry = entry_of(key);

	if (!entry) {
		assert(entry_count < ENTRIES_MAX);
		entry = &entries[entry_count++];
		*entry = (struct entry){ .key = key };
	}
	entry->raw = raw;
	entry->value = readable(key, raw);
}

static void flip_bit(struct entry *entry, size_t bit)
{
	uint8_t *raw = copy_of(&arena, entry->raw);

	raw[bit / 8 % entry->raw.size] ^= (uint8_t)(1U << bit % 8);
	set_raw(entry->key, bytes_of(raw, entry->raw.size));
}

/* A byte of the key is another, or some at its end are gone. */
static struct bytes other_key(struct bytes key, size_t number)
{
	uint8_t *changed = copy_of(&arena, key);

	if (number >> 14 == 3)
		return bytes_of(changed, 1 + number % key.size);
	changed[number % key.size] ^= (uint8_t)(1 + number / 256);
	return bytes_of(changed, key.size);
}

/* An entry with a sound seal that no commit wrote: of an earlier one, or by a program that was wrong. */
static void set_sealed(struct bytes key, struct bytes value)
{
	set_raw(key, sealed(key, value, &arena));
}

static void damage(const uint8_t step[STEP_SIZE], struct bytes junk)
{
	struct entry *entry = &entries[step[0] % sound_count], *other = &entries[step[2] % sound_count];
	size_t number = (size_t)step[2] << 8 | step[3];
	struct bytes raw = entry->raw;

	if (!raw.size)
		return;
	switch (step[1] % 10) {
	case 0: flip_bit(entry, number); break;
	case 1: set_raw(entry->key, bytes_of(raw.data, number % raw.size)); break;
	case 2: set_raw(entry->key, bytes_of(copy_of(&arena, junk), junk.size)); break;
	case 3: set_raw(entry->key, (struct bytes){ 0 }); break;
	case 4:
		if (other->raw.data)
			set_raw(entry->key, other->raw);
		break;
	case 5: set_raw(other_key(entry->key, number), raw); break;
	case 6:
		set_raw(entry->key, (struct bytes){ 0 });
		set_raw(other_key(entry->key, number), raw);
		break;
	case 7: set_sealed(entry->key, bytes_of(raw.data, raw.size - 1)); break;
	case 8: set_sealed(entry->key, junk); break;
	case 9: set_sealed(other_key(entry->key, number), junk); break;
	}
}

/* Whether anything is otherwise than it was. */
static bool write_down(struct mem_disk *disk)
{
	bool is_changed = false;

	for (size_t i = 0; i < entry_count; i++) {
		struct bytes was = i < sound_count ? sound[i].raw : (struct bytes){ 0 }, is = entries[i].raw;

		if (!was.data == !is.data && bytes_equal(was, is))
			continue;
		is_changed = true;
		mem_disk_poke(disk, entries[i].key, is);
	}
	return is_changed;
}

static bool damage_all(struct mem_disk *disk, const struct fuzz_input *input)
{
	struct reader r = reader_over(input->parts[0]);
	struct rng rng = rng_from_number((uint64_t)input->front[1] << 8 | input->front[2]);
	struct bytes own = input->front[3] & 1 ? bytes_of(header_key, 2) : bytes_of(ledger_key, 2);
	bool is_changed;

	if (input->front[0] % 8 == 0)
		return mem_disk_flip(disk, &rng);
	for (size_t i = 0; i < STEPS_MAX && reader_left(&r) >= STEP_SIZE; i++)
		damage(read_bytes(&r, STEP_SIZE), input->parts[1]);
	is_changed = write_down(disk);
	if (input->front[0] % 8 != 1)
		return is_changed;
	mem_disk_poke(disk, own, input->front[3] & 2 ? input->parts[2] : (struct bytes){ 0 });
	return true;
}

static void check_reads(struct store_txn *txn, bool is_flipped)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *entry = &entries[i];
		struct bytes value;
		enum code code, expected = entry->value.data ? OK : entry->raw.data ? E_DAMAGED : E_ABSENT;

		if (!entry->key.data[0] || entry->key.data[0] >= STORE_TABLES)
			continue;
		code = store_get(txn, entry->key, &value, NULL);
		assert(code == expected || (is_flipped && (code == E_DAMAGED || code == E_ABSENT)));
		assert(code || bytes_equal(value, entry->value));
	}
}

static void check_range(struct store_txn *txn, uint8_t table, bool is_flipped)
{
	struct store_cursor *cursor;
	struct bytes key, value, last = { 0 };
	size_t count = 0;
	enum code code = store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL);

	assert(!code);
	for (;;) {
		struct entry *entry;

		key = (struct bytes){ 0 };
		code = store_next(cursor, &key, &value, NULL);
		if (code == E_ABSENT)
			break;
		assert(!code || code == E_DAMAGED);
		/* A bit of a key that turned leaves it where it was, out of order. */
		assert(key.size && (is_flipped || bytes_compare(last, key) < 0));
		/* Only a sound entry ends a range: the damaged ones behind it are told too. */
		assert(key.data[0] == table || code == E_DAMAGED);
		assert(count++ <= entry_count);
		last = arena_copy(&arena, key);
		entry = entry_of(key);
		assert(is_flipped || (entry && !code == !!entry->value.data));
		assert(code || (entry && bytes_equal(value, entry->value)));
	}
	store_range_end(cursor);
}

/* What a scan told. */
static void note(void *context, struct bytes key, const char *text)
{
	struct entry *entry = entry_of(key);

	assert(*text);
	if (entry)
		entry->is_named = true;
	++*(size_t *)context;
}

static void check_scans(struct store_txn *txn, bool is_changed, bool is_flipped)
{
	size_t found = 0;
	enum code code = store_scan(txn, note, &found, NULL);

	assert(code == (is_changed ? E_DAMAGED : OK) && !found == !is_changed);
	for (size_t i = 0; i < entry_count && !is_flipped; i++)
		assert(entries[i].value.data || !entries[i].raw.data || entries[i].is_named);
	found = 0;
	code = state_check(txn, note, &found, NULL);
	assert(code == (found ? E_DAMAGED : OK) && (is_changed || !found));
}

static void check_walks(struct store_txn *txn)
{
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;
	enum code code = state_all(txn, 0, bytes_of(NULL, 0), &cursor, NULL);
	size_t count = 0;

	assert(!code);
	while (!state_next(cursor, &kind, &id, NULL))
		assert(count++ <= entry_count);
	state_find_end(cursor);
}

/* Writing over damage may fail; it must not crash, nor claim what is not so. */
static void check_writes(struct store *store)
{
	static struct record record;
	struct store_txn *txn;
	bool is_changed;
	enum code code = store_begin(store, &txn, NULL);

	for (size_t i = 0; !code && i < sound_count; i++) {
		uint32_t kind;
		struct id id;

		if (!record_key_read(sound[i].key, &kind, &id))
			continue;
		code = record_read(sound[i].value, &record, NULL);
		assert(!code);
		if (state_merge(txn, NULL, kind, id, &record, &arena, &is_changed, NULL)) {
			store_end(txn);
			return;
		}
	}
	if (!code)
		(void)store_commit(txn, NULL);
	(void)state_open(store, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct mem_disk *disk = mem_disk_clone(whole);
	bool is_flipped = input.front[0] % 8 == 0, is_changed;
	struct store_txn *txn;
	struct store *store;

	memcpy(entries, sound, sizeof sound);
	entry_count = sound_count;
	is_changed = damage_all(disk, &input);
	if (mem_store_open(disk, NULL, &store, NULL)) {
		assert(is_changed);
	} else {
		enum code code = store_snapshot(store, &txn, NULL);

		assert(!code);
		if (is_changed)
			fuzz_taken();
		check_reads(txn, is_flipped);
		for (uint8_t table = 1; table < STORE_TABLES; table++)
			check_range(txn, table, is_flipped);
		check_scans(txn, is_changed, is_flipped);
		check_walks(txn);
		store_end(txn);
		check_writes(store);
		store_close(store);
	}
	mem_disk_free(disk);
	arena_reset(&arena);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	uint8_t steps[STEPS_MAX * STEP_SIZE], junk[32];
	struct fuzz_input input = { .parts = { { 0 } } };
	size_t made = 0;

	if (!rng_below(&rng, 2)) {
		rng_fill(&rng, input.front, sizeof input.front);
		rng_fill(&rng, steps, sizeof steps);
		rng_fill(&rng, junk, sizeof junk);
		input.parts[0] = bytes_of(steps, STEP_SIZE * (1 + rng_below(&rng, 4)));
		input.parts[1] = bytes_of(junk, rng_below(&rng, sizeof junk));
		input.parts[2] = input.parts[1];
		made = fuzz_write(&input, data, max_size);
	}
	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

static void fill(struct store *store)
{
	struct maker maker = { .rng = rng_from_number(1) };
	struct record *record = arena_take(&forever, sizeof *record);
	struct store_txn *txn;
	enum code code = store_begin(store, &txn, NULL);

	for (size_t i = 0; !code && i < RECORDS; i++) {
		const struct kind *kind = &model_kinds[rng_below(&maker.rng, MODEL_KINDS)];
		bool is_changed;

		code = record_read(make_record(&maker, kind), record, NULL);
		if (!code && record_has_identity(record))
			code = state_merge(txn, NULL, kind->number, record_id(kind->number, record), record,
					   &maker.arena, &is_changed, NULL);
	}
	assert(!code);
	code = store_commit(txn, NULL);
	assert(!code);
	arena_done(&maker.arena);
}

static void note_sound(struct store *store)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	struct store_txn *txn;
	enum code code = store_snapshot(store, &txn, NULL);

	for (uint8_t table = 1; !code && table < STORE_TABLES; table++) {
		code = store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL);
		while (!code && !(code = store_next(cursor, &key, &value, NULL))) {
			struct entry *entry = &sound[sound_count++];

			assert(sound_count < ENTRIES_MAX / 2);
			entry->key = bytes_of(copy_of(&forever, key), key.size);
			entry->value = bytes_of(copy_of(&forever, value), value.size);
			entry->raw = sealed(entry->key, entry->value, &forever);
		}
		code = code == E_ABSENT ? OK : code;
		store_range_end(cursor);
	}
	assert(!code && sound_count > RECORDS);
	store_end(txn);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct store *store;
	enum code code;

	(void)argc;
	(void)argv;
	fuzz_begin();
	whole = mem_disk_new();
	code = mem_store_open(whole, &key_of_seals, &store, NULL);
	if (!code)
		code = state_open(store, NULL);
	assert(!code);
	fill(store);
	note_sound(store);
	store_close(store);
	return 0;
}
