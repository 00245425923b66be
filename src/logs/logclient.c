#include "logs/logclient.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/list.h"
#include "logs/logslot.h"
#include "logs/logwire.h"

enum {
	TIMEOUT_DEFAULT_MS = 15000,
	CONNECT_MS = 2000,
	CONNECTIONS_MAX = 32, /* to one process; further queries wait for one of them */
	FORGET_AGAIN_MS = 500,
	IDLE_MS = 60 * 1000,
};

struct peer {
	char *socket; /* owned; NULL: elsewhere */
	char *base;   /* owned; of the URL */
};

/* A request under way, or waiting to be sent. */
struct ask {
	struct list node;
	struct logclient *client;
	unsigned slot;
	struct logs_query *query; /* NULL: a user is to be forgotten */
	uint64_t number;          /* of the forgetting */
	int64_t at_ms;            /* mono: not before */
	struct buf body, answer;
	CURL *curl; /* NULL: not sent */
	char why[CURL_ERROR_SIZE];
};

struct logclient {
	struct logclient_settings set;
	struct peer peer[LOGSLOT_MAX];
	struct curl_slist *headers;
	char *ca_file;
	CURLM *multi;
	pthread_t thread;
	struct list sent; /* the thread's */

	pthread_mutex_t lock;   /* guards what follows */
	struct list waiting;    /* to be sent */
	struct list answered;   /* queries */
	uint64_t forgets;       /* numbers given */
	struct list forgetting; /* struct forgetting: those that are not done */
	bool closing;
};

struct forgetting {
	struct list node;
	uint64_t number;
};

static int64_t mono_ms(void)
{
	struct timespec t;

	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- one request ------------------------------------------------------------------------------------ */

static struct ask *ask_new(struct logclient *c, struct str user)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->client = c;
	a->slot = logslot_of(user, c->set.slots);
	list_init(&a->node);
	buf_init(&a->body, LOGWIRE_QUERY_BYTES_MAX);
	buf_init(&a->answer, LOGWIRE_ANSWER_BYTES_MAX);
	return a;
}

static void ask_free(struct ask *a)
{
	buf_done(&a->body);
	buf_done(&a->answer);
	free(a);
}

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct ask *a = arg;

	buf_add(&a->answer, str_n(p, size * n));
	return a->answer.overflow ? 0 : size * n;
}

static void set_target(struct ask *a)
{
	const struct peer *peer = &a->client->peer[a->slot];
	const char *path = a->query ? "/query" : "/forget";
	struct arena room;

	arena_init(&room);
	if (peer->socket)
		curl_easy_setopt(a->curl, CURLOPT_UNIX_SOCKET_PATH, peer->socket);
	curl_easy_setopt(a->curl, CURLOPT_URL, arena_fmt(&room, "%s%s", peer->base, path).p);
	arena_done(&room);
}

static void send_ask(struct ask *a)
{
	struct logclient *c = a->client;

	a->curl = curl_easy_init();
	check(a->curl != NULL);
	buf_reset(&a->answer);
	a->why[0] = '\0';
	set_target(a);
	curl_easy_setopt(a->curl, CURLOPT_PRIVATE, a);
	curl_easy_setopt(a->curl, CURLOPT_ERRORBUFFER, a->why);
	curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(a->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(a->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, (long)c->set.timeout_ms);
	curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, a);
	if (c->ca_file)
		curl_easy_setopt(a->curl, CURLOPT_CAINFO, c->ca_file);
	curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->body.n);
	curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, a->body.p);
	check(curl_multi_add_handle(c->multi, a->curl) == CURLM_OK);
	list_push(&c->sent, &a->node);
}

static void unsend(struct ask *a)
{
	list_remove(&a->node);
	curl_multi_remove_handle(a->client->multi, a->curl);
	curl_easy_cleanup(a->curl);
	a->curl = NULL;
}

static void fail(struct ask *a, const char *why)
{
	problem_set(&a->query->problem, 503,
		    "the log cannot be read at the moment: log process %u of %u %.300s",
		    a->slot + 1, a->client->set.slots, why);
}

static void judge_query(struct ask *a, CURLcode code, long status)
{
	char text[CURL_ERROR_SIZE + 64];

	if (code == CURLE_OK && status == 200) {
		if (!logwire_answer_read(buf_str(&a->answer), a->query))
			fail(a, "gave an answer that makes no sense");
		return;
	}
	if (code == CURLE_COULDNT_CONNECT)
		snprintf(text, sizeof(text), "is not running");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(text, sizeof(text), "does not answer");
	else if (code == CURLE_OK)
		snprintf(text, sizeof(text), "refuses (%ld): %.*s", status,
			 STR_FMT(str_sub(buf_str(&a->answer), 0, 150)));
	else
		snprintf(text, sizeof(text), "cannot be asked: %s",
			 *a->why ? a->why : curl_easy_strerror(code));
	fail(a, text);
}

