#include "app/logd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/dirs.h"
#include "app/loglock.h"
#include "app/plans.h"
#include "app/supervised.h"
#include "base/check.h"
#include "base/log.h"
#include "store/redis/redis_store.h"

enum {
	START_MS_MAX = 10 * 1000,
	STOP_MS_MAX = 5 * 1000,
	TICK_MS = 60 * 1000,
	BACKLOG_BYTES = 16 * 1024 * 1024,
	READ_NICE =
		19, /* a heavy query must not take the processor from those who publish and deliver */
};

static void ring(void *arg)
{
	loop_bell_ring(arg);
}

static void poll_stores(void *arg)
{
	struct logd *d = arg;

	for (size_t i = 0; i < d->bases; i++) {
		if (d->base[i].store != NULL)
			store_poll(d->base[i].store);
	}
}

static void poll_logs(void *arg)
{
	struct logd *d = arg;

	if (d->logs != NULL)
		logs_poll(d->logs);
}

static void poll_client(void *arg)
{
	struct logd *d = arg;

	if (d->client != NULL)
		logclient_poll(d->client);
}

/* ---- databases -------------------------------------------------------------------------------------- */

static void secret(void *arg, void *ret_bytes, size_t n)
{
	check(n <= 256 && getrandom(ret_bytes, n, 0) == (ssize_t)n);
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
	struct logd *d = arg;

	retention_set(d->retention, a->user.id, a->plan->log_retention_s);
}

/* Retention and tokens are known from then on; nobody waits for it. */
static void users_loaded(void *arg)
{
	const struct logd_base *b = arg;

	log_info("logs", "knows the users of database %s", b->store->info.database);
}

static struct store *open_store(struct logd *d, const char *url, bool deferred,
				char ret_error[LOGD_ERROR_BYTES])
{
	bool away = false;
	struct store *store = redis_store_open(
		&(struct redis_settings){
			.url = url,
			.threaded = true,
			.ret_away = &away,
			.deferred = deferred,
			.allow_unsafe = d->conf->redis_unsafe,
			.reader = true,
			.outbox_bytes_max = (size_t)d->conf->log_backlog_mb * 1024 * 1024,
			.wake = ring,
			.wake_arg = d->store_bell,
		},
		loop_wall_ms(d->loop), ret_error);

	if (store != NULL && away && !deferred)
		log_warn("logs", "%s; it will be read when it comes", ret_error);
	return store;
}

static struct logd_base *open_base(struct logd *d, struct str url, bool deferred,
				   char ret_error[LOGD_ERROR_BYTES])
{
	struct logd_base *b = &d->base[d->bases];
	char *text = str_dup(url);

	check(d->bases < LOGD_BASES_MAX);
	b->store = open_store(d, text, deferred, ret_error);
	free(text);
	if (b->store == NULL)
		return NULL;
	d->bases++;
	b->engine = engine_new(&(struct engine_settings){
		.store = b->store,
		.observes = true,
		.wall_ms = wall_ms,
		.mono_ms = mono_ms,
		.clock_arg = d->loop,
		.secret = secret,
		.plans = d->plans,
		.on_account = account_told,
		.on_account_arg = d,
	});
	b->pump = logpump_new(&(struct logpump_settings){
		.store = b->store,
		.logs = d->logs,
		.slot = (unsigned)d->conf->slot,
		.slots = (unsigned)d->conf->log_processes,
	});
	return b;
}

/* One that the directory names. */
static struct engine *open_another(void *arg, struct str url, char ret_error[200])
{
	struct logd *d = arg;
	char error[LOGD_ERROR_BYTES] = "";
	struct logd_base *b = open_base(d, url, true, error);

	if (b == NULL) {
		snprintf(ret_error, 200, "%.199s", error);
		return NULL;
	}
	engine_start(b->engine, users_loaded, b);
	return b->engine;
}

