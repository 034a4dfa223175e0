/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_people.h"

/* What becomes of writes when machines fail, and of those who read. */

static const struct id nobody = { { 0 } };

/* A and its cluster, and the power that goes at the step'th step of A's next commit. NULL: that commit has no such. */
static struct story *write_and_crash(uint64_t seed, uint64_t step)
{
	struct story *story = story_new(seed, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	story_at(story, 11000);
	mem_disk_crash_at(story->world->machines[A].disk, step);
	asked = user_create(story, (struct story_client){ .at = A, .key = "k1" }, "ann");
	if (!asked->is_answered)
		return story;
	story_free(story);
	return NULL;
}

static void come_back(struct story *story)
{
	story_at(story, 12000);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "no user");
	story_at(story, 15000);
	story_watch(story, view_users, nobody);
	story_boot(story, A);
	story_settle(story, 10);
	story_show(story, view_users, nobody);
}

void tell_crash_between_commit_and_send(void)
{
	struct story *story = NULL;

	/* The last of the steps, when the commit is durable and only nobody knows. */
	for (uint64_t step = 1;; step++) {
		struct story *next = write_and_crash(12, step);

		if (!next)
			break;
		if (story)
			story_free(story);
		story = next;
	}
	MUST(story, mem_disk_counts(story->world->machines[A].disk).unheard == 1);
	story_note(story, "The write is on A's disk already, but neither the client nor the others have heard of it.");
	come_back(story);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_note(story,
		   "The client heard nothing, so it asks again with the same Idempotency-Key: it is done already.");
	MUST(story, !user_create(story, (struct story_client){ .at = B, .key = "k1" }, "ann")->code);
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_end(story);
}

void tell_killed_before_commit(void)
{
	struct story *story = write_and_crash(13, 1);

	MUST(story, story && !mem_disk_counts(story->world->machines[A].disk).unheard);
	story_note(story, "The write is not yet on A's disk.");
	come_back(story);
	story_must_all_show(story, view_users, nobody, "no user");
	story_note(story, "The client heard nothing, so it asks again with the same Idempotency-Key.");
	MUST(story, !user_create(story, (struct story_client){ .at = B, .key = "k1" }, "ann")->code);
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_end(story);
}

void tell_full_disk(void)
{
	struct story *story = story_new(14, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	story_at(story, 11000);
	story_say(story, "B's disk is full");
	mem_disk_full_at(story->world->machines[B].disk, 1);
	asked = user_create(story, AT(B), "ann");
	MUST(story, asked->code == E_FULL);
	story_at(story, 12000);
	user_create(story, AT(A), "bob");
	story_at(story, 13000);
	story_show(story, view_users, nobody);
	story_must_show(story, C, view_users, nobody, "\"bob\"");
	story_must_show(story, B, view_users, nobody, "no user");
	story_at(story, 20000);
	story_say(story, "B has room again");
	mem_disk_full_at(story->world->machines[B].disk, 0);
	story_settle(story, 30);
	asked = user_create(story, AT(B), "ann");
	MUST(story, !asked->code);
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\"");
	story_end(story);
}

void tell_token_follows_the_client(void)
{
	struct story *story = story_new(15, 3);
	const struct story_asked *wrote, *read;

	story_found(story, 3);
	wrote = user_create(story, AT(A), "ann");
	story_note(story, "With the answer came a token. The client shows it at C, before the write gets there.");
	story_at(story, 10005);
	story_show(story, view_users, nobody);
	read = story_read(story, C, wrote->token, true);
	story_at(story, 10100);
	MUST(story, read->is_answered && !read->code && !read->is_behind);
	story_show(story, view_users, nobody);
	story_at(story, 11000);
	story_split(story, "A B | C");
	wrote = user_create(story, AT(A), "bob");
	story_at(story, 12000);
	read = story_read(story, C, wrote->token, true);
	story_at(story, 15000);
	MUST(story, read->is_answered && read->code == E_BUSY && code_http(read->code) == 503);
	read = story_read(story, C, wrote->token, false);
	story_at(story, 18000);
	MUST(story, read->is_answered && !read->code && read->is_behind);
	story_show(story, view_users, nobody);
	read = story_read(story, B, wrote->token, true);
	MUST(story, read->is_answered && !read->code);
	story_heal(story);
	story_settle(story, 10);
	read = story_read(story, C, wrote->token, true);
	MUST(story, read->is_answered && !read->code && !read->is_behind);
	story_show(story, view_users, nobody);
	story_end(story);
}
