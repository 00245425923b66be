#include "app/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "app/loglink.h"
#include "app/stores.h"
#include "app/zone.h"
#include "base/check.h"
#include "base/log.h"

enum {
	START_MS_MAX = 10 * 1000,
	CLAIM_EVERY_MS = 1000, /* where other processes may be at work */
};

struct shard {
	struct shards *shards;
	struct loop_bell *store_bell;
	struct store *store;
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
	struct loglink *link;
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

static int64_t wall_ms(void *arg)
{
	return loop_wall_ms(arg);
}

static int64_t mono_ms(void *arg)
{
	return loop_mono_ms(arg);
}

static void account_told(void *arg, const struct account *a)
{
	struct shards *s = arg;

	retention_set(s->set.retention, a->user.id, a->plan->log_retention_s);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static void open_engine(struct shard *s)
{
	const struct shards_settings *set = &s->shards->set;
	uint64_t seed;

	secret(NULL, &seed, sizeof(seed));
	s->engine = engine_new(&(struct engine_settings){
		.store = s->store,
		.courier = set->courier,
		.sink = loglink_sink(s->shards->link, s->store),
		.seed = seed,
		.wall_ms = wall_ms,
		.mono_ms = mono_ms,
		.clock_arg = set->loop,
		.exact_wall_ms = loop_exact_wall_ms,
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
		.inhand = set->inhand,
		.on_account = account_told,
		.on_account_arg = s->shards,
	});
}

/* `url` is empty for the embedded database. */
static struct shard *open_shard(struct shards *all, struct str url, bool deferred,
				char ret_error[SHARDS_ERROR_BYTES])
{
	struct shard *s = xcalloc(1, sizeof(*s));

	s->shards = all;
	s->way.deferred = deferred;
	s->store_bell = loop_bell_new(all->set.loop, poll_store, s);
	s->store = stores_attach(all->stores, url, (struct stores_wake){ ring, s->store_bell },
				 &s->way, ret_error);
	if (s->store != NULL) {
		open_engine(s);
		all->shard[all->n++] = s;
		return s;
	}
	all->broken = s; /* its bell is the loop's */
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
	if (s->stores != NULL)
		s->link = loglink_open(
			&(struct loglink_settings){
				.conf = set->conf,
				.dir = set->dir,
				.loop = set->loop,
				.retention = set->retention,
			},
			ret_error);
	ok = s->link != NULL;
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

struct logs_port shards_logs(struct shards *s)
{
	return loglink_port(s->link);
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
	int64_t next_ms = loglink_turn(s->link, now_ms, now_mono_ms), pool_ms;

	for (size_t i = 0; i < s->n; i++) {
		int64_t wish_ms = engine_turn(s->shard[i]->engine, now_ms, now_mono_ms);

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
	}
	loglink_close(s->link);
	for (size_t i = 0; i < s->n; i++)
		engine_free(s->shard[i]->engine);
}

void shards_free(struct shards *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->shard[i]);
	free(s->broken);
	loglink_free(s->link);
	stores_close(s->stores);
	pool_free(s->pool);
	free(s);
}
