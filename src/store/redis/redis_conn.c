#include "store/redis/redis_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/codec.h"
#include "base/log.h"

enum { SERVER_MAJOR_MIN = 7, ARGS_MAX = 8 };

redisReply *redis_conn_call(redisContext *c, size_t n, const struct str *args,
			    char ret_error[REDIS_ERROR_LEN])
{
	const char *v[ARGS_MAX];
	size_t len[ARGS_MAX];
	redisReply *r;

	check(n > 0 && n <= ARGS_MAX);
	for (size_t i = 0; i < n; i++) {
		v[i] = args[i].n ? args[i].p : "";
		len[i] = args[i].n;
	}
	r = redisCommandArgv(c, (int)n, v, len);
	if (r == NULL) {
		snprintf(ret_error, REDIS_ERROR_LEN, "the connection to the Redis server broke: %s",
			 c->errstr);
		return NULL;
	}
	if (r->type == REDIS_REPLY_ERROR) {
		snprintf(ret_error, REDIS_ERROR_LEN, "the Redis server refuses %.*s: %.300s",
			 STR_FMT(args[0]), r->str);
		freeReplyObject(r);
		return NULL;
	}
	return r;
}

#define CALL(c, error, ...)                                                  \
	redis_conn_call((c), countof(((const struct str[]){ __VA_ARGS__ })), \
			(const struct str[]){ __VA_ARGS__ }, (error))

