#include "app/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "app/dirs.h"
#include "app/llm.h"
#include "app/retention.h"
#include "app/shards.h"
#include "app/supervised.h"
#include "base/check.h"
#include "base/log.h"
#include "courier/curl/curl_courier.h"
#include "courier/http/http_courier.h"
#include "engine/pool.h"
#include "net/httpd.h"
#include "net/loop.h"

enum {
	STOP_MS_MAX = 5 * 1000,
	/* So long a retiring process, whose like go on, waits for the next request on a connection. The clients that
	 * keep idle connections for less, as most do, never lose a request. */
	PATIENCE_MS = 10 * 1000,
};

struct server {
	struct server_settings set;
	const struct conf *conf;
	char *dir;
	char *llm_url; /* what api/llm is delivered to; empty = nothing */
	struct loop *loop;
	struct shards *shards;
	struct pool *pool; /* of the shards */
	struct retention *retention;
	struct courier *courier;
	struct api *api, *control_api;
	struct httpd *http, *log_http, *control_http;
	char *control_path; /* NULL = there is none */
	int64_t give_up_ms; /* mono, when stopping: the end, come what may */
	bool stopping, retiring;
	int draining; /* parts that have not come to rest yet */
};

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Of all databases together. */
static int64_t tell_numbers(struct server *s, int64_t mono_ms)
{
	struct supervised_numbers n = { 0 };

	for (size_t i = 0; i < pool_engines(s->pool); i++) {
		struct engine_stats stats = engine_stats(pool_engine(s->pool, i));

		n.waiting = n.waiting || stats.waiting;
		n.deliveries += stats.deliveries;
		n.memory_bytes += stats.memory_bytes;
	}
	return supervised_turn(s->set.supervised, &n, mono_ms);
}

static int64_t turn(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct server *s = arg;
	int64_t next_ms = shards_turn(s->shards, wall_ms, mono_ms);

	next_ms = earlier(next_ms, tell_numbers(s, mono_ms));
	/* A store that is away for long must not hold up the end: what it was not told is done again. */
	if (s->stopping && mono_ms >= s->give_up_ms)
		loop_stop(s->loop);
	return s->stopping ? earlier(next_ms, s->give_up_ms) : next_ms;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

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

static bool open_shards(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	s->shards = shards_open(
		&(struct shards_settings){
			.conf = s->conf,
			.dir = s->dir,
			.loop = s->loop,
			.courier = s->courier,
			.retention = s->retention,
			.plans = s->set.plans,
			.plan = s->set.plan,
			.llm_url = s->llm_url,
			.inhand = supervised_inhand(s->set.supervised),
		},
		ret_error);
	if (s->shards == NULL)
		return false;
	s->pool = shards_pool(s->shards);
	return true;
}

static void open_api(struct server *s)
{
	s->api = api_new(&(struct api_settings){
		.pool = s->pool,
		.logs = shards_logs(s->shards),
		.loop = s->loop,
		.admin_token = str_c(s->conf->admin_token),
		.llm_url = str_c(s->llm_url),
		.cors = s->set.cors,
	});
}

/* On the socket that was inherited; 0: on one of our own. */
static struct httpd *listen_on(struct server *s, int inherited, int64_t port, char ret_error[200])
{
	return httpd_open(s->loop,
			  &(struct httpd_settings){
				  .host = s->conf->host,
				  .port = (int)port,
				  .listen_fd = inherited,
			  },
			  api_ops(), s->api, ret_error);
}

/* For the commands on this machine. The lock on the directory says that it is ours, so a socket that is there already is
 * a dead server's. A compute process has that of its supervisor, or none. */
static void open_control(struct server *s)
{
	int fd = supervised_take_socket(s->set.supervised, INHERIT_CONTROL_FD);
	char *path;
	char why[200];

	if (s->conf->command == CONF_COMPUTE && fd == 0)
		return;
	path = dirs_join(s->dir, DIRS_CONTROL);
	s->control_api = api_new(&(struct api_settings){
		.pool = s->pool,
		.logs = shards_logs(s->shards),
		.loop = s->loop,
		.control = true,
	});
	s->control_http =
		httpd_open(s->loop, &(struct httpd_settings){ .unix_path = path, .listen_fd = fd },
			   api_ops(), s->control_api, why);
	if (s->control_http == NULL)
		log_warn("server", "'qstash users' cannot reach this server: %s", why);
	if (s->control_http != NULL && fd == 0)
		s->control_path = path;
	else
		free(path);
}

/* The listeners come last, so that whoever connects finds the users loaded; but a taken port should be told
 * before anything is written. */
static bool open_listeners(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	char why[200];

	s->http = listen_on(s, supervised_take_socket(s->set.supervised, INHERIT_PORT_FD),
			    s->conf->port, why);
	if (s->http == NULL) {
		snprintf(ret_error, SERVER_ERROR_BYTES, "cannot listen; choose another -port: %s",
			 why);
		return false;
	}
	/* Where there are log processes, it is theirs. */
	if (s->conf->command == CONF_COMPUTE ||
	    (s->conf->command == CONF_SERVE && s->conf->log_port == 0))
		return true;
	s->log_http = listen_on(s, 0, s->conf->log_port, why);
	if (s->log_http == NULL)
		snprintf(ret_error, SERVER_ERROR_BYTES,
			 "cannot listen; choose another -log-port: %s", why);
	return s->log_http != NULL;
}

/* ---- stopping --------------------------------------------------------------------------------------- */

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
	httpd_drain(h, s->retiring ? PATIENCE_MS : 0, part_at_rest, s);
}

