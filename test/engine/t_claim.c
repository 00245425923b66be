/* What an engine asks for when it has no room. */
#include "engine/engine_int.h"
#include "kit.h"

static void changed(struct schedule_op *op)
{
	T_EQ_INT(op->problem.status, 0);
	*(bool *)op->arg = true;
}

static void schedule_each_minute(struct proc *p)
{
	struct arena a;
	bool done = false;
	struct schedule_op op = {
		.account = engine_account(p->e, STR("user")),
		.what = SCHEDULE_CREATE,
		.schedule = {
			.cron = STR("* * * * *"),
			.destination = STR("https://x.io/tick"),
			.msg = { .user = STR("user"),
				 .url = STR("https://x.io/tick"),
				 .method = STR("POST"),
				 .timeout_ms = HOUR_MS },
		},
		.arena = &a,
		.done = changed,
		.arg = &done,
	};

	arena_init(&a);
	engine_schedule_change(p->e, &op);
	for (int i = 0; i < TURNS_MAX && !done; i++)
		proc_turn(p);
	T_CHECK(done);
	arena_done(&a);
}

TEST(a_schedule_fires_although_all_deliveries_hang)
{
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	p.e->set.deliveries_max = 1;
	schedule_each_minute(&p);
	proc_publish(&p, 1, 0, "hangs");
	for (int i = 0; i < 61 * 1000; i++)
		proc_turn(&p);
	T_EQ_INT(p.sent_n, 1);
	T_EQ_INT(world_messages_left(&w), 2);
	/* The tick's message has waited for the slot. */
	proc_deliver_all(&p);
	for (int i = 0; i < 1000; i++)
		proc_turn(&p);
	T_EQ_INT(p.sent_n, 1);
	T_EQ_STR(p.sent[0]->url, "https://x.io/tick");
	proc_stop(&p);
	world_end(&w);
}
