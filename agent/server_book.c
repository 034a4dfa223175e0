/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cleanup.h"
#include "agent/rows.h"
#include "agent/server_inside.h"
#include "crdt/model/pack.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

/* Where members reach each other: what each tells of itself in its own row, and what the join token said. */

/* --- Of others. */

struct book {
	struct transport_address *all;
	size_t count, most;
};

static void add(struct book *book, const char *host, size_t size, uint64_t port)
{
	struct transport_address address = { .port = (uint16_t)port };

	if (!size || size >= sizeof address.host || !port || port > UINT16_MAX || book->count == book->most)
		return;
	memcpy(address.host, host, size);
	for (size_t i = 0; i < book->count; i++)
		if (book->all[i].port == address.port && !strcmp(book->all[i].host, address.host))
			return;
	book->all[book->count++] = address;
}

static void add_endpoints(struct book *book, const struct gateway_fact_row *fact)
{
	const struct field *field = FIELD_TABLE(gateway_fact, endpoints);
	struct reader items = reader_over(fact->endpoints.items);
	struct endpoint_row row;
	struct bytes part;

	if (!(fact->has & BIT(AT_gateway_fact_endpoints)))
		return;
	while (pack_next(field, &items, &part))
		if (!pack_read(&model_parts[PART_endpoint], part, true, &row, NULL) && row.service == SERVICE_GOSSIP)
			add(book, (const char *)row.host.data, row.host.size, row.port);
}

static void add_known(const struct server *server, uint64_t node, struct book *book)
{
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct gateway_fact_row fact;

	if (!store_snapshot(server->store, &txn, NULL) && !rows_fact(txn, node, &arena, &fact, NULL))
		add_endpoints(book, &fact);
}

size_t server_find_addresses(const struct server *server, uint64_t node, struct transport_address *room, size_t most)
{
	const struct identity *identity = server->identity;
	struct book book = { room, 0, most };

	add_known(server, node, &book);
	if (identity->is_joining && node_of_key(identity->token.sponsor) == node)
		for (size_t i = 0; i < identity->token.count; i++)
			add(&book, identity->token.addresses[i].host, strlen(identity->token.addresses[i].host),
			    identity->token.addresses[i].port);
	return book.count;
}

/* --- Of this one. */

static bool is_any(const char *host)
{
	return !strcmp(host, "::") || !strcmp(host, "0.0.0.0");
}

/* An address by which another machine may come here. */
static bool is_reachable(const struct ifaddrs *one, bool takes_six, char *room, socklen_t size)
{
	const struct sockaddr_in *four = (const void *)one->ifa_addr;
	const struct sockaddr_in6 *six = (const void *)one->ifa_addr;

	if (!one->ifa_addr || !(one->ifa_flags & IFF_UP) || one->ifa_flags & IFF_LOOPBACK)
		return false;
	if (four->sin_family == AF_INET)
		return (ntohl(four->sin_addr.s_addr) >> 16) != 0xa9fe &&
		       inet_ntop(AF_INET, &four->sin_addr, room, size);
	return takes_six && six->sin6_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) &&
	       inet_ntop(AF_INET6, &six->sin6_addr, room, size);
}

static void add_interfaces(struct book *book, bool takes_six, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		if (is_reachable(one, takes_six, text, sizeof text))
			add(book, text, strlen(text), port);
	freeifaddrs(all);
}

size_t server_endpoints(const struct server *server, struct transport_address *room, size_t most)
{
	const struct config_addresses *listen = &server->config->listen, *told = &server->config->advertise;
	struct book book = { room, 0, most };

	for (size_t i = 0; i < told->count; i++)
		add(&book, told->all[i].host, strlen(told->all[i].host), told->all[i].port);
	for (size_t i = 0; !told->count && i < listen->count; i++) {
		const char *host = listen->all[i].host;
		uint16_t port = transport_port(server->transport, i);

		if (is_any(host))
			add_interfaces(&book, strchr(host, ':') != NULL, port);
		else
			add(&book, host, strlen(host), port);
	}
	return book.count;
}

