#include "app/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "app/dirs.h"
#include "app/stores.h"
#include "app/zone.h"
#include "base/check.h"
#include "base/log.h"
#include "logs/logs.h"

enum {
	START_MS_MAX = 10 * 1000,
	LOG_TICK_MS = 60 * 1000,
	CLAIM_EVERY_MS = 1000, /* where other processes may be at work */
	LOG_BACKLOG_BYTES = 4 * 1024 * 1024,
};

struct shard {
	struct shards *shards;
	struct loop_bell *store_bell, *logs_bell;
	struct store *store;
	struct logs *logs;
	struct engine *engine;
	struct stores_way way; /* .away: it could not be reached at the start */
	bool ready;            /* its users are known */
};

struct shards {
	struct shards_settings set;
	struct stores *stores;
	struct pool *pool;
	struct shard *shard[POOL_ENGINES_MAX];
	struct shard *broken; /* the last that could not be opened */
	size_t n;
	int64_t log_tick_ms; /* mono: when the logs are next to let time pass */
};

static void secret(void *arg, void *ret_bytes, size_t n)
{
	check(n <= 256);
	check(getrandom(ret_bytes, n, 0) == (ssize_t)n);
}

static void ring(void *arg)
{
	loop_bell_ring(arg);
}

static void poll_store(void *arg)
{
	struct shard *s = arg;

	if (s->store != NULL)
		store_poll(s->store);
}

static void poll_logs(void *arg)
{
	struct shard *s = arg;

	if (s->logs != NULL)
		logs_poll(s->logs);
}

static int64_t wall_ms(void *arg)
{
	return loop_wall_ms(arg);
}

static int64_t mono_ms(void *arg)
{
	return loop_mono_ms(arg);
}

static bool sink_take(void *arg, struct str events, uint64_t after, uint64_t pos, int64_t now_ms)
{
	return logs_take(arg, events, after, pos, now_ms);
}

static uint64_t sink_committed(void *arg)
{
	return logs_committed(arg);
}

static uint64_t sink_forget(void *arg, struct str user)
{
	return logs_forget_user(arg, user);
}

static bool sink_is_forgotten(void *arg, uint64_t number)
{
	return logs_is_forgotten(arg, number);
}

static void account_told(void *arg, const struct account *a)
{
	struct shards *s = arg;

	retention_set(s->set.retention, a->user.id, a->plan->log_retention_s);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The first database's log is in "logs", that of the second in "logs-2". */
static bool open_logs(struct shard *s, size_t index, char ret_error[SHARDS_ERROR_BYTES])
{
	const struct shards_settings *set = &s->shards->set;
	char name[32], *path;

	snprintf(name, sizeof(name), index > 0 ? "logs-%zu" : "logs", index + 1);
	path = dirs_join(set->dir, name);
	s->logs = logs_open(
		&(struct logs_settings){
			.dir = path,
			.threaded = true,
			.ephemeral = set->conf->ephemeral,
			.backlog_bytes_max = LOG_BACKLOG_BYTES,
			.retention_s = retention_of,
			.retention_arg = set->retention,
			.wake = ring,
			.wake_arg = s->logs_bell,
		},
		ret_error);
	free(path);
	return s->logs != NULL;
}

static void open_engine(struct shard *s)
{
	const struct shards_settings *set = &s->shards->set;
	uint64_t seed;

	secret(NULL, &seed, sizeof(seed));
	s->engine = engine_new(&(struct engine_settings){
		.store = s->store,
		.courier = set->courier,
		.sink = { sink_take, sink_committed, sink_forget, sink_is_forgotten, s->logs },
		.seed = seed,
		.wall_ms = wall_ms,
		.mono_ms = mono_ms,
		.clock_arg = set->loop,
		.secret = secret,
		.zone = zone_read,
		.region = str_c(set->conf->region),
		.llm_url = str_c(set->llm_url),
		.llm_key = str_c(set->conf->llm_key),
		.deliveries_max = (int)set->conf->deliveries,
		.memory_max = (size_t)set->conf->memory_mb * 1024 * 1024,
		.claim_every_ms = set->conf->redis.n > 0 ? CLAIM_EVERY_MS : 0,
		.plans = set->plans,
		.plan = set->plan,
		.on_account = account_told,
		.on_account_arg = s->shards,
	});
}

/* `url` is empty for the embedded database. */
static struct shard *open_shard(struct shards *all, struct str url, bool deferred,
				char ret_error[SHARDS_ERROR_BYTES])
{
	struct shard *s = xcalloc(1, sizeof(*s));
	size_t index = all->n;

	s->shards = all;
	s->way.deferred = deferred;
	s->store_bell = loop_bell_new(all->set.loop, poll_store, s);
	s->logs_bell = loop_bell_new(all->set.loop, poll_logs, s);
	s->store = stores_attach(all->stores, url, (struct stores_wake){ ring, s->store_bell },
				 &s->way, ret_error);
	if (s->store != NULL && open_logs(s, index, ret_error)) {
		open_engine(s);
		all->shard[all->n++] = s;
		return s;
	}
	if (s->store != NULL)
		store_close(s->store);
	s->store = NULL;
	all->broken = s; /* its bells are the loop's */
	return NULL;
}

static void shard_ready(void *arg)
{
	struct shard *s = arg;

	s->ready = true;
	if (s->way.away)
		log_info("store", "a database that was away at the start is there, and serves its "
				  "users");
}

/* One that the directory names, or an administrator. */
static struct engine *open_another(void *arg, struct str url, char ret_error[200])
{
	struct shards *all = arg;
	char error[SHARDS_ERROR_BYTES];
	struct shard *s = open_shard(all, url, true, error);

	if (s == NULL) {
		snprintf(ret_error, 200, "%.199s", error);
		return NULL;
	}
	engine_start(s->engine, shard_ready, s);
	return s->engine;
}

struct shards *shards_open(const struct shards_settings *set, char ret_error[SHARDS_ERROR_BYTES])
{
	struct shards *s = xcalloc(1, sizeof(*s));
	size_t n = set->conf->redis.n;
	bool ok;

	s->set = *set;
	s->pool =
		pool_new(&(struct pool_settings){ .open = n > 0 ? open_another : NULL, .arg = s });
	s->stores = stores_open(
		&(struct stores_settings){
			.conf = set->conf,
			.dir = set->dir,
			.loop = set->loop,
			.wait_ms = START_MS_MAX,
		},
		ret_error);
	ok = s->stores != NULL;
	for (size_t i = 0; ok && i < (n > 0 ? n : 1); i++) {
		struct str url = n > 0 ? set->conf->redis.v[i] : STR_NULL;
		struct shard *shard = open_shard(s, url, false, ret_error);

		ok = shard != NULL;
		if (ok)
			pool_add(s->pool, shard->engine, url);
	}
	if (ok)
		return s;
	shards_close(s);
	shards_free(s);
	return NULL;
}

struct pool *shards_pool(struct shards *s)
{
	return s->pool;
}

struct logs *shards_logs(void *arg, const struct engine *e)
{
	struct shards *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		if (s->shard[i]->engine == e)
			return s->shard[i]->logs;
	}
	unreachable();
}

