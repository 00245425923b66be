#include "logs/logwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define MODULE "logs"

/* Events of one user in a round, from one source. */
struct group {
	struct group *next;
	struct str user, source;
	struct logdb_event *first, **end;
	size_t n;
};

struct round {
	struct arena arena;
	struct map by_user;
	struct group *first, **end;
	struct group *latest;
};

void logwriter_init(struct logwriter *w, const struct logwriter_settings *settings)
{
	check(settings->body_bytes_max > 0);
	*w = (struct logwriter){ .settings = *settings };
	logfiles_init(&w->files, settings->dir, settings->files_open_max);
	w->files.ephemeral = settings->ephemeral;
	w->settings.dir = w->files.dir;
}

void logwriter_done(struct logwriter *w)
{
	if (w->sweep)
		closedir(w->sweep);
	logfiles_done(&w->files);
}

/* ---- files that go ---------------------------------------------------------------------------------- */

/* Closes the file on both sides. A reader that still had it open would take the next file's WAL for
 * its own. */
static void let_go(struct logwriter *w, const char *name)
{
	logfiles_drop(w->settings.readers, name);
	logfiles_drop(&w->files, name);
}

static bool set_aside(struct logwriter *w, const char *name, const char *why, int64_t now_ms)
{
	bool done;

	pthread_mutex_lock(w->settings.reading);
	let_go(w, name);
	done = logfiles_set_aside(&w->files, name, now_ms);
	pthread_mutex_unlock(w->settings.reading);
	if (!done)
		return false;
	atomic_fetch_add(&w->counts.files_set_aside, 1);
	if (log_allowed(&w->told_aside, LOGWRITER_LINES_PER_MINUTE, now_ms))
		log_warn(MODULE, "the log file %s is broken (%s); it was set aside and begun anew",
			 name, why);
	return true;
}

static void remove_file(struct logwriter *w, const char *name)
{
	pthread_mutex_lock(w->settings.reading);
	let_go(w, name);
	logfiles_remove(&w->files, name);
	pthread_mutex_unlock(w->settings.reading);
}

void logwriter_forget(struct logwriter *w, struct str user)
{
	char name[LOGFILES_NAME_BYTES];

	logfiles_name(name, user);
	remove_file(w, name);
	logfiles_remove_rest(&w->files, name);
}

void logwriter_found_broken(struct logwriter *w, const struct logwriter_finding *finding,
			    int64_t now_ms)
{
	const struct logfiles_trouble *t = &finding->trouble;

	if (logfiles_is(&w->files, finding->name, t->dev, t->ino))
		(void)set_aside(w, finding->name, t->text, now_ms);
}

static void drop_events(struct logwriter *w, size_t n, const char *name, int64_t now_ms)
{
	uint64_t total = atomic_fetch_add(&w->counts.events_dropped, n) + n;

	if (log_allowed(&w->told_dropped, 1, now_ms))
		log_error(MODULE,
			  "the log file %s cannot be written (%s); its events are dropped, %llu so "
			  "far",
			  name, w->files.trouble.text, (unsigned long long)total);
}

/* ---- rounds ----------------------------------------------------------------------------------------- */

static bool is_of(const struct group *g, struct str user, struct str source)
{
	return g && str_eq(g->user, user) && str_eq(g->source, source);
}

static struct group *find_group(struct round *r, struct str user, struct str source)
{
	struct group *g = r->latest;

	if (is_of(g, user, source))
		return g;
	g = map_get(&r->by_user, user);
	if (!is_of(g, user, source)) {
		g = arena_new(&r->arena, struct group);
		g->user = user;
		g->source = source;
		g->end = &g->first;
		map_put(&r->by_user, g->user, g);
		*r->end = g;
		r->end = &g->next;
	}
	r->latest = g;
	return g;
}

static bool is_sound(const struct event *e)
{
	return e->user.n > 0 && e->id.seq != 0;
}

/* Sorts the events of a hand-over by user. False when they end in something else than an event. */
static bool sort_events(struct round *r, const struct logwriter_take *take)
{
	struct str rest = take->events;
	int got;

	for (;;) {
		struct logdb_event *e = arena_alloc(&r->arena, sizeof(*e));
		struct group *g;

		got = event_next(&r->arena, &rest, &e->event);
		if (got != 1)
			return got == 0;
		if (!is_sound(&e->event))
			return false;
		g = find_group(r, e->event.user, take->source);
		e->next = NULL;
		e->after = take->after;
		*g->end = e;
		g->end = &e->next;
		g->n++;
	}
}

static enum logdb_result write_file(struct logwriter *w, const char *name, const struct group *g,
				    const struct logdb_batch *batch)
{
	struct logdb *db;
	size_t written = 0;
	enum logdb_result result = logfiles_get(&w->files, name, g->user, &db);

	if (result != LOGDB_OK)
		return result;
	logdb_sync(db, w->sync);
	result = logdb_write(db, batch, &written);
	if (result == LOGDB_OK)
		atomic_fetch_add(&w->counts.events_written, written);
	else
		logfiles_fail(&w->files, name);
	return result;
}

/* How far the source of the group has come with this round. */
static uint64_t last_position(const struct logwriter_take *takes, const struct group *g)
{
	uint64_t pos = 0;

	for (const struct logwriter_take *t = takes; t; t = t->next) {
		if (str_eq(t->source, g->source))
			pos = t->pos;
	}
	return pos;
}

