/* What an answer looks like, byte for byte. */
#include <string.h>

#include "base/codec.h"
#include "base/digest.h"
#include "core/view.h"
#include "fixture.h"
#include "t.h"

#define NOW "1700000000000"

static struct header forwarded[] = {
	{ { "Content-Type", 12 }, { "text/plain", 10 } },
	{ { "X-Tag", 5 }, { "one", 3 } },
	{ { "X-Tag", 5 }, { "two \"2\"", 7 } },
};
static struct header answered[] = {
	{ { "Server", 6 }, { "test", 4 } },
};
static struct header callback_settings[] = { { { "Retries", 7 }, { "2", 1 } } };
static struct header failure_settings[] = { { { "Forward-A", 9 }, { "b", 1 } } };

static struct msg full_msg(struct fixture *f)
{
	struct msg m = fixture_msg(f);

	m.id = (struct msg_id){ 77, 99 };
	m.url = STR("https://example.com/hook?a=1");
	m.header = (struct headers){ forwarded, countof(forwarded) };
	m.body = STR("hello");
	m.retry_delay = STR("1000 * retried");
	m.callback = STR("https://example.com/cb?x=1");
	m.callback_header = (struct headers){ callback_settings, 1 };
	m.failure_callback = STR("https://example.com/failed");
	m.failure_callback_header = (struct headers){ failure_settings, 1 };
	m.queue = STR("q");
	m.flow_key = STR("k");
	m.flow_parallelism = 3;
	m.flow_rate = 5;
	m.flow_period_s = 60;
	m.topic = STR("group");
	m.endpoint = STR("first");
	m.schedule_id = STR("scd_1");
	m.caller_ip = STR("127.0.0.1");
	m.labels = STR("red,green");
	return m;
}

/* Members of full_msg behind those of the event. */
#define FULL_ID "\"messageId\":\"msg_1111111112L1111111112i\""
#define FULL                                                                                    \
	"\"url\":\"https://example.com/hook?a=1\",\"method\":\"POST\","                         \
	"\"header\":{\"Content-Type\":[\"text/plain\"],\"X-Tag\":[\"one\",\"two \\\"2\\\"\"]}," \
	"\"body\":\"aGVsbG8=\",\"topicName\":\"group\",\"endpointName\":\"first\","             \
	"\"scheduleId\":\"scd_1\",\"queueName\":\"q\",\"callerIP\":\"127.0.0.1\","              \
	"\"label\":\"red\",\"labels\":[\"red\",\"green\"],"                                     \
	"\"flowControlKey\":\"k\",\"parallelism\":3,\"rate\":5,\"period\":60,"                  \
	"\"timeout\":30000,\"maxRetries\":3,\"retryDelayExpression\":\"1000 * retried\","       \
	"\"retryDelayExpr\":\"1000 * retried\",\"callback\":\"https://example.com/cb?x=1\","    \
	"\"failureCallback\":\"https://example.com/failed\","                                   \
	"\"callbackHeaders\":{\"Retries\":[\"2\"]},\"failureCallbackHeaders\":{\"Forward-A\":[" \
	"\"b\"]}"

#define PLAIN                                                                         \
	"\"url\":\"https://example.com/hook\",\"method\":\"POST\",\"timeout\":30000," \
	"\"maxRetries\":3"

#define SERVER \
	"\"responseHeader\":{\"Server\":[\"test\"]},\"responseHeaders\":{\"Server\":[\"test\"]}"

/* ---- entries ---------------------------------------------------------------------------------------- */

static const struct entry {
	struct event event; /* without id, user and time */
	bool full;
	const char *head, *tail; /* members that come before and after those of the message */
} entries[] = {
	{ { .state = EVENT_CREATED }, true, "\"state\":\"CREATED\",", "" },
	{ { .state = EVENT_CREATED, .next_delivery_ms = 1700000009000 },
	  false,
	  "\"state\":\"CREATED\",\"nextDeliveryTime\":1700000009000,",
	  "" },
	{ { .state = EVENT_ACTIVE, .retried = 2 }, true, "\"state\":\"ACTIVE\",", "" },
	{ { .state = EVENT_RETRY, .next_delivery_ms = 1700000012000 },
	  true,
	  "\"state\":\"RETRY\",\"nextDeliveryTime\":1700000012000,",
	  "" },
	{ { .state = EVENT_ERROR,
	    .response_status = 503,
	    .duration_ms = 12,
	    .response_header = { answered, 1 },
	    .response_body = { "no\0", 3 } },
	  true,
	  "\"state\":\"ERROR\",",
	  ",\"responseStatus\":503,\"responseBody\":\"bm8A\"," SERVER },
	{ { .state = EVENT_ERROR, .error = { "could not \"connect\"", 19 } },
	  false,
	  "\"state\":\"ERROR\",\"error\":\"could not \\\"connect\\\"\",",
	  "" },
	{ { .state = EVENT_FAILED, .error = { "gone", 4 }, .response_status = 404 },
	  false,
	  "\"state\":\"FAILED\",\"error\":\"gone\",",
	  ",\"responseStatus\":404" },
	{ { .state = EVENT_DELIVERED, .response_status = 200, .response_header = { answered, 1 } },
	  false,
	  "\"state\":\"DELIVERED\",",
	  ",\"responseStatus\":200," SERVER },
	{ { .state = EVENT_CANCEL_REQUESTED }, false, "\"state\":\"CANCEL_REQUESTED\",", "" },
	{ { .state = EVENT_CANCELED }, false, "\"state\":\"CANCELED\",", "" },
};