static bool done(redisReply *r)
{
	if (r == NULL)
		return false;
	freeReplyObject(r);
	return true;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static struct timeval timeval_of(int64_t ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static redisContext *reach(const struct redis_url *u, char ret_error[REDIS_ERROR_LEN])
{
	struct timeval connect = timeval_of(REDIS_CONNECT_MS);
	redisContext *c = u->path ? redisConnectUnixWithTimeout(u->path, connect)
				  : redisConnectWithTimeout(u->host, u->port, connect);

	check(c != NULL);
	if (c->err != 0) {
		if (u->path)
			snprintf(ret_error, REDIS_ERROR_LEN,
				 "cannot connect to the Redis server at %.200s: %s", u->path,
				 c->errstr);
		else
			snprintf(ret_error, REDIS_ERROR_LEN,
				 "cannot connect to the Redis server at %.200s:%d: %s", u->host,
				 u->port, c->errstr);
		redisFree(c);
		return NULL;
	}
	if (!u->path)
		(void)redisEnableKeepAlive(c);
	return c;
}

static bool log_in(redisContext *c, const struct redis_url *u, char ret_error[REDIS_ERROR_LEN])
{
	char database[16];

	if (u->password != NULL && u->user != NULL) {
		if (!done(CALL(c, ret_error, STR("AUTH"), str_c(u->user), str_c(u->password))))
			return false;
	} else if (u->password != NULL) {
		if (!done(CALL(c, ret_error, STR("AUTH"), str_c(u->password))))
			return false;
	}
	snprintf(database, sizeof(database), "%d", u->database);
	return done(CALL(c, ret_error, STR("SELECT"), str_c(database)));
}

/* ---- fitness --------------------------------------------------------------------------------- */

/* The value of a line "name:value" of INFO. */
static struct str info_value(const redisReply *info, struct str name)
{
	struct str all = str_n(info->str, info->len);

	while (all.n) {
		struct str value = str_trim(str_cut(&all, '\n'));

		if (value.n && value.p[value.n - 1] == '\r')
			value.n--;
		if (str_eq(str_cut(&value, ':'), name))
			return value;
	}
	return STR_NULL;
}

static bool judge_info(const redisReply *info, char ret_error[REDIS_ERROR_LEN])
{
	struct str version = info_value(info, STR("redis_version"));
	struct str rest = version;
	uint64_t major;

	if (info->type != REDIS_REPLY_STRING || !str_u64(str_cut(&rest, '.'), &major) ||
	    major < SERVER_MAJOR_MIN) {
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the Redis server has version %.*s; it must be %d.0 or newer",
			 STR_FMT(str_sub(version, 0, 40)), SERVER_MAJOR_MIN);
		return false;
	}
	if (str_eq(info_value(info, STR("cluster_enabled")), STR("1"))) {
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the Redis server is a node of a cluster; use servers of their own");
		return false;
	}
	if (str_eq(info_value(info, STR("role")), STR("slave"))) {
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the Redis server is a replica; use its primary");
		return false;
	}
	return true;
}

static bool server_is_fit(redisContext *c, bool *ret_loading, char ret_error[REDIS_ERROR_LEN])
{
	redisReply *info = CALL(c, ret_error, STR("INFO"));
	bool ok;

	if (info == NULL)
		return false;
	ok = judge_info(info, ret_error);
	*ret_loading = ok && str_eq(info_value(info, STR("loading")), STR("1"));
	freeReplyObject(info);
	if (*ret_loading)
		snprintf(ret_error, REDIS_ERROR_LEN, "the Redis server is still reading its files");
	return ok && !*ret_loading;
}

/* What may be lost: a setting, the values that are safe, and the fix. */
static const struct {
	const char *name;
	const char *safe[4];
	const char *loss;
} settings[] = {
	{ "appendonly",
	  { "yes" },
	  "a restart of the server loses everything since the last snapshot" },
	{ "appendfsync", { "always" }, "a crash of the machine loses what was accepted lately" },
	{ "no-appendfsync-on-rewrite",
	  { "no" },
	  "a crash of the machine during a rewrite loses what was accepted lately" },
	{ "maxmemory-policy",
	  { "noeviction", "volatile-lru", "volatile-lfu", "volatile-ttl" },
	  "messages are evicted when memory is short" },
};

static bool is_safe(size_t setting, struct str value)
{
	for (size_t i = 0; i < countof(settings[0].safe) && settings[setting].safe[i] != NULL;
	     i++) {
		if (str_eq(value, str_c(settings[setting].safe[i])))
			return true;
	}
	return false;
}

static bool judge_setting(size_t setting, const redisReply *reply, char ret_error[REDIS_ERROR_LEN])
{
	const char *name = settings[setting].name, *safe = settings[setting].safe[0];
	struct str value = STR_NULL;

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		value = str_n(reply->element[1]->str, reply->element[1]->len);
	if (is_safe(setting, value))
		return true;
	snprintf(
		ret_error, REDIS_ERROR_LEN,
		"the Redis server may lose accepted messages: %s is \"%.*s\", so %s; set \"%s %s\" "
		"there "
		"(CONFIG SET %s %s, and in its configuration file), or allow an unsafe server here",
		name, STR_FMT(str_sub(value, 0, 40)), settings[setting].loss, name, safe, name,
		safe);
	return false;
}

static bool server_is_durable(redisContext *c, char ret_error[REDIS_ERROR_LEN])
{
	for (size_t i = 0; i < countof(settings); i++) {
		redisReply *r =
			CALL(c, ret_error, STR("CONFIG"), STR("GET"), str_c(settings[i].name));
		bool ok;

		if (r == NULL) {
			size_t n = strlen(ret_error);

			snprintf(ret_error + n, REDIS_ERROR_LEN - n,
				 "; so whether it may lose accepted messages cannot be told: allow "
				 "an "
				 "unsafe server, or allow CONFIG GET");
			return false;
		}
		ok = judge_setting(i, r, ret_error);
		freeReplyObject(r);
		if (!ok)
			return false;
	}
	return true;
}

/* ---- the database's name ----------------------------------------------------------------------- */

/* Asks what it calls itself, with a name for one that has none yet. */
static bool learn_name(struct redis_handle *h, redisContext *c, char ret_error[REDIS_ERROR_LEN])
{
	unsigned char random[(STORE_DATABASE_BYTES - 1) / 2];
	struct buf name;
	redisReply *r;
	bool ok;

	check(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
	buf_init(&name, STORE_DATABASE_BYTES);
	hex_encode(&name, str_n(random, sizeof(random)));
	r = CALL(c, ret_error, STR("FCALL"), STR("qstash_hello"), STR("0"), buf_str(&name));
	buf_done(&name);
	if (r == NULL)
		return false;
	ok = r->type == REDIS_REPLY_STRING && r->len > 0 && r->len < STORE_DATABASE_BYTES;
	if (ok) {
		pthread_mutex_lock(&h->mutex);
		snprintf(h->database, sizeof(h->database), "%s", r->str);
		pthread_mutex_unlock(&h->mutex);
	} else {
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the Redis server's answer is not that of our function library");
	}
	freeReplyObject(r);
	return ok;
}

/* ---- the library ----------------------------------------------------------------------------- */

/* The code of our library on the server, from FUNCTION LIST ... WITHCODE; empty = there is none. */
static struct str library_code(const redisReply *list)
{
	const redisReply *l;

	if (list->type != REDIS_REPLY_ARRAY || list->elements == 0)
		return STR_NULL;
	l = list->element[0];
	for (size_t i = 0; l->type == REDIS_REPLY_ARRAY && i + 1 < l->elements; i += 2) {
		if (str_eq(str_n(l->element[i]->str, l->element[i]->len), STR("library_code")))
			return str_n(l->element[i + 1]->str, l->element[i + 1]->len);
	}
	return STR_NULL;
}

static bool library_load(redisContext *c, char ret_error[REDIS_ERROR_LEN])
{
	return done(CALL(c, ret_error, STR("FUNCTION"), STR("LOAD"), STR("REPLACE"),
			 str_c(redis_library)));
}

/* There is one of that name with other code than ours. */
static bool library_replace(redisContext *c, char ret_error[REDIS_ERROR_LEN])
{
	redisReply *r = CALL(c, ret_error, STR("FCALL"), STR("qstash_version"), STR("0"));
	long long version;

	if (r == NULL)
		return false;
	version = r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
	freeReplyObject(r);
	if (version >= 0 && version < REDIS_LIBRARY_VERSION) {
		log_info("store",
			 "the function library of the Redis server goes from version %lld to %d",
			 version, REDIS_LIBRARY_VERSION);
		return library_load(c, ret_error);
	}
	if (version > REDIS_LIBRARY_VERSION)
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the function library \"qstash\" of the Redis server has version %lld, "
			 "but this "
			 "program only knows versions up to %d; use a newer program",
			 version, REDIS_LIBRARY_VERSION);
	else
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the function library \"qstash\" of the Redis server calls itself version "
			 "%lld, as "
			 "ours, but is another; if nothing else uses it, FUNCTION DELETE qstash",
			 version);
	return false;
}

