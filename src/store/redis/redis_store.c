#include "store/redis/redis_int.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { LEASE_DEFAULT_MS = 15000, BEATS_PER_LEASE = 6, ENTRY_BYTES_GUESSED = 64 << 10 };

/* ---- batches --------------------------------------------------------------------------------- */

static void ring(struct redis_handle *h)
{
	if (h->wake != NULL)
		h->wake(h->wake_arg);
}

/* Runs what is queued and leaves it finished. Called and returns with the mutex held. */
static void work(struct redis_handle *h)
{
	struct store_reqs reqs = h->queued;
	int64_t now_ms = h->queued_now_ms;

	h->queued = (struct store_reqs){ 0 };
	h->beat = false;
	do {
		struct store_reqs done;

		pthread_mutex_unlock(&h->mutex);
		done = redis_batch_run(h, &reqs, now_ms);
		pthread_mutex_lock(&h->mutex);
		store_reqs_concat(&h->finished, &done);
		ring(h);
	} while (reqs.head != NULL);
}

static void *thread_main(void *arg)
{
	struct redis_handle *h = arg;

	pthread_mutex_lock(&h->mutex);
	for (;;) {
		while (h->queued.head == NULL && !h->beat && !h->stop)
			pthread_cond_wait(&h->work, &h->mutex);
		if (h->drop || (h->stop && h->queued.head == NULL))
			break;
		work(h);
	}
	pthread_mutex_unlock(&h->mutex);
	return NULL;
}

static void thread_stop(struct redis_handle *h, bool drop)
{
	if (!h->threaded)
		return;
	pthread_mutex_lock(&h->mutex);
	h->stop = true;
	h->drop = drop;
	pthread_cond_signal(&h->work);
	pthread_mutex_unlock(&h->mutex);
	check(pthread_join(h->thread, NULL) == 0);
}

/* ---- the port -------------------------------------------------------------------------------- */

static struct redis_handle *handle_of(struct store *s)
{
	return container_of(s, struct redis_handle, store);
}

static void op_submit(struct store *s, struct store_req *r)
{
	store_reqs_append(&handle_of(s)->pending, r);
}

/* While the thread tries to connect. Called with the mutex held. */
static void answer_away(struct redis_handle *h)
{
	for (struct store_req *r = h->pending.head; r != NULL; r = r->next) {
		store_clear_results(r);
		r->result = STORE_UNAVAILABLE;
	}
	if (h->pending.head != NULL)
		ring(h);
	store_reqs_concat(&h->finished, &h->pending);
}

static void op_flush(struct store *s, int64_t now_ms)
{
	struct redis_handle *h = handle_of(s);
	bool beat = !h->reader &&
		    (now_ms - h->beat_ms >= h->lease_ms / BEATS_PER_LEASE || now_ms < h->beat_ms);

	if (h->pending.head == NULL && !beat)
		return;
	h->beat_ms = now_ms;
	pthread_mutex_lock(&h->mutex);
	if (h->threaded && h->away)
		answer_away(h);
	store_reqs_concat(&h->queued, &h->pending);
	h->beat = true;
	h->queued_now_ms = now_ms;
	if (h->threaded)
		pthread_cond_signal(&h->work);
	else
		work(h);
	pthread_mutex_unlock(&h->mutex);
}

static void op_poll(struct store *s)
{
	struct redis_handle *h = handle_of(s);
	struct store_reqs done;
	struct store_req *r;

	pthread_mutex_lock(&h->mutex);
	done = h->finished;
	h->finished = (struct store_reqs){ 0 };
	if (h->has_info)
		h->store.info = h->info;
	h->has_info = false;
	h->store.info.outbox_last = h->outbox_last;
	h->store.info.alive_ms = h->alive_ms;
	h->store.info.outbox_dropped = h->outbox_dropped;
	memcpy(h->store.info.database, h->database, sizeof(h->database));
	pthread_mutex_unlock(&h->mutex);
	while ((r = store_reqs_pop(&done)) != NULL)
		r->done(r);
}

static void handle_free(struct redis_handle *h)
{
	if (h->conn != NULL)
		redisFree(h->conn);
	redis_url_done(&h->url);
	pthread_mutex_destroy(&h->mutex);
	pthread_cond_destroy(&h->work);
	free(h);
}

/* A call outside of batches. */
static redisReply *call_function(struct redis_handle *h, struct redis_args *a,
				 char ret_error[REDIS_ERROR_LEN])
{
	struct str args[4];

	check(a->count == countof(args));
	for (size_t i = 0; i < countof(args); i++)
		args[i] = str_n(a->v[i], a->n[i]);
	return redis_conn_call(h->conn, countof(args), args, ret_error);
}

static void leases_end(struct redis_handle *h)
{
	char error[REDIS_ERROR_LEN] = "not connected";
	struct redis_args a;
	redisReply *r = NULL;

	if (!h->is_holder)
		return;
	redis_wire_init(&a);
	redis_wire_close(&a, h->holder, h->beat_ms);
	if (h->conn != NULL)
		r = call_function(h, &a, error);
	if (r == NULL)
		log_warn("store", "leases are not given back; they end in %lld ms: %s",
			 (long long)h->lease_ms, error);
	else
		freeReplyObject(r);
	redis_wire_done(&a);
}

static void op_close(struct store *s)
{
	struct redis_handle *h = handle_of(s);

	thread_stop(h, false);
	op_poll(s);
	while (h->pending.head != NULL) {
		struct store_reqs rest = h->pending;
		struct store_req *r;

		h->pending = (struct store_reqs){ 0 };
		while ((r = store_reqs_pop(&rest)) != NULL) {
			r->result = STORE_UNAVAILABLE;
			r->done(r);
		}
	}
	leases_end(h);
	handle_free(h);
}

