#include "rig.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "app/zone.h"
#include "base/check.h"
#include "base/list.h"
#include "courier/courier.h"
#include "engine/engine.h"
#include "engine/pool.h"
#include "logs/logs.h"
#include "net/httpd.h"
#include "net/loop.h"
#include "store/fault.h"
#include "store/sqlite/sqlite_store.h"
#include "t.h"

enum { SENT_MAX = 4096 };

struct rig {
	pthread_t thread;
	struct loop *loop;
	struct loop_bell *bell;
	struct loop_bell *stop;
	struct sqlite_db *db;
	struct store *store;
	struct logs *logs;
	struct engine *engine;
	struct pool *pool;
	struct api *api;
	struct httpd *httpd;
	struct courier courier;
	struct courier_req *sent[SENT_MAX]; /* not answered yet */
	size_t sent_n;
	struct arena arena; /* the test thread's */
	struct plan usual;  /* of all, unless the test gives another: payg without a burst limit */
	unsigned secrets;   /* given out */
	bool ready, stopped;
	_Atomic int64_t ahead_ms; /* of the engine's time of day */
};

/* ---- the courier ----------------------------------------------------------------------------- */

static void courier_take(struct courier *c, struct courier_req *req)
{
	struct rig *r = container_of(c, struct rig, courier);

	check(r->sent_n < SENT_MAX);
	r->sent[r->sent_n++] = req;
	loop_bell_ring(r->bell);
}

static void courier_drop(struct courier *c, struct courier_req *req)
{
	struct rig *r = container_of(c, struct rig, courier);

	for (size_t i = 0; i < r->sent_n; i++) {
		if (r->sent[i] == req)
			r->sent[i--] = r->sent[--r->sent_n];
	}
}

static void courier_end(struct courier *c)
{
}

static const struct courier_ops courier_ops_made_up = { courier_take, courier_drop, courier_end };

static void make_up_answer(struct courier_req *req)
{
	static const struct str mark = STR("/status/");
	size_t at = 0;
	uint64_t status = 200;

	while (at < req->url.n && !str_starts(str_from(req->url, at), mark))
		at++;
	if (at < req->url.n)
		check(str_u64(str_sub(req->url, at + mark.n, 3), &status));
	req->outcome = (struct outcome){ .status = (int64_t)status, .duration_ms = 1 };
	req->outcome.sent_bytes = RIG_HEAD_BYTES + (int64_t)req->body.n;
	req->outcome.body = arena_fmt(&req->arena, "%d %.*s", (int)status, STR_FMT(req->method));
	req->done(req);
}

static void answer_all(struct rig *r)
{
	size_t i = 0;

	while (i < r->sent_n) {
		struct courier_req *req = r->sent[i];

		if (str_has(req->url, STR("/hold"))) {
			i++;
			continue;
		}
		r->sent[i] = r->sent[--r->sent_n];
		make_up_answer(req);
	}
}

/* ---- the server ------------------------------------------------------------------------------ */

static void wake(void *arg)
{
	struct rig *r = arg;

	loop_bell_ring(r->bell);
}

static void on_bell(void *arg)
{
}

static int64_t on_turn(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct rig *r = arg;

	answer_all(r);
	store_poll(r->store);
	logs_poll(r->logs);
	return engine_turn(r->engine, wall_ms + r->ahead_ms, mono_ms);
}

static void on_ready(void *arg)
{
	((struct rig *)arg)->ready = true;
}

static void on_stopped(void *arg)
{
	struct rig *r = arg;

	r->stopped = true;
	loop_bell_ring(r->stop);
}

static void close_all(struct rig *r)
{
	engine_free(r->engine);
	logs_close(r->logs);
	store_close(r->store);
	sqlite_db_close(r->db);
	api_free(r->api);
	pool_free(r->pool);
	loop_forget(r->loop, r);
	loop_stop(r->loop);
}

/* Rung for the start of the stop, and for its end. */
static void on_stop(void *arg)
{
	struct rig *r = arg;

	if (r->stopped) {
		close_all(r);
		return;
	}
	httpd_close(r->httpd);
	engine_stop(r->engine, 0, on_stopped, r);
}

static void secret(void *arg, void *ret_bytes, size_t n)
{
	struct rig *r = arg;
	uint8_t *p = ret_bytes;

	r->secrets++;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 37 + 11 * r->secrets);
}

static bool take_events(void *arg, struct str events, uint64_t after, uint64_t pos, int64_t now_ms)
{
	return logs_take(logs_source(((struct rig *)arg)->logs, STR_NULL), events, after, pos,
			 now_ms);
}

