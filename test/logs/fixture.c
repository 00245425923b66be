#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logs/logfiles.h"
#include "t.h"

enum { WAIT_S = 20, PAGES_MAX = 100 * 1000 };

void fixture_start(struct fixture *f)
{
	f->logs = logs_open(&f->settings, f->error);
	if (!f->logs)
		T_FAIL("logs_open: %s", f->error);
	f->source = logs_source(f->logs, STR_NULL);
}

void fixture_open(struct fixture *f, struct logs_settings settings)
{
	*f = (struct fixture){ .settings = settings, .now_ms = 1700000000000 };
	if (!f->settings.dir)
		f->settings.dir = t_tmpdir();
	arena_init(&f->arena);
	rng_init(&f->rng, 42);
	buf_init(&f->events, 256 << 20);
	fixture_start(f);
}

void fixture_reopen(struct fixture *f)
{
	logs_close(f->logs);
	fixture_start(f);
}

void fixture_close(struct fixture *f)
{
	logs_close(f->logs);
	buf_done(&f->events);
	arena_done(&f->arena);
}

/* ---- events ----------------------------------------------------------------------------------------- */

struct msg fixture_msg(struct fixture *f)
{
	return (struct msg){
		.id = msg_id_next(&f->seq, f->now_ms, &f->rng),
		.user = STR(FIXTURE_USER),
		.url = STR("https://example.com/hook"),
		.method = STR("POST"),
		.created_ms = f->now_ms,
		.not_before_ms = f->now_ms,
		.timeout_ms = 30000,
		.retries_max = 3,
		.flow_period_s = 1,
	};
}

static struct str record_of(struct fixture *f, const struct msg *m)
{
	struct buf b;
	struct str record;

	buf_init(&b, 64 << 20);
	msg_encode(&b, m);
	record = arena_str(&f->arena, buf_str(&b));
	buf_done(&b);
	return record;
}

struct event fixture_event(struct fixture *f, const struct msg *m, enum event_state state)
{
	return (struct event){
		.time_ms = f->now_ms,
		.state = state,
		.user = m->user,
		.id = m->id,
		.record = state == EVENT_CREATED ? record_of(f, m) : STR_NULL,
		.next_delivery_ms = ++f->serial,
	};
}

void fixture_add(struct fixture *f, const struct event *e)
{
	event_encode(&f->events, e);
}

void fixture_put(struct fixture *f, const struct msg *m, enum event_state state)
{
	struct event e = fixture_event(f, m, state);

	fixture_add(f, &e);
}

void fixture_life(struct fixture *f, const struct msg *m)
{
	fixture_put(f, m, EVENT_CREATED);
	fixture_put(f, m, EVENT_ACTIVE);
	fixture_put(f, m, EVENT_DELIVERED);
}

void fixture_wait(struct fixture *f)
{
	T_UNTIL(logs_committed(f->source) == f->pos, WAIT_S);
}

void fixture_give(struct fixture *f)
{
	T_CHECK(!f->events.overflow);
	T_UNTIL(logs_take(f->source, buf_str(&f->events), f->pos, f->pos + 1, f->now_ms), WAIT_S);
	f->pos++;
	buf_reset(&f->events);
	fixture_wait(f);
}

void fixture_tick(struct fixture *f, int64_t later_ms)
{
	f->now_ms += later_ms;
	logs_tick(f->logs, f->now_ms);
}

/* ---- queries ---------------------------------------------------------------------------------------- */

static void note_done(struct logs_query *q)
{
	*(bool *)q->arg = true;
}

void fixture_ask(struct fixture *f, struct logs_query *q)
{
	bool done = false;

	q->done = note_done;
	q->arg = &done;
	logs_query(f->logs, q);
	T_UNTIL((logs_poll(f->logs), done), WAIT_S);
}

struct logs_query fixture_query(struct fixture *f, const char *user, const char *query)
{
	struct filter_source source = { .use = FILTER_LOGS,
					.query = arena_str(&f->arena, str_c(query)) };
	struct logs_query q = { .kind = LOGS_LIST, .user = str_c(user), .now_ms = f->now_ms };
	struct problem problem;

