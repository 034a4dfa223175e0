/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_AGENT_H
#define WARREN_AGENT_H

/*
 * The agent as a process: the loop with its signals, the unix socket, and this server's part in its cluster. SIGTERM
 * and SIGINT end it within five seconds, SIGHUP reads the configuration anew.
 */

#include "agent/config.h"

/* Runs until it is told to end, or must: 0 or 1, the process's exit status. */
int agent_run(const struct config *config, const struct config_given *given);

#endif