/* With the lock held. */
static void forgotten(struct logclient *c, uint64_t number)
{
	struct list *it, *tmp;

	list_each(it, tmp, &c->forgetting) {
		struct forgetting *f = list_entry(it, struct forgetting, node);

		if (f->number == number) {
			list_remove(&f->node);
			free(f);
		}
	}
}

static void finish(struct ask *a, CURLcode code)
{
	struct logclient *c = a->client;
	long status = 0;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	unsend(a);
	if (a->query)
		judge_query(a, code, status);
	pthread_mutex_lock(&c->lock);
	if (a->query) {
		list_push(&c->answered, &a->node);
	} else if (code == CURLE_OK && status == 200) {
		forgotten(c, a->number);
	} else {
		a->at_ms = mono_ms() + FORGET_AGAIN_MS;
		list_push(&c->waiting, &a->node);
	}
	pthread_mutex_unlock(&c->lock);
	if (!a->query && list_is_empty(&a->node))
		ask_free(a);
	if (c->set.wake)
		c->set.wake(c->set.wake_arg);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

/* Sends what is due. Returns how long the rest may wait, ms; -1 at the end. */
static int send_waiting(struct logclient *c)
{
	int64_t now_ms = mono_ms(), wait_ms = IDLE_MS;
	struct list *it, *tmp;
	bool closing;

	pthread_mutex_lock(&c->lock);
	closing = c->closing;
	list_each(it, tmp, &c->waiting) {
		struct ask *a = list_entry(it, struct ask, node);

		if (a->at_ms > now_ms) {
			wait_ms = a->at_ms - now_ms < wait_ms ? a->at_ms - now_ms : wait_ms;
			continue;
		}
		list_remove(&a->node);
		send_ask(a);
	}
	pthread_mutex_unlock(&c->lock);
	return closing ? -1 : (int)wait_ms;
}

static void *thread_main(void *arg)
{
	struct logclient *c = arg;
	int wait_ms;

	while ((wait_ms = send_waiting(c)) >= 0) {
		CURLMsg *m;
		int n;

		check(curl_multi_perform(c->multi, &n) == CURLM_OK);
		while ((m = curl_multi_info_read(c->multi, &n)) != NULL) {
			struct ask *a = NULL;

			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &a);
			finish(a, m->data.result);
			wait_ms = 0; /* it may have to be sent again */
		}
		check(curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL) == CURLM_OK);
	}
	return NULL;
}

static void push(struct logclient *c, struct ask *a)
{
	pthread_mutex_lock(&c->lock);
	list_push(&c->waiting, &a->node);
	pthread_mutex_unlock(&c->lock);
	check(curl_multi_wakeup(c->multi) == CURLM_OK);
}

/* ---- opening and closing ---------------------------------------------------------------------------- */