static struct str list_text(struct fixture *f, const char *query, bool both_keys)
{
	struct logs_query q = fixture_query(f, FIXTURE_USER, query);
	struct str text;

	q.both_keys = both_keys;
	fixture_ask(f, &q);
	T_EQ_INT(q.problem.status, 0);
	text = arena_str(&f->arena, buf_str(&q.body));
	buf_done(&q.body);
	return text;
}

/* Hands over a CREATED with the record, then the event under test if that is another one. */
static void log_entry(struct fixture *f, const struct msg *m, const struct event *e)
{
	struct event created = fixture_event(f, m, EVENT_CREATED), given = *e;

	given.time_ms = f->now_ms;
	given.user = m->user;
	given.id = m->id;
	if (e->state == EVENT_CREATED) {
		given.record = created.record;
	} else {
		fixture_add(f, &created);
	}
	fixture_add(f, &given);
	fixture_give(f);
}

TEST_EACH(shows_an_entry_of_each_state, entries)
{
	struct fixture f;
	struct msg m;
	struct str want;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = row->full ? full_msg(&f) : fixture_msg(&f);
	m.id = (struct msg_id){ 77, 99 };
	log_entry(&f, &m, &row->event);
	want = arena_fmt(&f.arena, "{\"events\":[{\"time\":" NOW "," FULL_ID ",%s%s%s}]%s}",
			 row->head, row->full ? FULL : PLAIN, row->tail,
			 row->event.state == EVENT_CREATED ? "" : ",\"cursor\":\"" NOW "-1\"");
	T_EQ_STR(list_text(&f, "count=1", false), want);
	fixture_close(&f);
}

TEST(shows_logs_under_both_names)
{
	struct fixture f;
	struct msg m;
	struct event e = { .state = EVENT_CREATED };

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	T_EQ_STR(list_text(&f, "", true), "{\"logs\":[],\"events\":[]}");
	T_EQ_STR(list_text(&f, "", false), "{\"events\":[]}");
	m = fixture_msg(&f);
	m.id = (struct msg_id){ 77, 99 };
	log_entry(&f, &m, &e);
	log_entry(&f, &m, &(struct event){ .state = EVENT_CANCELED });
#define CANCELED "[{\"time\":" NOW "," FULL_ID ",\"state\":\"CANCELED\"," PLAIN "}]"
	T_EQ_STR(list_text(&f, "count=1", true),
		 "{\"logs\":" CANCELED ",\"events\":" CANCELED ",\"cursor\":\"" NOW "-2\"}");
	T_EQ_STR(list_text(&f, "label=none", true), "{\"logs\":[],\"events\":[]}");
	fixture_close(&f);
}

TEST(shows_an_entry_of_an_unknown_message)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	m.id = (struct msg_id){ 77, 99 };
	fixture_add(&f, &(struct event){ .state = EVENT_DELIVERED,
					 .user = m.user,
					 .id = m.id,
					 .time_ms = f.now_ms });
	fixture_give(&f);
	T_EQ_STR(list_text(&f, "", false), "{\"events\":[{\"time\":" NOW "," FULL_ID
					   ",\"state\":\"DELIVERED\",\"url\":\"\"}]}");
	T_EQ_STR(list_text(&f, arena_fmt(&f.arena, "messageId=%s", fixture_id(&f, &m)).p, false),
		 "{\"events\":[{\"time\":" NOW "," FULL_ID
		 ",\"state\":\"DELIVERED\",\"url\":\"\"}]}");
	T_EQ_STR(list_text(&f, "host=example.com", false), "{\"events\":[]}");
	fixture_close(&f);
}

/* ---- long bodies and redaction ---------------------------------------------------------------------- */

