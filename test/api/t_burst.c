/* The burst limit: calls per second, those that publish apart (spec 9.3). */
#include "rig.h"

#include <time.h>

#include "core/plan.h"
#include "t.h"

static struct plan two_a_second(void)
{
	struct plan p = *plan_find(STR("payg"));

	p.burst_per_s = 2;
	return p;
}

/* Calls until one is refused; a second that ends in between begins a new count, so that may take a few. */
static struct answer until_refused(struct rig *r, const char *method, const char *target)
{
	struct answer a;

	for (int i = 0; i < 1000; i++) {
		a = rig_do(r, method, target);
		if (a.status == 429)
			return a;
	}
	T_FAIL("1000 calls and none was refused");
	return a;
}

static int64_t field_int(struct answer a, const char *name)
{
	struct str at = a.head, line;
	int64_t n = -1;

	while (at.n > 0) {
		line = str_cut(&at, '\n');
		if (str_ieq(str_cut(&line, ':'), str_c(name))) {
			line = str_trim(line);
			if (line.n > 0 && line.p[line.n - 1] == '\r')
				line.n--;
			T_CHECK(str_i64(line, &n));
		}
	}
	return n;
}

TEST(the_third_call_in_a_second_is_refused)
{
	struct plan plan = two_a_second();
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a = until_refused(r, "GET", "/v2/queues");
	int64_t now_s = (int64_t)time(NULL), reset_s = field_int(a, "Burst-RateLimit-Reset");

	T_EQ_STR(answer_str(a, "error"), "more than 2 calls in a second; try again in the next one "
					 "(publish, enqueue and batch are "
					 "not limited)");
	T_EQ_INT(field_int(a, "Burst-RateLimit-Limit"), 2);
	T_EQ_INT(field_int(a, "Burst-RateLimit-Remaining"), 0);
	T_CHECK(reset_s >= now_s && reset_s <= now_s + 1);
	T_EQ_INT(field_int(a, "RateLimit-Limit"), -1);
	T_UNTIL(rig_do(r, "GET", "/v2/queues").status == 200, 10);
	rig_stop(r);
}

static const struct {
	const char *method, *target;
} limited[] = {
	{ "GET", "/v2/events" },
	{ "GET", "/v2/keys" },
	{ "DELETE", "/v2/messages/msg_1" },
	{ "POST", "/v2/queues" },
	{ "POST", "/v2/schedules/https://x.io" },
	{ "POST", "/v2/dlq/retry" },
};

TEST_EACH(what_is_limited, limited)
{
	struct plan plan = two_a_second();
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });

	(void)until_refused(r, row->method, row->target);
	rig_stop(r);
}

TEST(what_is_not_limited)
{
	struct plan plan = two_a_second();
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct str batch = STR("[{\"destination\":\"https://x.io\"}]");

	(void)until_refused(r, "GET", "/v2/queues");
	for (int i = 0; i < 5; i++) {
		T_EQ_INT(rig_do(r, "POST", "/v2/publish/https://x.io").status, 200);
		T_EQ_INT(rig_do(r, "POST", "/v2/enqueue/q/https://x.io").status, 200);
		T_EQ_INT(rig_ask(r, "POST", "/v2/batch", RIG_AUTH, batch).status, 200);
		T_EQ_INT(rig_do(r, "GET", "/v2/health").status, 200);
	}
	rig_stop(r);
}

/* Calls as both users within one second: the other one is not refused. */
TEST(each_user_has_a_count_of_its_own)
{
	struct plan plan = two_a_second();
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	const char *other = "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n";
	time_t before;
	struct answer a;

	do {
		(void)until_refused(r, "GET", "/v2/queues");
		before = time(NULL);
		a = rig_ask(r, "GET", "/v2/queues", other, STR_NULL);
	} while (time(NULL) != before);
	T_EQ_INT(a.status, 200);
	rig_stop(r);
}

TEST(no_limit_is_none)
{
	struct plan plan = two_a_second();
	struct rig *r;

	plan.burst_per_s = 0;
	r = rig_start((struct rig_settings){ .plan = &plan });
	for (int i = 0; i < 300; i++)
		T_EQ_INT(rig_do(r, "GET", "/v2/keys").status, 200);
	rig_stop(r);
}
