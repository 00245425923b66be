#include "app/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "app/dirs.h"
#include "app/llm.h"
#include "app/loglink.h"
#include "app/retention.h"
#include "app/stores.h"
#include "app/zone.h"
#include "base/check.h"
#include "base/log.h"
#include "courier/curl/curl_courier.h"
#include "courier/http/http_courier.h"
#include "engine/engine.h"
#include "net/httpd.h"
#include "net/loop.h"

enum {
	START_MS_MAX = 10 * 1000,
	STOP_MS_MAX = 5 * 1000,
};

struct server {
	struct server_settings set;
	const struct conf *conf;
	char *dir;
	char *llm_url; /* what api/llm is delivered to; empty = nothing */
	struct loop *loop;
	struct loop_bell *store_bell;
	struct stores *stores;
	struct store *store;
	struct retention *retention;
	struct loglink *link;
	struct courier *courier;
	struct engine *engine;
	struct api *api, *control_api;
	struct httpd *http, *log_http, *control_http;
	char *control_path;  /* NULL = there is none */
	int64_t give_up_ms;  /* mono, when stopping: the end, come what may */
	bool ready, stopping;
	int draining; /* parts that have not come to rest yet */
};

static void secret(void *arg, void *ret_bytes, size_t n)
{
	check(n <= 256);
	check(getrandom(ret_bytes, n, 0) == (ssize_t)n);
}

static void ring(void *arg)
{
	struct loop_bell **bell = arg;

	loop_bell_ring(*bell);
}

static void poll_store(void *arg)
{
	struct server *s = arg;

	if (s->store != NULL)
		store_poll(s->store);
}

static int64_t turn(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct server *s = arg;
	int64_t next_ms = engine_turn(s->engine, wall_ms, mono_ms);
	int64_t link_ms = loglink_turn(s->link, wall_ms, mono_ms);

	/* A store that is away for long must not hold up the end: what it was not told is done again. */
	if (s->stopping && mono_ms >= s->give_up_ms)
		loop_stop(s->loop);
	else if (s->stopping && next_ms > s->give_up_ms)
		next_ms = s->give_up_ms;
	return next_ms < link_ms ? next_ms : link_ms;
}

static int64_t wall_ms(void *arg)
{
	return loop_wall_ms(arg);
}

