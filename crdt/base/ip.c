/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>

/* As much of a stranger's text as an error should repeat. */
#define SHOWN(text) (int)((text).size < 64 ? (text).size : 64), (const char *)(text).data

void address_format(const struct address *address, char room[ADDRESS_TEXT_SIZE])
{
	const uint8_t *last = address->bytes + 12;

	room[0] = '\0';
	if (address->size)
		inet_ntop(address->size == 4 ? AF_INET : AF_INET6, address->bytes, room, ADDRESS_TEXT_SIZE);
	/* libc writes ::ffff:1.2.3.4 with the dots that `address_parse` refuses; as numbers it is ::ffff:102:304. */
	if (address->size == 16 && strchr(room, '.'))
		snprintf(strrchr(room, ':') + 1, sizeof "ffff:ffff", "%x:%x", last[0] << 8 | last[1],
			 last[2] << 8 | last[3]);
}

void network_format(const struct network *network, char room[NETWORK_TEXT_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&network->address, text);
	snprintf(room, NETWORK_TEXT_SIZE, "%s/%u", text, network->prefix);
}

enum code address_parse(struct bytes text, struct address *ret_address, struct err *err)
{
	struct address address = { 0 };
	char copy[ADDRESS_TEXT_SIZE];
	bool is_v6 = text.size && memchr(text.data, ':', text.size);

	/* A dotted tail inside IPv6 would give one address two spellings. */
	if (!text.size || text.size >= sizeof copy || memchr(text.data, '\0', text.size) ||
	    (is_v6 && memchr(text.data, '.', text.size)))
		return fail(err, E_VALUE, "%.*s is not an IP address", SHOWN(text));
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, copy, address.bytes) != 1)
		return fail(err, E_VALUE, "%s is not an IP address", copy);
	address.size = is_v6 ? 16 : 4;
	*ret_address = address;
	return OK;
}

static bool host_bits_are_zero(const struct network *network)
{
	size_t at = network->prefix / 8;

	if (network->prefix % 8 && network->address.bytes[at++] & 0xff >> network->prefix % 8)
		return false;
	for (; at < network->address.size; at++)
		if (network->address.bytes[at])
			return false;
	return true;
}

bool network_is_valid(const struct network *network)
{
	size_t size = network->address.size;

	return (size == 4 || size == 16) && network->prefix <= size * 8 && host_bits_are_zero(network);
}

/* The number after the slash, or -1; one to three digits without a leading zero. */
static int prefix_of(struct bytes text)
{
	int prefix = 0;

	if (!text.size || text.size > 3 || (text.size > 1 && text.data[0] == '0'))
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		prefix = prefix * 10 + (text.data[i] - '0');
	}
	return prefix;
}

enum code network_parse(struct bytes text, struct network *ret_network, struct err *err)
{
	const uint8_t *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
	struct bytes address = slash ? bytes_of(text.data, (size_t)(slash - text.data)) : text;
	struct network network = { 0 };
	int most, prefix;

	if (address_parse(address, &network.address, NULL))
		return fail(err, E_VALUE, "%.*s is not a network: write it as 10.0.0.0/24 or fd00::/64", SHOWN(text));
	most = network.address.size * 8;
	prefix = slash ? prefix_of(bytes_of(slash + 1, text.size - address.size - 1)) : most;
	if (prefix < 0)
		return fail(err, E_VALUE, "%.*s is not a network: a prefix is a number from 0 to %d", SHOWN(text),
			    most);
	if (prefix > most)
		return fail(err, E_VALUE, "%.*s is not a network: the prefix of an IPv%d network is at most %d",
			    SHOWN(text), most == 32 ? 4 : 6, most);
	network.prefix = (uint8_t)prefix;
	if (!host_bits_are_zero(&network))
		return fail(err, E_VALUE, "%.*s is not a network: it has bits behind its prefix; /%d names one address",
			    SHOWN(text), most);
	*ret_network = network;
	return OK;
}
