#include "app/serve.h"

#include <stdio.h>
#include <sys/stat.h>

#include "app/dev_users.h"
#include "app/plans.h"
#include "app/server.h"
#include "app/supervise.h"
#include "app/supervised.h"

void serve_print_banner(const struct conf *conf, const char *dir, int port, int log_port)
{
	printf("QStash server is running at http://%s:%d\n", conf->host, port);
	if (log_port != 0)
		printf("Logs at http://%s:%d\n", conf->host, log_port);
	if (conf->redis.n == 1)
		printf("Messages are kept by the Redis server (-redis)\n");
	else if (conf->redis.n > 1)
		printf("Messages are kept by %zu Redis servers (-redis)\n", conf->redis.n);
	if (conf->redis.n > 0)
		printf("Compute processes: %s (-processes), log processes: %lld (-log-processes)\n",
		       conf->processes, (long long)conf->log_processes);
	printf("State in %s\n"
	       "Private and loopback destinations are %s (-allow-private)\n"
	       "Admin API %s\n"
	       "Make the first user with: qstash users create --data-dir '%s'\n"
	       "Documentation: README.md and docs/\n",
	       dir, conf->allow_private ? "allowed" : "refused",
	       *conf->admin_token != '\0' ? "at /v2/admin" : "off (-admin-token)", dir);
	fflush(stdout);
}

static int run(const struct conf *conf, const struct plans *plans, struct supervised *supervised)
{
	char error[SERVER_ERROR_BYTES] = "";
	struct server *s = server_open(
		&(struct server_settings){
			.conf = conf,
			.plans = plans,
			.forbid = dev_users,
			.forbidden = DEV_USERS,
			.supervised = supervised,
		},
		error);

	if (s == NULL) {
		fprintf(stderr, "qstash: %s\n", error);
		return 1;
	}
	if (supervised == NULL)
		serve_print_banner(conf, server_data_dir(s), server_port(s), server_log_port(s));
	server_run(s);
	server_close(s);
	return 0;
}

static void print_help(enum conf_command command)
{
	puts(command == CONF_SERVE
		     ? "Usage: qstash serve [flags]\n\n"
		       "Runs the server for production: users are made with 'qstash users', each "
		       "has "
		       "a plan, private\ndestinations are refused. With -redis it is a supervisor "
		       "that "
		       "starts the processes of the server.\nExit status: 0 stopped by a signal, 1 "
		       "not "
		       "started (try again may help), 2 wrong settings.\n"
		     : "Usage: qstash compute -redis URL [flags]\n\n"
		       "Runs one compute process. 'qstash serve' starts such processes itself; by "
		       "hand they can be run\non any host, with the same settings as all others on "
		       "the "
		       "same databases. The flags are those of serve.\n");
	conf_print_flags(command);
}

/* What serve and compute have in common: plans, and what is forbidden to others. */
static int run_alone(const struct conf *conf, struct supervised *supervised)
{
	char error[PLANS_ERROR_BYTES] = "";
	struct plans plans;
	struct arena arena;
	int status = 2;

	arena_init(&arena);
	if (!plans_load(&arena, conf->plans, &plans, error))
		fprintf(stderr, "qstash: %s\n", error);
	else if (conf->command == CONF_SERVE && conf->redis.n > 0)
		status = 0; /* the plans are right */
	else
		status = run(conf, &plans, supervised);
	arena_done(&arena);
	return status;
}

int serve_main(int argc, char **argv)
{
	char error[256] = "";
	struct conf conf;
	int status;

	if (!conf_parse(CONF_SERVE, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		print_help(CONF_SERVE);
		return 0;
	}
	umask(0077); /* the state has everybody's tokens and keys */
	status = run_alone(&conf, NULL);
	if (status == 0 && conf.redis.n > 0)
		status = supervise(&conf, argv);
	return status;
}

int serve_compute_main(int argc, char **argv)
{
	struct supervised *supervised;
	char error[256] = "";
	struct conf conf;

	if (!conf_parse(CONF_COMPUTE, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help) {
		print_help(CONF_COMPUTE);
		return 0;
	}
	umask(0077);
	if (!supervised_find(&supervised, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	return run_alone(&conf, supervised);
}