/* ---- starting --------------------------------------------------------------------------------------- */

static void turn_by_hand(struct shards *s)
{
	struct loop *loop = s->set.loop;

	(void)shards_turn(s, loop_wall_ms(loop), loop_mono_ms(loop));
	for (size_t i = 0; i < s->n; i++)
		store_poll(s->shard[i]->store);
	nanosleep(&(struct timespec){ .tv_nsec = 200 * 1000 }, NULL);
}

bool shards_turn_until(struct shards *s, const bool *flag)
{
	struct loop *loop = s->set.loop;
	int64_t give_up_ms = loop_mono_ms(loop) + START_MS_MAX;

	while (!*flag && loop_mono_ms(loop) < give_up_ms)
		turn_by_hand(s);
	return *flag;
}

/* Who asks for the first user should find its place. */
static void settle(struct shards *s)
{
	struct loop *loop = s->set.loop;
	int64_t give_up_ms = loop_mono_ms(loop) + START_MS_MAX;

	while (!pool_is_settled(s->pool) && loop_mono_ms(loop) < give_up_ms)
		turn_by_hand(s);
}

bool shards_start(struct shards *s, char ret_error[SHARDS_ERROR_BYTES])
{
	for (size_t i = 0; i < s->n; i++)
		engine_start(s->shard[i]->engine, shard_ready, s->shard[i]);
	for (size_t i = 0; i < s->n; i++) {
		struct shard *shard = s->shard[i];
		const struct problem *p = engine_problem(shard->engine);

		if (!shard->way.away && !shards_turn_until(s, &shard->ready)) {
			snprintf(ret_error, SHARDS_ERROR_BYTES,
				 "the store did not answer within %d s", START_MS_MAX / 1000);
			return false;
		}
		if (p->status != 0) {
			snprintf(ret_error, SHARDS_ERROR_BYTES, "%.400s; -plans gives them",
				 p->text);
			return false;
		}
	}
	if (!s->shard[0]->way.away)
		settle(s);
	return true;
}

/* ---- running and stopping --------------------------------------------------------------------------- */

int64_t shards_turn(struct shards *s, int64_t now_ms, int64_t now_mono_ms)
{
	bool tick = now_mono_ms >= s->log_tick_ms;
	int64_t next_ms, pool_ms;

	if (tick)
		s->log_tick_ms = now_mono_ms + LOG_TICK_MS;
	next_ms = s->log_tick_ms;
	for (size_t i = 0; i < s->n; i++) {
		int64_t wish_ms = engine_turn(s->shard[i]->engine, now_ms, now_mono_ms);

		if (tick)
			logs_tick(s->shard[i]->logs, now_ms);
		if (wish_ms < next_ms)
			next_ms = wish_ms;
	}
	pool_ms = pool_turn(s->pool, now_mono_ms);
	return pool_ms < next_ms ? pool_ms : next_ms;
}

int shards_stop(struct shards *s, int64_t grace_ms, void (*done)(void *arg), void *arg)
{
	for (size_t i = 0; i < s->n; i++)
		engine_stop(s->shard[i]->engine, grace_ms, done, arg);
	return (int)s->n;
}

void shards_close(struct shards *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct shard *shard = s->shard[i];

		if (shard->store != NULL)
			store_close(shard->store);
		if (shard->logs != NULL)
			logs_close(shard->logs);
		engine_free(shard->engine);
	}
}

void shards_free(struct shards *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->shard[i]);
	free(s->broken);
	stores_close(s->stores);
	pool_free(s->pool);
	free(s);
}
