/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/time.h"

#include <stdio.h>

enum { MS_PER_DAY = 86400000, DAYS_TO_1970 = 719468 };

/* WALL_MAX_MS, as `wall_format` writes it. */
#define WALL_MAX_TEXT "6429-10-17T02:45:55.327Z"

static bool step(struct hlc from, struct hlc *ret_next)
{
	if (from.bits >= hlc_make(WALL_MAX_MS, UINT16_MAX).bits)
		return false;
	ret_next->bits = from.bits + 1;
	return true;
}

bool hlc_tick(struct hlc own, struct wall_time now, struct hlc *ret_next)
{
	uint64_t ms = now.ms < WALL_MAX_MS ? now.ms : WALL_MAX_MS;

	if (ms > hlc_ms(own)) {
		*ret_next = hlc_make(ms, 0);
		return true;
	}
	return step(own, ret_next);
}

struct hlc hlc_observe(struct hlc own, struct wall_time now, struct hlc remote)
{
	uint64_t ceiling = now.ms < WALL_MAX_MS - HLC_MAX_AHEAD_MS ? now.ms + HLC_MAX_AHEAD_MS : WALL_MAX_MS;
	struct hlc seen = hlc_ms(remote) > ceiling ? hlc_make(ceiling, 0) : remote;

	return hlc_compare(seen, own) > 0 ? seen : own;
}

bool hlc_after(struct hlc own, struct hlc replaced, struct hlc *ret_next)
{
	return step(hlc_compare(own, replaced) > 0 ? own : replaced, ret_next);
}

/* Days since 1970 and back, by eras of 400 years that begin in March. */
static int64_t days_of(uint64_t year, unsigned month, unsigned day)
{
	uint64_t y = month > 2 ? year : year - 1, era = y / 400, of_era = y % 400;
	uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (int64_t)(era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year) - DAYS_TO_1970;
}

static void date_of(uint64_t days, uint64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	uint64_t z = days + DAYS_TO_1970, era = z / 146097, of_era = z % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;

	*ret_day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1);
	*ret_month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

void wall_format(struct wall_time time, char room[WALL_TEXT_SIZE])
{
	uint64_t ms = time.ms % MS_PER_DAY, year;
	unsigned month, day;

	date_of(time.ms / MS_PER_DAY, &year, &month, &day);
	snprintf(room, WALL_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(year % 10000), month % 100,
		 day % 100, (unsigned)(ms / 3600000) % 100, (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
		 (unsigned)(ms % 1000));
}

/* Reads exactly `digits` digits and then `after`; false leaves `text` anywhere. */
static bool number(struct bytes *text, size_t digits, char after, unsigned *ret_number)
{
	*ret_number = 0;
	if (text->size < digits + (after != 0))
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (text->data[i] < '0' || text->data[i] > '9')
			return false;
		*ret_number = *ret_number * 10 + (unsigned)(text->data[i] - '0');
	}
	/* RFC 3339 lets the T be small. */
	if (after && text->data[digits] != after && (after != 'T' || text->data[digits] != 't'))
		return false;
	*text = bytes_of(text->data + digits + (after != 0), text->size - digits - (after != 0));
	return true;
}

static bool decimals(struct bytes *text, unsigned *ret_ms)
{
	unsigned weight = 100;
	size_t i = 1;

	*ret_ms = 0;
	if (!text->size || text->data[0] != '.')
		return true;
	for (; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++, weight /= 10)
		*ret_ms += weight * (unsigned)(text->data[i] - '0');
	*text = bytes_of(text->data + i, text->size - i);
	return i > 1 && i <= 10;
}

static bool offset(struct bytes text, int64_t *ret_ms)
{
	unsigned hours, minutes;
	bool is_behind;

	*ret_ms = 0;
	if (text.size == 1)
		return (text.data[0] | 0x20) == 'z';
	if (text.size != 6 || (text.data[0] != '+' && text.data[0] != '-'))
		return false;
	is_behind = text.data[0] == '-';
	text = bytes_of(text.data + 1, 5);
	if (!number(&text, 2, ':', &hours) || !number(&text, 2, 0, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_ms = (int64_t)(hours * 60 + minutes) * 60000 * (is_behind ? -1 : 1);
	return true;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return month == 2 && is_leap ? 29 : days[month - 1];
}

enum code wall_parse(struct bytes text, struct wall_time *ret_time, struct err *err)
{
	unsigned year, month, day, hour, minute, second, ms;
	struct bytes rest = text;
	int64_t ahead, total;

	if (!number(&rest, 4, '-', &year) || !number(&rest, 2, '-', &month) || !number(&rest, 2, 'T', &day) ||
	    !number(&rest, 2, ':', &hour) || !number(&rest, 2, ':', &minute) || !number(&rest, 2, 0, &second) ||
	    !decimals(&rest, &ms) || !offset(rest, &ahead))
		return fail(err, E_VALUE, "%.*s is not a time: write it as 2026-11-21T15:26:43Z",
			    (int)(text.size < 40 ? text.size : 40), (const char *)text.data);
	if (!year || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return fail(err, E_VALUE, "%.*s is not a time: there is no such date or hour", (int)text.size,
			    (const char *)text.data);
	total = days_of(year, month, day) * MS_PER_DAY + hour * INT64_C(3600000) + minute * INT64_C(60000) +
		second * INT64_C(1000) + ms - ahead;
	if (total < 0)
		return fail(err, E_VALUE, "%.*s is not a time: it lies before 1970", (int)text.size,
			    (const char *)text.data);
	if (total > (int64_t)WALL_MAX_MS)
		return fail(err, E_VALUE, "%.*s is not a time: it lies after " WALL_MAX_TEXT, (int)text.size,
			    (const char *)text.data);
	ret_time->ms = (uint64_t)total;
	return OK;
}
