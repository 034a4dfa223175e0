/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/record.h"

#include "crdt/model/mp.h"

#include <assert.h>
#include <stdlib.h>

enum { STAMP_SIZE = 16 };

int stamp_compare(struct stamp a, struct stamp b)
{
	int order = hlc_compare(a.hlc, b.hlc);

	return order ? order : (a.node > b.node) - (a.node < b.node);
}

static enum code broken(struct err *err, const char *what)
{
	return fail(err, E_FORM, "record: %s", what);
}

static enum code too_large(size_t size, size_t most, struct err *err)
{
	return fail(err, E_LIMIT, "record: %zu bytes, at most %zu are allowed", size, most);
}

/* As mp_skip, without a call for the commonest values. */
static inline struct bytes skip_value(struct reader *r)
{
	const uint8_t *start = r->at;
	struct bytes bytes;
	uint64_t number;

	if (mp_read_quick_uint(r, &number) || mp_read_short_text(r, &bytes) || mp_read_short_bin(r, &bytes))
		return bytes_of(start, (size_t)(r->at - start));
	return mp_skip(r);
}

/* A number, a truth, or a few numbers: of these the larger bytes are the larger value. */
static bool is_countable(struct bytes value)
{
	struct reader r = reader_over(value);
	struct mp_head head = mp_read(&r);
	size_t count = head.class == MP_ARRAY && head.value <= 4 ? head.value : 0;

	if (head.class == MP_UINT || head.class == MP_BOOL)
		return true;
	for (size_t i = 0; i < count; i++)
		if (mp_read(&r).class != MP_UINT)
			return false;
	return count;
}

/* [generation] or [generation, value] */
static bool is_guarded(struct bytes value)
{
	struct reader r = reader_over(value);
	struct mp_head head = mp_read(&r), generation = mp_read(&r);

	return head.class == MP_ARRAY && (head.value == 1 || head.value == 2) && generation.class == MP_UINT &&
	       generation.value;
}

/* What a field's value must be by its merge alone, whether this version knows the field or not. */
static bool is_value_of(enum merge merge, struct bytes value)
{
	switch (merge) {
	case MERGE_ONCE: return value.data[0] != 0xc0;
	case MERGE_LWW: return value.size <= MODEL_CELL_MAX;
	case MERGE_MAX: return is_countable(value);
	case MERGE_CRED: return value.size <= MODEL_CELL_MAX && is_guarded(value);
	}
	return false;
}

/* The head of a map of fields. */
static enum code read_map_head(struct reader *r, size_t *ret_count, struct err *err)
{
	struct mp_head head = mp_read(r);

	if (head.class != MP_MAP)
		return broken(err, "its fields are no map");
	if (head.value > RECORD_CELLS_MAX)
		return fail(err, E_LIMIT, "record: %zu fields, at most %d are allowed", (size_t)head.value,
			    RECORD_CELLS_MAX);
	*ret_count = head.value;
	return OK;
}

static inline bool read_number(struct reader *r, uint64_t *ret_number)
{
	struct mp_head head;

	if (mp_read_quick_uint(r, ret_number))
		return true;
	head = mp_read(r);
	*ret_number = head.value;
	return head.class == MP_UINT;
}

/* The next field of a map, whose number is to be `least` at least; without a stamp. */
static inline enum code read_cell(struct reader *r, uint64_t least, struct cell *ret_cell, struct err *err)
{
	uint64_t number;

	if (!read_number(r, &number) || number > MODEL_FIELD_MAX)
		return broken(err, "a field has no number");
	if (number < least)
		return broken(err, "its fields do not ascend");
	*ret_cell = (struct cell){ .number = (uint32_t)number, .value = skip_value(r) };
	if (r->is_short || !is_value_of(field_merge(ret_cell->number), ret_cell->value))
		return broken(err, "a field's value is not canonical, or too large");
	return OK;
}

/* One op brings all of an identity, so whatever merges there is no more. */
static enum code check_identity_size(size_t size, struct err *err)
{
	return size <= MODEL_OP_MAX ? OK : broken(err, "its identity is too large");
}

/* The map of fields into cells without stamps; `r` stands behind it afterwards. */
static enum code read_map(struct reader *r, struct record *record, struct err *err)
{
	size_t identity = 0;
	uint64_t least = 0;
	enum code code = read_map_head(r, &record->count, err);

	if (code)
		return code;
	for (size_t i = 0; i < record->count; i++) {
		struct cell *cell = &record->cells[i];

		code = read_cell(r, least, cell, err);
		if (code)
			return code;
		least = cell->number + 1;
		identity += field_merge(cell->number) == MERGE_ONCE ? cell->value.size : 0;
	}
	return check_identity_size(identity, err);
}

enum code record_skip_op(struct reader *r, struct bytes *ret_first, struct err *err)
{
	const uint8_t *start = r->at;
	struct bytes first = { 0 };
	uint64_t least = 0;
	size_t count;
	enum code code = read_map_head(r, &count, err);

