#include "net/httpd_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/loop.h"

/* A status that never has a body, and no length either. */
static bool is_bodiless(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static void add_status_line(struct buf *out, int status)
{
	if (likely(status == 200)) {
		buf_add(out, STR("HTTP/1.1 200 OK\r\n"));
		return;
	}
	buf_add(out, STR("HTTP/1.1 "));
	buf_u64(out, (uint64_t)status);
	buf_byte(out, ' ');
	buf_add(out, str_c(http1_reason(status)));
	buf_add(out, STR("\r\n"));
}

/* What the end of the connection and of the answer look like to this peer. */
struct manner {
	bool close;      /* say Connection: close */
	bool keep_alive; /* say Connection: keep-alive, for HTTP/1.0 */
	bool is_head;    /* answer without a body */
};

static void add_answer(struct buf *out, const struct httpd_reply *r, struct manner how)
{
	check(r->status >= 200 && r->status <= 599);
	check(r->headers.n == 0 || r->headers.p[r->headers.n - 1] == '\n');
	add_status_line(out, r->status);
	if (r->content_type.n > 0) {
		buf_add(out, STR("Content-Type: "));
		buf_add(out, r->content_type);
		buf_add(out, STR("\r\n"));
	}
	if (!is_bodiless(r->status)) {
		buf_add(out, STR("Content-Length: "));
		buf_u64(out, r->body.n);
		buf_add(out, STR("\r\n"));
	}
	if (how.close)
		buf_add(out, STR("Connection: close\r\n"));
	else if (how.keep_alive)
		buf_add(out, STR("Connection: keep-alive\r\n"));
	buf_add(out, r->headers);
	buf_add(out, STR("\r\n"));
	if (!how.is_head && !is_bodiless(r->status))
		buf_add(out, r->body);
}

static void add_refusal(struct httpd_conn *c, int status, const char *why, struct manner how)
{
	struct httpd_reply reply = { .status = status, .content_type = STR("application/json") };
	struct buf body;

	buf_init(&body, HTTPD_GATHER_BYTES);
	c->h->ops->refused(c->h->arg, status, why, &body);
	check(!body.overflow);
	reply.body = buf_str(&body);
	add_answer(&c->work->out, &reply, how);
	buf_done(&body);
}

/* Can the connection be used again, given that the body was not read? It can when the body is known
 * to be short and is sure to come. */
static bool can_drop_body(const struct http1_head *head)
{
	if (head->body == HTTP1_BODY_LENGTH)
		return head->body_bytes <= HTTPD_DROP_BYTES && !head->expects_continue;
	return head->body == HTTP1_BODY_NONE;
}

void httpd_reply(struct httpd_req *req, const struct httpd_reply *reply)
{
	struct httpd_work *w = container_of(req, struct httpd_work, req);
	struct httpd_conn *c = req->conn;
	bool early;
	struct manner how;

	if (c == NULL) {
		httpd_work_put(w);
		return;
	}
	check(c->work == w && (c->state == HTTPD_BODY || c->state == HTTPD_WAIT));
	early = c->state == HTTPD_BODY;
	if (early && !can_drop_body(&w->head))
		c->close_after = c->linger = true;
	if (!w->head.keep_alive || c->h->draining)
		c->close_after = true;
	how = (struct manner){ .close = c->close_after,
			       .keep_alive = w->head.minor == 0,
			       .is_head = str_eq(w->head.method, STR("HEAD")) };
	if (unlikely(reply->body.n > HTTPD_ANSWER_BYTES))
		add_refusal(c, 500, "the answer is too long", how);
	else
		add_answer(&w->out, reply, how);
	check(!w->out.overflow);
	httpd_work_end(w);
	httpd_state_enter(c, early && !c->linger ? HTTPD_DROP : HTTPD_SEND);
	httpd_state_mark_dirty(c);
}

void httpd_reply_refuse(struct httpd_conn *c, int status, const char *why)
{
	struct httpd *h = c->h;

	if (status == 408)
		h->stats.timed_out++;
	else
		h->stats.refused++;
	if (log_allowed(&h->refused_log, 10, loop_wall_ms(h->loop)))
		log_info("httpd", "refused a request from %s with %d: %s", c->peer_ip, status, why);
	if (c->work == NULL)
		c->work = httpd_work_get(h);
	else
		httpd_work_end(c->work);
	c->close_after = c->linger = true;
	add_refusal(c, status, why, (struct manner){ .close = true });
	check(!c->work->out.overflow);
	httpd_state_enter(c, HTTPD_SEND);
	httpd_state_mark_dirty(c);
}

void httpd_reply_continue(struct httpd_conn *c)
{
	check(c->state == HTTPD_BODY);
	buf_add(&c->work->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	httpd_state_mark_dirty(c);
}

enum httpd_sent httpd_reply_send(struct httpd_conn *c)
{
	struct httpd_work *w = c->work;
	ssize_t n;

	while (w != NULL && w->sent < w->out.n) {
		n = send(c->fd, w->out.p + w->sent, w->out.n - w->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return HTTPD_BLOCKED;
		if (n < 0)
			return HTTPD_BROKEN;
		w->sent += (size_t)n;
		c->moved += n;
	}
	if (w != NULL) {
		buf_reset(&w->out);
		w->sent = 0;
	}
	return HTTPD_SENT;
}
