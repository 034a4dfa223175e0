/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"

#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"

/*
 * Rows as the bytes they are on disk and on the wire, written by hand from the msgpack specification: 8x map, 9x array,
 * ax text, c4 bytes, cc to cf numbers; a field's number is its place << 2 | merge.
 */

static struct arena arena;

#define B(text)                                           \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define ID4(a)                                                         \
	{                                                              \
		{                                                      \
			a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a \
		}                                                      \
	}

static const struct value_case {
	enum type type;
	union slot slot;
	const char *hex;
} values[] = {
	{ TYPE_BOOL, { .truth = true }, "c3" },
	{ TYPE_BOOL, { .truth = false }, "c2" },
	{ TYPE_UINT, { .number = 127 }, "7f" },
	{ TYPE_UINT, { .number = 51820 }, "cd ca6c" },
	{ TYPE_COUNT64, { .number = UINT64_MAX }, "cf ffffffffffffffff" },
	{ TYPE_INT, { .signed_number = -1 }, "ff" },
	{ TYPE_INT, { .signed_number = -180 }, "d1 ff4c" },
	{ TYPE_INT, { .signed_number = 180 }, "cc b4" },
	{ TYPE_TIME, { .time = { UINT64_C(1795274803000) } }, "cf 000001a1feb78738" },
	{ TYPE_SPAN, { .number = 86400 }, "ce 00015180" },
	{ TYPE_CHOICE, { .number = 3 }, "03" },
	{ TYPE_NODE, { .number = 1 }, "01" },
	{ TYPE_SLUG, { .bytes = B("fra-1") }, "a5 6672612d31" },
	{ TYPE_NAME, { .bytes = B("Zo\xc3\xab") }, "a4 5a6fc3ab" },
	{ TYPE_LINE,
	  { .bytes = B("0123456789abcdef0123456789abcdef") },
	  "d9 20 3031323334353637383961626364656630313233343536373839616263646566" },
	{ TYPE_NOTE, { .bytes = B("a\nb") }, "a3 610a62" },
	{ TYPE_HOST, { .bytes = B("a.b") }, "a3 612e62" },
	{ TYPE_URL, { .bytes = B("http://a") }, "a8 687474703a2f2f61" },
	{ TYPE_BYTES, { .bytes = B("\0\377") }, "c4 02 00ff" },
	{ TYPE_ID, { .id = ID4(0xab) }, "c4 10 abababababababababababababababab" },
	{ TYPE_REF, { .ref = { 0x1234, ID4(0xab) } }, "92 cd1234 c4 10 abababababababababababababababab" },
	{ TYPE_KEY, { .key = { { 1 } } }, "c4 20 0100000000000000000000000000000000000000000000000000000000000000" },
	{ TYPE_ADDRESS, { .address = { 4, { 10, 0, 0, 1 } } }, "c4 04 0a000001" },
	{ TYPE_ADDRESS, { .address = { 16, { 0xfd, [15] = 1 } } }, "c4 10 fd000000000000000000000000000001" },
	{ TYPE_NETWORK, { .network = { { 4, { 10 } }, 8 } }, "c4 05 0a000000 08" },
	{ TYPE_NETWORK, { .network = { { 16, { 0xfd } }, 64 } }, "c4 11 fd000000000000000000000000000000 40" },
	{ TYPE_COUNTER, { .counter = { 300, 200, 1 } }, "93 cd012c ccc8 01" },
};

static const struct {
	uint64_t min, max;
} limits[] = {
#define X(type, c_type, least, most) { LEAST_##type, MOST_##type },
	MODEL_TYPES(X)
#undef X
};

