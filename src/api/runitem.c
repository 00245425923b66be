#include "api/runitem.h"

#include "base/check.h"

void runitem_init(struct runitems *r, struct call *c, size_t max)
{
	r->call = c;
	r->max = max;
	r->item = arena_array(call_arena(c), struct run_item, max + 1);
	r->publish = arena_array(call_arena(c), struct run_publish, max + 1);
}

bool runitem_ask(const struct item_source *src, struct runask *ret_ask, struct problem *ret_problem)
{
	return runask_parse(&src->header, ret_ask, ret_problem);
}

static bool read_invoke(struct runitems *r, struct run_item *item, struct problem *p)
{
	struct runanswer_invoke *invoke = arena_new(call_arena(r->call), struct runanswer_invoke);
	struct runanswer_source src = {
		.user = item->msg.user,
		.plan = r->call->plan,
		.now_ms = item->msg.created_ms,
		.body = item->msg.body,
	};

	if (!runanswer_invoke(call_arena(r->call), &src, invoke, p))
		return false;
	item->msg.body = invoke->body;
	item->invoke = invoke;
	return true;
}

static bool add(struct runitems *r, const struct item_source *src, const struct runask *ask,
		size_t *ret_index, struct problem *ret_problem)
{
	struct run_item *item = &r->item[r->n];
	struct publish_item plain = { 0 };

	check(r->n < r->max);
	if (item_group_name(src).n > 0)
		return problem_set(ret_problem, 400,
				   "invalid destination: a workflow's message needs a URL");
	if (!item_make(r->call, src, &plain, ret_problem))
		return false;
	*item = (struct run_item){ .ask = *ask, .msg = plain.msg };
	if (ask->kind == RUNASK_INVOKE && !read_invoke(r, item, ret_problem))
		return false;
	*ret_index = r->n++;
	return true;
}

bool runitem_add(struct runitems *r, const struct item_source *src, const struct runask *ask,
		 size_t *ret_index, struct problem *ret_problem)
{
	if (add(r, src, ask, ret_index, ret_problem))
		return true;
	if (ask->kind != RUNASK_START)
		runitem_judge(ret_problem);
	return false;
}

void runitem_judge(struct problem *p)
{
	if (p->status == 400)
		p->status = 412;
}

static bool is_start(const struct run_item *item)
{
	return item->ask.kind == RUNASK_START || item->ask.kind == RUNASK_AGAIN ||
	       item->ask.kind == RUNASK_INVOKE;
}

static void published(struct run_publish *p)
{
	struct runitems *r = p->arg;

	if (p->problem.status != 0 && r->problem.status == 0)
		r->problem = p->problem;
	if (--r->pending == 0)
		r->done(r);
}

/* Items for one run that stand together are one step. */
static size_t stretch(const struct runitems *r, size_t from)
{
	size_t n = 1;

	if (is_start(&r->item[from]))
		return 1;
	while (from + n < r->n && !is_start(&r->item[from + n]) &&
	       str_eq(r->item[from].ask.run, r->item[from + n].ask.run) &&
	       r->item[from].ask.created_ms == r->item[from + n].ask.created_ms)
		n++;
	return n;
}

void runitem_send(struct runitems *r)
{
	struct engine *e = r->call->engine;
	size_t n, publishes;

	check(r->n > 0);
	for (size_t at = 0; at < r->n; at += n) {
		n = stretch(r, at);
		r->publish[r->publishes++] = (struct run_publish){
			.account = r->call->account,
			.item = &r->item[at],
			.n = n,
			.done = published,
			.arg = r,
		};
	}
	publishes = r->pending = r->publishes;
	for (size_t i = 0; i < publishes; i++)
		engine_run_publish(e, &r->publish[i]);
}

void runitem_write(struct json_out *j, const struct run_item *item)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, item->id);
	json_open(j, '{');
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_kstr(j, STR("url"), item->msg.url);
	if (item->duplicate)
		json_kbool(j, STR("deduplicated"), true);
	json_close(j, '}');
}