static void begin_stop(struct server *s)
{
	s->stopping = true;
	s->give_up_ms = loop_mono_ms(s->loop) + s->conf->grace_s * 1000 + STOP_MS_MAX +
			(s->retiring ? PATIENCE_MS : 0);
	s->draining = shards_stop(s->shards, s->conf->grace_s * 1000, part_at_rest, s);
	drain(s, s->http);
	drain(s, s->log_http);
	drain(s, s->control_http);
}

/* A second signal does not wait any longer; what is leased is put back at the next start, or when the lease ends. */
static void stop(void *arg)
{
	struct server *s = arg;

	if (!s->stopping)
		begin_stop(s);
	else if (!s->retiring)
		loop_stop(s->loop);
	s->retiring = false;
}

static void retire(void *arg)
{
	struct server *s = arg;

	s->retiring = !s->stopping;
	if (!s->stopping)
		begin_stop(s);
}

static void quarantine(void *arg, struct str user, struct msg_id id)
{
	const struct server *s = arg;

	for (size_t i = 0; i < pool_engines(s->pool); i++)
		engine_quarantine(pool_engine(s->pool, i), user, id);
}

/* The terminal's signals come to all, but are for the supervisor to obey. */
static void leave_it_to_supervisor(void *arg)
{
}

/* Before anybody can read that the server runs: whoever does may end it at once. */
static void obey_signals(struct server *s)
{
	bool is_supervised = s->set.supervised != NULL;

	loop_on_signal(s->loop, SIGTERM, stop, s);
	loop_on_signal(s->loop, SIGINT, is_supervised ? leave_it_to_supervisor : stop, s);
	if (is_supervised)
		loop_on_signal(s->loop, SIGHUP, leave_it_to_supervisor, s);
}

/* ---- starting --------------------------------------------------------------------------------------- */

static void account_ensured(struct account_op *op)
{
	*(bool *)op->arg = true;
}

static bool ensure_user(struct server *s, const struct user *u, char ret_error[SERVER_ERROR_BYTES])
{
	bool done = false;
	struct account_op op = { .done = account_ensured, .arg = &done };

	engine_account_ensure(pool_engine(s->pool, 0), u, &op);
	if (!shards_turn_until(s->shards, &done) || op.problem.status != 0) {
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
		const struct account *a = pool_account(s->pool, u->id);

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

/* Before anything is written there: public users next to real ones would let anybody in. */
static bool may_use_dir(const struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	if (s->conf->command != CONF_DEV || !dirs_has(s->dir, DIRS_PRODUCTION))
		return true;
	snprintf(
		ret_error, SERVER_ERROR_BYTES,
		"the data directory %.200s is that of 'qstash serve': 'qstash dev' would add users "
		"to it whose tokens anybody knows. Give another one with -data-dir",
		s->dir);
	return false;
}

static bool start(struct server *s, char ret_error[SERVER_ERROR_BYTES])
{
	if (!shards_start(s->shards, ret_error))
		return false;
	for (size_t i = 0; i < s->set.users; i++) {
		if (!ensure_user(s, &s->set.user[i], ret_error))
			return false;
	}
	if (has_public_user(s, ret_error))
		return false;
	return s->conf->command != CONF_SERVE || dirs_mark(s->dir, DIRS_PRODUCTION, ret_error);
}

struct server *server_open(const struct server_settings *settings,
			   char ret_error[SERVER_ERROR_BYTES])
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->set = *settings;
	s->conf = settings->conf;
	s->loop = loop_new();
	s->retention = retention_new();
	s->llm_url = llm_url(s->conf->llm_url, ret_error);
	if (s->llm_url != NULL)
		s->dir = dirs_data(s->conf, ret_error);
	if (s->dir == NULL || !may_use_dir(s, ret_error) || !open_courier(s, ret_error) ||
	    !open_shards(s, ret_error)) {
		server_close(s);
		return NULL;
	}
	open_api(s);
	if (!start(s, ret_error) || !open_listeners(s, ret_error)) {
		server_close(s);
		return NULL;
	}
	open_control(s);
	loop_on_turn(s->loop, turn, s);
	obey_signals(s);
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

/* ---- running ---------------------------------------------------------------------------------------- */

void server_run(struct server *s)
{
	static const struct supervised_ops ops = { retire, quarantine };

	supervised_open(s->set.supervised, s->loop, &ops, s);
	supervised_ready(s->set.supervised);
	loop_run(s->loop);
}

/* Also of a server that was opened in part. Stores and logs first: they answer what they still hold, and
 * those answers go through the engines to the listeners. */
void server_close(struct server *s)
{
	if (s->shards != NULL)
		shards_close(s->shards);
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
	supervised_close(s->set.supervised);
	loop_free(s->loop); /* which may still ring for the shards */
	shards_free(s->shards);
	retention_free(s->retention);
	if (s->conf->ephemeral && s->dir != NULL)
		dirs_remove(s->dir);
	free(s->dir);
	free(s->llm_url);
	free(s);
}
