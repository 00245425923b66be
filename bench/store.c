/* bench-store - what a store costs: lives of messages (put, start, settle; the outbox read and trimmed) through the port,
 * with many under way at once, as the engine has them. Beside the rate it tells the CPU time of this process and, over
 * Redis, of the server.
 *
 *	bench-store sqlite:/dir/file.db | redis-url  [lives] [under way] [claim]
 *
 * With `claim`, messages are not leased by their put but by claims. */
#include <hiredis/hiredis.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/rng.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"

enum { RECORD_BYTES = 600, EVENTS_BYTES_MAX = 2048, CLAIM_MAX = 256 };

struct bench {
	struct store *s;
	sem_t bell;
	int64_t now_ms;
	uint64_t last_seq;
	struct rng rng;
	struct claim claim;
	struct tail tail;
	bool by_claim, claiming, tailing;
	uint64_t tail_at;
	long lives, started, ended; /* wanted, put, settled */
	long under_way;
	struct life *life;
	char record[RECORD_BYTES];
};

struct life {
	struct bench *b;
	struct step step;
	struct move move;
	struct msg msg;
	uint64_t lease;
	char events[EVENTS_BYTES_MAX];
};

static void put(struct life *l);

static struct str event(struct life *l, enum event_state state, struct str record)
{
	struct buf b;
	struct str s;

	buf_init(&b, EVENTS_BYTES_MAX);
	event_encode(&b, &(struct event){ .time_ms = l->b->now_ms,
					  .state = state,
					  .user = l->msg.user,
					  .id = l->msg.id,
					  .record = record });
	check(!b.overflow);
	memcpy(l->events, b.p, b.n);
	s = str_n(l->events, b.n);
	buf_done(&b);
	return s;
}

static void on_settled(struct store_req *r)
{
	struct life *l = r->arg;

	check(r->result == STORE_APPLIED);
	l->b->ended++;
	put(l);
}

static void settle(struct life *l)
{
	l->move =
		(struct move){ .kind = MOVE_SETTLE, .events = event(l, EVENT_DELIVERED, STR_NULL) };
	l->move.settle.user = l->msg.user;
	l->move.settle.id = l->msg.id;
	l->move.settle.lease = l->lease;
	l->move.settle.to = SETTLE_DELIVERED;
	l->move.settle.bytes = RECORD_BYTES;
	step_init(&l->step, &l->move, 1, on_settled, l);
	store_submit(l->b->s, &l->step.req);
}

static void on_put(struct store_req *r)
{
	struct life *l = r->arg;

	check(r->result == STORE_APPLIED);
	check(l->move.put.leased || l->b->by_claim);
	l->lease = l->move.put.lease;
	if (l->move.put.leased)
		settle(l);
}

static void put(struct life *l)
{
	struct bench *b = l->b;

	if (b->started == b->lives)
		return;
	b->started++;
	l->msg = (struct msg){ .user = STR("0b5a3c6e-6a4f-4a53-9d61-27a3b1f0c8de") };
	/* A claim finds its life by the number. */
	l->msg.id.seq = b->last_seq += (uint64_t)b->under_way;
	l->msg.id.seq -= l->msg.id.seq % (uint64_t)b->under_way;
	l->msg.id.seq += (uint64_t)(l - b->life);
	l->msg.id.nonce = rng_u64(&b->rng);
	l->move = (struct move){ .kind = MOVE_PUT };
	l->move.put.msg = &l->msg;
	l->move.put.record = str_n(b->record, RECORD_BYTES);
	l->move.put.due_ms = b->now_ms;
	l->move.put.want_lease = !b->by_claim;
	l->move.events = event(l, EVENT_CREATED, l->move.put.record);
	step_init(&l->step, &l->move, 1, on_put, l);
	store_submit(b->s, &l->step.req);
}

static void on_claimed(struct store_req *r)
{
	struct bench *b = r->arg;

	check(r->result == STORE_APPLIED);
	for (size_t i = 0; i < b->claim.n; i++) {
		struct life *l = &b->life[b->claim.leased[i].id.seq % (uint64_t)b->under_way];

		l->lease = b->claim.leased[i].lease;
		settle(l);
	}
	arena_done(&b->claim.arena);
	b->claiming = false;
}

static void on_tailed(struct store_req *r)
{
	struct bench *b = r->arg;

	check(r->result == STORE_APPLIED);
	b->tail_at = b->tail.last;
	arena_done(&b->tail.arena);
	b->tailing = false;
}

