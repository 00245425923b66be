#include "app/loglink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/dirs.h"
#include "base/check.h"
#include "logs/logslot.h"
#include "store/store.h"

enum { TICK_MS = 60 * 1000, BACKLOG_BYTES = 4 * 1024 * 1024 };

/* The events of one database. */
struct feed {
	struct feed *next;
	struct loglink *link;
	const struct store *store;
};

struct loglink {
	struct loglink_settings set;
	struct loop_bell *bell;
	struct logs *logs;        /* NULL: with others */
	struct logclient *client; /* NULL: here */
	struct feed *feeds;
	int64_t tick_ms; /* mono: when the logs are next to let time pass */
};

static void ring(void *arg)
{
	loop_bell_ring(arg);
}

static void poll(void *arg)
{
	struct loglink *l = arg;

	if (l->logs != NULL)
		logs_poll(l->logs);
	if (l->client != NULL)
		logclient_poll(l->client);
}

/* ---- log processes ---------------------------------------------------------------------------------- */

/* The peers of -logs, cut in place; false when there are not as many as there are slots. */
static bool split_urls(char *urls, const char *peers[LOGSLOT_MAX], unsigned slots)
{
	unsigned n = 0;

	for (char *at = urls; at != NULL && n <= slots; n++) {
		char *comma = strchrnul(at, ',');

		if (n < slots)
			peers[n] = at;
		at = *comma == ',' ? comma + 1 : NULL;
		*comma = '\0';
	}
	return n == slots;
}

static void name_sockets(struct arena *a, const char *dir, const char *peers[LOGSLOT_MAX],
			 unsigned slots)
{
	for (unsigned i = 0; i < slots; i++)
		peers[i] = arena_fmt(a, "%s/" LOGLINK_SOCKET, dir, i).p;
}

struct logclient *loglink_client(const struct conf *conf, const char *dir, struct loop_bell *bell,
				 char ret_error[LOGLINK_ERROR_BYTES])
{
	unsigned slots = (unsigned)conf->log_processes;
	const char *peers[LOGSLOT_MAX];
	struct logclient *c = NULL;
	struct arena room;
	bool ok = true;

	arena_init(&room);
	if (*conf->logs != '\0') {
		ok = split_urls((char *)(uintptr_t)arena_str(&room, str_c(conf->logs)).p, peers,
				slots);
		snprintf(ret_error, LOGLINK_ERROR_BYTES,
			 "-logs must have one URL for each of the %u -log-processes", slots);
	} else {
		name_sockets(&room, dir, peers, slots);
	}
	if (ok)
		c = logclient_open(
			&(struct logclient_settings){
				.peers = peers,
				.slots = slots,
				.secret = str_c(conf->logs_secret),
				.ca_file = *conf->ca_file != '\0' ? conf->ca_file : NULL,
				.wake = ring,
				.wake_arg = bell,
			},
			ret_error);
	arena_done(&room);
	return c;
}

/* ---- the engine's side ------------------------------------------------------------------------------ */

static struct logs_source *source_of(const struct feed *f)
{
	return logs_source(f->link->logs, str_c(f->store->info.database));
}

static bool sink_take(void *arg, struct str events, uint64_t after, uint64_t pos, int64_t now_ms)
{
	return logs_take(source_of(arg), events, after, pos, now_ms);
}

static uint64_t sink_committed(void *arg)
{
	return logs_committed(source_of(arg));
}

static uint64_t sink_forget(void *arg, struct str user)
{
	const struct loglink *l = ((const struct feed *)arg)->link;

	return l->logs != NULL ? logs_forget_user(l->logs, user)
			       : logclient_forget(l->client, user);
}

static bool sink_is_forgotten(void *arg, uint64_t number)
{
	const struct loglink *l = ((const struct feed *)arg)->link;

	return l->logs != NULL ? logs_is_forgotten(l->logs, number)
			       : logclient_is_forgotten(l->client, number);
}

struct engine_sink loglink_sink(struct loglink *l, const struct store *store)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	struct engine_sink sink = { .forget = sink_forget,
				    .is_forgotten = sink_is_forgotten,
				    .arg = f };

	*f = (struct feed){ .next = l->feeds, .link = l, .store = store };
	l->feeds = f;
	if (l->logs != NULL) {
		sink.take = sink_take;
		sink.committed = sink_committed;
	}
	return sink;
}

/* ---- the link --------------------------------------------------------------------------------------- */

static struct logs *open_logs(struct loglink *l, char ret_error[LOGLINK_ERROR_BYTES])
{
	char *path = dirs_join(l->set.dir, "logs");
	struct logs *logs = logs_open(
		&(struct logs_settings){
			.dir = path,
			.threaded = true,
			.ephemeral = l->set.conf->ephemeral,
			.backlog_bytes_max = BACKLOG_BYTES,
			.retention_s = retention_of,
			.retention_arg = l->set.retention,
			.wake = ring,
			.wake_arg = l->bell,
		},
		ret_error);

	free(path);
	return logs;
}

struct loglink *loglink_open(const struct loglink_settings *settings,
			     char ret_error[LOGLINK_ERROR_BYTES])
{
	struct loglink *l = xcalloc(1, sizeof(*l));

	l->set = *settings;
	l->bell = loop_bell_new(settings->loop, poll, l);
	if (settings->conf->log_processes > 0)
		l->client = loglink_client(settings->conf, settings->dir, l->bell, ret_error);
	else
		l->logs = open_logs(l, ret_error);
	if (l->logs != NULL || l->client != NULL)
		return l;
	free(l);
	return NULL;
}

struct logs_port loglink_port(struct loglink *l)
{
	return l->logs != NULL ? logs_port(l->logs) : logclient_port(l->client);
}

int64_t loglink_turn(struct loglink *l, int64_t wall_ms, int64_t mono_ms)
{
	if (l->logs == NULL)
		return LOOP_NEVER;
	if (mono_ms >= l->tick_ms) {
		logs_tick(l->logs, wall_ms);
		l->tick_ms = mono_ms + TICK_MS;
	}
	return l->tick_ms;
}

void loglink_close(struct loglink *l)
{
	if (l == NULL)
		return;
	if (l->logs != NULL)
		logs_close(l->logs);
	if (l->client != NULL)
		logclient_close(l->client);
	l->logs = NULL;
	l->client = NULL;
}

void loglink_free(struct loglink *l)
{
	if (l == NULL)
		return;
	while (l->feeds != NULL) {
		struct feed *f = l->feeds;

		l->feeds = f->next;
		free(f);
	}
	free(l);
}
