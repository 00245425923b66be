#include "app/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/backoff.h"
#include "app/poison.h"
#include "app/worker.h"
#include "base/check.h"
#include "base/log.h"
#include "net/child.h"
#include "net/loop.h"

enum {
	LOOK_EVERY_MS = 1000, /* at the numbers */
	NUMBERS_FRESH_MS = 3000,
	REPLACEMENT_TRIES = 3,
};

struct supervisor {
	struct supervisor_settings set;
	struct loop *loop;
	struct list workers;
	int generation;   /* that all are to be of; grows with each SIGHUP */
	bool has_begun;   /* something has become ready */
	bool is_complete; /* all were ready once */
	bool stopping;
	size_t stop_role; /* the one that is being ended */
	int status;
	struct scaling scaling;
	int64_t look_at_ms;
	struct poison poison;
};

static bool is_running(const struct worker *w)
{
	return w->child != NULL;
}

/* ---- workers ---------------------------------------------------------------------------------------- */

static void take_message(struct worker *w, struct str what, struct str rest);
static void take_end(struct worker *w, int status, int signum);

static struct worker *add_worker(struct supervisor *s, size_t role_index, int index)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->role_index = role_index;
	w->role = &s->set.role[role_index];
	w->index = index;
	snprintf(w->name, sizeof(w->name), "%.20s-%d", w->role->command, index);
	w->message = take_message;
	w->ended = take_end;
	w->owner = s;
	list_push(&s->workers, &w->node);
	return w;
}

static void remove_worker(struct supervisor *s, struct worker *w)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers) {
		struct worker *other = list_entry(it, struct worker, node);

		if (other->replaces == w)
			other->replaces = NULL;
	}
	if (w->replaces != NULL)
		w->replaces->is_replaced = false;
	list_remove(&w->node);
	free(w);
}

static void tell_end(struct supervisor *s, struct worker *w, bool patiently)
{
	check(is_running(w));
	w->state = WORKER_ENDING;
	w->kill_at_ms = loop_mono_ms(s->loop) + s->set.end_ms_max;
	if (patiently)
		worker_tell(w, STR("retire"));
	else
		worker_signal(w, SIGTERM);
}

static void tell_quarantined(struct worker *w, const struct inhand *message)
{
	struct buf b;

	buf_init(&b, 256);
	buf_add(&b, STR("quarantine "));
	poison_format(message, &b);
	worker_tell(w, buf_str(&b));
	buf_done(&b);
}

/* ---- starting --------------------------------------------------------------------------------------- */

static void start_worker(struct supervisor *s, struct worker *w)
{
	int64_t now_ms = loop_mono_ms(s->loop);

	if (!worker_start(w, s->loop, s->set.program, s->set.socket, now_ms)) {
		if (!s->has_begun) {
			s->status = 1;
			loop_stop(s->loop);
		}
		w->backoff_ms = backoff_next_ms(w->backoff_ms, 0);
		w->start_at_ms = now_ms + w->backoff_ms;
		return;
	}
	w->generation = s->generation;
	for (size_t i = s->poison.n; i-- > 0;)
		if (poison_has(&s->poison.v[i]))
			tell_quarantined(w, &s->poison.v[i].message);
}

/* The first one has shown that it can be done. */
static void add_the_others(struct supervisor *s)
{
	for (size_t r = 0; r < s->set.roles; r++)
		for (int i = r == 0 ? 1 : 0; i < s->set.role[r].n; i++)
			add_worker(s, r, i);
}

static bool are_all_ready(const struct supervisor *s)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers)
		if (list_entry(it, struct worker, node)->state != WORKER_READY)
			return false;
	return true;
}

static void take_ready(struct supervisor *s, struct worker *w)
{
	if (w->state != WORKER_STARTING)
		return;
	w->state = WORKER_READY;
	w->failures = 0;
	scaling_reset(&s->scaling);
	if (!s->has_begun) {
		s->has_begun = true;
		add_the_others(s);
	}
	if (w->replaces != NULL) {
		w->replaces->is_last = true;
		if (w->replaces->state != WORKER_ENDING && is_running(w->replaces))
			tell_end(s, w->replaces, true);
		else if (!is_running(w->replaces))
			remove_worker(s, w->replaces);
	}
	if (!s->is_complete && are_all_ready(s)) {
		s->is_complete = true;
		s->set.ready(s->set.arg);
	}
}

static void take_message(struct worker *w, struct str what, struct str rest)
{
	struct supervisor *s = w->owner;

	if (str_eq(what, STR("ready")))
		take_ready(s, w);
	else if (str_eq(what, STR("numbers")))
		worker_take_numbers(w, rest, loop_mono_ms(s->loop));
}

/* ---- ends ------------------------------------------------------------------------------------------- */

