/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/meaning.h"

#include "crdt/model/mp.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

const struct id set_cluster = { { 9, 8, 7 } };

static struct arena arena;

static struct bytes keep(struct buf *buf)
{
	struct bytes bytes = arena_copy(&arena, buf_bytes(buf));

	assert_false(buf->is_full);
	buf_done(buf);
	return bytes;
}

static struct bytes bin_of(size_t size, uint8_t fill)
{
	struct buf buf = buf_growing(100);
	uint8_t bytes[64];

	memset(bytes, fill, size);
	mp_put_bin(&buf, bytes_of(bytes, size));
	return keep(&buf);
}

static struct bytes uint_of(uint64_t number)
{
	struct buf buf = buf_growing(100);

	mp_put_uint(&buf, number);
	return keep(&buf);
}

static struct bytes text_of(const char *text)
{
	struct buf buf = buf_growing(100);

	mp_put_text(&buf, bytes_text(text));
	return keep(&buf);
}

static void put_number(struct buf *buf, uint64_t number, size_t size)
{
	while (size--)
		buf_put_byte(buf, (uint8_t)(number >> (8 * size)));
}

static void identify(struct subject *subject)
{
	struct buf buf = buf_growing(1000);
	struct bytes all;

	put_number(&buf, subject->kind, 4);
	for (size_t i = 0; i < subject->once_count; i++) {
		put_number(&buf, subject->once[i].number, 4);
		buf_put_bytes(&buf, subject->once[i].value.bytes);
	}
	all = keep(&buf);
	subject->id = hash_id(&all, 1);
}

/* Two of the same kind differ in their owner or nonce alone: their keys and addresses are the same. */
static struct subject subject_of(uint32_t kind, uint8_t nth)
{
	struct subject subject = { .kind = kind };

	if (kind == KIND_device) {
		subject.once[0] = (struct field_said){ 1 << 2, { .bytes = bin_of(32, 'k') } };
		subject.once[1] = (struct field_said){ 2 << 2, { .bytes = bin_of(16, nth) } };
		subject.once_count = 2;
	} else if (kind == KIND_lease) {
		subject.once[0] = (struct field_said){ 0, { .bytes = bin_of(8, nth) } };
		subject.once[1] = (struct field_said){ 1 << 2, { .bytes = bin_of(16, 'd') } };
		subject.once[2] = (struct field_said){ 2 << 2, { .bytes = bin_of(16, 'p') } };
		subject.once[3] = (struct field_said){ 3 << 2, { .bytes = bin_of(4, 10) } };
		subject.once[4] = (struct field_said){ 4 << 2, { .bytes = uint_of(77) } };
		subject.once_count = 5;
	} else {
		subject.once[0] = (struct field_said){ 0, { .bytes = bin_of(8, nth) } };
		subject.once[1] = (struct field_said){ 60 << 2, { .bytes = text_of("what comes later") } };
		subject.once_count = 2;
	}
	identify(&subject);
	return subject;
}

/* Few values, so that most of them meet others, their equals and their betters. */
static struct value random_value(enum merge merge)
{
	static const uint64_t numbers[] = { 1, 200, 70000 };
	static const char *const texts[] = { "a", "b", "ab", "not\nallowed" };
	struct value value = { .number = numbers[dice_below(3)], .generation = 1 + dice_below(2) * 299 };
	struct buf buf = buf_growing(100);

	if (merge == MERGE_MAX) {
		mp_put_uint(&buf, value.number);
	} else if (merge == MERGE_LWW) {
		if (dice_below(6))
			mp_put_text(&buf, bytes_text(texts[dice_below(4)]));
		else
			mp_put_nil(&buf);
	} else {
		size_t what = dice_below(8);

		mp_put_array(&buf, what ? 2 : 1);
		mp_put_uint(&buf, value.generation);
		if (what > 2)
			mp_put_uint(&buf, value.number);
		else if (what)
			mp_put_nil(&buf);
	}
	value.bytes = keep(&buf);
	return value;
}

/* The name, ordinal, expiry and revision of a device, and fields that nobody knows. */
static const uint32_t changing[] = { 3 << 2 | 1, 4 << 2 | 2, 5 << 2 | 3, 14 << 2 | 2, 50 << 2 | 1, 50 << 2 | 3 };

static struct op_said random_op(const struct set *set)
{
	struct op_said op = { .record = dice_below(set->records) };

