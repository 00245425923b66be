#include "play.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/http1.h"

enum { TRANSCRIPT_MAX = 4 << 20 };

struct player {
	bool responses;
	struct str method;
	struct buf *out;
	struct buf pending; /* given to the codec and not used yet */
	struct buf payload;
	size_t scan;
	bool in_body;
	bool refused;
	struct http1_body_reader reader;
	struct http1_head head;
};

static void write_body_kind(struct buf *out, const struct http1_head *head)
{
	switch (head->body) {
	case HTTP1_BODY_NONE:
		break;
	case HTTP1_BODY_LENGTH:
		buf_fmt(out, " length %llu", (unsigned long long)head->body_bytes);
		break;
	case HTTP1_BODY_CHUNKED:
		buf_add(out, STR(" chunked"));
		break;
	case HTTP1_BODY_CLOSE:
		buf_add(out, STR(" until-close"));
		break;
	}
}

static void write_value(struct buf *out, const struct http1_head *head, struct str value)
{
	char *copy = xmalloc(value.n + 1);

	if (value.n > 0)
		memcpy(copy, value.p, value.n);
	if (head->is_response && head->has_folds)
		value.n = http1_unfold(copy, value.n);
	value.p = copy;
	check(http1_is_value(value) && value.n == str_trim(value).n);
	buf_add(out, value);
	free(copy);
}

static void write_head(struct player *pl)
{
	const struct http1_head *head = &pl->head;
	struct buf *out = pl->out;

	check(head->is_response == pl->responses);
	if (head->is_response) {
		buf_fmt(out, "%d", head->status);
	} else {
		buf_add(out, head->method);
		buf_byte(out, ' ');
		buf_add(out, head->target);
	}
	buf_fmt(out, " 1.%d", head->minor);
	write_body_kind(out, head);
	buf_fmt(out, "%s%s\n", head->keep_alive ? "" : " close",
		head->expects_continue ? " continue" : "");
	for (size_t i = 0; i < head->fields; i++) {
		check(http1_is_token(head->field[i].name));
		buf_add(out, head->field[i].name);
		buf_byte(out, '=');
		write_value(out, head, head->field[i].value);
		buf_byte(out, '\n');
	}
}

static void write_refusal(struct player *pl, int status, const char *why)
{
	pl->refused = true;
	buf_fmt(pl->out, "refused %d %s\n", status, why);
}

/* True when it used the pending bytes up to the end of a head. */
static bool play_head(struct player *pl)
{
	size_t n = pl->pending.n, used = 0;
	char *exact = xmalloc(n);
	struct str in = str_n(exact, n);
	struct http1_refusal no = { 0 };
	enum http1_result r;

	memcpy(exact, pl->pending.p, n);
	pl->head.method = pl->method;
	r = (pl->responses ? http1_response_head : http1_request_head)(in, &pl->scan, &pl->head,
								       &used, &no);
	if (r == HTTP1_DONE) {
		check(used > 0 && used <= n);
		write_head(pl);
		buf_drop(&pl->pending, used);
		pl->scan = 0;
		http1_body_start(&pl->reader, &pl->head);
		pl->in_body = true;
	} else if (r == HTTP1_REFUSED) {
		check(no.why != NULL && no.status >= 400 && no.status <= 505);
		write_refusal(pl, pl->responses ? 0 : no.status, no.why);
	}
	free(exact);
	return r == HTTP1_DONE;
}

static void end_message(struct player *pl)
{
	if (pl->reader.kind != HTTP1_BODY_NONE) {
		buf_add(pl->out, STR("body "));
		buf_add(pl->out, buf_str(&pl->payload));
		buf_byte(pl->out, '\n');
	}
	buf_add(pl->out, STR("end\n"));
	buf_reset(&pl->payload);
	pl->in_body = false;
}

/* True when it came to the end of a body. */
static bool play_body(struct player *pl)
{
	size_t n = pl->pending.n;
	char *exact = xmalloc(n);
	struct str in = str_n(exact, n), piece;
	enum http1_result r;

	if (n > 0)
		memcpy(exact, pl->pending.p, n);
	do {
		r = http1_body_read(&pl->reader, &in, &piece);
		if (r != HTTP1_REFUSED)
			buf_add(&pl->payload, piece);
	} while (r == HTTP1_MORE && in.n > 0);
	check(r == HTTP1_REFUSED || pl->reader.total == pl->payload.n);
	buf_drop(&pl->pending, n - in.n);
	free(exact);
	if (r == HTTP1_REFUSED)
		write_refusal(pl, 400, "body");
	else if (r == HTTP1_DONE)
		end_message(pl);
	return r == HTTP1_DONE;
}

static void play_piece(struct player *pl, struct str piece)
{
	bool more = true;

	buf_add(&pl->pending, piece);
	while (more && !pl->refused) {
		if (pl->in_body)
			more = play_body(pl);
		else
			more = pl->pending.n > 0 && play_head(pl);
	}
}

static void play(struct player *pl, struct str in, struct play_cut cut)
{
	size_t n = cut.first;

	while (in.n > 0 && !pl->refused) {
		if (n == 0 || n > in.n)
			n = in.n;
		play_piece(pl, str_sub(in, 0, n));
		in = str_from(in, n);
		n = cut.each;
	}
	if (pl->refused)
		return;
	if (!pl->in_body) {
		buf_add(pl->out, pl->pending.n > 0 ? STR("more in head\n") : STR(""));
		return;
	}
	buf_fmt(pl->out, "more in body, %s\n",
		http1_body_closed(&pl->reader) ? "complete" : "cut off");
	buf_add(pl->out, buf_str(&pl->payload));
}

static void start(struct player *pl, struct buf *out)
{
	buf_init(&pl->pending, TRANSCRIPT_MAX);
	buf_init(&pl->payload, TRANSCRIPT_MAX);
	pl->out = out;
}

static void stop(struct player *pl)
{
	check(!pl->out->overflow && !pl->pending.overflow && !pl->payload.overflow);
	buf_done(&pl->pending);
	buf_done(&pl->payload);
	free(pl);
}

void play_requests(struct str in, struct play_cut cut, struct buf *ret)
{
	struct player *pl = xcalloc(1, sizeof(*pl));

	start(pl, ret);
	play(pl, in, cut);
	stop(pl);
}

void play_responses(struct str in, struct str method, struct play_cut cut, struct buf *ret)
{
	struct player *pl = xcalloc(1, sizeof(*pl));

	pl->responses = true;
	pl->method = method;
	start(pl, ret);
	play(pl, in, cut);
	stop(pl);
}

void play_chunked(struct str in, struct play_cut cut, struct buf *ret)
{
	struct player *pl = xcalloc(1, sizeof(*pl));

	pl->head.body = HTTP1_BODY_CHUNKED;
	http1_body_start(&pl->reader, &pl->head);
	pl->in_body = true;
	start(pl, ret);
	play(pl, in, cut);
	stop(pl);
}