static const struct {
	size_t bytes, bytes_max, shown;
} bodies[] = {
	{ 0, 0, 0 },      { 900, 0, 900 },      { 5000, 0, 5000 },    { 1500000, 0, 1 << 20 },
	{ 5000, 64, 64 }, { 5000, 5000, 5000 }, { 5001, 5000, 5000 },
};

static struct str member_bytes(struct fixture *f, const char *query, const char *name)
{
	const struct json *entry =
		json_get(fixture_list(f, FIXTURE_USER, query), STR("events"))->child;
	const struct json *value = json_get(entry, str_c(name));
	struct buf b;
	struct str bytes;

	if (!value)
		return STR_NULL;
	buf_init(&b, 16 << 20);
	T_CHECK(b64_decode(&b, value->text));
	bytes = arena_str(&f->arena, buf_str(&b));
	buf_done(&b);
	return bytes;
}

TEST_EACH(cuts_bodies_at_the_limit, bodies)
{
	struct fixture f;
	struct str body;
	struct msg m;
	struct event e;
	char *p;

	fixture_open(&f,
		     (struct logs_settings){ .ephemeral = true, .body_bytes_max = row->bytes_max });
	p = arena_zalloc(&f.arena, row->bytes + 1);
	for (size_t i = 0; i < row->bytes; i++)
		p[i] = (char)(i * 7 + i / 256);
	body = str_n(p, row->bytes);
	m = fixture_msg(&f);
	m.body = body;
	fixture_put(&f, &m, EVENT_CREATED);
	e = fixture_event(&f, &m, EVENT_ERROR);
	e.response_body = body;
	fixture_add(&f, &e);
	fixture_give(&f);
	T_EQ_STR(member_bytes(&f, "count=1", "body"), str_sub(body, 0, row->shown));
	T_EQ_STR(member_bytes(&f, "count=1", "responseBody"), str_sub(body, 0, row->shown));
	fixture_close(&f);
}

static const struct redaction {
	const char *list;
	size_t body_bytes;
	bool body, type, tag; /* hidden */
} redactions[] = {
	{ "", 20, false, false, false },
	{ "body", 20, true, false, false },
	{ "body", 100000, true, false, false },
	{ "body,header", 5000, true, true, true },
	{ "header", 5000, false, true, true },
	{ "header[X-Tag]", 20, false, false, true },
	{ "body,header[X-Tag]", 5000, true, false, true },
};

static struct str hidden(struct fixture *f, struct str value)
{
	unsigned char hash[SHA256_LEN];
	struct str text;
	struct buf b;

	buf_init(&b, 256);
	sha256(hash, value);
	buf_add(&b, STR("REDACTED:"));
	hex_encode(&b, str_n(hash, sizeof(hash)));
	text = arena_str(&f->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static struct str header_value(struct fixture *f, const char *name, bool latest)
{
	const struct json *entry =
		json_get(fixture_list(f, FIXTURE_USER, "count=1"), STR("events"))->child;
	const struct json *v = json_get(json_get(entry, STR("header")), str_c(name))->child;

	while (latest && v->next)
		v = v->next;
	return v->text;
}

TEST_EACH(hides_what_the_message_redacts, redactions)
{
	struct fixture f;
	struct msg m;
	char *p;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true, .body_bytes_max = 6000 });
	m = full_msg(&f);
	p = arena_alloc(&f.arena, row->body_bytes);
	memset(p, 's', row->body_bytes);
	m.body = str_n(p, row->body_bytes);
	m.redact = str_c(row->list);
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	T_EQ_STR(member_bytes(&f, "count=1", "body"), row->body ? hidden(&f, m.body) : m.body);
	T_EQ_STR(header_value(&f, "Content-Type", false),
		 row->type ? hidden(&f, STR("text/plain")) : STR("text/plain"));
	T_EQ_STR(header_value(&f, "X-Tag", true),
		 row->tag ? hidden(&f, STR("two \"2\"")) : STR("two \"2\""));
	fixture_close(&f);
}

/* ---- one message ------------------------------------------------------------------------------------ */

static struct logs_query ask_message(struct fixture *f, struct msg_id id)
{
	struct logs_query q = { .kind = LOGS_MESSAGE,
				.user = STR(FIXTURE_USER),
				.id = id,
				.grace_ms = 60000,
				.now_ms = f->now_ms };

	fixture_ask(f, &q);
	T_EQ_INT(q.problem.status, 0);
	return q;
}

