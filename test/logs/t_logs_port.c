/* Whoever is asked for the log, one in this process or a log process over a socket, answers the same; and what there is to
 * tell when a log process cannot answer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "logs/logclient.h"
#include "logs/logserver.h"
#include "net/loop.h"
#include "t.h"

/* ---- a log process, as a thread --------------------------------------------------------------------- */

struct far {
	struct fixture *f; /* its log; the thread's own while it runs */
	char path[200];
	struct loop *loop;
	struct loop_bell *logs_bell, *stop_bell;
	struct logserver *server;
	struct httpd *http;
	pthread_t thread;
	_Atomic int hurried;
};

static void far_ring(void *arg)
{
	loop_bell_ring(((struct far *)arg)->logs_bell);
}

static void far_poll(void *arg)
{
	struct far *far = arg;

	logs_poll(far->f->logs);
	logserver_poll(far->server);
}

static void far_stop(void *arg)
{
	loop_stop(((struct far *)arg)->loop);
}

static void *far_main(void *arg)
{
	loop_run(((struct far *)arg)->loop);
	return NULL;
}

static uint64_t far_forget(void *arg, struct str user)
{
	return logs_forget_user(((struct far *)arg)->f->logs, user);
}

static bool far_is_forgotten(void *arg, uint64_t number)
{
	return logs_is_forgotten(((struct far *)arg)->f->logs, number);
}

static void far_hurry(void *arg)
{
	atomic_fetch_add(&((struct far *)arg)->hurried, 1);
}

static void far_status(void *arg, struct buf *out)
{
	buf_add(out, STR("{}"));
}

/* From now on the fixture's log is another thread's. */
static void far_start(struct far *far, struct fixture *f, struct str secret)
{
	char why[200];

	*far = (struct far){ .f = f, .loop = loop_new() };
	snprintf(far->path, sizeof(far->path), "%s/log.sock", t_tmpdir());
	far->logs_bell = loop_bell_new(far->loop, far_poll, far);
	far->stop_bell = loop_bell_new(far->loop, far_stop, far);
	f->settings.wake = far_ring;
	f->settings.wake_arg = far;
	fixture_reopen(f);
	far->server = logserver_new(&(struct logserver_settings){
		.logs = f->logs,
		.secret = secret,
		.forget = far_forget,
		.is_forgotten = far_is_forgotten,
		.hurry = far_hurry,
		.status = far_status,
		.arg = far,
	});
	far->http = httpd_open(far->loop, &(struct httpd_settings){ .unix_path = far->path },
			       logserver_ops(), far->server, why);
	if (far->http == NULL)
		T_FAIL("%s", why);
	T_CHECK(pthread_create(&far->thread, NULL, far_main, far) == 0);
}

/* The log, too, is closed then. */
static void far_end(struct far *far)
{
	loop_bell_ring(far->stop_bell);
	T_CHECK(pthread_join(far->thread, NULL) == 0);
	fixture_close(far->f);
	logserver_free(far->server);
	httpd_close(far->http);
	loop_free(far->loop);
}

static struct logclient *client_of(const char *path, struct str secret, int64_t timeout_ms)
{
	char why[200];
	struct logclient *c = logclient_open(
		&(struct logclient_settings){
			.peers = &path,
			.slots = 1,
			.secret = secret,
			.timeout_ms = timeout_ms,
		},
		why);

	if (c == NULL)
		T_FAIL("%s", why);
	return c;
}

static void note_done(struct logs_query *q)
{
	*(bool *)q->arg = true;
}

static void ask(struct logclient *c, struct logs_query *q)
{
	struct logs_port port = logclient_port(c);
	bool done = false;

	q->done = note_done;
	q->arg = &done;
	port.query(port.arg, q);
	T_UNTIL((logclient_poll(c), done), 60);
}

/* ---- the same answers ------------------------------------------------------------------------------- */

enum { ASKED = 14, IDS = 4 };

struct questions {
	struct fixture f;
	struct logs_query q[ASKED];
	size_t n;
	struct msg_id ids[IDS];
	enum event_state states[IDS];
};

static struct logs_query *add(struct questions *qs, struct logs_query q)
{
	T_CHECK(qs->n < ASKED);
	qs->q[qs->n] = q;
	return &qs->q[qs->n++];
}

static void add_list(struct questions *qs, const char *query)
{
	(void)add(qs, fixture_query(&qs->f, FIXTURE_USER, query));
}

