/* SPDX-License-Identifier: Apache-2.0 */

/* What it costs to take a record's fields apart, to put them together, and to print them as JSON. */

#include "bench/figure.h"
#include "crdt/base/text.h"
#include "crdt/model/json.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"

#include <msgpack.h>
#include <stdio.h>

enum { ROUNDS = 25 };

static size_t repeats = 100000;

/* One side of a comparison: does its work `repeats` times. */
typedef void work(void *context);

static double once_ns(work *run, void *context)
{
	double start = now_seconds();

	run(context);
	return (now_seconds() - start) / (double)repeats * 1e9;
}

/* Both in turn, so that a machine that slows down slows both. */
static void compare(work *ours, work *peers, void *context, double *ret_ours, double *ret_peers)
{
	double a[ROUNDS], b[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		a[i] = once_ns(ours, context);
		b[i] = once_ns(peers, context);
	}
	/* Whatever else the machine does only ever adds time: the least is the work itself. */
	*ret_ours = percentile(a, ROUNDS, 0);
	*ret_peers = percentile(b, ROUNDS, 0);
}

struct codec {
	struct sample_device device;
	struct device_row read;
	struct bytes map;
	struct buf out;
	msgpack_sbuffer sbuffer;
	msgpack_zone zone;
};

static void keep(const void *memory)
{
	__asm__ volatile("" ::"r"(memory) : "memory");
}

static void our_decode(void *context)
{
	struct codec *c = context;
	struct err err;

	for (size_t i = 0; i < repeats; i++) {
		must(pack_read(&KIND_TABLE(device)->shape, c->map, true, &c->read, &err), &err, "decode");
		keep(&c->read);
	}
}

/* The library's own, with its memory kept from one to the next; it checks no limit and knows no field. */
static void library_decode(void *context)
{
	struct codec *c = context;

	for (size_t i = 0; i < repeats; i++) {
		msgpack_object object;
		size_t at = 0;

		msgpack_unpack((const char *)c->map.data, c->map.size, &at, &c->zone, &object);
		keep(&object);
		msgpack_zone_clear(&c->zone);
	}
}

static void our_encode(void *context)
{
	struct codec *c = context;

	for (size_t i = 0; i < repeats; i++) {
		buf_clear(&c->out);
		pack_write(&KIND_TABLE(device)->shape, &c->read, &c->out);
		keep(c->out.data);
	}
}

static void pack_text(msgpack_packer *p, unsigned number, struct bytes text)
{
	msgpack_pack_uint32(p, number);
	msgpack_pack_str_with_body(p, text.data, text.size);
}

static void pack_number(msgpack_packer *p, unsigned number, uint64_t value)
{
	msgpack_pack_uint32(p, number);
	msgpack_pack_uint64(p, value);
}

/* The same record, field by field, as one would write it by hand. */
static void hand_encode(void *context)
{
	struct codec *c = context;
	const struct device_row *d = &c->read;

	for (size_t i = 0; i < repeats; i++) {
		msgpack_packer p;

		msgpack_sbuffer_clear(&c->sbuffer);
		msgpack_packer_init(&p, &c->sbuffer, msgpack_sbuffer_write);
		msgpack_pack_map(&p, 15);
		msgpack_pack_uint32(&p, 4);
		msgpack_pack_bin_with_body(&p, d->public_key.bytes, 32);
		msgpack_pack_uint32(&p, 8);
		msgpack_pack_bin_with_body(&p, d->owner.bytes, 16);
		pack_text(&p, 13, d->name);
		pack_number(&p, 18, d->ordinal);
		msgpack_pack_uint32(&p, 25);
		msgpack_pack_array(&p, 2);
		msgpack_sbuffer_write(&c->sbuffer, (const char *)d->tags.items.data, d->tags.items.size);
		pack_number(&p, 29, d->routes);
		msgpack_pack_uint32(&p, 37);
		msgpack_pack_array(&p, 1);
		msgpack_sbuffer_write(&c->sbuffer, (const char *)d->dns.items.data, d->dns.items.size);
		pack_number(&p, 41, d->keepalive);
		pack_number(&p, 45, d->mtu);
		msgpack_pack_uint32(&p, 53);
		msgpack_pack_true(&p);
		pack_number(&p, 58, d->revision);
		pack_text(&p, 61, d->note);
		pack_number(&p, 65, d->made.ms);
		pack_text(&p, 69, d->platform);
		msgpack_pack_uint32(&p, 73);
		msgpack_pack_true(&p);
		keep(c->sbuffer.data);
	}
}

static void our_json(void *context)
{
	struct codec *c = context;

	for (size_t i = 0; i < repeats; i++) {
		buf_clear(&c->out);
		json_write_row(&KIND_TABLE(device)->shape, &c->read.id, &c->read, JSON_PUBLIC, &c->out);
		keep(c->out.data);
	}
}

