#include "app/users.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/admin.h"
#include "app/admin_client.h"

enum { LOOK_AGAIN_MS = 100 };

/* ---- asking ----------------------------------------------------------------------------------------- */

/* The path of the user that the first argument names, with what follows it. */
static struct str user_path(const struct conf *conf, struct arena *a, const char *rest)
{
	return admin_client_path(a, "/v2/admin/users/", conf->arg[1], rest);
}

/* As the variables that clients look for, to be pasted. */
static void print_variable(const struct json *object, const char *key, const char *name)
{
	struct str text = admin_client_text(object, key);

	if (text.n > 0)
		printf("%s=%.*s\n", name, STR_FMT(text));
}

static int print_secrets(const struct conf *conf, const struct admin_answer *answer)
{
	if (conf->json) {
		printf("%.*s\n", STR_FMT(answer->text));
		return 0;
	}
	printf("User %.*s, plan %.*s. This is shown once:\n",
	       STR_FMT(admin_client_text(answer->json, "id")),
	       STR_FMT(admin_client_text(answer->json, "plan")));
	print_variable(answer->json, "token", "QSTASH_TOKEN");
	print_variable(answer->json, "readOnlyToken", "QSTASH_READ_ONLY_TOKEN");
	print_variable(answer->json, "currentSigningKey", "QSTASH_CURRENT_SIGNING_KEY");
	print_variable(answer->json, "nextSigningKey", "QSTASH_NEXT_SIGNING_KEY");
	return 0;
}

static void print_member(const struct json *v, int indent)
{
	printf("%*s%.*s: ", indent, "", STR_FMT(v->key));
	if (v->kind == JSON_NULL)
		puts("no limit");
	else if (v->kind == JSON_BOOL)
		puts(v->boolean ? "yes" : "no");
	else
		printf("%.*s\n", STR_FMT(v->text));
}

static int print_user(const struct conf *conf, const struct admin_answer *answer)
{
	const struct json *limits = json_get(answer->json, STR("limits"));

	if (conf->json) {
		printf("%.*s\n", STR_FMT(answer->text));
		return 0;
	}
	for (const struct json *v = answer->json->child; v != NULL; v = v->next) {
		if (v != limits)
			print_member(v, 0);
	}
	if (limits != NULL)
		puts("limits:");
	for (const struct json *v = limits != NULL ? limits->child : NULL; v != NULL; v = v->next)
		print_member(v, 2);
	return 0;
}

/* ---- commands --------------------------------------------------------------------------------------- */

static int create(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { "POST", STR("/v2/admin/users"), STR_NULL };
	struct admin_answer answer;
	struct json_out j;
	struct buf body;

	buf_init(&body, 1024 * 1024);
	j = json_out(&body);
	json_open(&j, '{');
	if (conf->args > 1)
		json_kstr(&j, STR("id"), str_c(conf->arg[1]));
	json_kstr(&j, STR("plan"), str_c(conf->plan));
	json_close(&j, '}');
	q.body = arena_str(a, buf_str(&body));
	buf_done(&body);
	return admin_client_must(conf, a, &q, &answer) ? print_secrets(conf, &answer) : 1;
}

/* One page; the cursor of the next, or nothing. */
static struct str print_page(const struct conf *conf, const struct admin_answer *answer)
{
	const struct json *users = json_get(answer->json, STR("users"));

	if (conf->json)
		printf("%.*s\n", STR_FMT(answer->text));
	for (const struct json *u = users != NULL && !conf->json ? users->child : NULL; u != NULL;
	     u = u->next)
		printf("%-32.*s %-12.*s %.*s\n", STR_FMT(admin_client_text(u, "id")),
		       STR_FMT(admin_client_text(u, "plan")),
		       STR_FMT(admin_client_text(u, "state")));
	return admin_client_text(answer->json, "cursor");
}

static int list(const struct conf *conf, struct arena *a)
{
	struct str cursor = STR_NULL;

	do {
		struct admin_request q = { "GET", STR("/v2/admin/users?count=1000"), STR_NULL };
		struct admin_answer answer;

		if (cursor.n > 0)
			q.path = arena_fmt(a, "/v2/admin/users?count=1000&cursor=%.*s",
					   STR_FMT(cursor));
		if (!admin_client_must(conf, a, &q, &answer))
			return 1;
		cursor = print_page(conf, &answer);
	} while (cursor.n > 0);
	return 0;
}

