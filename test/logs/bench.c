/* What the log costs: CPU per message when its three events are taken in, by messages per commit
 * and size of the body; per user's commit with many users; and the time of queries over a million
 * entries. Not a test; prints a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "core/filter.h"
#include "logs/logquery.h"
#include "logs/logwriter.h"

struct bench {
	struct logwriter writer;
	struct logfiles readers;
	pthread_mutex_t reading;
	struct arena arena;
	struct rng rng;
	uint64_t seq, pos;
	int64_t now_ms;
	struct buf events, record;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void bench_init(struct bench *b, const char *dir)
{
	struct logwriter_settings settings = { .dir = dir,
					       .files_open_max = 64,
					       .body_bytes_max = 1 << 20,
					       .readers = &b->readers,
					       .reading = &b->reading };

	*b = (struct bench){ .now_ms = 1700000000000 };
	check(logfiles_make_dir(dir) == 0);
	pthread_mutex_init(&b->reading, NULL);
	logfiles_init(&b->readers, dir, 64);
	b->readers.reading = true;
	logwriter_init(&b->writer, &settings);
	arena_init(&b->arena);
	rng_init(&b->rng, 1);
	buf_init(&b->events, 1 << 30);
	buf_init(&b->record, 64 << 20);
}

static void bench_done(struct bench *b)
{
	logwriter_done(&b->writer);
	logfiles_done(&b->readers);
	arena_done(&b->arena);
	buf_done(&b->events);
	buf_done(&b->record);
}

static struct header sent[] = { { { "Content-Type", 12 }, { "application/json", 16 } },
				{ { "X-Request", 9 }, { "0123456789abcdef", 16 } } };
static struct header got[] = { { { "Content-Length", 14 }, { "2", 1 } },
			       { { "Date", 4 }, { "Tue, 24 Nov 2026 10:00:00 GMT", 29 } } };

static void put_life(struct bench *b, struct str user, struct str body, struct str label)
{
	struct msg m = { .id = msg_id_next(&b->seq, b->now_ms, &b->rng),
			 .user = user,
			 .url = STR("https://example.com/api/webhook"),
			 .method = STR("POST"),
			 .header = { sent, countof(sent) },
			 .body = body,
			 .created_ms = b->now_ms,
			 .not_before_ms = b->now_ms,
			 .timeout_ms = 30000,
			 .retries_max = 3,
			 .flow_period_s = 1,
			 .caller_ip = STR("127.0.0.1"),
			 .labels = label };
	struct event e = { .time_ms = b->now_ms, .state = EVENT_CREATED, .user = user, .id = m.id };

	buf_reset(&b->record);
	msg_encode(&b->record, &m);
	e.record = buf_str(&b->record);
	event_encode(&b->events, &e);
	e.record = STR_NULL;
	e.state = EVENT_ACTIVE;
	event_encode(&b->events, &e);
	e.state = EVENT_DELIVERED;
	e.response_status = 200;
	e.response_header = (struct headers){ got, countof(got) };
	e.response_body = STR("OK");
	event_encode(&b->events, &e);
}

/* Returns the CPU seconds of the round. */
static double give(struct bench *b)
{
	struct logwriter_take take = { .events = buf_str(&b->events),
				       .after = b->pos,
				       .pos = b->pos + 1 };
	double start = seconds(CLOCK_PROCESS_CPUTIME_ID);

	logwriter_round(&b->writer, &take, b->now_ms);
	b->pos++;
	buf_reset(&b->events);
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
}

static void bench_write(const char *dir, size_t per_commit, size_t body_bytes, size_t messages)
{
	char *body = xcalloc(1, body_bytes + 1);
	struct bench b;
	double cpu = 0;

	bench_init(&b, dir);
	for (size_t n = 0; n < messages; n += per_commit) {
		for (size_t i = 0; i < per_commit; i++)
			put_life(&b, STR("user"), str_n(body, body_bytes), STR(""));
		b.now_ms += 50;
		cpu += give(&b);
	}
	printf("write: %5zu messages a commit, body %5zu bytes: %6.2f us CPU a message\n",
	       per_commit, body_bytes, cpu / (double)messages * 1e6);
	bench_done(&b);
	free(body);
}

