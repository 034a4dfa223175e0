/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CONFIG_H
#define WARREN_CONFIG_H

/*
 * How one server's agent is set up: the built-in values, over them the file /etc/warren/warrend.conf, over that the
 * environment (WARREN_GOSSIP_LISTEN for gossip.listen), over that flags (--gossip.listen=…). All options stand in one
 * table with their type, limits, usual value and a line about them; the help, the documentation and the example file
 * come from it. Whatever is unknown, or given twice in one place, or not allowed, is refused with the file's line, and
 * an unknown name with the nearest one that is known.
 *
 * The file: `name = value`, one a line; lists by commas; `#` begins a comment at the start of a line or behind a space.
 */

#include "agent/log.h"
#include "agent/transport.h"
#include "crdt/base/buf.h"

enum { CONFIG_PATH_MAX = 100 /* what fits a socket's address */, CONFIG_TEXT_MAX = 256 };

struct config_addresses {
	struct transport_address all[TRANSPORT_ADDRESSES_MAX];
	size_t count;
};

struct config {
	char state[CONFIG_TEXT_MAX];        /* state: /var/lib/warren */
	char socket[CONFIG_PATH_MAX];       /* socket: /run/warren/warrend.sock */
	char socket_group[CONFIG_TEXT_MAX]; /* socket.group: whose members may use it; empty: the process's group */
	struct config_addresses listen;     /* gossip.listen: [::]:8444, which takes IPv4 too; none: it only dials */
	struct config_addresses
		advertise;        /* gossip.advertise: where others reach it, if that is not where it listens */
	enum log_style log_style; /* log.format: logfmt, json */
	enum log_level log_level; /* log.level: error, warn, info, debug */
};

/* Where a process was started: its words without the program's name, and its environment; all borrowed. */
struct config_given {
	int argc;
	char **argv;
	char **environment;
	const char *file; /* NULL: the usual one */
};

/*
 * The file may be missing. --config=FILE, or else WARREN_CONFIG, names another, which must be there; empty: none is
 * read. Nobody but its owner may write it, and that is root or whose process this is. A flag is --name=value, one word;
 * words that are no flags, and have neither a '=' nor a name with a dot, are left to the caller: *ret_rest counts those
 * that argv begins with afterwards, the flags behind them, so that all can be read again. A variable WARREN_… that
 * begins like one of ours or is nearly one is refused as unknown; others are another program's.
 */
enum code config_read(const struct config_given *given, struct config *ret_config, int *ret_rest, struct err *err);

/* What a running process cannot take up without a restart, for the log: names of options, until the thread asks again;
 * NULL when there is nothing. */
const char *config_needs_restart(const struct config *now, const struct config *next);

/* The example file, with every option and what it is about, each as a comment with its usual value; the text is the
 * caller's to print for --config-example. */
void config_write_example(struct buf *out);

#endif