static void turn(struct bench *b)
{
	if (b->by_claim && !b->claiming) {
		claim_init(&b->claim, CLAIM_MAX, 1 << 20, on_claimed, b);
		arena_init(&b->claim.arena);
		b->claiming = true;
		store_submit(b->s, &b->claim.req);
	}
	if (!b->tailing && b->s->info.outbox_last > b->tail_at) {
		tail_init(&b->tail, b->tail_at, 1 << 20, on_tailed, b);
		b->tail.trim = b->tail_at;
		arena_init(&b->tail.arena);
		b->tailing = true;
		store_submit(b->s, &b->tail.req);
	}
	store_flush(b->s, ++b->now_ms);
	sem_wait(&b->bell);
	store_poll(b->s);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static void ring(void *arg)
{
	sem_post(arg);
}

static struct sqlite_db *open_sqlite(struct bench *b, const char *path)
{
	struct sqlite_settings set = {
		.path = path, .threaded = true, .wake = ring, .wake_arg = &b->bell
	};
	char error[200];
	struct sqlite_db *db = sqlite_db_open(&set, b->now_ms, error);

	if (db == NULL) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	b->s = sqlite_db_attach(db, b->now_ms);
	return db;
}

static void open_redis(struct bench *b, const char *url)
{
	struct redis_settings set = { .url = url,
				      .threaded = true,
				      .allow_unsafe = true,
				      .wake = ring,
				      .wake_arg = &b->bell };
	char error[REDIS_ERROR_LEN];

	b->s = redis_store_open(&set, b->now_ms, error);
	if (b->s == NULL) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
}

/* Seconds of CPU that the server at a socket has used. */
static double server_cpu_s(const char *url)
{
	redisContext *c = redisConnectUnix(url + strlen("unix://"));
	redisReply *r = c != NULL && c->err == 0 ? redisCommand(c, "INFO cpu") : NULL;
	const char *user = r ? strstr(r->str, "used_cpu_user:") : NULL;
	const char *sys = r ? strstr(r->str, "used_cpu_sys:") : NULL;
	double s = 0;

	if (user != NULL && sys != NULL)
		s = strtod(user + strlen("used_cpu_user:"), NULL) +
		    strtod(sys + strlen("used_cpu_sys:"), NULL);
	freeReplyObject(r);
	redisFree(c);
	return s;
}

static double own_cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(struct bench *b)
{
	for (long i = 0; i < b->under_way; i++) {
		b->life[i].b = b;
		put(&b->life[i]);
	}
	while (b->ended < b->lives || b->claiming || b->tailing)
		turn(b);
}

int main(int argc, char **argv)
{
	struct bench b = { .now_ms = 1700000000000 };
	const char *where = argc > 1 ? argv[1] : "";
	bool is_redis = strncmp(where, "sqlite:", 7) != 0;
	struct sqlite_db *db = NULL;
	double wall, own, server = 0;

	if (argc < 2) {
		fprintf(stderr,
			"usage: bench-store sqlite:FILE|REDIS-URL [lives] [under way] [claim]\n");
		return 2;
	}
	b.lives = argc > 2 ? strtol(argv[2], NULL, 10) : 200000;
	b.under_way = argc > 3 ? strtol(argv[3], NULL, 10) : 256;
	b.by_claim = argc > 4;
	b.life = xcalloc((size_t)b.under_way, sizeof(*b.life));
	rng_init(&b.rng, 1);
	memset(b.record, 'x', sizeof(b.record));
	sem_init(&b.bell, 0, 0);
	if (is_redis)
		open_redis(&b, where);
	else
		db = open_sqlite(&b, where + 7);
	b.last_seq = b.s->info.seq_max + (uint64_t)b.under_way;
	b.tail_at = b.s->info.outbox_last;
	server = is_redis ? server_cpu_s(where) : 0;
	wall = wall_s();
	own = own_cpu_s();
	run(&b);
	wall = wall_s() - wall;
	own = own_cpu_s() - own;
	server = is_redis ? server_cpu_s(where) - server : 0;
	printf("%s%s: %ld lives, %ld under way: %.0f lives/s, CPU us/life %.1f here + %.1f in the "
	       "server\n",
	       is_redis ? "redis" : "sqlite", b.by_claim ? ", by claims" : "", b.lives, b.under_way,
	       (double)b.lives / wall, own / (double)b.lives * 1e6, server / (double)b.lives * 1e6);
	store_close(b.s);
	if (db != NULL)
		sqlite_db_close(db);
	free(b.life);
	return 0;
}
