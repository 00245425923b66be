#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"

static struct msg full(void)
{
	static struct header header[] = { H("Content-Type", "text/plain"), H("X-A", "1"),
					  H("X-A", "2") };
	static struct header callback[] = { H("Retries", "2"), H("Forward-X", "y") };
	static struct header failure[] = { H("Delay", "10s") };

	return (struct msg){
		.id = { 0x123456789abcdef, 0xfedcba9876543210 },
		.flags = MSG_IS_CALLBACK | MSG_IS_FAILURE_CALLBACK,
		.user = STR("user"),
		.url = STR("https://example.com/a?b=c"),
		.method = STR("PUT"),
		.header = { header, 3 },
		.body = STR("a\0body"),
		.created_ms = 1700000000000,
		.not_before_ms = 1700000001000,
		.timeout_ms = 900000,
		.retries_max = 3,
		.retry_delay = STR("1000 * retried"),
		.callback = STR("https://example.com/cb"),
		.callback_header = { callback, 2 },
		.failure_callback = STR("https://example.com/fcb"),
		.failure_callback_header = { failure, 1 },
		.queue = STR("queue"),
		.flow_key = STR("key"),
		.flow_parallelism = 2,
		.flow_rate = 10,
		.flow_period_s = 60,
		.topic = STR("topic"),
		.endpoint = STR("first endpoint"),
		.schedule_id = STR("scd_1"),
		.caller_ip = STR("127.0.0.1"),
		.labels = STR("a,b"),
		.redact = STR("body,header[X-A]"),
		.api = STR("llm"),
		.root_seq = 77,
	};
}

static void round_trip(const struct msg *m)
{
	struct msg back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	msg_encode(&b, m);
	memset(&back, 0xa5, sizeof(back));
	T_CHECK(msg_decode(&a, buf_str(&b), &back));
	kit_eq_msg(m, &back);
	kit_eq_headers(&m->header, &back.header);
	kit_eq_headers(&m->callback_header, &back.callback_header);
	kit_eq_headers(&m->failure_callback_header, &back.failure_callback_header);
	buf_done(&b);
	arena_done(&a);
}

TEST(a_record_gives_the_message_back)
{
	struct msg m = full(), empty = { 0 };

	round_trip(&m);
	round_trip(&empty);
}

TEST(numbers_at_their_ends)
{
	struct msg m = { .id = { INT64_MAX, UINT64_MAX },
			 .created_ms = INT64_MIN,
			 .timeout_ms = INT64_MAX,
			 .retries_max = -1,
			 .flags = UINT32_MAX,
			 .root_seq = UINT64_MAX };

	round_trip(&m);
}

TEST(a_cut_record_is_broken_or_another_message)
{
	struct msg m = full(), back;
	struct arena a;
	struct buf b;
	size_t broken = 0;

	buf_init(&b, 1 << 20);
	msg_encode(&b, &m);
	for (size_t n = 0; n < b.n; n++) {
		char *copy =
			str_dup(str_n(b.p, n)); /* so that a sanitizer sees a read past the end */

		arena_init(&a);
		broken += !msg_decode(&a, str_n(copy, n), &back);
		arena_done(&a);
		free(copy);
	}
	/* Only a cut between two fields leaves a record whole. */
	T_CHECK(broken > b.n * 8 / 10);
	buf_done(&b);
}

TEST(unknown_tags_are_passed_over)
{
	struct msg m = full(), back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	tlv_add(&b, 200, STR("from a later version"));
	msg_encode(&b, &m);
	tlv_add(&b, 255, STR(""));
	T_CHECK(msg_decode(&a, buf_str(&b), &back));
	kit_eq_msg(&m, &back);
	buf_done(&b);
	arena_done(&a);
}

static const struct {
	uint8_t tag;
	struct str value;
} broken[] = {
	{ 1, { "", 0 } },         /* a number without a byte */
	{ 3, { "\x01", 1 } },     /* flags: -1 */
	{ 7, { "no nul", 6 } },   /* a header without its middle */
	{ 9, { "\x80\x80", 2 } }, /* a number without an end */
	{ 9, { "\x02junk", 5 } }, /* a number and more */
};

TEST_EACH(broken_fields_are_refused, broken)
{
	struct msg back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 100);
	tlv_add(&b, row->tag, row->value);
	T_CHECK(!msg_decode(&a, buf_str(&b), &back));
	buf_done(&b);
	arena_done(&a);
}

