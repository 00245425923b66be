/* Messages that processes die of, and those that a process was about to send when it was held up. */
#include "engine/engine_int.h"
#include "kit.h"

static struct str header_of(const struct courier_req *req, const char *name)
{
	for (size_t i = 0; i < req->header.n; i++)
		if (str_ieq(req->header.v[i].name, str_c(name)))
			return req->header.v[i].value;
	return STR_NULL;
}

static struct msg_id first_message(struct world *w)
{
	struct msg_id id;
	struct scan s = { 0 };

	scan_init(&s, SCAN_MESSAGES, world_looked, NULL);
	s.max = 1;
	world_look(w, &s);
	T_EQ_INT(s.rows, 1);
	id = s.row[0].id;
	arena_done(&s.arena);
	return id;
}

static void turns(struct proc *p, int n)
{
	for (int i = 0; i < n; i++)
		proc_turn(p);
}

TEST(a_quarantined_message_is_not_attempted_but_dead_and_says_why)
{
	struct scan dead = { 0 };
	struct msg_id poison;
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 2, 1000, "later");
	poison = first_message(&w);
	engine_quarantine(p.e, STR("somebody else"), poison);
	engine_quarantine(p.e, STR("user"), (struct msg_id){ poison.seq, poison.nonce + 1 });
	engine_quarantine(p.e, STR("user"), poison);
	turns(&p, 3000);
	T_EQ_INT(p.sent_n, 1);
	proc_deliver_all(&p);
	turns(&p, 100);
	T_EQ_INT(world_messages_left(&w), 0);

	scan_init(&dead, SCAN_DLQ, world_looked, NULL);
	dead.max = 10;
	world_look(&w, &dead);
	T_EQ_INT(dead.rows, 1);
	T_EQ_INT(dead.row[0].id.seq, poison.seq);
	T_CHECK(str_has(dead.row[0].response,
			STR("quarantined: processes of this server have died")));
	arena_done(&dead.arena);
	proc_stop(&p);
	world_end(&w);
}

TEST(the_last_of_many_quarantined_ones_are_known)
{
	struct msg m = { .user = STR("user") };
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	for (uint64_t i = 1; i <= ENGINE_QUARANTINE_MAX + 1; i++)
		engine_quarantine(p.e, STR("user"), (struct msg_id){ i, i });
	m.id = (struct msg_id){ 1, 1 };
	T_CHECK(!quarantine_has(p.e, &m));
	m.id = (struct msg_id){ 2, 2 };
	T_CHECK(quarantine_has(p.e, &m));
	m.id = (struct msg_id){ ENGINE_QUARANTINE_MAX + 1, ENGINE_QUARANTINE_MAX + 1 };
	T_CHECK(quarantine_has(p.e, &m));
	proc_stop(&p);
	world_end(&w);
}

TEST(it_says_which_message_it_is_busy_with)
{
	struct inhand page = { 0 };
	struct msg_id id;
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	p.e->set.inhand = &page;
	proc_publish(&p, 1, 0, "now");
	turns(&p, 100);
	id = first_message(&w);
	T_EQ_INT(p.sent_n, 1);
	T_EQ_INT(page.seq, 0);
	T_EQ_INT(page.nonce, id.nonce); /* it was busy building the request */
	page.nonce = 0;
	p.sent[0]->at_work(p.sent[0], true);
	T_CHECK(page.seq == id.seq && page.nonce == id.nonce);
	T_EQ_STR(str_n(page.user, page.user_n), "user");
	p.sent[0]->at_work(p.sent[0], false);
	T_EQ_INT(page.seq, 0);
	page.nonce = 0;
	proc_deliver_all(&p);
	T_EQ_INT(page.nonce, id.nonce); /* ... and judging its outcome */
	T_EQ_INT(page.seq, 0);
	proc_stop(&p);
	world_end(&w);
}

TEST(what_a_process_had_not_begun_when_its_leases_may_have_run_out_is_handed_back)
{
	struct courier_req *req;
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 1, 0, "now");
	turns(&p, 100);
	T_EQ_INT(p.sent_n, 1);
	req = p.sent[--p.sent_n];
	T_CHECK(req->may_begin(req)); /* nobody takes leases in this store, as it says */
	p.store->info.alive_ms = w.now_ms;
	T_CHECK(req->may_begin(req));
	p.store->info.alive_ms = w.now_ms - p.store->info.lease_ms / 2 - 2;
	T_CHECK(!req->may_begin(req));
	req->outcome = (struct outcome){ .error = STR("it may not begin any more") };
	req->done(req);
	p.store->info.alive_ms = w.now_ms;
	turns(&p, 100);
	/* It did not count as an attempt. */
	T_EQ_INT(p.sent_n, 1);
	T_EQ_STR(header_of(p.sent[0], "Upstash-Retried"), "0");
	T_CHECK(p.sent[0]->may_begin(p.sent[0]));
	proc_deliver_all(&p);
	turns(&p, 100);
	T_EQ_INT(world_messages_left(&w), 0);
	proc_stop(&p);
	world_end(&w);
}