static uint64_t committed(void *arg)
{
	return logs_committed(logs_source(((struct rig *)arg)->logs, STR_NULL));
}

static uint64_t forget(void *arg, struct str user)
{
	return logs_forget_user(((struct rig *)arg)->logs, user);
}

static bool is_forgotten(void *arg, uint64_t number)
{
	return logs_is_forgotten(((struct rig *)arg)->logs, number);
}

static void open_store(struct rig *r, int64_t now_ms)
{
	struct sqlite_settings set = { .path = ":memory:", .wake = wake, .wake_arg = r };
	char error[200];

	r->db = sqlite_db_open(&set, now_ms, error);
	check(r->db != NULL);
	r->store = sqlite_db_attach(r->db, now_ms);
	check(r->store != NULL);
}

static void open_logs(struct rig *r)
{
	struct logs_settings set = {
		.dir = t_tmpdir(), .threaded = true, .ephemeral = true, .wake = wake, .wake_arg = r
	};
	char error[200];

	r->logs = logs_open(&set, error);
	check(r->logs != NULL);
}

static void turn(struct rig *r)
{
	on_turn(r, loop_wall_ms(r->loop), loop_mono_ms(r->loop));
}

static void account_done(struct account_op *op)
{
	check(op->problem.status == 0);
	*(bool *)op->arg = true;
}

static void add_user(struct rig *r, struct user u)
{
	bool done = false;
	struct account_op op = { .done = account_done, .arg = &done };

	engine_account_ensure(r->engine, &u, &op);
	while (!done)
		turn(r);
}

static void open_engine(struct rig *r, const struct plan *plan)
{
	struct engine_settings set = {
		.store = r->store,
		.courier = &r->courier,
		.sink = { take_events, committed, forget, is_forgotten, r },
		.seed = 1,
		.secret = secret,
		.secret_arg = r,
		.zone = zone_read,
		.plan = plan,
	};

	r->courier.ops = &courier_ops_made_up;
	r->engine = engine_new(&set);
	engine_start(r->engine, on_ready, r);
	while (!r->ready)
		turn(r);
	add_user(r, (struct user){ .id = STR("user"),
				   .token = STR(RIG_TOKEN),
				   .read_only_token = STR(RIG_READ_ONLY),
				   .key_current = STR("sig_current"),
				   .key_next = STR("sig_next"),
				   .plan = STR("payg") });
	add_user(r, (struct user){ .id = STR("other"),
				   .token = STR(RIG_OTHER_TOKEN),
				   .key_current = STR("sig_a"),
				   .key_next = STR("sig_b"),
				   .plan = STR("payg") });
}

static void *run(void *arg)
{
	loop_run(((struct rig *)arg)->loop);
	return NULL;
}

struct rig *rig_start(struct rig_settings set)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	struct httpd_settings hs = { .host = "127.0.0.1" };
	char error[200];

	arena_init(&r->arena);
	r->loop = loop_new();
	check(r->loop != NULL);
	r->bell = loop_bell_new(r->loop, on_bell, r);
	r->stop = loop_bell_new(r->loop, on_stop, r);
	open_store(r, loop_wall_ms(r->loop));
	if (set.lost_ppm > 0) {
		r->store = fault_wrap(r->store, set.seed);
		fault_set(r->store, (struct fault_chances){ .lost_ppm = set.lost_ppm / 2,
							    .done_lost_ppm = set.lost_ppm / 2 });
	}
	open_logs(r);
	r->usual = *plan_find(STR("payg"));
	r->usual.burst_per_s = 0;
	open_engine(r, set.plan != NULL || set.own_plans ? set.plan : &r->usual);
	r->pool = pool_new(&(struct pool_settings){ 0 });
	pool_add(r->pool, r->engine, STR_NULL);
	r->api = api_new(&(struct api_settings){ .pool = r->pool,
						 .logs = logs_port(r->logs),
						 .loop = r->loop,
						 .admin_token = str_c(set.admin_token),
						 .control = set.control,
						 .llm_url = set.llm_url,
						 .cors = set.cors });
	loop_on_turn(r->loop, on_turn, r);
	r->httpd = httpd_open(r->loop, &hs, api_ops(), r->api, error);
	check(r->httpd != NULL);
	check(pthread_create(&r->thread, NULL, run, r) == 0);
	return r;
}

