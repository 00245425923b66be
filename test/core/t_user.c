#include "t.h"

#include <stdlib.h>

#include "base/codec.h"
#include "core/user.h"

static struct user full(void)
{
	return (struct user){
		.id = STR("defaultUser"),
		.token = STR(
			"eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="),
		.read_only_token = STR("ro"),
		.key_current = STR("sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"),
		.key_next = STR("sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs"),
		.plan = STR("payg"),
		.created_ms = 1700000000000,
	};
}

static void round_trip(const struct user *u)
{
	struct user back;
	struct buf b;

	buf_init(&b, 1 << 16);
	user_encode(&b, u);
	T_CHECK(user_decode(buf_str(&b), &back));
	T_EQ_STR(back.id, u->id);
	T_EQ_STR(back.token, u->token);
	T_EQ_STR(back.read_only_token, u->read_only_token);
	T_EQ_STR(back.key_current, u->key_current);
	T_EQ_STR(back.key_next, u->key_next);
	T_EQ_STR(back.plan, u->plan);
	T_EQ_INT(back.created_ms, u->created_ms);
	buf_done(&b);
}

TEST(a_document_gives_the_user_back)
{
	struct user u = full();

	round_trip(&u);
	u.read_only_token = STR_NULL;
	u.plan = STR("");
	round_trip(&u);
}

TEST(what_a_user_cannot_do_without)
{
	for (int missing = 0; missing < 4; missing++) {
		struct user u = full(), back;
		struct str *needed[] = { &u.id, &u.token, &u.key_current, &u.key_next };
		struct buf b;

		*needed[missing] = STR_NULL;
		buf_init(&b, 1 << 16);
		user_encode(&b, &u);
		T_CHECK(!user_decode(buf_str(&b), &back));
		buf_done(&b);
	}
}

TEST(a_cut_document_is_broken)
{
	struct user u = full(), back;
	struct buf b;
	size_t whole = 0;

	buf_init(&b, 1 << 16);
	user_encode(&b, &u);
	for (size_t n = 0; n < b.n; n++) {
		char *copy = str_dup(str_n(b.p, n));

		whole += user_decode(str_n(copy, n), &back);
		free(copy);
	}
	/* After the next key, and after the plan. */
	T_EQ_INT(whole, 2);
	buf_done(&b);
}

TEST(unknown_tags_are_passed_over)
{
	struct user u = full(), back;
	struct buf b;

	buf_init(&b, 1 << 16);
	tlv_add(&b, 250, STR("later"));
	user_encode(&b, &u);
	T_CHECK(user_decode(buf_str(&b), &back));
	T_EQ_STR(back.id, u.id);
	buf_done(&b);
}

static const struct {
	const char *name;
	int64_t per_day, message_mib, topics, endpoints, delay_days, timeout_min, dlq_days,
		log_days;
	int64_t schedules, queues, queue_parallelism, parallelism;
} plans[] = {
	{ "free", 1000, 1, 1, 100, 7, 15, 3, 3, 10, 10, 2, 10 },
	{ "payg", 0, 10, 100, 100, 365, 120, 7, 7, 1000, 100, 10, 100 },
	{ "fixed1m", 1000000, 50, 1000, 1000, 0, 360, 30, 14, 10000, 1000, 10, 200 },
	{ "fixed10m", 10000000, 50, 2000, 2000, 0, 720, 90, 14, 50000, 1000, 10, 1000 },
};

TEST_EACH(the_price_list, plans)
{
	const struct plan *p = plan_find(str_c(row->name));

	T_CHECK(p);
	T_EQ_STR(p->name, row->name);
	T_EQ_INT(p->messages_per_day, row->per_day);
	T_EQ_INT(p->message_bytes_max, row->message_mib * 1024 * 1024);
	T_EQ_INT(p->topics_max, row->topics);
	T_EQ_INT(p->endpoints_max, row->endpoints);
	T_EQ_INT(p->delay_max_s, row->delay_days * 86400);
	T_EQ_INT(p->timeout_max_s, row->timeout_min * 60);
	T_EQ_INT(p->dlq_retention_s, row->dlq_days * 86400);
	T_EQ_INT(p->log_retention_s, row->log_days * 86400);
	T_EQ_INT(p->schedules_max, row->schedules);
	T_EQ_INT(p->queues_max, row->queues);
	T_EQ_INT(p->queue_parallelism_max, row->queue_parallelism);
	T_EQ_INT(p->parallelism_max, row->parallelism);
	T_EQ_INT(p->messages_per_day_hard, str_eq(p->name, STR("free")));
}

TEST(every_plan_is_usable)
{
	size_t n = 0;

	for (const struct plan *p; (p = plan_at(n)); n++) {
		T_CHECK(p->timeout_max_s > 0);
		T_EQ_INT(p->retries_max, 999);
		T_EQ_INT(p->burst_per_s, 100);
		T_CHECK(plan_find(p->name) == p);
	}
	T_EQ_INT(n, 5);
	T_CHECK(!plan_at(SIZE_MAX));
}

TEST(custom_means_no_limit)
{
	const struct plan *p = plan_find(STR("enterprise"));

	T_CHECK(p);
	T_EQ_INT(p->delay_max_s, 0);
	T_EQ_INT(p->queues_max, 0);
	T_EQ_INT(p->schedules_max, 0);
	T_EQ_INT(p->topics_max, 0);
	T_EQ_INT(p->parallelism_max, 0);
	T_EQ_INT(p->queue_parallelism_max, 0);
}

TEST(names_of_plans)
{
	T_CHECK(plan_find(STR("pro")) == plan_find(STR("fixed1m")));
	T_CHECK(!plan_find(STR("Free")));
	T_CHECK(!plan_find(STR("")));
	T_CHECK(!plan_find(STR("paid")));
}
