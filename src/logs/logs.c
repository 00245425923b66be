#include "logs/logs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "logs/logreader.h"
#include "logs/logsources.h"
#include "logs/logwriter.h"

enum {
	FILES_OPEN_DEFAULT = 64,
	BODY_BYTES_DEFAULT = 1 << 20,
	BACKLOG_BYTES_DEFAULT = 64 << 20,
	ROUND_BYTES = 4 << 20, /* hand-overs that one round takes together */
	ROUND_EVERY_MS = 50, /* from the end of a round to the next, unless somebody waits for it */
	TAKE_OVERHEAD_BYTES = 128, /* of a hand-over, counted with its events */
};

enum work_kind { WORK_TAKE, WORK_FORGET, WORK_FOUND };

/* What waits for the writer, in order. */
struct work {
	struct work *next;
	enum work_kind kind;
	size_t bytes;                     /* counted in the backlog */
	struct logs_source *source;       /* TAKE */
	struct logwriter_take take;       /* TAKE; events are behind this struct */
	struct logwriter_finding finding; /* FOUND */
	struct str user;                  /* FORGET; behind this struct */
};

struct queries {
	struct logs_query *first, **end;
};

struct logs {
	struct logs_settings settings;
	struct logwriter writer; /* the writer's thread */
	struct logreader
		reader; /* the answering thread, and what the writer must do under its lock */
	pthread_t write_thread, read_thread;
	struct logs_source *sources; /* the owner's; the threads know some of them */
	_Atomic uint64_t forgotten;  /* users */
	uint64_t to_forget; /* the owner's: users to be forgotten, those that are included */

	pthread_mutex_t lock;      /* guards all that follows */
	pthread_cond_t write_cond; /* there is work, or somebody waits for it to be done */
	pthread_cond_t read_cond;  /* there is a query, or a committed position has grown */
	struct work *work, **work_end;
	size_t backlog_bytes;
	struct queries waiting, answered;
	int64_t now_ms; /* the latest that was told */
	bool sweep;     /* time has passed since the last pass over the files was asked for */
	bool closing;
};

/* ---- small helpers ---------------------------------------------------------------------------------- */

static int64_t mono_ms(void)
{
	struct timespec t;

	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms)
{
	struct timespec t = { .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };

	(void)pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &t);
}

static void queries_init(struct queries *qs)
{
	qs->first = NULL;
	qs->end = &qs->first;
}

static void queries_push(struct queries *qs, struct logs_query *q)
{
	q->next = NULL;
	*qs->end = q;
	qs->end = &q->next;
}

/* Takes out the query that *at points to. */
static struct logs_query *queries_remove(struct queries *qs, struct logs_query **at)
{
	struct logs_query *q = *at;

	*at = q->next;
	if (!q->next)
		qs->end = at;
	return q;
}

static void wake_owner(struct logs *l)
{
	if (l->settings.wake)
		l->settings.wake(l->settings.wake_arg);
}

static bool is_in(const struct logs_query *q)
{
	return q->not_before_pos == 0 || (q->from && q->not_before_pos <= logs_committed(q->from));
}

/* ---- the writer ------------------------------------------------------------------------------------- */

/* Behind the struct is a copy of `bytes`. */
static struct work *work_new(enum work_kind kind, struct str bytes, struct str *ret_copy)
{
	struct work *w = xmalloc(sizeof(*w) + bytes.n);
	char *copy = (char *)(w + 1);

	*w = (struct work){ .kind = kind };
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	*ret_copy = str_n(copy, bytes.n);
	return w;
}

static void work_push(struct logs *l, struct work *w)
{
	*l->work_end = w;
	l->work_end = &w->next;
	l->backlog_bytes += w->bytes;
}

/* Takes out what one round does: some hand-overs, or one thing of another kind. */
static struct work *work_pop(struct logs *l)
{
	struct work *first = l->work, *last = first;
	size_t bytes = first->bytes;

	while (first->kind == WORK_TAKE && last->next && last->next->kind == WORK_TAKE &&
	       bytes < ROUND_BYTES) {
		last->take.next = &last->next->take;
		last = last->next;
		bytes += last->bytes;
	}
	l->work = last->next;
	if (!l->work)
		l->work_end = &l->work;
	last->next = NULL;
	return first;
}

