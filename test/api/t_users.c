/* Users as the administrator sees them: made, changed, listed, deleted with all they have. */
#include "rig.h"

#include "base/codec.h"
#include "core/plan.h"
#include "t.h"

#define ADMIN_TOKEN "an-admin-token-of-32-characters!"
#define ADMIN "Authorization: Bearer " ADMIN_TOKEN "\r\n"

static struct rig *start(void)
{
	return rig_start((struct rig_settings){ .admin_token = ADMIN_TOKEN, .own_plans = true });
}

static struct answer admin(struct rig *r, const char *method, const char *target, const char *body)
{
	return rig_ask(r, method, target, ADMIN, str_c(body));
}

static struct answer as(struct rig *r, struct str token, const char *method, const char *target)
{
	struct str field =
		arena_fmt(rig_arena(r), "Authorization: Bearer %.*s\r\n", STR_FMT(token));

	return rig_ask(r, method, target, field.p, STR_NULL);
}

static struct answer made(struct rig *r, const char *body)
{
	struct answer a = admin(r, "POST", "/v2/admin/users", body);

	if (a.status != 201)
		T_FAIL("create was answered %d %.*s", a.status, STR_FMT(a.body));
	return a;
}

static struct str token_of(struct answer a)
{
	return answer_str(a, "token");
}

static void until_gone(struct rig *r, const char *target)
{
	T_UNTIL(admin(r, "GET", target, "").status == 404, 10);
}

/* ---- who may ---------------------------------------------------------------------------------------- */

static const struct {
	const char *method, *target;
} routes[] = {
	{ "GET", "/v2/admin/users" },
	{ "POST", "/v2/admin/users" },
	{ "GET", "/v2/admin/users/user" },
	{ "PATCH", "/v2/admin/users/user" },
	{ "DELETE", "/v2/admin/users/user" },
	{ "POST", "/v2/admin/users/user/token" },
	{ "POST", "/v2/admin/users/user/readOnlyToken" },
	{ "DELETE", "/v2/admin/users/user/readOnlyToken" },
};

TEST_EACH(without_an_admin_token_there_is_no_admin_api, routes)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(rig_do(r, row->method, row->target).status, 404);
	T_EQ_INT(
		rig_ask(r, row->method, row->target, "Authorization: Bearer \r\n", STR_NULL).status,
		404);
	T_EQ_INT(rig_ask(r, row->method, row->target, "", STR_NULL).status, 404);
	T_EQ_INT(rig_do(r, "PUT", row->target).status, 404);
	T_EQ_INT(rig_do(r, "GET", "/v2/admin").status, 404);
	T_EQ_INT(rig_do(r, "GET", "/v2/keys").status, 200);
	rig_stop(r);
}

TEST_EACH(only_the_admin_token_is_let_in, routes)
{
	struct rig *r = start();
	static const char *const others[] = {
		"",
		RIG_AUTH,
		"Authorization: Bearer " RIG_READ_ONLY "\r\n",
		"Authorization: Bearer an-admin-token-of-32-characters\r\n",
		"Authorization: Bearer an-admin-token-of-32-characters!!\r\n",
		"Authorization: Bearer \r\n",
		"Authorization: Basic " ADMIN_TOKEN "\r\n",
	};

	for (size_t i = 0; i < countof(others); i++) {
		struct answer a = rig_ask(r, row->method, row->target, others[i], STR_NULL);

		T_EQ_INT(a.status, 401);
		T_EQ_STR(answer_str(a, "error"),
			 "unable to authenticate: this needs the admin token");
	}
	T_EQ_INT(rig_do(r, "GET", "/v2/keys").status, 200);
	rig_stop(r);
}

TEST(the_admin_token_is_no_users_token)
{
	struct rig *r = start();

	T_EQ_INT(admin(r, "GET", "/v2/keys", "").status, 401);
	T_EQ_INT(admin(r, "POST", "/v2/publish/https://x.io", "").status, 401);
	T_EQ_INT(admin(r, "GET", "/v2/admin/nothing", "").status, 404);
	T_EQ_INT(admin(r, "PUT", "/v2/admin/users", "").status, 405);
	rig_stop(r);
}

TEST(a_control_listener_asks_for_no_token_and_serves_nothing_else)
{
	struct rig *r = rig_start((struct rig_settings){ .control = true });

	T_EQ_INT(rig_ask(r, "GET", "/v2/admin/users", "", STR_NULL).status, 200);
	T_EQ_INT(rig_ask(r, "GET", "/v2/health", "", STR_NULL).status, 200);
	T_EQ_INT(rig_do(r, "GET", "/v2/keys").status, 404);
	T_EQ_INT(rig_do(r, "POST", "/v2/publish/https://x.io").status, 404);
	rig_stop(r);
}