static struct str message_text(struct fixture *f, const struct msg *m)
{
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, 4 << 20);
	j = json_out(&b);
	json_open(&j, '{');
	view_message(&j, m);
	json_close(&j, '}');
	text = arena_str(&f->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static const size_t message_bodies[] = { 0, 5, 5000, 200000 };

TEST_EACH(shows_a_message_that_ended_as_it_was_published, message_bodies)
{
	struct fixture f;
	struct logs_query q;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = full_msg(&f);
	m.body = str_n(memset(arena_alloc(&f.arena, *row + 1), 'b', *row + 1), *row);
	fixture_life(&f, &m);
	fixture_give(&f);
	q = ask_message(&f, m.id);
	T_CHECK(q.found);
	T_EQ_STR(buf_str(&q.body), message_text(&f, &m));
	buf_done(&q.body);
	fixture_close(&f);
}

static const struct {
	enum event_state latest;
	int64_t later_ms;
	bool found;
} endings[] = {
	{ EVENT_DELIVERED, 0, true },         { EVENT_DELIVERED, 60000, true },
	{ EVENT_DELIVERED, 60001, false },    { EVENT_FAILED, 60000, true },
	{ EVENT_FAILED, 60001, false },       { EVENT_CANCELED, 0, false },
	{ EVENT_ACTIVE, 0, false },           { EVENT_RETRY, 0, false },
	{ EVENT_CANCEL_REQUESTED, 0, false },
};

TEST_EACH(finds_a_message_for_a_while_after_its_end, endings)
{
	struct fixture f;
	struct logs_query q;
	struct msg m, other;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	other = fixture_msg(&f);
	fixture_life(&f, &other);
	fixture_give(&f);
	fixture_put(&f, &m, row->latest);
	fixture_life(&f, &other);
	fixture_give(&f);
	f.now_ms += row->later_ms;
	q = ask_message(&f, m.id);
	T_EQ_INT(q.found, row->found);
	T_CHECK(row->found == (q.body.n > 0));
	buf_done(&q.body);
	fixture_close(&f);
}

TEST(does_not_find_a_message_by_half_of_its_id)
{
	struct fixture f;
	struct logs_query q;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	m.id.nonce ^= 1;
	q = ask_message(&f, m.id);
	T_CHECK(!q.found);
	buf_done(&q.body);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER,
				 arena_fmt(&f.arena, "messageId=%s", fixture_id(&f, &m)).p),
		 "");
	fixture_close(&f);
}

/* ---- states ----------------------------------------------------------------------------------------- */

TEST(the_latest_state_of_each_message)
{
	static const enum event_state lives[][4] = {
		{ EVENT_CREATED },
		{ EVENT_CREATED, EVENT_ACTIVE, EVENT_ERROR, EVENT_RETRY },
		{ EVENT_CREATED, EVENT_ACTIVE, EVENT_DELIVERED },
		{ EVENT_CREATED, EVENT_ACTIVE, EVENT_FAILED },
		{ EVENT_CREATED, EVENT_CANCEL_REQUESTED, EVENT_CANCELED },
	};
	enum event_state state[countof(lives) + 2] = { 0 };
	struct msg_id ids[countof(lives) + 2];
	struct logs_query q;
	struct fixture f;

	fixture_open(&f, (struct logs_settings){ 0 });
	for (size_t i = 0; i < countof(lives); i++) {
		struct msg m = fixture_msg(&f);

		ids[i] = m.id;
		for (size_t k = 0; k < 4 && lives[i][k]; k++)
			fixture_put(&f, &m, lives[i][k]);
	}
	fixture_give(&f);
	/* One that is not there, and one whose secret half is wrong. */
	ids[countof(lives)] = (struct msg_id){ 1, 1 };
	ids[countof(lives) + 1] = (struct msg_id){ ids[0].seq, ids[0].nonce + 1 };
	q = (struct logs_query){ .kind = LOGS_STATES,
				 .user = STR(FIXTURE_USER),
				 .ids = ids,
				 .ids_n = countof(ids),
				 .states = state,
				 .now_ms = f.now_ms };
	fixture_ask(&f, &q);
	T_EQ_INT(q.problem.status, 0);
	T_EQ_INT(q.body.n, 0);
	buf_done(&q.body);
	T_EQ_INT(state[0], EVENT_CREATED);
	T_EQ_INT(state[1], EVENT_RETRY);
	T_EQ_INT(state[2], EVENT_DELIVERED);
	T_EQ_INT(state[3], EVENT_FAILED);
	T_EQ_INT(state[4], EVENT_CANCELED);
	T_EQ_INT(state[5], EVENT_NONE);
	T_EQ_INT(state[6], EVENT_NONE);
	q.user = STR("stranger");
	fixture_ask(&f, &q);
	buf_done(&q.body);
	for (size_t i = 0; i < countof(ids); i++)
		T_EQ_INT(state[i], EVENT_NONE);
	fixture_close(&f);
}