static void work_do(struct logs *l, struct work *w, int64_t now_ms)
{
	switch (w->kind) {
	case WORK_TAKE:
		logwriter_round(&l->writer, &w->take, now_ms);
		return;
	case WORK_FORGET:
		logwriter_forget(&l->writer, w->user);
		atomic_fetch_add(&l->forgotten, 1);
		return;
	case WORK_FOUND:
		logwriter_found_broken(&l->writer, &w->finding, now_ms);
		return;
	}
	unreachable();
}

/* Frees what was done. Returns its bytes; raises the committed positions. */
static size_t work_finish(struct work *w)
{
	size_t bytes = 0;

	while (w) {
		struct work *next = w->next;

		if (w->kind == WORK_TAKE)
			atomic_store(&w->source->committed, w->take.pos);
		bytes += w->bytes;
		free(w);
		w = next;
	}
	return bytes;
}

/* A round, with the lock held before and after. */
static void work_round(struct logs *l)
{
	struct work *w = work_pop(l);
	int64_t now_ms = l->now_ms;
	bool awaited = w->kind != WORK_FOUND;
	size_t bytes;

	pthread_mutex_unlock(&l->lock);
	work_do(l, w, now_ms);
	bytes = work_finish(w);
	pthread_mutex_lock(&l->lock);
	l->backlog_bytes -= bytes;
	pthread_cond_signal(&l->read_cond);
	if (awaited) {
		pthread_mutex_unlock(&l->lock);
		wake_owner(l);
		pthread_mutex_lock(&l->lock);
	}
}

/* Does a query wait for what is in the backlog? */
static bool is_hurry(const struct logs *l)
{
	for (const struct logs_query *q = l->waiting.first; q && !l->settings.patient;
	     q = q->next) {
		if (!is_in(q))
			return true;
	}
	return false;
}

/* A piece of a pass over the files, with the lock held before and after. */
static void sweep_piece(struct logs *l)
{
	int64_t now_ms = l->now_ms;
	bool more;

	pthread_mutex_unlock(&l->lock);
	more = logwriter_sweep(&l->writer, now_ms);
	pthread_mutex_lock(&l->lock);
	l->sweep = more;
}

/* May the work wait, so that a round has more of it? */
static bool may_wait(const struct logs *l, int64_t next_ms)
{
	return !l->closing && l->backlog_bytes < ROUND_BYTES && !is_hurry(l) && mono_ms() < next_ms;
}

