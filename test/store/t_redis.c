/* What only the Redis backend has: URLs, the server's fitness, the function library, lost connections. */
#include "kit_redis.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { UNSAFE = 1, SAFE = 0 };

static struct store *try_open(const char *url, bool unsafe, char error[REDIS_ERROR_LEN])
{
	struct redis_settings set = { .url = url, .allow_unsafe = unsafe };

	error[0] = '\0';
	return redis_store_open(&set, 1700000000000, error);
}

static void refused(const char *url, bool unsafe, const char *why)
{
	char error[REDIS_ERROR_LEN];
	struct store *s = try_open(url, unsafe, error);

	T_CHECK(s == NULL);
	if (!str_has(str_c(error), str_c(why)))
		T_FAIL("\"%s\" does not say \"%s\"", error, why);
	T_CHECK(strstr(error, "secret") == NULL && strchr(error, '\n') == NULL);
}

static void opens(const char *url, bool unsafe)
{
	char error[REDIS_ERROR_LEN];
	struct store *s = try_open(url, unsafe, error);

	if (s == NULL)
		T_FAIL("%s", error);
	store_close(s);
}

/* One command, by hand. Returns its text or number as text, or the error. */
static struct str command(const struct redis_server *server, const char *fmt, ...)
{
	static char text[256];
	redisContext *c = redisConnectUnix(server->socket);
	redisReply *r;
	va_list args;