static const struct store_ops ops = {
	.submit = op_submit,
	.flush = op_flush,
	.poll = op_poll,
	.close = op_close,
};

void redis_store_kill(struct store *s)
{
	struct redis_handle *h = handle_of(s);

	thread_stop(h, true);
	handle_free(h);
}

/* ---- opening --------------------------------------------------------------------------------- */

bool redis_store_become_holder(struct redis_handle *h, int64_t now_ms,
			       char ret_error[REDIS_ERROR_LEN])
{
	struct store_info info = { .lease_ms = h->lease_ms };
	struct redis_args a;
	redisReply *r;

	if (h->is_holder || h->reader)
		return true;
	redis_wire_init(&a);
	redis_wire_open(&a, now_ms, h->sole);
	r = call_function(h, &a, ret_error);
	redis_wire_done(&a);
	if (r == NULL)
		return false;
	h->is_holder = redis_reply_open(r, h->holder, &info);
	freeReplyObject(r);
	if (!h->is_holder) {
		snprintf(ret_error, REDIS_ERROR_LEN,
			 "the Redis server's answer is not that of our function library");
		return false;
	}
	pthread_mutex_lock(&h->mutex);
	h->info = info;
	h->has_info = true;
	h->outbox_last = info.outbox_last;
	h->alive_ms = now_ms;
	pthread_mutex_unlock(&h->mutex);
	return true;
}

static struct redis_handle *handle_new(const struct redis_settings *set, int64_t now_ms)
{
	struct redis_handle *h = xcalloc(1, sizeof(*h));

	h->store.ops = &ops;
	h->threaded = set->threaded;
	h->allow_unsafe = set->allow_unsafe;
	h->reader = set->reader;
	h->outbox_bytes_max = set->outbox_bytes_max;
	h->sole = set->sole;
	h->lease_ms = set->lease_ms ? set->lease_ms : LEASE_DEFAULT_MS;
	h->store.info.lease_ms = h->lease_ms;
	h->wake = set->wake;
	h->wake_arg = set->wake_arg;
	h->beat_ms = now_ms;
	h->entry_bytes = ENTRY_BYTES_GUESSED;
	pthread_mutex_init(&h->mutex, NULL);
	pthread_cond_init(&h->work, NULL);
	return h;
}

static bool thread_start(struct redis_handle *h, char ret_error[REDIS_ERROR_LEN])
{
	if (!h->threaded || pthread_create(&h->thread, NULL, thread_main, h) == 0)
		return true;
	leases_end(h);
	snprintf(ret_error, REDIS_ERROR_LEN,
		 "cannot start the thread of the connection to the Redis server");
	return false;
}

static bool handle_open(struct redis_handle *h, const struct redis_settings *set, int64_t now_ms,
			char ret_error[REDIS_ERROR_LEN])
{
	if (set->deferred) {
		h->away = true;
		return thread_start(h, ret_error);
	}
	h->conn = redis_conn_open(h, ret_error);
	if (h->conn == NULL)
		h->away = set->ret_away != NULL &&
			  (h->loading ? set->ret_loading == NULL : !h->reached);
	if (h->conn == NULL ? !h->away : !redis_store_become_holder(h, now_ms, ret_error))
		return false;
	h->stats.connections = !h->away;
	op_poll(&h->store);
	return thread_start(h, ret_error);
}

struct store *redis_store_open(const struct redis_settings *set, int64_t now_ms,
			       char ret_error[REDIS_ERROR_LEN])
{
	struct redis_handle *h = handle_new(set, now_ms);

	/* The client library writes to connections that the server may have closed. */
	signal(SIGPIPE, SIG_IGN);
	if (redis_url_parse(str_c(set->url), &h->url, ret_error) &&
	    handle_open(h, set, now_ms, ret_error)) {
		if (set->ret_away != NULL)
			*set->ret_away = h->away;
		return &h->store;
	}
	if (set->ret_loading != NULL)
		*set->ret_loading = h->loading;
	handle_free(h);
	return NULL;
}

struct redis_stats redis_store_stats(struct store *s)
{
	struct redis_handle *h = handle_of(s);
	struct redis_stats stats;

	pthread_mutex_lock(&h->mutex);
	stats = h->stats;
	pthread_mutex_unlock(&h->mutex);
	return stats;
}

bool redis_store_check(struct store *s, int64_t now_ms, char ret_error[REDIS_ERROR_LEN])
{
	struct redis_handle *h = handle_of(s);
	struct redis_handle own = { .url = h->url, .allow_unsafe = true };
	struct redis_args a;
	redisReply *r = NULL;
	bool ok = false;

	/* A connection of its own, for the other one belongs to the thread. */
	own.conn = redis_conn_open(&own, ret_error);
	if (own.conn == NULL)
		return false;
	redis_wire_init(&a);
	redis_wire_check(&a, now_ms);
	r = call_function(&own, &a, ret_error);
	if (r != NULL) {
		ok = r->type == REDIS_REPLY_STRING && r->len == 0;
		snprintf(ret_error, REDIS_ERROR_LEN, "%.*s",
			 STR_FMT(str_sub(str_n(r->str, r->len), 0, REDIS_ERROR_LEN - 1)));
		freeReplyObject(r);
	}
	redis_wire_done(&a);
	redisFree(own.conn);
	return ok;
}
