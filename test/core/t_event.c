#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "core/dead.h"
#include "core/event.h"

static struct event full(void)
{
	static struct header header[] = { H("Content-Type", "text/plain"), H("X", "1"),
					  H("X", "2") };

	return (struct event){
		.time_ms = 1700000000000,
		.state = EVENT_ERROR,
		.user = STR("user"),
		.id = { 5, UINT64_MAX },
		.record = STR("\x01\x02\0record"),
		.retried = 2,
		.next_delivery_ms = 1700000001000,
		.response_status = 503,
		.response_header = { header, 3 },
		.response_body = STR("sorry\0"),
		.error = STR("the destination answered with status 503"),
		.duration_ms = 17,
	};
}

static void eq_event(const struct event *a, const struct event *b)
{
	T_EQ_INT(a->time_ms, b->time_ms);
	T_EQ_INT(a->state, b->state);
	T_EQ_STR(a->user, b->user);
	T_EQ_INT(a->id.seq, b->id.seq);
	T_EQ_INT(a->id.nonce, b->id.nonce);
	T_EQ_STR(a->record, b->record);
	T_EQ_INT(a->retried, b->retried);
	T_EQ_INT(a->next_delivery_ms, b->next_delivery_ms);
	T_EQ_INT(a->response_status, b->response_status);
	kit_eq_headers(&a->response_header, &b->response_header);
	T_EQ_STR(a->response_body, b->response_body);
	T_EQ_STR(a->error, b->error);
	T_EQ_INT(a->duration_ms, b->duration_ms);
}

TEST(events_come_off_in_order)
{
	struct event e[3] = { full(), { .state = EVENT_CREATED, .time_ms = -1 }, full() }, back;
	struct str rest;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	e[2].state = EVENT_CANCELED;
	for (size_t i = 0; i < 3; i++)
		event_encode(&b, &e[i]);
	rest = buf_str(&b);
	for (size_t i = 0; i < 3; i++) {
		T_EQ_INT(event_next(&a, &rest, &back), 1);
		eq_event(&e[i], &back);
	}
	T_EQ_INT(event_next(&a, &rest, &back), 0);
	buf_done(&b);
	arena_done(&a);
}

TEST(a_large_event)
{
	struct event e = full(), back;
	char *record = malloc(300000);
	struct str rest;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	memset(record, 'r', 300000);
	e.record = str_n(record, 300000);
	e.response_body = str_n(record, 200000);
	event_encode(&b, &e);
	T_CHECK(!b.overflow);
	rest = buf_str(&b);
	T_EQ_INT(event_next(&a, &rest, &back), 1);
	eq_event(&e, &back);
	free(record);
	buf_done(&b);
	arena_done(&a);
}

TEST(a_cut_event_is_broken)
{
	struct event e = full(), back;
	struct arena a;
	struct buf b;

	buf_init(&b, 1 << 20);
	event_encode(&b, &e);
	for (size_t n = 1; n < b.n; n++) {
		char *copy = str_dup(str_n(b.p, n));
		struct str rest = str_n(copy, n);

		arena_init(&a);
		T_EQ_INT(event_next(&a, &rest, &back), -1);
		arena_done(&a);
		free(copy);
	}
	buf_done(&b);
}

TEST(an_event_without_a_state_is_broken)
{
	struct event back;
	struct str rest;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 100);
	tlv_add(&b, 1, STR(""));
	rest = buf_str(&b);
	T_EQ_INT(event_next(&a, &rest, &back), -1);
	buf_done(&b);
	arena_done(&a);
}

/* Wraps fields (bytes already coded) into one event and reads it. */
static int read_fields(struct str fields, struct event *ret_event, struct arena *a)
{
	struct str rest;
	struct buf b;
	int got;

	buf_init(&b, 1000);
	tlv_add(&b, 1, fields);
	rest = arena_str(a, buf_str(&b));
	got = event_next(a, &rest, ret_event);
	buf_done(&b);
	return got;
}