	T_CHECK(c != NULL && c->err == 0);
	va_start(args, fmt);
	r = redisvCommand(c, fmt, args);
	va_end(args);
	if (r == NULL)
		snprintf(text, sizeof(text), "gone");
	else if (r->type == REDIS_REPLY_INTEGER)
		snprintf(text, sizeof(text), "%lld", r->integer);
	else
		snprintf(text, sizeof(text), "%s", r->str ? r->str : "");
	freeReplyObject(r);
	redisFree(c);
	return str_c(text);
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static const struct {
	const char *url, *why;
} bad_urls[] = {
	{ "", "another scheme" },
	{ "http://localhost", "another scheme" },
	{ "redis://", "no valid host and port" },
	{ "redis://:6379", "no valid host and port" },
	{ "redis://localhost:port", "no valid host and port" },
	{ "redis://localhost:0", "no valid host and port" },
	{ "redis://localhost:65536", "no valid host and port" },
	{ "redis://[::1", "cannot connect" },
	{ "redis://[::1]x", "no valid host and port" },
	{ "redis://localhost/x", "a database that is no number" },
	{ "redis://localhost/-1", "a database that is no number" },
	{ "redis://:secret%zz@localhost", "a broken user or password" },
	{ "redis://us%00er:secret@localhost", "a broken user or password" },
	{ "unix://", "the absolute path of a socket" },
	{ "unix://relative", "the absolute path of a socket" },
	{ "unix:///x?db=x", "a database that is no number" },
	{ "unix:///x?password=secret", "a database that is no number" },
	{ "redis://user:secret@127.0.0.1:1", "cannot connect" },
	{ "unix://user:secret@/nothing/here",
	  "cannot connect to the Redis server at /nothing/here" },
};

TEST_EACH(a_bad_url_is_refused_in_words_without_its_password, bad_urls)
{
	refused(row->url, UNSAFE, row->why);
}

TEST(a_url_names_database_user_and_password)
{
	struct redis_server server;
	char url[300];

	redis_server_init(&server, "redis", false);
	redis_server_start(&server);
	snprintf(url, sizeof(url), "%s?db=3", server.url);
	opens(url, UNSAFE);
	T_EQ_STR(command(&server, "EXISTS q:meta"), "0");
	opens(server.url, UNSAFE);
	T_EQ_STR(command(&server, "EXISTS q:meta"), "1");
	snprintf(url, sizeof(url), "%s?db=99", server.url);
	refused(url, UNSAFE, "SELECT");
	T_EQ_STR(command(&server, "ACL SETUSER me on >secret@1 ~* &* +@all"), "OK");
	snprintf(url, sizeof(url), "unix://me:secret%%401@%s", server.socket);
	opens(url, UNSAFE);
	snprintf(url, sizeof(url), "unix://me:secret@%s", server.socket);
	refused(url, UNSAFE, "AUTH");
	T_EQ_STR(command(&server, "CONFIG SET requirepass secret"), "OK");
	snprintf(url, sizeof(url), "unix://:secret@%s", server.socket);
	opens(url, UNSAFE);
	refused(server.url, UNSAFE, "NOAUTH");
	redis_server_kill(&server);
}

/* ---- fitness --------------------------------------------------------------------------------- */

static const struct {
	const char *name, *bad, *good, *why;
} durability[] = {
	{ "appendonly", "no", "yes", "a restart of the server loses everything" },
	{ "appendfsync", "everysec", "always", "appendfsync is \"everysec\"" },
	{ "no-appendfsync-on-rewrite", "yes", "no", "during a rewrite" },
	{ "maxmemory-policy", "allkeys-lru", "noeviction", "messages are evicted" },
};

TEST(what_would_lose_messages_is_refused_with_the_fix)
{
	struct redis_server server;

	redis_server_init(&server, "redis", true);
	redis_server_start(&server);
	opens(server.url, SAFE);
	for (size_t i = 0; i < countof(durability); i++) {
		char fix[80];

		snprintf(fix, sizeof(fix), "set \"%s %s\"", durability[i].name, durability[i].good);
		command(&server, "CONFIG SET %s %s", durability[i].name, durability[i].bad);
		refused(server.url, SAFE, durability[i].why);
		refused(server.url, SAFE, fix);
		opens(server.url, UNSAFE);
		command(&server, "CONFIG SET %s %s", durability[i].name, durability[i].good);
		opens(server.url, SAFE);
	}
	/* Only keys with a time to live: there are none. */
	command(&server, "CONFIG SET maxmemory-policy volatile-lru");
	opens(server.url, SAFE);
	redis_server_kill(&server);
}

TEST(what_cannot_be_read_is_not_taken_for_safe)
{
	struct redis_server server;
	char url[300];

	redis_server_init(&server, "redis", true);
	redis_server_start(&server);
	T_EQ_STR(command(&server, "ACL SETUSER me on >secret ~* &* +@all -config"), "OK");
	snprintf(url, sizeof(url), "unix://me:secret@%s", server.socket);
	refused(url, SAFE, "cannot be told");
	opens(url, UNSAFE);
	redis_server_kill(&server);
}

TEST(a_replica_is_refused)
{
	struct redis_server server;

	redis_server_init(&server, "redis", false);
	redis_server_start(&server);
	command(&server, "REPLICAOF 127.0.0.1 1");
	refused(server.url, UNSAFE, "is a replica");
	redis_server_kill(&server);
}

/* ---- the library ----------------------------------------------------------------------------- */

static void load_library(const struct redis_server *server, int version)
{
	char code[300];

	snprintf(code, sizeof(code),
		 "#!lua name=qstash\nlocal function version() return %d end\n"
		 "redis.register_function{function_name='qstash_version', callback=version, "
		 "flags={'no-writes'}}\n",
		 version);
	T_EQ_STR(command(server, "FUNCTION LOAD REPLACE %s", code), "qstash");
}

TEST(an_older_library_is_replaced_and_another_or_newer_one_refused)
{
	struct redis_server server;

	redis_server_init(&server, "redis", false);
	redis_server_start(&server);
	load_library(&server, 0);
	opens(server.url, UNSAFE);
	T_EQ_STR(command(&server, "FCALL qstash_version 0"), "2");
	load_library(&server, 2);
	refused(server.url, UNSAFE, "calls itself version 2");
	load_library(&server, 3);
	refused(server.url, UNSAFE, "use a newer program");
	T_EQ_STR(command(&server, "FUNCTION DELETE qstash"), "OK");
	opens(server.url, UNSAFE);
	T_EQ_STR(command(&server, "FCALL qstash_version 0"), "2");
	redis_server_kill(&server);
}

TEST(data_of_another_format_is_refused)
{
	struct redis_server server;

	redis_server_init(&server, "redis", false);
	redis_server_start(&server);
	opens(server.url, UNSAFE);
	/* An array of 15 numbers, the first of them 9. */
	command(&server, "EVAL %s 0",
		"local v = cmsgpack.unpack(redis.call('GET', 'q:meta')) v[1] = 9 "
		"redis.call('SET', 'q:meta', cmsgpack.pack(v)) return 1");
	refused(server.url, UNSAFE, "the data has format 9");
	redis_server_kill(&server);
}

/* A program that was upgraded beside this one. */
TEST(a_library_replaced_under_way_stops_the_handle)
{
	struct kit k;

	kit_init(&k, &kit_redis);
	k.unchecked = true;
	T_EQ_INT(PUT(&k).result, STORE_APPLIED);
	load_library(k.state, 3);
	T_EQ_INT(PUT(&k).result, STORE_UNAVAILABLE);
	T_EQ_INT(PUT(&k).result, STORE_UNAVAILABLE);
	T_EQ_STR(command(k.state, "FUNCTION DELETE qstash"), "OK");
	k.now_ms += 5000;
	T_EQ_INT(PUT(&k).result, STORE_APPLIED);
	kit_done(&k);
}

/* ---- lost connections ------------------------------------------------------------------------ */

/* The server takes the request in, but dies before it answers. */
static void die_with(struct kit *k, struct step *step)
{
	struct redis_server *server = k->state;
	bool stopped = kill(server->pid, SIGSTOP) == 0;

	T_CHECK(stopped);
	step->req.done = kit_ignore;
	store_submit(k->s, &step->req);
	store_flush(k->s, k->now_ms);
	/* The socket is there, so that it is sent, perhaps not yet: both are to be UNKNOWN or UNAVAILABLE. */
	redis_server_kill(server);
	while (step->req.result == STORE_PENDING) {
		sem_wait(&k->bell);
		store_poll(k->s);
	}
}

/* Connecting goes on beside it; meanwhile everything is UNAVAILABLE. */
static enum store_result do_when_connected(struct kit *k, struct store_req *req)
{
	enum store_result r = STORE_UNAVAILABLE;