/* The record is stored: its bytes are a promise. */
TEST(the_bytes_of_a_record)
{
	struct msg m = { .id = { 1, 2 },
			 .user = STR("u"),
			 .url = STR("http://x"),
			 .method = STR("GET"),
			 .header = HEADERS(H("A", "b")),
			 .root_seq = 3 };
	struct buf b;

	buf_init(&b, 100);
	msg_encode(&b, &m);
	T_EQ_STR(buf_str(&b), STR("\x01\x01\x02\x02\x01\x04\x04\x01u\x05\x08http://x\x06\x03GET"
				  "\x07\x03"
				  "A\0b\x1e\x01\x06"));
	buf_done(&b);
}

/* ---- ids ------------------------------------------------------------------------------------- */

TEST(ids_grow_whatever_the_clock_does)
{
	static const int64_t clock_ms[] = { 1700000000000,
					    1700000000000,
					    1700000000001,
					    1600000000000,
					    1700000000001,
					    1700000100000,
					    0,
					    -5 };
	uint64_t last = 0, before = 0;
	struct rng r;

	rng_init(&r, 1);
	for (size_t i = 0; i < 1000; i++) {
		struct msg_id id = msg_id_next(&last, clock_ms[i % countof(clock_ms)], &r);

		T_CHECK(id.seq > before);
		T_EQ_INT(id.seq, last);
		before = id.seq;
	}
}

TEST(ids_tell_when)
{
	uint64_t last = 0;
	struct rng r;

	rng_init(&r, 2);
	for (int64_t ms = 1700000000000; ms < 1700000000100; ms++) {
		struct msg_id id = msg_id_next(&last, ms, &r);

		T_EQ_INT(msg_id_ms(id.seq), ms);
		T_CHECK(id.seq >= msg_id_seq_at(ms));
		T_CHECK(id.seq < msg_id_seq_at(ms + 1));
	}
}

TEST(a_million_ids_in_one_ms_stay_near_it)
{
	uint64_t last = 0;
	struct msg_id id;
	struct rng r;

	rng_init(&r, 3);
	for (int i = 0; i < 1000000; i++)
		id = msg_id_next(&last, 1700000000000, &r);
	T_EQ_INT(msg_id_ms(id.seq), 1700000000000);
}

TEST(times_at_the_edges)
{
	T_EQ_INT(msg_id_seq_at(0), 0);
	T_EQ_INT(msg_id_seq_at(-1), 0);
	T_EQ_INT(msg_id_seq_at(INT64_MIN), 0);
	T_CHECK(msg_id_seq_at(INT64_MAX) <= INT64_MAX);
	T_CHECK(msg_id_seq_at(1) > 0);
	/* Until the year 2100 a seq fits a signed 64-bit number. */
	T_CHECK(msg_id_seq_at(4102444800000) < INT64_MAX);
}

TEST(id_texts_sort_like_ids)
{
	char before[MSG_ID_LEN + 1] = "", text[MSG_ID_LEN + 1];
	uint64_t last = 0;
	struct msg_id back;
	struct rng r;

	rng_init(&r, 4);
	for (int i = 0; i < 1000; i++) {
		struct msg_id id = msg_id_next(&last, 1700000000000 + i / 3 * 50, &r);

		msg_id_text(text, id);
		T_EQ_INT(strlen(text), MSG_ID_LEN);
		T_CHECK(strcmp(text, before) > 0);
		T_CHECK(msg_id_parse(str_c(text), &back));
		T_CHECK(back.seq == id.seq && back.nonce == id.nonce);
		memcpy(before, text, sizeof(before));
	}
}

static const char *const not_ids[] = {
	"",
	"msg_",
	"msg_1",
	"11111111112111111111131111",  /* no prefix */
	"msg_1111111111111111111112",  /* seq 0 */
	"msg_11111111112111111111131", /* too long */
	"msg_111111111121111111111",   /* too short */
	"MSG_1111111111211111111113",  /* another prefix */
	"msg_0111111111211111111113",  /* 0 is no base58 */
	"msg_zzzzzzzzzzz11111111113",  /* beyond 64 bits */
	"msg_jpXCZedGfVR11111111113",  /* beyond a signed number */
	"msg_11111111112zzzzzzzzzzz",  /* the same in the second half */
	"msg 1111111111211111111113",
};

TEST(an_id_that_the_others_are_near)
{
	struct msg_id id;

	T_CHECK(msg_id_parse(STR("msg_1111111111211111111113"), &id));
	T_EQ_INT(id.seq, 1);
	T_EQ_INT(id.nonce, 2);
}

TEST_EACH(other_texts_are_no_ids, not_ids)
{
	struct msg_id id;

	T_CHECK(!msg_id_parse(str_c(*row), &id));
}