static int show(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { "GET", user_path(conf, a, ""), STR_NULL };
	struct admin_answer answer;

	return admin_client_must(conf, a, &q, &answer) ? print_user(conf, &answer) : 1;
}

static int change_plan(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { "PATCH", user_path(conf, a, ""), STR_NULL };
	struct admin_answer answer;

	q.body = admin_client_body(a, "plan", conf->arg[2]);
	return admin_client_must(conf, a, &q, &answer) ? print_user(conf, &answer) : 1;
}

static int reset_token(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { "POST", user_path(conf, a, "/token"), STR_NULL };
	struct admin_answer answer;

	return admin_client_must(conf, a, &q, &answer) ? print_secrets(conf, &answer) : 1;
}

static int read_only_token(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { conf->remove ? "DELETE" : "POST",
				   user_path(conf, a, "/readOnlyToken"), STR_NULL };
	struct admin_answer answer;

	if (!admin_client_must(conf, a, &q, &answer))
		return 1;
	return conf->remove ? print_user(conf, &answer) : print_secrets(conf, &answer);
}

/* Waits until the user is gone. The server goes on by itself when this is cut off. */
static int delete_user(const struct conf *conf, struct arena *a)
{
	struct admin_request remove = { "DELETE", user_path(conf, a, ""), STR_NULL };
	struct admin_request look = { "GET", remove.path, STR_NULL };
	struct admin_answer answer;
	char error[ADMIN_ERROR_BYTES];

	if (!conf->yes) {
		admin_client_complain(
			"this deletes the user with its messages, schedules, queues and log; say "
			"--yes");
		return 2;
	}
	if (!admin_client_must(conf, a, &remove, &answer))
		return 1;
	do {
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_MS * 1000000L }, NULL);
		arena_reset(a);
		look.path = user_path(conf, a, "");
		if (!admin_client_ask(conf, a, &look, &answer, error))
			return admin_client_complain(error);
	} while (answer.status == 200);
	if (conf->json)
		puts("{\"deleted\":true}");
	else
		printf("User %s is deleted with all it had.\n", conf->arg[1]);
	return 0;
}

/* Waits until the user is served there. The server goes on by itself when this is cut off. */
static int move_user(const struct conf *conf, struct arena *a)
{
	struct admin_request move = { "POST", user_path(conf, a, "/move"), STR_NULL };
	struct admin_answer answer;

	move.body = admin_client_body(a, "database", conf->arg[2]);
	if (!admin_client_must(conf, a, &move, &answer))
		return 1;
	for (;;) {
		struct admin_request look = { "GET", STR_NULL, STR_NULL };

		arena_reset(a);
		look.path = user_path(conf, a, "");
		if (!admin_client_must(conf, a, &look, &answer))
			return 1;
		if (str_eq(admin_client_text(answer.json, "database"), str_c(conf->arg[2])) &&
		    str_eq(admin_client_text(answer.json, "state"), STR("active")))
			return print_user(conf, &answer);
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_MS * 1000000L }, NULL);
	}
}

static const struct admin_command commands[] = {
	{ "create", 0, 1, "[ID] [--plan P]", "make a user, and show its token and signing keys",
	  create },
	{ "list", 0, 0, "", "list all users", list },
	{ "show", 1, 1, "ID", "one user and its limits", show },
	{ "plan", 2, 2, "ID PLAN", "give it another plan", change_plan },
	{ "reset-token", 1, 1, "ID", "make and show a new token; the old one fails at once",
	  reset_token },
	{ "read-only-token", 1, 1, "ID [--remove]",
	  "the same with the read-only token, or take it away", read_only_token },
	{ "move", 2, 2, "ID DATABASE", "move it to another database (qstash db list)", move_user },
	{ "delete", 1, 1, "ID --yes", "delete it with all it has", delete_user },
};

int users_main(int argc, char **argv)
{
	static const struct admin_commands users = {
		.name = "users",
		.about = "Asks the server that runs on the data directory (or the one at --url).",
		.command = commands,
		.n = countof(commands),
	};

	return admin_main(&users, argc, argv);
}