static void every_type_has_its_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		const struct value_case *c = &values[i];
		struct field f = { .type = (uint8_t)c->type,
				   .of = CHOICES_role,
				   .min = limits[c->type].min,
				   .max = limits[c->type].max };
		struct bytes wanted = unhex(&arena, c->hex);
		struct buf buf = buf_growing(1000);
		struct reader r = reader_over(wanted);
		union slot back = { 0 };

		if (c->type == TYPE_INT)
			f = *FIELD_TABLE(gateway, latitude);
		print_message("  %s\n", c->hex);
		pack_write_slot(&f, &c->slot, &buf);
		assert_int_equal(buf.size, wanted.size);
		assert_memory_equal(buf.data, wanted.data, wanted.size);
		assert_int_equal(pack_read_slot(&f, &r, &back, NULL), OK);
		assert_int_equal(reader_left(&r), 0);
		buf_clear(&buf);
		pack_write_slot(&f, &back, &buf);
		assert_memory_equal(buf.data, wanted.data, wanted.size);
		buf_done(&buf);
	}
}

#define HAS(owner, name) BIT(AT_##owner##_##name)

static void expect(const struct kind *kind, const void *row, const char *hex)
{
	struct bytes wanted = unhex(&arena, hex);
	struct buf buf = buf_growing(4000);

	pack_write(&kind->shape, row, &buf);
	assert_int_equal(buf.size, wanted.size);
	assert_memory_equal(buf.data, wanted.data, wanted.size);
	buf_done(&buf);
}

static const char device_hex[] =
	"88" /* eight fields */
	"04"
	"c420"
	"7777777777777777777777777777777777777777777777777777777777777777" /* 1 ONCE public_key */
	"08"
	"c410"
	"22222222222222222222222222222222" /* 2 ONCE owner */
	"0d"
	"a6"
	"6c6170746f70" /* 3 LWW name: laptop */
	"12"
	"03" /* 4 MAX ordinal: 3 */
	"19"
	"92"
	"a1"
	"61"
	"a2"
	"6262" /* 6 LWW tags: a, bb */
	"1d"
	"02" /* 7 LWW routes: split */
	"21"
	"91"
	"c405"
	"c0a80000"
	"10" /* 8 LWW split: 192.168.0.0/16 */
	"35"
	"c3"; /* 13 LWW kill_switch */

static void a_device_has_these_bytes(void **state)
{
	struct device_row row = { .has = HAS(device, public_key) | HAS(device, owner) | HAS(device, name) |
					 HAS(device, ordinal) | HAS(device, tags) | HAS(device, routes) |
					 HAS(device, split) | HAS(device, kill_switch) },
			  back;
	struct reader items;
	struct network network;

	(void)state;
	memset(&row.public_key, 0x77, sizeof row.public_key);
	memset(&row.owner, 0x22, sizeof row.owner);
	row.name = bytes_text("laptop");
	row.ordinal = 3;
	row.tags = (struct list){ B("\xa1\x61\xa2\x62\x62"), 2 };
	row.routes = ROUTES_SPLIT;
	row.split = (struct list){ B("\xc4\x05\xc0\xa8\0\0\x10"), 1 };
	row.kill_switch = true;
	expect(KIND_TABLE(device), &row, device_hex);

	assert_int_equal(pack_read(&KIND_TABLE(device)->shape, unhex(&arena, device_hex), true, &back, NULL), OK);
	assert_true(back.has == row.has && back.ordinal == 3 && back.kill_switch && back.routes == ROUTES_SPLIT);
	assert_true(bytes_equal(back.name, row.name) && id_equal(back.owner, row.owner));
	assert_int_equal(back.tags.count, 2);
	items = reader_over(back.split.items);
	assert_true(pack_next(FIELD_TABLE(device, split), &items, &network));
	assert_true(network.prefix == 16 && network.address.size == 4 && network.address.bytes[1] == 168);
	assert_false(pack_next(FIELD_TABLE(device, split), &items, &network));
	assert_int_equal(back.mtu, 0);
}

