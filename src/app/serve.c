#include "app/serve.h"

#include <stdio.h>
#include <sys/stat.h>

#include "app/dev_users.h"
#include "app/plans.h"
#include "app/server.h"

static void print_banner(const struct server *s, const struct conf *conf)
{
	printf("QStash server is running at http://%s:%d\n", conf->host, server_port(s));
	if (server_log_port(s) != 0)
		printf("Logs at http://%s:%d\n", conf->host, server_log_port(s));
	if (conf->redis.n == 1)
		printf("Messages are kept by the Redis server (-redis)\n");
	else if (conf->redis.n > 1)
		printf("Messages are kept by %zu Redis servers (-redis)\n", conf->redis.n);
	printf("State in %s\n"
	       "Private and loopback destinations are %s (-allow-private)\n"
	       "Admin API %s\n"
	       "Make the first user with: qstash users create --data-dir '%s'\n"
	       "Documentation: README.md and docs/\n",
	       server_data_dir(s), conf->allow_private ? "allowed" : "refused",
	       *conf->admin_token != '\0' ? "at /v2/admin" : "off (-admin-token)",
	       server_data_dir(s));
	fflush(stdout);
}

static int run(const struct conf *conf, const struct plans *plans)
{
	char error[SERVER_ERROR_BYTES] = "";
	struct server *s = server_open(
		&(struct server_settings){
			.conf = conf,
			.plans = plans,
			.forbid = dev_users,
			.forbidden = DEV_USERS,
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

int serve_main(int argc, char **argv)
{
	char error[PLANS_ERROR_BYTES] = "";
	struct plans plans;
	struct arena arena;
	struct conf conf;
	int status = 2;

	if (!conf_parse(CONF_SERVE, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		puts("Usage: qstash serve [flags]\n\n"
		     "Runs the server for production: users are made with 'qstash users', each has "
		     "a plan, "
		     "private\ndestinations are refused. Exit status: 0 stopped by a signal, 1 not "
		     "started "
		     "(try again may help),\n2 wrong settings.\n");
		conf_print_flags(CONF_SERVE);
		return 0;
	}
	umask(0077); /* the state has everybody's tokens and keys */
	arena_init(&arena);
	if (plans_load(&arena, conf.plans, &plans, error))
		status = run(&conf, &plans);
	else
		fprintf(stderr, "qstash: %s\n", error);
	arena_done(&arena);
	return status;
}
