#include "store/redis/redis_int.h"

#include <stdio.h>

#include "base/log.h"

/* A turn under way: its requests, in the order of the batch; or a tail, alone. */
struct turn {
	struct store_req *first;
	size_t n;
	struct tail *tail; /* NULL: a call of the library */
	size_t wanted;     /* of a tail: entries */
	bool no_memory;    /* the server had no memory for it */
};

struct pipeline {
	struct redis_handle *h;
	struct turn turn[REDIS_PIPELINE_TURNS];
	size_t turns;
	int64_t now_ms;
	struct redis_args args;
};

static void answer(struct turn *t, enum store_result result)
{
	struct store_req *r = t->first;

	for (size_t i = 0; i < t->n; i++, r = r->next) {
		store_clear_results(r);
		r->result = result;
	}
}

static void complain(const struct pipeline *p, const char *text)
{
	static struct log_limit limit;

	if (log_allowed(&limit, 6, p->now_ms))
		log_error("store", "%s", text);
}

/* ---- the connection -------------------------------------------------------------------------- */

static void disconnect(struct redis_handle *h)
{
	if (h->conn != NULL)
		redisFree(h->conn);
	h->conn = NULL;
}

static void set_away(struct redis_handle *h, bool away)
{
	pthread_mutex_lock(&h->mutex);
	h->away = away;
	h->stats.connections += !away;
	pthread_mutex_unlock(&h->mutex);
}

static void try_later(struct redis_handle *h, int64_t now_ms)
{
	h->backoff_ms = h->backoff_ms ? 2 * h->backoff_ms : REDIS_BACKOFF_MIN_MS;
	if (h->backoff_ms > REDIS_BACKOFF_MAX_MS)
		h->backoff_ms = REDIS_BACKOFF_MAX_MS;
	h->retry_at_ms = now_ms + h->backoff_ms;
}

