/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CONFIG_ADDRESS_H
#define WARREN_CONFIG_ADDRESS_H

/*
 * Addresses as people write them: "host:port", "[v6]:port", ":port" for all of this server's, and without a port the
 * usual one. Reads text alone, and asks no resolver.
 */

#include "agent/config.h"

enum { CONFIG_PORT_USUAL = 8444 };

enum config_address_use {
	ADDRESS_TO_LISTEN, /* of this server; port 0 is one that the kernel chooses */
	ADDRESS_TO_REACH,  /* for others, so that "all" and port 0 are refused */
};

/* Parted by commas, no two the same; IP addresses come back in their canonical form. Empty text is no address. */
enum code config_addresses_read(struct bytes text, enum config_address_use use, struct config_addresses *ret_addresses,
				struct err *err);

#endif
