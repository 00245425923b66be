#include "rig.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "t.h"

enum { CEILING_MS = 20000, HEADERS_MAX = 64 };

struct courier_settings rig_settings(void)
{
	/* No roots: loading the system's takes longer than most tests. */
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	return (struct courier_settings){ .guard = { .allow_private = true } };
}

static int64_t on_turn(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct rig *r = arg;

	if (r->done >= r->wanted || t_now_ms() >= r->end_ms)
		loop_stop(r->loop);
	return mono_ms + r->end_ms - t_now_ms();
}

void rig_open(struct rig *r, struct courier_settings settings)
{
	char error[200] = "";

	*r = (struct rig){ .loop = loop_new() };
	T_CHECK(r->loop != NULL);
	loop_on_turn(r->loop, on_turn, r);
	r->courier = rig_courier(r->loop, &settings, error);
	if (r->courier == NULL)
		T_FAIL("no courier: %s", error);
}

void rig_close(struct rig *r)
{
	if (r->courier != NULL)
		courier_close(r->courier);
	loop_free(r->loop);
}

static void on_done(struct courier_req *req)
{
	struct call *c = container_of(req, struct call, req);

	T_CHECK(!c->rig->is_sending);
	c->done++;
	c->done_ms = t_now_ms();
	c->rig->done++;
	if (c->then != NULL)
		c->then(c);
}

static struct str format(struct arena *a, const char *fmt, va_list args)
{
	char text[4096];
	int n = vsnprintf(text, sizeof(text), fmt, args);

	check(n >= 0 && (size_t)n < sizeof(text));
	return arena_str(a, str_n(text, (size_t)n));
}

static struct call *new_call(struct rig *r, const char *method, const char *url_fmt, va_list args)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->rig = r;
	arena_init(&c->req.arena);
	c->req.url = format(&c->req.arena, url_fmt, args);
	c->req.method = str_c(method);
	c->req.header.v = arena_array(&c->req.arena, struct header, HEADERS_MAX);
	c->req.timeout_ms = 10000;
	c->req.answer_bytes_max = 1 << 20;
	c->req.done = on_done;
	return c;
}

struct call *call_new(struct rig *r, const char *method, const char *url_fmt, ...)
{
	struct call *c;
	va_list args;

	va_start(args, url_fmt);
	c = new_call(r, method, url_fmt, args);
	va_end(args);
	return c;
}

void call_header(struct call *c, const char *name, const char *value)
{
	check(c->req.header.n < HEADERS_MAX);
	c->req.header.v[c->req.header.n++] = (struct header){ str_c(name), str_c(value) };
}

void call_send(struct call *c)
{
	c->rig->is_sending = true;
	courier_send(c->rig->courier, &c->req);
	c->rig->is_sending = false;
}

void call_free(struct call *c)
{
	arena_done(&c->req.arena);
	free(c);
}

void rig_wait(struct rig *r, int done)
{
	r->wanted = done;
	r->end_ms = t_now_ms() + CEILING_MS;
	loop_run(r->loop);
	if (r->done < done)
		T_FAIL("%d of %d calls are done", r->done, done);
}

void rig_run(struct rig *r, int ms)
{
	r->wanted = INT32_MAX;
	r->end_ms = t_now_ms() + ms;
	loop_run(r->loop);
}

void rig_do(struct call *c)
{
	int64_t end_ms = t_now_ms() + CEILING_MS;

	call_send(c);
	/* Others may be done first. */
	while (c->done == 0 && t_now_ms() < end_ms)
		rig_wait(c->rig, c->rig->done + 1);
	T_EQ_INT(c->done, 1);
}

struct call *rig_get(struct rig *r, const char *url_fmt, ...)
{
	struct call *c;
	va_list args;

	va_start(args, url_fmt);
	c = new_call(r, "GET", url_fmt, args);
	va_end(args);
	rig_do(c);
	return c;
}

struct str call_answer_header(const struct call *c, const char *name)
{
	for (size_t i = 0; i < c->req.outcome.header.n; i++)
		if (str_eq(c->req.outcome.header.v[i].name, str_c(name)))
			return c->req.outcome.header.v[i].value;
	return STR_NULL;
}

bool has_text(struct str s, const char *part)
{
	return str_has(s, str_c(part));
}

void call_failed(const struct call *c, const char *part)
{
	const struct outcome *o = &c->req.outcome;

	if (!has_text(o->error, part))
		T_FAIL("status %d, error \"%.*s\" has no \"%s\" in it", (int)o->status,
		       STR_FMT(o->error), part);
	T_EQ_INT(o->status, 0);
	T_EQ_INT(o->header.n, 0);
	T_EQ_INT(o->body.n, 0);
	T_CHECK(!o->body_cut);
}

void call_answered(const struct call *c, int status)
{
	T_EQ_STR(c->req.outcome.error, "");
	T_EQ_INT(c->req.outcome.status, status);
}

struct str call_verdict(const struct call *c)
{
	static const char *const open_ended[] = { "no HTTP answer from", "broken answer from",
						  "the TLS handshake with" };
	struct str s = c->req.outcome.error;

	for (size_t i = 0; i < countof(open_ended); i++)
		if (str_starts(s, str_c(open_ended[i])))
			return str_c(open_ended[i]);
	return s;
}

int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	check(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}