static const char policy_version_hex[] = "82" /* two fields */
					 "04"
					 "c410"
					 "44444444444444444444444444444444" /* 1 ONCE policy */
					 "0c"
					 "92" /* 3 ONCE rules: two */
					 "84" /*   four fields */
					 "04"
					 "01" /*   1 verdict: allow */
					 "08"
					 "91"
					 "c405"
					 "0a000000"
					 "08" /*   2 to: 10.0.0.0/8 */
					 "10"
					 "02" /*   4 protocol: tcp */
					 "14"
					 "92" /*   5 ports: two */
					 "82"
					 "04"
					 "16"
					 "08"
					 "16" /*     first 22, last 22 */
					 "82"
					 "04"
					 "cd1f90"
					 "08"
					 "cd1f9a" /*     first 8080, last 8090 */
					 "82"     /*   two fields */
					 "04"
					 "02" /*   1 verdict: deny */
					 "20"
					 "a3"
					 "616c6c"; /*   8 note: all */

static void a_policy_version_has_these_bytes(void **state)
{
	struct bytes whole = unhex(&arena, policy_version_hex);
	struct policy_version_row row = { .has = HAS(policy_version, policy) | HAS(policy_version, rules) }, back;
	const struct field *rules = FIELD_TABLE(policy_version, rules);
	const struct shape *part = &model_parts[PART_rule];
	struct rule_row first, second;
	struct bytes map;
	struct reader items;

	(void)state;
	assert_int_equal(pack_read(&KIND_TABLE(policy_version)->shape, whole, true, &back, NULL), OK);
	assert_int_equal(back.rules.count, 2);
	items = reader_over(back.rules.items);
	assert_true(pack_next(rules, &items, &map));
	assert_int_equal(pack_read(part, map, true, &first, NULL), OK);
	assert_true(first.verdict == VERDICT_ALLOW && first.protocol == PROTOCOL_TCP && first.ports.count == 2);
	assert_int_equal(first.has, HAS(rule, verdict) | HAS(rule, to) | HAS(rule, protocol) | HAS(rule, ports));
	assert_true(pack_next(rules, &items, &map));
	assert_int_equal(pack_read(part, map, true, &second, NULL), OK);
	assert_true(second.verdict == VERDICT_DENY && bytes_equal(second.note, bytes_text("all")));
	assert_false(pack_next(rules, &items, &map));

	memset(&row.policy, 0x44, sizeof row.policy);
	row.rules = (struct list){ bytes_of(whole.data + 22, whole.size - 22), 2 };
	expect(KIND_TABLE(policy_version), &row, policy_version_hex);
}

static const char usage_hex[] = "86" /* six fields */
				"04"
				"cf"
				"8000000000000001" /* 1 ONCE node */
				"08"
				"01" /* 2 ONCE start */
				"0c"
				"c410"
				"99999999999999999999999999999999" /* 3 ONCE device */
				"10"
				"cd"
				"5133" /* 4 ONCE period: day 20787 */
				"16"
				"93"
				"cd03e8"
				"cd01f4"
				"02" /* 5 MAX sent: 1000, read at 500, the 2nd making */
				"1e"
				"93"
				"00"
				"00"
				"00"; /* 7 MAX connected */

static void usage_has_these_bytes(void **state)
{
	struct usage_row row = { .has = HAS(usage, node) | HAS(usage, start) | HAS(usage, device) | HAS(usage, period) |
					HAS(usage, sent) | HAS(usage, connected),
				 .node = UINT64_C(0x8000000000000001),
				 .start = 1,
				 .period = 20787,
				 .sent = { 1000, 500, 2 } },
			 back;

	(void)state;
	memset(&row.device, 0x99, sizeof row.device);
	expect(KIND_TABLE(usage), &row, usage_hex);
	assert_int_equal(pack_read(&KIND_TABLE(usage)->shape, unhex(&arena, usage_hex), true, &back, NULL), OK);
	assert_true(back.has == row.has && back.node == row.node && back.period == 20787);
	assert_true(back.sent.total == 1000 && back.sent.reading == 500 && back.sent.making == 2);
}

static int clean(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_its_bytes),
		cmocka_unit_test(a_device_has_these_bytes),
		cmocka_unit_test(a_policy_version_has_these_bytes),
		cmocka_unit_test(usage_has_these_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
