/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/heart_told.h"

#include <assert.h>

/* Nobody fills it: what is sent was bounded by the node, and the rest by those who asked. */
#define TOLD_MAX (SIZE_MAX / 2)

/* Room that a burst left is given back. */
enum { ROOM_KEPT = 1 << 20 };

/* Of a reply, in front of its text, token and ids. */
struct reply_head {
	struct reply reply;
	size_t text, token;
};

void heart_tell(struct heart_told *told, struct told head, const struct bytes *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		head.size += parts[i].size;
	buf_put(&told->noted, &head, sizeof head);
	for (size_t i = 0; i < count; i++)
		buf_put_bytes(&told->noted, parts[i]);
}

void heart_tell_reply(struct heart_told *told, const struct reply *reply)
{
	struct reply_head head = { *reply, reply->text ? strlen(reply->text) + 1 : 0, reply->token.size };
	struct bytes parts[] = {
		bytes_of(&head, sizeof head),
		bytes_of(reply->ids, reply->count * sizeof *reply->ids),
		bytes_of(reply->text, head.text),
		reply->token,
	};

	heart_tell(told, (struct told){ .what = TOLD_REPLY }, parts, COUNT(parts));
}

static void swap(struct buf *a, struct buf *b)
{
	struct buf kept = *a;

	*a = *b;
	*b = kept;
}

void heart_tell_all(struct heart_told *told)
{
	bool is_first;

	if (!told->noted.size)
		return;
	pthread_mutex_lock(&told->lock);
	is_first = !told->ready.size;
	if (is_first)
		swap(&told->ready, &told->noted);
	else
		buf_put_bytes(&told->ready, buf_bytes(&told->noted));
	pthread_mutex_unlock(&told->lock);
	buf_clear(&told->noted);
	if (is_first)
		uv_async_send(&told->async);
}

static void give_reply(struct heart_told *told, struct bytes bytes)
{
	struct reader r = reader_over(bytes);
	struct reply_head head;
	struct id ids[JUDGE_IDS_MAX];

	memcpy(&head, read_bytes(&r, sizeof head), sizeof head);
	assert(head.reply.count <= COUNT(ids));
	memcpy(ids, read_bytes(&r, head.reply.count * sizeof *ids), head.reply.count * sizeof *ids);
	head.reply.ids = ids;
	head.reply.text = (const char *)read_bytes(&r, head.text);
	head.reply.token = bytes_of(read_bytes(&r, head.token), head.token);
	if (!head.text)
		head.reply.text = NULL;
	told->hooks.reply(told->hooks.context, &head.reply);
}

static void give_changed(struct heart_told *told, uint64_t kind, struct bytes bytes)
{
	struct id id;

	memcpy(id.bytes, bytes.data, sizeof id.bytes);
	told->hooks.changed(told->hooks.context, (uint32_t)kind, id);
}

static void give_standing(struct heart_told *told, struct bytes bytes)
{
	struct heart_standing standing;

	memcpy(&standing, bytes.data, sizeof standing);
	told->hooks.stands(told->hooks.context, &standing);
}

static void give_look(struct bytes bytes)
{
	struct told_look look;

	memcpy(&look, bytes.data, sizeof look);
	look.done(look.context);
}

static void give(struct heart_told *told, const struct told *head, struct bytes bytes)
{
	const struct heart_hooks *hooks = &told->hooks;

	switch (head->what) {
	case TOLD_SEND: hooks->send(hooks->context, head->link, bytes); break;
	case TOLD_CLOSE: hooks->close(hooks->context, head->link); break;
	case TOLD_DIAL: hooks->dial(hooks->context, head->number); break;
	case TOLD_TOOK: hooks->took(hooks->context, head->link); break;
	case TOLD_KNOWN: hooks->knows(hooks->context, head->link, head->number); break;
	case TOLD_REPLY: give_reply(told, bytes); break;
	case TOLD_CHANGED: give_changed(told, head->number, bytes); break;
	case TOLD_ALARM: hooks->alarm(hooks->context, (const char *)bytes.data); break;
	case TOLD_STANDING: give_standing(told, bytes); break;
	case TOLD_LOOKED: give_look(bytes); break;
	case TOLD_FAILED:
		hooks->failed(hooks->context, (enum code) - (int64_t)head->number, (const char *)bytes.data);
		break;
	}
}

static void give_rest(struct heart_told *told)
{
	while (told->at < told->given.size) {
		const uint8_t *at = told->given.data + told->at;
		struct told head;

		memcpy(&head, at, sizeof head);
		told->at += sizeof head + head.size;
		give(told, &head, bytes_of(at + sizeof head, head.size));
	}
}

/* A hook that ends the heart has the rest given from inside it, in the same order. */
static void give_all(struct heart_told *told)
{
	give_rest(told);
	pthread_mutex_lock(&told->lock);
	swap(&told->ready, &told->given);
	pthread_mutex_unlock(&told->lock);
	told->at = 0;
	give_rest(told);
	buf_clear(&told->given);
	told->at = 0;
	if (told->given.room > ROOM_KEPT) {
		buf_done(&told->given);
		told->given = buf_growing(TOLD_MAX);
	}
}

static void wake(uv_async_t *async)
{
	give_all(async->data);
}

void heart_told_open(struct heart_told *told, uv_loop_t *loop, const struct heart_hooks *hooks)
{
	*told = (struct heart_told){ .noted = buf_growing(TOLD_MAX),
				     .ready = buf_growing(TOLD_MAX),
				     .given = buf_growing(TOLD_MAX),
				     .hooks = *hooks };
	pthread_mutex_init(&told->lock, NULL);
	uv_async_init(loop, &told->async, wake);
	told->async.data = told;
}

static void freed(uv_handle_t *handle)
{
	struct heart_told *told = handle->data;

	buf_done(&told->noted);
	buf_done(&told->ready);
	buf_done(&told->given);
	pthread_mutex_destroy(&told->lock);
	told->closed(told->context);
}

void heart_told_end(struct heart_told *told, void (*closed)(void *context), void *context)
{
	told->closed = closed;
	told->context = context;
	give_all(told);
	uv_close((uv_handle_t *)&told->async, freed);
}