	while (r == STORE_UNAVAILABLE) {
		k->now_ms += 100;
		r = kit_do(k, req);
		(void)poll(NULL, 0, 1);
	}
	return r;
}

TEST(what_was_under_way_is_unknown_and_done_when_it_comes_again)
{
	struct kit k;
	struct kit_msg m[2];
	struct move move;
	struct step step;

	kit_init(&k, &kit_redis_durable);
	k.unchecked = true;
	m[0] = PUT(&k);
	move = kit_put_move(&k, &(struct kit_put){ .want_lease = false }, &m[1]);
	step_init(&step, &move, 1, NULL, NULL);
	die_with(&k, &step);
	T_CHECK(step.req.result == STORE_UNKNOWN || step.req.result == STORE_UNAVAILABLE);
	/* The server is not there. */
	T_EQ_INT(PUT(&k).result, STORE_UNAVAILABLE);
	k.now_ms += 5000;
	T_EQ_INT(PUT(&k).result, STORE_UNAVAILABLE);
	redis_server_start(k.state);
	T_EQ_INT(do_when_connected(&k, &step.req), STORE_APPLIED);
	T_EQ_INT(kit_do(&k, &step.req), STORE_APPLIED);
	T_EQ_STR(kit_started(&k, m, 2), "0 1");
	T_EQ_STR(kit_events(&k, &m[1]), "CREATED ACTIVE");
	T_CHECK(redis_store_stats(k.s).connections == 2);
	kit_done(&k);
}

TEST(leases_outlive_a_lost_connection)
{
	struct kit k;
	struct kit_msg m;

	kit_init(&k, &kit_redis_durable);
	k.unchecked = true;
	m = PUT(&k, .want_lease = true);
	T_CHECK(m.leased);
	redis_server_kill(k.state);
	redis_server_start(k.state);
	/* What is sent on the broken connection is lost with it. */
	while (SETTLE(&k, &m, SETTLE_DELIVERED).result != STORE_APPLIED)
		T_CHECK((k.now_ms += 1000) < 1700000060000);
	T_CHECK(kit_find(&k, &m) == NULL);
	T_EQ_STR(kit_events(&k, &m), "CREATED ACTIVE DELIVERED");
	kit_done(&k);
}

/* ---- a full server --------------------------------------------------------------------------- */

TEST(a_full_server_refuses_what_is_new_and_lets_the_rest_go_on)
{
	struct kit k;
	struct kit_msg m[2];
	struct move moves[2];
	struct step step[2];

	kit_init(&k, &kit_redis);
	k.unchecked = true;
	m[0] = PUT(&k, .want_lease = true);
	m[1] = PUT(&k);
	T_EQ_STR(command(k.state, "CONFIG SET maxmemory 1"), "OK");
	T_EQ_INT(PUT(&k).result, STORE_UNAVAILABLE);
	/* Both in one turn. */
	moves[0] = kit_put_move(&k, &(struct kit_put){ 0 }, &(struct kit_msg){ 0 });
	moves[1] = kit_settle_move(&k, &m[0], &(struct kit_settle){ .to = SETTLE_DELIVERED });
	step_init(&step[0], &moves[0], 1, kit_ignore, NULL);
	step_init(&step[1], &moves[1], 1, NULL, NULL);
	store_submit(k.s, &step[0].req);
	T_EQ_INT(kit_do(&k, &step[1].req), STORE_APPLIED);
	T_EQ_INT(step[0].req.result, STORE_UNAVAILABLE);
	T_EQ_STR(kit_started(&k, m, 2), "1");
	T_EQ_STR(command(k.state, "CONFIG SET maxmemory 0"), "OK");
	T_EQ_INT(PUT(&k).result, STORE_APPLIED);
	kit_done(&k);
}

/* ---- many in a turn -------------------------------------------------------------------------- */

TEST(a_batch_of_many_is_few_turns_and_one_order)
{
	enum { MANY = 1000 };
	struct kit k;
	struct kit_msg *m = xcalloc(MANY, sizeof(*m));
	struct move *moves = xcalloc(MANY, sizeof(*moves));
	struct step *step = xcalloc(MANY, sizeof(*step));
	uint64_t turns;

	kit_init(&k, &kit_redis);
	turns = redis_store_stats(k.s).turns;
	for (int i = 0; i < MANY; i++) {
		moves[i] = kit_put_move(&k, &(struct kit_put){ .queue = "q" }, &m[i]);
		step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
		if (i < MANY - 1)
			store_submit(k.s, &step[i].req);
	}
	T_EQ_INT(kit_do(&k, &step[MANY - 1].req), STORE_APPLIED);
	T_CHECK(redis_store_stats(k.s).turns - turns < MANY / 50);
	for (int i = 0; i < MANY; i++)
		T_EQ_INT(step[i].req.result, STORE_APPLIED);
	T_EQ_INT(kit_gate(&k, GATE_QUEUE, "q")->waiting, MANY);
	kit_done(&k);
	free(step);
	free(moves);
	free(m);
}

/* ---- moving a user ---------------------------------------------------------------------------- */

static enum store_result user_op(struct kit *k, struct move *ret_move, enum user_op op,
				 int64_t version, const char *at)
{
	struct step step;

	*ret_move = (struct move){
		.kind = MOVE_USER,
		.user = { .op = op, .user = STR("u"), .version = version, .at = str_c(at) }
	};
	return kit_step(k, &step, ret_move, 1);
}

/* All pieces of a walk. */
static enum store_result user_walk(struct kit *k, enum user_op op, int64_t version)
{
	char at[32] = "";
	struct move m;

