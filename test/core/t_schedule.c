#include "core/schedule.h"

#include "base/codec.h"
#include "kit.h"

static struct header settings[] = { H("Upstash-Cron", "*/5 * * * *"), H("X-Plain", "") };

static struct msg_id last[] = { { 1, 2 }, { INT64_MAX, UINT64_MAX } };

static struct schedule full(void)
{
	return (struct schedule){
		.id = STR("scd_1"),
		.cron = STR("*/5 * * * *"),
		.destination = STR("group"),
		.flags = SCHEDULE_IS_PAUSED | SCHEDULE_HAS_DELAY,
		.created_ms = 1700000000000,
		.next_ms = 1700000300000,
		.last_ms = 1700000000001,
		.last = last,
		.last_n = countof(last),
		.delay_ms = 10000,
		.error = STR("topic group not found"),
		.setting = { settings, countof(settings) },
		.msg = { .user = STR("u"),
			 .topic = STR("group"),
			 .method = STR("PUT"),
			 .body = STR("b\0dy"),
			 .timeout_ms = 5000,
			 .retries_max = 2,
			 .schedule_id = STR("scd_1") },
	};
}

TEST(a_document_gives_the_schedule_back)
{
	struct schedule s = full(), back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 16);
	schedule_encode(&b, &s);
	T_CHECK(schedule_decode(&a, buf_str(&b), &back));
	T_EQ_STR(back.id, s.id);
	T_EQ_STR(back.cron, s.cron);
	T_EQ_STR(back.destination, s.destination);
	T_EQ_INT(back.flags, s.flags);
	T_EQ_INT(back.created_ms, s.created_ms);
	T_EQ_INT(back.next_ms, s.next_ms);
	T_EQ_INT(back.last_ms, s.last_ms);
	T_EQ_INT(back.last_n, s.last_n);
	for (size_t i = 0; i < s.last_n; i++) {
		T_EQ_INT(back.last[i].seq, s.last[i].seq);
		T_EQ_INT(back.last[i].nonce, s.last[i].nonce);
	}
	T_EQ_INT(back.delay_ms, s.delay_ms);
	T_EQ_STR(back.error, s.error);
	kit_eq_headers(&back.setting, &s.setting);
	kit_eq_msg(&back.msg, &s.msg);
	for (size_t n = 0; n < b.n; n++)
		T_CHECK(!schedule_decode(&a, arena_str(&a, str_sub(buf_str(&b), 0, n)), &back));
	buf_done(&b);
	arena_done(&a);
}

TEST(what_is_no_schedule)
{
	struct schedule s, back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	for (int missing = 0; missing < 4; missing++) {
		struct str *needed[] = { &s.id, &s.cron, &s.destination, &s.msg.user };

		s = full();
		*needed[missing] = STR_NULL;
		buf_init(&b, 1 << 16);
		schedule_encode(&b, &s);
		T_CHECK(!schedule_decode(&a, buf_str(&b), &back));
		buf_done(&b);
	}
	arena_done(&a);
}

TEST(one_that_does_not_fit_overflows)
{
	struct schedule s = full();
	struct buf b;
	size_t need;

	buf_init(&b, 1 << 16);
	schedule_encode(&b, &s);
	need = b.n;
	T_CHECK(!b.overflow);
	buf_done(&b);
	for (size_t max = 0; max <= need; max++) {
		buf_init(&b, max);
		schedule_encode(&b, &s);
		T_EQ_INT(b.overflow, max < need);
		buf_done(&b);
	}
}
