#include "api/states.h"

#include "base/check.h"

enum { STORE_MAX = 100 }; /* messages that the store is asked for; what is beyond is not known */

static void ask_store(struct states *s);

static void got(struct message_get *op)
{
	struct states *s = op->arg;

	if (op->problem.status == 0)
		s->state[s->at] = EVENT_CREATED;
	arena_done(&op->arena);
	s->at++;
	ask_store(s);
}

/* One after the other: a message may be large. */
static void ask_store(struct states *s)
{
	while (s->at < s->n && s->state[s->at] != EVENT_NONE)
		s->at++;
	if (s->at == s->n || s->asked == STORE_MAX) {
		s->done(s);
		return;
	}
	s->asked++;
	s->get = (struct message_get){
		.account = s->call->account,
		.id = s->ids[s->at],
		.done = got,
		.arg = s,
	};
	arena_init(&s->get.arena);
	engine_message_get(s->call->engine, &s->get);
}

/* A log that cannot be read knows nothing. */
static void log_answered(struct logs_query *q)
{
	struct states *s = q->arg;

	buf_done(&q->body);
	ask_store(s);
}

void states_find(struct states *s)
{
	check(s->n <= STATES_MAX);
	if (s->n == 0) {
		s->done(s);
		return;
	}
	s->state = arena_array(call_arena(s->call), enum event_state, s->n);
	s->log = (struct logs_query){
		.kind = LOGS_STATES,
		.ids = s->ids,
		.ids_n = s->n,
		.states = s->state,
		.done = log_answered,
		.arg = s,
	};
	call_ask_log(s->call, &s->log);
}