/* ---- making ----------------------------------------------------------------------------------------- */

TEST(a_new_user_can_publish)
{
	struct rig *r = start();
	struct answer a = made(r, "{\"id\":\"ada\",\"plan\":\"free\"}");
	struct answer keys = as(r, token_of(a), "GET", "/v2/keys");
	struct buf b;

	T_EQ_STR(answer_str(a, "id"), "ada");
	T_EQ_STR(answer_str(a, "plan"), "free");
	T_EQ_STR(answer_str(a, "state"), "active");
	T_CHECK(!answer_has(a, "readOnlyToken"));
	T_CHECK(str_starts(answer_str(a, "currentSigningKey"), STR("sig_")));
	T_EQ_INT(answer_str(a, "nextSigningKey").n, 32);
	T_EQ_STR(answer_str(keys, "current"), answer_str(a, "currentSigningKey"));
	T_EQ_STR(answer_str(keys, "next"), answer_str(a, "nextSigningKey"));
	buf_init(&b, 1024);
	T_CHECK(b64_decode(&b, token_of(a)));
	T_CHECK(str_starts(buf_str(&b), STR("{\"UserID\":\"ada\",\"Password\":\"")));
	buf_done(&b);
	T_EQ_INT(as(r, token_of(a), "POST", "/v2/publish/https://x.io").status, 200);
	T_UNTIL(answer_count(as(r, token_of(a), "GET", "/v2/events?state=DELIVERED"), "events") ==
			1,
		10);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/events"), "events"), 0);
	rig_stop(r);
}

TEST(an_id_is_made_and_payg_is_the_plan_when_nothing_is_said)
{
	struct rig *r = start();
	struct answer a = made(r, "");

	T_CHECK(str_starts(answer_str(a, "id"), STR("user_")));
	T_EQ_STR(answer_str(a, "plan"), "payg");
	T_EQ_INT(as(r, token_of(a), "GET", "/v2/queues").status, 200);
	rig_stop(r);
}

static const struct {
	const char *body;
	int status;
	const char *error;
} bad_new[] = {
	{ "{\"id\":\"user\"}", 409, "user user exists already" },
	{ "{\"id\":\"a b\"}", 400, "id: letters, digits, " },
	{ "{\"id\":\"_a\"}", 400, "id: letters, digits, " },
	{ "{\"id\":\"a\\\"b\"}", 400, "id: letters, digits, " },
	{ "{\"id\":\"..\"}", 400, "id: letters, digits, " },
	{ "{\"id\":\"\"}", 400, "id: must be a string, not empty" },
	{ "{\"id\":5}", 400, "id: must be a string" },
	{ "{\"plan\":\"gold\"}", 400, "plan: there is no plan 'gold'" },
	{ "{\"readOnlyToken\":1}", 400, "readOnlyToken: must be true or false" },
	{ "{\"token\":\"x\"}", 400, "token: is not known; allowed are id, plan and readOnlyToken" },
	{ "[]", 400, "the body must be a JSON object" },
	{ "{", 400, "the body is not JSON: " },
};

TEST_EACH(what_makes_no_user, bad_new)
{
	struct rig *r = start();
	struct answer a = admin(r, "POST", "/v2/admin/users", row->body);

	T_EQ_INT(a.status, row->status);
	if (!str_starts(answer_str(a, "error"), str_c(row->error)))
		T_FAIL("%s: %.*s", row->body, STR_FMT(a.body));
	T_EQ_INT(answer_count(admin(r, "GET", "/v2/admin/users", ""), "users"), 2);
	rig_stop(r);
}

/* ---- looking ---------------------------------------------------------------------------------------- */

