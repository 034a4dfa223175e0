/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_people.h"

/* What two sides of a partition do, and what it comes to when they meet. */

/* A, B and C, of which A is alone from 11 s on. */
static struct story *begin(uint64_t seed, struct id *ret_user)
{
	struct story *story = story_new(seed, 3);

	story_found(story, 3);
	*ret_user = user_create(story, AT(A), "ann")->id;
	story_at(story, 10500);
	return story;
}

static void split(struct story *story)
{
	story_at(story, 11000);
	story_split(story, "A | B C");
}

static void meet(struct story *story)
{
	story_at(story, 15000);
	story_heal(story);
	story_settle(story, 10);
}

void tell_both_sides_rename(void)
{
	struct id ann;
	struct story *story = begin(3, &ann);

	split(story);
	story_at(story, 12000);
	user_rename(story, AT(A), ann, "anna");
	story_at(story, 13000);
	user_rename(story, AT(B), ann, "annette");
	story_at(story, 14000);
	story_show(story, view_login, ann);
	story_must_show(story, A, view_login, ann, "\"anna\"");
	story_must_show(story, C, view_login, ann, "\"annette\"");
	meet(story);
	story_show(story, view_login, ann);
	story_tell_operator(story);
	/* A login is harmless: the later change wins, and nobody is bothered. */
	story_must_all_show(story, view_login, ann, "\"annette\"");
	story_end(story);
}

void tell_disable_against_enable(void)
{
	struct id ann;
	struct story *story = begin(4, &ann);

	user_hold(story, AT(A), ann, "on holiday");
	split(story);
	story_at(story, 12000);
	user_free(story, AT(A), ann);
	story_at(story, 13000);
	user_hold(story, AT(B), ann, "her laptop was stolen");
	story_at(story, 14000);
	story_show(story, view_user, ann);
	story_must_show(story, A, view_user, ann, "\"ann\" is on");
	meet(story);
	story_show(story, view_user, ann);
	/* What A took away is the hold that it saw; the other one it never saw. */
	story_must_all_show(story, view_user, ann, "\"ann\" is off (her laptop was stolen)");
	story_at(story, 20000);
	user_free(story, AT(A), ann);
	story_at(story, 21000);
	story_show(story, view_user, ann);
	story_must_all_show(story, view_user, ann, "\"ann\" is on");
	story_end(story);
}