static void add_runs(struct questions *qs, enum logs_query_kind kind, const char *query)
{
	const struct str source[2] = { arena_str(&qs->f.arena, str_c(query)), STR_NULL };
	struct logs_query *q = add(qs, fixture_query(&qs->f, FIXTURE_USER, "count=5"));
	struct problem p;

	q->kind = kind;
	if (!runfilter_parse(&qs->f.arena, RUNFILTER_LOGS, source, &q->run, &p))
		T_FAIL("%s", p.text);
}

static void add_message(struct questions *qs, struct msg_id id)
{
	struct logs_query *q = add(qs, fixture_query(&qs->f, FIXTURE_USER, ""));

	q->kind = LOGS_MESSAGE;
	q->id = id;
	q->grace_ms = 60 * 1000;
}

/* A log with messages of all sorts. */
static void fill(struct questions *qs)
{
	struct fixture *f = &qs->f;

	fixture_open(f, (struct logs_settings){ .threaded = true });
	for (int i = 0; i < 40; i++) {
		struct msg m = fixture_msg(f);

		m.labels = i % 2 ? STR("odd") : STR("even,big");
		m.queue = i % 3 ? STR_NULL : STR("q");
		m.body = i % 5 ? STR("small") : str_n(arena_zalloc(&f->arena, 5000), 5000);
		if (i % 8 == 0) {
			m.run = arena_fmt(&f->arena, "wfr_%d", i);
			m.run_created_ms = f->now_ms;
		}
		if (i < IDS - 1)
			qs->ids[i] = m.id;
		fixture_life(f, &m);
		f->now_ms += 10;
	}
	qs->ids[IDS - 1] = (struct msg_id){ 1, 2 };
	fixture_give(f);
}

static void put_questions(struct questions *qs)
{
	struct logs_query *q;

	add_list(qs, "");
	add_list(qs, "count=7&order=earliestFirst");
	add_list(qs, "label=odd&state=DELIVERED,ACTIVE");
	add_list(qs, "queueName=q&fromDate=1700000000050&toDate=1700000000300");
	add_list(qs, "cursor=nonsense");
	add_list(qs, "url=https://example.com/hook&host=example.com&api=1");
	qs->q[0].both_keys = true;
	add_message(qs, qs->ids[1]);
	add_message(qs, qs->ids[IDS - 1]);
	add_runs(qs, LOGS_RUNS, "");
	add_runs(qs, LOGS_RUNS, "workflowRunId=wfr_8&trimBody=3");
	add_runs(qs, LOGS_RUN_EVENTS, "count=3&label=even");
	add_runs(qs, LOGS_RUNS, "cursor=1-x");
	q = add(qs, fixture_query(&qs->f, FIXTURE_USER, ""));
	q->kind = LOGS_STATES;
	q->ids = qs->ids;
	q->ids_n = IDS;
	q->states = qs->states;
	add_list(qs, "");
	qs->q[qs->n - 1].user = STR("nobody");
}

TEST(a_log_process_answers_like_a_log)
{
	struct questions *qs = calloc(1, sizeof(*qs));
	struct logs_query here[ASKED];
	enum event_state states[IDS];
	struct logclient *c;
	struct far far;

	T_CHECK(qs != NULL);
	fill(qs);
	put_questions(qs);
	for (size_t i = 0; i < qs->n; i++) {
		here[i] = qs->q[i];
		fixture_ask(&qs->f, &here[i]);
	}
	memcpy(states, qs->states, sizeof(states));
	memset(qs->states, 0, sizeof(qs->states));
	T_EQ_INT(states[0], EVENT_DELIVERED);
	far_start(&far, &qs->f, STR("a secret of twenty-four chars"));
	c = client_of(far.path, STR("a secret of twenty-four chars"), 0);
	for (size_t i = 0; i < qs->n; i++) {
		struct logs_query *q = &qs->q[i];

		ask(c, q);
		T_EQ_INT(q->problem.status, here[i].problem.status);
		T_EQ_STR(q->problem.text, here[i].problem.text);
		T_EQ_INT(q->found, here[i].found);
		T_EQ_STR(buf_str(&q->body), buf_str(&here[i].body));
		T_CHECK(q->kind == LOGS_STATES || q->problem.status || q->body.n ||
			(q->kind == LOGS_MESSAGE && !q->found));
		buf_done(&q->body);
		buf_done(&here[i].body);
	}
	T_CHECK(memcmp(states, qs->states, sizeof(states)) == 0);
	T_EQ_INT(atomic_load(&far.hurried), 0);
	logclient_close(c);
	far_end(&far);
	free(qs);
}