TEST(the_list_has_all_users_in_order_and_shows_no_secrets)
{
	struct rig *r = start();
	struct answer a;
	struct str target;

	for (int i = 0; i < 5; i++)
		made(r, arena_fmt(rig_arena(r), "{\"id\":\"n%d\"}", i).p);
	a = admin(r, "GET", "/v2/admin/users", "");
	T_EQ_INT(answer_count(a, "users"), 7);
	T_CHECK(!answer_has(a, "cursor"));
	T_CHECK(!str_has(a.body, STR("sig_")) && !str_has(a.body, STR("eyJ")));
	T_CHECK(!str_has(a.body, STR(RIG_TOKEN)) && !str_has(a.body, STR(RIG_READ_ONLY)));
	a = admin(r, "GET", "/v2/admin/users?count=3", "");
	T_EQ_INT(answer_count(a, "users"), 3);
	T_EQ_STR(json_get(answer_at(a, "users", 0), STR("id"))->text, "n0");
	T_EQ_STR(answer_str(a, "cursor"), "n2");
	target = arena_fmt(rig_arena(r), "/v2/admin/users?count=3&cursor=%.*s",
			   STR_FMT(answer_str(a, "cursor")));
	a = admin(r, "GET", target.p, "");
	T_EQ_STR(json_get(answer_at(a, "users", 0), STR("id"))->text, "n3");
	T_EQ_STR(json_get(answer_at(a, "users", 2), STR("id"))->text, "other");
	T_EQ_STR(answer_str(a, "cursor"), "other");
	a = admin(r, "GET", "/v2/admin/users?count=3&cursor=other", "");
	T_EQ_INT(answer_count(a, "users"), 1);
	T_CHECK(!answer_has(a, "cursor"));
	T_EQ_INT(admin(r, "GET", "/v2/admin/users?count=0", "").status, 400);
	T_EQ_INT(admin(r, "GET", "/v2/admin/users?count=1001", "").status, 400);
	rig_stop(r);
}

TEST(one_user_is_shown_with_its_limits_and_without_secrets)
{
	struct rig *r = start();
	struct answer a = admin(r, "GET", "/v2/admin/users/user", "");
	int64_t n = -1;

	T_EQ_INT(a.status, 200);
	T_CHECK(json_i64(json_get(json_get(a.json, STR("limits")), STR("maxQueues")), &n));
	T_EQ_INT(n, plan_find(STR("payg"))->queues_max);
	T_CHECK(json_get(a.json, STR("hasReadOnlyToken"))->boolean);
	T_CHECK(!str_has(a.body, STR("sig_")) && !str_has(a.body, STR(RIG_TOKEN)));
	a = admin(r, "GET", "/v2/admin/users/nobody", "");
	T_EQ_INT(a.status, 404);
	T_EQ_STR(answer_str(a, "error"), "there is no user 'nobody'");
	rig_stop(r);
}

/* ---- changing --------------------------------------------------------------------------------------- */

TEST(a_reset_token_is_void_at_once)
{
	struct rig *r = start();
	struct answer a = made(r, "{\"id\":\"ada\"}"), keys, b;
	struct str old = token_of(a);

	b = admin(r, "POST", "/v2/admin/users/ada/token", "");
	T_EQ_INT(b.status, 200);
	T_CHECK(!str_eq(token_of(b), old));
	T_EQ_INT(as(r, old, "GET", "/v2/keys").status, 401);
	keys = as(r, token_of(b), "GET", "/v2/keys");
	T_EQ_INT(keys.status, 200);
	T_EQ_STR(answer_str(keys, "current"), answer_str(a, "currentSigningKey"));
	rig_stop(r);
}

TEST(a_read_only_token_is_made_reset_and_taken_away)
{
	struct rig *r = start();
	struct str first = answer_str(made(r, "{\"id\":\"ada\",\"readOnlyToken\":true}"),
				      "readOnlyToken"),
		   second;

	T_EQ_INT(as(r, first, "GET", "/v2/queues").status, 200);
	T_EQ_INT(as(r, first, "POST", "/v2/publish/https://x.io").status, 403);
	second = answer_str(admin(r, "POST", "/v2/admin/users/ada/readOnlyToken", ""),
			    "readOnlyToken");
	T_EQ_INT(as(r, first, "GET", "/v2/queues").status, 401);
	T_EQ_INT(as(r, second, "GET", "/v2/queues").status, 200);
	T_EQ_INT(admin(r, "DELETE", "/v2/admin/users/ada/readOnlyToken", "").status, 200);
	T_EQ_INT(as(r, second, "GET", "/v2/queues").status, 401);
	T_EQ_INT(admin(r, "DELETE", "/v2/admin/users/ada/readOnlyToken", "").status, 200);
	rig_stop(r);
}

TEST(a_change_of_plan_counts_at_once)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\",\"plan\":\"free\"}"));
	struct answer a;

	T_EQ_INT(answer_int(as(r, token, "GET", "/v2/globalParallelism"), "parallelismMax"), 10);
	a = admin(r, "PATCH", "/v2/admin/users/ada", "{\"plan\":\"pro\"}");
	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "plan"), "fixed1m");
	T_EQ_INT(answer_int(as(r, token, "GET", "/v2/globalParallelism"), "parallelismMax"), 200);
	a = admin(r, "PATCH", "/v2/admin/users/ada", "{\"plan\":\"gold\"}");
	T_EQ_INT(a.status, 400);
	T_EQ_STR(answer_str(a, "error"), "plan: there is no plan 'gold'");
	T_EQ_INT(admin(r, "PATCH", "/v2/admin/users/ada", "").status, 400);
	T_EQ_INT(admin(r, "PATCH", "/v2/admin/users/ada", "{\"id\":\"x\"}").status, 400);
	T_EQ_INT(admin(r, "PATCH", "/v2/admin/users/nobody", "{\"plan\":\"pro\"}").status, 404);
	rig_stop(r);
}