static bool connect_again(struct pipeline *p)
{
	struct redis_handle *h = p->h;
	char error[REDIS_ERROR_LEN] = "";

	if (h->conn != NULL)
		return true;
	/* The clock may have been set back. */
	if (p->now_ms < h->retry_at_ms && p->now_ms > h->retry_at_ms - REDIS_BACKOFF_MAX_MS)
		return false;
	h->conn = redis_conn_open(h, error);
	if (h->conn == NULL || !redis_store_become_holder(h, p->now_ms, error)) {
		complain(p, error);
		disconnect(h);
		try_later(h, p->now_ms);
		set_away(h, true);
		return false;
	}
	h->backoff_ms = 0;
	h->retry_at_ms = 0;
	set_away(h, false);
	return true;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool send_turn(struct pipeline *p)
{
	const struct redis_args *a = &p->args;

	return redisAppendCommandArgv(p->h->conn, (int)a->count, a->v, a->n) == REDIS_OK;
}

static bool is_tail(const struct store_reqs *reqs)
{
	return reqs->head != NULL && reqs->head->kind == STORE_TAIL;
}

static void fill_tail(struct pipeline *p, struct turn *t, struct store_req *r)
{
	*t = (struct turn){ .first = r, .n = 1, .tail = container_of(r, struct tail, req) };
	if (p->h->conn != NULL && !redis_outbox_ask(p->h, t->tail, &t->wanted))
		disconnect(p->h);
}

static void fill_turn(struct pipeline *p, struct turn *t, struct store_reqs *reqs,
		      struct store_reqs *taken)
{
	struct redis_args *a = &p->args;

	*t = (struct turn){ 0 };
	redis_wire_turn(a, STR("qstash_turn"), p->h, p->now_ms);
	while (t->n < REDIS_TURN_REQS && a->bytes < REDIS_TURN_BYTES && reqs->head != NULL &&
	       !is_tail(reqs)) {
		struct store_req *r = store_reqs_pop(reqs);

		redis_wire_req(a, p->h, r);
		store_reqs_append(taken, r);
		t->first = t->n++ ? t->first : r;
	}
	if (p->h->conn != NULL && !send_turn(p))
		disconnect(p->h);
}

/* Takes requests off the list into turns of the pipeline. A holder's first is a call even if it is empty: a sign of
 * life, and it tells how far the outbox goes. */
static void fill(struct pipeline *p, struct store_reqs *reqs, struct store_reqs *taken)
{
	do {
		struct turn *t = &p->turn[p->turns];

		if ((p->turns > 0 || p->h->reader) && is_tail(reqs)) {
			struct store_req *r = store_reqs_pop(reqs);

			store_reqs_append(taken, r);
			fill_tail(p, t, r);
		} else {
			fill_turn(p, t, reqs, taken);
		}
		p->turns++;
	} while (p->turns < REDIS_PIPELINE_TURNS && reqs->head != NULL);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Is that an error with which the call is over before it has begun? Any other is one of the library's, which
 * may have been half done. */
static bool is_refusal(struct str error)
{
	static const struct str known[] = {
		STR("OOM "),        STR("MISCONF "),       STR("READONLY "),
		STR("LOADING "),    STR("BUSY "),          STR("NOREPLICAS "),
		STR("MASTERDOWN "), STR("CLUSTERDOWN "),   STR("NOPERM "),
		STR("NOAUTH "),     STR("QSTASHVERSION "), STR("ERR Function not found"),
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (str_starts(error, known[i]))
			return true;
	}
	return false;
}

static void take_error(struct pipeline *p, struct turn *t, const redisReply *reply)
{
	struct str error = str_n(reply->str, reply->len);
	char text[REDIS_ERROR_LEN];

	t->no_memory = str_starts(error, STR("OOM "));
	snprintf(text, sizeof(text), "the Redis server %s: %.*s",
		 is_refusal(error) ? "refuses" : "failed in the function library, perhaps halfway",
		 STR_FMT(str_sub(error, 0, 300)));
	complain(p, text);
	answer(t, STORE_UNAVAILABLE);
	/* The library may be gone, or another: connecting looks after it. */
	if (str_starts(error, STR("ERR Function not found")) ||
	    str_starts(error, STR("QSTASHVERSION ")) || str_starts(error, STR("NOAUTH ")) ||
	    str_starts(error, STR("READONLY ")))
		disconnect(p->h);
}

static bool take_answers(struct pipeline *p, struct turn *t, const redisReply *reply)
{
	struct store_req *r = t->first;
	uint64_t outbox_last = 0;
	bool ok = redis_reply_turn(reply, &outbox_last) && reply->elements == t->n + 1;

	for (size_t i = 0; ok && i < t->n; i++, r = r->next)
		ok = redis_reply_req(reply->element[i + 1], r);
	if (!ok)
		return false;
	pthread_mutex_lock(&p->h->mutex);
	if (outbox_last > p->h->outbox_last)
		p->h->outbox_last = outbox_last;
	p->h->alive_ms = p->now_ms;
	p->h->stats.turns++;
	p->h->stats.requests += t->n;
	pthread_mutex_unlock(&p->h->mutex);
	return true;
}

static bool take_answer(struct pipeline *p, struct turn *t, const redisReply *reply)
{
	return t->tail ? redis_outbox_read(p->h, reply, t->wanted, t->tail)
		       : take_answers(p, t, reply);
}

/* NULL: the connection broke, or was not there. */
static redisReply *next_answer(struct pipeline *p)
{
	redisReply *reply = NULL;

	if (p->h->conn == NULL || redisGetReply(p->h->conn, (void **)&reply) != REDIS_OK)
		return NULL;
	return reply;
}

/* Of the two answers to a tail, the one that counts: the entries, or what went wrong before. */
static redisReply *tail_answer(struct pipeline *p, struct turn *t)
{
	redisReply *first = next_answer(p), *entries = first ? next_answer(p) : NULL;

	if (entries == NULL || redis_outbox_begin(p->h, first, t->tail)) {
		freeReplyObject(first);
		return entries;
	}
	freeReplyObject(entries);
	return first;
}

static void receive(struct pipeline *p, struct turn *t)
{
	redisReply *reply = t->tail ? tail_answer(p, t) : next_answer(p);
	char text[REDIS_ERROR_LEN];

	/* Its answer went down with the connection. */
	if (reply == NULL) {
		if (p->h->conn != NULL) {
			snprintf(text, sizeof(text), "the connection to the Redis server broke: %s",
				 p->h->conn->errstr);
			complain(p, text);
		}
		disconnect(p->h);
		answer(t, STORE_UNKNOWN);
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		take_error(p, t, reply);
	} else if (!take_answer(p, t, reply)) {
		complain(p, "the Redis server's answer is not that of our function library");
		disconnect(p->h);
		answer(t, STORE_UNKNOWN);
	}
	freeReplyObject(reply);
}

/* ---- a full server --------------------------------------------------------------------------- */

/* Does it bring something new? All else goes on when the server's memory is full, or it would stay so. */
static bool is_new(struct store_req *r)
{
	const struct step *s = container_of(r, struct step, req);

	for (size_t i = 0; r->kind == STORE_STEP && i < s->moves; i++) {
		enum move_kind kind = s->move[i].kind;

		if (kind == MOVE_PUT || kind == MOVE_DOC_PUT || kind == MOVE_RUN_START)
			return true;
	}
	return false;
}

/* The requests of a turn that the server had no memory for, one by one. */
static void drain(struct pipeline *p, const struct turn *t)
{
	struct store_req *r = t->first;

	for (size_t i = 0; i < t->n; i++, r = r->next) {
		struct turn one = { .first = r, .n = 1 };

		if (is_new(r) || p->h->conn == NULL)
			continue;
		redis_wire_turn(&p->args, STR("qstash_drain"), p->h, p->now_ms);
		redis_wire_req(&p->args, p->h, r);
		if (!send_turn(p))
			disconnect(p->h);
		receive(p, &one);
	}
}

struct store_reqs redis_batch_run(struct redis_handle *h, struct store_reqs *reqs, int64_t now_ms)
{
	struct pipeline p = { .h = h, .now_ms = now_ms };
	struct store_reqs taken = { 0 };
	bool connected = connect_again(&p);

	redis_wire_init(&p.args);
	fill(&p, reqs, &taken);
	for (size_t i = 0; i < p.turns; i++) {
		if (connected)
			receive(&p, &p.turn[i]);
		else
			answer(&p.turn[i], STORE_UNAVAILABLE);
	}
	for (size_t i = 0; i < p.turns; i++) {
		if (p.turn[i].no_memory)
			drain(&p, &p.turn[i]);
	}
	redis_wire_done(&p.args);
	return taken;
}
