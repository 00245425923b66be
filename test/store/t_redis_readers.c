/* Several readers of a Redis database's outbox: what it keeps for them, how they change, and what goes when nobody
 * reads. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "kit_redis.h"

struct desk {
	struct kit k;
	struct store *reader;
};

static struct redis_server *server_of(struct desk *d)
{
	return d->k.state;
}

static void open_reader(struct desk *d, size_t outbox_bytes_max)
{
	struct redis_settings set = {
		.url = server_of(d)->url,
		.allow_unsafe = true,
		.reader = true,
		.outbox_bytes_max = outbox_bytes_max,
	};
	char error[REDIS_ERROR_LEN];

	d->reader = redis_store_open(&set, d->k.now_ms, error);
	if (d->reader == NULL)
		T_FAIL("%s", error);
}

static void desk_open(struct desk *d, size_t outbox_bytes_max)
{
	kit_init(&d->k, &kit_redis);
	open_reader(d, outbox_bytes_max);
}

static void desk_close(struct desk *d)
{
	store_close(d->reader);
	kit_done(&d->k);
}

struct seen {
	uint64_t last;
	size_t events;
	bool lost, more;
};

static size_t count_events(struct kit *k, struct str events)
{
	struct event e;
	size_t n = 0;

	while (event_next(kit_arena(k), &events, &e) == 1)
		n++;
	return n;
}

static struct seen read_on(struct desk *d, const char *reader, struct tail how)
{
	struct tail t;
	struct seen seen;

	tail_init(&t, how.after, how.bytes_max ? how.bytes_max : 1 << 20, NULL, NULL);
	t.reader = str_c(reader);
	t.join = how.join;
	t.trim = how.trim;
	arena_init(&t.arena);
	T_EQ_INT(kit_do_on(&d->k, d->reader, &t.req), STORE_APPLIED);
	seen = (struct seen){ t.last, count_events(&d->k, t.events), t.lost, t.more };
	arena_done(&t.arena);
	return seen;
}

#define READ(d, reader, ...) read_on((d), (reader), (struct tail){ __VA_ARGS__ })

/* The entries that the outbox keeps. */
static long long kept(struct desk *d)
{
	redisContext *c = redisConnectUnix(server_of(d)->socket);
	redisReply *r;
	long long n;

	T_CHECK(c != NULL && c->err == 0);
	r = redisCommand(c, "XLEN q:log");
	T_CHECK(r != NULL && r->type == REDIS_REPLY_INTEGER);
	n = r->integer;
	freeReplyObject(r);
	redisFree(c);
	return n;
}

/* So many entries of one event each; the last one's position. */
static uint64_t log_some(struct desk *d, int n)
{
	for (int i = 0; i < n; i++)
		PUT(&d->k, .delay_ms = 1000 * 1000);
	return d->k.s->info.outbox_last;
}

TEST(the_outbox_is_kept_for_the_reader_that_is_furthest_behind)
{
	struct desk d;
	uint64_t last;

	desk_open(&d, 0);
	last = log_some(&d, 5);
	T_CHECK(READ(&d, "0/2").lost);
	T_EQ_INT(READ(&d, "0/2", .join = true).last, 0);
	T_EQ_INT(READ(&d, "1/2", .join = true).last, 0);
	T_EQ_INT(READ(&d, "0/2").events, 5);
	T_EQ_INT(READ(&d, "0/2").last, last);
	T_EQ_INT(READ(&d, "0/2", .after = last - 2).events, 2);
	T_EQ_INT(READ(&d, "0/2", .after = last, .trim = last).events, 0);
	T_EQ_INT(kept(&d), 5);
	T_EQ_INT(READ(&d, "1/2", .trim = last - 3).events, 3);
	T_EQ_INT(kept(&d), 3);
	/* Where a reader stood it goes on, whoever asks. */
	store_close(d.reader);
	open_reader(&d, 0);
	T_EQ_INT(READ(&d, "1/2", .join = true).last, last - 3);
	T_EQ_INT(READ(&d, "0/2", .join = true).last, last);
	T_EQ_INT(READ(&d, "1/2", .after = last - 3, .trim = last).events, 0);
	T_EQ_INT(kept(&d), 0);
	last = log_some(&d, 1);
	T_EQ_INT(READ(&d, "1/2", .after = last - 1).events, 1);
	desk_close(&d);
}

TEST(a_reader_that_goes_back_takes_nothing_back)
{
	struct desk d;
	uint64_t last;

	desk_open(&d, 0);
	last = log_some(&d, 4);
	(void)READ(&d, "0/1", .join = true);
	(void)READ(&d, "0/1", .trim = last - 1);
	store_close(d.reader);
	open_reader(&d, 0);
	(void)READ(&d, "0/1", .trim = 1);
	T_EQ_INT(READ(&d, "0/1", .join = true).last, last - 1);
	T_EQ_INT(kept(&d), 1);
	desk_close(&d);
}