static int64_t mono_ms(void *arg)
{
	return loop_mono_ms(arg);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static bool open_store(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	const struct stores_settings set = {
		.conf = s->conf,
		.dir = s->dir,
		.loop = s->loop,
		.wait_ms = START_MS_MAX,
		.wake = ring,
		.wake_arg = &s->store_bell,
	};

	s->stores = stores_open(&set, &s->store, ret_error);
	return s->stores != NULL;
}

static void account_told(void *arg, const struct account *a)
{
	struct server *s = arg;

	retention_set(s->retention, a->user.id, a->plan->log_retention_s);
}

static bool open_logs(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	s->link = loglink_open(
		&(struct loglink_settings){
			.conf = s->conf,
			.dir = s->dir,
			.loop = s->loop,
			.retention = s->retention,
		},
		ret_error);
	return s->link != NULL;
}

static bool open_courier(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	const struct courier_settings set = {
		.guard = { .allow_private = s->conf->allow_private },
		.ca_file = *s->conf->ca_file ? s->conf->ca_file : NULL,
	};

	s->courier = strcmp(s->conf->courier, "curl") == 0
			     ? curl_courier_open(s->loop, &set, ret_error)
			     : http_courier_open(s->loop, &set, ret_error);
	return s->courier != NULL;
}

static void open_engine(struct server *s)
{
	uint64_t seed;

	secret(NULL, &seed, sizeof(seed));
	s->engine = engine_new(&(struct engine_settings){
		.store = s->store,
		.courier = s->courier,
		.sink = loglink_sink(s->link, s->store),
		.seed = seed,
		.wall_ms = wall_ms,
		.mono_ms = mono_ms,
		.clock_arg = s->loop,
		.secret = secret,
		.zone = zone_read,
		.region = str_c(s->conf->region),
		.llm_url = str_c(s->llm_url),
		.llm_key = str_c(s->conf->llm_key),
		.deliveries_max = (int)s->conf->deliveries,
		.memory_max = (size_t)s->conf->memory_mb * 1024 * 1024,
		.plans = s->set.plans,
		.plan = s->set.plan,
		.on_account = account_told,
		.on_account_arg = s,
	});
	s->api = api_new(&(struct api_settings){
		.engine = s->engine,
		.logs = loglink_port(s->link),
		.loop = s->loop,
		.admin_token = str_c(s->conf->admin_token),
		.llm_url = str_c(s->llm_url),
		.cors = s->set.cors,
	});
}

static struct httpd *listen_on(struct server *s, int64_t port, char ret_error[200])
{
	return httpd_open(s->loop,
			  &(struct httpd_settings){ .host = s->conf->host, .port = (int)port },
			  api_ops(), s->api, ret_error);
}

/* For the commands on this machine. Its lock says that the directory is ours, so a socket that is there
 * already is a dead server's. */
static void open_control(struct server *s)
{
	char *path = dirs_join(s->dir, DIRS_CONTROL);
	char why[200];

	s->control_api = api_new(&(struct api_settings){
		.engine = s->engine,
		.logs = loglink_port(s->link),
		.loop = s->loop,
		.control = true,
	});
	s->control_http = httpd_open(s->loop, &(struct httpd_settings){ .unix_path = path },
				     api_ops(), s->control_api, why);
	if (s->control_http != NULL) {
		s->control_path = path;
		return;
	}
	log_warn("server", "'qstash users' cannot reach this server: %s", why);
	free(path);
}

/* The listeners come last, so that whoever connects finds the users loaded; but a taken port should be told
 * before anything is written. */
static bool open_listeners(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	char why[200];

	s->http = listen_on(s, s->conf->port, why);
	if (s->http == NULL) {
		snprintf(ret_error, SERVER_ERROR_BYTES, "cannot listen; choose another -port: %s",
			 why);
		return false;
	}
	if (s->conf->command == CONF_SERVE && s->conf->log_port == 0)
		return true;
	s->log_http = listen_on(s, s->conf->log_port, why);
	if (s->log_http == NULL)
		snprintf(ret_error, SERVER_ERROR_BYTES,
			 "cannot listen; choose another -log-port: %s", why);
	return s->log_http != NULL;
}

/* ---- starting --------------------------------------------------------------------------------------- */

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void account_ensured(struct account_op *op)
{
	set_flag(op->arg);
}

/* Turns the engine by hand until *flag: the loop does not run yet, so no request comes in between. */
static bool turn_until(struct server *s, const bool *flag)
{
	int64_t give_up_ms = loop_mono_ms(s->loop) + START_MS_MAX;

	while (!*flag && loop_mono_ms(s->loop) < give_up_ms) {
		engine_turn(s->engine, loop_wall_ms(s->loop), loop_mono_ms(s->loop));
		store_poll(s->store);
		nanosleep(&(struct timespec){ .tv_nsec = 200 * 1000 }, NULL);
	}
	return *flag;
}

static bool ensure_user(struct server *s, const struct user *u, char ret_error[SERVER_ERROR_BYTES])
{
	bool done = false;
	struct account_op op = { .done = account_ensured, .arg = &done };

	engine_account_ensure(s->engine, u, &op);
	if (!turn_until(s, &done) || op.problem.status != 0) {
		snprintf(ret_error, SERVER_ERROR_BYTES, "cannot store user %.60s: %.150s", u->id.p,
			 op.problem.text);
		return false;
	}
	return true;
}

/* Nobody who knows the public constants may get in. */
static bool has_public_user(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	for (size_t i = 0; i < s->set.forbidden; i++) {
		const struct user *u = &s->set.forbid[i];
		const struct account *a = engine_account(s->engine, u->id);

		if (a == NULL || (!str_eq(a->user.token, u->token) &&
				  !str_eq(a->user.key_current, u->key_current) &&
				  !str_eq(a->user.key_current, u->key_next) &&
				  !str_eq(a->user.key_next, u->key_next)))
			continue;
		snprintf(ret_error, SERVER_ERROR_BYTES,
			 "the data directory %.200s has been used by 'qstash dev': anybody knows "
			 "the token "
			 "and the signing keys of its user %.60s. Give another one with -data-dir, "
			 "or, "
			 "while 'qstash dev' runs on it, remove its users with 'qstash users "
			 "delete'",
			 s->dir, u->id.p);
		return true;
	}
	return false;
}

static bool start(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	const struct problem *p = engine_problem(s->engine);

	engine_start(s->engine, set_flag, &s->ready);
	if (!turn_until(s, &s->ready)) {
		snprintf(ret_error, SERVER_ERROR_BYTES, "the store did not answer within %d s",
			 START_MS_MAX / 1000);
		return false;
	}
	if (p->status != 0) {
		snprintf(ret_error, SERVER_ERROR_BYTES, "%s; -plans gives them", p->text);
		return false;
	}
	for (size_t i = 0; i < s->set.users; i++) {
		if (!ensure_user(s, &s->set.user[i], ret_error))
			return false;
	}
	return !has_public_user(s, ret_error);
}

struct server *server_open(const struct server_settings *settings,
			   char ret_error[SERVER_ERROR_BYTES])
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->set = *settings;
	s->conf = settings->conf;
	s->loop = loop_new();
	s->store_bell = loop_bell_new(s->loop, poll_store, s);
	s->retention = retention_new();
	s->llm_url = llm_url(s->conf->llm_url, ret_error);
	if (s->llm_url != NULL)
		s->dir = dirs_data(s->conf, ret_error);
	if (s->dir == NULL || !open_store(s, ret_error) || !open_logs(s, ret_error) ||
	    !open_courier(s, ret_error)) {
		server_close(s);
		return NULL;
	}
	open_engine(s);
	if (!start(s, ret_error) || !open_listeners(s, ret_error)) {
		server_close(s);
		return NULL;
	}
	open_control(s);
	loop_on_turn(s->loop, turn, s);
	return s;
}