	do {
		enum store_result r = user_op(k, &m, op, version, at);

		if (r != STORE_APPLIED)
			return r;
		memcpy(at, m.user.next, sizeof(at));
	} while (*at != '\0');
	return STORE_APPLIED;
}

static void copy_key(struct kit *from, struct kit *to, struct str key, int64_t number)
{
	const char n[4] = { 0, 0, (char)(key.n >> 8), (char)key.n };
	struct str name = arena_fmt(kit_arena(from), "%.*s%.*s", 4, "\1\1\1\1", STR_FMT(key));
	struct user_key copy;
	struct move m;
	struct step step;
	struct scan *s;

	memcpy((char *)(uintptr_t)name.p, n, sizeof(n));
	memcpy((char *)(uintptr_t)name.p + 4, key.p, key.n);
	s = kit_scan(from, &(struct scan){ .kind = SCAN_USER_DUMP,
					   .user = STR("u"),
					   .name = str_n(name.p, key.n + 4) });
	T_EQ_INT(s->rows, 1);
	copy = (struct user_key){ s->row[0].name, s->row[0].record };
	m = (struct move){ .kind = MOVE_USER,
			   .user = { .op = USER_IMPORT,
				     .user = STR("u"),
				     .version = number,
				     .key = &copy,
				     .keys = 1 } };
	T_EQ_INT(kit_step(to, &step, &m, 1), STORE_APPLIED);
}

static void copy_keys(struct kit *from, struct kit *to, int64_t number)
{
	struct str cursor = STR("0");

	do {
		struct scan *s = kit_scan(
			from,
			&(struct scan){ .kind = SCAN_USER_KEYS, .user = STR("u"), .name = cursor });

		for (size_t i = 1; i < s->rows; i++)
			copy_key(from, to, s->row[i].name, number);
		cursor = s->row[0].name;
	} while (!str_eq(cursor, STR("0")));
}

static int64_t put_user(struct kit *k)
{
	struct move m = {
		.kind = MOVE_DOC_PUT,
		.doc_put = { .doc = DOC_USER, .user = STR("u"), .name = STR("u"), .value = STR("x") }
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	return m.doc_put.new_version;
}

/* As kit_init, on a server of its own beside the first one. */
static void init_other(struct kit *k)
{
	*k = (struct kit){
		.backend = &kit_redis, .now_ms = 1700000000000, .lease_ms = 15000, .name = "other"
	};
	rng_init(&k->rng, 2);
	arena_init(&k->arena);
	T_CHECK(sem_init(&k->bell, 0, 0) == 0);
	kit_redis.open(k);
}

static void sound(struct kit *k)
{
	char why[REDIS_ERROR_LEN] = "";

	if (!redis_store_check(k->s, k->now_ms, why))
		T_EQ_STR(str_c(why), "");
}

/* Both databases count right before, in between and after, and the user's messages start there in their order. */
TEST(a_user_is_moved_with_all_it_has_and_a_late_mover_is_refused)
{
	struct kit_msg m[6], late;
	struct kit from, to;
	struct move move;
	int64_t version;

	kit_init(&from, &kit_redis);
	init_other(&to);
	from.unchecked = to.unchecked = true;
	version = put_user(&from);
	m[0] = PUT(&from, .queue = "q", .want_lease = true);
	T_CHECK(m[0].leased);
	for (int i = 1; i < 4; i++)
		m[i] = PUT(&from, .queue = "q");
	m[4] = PUT(&from, .flow = "f", .flow_rate = 1, .flow_period_s = 60, .dedup = "key");
	m[5] = PUT(&from, .delay_ms = 5000);
	to.last_seq = from.last_seq + 1000;
	T_EQ_INT(user_op(&from, &move, USER_FREEZE, version + 1, ""), STORE_REFUSED);
	T_EQ_INT(user_op(&from, &move, USER_FREEZE, version, ""), STORE_APPLIED);
	T_EQ_INT(move.user.count, 1);
	T_EQ_INT(PUT(&from).refusal, REFUSAL_MOVING);
	T_EQ_INT(kit_cancel(&from, &m[1]).refusal, REFUSAL_MOVING);
	T_EQ_INT(kit_claim(&from, 10)->n, 0);
	T_EQ_INT(SETTLE(&from, &m[0], SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_INT(user_op(&from, &move, USER_FREEZE, version, ""), STORE_APPLIED);
	T_EQ_INT(move.user.count, 0);
	T_EQ_INT(user_walk(&from, USER_DETACH, version), STORE_APPLIED);
	sound(&from);

	/* A first attempt breaks off; the next one has a greater number. */
	T_EQ_INT(user_op(&to, &move, USER_BEGIN, 7, "100"), STORE_APPLIED);
	copy_keys(&from, &to, 7);
	T_EQ_INT(user_op(&to, &move, USER_BEGIN, 9, "100"), STORE_APPLIED);
	T_EQ_INT(move.user.count, USER_COMING);
	T_EQ_INT(user_op(&to, &move, USER_BEGIN, 7, "100"), STORE_REFUSED);
	T_EQ_INT(user_op(&to, &move, USER_ENTER, 7, ""), STORE_REFUSED);
	T_EQ_INT(user_walk(&to, USER_WIPE, 9), STORE_APPLIED);
	copy_keys(&from, &to, 9);
	T_EQ_INT(user_walk(&to, USER_ENTER, 9), STORE_APPLIED);
	T_EQ_INT(user_walk(&to, USER_ENTER, 9), STORE_APPLIED);
	T_EQ_INT(PUT(&to).refusal, REFUSAL_MOVING);
	T_EQ_INT(kit_claim(&to, 10)->n, 0);
	T_EQ_INT(user_walk(&to, USER_ATTACH, 9), STORE_APPLIED);
	T_EQ_INT(user_op(&to, &move, USER_THAW, 9, ""), STORE_APPLIED);
	sound(&to);
	T_EQ_INT(user_op(&to, &move, USER_WIPE, 9, ""), STORE_REFUSED);
	T_EQ_INT(user_op(&to, &move, USER_BEGIN, 8, "100"), STORE_REFUSED);

	T_EQ_INT(PUT(&to, .dedup = "key").refusal, REFUSAL_DUPLICATE);
	late = PUT(&to, .flow = "f", .flow_rate = 1, .flow_period_s = 60);
	T_EQ_INT(late.result, STORE_APPLIED);
	kit_pass(&to, 6000);
	m[0].leased = false;
	T_EQ_INT(kit_lease_all(&to, m, 6), 3);
	for (int i = 0; i < 6; i++)
		T_EQ_INT(m[i].leased, i == 1 || i == 4 || i == 5);
	sound(&to);

	move = (struct move){ .kind = MOVE_PURGE,
			      .purge = { .user = STR("u"), .version = version, .max = 1000 } };
	T_EQ_INT(kit_step(&from, &(struct step){ 0 }, &move, 1), STORE_APPLIED);
	T_CHECK(!move.purge.left);
	T_EQ_INT(user_op(&from, &move, USER_LEAVE, 0, ""), STORE_APPLIED);
	sound(&from);
	T_EQ_STR(command(from.state, "EXISTS q{u}u q{u}Ddue q{u}Dwake q{u}i q{u}g"), "0");
	kit_done(&from);
	kit_done(&to);
}