	op.is_dead = !dice_below(12);
	if (op.is_dead)
		return op;
	op.has_identity = dice_below(5) < 2;
	op.is_wrong = op.has_identity && !dice_below(12);
	for (size_t i = 0; i < COUNT(changing); i++)
		if (dice_below(2))
			op.fields[op.count++] =
				(struct field_said){ changing[i], random_value((enum merge)(changing[i] & 3)) };
	return op;
}

static int compare_fields(const void *a, const void *b)
{
	const struct field_said *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct bytes map_of(const struct field_said *once, size_t once_count, const struct field_said *fields,
			   size_t count)
{
	struct field_said all[FIELDS + 5];
	struct buf buf = buf_growing(2000);

	memcpy(all, once, once_count * sizeof *all);
	memcpy(all + once_count, fields, count * sizeof *all);
	count += once_count;
	qsort(all, count, sizeof *all, compare_fields);
	mp_put_map(&buf, count);
	for (size_t i = 0; i < count; i++) {
		mp_put_uint(&buf, all[i].number);
		buf_put_bytes(&buf, all[i].value.bytes);
	}
	return keep(&buf);
}

static void write_entry(const struct set *set, struct entry_said *entry)
{
	struct buf buf = buf_growing(ENTRY_MAX);
	struct op ops[OPS];

	for (size_t i = 0; i < entry->count; i++) {
		const struct op_said *said = &entry->ops[i];
		const struct subject *subject = &set->subjects[said->record];

		ops[i] = (struct op){ .kind = subject->kind, .id = subject->id, .is_dead = said->is_dead };
		ops[i].id.bytes[3] ^= said->is_wrong;
		ops[i].map =
			map_of(subject->once, said->has_identity ? subject->once_count : 0, said->fields, said->count);
	}
	entry_write(entry->stamp.hlc, NULL, ops, entry->count, &buf);
	entry->whole = keep(&buf);
}

void set_random(struct set *set, uint64_t seed, size_t records, size_t count)
{
	static const uint32_t kinds[] = { KIND_device, KIND_lease, UNKNOWN_KIND };
	size_t first, step;

	dice_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	first = dice_below(3);
	step = dice_below(2);
	arena_reset(&arena);
	*set = (struct set){ .records = records, .count = count };
	for (size_t i = 0; i < records; i++)
		set->subjects[i] = subject_of(kinds[(first + i * step) % 3], (uint8_t)(i + 1));
	for (size_t i = 0; i < count; i++) {
		struct entry_said *entry = &set->entries[i];

		if (i && !dice_below(6)) {
			*entry = set->entries[dice_below(i)];
			continue;
		}
		entry->stamp.hlc = hlc_make(5 + dice_below(2), (uint16_t)dice_below(2));
		entry->stamp.node = 1 + dice_below(2);
		entry->count = 1 + dice_below(OPS);
		for (size_t k = 0; k < entry->count; k++)
			entry->ops[k] = random_op(set);
		write_entry(set, entry);
	}
}

/* What all ops together make of one record. */
struct meaning {
	bool is_there, is_dead, has_identity;
	size_t count;
	struct field_said fields[COUNT(changing)];
	struct stamp stamps[COUNT(changing)];
};

bool said_is_void(const struct entry_said *entry)
{
	bool is_void = false;

	for (size_t i = 0; i < entry->count; i++)
		is_void |= entry->ops[i].is_wrong;
	return is_void;
}

static bool is_greater(enum merge merge, const struct value *a, struct stamp of_a, const struct value *b,
		       struct stamp of_b)
{
	if (merge == MERGE_MAX)
		return a->number > b->number;
	if (merge == MERGE_CRED)
		return a->generation > b->generation;
	if (of_a.hlc.bits != of_b.hlc.bits)
		return of_a.hlc.bits > of_b.hlc.bits;
	return of_a.node != of_b.node ? of_a.node > of_b.node : bytes_compare(a->bytes, b->bytes) > 0;
}

/* The field's value in the op, or NULL. */
static const struct value *said_of(const struct op_said *op, uint32_t number)
{
	for (size_t i = 0; i < op->count; i++)
		if (op->fields[i].number == number)
			return &op->fields[i].value;
	return NULL;
}

#define EACH_OP(set, nth, entry, op)                                                                                \
	for (const struct entry_said *entry = (set)->entries; entry < (set)->entries + (set)->count; entry++)       \
		for (const struct op_said *op = entry->ops; op < entry->ops + entry->count && !said_is_void(entry); \
		     op++)                                                                                          \
			if (op->record == (nth))

static void mean_field(const struct set *set, size_t nth, uint32_t number, struct meaning *meaning)
{
	const struct value *best = NULL;
	struct field_said *field = &meaning->fields[meaning->count];
	struct stamp stamp = { .node = 0 };
	bool is_disputed = false;
	struct buf buf;

	EACH_OP(set, nth, entry, op)
	{
		const struct value *value = said_of(op, number);

		if (value && (!best || is_greater((enum merge)(number & 3), value, entry->stamp, best, stamp))) {
			best = value;
			stamp = entry->stamp;
		}
	}
	if (!best)
		return;
	*field = (struct field_said){ number, *best };
	meaning->stamps[meaning->count++] = stamp;
	if ((number & 3) != MERGE_CRED)
		return;
	EACH_OP(set, nth, entry, op)
	{
		const struct value *value = said_of(op, number);

		is_disputed |=
			value && value->generation == best->generation && !bytes_equal(value->bytes, best->bytes);
	}
	buf = buf_growing(20);
	mp_put_array(&buf, 1);
	mp_put_uint(&buf, best->generation);
	if (is_disputed)
		field->value.bytes = keep(&buf);
	buf_done(&buf);
}

static struct meaning mean(const struct set *set, size_t nth)
{
	struct meaning meaning = { .is_there = false };

	EACH_OP(set, nth, entry, op)
	{
		meaning.is_dead |= op->is_dead;
		meaning.has_identity |= op->has_identity;
		meaning.is_there |= op->is_dead || op->has_identity || op->count;
	}
	for (size_t i = 0; i < COUNT(changing) && !meaning.is_dead; i++)
		mean_field(set, nth, changing[i], &meaning);
	return meaning;
}

static int compare_stamps(const void *a, const void *b)
{
	const struct stamp *x = a, *y = b;

	if (x->hlc.bits != y->hlc.bits)
		return x->hlc.bits > y->hlc.bits ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

static struct bytes stamps_of(const struct meaning *meaning)
{
	struct stamp all[COUNT(changing)];
	struct buf buf = buf_growing(1000);
	size_t count = 0, different = 0;

	for (size_t i = 0; i < meaning->count; i++)
		if ((meaning->fields[i].number & 3) == MERGE_LWW)
			all[count++] = meaning->stamps[i];
	qsort(all, count, sizeof *all, compare_stamps);
	for (size_t i = 0; i < count; i++)
		if (!i || compare_stamps(&all[i], &all[different - 1]))
			all[different++] = all[i];
	for (size_t i = 0; i < different; i++) {
		put_number(&buf, all[i].hlc.bits, 8);
		put_number(&buf, all[i].node, 8);
	}
	for (size_t i = 0; i < meaning->count && different > 1; i++)
		for (size_t k = 0; k < different && (meaning->fields[i].number & 3) == MERGE_LWW; k++)
			if (!compare_stamps(&all[k], &meaning->stamps[i]))
				buf_put_byte(&buf, (uint8_t)k);
	return keep(&buf);
}

static struct bytes record_bytes(const struct subject *subject, const struct meaning *meaning)
{
	struct buf buf = buf_growing(10000);

	mp_put_array(&buf, 3);
	mp_put_bool(&buf, meaning->is_dead);
	mp_put_bin(&buf, stamps_of(meaning));
	buf_put_bytes(&buf, map_of(subject->once, meaning->has_identity ? subject->once_count : 0, meaning->fields,
				   meaning->count));
	return keep(&buf);
}

/* Keys and values as the store should have them, to be sorted. */
struct pile {
	size_t count;
	struct bytes keys[RECORDS * 8], values[RECORDS * 8];
};

static void pile_up(struct pile *pile, struct buf *key, struct bytes value)
{
	size_t at = pile->count++;
	struct bytes bytes = keep(key);

	for (; at && bytes_compare(pile->keys[at - 1], bytes) > 0; at--) {
		pile->keys[at] = pile->keys[at - 1];
		pile->values[at] = pile->values[at - 1];
	}
	pile->keys[at] = bytes;
	pile->values[at] = value;
}

/* `value` as it is in keys, but for the end of a name. */
static void pile_index(struct pile *pile, const struct subject *subject, uint32_t number, struct bytes value)
{
	struct buf key = buf_growing(200);

	put_number(&key, 2, 1);
	put_number(&key, subject->kind, 2);
	put_number(&key, number, 2);
	buf_put_bytes(&key, value);
	if (number == (3 << 2 | 1))
		buf_put_byte(&key, 0);
	buf_put(&key, subject->id.bytes, 16);
	pile_up(pile, &key, bytes_of(NULL, 0));
}

/* Without the first bytes of its msgpack: so ids, keys, addresses and short texts lie in keys. */
static struct bytes behind(struct bytes bytes, size_t size)
{
	return bytes_of(bytes.data + size, bytes.size - size);
}

static const struct value *meant(const struct meaning *meaning, uint32_t number)
{
	for (size_t i = 0; i < meaning->count; i++)
		if (meaning->fields[i].number == number)
			return &meaning->fields[i].value;
	return NULL;
}

static void pile_device(struct pile *pile, const struct subject *subject, const struct meaning *meaning)
{
	const struct value *name = meant(meaning, 3 << 2 | 1), *expires = meant(meaning, 5 << 2 | 3);
	struct buf time = buf_growing(8);

	/* Required, and one of the names is not allowed. */
	if (!name || name->bytes.size == 1 || name->bytes.size > 4 || !meant(meaning, 4 << 2 | 2))
		return;
	pile_index(pile, subject, 1 << 2, behind(subject->once[0].value.bytes, 2));
	pile_index(pile, subject, 2 << 2, behind(subject->once[1].value.bytes, 2));
	pile_index(pile, subject, 3 << 2 | 1, behind(name->bytes, 1));
	/* [generation, a number]: not in conflict, not removed. */
	if (expires && expires->bytes.data[0] == 0x92 && expires->bytes.data[expires->bytes.size - 1] != 0xc0) {
		put_number(&time, expires->number, 8);
		pile_index(pile, subject, 5 << 2 | 3, buf_bytes(&time));
	}
	buf_done(&time);
}

static void pile_mark(struct pile *pile, const struct subject *subject, const struct field_said *field)
{
	struct buf said = buf_growing(100), key = buf_growing(100);
	struct bytes all;
	struct id hash;

	put_number(&said, subject->kind, 4);
	put_number(&said, field->number, 4);
	buf_put_bytes(&said, field->value.bytes);
	all = keep(&said);
	hash = hash_id(&all, 1);
	put_number(&key, 7, 1);
	buf_put(&key, hash.bytes, 16);
	buf_put(&key, subject->id.bytes, 7);
	pile_up(pile, &key, bytes_of(NULL, 0));
}

static void weigh(struct root *root, const struct subject *subject, struct bytes record)
{
	struct sum inner = hash_wide(root->key, record);
	struct buf buf = buf_growing(100);

	put_number(&buf, subject->kind, 4);
	buf_put(&buf, subject->id.bytes, 16);
	put_number(&buf, inner.low, 8);
	put_number(&buf, inner.high, 8);
	sum_add(&root->buckets[subject->id.bytes[0]], hash_wide(root->key, buf_bytes(&buf)));
	buf_done(&buf);
}

static void pile_subject(struct pile *pile, struct root *root, const struct subject *subject,
			 const struct meaning *meaning)
{
	struct bytes record = record_bytes(subject, meaning);
	struct buf key = buf_growing(100);
	bool is_lease = subject->kind == KIND_lease;

	if (!meaning->is_there)
		return;
	put_number(&key, 1, 1);
	put_number(&key, subject->kind, 2);
	buf_put(&key, subject->id.bytes, 16);
	pile_up(pile, &key, record);
	if (!meaning->has_identity)
		return;
	if (meaning->is_dead) {
		if (subject->kind == KIND_device || is_lease)
			pile_mark(pile, subject, &subject->once[is_lease ? 3 : 0]);
		return;
	}
	weigh(root, subject, record);
	if (subject->kind == KIND_device)
		pile_device(pile, subject, meaning);
	if (!is_lease)
		return;
	pile_index(pile, subject, 1 << 2, behind(subject->once[1].value.bytes, 2));
	pile_index(pile, subject, 3 << 2, behind(subject->once[3].value.bytes, 1));
}

void set_put_pair(struct buf *buf, struct bytes key, struct bytes value)
{
	put_number(buf, key.size, 2);
	buf_put_bytes(buf, key);
	put_number(buf, value.size, 4);
	buf_put_bytes(buf, value);
}

struct bytes set_meaning(const struct set *set, struct root *ret_root)
{
	struct pile pile = { .count = 0 };
	struct buf buf = buf_growing(1 << 20);

	*ret_root = (struct root){ .changed = 0 };
	memcpy(ret_root->key.bytes, set_cluster.bytes, sizeof set_cluster.bytes);
	for (size_t i = 0; i < set->records; i++) {
		struct meaning meaning = mean(set, i);

		pile_subject(&pile, ret_root, &set->subjects[i], &meaning);
	}
	for (size_t i = 0; i < pile.count; i++)
		set_put_pair(&buf, pile.keys[i], pile.values[i]);
	return keep(&buf);
}

void set_done(void)
{
	arena_done(&arena);
}