int server_port(const struct server *s)
{
	return httpd_port(s->http);
}

int server_log_port(const struct server *s)
{
	return s->log_http != NULL ? httpd_port(s->log_http) : 0;
}

const char *server_data_dir(const struct server *s)
{
	return s->dir;
}

/* ---- running and stopping --------------------------------------------------------------------------- */

static void part_at_rest(void *arg)
{
	struct server *s = arg;

	check(s->draining > 0);
	if (--s->draining == 0)
		loop_stop(s->loop);
}

static void drain(struct server *s, struct httpd *h)
{
	if (h == NULL)
		return;
	s->draining++;
	httpd_drain(h, part_at_rest, s);
}

/* A second signal does not wait any longer; what is leased is put back at the next start. */
static void stop(void *arg)
{
	struct server *s = arg;

	if (s->stopping) {
		loop_stop(s->loop);
		return;
	}
	s->stopping = true;
	s->give_up_ms = loop_mono_ms(s->loop) + s->conf->grace_s * 1000 + STOP_MS_MAX;
	s->draining = 1;
	drain(s, s->http);
	drain(s, s->log_http);
	drain(s, s->control_http);
	engine_stop(s->engine, s->conf->grace_s * 1000, part_at_rest, s);
}

void server_run(struct server *s)
{
	loop_on_signal(s->loop, SIGTERM, stop, s);
	loop_on_signal(s->loop, SIGINT, stop, s);
	loop_run(s->loop);
}

/* Also of a server that was opened in part. Store and logs first: they answer what they still hold, and
 * those answers go through the engine to the listeners. */
void server_close(struct server *s)
{
	if (s->store != NULL)
		store_close(s->store);
	loglink_close(s->link);
	engine_free(s->engine);
	if (s->http != NULL)
		httpd_close(s->http);
	if (s->log_http != NULL)
		httpd_close(s->log_http);
	if (s->control_http != NULL)
		httpd_close(s->control_http);
	if (s->control_path != NULL)
		(void)unlink(s->control_path);
	free(s->control_path);
	api_free(s->api);
	api_free(s->control_api);
	if (s->courier != NULL)
		courier_close(s->courier);
	stores_close(s->stores);
	loop_free(s->loop);
	loglink_free(s->link);
	retention_free(s->retention);
	if (s->conf->ephemeral && s->dir != NULL)
		dirs_remove(s->dir);
	free(s->dir);
	free(s->llm_url);
	free(s);
}
