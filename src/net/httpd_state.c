#include "net/httpd_int.h"

#include "base/check.h"
#include "net/loop.h"

#define TO(state) (1u << HTTPD_##state)

/* Where each state may lead; GONE is open to all. */
static const unsigned may_enter[HTTPD_STATES] = {
	[HTTPD_FRESH] = TO(HEAD) | TO(BODY) | TO(SEND),
	[HTTPD_IDLE] = TO(HEAD) | TO(BODY) | TO(SEND),
	[HTTPD_HEAD] = TO(BODY) | TO(SEND),
	[HTTPD_BODY] = TO(BODY) | TO(HOLD) | TO(WAIT) | TO(DROP) | TO(SEND),
	[HTTPD_HOLD] = TO(BODY),
	[HTTPD_WAIT] = TO(SEND),
	[HTTPD_DROP] = TO(DROP) | TO(SEND),
	[HTTPD_SEND] = TO(SEND) | TO(IDLE) | TO(HEAD) | TO(BODY) | TO(LINGER),
	[HTTPD_LINGER] = 0,
	[HTTPD_GONE] = 0,
};

int64_t httpd_state_time_limit_ms(const struct httpd_settings *set, enum httpd_state state)
{
	switch (state) {
	case HTTPD_FRESH:
	case HTTPD_HEAD:
		return set->head_timeout_ms;
	case HTTPD_IDLE:
		return set->idle_timeout_ms;
	case HTTPD_BODY:
	case HTTPD_DROP:
		return set->body_window_ms;
	case HTTPD_SEND:
		return set->write_timeout_ms;
	case HTTPD_LINGER:
		return set->linger_ms;
	default:
		return LOOP_NEVER;
	}
}

void httpd_state_lose_favour(struct httpd_conn *c)
{
	if (c->h->favoured == c)
		c->h->favoured = NULL;
}

void httpd_state_enter(struct httpd_conn *c, enum httpd_state state)
{
	struct httpd *h = c->h;
	int64_t limit_ms = httpd_state_time_limit_ms(&h->set, state);

	check(may_enter[c->state] & (1u << state));
	if (state != HTTPD_BODY)
		httpd_state_lose_favour(c);
	list_remove(&c->in_state);
	list_push(&h->in_state[state], &c->in_state);
	c->state = state;
	c->mark = c->moved;
	c->deadline_ms = limit_ms == LOOP_NEVER ? LOOP_NEVER : loop_mono_ms(h->loop) + limit_ms;
}

void httpd_state_mark_dirty(struct httpd_conn *c)
{
	if (list_is_empty(&c->dirty))
		list_push(&c->h->dirty, &c->dirty);
}

bool httpd_state_memory_is_full(const struct httpd *h)
{
	return h->stats.body_bytes >= h->set.body_memory_max;
}

void httpd_state_drop_input(struct httpd_conn *c)
{
	c->scan = 0;
	if (c->in.p == NULL)
		return;
	c->h->input_bytes -= c->in.n;
	buf_done(&c->in);
	buf_init(&c->in, HTTPD_INPUT_BYTES);
}