static void judge_death(struct supervisor *s, const struct worker *w)
{
	struct list *it, *tmp;

	if (w->page->seq != 0)
		log_error("supervisor", "%s was at work on message %llu of user %.*s", w->name,
			  (unsigned long long)w->page->seq,
			  (int)(w->page->user_n <= USER_ID_BYTES_MAX ? w->page->user_n : 0),
			  w->page->user);
	if (!poison_death(&s->poison, w->page))
		return;
	log_error("supervisor",
		  "%d processes have died of that message: it will not be attempted any more",
		  POISON_DEATHS);
	list_each(it, tmp, &s->workers) {
		struct worker *other = list_entry(it, struct worker, node);

		if (other != w && is_running(other))
			tell_quarantined(other, &s->poison.v[0].message);
	}
}

static void log_end(const struct worker *w, int status, int signum)
{
	if (signum != 0)
		log_error("supervisor", "%s (process %d) was ended by signal %d (%s)", w->name,
			  child_pid(w->child), signum, strsignal(signum));
	else
		log_error("supervisor", "%s (process %d) has ended with status %d", w->name,
			  child_pid(w->child), status);
}

static void give_up_roll(struct supervisor *s)
{
	struct list *it, *tmp;

	log_error("supervisor", "the fresh processes do not become ready: the old ones stay");
	list_each(it, tmp, &s->workers)
		list_entry(it, struct worker, node)->generation = s->generation;
}

/* It has ended although nobody told it to. */
static void start_again(struct supervisor *s, struct worker *w, bool was_ready)
{
	int64_t now_ms = loop_mono_ms(s->loop);

	w->failures += was_ready ? 0 : 1;
	if (w->replaces != NULL && w->failures >= REPLACEMENT_TRIES) {
		remove_worker(s, w);
		give_up_roll(s);
		return;
	}
	w->backoff_ms = backoff_next_ms(w->backoff_ms, now_ms - w->started_ms);
	w->start_at_ms = now_ms + w->backoff_ms;
	w->state = WORKER_WAITING;
}

static void take_end(struct worker *w, int status, int signum)
{
	struct supervisor *s = w->owner;
	enum worker_state state = w->state;
	bool was_told =
		state == WORKER_ENDING && (signum == 0 || signum == SIGTERM || signum == SIGKILL);

	/* The first one has said itself why it cannot begin. */
	if (!was_told && (s->has_begun || signum != 0))
		log_end(w, status, signum);
	if (!was_told && signum != 0)
		judge_death(s, w);
	worker_clean(w);
	scaling_reset(&s->scaling);
	w->start_at_ms = 0;
	w->state = WORKER_WAITING;
	if (!s->has_begun && !s->stopping) {
		s->status = status != 0 ? status : 1;
		remove_worker(s, w);
		loop_stop(s->loop);
	} else if (s->stopping || w->is_last) {
		remove_worker(s, w);
	} else if (state != WORKER_ENDING) {
		start_again(s, w, state == WORKER_READY);
	}
}

/* ---- rolling restart -------------------------------------------------------------------------------- */

static bool is_in_flux(const struct worker *w)
{
	return w->state == WORKER_STARTING || w->state == WORKER_ENDING || w->replaces != NULL ||
	       w->is_replaced;
}

/* One at a time. */
static void roll(struct supervisor *s)
{
	struct worker *old = NULL, *fresh;
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers) {
		struct worker *w = list_entry(it, struct worker, node);

		if (is_in_flux(w))
			return;
		if (old == NULL && w->state == WORKER_READY && w->generation < s->generation)
			old = w;
	}
	if (old == NULL)
		return;
	if (old->role->alone) {
		tell_end(s, old, true);
		return;
	}
	fresh = add_worker(s, old->role_index, old->index);
	fresh->replaces = old;
	old->is_replaced = true;
	start_worker(s, fresh);
}

static void hang_up(void *arg)
{
	struct supervisor *s = arg;

	if (s->stopping || !s->is_complete)
		return;
	s->generation++;
	log_info("supervisor", "all processes are replaced, one after the other");
}

/* ---- more and fewer --------------------------------------------------------------------------------- */

static int free_index(const struct supervisor *s)
{
	struct list *it, *tmp;
	int index = 0;

	list_each(it, tmp, &s->workers) {
		const struct worker *w = list_entry(it, struct worker, node);

		if (w->role_index == 0 && w->index >= index)
			index = w->index + 1;
	}
	return index;
}

static void retire_last(struct supervisor *s)
{
	struct worker *last = NULL;
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers) {
		struct worker *w = list_entry(it, struct worker, node);

		if (w->role_index == 0 && (last == NULL || w->index > last->index))
			last = w;
	}
	check(last != NULL && last->state == WORKER_READY);
	log_info("supervisor", "%s is not needed any more", last->name);
	last->is_last = true;
	tell_end(s, last, true);
}