static void write_group(struct logwriter *w, const struct group *g, uint64_t pos, int64_t now_ms)
{
	struct logdb_batch batch = { g->source, g->first, pos, w->settings.body_bytes_max };
	char name[LOGFILES_NAME_BYTES];
	enum logdb_result result;

	logfiles_name(name, g->user);
	result = write_file(w, name, g, &batch);
	if (result == LOGDB_BROKEN && set_aside(w, name, w->files.trouble.text, now_ms))
		result = write_file(w, name, g, &batch);
	if (result != LOGDB_OK)
		drop_events(w, g->n, name, now_ms);
}

static bool is_together(const struct logwriter *w, const struct round *r)
{
	return !w->settings.ephemeral && r->by_user.n >= LOGWRITER_SYNC_TOGETHER;
}

/* Makes all that was written durable. With many files, one sync of the file system takes a tenth of
 * the time of one per file. */
static void sync_together(struct logwriter *w, int64_t now_ms)
{
	int fd = open(w->settings.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if ((fd < 0 || syncfs(fd) < 0) && log_allowed(&w->told_sync, 1, now_ms))
		log_error(MODULE, "the log files in %s cannot be synced: %s", w->settings.dir,
			  strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
}

void logwriter_round(struct logwriter *w, const struct logwriter_take *takes, int64_t now_ms)
{
	struct round r = { 0 };

	check(takes != NULL);
	arena_init(&r.arena);
	map_init(&r.by_user, 0);
	r.end = &r.first;
	for (const struct logwriter_take *t = takes; t; t = t->next) {
		if (!sort_events(&r, t)) {
			atomic_fetch_add(&w->counts.events_dropped, 1);
			log_error(MODULE,
				  "events up to position %llu are broken; the rest of them is "
				  "dropped",
				  (unsigned long long)t->pos);
		}
	}
	w->sync = is_together(w, &r) ? LOGDB_SYNC_LATER : LOGDB_SYNC_COMMITS;
	for (const struct group *g = r.first; g; g = g->next)
		write_group(w, g, last_position(takes, g), now_ms);
	if (w->sync == LOGDB_SYNC_LATER)
		sync_together(w, now_ms);
	map_done(&r.by_user);
	arena_done(&r.arena);
}

/* ---- old entries ------------------------------------------------------------------------------------ */

static int64_t retention_ms(const struct logwriter *w, const struct logdb *db)
{
	int64_t s = LOGWRITER_RETENTION_DEFAULT_S;

	if (w->settings.retention_s && db->user)
		s = w->settings.retention_s(w->settings.retention_arg, str_c(db->user));
	if (s <= 0 || s > LOGWRITER_RETENTION_MAX_S)
		s = LOGWRITER_RETENTION_MAX_S;
	return s * 1000;
}

/* A bite of the file that the pass is at. True when it is done with it. */
static bool sweep_file(struct logwriter *w, int64_t now_ms)
{
	struct logdb_expired expired = { 0 };
	struct logdb *db;
	enum logdb_result result = logfiles_get(&w->files, w->sweep_name, STR_NULL, &db);

	if (result == LOGDB_OK) {
		logdb_sync(db, LOGDB_SYNC_LATER); /* it may be done again */
		result = logdb_expire(db, now_ms, retention_ms(w, db), &expired);
		if (result != LOGDB_OK)
			logfiles_fail(&w->files, w->sweep_name);
	}
	if (result == LOGDB_BROKEN)
		(void)set_aside(w, w->sweep_name, w->files.trouble.text, now_ms);
	if (result != LOGDB_OK)
		return true;
	if (expired.empty)
		remove_file(w, w->sweep_name);
	return !expired.more;
}

static void sweep_entry(struct logwriter *w, const char *name, int64_t now_ms)
{
	struct str s = str_c(name), ending = STR(LOGFILES_ENDING);
	int64_t aside_ms;

	if (logfiles_is_aside(s, &aside_ms)) {
		if (aside_ms < now_ms - LOGWRITER_ASIDE_KEPT_MS)
			(void)unlinkat(dirfd(w->sweep), name, 0);
		return;
	}
	if (s.n > ending.n && s.n < LOGFILES_NAME_BYTES &&
	    str_eq(str_from(s, s.n - ending.n), ending))
		snprintf(w->sweep_name, sizeof(w->sweep_name), "%s", name);
}

static bool sweep_is_due(struct logwriter *w, int64_t now_ms)
{
	if (!w->sweep_next_ms)
		w->sweep_next_ms = now_ms;
	/* A clock that was set back does not put the next pass off. */
	if (w->sweep_next_ms > now_ms + LOGWRITER_SWEEP_EVERY_MS)
		w->sweep_next_ms = now_ms + LOGWRITER_SWEEP_EVERY_MS;
	return now_ms >= w->sweep_next_ms;
}

bool logwriter_sweep(struct logwriter *w, int64_t now_ms)
{
	struct dirent *entry;

	if (!w->sweep) {
		if (!sweep_is_due(w, now_ms))
			return false;
		w->sweep_next_ms = now_ms + LOGWRITER_SWEEP_EVERY_MS;
		w->sweep = opendir(w->settings.dir);
		return w->sweep != NULL;
	}
	if (w->sweep_name[0]) {
		if (sweep_file(w, now_ms))
			w->sweep_name[0] = '\0';
		return true;
	}
	entry = readdir(w->sweep);
	if (entry) {
		sweep_entry(w, entry->d_name, now_ms);
		return true;
	}
	closedir(w->sweep);
	w->sweep = NULL;
	return false;
}
