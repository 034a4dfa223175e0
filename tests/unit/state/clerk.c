/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/clerk.h"

#include "tests/unit/base/check.h"

void clerk_start(struct asking *a, struct estate *e, struct id *ret_user)
{
	const struct id none = { 0 };

	asking_start(a, 1);
	estate_start(e, 2);
	estate_admit(e, ASKING_NODE, 1, none);
	estate_members(e);
	a->judging.members = e->members;
	ask_user(a, "anna", 0, none);
	TAKEN(a);
	*ret_user = a->judged.ids[0];
	a->asker.writes = BY_OWNER | BY_AGENT;
}

void clerk_end(struct asking *a, struct estate *e)
{
	estate_end(e);
	asking_end(a);
}