static bool library_is_ours(redisContext *c, char ret_error[REDIS_ERROR_LEN])
{
	redisReply *list = CALL(c, ret_error, STR("FUNCTION"), STR("LIST"), STR("LIBRARYNAME"),
				STR("qstash"), STR("WITHCODE"));
	struct str code;
	bool absent, same;

	if (list == NULL)
		return false;
	code = library_code(list);
	absent = code.n == 0;
	same = str_eq(code, str_c(redis_library));
	freeReplyObject(list);
	if (same)
		return true;
	return absent ? library_load(c, ret_error) : library_replace(c, ret_error);
}

redisContext *redis_conn_open(struct redis_handle *h, char ret_error[REDIS_ERROR_LEN])
{
	redisContext *c = reach(&h->url, ret_error);

	h->loading = false;
	h->reached = c != NULL;
	if (c == NULL)
		return NULL;
	if (redisSetTimeout(c, timeval_of(REDIS_ANSWER_MS)) == REDIS_OK &&
	    (!h->url.tls || redis_tls_start(c, &h->url, ret_error)) &&
	    log_in(c, &h->url, ret_error) && server_is_fit(c, &h->loading, ret_error) &&
	    (h->allow_unsafe || server_is_durable(c, ret_error)) && library_is_ours(c, ret_error) &&
	    learn_name(h, c, ret_error))
		return c;
	redisFree(c);
	return NULL;
}
