#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/dirs.h"
#include "app/logd.h"
#include "app/loglink.h"
#include "app/supervised.h"
#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "logs/logslot.h"

/* ---- users to be forgotten -------------------------------------------------------------------------- */

/* Events of the user may be on their way from a database to the files. So its files go when the readings are answered
 * that were under way, in the order in which this was asked. */
struct logd_forget {
	struct list node;
	struct logd *logd;
	char *user;
	uint64_t number;
	uint64_t reads[LOGD_BASES_MAX]; /* answered then, by database */
	bool reading[LOGD_BASES_MAX];
	uint64_t logs_number;
	bool told;
};

static uint64_t forget(void *arg, struct str user)
{
	struct logd *d = arg;
	struct logd_forget *f = xcalloc(1, sizeof(*f));

	f->logd = d;
	f->user = str_dup(user);
	f->number = ++d->forgets;
	for (size_t i = 0; i < d->bases; i++) {
		struct logpump_stats s = logpump_stats(d->base[i].pump);

		f->reads[i] = s.reads;
		f->reading[i] = s.reading;
	}
	list_push(&d->forgetting, &f->node);
	logd_serve_turn(d);
	return f->number;
}

static bool is_forgotten(void *arg, uint64_t number)
{
	return ((struct logd *)arg)->forgotten >= number;
}

static bool are_answered(const struct logd_forget *f)
{
	for (size_t i = 0; i < f->logd->bases; i++) {
		if (f->reading[i] && logpump_stats(f->logd->base[i].pump).reads == f->reads[i])
			return false;
	}
	return true;
}

static void forget_free(struct logd_forget *f)
{
	list_remove(&f->node);
	free(f->user);
	free(f);
}

void logd_serve_turn(struct logd *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->forgetting) {
		struct logd_forget *f = list_entry(it, struct logd_forget, node);

		if (!f->told && are_answered(f)) {
			f->logs_number = logs_forget_user(d->logs, str_c(f->user));
			f->told = true;
		}
		if (!f->told || !logs_is_forgotten(d->logs, f->logs_number))
			break;
		d->forgotten = f->number;
		forget_free(f);
	}
	if (d->server != NULL)
		logserver_poll(d->server);
}

/* ---- what there is to tell -------------------------------------------------------------------------- */

static void hurry(void *arg)
{
	struct logd *d = arg;

	for (size_t i = 0; i < d->bases; i++)
		logpump_hurry(d->base[i].pump);
}

static void base_status(struct json_out *j, const struct logd_base *b)
{
	struct logpump_stats s = logpump_stats(b->pump);

	json_open(j, '{');
	json_kstr(j, STR("database"), s.database);
	json_kbool(j, STR("joined"), s.joined);
	json_kint(j, STR("last"), (int64_t)s.last);
	json_kint(j, STR("committed"), (int64_t)s.committed);
	json_kint(j, STR("lag"), s.last > s.committed ? (int64_t)(s.last - s.committed) : 0);
	json_kint(j, STR("dropped"), (int64_t)s.dropped);
	json_close(j, '}');
}

