#include "app/db.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "app/users_client.h"
#include "base/codec.h"

struct command {
	const char *name;
	int args;
	const char *usage, *help;
	int (*run)(const struct conf *conf, struct arena *a);
};

static struct str text_of(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, str_c(key));

	return v != NULL ? v->text : STR_NULL;
}

static bool is_true(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, str_c(key));

	return v != NULL && v->kind == JSON_BOOL && v->boolean;
}

static int list(const struct conf *conf, struct arena *a)
{
	struct users_request q = { "GET", STR("/v2/admin/databases"), STR_NULL };
	struct users_answer answer;
	const struct json *all;

	if (!users_client_must(conf, a, &q, &answer))
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
		       STR_FMT(text_of(d, "name")), STR_FMT(text_of(d, "state")),
		       is_true(d, "up") ? "up" : "down", STR_FMT(text_of(d, "users")),
		       STR_FMT(text_of(d, "moving")), STR_FMT(text_of(d, "url")));
	return 0;
}

static int print_change(const struct conf *conf, const struct users_answer *answer)
{
	if (conf->json)
		printf("%.*s\n", STR_FMT(answer->text));
	else
		printf("%.*s is %.*s.\n", STR_FMT(text_of(answer->json, "database")),
		       STR_FMT(text_of(answer->json, "state")));
	return 0;
}

static int add(const struct conf *conf, struct arena *a)
{
	struct users_request q = { "POST", STR("/v2/admin/databases"), STR_NULL };
	struct users_answer answer;
	struct json_out j;
	struct buf body;

	buf_init(&body, 1024 * 1024);
	j = json_out(&body);
	json_open(&j, '{');
	json_kstr(&j, STR("url"), str_c(conf->arg[1]));
	json_close(&j, '}');
	q.body = arena_str(a, buf_str(&body));
	buf_done(&body);
	return users_client_must(conf, a, &q, &answer) ? print_change(conf, &answer) : 1;
}

static int drain(const struct conf *conf, struct arena *a)
{
	struct users_request q = { "POST", STR_NULL, STR_NULL };
	struct users_answer answer;
	struct buf name;

	buf_init(&name, 1024 * 1024);
	percent_encode(&name, str_c(conf->arg[1]));
	q.path = arena_fmt(a, "/v2/admin/databases/%.*s/drain", STR_FMT(buf_str(&name)));
	buf_done(&name);
	return users_client_must(conf, a, &q, &answer) ? print_change(conf, &answer) : 1;
}

static const struct command commands[] = {
	{ "list", 0, "", "the databases, their users, and what is being moved", list },
	{ "add", 1, "URL", "add a Redis server", add },
	{ "drain", 1, "NAME", "give it no new users, and move those that it has away", drain },
};

static int print_help(FILE *out, int status)
{
	fputs("Usage: qstash db COMMAND [flags]\n\n"
	      "Asks the server that runs on the data directory (or the one at --url), which keeps\n"
	      "its messages in Redis (serve -redis).\n\n",
	      out);
	for (size_t i = 0; i < countof(commands); i++)
		fprintf(out, "  %-8s %-8s %s\n", commands[i].name, commands[i].usage,
			commands[i].help);
	if (status == 0)
		puts("\nFlags: -data-dir, -url, -admin-token and -json, as those of 'qstash "
		     "users'.");
	return status;
}

static int run(const struct conf *conf)
{
	struct arena a;
	int status;

	for (size_t i = 0; i < countof(commands); i++) {
		const struct command *c = &commands[i];

		if (conf->args == 0 || strcmp(conf->arg[0], c->name) != 0)
			continue;
		if (conf->args - 1 != c->args) {
			fprintf(stderr, "qstash: use: qstash db %s %s\n", c->name, c->usage);
			return 2;
		}
		arena_init(&a);
		status = c->run(conf, &a);
		arena_done(&a);
		return status;
	}
	return print_help(stderr, 2);
}

int db_main(int argc, char **argv)
{
	char error[256] = "";
	struct conf conf;
	int status;

	if (!conf_parse(CONF_USERS, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help)
		return print_help(stdout, 0);
	if (*conf.url != '\0' && *conf.admin_token == '\0') {
		users_client_complain("--url needs --admin-token (QSTASH_ADMIN_TOKEN)");
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run(&conf);
	curl_global_cleanup();
	return status;
}
