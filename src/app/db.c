#include "app/db.h"

#include <stdio.h>

#include "app/admin.h"
#include "app/admin_client.h"

static bool is_true(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, str_c(key));

	return v != NULL && v->kind == JSON_BOOL && v->boolean;
}

static int list(const struct conf *conf, struct arena *a)
{
	struct admin_request q = { "GET", STR("/v2/admin/databases"), STR_NULL };
	struct admin_answer answer;
	const struct json *all;

	if (!admin_client_must(conf, a, &q, &answer))
		return 1;
	if (conf->json) {
		printf("%.*s\n", STR_FMT(answer.text));
		return 0;
	}
	all = json_get(answer.json, STR("databases"));
	if (all == NULL || all->child == NULL) {
		puts("The server has one database of its own, in its data directory.");
		return 0;
	}
	for (const struct json *d = all->child; d != NULL; d = d->next)
		printf("%-8.*s %-9.*s %-5s %8.*s users %6.*s moving  %.*s\n",
		       STR_FMT(admin_client_text(d, "name")),
		       STR_FMT(admin_client_text(d, "state")), is_true(d, "up") ? "up" : "down",
		       STR_FMT(admin_client_text(d, "users")),
		       STR_FMT(admin_client_text(d, "moving")),
		       STR_FMT(admin_client_text(d, "url")));
	return 0;
}

static int print_change(const struct conf *conf, const struct admin_answer *answer)
{
	if (conf->json)
		printf("%.*s\n", STR_FMT(answer->text));
	else
		printf("%.*s is %.*s.\n", STR_FMT(admin_client_text(answer->json, "database")),
		       STR_FMT(admin_client_text(answer->json, "state")));
	return 0;
}

static int change(const struct conf *conf, struct arena *a, const struct admin_request *q)
{
	struct admin_answer answer;

	return admin_client_must(conf, a, q, &answer) ? print_change(conf, &answer) : 1;
}

static int add(const struct conf *conf, struct arena *a)
{
	return change(conf, a,
		      &(struct admin_request){ "POST", STR("/v2/admin/databases"),
					       admin_client_body(a, "url", conf->arg[1]) });
}

static int drain(const struct conf *conf, struct arena *a)
{
	return change(conf, a,
		      &(struct admin_request){
			      "POST",
			      admin_client_path(a, "/v2/admin/databases/", conf->arg[1], "/drain"),
			      STR_NULL });
}

static const struct admin_command commands[] = {
	{ "list", 0, 0, "", "the databases, their users, and what is being moved", list },
	{ "add", 1, 1, "URL", "add a Redis server", add },
	{ "drain", 1, 1, "NAME", "give it no new users, and move those that it has away", drain },
};

int db_main(int argc, char **argv)
{
	static const struct admin_commands db = {
		.name = "db",
		.about = "Asks the server that runs on the data directory (or the one at --url), "
			 "which keeps\nits messages in Redis (serve -redis).",
		.command = commands,
		.n = countof(commands),
	};

	return admin_main(&db, argc, argv);
}