/* What waits at the user's own gate gets more room, too: 10 of 12 run, then all. */
TEST(a_larger_plan_lets_what_waits_start)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\",\"plan\":\"free\"}"));

	for (int i = 0; i < 12; i++)
		T_EQ_INT(as(r, token, "POST", "/v2/publish/https://x.io/hold").status, 200);
	T_UNTIL(answer_count(as(r, token, "GET", "/v2/events?state=ACTIVE"), "events") == 10, 10);
	T_EQ_INT(admin(r, "PATCH", "/v2/admin/users/ada", "{\"plan\":\"payg\"}").status, 200);
	T_UNTIL(answer_count(as(r, token, "GET", "/v2/events?state=ACTIVE"), "events") == 12, 10);
	rig_stop(r);
}

/* ---- deleting --------------------------------------------------------------------------------------- */

/* Messages that run, wait and are dead, a queue, a group, a schedule. */
static void give_everything(struct rig *r, struct str token)
{
	struct str field =
		arena_fmt(rig_arena(r), "Authorization: Bearer %.*s\r\n", STR_FMT(token));
	struct str later = arena_fmt(rig_arena(r), "%sUpstash-Delay: 1h\r\n", field.p);
	struct str dead = arena_fmt(rig_arena(r), "%sUpstash-Retries: 0\r\n", field.p);
	struct str cron = arena_fmt(rig_arena(r), "%sUpstash-Cron: * * * * *\r\n", field.p);
	struct str back =
		arena_fmt(rig_arena(r), "%sUpstash-Callback: https://x.io/cb\r\n", field.p);
	struct str body = STR("{\"endpoints\":[{\"url\":\"https://x.io/e\"}]}");

	for (int i = 0; i < 3; i++) {
		T_EQ_INT(
			rig_ask(r, "POST", "/v2/publish/https://x.io/hold", back.p, STR_NULL).status,
			200);
		T_EQ_INT(rig_ask(r, "POST", "/v2/publish/https://x.io", later.p, STR_NULL).status,
			 200);
		T_EQ_INT(rig_ask(r, "POST", "/v2/enqueue/q/https://x.io/hold", field.p, STR_NULL)
				 .status,
			 200);
	}
	T_EQ_INT(rig_ask(r, "POST", "/v2/publish/https://x.io/status/500", dead.p, STR_NULL).status,
		 200);
	T_EQ_INT(rig_ask(r, "POST", "/v2/topics/g/endpoints", field.p, body).status, 200);
	T_EQ_INT(rig_ask(r, "POST", "/v2/schedules/https://x.io", cron.p, STR_NULL).status, 200);
	T_UNTIL(answer_count(as(r, token, "GET", "/v2/dlq"), "messages") == 1, 10);
	T_UNTIL(answer_count(as(r, token, "GET", "/v2/events?state=ACTIVE"), "events") == 5, 10);
}

static void has_nothing(struct rig *r, struct str token)
{
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/events"), "events"), 0);
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/dlq"), "messages"), 0);
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/queues"), NULL), 0);
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/topics"), NULL), 0);
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/schedules"), NULL), 0);
}

TEST(a_deleted_user_is_gone_with_all_it_had)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\"}")), again;
	struct str kept = rig_publish(r, "https://x.io/later", "Upstash-Delay: 1h\r\n", "");
	struct answer a;

	give_everything(r, token);
	a = admin(r, "DELETE", "/v2/admin/users/ada", "");
	T_EQ_INT(a.status, 202);
	T_EQ_STR(answer_str(a, "state"), "deleting");
	T_EQ_INT(as(r, token, "GET", "/v2/keys").status, 401);
	until_gone(r, "/v2/admin/users/ada");
	again = token_of(made(r, "{\"id\":\"ada\"}"));
	T_CHECK(!str_eq(again, token));
	T_EQ_INT(as(r, token, "GET", "/v2/keys").status, 401);
	has_nothing(r, again);
	/* Past the schedule's time, and that of the delayed ones. */
	rig_advance(r, (int64_t)2 * 3600 * 1000);
	rig_until_logged(r, "DELIVERED", 1);
	has_nothing(r, again);
	T_EQ_STR(json_get(answer_at(rig_do(r, "GET", "/v2/events?state=DELIVERED"), "events", 0),
			  STR("messageId"))
			 ->text,
		 kept);
	T_EQ_INT(as(r, again, "POST", "/v2/publish/https://x.io").status, 200);
	T_UNTIL(answer_count(as(r, again, "GET", "/v2/events?state=DELIVERED"), "events") == 1, 10);
	rig_stop(r);
}

