/* Requests that are cancelled, and the courier that is closed, at every moment. */
#include <unistd.h>

#include "base/check.h"
#include "names.h"
#include "rig.h"
#include "server.h"
#include "t.h"

/* "/hold" is never answered, "/half" not completely, all else at once. */
static void by_path(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req)) {
		if (str_eq(req.path, STR("/hold"))) {
			conn_hold(c);
			return;
		}
		if (str_eq(req.path, STR("/half"))) {
			conn_fmt(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
			conn_hold(c);
			return;
		}
		if (!conn_answer(c, STR("ok")))
			return;
	}
}

enum moment { SENT, QUEUED, RESOLVING, WAITING, READING, MOMENTS };

/* Brings a call to the moment. */
static struct call *bring_to(struct rig *r, struct server *s, enum moment m)
{
	struct call *c;

	if (m == RESOLVING)
		c = call_new(r, "POST", "http://slow.test:%d/", server_port(s));
	else
		c = call_new(r, "POST", "http://127.0.0.1:%d/%s", server_port(s),
			     m == READING ? "half" : "hold");
	c->req.body = STR("body");
	call_send(c);
	if (m == QUEUED)
		rig_run(r, 20);
	else if (m == RESOLVING)
		RIG_UNTIL(r, names_waiting() == 1);
	else if (m == WAITING || m == READING)
		RIG_UNTIL(r, server_requests(s) > 0);
	if (m == READING)
		rig_run(r, 50);
	return c;
}

static const struct {
	enum moment moment;
} moments[] = { { SENT }, { QUEUED }, { RESOLVING }, { WAITING }, { READING } };

static struct courier_settings settings_for(enum moment m)
{
	struct courier_settings set = rig_settings();

	if (m == QUEUED)
		set.host_connections_max = 1;
	return set;
}

TEST_EACH(cancels_at_any_moment, moments)
{
	struct server *s = server_start(by_path, NULL);
	struct rig r;
	struct call *c, *first = NULL, *other;
	int fds = 0;

	rig_open(&r, settings_for(row->moment));
	if (row->moment == QUEUED)
		first = bring_to(&r, s, WAITING);
	c = bring_to(&r, s, row->moment);
	T_EQ_INT(c->done, 0);
	courier_cancel(r.courier, &c->req);
	/* Its memory is the caller's again at once. */
	call_free(c);
	if (first != NULL) {
		courier_cancel(r.courier, &first->req);
		call_free(first);
	}
	RIG_UNTIL(&r, server_open(s) == 0);
	T_EQ_INT(r.done, 0);
	for (int i = 0; i < 3; i++) {
		other = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
		call_answered(other, 200);
		call_free(other);
		if (i == 0)
			fds = open_fds();
	}
	T_EQ_INT(open_fds(), fds);
	T_EQ_INT(r.done, 3);
	names_release();
	T_UNTIL(names_waiting() == 0, 10);
	rig_close(&r);
	server_stop(s);
}

TEST_EACH(closes_at_any_moment, moments)
{
	struct server *s = server_start(by_path, NULL);
	struct rig r;
	struct call *c, *first = NULL, *idle;

	rig_open(&r, settings_for(row->moment));
	if (row->moment != RESOLVING && row->moment != QUEUED) {
		idle = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
		call_answered(idle, 200);
		call_free(idle);
	}
	if (row->moment == QUEUED)
		first = bring_to(&r, s, WAITING);
	c = bring_to(&r, s, row->moment);
	rig_close(&r);
	T_EQ_INT(c->done, 0);
	call_free(c);
	if (first != NULL)
		call_free(first);
	T_UNTIL(server_open(s) == 0, 10);
	names_release();
	T_UNTIL(names_waiting() == 0, 10);
	server_stop(s);
}

static struct call *victim;

static void cancel_victim(struct call *c)
{
	if (victim != NULL)
		courier_cancel(c->rig->courier, &victim->req);
	victim = NULL;
}

/* Both fail before anything is sent, so both are finished when the first is told. */
TEST(cancels_a_finished_one_that_was_not_told_yet)
{
	struct rig r;
	struct call *a, *b;

	rig_open(&r, rig_settings());
	a = call_new(&r, "GET", "nonsense");
	b = call_new(&r, "GET", "nonsense");
	a->then = cancel_victim;
	victim = b;
	call_send(a);
	call_send(b);
	rig_wait(&r, 1);
	rig_run(&r, 20);
	T_EQ_INT(a->done, 1);
	T_EQ_INT(b->done, 0);
	call_free(a);
	call_free(b);
	rig_close(&r);
}

TEST(cancels_a_running_one_from_done)
{
	struct server *s = server_start(by_path, NULL);
	struct rig r;
	struct call *a, *b;

	rig_open(&r, rig_settings());
	a = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
	b = bring_to(&r, s, WAITING);
	a->then = cancel_victim;
	victim = b;
	rig_do(a);
	rig_run(&r, 20);
	T_EQ_INT(b->done, 0);
	call_free(a);
	call_free(b);
	rig_close(&r);
	server_stop(s);
}

static void close_courier(struct call *c)
{
	struct courier *courier = c->rig->courier;

	c->rig->courier = NULL;
	courier_close(courier);
}

static const struct {
	bool answered; /* else it fails before it is sent */
} closings[] = { { true }, { false } };

TEST_EACH(closes_from_done, closings)
{
	struct server *s = server_start(by_path, NULL);
	struct rig r;
	struct call *c[20];

	rig_open(&r, rig_settings());
	for (int i = 0; i < 20; i++) {
		c[i] = call_new(&r, "GET", row->answered ? "http://127.0.0.1:%d/" : "nonsense:%d",
				server_port(s));
		call_send(c[i]);
	}
	c[0]->then = close_courier;
	if (row->answered)
		c[1]->then = c[2]->then = c[3]->then = NULL;
	RIG_UNTIL(&r, c[0]->done == 1);
	T_CHECK(r.courier == NULL);
	rig_run(&r, 20);
	for (int i = 0; i < 20; i++) {
		T_CHECK(c[i]->done <= 1);
		call_free(c[i]);
	}
	rig_close(&r);
	server_stop(s);
}

static void send_next(struct call *c)
{
	static int left = 99;

	if (left-- == 0)
		return;
	c->done = 0;
	arena_reset(&c->req.arena);
	c->req.header.n = 0;
	c->req.url = STR("nonsense");
	call_send(c);
}

TEST(sends_from_done)
{
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "nonsense");
	c->then = send_next;
	call_send(c);
	rig_wait(&r, 100);
	T_EQ_INT(r.done, 100);
	call_free(c);
	rig_close(&r);
}

TEST(closes_without_ever_running)
{
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "http://127.0.0.1:1/");
	call_send(c);
	rig_close(&r);
	T_EQ_INT(c->done, 0);
	call_free(c);
}

TEST(refuses_a_ca_file_that_cannot_be_used)
{
	static const char *const files[] = { "/nonexistent/roots.pem", "/etc/passwd", "/" };
	struct loop *loop = loop_new();

	T_CHECK(loop != NULL);
	for (size_t i = 0; i < countof(files); i++) {
		struct courier_settings set = { .ca_file = files[i] };
		char error[200] = "";
		int fds = open_fds();

		T_CHECK(rig_courier(loop, &set, error) == NULL);
		T_CHECK(has_text(str_c(error), files[i]));
		T_EQ_INT(open_fds(), fds);
	}
	loop_free(loop);
}