TEST(more_or_fewer_readers_begin_where_nothing_is_missing)
{
	struct desk d;
	uint64_t last;

	desk_open(&d, 0);
	last = log_some(&d, 6);
	(void)READ(&d, "0/1", .join = true);
	(void)READ(&d, "0/1", .trim = last - 4);
	T_EQ_INT(READ(&d, "0/2", .join = true).last, last - 4);
	/* As long as one of the new is not there, the old one holds what it needs. */
	(void)READ(&d, "0/2", .after = last, .trim = last);
	T_EQ_INT(kept(&d), 4);
	T_CHECK(!READ(&d, "0/1").lost);
	T_EQ_INT(READ(&d, "1/2", .join = true).last, last - 4);
	T_CHECK(READ(&d, "0/1").lost);
	T_CHECK(READ(&d, "0/1", .trim = last).lost);
	T_EQ_INT(kept(&d), 4);
	(void)READ(&d, "1/2", .trim = last - 1);
	T_EQ_INT(kept(&d), 1);
	/* Back to one: it has to have what the one behind has not. */
	T_EQ_INT(READ(&d, "0/1", .join = true).last, last - 1);
	T_CHECK(READ(&d, "0/2").lost && READ(&d, "1/2").lost);
	T_EQ_INT(READ(&d, "0/1", .after = last - 1).events, 1);
	desk_close(&d);
}

/* The cap counts bytes of events; an entry here has a bit more than its record. */
enum { RECORD = 10000, CAP = 64 * 2 * RECORD };

static void log_large(struct desk *d, int n)
{
	for (int i = 0; i < n; i++)
		PUT(&d->k, .delay_ms = 1000 * 1000, .record_bytes = RECORD);
}

TEST(an_outbox_that_nobody_reads_loses_its_oldest_events_and_counts_them)
{
	struct desk d;
	struct seen s;
	uint64_t before;

	desk_open(&d, CAP);
	(void)READ(&d, "0/1", .join = true);
	log_large(&d, 100);
	(void)READ(&d, "0/1");
	T_EQ_INT(d.reader->info.outbox_dropped, 0);
	T_EQ_INT(kept(&d), 100);
	/* Two events with each cancel. */
	for (int i = 0; i < 200; i++) {
		struct kit_msg m = PUT(&d.k, .delay_ms = 1000 * 1000, .record_bytes = RECORD);

		T_EQ_INT(kit_cancel(&d.k, &m).result, STORE_APPLIED);
	}
	before = d.k.s->info.outbox_last;
	s = READ(&d, "0/1", .bytes_max = 64 << 20);
	T_EQ_INT(s.last, before);
	/* What is there and what is counted as dropped are all there was. */
	T_EQ_INT(s.events + d.reader->info.outbox_dropped, 100 + 200 * 3);
	T_CHECK(d.reader->info.outbox_dropped > 100);
	T_CHECK(s.events * RECORD / 3 < CAP + CAP / 8 && s.events > 100);
	/* Those who keep up lose nothing. */
	(void)READ(&d, "0/1", .after = before, .trim = before);
	for (int i = 0; i < 10; i++) {
		log_large(&d, 50);
		(void)READ(&d, "0/1", .after = d.k.s->info.outbox_last,
			   .trim = d.k.s->info.outbox_last);
	}
	T_EQ_INT(s.events + d.reader->info.outbox_dropped, 100 + 200 * 3);
	T_EQ_INT(kept(&d), 0);
	desk_close(&d);
}

TEST(a_database_keeps_its_name)
{
	struct desk d;
	char name[STORE_DATABASE_BYTES];

	desk_open(&d, 0);
	T_CHECK(d.reader->info.database[0] != '\0');
	snprintf(name, sizeof(name), "%s", d.reader->info.database);
	T_EQ_STR(d.k.s->info.database, name);
	store_close(d.reader);
	open_reader(&d, 0);
	T_EQ_STR(d.reader->info.database, name);
	desk_close(&d);
}

TEST(a_reader_holds_no_leases_and_is_no_holder)
{
	struct desk d;
	struct scan s;

	desk_open(&d, 0);
	(void)log_some(&d, 1);
	scan_init(&s, SCAN_MESSAGES, NULL, NULL);
	s.user = STR("u");
	s.max = 10;
	s.bytes_max = 1000;
	arena_init(&s.arena);
	T_EQ_INT(kit_do_on(&d.k, d.reader, &s.req), STORE_APPLIED);
	T_EQ_INT(s.rows, 1);
	arena_done(&s.arena);
	kit_pass(&d.k, 1);
	store_flush(d.reader, d.k.now_ms);
	T_EQ_INT(redis_store_stats(d.reader).turns, 1);
	desk_close(&d);
}