static void status(void *arg, struct buf *out)
{
	struct logd *d = arg;
	struct logs_stats s = logs_stats(d->logs);
	struct json_out j = json_out(out);

	json_open(&j, '{');
	json_kint(&j, STR("slot"), d->conf->slot);
	json_kint(&j, STR("slots"), d->conf->log_processes);
	json_kint(&j, STR("eventsWritten"), (int64_t)s.events_written);
	json_kint(&j, STR("eventsDropped"), (int64_t)s.events_dropped);
	json_kint(&j, STR("filesSetAside"), (int64_t)s.files_set_aside);
	json_key(&j, STR("databases"));
	json_open(&j, '[');
	for (size_t i = 0; i < d->bases; i++)
		base_status(&j, &d->base[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}

/* ---- users ------------------------------------------------------------------------------------------ */

/* Whoever comes to this process by -log-port may be another slot's. */
static void ask(void *arg, struct logs_query *q)
{
	struct logd *d = arg;
	unsigned slots = (unsigned)d->conf->log_processes;
	bool mine = logslot_of(q->user, slots) == (unsigned)d->conf->slot;
	struct logs_port port = mine ? logs_port(d->logs) : logclient_port(d->client);

	port.query(port.arg, q);
	if (mine)
		hurry(d);
}

static bool open_log_port(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	char why[200];

	if (d->conf->log_port == 0)
		return true;
	d->client = loglink_client(d->conf, d->dir, d->client_bell, ret_error);
	if (d->client == NULL)
		return false;
	d->api = api_new(&(struct api_settings){
		.pool = d->pool,
		.logs = { ask, d },
		.loop = d->loop,
		.logs_only = true,
	});
	d->log_http = httpd_open(
		d->loop,
		&(struct httpd_settings){
			.host = d->conf->host,
			.port = (int)d->conf->log_port,
			.reuse_port = true, /* the slots of a host share it */
			.listen_fd = supervised_take_socket(d->supervised, INHERIT_LOG_PORT_FD),
		},
		api_ops(), d->api, why);
	if (d->log_http == NULL)
		snprintf(ret_error, LOGD_ERROR_BYTES, "cannot listen; choose another -log-port: %s",
			 why);
	return d->log_http != NULL;
}

/* ---- compute processes ------------------------------------------------------------------------------ */

static bool open_local(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	char name[32], why[200];

	snprintf(name, sizeof(name), LOGLINK_SOCKET, (unsigned)d->conf->slot);
	d->local_path = dirs_join(d->dir, name);
	d->local_http = httpd_open(d->loop, &(struct httpd_settings){ .unix_path = d->local_path },
				   logserver_ops(), d->server, why);
	if (d->local_http == NULL)
		snprintf(ret_error, LOGD_ERROR_BYTES, "cannot listen: %s", why);
	return d->local_http != NULL;
}

static bool open_remote(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	char why[200];

	if (d->conf->logs_port == 0)
		return true;
	d->remote_http = httpd_open(d->loop,
				    &(struct httpd_settings){
					    .host = d->conf->host,
					    .port = (int)d->conf->logs_port,
				    },
				    logserver_ops(), d->server, why);
	if (d->remote_http == NULL)
		snprintf(ret_error, LOGD_ERROR_BYTES,
			 "cannot listen; choose another -logs-port: %s", why);
	return d->remote_http != NULL;
}

bool logd_serve_open(struct logd *d, char ret_error[LOGD_ERROR_BYTES])
{
	d->server = logserver_new(&(struct logserver_settings){
		.logs = d->logs,
		.secret = str_c(d->conf->logs_secret),
		.forget = forget,
		.is_forgotten = is_forgotten,
		.hurry = hurry,
		.status = status,
		.arg = d,
	});
	return open_local(d, ret_error) && open_remote(d, ret_error) && open_log_port(d, ret_error);
}

static void drain(struct logd *d, struct httpd *h, void (*done)(void *arg))
{
	if (h == NULL)
		return;
	d->draining++;
	httpd_drain(h, 0, done, d);
}

void logd_serve_drain(struct logd *d, void (*done)(void *arg))
{
	drain(d, d->local_http, done);
	drain(d, d->remote_http, done);
	drain(d, d->log_http, done);
}

static void close_http(struct httpd *h)
{
	if (h != NULL)
		httpd_close(h);
}

void logd_serve_close(struct logd *d)
{
	if (d->client != NULL)
		logclient_close(d->client);
	d->client = NULL;
	logserver_free(d->server);
	d->server = NULL;
	close_http(d->local_http);
	close_http(d->remote_http);
	close_http(d->log_http);
	if (d->local_http != NULL)
		(void)unlink(d->local_path);
	free(d->local_path);
	api_free(d->api);
	while (!list_is_empty(&d->forgetting))
		forget_free(list_entry(d->forgetting.next, struct logd_forget, node));
}
