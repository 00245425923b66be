/* Many at once: those that never answer beside those that do, and what is left afterwards. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident;

	check(f != NULL && fscanf(f, "%ld %ld", &all, &resident) == 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

enum { SILENT = 500 };

struct silence {
	int fd[SILENT], port[SILENT];
	struct call *call[SILENT];
};

/* Each to a destination of its own that accepts and says nothing. */
static void send_to_silence(struct rig *r, struct silence *s, int64_t timeout_ms)
{
	for (int i = 0; i < SILENT; i++) {
		s->fd[i] = listen_only(16, &s->port[i]);
		s->call[i] = call_new(r, "POST", "http://127.0.0.1:%d/", s->port[i]);
		s->call[i]->req.body = STR("hello?");
		s->call[i]->req.timeout_ms = timeout_ms;
		call_send(s->call[i]);
	}
}

static void check_silence(struct silence *s)
{
	for (int i = 0; i < SILENT; i++) {
		call_failed(s->call[i], "no answer from 127.0.0.1:");
		call_free(s->call[i]);
		close(s->fd[i]);
	}
}

static void serve_some(struct rig *r, struct server *s, int n, int64_t *ret_worst_ms)
{
	*ret_worst_ms = 0;
	for (int i = 0; i < n; i++) {
		struct call *c = rig_get(r, "http://127.0.0.1:%d/", server_port(s));

		call_answered(c, 200);
		if (c->req.outcome.duration_ms > *ret_worst_ms)
			*ret_worst_ms = c->req.outcome.duration_ms;
		call_free(c);
	}
}

TEST(serves_others_while_500_never_answer)
{
	struct server *s = server_start(answer_all, NULL);
	struct silence *silence = xcalloc(1, sizeof(*silence));
	struct rig r;
	int64_t begin_ms = t_now_ms(), worst_ms;
	long before_kb;

	rig_open(&r, rig_settings());
	before_kb = resident_kb();
	send_to_silence(&r, silence, 4000);
	serve_some(&r, s, 500, &worst_ms);
	T_EQ_INT(r.done, 500);
	T_CHECK(t_now_ms() - begin_ms < 4000);
	T_CHECK(worst_ms < 1000);
	T_EQ_INT(server_connections(s), 1);
	T_CHECK(IS_TSAN || resident_kb() - before_kb < 64 * 1024);
	rig_wait(&r, 500 + SILENT);
	check_silence(silence);
	free(silence);
	rig_close(&r);
	server_stop(s);
}

TEST(serves_others_while_one_host_takes_all_it_may)
{
	struct server *s = server_start(answer_all, NULL);
	struct call *c[600];
	struct rig r;
	int64_t worst_ms;
	int port, fd = listen_only(1024, &port);

	rig_open(&r, rig_settings());
	for (int i = 0; i < 600; i++) {
		c[i] = call_new(&r, "GET", "http://127.0.0.1:%d/", port);
		c[i]->req.timeout_ms = i < 512 ? 4500 : 3000;
		call_send(c[i]);
	}
	serve_some(&r, s, 300, &worst_ms);
	T_EQ_INT(r.done, 300);
	T_CHECK(worst_ms < 1000);
	rig_wait(&r, 900);
	for (int i = 0; i < 600; i++) {
		T_EQ_INT(c[i]->req.outcome.status, 0);
		/* 512 is the most to one host; the rest never got to it. */
		call_failed(c[i], i < 512 ? "no answer from 127.0.0.1:"
					  : "too many requests were running");
		call_free(c[i]);
	}
	close(fd);
	rig_close(&r);
	server_stop(s);
}

/* By path: "/close" closes after the answer, "/die" without one, "/hold" never answers. */
static void mixed(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req)) {
		if (str_eq(req.path, STR("/die")))
			return;
		if (str_eq(req.path, STR("/hold"))) {
			conn_hold(c);
			return;
		}
		if (!conn_answer(c, STR("ok")) || str_eq(req.path, STR("/close")))
			return;
	}
}

static void run_mix(struct rig *r, struct server *s, int dead_port)
{
	static const char *const paths[] = { "", "close", "die", "hold", "", "late" };
	struct call *c[240];
	int done = r->done, cancelled = 0;

	for (int i = 0; i < 240; i++) {
		const char *path = paths[i % 6];

		c[i] = call_new(r, i % 2 ? "POST" : "GET", "http://127.0.0.1:%d/%s",
				i % 17 ? server_port(s) : dead_port, path);
		c[i]->req.timeout_ms = i % 6 == 3 ? 100 : 5000;
		call_send(c[i]);
	}
	rig_run(r, 1);
	for (int i = 5; i < 240; i += 12)
		if (c[i]->done == 0) {
			courier_cancel(r->courier, &c[i]->req);
			cancelled++;
		}
	rig_wait(r, done + 240 - cancelled);
	for (int i = 0; i < 240; i++)
		call_free(c[i]);
}

/* What this thread's allocations hold; a sanitizer that keeps its own books gives 0. */
static long allocated_kb(void)
{
	return (long)(mallinfo2().uordblks / 1024);
}

TEST(leaves_no_descriptors_and_no_memory_behind)
{
	struct server *s = server_start(mixed, NULL);
	struct rig r;
	int dead_port, fds = 0, dead = listen_only(1, &dead_port);
	long kb = 0;

	close(dead);
	rig_open(&r, rig_settings());
	for (int round = 0; round < 12; round++) {
		run_mix(&r, s, dead_port);
		if (round == 3) {
			fds = open_fds();
			kb = allocated_kb();
		}
	}
	/* How many connections are kept varies with the timing; that it does not grow is what
	 * matters. */
	T_CHECK(open_fds() < fds + 200);
	T_CHECK(allocated_kb() < kb + 4 * 1024);
	rig_close(&r);
	T_UNTIL(server_open(s) == 0, 10);
	server_stop(s);
}

TEST(opens_and_closes_again_and_again)
{
	struct server *s = server_start(mixed, NULL);
	int fds = 0;

	for (int i = 0; i < 10; i++) {
		struct rig r;

		rig_open(&r, rig_settings());
		call_free(rig_get(&r, "http://127.0.0.1:%d/", server_port(s)));
		rig_close(&r);
		T_UNTIL(server_open(s) == 0, 10);
		if (i == 0)
			fds = open_fds();
		T_EQ_INT(open_fds(), fds);
	}
	server_stop(s);
}