	for (size_t i = 0; !code && i < count; i++) {
		struct cell cell;

		code = read_cell(r, least, &cell, err);
		if (code)
			break;
		least = cell.number + 1;
		if (cell.number == RECORD_FIRST)
			first = cell.value;
	}
	if (code)
		return code;
	/* Within the limit of an op no identity is too large. */
	if (r->at - start > MODEL_OP_MAX)
		return too_large((size_t)(r->at - start), MODEL_OP_MAX, err);
	*ret_first = first;
	return OK;
}

static struct stamp read_stamp(const uint8_t *bytes)
{
	struct reader r = reader_over(bytes_of(bytes, STAMP_SIZE));
	uint64_t bits = read_big_endian(&r, 8);

	return (struct stamp){ { bits }, read_big_endian(&r, 8) };
}

static size_t count_lww(const struct record *record)
{
	size_t count = 0;

	for (size_t i = 0; i < record->count; i++)
		count += field_merge(record->cells[i].number) == MERGE_LWW;
	return count;
}

/* How many different stamps there are, from the size alone; 0 also when the size fits none. */
static size_t count_stamps(struct bytes stamps, size_t lww)
{
	size_t count;

	if (stamps.size == STAMP_SIZE)
		return lww ? 1 : 0;
	if (stamps.size < lww || (stamps.size - lww) % STAMP_SIZE)
		return 0;
	/* A single stamp is everybody's, and saying so would be a second form of the same. */
	count = (stamps.size - lww) / STAMP_SIZE;
	return count > 1 ? count : 0;
}

static bool stamps_ascend(struct bytes stamps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stamp stamp = read_stamp(stamps.data + i * STAMP_SIZE);

		if (!hlc_is_valid(stamp.hlc))
			return false;
		if (i && stamp_compare(read_stamp(stamps.data + (i - 1) * STAMP_SIZE), stamp) >= 0)
			return false;
	}
	return true;
}

/* All LWW cells have the same. */
static void give_stamp(struct record *record, struct stamp stamp)
{
	for (size_t i = 0; i < record->count; i++)
		if (field_merge(record->cells[i].number) == MERGE_LWW)
			record->cells[i].stamp = stamp;
}

/* Gives each LWW cell its stamp; every stamp must be somebody's. */
static enum code read_stamps(struct bytes stamps, struct record *record, struct err *err)
{
	size_t lww = count_lww(record), count = count_stamps(stamps, lww), used = 0, nth = 0;
	const uint8_t *which = stamps.data + count * STAMP_SIZE;
	bool is_used[RECORD_CELLS_MAX] = { false };

	if ((!count && (lww || stamps.size)) || count > lww || !stamps_ascend(stamps, count))
		return broken(err, "its stamps are not canonical");
	if (count <= 1) {
		give_stamp(record, count ? read_stamp(stamps.data) : (struct stamp){ .node = 0 });
		return OK;
	}
	for (size_t i = 0; i < record->count; i++) {
		size_t place;

		if (field_merge(record->cells[i].number) != MERGE_LWW)
			continue;
		place = which[nth++];
		if (place >= count)
			return broken(err, "a field's stamp is missing");
		used += !is_used[place];
		is_used[place] = true;
		record->cells[i].stamp = read_stamp(stamps.data + place * STAMP_SIZE);
	}
	return used == count ? OK : broken(err, "a stamp is nobody's");
}

/* As below, without a call for the commonest: at most 255 bytes of stamps. */
static inline bool read_quick_front(struct reader *r, bool *ret_is_dead, struct bytes *ret_stamps)
{
	const uint8_t *at = r->at;
	size_t left = reader_left(r);

	if (left < 4 || at[0] != 0x93 || (at[1] & 0xfe) != 0xc2 || at[2] != 0xc4 || left - 4 < at[3])
		return false;
	*ret_is_dead = at[1] & 1;
	*ret_stamps = bytes_of(at + 4, at[3]);
	r->at += 4 + at[3];
	return true;
}

/* [is_dead, stamps, and the reader stands before the map. */
static bool read_front(struct reader *r, bool *ret_is_dead, struct bytes *ret_stamps)
{
	struct mp_head whole, dead, stamps;

	if (read_quick_front(r, ret_is_dead, ret_stamps))
		return true;
	whole = mp_read(r);
	dead = mp_read(r);
	stamps = mp_read(r);
	if (whole.class != MP_ARRAY || whole.value != 3 || dead.class != MP_BOOL || stamps.class != MP_BIN)
		return false;
	*ret_is_dead = dead.value;
	*ret_stamps = bytes_of(read_bytes(r, stamps.value), stamps.value);
	return !r->is_short;
}

static bool is_mark(const struct record *record)
{
	for (size_t i = 0; i < record->count; i++)
		if (field_merge(record->cells[i].number) != MERGE_ONCE)
			return false;
	return true;
}

enum code record_read(struct bytes bytes, struct record *ret_record, struct err *err)
{
	struct reader r = reader_over(bytes);
	struct bytes stamps;
	enum code code;