/* All of the first role that there are, when each has said lately what it does; else 0. */
static size_t samples(const struct supervisor *s, struct scaling_sample *v, size_t max,
		      int64_t now_ms)
{
	struct list *it, *tmp;
	size_t n = 0;

	list_each(it, tmp, &s->workers) {
		const struct worker *w = list_entry(it, struct worker, node);

		if (w->role_index != 0)
			continue;
		if (w->state != WORKER_READY || is_in_flux(w) || n == max || w->sample_ms == 0 ||
		    now_ms - w->sample_ms > NUMBERS_FRESH_MS)
			return 0;
		v[n++] = w->sample;
	}
	return n;
}

static void look_at_numbers(struct supervisor *s, int64_t now_ms)
{
	struct scaling_sample v[256];
	size_t n;

	if (s->set.scaling.most == 0 || !s->is_complete || now_ms < s->look_at_ms)
		return;
	s->look_at_ms = now_ms + LOOK_EVERY_MS;
	n = samples(s, v, countof(v), now_ms);
	switch (scaling_look(&s->scaling, &s->set.scaling, v, n, now_ms)) {
	case SCALING_MORE:
		log_info("supervisor", "the CPU is what limits: another process is started");
		add_worker(s, 0, free_index(s));
		break;
	case SCALING_FEWER:
		retire_last(s);
		break;
	case SCALING_KEEP:
		break;
	}
}

/* ---- the end ---------------------------------------------------------------------------------------- */

/* Ends the roles in their order; those that do not run are only forgotten. */
static void stop_turn(struct supervisor *s)
{
	struct list *it, *tmp;
	bool left = false;

	list_each(it, tmp, &s->workers) {
		struct worker *w = list_entry(it, struct worker, node);

		if (!is_running(w)) {
			remove_worker(s, w);
			continue;
		}
		if (w->role_index != s->stop_role)
			continue;
		left = true;
		if (w->state != WORKER_ENDING)
			tell_end(s, w, false);
	}
	if (list_is_empty(&s->workers)) {
		loop_stop(s->loop);
	} else if (!left && s->stop_role + 1 < s->set.roles) {
		s->stop_role++;
		stop_turn(s);
	}
}

/* What was told to retire is told anew: nobody is there to go on. */
static void stop(void *arg)
{
	struct supervisor *s = arg;
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers) {
		struct worker *w = list_entry(it, struct worker, node);

		if (s->stopping)
			worker_signal(w, SIGKILL);
		else if (w->state == WORKER_ENDING)
			worker_signal(w, SIGTERM);
	}
	s->stopping = true;
}

/* ---- the turn --------------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Does what is due for w; returns the mono ms at which there is more. */
static int64_t tend(struct supervisor *s, struct worker *w, int64_t now_ms)
{
	if (w->state == WORKER_WAITING && now_ms >= w->start_at_ms && !s->stopping)
		start_worker(s, w);
	if (w->state == WORKER_WAITING)
		return s->stopping ? LOOP_NEVER : w->start_at_ms;
	if (w->state != WORKER_ENDING)
		return LOOP_NEVER;
	if (now_ms >= w->kill_at_ms) {
		log_error("supervisor", "%s does not end: it is killed", w->name);
		worker_signal(w, SIGKILL);
		w->kill_at_ms = now_ms + s->set.end_ms_max;
	}
	return w->kill_at_ms;
}

static int64_t turn(void *arg, int64_t wall_ms, int64_t now_ms)
{
	struct supervisor *s = arg;
	int64_t next_ms = LOOP_NEVER;
	struct list *it, *tmp;

	if (s->stopping)
		stop_turn(s);
	else
		roll(s);
	if (!s->stopping)
		look_at_numbers(s, now_ms);
	list_each(it, tmp, &s->workers)
		next_ms = least(next_ms, tend(s, list_entry(it, struct worker, node), now_ms));
	if (s->set.scaling.most > 0 && s->is_complete && !s->stopping)
		next_ms = least(next_ms, s->look_at_ms);
	return next_ms;
}

struct supervisor *supervisor_new(struct loop *loop, const struct supervisor_settings *settings)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));

	check(settings->roles > 0 && settings->roles <= SUPERVISOR_ROLES_MAX);
	s->set = *settings;
	s->loop = loop;
	list_init(&s->workers);
	add_worker(s, 0, 0);
	loop_on_turn(loop, turn, s);
	loop_on_signal(loop, SIGTERM, stop, s);
	loop_on_signal(loop, SIGINT, stop, s);
	loop_on_signal(loop, SIGHUP, hang_up, s);
	return s;
}

int supervisor_run(struct supervisor *s)
{
	loop_run(s->loop);
	return s->status;
}

void supervisor_free(struct supervisor *s)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->workers) {
		struct worker *w = list_entry(it, struct worker, node);

		worker_clean(w);
		remove_worker(s, w);
	}
	loop_forget(s->loop, s);
	free(s);
}