static void put_number(struct buf *buf, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	buf_put(buf, digits + at, sizeof digits - at);
}

static void put_time(struct buf *buf, struct wall_time time)
{
	char text[WALL_TEXT_SIZE];

	wall_format(time, text);
	buf_put_byte(buf, '"');
	buf_put_text(buf, text);
	buf_put_byte(buf, '"');
}

#define LITERAL(buf, text) buf_put(buf, text, sizeof(text) - 1)

/* The same document, written by hand for this one record; the conversions are the product's. */
static void hand_json(void *context)
{
	struct codec *c = context;
	const struct device_row *d = &c->read;

	for (size_t i = 0; i < repeats; i++) {
		char id[33], owner[33], key[45];
		struct buf *b = &c->out;

		buf_clear(b);
		hex_write(bytes_of(d->id.bytes, 16), id);
		hex_write(bytes_of(d->owner.bytes, 16), owner);
		base64_write(bytes_of(d->public_key.bytes, 32), key);
		LITERAL(b, "{\"id\":\"");
		buf_put(b, id, 32);
		LITERAL(b, "\",\"public_key\":\"");
		buf_put(b, key, 44);
		LITERAL(b, "\",\"owner\":\"");
		buf_put(b, owner, 32);
		LITERAL(b, "\",\"name\":");
		json_write_text(d->name, b);
		LITERAL(b, ",\"tags\":[\"work\",\"mobile\"],\"routes\":\"full\",\"dns\":[\"9.9.9.9\"],\"keepalive\":");
		put_number(b, d->keepalive);
		LITERAL(b, ",\"mtu\":");
		put_number(b, d->mtu);
		LITERAL(b, ",\"kill_switch\":true,\"note\":");
		json_write_text(d->note, b);
		LITERAL(b, ",\"made\":");
		put_time(b, d->made);
		LITERAL(b, ",\"platform\":");
		json_write_text(d->platform, b);
		LITERAL(b, ",\"keeps_peers\":true}");
		keep(b->data);
	}
}

static void must_agree(const struct codec *c, struct bytes ours, struct bytes by_hand, const char *what)
{
	struct err err = { .text = "ours and the one by hand differ" };

	(void)c;
	must(bytes_equal(ours, by_hand) ? OK : E_VALUE, &err, what);
}

/* A comparison of different work would say nothing. */
static void check_peers(struct codec *c)
{
	struct buf json = buf_growing(1 << 16);
	size_t asked = repeats;

	repeats = 1;
	our_decode(c);
	our_encode(c);
	hand_encode(c);
	must_agree(c, buf_bytes(&c->out), bytes_of(c->sbuffer.data, c->sbuffer.size), "encode");
	our_json(c);
	buf_put_bytes(&json, buf_bytes(&c->out));
	hand_json(c);
	must_agree(c, buf_bytes(&json), buf_bytes(&c->out), "json");
	buf_done(&json);
	repeats = asked;
}

static void print_all(struct codec *c)
{
	double ours, peers;

	compare(our_decode, library_decode, c, &ours, &peers);
	figure_print(&(struct figure){ "codec.decode_ns", "ns", "<= 150, 15 fields, no allocation", ours,
				       "msgpack_unpack with its zone kept, no limits checked", peers });
	compare(our_encode, hand_encode, c, &ours, &peers);
	figure_print(
		&(struct figure){ "codec.encode_ns", "ns", "none", ours, "msgpack-c, field by field by hand", peers });
	compare(our_json, hand_json, c, &ours, &peers);
	figure_print(
		&(struct figure){ "codec.json_ratio", "of the peer", "<= 2", ours / peers, "a writer by hand, 1", 1 });
	figure_print(&(struct figure){ "codec.json_ns", "ns", "none", ours, "a writer by hand", peers });
}

int main(int argc, char **argv)
{
	struct rng rng = rng_from_number(1);
	struct codec c = { .out = buf_growing(1 << 16) };
	struct buf map = buf_growing(1 << 16);

	if (figure_is_quick(argc, argv))
		repeats = 200;
	sample_device(&rng, &c.device);
	pack_write(&KIND_TABLE(device)->shape, &c.device.row, &map);
	c.map = buf_bytes(&map);
	msgpack_sbuffer_init(&c.sbuffer);
	msgpack_zone_init(&c.zone, 8192);
	check_peers(&c);
	print_all(&c);
	msgpack_zone_destroy(&c.zone);
	msgpack_sbuffer_destroy(&c.sbuffer);
	buf_done(&map);
	buf_done(&c.out);
	return 0;
}