	if (bytes.size > RECORD_MAX)
		return too_large(bytes.size, RECORD_MAX, err);
	if (!read_front(&r, &ret_record->is_dead, &stamps))
		return broken(err, "its frame is not canonical");
	code = read_map(&r, ret_record, err);
	if (code)
		return code;
	if (reader_left(&r))
		return broken(err, "bytes follow its last field");
	if (ret_record->is_dead && !is_mark(ret_record))
		return broken(err, "it is dead and yet has more than its identity");
	return read_stamps(stamps, ret_record, err);
}

static int compare_stamps(const void *a, const void *b)
{
	return stamp_compare(*(const struct stamp *)a, *(const struct stamp *)b);
}

/* The different stamps of the LWW cells, ascending. */
static size_t collect_stamps(const struct record *record, struct stamp *ret_stamps)
{
	size_t count = 0, different = 0;

	/* Most fields have the stamp of the one before them, and leave nothing to sort. */
	for (size_t i = 0; i < record->count; i++)
		if (field_merge(record->cells[i].number) == MERGE_LWW &&
		    (!count || stamp_compare(ret_stamps[count - 1], record->cells[i].stamp)))
			ret_stamps[count++] = record->cells[i].stamp;
	qsort(ret_stamps, count, sizeof *ret_stamps, compare_stamps);
	for (size_t i = 0; i < count; i++)
		if (!different || stamp_compare(ret_stamps[different - 1], ret_stamps[i]))
			ret_stamps[different++] = ret_stamps[i];
	return different;
}

static void write_stamps(const struct record *record, struct buf *buf)
{
	struct stamp stamps[RECORD_CELLS_MAX];
	uint8_t room[RECORD_CELLS_MAX * (STAMP_SIZE + 1)];
	struct buf bytes = buf_over(room, sizeof room);
	size_t count = collect_stamps(record, stamps);

	for (size_t i = 0; i < count; i++) {
		buf_put_big_endian(&bytes, stamps[i].hlc.bits, 8);
		buf_put_big_endian(&bytes, stamps[i].node, 8);
	}
	for (size_t i = 0; count > 1 && i < record->count; i++) {
		const struct stamp *at;

		if (field_merge(record->cells[i].number) != MERGE_LWW)
			continue;
		at = bsearch(&record->cells[i].stamp, stamps, count, sizeof *stamps, compare_stamps);
		buf_put_byte(&bytes, (uint8_t)(at - stamps));
	}
	mp_put_bin(buf, buf_bytes(&bytes));
}

/* The frame and each head at their longest. */
size_t record_room(const struct record *record)
{
	size_t size = 2 + 3 + 3;

	for (size_t i = 0; i < record->count; i++)
		size += STAMP_SIZE + 1 + 2 + record->cells[i].value.size;
	return size;
}

void record_write_map(const struct record *record, struct buf *buf)
{
	mp_put_map(buf, record->count);
	for (size_t i = 0; i < record->count; i++) {
		mp_put_uint(buf, record->cells[i].number);
		buf_put_bytes(buf, record->cells[i].value);
	}
}

void record_write(const struct record *record, struct buf *buf)
{
	assert(record->count <= RECORD_CELLS_MAX);
	mp_put_array(buf, 3);
	mp_put_bool(buf, record->is_dead);
	write_stamps(record, buf);
	record_write_map(record, buf);
}

enum code record_from_op(struct bytes map, struct stamp stamp, struct record *ret_record, struct err *err)
{
	struct reader r = reader_over(map);
	enum code code;

	if (map.size > MODEL_OP_MAX)
		return too_large(map.size, MODEL_OP_MAX, err);
	if (!hlc_is_valid(stamp.hlc))
		return broken(err, "its stamp lies beyond the year 6429");
	code = read_map(&r, ret_record, err);
	if (code)
		return code;
	if (reader_left(&r))
		return broken(err, "bytes follow its last field");
	ret_record->is_dead = false;
	give_stamp(ret_record, stamp);
	return OK;
}

enum code record_map(struct bytes bytes, bool *ret_is_dead, struct bytes *ret_map, struct err *err)
{
	struct reader r = reader_over(bytes);
	struct bytes stamps;

	if (!read_front(&r, ret_is_dead, &stamps))
		return broken(err, "its frame is not canonical");
	*ret_map = bytes_of(r.at, reader_left(&r));
	return OK;
}

bool record_has_identity(const struct record *record)
{
	for (size_t i = 0; i < record->count; i++)
		if (field_merge(record->cells[i].number) == MERGE_ONCE)
			return true;
	return false;
}

struct id record_id(uint32_t kind, const struct record *record)
{
	uint32_t numbers[RECORD_CELLS_MAX], big_kind = htobe32(kind);
	struct bytes parts[1 + 2 * RECORD_CELLS_MAX];
	size_t count = 0;

	parts[count++] = bytes_of(&big_kind, sizeof big_kind);
	for (size_t i = 0; i < record->count; i++) {
		const struct cell *cell = &record->cells[i];

		if (field_merge(cell->number) != MERGE_ONCE)
			continue;
		numbers[i] = htobe32(cell->number);
		parts[count++] = bytes_of(&numbers[i], sizeof numbers[i]);
		parts[count++] = cell->value;
	}
	return hash_id(parts, count);
}
