/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_NOTIFY_H
#define WARREN_NOTIFY_H

/*
 * What the agent tells the supervisor that started it (systemd's sd_notify): datagrams to the socket that the
 * environment names in NOTIFY_SOCKET. Without one nothing happens, and a supervisor that does not listen is no fault of
 * the agent: false says that nobody was told. Waits a second at most. On the loop's thread.
 */

#include "crdt/base/base.h"

bool notify_ready(void);
/* Followed by notify_ready when the new configuration stands. */
bool notify_reloading(void);
bool notify_stopping(void);
/* One line for people, cut at 512 bytes. */
bool notify_status(const char *text);
bool notify_watchdog(void);

/* How long the supervisor waits between two notify_watchdog before it ends the process, so that half of it is a good
 * distance; 0: it does not watch. */
uint64_t notify_watchdog_us(void);

#endif
