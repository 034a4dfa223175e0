/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_people.h"

/* How a write gets around, and what its author is told. */

static const struct id nobody = { { 0 } };

void tell_first_write(void)
{
	struct story *story = story_new(1, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	story_watch(story, view_users, nobody);
	asked = user_create(story, (struct story_client){ .at = A, .copies = 2 }, "ann");
	story_show(story, view_users, nobody);
	story_at(story, 11000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	user_create(story, AT(B), "bob");
	story_at(story, 12000);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 3 }, "cid");
	MUST(story, asked->code == E_VALUE);
	story_kill(story, B);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "cid");
	story_at(story, 15000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	story_boot(story, B);
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\"");
	story_end(story);
}

void tell_write_under_partition(void)
{
	struct story *story = story_new(2, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	story_split(story, "A | B C");
	asked = user_create(story, (struct story_client){ .at = A, .copies = 1 }, "ada");
	user_create(story, (struct story_client){ .at = B, .copies = 1 }, "bob");
	story_at(story, 14000);
	MUST(story, asked->is_answered && !asked->code && !asked->copies);
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"ada\", \"ann\"");
	story_must_show(story, C, view_users, nobody, "\"ann\", \"bob\"");
	story_at(story, 20000);
	story_heal(story);
	story_settle(story, 10);
	story_show(story, view_users, nobody);
	story_tell_operator(story);
	story_must_all_show(story, view_users, nobody, "\"ada\", \"ann\", \"bob\"");
	story_end(story);
}
