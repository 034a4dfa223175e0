/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_IP_H
#define WARREN_IP_H

/*
 * Addresses and networks of both IP versions.
 *
 * An address is 4 or 16 bytes, by `size`; 0 means none. A network's host bits are zero. Text is read strictly: no
 * leading zeros, no zone, no port, no blanks, no IPv4 inside IPv6.
 */

#include "crdt/base/err.h"

struct address {
	uint8_t size;
	uint8_t bytes[16];
};

struct network {
	struct address address;
	uint8_t prefix;
};

enum { ADDRESS_TEXT_SIZE = 46, NETWORK_TEXT_SIZE = 50 };

void address_format(const struct address *address, char room[ADDRESS_TEXT_SIZE]);
void network_format(const struct network *network, char room[NETWORK_TEXT_SIZE]);

enum code address_parse(struct bytes text, struct address *ret_address, struct err *err);

/* "10.0.0.0/24"; a plain address is a network of its own. */
enum code network_parse(struct bytes text, struct network *ret_network, struct err *err);

/* Whether size, prefix and host bits are as a network's must be. */
bool network_is_valid(const struct network *network);

#endif