	if (!filter_parse(&f->arena, &source, &q.filter, &problem))
		T_FAIL("%s: %s", query, problem.text);
	return q;
}

const struct json *fixture_list(struct fixture *f, const char *user, const char *query)
{
	struct logs_query q = fixture_query(f, user, query);
	const struct json *answer;
	char error[96];

	fixture_ask(f, &q);
	if (q.problem.status)
		T_FAIL("%s: %s", query, q.problem.text);
	answer = json_parse(&f->arena, arena_str(&f->arena, buf_str(&q.body)), error);
	if (!answer)
		T_FAIL("%s: answer is not JSON: %s", query, error);
	buf_done(&q.body);
	T_CHECK(json_get(answer, STR("events")) != NULL);
	return answer;
}

struct str fixture_cursor(const struct json *answer)
{
	const struct json *cursor = json_get(answer, STR("cursor"));

	T_CHECK(!cursor || (cursor->kind == JSON_STRING && cursor->text.n));
	return cursor ? cursor->text : STR_NULL;
}

size_t fixture_count(const struct json *answer)
{
	return json_get(answer, STR("events"))->count;
}

size_t fixture_count_all(struct fixture *f, const char *user)
{
	return fixture_count(fixture_list(f, user, ""));
}

static void add_serials(struct buf *b, const struct json *answer)
{
	for (const struct json *e = json_get(answer, STR("events"))->child; e; e = e->next) {
		const struct json *serial = json_get(e, STR("nextDeliveryTime"));

		T_CHECK(serial != NULL);
		if (b->n)
			buf_byte(b, ' ');
		buf_add(b, serial->text);
	}
}

static struct str into_arena(struct fixture *f, struct buf *b)
{
	struct str s;

	T_CHECK(!b->overflow);
	s = arena_str(&f->arena, buf_str(b));
	buf_done(b);
	return s;
}

struct str fixture_serials_of(struct fixture *f, const struct json *answer)
{
	struct buf b;

	buf_init(&b, 16 << 20);
	add_serials(&b, answer);
	if (fixture_cursor(answer).n)
		buf_add(&b, b.n ? STR(" more") : STR("more"));
	return into_arena(f, &b);
}

struct str fixture_serials(struct fixture *f, const char *user, const char *query)
{
	return fixture_serials_of(f, fixture_list(f, user, query));
}

struct str fixture_all(struct fixture *f, const char *user, const char *query)
{
	const struct json *answer = fixture_list(f, user, query);
	struct str cursor = fixture_cursor(answer);
	struct buf b;

	buf_init(&b, 16 << 20);
	add_serials(&b, answer);
	for (int pages = 0; cursor.n; pages++) {
		struct str next = arena_fmt(&f->arena, "%s&cursor=%.*s", query, STR_FMT(cursor));

		T_CHECK(pages < PAGES_MAX);
		answer = fixture_list(f, user, next.p);
		add_serials(&b, answer);
		cursor = fixture_cursor(answer);
	}
	return into_arena(f, &b);
}

/* ---- names ------------------------------------------------------------------------------------------ */

const char *fixture_id(struct fixture *f, const struct msg *m)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, m->id);
	return arena_str(&f->arena, str_n(id, MSG_ID_LEN)).p;
}

const char *fixture_path(struct fixture *f, const char *user, const char *ending)
{
	char name[LOGFILES_NAME_BYTES];

	logfiles_name(name, str_c(user));
	return arena_fmt(&f->arena, "%s/%s%s", f->settings.dir, name, ending).p;
}

size_t fixture_files(struct fixture *f, const char *part)
{
	DIR *dir = opendir(f->settings.dir);
	struct dirent *entry;
	size_t n = 0;

	T_CHECK(dir != NULL);
	while ((entry = readdir(dir)))
		n += strstr(entry->d_name, part) != NULL;
	closedir(dir);
	return n;
}

void fixture_copy(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	T_CHECK(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		T_CHECK(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}