static bool open_bases(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	for (size_t i = 0; i < d->conf->redis.n; i++) {
		struct logd_base *b = open_base(d, d->conf->redis.v[i], false, ret_error);

		if (b == NULL)
			return false;
		pool_add(d->pool, b->engine, d->conf->redis.v[i]);
	}
	for (size_t i = 0; i < d->bases; i++)
		engine_start(d->base[i].engine, users_loaded, &d->base[i]);
	return true;
}

static void close_bases(struct logd *d)
{
	for (size_t i = 0; i < d->bases; i++)
		store_close(d->base[i].store);
}

static void free_bases(struct logd *d)
{
	for (size_t i = 0; i < d->bases; i++) {
		logpump_free(d->base[i].pump);
		engine_free(d->base[i].engine);
	}
}

/* ---- running ---------------------------------------------------------------------------------------- */

static int64_t turn(void *arg, int64_t now_ms, int64_t now_mono_ms)
{
	struct logd *d = arg;
	int64_t next_ms, pool_ms;

	if (now_mono_ms >= d->tick_ms) {
		logs_tick(d->logs, now_ms);
		d->tick_ms = now_mono_ms + TICK_MS;
	}
	next_ms = supervised_turn(d->supervised, &(struct supervised_numbers){ 0 }, now_mono_ms);
	next_ms = d->tick_ms < next_ms ? d->tick_ms : next_ms;
	for (size_t i = 0; i < d->bases; i++) {
		int64_t pump_ms = logpump_turn(d->base[i].pump, now_ms, now_mono_ms);
		int64_t engine_ms = engine_turn(d->base[i].engine, now_ms, now_mono_ms);

		next_ms = pump_ms < next_ms ? pump_ms : next_ms;
		next_ms = engine_ms < next_ms ? engine_ms : next_ms;
	}
	pool_ms = pool_turn(d->pool, now_mono_ms);
	next_ms = pool_ms < next_ms ? pool_ms : next_ms;
	logd_serve_turn(d);
	if (d->stopping && now_mono_ms >= d->give_up_ms)
		loop_stop(d->loop);
	return d->stopping && next_ms > d->give_up_ms ? d->give_up_ms : next_ms;
}

static void at_rest(void *arg)
{
	struct logd *d = arg;

	check(d->draining > 0);
	if (--d->draining == 0)
		loop_stop(d->loop);
}

static void stop(void *arg)
{
	struct logd *d = arg;

	if (d->stopping) {
		loop_stop(d->loop);
		return;
	}
	d->stopping = true;
	d->give_up_ms = loop_mono_ms(d->loop) + STOP_MS_MAX;
	d->draining = 1;
	logd_serve_drain(d, at_rest);
	at_rest(d);
}

/* No message is attempted here. */
static void ignore(void *arg, struct str user, struct msg_id id)
{
}

static void leave_it_to_supervisor(void *arg)
{
}

static void print_banner(const struct logd *d)
{
	printf("QStash log process %lld of %lld\n", (long long)d->conf->slot + 1,
	       (long long)d->conf->log_processes);
	if (d->remote_http != NULL)
		printf("Asked by other hosts at http://%s:%d\n", d->conf->host,
		       httpd_port(d->remote_http));
	if (d->log_http != NULL)
		printf("Logs at http://%s:%d\n", d->conf->host, httpd_port(d->log_http));
	printf("State in %s\n", d->dir);
	fflush(stdout);
}

static void run(struct logd *d)
{
	static const struct supervised_ops ops = { stop, ignore };
	bool is_supervised = d->supervised != NULL;

	loop_on_signal(d->loop, SIGTERM, stop, d);
	loop_on_signal(d->loop, SIGINT, is_supervised ? leave_it_to_supervisor : stop, d);
	if (is_supervised)
		loop_on_signal(d->loop, SIGHUP, leave_it_to_supervisor, d);
	else
		print_banner(d); /* now that whoever reads it may end the process at once */
	supervised_open(d->supervised, d->loop, &ops, d);
	supervised_ready(d->supervised);
	loop_run(d->loop);
}

