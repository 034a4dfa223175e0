/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_H
#define WARREN_SIM_STORIES_H

/*
 * Stories: small clusters that are led through one course of things, step by step, and tell it as they go. What is told
 * is compared with tests/sim/stories/NAME.txt byte by byte; what must be true at the end is asserted beside that.
 *
 * A line begins with the time in seconds. Machines are letters; ids are replaced by what the story calls them.
 */

#include "crdt/state/conflict.h"
#include "tests/sim/check.h"

#include <inttypes.h>

enum { A, B, C, D, E, STORY_MACHINES };
enum { STORY_ASKS_MAX = 250, STORY_NAMES_MAX = 32, STORY_TEXT_MAX = 2048, STORY_NEWS_MAX = 8 };

struct story;

/* Appends what one machine shows of a record, or of all records of a sort. */
typedef void story_view(struct story *story, struct store_txn *txn, struct id id, struct buf *out);

/* What somebody asked, and was told. */
struct story_asked {
	uint32_t at;
	bool is_answered, is_late; /* it waits, and its answer is a line of its own */
	enum code code;
	char text[256];
	struct id id, second; /* of the first two records */
	uint32_t wanted, copies;
	bool is_behind;
	struct bytes token;
};

/* Who asks: where, for how many copies elsewhere, and by which Idempotency-Key. */
struct story_client {
	uint32_t at, copies;
	const char *key;
};
#define AT(machine) ((struct story_client){ .at = (machine) })
/* What several machines do or see in the same millisecond is one line. */
struct story_news {
	uint32_t machines; /* a bit each */
	const char *one, *several;
	char text[STORY_TEXT_MAX];
};

struct story {
	struct world *world;
	struct check *check; /* of the invariants */
	struct arena arena;
	FILE *out;
	char *told;
	size_t told_size;
	bool is_told;        /* what happens by itself is told too */
	bool tells_silence;  /* also who hears nothing of whom */
	uint32_t asking;     /* a machine whose own doing is not news */
	story_view *watched; /* of a record: told whenever a machine shows another thing than before */
	struct id watched_id;
	char shown[STORY_MACHINES][STORY_TEXT_MAX];
	struct story_asked asks[STORY_ASKS_MAX];
	struct {
		char text[64];
		struct id id;
	} names[STORY_NAMES_MAX];
	size_t names_count;
	struct story_news news[STORY_NEWS_MAX];
	size_t news_count;
	uint64_t news_ms;
	struct key32 key;            /* the public key that the story is about */
	struct story_starts *starts; /* NULL: what becomes of starts is not told */
	struct story_copies *copies; /* of disks */
	struct story_noticed {
		bool is_member;
		uint32_t silent; /* a bit for each machine */
		uint64_t crashes;
		char alarm[256]; /* the last */
	} noticed[STORY_MACHINES];
};

/* --- Telling. */

/* A line; ids in the text become names, and what is too long goes on in the next. */
PRINTF(2, 3) void story_say(struct story *story, const char *format, ...);

/* What the reader should know, between the lines. */
void story_note(struct story *story, const char *text);

/* What a record is called from now on, with its quotes if it has any. */
void story_name(struct story *story, struct id id, const char *text);
PRINTF(2, 3) void put_format(struct buf *buf, const char *format, ...);

/* Ends the program, with what was told so far, unless it is true. */
#define MUST(story, condition) story_must(story, condition, #condition)
void story_must(struct story *story, bool is_true, const char *text);

/* What each machine that is up shows, those that show the same in one line. */
void story_show(struct story *story, story_view *view, struct id id);
void story_tell_operator(struct story *story); /* the same of conflicts */
void view_conflicts(struct story *story, struct store_txn *txn, struct id none, struct buf *out);

/* That one machine, or each that is up, shows just this. */
void story_must_show(struct story *story, uint32_t machine, story_view *view, struct id id, const char *text);
void story_must_all_show(struct story *story, story_view *view, struct id id, const char *text);

/* From now on whoever shows another thing of the record is told. NULL: no more. */
void story_watch(struct story *story, story_view *view, struct id id);

/* --- Leading. */

struct story *story_new(uint64_t seed, uint32_t machines);
void story_free(struct story *story);
void story_found(struct story *story, uint32_t count);     /* and lets 10 s pass */
void story_at(struct story *story, uint64_t ms);           /* time goes on until then */
void story_split(struct story *story, const char *groups); /* "A | B C" */
void story_heal(struct story *story);
void story_boot(struct story *story, uint32_t machine);
void story_kill(struct story *story, uint32_t machine);
void story_cut_power(struct story *story, uint32_t machine);

/* `seconds` later all that are up must have merged the same. */
void story_settle(struct story *story, uint64_t seconds);

/* --- Asking. `format` says what for the timeline. */

PRINTF(5, 6)
const struct story_asked *story_ask(struct story *story, struct story_client client, const struct change *changes,
				    size_t count, const char *format, ...);
/* A statement of the root operator's, brought to a machine. */
PRINTF(5, 6)
const struct story_asked *story_state(struct story *story, uint32_t at, const struct kind *kind, const void *row,
				      const char *format, ...);
const struct story_asked *story_read(struct story *story, uint32_t at, struct bytes token, bool is_strict);

/* One change; `row` is of the kind's shape, and only read now. */
struct change change_of(struct story *story, enum change_what what, const struct kind *kind, struct id id,
			const void *row);

/* --- The stories. */

#define STORY(function, name, about) void function(void);
#include "tests/sim/stories.def"
#undef STORY

/* Hands a told story to whoever compares it, and frees it. */
void story_end(struct story *story);
#endif