static bool set_peer(struct logclient *c, unsigned slot, const char *where, char ret_error[200])
{
	struct peer *peer = &c->peer[slot];
	struct str s = str_c(where);
	struct arena room;

	if (s.n > 0 && s.p[0] == '/') {
		arena_init(&room);
		peer->socket = str_dup(s);
		peer->base = str_dup(arena_fmt(&room, "http://log-%u", slot));
		arena_done(&room);
		return true;
	}
	while (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	if (!str_starts(s, STR("http://")) && !str_starts(s, STR("https://"))) {
		snprintf(ret_error, 200,
			 "'%.120s' is not where a log process can be: http://host:port", where);
		return false;
	}
	peer->base = str_dup(s);
	return true;
}

static void release(struct logclient *c)
{
	for (unsigned i = 0; i < c->set.slots; i++) {
		free(c->peer[i].socket);
		free(c->peer[i].base);
	}
	curl_slist_free_all(c->headers);
	curl_multi_cleanup(c->multi);
	pthread_mutex_destroy(&c->lock);
	free(c->ca_file);
	free(c);
}

static void set_headers(struct logclient *c)
{
	struct arena room;

	arena_init(&room);
	c->headers = curl_slist_append(NULL, "Content-Type: application/octet-stream");
	c->headers = curl_slist_append(c->headers, "Expect:");
	if (c->set.secret.n > 0)
		c->headers = curl_slist_append(
			c->headers,
			arena_fmt(&room, "Authorization: Bearer %.*s", STR_FMT(c->set.secret)).p);
	arena_done(&room);
}

struct logclient *logclient_open(const struct logclient_settings *settings, char ret_error[200])
{
	struct logclient *c = xcalloc(1, sizeof(*c));
	bool ok = true;

	check(settings->slots > 0 && settings->slots <= LOGSLOT_MAX);
	c->set = *settings;
	if (!c->set.timeout_ms)
		c->set.timeout_ms = TIMEOUT_DEFAULT_MS;
	list_init(&c->sent);
	list_init(&c->waiting);
	list_init(&c->answered);
	list_init(&c->forgetting);
	pthread_mutex_init(&c->lock, NULL);
	c->ca_file = settings->ca_file ? str_dup(str_c(settings->ca_file)) : NULL;
	set_headers(c);
	c->multi = curl_multi_init();
	check(c->multi != NULL);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_MAX);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS,
			  (long)CONNECTIONS_MAX * (long)settings->slots);
	for (unsigned i = 0; ok && i < settings->slots; i++)
		ok = set_peer(c, i, settings->peers[i], ret_error);
	c->set.peers = NULL;
	if (ok && pthread_create(&c->thread, NULL, thread_main, c) != 0) {
		snprintf(ret_error, 200,
			 "the thread that asks the log processes cannot be started");
		ok = false;
	}
	if (ok)
		return c;
	release(c);
	return NULL;
}

static void drop(struct logclient *c, struct list *asks)
{
	struct list *node;

	while ((node = list_pop(asks)) != NULL) {
		struct ask *a = list_entry(node, struct ask, node);

		if (a->curl)
			unsend(a);
		if (!a->query) {
			ask_free(a);
			continue;
		}
		problem_set(&a->query->problem, 503, "the server is stopping");
		list_push(&c->answered, &a->node);
	}
}

void logclient_close(struct logclient *c)
{
	struct list *node;

	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_mutex_unlock(&c->lock);
	check(curl_multi_wakeup(c->multi) == CURLM_OK);
	check(pthread_join(c->thread, NULL) == 0);
	drop(c, &c->sent);
	do { /* the answers may ask again */
		drop(c, &c->waiting);
		logclient_poll(c);
	} while (!list_is_empty(&c->waiting));
	while ((node = list_pop(&c->forgetting)) != NULL)
		free(list_entry(node, struct forgetting, node));
	release(c);
}

/* ---- the port --------------------------------------------------------------------------------------- */

static void port_query(void *arg, struct logs_query *q)
{
	struct logclient *c = arg;
	struct ask *a = ask_new(c, q->user);

	q->problem = (struct problem){ 0 };
	q->body = (struct buf){ 0 };
	q->found = false;
	a->query = q;
	logwire_query(&a->body, q);
	if (!a->body.overflow) {
		push(c, a);
		return;
	}
	problem_set(&q->problem, 400, "the filter is too long");
	pthread_mutex_lock(&c->lock);
	list_push(&c->answered, &a->node);
	pthread_mutex_unlock(&c->lock);
	if (c->set.wake)
		c->set.wake(c->set.wake_arg);
}

struct logs_port logclient_port(struct logclient *c)
{
	return (struct logs_port){ port_query, c };
}

void logclient_poll(struct logclient *c)
{
	for (;;) {
		struct list *node;
		struct ask *a;

		pthread_mutex_lock(&c->lock);
		node = list_pop(&c->answered);
		pthread_mutex_unlock(&c->lock);
		if (node == NULL)
			return;
		a = list_entry(node, struct ask, node);
		a->query->done(a->query);
		ask_free(a);
	}
}

uint64_t logclient_forget(struct logclient *c, struct str user)
{
	struct ask *a = ask_new(c, user);
	struct forgetting *f = xcalloc(1, sizeof(*f));

	buf_add(&a->body, user);
	pthread_mutex_lock(&c->lock);
	a->number = f->number = ++c->forgets;
	list_push(&c->forgetting, &f->node);
	pthread_mutex_unlock(&c->lock);
	push(c, a);
	return f->number;
}

bool logclient_is_forgotten(struct logclient *c, uint64_t number)
{
	struct list *it, *tmp;
	bool done = true;

	pthread_mutex_lock(&c->lock);
	list_each(it, tmp, &c->forgetting)
		done &= list_entry(it, struct forgetting, node)->number != number;
	pthread_mutex_unlock(&c->lock);
	return done;
}
