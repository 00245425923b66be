#include "app/dev.h"

#include <stdio.h>

#include "app/dev_users.h"
#include "app/plans.h"
#include "app/server.h"
#include "base/check.h"

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
	       port, port, dev_users[0].token.p, dev_users[0].key_current.p,
	       dev_users[0].key_next.p, server_log_port(s), conf->quota, server_data_dir(s),
	       conf->ephemeral ? " (goes at exit)" : "", port, dev_users[0].token.p);
	fflush(stdout);
}

/* Calls per second are not limited: a test suite is faster than anybody in production. */
static int run(const struct conf *conf, const struct plans *plans, const struct plan *quota)
{
	char error[SERVER_ERROR_BYTES] = "";
	struct plan plan = *quota;
	struct server *s;

	plan.burst_per_s = 0;
	s = server_open(
		&(struct server_settings){
			.conf = conf,
			.plans = plans,
			.plan = &plan,
			.user = dev_users,
			.users = DEV_USERS,
			.cors = true,
		},
		error);
	if (s == NULL) {
		fprintf(stderr, "qstash: %s\n", error);
		return 1;
	}
	print_banner(s, conf);
	server_run(s);
	server_close(s);
	return 0;
}

int dev_main(int argc, char **argv)
{
	char error[PLANS_ERROR_BYTES] = "";
	const struct plan *plan;
	struct plans plans;
	struct arena arena;
	struct conf conf;
	int status = 2;

	if (!conf_parse(CONF_DEV, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		puts("Usage: qstash dev [flags]\n\n"
		     "Runs the server for development: four fixed test users, private "
		     "destinations allowed.\n");
		conf_print_flags(CONF_DEV);
		return 0;
	}
	for (size_t i = 0; i < DEV_USERS; i++)
		check(dev_users[i].token.p[dev_users[i].token.n] == '\0');
	arena_init(&arena);
	if (plans_load(&arena, conf.plans, &plans, error) &&
	    plans_choose(&plans, conf.quota, &plan, error))
		status = run(&conf, &plans, plan);
	else
		fprintf(stderr, "qstash: %s\n", error);
	arena_done(&arena);
	return status;
}