static const struct {
	struct str fields;
	int got;
} fields[] = {
	{ { "\x03\x01\x02", 3 }, 1 },              /* state 1 */
	{ { "\x03\x01\x1a", 3 }, -1 },             /* state 13: unknown */
	{ { "\x03\x01\x01", 3 }, -1 },             /* state -1 */
	{ { "\x03\x01\x02\xc8\x03new", 8 }, 1 },   /* a field of a later version */
	{ { "\x03\x01\x02\x0b\x01x", 6 }, -1 },    /* a header without its middle */
	{ { "\x03\x01\x02\x02\x00", 5 }, -1 },     /* a time without bytes */
	{ { "\x03\x01\x02\x02\x05\x00", 6 }, -1 }, /* cut */
};

TEST_EACH(fields_of_an_event, fields)
{
	struct event e;
	struct arena a;

	arena_init(&a);
	T_EQ_INT(read_fields(row->fields, &e, &a), row->got);
	arena_done(&a);
}

TEST(other_entries_are_passed_over)
{
	struct event e = full(), back;
	struct str rest;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	tlv_add(&b, 99, STR("of a later version"));
	event_encode(&b, &e);
	tlv_add(&b, 98, STR(""));
	rest = buf_str(&b);
	T_EQ_INT(event_next(&a, &rest, &back), 1);
	eq_event(&e, &back);
	T_EQ_INT(event_next(&a, &rest, &back), 0);
	buf_done(&b);
	arena_done(&a);
}

static const struct {
	enum event_state state;
	const char *name;
} states[] = {
	{ EVENT_CREATED, "CREATED" },     { EVENT_ACTIVE, "ACTIVE" },
	{ EVENT_RETRY, "RETRY" },         { EVENT_ERROR, "ERROR" },
	{ EVENT_DELIVERED, "DELIVERED" }, { EVENT_FAILED, "FAILED" },
	{ EVENT_CANCELED, "CANCELED" },   { EVENT_CANCEL_REQUESTED, "CANCEL_REQUESTED" },
};

TEST_EACH(states_have_names, states)
{
	T_EQ_STR(event_state_name(row->state), row->name);
	T_EQ_INT(event_state_parse(str_c(row->name)), row->state);
}

TEST(both_spellings_of_canceled)
{
	T_EQ_INT(event_state_parse(STR("CANCELLED")), EVENT_CANCELED);
	T_EQ_INT(event_state_parse(STR("canceled")), EVENT_NONE);
	T_EQ_INT(event_state_parse(STR("IN_PROGRESS")), EVENT_NONE);
	T_EQ_INT(event_state_parse(STR("")), EVENT_NONE);
	T_EQ_STR(event_state_name(EVENT_NONE), "");
}

/* ---- dead.h ---------------------------------------------------------------------------------- */

static void dead_round_trip(const struct outcome *o)
{
	struct outcome back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	dead_encode(&b, o);
	T_CHECK(dead_decode(&a, buf_str(&b), &back));
	T_EQ_INT(back.status, o->status);
	kit_eq_headers(&o->header, &back.header);
	T_EQ_STR(back.body, o->body);
	T_EQ_INT(back.body_cut, o->body_cut);
	T_EQ_STR(back.error, o->error);
	T_EQ_INT(back.duration_ms, o->duration_ms);
	buf_done(&b);
	arena_done(&a);
}

TEST(a_dead_letters_answer_comes_back)
{
	struct outcome answered = { .status = 404,
				    .header = HEADERS(H("A", "1"), H("A", "")),
				    .body = STR("404 Not Found"),
				    .body_cut = true,
				    .duration_ms = 3 };
	struct outcome silent = { .error = STR("connection refused"), .duration_ms = 9 };

	dead_round_trip(&answered);
	dead_round_trip(&silent);
}

TEST(broken_answers_are_refused)
{
	struct outcome o;
	struct arena a;

	arena_init(&a);
	T_CHECK(dead_decode(&a, STR(""), &o));
	T_CHECK(!dead_decode(&a, STR("\x01"), &o));
	T_CHECK(!dead_decode(&a, STR("\x01\x00"), &o));
	T_CHECK(!dead_decode(&a,
			     STR("\x02\x03"
				 "abc"),
			     &o));
	T_CHECK(!dead_decode(&a,
			     STR("\x03\x05"
				 "abc"),
			     &o));
	T_CHECK(dead_decode(&a,
			    STR("\x63\x02"
				"ab"),
			    &o));
	arena_done(&a);
}