/* ---- starting --------------------------------------------------------------------------------------- */

static bool open_logs(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	char *path = dirs_join(d->dir, "logs");

	d->logs = logs_open(
		&(struct logs_settings){
			.dir = path,
			.threaded = true,
			.patient = true,
			.read_nice = READ_NICE,
			.backlog_bytes_max = BACKLOG_BYTES,
			.retention_s = retention_of,
			.retention_arg = d->retention,
			.wake = ring,
			.wake_arg = d->logs_bell,
		},
		ret_error);
	free(path);
	return d->logs != NULL;
}

static bool open_dir(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	d->dir = dirs_data(d->conf, ret_error);
	if (d->dir != NULL)
		d->lock_fd = loglock_take(d->dir, (unsigned)d->conf->slot,
					  (unsigned)d->conf->log_processes, ret_error);
	return d->lock_fd >= 0;
}

/* Also of one that was opened in part. */
static void logd_close(struct logd *d)
{
	close_bases(d);
	if (d->logs != NULL)
		logs_close(d->logs);
	d->logs = NULL;
	logd_serve_close(d);
	free_bases(d);
	supervised_close(d->supervised);
	loop_free(d->loop);
	pool_free(d->pool);
	retention_free(d->retention);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d->dir);
	free(d);
}

static struct logd *logd_new(const struct conf *conf, const struct plans *plans)
{
	struct logd *d = xcalloc(1, sizeof(*d));

	d->conf = conf;
	d->plans = plans;
	d->lock_fd = -1;
	list_init(&d->forgetting);
	d->loop = loop_new();
	d->store_bell = loop_bell_new(d->loop, poll_stores, d);
	d->logs_bell = loop_bell_new(d->loop, poll_logs, d);
	d->client_bell = loop_bell_new(d->loop, poll_client, d);
	d->retention = retention_new();
	d->pool = pool_new(
		&(struct pool_settings){ .open = open_another, .arg = d, .observes = true });
	return d;
}

/* 0 when it was stopped, 1 when it could not start. */
static int run_logd(const struct conf *conf, const struct plans *plans,
		    struct supervised *supervised)
{
	char error[LOGD_ERROR_BYTES] = "";
	struct logd *d = logd_new(conf, plans);
	bool ok;

	d->supervised = supervised;
	ok = open_dir(d, error) && open_logs(d, error) && open_bases(d, error) &&
	     logd_serve_open(d, error);

	if (ok) {
		loop_on_turn(d->loop, turn, d);
		run(d);
	} else {
		fprintf(stderr, "qstash: %s\n", error);
	}
	logd_close(d);
	return ok ? 0 : 1;
}

int logd_main(int argc, char **argv)
{
	char error[PLANS_ERROR_BYTES] = "";
	struct supervised *supervised;
	struct plans plans;
	struct arena arena;
	struct conf conf;
	int status = 2;

	if (!conf_parse(CONF_LOGS, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		puts("Usage: qstash logs -redis URL -log-processes N -slot K [flags]\n\n"
		     "Runs one of the N processes that keep the logs of a server whose messages "
		     "are "
		     "in Redis. The server\n('qstash serve') has the same -log-processes. Exit "
		     "status: 0 stopped by a signal, 1 not started (try\nagain may help), 2 wrong "
		     "settings. The flags are those of serve.\n");
		conf_print_flags(CONF_LOGS);
		return 0;
	}
	umask(0077); /* logs have everybody's messages */
	arena_init(&arena);
	if (supervised_find(&supervised, error) && plans_load(&arena, conf.plans, &plans, error))
		status = run_logd(&conf, &plans, supervised);
	else
		fprintf(stderr, "qstash: %s\n", error);
	arena_done(&arena);
	return status;
}