/* --- The own row. */

static struct list pack_endpoints(const struct server *server, struct arena *arena)
{
	const struct field *field = FIELD_TABLE(gateway_fact, endpoints);
	struct transport_address all[TRANSPORT_ADDRESSES_MAX];
	size_t count = server_endpoints(server, all, COUNT(all));
	struct buf items = buf_growing(MODEL_OP_MAX);
	struct list list = { .count = count };

	for (size_t i = 0; i < count; i++) {
		uint8_t room[TRANSPORT_HOST_MAX + 32];
		struct buf map = buf_over(room, sizeof room);
		struct endpoint_row row = { .host = bytes_text(all[i].host),
					    .port = all[i].port,
					    .service = SERVICE_GOSSIP };
		struct bytes part;

		row.has = BIT(AT_endpoint_host) | BIT(AT_endpoint_port) | BIT(AT_endpoint_service);
		pack_write(&model_parts[PART_endpoint], &row, &map);
		part = buf_bytes(&map);
		pack_write_slot(field, &part, &items);
	}
	list.items = arena_copy(arena, buf_bytes(&items));
	buf_done(&items);
	return list;
}

static struct gateway_fact_row own_row(const struct server *server, struct id gateway, struct arena *arena)
{
	struct gateway_fact_row row = { .node = server_node(server),
					.gateway = gateway,
					.version = bytes_text(WARREN_VERSION),
					.started = server->started,
					.level = LEVEL_KNOWN };

	row.endpoints = pack_endpoints(server, arena);
	row.has = BIT(AT_gateway_fact_node) | BIT(AT_gateway_fact_gateway) | BIT(AT_gateway_fact_version) |
		  BIT(AT_gateway_fact_started) | BIT(AT_gateway_fact_level);
	if (row.endpoints.count)
		row.has |= BIT(AT_gateway_fact_endpoints);
	return row;
}

static bool says_same(const struct gateway_fact_row *a, const struct gateway_fact_row *b)
{
	return (a->has & b->has) == b->has && id_equal(a->gateway, b->gateway) && bytes_equal(a->version, b->version) &&
	       a->started.ms == b->started.ms && a->level == b->level &&
	       bytes_equal(a->endpoints.items, b->endpoints.items);
}

static void on_published(void *context, const struct reply *reply)
{
	struct server *server = context;

	server->is_publishing = false;
	/* What cannot be written now is tried again by the timer. */
	if (reply->code)
		log_say(LOG_DEBUG, "the own row is not written", LOG_OF_TEXT("text", reply->text));
}

static void publish(struct server *server, struct store_txn *txn, struct id gateway, struct arena *arena)
{
	struct gateway_fact_row row = own_row(server, gateway, arena), old;
	struct heart_wish wish = { .asker = { .writes = BY_MEMBER }, .count = 1 };
	struct change change;
	struct id id;

	if (rows_create(KIND_TABLE(gateway_fact), &row, arena, &change, &id, NULL))
		return;
	if (!rows_fact(txn, row.node, arena, &old, NULL)) {
		if (says_same(&old, &row))
			return;
		change = rows_set(KIND_TABLE(gateway_fact), id, &row, arena);
	}
	wish.changes = &change;
	server->is_publishing = true;
	server_write(server, &wish, on_published, server);
}

void server_publish(struct server *server)
{
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	CLEANUP(arena_done) struct arena arena = { 0 };
	const struct member *own;
	struct realm realm;

	if (!server->standing.is_member || server->standing.is_twin || server->is_publishing || server->is_leaving)
		return;
	/* Who has just joined has nothing to lose, and takes a state by one member's word, only until it writes. */
	if (!server->standing.is_whole)
		return;
	if (store_snapshot(server->store, &txn, NULL) ||
	    realm_read(txn, server->identity->cluster, &arena, &realm, NULL))
		return;
	own = members_find(realm.members, server_node(server));
	if (own)
		publish(server, txn, own->gateway, &arena);
	realm_done(&realm);
}