void rig_stop(struct rig *r)
{
	loop_bell_ring(r->stop);
	pthread_join(r->thread, NULL);
	loop_free(r->loop);
	arena_done(&r->arena);
	free(r);
}

void rig_advance(struct rig *r, int64_t ms)
{
	r->ahead_ms += ms;
	loop_bell_ring(r->bell);
}

struct arena *rig_arena(struct rig *r)
{
	return &r->arena;
}

/* ---- the client ------------------------------------------------------------------------------ */

struct peer rig_dial(struct rig *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)httpd_port(r->httpd)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0);
	return peer_of(fd);
}

static struct answer exchange(struct rig *r, const char *method, struct str bytes)
{
	struct peer p = rig_dial(r);
	char error[96];
	struct answer a = { 0 };

	peer_send(&p, bytes);
	a.status = peer_status(&p, method);
	a.head = arena_str(&r->arena, buf_str(&p.head));
	a.body = arena_str(&r->arena, buf_str(&p.body));
	if (a.body.n > 0)
		a.json = json_parse(&r->arena, a.body, error);
	peer_close(&p);
	return a;
}

struct answer rig_raw(struct rig *r, struct str bytes)
{
	return exchange(r, "GET", bytes);
}

struct answer rig_ask(struct rig *r, const char *method, const char *target, const char *fields,
		      struct str body)
{
	struct buf b;
	struct answer a;

	buf_init(&b, 256 << 20);
	buf_fmt(&b, "%s %s HTTP/1.1\r\nHost: h\r\n%s", method, target, fields);
	if (body.n > 0 || strcmp(method, "POST") == 0)
		buf_fmt(&b, "Content-Length: %zu\r\n", body.n);
	buf_add(&b, STR("\r\n"));
	buf_add(&b, body);
	a = exchange(r, method, buf_str(&b));
	buf_done(&b);
	return a;
}

struct answer rig_do(struct rig *r, const char *method, const char *target)
{
	return rig_ask(r, method, target, RIG_AUTH, STR_NULL);
}

struct str rig_publish(struct rig *r, const char *dest, const char *fields, const char *body)
{
	struct str target = arena_fmt(&r->arena, "/v2/publish/%s", dest);
	struct str lines = arena_fmt(&r->arena, RIG_AUTH "%s", fields);
	struct answer a = rig_ask(r, "POST", target.p, lines.p, str_c(body));

	if (a.status != 200)
		T_FAIL("publish was answered %d %.*s", a.status, STR_FMT(a.body));
	return answer_str(a, "messageId");
}

void rig_until_logged(struct rig *r, const char *state, size_t n)
{
	struct str target = arena_fmt(&r->arena, "/v2/events?state=%s", state);

	T_UNTIL(answer_count(rig_do(r, "GET", target.p), "events") >= n, 10);
}

void rig_forget_log(struct rig *r)
{
	logs_forget_user(r->logs, STR("user"));
}

struct answer rig_until_dead(struct rig *r, size_t n)
{
	struct answer a;

	T_UNTIL((a = rig_do(r, "GET", "/v2/dlq"), answer_count(a, "messages")) >= n, 10);
	T_EQ_INT(answer_count(a, "messages"), n);
	return a;
}

/* ---- answers --------------------------------------------------------------------------------- */

struct str answer_str(struct answer a, const char *key)
{
	const struct json *v = json_get(a.json, str_c(key));

	return v != NULL && v->kind == JSON_STRING ? v->text : STR_NULL;
}

int64_t answer_int(struct answer a, const char *key)
{
	int64_t n = -1;

	if (!json_i64(json_get(a.json, str_c(key)), &n))
		T_FAIL("no number %s in %.*s", key, STR_FMT(a.body));
	return n;
}

bool answer_has(struct answer a, const char *key)
{
	return json_get(a.json, str_c(key)) != NULL;
}

static const struct json *array_of(struct answer a, const char *key)
{
	const struct json *v = key != NULL ? json_get(a.json, str_c(key)) : a.json;

	if (v == NULL || v->kind != JSON_ARRAY)
		T_FAIL("no array %s in %d %.*s", key ? key : "", a.status, STR_FMT(a.body));
	return v;
}

const struct json *answer_at(struct answer a, const char *key, size_t index)
{
	const struct json *v = array_of(a, key);

	if (index >= v->count)
		T_FAIL("no element %zu in %.*s", index, STR_FMT(a.body));
	v = v->child;
	while (index-- > 0)
		v = v->next;
	return v;
}

size_t answer_count(struct answer a, const char *key)
{
	return array_of(a, key)->count;
}
