#include "net/httpd_int.h"

#include <string.h>

#include "base/check.h"

/* What is not used of `in` (which is the connection's buffer or just read) waits in the buffer. */
static void keep_input(struct httpd_conn *c, struct str in)
{
	struct httpd *h = c->h;
	bool is_own = c->in.n > 0;

	if (c->state == HTTPD_GONE)
		return;
	if (in.n == 0 || c->close_after) {
		httpd_state_drop_input(c);
		return;
	}
	if (is_own) {
		h->input_bytes -= c->in.n - in.n;
		buf_drop(&c->in, c->in.n - in.n);
		in = STR_NULL;
	}
	if (c->in.n + in.n > HTTPD_INPUT_FREE_BYTES &&
	    h->input_bytes + in.n > HTTPD_INPUT_MAX_BYTES) {
		httpd_state_drop_input(c);
		c->close_after = c->linger = true;
		if (c->state == HTTPD_HEAD)
			httpd_reply_refuse(c, 503, "the server is short of memory");
		return;
	}
	buf_add(&c->in, in);
	h->input_bytes += in.n;
}

static void set_request(struct httpd_conn *c, struct str head)
{
	struct httpd_work *w = c->work;
	char *copy = arena_alloc(&w->arena, head.n);
	struct str target;
	size_t mark;

	memcpy(copy, head.p, head.n);
	http1_head_move(&w->head, head.p, copy);
	w->req = (struct httpd_req){
		.head = &w->head, .arena = &w->arena, .peer_ip = str_c(c->peer_ip), .conn = c
	};
	target = w->head.target;
	mark = str_find(target, '?', 0);
	w->req.path = str_sub(target, 0, mark);
	if (mark != SIZE_MAX)
		w->req.query = str_n(target.p + mark + 1, target.n - mark - 1);
	http1_body_start(&w->reader, &w->head);
}

static void refuse_body(struct httpd_conn *c)
{
	struct httpd_work *w = c->work;

	c->close_after = c->linger = true;
	httpd_state_enter(c, HTTPD_WAIT);
	c->h->ops->too_large(c->h->arg, &w->req);
}

/* Asks the owner about the head and prepares for the body; afterwards feed_body goes on. */
static void begin_request(struct httpd_conn *c, struct str head, bool body_has_come)
{
	struct httpd_work *w = c->work;
	struct httpd *h = c->h;
	size_t trusted;

	set_request(c, head);
	h->stats.requests++;
	h->delivered = true;
	httpd_state_enter(c, HTTPD_BODY);
	h->ops->head(h->arg, &w->req);
	if (c->state != HTTPD_BODY)
		return;
	if (w->reader.left > w->req.body_max) {
		refuse_body(c);
		return;
	}
	w->body.max = w->req.body_max;
	trusted = w->reader.left < HTTPD_BODY_TRUST_BYTES ? (size_t)w->reader.left
							  : HTTPD_BODY_TRUST_BYTES;
	if (trusted > 0)
		check(buf_room(&w->body, trusted) != NULL);
	if (w->head.expects_continue && !body_has_come)
		httpd_reply_continue(c);
}

/* The feed_ functions use up what they can from the front of *in and say whether to go on. */
static bool feed_head(struct httpd_conn *c, struct str *in)
{
	struct httpd_work *w = c->work != NULL ? c->work : httpd_work_get(c->h);
	enum http1_result r;
	struct str head;
	struct http1_refusal refusal;
	size_t n = 0;

	r = http1_request_head(*in, &c->scan, &w->head, &n, &refusal);
	if (r == HTTP1_MORE) {
		if (c->work == NULL)
			httpd_work_put(w);
		if (c->state == HTTPD_FRESH || c->state == HTTPD_IDLE)
			httpd_state_enter(c, HTTPD_HEAD);
		return false;
	}
	c->work = w;
	c->scan = 0;
	if (r == HTTP1_REFUSED) {
		httpd_reply_refuse(c, refusal.status, refusal.why);
		return false;
	}
	head = str_sub(*in, 0, n);
	*in = str_from(*in, n);
	begin_request(c, head, in->n > 0);
	return true;
}

static bool feed_body(struct httpd_conn *c, struct str *in)
{
	struct httpd_work *w = c->work;
	enum http1_result r;
	struct str piece;

	do {
		r = http1_body_read(&w->reader, in, &piece);
		if (r == HTTP1_REFUSED) {
			httpd_reply_refuse(c, 400, "the chunked body is malformed");
			return false;
		}
		if (w->reader.total > w->req.body_max) {
			refuse_body(c);
			return false;
		}
		httpd_work_add_body(w, piece);
		c->moved += (int64_t)piece.n;
	} while (r == HTTP1_MORE && in->n > 0);
	if (r == HTTP1_MORE)
		return false;
	w->req.body = buf_str(&w->body);
	httpd_state_enter(c, HTTPD_WAIT);
	c->h->ops->request(c->h->arg, &w->req);
	return true;
}

static bool feed_drop(struct httpd_conn *c, struct str *in)
{
	struct str piece;
	enum http1_result r = http1_body_read(&c->work->reader, in, &piece);

	check(r != HTTP1_REFUSED);
	c->moved += (int64_t)piece.n;
	if (r == HTTP1_MORE)
		return false;
	httpd_state_enter(c, HTTPD_SEND);
	httpd_state_mark_dirty(c);
	return true;
}

/* After an answer the next request may begin before that answer is sent, so that the answers to
 * pipelined requests leave together; but not when they pile up. */
static bool may_begin_next(const struct httpd_conn *c)
{
	size_t unsent = c->work != NULL ? c->work->out.n - c->work->sent : 0;

	return !c->close_after && !c->blocked && unsent <= HTTPD_GATHER_BYTES;
}

static void feed(struct httpd_conn *c, struct str in)
{
	bool more = true;

	while (more)
		switch (c->state) {
		case HTTPD_FRESH:
		case HTTPD_IDLE:
		case HTTPD_HEAD:
			more = in.n > 0 && feed_head(c, &in);
			break;
		case HTTPD_SEND:
			more = in.n > 0 && may_begin_next(c) && feed_head(c, &in);
			break;
		case HTTPD_BODY:
			more = feed_body(c, &in);
			break;
		case HTTPD_DROP:
			more = feed_drop(c, &in);
			break;
		default:
			more = false;
			break;
		}
	keep_input(c, in);
}

void httpd_feed(struct httpd_conn *c, struct str in)
{
	if (c->in.n == 0) {
		feed(c, in);
		return;
	}
	buf_add(&c->in, in);
	check(!c->in.overflow);
	c->h->input_bytes += in.n;
	feed(c, buf_str(&c->in));
}

void httpd_feed_kept(struct httpd_conn *c)
{
	check(c->in.n > 0);
	feed(c, buf_str(&c->in));
}
