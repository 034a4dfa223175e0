/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_OFFLINE_H
#define WARREN_OFFLINE_H

/*
 * What warrend does with a state directory while no agent runs on it: check it, show it. Neither changes a byte.
 */

/* What a command of ours tells whoever called it. */
enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

/*
 * Both read in a child process: should the file make even that one crash, this is reported as damage of its structure.
 * That somebody else ended it says nothing about the state, and is EXIT_UNREACHABLE.
 *
 * Verifies everything. Findings go to stdout, and what to do about them.
 */
enum exit_status offline_check(const char *state_dir);

/*
 * Prints every record and statement, or those of one kind (NULL: all), and then where each stream ends, as a line of
 * JSON each, secrets masked. What cannot be read is named on stderr, and is a failure at the end.
 */
enum exit_status offline_dump(const char *state_dir, const char *kind);

#endif