static void *write_main(void *arg)
{
	struct logs *l = arg;
	int64_t next_ms = 0;

	pthread_mutex_lock(&l->lock);
	while (l->work || !l->closing) {
		if (l->work && !may_wait(l, next_ms)) {
			work_round(l);
			next_ms = mono_ms() + ROUND_EVERY_MS;
		}
		if (l->closing)
			continue;
		if (l->sweep)
			sweep_piece(l);
		else if (!l->work)
			pthread_cond_wait(&l->write_cond, &l->lock);
		else if (may_wait(l, next_ms))
			wait_until(&l->write_cond, &l->lock, next_ms);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- the answering thread --------------------------------------------------------------------------- */

/* The first query that can be answered now, taken out; else NULL, and when one can be at the
 * latest. */
static struct logs_query *pick_query(struct logs *l, int64_t *ret_at_ms)
{
	int64_t now_ms = 0;

	*ret_at_ms = INT64_MAX;
	for (struct logs_query **at = &l->waiting.first; *at; at = &(*at)->next) {
		struct logs_query *q = *at;

		if (is_in(q))
			return queries_remove(&l->waiting, at);
		if (!now_ms)
			now_ms = mono_ms();
		if (q->deadline_ms <= now_ms)
			return queries_remove(&l->waiting, at);
		if (q->deadline_ms < *ret_at_ms)
			*ret_at_ms = q->deadline_ms;
	}
	return NULL;
}

static void answer(struct logs *l, struct logs_query *q)
{
	struct str nothing;
	struct work *w = work_new(WORK_FOUND, STR_NULL, &nothing);
	bool found = logreader_answer(&l->reader, q, &w->finding);

	pthread_mutex_lock(&l->lock);
	queries_push(&l->answered, q);
	if (found) {
		work_push(l, w);
		pthread_cond_signal(&l->write_cond);
	}
	pthread_mutex_unlock(&l->lock);
	if (!found)
		free(w);
	wake_owner(l);
}

static void *read_main(void *arg)
{
	struct logs *l = arg;

	/* Of the thread alone, on Linux. Without it, it only competes like any other. */
	if (l->settings.read_nice)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), l->settings.read_nice);
	pthread_mutex_lock(&l->lock);
	while (!l->closing) {
		int64_t at_ms;
		struct logs_query *q = pick_query(l, &at_ms);

		if (q) {
			pthread_mutex_unlock(&l->lock);
			answer(l, q);
			pthread_mutex_lock(&l->lock);
		} else if (at_ms < INT64_MAX) {
			wait_until(&l->read_cond, &l->lock, at_ms);
		} else {
			pthread_cond_wait(&l->read_cond, &l->lock);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- opening and closing ---------------------------------------------------------------------------- */

static void set_defaults(struct logs_settings *s)
{
	if (!s->files_open_max)
		s->files_open_max = FILES_OPEN_DEFAULT;
	if (!s->body_bytes_max)
		s->body_bytes_max = BODY_BYTES_DEFAULT;
	if (!s->backlog_bytes_max)
		s->backlog_bytes_max = BACKLOG_BYTES_DEFAULT;
}

static void init_sides(struct logs *l)
{
	const struct logs_settings *s = &l->settings;
	struct logwriter_settings writer = {
		.dir = s->dir,
		.ephemeral = s->ephemeral,
		.files_open_max = s->files_open_max,
		.body_bytes_max = s->body_bytes_max,
		.retention_s = s->retention_s,
		.retention_arg = s->retention_arg,
		.readers = &l->reader.files,
		.reading = &l->reader.reading,
	};

	logreader_init(&l->reader, s->dir, s->files_open_max);
	logwriter_init(&l->writer, &writer);
}

static void release(struct logs *l)
{
	logsources_free(l->sources);
	logwriter_done(&l->writer);
	logreader_done(&l->reader);
	pthread_cond_destroy(&l->read_cond);
	pthread_cond_destroy(&l->write_cond);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void stop_thread(struct logs *l, pthread_t thread)
{
	pthread_mutex_lock(&l->lock);
	l->closing = true;
	pthread_cond_broadcast(&l->write_cond);
	pthread_cond_broadcast(&l->read_cond);
	pthread_mutex_unlock(&l->lock);
	check(pthread_join(thread, NULL) == 0);
}

static bool start_threads(struct logs *l)
{
	if (pthread_create(&l->write_thread, NULL, write_main, l) != 0)
		return false;
	if (pthread_create(&l->read_thread, NULL, read_main, l) == 0)
		return true;
	stop_thread(l, l->write_thread);
	return false;
}

struct logs *logs_open(const struct logs_settings *settings, char ret_error[200])
{
	int error = logfiles_make_dir(settings->dir);
	struct logs *l;

	if (error) {
		snprintf(ret_error, 200, "the directory %s cannot be made: %s", settings->dir,
			 strerrordesc_np(error));
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->settings = *settings;
	set_defaults(&l->settings);
	init_sides(l);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->write_cond, NULL);
	pthread_cond_init(&l->read_cond, NULL);
	l->work_end = &l->work;
	queries_init(&l->waiting);
	queries_init(&l->answered);
	if (settings->threaded && !start_threads(l)) {
		snprintf(ret_error, 200, "the log's threads cannot be started");
		release(l);
		return NULL;
	}
	return l;
}

void logs_close(struct logs *l)
{
	if (l->settings.threaded) {
		stop_thread(l, l->read_thread);
		stop_thread(l, l->write_thread);
	}
	check(!l->work);
	while (l->waiting.first) {
		struct logs_query *q = queries_remove(&l->waiting, &l->waiting.first);

		problem_set(&q->problem, 503, "the server is stopping");
		queries_push(&l->answered, q);
	}
	logs_poll(l);
	release(l);
}

/* ---- the owner's calls ------------------------------------------------------------------------------ */

/* Does what there is to do, when there are no threads. */
static void run_inline(struct logs *l)
{
	pthread_mutex_lock(&l->lock);
	while (l->work)
		work_round(l);
	pthread_mutex_unlock(&l->lock);
}

struct logs_source *logs_source(struct logs *l, struct str name)
{
	struct logs_source *s = logsources_find(l->sources, name);

	return s ? s : logsources_add(&l->sources, name, l);
}

bool logs_take(struct logs_source *s, struct str events, uint64_t after, uint64_t pos,
	       int64_t now_ms)
{
	size_t bytes = events.n + TAKE_OVERHEAD_BYTES;
	struct logs *l = s->logs;
	struct work *w;

	check(after <= pos);
	pthread_mutex_lock(&l->lock);
	l->now_ms = now_ms;
	if (l->backlog_bytes && l->backlog_bytes + bytes > l->settings.backlog_bytes_max) {
		pthread_mutex_unlock(&l->lock);
		return false;
	}
	pthread_mutex_unlock(&l->lock);
	w = work_new(WORK_TAKE, events, &events);
	w->bytes = bytes;
	w->source = s;
	w->take = (struct logwriter_take){
		.source = str_c(s->name), .events = events, .after = after, .pos = pos
	};
	pthread_mutex_lock(&l->lock);
	work_push(l, w);
	/* The writer looks again by itself when its next round is due. */
	if (l->work == w || l->backlog_bytes >= ROUND_BYTES || l->waiting.first)
		pthread_cond_signal(&l->write_cond);
	pthread_mutex_unlock(&l->lock);
	if (!l->settings.threaded)
		run_inline(l);
	return true;
}

void logs_tick(struct logs *l, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	l->now_ms = now_ms;
	l->sweep = true;
	pthread_cond_signal(&l->write_cond);
	pthread_mutex_unlock(&l->lock);
	while (!l->settings.threaded && logwriter_sweep(&l->writer, now_ms)) {
	}
}

void logs_query(struct logs *l, struct logs_query *q)
{
	q->problem = (struct problem){ 0 };
	q->body = (struct buf){ 0 };
	q->found = false;
	q->from = logsources_find(l->sources, q->source);
	q->deadline_ms = q->not_before_pos ? mono_ms() + LOGS_BARRIER_MS : 0;
	if (!l->settings.threaded) {
		answer(l, q);
		run_inline(l);
		return;
	}
	pthread_mutex_lock(&l->lock);
	queries_push(&l->waiting, q);
	pthread_cond_signal(&l->read_cond);
	if (!is_in(q))
		pthread_cond_signal(&l->write_cond);
	pthread_mutex_unlock(&l->lock);
}

static void port_query(void *arg, struct logs_query *q)
{
	logs_query(arg, q);
}

struct logs_port logs_port(struct logs *l)
{
	return (struct logs_port){ port_query, l };
}

void logs_poll(struct logs *l)
{
	struct logs_query *q;

	pthread_mutex_lock(&l->lock);
	q = l->answered.first;
	queries_init(&l->answered);
	pthread_mutex_unlock(&l->lock);
	while (q) {
		struct logs_query *next = q->next;

		q->done(q);
		q = next;
	}
}

uint64_t logs_forget_user(struct logs *l, struct str user)
{
	struct work *w = work_new(WORK_FORGET, user, &user);

	w->user = user;
	pthread_mutex_lock(&l->lock);
	work_push(l, w);
	pthread_cond_signal(&l->write_cond);
	pthread_mutex_unlock(&l->lock);
	l->to_forget++;
	if (!l->settings.threaded)
		run_inline(l);
	return l->to_forget;
}

bool logs_is_forgotten(const struct logs *l, uint64_t number)
{
	return atomic_load(&l->forgotten) >= number;
}

struct logs_stats logs_stats(struct logs *l)
{
	const struct logwriter_counts *c = &l->writer.counts;
	struct logs_stats s = {
		.events_written = atomic_load(&c->events_written),
		.events_dropped = atomic_load(&c->events_dropped),
		.files_set_aside = atomic_load(&c->files_set_aside),
	};

	pthread_mutex_lock(&l->lock);
	s.backlog_bytes = l->backlog_bytes;
	pthread_mutex_unlock(&l->lock);
	return s;
}
