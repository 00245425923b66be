/* The wire form of queries and answers: limits, and what is refused. */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "logs/logslot.h"
#include "logs/logwire.h"
#include "t.h"

/* Tags and values as logwire.c has them. */
enum {
	KIND = 1,
	USER = 2,
	SOURCE = 3,
	NOT_BEFORE = 4,
	NOW = 5,
	BOTH = 6,
	ID = 7,
	IDS = 9,
	FILTER = 10,
	RUN = 11
};

struct value {
	int tag;          /* 0 = none */
	const char *text; /* or else the number */
	int64_t number;
};

static void put(struct buf *b, const struct value *v)
{
	if (v->text)
		tlv_add(b, (uint8_t)v->tag, str_c(v->text));
	else
		tlv_i64(b, (uint8_t)v->tag, v->number);
}

static const struct {
	struct value v[5];
	bool ok;
} queries[] = {
	{ { { KIND, NULL, LOGS_MESSAGE }, { USER, "u", 0 }, { ID, "0123456789abcdef", 0 } }, true },
	{ { { KIND, NULL, LOGS_MESSAGE }, { USER, "u", 0 }, { ID, "0123456789abcde", 0 } }, false },
	{ { { KIND, NULL, LOGS_MESSAGE }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, LOGS_MESSAGE }, { USER, "", 0 }, { ID, "0123456789abcdef", 0 } }, false },
	{ { { USER, "u", 0 }, { ID, "0123456789abcdef", 0 } }, false },
	{ { { KIND, NULL, LOGS_STATES }, { USER, "u", 0 }, { IDS, "", 0 } }, true },
	{ { { KIND, NULL, LOGS_STATES }, { USER, "u", 0 }, { IDS, "0123456789abcdef", 0 } }, true },
	{ { { KIND, NULL, LOGS_STATES }, { USER, "u", 0 }, { IDS, "0123456789", 0 } }, false },
	{ { { KIND, NULL, LOGS_STATES }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, LOGS_LIST }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, LOGS_LIST }, { USER, "u", 0 }, { FILTER, "", 0 } },
	  false }, /* no count */
	{ { { KIND, NULL, LOGS_LIST }, { USER, "u", 0 }, { FILTER, "\x03\x01\x02", 0 } }, true },
	{ { { KIND, NULL, LOGS_LIST }, { USER, "u", 0 }, { FILTER, "\x03\x02\x02", 0 } }, false },
	{ { { KIND, NULL, LOGS_LIST }, { USER, "u", 0 }, { FILTER, "\x03\x01\x01", 0 } }, false },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 }, { RUN, "", 0 } }, true },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, LOGS_RUN_EVENTS }, { USER, "u", 0 }, { RUN, "", 0 } }, false },
	{ { { KIND, NULL, 99 }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, -1 }, { USER, "u", 0 } }, false },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 }, { RUN, "", 0 }, { USER, "v", 0 } },
	  false },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 }, { RUN, "", 0 }, { NOT_BEFORE, NULL, -1 } },
	  false },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 }, { RUN, "", 0 }, { BOTH, NULL, 2 } },
	  false },
	{ { { KIND, NULL, LOGS_RUNS }, { USER, "u", 0 }, { RUN, "", 0 }, { 200, "new", 0 } },
	  true },
};

TEST_EACH(judges_queries, queries)
{
	struct logs_query q;
	const char *why = NULL;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 10000);
	for (size_t i = 0; i < countof(row->v) && row->v[i].tag; i++)
		put(&b, &row->v[i]);
	T_EQ_INT(logwire_query_read(&a, buf_str(&b), &q, &why), row->ok);
	T_CHECK(row->ok || why != NULL);
	if (row->ok)
		T_EQ_STR(q.user, "u");
	buf_done(&b);
	arena_done(&a);
}

