#include "app/dev.h"

#include <stdio.h>

#include "app/server.h"
#include "base/check.h"

/* Public constants of the development server (spec 8.4): never to be had in production. */
static const struct user users[] = {
	{
		.id = { "defaultUser", 11 },
		.token = { "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0"
			   "=",
			   72 },
		.key_current = { "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", 32 },
		.key_next = { "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser1", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", 32 },
		.key_next = { "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser2", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_6jWGaWRxHsw4vMSPJprXadyvrybF", 32 },
		.key_next = { "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx", 32 },
		.plan = { "payg", 4 },
	},
	{
		.id = { "testUser3", 9 },
		.token = { "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9", 64 },
		.key_current = { "sig_5T8FcSsynBjn9mMLBsXhpacRovJf", 32 },
		.key_next = { "sig_7GFR4YaDshFcqsxWRZpRB161jguD", 32 },
		.plan = { "payg", 4 },
	},
};

/* The first line and the names are what the published SDK and people's scripts look for (spec 8.2). */
static void print_banner(const struct server *s, const struct conf *conf)
{
	int port = server_port(s);

	printf("QStash development server is running at http://127.0.0.1:%d\n"
	       "\n"
	       "A default user has been created for you to authorize your requests.\n"
	       "QSTASH_URL=http://127.0.0.1:%d\n"
	       "QSTASH_TOKEN=%s\n"
	       "QSTASH_CURRENT_SIGNING_KEY=%s\n"
	       "QSTASH_NEXT_SIGNING_KEY=%s\n"
	       "\n"
	       "Logs at http://127.0.0.1:%d, plan %s, state in %s%s\n"
	       "The tokens and keys of this mode are public: do not use it in production.\n"
	       "\n"
	       "Sample request:\n"
	       "curl -X POST 'http://127.0.0.1:%d/v2/publish/https://example.com' \\\n"
	       "  -H 'Authorization: Bearer %s'\n"
	       "\n"
	       "Documentation: README.md and docs/\n",
	       port, port, users[0].token.p, users[0].key_current.p, users[0].key_next.p,
	       server_log_port(s), conf->quota, server_data_dir(s),
	       conf->ephemeral ? " (goes at exit)" : "", port, users[0].token.p);
	fflush(stdout);
}

int dev_main(int argc, char **argv)
{
	char error[256] = "";
	struct server *s;
	struct conf conf;

	if (!conf_parse(argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		conf_print_help();
		return 0;
	}
	for (size_t i = 0; i < countof(users); i++)
		check(users[i].token.p[users[i].token.n] == '\0');
	s = server_open(&conf, users, countof(users), error);
	if (s == NULL) {
		fprintf(stderr, "qstash: %s\n", error);
		return 1;
	}
	print_banner(s, &conf);
	server_run(s);
	server_close(s);
	return 0;
}