TEST(a_barrier_reaches_the_log_process)
{
	struct logs_query q;
	struct logclient *c;
	struct fixture f;
	struct far far;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	far_start(&far, &f, STR_NULL);
	c = client_of(far.path, STR_NULL, 0);
	q = fixture_query(&f, FIXTURE_USER, "");
	q.not_before_pos = 5;
	q.source = STR("db");
	/* It is not there yet: the source is not known, and the log waits as long as it does. */
	ask(c, &q);
	T_EQ_INT(q.problem.status, 0);
	T_EQ_INT(atomic_load(&far.hurried), 1);
	buf_done(&q.body);
	logclient_close(c);
	far_end(&far);
}

/* ---- what can go wrong ------------------------------------------------------------------------------ */

static void expect_503(struct logclient *c, struct fixture *f, const char *text)
{
	struct logs_query q = fixture_query(f, FIXTURE_USER, "");

	ask(c, &q);
	T_EQ_INT(q.problem.status, 503);
	if (!strstr(q.problem.text, text))
		T_FAIL("'%s' is not in '%s'", text, q.problem.text);
	T_EQ_INT(q.body.n, 0);
}

TEST(a_log_process_that_is_not_there_is_told_at_once)
{
	struct fixture f;
	struct logclient *c;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	c = client_of(arena_fmt(&f.arena, "%s/none.sock", t_tmpdir()).p, STR_NULL, 0);
	expect_503(c, &f, "log process 1 of 1 is not running");
	logclient_close(c);
	fixture_close(&f);
}

/* A socket that nobody accepts from; what is written to it waits in the kernel. */
static int deaf_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	T_CHECK(fd >= 0 && strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path));
	T_CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4) == 0);
	return fd;
}

TEST(a_log_process_that_is_silent_is_given_up)
{
	struct fixture f;
	struct logclient *c;
	const char *path;
	int fd;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	path = arena_fmt(&f.arena, "%s/deaf.sock", t_tmpdir()).p;
	fd = deaf_socket(path);
	c = client_of(path, STR_NULL, 200);
	expect_503(c, &f, "does not answer");
	logclient_close(c);
	close(fd);
	fixture_close(&f);
}

TEST(a_wrong_secret_is_refused)
{
	static const char *const wrong[] = { "", "wrong", "a secret of twenty-four charS",
					     "a secret of twenty-four charsx" };
	struct fixture f;
	struct far far;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	far_start(&far, &f, STR("a secret of twenty-four chars"));
	for (size_t i = 0; i < countof(wrong); i++) {
		struct logclient *c = client_of(far.path, str_c(wrong[i]), 0);

		expect_503(c, &f, "refuses (401)");
		logclient_close(c);
	}
	far_end(&far);
}

TEST(closing_answers_what_waits)
{
	struct fixture f;
	struct logs_query q;
	struct logclient *c;
	const char *path;
	bool done = false;
	int fd;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	path = arena_fmt(&f.arena, "%s/deaf.sock", t_tmpdir()).p;
	fd = deaf_socket(path);
	c = client_of(path, STR_NULL, 0);
	q = fixture_query(&f, FIXTURE_USER, "");
	q.done = note_done;
	q.arg = &done;
	logclient_port(c).query(c, &q);
	(void)logclient_forget(c, STR(FIXTURE_USER));
	logclient_close(c);
	T_CHECK(done);
	T_EQ_INT(q.problem.status, 503);
	close(fd);
	fixture_close(&f);
}

TEST(a_user_is_forgotten_once_the_process_is_there)
{
	struct fixture f;
	struct far far;
	struct logclient *c;
	struct msg m;
	uint64_t number;
	char path[200];

	snprintf(path, sizeof(path), "%s/log.sock", t_tmpdir());
	fixture_open(&f, (struct logs_settings){ .threaded = true });
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_INT(access(fixture_path(&f, FIXTURE_USER, ""), F_OK), 0);
	c = client_of(path, STR_NULL, 0);
	number = logclient_forget(c, STR(FIXTURE_USER));
	expect_503(c, &f, "is not running"); /* it was tried in vain */
	T_CHECK(!logclient_is_forgotten(c, number));
	far_start(&far, &f, STR_NULL);
	T_UNTIL((logclient_poll(c), logclient_is_forgotten(c, number)), 60);
	T_CHECK(access(fixture_path(&f, FIXTURE_USER, ""), F_OK) != 0);
	logclient_close(c);
	far_end(&far);
}