TEST(long_queries_and_sources_are_refused)
{
	struct logs_query q;
	const char *why;
	struct arena a;
	struct buf b;
	char *name;

	arena_init(&a);
	name = arena_zalloc(&a, LOGWIRE_QUERY_BYTES_MAX);
	for (size_t n = LOGS_SOURCE_BYTES_MAX; n <= LOGS_SOURCE_BYTES_MAX + 1; n++) {
		buf_init(&b, 10000);
		tlv_i64(&b, KIND, LOGS_RUNS);
		tlv_add(&b, USER, STR("u"));
		tlv_add(&b, RUN, STR_NULL);
		tlv_add(&b, SOURCE, str_n(name, n));
		T_EQ_INT(logwire_query_read(&a, buf_str(&b), &q, &why), n == LOGS_SOURCE_BYTES_MAX);
		buf_done(&b);
	}
	buf_init(&b, 2 * LOGWIRE_QUERY_BYTES_MAX);
	tlv_i64(&b, KIND, LOGS_RUNS);
	tlv_add(&b, USER, STR("u"));
	tlv_add(&b, RUN, STR_NULL);
	tlv_add(&b, 200, str_n(name, LOGWIRE_QUERY_BYTES_MAX));
	T_CHECK(!logwire_query_read(&a, buf_str(&b), &q, &why));
	buf_done(&b);
	arena_done(&a);
}

static const struct {
	const char *bytes;
	size_t n;
	bool ok;
} answers[] = {
	{ "", 0, false },
	{ "\x01\x01\x00", 3, true },
	{ "\x01\x01\x02", 3, false },               /* status 1 */
	{ "\x01\x02\xee\x07\x02\x03why", 9, true }, /* 503 */
	{ "\x01\x01\x00\x03\x01\x02\x05\x02{}", 10, true },
	{ "\x01\x01\x00\x03\x01\x04", 6, false }, /* found 2 */
	{ "\x01\x01\x00\x05\x09{}", 7, false },   /* cut off */
	{ "\x01\x01\x00\x04\x01\x01", 6, false }, /* states of another query */
};

TEST_EACH(judges_answers, answers)
{
	struct logs_query q = { .kind = LOGS_LIST };

	T_EQ_INT(logwire_answer_read(str_n(row->bytes, row->n), &q), row->ok);
	buf_done(&q.body);
}

TEST(states_must_be_those_that_were_asked_for)
{
	static const char *const bad[] = { "", "\x01", "\x01\x02\x03", "\x01\x7f" };
	enum event_state states[2] = { 0 };
	struct logs_query q = { .kind = LOGS_STATES, .ids_n = 2, .states = states };
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < countof(bad); i++) {
		buf_reset(&b);
		tlv_i64(&b, 1, 0);
		tlv_add(&b, 4, str_c(bad[i]));
		T_CHECK(!logwire_answer_read(buf_str(&b), &q));
		buf_done(&q.body);
	}
	buf_reset(&b);
	tlv_i64(&b, 1, 0);
	tlv_add(&b, 4, STR("\x05\x00"));
	T_CHECK(logwire_answer_read(buf_str(&b), &q));
	T_EQ_INT(states[0], EVENT_DELIVERED);
	T_EQ_INT(states[1], EVENT_NONE);
	buf_done(&q.body);
	buf_done(&b);
}

/* Files would be looked for elsewhere if these ever changed. */
TEST(the_slot_of_a_user_is_for_good)
{
	size_t n[3] = { 0 };
	char user[32];

	T_EQ_INT(logslot_of(STR("ada"), 1), 0);
	T_EQ_INT(logslot_of(STR(""), 1000), 0xcbf29ce484222325U % 1000);
	T_EQ_INT(logslot_of(STR("a"), 1000), 0xaf63dc4c8601ec8cU % 1000);
	for (int i = 0; i < 3000; i++) {
		snprintf(user, sizeof(user), "user_%d", i);
		n[logslot_of(str_c(user), 3)]++;
	}
	for (size_t i = 0; i < countof(n); i++)
		T_CHECK(n[i] > 900 && n[i] < 1100);
}
