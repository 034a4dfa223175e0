/* SPDX-License-Identifier: Apache-2.0 */

/* The check's child dies: whatever killed it, the parent lives and tells it as damage. */

#include "agent/offline.h"
#include "agent/verify.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum code __wrap_verify_state(const char *state_dir, struct verify_report *report, struct err *err);

/* In place of the real one: what LMDB does on a page that makes no sense, but without a sanitizer's say in it. */
enum code __wrap_verify_state(const char *state_dir, struct verify_report *report, struct err *err)
{
	(void)state_dir;
	(void)report;
	(void)err;
	kill(getpid(), SIGKILL);
	return OK;
}

int main(void)
{
	char said[2048] = "";
	int ends[2], out = dup(STDOUT_FILENO);
	enum exit_status status;
	bool is_right;

	if (pipe(ends) || dup2(ends[1], STDOUT_FILENO) < 0)
		return 1;
	status = offline_check("/some/state");
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	is_right = read(ends[0], said, sizeof said - 1) > 0 && status == EXIT_FAILED &&
		   strstr(said, "damaged: the structure of the state's file: reading it ended with signal 9") &&
		   strstr(said, "/some/state is damaged") && strstr(said, "What to do:");
	printf("%s\n%s", is_right ? "ok" : "not ok", said);
	return is_right ? 0 : 1;
}