static void bench_users(const char *dir, int users)
{
	struct bench b;

	bench_init(&b, dir);
	for (int round = 0; round < 3; round++) {
		double start = seconds(CLOCK_MONOTONIC), cpu;

		for (int u = 0; u < users; u++) {
			char name[32];
			int n = snprintf(name, sizeof(name), "user-%d", u);

			put_life(&b, str_n(name, (size_t)n), STR("{}"), STR(""));
		}
		b.now_ms += 50;
		cpu = give(&b);
		printf("users: %4d, one message each, round %d%s: %6.0f us CPU, %6.0f us a user's "
		       "commit\n",
		       users, round, round ? "" : " (files made)", cpu / users * 1e6,
		       (seconds(CLOCK_MONOTONIC) - start) / users * 1e6);
	}
	bench_done(&b);
}

/* ---- queries ---------------------------------------------------------------------------------------- */

static const char *const queries[] = {
	"count=100",
	"",
	"count=100&order=earliestFirst",
	"state=DELIVERED&count=100",
	"state=FAILED",
	"label=rare&count=100",
	"label=none",
	"host=example.com&count=100",
	"url=https://example.com/none",
	"fromDate=1700000000000&toDate=1700000001000&count=100",
	"messageId=$",
};

static void bench_query(struct bench *b, struct logdb *db, const char *query)
{
	struct str text = str_c(query), name = str_cut(&text, '$');
	struct filter_source source = { .use = FILTER_LOGS };
	struct logs_query q = { .kind = LOGS_LIST, .now_ms = b->now_ms };
	struct problem problem;
	double best = 1e9;
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, (struct msg_id){ b->seq, 0 });
	source.query = str_has_byte(str_c(query), '$')
			       ? arena_fmt(&b->arena, "%.*s%s", STR_FMT(name), id)
			       : str_c(query);
	check(filter_parse(&b->arena, &source, &q.filter, &problem));
	for (int i = 0; i < 5; i++) {
		double start = seconds(CLOCK_MONOTONIC);

		logquery_run(db, &q);
		check(logdb_result(db) == LOGDB_OK);
		if (seconds(CLOCK_MONOTONIC) - start < best)
			best = seconds(CLOCK_MONOTONIC) - start;
		if (i < 4)
			buf_done(&q.body);
	}
	printf("query: %-56s %8.2f ms, %8zu bytes%s\n", query, best * 1e3, q.body.n,
	       str_has(buf_str(&q.body), STR("\"cursor\"")) ? ", and more" : "");
	buf_done(&q.body);
}

static void bench_queries(const char *dir, size_t messages)
{
	char body[200] = "{}", name[LOGFILES_NAME_BYTES];
	struct logdb *db;
	struct bench b;

	bench_init(&b, dir);
	for (size_t n = 0; n < messages; n++) {
		put_life(&b, STR("big"), str_n(body, sizeof(body)),
			 n % 10000 ? STR("common") : STR("rare"));
		if (n % 1000 == 999) {
			b.now_ms += 50;
			give(&b);
		}
	}
	give(&b);
	logfiles_name(name, STR("big"));
	check(logfiles_get(&b.readers, name, STR_NULL, &db) == LOGDB_OK);
	printf("query: over %zu entries\n", 3 * messages);
	for (size_t i = 0; i < countof(queries); i++)
		bench_query(&b, db, queries[i]);
	bench_done(&b);
}

int main(int argc, char **argv)
{
	static const size_t per_commit[] = { 50, 200, 1000, 2000 };
	static const size_t body_bytes[] = { 200, 600, 5000 };
	char dir[300];

	if (argc != 2) {
		fprintf(stderr, "usage: %s EMPTY-DIRECTORY\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < countof(per_commit); i++) {
		snprintf(dir, sizeof(dir), "%s/commit-%zu", argv[1], per_commit[i]);
		bench_write(dir, per_commit[i], 200, 100000);
	}
	for (size_t i = 0; i < countof(body_bytes); i++) {
		snprintf(dir, sizeof(dir), "%s/body-%zu", argv[1], body_bytes[i]);
		bench_write(dir, 1000, body_bytes[i], 50000);
	}
	for (int users = 5; users <= 500; users *= 10) {
		snprintf(dir, sizeof(dir), "%s/users-%d", argv[1], users);
		bench_users(dir, users);
	}
	snprintf(dir, sizeof(dir), "%s/queries", argv[1]);
	bench_queries(dir, 1000000 / 3);
	return 0;
}