TEST(while_it_is_deleted_nothing_else_can_be_done_with_it)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\"}"));
	struct peer p = rig_dial(r);
	struct buf b;

	/* All on one connection and in one piece, so that the deletion has had no time. */
	buf_init(&b, 8192);
	buf_fmt(&b, "DELETE /v2/admin/users/ada HTTP/1.1\r\nHost: h\r\n" ADMIN "\r\n");
	buf_fmt(&b, "POST /v2/admin/users HTTP/1.1\r\nHost: h\r\n" ADMIN
		    "Content-Length: 12\r\n\r\n{\"id\":\"ada\"}");
	buf_fmt(&b, "POST /v2/admin/users/ada/token HTTP/1.1\r\nHost: h\r\n" ADMIN
		    "Content-Length: 0\r\n\r\n");
	buf_fmt(&b, "DELETE /v2/admin/users/ada HTTP/1.1\r\nHost: h\r\n" ADMIN "\r\n");
	buf_fmt(&b, "GET /v2/keys HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %.*s\r\n\r\n",
		STR_FMT(token));
	peer_send(&p, buf_str(&b));
	T_EQ_INT(peer_status(&p, "DELETE"), 202);
	T_EQ_INT(peer_status(&p, "POST"), 409);
	T_EQ_INT(peer_status(&p, "POST"), 409);
	T_EQ_INT(peer_status(&p, "DELETE"), 202);
	T_EQ_INT(peer_status(&p, "GET"), 401);
	peer_close(&p);
	buf_done(&b);
	until_gone(r, "/v2/admin/users/ada");
	T_EQ_INT(admin(r, "DELETE", "/v2/admin/users/ada", "").status, 404);
	rig_stop(r);
}

/* More rows than one bite. */
TEST(a_deletion_takes_many_bites)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\"}"));
	struct str field =
		arena_fmt(rig_arena(r), "Authorization: Bearer %.*s\r\n", STR_FMT(token));
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 700; i++)
		buf_fmt(&b, "%c{\"destination\":\"https://x.io\",\"headers\":{\"Upstash-Delay\":\"1h\"}}",
			i == 0 ? '[' : ',');
	buf_byte(&b, ']');
	for (int i = 0; i < 3; i++)
		T_EQ_INT(rig_ask(r, "POST", "/v2/batch", field.p, buf_str(&b)).status, 200);
	buf_done(&b);
	T_EQ_INT(admin(r, "DELETE", "/v2/admin/users/ada", "").status, 202);
	until_gone(r, "/v2/admin/users/ada");
	token = token_of(made(r, "{\"id\":\"ada\"}"));
	has_nothing(r, token);
	rig_advance(r, (int64_t)2 * 3600 * 1000);
	T_EQ_INT(as(r, token, "POST", "/v2/publish/https://x.io/mine").status, 200);
	T_UNTIL(answer_count(as(r, token, "GET", "/v2/events?state=DELIVERED"), "events") == 1, 10);
	T_EQ_INT(answer_count(as(r, token, "GET", "/v2/events"), "events"), 3);
	rig_stop(r);
}

/* The body comes when the user is gone. */
TEST(a_request_that_was_let_in_before_is_refused)
{
	struct rig *r = start();
	struct str token = token_of(made(r, "{\"id\":\"ada\"}"));
	struct peer p = rig_dial(r);
	struct str head = arena_fmt(rig_arena(r),
				    "POST /v2/publish/https://x.io HTTP/1.1\r\nHost: h\r\n"
				    "Authorization: Bearer %.*s\r\nExpect: 100-continue\r\n"
				    "Content-Length: 4\r\n\r\n",
				    STR_FMT(token));

	peer_send(&p, head);
	T_EQ_INT(peer_status(&p, "POST"), 100);
	T_EQ_INT(admin(r, "DELETE", "/v2/admin/users/ada", "").status, 202);
	until_gone(r, "/v2/admin/users/ada");
	peer_send(&p, STR("body"));
	T_EQ_INT(peer_status(&p, "POST"), 401);
	peer_close(&p);
	rig_stop(r);
}
